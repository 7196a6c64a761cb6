#include "mail/html.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

/* Tags that may stand within a word. */
static const char *const inline_tags[] = {"a", "abbr", "acronym", "b", "bdi",
    "bdo", "big", "cite", "code", "dfn", "del", "em", "font", "i", "ins", "kbd",
    "mark", "nobr", "q", "s", "samp", "small", "span", "strike", "strong",
    "sub", "sup", "tt", "u", "var", "wbr"};

/* What mail uses of HTML's names, in octet order; of the rest the numbers are
 * used. */
static const struct reference {
	const char *name;
	uint32_t c;
} references[] = {{"AElig", 198}, {"Aacute", 193}, {"Acirc", 194},
    {"Agrave", 192}, {"Aring", 197}, {"Atilde", 195}, {"Auml", 196},
    {"Ccedil", 199}, {"ETH", 208}, {"Eacute", 201}, {"Ecirc", 202},
    {"Egrave", 200}, {"Euml", 203}, {"Iacute", 205}, {"Icirc", 206},
    {"Igrave", 204}, {"Iuml", 207}, {"Ntilde", 209}, {"OElig", 338},
    {"Oacute", 211}, {"Ocirc", 212}, {"Ograve", 210}, {"Oslash", 216},
    {"Otilde", 213}, {"Ouml", 214}, {"Scaron", 352}, {"THORN", 222},
    {"Uacute", 218}, {"Ucirc", 219}, {"Ugrave", 217}, {"Uuml", 220},
    {"Yacute", 221}, {"Yuml", 376}, {"aacute", 225}, {"acirc", 226},
    {"acute", 180}, {"aelig", 230}, {"agrave", 224}, {"amp", '&'},
    {"apos", '\''}, {"aring", 229}, {"atilde", 227}, {"auml", 228},
    {"bdquo", 0x201e}, {"brvbar", 166}, {"bull", 0x2022}, {"ccedil", 231},
    {"cedil", 184}, {"cent", 162}, {"copy", 169}, {"curren", 164}, {"deg", 176},
    {"divide", 247}, {"eacute", 233}, {"ecirc", 234}, {"egrave", 232},
    {"emsp", ' '}, {"ensp", ' '}, {"eth", 240}, {"euml", 235}, {"euro", 0x20ac},
    {"frac12", 189}, {"frac14", 188}, {"frac34", 190}, {"gt", '>'},
    {"hellip", 0x2026}, {"iacute", 237}, {"icirc", 238}, {"iexcl", 161},
    {"igrave", 236}, {"iquest", 191}, {"iuml", 239}, {"laquo", 171},
    {"ldquo", 0x201c}, {"lsaquo", 0x2039}, {"lsquo", 0x2018}, {"lt", '<'},
    {"macr", 175}, {"mdash", 0x2014}, {"micro", 181}, {"middot", 183},
    {"minus", 0x2212}, {"nbsp", ' '}, {"ndash", 0x2013}, {"not", 172},
    {"ntilde", 241}, {"oacute", 243}, {"ocirc", 244}, {"oelig", 339},
    {"ograve", 242}, {"ordf", 170}, {"ordm", 186}, {"oslash", 248},
    {"otilde", 245}, {"ouml", 246}, {"para", 182}, {"plusmn", 177},
    {"pound", 163}, {"quot", '"'}, {"raquo", 187}, {"rarr", 0x2192},
    {"rdquo", 0x201d}, {"reg", 174}, {"rsaquo", 0x203a}, {"rsquo", 0x2019},
    {"sbquo", 0x201a}, {"scaron", 353}, {"sect", 167}, {"shy", 173},
    {"sup1", 185}, {"sup2", 178}, {"sup3", 179}, {"szlig", 223},
    {"thinsp", ' '}, {"thorn", 254}, {"times", 215}, {"trade", 0x2122},
    {"uacute", 250}, {"ucirc", 251}, {"ugrave", 249}, {"uml", 168},
    {"uuml", 252}, {"yacute", 253}, {"yen", 165}, {"yuml", 255}};

/* ---- characters ---- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static void
put_octet(struct html_text *h, char c, struct buf *to)
{
	if (h->hidden[0] != '\0') {
		return;
	}
	if (is_blank(c)) {
		h->blank = true;
		return;
	}
	if (h->blank) {
		buf_add_char(to, ' ');
		h->blank = false;
	}
	buf_add_char(to, c);
}

static void
put_word(struct html_text *h, struct buf *to)
{
	for (size_t i = 0; i < h->n; i++) {
		put_octet(h, h->word[i], to);
	}
	h->n = 0;
}

static void
put_character(struct html_text *h, uint32_t c, struct buf *to)
{
	if (c < 0x80) {
		put_octet(h, (char)c, to);
		return;
	}
	if (h->hidden[0] != '\0' || c == 173) {
		return; /* a hyphen that is not seen */
	}
	if (h->blank) {
		buf_add_char(to, ' ');
		h->blank = false;
	}
	utf8_encode(c, to);
}

/* ---- references ---- */

/* "#228" or "#xe4".  False if it is none. */
static bool
by_number(const char *word, uint32_t *out)
{
	bool hex = word[1] == 'x' || word[1] == 'X';
	const char *p = word + (hex ? 2 : 1);
	uint32_t c = 0;

	if (*p == '\0') {
		return false;
	}
	for (; *p != '\0'; p++) {
		char l = ascii_lower(*p);
		uint32_t d = ascii_digit(*p) ? (uint32_t)(*p - '0')
			     : hex && l >= 'a' && l <= 'f'
				 ? (uint32_t)(l - 'a') + 10
				 : 16;

		if (d >= (hex ? 16 : 10) || c > 0x10ffff) {
			return false;
		}
		c = c * (hex ? 16 : 10) + d;
	}
	*out = c == 160 ? ' ' : c;
	return c != 0 && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
}

static int
compare_name(const void *word, const void *reference)
{
	const struct reference *r = reference;

	return strcmp(word, r->name);
}

static bool
by_name(const char *word, uint32_t *out)
{
	const struct reference *r = bsearch(word, references,
	    COUNT_OF(references), sizeof(references[0]), compare_name);

	*out = r != NULL ? r->c : 0;
	return r != NULL;
}

/* The reference in hand ends, with ";" or without. */
static void
end_reference(struct html_text *h, bool semicolon, struct buf *to)
{
	uint32_t c = 0;

	h->state = HTML_TEXT;
	h->word[h->n] = '\0';
	if (h->word[0] == '#' ? by_number(h->word, &c) : by_name(h->word, &c)) {
		h->n = 0;
		put_character(h, c, to);
		return;
	}
	put_octet(h, '&', to);
	put_word(h, to);
	if (semicolon) {
		put_octet(h, ';', to);
	}
}

/* ---- tags ---- */

static bool
is_inline(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(inline_tags); i++) {
		if (strcmp(name, inline_tags[i]) == 0) {
			return true;
		}
	}
	return false;
}

static void
end_tag(struct html_text *h)
{
	h->state = HTML_TEXT;
	h->word[h->n] = '\0';
	if (h->hidden[0] != '\0') {
		if (h->closing && strcmp(h->word, h->hidden) == 0) {
			h->hidden[0] = '\0';
			h->blank = true;
		}
		return;
	}
	if (!h->closing
	    && (strcmp(h->word, "script") == 0
		|| strcmp(h->word, "style") == 0)) {
		(void)mempcpy(h->hidden, h->word, h->n + 1);
	}
	h->blank = h->blank || !is_inline(h->word);
	h->n = 0;
}

static void
begin(struct html_text *h, char c, struct buf *to)
{
	bool hidden = h->hidden[0] != '\0';

	h->n = 0;
	h->closing = c == '/';
	h->dashes = 0;
	if (h->closing) {
		h->state = HTML_NAME;
	} else if (!hidden && ascii_alpha(c)) {
		h->state = HTML_NAME;
		h->word[h->n++] = ascii_lower(c);
	} else if (!hidden && (c == '!' || c == '?')) {
		h->state = HTML_DECLARATION;
	} else {
		h->state = HTML_TEXT;
		put_octet(h, '<', to);
		put_octet(h, c, to);
	}
}

/* An octet behind a tag's name. */
static void
in_tag(struct html_text *h, char c)
{
	if (c == '>') {
		end_tag(h);
	} else if (c == '"' || c == '\'') {
		h->quote = c;
		h->state = HTML_QUOTE;
	} else {
		h->state = HTML_TAG;
	}
}

static void
in_name(struct html_text *h, char c)
{
	if (!ascii_alpha(c) && !ascii_digit(c)) {
		in_tag(h, c);
		return;
	}
	/* No name that is known is as long. */
	if (h->n < HTML_WORD_MAX) {
		h->word[h->n++] = ascii_lower(c);
	}
}

/* "<!--" is a comment; any other "<!" ends with the next ">". */
static void
in_declaration(struct html_text *h, char c)
{
	if (c == '-' && h->dashes < 2) {
		if (++h->dashes == 2) {
			h->state = HTML_COMMENT;
			h->dashes = 0;
		}
		return;
	}
	h->dashes = 2; /* too late for a comment */
	if (c == '>') {
		h->state = HTML_TEXT;
		h->blank = true;
	}
}

static void
in_comment(struct html_text *h, char c)
{
	if (c == '>' && h->dashes >= 2) {
		h->state = HTML_TEXT;
		h->blank = true;
	}
	h->dashes = c == '-' ? h->dashes + (h->dashes < 2) : 0;
}

/* ---- text ---- */

static void
in_text(struct html_text *h, char c, struct buf *to)
{
	if (c == '<') {
		h->state = HTML_LESS;
	} else if (c == '&' && h->hidden[0] == '\0') {
		h->state = HTML_REFERENCE;
		h->n = 0;
	} else {
		put_octet(h, c, to);
	}
}

static void
in_reference(struct html_text *h, char c, struct buf *to)
{
	if (h->n < HTML_WORD_MAX
	    && (ascii_alpha(c) || ascii_digit(c) || (c == '#' && h->n == 0))) {
		h->word[h->n++] = c;
		return;
	}
	end_reference(h, c == ';', to);
	if (c != ';') {
		in_text(h, c, to);
	}
}

void
html_text_put(struct html_text *h, struct sv utf8, struct buf *to)
{
	for (size_t i = 0; i < utf8.len; i++) {
		char c = utf8.p[i];

		switch (h->state) {
		case HTML_TEXT:
			in_text(h, c, to);
			break;
		case HTML_LESS:
			begin(h, c, to);
			break;
		case HTML_NAME:
			in_name(h, c);
			break;
		case HTML_TAG:
			in_tag(h, c);
			break;
		case HTML_QUOTE:
			h->state = c == h->quote ? HTML_TAG : HTML_QUOTE;
			break;
		case HTML_DECLARATION:
			in_declaration(h, c);
			break;
		case HTML_COMMENT:
			in_comment(h, c);
			break;
		case HTML_REFERENCE:
			in_reference(h, c, to);
			break;
		}
	}
}

void
html_text_finish(struct html_text *h, struct buf *to)
{
	if (h->state == HTML_REFERENCE) {
		end_reference(h, false, to);
	} else if (h->state == HTML_LESS) {
		put_octet(h, '<', to);
	}
}
