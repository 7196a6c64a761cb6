#include "proto/imap_set.h"

#include <stdlib.h>

static int
lex_seq_number(struct imap_lex *lex, bool star, uint32_t *out)
{
	if (star && imap_lex_take(lex, '*')) {
		*out = 0;
		return 0;
	}
	if (imap_lex_nz32(lex, out) != 0) {
		return -1;
	}
	return *out != 0 ? 0 : imap_lex_bad(lex, "a number in a set is 0");
}

static int
lex_ranges(struct imap_lex *lex, bool star, struct imap_set *out)
{
	size_t cap = 0;

	do {
		struct imap_range r;

		if (lex_seq_number(lex, star, &r.lo) != 0) {
			return -1;
		}
		r.hi = r.lo;
		if (imap_lex_take(lex, ':')
		    && lex_seq_number(lex, star, &r.hi) != 0) {
			return -1;
		}
		if (out->n == IMAP_SET_MAX) {
			return imap_lex_fail(
			    lex, IMAP_ERR_LIMIT, "too many ranges in a set");
		}
		out->r = arena_grow(
		    lex->arena, out->r, out->n, &cap, sizeof(*out->r));
		out->r[out->n++] = r;
	} while (imap_lex_take(lex, ','));
	return 0;
}

int
imap_lex_set(struct imap_lex *lex, struct imap_set *out)
{
	*out = (struct imap_set){NULL, 0, false};
	if (imap_lex_take(lex, '$')) {
		out->saved = true;
		return 0;
	}
	return lex_ranges(lex, true, out);
}

int
imap_lex_known_set(struct imap_lex *lex, struct imap_set *out)
{
	*out = (struct imap_set){NULL, 0, false};
	return lex_ranges(lex, false, out);
}

static int
range_cmp(const void *a, const void *b)
{
	const struct imap_range *x = a, *y = b;

	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

/* With numbers for "*" and lo <= hi; ranges that name nothing are left out.
 * False if they are not ascending. */
static bool
put_in_order(const struct imap_set *set, uint32_t last, struct imap_set *out)
{
	bool sorted = true;

	for (size_t i = 0; i < set->n; i++) {
		uint32_t a = set->r[i].lo != 0 ? set->r[i].lo : last;
		uint32_t b = set->r[i].hi != 0 ? set->r[i].hi : last;
		struct imap_range r = a <= b ? (struct imap_range){a, b}
					     : (struct imap_range){b, a};

		if (r.hi == 0) {
			continue;
		}
		r.lo = r.lo != 0 ? r.lo : 1;
		if (out->n != 0 && r.lo < out->r[out->n - 1].lo) {
			sorted = false;
		}
		out->r[out->n++] = r;
	}
	return sorted;
}

void
imap_set_resolve(const struct imap_set *set, uint32_t last, struct arena *arena,
    struct imap_set *out)
{
	size_t n = 0;

	*out = (struct imap_set){NULL, 0, false};
	if (set->n == 0) {
		return;
	}
	out->r = arena_array(arena, set->n, sizeof(*out->r));
	if (!put_in_order(set, last, out)) {
		qsort(out->r, out->n, sizeof(*out->r), range_cmp);
	}
	for (size_t i = 0; i < out->n; i++) {
		struct imap_range r = out->r[i];

		if (n == 0 || (uint64_t)r.lo > (uint64_t)out->r[n - 1].hi + 1) {
			out->r[n++] = r;
		} else if (r.hi > out->r[n - 1].hi) {
			out->r[n - 1].hi = r.hi;
		}
	}
	out->n = n;
}

bool
imap_set_has(const struct imap_set *resolved, uint32_t n)
{
	size_t lo = 0, hi = resolved->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (n < resolved->r[mid].lo) {
			hi = mid;
		} else if (n > resolved->r[mid].hi) {
			lo = mid + 1;
		} else {
			return true;
		}
	}
	return false;
}

uint32_t
imap_set_highest(const struct imap_set *set, bool *star_out)
{
	uint32_t highest = 0;

	*star_out = false;
	for (size_t i = 0; i < set->n; i++) {
		const struct imap_range *r = &set->r[i];

		if (r->lo == 0 || r->hi == 0) {
			*star_out = true;
		}
		highest = r->lo > highest ? r->lo : highest;
		highest = r->hi > highest ? r->hi : highest;
	}
	return highest;
}
