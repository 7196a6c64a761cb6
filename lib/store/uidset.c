#include "store/uidset.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void
uidset_deinit(struct uidset *s)
{
	free(s->r);
	*s = (struct uidset){0};
}

void
uidset_clear(struct uidset *s)
{
	s->n = 0;
}

void
uidset_add(struct uidset *s, uint32_t uid)
{
	uidset_add_range(s, uid, uid);
}

/* Index of the first range whose upper end is at least `uid`. */
static size_t
first_reaching(const struct uidset *s, uint32_t uid)
{
	size_t lo = 0;
	size_t hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->r[mid].hi < uid) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo;
}

static void
append(struct uidset *s, uint32_t lo, uint32_t hi)
{
	s->r = xgrow(s->r, s->n, &s->cap, sizeof(*s->r));
	s->r[s->n++] = (struct uid_range){lo, hi};
}

void
uidset_add_range(struct uidset *s, uint32_t lo, uint32_t hi)
{
	ASSERT(lo >= 1 && lo <= hi);
	if (s->n == 0 || s->r[s->n - 1].hi < lo - 1) {
		append(s, lo, hi);
		return;
	}
	/* [from, to) are the ranges that the new one meets or touches. */
	size_t from = first_reaching(s, lo - 1);
	size_t to = from;

	while (to < s->n && (hi == UINT32_MAX || s->r[to].lo <= hi + 1)) {
		to++;
	}
	if (from == to) {
		append(s, lo, hi);
		memmove(&s->r[from + 1], &s->r[from],
		    (s->n - 1 - from) * sizeof(*s->r));
		s->r[from] = (struct uid_range){lo, hi};
		return;
	}
	if (s->r[from].lo > lo) {
		s->r[from].lo = lo;
	}
	if (s->r[to - 1].hi > hi) {
		hi = s->r[to - 1].hi;
	}
	s->r[from].hi = hi;
	memmove(&s->r[from + 1], &s->r[to], (s->n - to) * sizeof(*s->r));
	s->n -= to - from - 1;
}

bool
uidset_has(const struct uidset *s, uint32_t uid)
{
	size_t i = first_reaching(s, uid);

	return i < s->n && s->r[i].lo <= uid;
}

bool
uidset_has_next(const struct uidset *s, size_t *at, uint32_t uid)
{
	while (*at < s->n && s->r[*at].hi < uid) {
		(*at)++;
	}
	return *at < s->n && s->r[*at].lo <= uid;
}

uint64_t
uidset_count(const struct uidset *s)
{
	uint64_t count = 0;

	for (size_t i = 0; i < s->n; i++) {
		count += (uint64_t)s->r[i].hi - s->r[i].lo + 1;
	}
	return count;
}

uint32_t
uidset_next(const struct uidset *s, uint32_t from)
{
	size_t i = first_reaching(s, from);

	if (i == s->n) {
		return 0;
	}
	return s->r[i].lo > from ? s->r[i].lo : from;
}

void
uidset_copy(struct uidset *to, const struct uidset *from)
{
	*to = (struct uidset){.n = from->n, .cap = from->n};
	if (from->n != 0) {
		to->r = xmemdup(from->r, from->n * sizeof(*from->r));
	}
}

void
uidset_write(const struct uidset *s, struct buf *to)
{
	for (size_t i = 0; i < s->n; i++) {
		if (i != 0) {
			buf_add_char(to, ',');
		}
		buf_add_u64(to, s->r[i].lo);
		if (s->r[i].hi != s->r[i].lo) {
			buf_add_char(to, ':');
			buf_add_u64(to, s->r[i].hi);
		}
	}
}
