/*
 * append: messages into a mailbox, all or none, their UIDs told.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/change_priv.h"
#include "store/msgfile_priv.h"

enum { APPEND_TRIES = 16 };

/* One message under way. */
struct piece {
	const struct msg_source *source;
	const struct msg_attrs *attrs;
	struct placement placement;
	uint32_t sum;
	int64_t date_ms;
	char path[PATH_SIZE]; /* empty: no file */
	struct outcome outcome;
};

static void
remove_files(struct account *a, struct piece *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i].path[0] != '\0') {
			(void)fs_unlink(a->store->fs, a->dir, p[i].path);
			p[i].path[0] = '\0';
		}
	}
}

static int
make_file(struct account *a, uint64_t mbox, struct piece *p, struct fail *f)
{
	int fd;

	p->date_ms = p->attrs->date_ms != 0 ? p->attrs->date_ms
					    : fs_now_ms(a->store->fs);
	placement_path(mbox, &p->placement, msg_source_size(p->source),
	    p->date_ms, p->sum, p->path);
	if (msgfile_write(a, mbox, p->path, p->source, &fd, f) != 0) {
		p->path[0] = '\0';
		return -1;
	}
	int rc = msgfile_flush(a, mbox, fd, f);

	fs_close(a->store->fs, &fd);
	return rc;
}

static void
write_record(struct commit *c, uint64_t mbox, uint32_t uidnext, struct piece *p)
{
	struct rec_add add = {
	    .mbox = mbox,
	    .folder = mbox,
	    .placement = p->placement,
	    .email_id = {p->placement.time_ms, p->placement.random},
	    .uidnext = uidnext,
	    .uid = p->attrs->uid,
	    .size = msg_source_size(p->source),
	    .sum = p->sum,
	    .date_ms = p->date_ms,
	    .zone_min = p->attrs->zone_min,
	    .flags = p->attrs->flags,
	    .uidl = p->attrs->uidl,
	    .digest = p->source->digest,
	};

	(void)keyword_list_fill(
	    &add.keywords, p->attrs->keywords, p->attrs->n_keywords);
	if (add.digest.len > STORE_DIGEST_MAX) {
		add.digest = SV_EMPTY;
	}
	outcome_deinit(&p->outcome);
	p->outcome = (struct outcome){.code = OUTCOME_NONE};
	rec_add_write(&c->body, &add);
	commit_add(c, RECORD_ADD, &p->outcome);
}

static int
commit_pieces(struct account *a, uint64_t mbox, uint32_t uidnext,
    struct piece *p, size_t n, struct fail *f)
{
	struct commit c;

	commit_init(&c, a);
	c.adds = true;
	c.flushing = true;
	for (size_t i = 0; i < n; i++) {
		write_record(&c, mbox, uidnext + (uint32_t)i, &p[i]);
	}
	int rc = change_run(&c, &p[0].outcome, "APPEND", f);

	commit_deinit(&c);
	return rc;
}

/* What the writer has seen of the mailbox; FAIL_ABSENT. */
static int
look(struct account *a, uint64_t mbox, uint32_t *uidnext, int64_t *floor_ms,
    struct fail *f)
{
	const struct mbox *m;
	struct view *v;

	if (change_view(a, &v, f) != 0) {
		return -1;
	}
	int rc = change_mbox(v, mbox, &m, f);

	if (rc == 0) {
		*uidnext = m->uidnext;
		*floor_ms = v->floor_ms;
	}
	view_unref(&v);
	return rc;
}

static int
add_pieces(struct account *a, uint64_t mbox, uint32_t uidnext, int64_t floor_ms,
    struct piece *p, size_t n, struct fail *f)
{
	for (size_t i = 0; i < n; i++) {
		/* One time for all: a floor voids all of them or none. */
		p[i].placement = placement_new(a->store, floor_ms);
		p[i].placement.time_ms = p[0].placement.time_ms;
		if (make_file(a, mbox, &p[i], f) != 0) {
			remove_files(a, p, n);
			return -1;
		}
	}
	int rc = commit_pieces(a, mbox, uidnext, p, n, f);

	if (rc != 0 && f->kind != FAIL_UNKNOWN) {
		remove_files(a, p, n);
	}
	return rc;
}

/* FAIL_TEMP with every outcome VOID: the floor has moved, try again. */
static int
append_once(
    struct account *a, uint64_t mbox, struct piece *p, size_t n, struct fail *f)
{
	uint32_t uidnext;
	int64_t floor_ms;

	if (look(a, mbox, &uidnext, &floor_ms, f) != 0) {
		return -1;
	}
	store_flush_begin(a->store);
	int rc = add_pieces(a, mbox, uidnext, floor_ms, p, n, f);

	store_flush_end(a->store);
	if (rc != 0 && f->kind == FAIL_TEMP) {
		struct fail gone;

		/* While we slept the mailbox may have been deleted, and its
		 * folder collected. */
		if (look(a, mbox, &uidnext, &floor_ms, &gone) != 0
		    && gone.kind == FAIL_ABSENT) {
			*f = gone;
		}
	}
	return rc;
}

static void
tell(const struct piece *p, size_t n, struct appended *out)
{
	out->mbox_id = p[0].outcome.mbox;
	out->uidvalidity = p[0].outcome.uidvalidity;
	for (size_t i = 0; i < n; i++) {
		uint32_t uid = uidset_next(&p[i].outcome.to, 1);

		if (uid != 0) {
			uidset_add(&out->uids, uid);
		}
	}
}

/* A mailbox that had no UID left would lose what is delivered to it. */
static int
check_given(const struct msg_attrs *attrs, size_t n, struct fail *f)
{
	for (size_t i = 0; i < n; i++) {
		if (attrs[i].uid > STORE_UID_GIVEN_MAX) {
			return fail_set(f, FAIL_LIMIT,
			    "UID %u is too high to be kept", attrs[i].uid);
		}
	}
	return 0;
}

int
account_append(struct account *account, uint64_t mbox_id,
    const struct msg_source *sources, const struct msg_attrs *attrs, size_t n,
    struct appended *out, struct fail *f)
{
	int rc = -1;

	ASSERT(n > 0);
	*out = (struct appended){.mbox_id = mbox_id};
	if (check_given(attrs, n, f) != 0) {
		return -1;
	}
	struct piece *p = xcalloc(n, sizeof(*p));

	for (size_t i = 0; i < n; i++) {
		p[i].source = &sources[i];
		p[i].attrs = &attrs[i];
		p[i].sum = msg_source_sum(&sources[i]);
	}
	for (int i = 0; i < APPEND_TRIES; i++) {
		fail_clear(f);
		rc = append_once(account, mbox_id, p, n, f);
		if (rc == 0 || p[0].outcome.code != OUTCOME_VOID) {
			break;
		}
	}
	if (rc == 0) {
		tell(p, n, out);
	}
	for (size_t i = 0; i < n; i++) {
		outcome_deinit(&p[i].outcome);
	}
	free(p);
	return rc;
}
