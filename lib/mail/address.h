/*
 * address: address lists of header fields, and the parts of an address.
 *
 * The list parser never fails: it takes RFC 5322 with its obsolete forms
 * (routes, comments, blanks and dots anywhere), groups, quoted strings, raw
 * 8-bit and UTF-8 [RFC 6532], and makes the best of the rest.  What it finds
 * is slices: of the input where that holds the text as such, else of the
 * arena (quotes or comments taken out).  RFC 2047 words stay encoded.
 *
 * Threads: plain values; the arena is the caller's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/sv.h"

enum address_kind {
	ADDRESS_MAILBOX,
	ADDRESS_GROUP,	   /* a group begins: `name` is its display name */
	ADDRESS_GROUP_END, /* all fields empty */
};

/* A field that is absent has p NULL; "" is present and empty. */
struct address {
	enum address_kind kind;
	struct sv name;	  /* phrase, or a comment beside a bare address */
	struct sv route;  /* "@a,@b" of an obsolete source route */
	struct sv local;  /* without quotes */
	struct sv domain; /* absent for a mailbox without "@" */
};

struct address_list {
	const struct address *at; /* in the arena */
	size_t n;
	bool cut; /* there were more than the limit */
};

enum { ADDRESS_LIST_MAX = 10000 }; /* of one field, for the `max` below */

/*
 * At most `max` entries, and one more to close a group that the limit cut:
 * groups are always closed.  Linear; memory is about 200 octets an entry and
 * not more text than `body` has.
 */
void address_list_parse(
    struct sv body, size_t max, struct arena *a, struct address_list *out);

/* Octets of atoms, the dot apart.  UTF-8 counts as letters.
 * [RFC 5322 3.2.3, RFC 6531 3.3] */
bool address_is_atext(char c);

/*
 * Write a local part (as it means, not quoted) in its wire form: a dot-atom as
 * it is, all else quoted.  Returns how many octets, at most 2 * local.len + 2,
 * for which `to` must have room.  [RFC 5321 4.1.2]
 */
size_t address_local_write(struct sv local, char *to);
