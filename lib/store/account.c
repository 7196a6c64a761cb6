#include "store/account_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/head_priv.h"
#include "store/hint.h"
#include "store/packs_priv.h"
#include "store/watch_priv.h"

enum { WEIGHT_MESSAGE = 160 }; /* octets, with its share of the rest */

/* ---- the table; all with the store's lock ---- */

static void
idle_remove(struct store *s, struct account *a)
{
	if (a->idle_prev != NULL) {
		a->idle_prev->idle_next = a->idle_next;
	} else {
		s->idle_first = a->idle_next;
	}
	if (a->idle_next != NULL) {
		a->idle_next->idle_prev = a->idle_prev;
	} else {
		s->idle_last = a->idle_prev;
	}
	a->idle_prev = a->idle_next = NULL;
	s->n_idle--;
	s->idle_weight -= a->weight;
}

static void
idle_append(struct store *s, struct account *a)
{
	a->idle_prev = s->idle_last;
	if (s->idle_last != NULL) {
		s->idle_last->idle_next = a;
	} else {
		s->idle_first = a;
	}
	s->idle_last = a;
	s->n_idle++;
	s->idle_weight += a->weight;
}

/* Others tell us what happens to the accounts that are in use here. */
static void
want(struct store *s, const struct account *a, bool yes)
{
	if (s->hint != NULL) {
		hint_want(s->hint, a->id, yes);
	}
}

static struct account *
find_locked(struct store *s, const char *id)
{
	struct account *a = map_get(&s->accounts, sv_cstr(id));

	if (a != NULL && a->refs++ == 0) {
		idle_remove(s, a);
		want(s, a, true);
	}
	return a;
}

/* In the map only if no newer one has its name there. */
static void
unmap_locked(struct store *s, struct account *a)
{
	if (map_get(&s->accounts, sv_cstr(a->id)) == a) {
		(void)map_remove(&s->accounts, sv_cstr(a->id));
	}
}

/* ---- one account ---- */

static struct account *
account_new(struct store *s, const char *id, int dir)
{
	struct account *a = xmalloc(sizeof(*a));

	a->store = s;
	memcpy(a->id, id, ACCOUNT_ID_LEN + 1);
	a->dir = dir;
	a->refs = 1;
	a->tail_max = s->conf.checkpoint_tail;
	lock_init(&a->lock, LOCK_ACCOUNT);
	return a;
}

static void
account_free(struct account *a)
{
	ASSERT(a->pending == NULL && a->watches == NULL);
	segment_unref(&a->segment);
	if (a->loaded) {
		replay_deinit(&a->replay);
	}
	head_unref(&a->head);
	packset_unref(&a->packs);
	fs_close(a->store->fs, &a->dir);
	lock_deinit(&a->lock);
	free(a);
}

struct account *
account_find(struct store *store, const char *id)
{
	lock_acquire(&store->lock);
	struct account *a = find_locked(store, id);
	lock_release(&store->lock);
	return a;
}

struct account *
account_ref(struct account *a)
{
	lock_acquire(&a->store->lock);
	ASSERT(a->refs > 0);
	a->refs++;
	lock_release(&a->store->lock);
	return a;
}

/* Put a new account in the table, unless another thread was faster. */
static struct account *
publish(struct store *s, struct account *mine)
{
	lock_acquire(&s->lock);
	struct account *a = find_locked(s, mine->id);

	if (a == NULL) {
		(void)map_put(&s->accounts, sv_cstr(mine->id), mine);
		a = mine;
		want(s, a, true);
	}
	lock_release(&s->lock);
	if (a != mine) {
		account_free(mine);
	}
	return a;
}

bool
account_is_loaded(struct account *a)
{
	lock_acquire(&a->lock);
	bool loaded = a->loaded;
	lock_release(&a->lock);
	return loaded;
}

int
account_usable(struct account *a, struct fail *f)
{
	lock_acquire(&a->lock);
	bool gone = a->gone;
	bool lost = a->lost;
	lock_release(&a->lock);
	if (gone) {
		return fail_set(f, FAIL_PERM, "account %s is closed", a->id);
	}
	if (lost) {
		return fail_set(f, FAIL_TEMP,
		    "account %s: its history changed; open it again", a->id);
	}
	return 0;
}

/* Its folder has no name any more: another one may have it by now. */
static bool
account_removed(struct account *a)
{
	struct fs_stat st;

	return fs_stat(a->store->fs, a->dir, &st) == 0 && st.links == 0;
}

int
account_open(
    struct store *store, const char *id, struct account **out, struct fail *f)
{
	char path[ACCOUNT_PATH_SIZE];
	struct account *a;

	*out = NULL;
	if (!account_id_valid(id)) {
		return fail_set(f, FAIL_ABSENT, "%s: not an account id", id);
	}
	a = account_find(store, id);
	if (a != NULL && account_removed(a)) {
		account_forget(a);
		account_close(&a);
	}
	if (a == NULL) {
		account_path(id, path);
		int dir = fs_open(
		    store->fs, FS_ROOT, path, O_RDONLY | O_DIRECTORY, 0);

		if (dir < 0) {
			return fail_err(f, -dir, "account %s", id);
		}
		a = publish(store, account_new(store, id, dir));
	}
	if (account_usable(a, f) != 0) {
		account_close(&a);
		return -1;
	}
	*out = a;
	return 0;
}

static uint64_t
weigh(struct account *a)
{
	uint64_t messages = 0;

	lock_acquire(&a->lock);
	if (a->loaded) {
		messages = a->replay.view->usage.messages;
	}
	lock_release(&a->lock);
	return sizeof(*a) + messages * WEIGHT_MESSAGE;
}

void
account_close(struct account **account)
{
	struct account *a = *account;
	bool last = false;

	*account = NULL;
	if (a == NULL) {
		return;
	}
	struct store *s = a->store;

	lock_acquire(&s->lock);
	ASSERT(a->refs > 0);
	if (--a->refs == 0) {
		want(s, a, false);
		if (map_get(&s->accounts, sv_cstr(a->id)) == a) {
			a->weight = weigh(a);
			idle_append(s, a);
		} else {
			last = true;
		}
	}
	bool many = s->n_idle > s->conf.accounts_max
		    || s->idle_weight > s->conf.cache_max;
	lock_release(&s->lock);
	if (last) {
		account_free(a);
	}
	if (many) {
		accounts_drop_idle(s, s->conf.accounts_max, s->conf.cache_max);
	}
}

void
accounts_drop_idle(struct store *s, unsigned keep, uint64_t octets)
{
	for (;;) {
		lock_acquire(&s->lock);
		bool many = s->n_idle > keep || s->idle_weight > octets;
		struct account *a = many ? s->idle_first : NULL;

		if (a != NULL) {
			idle_remove(s, a);
			unmap_locked(s, a);
		}
		lock_release(&s->lock);
		if (a == NULL) {
			return;
		}
		account_free(a);
	}
}

void
account_forget(struct account *a)
{
	lock_acquire(&a->lock);
	a->lost = true;
	watches_wake_locked(a);
	lock_release(&a->lock);
	lock_acquire(&a->store->lock);
	unmap_locked(a->store, a);
	lock_release(&a->store->lock);
}

const char *
account_id(const struct account *account)
{
	return account->id;
}

void
account_heard(struct account *a, place_t flushed)
{
	lock_acquire(&a->lock);
	if (flushed > a->flushed) {
		a->flushed = flushed;
	}
	watches_wake_locked(a);
	lock_release(&a->lock);
}

void
account_changed(struct account *a, place_t flushed)
{
	if (a->store->hint != NULL) {
		hint_send(a->store->hint, a->id, flushed);
	}
	account_heard(a, flushed);
}

/* Has its tail grown, or was its floor not raised for two days? */
bool
account_is_due(struct account *a, int64_t now_ms)
{
	lock_acquire(&a->lock);
	bool due = !a->gone && !a->lost && a->upkeep_after_ms <= now_ms
		   && (a->tail > a->tail_max
		       || (a->segment != NULL
			   && a->segment->header.floor_ms + ACCOUNT_COLLECT_MS
				  < now_ms));
	lock_release(&a->lock);
	return due;
}

typedef bool account_test(struct account *a, int64_t now_ms);

/* The first account in memory of which `test` is true, a reference. */
static struct account *
first_account(struct store *s, account_test *test, int64_t now_ms)
{
	struct account *found = NULL;
	struct map_iter it = {0};
	struct sv id;
	void *value;

	lock_acquire(&s->lock);
	while (found == NULL && map_next(&s->accounts, &it, &id, &value)) {
		struct account *a = value;

		if (test(a, now_ms)) {
			found = find_locked(s, a->id);
		}
	}
	lock_release(&s->lock);
	return found;
}

struct account *
account_due(struct store *s, int64_t now_ms)
{
	return first_account(s, account_is_due, now_ms);
}

/* True once for each time that they became so. */
static bool
take_stale_names(struct account *a, int64_t now_ms)
{
	(void)now_ms;
	lock_acquire(&a->lock);
	bool stale = a->names_stale && !a->gone && !a->lost;

	a->names_stale = false;
	lock_release(&a->lock);
	return stale;
}

struct account *
account_stale_names(struct store *s)
{
	return first_account(s, take_stale_names, 0);
}

struct watched {
	struct account **list;
	size_t n, cap;
};

size_t
accounts_watched(struct store *s, struct account ***out)
{
	struct watched w = {0};
	struct map_iter it = {0};
	struct sv id;
	void *value;

	lock_acquire(&s->lock);
	while (map_next(&s->accounts, &it, &id, &value)) {
		struct account *a = value;

		if (a->refs == 0) {
			continue;
		}
		w.list = xgrow(w.list, w.n, &w.cap, sizeof(*w.list));
		a->refs++;
		w.list[w.n++] = a;
	}
	lock_release(&s->lock);
	*out = w.list;
	return w.n;
}

void
account_leave(struct account **account)
{
	struct account *a = *account;

	lock_acquire(&a->store->lock);
	if (a->refs == 1) {
		unmap_locked(a->store, a);
	}
	lock_release(&a->store->lock);
	account_close(account);
}
