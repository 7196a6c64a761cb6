#include "imapd/letter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/block.h"
#include "base/hash.h"
#include "base/mem.h"
#include "mail/header.h"
#include "mail/imap_text.h"

enum {
	HEADER_FIRST = 16384, /* octets read to find where it ends */
	VERIFY_PIECE = 65536, /* a message up to this size is kept */
};

void
letter_init(struct letter *l, struct account *account, const struct view *view,
    const struct mbox *mbox)
{
	*l = (struct letter){.account = account, .fd = -1};
	l->reader = digest_reader_new(account, view, mbox);
}

static void
forget(struct letter *l)
{
	if (l->fd >= 0) {
		msg_close(l->account, &l->fd);
	}
	free(l->whole);
	l->whole = NULL;
	l->parsed = false;
	l->damaged = false;
	l->asked = DIGEST_NOT_ASKED;
	arena_reset(&l->arena);
}

void
letter_deinit(struct letter *l)
{
	forget(l);
	arena_deinit(&l->arena);
	digest_reader_free(&l->reader);
}

void
letter_begin(struct letter *l, const struct msg *msg)
{
	forget(l);
	l->msg = msg;
}

const struct digest *
letter_digest(struct letter *l)
{
	struct sv octets;
	struct fail f;

	if (l->asked == DIGEST_NOT_ASKED) {
		/* Without one the message itself is read: no failure yet. */
		l->asked =
		    digest_reader_get(l->reader, l->msg, &octets, &f) == 0
			    && digest_open(octets, &l->digest, &f) == 0
			? DIGEST_THERE
			: DIGEST_NONE;
	}
	return l->asked == DIGEST_THERE ? &l->digest : NULL;
}

int
letter_open(struct letter *l, struct fail *f)
{
	struct stat st;

	if (l->fd >= 0) {
		return 0;
	}
	if (msg_open(l->account, l->msg, &l->fd, f) != 0) {
		l->fd = -1;
		return -1;
	}
	if (fstat(l->fd, &st) != 0) {
		return fail_sys(f, "a message file");
	}
	if ((uint64_t)st.st_size != l->msg->size) {
		return fail_set(f, FAIL_CORRUPT,
		    "the file of UID %u has %lld octets instead of %llu",
		    l->msg->uid, (long long)st.st_size,
		    (unsigned long long)l->msg->size);
	}
	return 0;
}

static int
read_all(int fd, char *p, size_t n, uint64_t at, struct fail *f)
{
	int rc = 0;

	block_begin();
	while (rc == 0 && n != 0) {
		ssize_t got = pread(fd, p, n, (off_t)at);

		if (got < 0 && errno != EINTR) {
			rc = fail_sys(f, "read a message file");
		} else if (got == 0) {
			rc = fail_set(
			    f, FAIL_CORRUPT, "a message file ends early");
		} else if (got > 0) {
			p += got;
			at += (uint64_t)got;
			n -= (size_t)got;
		}
	}
	block_end();
	return rc;
}

int
letter_read(
    struct letter *l, uint64_t at, uint64_t n, struct buf *to, struct fail *f)
{
	char *p;

	ASSERT(at <= l->msg->size && n <= l->msg->size - at);
	if (l->whole != NULL) {
		buf_add(to, l->whole + at, n);
		return 0;
	}
	if (letter_open(l, f) != 0) {
		return -1;
	}
	p = buf_reserve(to, n);
	if (p == NULL || read_all(l->fd, p, n, at, f) != 0) {
		return -1;
	}
	to->len += n;
	return 0;
}

static int
read_whole(struct letter *l, struct fail *f)
{
	void *p;

	if (l->whole != NULL) {
		return 0;
	}
	if (letter_open(l, f) != 0 || try_alloc(l->msg->size + 1, &p, f) != 0) {
		return -1;
	}
	if (read_all(l->fd, p, l->msg->size, 0, f) != 0) {
		free(p);
		return -1;
	}
	l->whole = p;
	l->damaged = !msg_is_intact(
	    l->account, l->msg, crc32c(0, l->whole, l->msg->size));
	return 0;
}

int
letter_verify(struct letter *l, struct fail *f)
{
	uint64_t size = l->msg->size;
	uint32_t sum = 0;
	char *piece;
	int rc = 0;

	if (l->whole != NULL || size <= VERIFY_PIECE) {
		return read_whole(l, f);
	}
	if (letter_open(l, f) != 0) {
		return -1;
	}
	piece = xmalloc(VERIFY_PIECE);
	for (uint64_t at = 0; rc == 0 && at < size; at += VERIFY_PIECE) {
		size_t n = size - at < VERIFY_PIECE ? size - at : VERIFY_PIECE;

		rc = read_all(l->fd, piece, n, at, f);
		sum = crc32c(sum, piece, n);
	}
	free(piece);
	l->damaged = rc == 0 && !msg_is_intact(l->account, l->msg, sum);
	return rc;
}

int
letter_mime(struct letter *l, const struct mime **out, struct fail *f)
{
	if (read_whole(l, f) != 0) {
		return -1;
	}
	if (!l->parsed) {
		mime_parse(
		    sv_make(l->whole, l->msg->size), NULL, &l->arena, &l->mime);
		l->parsed = true;
	}
	*out = &l->mime;
	return 0;
}

int
letter_envelope(struct letter *l, struct buf *to, struct fail *f)
{
	const struct digest *d = letter_digest(l);
	struct buf header = {0};

	if (d != NULL && digest_envelope(d, to)) {
		return 0;
	}
	if (letter_header(l, &header, f) != 0) {
		buf_deinit(&header);
		return -1;
	}
	imap_text_envelope(buf_sv(&header), to);
	buf_deinit(&header);
	return 0;
}

int
letter_structure(
    struct letter *l, bool extended, struct buf *to, struct fail *f)
{
	const struct digest *d = letter_digest(l);
	const struct mime *m;

	if (d != NULL
	    && (extended ? digest_structure(d, to) : digest_body(d, to))) {
		return 0;
	}
	if (letter_mime(l, &m, f) != 0) {
		return -1;
	}
	imap_text_body(m, 0, extended, to);
	return 0;
}

/* Read until the header section is whole; its size then is. */
static int
find_header(struct letter *l, struct buf *to, struct fail *f)
{
	size_t from = to->len;
	uint64_t have = 0, step = HEADER_FIRST;
	size_t size;

	for (;;) {
		uint64_t left = l->msg->size - have;
		uint64_t n = left < step ? left : step;

		if (letter_read(l, have, n, to, f) != 0) {
			return -1;
		}
		have += n;
		size = header_size(sv_from(buf_sv(to), from));
		/* An empty line at the very end might be half of one. */
		if (size < have || have == l->msg->size) {
			to->len = from + size;
			return 0;
		}
		step *= 4;
	}
}

int
letter_header(struct letter *l, struct buf *to, struct fail *f)
{
	const struct digest *d = letter_digest(l);

	if (d != NULL && d->header_size <= l->msg->size) {
		return letter_read(l, 0, d->header_size, to, f);
	}
	return find_header(l, to, f);
}

int
letter_spans(struct letter *l, struct section_spans *out, struct fail *f)
{
	const struct digest *d = letter_digest(l);
	const struct mime *m;

	if (d != NULL && digest_spans(d, &l->arena, out)) {
		return 0;
	}
	if (letter_mime(l, &m, f) != 0) {
		return -1;
	}
	*out = section_spans_of(m);
	return 0;
}
