#include "mail/charset.h"

#include <errno.h>
#include <iconv.h>

#include "base/utf8.h"

enum { BLOCK = 1024, REPLACEMENT = 0xfffd };

/*
 * Names that mail uses and iconv does not know, or for which it knows only a
 * subset of what is meant: what says "gb2312" or "ks_c_5601-1987" is written
 * with the supersets of Windows.  NULL: nothing is known, guess.
 */
static const struct {
	const char *name;
	const char *means;
} aliases[] = {
    {"ansi_x3.4-1968", NULL},
    {"ascii", NULL},
    {"big5", "BIG5-HKSCS"},
    {"big5-eten", "BIG5-HKSCS"},
    {"char", NULL},
    {"cn-big5", "BIG5-HKSCS"},
    {"cn-gb", "GB18030"},
    {"cp-850", "CP850"},
    {"cp932", "CP932"},
    {"default", NULL},
    {"default_charset", NULL},
    {"euc-kr", "CP949"},
    {"gb2312", "GB18030"},
    {"gb_2312-80", "GB18030"},
    {"gb_1988-80", "GB18030"},
    {"gbk", "GB18030"},
    {"internal", NULL},
    {"iso-8859-11", "CP874"},
    {"iso-8859-6-e", "ISO-8859-6"},
    {"iso-8859-6-i", "ISO-8859-6"},
    {"iso-8859-8-e", "ISO-8859-8"},
    {"iso-8859-8-i", "ISO-8859-8"},
    {"iso-8859-9", "CP1254"},
    {"ks_c_5601", "CP949"},
    {"ks_c_5601-1987", "CP949"},
    {"ks_c_5601-1989", "CP949"},
    {"none", NULL},
    {"shift-jis", "CP932"},
    {"shift_jis", "CP932"},
    {"sjis", "CP932"},
    {"tis-620", "CP874"},
    {"unicode-1-1-utf-7", "UTF-7"},
    {"unknown", NULL},
    {"unknown-8bit", NULL},
    {"us-ascii", NULL},
    {"wchar_t", NULL},
    {"windows-31j", "CP932"},
    {"windows-874", "CP874"},
    {"windows-936", "GB18030"},
    {"windows-949", "CP949"},
    {"windows-950", "BIG5-HKSCS"},
    {"x-gbk", "GB18030"},
    {"x-mac-cyrillic", "MAC-CYRILLIC"},
    {"x-mac-roman", "MACINTOSH"},
    {"x-sjis", "CP932"},
    {"x-unknown", NULL},
    {"x-user-defined", NULL},
};

/* Latin-1 is read as the superset of Windows, as browsers do. */
static const char *const windows_1252[] = {"iso-8859-1", "iso8859-1",
    "iso_8859-1", "iso_8859-1:1987", "iso-8859-1-windows-3.0-latin-1", "latin1",
    "latin-1", "l1", "windows-1252", "cp1252", "cp-1252", "x-cp1252", "ansi"};

/* Code points of 0x80..0x9f; 0 where there is none. */
static const uint16_t windows_1252_high[32] = {0x20ac, 0, 0x201a, 0x0192,
    0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0,
    0x017d, 0, 0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
    0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0, 0x017e, 0x0178};

/* Nothing that iconv_open() would take as an option or a path. */
static bool
is_name(struct sv s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (!ascii_alpha(c) && !ascii_digit(c) && c != '-' && c != '_'
		    && c != '.' && c != ':' && c != '+') {
			return false;
		}
	}
	return s.len > 0 && s.len <= CHARSET_NAME_MAX;
}

static bool
is_windows_1252(struct sv name)
{
	for (size_t i = 0; i < COUNT_OF(windows_1252); i++) {
		if (sv_eq_nocase(name, sv_cstr(windows_1252[i]))) {
			return true;
		}
	}
	return false;
}

/* True if `name` is in the table; *means_out may be NULL then. */
static bool
find_alias(struct sv name, const char **means_out)
{
	for (size_t i = 0; i < COUNT_OF(aliases); i++) {
		if (sv_eq_nocase(name, sv_cstr(aliases[i].name))) {
			*means_out = aliases[i].means;
			return true;
		}
	}
	return false;
}

static void
open_iconv(struct charset *c, const char *name)
{
	iconv_t cd = iconv_open("UTF-8", name);

	if (cd == (iconv_t)-1) {
		c->known = false;
		return;
	}
	c->kind = CHARSET_ICONV;
	c->cd = cd;
}

void
charset_init(struct charset *c, struct sv name)
{
	char text[CHARSET_NAME_MAX + 1];
	const char *means = text;

	*c = (struct charset){.kind = CHARSET_GUESS, .known = true};
	name = sv_trim(name);
	if (name.len == 0) {
		return;
	}
	if (sv_eq_nocase(name, SV("utf-8")) || sv_eq_nocase(name, SV("utf8"))) {
		c->kind = CHARSET_UTF8;
		return;
	}
	if (is_windows_1252(name)) {
		c->kind = CHARSET_WINDOWS_1252;
		return;
	}
	if (!is_name(name)) {
		c->known = false;
		return;
	}
	memcpy(text, name.p, name.len);
	text[name.len] = '\0';
	if (find_alias(name, &means) && means == NULL) {
		c->known = sv_eq_nocase(name, SV("us-ascii"))
			   || sv_eq_nocase(name, SV("ascii"))
			   || sv_eq_nocase(name, SV("ansi_x3.4-1968"));
		return;
	}
	open_iconv(c, means);
}

void
charset_deinit(struct charset *c)
{
	if (c->cd != NULL) {
		(void)iconv_close(c->cd);
		c->cd = NULL;
	}
}

bool
charset_known(struct sv name)
{
	struct charset c;

	charset_init(&c, name);
	charset_deinit(&c);
	return c.known;
}

/* An octet above 0x7f of windows-1252. */
static void
add_1252(unsigned char octet, struct buf *to)
{
	uint32_t c = octet;

	if (octet < 0xa0) {
		c = windows_1252_high[octet - 0x80];
	}
	utf8_encode(c != 0 ? c : REPLACEMENT, to);
}

static void
convert_1252(struct sv in, struct buf *to)
{
	size_t i = 0;

	while (i < in.len) {
		size_t run = utf8_ascii_run(sv_from(in, i));

		buf_add(to, in.p + i, run);
		i += run;
		if (i < in.len) {
			add_1252((unsigned char)in.p[i++], to);
		}
	}
}

/*
 * Octets that should be UTF-8.  Returns how many were read: unless `last`, a
 * character that the end cuts is left.
 */
static size_t
convert_utf8(struct sv in, bool guess, bool last, struct buf *to)
{
	size_t i = 0;

	while (i < in.len) {
		size_t run = utf8_ascii_run(sv_from(in, i));
		struct sv rest = sv_from(in, i + run);
		size_t n = utf8_expected(rest);

		buf_add(to, in.p + i, run);
		i += run;
		if (n > rest.len && !last) {
			break;
		}
		if (n > 0 && n <= rest.len) {
			buf_add(to, rest.p, n);
		} else if (rest.len > 0) {
			n = 1;
			if (guess) {
				add_1252((unsigned char)rest.p[0], to);
			} else {
				utf8_encode(REPLACEMENT, to);
			}
		}
		i += n;
	}
	return i;
}

/* The same by iconv.  What it makes is checked, as it can also make what is
 * beyond Unicode. */
static size_t
convert_iconv(struct charset *c, struct sv in, bool last, struct buf *to)
{
	/* iconv() does not write through its input, but says that it may. */
	union {
		const char *from;
		char *p;
	} at = {.from = in.p};
	size_t left = in.len;

	while (left > 0) {
		char block[BLOCK];
		char *out = block;
		size_t room = sizeof(block);
		size_t before = left;
		size_t rc = iconv(c->cd, &at.p, &left, &out, &room);
		int err = rc == (size_t)-1 ? errno : 0;
		struct sv made = {block, sizeof(block) - room};

		(void)convert_utf8(made, false, true, to);
		if ((err == EINVAL && !last) || (err == 0 && left == before)) {
			break;
		}
		if (err == EINVAL || err == EILSEQ
		    || (err == E2BIG && left == before && made.len == 0)) {
			utf8_encode(REPLACEMENT, to);
			at.from++;
			left--;
		}
	}
	return in.len - left;
}

static size_t
convert_some(struct charset *c, struct sv in, bool last, struct buf *to)
{
	switch (c->kind) {
	case CHARSET_UTF8:
	case CHARSET_GUESS:
		return convert_utf8(in, c->kind == CHARSET_GUESS, last, to);
	case CHARSET_WINDOWS_1252:
		convert_1252(in, to);
		return in.len;
	case CHARSET_ICONV:
		return convert_iconv(c, in, last, to);
	}
	return in.len;
}

void
charset_convert(struct charset *c, struct sv in, struct buf *to)
{
	size_t used;

	/* Complete what the last chunk cut, an octet at a time. */
	while (c->n_held > 0 && in.len > 0) {
		bool full = c->n_held + 1 == sizeof(c->held);

		c->held[c->n_held++] = in.p[0];
		in = sv_from(in, 1);
		used = convert_some(c, sv_make(c->held, c->n_held), full, to);
		c->n_held -= used;
		memmove(c->held, c->held + used, c->n_held);
	}
	used = convert_some(c, in, false, to);
	in = sv_from(in, used);
	/* No charset needs more, but the octets come from a peer. */
	if (in.len > sizeof(c->held) / 2) {
		(void)convert_some(c, in, true, to);
		return;
	}
	for (size_t i = 0; i < in.len; i++) {
		c->held[c->n_held++] = in.p[i];
	}
}

void
charset_finish(struct charset *c, struct buf *to)
{
	(void)convert_some(c, sv_make(c->held, c->n_held), true, to);
	c->n_held = 0;
	if (c->cd != NULL) {
		/* Flush (some charsets combine), and back to the start. */
		char block[BLOCK];
		char *out = block;
		size_t room = sizeof(block);

		(void)iconv(c->cd, NULL, NULL, &out, &room);
		(void)convert_utf8(
		    sv_make(block, sizeof(block) - room), false, true, to);
	}
}

void
charset_to_utf8(struct sv name, struct sv in, struct buf *to)
{
	struct charset c;

	charset_init(&c, name);
	charset_convert(&c, in, to);
	charset_finish(&c, to);
	charset_deinit(&c);
}
