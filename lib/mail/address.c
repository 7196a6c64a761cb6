#include "mail/address.h"

#include <arpa/inet.h>

#include "mail/charset.h"

enum { LOCAL_MAX = 64, DOMAIN_MAX = 255, LABEL_MAX = 63 };

/* [RFC 5322 3.2.3] */
static bool
is_atext(char c)
{
	return ascii_alpha(c) || ascii_digit(c)
	       || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool
is_8bit(char c)
{
	return (unsigned char)c >= 0x80;
}

bool
address_split(struct sv address, struct sv *local_out, struct sv *domain_out)
{
	bool quoted = false;
	size_t at = address.len;

	for (size_t i = 0; i < address.len; i++) {
		char c = address.p[i];

		if (c == '"') {
			quoted = !quoted;
		} else if (c == '\\' && quoted) {
			i++;
		} else if (c == '@' && !quoted) {
			at = i;
		}
	}
	*local_out = sv_sub(address, 0, at);
	if (at == address.len) {
		*domain_out = SV_EMPTY;
		return false;
	}
	*domain_out = sv_from(address, at + 1);
	return true;
}

bool
address_detail(
    struct sv local, char separator, struct sv *user_out, struct sv *detail_out)
{
	ptrdiff_t at = sv_chr(local, separator);

	if (at <= 0) {
		*user_out = local;
		*detail_out = SV_EMPTY;
		return false;
	}
	*user_out = sv_sub(local, 0, (size_t)at);
	*detail_out = sv_from(local, (size_t)at + 1);
	return true;
}

void
address_local_unquote(struct sv local, struct buf *to)
{
	bool quoted = false;

	for (size_t i = 0; i < local.len; i++) {
		if (local.p[i] == '"') {
			quoted = !quoted;
			continue;
		}
		if (local.p[i] == '\\' && quoted && i + 1 < local.len) {
			i++;
		}
		buf_add_char(to, local.p[i]);
	}
}

/* Atoms joined by single dots; with `utf8` 8-bit octets are letters. */
static bool
is_dot_atom(struct sv s, bool utf8)
{
	bool after_dot = true;

	for (size_t i = 0; i < s.len; i++) {
		bool dot = s.p[i] == '.';

		if (dot ? after_dot
			: !is_atext(s.p[i]) && !(utf8 && is_8bit(s.p[i]))) {
			return false;
		}
		after_dot = dot;
	}
	return !after_dot;
}

void
address_local_quote(struct sv local, struct buf *to)
{
	if (is_dot_atom(local, true)) {
		buf_add_sv(to, local);
		return;
	}
	buf_add_char(to, '"');
	for (size_t i = 0; i < local.len; i++) {
		if (local.p[i] == '"' || local.p[i] == '\\') {
			buf_add_char(to, '\\');
		}
		buf_add_char(to, local.p[i]);
	}
	buf_add_char(to, '"');
}

/* [RFC 5321 4.1.2 Quoted-string] */
static bool
is_quoted_string(struct sv s, bool utf8)
{
	if (s.len < 2 || s.p[0] != '"' || s.p[s.len - 1] != '"') {
		return false;
	}
	for (size_t i = 1; i < s.len - 1; i++) {
		if (s.p[i] == '\\' && ++i == s.len - 1) {
			return false;
		}
		if (is_8bit(s.p[i])
			? !utf8
			: s.p[i] < ' ' || s.p[i] == 0x7f
			      || (s.p[i] == '"' && s.p[i - 1] != '\\')) {
			return false;
		}
	}
	return true;
}

bool
address_local_valid(struct sv local, bool utf8)
{
	if (local.len > LOCAL_MAX || (utf8 && !utf8_valid(local))) {
		return false;
	}
	return is_dot_atom(local, utf8) || is_quoted_string(local, utf8);
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]".  [RFC 5321 4.1.3] */
static bool
is_address_literal(struct sv s)
{
	static const struct sv tag = {"IPv6:", 5};
	char text[INET6_ADDRSTRLEN];
	unsigned char octets[16];
	int family = AF_INET;

	if (s.len < 2 || s.p[0] != '[' || s.p[s.len - 1] != ']') {
		return false;
	}
	s = sv_sub(s, 1, s.len - 2);
	if (sv_starts_nocase(s, tag)) {
		s = sv_from(s, tag.len);
		family = AF_INET6;
	}
	if (s.len >= sizeof(text) || sv_chr(s, '\0') >= 0) {
		return false;
	}
	memcpy(text, s.p, s.len);
	text[s.len] = '\0';
	return inet_pton(family, text, octets) == 1;
}

static bool
is_label(struct sv s, bool utf8)
{
	if (s.len == 0 || s.len > LABEL_MAX || s.p[0] == '-'
	    || s.p[s.len - 1] == '-') {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (!ascii_alpha(c) && !ascii_digit(c) && c != '-'
		    && !(utf8 && is_8bit(c))) {
			return false;
		}
	}
	return true;
}

bool
address_domain_valid(struct sv domain, bool utf8)
{
	bool dot = true;

	if (domain.len == 0 || domain.len > DOMAIN_MAX
	    || (utf8 && !utf8_valid(domain))) {
		return false;
	}
	if (domain.p[0] == '[') {
		return is_address_literal(domain);
	}
	while (dot) {
		dot = sv_chr(domain, '.') >= 0;
		if (!is_label(sv_cut(&domain, '.'), utf8)) {
			return false;
		}
	}
	return true;
}

bool
address_canonical(struct sv address, struct buf *to)
{
	struct buf plain = {.len = 0};
	struct sv local, domain;

	if (!address_split(address, &local, &domain) || local.len == 0
	    || domain.len == 0) {
		return false;
	}
	address_local_unquote(local, &plain);
	address_local_quote(buf_sv(&plain), to);
	buf_deinit(&plain);
	buf_add_char(to, '@');
	for (size_t i = 0; i < domain.len; i++) {
		buf_add_char(to, ascii_lower(domain.p[i]));
	}
	return true;
}
