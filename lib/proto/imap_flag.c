#include "proto/imap_flag.h"

#include "base/buf.h"

static const struct {
	uint32_t bit;
	struct sv name;
} system_flags[] = {
    {IMAP_ANSWERED, {"Answered", 8}},
    {IMAP_FLAGGED, {"Flagged", 7}},
    {IMAP_DELETED, {"Deleted", 7}},
    {IMAP_SEEN, {"Seen", 4}},
    {IMAP_DRAFT, {"Draft", 5}},
    {IMAP_RECENT, {"Recent", 6}},
};

/* "Seen" without its backslash, any case; 0 if it is none of them. */
static uint32_t
imap_flag_by_name(struct sv name)
{
	for (size_t i = 0; i < COUNT_OF(system_flags); i++) {
		if (sv_eq_nocase(name, system_flags[i].name)) {
			return system_flags[i].bit;
		}
	}
	return 0;
}

static int
add_keyword(struct imap_lex *lex, struct imap_flags *out, size_t *cap)
{
	struct sv name;

	if (imap_lex_atom(lex, &name) != 0) {
		return -1;
	}
	for (size_t i = 0; i < out->n_keywords; i++) {
		if (sv_eq_nocase(out->keywords[i], name)) {
			return 0;
		}
	}
	if (out->n_keywords == IMAP_KEYWORDS_MAX) {
		return imap_lex_fail(lex, IMAP_ERR_LIMIT, "too many keywords");
	}
	out->keywords = arena_grow(lex->arena, out->keywords, out->n_keywords,
	    cap, sizeof(*out->keywords));
	out->keywords[out->n_keywords++] = name;
	return 0;
}

static int
lex_flag(struct imap_lex *lex, struct imap_flags *out, size_t *cap)
{
	struct sv name;

	if (!imap_lex_take(lex, '\\')) {
		return add_keyword(lex, out, cap);
	}
	if (imap_lex_atom(lex, &name) != 0) {
		return -1;
	}
	out->system |= imap_flag_by_name(name) & ~(uint32_t)IMAP_RECENT;
	return 0;
}

int
imap_lex_flag_list(struct imap_lex *lex, struct imap_flags *out)
{
	size_t cap = 0;

	*out = (struct imap_flags){0};
	if (imap_lex_char(lex, '(') != 0) {
		return -1;
	}
	if (imap_lex_take(lex, ')')) {
		return 0;
	}
	do {
		if (lex_flag(lex, out, &cap) != 0) {
			return -1;
		}
	} while (imap_lex_take(lex, ' '));
	return imap_lex_char(lex, ')');
}

int
imap_lex_store_flags(struct imap_lex *lex, struct imap_flags *out)
{
	size_t cap = 0;

	if (imap_lex_peek(lex) == '(') {
		return imap_lex_flag_list(lex, out);
	}
	*out = (struct imap_flags){0};
	do {
		if (lex_flag(lex, out, &cap) != 0) {
			return -1;
		}
	} while (imap_lex_take(lex, ' '));
	return 0;
}

void
imap_put_system_flags(struct buf *to, uint32_t flags)
{
	const char *before = "\\";

	for (size_t i = 0; i < COUNT_OF(system_flags); i++) {
		if ((flags & system_flags[i].bit) != 0) {
			buf_add_str(to, before);
			buf_add_sv(to, system_flags[i].name);
			before = " \\";
		}
	}
}
