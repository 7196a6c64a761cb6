/*
 * The packing of texts in a digest: see digest_priv.h for the form.
 */
#include "mail/digest_priv.h"

#include <stdlib.h>

#include "base/mem.h"

enum {
	MATCH_MIN = 4,
	CHAIN_MAX = 16, /* candidates looked at for one place */
	HASH_BITS = 11,
	WINDOW_MAX = DIGEST_TEXT_MAX + DIGEST_MAX + 2048,
	NO_PLACE = 0xffff,
};

/*
 * What these texts have in common.  Part of the format: a changed dictionary
 * is another version.  The commonest stands first, where a place takes one
 * octet.
 */
static const char dictionary_text[] =
    " NIL NIL NIL NIL)(\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL "
    "\"quoted-printable\" (\"text\" \"html\" (\"charset\" \"UTF-8\") NIL NIL "
    "\"7bit\" )) NIL NIL ((NIL NIL \"\")) ((\" NIL \"\")(NIL NIL \"\")(\""
    " \"alternative\" (\"boundary\" \"\") NIL NIL NIL) \"mixed\" (\"boundary\""
    " \"NIL \"<>\" \"<(\"charset\" \"us-ascii\") NIL NIL \"8bit\" "
    "(\"charset\" \"iso-8859-1\") NIL NIL \"base64\" (\"application\" "
    "\"octet-stream\" (\"name\" \"\") NIL NIL \"base64\"  NIL (\"attachment\""
    " (\"filename\" \".pdf\")) NIL NIL)(\"application\" \"pdf\" (\"name\" "
    "\"(\"image\" \"png\" (\"name\" \"image001.png\") \"<image001.png@\"(\""
    "image\" \"jpeg\" (\"name\" \".jpg\")(\"image\" \"gif\" NIL (\"inline\" "
    "(\"filename\" \" \"related\" (\"type\" \"text/html\" \"boundary\" \""
    "multipart/alternative\" \"format\" \"flowed\" \"delsp\" \"yes\""
    " \"charset\" \"windows-1252\" \"US-ASCII\"(\"message\" \"rfc822\" NIL NIL "
    "NIL \"7bit\" (\"message\" \"delivery-status\" NIL NIL "
    "\"Delivery report\" \"Notification\" \"report\" (\"report-type\" "
    "\"delivery-status\" \"boundary\" \"(\"text\" \"rfc822-headers\" "
    "\"signed\" (\"protocol\" \"application/pgp-signature\" \"micalg\" "
    "\"pgp-sha256\" (\"application\" \"pgp-signature\" (\"name\" "
    "\"signature.asc\") NIL \"OpenPGP digital signature\" "
    "\"pkcs7-signature\" (\"name\" \"smime.p7s\") NIL \"S/MIME "
    "Cryptographic Signature\" \"sha-256\" (\"text\" \"calendar\" (\"method\" "
    "\"REQUEST\" \"vnd.openxmlformats-officedocument.wordprocessingml."
    "document\" \"spreadsheetml.sheet\" \"msword\" \"zip\" \"creation-date\" "
    "\" \"modification-date\" \" \"size\" \" GMT\" +0000\" +0200\" -0500\" "
    "Mon, Tue, Wed, Thu, Fri, Sat, Sun, Jan Feb Mar Apr May Jun Jul Aug "
    "Sep Oct Nov Dec 202@gmail.com\"\"gmail.com\" \"outlook.com\" "
    "\"MISSING_DOMAIN\" \"undisclosed-recipients\" NIL)(NIL NIL NIL NIL)) ";

static const struct sv dictionary = {
    dictionary_text, sizeof(dictionary_text) - 1};

void
digest_add_varint(struct buf *to, uint64_t v)
{
	while (v >= 0x80) {
		buf_add_char(to, (char)(v | 0x80));
		v >>= 7;
	}
	buf_add_char(to, (char)v);
}

bool
digest_take_long_varint(struct sv *s, uint64_t *out)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 63 && s->len > 0; shift += 7) {
		unsigned char c = (unsigned char)s->p[0];

		*s = sv_from(*s, 1);
		v |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80) {
			*out = v;
			return true;
		}
	}
	return false;
}

/* The window as one text, and chains of the places with one hash. */
struct digest_packer {
	char window[WINDOW_MAX];
	size_t bounds[2]; /* where dictionary and fields end */
	size_t size;	  /* of all, with the text in hand */
	uint16_t next[WINDOW_MAX];
	uint16_t head[1 << HASH_BITS];
	uint16_t head_before[1 << HASH_BITS]; /* as it is before a text */
};

static unsigned
hash4(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v * 2654435761U >> (32 - HASH_BITS);
}

static void
insert(struct digest_packer *p, size_t at)
{
	unsigned h;

	if (at + MATCH_MIN <= p->size) {
		h = hash4(p->window + at);
		p->next[at] = p->head[h];
		p->head[h] = (uint16_t)at;
	}
}

static size_t
match_length(const struct digest_packer *p, size_t from, size_t at)
{
	/* Not over the end of the part of the window that `from` is in, nor
	 * into what is not yet there. */
	size_t end = from < p->bounds[0]   ? p->bounds[0]
		     : from < p->bounds[1] ? p->bounds[1]
					   : at;
	size_t n = 0;

	while (from + n < end && at + n < p->size
	       && p->window[from + n] == p->window[at + n]) {
		n++;
	}
	return n;
}

/* The longest copy that can stand at `at`; 0 if none is worth it. */
static size_t
find_match(const struct digest_packer *p, size_t at, size_t *from_out)
{
	size_t best = 0;
	uint16_t from;

	if (at + MATCH_MIN > p->size) {
		return 0;
	}
	from = p->head[hash4(p->window + at)];
	for (int i = 0; i < CHAIN_MAX && from != NO_PLACE; i++) {
		size_t n = match_length(p, from, at);

		if (n > best) {
			best = n;
			*from_out = from;
		}
		from = p->next[from];
	}
	return best >= MATCH_MIN ? best : 0;
}

static void
write_token(struct sv literals, size_t copied, size_t from, struct buf *to)
{
	size_t code = copied != 0 ? copied - (MATCH_MIN - 1) : 0;
	size_t high = literals.len < 15 ? literals.len : 15;
	size_t low = code < 15 ? code : 15;

	buf_add_char(to, (char)(high << 4 | low));
	if (literals.len >= 15) {
		digest_add_varint(to, literals.len - 15);
	}
	buf_add_sv(to, literals);
	if (code >= 15) {
		digest_add_varint(to, code - 15);
	}
	if (copied != 0) {
		digest_add_varint(to, from);
	}
}

static void
add_to_window(struct digest_packer *p, struct sv s)
{
	if (s.len > 0) {
		memcpy(p->window + p->size, s.p, s.len);
		p->size += s.len;
	}
}

struct digest_packer *
digest_packer_new(struct sv fields)
{
	struct digest_packer *p = xmalloc(sizeof(*p));

	ASSERT(fields.len <= DIGEST_MAX);
	add_to_window(p, dictionary);
	p->bounds[0] = p->size;
	add_to_window(p, fields);
	p->bounds[1] = p->size;
	memset(p->head, 0xff, sizeof(p->head));
	for (size_t at = 0; at < p->size; at++) {
		insert(p, at);
	}
	memcpy(p->head_before, p->head, sizeof(p->head));
	return p;
}

void
digest_packer_free(struct digest_packer **p)
{
	free(*p);
	*p = NULL;
}

void
digest_pack(struct digest_packer *p, struct sv text, struct buf *to)
{
	size_t at = p->bounds[1];
	size_t literals = at;

	ASSERT(text.len <= DIGEST_TEXT_MAX);
	p->size = at;
	add_to_window(p, text);
	memcpy(p->head, p->head_before, sizeof(p->head));
	while (at < p->size) {
		size_t from = 0;
		size_t n = find_match(p, at, &from);

		if (n == 0) {
			insert(p, at++);
			continue;
		}
		write_token(
		    sv_make(p->window + literals, at - literals), n, from, to);
		for (; n > 0; n--) {
			insert(p, at++);
		}
		literals = at;
	}
	if (literals < at) {
		write_token(
		    sv_make(p->window + literals, at - literals), 0, 0, to);
	}
}

/* What a copy of `n` octets at that place of the window is; p NULL if it is
 * not within one of the three. */
static const char *
place(uint64_t at, size_t n, struct sv fields, struct sv text)
{
	const struct sv three[3] = {dictionary, fields, text};

	for (int i = 0; i < 3; i++) {
		if (at < three[i].len) {
			return n <= three[i].len - at ? three[i].p + at : NULL;
		}
		at -= three[i].len;
	}
	return NULL;
}

/* One token of `*s` onto the `*n` octets at `out`, which has `size`. */
static bool
unpack_token(struct sv *s, struct sv fields, char *out, size_t *n, size_t size)
{
	unsigned char control = (unsigned char)s->p[0];
	uint64_t literals = control >> 4;
	uint64_t copied = control & 0xf;
	uint64_t extra, at;
	const char *from;

	*s = sv_from(*s, 1);
	if (literals == 15) {
		if (!digest_take_varint(s, &extra) || extra > size) {
			return false;
		}
		literals += extra;
	}
	if (literals > s->len || literals > size - *n) {
		return false;
	}
	memcpy(out + *n, s->p, literals);
	*n += literals;
	*s = sv_from(*s, literals);
	if (copied == 0) {
		return true;
	}
	if (copied == 15) {
		if (!digest_take_varint(s, &extra) || extra > size) {
			return false;
		}
		copied += extra;
	}
	copied += MATCH_MIN - 1;
	if (!digest_take_varint(s, &at) || copied > size - *n) {
		return false;
	}
	from = place(at, copied, fields, sv_make(out, *n));
	if (from == NULL) {
		return false;
	}
	memcpy(out + *n, from, copied);
	*n += copied;
	return true;
}

bool
digest_unpack(struct sv packed, size_t size, struct sv fields, struct buf *to)
{
	char *out;
	size_t n = 0;

	if (size > DIGEST_TEXT_MAX) {
		return false;
	}
	out = buf_reserve(to, size);
	if (out == NULL) {
		return false;
	}
	while (packed.len > 0) {
		if (!unpack_token(&packed, fields, out, &n, size)) {
			return false;
		}
	}
	if (n != size) {
		return false;
	}
	to->len += size;
	return true;
}
