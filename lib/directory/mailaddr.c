#include "directory/mailaddr.h"

#include <idn2.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "mail/address.h"

enum {
	LABEL_MAX = 63,		   /* octets [RFC 1035 2.3.4] */
	UNICODE_DOMAIN_MAX = 1020, /* octets before it is made ASCII */
};

static bool
is_printable(char c)
{
	return (unsigned char)c >= 0x20 && c != 0x7f;
}

/* ---- local parts ---- */

struct local {
	char octets[MAILADDR_LOCAL_MAX];
	size_t len;
};

static int
local_push(struct local *l, char c, struct fail *f)
{
	if (l->len == sizeof(l->octets)) {
		return fail_set(f, FAIL_LIMIT, "local part over %d octets",
		    MAILADDR_LOCAL_MAX);
	}
	l->octets[l->len++] = c;
	return 0;
}

static int
local_unquote(struct sv s, struct local *l, struct fail *f)
{
	if (s.len < 2 || s.p[s.len - 1] != '"') {
		return fail_set(f, FAIL_SYNTAX, "quoted local part has no end");
	}
	s = sv_sub(s, 1, s.len - 2);
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (c == '\\' && i + 1 < s.len) {
			c = s.p[++i];
		} else if (c == '"' || c == '\\') {
			return fail_set(
			    f, FAIL_SYNTAX, "stray %c in local part", c);
		}
		if (!is_printable(c)) {
			return fail_set(
			    f, FAIL_SYNTAX, "control octet in local part");
		}
		if (local_push(l, c, f) != 0) {
			return -1;
		}
	}
	return 0;
}

static int
local_plain(struct sv s, struct local *l, struct fail *f)
{
	if (s.len == 0) {
		return fail_set(f, FAIL_SYNTAX, "empty local part");
	}
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] != '.' && !address_is_atext(s.p[i])) {
			return fail_set(f, FAIL_SYNTAX,
			    "octet 0x%02x in local part",
			    (unsigned)(unsigned char)s.p[i]);
		}
		if (local_push(l, s.p[i], f) != 0) {
			return -1;
		}
	}
	return 0;
}

/* Normalisation form C [RFC 6532 3.1]. */
static int
local_compose(struct local *l, struct fail *f)
{
	utf8proc_uint8_t in[MAILADDR_LOCAL_MAX];
	utf8proc_uint8_t *composed = NULL;
	utf8proc_ssize_t n;

	memcpy(in, l->octets, l->len);
	n = utf8proc_map(in, (utf8proc_ssize_t)l->len, &composed,
	    UTF8PROC_STABLE | UTF8PROC_COMPOSE);
	if (n < 0) {
		return fail_set(f, FAIL_SYNTAX, "local part is not UTF-8");
	}
	if ((size_t)n > sizeof(l->octets)) {
		free(composed);
		return fail_set(f, FAIL_LIMIT, "local part over %d octets",
		    MAILADDR_LOCAL_MAX);
	}
	memcpy(l->octets, composed, (size_t)n);
	l->len = (size_t)n;
	free(composed);
	return 0;
}

static int
local_parse(struct sv s, struct local *l, struct fail *f)
{
	int rc = s.len != 0 && s.p[0] == '"' ? local_unquote(s, l, f)
					     : local_plain(s, l, f);

	if (rc != 0) {
		return -1;
	}
	if (!utf8_is_ascii(sv_make(l->octets, l->len))
	    && local_compose(l, f) != 0) {
		return -1;
	}
	for (size_t i = 0; i < l->len; i++) {
		l->octets[i] = ascii_lower(l->octets[i]);
	}
	return 0;
}

/* ---- domains ---- */

/* Letters, digits, hyphens; the underscore because it is in use. */
static int
domain_ascii(struct sv s, char *out, struct fail *f)
{
	size_t label = 0;

	/* Also of characters that mean nothing, such as U+00AD. */
	if (s.len == 0) {
		return fail_set(f, FAIL_SYNTAX, "empty domain");
	}
	if (s.len > MAILADDR_DOMAIN_MAX) {
		return fail_set(f, FAIL_LIMIT, "domain over %d octets",
		    MAILADDR_DOMAIN_MAX);
	}
	for (size_t i = 0; i < s.len; i++) {
		char c = ascii_lower(s.p[i]);
		bool last = i + 1 == s.len || s.p[i + 1] == '.';

		if (c == '.') {
			if (label == 0 || i + 1 == s.len) {
				return fail_set(
				    f, FAIL_SYNTAX, "empty label in domain");
			}
			label = 0;
		} else if (!ascii_alpha(c) && !ascii_digit(c) && c != '_'
			   && !(c == '-' && label != 0 && !last)) {
			return fail_set(f, FAIL_SYNTAX,
			    "octet 0x%02x in domain",
			    (unsigned)(unsigned char)c);
		} else if (++label > LABEL_MAX) {
			return fail_set(f, FAIL_LIMIT,
			    "label of domain over %d octets", LABEL_MAX);
		}
		out[i] = c;
	}
	out[s.len] = '\0';
	return 0;
}

static int
domain_unicode(struct sv s, char *out, struct fail *f)
{
	char in[UNICODE_DOMAIN_MAX + 1];
	char *ascii = NULL;
	int rc;

	if (s.len > UNICODE_DOMAIN_MAX) {
		return fail_set(
		    f, FAIL_LIMIT, "domain over %d octets", UNICODE_DOMAIN_MAX);
	}
	if (memchr(s.p, '\0', s.len) != NULL) {
		return fail_set(f, FAIL_SYNTAX, "NUL in domain");
	}
	memcpy(in, s.p, s.len);
	in[s.len] = '\0';
	rc =
	    idn2_to_ascii_8z(in, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (rc != IDN2_OK) {
		return fail_set(
		    f, FAIL_SYNTAX, "domain: %s", idn2_strerror(rc));
	}
	rc = domain_ascii(sv_cstr(ascii), out, f);
	idn2_free(ascii);
	return rc;
}

/* [192.0.2.1], [IPv6:...]: kept as it is, never one of ours. */
static int
domain_literal(struct sv s, char *out, struct fail *f)
{
	if (s.len > MAILADDR_DOMAIN_MAX) {
		return fail_set(f, FAIL_LIMIT, "domain over %d octets",
		    MAILADDR_DOMAIN_MAX);
	}
	if (s.len < 3 || s.p[s.len - 1] != ']') {
		return fail_set(f, FAIL_SYNTAX, "domain literal has no end");
	}
	for (size_t i = 1; i + 1 < s.len; i++) {
		/* dcontent [RFC 5321 4.1.3] */
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '['
		    || s.p[i] == '\\' || s.p[i] == ']') {
			return fail_set(f, FAIL_SYNTAX,
			    "octet 0x%02x in domain literal",
			    (unsigned)(unsigned char)s.p[i]);
		}
	}
	for (size_t i = 0; i < s.len; i++) {
		out[i] = ascii_lower(s.p[i]);
	}
	out[s.len] = '\0';
	return 0;
}

static int
domain_any(struct sv s, char *out, struct fail *f)
{
	if (s.len != 0 && s.p[0] == '[') {
		return domain_literal(s, out, f);
	}
	return mailaddr_domain_parse(s, out, f);
}

int
mailaddr_domain_parse(
    struct sv text, char out[MAILADDR_DOMAIN_MAX + 1], struct fail *f)
{
	return utf8_is_ascii(text) ? domain_ascii(text, out, f)
				   : domain_unicode(text, out, f);
}

/* ---- addresses ---- */

int
mailaddr_make(
    struct sv local, struct sv domain, struct mailaddr *out, struct fail *f)
{
	struct local l = {.len = 0};
	size_t n;

	memset(out, 0, sizeof(*out));
	if (local_parse(local, &l, f) != 0) {
		return -1;
	}
	n = address_local_write(sv_make(l.octets, l.len), out->text);
	out->text[n] = '@';
	if (domain_any(domain, out->text + n + 1, f) != 0) {
		return -1;
	}
	out->local_len = (uint16_t)n;
	out->domain_len = (uint16_t)strlen(out->text + n + 1);
	return 0;
}

/* Where the @ behind the local part stands, or -1. */
static ptrdiff_t
find_at(struct sv text)
{
	size_t i = 1;

	if (text.len == 0 || text.p[0] != '"') {
		return sv_chr(text, '@');
	}
	while (i < text.len && text.p[i] != '"') {
		i += text.p[i] == '\\' ? 2 : 1;
	}
	return i + 1 < text.len && text.p[i + 1] == '@' ? (ptrdiff_t)i + 1 : -1;
}

int
mailaddr_parse(struct sv text, struct mailaddr *out, struct fail *f)
{
	ptrdiff_t at = find_at(text);

	if (at < 0) {
		return fail_set(f, FAIL_SYNTAX, "address without a domain");
	}
	return mailaddr_make(
	    sv_sub(text, 0, (size_t)at), sv_from(text, (size_t)at + 1), out, f);
}

bool
mailaddr_split(const struct mailaddr *a, const char *separators,
    struct mailaddr *base_out, struct sv *detail_out)
{
	struct sv local = mailaddr_local(a);
	struct sv domain = mailaddr_domain(a);
	size_t i = 1;

	if (local.p[0] == '"') {
		return false;
	}
	while (i < local.len && strchr(separators, local.p[i]) == NULL) {
		i++;
	}
	/* "ann.+lists" would leave a base that is no dot-atom. */
	if (i >= local.len || local.p[i - 1] == '.') {
		return false;
	}
	memset(base_out, 0, sizeof(*base_out));
	memcpy(base_out->text, local.p, i);
	base_out->text[i] = '@';
	memcpy(base_out->text + i + 1, domain.p, domain.len);
	base_out->local_len = (uint16_t)i;
	base_out->domain_len = a->domain_len;
	*detail_out = sv_from(local, i + 1);
	return true;
}
