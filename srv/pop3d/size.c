#include "pop3d/size.h"

#include <stdlib.h>

#include "base/block.h"
#include "base/mem.h"
#include "mail/digest.h"
#include "pop3d/opening.h"
#include "proto/pop3_dots.h"

struct sizer {
	struct account *account;
	bool ascii;
	struct digest_reader *digests;
};

struct sizer *
sizer_new(struct account *account, const struct view *view,
    const struct mbox *mbox, bool ascii)
{
	struct sizer *s = xmalloc(sizeof(*s));

	s->account = account;
	s->ascii = ascii;
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

/* Is it sent octet for octet as it is stored? */
static bool
is_as_stored(struct sizer *s, const struct msg *msg)
{
	unsigned want = DIGEST_CRLF | (s->ascii ? DIGEST_ASCII : 0);
	struct digest digest;
	struct sv octets;
	struct fail f;

	return digest_reader_get(s->digests, msg, &octets, &f) == 0
	       && digest_open(octets, &digest, &f) == 0
	       && (digest.flags & want) == want;
}

static int
count(const struct sizer *s, int fd, const struct msg *msg, uint64_t *out,
    struct fail *f)
{
	struct pop3_count n = {0};
	struct buf piece = {.data = NULL};
	struct opening in;
	uint64_t sent = 0;
	int more = opening_begin(&in, fd, msg->size, s->ascii, f);

	if (more == 0) {
		while ((more = opening_next(&in, &piece, f)) > 0) {
			pop3_count_add(&n, buf_sv(&piece));
			sent += piece.len;
		}
	}
	if (more == 0) {
		(void)msg_is_intact(s->account, msg, in.sum);
	}
	*out = pop3_wire_size(&n, sent);
	opening_end(&in);
	buf_deinit(&piece);
	return more;
}

int
sizer_get(struct sizer *s, const struct msg *msg, uint64_t *out, struct fail *f)
{
	int fd = -1;

	*out = msg->size;
	if (is_as_stored(s, msg)) {
		return 0;
	}
	if (msg_open(s->account, msg, &fd, f) != 0) {
		return -1;
	}
	int rc = count(s, fd, msg, out, f);

	msg_close(s->account, &fd);
	return rc;
}
