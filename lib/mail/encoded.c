#include "mail/encoded.h"

#include "base/utf8.h"
#include "mail/charset.h"
#include "mail/header.h"
#include "mail/transfer_priv.h"

/* One "=?charset*language?B?text?=".  [RFC 2047 2, RFC 2231 5] */
struct word {
	struct sv charset;
	char encoding; /* 'b' or 'q' */
	struct sv text;
	size_t len; /* of the whole */
};

struct decoder {
	struct buf *to;
	struct charset charset; /* of the word before, open between words: */
	struct sv name;		/* they may cut a character in two */
	bool open;
	size_t last_end; /* no "?=" from here on */
};

enum { WORD_CHARSET_MAX = 64, ENCODE_OCTETS = 45 };

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Is there an encoded word at the start of `s`, `at` octets into the body? */
static bool
parse_word(struct decoder *d, struct sv s, size_t at, struct word *out)
{
	size_t i = 2;
	ptrdiff_t end;

	while (i < s.len && i < WORD_CHARSET_MAX && s.p[i] != '?'
	       && !is_blank(s.p[i])) {
		i++;
	}
	if (i + 2 >= s.len || s.p[i] != '?' || s.p[i + 2] != '?' || i == 2) {
		return false;
	}
	out->charset = sv_sub(s, 2, i - 2);
	out->charset = sv_cut(&out->charset, '*');
	out->encoding = ascii_lower(s.p[i + 1]);
	if ((out->encoding != 'b' && out->encoding != 'q')
	    || at >= d->last_end) {
		return false;
	}
	i += 3;
	end = sv_find(sv_from(s, i), SV("?="));
	if (end < 0) {
		d->last_end = at;
		return false;
	}
	out->text = sv_sub(s, i, (size_t)end);
	out->len = i + (size_t)end + 2;
	return true;
}

/* [RFC 2047 4.2] */
static void
decode_q(struct sv text, struct buf *to)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];
		int octet = -1;

		if (c == '=' && i + 2 < text.len) {
			octet = transfer_hex_pair(text.p[i + 1], text.p[i + 2]);
		}
		if (octet >= 0) {
			c = (char)octet;
			i += 2;
		} else if (c == '_') {
			c = ' ';
		}
		buf_add_char(to, c);
	}
}

static void
decode_b(struct sv text, struct buf *to)
{
	struct transfer t;

	transfer_init(&t, TRANSFER_BASE64);
	transfer_decode(&t, text, to);
	transfer_finish(&t, to);
}

static void
close_charset(struct decoder *d)
{
	if (d->open) {
		charset_finish(&d->charset, d->to);
		charset_deinit(&d->charset);
		d->open = false;
	}
}

static void
add_word(struct decoder *d, const struct word *w)
{
	struct buf octets = {.len = 0};

	if (!d->open || !sv_eq_nocase(d->name, w->charset)) {
		close_charset(d);
		charset_init(&d->charset, w->charset);
		d->name = w->charset;
		d->open = true;
	}
	if (w->encoding == 'b') {
		decode_b(w->text, &octets);
	} else {
		decode_q(w->text, &octets);
	}
	charset_convert(&d->charset, buf_sv(&octets), d->to);
	buf_deinit(&octets);
}

static bool
is_all_blank(struct sv s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!is_blank(s.p[i])) {
			return false;
		}
	}
	return true;
}

static void
add_plain(struct decoder *d, struct sv s)
{
	close_charset(d);
	charset_to_utf8(SV_EMPTY, s, d->to);
}

static void
decode_words(struct decoder *d, struct sv s)
{
	size_t plain = 0; /* what stands from here is not yet added */
	size_t i = 0;
	bool after_word = false;

	while (i < s.len) {
		ptrdiff_t next = sv_find(sv_from(s, i), SV("=?"));
		struct word w;
		struct sv gap;

		if (next < 0) {
			break;
		}
		i += (size_t)next;
		if (!parse_word(d, sv_from(s, i), i, &w)) {
			i += 2;
			continue;
		}
		gap = sv_sub(s, plain, i - plain);
		if (gap.len > 0 && !(after_word && is_all_blank(gap))) {
			add_plain(d, gap);
		}
		add_word(d, &w);
		i += w.len;
		plain = i;
		after_word = true;
	}
	if (plain < s.len) {
		add_plain(d, sv_from(s, plain));
	}
	close_charset(d);
}

/* Leave out the controls in what was added from `from` on. */
static void
drop_controls(struct buf *to, size_t from)
{
	size_t n = from;

	for (size_t i = from; i < to->len; i++) {
		unsigned char c = (unsigned char)to->data[i];

		if ((c >= ' ' && c != 0x7f) || c == '\t') {
			to->data[n++] = (char)c;
		}
	}
	to->len = n;
}

void
encoded_decode(struct sv body, struct buf *to)
{
	struct buf line = {.len = 0};
	struct decoder d = {.to = to, .last_end = SIZE_MAX};
	size_t from = to->len;

	header_unfold(sv_sub(body, 0, HEADER_FIELD_MAX), &line);
	decode_words(&d, buf_sv(&line));
	drop_controls(to, from);
	buf_deinit(&line);
}

static bool
needs_encoding(struct sv s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < ' ' || c > '~') {
			return true;
		}
	}
	return sv_find(s, SV("=?")) >= 0;
}

void
encoded_encode(struct sv utf8, struct buf *to)
{
	if (!needs_encoding(utf8)) {
		buf_add_sv(to, utf8);
		return;
	}
	while (utf8.len > 0) {
		struct sv piece = utf8_cut(utf8, ENCODE_OCTETS);

		buf_add_str(to, "=?UTF-8?B?");
		transfer_base64(piece, to);
		buf_add_str(to, "?=");
		utf8 = sv_from(utf8, piece.len);
		if (utf8.len > 0) {
			buf_add_str(to, "\r\n ");
		}
	}
}
