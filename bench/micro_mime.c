/*
 * micro_mime: what parsing and digesting messages costs.
 *
 *	micro_mime [FILE...]
 *
 * Without files it makes its own messages: short plain, HTML with its plain
 * form, one with an attachment.  For each set it prints the speed of parsing
 * (MB/s and us a message), of making a digest, of writing ENVELOPE and
 * BODYSTRUCTURE out of one, and what digests take.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "mail/digest.h"
#include "mail/header.h"
#include "mail/imap_text.h"
#include "mail/search.h"

enum { FILES_MAX = 100000, SAMPLE_NS = 300 * 1000 * 1000 };

struct set {
	struct sv *messages;
	struct buf *digests;
	size_t n;
	uint64_t octets;
};

typedef size_t (*work_fn)(const struct set *s, size_t i);

static size_t
do_parse(const struct set *s, size_t i)
{
	struct arena arena = {.head = NULL};
	struct mime m;

	mime_parse(s->messages[i], NULL, &arena, &m);
	arena_deinit(&arena);
	return m.n_parts;
}

static size_t
do_build(const struct set *s, size_t i)
{
	struct buf out = {.len = 0};

	(void)digest_build(s->messages[i], &out);
	buf_deinit(&out);
	return out.len;
}

static size_t
do_render_envelope(const struct set *s, size_t i)
{
	struct buf out = {.len = 0};

	imap_text_envelope(s->messages[i], &out);
	buf_deinit(&out);
	return out.len;
}

static struct digest
opened(const struct set *s, size_t i)
{
	struct digest d;
	struct fail f;

	if (digest_open(buf_sv(&s->digests[i]), &d, &f) != 0) {
		(void)fprintf(stderr, "%s\n", f.text);
		exit(1); // NOLINT(concurrency-mt-unsafe): one thread
	}
	return d;
}

static size_t
do_envelope(const struct set *s, size_t i)
{
	static struct buf out;
	struct digest d = opened(s, i);

	buf_clear(&out);
	return digest_envelope(&d, &out) ? out.len : 0;
}

static size_t
do_structure(const struct set *s, size_t i)
{
	static struct buf out;
	struct digest d = opened(s, i);

	buf_clear(&out);
	return digest_structure(&d, &out) ? out.len : 0;
}

static size_t
do_fields(const struct set *s, size_t i)
{
	static const struct sv names[] = {{"From", 4}, {"To", 2}, {"Cc", 2},
	    {"Bcc", 3}, {"Subject", 7}, {"Date", 4}, {"Message-ID", 10},
	    {"Priority", 8}, {"X-Priority", 10}, {"References", 10},
	    {"Newsgroups", 10}, {"In-Reply-To", 11}, {"Content-Type", 12},
	    {"Reply-To", 8}};
	static struct buf out;
	struct digest d = opened(s, i);

	buf_clear(&out);
	return digest_header_fields(&d, names, COUNT_OF(names), &out);
}

static size_t
do_search(const struct set *s, size_t i)
{
	struct arena arena = {.head = NULL};
	struct search_key key;
	struct mime m;
	bool found;

	search_key_init(&key, SV("not to be found anywhere"));
	mime_parse(s->messages[i], NULL, &arena, &m);
	found = search_message(&key, &m, true);
	arena_deinit(&arena);
	search_key_deinit(&key);
	return found;
}

/* Nanoseconds for one message, over rounds of all of them. */
static double
measure(const struct set *s, work_fn work)
{
	int64_t from = clock_mono_ns();
	int64_t took = 0;
	uint64_t done = 0;
	size_t sink = 0; /* keeps the work from being left out */

	while (took < SAMPLE_NS) {
		for (size_t i = 0; i < s->n; i++) {
			sink += work(s, i);
		}
		done += s->n;
		took = clock_mono_ns() - from;
	}
	__asm__ volatile("" : : "r"(sink));
	return done != 0 ? (double)took / (double)done : 0;
}

static int
by_size(const void *a, const void *b)
{
	const size_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void
print_sizes(const struct set *s)
{
	size_t *sizes = xcalloc(s->n, sizeof(*sizes));
	size_t total = 0, whole = 0, envelope = 0, structure = 0, fields = 0;

	ASSERT(s->n > 0);

	for (size_t i = 0; i < s->n; i++) {
		struct digest d = opened(s, i);

		sizes[i] = s->digests[i].len;
		total += sizes[i];
		whole += (d.flags & DIGEST_WHOLE) == DIGEST_WHOLE;
		envelope += d.envelope.len;
		structure += d.structure.len;
		fields += d.fields.len;
	}
	qsort(sizes, s->n, sizeof(*sizes), by_size);
	(void)printf(
	    "  digest     mean %zu median %zu p99 %zu most %zu octets; "
	    "%zu of %zu whole\n"
	    "             fields %zu, envelope %zu, structure %zu\n",
	    total / s->n, sizes[s->n / 2], sizes[s->n * 99 / 100],
	    sizes[s->n - 1], whole, s->n, fields / s->n, envelope / s->n,
	    structure / s->n);
	free(sizes);
}

static void
run(const char *name, struct set *s)
{
	static const struct {
		const char *name;
		work_fn work;
	} rows[] = {{"parse", do_parse}, {"make digest", do_build},
	    {"render ENVELOPE", do_render_envelope},
	    {"digest: ENVELOPE", do_envelope},
	    {"digest: BODYSTRUCTURE", do_structure},
	    {"digest: 14 fields", do_fields}, {"search all text", do_search}};

	s->digests = xcalloc(s->n, sizeof(*s->digests));
	s->octets = 0;
	for (size_t i = 0; i < s->n; i++) {
		(void)digest_build(s->messages[i], &s->digests[i]);
		s->octets += s->messages[i].len;
	}
	(void)printf("%s: %zu messages, mean %zu octets\n", name, s->n,
	    (size_t)(s->octets / s->n));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		double ns = measure(s, rows[i].work);
		double mean = (double)s->octets / (double)s->n;

		(void)printf("  %-22s %8.2f us %9.0f MB/s\n", rows[i].name,
		    ns / 1000, mean * 1000 / ns);
	}
	print_sizes(s);
	for (size_t i = 0; i < s->n; i++) {
		buf_deinit(&s->digests[i]);
	}
	free(s->digests);
}

static void
add_head(struct buf *to, const char *type)
{
	buf_addf(to,
	    "Return-Path: <ann@example.org>\r\n"
	    "Received: from mx.example.org (mx.example.org [192.0.2.1])\r\n"
	    "\tby mail.example.net with ESMTPS id 4XyZ12aBc; Fri, 21 Nov 1997 "
	    "09:55:07 -0600\r\n"
	    "From: Ann Example <ann@example.org>\r\n"
	    "To: Bob Example <bob@example.net>, carl@example.com\r\n"
	    "Subject: Minutes of the meeting on Thursday\r\n"
	    "Date: Fri, 21 Nov 1997 09:55:06 -0600\r\n"
	    "Message-ID: <19971121155506.4711@example.org>\r\n"
	    "References: <19971120155506.4710@example.net>\r\n"
	    "In-Reply-To: <19971120155506.4710@example.net>\r\n"
	    "User-Agent: Mail 1.0\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: %s\r\n\r\n",
	    type);
}

static void
add_lines(struct buf *to, int n)
{
	for (int i = 0; i < n; i++) {
		buf_add_str(to, "The quick brown fox jumps over the lazy dog, "
				"and then it does so again.\r\n");
	}
}

static void
make_plain(struct buf *to)
{
	add_head(to, "text/plain; charset=utf-8");
	add_lines(to, 20);
}

static void
make_html(struct buf *to)
{
	add_head(to, "multipart/alternative; boundary=\"=_alt_4711\"");
	buf_add_str(to, "--=_alt_4711\r\nContent-Type: text/plain; "
			"charset=\"utf-8\"\r\nContent-Transfer-Encoding: "
			"quoted-printable\r\n\r\n");
	add_lines(to, 40);
	buf_add_str(to, "--=_alt_4711\r\nContent-Type: text/html; "
			"charset=\"utf-8\"\r\nContent-Transfer-Encoding: "
			"quoted-printable\r\n\r\n");
	add_lines(to, 160);
	buf_add_str(to, "--=_alt_4711--\r\n");
}

static void
make_attachment(struct buf *to)
{
	struct buf octets = {.len = 0};

	add_head(to, "multipart/mixed; boundary=\"=_mix_4711\"");
	buf_add_str(to, "--=_mix_4711\r\nContent-Type: text/plain\r\n\r\n");
	add_lines(to, 20);
	buf_add_str(to,
	    "--=_mix_4711\r\nContent-Type: application/pdf; "
	    "name=\"minutes.pdf\"\r\nContent-Disposition: attachment; "
	    "filename=\"minutes.pdf\"\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n");
	add_lines(&octets, 5000);
	transfer_base64_lines(buf_sv(&octets), to);
	buf_add_str(to, "--=_mix_4711--\r\n");
	buf_deinit(&octets);
}

static void
run_made(const char *name, void (*make)(struct buf *to))
{
	struct buf text = {.len = 0};
	struct sv message;
	struct set s = {.messages = &message, .n = 1};

	make(&text);
	message = buf_sv(&text);
	run(name, &s);
	buf_deinit(&text);
}

static struct sv
read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *p;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) != 0) {
		perror(path);
		exit(1); // NOLINT(concurrency-mt-unsafe): one thread
	}
	p = xmalloc((size_t)st.st_size + 1);
	n = read(fd, p, (size_t)st.st_size);
	(void)close(fd);
	return sv_make(p, n > 0 ? (size_t)n : 0);
}

int
main(int argc, char **argv)
{
	struct set s = {.n = 0};

	if (argc < 2) {
		run_made("plain", make_plain);
		run_made("html", make_html);
		run_made("attachment", make_attachment);
		return 0;
	}
	s.messages = xcalloc((size_t)argc, sizeof(*s.messages));
	for (int i = 1; i < argc && s.n < FILES_MAX; i++) {
		s.messages[s.n++] = read_file(argv[i]);
	}
	run("files", &s);
	return 0;
}
