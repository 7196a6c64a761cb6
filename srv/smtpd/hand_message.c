/*
 * hand_message: the message on its way to lmtpd, and the one answer that is
 * made of those for its recipients.
 *
 * Threads: session-owned.
 */
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "net/conn.h"
#include "proto/handover.h"
#include "smtpd/hand_priv.h"
#include "smtpd/session.h"

static int
write_memfd(int fd, struct sv text, struct fail *f)
{
	const int seals =
	    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;

	while (text.len > 0) {
		ssize_t n = write(fd, text.p, text.len);

		if (n <= 0) {
			return fail_sys(f, "write a memfd");
		}
		text = sv_from(text, (size_t)n);
	}
	if (fcntl(fd, F_ADD_SEALS, seals) != 0) {
		return fail_sys(f, "seal a memfd");
	}
	return 0;
}

/* A descriptor of the message: sealed, or of the spool file.  *own_out says
 * whether it is to be closed. */
static int
message_fd(const struct spool *m, int *fd_out, bool *own_out, struct fail *f)
{
	*own_out = spool_in_memory(m);
	if (!*own_out) {
		*fd_out = m->fd;
		return 0;
	}
	*fd_out = memfd_create("message", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd_out < 0) {
		return fail_sys(f, "make a memfd");
	}
	if (write_memfd(*fd_out, buf_sv(&m->mem), f) != 0) {
		(void)close(*fd_out);
		return -1;
	}
	return 0;
}

/*
 * SMTP has one answer for all recipients.  If some have the message and some
 * may get it later, the client is asked to try again: lmtpd knows the attempt
 * by its key and those who have it do not get it twice.  If some have it and
 * others never will, the same: their recipients are refused by name at the
 * next attempt's RCPT, where the client learns who they are.
 */
static const struct smtp_reply *
combine(const struct smtp_reply *const *replies, unsigned n)
{
	static const struct smtp_reply some = {451, "4.3.0",
	    "Not all recipients could be served; try again later"};
	const struct smtp_reply *temp = NULL, *perm = NULL, *good = NULL;

	for (unsigned i = 0; i < n; i++) {
		if (replies[i]->code < 300) {
			good = replies[i];
		} else if (replies[i]->code < 500) {
			temp = replies[i];
		} else {
			perm = replies[i];
		}
	}
	if (temp != NULL) {
		return good == NULL && perm == NULL ? temp : &some;
	}
	return good != NULL && perm != NULL ? &some
	       : good != NULL		    ? good
					    : perm;
}

static const struct smtp_reply *
read_answers(struct smtp_session *s)
{
	unsigned n = s->r.n_rcpts;
	const struct smtp_reply **replies =
	    arena_array(&s->r.arena, n, sizeof(*replies));

	for (unsigned i = 0; i < n; i++) {
		replies[i] = hand_reply(s);
		if (replies[i] == NULL) {
			return NULL;
		}
	}
	return combine(replies, n);
}

const struct smtp_reply *
hand_message(struct smtp_session *s)
{
	const struct spool *m = &s->r.body;
	struct hand *h = &s->hand;
	const struct smtp_reply *reply = NULL;
	struct buf line = {0};
	struct fail f;
	bool own;
	int fd;

	if (h->c == NULL) {
		return &hand_away;
	}
	if (message_fd(m, &fd, &own, &f) != 0) {
		LOG(LOG_ERROR, "handover.message", kv_str("id", s->r.id),
		    kv_fail(&f));
		/* Whatever it is, it is on our side. */
		return smtp_reply_for(
		    f.kind == FAIL_LIMIT ? FAIL_LIMIT : FAIL_TEMP);
	}
	handover_hand_write(
	    spool_size(m), s->r.prefix, sv_cstr(s->r.id), &line);
	if (c_send_fd(h->c, buf_sv(&line), fd) == 0) {
		reply = read_answers(s);
	}
	buf_deinit(&line);
	if (own) {
		(void)close(fd);
	}
	h->mailed = false; /* lmtpd has ended the transaction */
	if (reply == NULL) {
		LOG(LOG_ERROR, "handover.broken", kv_str("id", s->r.id));
		hand_drop(h);
		return &hand_away;
	}
	return reply;
}
