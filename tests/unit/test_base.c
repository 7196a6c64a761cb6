#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/conf.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/sv.h"
#include "unit.h"

static void
sv_parses_numbers_and_refuses_the_rest(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t v;
	} rows[] = {
	    {"0", true, 0},
	    {"18446744073709551615", true, UINT64_MAX},
	    {"18446744073709551616", false, 0},
	    {"", false, 0},
	    {"-1", false, 0},
	    {"1 ", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t v = 0;

		assert_int_equal(sv_u64(sv_cstr(rows[i].text), &v), rows[i].ok);
		assert_true(!rows[i].ok || v == rows[i].v);
	}
}

static void
sv_cut_walks_fields(void **state)
{
	struct sv s = SV("a,,bc");

	(void)state;
	assert_true(sv_eq(sv_cut(&s, ','), SV("a")));
	assert_true(sv_eq(sv_cut(&s, ','), SV("")));
	assert_true(sv_eq(sv_cut(&s, ','), SV("bc")));
	assert_int_equal(s.len, 0);
}

static void
buf_stops_at_its_limit(void **state)
{
	struct buf b = {.limit = 10};

	(void)state;
	buf_add_str(&b, "12345");
	buf_addf(&b, "%s", "67890");
	assert_false(b.overflow);
	assert_string_equal(buf_cstr(&b), "1234567890");
	buf_add_char(&b, 'x');
	assert_true(b.overflow);
	assert_int_equal(b.len, 10);
	buf_deinit(&b);
}

static void
arena_keeps_its_budget(void **state)
{
	struct arena a = {.budget = 4096};
	size_t n = 0;

	(void)state;
	while (arena_try(&a, 100) != NULL) {
		n++;
	}
	assert_int_equal(n, 4096 / 112);
	arena_deinit(&a);
}

/* Long runs of octets are taken in lanes, short ones are not. */
static void
crc32c_is_the_same_in_pieces_of_any_length(void **state)
{
	enum { SIZE = 20000 };
	unsigned char *octets = xmalloc(SIZE);
	uint32_t x = 1;

	(void)state;
	for (size_t i = 0; i < SIZE; i++) {
		x = x * 1664525 + 1013904223;
		octets[i] = (unsigned char)(x >> 24);
	}
	for (size_t len = 0; len <= SIZE; len += len < 7000 ? 37 : 1009) {
		uint32_t whole = crc32c(0x12345678, octets, len);
		uint32_t pieces = 0x12345678;

		for (size_t at = 0; at < len;) {
			size_t n = len - at < 100 ? len - at : 100;

			pieces = crc32c(pieces, octets + at, n);
			at += n;
		}
		assert_int_equal(whole, pieces);
	}
	free(octets);
}

static void
crc32c_gives_the_rfc_3720_vectors(void **state)
{
	unsigned char octets[32] = {0};

	(void)state;
	assert_int_equal(crc32c(0, octets, 32), 0x8a9136aaU);
	memset(octets, 0xff, 32);
	assert_int_equal(crc32c(0, octets, 32), 0x62a8ab43U);
	assert_int_equal(
	    crc32c(crc32c(0, octets, 5), octets + 5, 27), 0x62a8ab43U);
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283U);
}

static void
siphash_gives_its_paper_vector(void **state)
{
	static const uint64_t key[2] = {
	    0x0706050403020100U, 0x0f0e0d0c0b0a0908U};
	unsigned char in[15];

	(void)state;
	for (unsigned i = 0; i < 15; i++) {
		in[i] = (unsigned char)i;
	}
	assert_true(siphash(key, in, 15) == 0xa129ca6149be45e5U);
}

static void
map_holds_what_was_put(void **state)
{
	struct map m = {.n = 0};
	int values[1000];
	char key[16];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		assert_null(map_put(&m, sv_cstr(key), &values[i]));
	}
	assert_ptr_equal(map_get(&m, SV("k77")), &values[77]);
	assert_ptr_equal(map_remove(&m, SV("k77")), &values[77]);
	assert_null(map_get(&m, SV("k77")));
	assert_int_equal(m.n, 999);
	map_deinit(&m);
}

struct sample {
	const char *path;
	uint64_t keep;
	uint64_t limit;
	uint64_t mode;
	bool on;
};

static const char *const modes[] = {"fast", "safe", NULL};
static const struct conf_item items[] = {
    {"store.path", CONF_STRING, offsetof(struct sample, path), "store", 0, 0,
	NULL, "Where it is"},
    {"store.keep", CONF_DURATION, offsetof(struct sample, keep), "7d", 1000,
	UINT64_MAX, NULL, "How long"},
    {"store.mode", CONF_CHOICE, offsetof(struct sample, mode), "safe", 0, 0,
	modes, "How"},
    {"smtp.limit", CONF_SIZE, offsetof(struct sample, limit), "50M", 1,
	UINT64_MAX, NULL, "How much"},
    {"smtp.on", CONF_BOOL, offsetof(struct sample, on), "yes", 0, 0, NULL,
	"Whether"},
};

static int
load_octets(struct sv text, struct sample *s, struct arena *a, struct fail *f)
{
	char path[] = "/tmp/test_confXXXXXX";
	int fd = mkstemp(path);
	int rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text.p, text.len), text.len);
	close(fd);
	rc = conf_load(items, COUNT_OF(items), s, path, NULL, 0, a, f);
	unlink(path);
	return rc;
}

static int
load_text(const char *text, struct sample *s, struct arena *a, struct fail *f)
{
	return load_octets(sv_cstr(text), s, a, f);
}

static void
conf_reads_what_it_shows(void **state)
{
	struct arena a = {.head = NULL};
	struct sample s;
	struct sample again;
	struct fail f;
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);

	(void)state;
	assert_int_equal(load_text("store { path = \"/a b\" keep = 90s\n"
				   "mode = fast }\nsmtp { limit = 3K on = no }",
			     &s, &a, &f),
	    0);
	assert_string_equal(s.path, "/a b");
	assert_int_equal(s.keep, 90000);
	assert_int_equal(s.mode, 0);
	assert_int_equal(s.limit, 3072);
	assert_false(s.on);
	conf_show(items, COUNT_OF(items), &s, to);
	fclose(to);
	assert_int_equal(load_text(text, &again, &a, &f), 0);
	assert_string_equal(again.path, s.path);
	assert_int_equal(again.keep, s.keep);
	assert_int_equal(again.limit, s.limit);
	free(text);
	arena_deinit(&a);
}

static void
conf_errors_name_line_and_expectation(void **state)
{
	static const struct {
		const char *text;
		const char *line;
		const char *what;
	} rows[] = {
	    {"store {\n keep = soon\n}", ":2:", "duration"},
	    {"store {\n\n mode = quick }", ":3:", "fast, safe"},
	    {"smtp {\n colour = red }", ":2:", "colour"},
	    {"smtp { on = maybe }", ":1:", "yes or no"},
	    {"smtp {\n on = yes\n", ":3:", "expected }"},
	    {"smtp {\n # }\n", ":3:", "expected }"},
	    {"smtp {\n } }\n", ":2:", "closing brace"},
	    /* The parser's own notation of a path, in no section. */
	    {"\nsmtp|on = yes\n", ":2:", "outside"},
	    {"store {\nsmtp|on = yes\n}", ":2:", "sub-section"},
	};
	struct arena a = {.head = NULL};
	struct sample s;
	struct fail f;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(load_text(rows[i].text, &s, &a, &f), -1);
		assert_int_equal(f.kind, FAIL_SYNTAX);
		assert_non_null(strstr(f.text, rows[i].line));
		assert_non_null(strstr(f.text, rows[i].what));
	}
	arena_deinit(&a);
}

/* libconfuse's scanner prints what no rule of it matches. */
static void
conf_prints_nothing_of_a_broken_file(void **state)
{
	static const char *const texts[] = {
	    "store {\n path = \"a\\", "store {\n path = 'a\\", "'\\", "\"\\"};
	struct arena a = {.head = NULL};
	struct sample s;
	struct fail f;
	struct stat st;
	FILE *to = tmpfile();
	int out = dup(STDOUT_FILENO);

	(void)state;
	assert_non_null(to);
	assert_true(out >= 0);
	(void)fflush(stdout);
	assert_int_equal(dup2(fileno(to), STDOUT_FILENO), STDOUT_FILENO);
	int rc = 0;

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		rc += load_text(texts[i], &s, &a, &f);
	}
	(void)fflush(stdout);
	(void)dup2(out, STDOUT_FILENO);
	(void)close(out);
	assert_int_equal(fstat(fileno(to), &st), 0);
	(void)fclose(to);
	assert_int_equal(rc, -(int)COUNT_OF(texts));
	assert_int_equal(st.st_size, 0);
	arena_deinit(&a);
}

static void
conf_is_read_whole_or_refused(void **state)
{
	struct arena a = {.head = NULL};
	struct sample s;
	struct fail f;

	(void)state;
	/* What stands behind a NUL would not be seen. */
	assert_int_equal(
	    load_octets(SV("smtp {\n on = no\n}\n\0garbage"), &s, &a, &f), -1);
	assert_non_null(strstr(f.text, ":4: a NUL octet"));
	assert_int_equal(
	    conf_load(items, COUNT_OF(items), &s, "/", NULL, 0, &a, &f), -1);
	assert_non_null(strstr(f.text, "Is a directory"));
	/* Without a line end. */
	assert_int_equal(load_text("smtp {\n on = no\n} # end", &s, &a, &f), 0);
	assert_false(s.on);
	assert_int_equal(load_text("", &s, &a, &f), 0);
	arena_deinit(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sv_parses_numbers_and_refuses_the_rest),
	    cmocka_unit_test(sv_cut_walks_fields),
	    cmocka_unit_test(buf_stops_at_its_limit),
	    cmocka_unit_test(arena_keeps_its_budget),
	    cmocka_unit_test(crc32c_gives_the_rfc_3720_vectors),
	    cmocka_unit_test(crc32c_is_the_same_in_pieces_of_any_length),
	    cmocka_unit_test(siphash_gives_its_paper_vector),
	    cmocka_unit_test(map_holds_what_was_put),
	    cmocka_unit_test(conf_reads_what_it_shows),
	    cmocka_unit_test(conf_errors_name_line_and_expectation),
	    cmocka_unit_test(conf_prints_nothing_of_a_broken_file),
	    cmocka_unit_test(conf_is_read_whole_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
