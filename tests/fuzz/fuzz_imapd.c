/*
 * A signed-in IMAP session: any octets get answers that are well formed, and
 * leave an account in which a check finds nothing wrong.
 *
 * The session runs over a socket pair, on this thread, on an account of its
 * own with mail in it that was appended by the same way.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/spool.h"
#include "imapd/imapd.h"
#include "imapd/session.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	INPUT_MAX = 8 * 1024,
	TURNS_MAX = 2000,
	OUTPUT_MAX = 8 << 20,
	MAILBOXES = 50,
};

#define ACCOUNT "0123456789abcdef0123456789abcdef"

struct imapd imapd = {
    .commands = {.name = "imap.commands"},
};

/* With a quota that a few copies of all mail fill. */
static struct directory_account who = {
    .id = ACCOUNT,
    .enabled = true,
    .quota_messages = 500,
    .address = {.text = "ann@example.org"},
};
static char home[64];
static struct settings set;
static struct arena settings_arena;

/* ---- set-up ---- */

static void
remove_tree(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;

	if (d == NULL) {
		(void)unlinkat(dir, name, 0);
		return;
	}
	while ((e = readdir(d)) != NULL) { // NOLINT(concurrency-mt-unsafe)
		if (strcmp(e->d_name, ".") != 0
		    && strcmp(e->d_name, "..") != 0) {
			remove_tree(fd, e->d_name);
		}
	}
	(void)closedir(d);
	(void)unlinkat(dir, name, AT_REMOVEDIR);
}

static void
clean_up(void)
{
	remove_tree(AT_FDCWD, home);
	arena_deinit(&settings_arena);
}

/* In memory where that is possible: a flush costs nothing there. */
static void
make_home(void)
{
	(void)snprintf(home, sizeof(home), "/dev/shm/fuzz_imapd-XXXXXX");
	if (mkdtemp(home) == NULL) {
		(void)snprintf(home, sizeof(home), "/tmp/fuzz_imapd-XXXXXX");
		ASSERT(mkdtemp(home) != NULL);
	}
	(void)atexit(clean_up);
}

static void
set_up(void)
{
	struct spool_pool pool = {
	    .dir = home, .memory_max = 1 << 20, .pool_max = 1 << 20};
	struct fail f;

	log_init("fuzz_imapd", LOG_ERROR);
	make_home();
	ASSERT(settings_load(home, 0, NULL, 0, &set, &settings_arena, &f) == 0);
	ASSERT(spool_init_pool(&pool, &f) == 0);
	imapd.set = &set;
	imapd.frame = (struct imap_frame_limits){
	    .command = 4 * set.limits_line,
	    .literal = IMAPD_LITERAL,
	    .message = 1 << 20,
	    .skip = IMAPD_SKIP,
	};
	/* All input is there at once, and all output is taken. */
	imapd.limits = (struct conn_limits){.input_ms = 1, .output_ms = 1};
}

static void
open_store(struct imap *im)
{
	char path[sizeof(home) + 8];
	struct store_conf conf;
	struct fail f;

	store_conf_defaults(&conf);
	conf.maintenance = false;
	conf.mailboxes_max = MAILBOXES;
	(void)snprintf(path, sizeof(path), "%s/store", home);
	ASSERT(store_open_path(&conf, path, &imapd.back.store, &f) == 0);
	ASSERT(account_create(imapd.back.store, ACCOUNT, &f) == 0);
	ASSERT(account_open(imapd.back.store, ACCOUNT, &im->account, &f) == 0);
}

static void
close_store(void)
{
	char path[sizeof(home) + 8];

	store_close(&imapd.back.store);
	(void)snprintf(path, sizeof(path), "%s/store", home);
	remove_tree(AT_FDCWD, path);
}

/* ---- answers ---- */

/* The octets of a literal whose announcement ends `line`; 0: none does. */
static size_t
literal_of(struct sv line)
{
	size_t at = line.len;
	uint64_t n = 0;

	if (line.len < 3 || line.p[line.len - 1] != '}') {
		return 0;
	}
	while (at > 0 && line.p[at - 1] != '{') {
		at--;
	}
	return at > 0 && sv_u64(sv_sub(line, at, line.len - 1 - at), &n)
		   ? (size_t)n
		   : 0;
}

/* Untagged, a continuation or tagged: lines that end in CRLF, with literals
 * between their pieces. */
static void
check_output(struct sv out)
{
	bool begins = true;

	while (out.len > 0) {
		ptrdiff_t end = sv_chr(out, '\n');

		ASSERT(end > 0 && out.p[end - 1] == '\r');
		struct sv line = sv_sub(out, 0, (size_t)end - 1);

		ASSERT(sv_chr(line, '\r') < 0 && sv_chr(line, '\0') < 0);
		ASSERT(!begins || sv_chr(line, ' ') > 0);
		out = sv_from(out, (size_t)end + 1);
		size_t literal = literal_of(line);

		ASSERT(literal <= out.len);
		out = sv_from(out, literal);
		begins = literal == 0;
	}
}

static void
take_output(int fd, struct buf *to)
{
	char piece[16 * 1024];
	ssize_t n;

	while ((n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT)) > 0) {
		buf_add(to, piece, (size_t)n);
	}
}

/* ---- running ---- */

/* What `in` says, to its end or the session's. */
static void
run(struct imap *im, struct sv in, struct buf *out)
{
	int fds[2];
	enum verdict v = V_PARK;

	ASSERT(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	ASSERT(in.len == 0
	       || send(fds[1], in.p, in.len, MSG_NOSIGNAL) == (ssize_t)in.len);
	(void)shutdown(fds[1], SHUT_WR);
	im->s.c = conn_new(fds[0], NULL, &imapd.limits);
	for (int i = 0; i < TURNS_MAX && v != V_CLOSE; i++) {
		v = imap_protocol.run(&im->s, WHY_INPUT);
		(void)c_flush(im->s.c);
		take_output(fds[1], out);
		if (out->len > OUTPUT_MAX) {
			break;
		}
	}
	/* What was cut off in the middle is no fault of the session's. */
	if (conn_error(im->s.c) != -ETIMEDOUT && out->len <= OUTPUT_MAX) {
		check_output(buf_sv(out));
	}
	conn_free(&im->s.c);
	(void)close(fds[1]);
	im->closing = false;
}

/* ---- what there is before ---- */

static const struct {
	const char *args;
	const char *text;
} mail[] = {
    {"(\\Seen $Forwarded) \"01-Jan-2026 10:00:00 +0100\"",
	"From: Ann <ann@example.org>\r\nTo: bob@example.org\r\n"
	"Subject: =?utf-8?q?caf=C3=A9?=\r\nMessage-ID: <1@x>\r\n\r\ntext\r\n"},
    {"(\\Flagged)",
	"From: bob@example.org\r\nIn-Reply-To: <1@x>\r\n"
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	"--b\r\n\r\none\r\n"
	"--b\r\nContent-Type: message/rfc822\r\n\r\n"
	"Subject: inner\r\nContent-Type: text/html\r\n\r\n<p>two\r\n"
	"--b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAw==\r\n"
	"--b--\r\n"},
    {"", "Subject: \303\251\r\n\r\nx\r\n"},
};

static void
fill(struct imap *im)
{
	struct buf in = {0}, out = {0};

	for (size_t i = 0; i < COUNT_OF(mail); i++) {
		buf_addf(&in, "p APPEND INBOX %s%s{%zu+}\r\n%s\r\n",
		    mail[i].args, mail[i].args[0] != '\0' ? " " : "",
		    strlen(mail[i].text), mail[i].text);
	}
	buf_add_str(&in, "p CREATE Box/Sub\r\np SUBSCRIBE Box\r\n");
	run(im, buf_sv(&in), &out);
	ASSERT(sv_starts(buf_sv(&out), SV("p OK")));
	ASSERT(memmem(out.data, out.len, " NO ", 4) == NULL
	       && memmem(out.data, out.len, " BAD ", 5) == NULL);
	buf_deinit(&in);
	buf_deinit(&out);
}

static void
report(void *arg, const char *text)
{
	(void)arg;
	(void)fprintf(stderr, "%s\n", text);
}

static void
check_account(struct account *a)
{
	const struct check_conf conf = {.octets = true, .report = report};
	struct checked sum = {0};
	struct fail f;

	ASSERT(account_check(a, &conf, &sum, &f) == 0);
	ASSERT(sum.findings == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imap im = {.state = STATE_USER, .claim_id = 1};
	struct buf out = {0};

	if (size > INPUT_MAX) {
		return 0;
	}
	if (imapd.set == NULL) {
		set_up();
	}
	open_store(&im);
	im.who = &who;
	fill(&im);
	run(&im, sv_make(data, size), &out);
	check_account(im.account);
	im.who = NULL; /* not a reference */
	imap_protocol.close(&im.s);
	session_state(&im.s, SV_EMPTY);
	close_store();
	buf_deinit(&out);
	return 0;
}
