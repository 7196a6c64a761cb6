#include "mail/address.h"

#include <string.h>

bool
address_is_atext(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || (unsigned char)c >= 0x80
	       || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Atoms joined by single dots. */
static bool
is_dot_atom(struct sv s)
{
	bool after_dot = true;

	for (size_t i = 0; i < s.len; i++) {
		bool dot = s.p[i] == '.';

		if (dot ? after_dot : !address_is_atext(s.p[i])) {
			return false;
		}
		after_dot = dot;
	}
	return !after_dot;
}

size_t
address_local_write(struct sv local, char *to)
{
	size_t n = 0;

	if (is_dot_atom(local)) {
		memcpy(to, local.p, local.len);
		return local.len;
	}
	to[n++] = '"';
	for (size_t i = 0; i < local.len; i++) {
		if (local.p[i] == '"' || local.p[i] == '\\') {
			to[n++] = '\\';
		}
		to[n++] = local.p[i];
	}
	to[n++] = '"';
	return n;
}
