#include "proto/handover.h"

#include <string.h>

const struct smtp_grammar handover_grammar = {
    .lmtp = true,
    .ext = SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | SMTP_EXT_BINARYMIME
	   | SMTP_EXT_SMTPUTF8 | SMTP_EXT_AUTH | SMTP_EXT_DSN,
};

static const struct smtp_reply malformed = {501, "5.5.4", "Malformed"};

/* ---- writing ---- */

static void
add_value(struct buf *to, const char *key, struct sv value)
{
	buf_add_char(to, ' ');
	buf_add_str(to, key);
	buf_add_char(to, '=');
	smtp_xtext_encode(value, to);
}

static void
add_hex(struct buf *to, const char *key, struct sv value)
{
	static const char digits[] = "0123456789abcdef";

	buf_add_char(to, ' ');
	buf_add_str(to, key);
	buf_add_char(to, '=');
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.p[i];

		buf_add_char(to, digits[c >> 4]);
		buf_add_char(to, digits[c & 15]);
	}
}

void
handover_session_write(const struct handover_session *session, struct buf *to)
{
	buf_add_str(to, "XSESSION");
	add_value(
	    to, "kind", session->submission ? SV("submission") : SV("mx"));
	add_value(to, "peer", session->peer);
	add_value(to, "tls", session->tls ? SV("1") : SV("0"));
	add_value(to, "loopback", session->loopback ? SV("1") : SV("0"));
	add_hex(to, "unique", session->unique);
	add_hex(to, "exporter", session->exporter);
	add_value(to, "id", session->id);
	buf_add_str(to, "\r\n");
}

void
handover_auth_write(const struct handover_auth *auth, struct buf *to)
{
	buf_add_str(to, "XAUTH ");
	buf_add_sv(to, auth->mech);
	if (auth->has_initial) {
		add_value(to, "initial", auth->initial);
	}
	buf_add_str(to, "\r\n");
}

void
handover_hand_write(
    uint64_t size, uint64_t prefix, struct sv id, struct buf *to)
{
	buf_add_str(to, "XHAND ");
	buf_add_u64(to, size);
	buf_add_char(to, ' ');
	buf_add_u64(to, prefix);
	buf_add_char(to, ' ');
	buf_add_sv(to, id);
	buf_add_str(to, "\r\n");
}

void
handover_done_write(bool kept, struct buf *to)
{
	buf_add_str(to, kept ? "XDONE kept\r\n" : "XDONE lost\r\n");
}

/* Parameters as they stood on the wire: they are xtext already. */
static void
add_param(struct buf *to, const char *keyword, struct sv value)
{
	if (value.len > 0) {
		buf_add_char(to, ' ');
		buf_add_str(to, keyword);
		buf_add_char(to, '=');
		buf_add_sv(to, value);
	}
}

void
handover_mail_write(const struct smtp_mail *mail, struct buf *to)
{
	static const char *const bodies[] = {
	    [SMTP_BODY_7BIT] = "",
	    [SMTP_BODY_8BIT] = "8BITMIME",
	    [SMTP_BODY_BINARY] = "BINARYMIME",
	};
	static const char *const rets[] = {
	    [SMTP_RET_NONE] = "",
	    [SMTP_RET_FULL] = "FULL",
	    [SMTP_RET_HDRS] = "HDRS",
	};

	buf_add_str(to, "MAIL FROM:<");
	smtp_path_write(&mail->path, to);
	buf_add_char(to, '>');
	if (mail->params.size > 0) {
		buf_add_str(to, " SIZE=");
		buf_add_u64(to, mail->params.size);
	}
	add_param(to, "BODY", sv_cstr(bodies[mail->params.body]));
	add_param(to, "RET", sv_cstr(rets[mail->params.ret]));
	add_param(to, "AUTH", mail->params.auth);
	add_param(to, "ENVID", mail->params.envid);
	if (mail->params.utf8) {
		buf_add_str(to, " SMTPUTF8");
	}
	buf_add_str(to, "\r\n");
}

static void
add_notify(struct buf *to, unsigned notify)
{
	static const char *const words[] = {
	    "NEVER", "SUCCESS", "FAILURE", "DELAY"};
	bool first = true;

	for (unsigned i = 0; i < COUNT_OF(words); i++) {
		if ((notify & 1u << i) != 0) {
			buf_add_str(to, first ? " NOTIFY=" : ",");
			buf_add_str(to, words[i]);
			first = false;
		}
	}
}

void
handover_rcpt_write(const struct smtp_rcpt *rcpt, struct buf *to)
{
	buf_add_str(to, "RCPT TO:<");
	smtp_path_write(&rcpt->path, to);
	buf_add_char(to, '>');
	add_notify(to, rcpt->params.notify);
	add_param(to, "ORCPT", rcpt->params.orcpt);
	buf_add_str(to, "\r\n");
}

/* ---- reading ---- */

/* Take "key=value" off the front; false if it does not stand there. */
static bool
take_raw(struct sv *rest, struct sv key, struct sv *out)
{
	struct sv word = sv_cut(rest, ' ');
	struct sv name = sv_cut(&word, '=');

	*out = word;
	return sv_eq(name, key);
}

static bool
take_value(struct sv *rest, struct sv key, struct arena *arena, struct sv *out)
{
	struct buf plain = {0};
	bool ok = take_raw(rest, key, out) && smtp_xtext_decode(*out, &plain);

	if (ok) {
		*out = arena_sv(arena, buf_sv(&plain));
	}
	buf_deinit(&plain);
	return ok;
}

static bool
take_bool(struct sv *rest, struct sv key, bool *out)
{
	struct sv value;

	if (!take_raw(rest, key, &value)) {
		return false;
	}
	*out = sv_eq(value, SV("1"));
	return *out || sv_eq(value, SV("0"));
}

static int
hex_value(char c)
{
	if (ascii_digit(c)) {
		return c - '0';
	}
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
take_hex(struct sv *rest, struct sv key, struct arena *arena, struct sv *out)
{
	struct sv text;

	if (!take_raw(rest, key, &text) || text.len % 2 != 0
	    || text.len > 2 * (size_t)HANDOVER_BINDING_MAX) {
		return false;
	}
	char *octets = arena_alloc(arena, text.len / 2 + 1);

	for (size_t i = 0; i < text.len / 2; i++) {
		int high = hex_value(text.p[2 * i]);
		int low = hex_value(text.p[2 * i + 1]);

		if (high < 0 || low < 0) {
			return false;
		}
		octets[i] = (char)(high << 4 | low);
	}
	*out = sv_make(octets, text.len / 2);
	return true;
}

static bool
parse_session(struct sv rest, struct arena *arena, struct handover_session *out)
{
	struct sv kind;

	if (!take_raw(&rest, SV("kind"), &kind)
	    || !take_value(&rest, SV("peer"), arena, &out->peer)
	    || !take_bool(&rest, SV("tls"), &out->tls)
	    || !take_bool(&rest, SV("loopback"), &out->loopback)
	    || !take_hex(&rest, SV("unique"), arena, &out->unique)
	    || !take_hex(&rest, SV("exporter"), arena, &out->exporter)
	    || !take_value(&rest, SV("id"), arena, &out->id)) {
		return false;
	}
	out->submission = sv_eq(kind, SV("submission"));
	return rest.len == 0 && (out->submission || sv_eq(kind, SV("mx")));
}

static bool
parse_auth(struct sv rest, struct arena *arena, struct handover_auth *out)
{
	out->mech = sv_cut(&rest, ' ');
	if (out->mech.len == 0) {
		return false;
	}
	out->has_initial = rest.len > 0;
	return !out->has_initial
	       || (take_value(&rest, SV("initial"), arena, &out->initial)
		   && rest.len == 0);
}

static bool
parse_hand(struct sv rest, struct handover_cmd *out)
{
	struct sv size = sv_cut(&rest, ' '), prefix = sv_cut(&rest, ' ');

	out->hand.id = rest;
	return sv_u64(size, &out->hand.size)
	       && sv_u64(prefix, &out->hand.prefix)
	       && out->hand.prefix <= out->hand.size && rest.len > 0
	       && rest.len <= HANDOVER_ID_MAX;
}

static bool
parse_done(struct sv rest, struct handover_cmd *out)
{
	out->kept = sv_eq(rest, SV("kept"));
	return out->kept || sv_eq(rest, SV("lost"));
}

const struct smtp_reply *
handover_parse(struct sv line, struct arena *arena, struct handover_cmd *out)
{
	struct sv rest = line, word = sv_cut(&rest, ' ');
	bool ok;

	memset(out, 0, sizeof(*out));
	if (sv_eq(word, SV("XSESSION"))) {
		out->verb = HANDOVER_SESSION;
		ok = parse_session(rest, arena, &out->session);
	} else if (sv_eq(word, SV("XAUTH"))) {
		out->verb = HANDOVER_AUTH;
		ok = parse_auth(rest, arena, &out->auth);
	} else if (sv_eq(word, SV("XHAND"))) {
		out->verb = HANDOVER_HAND;
		ok = parse_hand(rest, out);
	} else if (sv_eq(word, SV("XDONE"))) {
		out->verb = HANDOVER_DONE;
		ok = parse_done(rest, out);
	} else {
		out->verb = HANDOVER_SMTP;
		return smtp_parse(line, &handover_grammar, arena, &out->smtp);
	}
	return ok ? NULL : &malformed;
}
