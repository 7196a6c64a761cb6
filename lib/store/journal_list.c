/*
 * The segments that are there.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "store/journal_priv.h"

struct listing {
	struct seg_name *name;
	size_t n, cap;
};

static bool
collect(void *arg, const char *text)
{
	struct listing *l = arg;
	struct seg_name name;

	if (seg_name_read(text, &name)) {
		l->name = xgrow(l->name, l->n, &l->cap, sizeof(*l->name));
		l->name[l->n++] = name;
	}
	return true;
}

static int
compare_names(const void *a, const void *b)
{
	const struct seg_name *x = a;
	const struct seg_name *y = b;

	if (x->number != y->number) {
		return x->number < y->number ? -1 : 1;
	}
	return (x->random > y->random) - (x->random < y->random);
}

int
journal_list(
    struct account *a, struct seg_name **out, size_t *n, struct fail *f)
{
	struct listing l = {0};
	int rc = fs_list(a->store->fs, a->dir, "journal", collect, &l);

	*out = NULL;
	*n = 0;
	if (rc < 0) {
		free(l.name);
		return fail_err(f, -rc, "list journal of %s", a->id);
	}
	if (l.n != 0) {
		qsort(l.name, l.n, sizeof(*l.name), compare_names);
	}
	*out = l.name;
	*n = l.n;
	return 0;
}

int
journal_first(struct account *a, struct segment **out, struct fail *f)
{
	static const struct seg_name none = {0};
	struct seg_name *names;
	size_t n;
	int rc;

	*out = NULL;
	if (journal_list(a, &names, &n, f) != 0) {
		return -1;
	}
	rc = names != NULL
		 ? segment_open(a->store->fs, a->dir, &names[0], out, f)
		 : fail_set(f, FAIL_ABSENT, "account %s: no journal", a->id);
	free(names);
	if (rc == 0 && !seg_name_eq(&(*out)->header.previous, &none)) {
		segment_unref(out);
		return fail_set(f, FAIL_ABSENT,
		    "account %s: the first segment is gone", a->id);
	}
	return rc;
}
