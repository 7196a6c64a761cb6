/*
 * trace: the fields that smtpd puts in front of a message.
 *
 * Return-Path and Received by RFC 5321 4.4, the protocol's name by RFC 3848
 * and RFC 6531 4.3.  A submission without Date or Message-ID gets them
 * [RFC 6409 8.2, 8.3], and nothing else of it is changed.
 *
 * Threads: session-owned.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/random.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/received.h"
#include "net/tls.h"
#include "smtpd/session.h"

enum {
	WITH_SIZE = 16,
	TLS_SIZE = 96,
	HEADER_JUDGED = 16 * 1024, /* a message in memory may be so long */
};

/* "ESMTPSA", "UTF8SMTPS" and their kin. */
static struct sv
with_name(const struct smtp_session *s, char out[WITH_SIZE])
{
	bool utf8 = s->r.mail.params.utf8;
	const char *base = utf8 ? "UTF8SMTP" : s->r.esmtp ? "ESMTP" : "SMTP";
	bool tls = s->r.esmtp && c_is_tls(s->r.s.c);
	int n = snprintf(out, WITH_SIZE, "%s%s%s", base, tls ? "S" : "",
	    s->r.esmtp && s->user != NULL ? "A" : "");

	return sv_make(out, (size_t)n);
}

static struct sv
tls_name(const struct smtp_session *s, char out[TLS_SIZE])
{
	if (!c_is_tls(s->r.s.c)) {
		return SV_EMPTY;
	}
	(void)snprintf(out, TLS_SIZE, "%s %s", tls_version(s->r.s.c),
	    tls_cipher(s->r.s.c));
	return sv_cstr(out);
}

void
smtp_head(struct smtp_session *s, struct buf *to)
{
	const struct receiver *r = &s->r;
	char with[WITH_SIZE], tls[TLS_SIZE], peer[ADDR_TEXT_SIZE];
	bool hide = s->submission && smtpd.set->smtp_hide_client;

	const struct received received = {
	    .helo = hide ? SV("authenticated-user") : sv_cstr(r->helo),
	    .address = hide ? SV_EMPTY : sv_cstr(addr_text(&r->s.peer, peer)),
	    .by = sv_cstr(r->conf->host),
	    .with = with_name(s, with),
	    .tls = tls_name(s, tls),
	    .id = sv_cstr(r->id),
	    /* With several, one would be told of the others. [RFC 5321 7.6] */
	    .rcpt = r->n_rcpts == 1 ? s->first_rcpt : SV_EMPTY,
	    .date = date_now(),
	};

	received_return_path(r->sender, to);
	received_format(&received, to);
}

void
smtp_complete(struct spool *body, void *session)
{
	struct smtp_session *s = session;
	struct sv text = sv_from(buf_sv(&body->mem), s->r.prefix);
	struct header_field field;
	struct buf more = {0};

	/* A header that may go on in what follows cannot be judged. */
	if (text.len > HEADER_JUDGED && header_size(text) == text.len) {
		return;
	}
	if (!header_find(text, SV("Date"), &field)) {
		buf_add_str(&more, "Date: ");
		date_format(date_now(), &more);
		buf_add_str(&more, "\r\n");
	}
	if (!header_find(text, SV("Message-ID"), &field)) {
		buf_addf(&more,
		    "Message-ID: <%016" PRIx64 "%016" PRIx64 "@%s>\r\n",
		    random_u64(), random_u64(), s->r.conf->host);
	}
	spool_insert(body, s->r.prefix, buf_sv(&more));
	/* They are made anew for each attempt, as the trace is. */
	s->r.prefix += more.len;
	buf_deinit(&more);
}
