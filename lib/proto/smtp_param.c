#include "proto/smtp_param.h"

#include <string.h>

static const struct smtp_reply malformed = {
    501, "5.5.4", "Malformed parameter"};
static const struct smtp_reply given_twice = {
    501, "5.5.4", "Parameter given twice"};
static const struct smtp_reply not_known = {
    555, "5.5.4", "Parameter not recognized or not implemented"};

static bool
keyword_valid(struct sv s)
{
	if (s.len == 0 || s.p[0] == '-') {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i])
		    && s.p[i] != '-') {
			return false;
		}
	}
	return true;
}

/* %d33-60 / %d62-126, and UTF-8 by RFC 6531 3.3. */
static bool
value_valid(struct sv s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 33 || c == '=' || c == 127) {
			return false;
		}
	}
	return s.len > 0;
}

struct param {
	struct sv keyword;
	bool has_value;
	struct sv value;
};

/* 1, 0 at the end of `*text`, -1 if it is malformed. */
static int
param_next(struct sv *text, struct param *out)
{
	while (text->len > 0 && text->p[0] == ' ') {
		*text = sv_from(*text, 1);
	}
	if (text->len == 0) {
		return 0;
	}
	struct sv word = sv_cut(text, ' ');

	out->has_value = sv_chr(word, '=') >= 0;
	out->keyword = sv_cut(&word, '=');
	out->value = word;
	if (!keyword_valid(out->keyword)
	    || (out->has_value && !value_valid(out->value))) {
		return -1;
	}
	return 1;
}

static int
hex_upper(char c)
{
	if (ascii_digit(c)) {
		return c - '0';
	}
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One octet, or -1; `*at` moves on. */
static int
xtext_octet(struct sv s, size_t *at)
{
	char c = s.p[(*at)++];

	if (c != '+') {
		return c >= 33 && c <= 126 && c != '=' ? c : -1;
	}
	if (s.len - *at < 2) {
		return -1;
	}
	int high = hex_upper(s.p[*at]), low = hex_upper(s.p[*at + 1]);

	*at += 2;
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

bool
smtp_xtext_decode(struct sv text, struct buf *to)
{
	size_t before = to->len;

	for (size_t at = 0; at < text.len;) {
		int c = xtext_octet(text, &at);

		if (c < 32 || c > 126) {
			to->len = before;
			return false;
		}
		buf_add_char(to, (char)c);
	}
	return true;
}

void
smtp_xtext_encode(struct sv text, struct buf *to)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		if (c >= 33 && c <= 126 && c != '+' && c != '=') {
			buf_add_char(to, (char)c);
		} else {
			buf_add_char(to, '+');
			buf_add_char(to, digits[c >> 4]);
			buf_add_char(to, digits[c & 15]);
		}
	}
}

static bool
xtext_valid(struct sv s)
{
	for (size_t at = 0; at < s.len;) {
		int c = xtext_octet(s, &at);

		if (c < 32 || c > 126) {
			return false;
		}
	}
	return s.len > 0;
}

static bool
take_body(struct sv value, unsigned ext, enum smtp_body *out)
{
	if (sv_eq_nocase(value, SV("7BIT"))) {
		*out = SMTP_BODY_7BIT;
	} else if (sv_eq_nocase(value, SV("8BITMIME"))) {
		*out = SMTP_BODY_8BIT;
	} else if (sv_eq_nocase(value, SV("BINARYMIME"))
		   && (ext & SMTP_EXT_BINARYMIME) != 0) {
		*out = SMTP_BODY_BINARY;
	} else {
		return false;
	}
	return true;
}

/* size-value is 1*20DIGIT [RFC 1870 4]; what does not fit in 64 bits is too
 * large for everybody. */
static bool
take_size(struct sv value, uint64_t *out)
{
	if (value.len == 0 || value.len > 20) {
		return false;
	}
	for (size_t i = 0; i < value.len; i++) {
		if (!ascii_digit(value.p[i])) {
			return false;
		}
	}
	if (!sv_u64(value, out)) {
		*out = UINT64_MAX;
	}
	return true;
}

static bool
take_ret(struct sv value, enum smtp_ret *out)
{
	if (sv_eq_nocase(value, SV("FULL"))) {
		*out = SMTP_RET_FULL;
		return true;
	}
	*out = SMTP_RET_HDRS;
	return sv_eq_nocase(value, SV("HDRS"));
}

static bool
take_auth(struct sv value, struct sv *out)
{
	*out = value;
	return value.len <= SMTP_AUTH_MAX
	       && (sv_eq(value, SV("<>")) || xtext_valid(value));
}

static bool
take_envid(struct sv value, struct sv *out)
{
	*out = value;
	return value.len <= SMTP_ENVID_MAX && xtext_valid(value);
}

enum mail_param {
	PARAM_SIZE,
	PARAM_BODY,
	PARAM_UTF8,
	PARAM_AUTH,
	PARAM_RET,
	PARAM_ENVID,
	MAIL_PARAMS
};

static const struct {
	const char *keyword;
	unsigned ext;
	bool value; /* it has one; if false it must not */
} mail_params[MAIL_PARAMS] = {
    [PARAM_SIZE] = {"SIZE", SMTP_EXT_SIZE, true},
    [PARAM_BODY] = {"BODY", SMTP_EXT_8BITMIME, true},
    [PARAM_UTF8] = {"SMTPUTF8", SMTP_EXT_SMTPUTF8, false},
    [PARAM_AUTH] = {"AUTH", SMTP_EXT_AUTH, true},
    [PARAM_RET] = {"RET", SMTP_EXT_DSN, true},
    [PARAM_ENVID] = {"ENVID", SMTP_EXT_DSN, true},
};

/* MAIL_PARAMS if it is unknown or its extension is off. */
static unsigned
mail_param_find(struct sv keyword, unsigned ext)
{
	for (unsigned i = 0; i < MAIL_PARAMS; i++) {
		if ((ext & mail_params[i].ext) != 0
		    && sv_eq_nocase(keyword, sv_cstr(mail_params[i].keyword))) {
			return i;
		}
	}
	return MAIL_PARAMS;
}

static bool
mail_param_take(enum mail_param which, struct sv value, unsigned ext,
    struct smtp_mail_params *out)
{
	switch (which) {
	case PARAM_SIZE:
		return take_size(value, &out->size);
	case PARAM_BODY:
		return take_body(value, ext, &out->body);
	case PARAM_UTF8:
		out->utf8 = true;
		return true;
	case PARAM_AUTH:
		return take_auth(value, &out->auth);
	case PARAM_RET:
		return take_ret(value, &out->ret);
	case PARAM_ENVID:
		return take_envid(value, &out->envid);
	case MAIL_PARAMS:
		break;
	}
	return false;
}

const struct smtp_reply *
smtp_mail_params_parse(
    struct sv text, unsigned ext, struct smtp_mail_params *out)
{
	struct param p;
	unsigned seen = 0;
	int rc;

	*out = (struct smtp_mail_params){.body = SMTP_BODY_7BIT};
	while ((rc = param_next(&text, &p)) == 1) {
		unsigned i = mail_param_find(p.keyword, ext);

		if (i == MAIL_PARAMS) {
			return &not_known;
		}
		if ((seen & 1u << i) != 0) {
			return &given_twice;
		}
		seen |= 1u << i;
		if (p.has_value != mail_params[i].value
		    || !mail_param_take(
			(enum mail_param)i, p.value, ext, out)) {
			return &malformed;
		}
	}
	return rc < 0 ? &malformed : NULL;
}

static bool
take_notify(struct sv value, unsigned *out)
{
	static const struct {
		const char *text;
		unsigned bit;
	} words[] = {
	    {"NEVER", SMTP_NOTIFY_NEVER},
	    {"SUCCESS", SMTP_NOTIFY_SUCCESS},
	    {"FAILURE", SMTP_NOTIFY_FAILURE},
	    {"DELAY", SMTP_NOTIFY_DELAY},
	};

	do {
		struct sv word = sv_cut(&value, ',');
		unsigned bit = 0;

		for (size_t i = 0; i < COUNT_OF(words); i++) {
			if (sv_eq_nocase(word, sv_cstr(words[i].text))) {
				bit = words[i].bit;
			}
		}
		if (bit == 0) {
			return false;
		}
		*out |= bit;
	} while (value.len > 0);
	return (*out & SMTP_NOTIFY_NEVER) == 0 || *out == SMTP_NOTIFY_NEVER;
}

/* addr-type ";" xtext.  Of the type utf-8 the text may be UTF-8 as it is
 * [RFC 6533 3]; value_valid() has seen to controls. */
static bool
take_orcpt(struct sv value, struct sv *out)
{
	struct sv text = value, type = sv_cut(&text, ';');

	*out = value;
	if (!keyword_valid(type) || text.len == 0
	    || value.len > SMTP_ORCPT_MAX) {
		return false;
	}
	return sv_eq_nocase(type, SV("utf-8")) || xtext_valid(text);
}

const struct smtp_reply *
smtp_rcpt_params_parse(
    struct sv text, unsigned ext, struct smtp_rcpt_params *out)
{
	struct param p;
	int rc;

	*out = (struct smtp_rcpt_params){0};
	while ((rc = param_next(&text, &p)) == 1) {
		bool notify = sv_eq_nocase(p.keyword, SV("NOTIFY"));
		bool orcpt = sv_eq_nocase(p.keyword, SV("ORCPT"));

		if ((ext & SMTP_EXT_DSN) == 0 || !(notify || orcpt)) {
			return &not_known;
		}
		if (notify ? out->notify != 0 : out->orcpt.len > 0) {
			return &given_twice;
		}
		if (!p.has_value
		    || !(notify ? take_notify(p.value, &out->notify)
				: take_orcpt(p.value, &out->orcpt))) {
			return &malformed;
		}
	}
	return rc < 0 ? &malformed : NULL;
}
