/*
 * The message files that there are, and those that a state names.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/collect_priv.h"

/* ---- named ---- */

struct named_file {
	uint64_t folder, time, random;
};

struct named {
	struct named_file *file; /* sorted */
	const struct msg **msg;	 /* sorted by octets */
	size_t n, cap, msg_cap;
};

static int
compare_files(const void *pa, const void *pb)
{
	return memcmp(pa, pb, sizeof(struct named_file));
}

static int
compare_octets(const void *pa, const void *pb)
{
	const struct msg *a = *(const struct msg *const *)pa;
	const struct msg *b = *(const struct msg *const *)pb;

	if (a->size != b->size) {
		return a->size < b->size ? -1 : 1;
	}
	return (a->sum > b->sum) - (a->sum < b->sum);
}

static void
named_add(struct named *n, const struct msg *m)
{
	n->file = xgrow(n->file, n->n, &n->cap, sizeof(*n->file));
	n->msg = xgrow(n->msg, n->n, &n->msg_cap, sizeof(const struct msg *));
	n->msg[n->n] = m;
	n->file[n->n++] =
	    (struct named_file){m->folder, m->placement[0], m->placement[1]};
}

struct named *
named_new(const struct view *v)
{
	struct named *n = xmalloc(sizeof(*n));

	for (uint32_t i = 0; i < v->boxes.n; i++) {
		const struct box *b = view_box(v, i);

		for (uint32_t k = 0; b != NULL && k < b->msgs.n; k++) {
			named_add(n, vec_at(&b->msgs, k));
		}
		for (uint32_t k = 0; b != NULL && k < b->graves.n; k++) {
			const struct grave *g = vec_at(&b->graves, k);

			named_add(n, &g->msg);
		}
	}
	if (n->n != 0) {
		qsort(n->file, n->n, sizeof(*n->file), compare_files);
		qsort(n->msg, n->n, sizeof(const struct msg *), compare_octets);
	}
	return n;
}

void
named_free(struct named **n)
{
	if (*n != NULL) {
		free((*n)->file);
		free((*n)->msg);
		free(*n);
		*n = NULL;
	}
}

bool
named_has(
    const struct named *n, uint64_t folder, uint64_t time, uint64_t random)
{
	struct named_file key = {folder, time, random};

	return n->n != 0
	       && bsearch(&key, n->file, n->n, sizeof(key), compare_files)
		      != NULL;
}

const struct msg *
named_twin(const struct named *n, uint64_t size, uint32_t sum)
{
	const struct msg like = {.size = size, .sum = sum};
	const struct msg *key = &like;
	const struct msg *const *twin =
	    n->n != 0 ? bsearch(&key, n->msg, n->n, sizeof(key), compare_octets)
		      : NULL;

	return twin != NULL ? *twin : NULL;
}

/* ---- found ---- */

struct names {
	char **name;
	size_t n, cap;
};

static bool
names_each(void *arg, const char *name)
{
	struct names *l = arg;

	l->name = xgrow(l->name, l->n, &l->cap, sizeof(*l->name));
	l->name[l->n++] = xstrdup(name);
	return true;
}

static void
names_deinit(struct names *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->name[i]);
	}
	free(l->name);
}

static int
names_list(
    struct fs *fs, int dir, const char *path, struct names *out, struct fail *f)
{
	int rc = fs_list(fs, dir, path, names_each, out);

	/* What has gone meanwhile has nothing in it. */
	return rc != 0 && rc != -ENOENT && rc != -ENOTDIR
		   ? fail_err(f, -rc, "list %s", path)
		   : 0;
}

bool
hex_part(const char **at, unsigned n, char end, uint64_t *out)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n; i++) {
		char c = (*at)[i];

		if (ascii_digit(c)) {
			v = v << 4 | (unsigned)(c - '0');
		} else if (c >= 'a' && c <= 'f') {
			v = v << 4 | (unsigned)(c - 'a' + 10);
		} else {
			return false;
		}
	}
	if ((*at)[n] != end) {
		return false;
	}
	*at += n + (end != '\0');
	*out = v;
	return true;
}

/* A decimal number and then `end`; 20 digits are too many for any. */
static bool
decimal_part(const char **at, char end, uint64_t *out)
{
	enum { DIGITS_MAX = 19 };
	unsigned n = 0;

	*out = 0;
	for (; ascii_digit((*at)[n]); n++) {
		*out = *out * 10 + (unsigned)((*at)[n] - '0');
	}
	if (n == 0 || n > DIGITS_MAX || (*at)[n] != end) {
		return false;
	}
	*at += n + 1;
	return true;
}

/* A name as placement_path() makes them. */
static bool
placement_read(const char *name, struct found *out)
{
	const char *at = name;
	uint64_t date, sum;
	bool before_1970;

	if (!hex_part(&at, 12, '.', &out->placement.time_ms)
	    || !hex_part(&at, 16, '.', &out->placement.random)
	    || !decimal_part(&at, '.', &out->size)) {
		return false;
	}
	before_1970 = *at == '-';
	at += before_1970;
	if (!decimal_part(&at, '.', &date) || date > INT64_MAX
	    || !hex_part(&at, 8, '\0', &sum)) {
		return false;
	}
	out->date_ms = before_1970 ? -(int64_t)date : (int64_t)date;
	out->sum = (uint32_t)sum;
	return true;
}

static bool
folder_each(struct fs *fs, int dir, const char *folder, found_fn *each,
    void *arg, int *rc, struct fail *f)
{
	struct names l = {.name = NULL};
	char path[PATH_SIZE];
	struct found file;
	const char *at = folder;
	bool more = true;

	if (!hex_part(&at, 16, '\0', &file.folder)) {
		return true; /* not ours */
	}
	(void)snprintf(path, sizeof(path), "box/%s", folder);
	*rc = names_list(fs, dir, path, &l, f);
	for (size_t i = 0; *rc == 0 && more && i < l.n; i++) {
		if (placement_read(l.name[i], &file)) {
			(void)snprintf(path, sizeof(path), "box/%s/%.100s",
			    folder, l.name[i]);
			file.path = path;
			more = each(arg, &file);
		}
	}
	names_deinit(&l);
	return more && *rc == 0;
}

int
files_each(
    struct fs *fs, int account_dir, found_fn *each, void *arg, struct fail *f)
{
	struct names l = {.name = NULL};
	int rc = names_list(fs, account_dir, "box", &l, f);

	for (size_t i = 0; rc == 0 && i < l.n; i++) {
		if (!folder_each(
			fs, account_dir, l.name[i], each, arg, &rc, f)) {
			break;
		}
	}
	names_deinit(&l);
	return rc;
}
