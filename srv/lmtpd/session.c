#include "lmtpd/session.h"

#include <stdlib.h>

#include "net/conn.h"

void
session_deliver(struct lmtp_session *s, const struct content *content)
{
	struct receiver *r = &s->r;
	struct outcome out;

	session_note_input(s);
	session_settle(s, false);
	deliver(&s->envelope, content, r->sender, r->id, &r->arena, &out);
	s->claims = out.claims;
	s->n_claims = out.n_claims;
	for (size_t i = 0; i < s->envelope.n_rcpts; i++) {
		receiver_reply(r, out.replies[i]);
	}
	/* Only what comes in behind this shows that the answer was read. */
	if (c_flush(r->s.c) != 0) {
		r->closing = true;
	}
	s->in_at = conn_bytes_in(r->s.c);
}

void
session_settle(struct lmtp_session *s, bool kept)
{
	for (size_t i = 0; i < s->n_claims; i++) {
		if (kept) {
			pending_settle(&s->claims[i]);
		} else {
			pending_lose(&s->claims[i]);
		}
	}
	free(s->claims);
	s->claims = NULL;
	s->n_claims = 0;
}

void
session_note_input(struct lmtp_session *s)
{
	if (s->n_claims > 0 && conn_bytes_in(s->r.s.c) > s->in_at) {
		session_settle(s, true);
	}
}
