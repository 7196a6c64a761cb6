#include "proto/imap_out.h"

#include "proto/imap_lex.h"

static bool
can_be_quoted(struct sv s)
{
	if (s.len > IMAP_QUOTED_MAX) {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		unsigned char u = (unsigned char)s.p[i];

		if (u >= 0x7f || (u < 0x20 && u != '\t')) {
			return false;
		}
	}
	return true;
}

static void
put_quoted(struct buf *to, struct sv s)
{
	char *p = buf_reserve(to, 2 * s.len + 2), *from = p;

	if (p == NULL) {
		return;
	}
	*p++ = '"';
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\') {
			*p++ = '\\';
		}
		*p++ = s.p[i];
	}
	*p++ = '"';
	to->len += (size_t)(p - from);
}

void
imap_put_literal(struct buf *to, uint64_t n)
{
	buf_add_char(to, '{');
	buf_add_u64(to, n);
	buf_add_str(to, "}\r\n");
}

void
imap_put_string(struct buf *to, struct sv s)
{
	size_t from;

	if (can_be_quoted(s)) {
		put_quoted(to, s);
		return;
	}
	imap_put_literal(to, s.len);
	from = to->len;
	buf_add_sv(to, s);
	for (size_t i = from; i < to->len; i++) {
		if (to->data[i] == '\0') {
			to->data[i] = '?';
		}
	}
}

bool
imap_is_atom(struct sv s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!imap_is_atom_char(s.p[i])) {
			return false;
		}
	}
	return s.len != 0;
}

void
imap_put_astring(struct buf *to, struct sv s)
{
	/* An atom NIL would read as nothing; with "3}" a reader may expect a
	 * literal and with "[" a section, though the grammar allows both. */
	if (imap_is_atom(s) && !sv_eq_nocase(s, SV("NIL")) && sv_chr(s, '}') < 0
	    && sv_chr(s, '[') < 0) {
		buf_add_sv(to, s);
	} else {
		imap_put_string(to, s);
	}
}
