/*
 * micro_worst: what the worst inputs cost.
 *
 *	micro_worst [--all]		time each at two sizes
 *	micro_worst CASE OCTETS		run one once, for valgrind
 *
 * Everything that strangers send is read in linear time: an octet costs the
 * same in a long input as in one of an eighth of its length.  Prints what an
 * octet costs in both, and ends with failure if it costs twice as much in the
 * long one; --all prints every case, else those that cost more than most.
 *
 * Where time wavers, valgrind --tool=callgrind counts instructions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "mail/address.h"
#include "mail/charset.h"
#include "mail/date.h"
#include "mail/digest.h"
#include "mail/downgrade.h"
#include "mail/encoded.h"
#include "mail/extract.h"
#include "mail/header.h"
#include "mail/html.h"
#include "mail/param.h"
#include "mail/received.h"
#include "mail/search.h"
#include "mail/subject.h"
#include "proto/imap_cmd.h"
#include "proto/smtp_cmd.h"
#include "proto/smtp_data.h"

enum {
	LONG = 1 << 20,
	TIMES = 8, /* shorter is the other one */
	SAMPLES = 5,
	DEAR_NS = 60, /* an octet: worth a line */
};

/* ---- what is done with an input ---- */

static void
do_address(struct sv in)
{
	struct arena arena = {0};
	struct address_list list;

	address_list_parse(in, ADDRESS_LIST_MAX, &arena, &list);
	arena_deinit(&arena);
}

static void
do_encoded(struct sv in)
{
	struct buf out = {0};

	encoded_decode(in, &out);
	buf_deinit(&out);
}

static void
do_encode(struct sv in)
{
	struct buf out = {0};

	encoded_encode(in, &out);
	buf_deinit(&out);
}

static void
do_param(struct sv in)
{
	struct arena arena = {0};
	struct param_list list;
	struct buf out = {0};

	param_parse(in, PARAM_MAX, &arena, &list);
	(void)param_text(&list, SV("a"), &out);
	buf_deinit(&out);
	arena_deinit(&arena);
}

static void
do_subject(struct sv in)
{
	struct buf out = {0};

	subject_base(in, NULL, &out);
	buf_deinit(&out);
}

static void
do_date(struct sv in)
{
	struct date d;

	(void)!date_parse(in, &d);
}

static void
do_header(struct sv in)
{
	static const struct sv names[] = {{"a", 1}, {"to", 2}};
	struct buf out = {0};

	header_filter(in, names, COUNT_OF(names), true, &out);
	(void)received_count(in, 1000);
	buf_deinit(&out);
}

static void
do_downgrade(struct sv in)
{
	struct buf out = {0};

	downgrade_header(in, &out);
	buf_deinit(&out);
}

static void
do_html(struct sv in)
{
	struct html_text h = {0};
	struct buf out = {0};

	html_text_put(&h, in, &out);
	html_text_finish(&h, &out);
	buf_deinit(&out);
}

static void
do_casemap(struct sv in)
{
	struct buf out = {0};

	charset_casemap(in, &out);
	buf_deinit(&out);
}

static void
do_message(struct sv in)
{
	struct buf out = {0};

	(void)digest_build(in, &out);
	buf_deinit(&out);
}

static void
do_search(struct sv in)
{
	struct arena arena = {0};
	struct search_key key;
	struct mime m;

	mime_parse(in, NULL, &arena, &m);
	search_key_init(&key, SV("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"));
	(void)!search_message(&key, &m, true);
	search_key_deinit(&key);
	arena_deinit(&arena);
}

static void
do_imap(struct sv in)
{
	struct arena arena = {0};
	struct imap_cmd cmd;
	struct imap_error error;

	(void)!imap_cmd_parse(in, &arena, &cmd, &error);
	arena_deinit(&arena);
}

static void
do_smtp(struct sv in)
{
	static const struct smtp_grammar grammar = {.ext = UINT32_MAX};
	struct arena arena = {0};
	struct smtp_cmd cmd;

	(void)!smtp_parse(in, &grammar, &arena, &cmd);
	arena_deinit(&arena);
}

static void
do_data(struct sv in)
{
	struct smtp_data d = {0};
	struct sv run;
	size_t octets = 0;

	while (smtp_data_next(&d, &in, &run)) {
		octets += run.len;
	}
	ASSERT(octets <= LONG * 2);
}

/* ---- the inputs ---- */

#define TEXT(type) "Content-Type: text/" type "\r\n\r\n"
#define BASE64 "Content-Transfer-Encoding: base64\r\n\r\n"
#define QP "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
#define NEST "Content-Type: multipart/mixed; boundary="

/* `head`, then `piece` over and over; where a piece has a '#', that becomes a
 * number that grows, and '~' so many letters (up to 60). */
static const struct row {
	const char *name;
	void (*work)(struct sv in);
	const char *head;
	const char *piece;
} rows[] = {
    {"address-comment", do_address, "", "("},
    {"address-comments", do_address, "", "()"},
    {"address-quote", do_address, "", "\""},
    {"address-escape", do_address, "\"", "\\"},
    {"address-comma", do_address, "", ","},
    {"address-group", do_address, "", "a:;"},
    {"address-open-group", do_address, "", "a:"},
    {"address-angle", do_address, "", "<"},
    {"address-route", do_address, "<", "@a,"},
    {"address-words", do_address, "", "a "},
    {"address-dots", do_address, "", "a."},
    {"address-at", do_address, "", "@"},
    {"address-8bit", do_address, "", "\x80"},
    {"address-plain", do_address, "", "a <b@c>, "},
    {"address-literal", do_address, "a@[", "["},
    {"address-encoded", do_address, "", "=?utf-8?q?a?= "},
    {"encoded-begin", do_encoded, "", "=?"},
    {"encoded-charset", do_encoded, "", "=?utf-8?"},
    {"encoded-q", do_encoded, "", "=?utf-8?q?"},
    {"encoded-b", do_encoded, "=?utf-8?b?", "A"},
    {"encoded-words", do_encoded, "", "=?utf-8?q?a?= "},
    {"encoded-iso-2022", do_encoded, "", "=?iso-2022-jp?b?GyRC?= "},
    {"encoded-unknown", do_encoded, "", "=?x-#?q?a?= "},
    {"encoded-blank", do_encoded, "=?utf-8?q?a?=", " "},
    {"encoded-8bit", do_encoded, "", "\x80"},
    {"encode", do_encode, "", "\xc3\xa9"},
    {"encode-long", do_encode, "", "a"},
    {"param-semicolon", do_param, "text/plain", ";"},
    {"param-many", do_param, "text/plain", ";p#=x"},
    {"param-parts", do_param, "text/plain", ";a*#=x"},
    {"param-same", do_param, "text/plain", ";a*0=x"},
    {"param-percent", do_param, "text/plain; a*0*=utf-8''", "%80"},
    {"param-quote", do_param, "text/plain; a=\"", "\\\""},
    {"param-comment", do_param, "text/plain; ", "("},
    {"param-equals", do_param, "text/plain; a", "="},
    {"subject-re", do_subject, "", "re: "},
    {"subject-blob", do_subject, "", "[a]"},
    {"subject-open", do_subject, "", "["},
    {"subject-re-blob", do_subject, "", "re[a]:"},
    {"subject-fwd", do_subject, "", "[fwd: "},
    {"subject-trailer", do_subject, "a", " (fwd)"},
    {"subject-blank", do_subject, "a", " "},
    {"date-comment", do_date, "", "("},
    {"date-blank", do_date, "", " "},
    {"date-digits", do_date, "", "1"},
    {"date-words", do_date, "Mon, ", "1 "},
    {"header-lf", do_header, "a:", "\n "},
    {"header-fields", do_header, "", "a:\n"},
    {"header-no-colon", do_header, "", "a\n"},
    {"header-colon", do_header, "", ":"},
    {"header-received", do_header, "", "Received:\n"},
    {"header-long", do_header, "to:", "x"},
    {"downgrade-comment", do_downgrade, "To: ", "(\xc3\xa9"},
    {"downgrade-list", do_downgrade, "To: ", "\xc3\xa9 <a@b>,"},
    {"downgrade-address", do_downgrade, "To: ", "\xc3\xa9@\xc3\xa9,"},
    {"downgrade-group", do_downgrade, "To: ", "\xc3\xa9:;,"},
    {"downgrade-param", do_downgrade, "Content-Type: a/b",
	"; \xc3\xa9=\xc3\xa9"},
    {"downgrade-text", do_downgrade, "Subject: ", "\xc3\xa9 "},
    {"downgrade-fields", do_downgrade, "", "X: \xc3\xa9\n"},
    {"html-open", do_html, "", "<"},
    {"html-comment", do_html, "", "<!--"},
    {"html-comments", do_html, "", "<!-->"},
    {"html-entity", do_html, "", "&"},
    {"html-number", do_html, "", "&#"},
    {"html-digits", do_html, "&#", "1"},
    {"html-script", do_html, "", "<script>"},
    {"html-end", do_html, "<script>", "</scrip"},
    {"html-attribute", do_html, "<a ", "b='"},
    {"html-name", do_html, "<", "a"},
    {"casemap-marks", do_casemap, "a", "\xcc\x81\xcc\xa3"},
    {"casemap-down", do_casemap, "a", "\xcc\xa3\xcc\x81"},
    {"casemap-same", do_casemap, "a", "\xcc\x81"},
    {"casemap-long", do_casemap, "", "\xef\xb7\xba"},
    {"casemap-hangul", do_casemap, "", "\xea\xb0\x81"},
    {"casemap-8bit", do_casemap, "", "\x80"},
    {"message-from", do_message, "From: ", "("},
    {"message-to", do_message, "To: ", "a@b, "},
    {"message-fields", do_message, "", "To: a@b\r\n"},
    {"message-subject", do_message, "Subject: ", "=?utf-8?q?a?= "},
    {"message-references", do_message, "References: ", "<a@b> "},
    {"message-type", do_message, "Content-Type: ", ";;;;"},
    {"message-rfc822", do_message, "", "Content-Type: message/rfc822\n\n"},
    {"message-nest", do_message, "", NEST "b#\n\n--b#\n"},
    {"message-prefixes", do_message, "", NEST "~\n\n--~\n"},
    {"message-longer", do_message, "", NEST "b\n\n--b\n" NEST "bb\n\n--bb\n"},
    {"message-same", do_message, "", NEST "b\n\n--b\n"},
    {"message-delimiters", do_message, NEST "b\n\n", "--b\n"},
    {"message-dashes", do_message, NEST "b\n\n", "--"},
    {"message-almost", do_message, NEST "bbbb\n\n", "--bbb\n"},
    {"message-digest", do_message,
	"Content-Type: multipart/digest; boundary=b\n\n", "--b\n\n"},
    {"message-parts", do_message, NEST "b\n\n",
	"--b\nContent-Type: text/plain; name=\"#\"\n\nx\n"},
    {"message-lf", do_message, "", "\n"},
    {"message-cr", do_message, "", "\r"},
    {"message-nul", do_message, "\n", "\x01"},
    {"search-border", do_search, TEXT("plain"), "a"},
    {"search-marks", do_search, TEXT("plain; charset=utf-8"),
	"\xcc\x81\xcc\xa3"},
    {"search-base64", do_search, BASE64, "YWFh"},
    {"search-base64-junk", do_search, BASE64, "-="},
    {"search-qp", do_search, QP, "=\n"},
    {"search-qp-blank", do_search, QP, " "},
    {"search-qp-equals", do_search, QP, "="},
    {"search-iso-2022", do_search, TEXT("plain; charset=iso-2022-jp"),
	"\x1b$B"},
    {"search-hz", do_search, TEXT("plain; charset=hz-gb-2312"), "~{"},
    {"search-utf-7", do_search, TEXT("plain; charset=utf-7"), "+AGE-"},
    {"search-utf-16", do_search, TEXT("plain; charset=utf-16"), "\xd8\x01"},
    {"search-gb18030", do_search, TEXT("plain; charset=gb18030"), "\x81"},
    {"search-html", do_search, TEXT("html"), "<a>&amp;"},
    {"search-header", do_search, "X: ", "=?utf-8?q?a?= "},
    {"search-rfc822", do_search, "", "Content-Type: message/rfc822\n\n"},
    {"imap-not", do_imap, "a SEARCH", " NOT"},
    {"imap-or", do_imap, "a SEARCH", " OR"},
    {"imap-list", do_imap, "a SEARCH ", "("},
    {"imap-keys", do_imap, "a SEARCH SEEN", " SEEN"},
    {"imap-set", do_imap, "a FETCH 1", ",#"},
    {"imap-ranges", do_imap, "a FETCH 1", ",#:1"},
    {"imap-stars", do_imap, "a FETCH *", ",*"},
    {"imap-atts", do_imap, "a FETCH 1 (UID", " BODY[1.1]"},
    {"imap-path", do_imap, "a FETCH 1 BODY[1", ".1"},
    {"imap-fields", do_imap, "a FETCH 1 BODY[HEADER.FIELDS (a", " a"},
    {"imap-flags", do_imap, "a STORE 1 FLAGS (a", " b#"},
    {"imap-quoted", do_imap, "a LIST \"\" \"", "\\\\"},
    {"imap-patterns", do_imap, "a LIST \"\" (a", " %"},
    {"imap-name", do_imap, "a SELECT \"", "&AOk-"},
    {"imap-id", do_imap, "a ID (\"a\" \"b\"", " \"a\" \"b\""},
    {"smtp-path", do_smtp, "MAIL FROM:<", "@a,"},
    {"smtp-local", do_smtp, "MAIL FROM:<\"", "\\\""},
    {"smtp-params", do_smtp, "MAIL FROM:<a@b>", " A=b"},
    {"smtp-blank", do_smtp, "NOOP ", " "},
    {"data-dots", do_data, "", "\r\n."},
    {"data-cr", do_data, "", "\r"},
    {"data-dot-cr", do_data, "", "\r\n.\r"},
};

static void
add_letters(struct buf *to, size_t n)
{
	while (n-- > 0) {
		buf_add_char(to, 'b');
	}
}

static void
make(const struct row *row, size_t octets, struct buf *to)
{
	buf_add_str(to, row->head);
	for (size_t i = 0; to->len < octets; i++) {
		for (const char *p = row->piece; *p != '\0'; p++) {
			if (*p == '#') {
				buf_add_u64(to, i + 1);
			} else if (*p == '~') {
				add_letters(to, i % 60 + 1);
			} else {
				buf_add_char(to, *p);
			}
		}
	}
}

/* ---- measuring ---- */

static int64_t
cpu_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Nanoseconds an octet; the least of some samples, in which a short input is
 * worked on as often as makes it as long as the other. */
static double
cost(const struct row *row, size_t octets)
{
	struct buf text = {0};
	double least = 1e9;

	make(row, octets, &text);
	for (int i = 0; i < SAMPLES; i++) {
		int64_t start = cpu_ns();

		for (size_t n = 0; n < LONG; n += octets) {
			row->work(buf_sv(&text));
		}
		double ns = (double)(cpu_ns() - start) / LONG;

		least = ns < least ? ns : least;
	}
	buf_deinit(&text);
	return least;
}

static bool
measure(const struct row *row, bool all)
{
	double few = cost(row, LONG / TIMES);
	double many = cost(row, LONG);
	/* What is stopped by a limit costs nothing worth comparing. */
	bool worse = many > 1 && many > 2 * few;

	if (all || worse || many > DEAR_NS) {
		(void)printf("%-20s %8.2f %8.2f ns an octet%s\n", row->name,
		    few, many, worse ? "  NOT LINEAR" : "");
		(void)fflush(stdout);
	}
	return !worse;
}

static int
run_once(const char *name, size_t octets)
{
	struct buf text = {0};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (strcmp(rows[i].name, name) == 0) {
			make(&rows[i], octets, &text);
			rows[i].work(buf_sv(&text));
			buf_deinit(&text);
			return 0;
		}
	}
	(void)fprintf(stderr, "micro_worst: no case %s\n", name);
	return 2;
}

int
main(int argc, char **argv)
{
	bool all = argc == 2 && strcmp(argv[1], "--all") == 0;
	bool good = true;

	if (argc == 3) {
		return run_once(argv[1], strtoul(argv[2], NULL, 10));
	}
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		good = measure(&rows[i], all) && good;
	}
	return good ? 0 : 1;
}
