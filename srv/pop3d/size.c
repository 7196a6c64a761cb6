#include "pop3d/size.h"

#include <stdlib.h>

#include "base/block.h"
#include "base/mem.h"
#include "mail/digest.h"
#include "proto/pop3_dots.h"

enum { PIECE = 64 * 1024 };

struct sizer {
	struct account *account;
	struct digest_reader *digests;
};

struct sizer *
sizer_new(
    struct account *account, const struct view *view, const struct mbox *mbox)
{
	struct sizer *s = xmalloc(sizeof(*s));

	s->account = account;
	s->digests = digest_reader_new(account, view, mbox);
	return s;
}

void
sizer_free(struct sizer **s)
{
	if (*s != NULL) {
		digest_reader_free(&(*s)->digests);
		free(*s);
		*s = NULL;
	}
}

static bool
is_crlf(struct sizer *s, const struct msg *msg)
{
	struct digest digest;
	struct sv octets;
	struct fail f;

	return digest_reader_get(s->digests, msg, &octets, &f) == 0
	       && digest_open(octets, &digest, &f) == 0
	       && (digest.flags & DIGEST_CRLF) != 0;
}

static int
count(int fd, uint64_t size, uint64_t *out, struct fail *f)
{
	size_t room = size < PIECE ? (size_t)size : PIECE;
	char *piece = xmalloc(room + 1);
	struct pop3_count n = {0};
	uint64_t at = 0;
	int rc = 0;

	while (rc == 0 && at < size) {
		ssize_t got = block_pread(fd, piece, room, at);

		if (got < 0) {
			rc = fail_err(f, (int)-got, "read message");
		} else if (got == 0) {
			rc = fail_set(f, FAIL_CORRUPT, "message is cut short");
		} else {
			pop3_count_add(&n, sv_make(piece, (size_t)got));
			at += (uint64_t)got;
		}
	}
	*out = pop3_wire_size(&n, size);
	free(piece);
	return rc;
}

int
sizer_get(struct sizer *s, const struct msg *msg, uint64_t *out, struct fail *f)
{
	int fd = -1;

	*out = msg->size;
	if (is_crlf(s, msg)) {
		return 0;
	}
	if (msg_open(s->account, msg, &fd, f) != 0) {
		return -1;
	}
	int rc = count(fd, msg->size, out, f);

	msg_close(s->account, &fd);
	return rc;
}
