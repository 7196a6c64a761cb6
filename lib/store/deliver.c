/*
 * deliver: one message for many recipients, without their state.
 *
 * The message is written once and linked for the other recipients; one flush
 * puts the file and its names on disk.  Then a record is appended to every
 * journal before the first of them is flushed, so that the flushes share
 * what the disk has to do.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/commit_priv.h"
#include "store/head_priv.h"
#include "store/msgfile_priv.h"

enum { PLACE_TRIES = 16 };

/* One recipient under way. */
struct drop {
	struct delivery *to;
	struct account *account;
	uint64_t mbox;
	struct placement placement;
	int64_t date_ms;
	char path[PATH_SIZE];
	int fd; /* of a file of its own; -1: a link */
	struct commit commit;
	struct outcome outcome;
	bool open;  /* not decided yet */
	bool again; /* its record was void */
};

struct delivering {
	struct store *store;
	const struct msg_source *source;
	uint64_t size;
	uint32_t sum;
	struct drop *drop;
	size_t n;
};

/* Failed: the file stays if its record may stand. */
static void
give_up(struct drop *d)
{
	bool keep = d->to->fail.kind == FAIL_UNKNOWN;

	d->open = false;
	d->to->rc = -1;
	if (d->account == NULL) {
		return;
	}
	/* It was there when it was opened: being put back from a copy, most
	 * likely, and no reason to refuse the mail for ever. */
	if (d->to->fail.kind == FAIL_ABSENT) {
		d->to->fail.kind = FAIL_TEMP;
	}
	if (!keep && d->path[0] != '\0') {
		(void)fs_unlink(
		    d->account->store->fs, d->account->dir, d->path);
	}
}

/* ---- where to ---- */

static bool
is_loaded(struct account *a)
{
	lock_acquire(&a->lock);
	bool loaded = a->loaded;
	lock_release(&a->lock);
	return loaded;
}

/* By the state; absent and \Noselect: INBOX. */
static int
find_in_view(struct account *a, struct sv name, uint64_t *out, struct fail *f)
{
	struct view *v;

	if (account_peek(a, &v, f) != 0) {
		return -1;
	}
	const struct mbox *m = view_mbox(v, name);

	*out = m != NULL && !m->noselect ? m->id : INBOX_ID;
	view_unref(&v);
	return 0;
}

/* The head names mailboxes without loading anything; a name that it does not
 * know may be new. */
static int
find_mailbox(struct account *a, struct sv name, uint64_t *out, struct fail *f)
{
	struct head *head;

	*out = INBOX_ID;
	if (name.len == 0 || sv_eq_nocase(name, SV("INBOX"))) {
		return 0;
	}
	if (!is_loaded(a) && head_fresh(a, &head) == 0) {
		uint64_t id = head_mbox_id(head, name);

		head_unref(&head);
		if (id != 0) {
			*out = id;
			return 0;
		}
	}
	return find_in_view(a, name, out, f);
}

static void
start(struct delivering *all, struct drop *d, struct delivery *to)
{
	d->to = to;
	d->fd = -1;
	d->date_ms = to->attrs.date_ms != 0 ? to->attrs.date_ms
					    : fs_now_ms(all->store->fs);
	to->rc = -1;
	to->duplicate = false;
	fail_clear(&to->fail);
	if (account_open(all->store, to->account_id, &d->account, &to->fail)
		!= 0
	    || find_mailbox(d->account, to->mailbox, &d->mbox, &to->fail)
		   != 0) {
		return;
	}
	commit_init(&d->commit, d->account);
	d->open = true;
}

static void
finish(struct drop *d)
{
	commit_deinit(&d->commit);
	outcome_deinit(&d->outcome);
	account_close(&d->account);
}

/* ---- the files ---- */

static int64_t
floor_of(struct account *a)
{
	lock_acquire(&a->lock);
	int64_t floor = a->segment != NULL ? a->segment->header.floor_ms : 0;
	lock_release(&a->lock);
	return floor;
}

static void
name_file(const struct delivering *all, struct drop *d)
{
	d->placement = placement_new(all->store, floor_of(d->account));
	placement_path(
	    d->mbox, &d->placement, all->size, d->date_ms, all->sum, d->path);
}

/* A file for this recipient: a link to that of `first`, or its own. */
static void
make_file(
    const struct delivering *all, struct drop *d, const struct drop *first)
{
	name_file(all, d);
	if (first != NULL
	    && msgfile_link(
		first->account, first->path, d->account, d->mbox, d->path)) {
		return;
	}
	if (msgfile_write(
		d->account, d->mbox, d->path, all->source, &d->fd, &d->to->fail)
	    != 0) {
		d->path[0] = '\0';
		give_up(d);
	}
}

static void
make_files(struct delivering *all)
{
	const struct drop *first = NULL;

	for (size_t i = 0; i < all->n; i++) {
		struct drop *d = &all->drop[i];

		if (!d->open) {
			continue;
		}
		make_file(all, d, first);
		if (first == NULL && d->open) {
			first = d;
		}
	}
}

static void
flush_file(struct drop *d)
{
	int rc;

	if (d->fd >= 0) {
		rc = msgfile_flush(d->account, d->mbox, d->fd, &d->to->fail);
		fs_close(d->account->store->fs, &d->fd);
	} else {
		rc = msgfile_flush_names(d->account, d->mbox, &d->to->fail);
	}
	if (rc != 0) {
		give_up(d);
	}
}

/* The first one's flush covers its links; without it they are nothing. */
static void
flush_files(struct delivering *all)
{
	struct drop *first = NULL;

	for (size_t i = 0; i < all->n; i++) {
		struct drop *d = &all->drop[i];

		if (!d->open) {
			continue;
		}
		bool link = d->fd < 0;

		if (link && first != NULL && !first->open) {
			d->to->fail = first->to->fail;
			give_up(d);
			continue;
		}
		flush_file(d);
		if (first == NULL) {
			first = d;
		}
	}
}

/* ---- the records ---- */

static void
write_record(const struct delivering *all, struct drop *d)
{
	const struct msg_attrs *attrs = &d->to->attrs;
	struct rec_add add = {
	    .delivery = true,
	    .mbox = d->mbox,
	    .folder = d->mbox,
	    .placement = d->placement,
	    .email_id = {d->placement.time_ms, d->placement.random},
	    .key = {d->to->key[0], d->to->key[1]},
	    .uid = attrs->uid,
	    .size = all->size,
	    .sum = all->sum,
	    .date_ms = d->date_ms,
	    .zone_min = attrs->zone_min,
	    .flags = attrs->flags,
	    .uidl = attrs->uidl,
	    .digest = all->source->digest,
	};

	keyword_list_fill(&add.keywords, attrs->keywords, attrs->n_keywords);
	if (add.digest.len > STORE_DIGEST_MAX) {
		add.digest = SV_EMPTY;
	}
	commit_deinit(&d->commit);
	commit_init(&d->commit, d->account);
	d->commit.warm = is_loaded(d->account);
	d->commit.adds = true;
	d->commit.floor_ms = (int64_t)d->placement.time_ms;
	rec_add_write(&d->commit.body, &add);
	commit_add(&d->commit, RECORD_ADD, &d->outcome);
}

static void
append_all(struct delivering *all)
{
	for (size_t i = 0; i < all->n; i++) {
		struct drop *d = &all->drop[i];

		if (!d->open) {
			continue;
		}
		write_record(all, d);
		if (commit_append(&d->commit, &d->to->fail) != 0) {
			give_up(d);
		}
	}
}

/* Several flushes one after the other cost a journal commit of the file
 * system each, unless all have begun to write before the first. */
static void
start_flushes(struct delivering *all)
{
	for (size_t i = 0; i < all->n && all->n > 1; i++) {
		struct drop *d = &all->drop[i];

		if (d->open) {
			fs_sync_start(all->store->fs, d->commit.segment->fd);
		}
	}
}

static void
flush_all(struct delivering *all)
{
	start_flushes(all);
	for (size_t i = 0; i < all->n; i++) {
		struct drop *d = &all->drop[i];

		if (d->open && commit_flush(&d->commit, &d->to->fail) != 0) {
			give_up(d);
		}
	}
}

/* What the record did, if it can be known. */
static int
judge(struct drop *d)
{
	if (!d->commit.warm) {
		return 0;
	}
	switch (d->outcome.code) {
	case OUTCOME_DUPLICATE:
		d->to->duplicate = true;
		return 0;
	case OUTCOME_VOID:
		return fail_set(&d->to->fail, FAIL_EXISTS,
		    "the message's placement is below the floor");
	case OUTCOME_LIMIT:
		return fail_set(
		    &d->to->fail, FAIL_LIMIT, "the mailbox has no UIDs left");
	case OUTCOME_DONE:
	case OUTCOME_NONE:
	case OUTCOME_NO_MBOX:
	case OUTCOME_EXISTS:
	case OUTCOME_REFUSED:
		return 0;
	}
	return 0;
}

static void
settle(struct drop *d)
{
	d->open = false;
	d->to->rc = 0;
	if (d->to->duplicate) {
		(void)fs_unlink(
		    d->account->store->fs, d->account->dir, d->path);
	}
	account_changed(d->account, d->commit.flushed);
}

static void
verify(struct drop *d)
{
	struct fail *f = &d->to->fail;
	int rc = commit_verify(&d->commit, &d->again, f);

	if (rc == 0 && d->again) {
		rc = commit_run(&d->commit, f);
	}
	if (rc == 0) {
		rc = judge(d);
	}
	if (rc == 0) {
		settle(d);
	} else if (f->kind != FAIL_EXISTS) {
		give_up(d);
	}
}

/* A collector has moved the floor past our placement: its file may be gone,
 * so all of it is done again, for this recipient alone. */
static void
place_again(struct delivering *all, struct drop *d)
{
	for (int i = 0; d->open && i < PLACE_TRIES; i++) {
		(void)fs_unlink(all->store->fs, d->account->dir, d->path);
		fail_clear(&d->to->fail);
		make_file(all, d, NULL);
		if (d->open) {
			flush_file(d);
		}
		if (!d->open) {
			return;
		}
		write_record(all, d);
		if (commit_run(&d->commit, &d->to->fail) == 0
		    && judge(d) == 0) {
			settle(d);
		} else if (d->to->fail.kind != FAIL_EXISTS) {
			give_up(d);
		}
	}
	if (d->open) {
		give_up(d);
	}
}

static void
verify_all(struct delivering *all)
{
	for (size_t i = 0; i < all->n; i++) {
		if (all->drop[i].open) {
			verify(&all->drop[i]);
		}
	}
	for (size_t i = 0; i < all->n; i++) {
		if (all->drop[i].open) {
			place_again(all, &all->drop[i]);
		}
	}
}

int
store_deliver(struct store *store, const struct msg_source *source,
    struct delivery *to, size_t n, struct fail *f)
{
	struct delivering all = {
	    .store = store,
	    .source = source,
	    .size = msg_source_size(source),
	    .sum = msg_source_sum(source),
	    .drop = xcalloc(n, sizeof(*all.drop)),
	    .n = n,
	};
	size_t ok = 0;

	for (size_t i = 0; i < n; i++) {
		start(&all, &all.drop[i], &to[i]);
	}
	store_flush_begin(store);
	make_files(&all);
	flush_files(&all);
	append_all(&all);
	flush_all(&all);
	verify_all(&all);
	store_flush_end(store);
	for (size_t i = 0; i < n; i++) {
		ok += to[i].rc == 0;
		if (to[i].rc != 0) {
			*f = to[i].fail;
		}
		finish(&all.drop[i]);
	}
	free(all.drop);
	return ok != 0 || n == 0 ? 0 : -1;
}
