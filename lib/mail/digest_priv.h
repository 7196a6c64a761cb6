/*
 * digest_priv: what the making and the reading of a digest share.
 *
 * Threads: pure functions.
 */
#pragma once

#include "mail/digest.h"

enum {
	DIGEST_VERSION = 1,
	DIGEST_FILTER_SIZE = 32, /* octets */
	DIGEST_TEXT_MAX = 8192,	 /* octets of ENVELOPE or BODYSTRUCTURE */
};

/*
 * The listed fields, by number.  The table only grows: a digest says how many
 * of them its maker knew, and treats later ones as not listed.
 */
extern const struct sv digest_listed[];
extern const unsigned digest_n_listed; /* at most 64 */

/* Number of a listed field below `n`, or -1. */
int digest_field_number(struct sv name, unsigned n);

/* The filter of names: two bits a name. */
void digest_filter_add(unsigned char *filter, struct sv name);

/*
 * Texts are packed: literal runs, and copies out of a window that is the
 * dictionary, then the fields of the digest, then the text itself so far.
 *
 *	token   = control [more] literals [more] [place]
 *	control = literals << 4 | copied    15 means: a varint more follows
 *	copied  = 0 for none, else octets - 3
 *	place   = varint, octets from the start of the window
 *
 * A copy lies within one of the three.
 */
struct digest_packer;

/* For texts of one digest, with these fields.  Owned by the caller. */
struct digest_packer *digest_packer_new(struct sv fields) MUST_CHECK;
void digest_packer_free(struct digest_packer **p);
void digest_pack(struct digest_packer *p, struct sv text, struct buf *to);

/* Append the `size` octets that `packed` stands for; false, with nothing
 * appended, if it stands for anything else. */
bool digest_unpack(
    struct sv packed, size_t size, struct sv fields, struct buf *to);

/* Place of the parts.  False if it is over `max` octets. */
bool digest_pack_spans(struct section_spans spans, size_t max, struct buf *to);

/* LEB128.  Nearly all take one octet. */
void digest_add_varint(struct buf *to, uint64_t v);
bool digest_take_long_varint(struct sv *s, uint64_t *out);

static inline bool
digest_take_varint(struct sv *s, uint64_t *out)
{
	if (s->len == 0 || (unsigned char)s->p[0] >= 0x80) {
		return digest_take_long_varint(s, out);
	}
	*out = (unsigned char)s->p[0];
	s->p++;
	s->len--;
	return true;
}
