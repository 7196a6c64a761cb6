/*
 * The packs that there are, and finding digests in them.
 */
#include "store/packs_priv.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

enum {
	LIST_TRIES = 8, /* one may be removed when it is to be opened */
	READERS = 4,	/* packs that a finder has open */
};

/* ---- the set ---- */

static struct packset *
packset_ref(struct packset *s)
{
	(void)atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void
packset_unref(struct packset **s)
{
	struct packset *old = *s;

	*s = NULL;
	/* The last one must see what the others did. */
	if (old == NULL
	    || atomic_fetch_sub_explicit(&old->refs, 1, memory_order_acq_rel)
		   != 1) {
		return;
	}
	for (size_t i = 0; i < old->n; i++) {
		pack_free(&old->pack[i]);
	}
	free(old->pack);
	free(old->spanned);
	free(old);
}

place_t
packset_end(const struct packset *s)
{
	return s->n == 0 ? 0 : s->pack[s->n - 1]->name.hi;
}

struct listing {
	struct pack_name *name;
	size_t n, cap;
};

static bool
list_each(void *arg, const char *text)
{
	struct listing *l = arg;
	struct pack_name name;

	if (pack_name_read(text, &name)) {
		l->name = xgrow(l->name, l->n, &l->cap, sizeof(*l->name));
		l->name[l->n++] = name;
	}
	return true;
}

/* So that a pack comes behind all that may span it. */
static int
by_span(const void *pa, const void *pb)
{
	const struct pack_name *a = pa;
	const struct pack_name *b = pb;

	if (a->lo != b->lo) {
		return a->lo < b->lo ? -1 : 1;
	}
	if (a->hi != b->hi) {
		return a->hi > b->hi ? -1 : 1;
	}
	return a->random > b->random ? -1 : a->random < b->random;
}

static void
open_one(struct packset *s, struct account *a, const struct pack_name *name,
    struct fail *f)
{
	struct pack *p;

	if (pack_open(a->store->fs, a->dir, name, &p, f) != 0) {
		if (f->kind != FAIL_CORRUPT && f->err != EIO) {
			return;
		}
		/* What it had is lost, but not that its places are packed. */
		LOG(LOG_WARN, "store.pack_damaged", kv_str("account", a->id),
		    kv_fail(f));
		fail_clear(f);
		p = xmalloc(sizeof(*p));
		p->name = *name;
	}
	s->pack[s->n++] = p;
}

static int
open_all(struct account *a, const struct listing *l, struct packset *s,
    struct fail *f)
{
	place_t end = 0;

	fail_clear(f);
	s->pack = xcalloc(l->n + 1, sizeof(*s->pack));
	s->spanned = xcalloc(l->n + 1, sizeof(*s->spanned));
	for (size_t i = 0; i < l->n && f->kind == FAIL_NONE; i++) {
		if (l->name[i].hi <= end) {
			s->spanned[s->n_spanned++] = l->name[i];
		} else {
			end = l->name[i].hi;
			open_one(s, a, &l->name[i], f);
		}
	}
	return f->kind == FAIL_NONE ? 0 : -1;
}

static int
load(struct account *a, struct packset **out, struct fail *f)
{
	struct listing l = {.name = NULL};
	struct packset *s;
	int rc = fs_list(a->store->fs, a->dir, "pack", list_each, &l);

	*out = NULL;
	if (rc != 0 && rc != -ENOENT) {
		free(l.name);
		return fail_err(f, -rc, "list pack/");
	}
	if (l.n != 0) {
		qsort(l.name, l.n, sizeof(*l.name), by_span);
	}
	s = xmalloc(sizeof(*s));
	s->refs = 1;
	rc = open_all(a, &l, s, f);
	free(l.name);
	if (rc != 0) {
		packset_unref(&s);
	}
	*out = s;
	return rc;
}

static void
install(struct account *a, struct packset *s)
{
	struct packset *old;

	lock_acquire(&a->lock);
	old = a->packs;
	a->packs = packset_ref(s);
	lock_release(&a->lock);
	packset_unref(&old);
}

int
packset_get(struct account *a, bool anew, struct packset **out, struct fail *f)
{
	int rc = -1;

	*out = NULL;
	lock_acquire(&a->lock);
	if (!anew && a->packs != NULL) {
		*out = packset_ref(a->packs);
	}
	lock_release(&a->lock);
	if (*out != NULL) {
		return 0;
	}
	for (unsigned i = 0; rc != 0 && i < LIST_TRIES; i++) {
		rc = load(a, out, f);
		if (rc != 0 && f->kind != FAIL_ABSENT) {
			return -1;
		}
	}
	if (rc == 0) {
		install(a, *out);
	}
	return rc;
}

/* ---- finding ---- */

struct pack_finder {
	struct account *account; /* borrowed */
	struct packset *set;	 /* a reference */
	struct pack_reader *reader[READERS];
	size_t of[READERS]; /* index in the set */
	unsigned next;	    /* to be closed for another */
};

struct pack_finder *
pack_finder_new(struct account *a, struct packset *s)
{
	struct pack_finder *p = xmalloc(sizeof(*p));

	p->account = a;
	p->set = packset_ref(s);
	return p;
}

void
pack_finder_free(struct pack_finder **p)
{
	struct pack_finder *old = *p;

	*p = NULL;
	if (old == NULL) {
		return;
	}
	for (size_t i = 0; i < READERS; i++) {
		pack_reader_free(&old->reader[i]);
	}
	packset_unref(&old->set);
	free(old);
}

static struct pack_reader *
reader_of(struct pack_finder *p, size_t pack)
{
	unsigned i = p->next;

	for (unsigned k = 0; k < READERS; k++) {
		if (p->reader[k] != NULL && p->of[k] == pack) {
			return p->reader[k];
		}
	}
	p->next = (p->next + 1) % READERS;
	pack_reader_free(&p->reader[i]);
	p->reader[i] = pack_reader_new(
	    p->account->store->fs, p->account->dir, p->set->pack[pack]);
	p->of[i] = pack;
	return p->reader[i];
}

int
pack_finder_get(struct pack_finder *p, place_t place, struct sv *out, bool *bad,
    struct fail *f)
{
	const struct packset *s = p->set;
	int rc = 0;

	*out = SV_EMPTY;
	*bad = false;
	/* None spans another, but they may overlap. */
	for (size_t i = 0; rc == 0 && i < s->n; i++) {
		const struct pack_name *name = &s->pack[i]->name;

		if (place >= name->lo && place < name->hi) {
			rc = pack_reader_get(
			    reader_of(p, i), place, out, bad, f);
		}
	}
	return rc;
}
