/*
 * casemap: forms in which texts compare: i;unicode-casemap [RFC 5051] and
 * normalisation form C.
 */
#include <stdlib.h>
#include <utf8proc.h>

#include "base/utf8.h"
#include "mail/charset.h"

/* Titlecase and decompose the character of `n` octets. */
static void
casemap_one(struct sv s, size_t n, struct buf *to)
{
	enum { LONGEST = 32 }; /* U+FDFA gives 18 */
	utf8proc_int32_t out[LONGEST];
	utf8proc_int32_t c;
	utf8proc_ssize_t got;
	int last = 0;

	(void)utf8proc_iterate(
	    (const utf8proc_uint8_t *)s.p, (utf8proc_ssize_t)n, &c);
	got = utf8proc_decompose_char(utf8proc_totitle(c), out, LONGEST,
	    UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, &last);
	if (got < 0 || got > LONGEST) {
		buf_add(to, s.p, n);
		return;
	}
	for (utf8proc_ssize_t i = 0; i < got; i++) {
		utf8_encode((uint32_t)out[i], to);
	}
}

static void
casemap_ascii(struct sv s, struct buf *to)
{
	char *out = buf_reserve(to, s.len);

	if (out == NULL) {
		return;
	}
	for (size_t i = 0; i < s.len; i++) {
		out[i] = ascii_upper(s.p[i]);
	}
	to->len += s.len;
}

void
charset_casemap(struct sv utf8, struct buf *to)
{
	size_t i = 0;

	while (i < utf8.len) {
		size_t run = utf8_ascii_run(sv_from(utf8, i));
		struct sv rest = sv_from(utf8, i + run);
		size_t n = utf8_length(rest);

		casemap_ascii(sv_sub(utf8, i, run), to);
		if (n > 0) {
			casemap_one(rest, n, to);
		} else if (rest.len > 0) {
			buf_add_char(to, rest.p[0]);
			n = 1;
		}
		i += run + n;
	}
}

bool
charset_compose(struct sv utf8, struct buf *to)
{
	utf8proc_uint8_t *composed = NULL;
	utf8proc_ssize_t n;

	if (utf8_ascii_run(utf8) == utf8.len) {
		buf_add_sv(to, utf8);
		return true;
	}
	n = utf8proc_map((const utf8proc_uint8_t *)utf8.p,
	    (utf8proc_ssize_t)utf8.len, &composed,
	    UTF8PROC_STABLE | UTF8PROC_COMPOSE);
	if (n < 0) {
		return false;
	}
	buf_add(to, composed, (size_t)n);
	free(composed);
	return true;
}
