#include "pop3d/opening.h"

#include <sys/stat.h>

#include "base/block.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "mail/downgrade.h"
#include "mail/header.h"

/* Append octets from place `at` on, at most `most`. */
static int
read_some(int fd, uint64_t at, size_t most, struct buf *to, struct fail *f)
{
	char *room = buf_reserve(to, most);
	ssize_t n;

	ASSERT(room != NULL);
	n = block_pread(fd, room, most, at);
	if (n < 0) {
		return fail_err(f, (int)-n, "read message");
	}
	if (n == 0) {
		return fail_set(f, FAIL_CORRUPT, "message is cut short");
	}
	to->len += (size_t)n;
	return 0;
}

int
opening_next(
    int fd, uint64_t size, struct opened *to, struct buf *piece, struct fail *f)
{
	size_t want = size - to->at < OPENING_PIECE ? (size_t)(size - to->at)
						    : OPENING_PIECE;

	buf_clear(piece);
	if (read_some(fd, to->at, want, piece, f) != 0) {
		return -1;
	}
	to->at += piece->len;
	to->sum = crc32c(to->sum, piece->data, piece->len);
	return 0;
}

/* A file of another size is not what was stored, and no part of it is sent. */
static int
check_size(int fd, uint64_t size, struct fail *f)
{
	struct stat st;

	if (fstat(fd, &st) != 0) {
		return fail_sys(f, "a message file");
	}
	return (uint64_t)st.st_size == size
		   ? 0
		   : fail_set(f, FAIL_CORRUPT,
		       "the file has %lld octets instead of %llu",
		       (long long)st.st_size, (unsigned long long)size);
}

static int
read_up_to(int fd, uint64_t want, struct buf *to, struct fail *f)
{
	while (to->len < want) {
		if (read_some(fd, to->len, (size_t)want - to->len, to, f)
		    != 0) {
			return -1;
		}
	}
	return 0;
}

/* Octets of the header with its empty line; 0 if it may go on behind what was
 * read. */
static size_t
whole_header(struct sv text, bool all)
{
	struct header_field field;
	struct header_iter it;

	header_iter_init(&it, text);
	while (header_next(&it, &field)) {
	}
	return it.blank > 0 || all ? it.at + it.blank : 0;
}

int
opening_read(int fd, uint64_t size, bool ascii, struct buf *out,
    struct opened *to, struct fail *f)
{
	uint64_t want = size < OPENING_PIECE ? size : OPENING_PIECE;
	struct buf made = {.data = NULL};
	size_t header = 0;

	if (check_size(fd, size, f) != 0 || read_up_to(fd, want, out, f) != 0) {
		return -1;
	}
	while (ascii && (header = whole_header(buf_sv(out), want == size)) == 0
	       && want < OPENING_MAX) {
		want = size - want < want ? size : 2 * want;
		if (read_up_to(fd, want, out, f) != 0) {
			return -1;
		}
	}
	*to = (struct opened){out->len, crc32c(0, out->data, out->len)};
	if (utf8_is_ascii(sv_sub(buf_sv(out), 0, header))) {
		return 0;
	}
	downgrade_header(sv_sub(buf_sv(out), 0, header), &made);
	buf_add_sv(&made, sv_from(buf_sv(out), header));
	buf_deinit(out);
	*out = made;
	return 0;
}
