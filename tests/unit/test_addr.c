#include "net/addr.h"
#include "unit.h"

#include <netinet/in.h>
#include <string.h>

#include "base/mem.h"

static struct addr
parse(const char *text)
{
	struct addr a;
	struct fail f;

	assert_int_equal(addr_parse(sv_cstr(text), &a, &f), 0);
	return a;
}

static void
addresses_are_read_and_written(void **state)
{
	static const struct {
		const char *in;
		const char *text;
	} rows[] = {
	    {"192.0.2.1", "192.0.2.1"},
	    {"2001:db8:0:0::1", "2001:db8::1"},
	    {"::ffff:192.0.2.1", "192.0.2.1"},
	    {"::", "::"},
	};
	char buf[ADDR_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct addr a = parse(rows[i].in);

		assert_string_equal(addr_text(&a, buf), rows[i].text);
	}
}

static void
what_is_no_address_is_refused(void **state)
{
	static const struct sv rows[] = {
	    {"", 0},
	    {"192.0.2", 7},
	    {"192.0.2.256", 11},
	    {"192.0.2.1 ", 10},
	    {"192.0.2.1\0", 10},
	    {"localhost", 9},
	    {"1:2:3:4:5:6:7:8:9", 17},
	};
	struct addr a;
	struct fail f;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(addr_parse(rows[i], &a, &f), -1);
		assert_int_equal(f.kind, FAIL_SYNTAX);
	}
}

static void
sockaddrs_pass_both_ways(void **state)
{
	static const char *const rows[] = {"192.0.2.1", "2001:db8::7"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct addr a = parse(rows[i]);
		struct sockaddr_storage ss;
		struct addr b;
		socklen_t len;

		a.port = 143;
		len = addr_to_sockaddr(&a, &ss);
		addr_from_sockaddr((struct sockaddr *)&ss, len, &b);
		assert_memory_equal(&a, &b, sizeof(a));
	}
}

static void
mapped_addresses_become_ipv4(void **state)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};
	struct addr want = parse("192.0.2.9");
	struct addr a;

	(void)state;
	sin6.sin6_addr.s6_addr[10] = 0xff;
	sin6.sin6_addr.s6_addr[11] = 0xff;
	memcpy(sin6.sin6_addr.s6_addr + 12, want.ip, 4);
	addr_from_sockaddr((struct sockaddr *)&sin6, sizeof(sin6), &a);
	assert_true(addr_eq(&a, &want));
}

static void
rfc4291_2_5_5_2_ipv4_is_mapped_into_ipv6(void **state)
{
	const struct addr v4 = parse("192.0.2.9");
	const struct addr v6 = parse("2001:db8::7");
	const struct addr local = {.family = AF_UNIX};
	const uint8_t mapped[16] = {
	    [10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 9};
	const uint8_t none[16] = {0};
	uint8_t ip[16];

	(void)state;
	addr_to_ip6(&v4, ip);
	assert_memory_equal(ip, mapped, sizeof(ip));
	addr_to_ip6(&v6, ip);
	assert_memory_equal(ip, v6.ip, sizeof(ip));
	addr_to_ip6(&local, ip);
	assert_memory_equal(ip, none, sizeof(ip));
}

static void
loopback_is_this_machine(void **state)
{
	static const struct {
		const char *text;
		bool yes;
	} rows[] = {
	    {"127.0.0.1", true},
	    {"127.255.0.3", true},
	    {"::1", true},
	    {"::ffff:127.0.0.1", true},
	    {"128.0.0.1", false},
	    {"::2", false},
	};
	struct addr local = {.family = AF_UNIX};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct addr a = parse(rows[i].text);

		assert_int_equal(addr_is_loopback(&a), rows[i].yes);
	}
	assert_true(addr_is_loopback(&local));
}

static void
networks_hold_their_addresses(void **state)
{
	static const struct {
		const char *nets;
		const char *addr;
		bool have;
	} rows[] = {
	    {"", "192.0.2.1", false},
	    {"192.0.2.1", "192.0.2.1", true},
	    {"192.0.2.1", "192.0.2.2", false},
	    {"10.0.0.0/8, 192.0.2.128/25", "192.0.2.200", true},
	    {"10.0.0.0/8, 192.0.2.128/25", "192.0.2.100", false},
	    {"10.1.2.3/8", "10.9.9.9", true},
	    {"0.0.0.0/0", "203.0.113.5", true},
	    {"0.0.0.0/0", "2001:db8::1", false},
	    {"2001:db8::/33 \t::1", "2001:db8:7fff::1", true},
	    {"2001:db8::/33 \t::1", "2001:db8:8000::1", false},
	    {"2001:db8::/33 \t::1", "::1", true},
	};
	struct arena arena = {.head = NULL};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct addr a = parse(rows[i].addr);
		struct addr_nets nets;
		struct fail f;

		assert_int_equal(
		    addr_nets_parse(sv_cstr(rows[i].nets), &arena, &nets, &f),
		    0);
		assert_int_equal(addr_nets_have(&nets, &a), rows[i].have);
	}
	arena_deinit(&arena);
}

static void
malformed_networks_are_refused(void **state)
{
	static const char *const rows[] = {"10.0.0.0/33", "10.0.0.0/", "/8",
	    "::/129", "10.0.0.0/-1", "10.0.0.0/8/8", "net"};
	struct arena arena = {.head = NULL};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct addr_nets nets;
		struct fail f;

		assert_int_equal(
		    addr_nets_parse(sv_cstr(rows[i]), &arena, &nets, &f), -1);
		assert_int_equal(f.kind, FAIL_SYNTAX);
	}
	arena_deinit(&arena);
}

static void
limits_count_ipv6_by_64_bits(void **state)
{
	struct addr a = parse("2001:db8:1:2:3:4:5:6");
	struct addr net = parse("2001:db8:1:2::");
	struct addr v4 = parse("192.0.2.1");
	struct addr got = addr_client_net(&a);

	(void)state;
	assert_true(addr_eq(&got, &net));
	got = addr_client_net(&v4);
	assert_true(addr_eq(&got, &v4));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(addresses_are_read_and_written),
	    cmocka_unit_test(what_is_no_address_is_refused),
	    cmocka_unit_test(sockaddrs_pass_both_ways),
	    cmocka_unit_test(mapped_addresses_become_ipv4),
	    cmocka_unit_test(rfc4291_2_5_5_2_ipv4_is_mapped_into_ipv6),
	    cmocka_unit_test(loopback_is_this_machine),
	    cmocka_unit_test(networks_hold_their_addresses),
	    cmocka_unit_test(malformed_networks_are_refused),
	    cmocka_unit_test(limits_count_ipv6_by_64_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
