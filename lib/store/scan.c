/*
 * scan: the records of a segment, as a reader among writers sees them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/mutate_priv.h"
#include "store/segment_priv.h"

enum {
	READ_FIRST = 8 * 1024,
	READ_MAX = 2 * 1024 * 1024,
	READ_GROWTH = 4,
	WANT_END = 1 << SEG_PLACE_BITS,
};

void
scan_init(struct scan *s, struct segment *segment, uint64_t at)
{
	*s = (struct scan){
	    .segment = segment,
	    .at = at,
	    .want = READ_FIRST,
	};
}

void
scan_ahead(struct scan *s)
{
	uint64_t size = s->segment->size_at_open;
	uint64_t left = size > s->at ? size - s->at : 0;

	if (left > s->want) {
		s->want = left < READ_MAX ? (size_t)left : READ_MAX;
	}
}

void
scan_until(struct scan *s, uint64_t end)
{
	if (end > s->at && end - s->at < READ_FIRST) {
		s->want = (size_t)(end - s->at);
	}
}

void
scan_deinit(struct scan *s)
{
	free(s->rec);
	free(s->data);
	*s = (struct scan){.segment = NULL};
}

/* Where a parse of the octets in s->data stands. */
struct parse {
	struct sv data;	 /* from s->at on */
	bool whole;	 /* it reaches to the end of the file */
	size_t at;	 /* next record */
	size_t group_at; /* its group begins here ... */
	size_t group_n;	 /* ... with this record of the batch */
};

static int
read_some(struct scan *s, struct parse *p, struct fail *f)
{
	size_t want = s->want + RECORD_TAIL;
	ssize_t n;

	if (s->data_cap < want) {
		free(s->data);
		s->data = NULL;
		s->data_cap = 0;
		void *data;

		if (try_alloc(want, &data, f) != 0) {
			return -1;
		}
		s->data = data;
		s->data_cap = want;
	}
	n = fs_pread(
	    s->segment->fs, s->segment->fd, s->data, want, s->at - RECORD_TAIL);
	if (n < 0) {
		return fail_err(f, (int)-n, "read journal");
	}
	if (n < RECORD_TAIL
	    || (s->check && memcmp(s->data, s->before, RECORD_TAIL) != 0)) {
		return fail_set(
		    f, FAIL_CORRUPT, "journal was changed below its readers");
	}
	memcpy(s->before, s->data, RECORD_TAIL);
	s->check = true;
	*p = (struct parse){
	    .data = sv_make(s->data + RECORD_TAIL, (size_t)n - RECORD_TAIL),
	    .whole = (size_t)n < want,
	};
	return 0;
}

/* First whole record behind `from`; false if none is in what was read. */
static bool
find_next(const struct scan *s, struct sv data, size_t from, size_t *out)
{
	struct record r;
	size_t at = from;

	for (;;) {
		at = record_seek(data, at, &s->segment->key);
		if (at == data.len) {
			return false;
		}
		if (record_read(sv_from(data, at), &s->segment->key, &r)
		    == RECORD_WHOLE) {
			*out = at;
			return true;
		}
		at++;
	}
}

/* Is `r` the next of the group that the batch ends with? */
static bool
continues(const struct scan *s, const struct parse *p, const struct record *r)
{
	const struct record *last = &s->rec[s->n - 1];

	return s->n > p->group_n && last->more && r->continues
	       && r->id.process == last->id.process
	       && r->id.counter == last->id.counter + 1
	       && s->n - p->group_n < GROUP_RECORDS;
}

/* The group so far, up to p->at, has no effect. */
static void
void_group(struct scan *s, struct parse *p)
{
	s->gaps += p->at - p->group_at;
	s->n = p->group_n;
	p->group_at = p->at;
}

static void
take_record(struct scan *s, struct parse *p, struct record *r)
{
	if (s->n > p->group_n && !continues(s, p, r)) {
		void_group(s, p);
	}
	if (r->continues && s->n == p->group_n) {
		/* Its group's beginning has gone. */
		p->at += r->len;
		void_group(s, p);
		return;
	}
	r->place = place_make(s->segment->header.name.number, s->at + p->at);
	s->rec = xgrow(s->rec, s->n, &s->rec_cap, sizeof(*s->rec));
	s->rec[s->n++] = *r;
	p->at += r->len;
	if (r->more) {
		return;
	}
	p->group_at = p->at;
	p->group_n = s->n;
	if (r->type == RECORD_SEAL && rec_seal_read(r->body, &s->seal)) {
		s->end = SCAN_SEAL;
	}
}

/*
 * What stands at p->at is no record.  If a valid one follows, the octets are
 * a gap, provided that they were read after that one had been seen: one
 * read(2) is not one instant, and a record whose first page was copied before
 * it was written looks just like this (F8).  True: go on behind the gap.
 */
static bool
skip_gap(struct scan *s, struct parse *p)
{
	size_t next;

	if (!find_next(s, p->data, p->at + 1, &next)) {
		return false;
	}
	if (s->suspect != s->at + p->at && !MUTATION(F8)) {
		s->suspect = s->at + p->at;
		return false;
	}
	p->at = next;
	void_group(s, p);
	return true;
}

/* Records from p->at on, until they end or the batch is full. */
static void
parse_some(struct scan *s, struct parse *p)
{
	uint64_t end = UINT64_C(1) << SEG_PLACE_BITS;

	while (
	    s->end != SCAN_SEAL && (s->n < SCAN_BATCH || s->n != p->group_n)) {
		struct record r;
		enum record_found found =
		    record_read(sv_from(p->data, p->at), &s->segment->key, &r);

		if (found == RECORD_WHOLE && s->at + p->at + r.len > end) {
			return;
		}
		if (found == RECORD_WHOLE) {
			take_record(s, p, &r);
		} else if ((found == RECORD_SHORT && !p->whole)
			   || !skip_gap(s, p)) {
			return;
		}
	}
}

/* Read more at a time, unless it was the batch that ended first: then twice
 * what went into it. */
static void
adapt(struct scan *s, const struct parse *p)
{
	size_t want =
	    s->n < SCAN_BATCH ? s->want * READ_GROWTH : 2 * p->group_at;

	want = want > READ_FIRST ? want : READ_FIRST;
	s->want = want < READ_MAX ? want : READ_MAX;
}

/* The batch is what stands before p->group_at: move on behind it. */
static void
finish(struct scan *s, struct parse *p)
{
	s->n = p->group_n;
	if (p->group_at != 0) {
		const char *at = p->data.p + p->group_at;

		memcpy(s->before, at - RECORD_TAIL, RECORD_TAIL);
		s->at += p->group_at;
	}
}

int
scan_next(struct scan *s, struct fail *f)
{
	for (;;) {
		struct parse p = {.at = 0};
		uint64_t suspect = s->suspect;

		s->n = 0;
		s->end = SCAN_MORE;
		if (read_some(s, &p, f) != 0) {
			return -1;
		}
		parse_some(s, &p);
		finish(s, &p);
		if (s->end == SCAN_SEAL) {
			return 0;
		}
		if (s->suspect != suspect) {
			/* Look again before the gap is believed. */
			if (s->n != 0) {
				return 0;
			}
			continue;
		}
		if ((p.whole && s->n < SCAN_BATCH) || s->want > WANT_END) {
			s->end = SCAN_TAIL;
			return 0;
		}
		if (s->n != 0 || p.group_at != 0) {
			adapt(s, &p);
			return 0;
		}
		/* One group, or garbage, fills what was read: read more.  The
		 * end of places bounds it. */
		s->want *= 2;
	}
}
