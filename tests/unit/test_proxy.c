#include <string.h>

#include "base/mem.h"
#include "net/proxy.h"
#include "unit.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x00\x19"

static enum proxy_found
read_text(const char *p, size_t len, size_t *n, struct addr *a, struct addr *b)
{
	return proxy_read(sv_make(p, len), n, a, b);
}

static void
a_header_gives_both_addresses(void **state)
{
	static const char text[] = SIGNATURE "\x21\x11\x00\x0c" V4 "EHLO";
	struct addr peer;
	struct addr local;
	size_t n = 0;

	(void)state;
	assert_int_equal(
	    read_text(text, sizeof(text) - 1, &n, &peer, &local), PROXY_WHOLE);
	assert_int_equal(n, 28);
	assert_int_equal(peer.family, AF_INET);
	assert_int_equal(peer.port, 12345);
	assert_memory_equal(peer.ip, "\xc0\x00\x02\x01", 4);
	assert_int_equal(local.port, 25);
	assert_memory_equal(local.ip, "\xc6\x33\x64\x02", 4);
}

static void
cut_anywhere_it_wants_more(void **state)
{
	static const char text[] =
	    SIGNATURE "\x21\x21\x00\x28"
		      "0123456789abcdef0123456789ABCDEF\x00\x01\x00\x02tlvs";
	struct addr a;
	struct addr b;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		assert_int_equal(read_text(text, i, &n, &a, &b), PROXY_MORE);
	}
	assert_int_equal(
	    read_text(text, sizeof(text) - 1, &n, &a, &b), PROXY_WHOLE);
	assert_int_equal(n, sizeof(text) - 1);
	assert_int_equal(a.family, AF_INET6);
	assert_memory_equal(b.ip, "0123456789ABCDEF", 16);
}

static void
what_is_no_header_is_refused(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		enum proxy_found want;
	} rows[] = {
	    {"EHLO x", 6, PROXY_BAD},
	    {"PROXY TCP4", 10, PROXY_BAD},
	    {SIGNATURE "\x11\x11\x00\x0c" V4, 28, PROXY_BAD},
	    {SIGNATURE "\x22\x11\x00\x0c" V4, 28, PROXY_BAD},
	    {SIGNATURE "\x21\x12\x00\x0c" V4, 28, PROXY_BAD},
	    {SIGNATURE "\x21\x11\x00\x0b" V4, 28, PROXY_BAD},
	    {SIGNATURE "\x21\x21\x00\x0c" V4, 28, PROXY_BAD},
	    {SIGNATURE "\x21\x11\xff\xff" V4, 28, PROXY_BAD},
	    {SIGNATURE "\x20\x00\x00\x00", 16, PROXY_LOCAL},
	    {SIGNATURE "\x21\x00\x00\x00", 16, PROXY_LOCAL},
	    {SIGNATURE "\x21\x31\x00\x02xy", 18, PROXY_LOCAL},
	};
	struct addr a;
	struct addr b;
	size_t n;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(
		    read_text(rows[i].text, rows[i].len, &n, &a, &b),
		    rows[i].want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_header_gives_both_addresses),
	    cmocka_unit_test(cut_anywhere_it_wants_more),
	    cmocka_unit_test(what_is_no_header_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
