#include "proto/smtp_path.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "mail/address.h"

static bool
is_high(char c)
{
	return ((unsigned char)c & 0x80) != 0;
}

static bool
is_let_dig(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || is_high(c);
}

/* sub-domain: letters, digits and hyphens, no hyphen at either end. */
static bool
label_valid(struct sv s)
{
	if (s.len == 0 || !is_let_dig(s.p[0]) || !is_let_dig(s.p[s.len - 1])) {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (!is_let_dig(s.p[i]) && s.p[i] != '-') {
			return false;
		}
	}
	/* A label of the name system is at most 63 octets long; a U-label
	 * may be longer in UTF-8 than the A-label it stands for. */
	return s.len <= 63 || !utf8_is_ascii(s);
}

bool
smtp_domain_valid(struct sv s)
{
	if (s.len == 0 || s.len > SMTP_DOMAIN_MAX || s.p[s.len - 1] == '.') {
		return false;
	}
	while (s.len > 0) {
		if (!label_valid(sv_cut(&s, '.'))) {
			return false;
		}
	}
	return true;
}

/* inet_pton() knows the address syntax; dcontent is all that it may see. */
static bool
address_valid(int family, struct sv s)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char address[16];

	if (s.len == 0 || s.len >= sizeof(text)
	    || memchr(s.p, '\0', s.len) != NULL) {
		return false;
	}
	memcpy(text, s.p, s.len);
	text[s.len] = '\0';
	return inet_pton(family, text, address) == 1;
}

static bool
general_literal_valid(struct sv s)
{
	struct sv tag = sv_cut(&s, ':');

	if (!label_valid(tag) || !utf8_is_ascii(tag) || s.len == 0) {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (c < 33 || c > 126 || c == '[' || c == '\\' || c == ']') {
			return false;
		}
	}
	return true;
}

bool
smtp_literal_valid(struct sv s)
{
	if (s.len < 3 || s.len > SMTP_DOMAIN_MAX || s.p[0] != '['
	    || s.p[s.len - 1] != ']') {
		return false;
	}
	s = sv_sub(s, 1, s.len - 2);
	if (sv_starts_nocase(s, SV("IPv6:"))) {
		return address_valid(AF_INET6, sv_from(s, 5));
	}
	return address_valid(AF_INET, s) || general_literal_valid(s);
}

/* Dot-string: atoms between single dots. */
static bool
take_dot_string(struct sv *s, struct sv *out)
{
	size_t n = 0;
	bool dot = true; /* one may not come now */

	while (n < s->len
	       && (address_is_atext(s->p[n]) || (s->p[n] == '.' && !dot))) {
		dot = s->p[n] == '.';
		n++;
	}
	*out = sv_sub(*s, 0, n);
	*s = sv_from(*s, n);
	return n > 0 && !dot;
}

/* Octets up to the closing quote, and how many of them are backslashes that
 * quote; SIZE_MAX if the grammar is broken. */
static size_t
quoted_len(struct sv s, size_t *escapes)
{
	*escapes = 0;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (c == '"') {
			return i;
		}
		if (c == '\\') {
			(*escapes)++;
			i++;
			if (i == s.len || s.p[i] < 32 || s.p[i] > 126) {
				return SIZE_MAX;
			}
		} else if (!is_high(c) && (c < 32 || c > 126)) {
			return SIZE_MAX;
		}
	}
	return SIZE_MAX;
}

static bool
take_quoted_string(struct sv *s, struct arena *arena, struct sv *out)
{
	size_t escapes;
	struct sv text = sv_from(*s, 1);
	size_t len = quoted_len(text, &escapes);

	if (len == SIZE_MAX) {
		return false;
	}
	*s = sv_from(text, len + 1);
	text = sv_sub(text, 0, len);
	if (escapes == 0) {
		*out = text;
		return true;
	}
	char *plain = arena_alloc(arena, len);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (text.p[i] == '\\') {
			i++;
		}
		plain[n++] = text.p[i];
	}
	*out = sv_make(plain, n);
	return true;
}

static bool
take_local(struct sv *s, struct arena *arena, struct sv *out)
{
	if (s->len > 0 && s->p[0] == '"') {
		return take_quoted_string(s, arena, out);
	}
	return take_dot_string(s, out);
}

/* A domain ends where one of `stop` begins, a literal behind its bracket. */
static bool
take_domain(struct sv *s, const char *stop, struct sv *out, bool *literal)
{
	size_t n = 0;

	*literal = s->len > 0 && s->p[0] == '[';
	if (*literal) {
		n = (size_t)(sv_chr(*s, ']') + 1);
	} else {
		while (n < s->len
		       && (s->p[n] == '\0' || strchr(stop, s->p[n]) == NULL)) {
			n++;
		}
	}
	*out = sv_sub(*s, 0, n);
	*s = sv_from(*s, n);
	return *literal ? smtp_literal_valid(*out) : smtp_domain_valid(*out);
}

/* "@one,@two:", read and forgotten. */
static bool
skip_route(struct sv *s)
{
	for (;;) {
		struct sv domain;
		bool literal;

		if (s->len == 0 || s->p[0] != '@') {
			return false;
		}
		*s = sv_from(*s, 1);
		if (!take_domain(s, ",:", &domain, &literal) || s->len == 0) {
			return false;
		}
		char c = s->p[0];

		*s = sv_from(*s, 1);
		if (c == ':') {
			return true;
		}
		if (c != ',') {
			return false;
		}
	}
}

static enum smtp_path_result
check_limits(struct smtp_path *path)
{
	path->utf8 =
	    !utf8_is_ascii(path->local) || !utf8_is_ascii(path->domain);
	if (path->utf8
	    && !(utf8_valid(path->local) && utf8_valid(path->domain))) {
		return SMTP_PATH_NOT_UTF8;
	}
	if (path->local.len > SMTP_LOCAL_MAX
	    || path->domain.len > SMTP_DOMAIN_MAX) {
		return SMTP_PATH_TOO_LONG;
	}
	return SMTP_PATH_OK;
}

/* Mailbox, up to and without the octet `end` ('\0': the end of `*s`). */
static enum smtp_path_result
take_mailbox(struct sv *s, char end, struct arena *arena, struct smtp_path *out)
{
	const char stop[] = {end, '\0'};

	if (!take_local(s, arena, &out->local)) {
		return SMTP_PATH_SYNTAX;
	}
	out->kind = SMTP_PATH_MAILBOX;
	if (s->len == 0 || s->p[0] != '@') {
		/* The one address that has no domain. [RFC 5321 4.5.1] */
		if (sv_eq_nocase(out->local, SV("postmaster"))) {
			out->kind = SMTP_PATH_POSTMASTER;
			return SMTP_PATH_OK;
		}
		return SMTP_PATH_SYNTAX;
	}
	*s = sv_from(*s, 1);
	if (s->len > 0 && sv_chr(*s, end) > SMTP_DOMAIN_MAX) {
		return SMTP_PATH_TOO_LONG;
	}
	if (!take_domain(s, stop, &out->domain, &out->literal)) {
		return SMTP_PATH_SYNTAX;
	}
	return check_limits(out);
}

enum smtp_path_result
smtp_path_parse(struct sv *s, struct arena *arena, struct smtp_path *out)
{
	*out = (struct smtp_path){.kind = SMTP_PATH_NULL};
	if (s->len == 0 || s->p[0] != '<') {
		return SMTP_PATH_SYNTAX;
	}
	if (s->len > SMTP_PATH_MAX
	    && memchr(s->p, '>', SMTP_PATH_MAX) == NULL) {
		return SMTP_PATH_TOO_LONG;
	}
	*s = sv_from(*s, 1);
	if (s->len > 0 && s->p[0] == '>') {
		*s = sv_from(*s, 1);
		return SMTP_PATH_OK;
	}
	if (s->len > 0 && s->p[0] == '@' && !skip_route(s)) {
		return SMTP_PATH_SYNTAX;
	}
	enum smtp_path_result rc = take_mailbox(s, '>', arena, out);

	if (rc != SMTP_PATH_OK) {
		return rc;
	}
	if (s->len == 0 || s->p[0] != '>') {
		return SMTP_PATH_SYNTAX;
	}
	*s = sv_from(*s, 1);
	return SMTP_PATH_OK;
}

void
smtp_path_write(const struct smtp_path *path, struct buf *to)
{
	struct sv local = path->local;
	char *at;

	if (path->kind == SMTP_PATH_NULL) {
		return;
	}
	at = buf_reserve(to, 2 * local.len + 2);
	if (at != NULL) {
		to->len += address_local_write(local, at);
	}
	if (path->kind == SMTP_PATH_MAILBOX) {
		buf_add_char(to, '@');
		buf_add_sv(to, path->domain);
	}
}
