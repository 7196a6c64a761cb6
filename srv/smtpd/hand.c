#include "smtpd/hand.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/conn.h"
#include "net/tls.h"
#include "proto/handover.h"
#include "smtpd/hand_priv.h"
#include "smtpd/session.h"

enum { POOL_MAX = 32 };

static struct {
	struct lock lock;
	struct conn *idle[POOL_MAX]; /* GUARDED_BY(lock) */
	unsigned n;		     /* GUARDED_BY(lock) */
} pool = {.lock = LOCK_INITIALIZER(LOCK_LEAF)};

/* lmtpd makes its clients wait for failed log-ins and for its disk. */
static const struct conn_limits limits = {
    .input_ms = 5 * 60 * 1000,
    .command_ms = 10 * 60 * 1000,
};

const struct smtp_reply hand_away = {
    451, "4.3.0", "Cannot do this now; try again later"};

/* ---- connections ---- */

static struct conn *
pool_take(void)
{
	struct conn *c = NULL;

	lock_acquire(&pool.lock);
	if (pool.n > 0) {
		c = pool.idle[--pool.n];
	}
	lock_release(&pool.lock);
	return c;
}

static void
pool_give(struct conn *c)
{
	conn_adopt(c, NULL);
	lock_acquire(&pool.lock);
	if (pool.n < POOL_MAX) {
		pool.idle[pool.n++] = c;
		c = NULL;
	}
	lock_release(&pool.lock);
	conn_free(&c);
}

void
hand_stop(void)
{
	struct conn *c;

	while ((c = pool_take()) != NULL) {
		conn_free(&c);
	}
}

void
hand_drop(struct hand *h)
{
	conn_free(&h->c);
	h->named = false;
	h->mailed = false;
	h->mail_refused = false;
}

static int
take(struct smtp_session *s)
{
	struct hand *h = &s->hand;
	struct fail f;

	if (h->c != NULL) {
		return 0;
	}
	h->c = pool_take();
	h->used = h->c != NULL;
	if (h->c != NULL) {
		conn_adopt(h->c, &s->r.s);
		return 0;
	}
	if (conn_connect_unix(smtpd.handover, &s->r.s, &limits, &h->c, &f)
	    != 0) {
		LOG(LOG_ERROR, "handover.away", kv_hex("session", s->r.s.id),
		    kv_fail(&f));
		h->c = NULL;
		return -1;
	}
	return 0;
}

/* ---- replies ---- */

/* The next reply; of one of several lines the last. */
static bool
read_reply(struct hand *h, unsigned *code, struct sv *text)
{
	struct sv line;
	bool last;

	do {
		if (c_line(h->c, HANDOVER_LINE_MAX - 2, LINE_CRLF, &line) != 0
		    || !smtp_reply_parse(line, code, &last, text)) {
			return false;
		}
	} while (!last);
	return true;
}

const struct smtp_reply *
hand_reply(struct smtp_session *s)
{
	struct arena *arena = &s->r.arena;
	struct smtp_reply *reply;
	unsigned code;
	struct sv text;

	if (!read_reply(&s->hand, &code, &text)) {
		return NULL;
	}
	struct sv status = smtp_status_cut(&text);

	reply = arena_alloc(arena, sizeof(*reply));
	reply->code = code;
	reply->status = arena_cstr(arena, status);
	reply->text = arena_cstr(arena, text);
	return reply;
}

/* ---- what comes before a question ---- */

static void
add_session(struct smtp_session *s, struct buf *to)
{
	const struct session *client = &s->r.s;
	uint8_t unique[TLS_BINDING_MAX], exporter[TLS_BINDING_MAX];
	char peer[ADDR_TEXT_SIZE], id[20];
	bool tls = c_is_tls(client->c);
	size_t n_unique = 0, n_exporter = 0;

	if (tls) {
		n_unique = tls_channel_binding(client->c, TLS_UNIQUE, unique);
		n_exporter =
		    tls_channel_binding(client->c, TLS_EXPORTER, exporter);
	}
	(void)snprintf(id, sizeof(id), "%" PRIx64, client->id);
	const struct handover_session session = {
	    .submission = s->submission,
	    .tls = tls,
	    .loopback = addr_is_loopback(&client->peer),
	    .peer = sv_cstr(addr_text(&client->peer, peer)),
	    .unique = sv_make(unique, n_unique),
	    .exporter = sv_make(exporter, n_exporter),
	    .id = sv_cstr(id),
	};

	handover_session_write(&session, to);
}

/* Take the names of mechanisms from the answer to XSESSION. */
static void
keep_mechs(struct hand *h, struct sv text)
{
	(void)smtp_status_cut(&text);
	free(h->mechs);
	h->mechs = xmalloc(text.len + 1);
	h->n_mechs = 0;
	memcpy(h->mechs, text.p, text.len);
	struct sv rest = sv_make(h->mechs, text.len);

	while (rest.len > 0 && h->n_mechs < HAND_MECHS_MAX) {
		struct sv name = sv_cut(&rest, ' ');

		h->mechs[name.p + name.len - h->mechs] = '\0';
		h->mech[h->n_mechs++] = name.p;
	}
}

static bool
read_named(struct hand *h)
{
	unsigned code;
	struct sv text;

	if (!read_reply(h, &code, &text) || code != 250) {
		return false;
	}
	keep_mechs(h, text);
	h->named = true;
	return true;
}

/* ---- questions ---- */

/* One question: the lines to send, and the answer to the last of them. */
struct question {
	const struct smtp_mail *mail; /* to send before it, or NULL */
	struct sv command;	      /* may be empty */
};

/* The refusal of a MAIL that was put off is the answer to each RCPT. */
static const struct smtp_reply mail_refused = {
    503, "5.5.1", "The sender was refused"};

/* Send and read; NULL if the connection broke. */
static const struct smtp_reply *
ask_once(struct smtp_session *s, const struct question *q)
{
	static const struct smtp_reply named = {250, "2.0.0", "OK"};
	struct hand *h = &s->hand;
	struct buf *out = c_out(h->c);
	bool name = !h->named, mail = q->mail != NULL && !h->mailed;
	const struct smtp_reply *reply = &named, *refusal = NULL;

	if (name) {
		add_session(s, out);
	}
	if (mail) {
		handover_mail_write(q->mail, out);
	}
	buf_add_sv(out, q->command);
	if (c_flush(h->c) != 0 || (name && !read_named(h))) {
		return NULL;
	}
	if (mail) {
		reply = hand_reply(s);
		if (reply == NULL) {
			return NULL;
		}
		h->mailed = true;
		h->mail_refused = reply->code >= 300;
		refusal = h->mail_refused ? reply : NULL;
	}
	if (q->command.len > 0) {
		reply = hand_reply(s);
	}
	return refusal != NULL && reply != NULL ? refusal : reply;
}

static const struct smtp_reply *
ask(struct smtp_session *s, const struct question *q)
{
	static const struct smtp_reply sign_in_again = {
	    421, "4.3.2", "The sign-in is lost; connect again"};
	struct hand *h = &s->hand;

	/* One from the pool may be of an lmtpd that has ended since. */
	for (unsigned tries = 0; tries <= POOL_MAX; tries++) {
		if (take(s) != 0) {
			return &hand_away;
		}
		bool used = h->used;
		const struct smtp_reply *reply = ask_once(s, q);

		if (reply != NULL) {
			h->used = false;
			return reply;
		}
		hand_drop(h);
		if (!used || s->r.n_rcpts > 0 || s->user != NULL) {
			break;
		}
	}
	LOG(LOG_ERROR, "handover.broken", kv_hex("session", s->r.s.id));
	return s->user != NULL ? &sign_in_again : &hand_away;
}

const struct smtp_reply *
hand_name(struct smtp_session *s)
{
	const struct question q = {0};

	s->hand.named = false;
	return ask(s, &q);
}

const struct smtp_reply *
hand_mail(struct smtp_session *s, const struct smtp_mail *mail)
{
	const struct question q = {.mail = mail};
	const struct smtp_reply *reply = ask(s, &q);

	if (s->hand.mail_refused) {
		s->hand.mailed = false;
		s->hand.mail_refused = false;
	}
	return reply;
}

const struct smtp_reply *
hand_rcpt(struct smtp_session *s, const struct smtp_rcpt *rcpt)
{
	struct buf line = {0};

	/* The connection broke within this message. */
	if (s->r.n_rcpts > 0 && !s->hand.mailed) {
		return &hand_away;
	}
	if (s->hand.mail_refused) {
		return &mail_refused;
	}
	handover_rcpt_write(rcpt, &line);
	const struct question q = {&s->r.mail, buf_sv(&line)};
	const struct smtp_reply *reply = ask(s, &q);

	buf_deinit(&line);
	return reply;
}

bool
hand_ask(struct smtp_session *s, struct sv line, unsigned *code_out,
    struct sv *text_out)
{
	struct hand *h = &s->hand;

	if (h->c == NULL || c_write(h->c, line) != 0
	    || c_write(h->c, SV("\r\n")) != 0 || c_flush(h->c) != 0
	    || !read_reply(h, code_out, text_out)) {
		hand_drop(h);
		return false;
	}
	return true;
}

void
hand_done(struct smtp_session *s, bool kept)
{
	struct hand *h = &s->hand;

	if (h->c == NULL) {
		return;
	}
	handover_done_write(kept, c_out(h->c));
	if (c_flush(h->c) != 0) {
		hand_drop(h);
	}
}

/* ---- the end ---- */

void
hand_release(struct smtp_session *s)
{
	struct hand *h = &s->hand;

	if (h->c != NULL && conn_error(h->c) == 0 && s->user == NULL) {
		/* XSESSION of the next one makes lmtpd forget the rest. */
		pool_give(h->c);
		h->c = NULL;
	}
	hand_drop(h);
}

void
hand_deinit(struct smtp_session *s)
{
	hand_release(s);
	free(s->hand.mechs);
	s->hand.mechs = NULL;
	s->hand.n_mechs = 0;
}

void
hand_reset(struct smtp_session *s)
{
	struct hand *h = &s->hand;
	unsigned code;
	struct sv text;

	if (h->c == NULL || !h->mailed) {
		return;
	}
	h->mailed = false;
	h->mail_refused = false;
	if (!hand_ask(s, SV("RSET"), &code, &text)) {
		LOG(LOG_WARN, "handover.broken", kv_hex("session", s->r.s.id));
	}
}
