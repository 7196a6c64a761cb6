/*
 * Messages without a file, and files without a message.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/change_priv.h"
#include "store/check_priv.h"
#include "store/msgfile_priv.h"
#include "store/uidset_codec_priv.h"

enum {
	STRAY_AGE_MS = 3600 * 1000,
	READ_CHUNK = 256 * 1024,
};

void
check_report(const struct check *c, const char *fmt, ...)
{
	char text[PATH_SIZE + 300];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->sum->findings++;
	c->conf->report(c->conf->arg, text);
}

void
check_progress(const struct check *c)
{
	if (c->conf->progress != NULL) {
		c->conf->progress(c->conf->arg, c->sum);
	}
}

/* ---- octets ---- */

/* CRC-32C of all that a file has; *n_out counts it. */
static int
file_sum(struct account *a, const char *path, uint32_t *out, uint64_t *n_out,
    struct fail *f)
{
	struct fs *fs = a->store->fs;
	int fd = fs_open(fs, a->dir, path, O_RDONLY, 0);
	char *chunk;
	ssize_t n;

	*out = 0;
	*n_out = 0;
	if (fd < 0) {
		return fail_err(f, -fd, "open %s", path);
	}
	chunk = xmalloc(READ_CHUNK);
	do {
		n = fs_pread(fs, fd, chunk, READ_CHUNK, *n_out);
		if (n > 0) {
			*out = crc32c(*out, chunk, (size_t)n);
			*n_out += (uint64_t)n;
		}
	} while (n > 0);
	free(chunk);
	fs_close(fs, &fd);
	return n < 0 ? fail_err(f, (int)-n, "read %s", path) : 0;
}

/* What cannot be read is a finding as well: others still are looked at. */
static void
check_octets(const struct check *c, const struct box *b, const struct msg *m,
    const char *path)
{
	struct fail f = {.kind = FAIL_NONE};
	uint64_t n;
	uint32_t sum;

	if (file_sum(c->account, path, &sum, &n, &f) != 0) {
		check_report(c, "message %u of mailbox %.*s: %s", m->uid,
		    SV_ARG(b->pub.name), f.text);
	} else if (sum != m->sum) {
		check_report(c,
		    "message %u of mailbox %.*s: %s: its octets are not those "
		    "that came",
		    m->uid, SV_ARG(b->pub.name), path);
	}
	c->sum->read += n;
	check_progress(c);
}

/* ---- messages without a file ---- */

/* 1: its file is not what it was; 0: it is; -1. */
static int
is_lost(struct account *a, const struct msg *m, char path[PATH_SIZE],
    struct fail *f)
{
	struct fs_stat st;
	int rc;

	msg_path(m, path);
	rc = fs_stat_at(a->store->fs, a->dir, path, &st);
	if (rc == -ENOENT) {
		return 1;
	}
	return rc != 0 ? fail_err(f, -rc, "stat %s", path) : st.size != m->size;
}

/* Expunge them by a record that says that they had no file any more. */
static int
void_lost(struct account *a, uint64_t mbox, struct uidset *uids, struct fail *f)
{
	struct rec_expunge rec = {
	    .mbox = mbox, .any_flags = true, .lost = true};
	struct outcome out = {.code = OUTCOME_NONE};
	int rc = 0;

	while (rc == 0 && uids->n != 0) {
		struct commit c;

		uidset_take(uids, &rec.uids, UIDSET_RECORD_MAX);
		commit_init(&c, a);
		rec_expunge_write(&c.body, &rec);
		commit_add(&c, RECORD_EXPUNGE, &out);
		rc = change_run(&c, &out, "EXPUNGE", f);
		/* The mailbox has gone, and they with it. */
		if (rc != 0 && f->kind == FAIL_ABSENT) {
			fail_clear(f);
			rc = 0;
		}
		commit_deinit(&c);
		outcome_deinit(&out);
		uidset_deinit(&rec.uids);
	}
	return rc;
}

static void
check_message(const struct check *c, const struct box *b, const struct msg *m,
    struct uidset *lost)
{
	struct fail f = {.kind = FAIL_NONE};
	char path[PATH_SIZE];
	int rc = is_lost(c->account, m, path, &f);

	if (rc == 1) {
		uidset_add(lost, m->uid);
		check_report(c,
		    "message %u of mailbox %.*s: %s is missing or cut", m->uid,
		    SV_ARG(b->pub.name), path);
	} else if (rc != 0) {
		check_report(c, "message %u of mailbox %.*s: %s", m->uid,
		    SV_ARG(b->pub.name), f.text);
	} else if (c->conf->octets) {
		check_octets(c, b, m, path);
	}
	c->sum->messages++;
	c->sum->octets += m->size;
}

static int
lost_in(const struct check *c, const struct box *b, struct fail *f)
{
	struct uidset lost = {.n = 0};
	int rc = 0;

	for (uint32_t i = 0; i < b->msgs.n; i++) {
		check_message(c, b, vec_at(&b->msgs, i), &lost);
	}
	if (c->conf->repair) {
		rc = void_lost(c->account, b->pub.id, &lost, f);
	}
	uidset_deinit(&lost);
	return rc;
}

int
check_lost(const struct check *c, const struct view *v, struct fail *f)
{
	for (uint32_t i = 0; i < v->boxes.n; i++) {
		const struct box *b = view_box(v, i);

		if (b == NULL) {
			continue;
		}
		c->sum->mailboxes += !b->deleted && !b->pub.noselect;
		if (lost_in(c, b, f) != 0) {
			return -1;
		}
	}
	return 0;
}

/* ---- files without a message ---- */

struct strays {
	const struct check *check;
	const struct view *view;
	struct named *named;
	int64_t now_ms;
	int rc;
	struct fail *f;
};

/* File what was found into INBOX, under a new name of its own. */
static int
adopt(struct account *a, const struct found *file, const struct view *v,
    struct fail *f)
{
	struct placement p = placement_new(a->store, v->floor_ms);
	struct rec_add add = {.delivery = true,
	    .mbox = INBOX_ID,
	    .folder = INBOX_ID,
	    .placement = p,
	    .email_id = {p.time_ms, p.random},
	    .size = file->size,
	    .sum = file->sum,
	    .date_ms = file->date_ms};
	struct outcome out = {.code = OUTCOME_NONE};
	char to[PATH_SIZE];
	struct commit c;
	int rc;

	placement_path(INBOX_ID, &p, file->size, add.date_ms, file->sum, to);
	if (msgfile_copy(a, file->path, a, INBOX_ID, to, f) != 0) {
		return -1;
	}
	if (msgfile_flush_folder(a, INBOX_ID, f) != 0) {
		(void)fs_unlink(a->store->fs, a->dir, to);
		return -1;
	}
	commit_init(&c, a);
	c.adds = true;
	rec_add_write(&c.body, &add);
	commit_add(&c, RECORD_ADD, &out);
	rc = change_run(&c, &out, "ADD", f);
	commit_deinit(&c);
	outcome_deinit(&out);
	if (rc == 0 || f->kind != FAIL_UNKNOWN) {
		(void)fs_unlink(
		    a->store->fs, a->dir, rc == 0 ? file->path : to);
	}
	return rc;
}

/* Is it all that its name says?  If not it was never whole and never
 * acknowledged, or it was damaged twice: then it is for the administrator to
 * look at. */
static bool
is_whole(struct account *a, const struct found *file)
{
	struct fail ignored;
	uint64_t n;
	uint32_t sum;

	return file_sum(a, file->path, &sum, &n, &ignored) == 0
	       && n == file->size && sum == file->sum;
}

/* Do the two files of `size` octets have the same? */
static bool
same_octets(struct account *a, const char *x, const char *y, uint64_t size)
{
	struct fs *fs = a->store->fs;
	int fd[2] = {fs_open(fs, a->dir, x, O_RDONLY, 0),
	    fs_open(fs, a->dir, y, O_RDONLY, 0)};
	char *chunk = xmalloc(2 * READ_CHUNK);
	bool same = fd[0] >= 0 && fd[1] >= 0;
	uint64_t at = 0;

	while (same && at < size) {
		size_t want =
		    size - at < READ_CHUNK ? (size_t)(size - at) : READ_CHUNK;

		same = fs_pread(fs, fd[0], chunk, want, at) == (ssize_t)want
		       && fs_pread(fs, fd[1], chunk + READ_CHUNK, want, at)
			      == (ssize_t)want
		       && memcmp(chunk, chunk + READ_CHUNK, want) == 0;
		at += want;
	}
	free(chunk);
	fs_close(fs, &fd[0]);
	fs_close(fs, &fd[1]);
	return same;
}

/* A delivery that came twice leaves a second file of what is there; below the
 * floor no record can come for it any more. */
static bool
is_superfluous(const struct strays *s, const struct found *file)
{
	const struct msg *twin = named_twin(s->named, file->size, file->sum);
	char path[PATH_SIZE];

	if (twin == NULL
	    || (int64_t)file->placement.time_ms >= s->view->floor_ms) {
		return false;
	}
	msg_path(twin, path);
	return same_octets(s->check->account, file->path, path, file->size);
}

static bool
stray_file(void *arg, const struct found *file)
{
	struct strays *s = arg;
	struct account *a = s->check->account;
	struct fs_stat st;

	/* By its placement, too: what is filed below has its file's age. */
	if ((int64_t)file->placement.time_ms + STRAY_AGE_MS > s->now_ms
	    || named_has(s->named, file->folder, file->placement.time_ms,
		file->placement.random)
	    || fs_stat_at(a->store->fs, a->dir, file->path, &st) != 0
	    || st.mtime_ms + STRAY_AGE_MS > s->now_ms) {
		return true;
	}
	bool whole = is_whole(a, file);
	bool superfluous = whole && is_superfluous(s, file);

	check_report(s->check, "%s: no record names it%s", file->path,
	    superfluous ? "; a message has the same octets"
	    : whole	? ""
			: ", and it is not whole");
	if (!s->check->conf->repair) {
		return true;
	}
	if (superfluous) {
		(void)fs_unlink(a->store->fs, a->dir, file->path);
	} else if (whole) {
		s->rc = adopt(a, file, s->view, s->f);
	}
	return s->rc == 0;
}

int
check_strays(const struct check *c, const struct view *v, struct fail *f)
{
	struct strays s = {.check = c,
	    .view = v,
	    .named = named_new(v),
	    .now_ms = fs_now_ms(c->account->store->fs),
	    .f = f};
	struct fs *fs = c->account->store->fs;

	if (files_each(fs, c->account->dir, stray_file, &s, f) != 0) {
		s.rc = -1;
	}
	named_free(&s.named);
	return s.rc;
}
