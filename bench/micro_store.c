/*
 * micro_store: what lib/store costs by itself, without a server.
 *
 *	micro_store [FOLDER]	(default: a new folder below /var/tmp)
 *
 * Prints one line a case: operations a second, processor time of each, and
 * per operation the file system calls and flushes that the store made.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bench/must.h"
#include "store/fs.h"
#include "store/store.h"

enum { ACCOUNTS = 100, BIG = 100000, SOME = 10000 };

static char body[4000];
static char digest[900];

static void
name(unsigned i, char out[ACCOUNT_ID_LEN + 1])
{
	(void)snprintf(
	    out, ACCOUNT_ID_LEN + 1, "%08x%024x", i * 2654435761u, i);
}

/* ---- measuring ---- */

struct meter {
	struct fs *fs;
	int64_t ns, cpu_us;
	uint64_t calls, syncs;
};

static int64_t
cpu_us(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000
	       + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static struct meter
meter_begin(struct fs *fs)
{
	return (struct meter){
	    .fs = fs,
	    .ns = clock_mono_ns(),
	    .cpu_us = cpu_us(),
	    .calls = fs->counts.calls,
	    .syncs = fs->counts.syncs,
	};
}

static void
meter_end(const struct meter *m, const char *what, uint64_t n)
{
	double s = (double)(clock_mono_ns() - m->ns) / 1e9;
	double each = (double)n;

	printf("%-44s %9.0f/s %8.2f us cpu %6.2f calls %5.2f flushes"
	       "  (%.1f ms)\n",
	    what, each / s, (double)(cpu_us() - m->cpu_us) / each,
	    (double)(m->fs->counts.calls - m->calls) / each,
	    (double)(m->fs->counts.syncs - m->syncs) / each, s * 1000);
	(void)fflush(stdout);
}

/* ---- deliveries ---- */

struct crew {
	struct store *store;
	unsigned each, recipients, accounts;
	_Atomic unsigned next;
};

static void *
deliver_some(void *arg)
{
	struct crew *c = arg;
	struct msg_source source = {
	    .body = sv_make(body, sizeof(body)),
	    .fd = -1,
	    .digest = sv_make(digest, sizeof(digest)),
	};

	for (unsigned i = 0; i < c->each; i++) {
		char id[10][ACCOUNT_ID_LEN + 1];
		struct delivery to[10];
		struct fail f = {0};
		unsigned first = c->next++;

		memset(to, 0, sizeof(to));
		for (unsigned k = 0; k < c->recipients; k++) {
			name((first * 7 + k) % c->accounts, id[k]);
			to[k].account_id = id[k];
		}
		must(store_deliver(c->store, &source, to, c->recipients, &f),
		    &f, "deliver");
	}
	return NULL;
}

static void
deliver_case(struct store *store, struct fs *fs, unsigned threads,
    unsigned recipients, unsigned accounts, unsigned n)
{
	struct crew c = {
	    .store = store,
	    .each = n / threads,
	    .recipients = recipients,
	    .accounts = accounts,
	};
	pthread_t t[64];
	char what[80];
	struct meter m = meter_begin(fs);

	for (unsigned i = 0; i < threads; i++) {
		ASSERT(pthread_create(&t[i], NULL, deliver_some, &c) == 0);
	}
	for (unsigned i = 0; i < threads; i++) {
		ASSERT(pthread_join(t[i], NULL) == 0);
	}
	(void)snprintf(what, sizeof(what),
	    "deliver: %u threads, %u rcpt, %u accounts", threads, recipients,
	    accounts);
	meter_end(&m, what, (uint64_t)c.each * threads);
}

/* ---- one big mailbox ---- */

static void
fill(struct store *store, struct fs *fs, struct account *a)
{
	enum { BATCH = 100 };
	struct msg_source source[BATCH];
	struct msg_attrs attrs[BATCH];
	struct meter m = meter_begin(fs);

	memset(attrs, 0, sizeof(attrs));
	for (int i = 0; i < BATCH; i++) {
		source[i] = (struct msg_source){
		    .body = sv_make(body, 100),
		    .fd = -1,
		    .digest = sv_make(digest, sizeof(digest)),
		};
	}
	(void)store;
	for (int i = 0; i < BIG / BATCH; i++) {
		struct appended out;
		struct fail f = {0};

		must(account_append(a, 1, source, attrs, BATCH, &out, &f), &f,
		    "append");
		uidset_deinit(&out.uids);
	}
	meter_end(&m, "append 100 at a time, each flushed", BIG);
}

static void
change_case(struct fs *fs, struct account *a)
{
	struct fail f = {0};
	struct uidset all = {0};
	struct uidset some = {0};
	struct flag_change seen = {.how = FLAGS_ADD, .flags = MSG_SEEN};
	struct mbox_attrs attrs = {0};
	struct copied copied;
	struct view *v;
	uint64_t id;

	uidset_add_range(&all, 1, BIG);
	uidset_add_range(&some, 1, SOME);
	must(account_refresh(a, &v, &f), &f, "refresh");
	struct meter m = meter_begin(fs);

	must(account_store(a, 1, &all, &seen, NULL, &f), &f, "store");
	meter_end(&m, "STORE on all of 100,000", 1);
	view_unref(&v);

	m = meter_begin(fs);
	for (uint32_t i = 1; i <= SOME; i++) {
		struct uidset one = {0};
		struct flag_change change = {
		    .how = FLAGS_ADD,
		    .flags = MSG_FLAGGED,
		};

		uidset_add(&one, i);
		must(account_store(a, 1, &one, &change, NULL, &f), &f, "store");
		must(account_peek(a, &v, &f), &f, "peek");
		view_unref(&v);
		uidset_deinit(&one);
	}
	meter_end(&m, "STORE one, and peek", SOME);
	m = meter_begin(fs);
	must(account_mbox_create(a, SV("Copies"), &attrs, &id, &f), &f,
	    "create");
	meter_end(&m, "CREATE", 1);
	m = meter_begin(fs);
	must(account_copy(a, 1, &some, a, id, false, &copied, &f), &f, "copy");
	meter_end(&m, "COPY, each of 10,000", SOME);
	copied_deinit(&copied);
	m = meter_begin(fs);
	must(account_expunge(a, id, NULL, true, &f), &f, "expunge");
	meter_end(&m, "EXPUNGE, each of 10,000", SOME);
	m = meter_begin(fs);
	for (int i = 0; i < SOME; i++) {
		must(account_refresh(a, &v, &f), &f, "refresh");
		view_unref(&v);
	}
	meter_end(&m, "refresh when nothing changed", SOME);
	uidset_deinit(&all);
	uidset_deinit(&some);
}

static void
digest_case(struct fs *fs, struct account *a)
{
	struct fail f = {0};
	struct view *v;
	struct meter m = meter_begin(fs);

	must(account_refresh(a, &v, &f), &f, "refresh");
	meter_end(&m, "open the state of 100,000 cold", 1);

	const struct mbox *mb = view_mbox_at(v, 0);
	struct digest_reader *r = digest_reader_new(a, v, mb);
	uint64_t octets = 0;

	m = meter_begin(fs);
	for (uint32_t i = 0; i < mb->exists; i++) {
		struct sv s;

		must(digest_reader_get(r, mbox_msg(mb, i), &s, &f), &f,
		    "digest");
		octets += s.len;
	}
	ASSERT(octets == (uint64_t)mb->exists * sizeof(digest));
	meter_end(&m, "read a digest, of 100,000 in order", mb->exists);
	digest_reader_free(&r);
	view_unref(&v);
}

static void
big_case(struct store *store, struct fs *fs)
{
	char id[ACCOUNT_ID_LEN + 1];
	struct account *a;
	struct fail f = {0};

	name(0, id);
	must(account_open(store, id, &a, &f), &f, "open");
	fill(store, fs, a);
	account_close(&a);
}

int
main(int argc, char **argv)
{
	char root[4096] = "/var/tmp/micro_store.XXXXXX";
	struct store_conf conf;
	struct store *store;
	struct fs *fs;
	struct fail f = {0};
	struct account *a;
	char id[ACCOUNT_ID_LEN + 1];

	if (argc > 1) {
		(void)snprintf(root, sizeof(root), "%s", argv[1]);
	} else if (mkdtemp(root) == NULL) {
		perror(root);
		return 1;
	}
	memset(body, 'x', sizeof(body));
	memset(digest, 'd', sizeof(digest));
	store_conf_defaults(&conf);
	conf.maintenance = false;
	must(fs_real_open(root, &fs, &f), &f, "root");
	must(store_open(&conf, fs, &store, &f), &f, "store");
	struct meter m = meter_begin(fs);

	for (unsigned i = 0; i < ACCOUNTS; i++) {
		name(i, id);
		must(account_create(store, id, &f), &f, "create");
	}
	meter_end(&m, "create an account", ACCOUNTS);
	deliver_case(store, fs, 1, 1, ACCOUNTS, 2000);
	deliver_case(store, fs, 8, 1, ACCOUNTS, 8000);
	deliver_case(store, fs, 20, 1, ACCOUNTS, 10000);
	deliver_case(store, fs, 20, 1, 1, 10000);
	deliver_case(store, fs, 1, 10, ACCOUNTS, 1000);
	deliver_case(store, fs, 20, 10, ACCOUNTS, 4000);
	name(0, id);
	big_case(store, fs);
	store_close(&store);
	must(store_open(&conf, fs, &store, &f), &f, "store");
	must(account_open(store, id, &a, &f), &f, "open");
	digest_case(fs, a);
	change_case(fs, a);
	account_close(&a);
	store_close(&store);
	fs_real_close(&fs);
	printf("left in %s\n", root);
	return 0;
}
