/*
 * Threads of one process on one account: each kind of change and of reading
 * beside every other.  For ThreadSanitizer as much as for what is asserted.
 */
#include <pthread.h>

#include "store_fixture.h"

enum {
	ROUNDS = 40,
	THREADS = 8,
};

struct crew {
	struct fixture *x;
	uint64_t other; /* a mailbox */
	pthread_t thread[THREADS];
	_Atomic unsigned delivered, appended, woken;
	_Atomic bool stop;
};

static void
wake(void *arg)
{
	struct crew *c = arg;

	c->woken++;
}

static void
must(int rc, const struct fail *f)
{
	if (rc != 0) {
		(void)fprintf(stderr, "%s\n", f->text);
		abort();
	}
}

static void *
deliver_many(void *arg)
{
	struct crew *c = arg;

	for (int i = 0; i < ROUNDS; i++) {
		struct msg_source source = source_of("delivered");
		struct delivery to[2] = {
		    {.account_id = ALICE}, {.account_id = BOB}};
		struct fail f = {0};

		must(store_deliver(c->x->store, &source, to, 2, &f), &f);
		c->delivered++;
	}
	return NULL;
}

static struct account *
open_account(struct crew *c, const char *id)
{
	struct account *a = NULL;
	struct fail f = {0};

	must(account_open(c->x->store, id, &a, &f), &f);
	return a;
}

static void *
append_many(void *arg)
{
	struct crew *c = arg;
	struct account *a = open_account(c, ALICE);

	for (int i = 0; i < ROUNDS; i++) {
		struct msg_source source[2] = {
		    source_of("appended"), source_of("appended")};
		struct msg_attrs attrs[2] = {{0}, {.flags = MSG_DELETED}};
		struct appended out;
		struct fail f = {0};

		must(account_append(a, c->other, source, attrs, 2, &out, &f),
		    &f);
		if (uidset_count(&out.uids) != 2) {
			abort();
		}
		uidset_deinit(&out.uids);
		c->appended += 2;
	}
	account_close(&a);
	return NULL;
}

static void *
change_many(void *arg)
{
	struct crew *c = arg;
	struct account *a = open_account(c, ALICE);
	struct uidset some = set_of(1, 50);
	struct sv keyword = SV("$Seen");

	for (int i = 0; i < ROUNDS; i++) {
		struct flag_change change = {
		    .how = i % 2 == 0 ? FLAGS_ADD : FLAGS_REMOVE,
		    .flags = MSG_FLAGGED,
		    .keywords = &keyword,
		    .n_keywords = 1,
		    .durable = i % 4 == 0,
		};
		struct copied copied;
		struct fail f = {0};
		uint32_t from;
		uint32_t to;

		must(account_store(a, c->other, &some, &change, NULL, &f), &f);
		must(account_claim(a, INBOX, 7, &from, &to, &f), &f);
		if (i % 8 == 3) {
			must(account_copy(a, c->other, &some, a, INBOX, false,
				 &copied, &f),
			    &f);
			copied_deinit(&copied);
		}
		if (i % 8 == 7) {
			must(account_expunge(a, c->other, NULL, false, &f), &f);
		}
	}
	uidset_deinit(&some);
	account_close(&a);
	return NULL;
}

/* Walk each version to the last octet, and the difference to the one before:
 * applied to a copy of the old UIDs it must give the new ones. */
static void *
read_many(void *arg)
{
	struct crew *c = arg;
	struct account *a = open_account(c, ALICE);
	struct watch *w = account_watch(a, wake, c);
	struct view *old = NULL;
	struct fail f = {0};

	must(account_refresh(a, &old, &f), &f);
	while (!c->stop) {
		struct view *new;
		struct mbox_diff d;
		struct mbox_change change;

		must(account_refresh(a, &new, &f), &f);
		const struct mbox *was = view_mbox_by_id(old, INBOX);
		const struct mbox *is = view_mbox_by_id(new, INBOX);
		uint32_t n = was->exists;
		uint32_t unseen = 0;

		mbox_diff_begin(&d, was, is);
		while (mbox_diff_next(&d, &change)) {
			n += change.kind == CHANGE_ADDED;
			n -= change.kind == CHANGE_EXPUNGED;
		}
		for (uint32_t i = 0; i < is->exists; i++) {
			unseen += (mbox_msg(is, i)->flags & MSG_SEEN) == 0;
		}
		if (n != is->exists || unseen != is->unseen) {
			abort();
		}
		view_unref(&old);
		old = new;
	}
	view_unref(&old);
	account_unwatch(&w);
	account_close(&a);
	return NULL;
}

static void
threads_of_all_kinds_share_an_account(void **state)
{
	struct fixture *x = *state;
	struct crew *c = xmalloc(sizeof(*c));
	static void *(*const run[THREADS])(void *) = {deliver_many,
	    deliver_many, append_many, append_many, change_many, change_many,
	    read_many, read_many};

	x->conf.segment_max = 32 * 1024;
	x->conf.flushers_max = 2;
	fixture_reopen(x);
	struct account *a = fixture_account(x, ALICE);

	c->x = x;
	c->other = make_mailbox(a, "Other");
	/* The readers may begin when all is done. */
	struct watch *w = account_watch(a, wake, c);

	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(
		    pthread_create(&c->thread[i], NULL, run[i], c), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		c->stop = run[i] == read_many;
		assert_int_equal(pthread_join(c->thread[i], NULL), 0);
	}
	account_unwatch(&w);
	struct view *v = fixture_view(a);
	struct account *b = fixture_account(x, BOB);
	struct view *vb = fixture_view(b);

	assert_int_equal(c->delivered, 2 * ROUNDS);
	assert_int_equal(view_mbox_by_id(vb, INBOX)->exists, c->delivered);
	assert_true(view_mbox_by_id(v, INBOX)->exists >= c->delivered);
	assert_int_equal(
	    view_mbox_by_id(v, c->other)->uidnext, c->appended + 1);
	assert_true(c->woken > 0);
	view_unref(&v);
	view_unref(&vb);
	account_close(&a);
	account_close(&b);
	free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		threads_of_all_kinds_share_an_account, fixture_begin,
		fixture_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
