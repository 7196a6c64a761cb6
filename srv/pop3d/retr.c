/*
 * retr: RETR and TOP.  [RFC 1939 5, 7]
 *
 * The file is read in pieces and sent as it comes; a message that somebody
 * expunged meanwhile is served as long as the store keeps it.
 *
 * Threads: session-owned.
 */
#include <stdlib.h>

#include "base/block.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "mail/header.h"
#include "net/park.h"
#include "pop3d/session.h"
#include "proto/pop3_dots.h"
#include "proto/pop3_reply.h"

enum { PIECE = 64 * 1024 };

/* One message on its way out. */
struct outgoing {
	struct pop3_session *s;
	const struct msg *msg;
	int fd;
	char *piece; /* owned */
	size_t room;
	uint64_t at;	/* octets read */
	struct sv text; /* read and not yet sent */
};

/* The next piece of the file. */
static int
read_piece(struct outgoing *o, struct fail *f)
{
	uint64_t left = o->msg->size - o->at;
	size_t want = left < o->room ? (size_t)left : o->room;
	ssize_t n = block_pread(o->fd, o->piece, want, o->at);

	if (n < 0) {
		return fail_err(f, (int)-n, "read message");
	}
	if (n == 0) {
		return fail_set(f, FAIL_CORRUPT, "message is cut short");
	}
	o->at += (uint64_t)n;
	o->text = sv_make(o->piece, (size_t)n);
	return 0;
}

/* A header with UTF-8 in it may not go to a client that did not ask for it
 * [RFC 6856 2.1]; other octets above 0x7f are nobody's standard. */
static bool
needs_utf8(const struct outgoing *o)
{
	struct sv header = sv_sub(o->text, 0, header_size(o->text));

	if (o->s->utf8 || !pop3d.set->pop3_utf8_refuse) {
		return false;
	}
	return !utf8_is_ascii(header) && utf8_valid(header);
}

static int
send_text(struct outgoing *o, struct pop3_dots *dots)
{
	struct sv run;

	while (pop3_dots_next(dots, &o->text, &run)) {
		if (c_write(o->s->s.c, run) != 0) {
			return -1;
		}
	}
	return 0;
}

/*
 * Send what was read and the rest.  Once the answer has begun there is no way
 * to take it back: the connection ends without the dot, so that no client
 * takes a part for the whole.
 */
static void
send_all(struct outgoing *o, const struct pop3_cmd *cmd)
{
	struct pop3_dots dots;
	struct fail f;

	pop3_dots_init(&dots, cmd->verb == POP3_TOP, cmd->lines);
	pop3_say_ok(o->s, "Message follows");
	for (;;) {
		if (send_text(o, &dots) != 0) {
			return;
		}
		if (dots.done || o->at == o->msg->size) {
			break;
		}
		park_yield(&o->s->s);
		if (read_piece(o, &f) != 0) {
			LOG(LOG_ERROR, "message.damaged",
			    kv_hex("session", o->s->s.id),
			    kv_u64("uid", o->msg->uid), kv_fail(&f));
			o->s->closing = true;
			return;
		}
	}
	stat_add(&pop3d.retrieved, cmd->verb == POP3_RETR ? 1 : 0);
	(void)c_write(o->s->s.c, pop3_dots_end(&dots));
}

static void
send_message(struct outgoing *o, const struct pop3_cmd *cmd)
{
	struct fail f;

	o->room = o->msg->size < PIECE ? (size_t)o->msg->size : PIECE;
	o->piece = xmalloc(o->room + 1);
	if (o->msg->size > 0 && read_piece(o, &f) != 0) {
		LOG(LOG_ERROR, "message.damaged", kv_hex("session", o->s->s.id),
		    kv_u64("uid", o->msg->uid), kv_fail(&f));
		pop3_say_err(o->s, pop3_fail_text(f.kind, false));
	} else if (needs_utf8(o)) {
		pop3_say_err(o->s, "[UTF8] This message needs UTF-8 mode");
	} else {
		send_all(o, cmd);
	}
	free(o->piece);
}

void
pop3_retr(struct pop3_session *s, const struct pop3_cmd *cmd)
{
	struct outgoing o = {.s = s, .fd = -1};
	uint32_t index;
	struct fail f;

	o.msg = pop3_message(s, cmd, &index);
	if (o.msg == NULL) {
		return;
	}
	if (msg_open(s->account, o.msg, &o.fd, &f) != 0) {
		if (f.kind != FAIL_ABSENT) {
			LOG(LOG_ERROR, "message.failed",
			    kv_hex("session", s->s.id),
			    kv_u64("uid", o.msg->uid), kv_fail(&f));
		}
		pop3_say_err(s, f.kind == FAIL_ABSENT
				    ? "The message is gone"
				    : pop3_fail_text(f.kind, false));
		return;
	}
	send_message(&o, cmd);
	msg_close(s->account, &o.fd);
}
