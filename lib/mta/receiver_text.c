/*
 * receiver_text: the octets of a message, by DATA or BDAT.
 *
 * Whatever is wrong with it, a text is read to its end before it is refused:
 * the end is where the next command begins.  [RFC 5321 4.2.5, RFC 3030 2]
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "mta/receiver_priv.h"
#include "net/conn.h"
#include "net/park.h"

/* Dropped of a text above its limit before the connection is. */
#define DISCARD_MAX ((uint64_t)256 << 20)

static const struct smtp_reply too_large = {
    552, "5.3.4", "Message is larger than the limit"};
static const struct smtp_reply bare = {
    550, "5.6.0", "CR and LF may stand in a message only as CRLF"};
static const struct smtp_reply suspicious = {
    421, "4.7.0", "Closing behind a malformed message"};

/* One text on its way in. */
struct intake {
	struct receiver *r;
	int64_t began_ms;
	uint64_t got;		      /* octets on the wire */
	const struct smtp_reply *bad; /* what it will be refused with */
};

static struct intake
intake_begin(struct receiver *r)
{
	return (struct intake){.r = r, .began_ms = clock_mono_ms()};
}

/* Wait for input; false if the peer has gone or is too slow. */
static bool
intake_wait(struct intake *in)
{
	static const struct smtp_reply slow = {
	    421, "4.4.2", "The text comes too slowly; closing"};
	static const struct smtp_reply stopping = {
	    421, "4.3.2", "Service is stopping; try again soon"};
	struct receiver *r = in->r;
	int64_t allowed = r->conf->text_ms;

	/* A peer that is never waited for would keep its thread. */
	park_yield(&r->s);
	ssize_t err = c_fill_bulk(r->s.c);

	if (err == -ETIMEDOUT) {
		receiver_leave(r, &slow);
	} else if (err == -ECANCELED) {
		receiver_leave(r, &stopping);
	}
	if (err < 0) {
		r->closing = true;
		return false;
	}
	if (r->conf->rate_min > 0) {
		allowed += (int64_t)(in->got / r->conf->rate_min) * 1000;
	}
	if (allowed > 0 && clock_mono_ms() - in->began_ms > allowed) {
		receiver_leave(r, &slow);
		return false;
	}
	return true;
}

/* Whatever is wrong with our own disk, the client keeps the message. */
static const struct smtp_reply spool_away = {
    452, "4.3.1", "Cannot keep the message now; try again later"};

/* Keep a run of the text, unless it is refused already. */
static void
intake_put(struct intake *in, struct sv run)
{
	struct receiver *r = in->r;
	uint64_t max = r->conf->size_max;
	struct fail f;

	if (in->bad != NULL) {
		return;
	}
	if (max > 0 && spool_size(&r->body) - r->prefix + run.len > max) {
		in->bad = &too_large;
	} else if (spool_add(&r->body, run, &f) != 0) {
		LOG(LOG_ERROR, "receiver.spool", kv_str("id", r->id),
		    kv_fail(&f));
		in->bad = &spool_away;
	}
	if (in->bad != NULL) {
		spool_deinit(&r->body);
	}
}

/* True if there is no end to it. */
static bool
intake_hopeless(const struct intake *in)
{
	return in->bad != NULL && in->got > in->r->conf->size_max + DISCARD_MAX;
}

/* What the content itself is refused for.  [RFC 5321 2.3.8, 4.5.3.1.6] */
static const struct smtp_reply *
judge_text(const struct receiver *r)
{
	static const struct smtp_reply nul = {
	    550, "5.6.0", "NUL may stand in BODY=BINARYMIME only"};
	static const struct smtp_reply line = {
	    500, "5.6.0", "A line of the text is too long"};
	bool binary = r->mail.params.body == SMTP_BODY_BINARY;

	if (binary) {
		return NULL;
	}
	if (r->conf->lines_exact
	    && (r->scan.seen & (SMTP_SEEN_BARE_CR | SMTP_SEEN_BARE_LF)) != 0) {
		return &bare;
	}
	if (r->conf->lines_exact && (r->scan.seen & SMTP_SEEN_NUL) != 0) {
		return &nul;
	}
	if (r->conf->line_max > 0 && r->scan.longest > r->conf->line_max) {
		return &line;
	}
	return NULL;
}

/* The whole text is there: hand it on, or refuse it. */
static void
finish(struct receiver *r, const struct smtp_reply *bad)
{
	struct fail f;

	if (bad == NULL) {
		bad = judge_text(r);
	}
	if (bad == NULL && spool_end(&r->body, &f) != 0) {
		LOG(LOG_ERROR, "receiver.spool", kv_str("id", r->id),
		    kv_fail(&f));
		bad = &spool_away;
	}
	if (bad == &bare) {
		/* A server that let this pass may be relaying commands that
		 * somebody hid in a message: what follows is not looked at. */
		LOG(LOG_WARN, "message.bare_line_ends", kv_str("id", r->id),
		    kv_sv("sender", r->sender));
		receiver_answer(r, bad);
		receiver_leave(r, &suspicious);
	} else if (bad != NULL) {
		LOG(LOG_INFO, "message.refused", kv_str("id", r->id),
		    kv_sv("sender", r->sender), kv_u64("code", bad->code),
		    kv_str("status", bad->status));
		receiver_answer(r, bad);
	} else {
		r->commands = 0;
		r->ops->message(r);
	}
	receiver_reset(r);
}

static void
begin_body(struct receiver *r)
{
	r->ops->head(r, &r->body.mem);
	r->prefix = r->body.mem.len;
}

const struct smtp_reply *
receiver_read_data(struct receiver *r)
{
	struct intake in = intake_begin(r);

	if (c_flush(r->s.c) != 0) {
		r->closing = true;
		return NULL;
	}
	begin_body(r);
	while (r->scan.state != SMTP_DATA_END) {
		struct sv text = c_peek(r->s.c), rest = text, run;

		while (smtp_data_next(&r->scan, &rest, &run)) {
			intake_put(&in, run);
		}
		in.got += text.len - rest.len;
		c_skip(r->s.c, text.len - rest.len);
		if (intake_hopeless(&in)) {
			receiver_answer(r, in.bad);
			r->closing = true;
			return NULL;
		}
		if (r->scan.state != SMTP_DATA_END && !intake_wait(&in)) {
			return NULL;
		}
	}
	finish(r, in.bad);
	return NULL;
}

/* Take `n` octets from the wire; false if they do not come. */
static bool
take_exact(struct intake *in, uint64_t n)
{
	struct receiver *r = in->r;

	while (n > 0) {
		struct sv piece = c_peek(r->s.c);

		if (piece.len > n) {
			piece.len = (size_t)n;
		}
		if (in->bad == NULL) {
			smtp_chunk_scan(&r->scan, piece);
		}
		intake_put(in, piece);
		in->got += piece.len;
		n -= piece.len;
		c_skip(r->s.c, piece.len);
		if (n > 0 && !intake_wait(in)) {
			return false;
		}
	}
	return true;
}

bool
receiver_skip(struct receiver *r, uint64_t n)
{
	struct intake in = intake_begin(r);

	in.bad = &too_large;
	if (n > r->conf->size_max + DISCARD_MAX) {
		receiver_reply(r, &too_large);
		r->closing = true;
		return false;
	}
	return take_exact(&in, n);
}

const struct smtp_reply *
receiver_read_chunk(struct receiver *r, const struct smtp_bdat *bdat)
{
	static const struct smtp_reply got = {250, "2.0.0", "Chunk received"};
	struct intake in = intake_begin(r);

	if (!r->chunked) {
		begin_body(r);
		r->chunked = true;
	}
	if (bdat->size > r->conf->size_max + DISCARD_MAX) {
		receiver_reply(r, &too_large);
		r->closing = true;
		return NULL;
	}
	if (!take_exact(&in, bdat->size)) {
		return NULL;
	}
	if (bdat->last) {
		smtp_chunk_end(&r->scan);
		finish(r, in.bad);
		return NULL;
	}
	r->failed = in.bad != NULL;
	return in.bad != NULL ? in.bad : &got;
}
