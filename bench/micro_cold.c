/*
 * micro_cold: what it costs to open and list an account that is not in
 * memory.  Each step is a process of its own, to be run under perf(1) or
 * strace(1), too:
 *
 *	micro_cold make FOLDER N	an account with N messages
 *	micro_cold append FOLDER N	N more
 *	micro_cold checkpoint FOLDER
 *	micro_cold collect FOLDER	with a retention of nothing
 *	micro_cold open FOLDER		the state only
 *	micro_cold list FOLDER		and the digest of each message
 *	micro_cold one FOLDER		and that of one message
 *	micro_cold check FOLDER		all of it, for what is amiss
 *
 * Prints processor time, time, calls to the file system, octets written, and
 * how many messages were opened.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bench/message.h"
#include "bench/must.h"
#include "mail/digest.h"
#include "store/fs.h"
#include "store/store.h"

#define ACCOUNT "0123456789abcdef0123456789abcdef"
enum { BATCH = 100, MESSAGE = 3000, INBOX_ID = 1 };

static struct fs *fs;
static struct store *store;
static uint64_t messages_opened;
static int (*real_open)(
    struct fs *f, int dir, const char *path, int flags, unsigned mode);
static struct fs_ops counting;

static int
counting_open(struct fs *f, int dir, const char *path, int flags, unsigned mode)
{
	messages_opened += strncmp(path, "box/", 4) == 0;
	return real_open(f, dir, path, flags, mode);
}

static void
begin(const char *root)
{
	struct store_conf conf;
	struct fail f = {0};

	store_conf_defaults(&conf);
	conf.maintenance = false;
	conf.retention_ms = 0;
	must(fs_real_open(root, &fs, &f), &f, root);
	real_open = fs->ops->open;
	counting = *fs->ops;
	counting.open = counting_open;
	fs->ops = &counting;
	must(store_open(&conf, fs, &store, &f), &f, "store");
}

static int64_t
cpu_us(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000
	       + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

/* ---- filling ---- */

/* Messages as they come: each from somebody else, with ids of its own. */
static void
digest_of(struct message *m, uint64_t number, struct buf *to)
{
	struct buf text = {.len = 0};

	message_number(m, number);
	buf_addf(&text,
	    "Received: from mx%u.example.net (mx%u.example.net "
	    "[192.0.2.%u])\r\n"
	    "\tby mail.example.org with ESMTPS id %08x%08x\r\n"
	    "In-Reply-To: <%llx.%x@host%u.example.com>\r\n"
	    "Reply-To: \"Person %x\" <p%x@host%u.example.com>\r\n",
	    (unsigned)(number % 7), (unsigned)(number % 7),
	    (unsigned)(number % 200), (unsigned)number * 2654435761u,
	    (unsigned)number * 40503u, (unsigned long long)number * 7919,
	    (unsigned)number * 48271u, (unsigned)(number % 97),
	    (unsigned)(number * 48271u), (unsigned)(number * 48271u),
	    (unsigned)(number % 97));
	buf_add_sv(&text, buf_sv(&m->text));
	buf_clear(to);
	(void)digest_build(buf_sv(&text), to);
	buf_deinit(&text);
}

static void
append(struct account *a, uint64_t from, unsigned n)
{
	struct msg_source source[BATCH];
	struct msg_attrs attrs[BATCH];
	struct buf digest[BATCH];
	struct message m;
	char body[MESSAGE];

	memset(attrs, 0, sizeof(attrs));
	memset(digest, 0, sizeof(digest));
	memset(body, 'x', sizeof(body));
	message_init(&m, MESSAGE);
	for (unsigned done = 0; done < n; done += BATCH) {
		struct appended out;
		struct fail f = {0};

		for (unsigned i = 0; i < BATCH; i++) {
			digest_of(&m, from + done + i, &digest[i]);
			source[i] = (struct msg_source){
			    .body = sv_make(body, sizeof(body)),
			    .fd = -1,
			    .digest = buf_sv(&digest[i]),
			};
		}
		must(
		    account_append(a, INBOX_ID, source, attrs, BATCH, &out, &f),
		    &f, "append");
		uidset_deinit(&out.uids);
	}
	for (unsigned i = 0; i < BATCH; i++) {
		buf_deinit(&digest[i]);
	}
	message_deinit(&m);
}

/* ---- listing ---- */

static void
list(struct account *a, bool digests, bool one)
{
	struct view *v;
	struct fail f = {0};
	uint64_t octets = 0;

	must(account_refresh(a, &v, &f), &f, "refresh");
	const struct mbox *mb = view_mbox_by_id(v, INBOX_ID);
	struct digest_reader *r = digest_reader_new(a, v, mb);
	uint32_t i = one ? mb->exists / 3 : 0;

	for (; digests && i < mb->exists; i++) {
		struct sv s;

		must(digest_reader_get(r, mbox_msg(mb, i), &s, &f), &f,
		    "digest");
		octets += s.len;
		if (one) {
			break;
		}
	}
	printf("%u messages, %llu octets of digests\n", mb->exists,
	    (unsigned long long)octets);
	digest_reader_free(&r);
	view_unref(&v);
}

static void
finding(void *arg, const char *text)
{
	(void)arg;
	printf("%s\n", text);
}

static void
run(const char *what, unsigned n)
{
	struct account *a;
	struct fail f = {0};

	if (strcmp(what, "make") == 0) {
		must(account_create(store, ACCOUNT, &f), &f, "create");
	}
	must(account_open(store, ACCOUNT, &a, &f), &f, "open");
	if (strcmp(what, "make") == 0 || strcmp(what, "append") == 0) {
		append(a, 0, n);
	} else if (strcmp(what, "checkpoint") == 0) {
		must(account_checkpoint(a, &f), &f, what);
	} else if (strcmp(what, "collect") == 0) {
		must(account_checkpoint(a, &f), &f, what);
		must(account_collect(a, &f), &f, what);
	} else if (strcmp(what, "check") == 0) {
		struct check_conf conf = {.report = finding};
		struct checked sum = {0};

		must(account_check(a, &conf, &sum, &f), &f, what);
	} else {
		list(a, strcmp(what, "open") != 0, strcmp(what, "one") == 0);
	}
	account_close(&a);
}

int
main(int argc, char **argv)
{
	if (argc < 3) {
		(void)fprintf(stderr, "usage: micro_cold WHAT FOLDER [N]\n");
		return 2;
	}
	begin(argv[2]);
	int64_t cpu = cpu_us();
	int64_t ns = clock_mono_ns();

	run(argv[1], argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0);
	printf("%-10s %8.1f ms cpu %8.1f ms  %llu calls, %llu octets written, "
	       "%llu messages opened\n",
	    argv[1], (double)(cpu_us() - cpu) / 1000,
	    (double)(clock_mono_ns() - ns) / 1e6,
	    (unsigned long long)fs->counts.calls,
	    (unsigned long long)fs->counts.written,
	    (unsigned long long)messages_opened);
	store_close(&store);
	fs_real_close(&fs);
	return 0;
}
