#include "pop3d/opening.h"

#include <string.h>
#include <sys/stat.h>

#include "base/block.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "mail/downgrade.h"
#include "mail/header.h"

/* A file of another size is not what was stored, and no part of it is sent. */
int
opening_begin(
    struct opening *o, int fd, uint64_t size, bool ascii, struct fail *f)
{
	struct stat st;

	*o = (struct opening){.fd = fd, .size = size, .header = ascii};
	if (fstat(fd, &st) != 0) {
		return fail_sys(f, "a message file");
	}
	return (uint64_t)st.st_size == size
		   ? 0
		   : fail_set(f, FAIL_CORRUPT,
		       "the file has %lld octets instead of %llu",
		       (long long)st.st_size, (unsigned long long)size);
}

void
opening_end(struct opening *o)
{
	buf_deinit(&o->held);
}

static bool
is_all_read(const struct opening *o)
{
	return o->at == o->size;
}

/* Append the next octets of the file. */
static int
read_some(struct opening *o, struct buf *to, struct fail *f)
{
	uint64_t left = o->size - o->at;
	size_t most = left < OPENING_PIECE ? (size_t)left : OPENING_PIECE;
	char *room = buf_reserve(to, most);
	ssize_t n;

	ASSERT(room != NULL);
	n = block_pread(o->fd, room, most, o->at);
	if (n < 0) {
		return fail_err(f, (int)-n, "read message");
	}
	if (n == 0) {
		return fail_set(f, FAIL_CORRUPT, "message is cut short");
	}
	o->at += (uint64_t)n;
	o->sum = crc32c(o->sum, room, (size_t)n);
	to->len += (size_t)n;
	return 0;
}

/* ---- the header ---- */

/* Octets of whole fields that `text` begins with; *ended_out: and the header
 * ends there. */
static size_t
whole_fields(struct sv text, bool all, bool *ended_out)
{
	struct header_field field;
	struct header_iter it;
	size_t last = 0;

	header_iter_init(&it, text);
	while (header_next(&it, &field)) {
		last = (size_t)(field.raw.p - text.p);
	}
	*ended_out = it.blank > 0 || all;
	return *ended_out ? it.at + it.blank : last;
}

/* Where in `text` the field ends that has begun before it; all of `text` but
 * a last LF, behind which it may go on, if that does not show yet. */
static size_t
rest_of_field(struct sv text, bool all, bool *ended_out)
{
	size_t at = 0;
	ptrdiff_t lf;

	*ended_out = false;
	while ((lf = sv_chr(sv_from(text, at), '\n')) >= 0) {
		at += (size_t)lf + 1;
		if (at == text.len) {
			return all ? at : at - 1;
		}
		if (text.p[at] != ' ' && text.p[at] != '\t') {
			*ended_out = true;
			return at;
		}
	}
	return text.len;
}

static void
add_masked(struct sv text, struct buf *to)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];

		buf_add_char(to, (char)((unsigned char)c < 0x80 ? c : '?'));
	}
}

/* Take what is certain out of what is held: octets taken. */
static size_t
take_header(struct opening *o, struct sv text, struct buf *piece)
{
	bool ended;
	size_t n;

	if (!o->inside) {
		n = whole_fields(text, is_all_read(o), &ended);
		if (n > 0 || text.len < OPENING_FIELD_MAX) {
			downgrade_header(sv_sub(text, 0, n), piece);
			o->header = !ended;
			return n;
		}
		o->inside = true;
	}
	n = rest_of_field(text, is_all_read(o), &ended);
	add_masked(sv_sub(text, 0, n), piece);
	o->inside = !ended;
	return n;
}

static void
keep_from(struct buf *b, size_t at)
{
	memmove(b->data, b->data + at, b->len - at);
	b->len -= at;
}

int
opening_next(struct opening *o, struct buf *piece, struct fail *f)
{
	buf_clear(piece);
	while (piece->len == 0) {
		if (is_all_read(o) && o->held.len == 0) {
			return 0;
		}
		if (!o->header) {
			return read_some(o, piece, f) == 0 ? 1 : -1;
		}
		if (!is_all_read(o) && read_some(o, &o->held, f) != 0) {
			return -1;
		}
		size_t n = take_header(o, buf_sv(&o->held), piece);

		if (!o->header) { /* the rest is body */
			buf_add_sv(piece, sv_from(buf_sv(&o->held), n));
			buf_deinit(&o->held);
		} else if (n > 0) {
			keep_from(&o->held, n);
		}
	}
	return 1;
}
