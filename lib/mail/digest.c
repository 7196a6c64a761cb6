#include "mail/digest_priv.h"

#include "mail/header.h"
#include "mail/imap_text.h"

/*
 * A digest on disk.  Integers are LEB128 varints, but the first two fields.
 *
 *	octet    version
 *	2 octets flags, low octet first: enum digest_flag, and in bits 14 and
 *	         15 the octets of the header's empty line, 0..2
 *	varint   octets of the message
 *	varint   octets of its header section
 *	varint   LFs in its body
 *	varint   listed fields that the maker knew
 *	32       filter of the names of all other fields
 *	varint   DIGEST_SENT: seconds since 1970, zigzag
 *	varint   DIGEST_SENT: minutes east, zigzag
 *	varint   not DIGEST_FIELDS: bit n is set if listed field n is left out
 *	block    listed fields: octet number, varint size, octets with the
 *	         name and the line ends, in the order of the message
 *	block    DIGEST_PARTS: varint number of parts, table (digest_parts.c)
 *	block    DIGEST_ENVELOPE: varint size, packed text (digest_priv.h)
 *	block    DIGEST_STRUCTURE: the same
 *
 * where a block is a varint size and so many octets.
 */

enum { ZONE_MAX = 7000 }; /* minutes; date_parse() makes at most 6039 */

const struct sv digest_listed[] = {
    {"Date", 4},
    {"From", 4},
    {"To", 2},
    {"Cc", 2},
    {"Subject", 7},
    {"Message-ID", 10},
    {"Content-Type", 12},
    {"Reply-To", 8},
    {"Sender", 6},
    {"In-Reply-To", 11},
    {"References", 10},
    {"Bcc", 3},
    {"MIME-Version", 12},
    {"Content-Transfer-Encoding", 25},
    {"Content-Disposition", 19},
    {"X-Priority", 10},
    {"Priority", 8},
    {"Importance", 10},
    {"X-MSMail-Priority", 17},
    {"List-Id", 7},
    {"List-Post", 9},
    {"Mailing-List", 12},
    {"X-Mailing-List", 14},
    {"X-BeenThere", 11},
    {"X-Loop", 6},
    {"Precedence", 10},
    {"Auto-Submitted", 14},
    {"Return-Path", 11},
    {"Newsgroups", 10},
    {"Followup-To", 11},
    {"Mail-Followup-To", 16},
    {"Mail-Reply-To", 13},
    {"Disposition-Notification-To", 27},
    {"Lines", 5},
    {"X-Label", 7},
    {"Content-Class", 13},
    {"X-Uniform-Type-Identifier", 25},
    {"X-Universally-Unique-Identifier", 31},
    {"X-Spam-Flag", 11},
    {"Resent-Date", 11},
    {"Resent-From", 11},
    {"Resent-To", 9},
    {"User-Agent", 10},
    {"X-Mailer", 8},
    {"List-Unsubscribe", 16},
    {"List-Unsubscribe-Post", 21},
};

const unsigned digest_n_listed = COUNT_OF(digest_listed);

_Static_assert(COUNT_OF(digest_listed) <= 64, "struct digest.missing");

int
digest_field_number(struct sv name, unsigned n)
{
	for (unsigned i = 0; i < n && i < digest_n_listed; i++) {
		if (name.len == digest_listed[i].len
		    && sv_eq_nocase(name, digest_listed[i])) {
			return (int)i;
		}
	}
	return -1;
}

/* FNV-1a of the name in lower case: two places in the filter. */
static uint32_t
name_hash(struct sv name)
{
	uint32_t h = 2166136261U;

	for (size_t i = 0; i < name.len; i++) {
		h ^= (unsigned char)ascii_lower(name.p[i]);
		h *= 16777619U;
	}
	return h ^ h >> 16;
}

void
digest_filter_add(unsigned char *filter, struct sv name)
{
	uint32_t h = name_hash(name);

	filter[h & 31] |= (unsigned char)(1U << (h >> 5 & 7));
	filter[h >> 8 & 31] |= (unsigned char)(1U << (h >> 13 & 7));
}

static bool
digest_filter_has(struct sv filter, struct sv name)
{
	uint32_t h = name_hash(name);
	unsigned a = (unsigned char)filter.p[h & 31];
	unsigned b = (unsigned char)filter.p[h >> 8 & 31];

	return (a >> (h >> 5 & 7) & 1) != 0 && (b >> (h >> 13 & 7) & 1) != 0;
}

static bool
take_octets(struct sv *s, uint64_t n, struct sv *out)
{
	if (n > s->len) {
		return false;
	}
	*out = sv_sub(*s, 0, (size_t)n);
	*s = sv_from(*s, (size_t)n);
	return true;
}

static bool
take_block(struct sv *s, struct sv *out)
{
	uint64_t n;

	return digest_take_varint(s, &n) && take_octets(s, n, out);
}

static bool
take_zigzag(struct sv *s, int64_t *out)
{
	uint64_t v;

	if (!digest_take_varint(s, &v)) {
		return false;
	}
	*out = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
	return true;
}

static bool
take_sent(struct sv *s, struct date *out)
{
	int64_t zone;

	if (!take_zigzag(s, &out->unix_s) || !take_zigzag(s, &zone)
	    || zone < -ZONE_MAX || zone > ZONE_MAX) {
		return false;
	}
	out->zone = (int)zone;
	return true;
}

static bool
take_head(struct sv *s, struct digest *d)
{
	struct sv flags;
	uint64_t n_listed;

	if (!take_octets(s, 2, &flags)) {
		return false;
	}
	d->flags = (unsigned)(unsigned char)flags.p[0]
		   | (unsigned)(unsigned char)flags.p[1] << 8;
	d->blank = (d->flags >> 14) & 3;
	d->flags &= 0x3fff;
	if (!digest_take_varint(s, &d->size)
	    || !digest_take_varint(s, &d->header_size)
	    || !digest_take_varint(s, &d->lines)
	    || !digest_take_varint(s, &n_listed)
	    || !take_octets(s, DIGEST_FILTER_SIZE, &d->names)) {
		return false;
	}
	d->n_listed =
	    n_listed < digest_n_listed ? (unsigned)n_listed : digest_n_listed;
	if ((d->flags & DIGEST_SENT) != 0 && !take_sent(s, &d->sent)) {
		return false;
	}
	return d->blank <= 2 && d->header_size <= d->size
	       && d->blank <= d->header_size && d->lines <= d->size
	       && n_listed <= 64
	       && ((d->flags & DIGEST_FIELDS) != 0
		   || digest_take_varint(s, &d->missing));
}

static bool
take_blocks(struct sv *s, struct digest *d)
{
	uint64_t n = 0;

	if (!take_block(s, &d->fields)) {
		return false;
	}
	if ((d->flags & DIGEST_PARTS) != 0
	    && (!take_block(s, &d->parts) || !digest_take_varint(&d->parts, &n)
		|| n == 0 || n > d->parts.len)) {
		return false;
	}
	d->n_parts = (uint32_t)n;
	return ((d->flags & DIGEST_ENVELOPE) == 0
		   || take_block(s, &d->envelope))
	       && ((d->flags & DIGEST_STRUCTURE) == 0
		   || take_block(s, &d->structure))
	       && s->len == 0;
}

int
digest_open(struct sv octets, struct digest *out, struct fail *f)
{
	struct sv rest = sv_from(octets, 1);

	*out = (struct digest){.flags = 0};
	if (octets.len == 0 || octets.len > DIGEST_MAX) {
		return fail_set(
		    f, FAIL_CORRUPT, "digest of %zu octets", octets.len);
	}
	if (octets.p[0] != DIGEST_VERSION) {
		return fail_set(f, FAIL_CORRUPT, "digest of version %d",
		    (unsigned char)octets.p[0]);
	}
	if (!take_head(&rest, out) || !take_blocks(&rest, out)) {
		*out = (struct digest){.flags = 0};
		return fail_set(f, FAIL_CORRUPT, "digest is damaged");
	}
	return 0;
}

static bool
unpack_text(const struct digest *d, struct sv block, struct buf *to)
{
	uint64_t size;

	return digest_take_varint(&block, &size) && size <= DIGEST_TEXT_MAX
	       && digest_unpack(block, (size_t)size, d->fields, to);
}

bool
digest_envelope(const struct digest *d, struct buf *to)
{
	return (d->flags & DIGEST_ENVELOPE) != 0
	       && unpack_text(d, d->envelope, to);
}

bool
digest_structure(const struct digest *d, struct buf *to)
{
	return (d->flags & DIGEST_STRUCTURE) != 0
	       && unpack_text(d, d->structure, to);
}

bool
digest_body(const struct digest *d, struct buf *to)
{
	struct buf structure = {.len = 0};
	bool ok = digest_structure(d, &structure)
		  && imap_text_body_from_structure(buf_sv(&structure), to);

	buf_deinit(&structure);
	return ok;
}

/*
 * Fields.
 */

struct held {
	unsigned number;
	struct sv raw;
};

static bool
next_held(struct sv *fields, struct held *out)
{
	struct sv rest = *fields;

	if (rest.len == 0) {
		return false;
	}
	out->number = (unsigned char)rest.p[0];
	rest = sv_from(rest, 1);
	if (!take_block(&rest, &out->raw)) {
		return false;
	}
	*fields = rest;
	return true;
}

/* May the message have a field of that name that is not held? */
static enum digest_answer
coverage(const struct digest *d, struct sv name, int *number_out)
{
	int n = digest_field_number(name, d->n_listed);

	*number_out = n;
	if (n < 0) {
		return digest_filter_has(d->names, name) ? DIGEST_UNKNOWN
							 : DIGEST_ABSENT;
	}
	return (d->missing >> n & 1) != 0 ? DIGEST_UNKNOWN : DIGEST_HELD;
}

bool
digest_header_fields(
    const struct digest *d, const struct sv *names, size_t n, struct buf *to)
{
	static const char blank[] = "\r\n";
	struct sv fields = d->fields;
	uint64_t wanted = 0;
	struct held held;

	for (size_t i = 0; i < n; i++) {
		int number;
		enum digest_answer a = coverage(d, names[i], &number);

		if (a == DIGEST_UNKNOWN) {
			return false;
		}
		wanted |= a == DIGEST_HELD ? (uint64_t)1 << number : 0;
	}
	while (next_held(&fields, &held)) {
		if (held.number < 64 && (wanted >> held.number & 1) != 0) {
			buf_add_sv(to, held.raw);
		}
	}
	buf_add(to, blank + 2 - d->blank, d->blank);
	return true;
}

bool
digest_field_next(
    const struct digest *d, struct sv name, size_t *at, struct sv *body_out)
{
	int number = digest_field_number(name, d->n_listed);
	struct sv fields = sv_from(d->fields, *at);
	struct header_field field;
	struct header_iter it;
	struct held held;

	while (next_held(&fields, &held)) {
		*at = d->fields.len - fields.len;
		if ((int)held.number != number) {
			continue;
		}
		header_iter_init(&it, held.raw);
		if (header_next(&it, &field)) {
			*body_out = field.body;
			return true;
		}
	}
	return false;
}

enum digest_answer
digest_field(const struct digest *d, struct sv name, struct sv *body_out)
{
	int number;
	enum digest_answer a = coverage(d, name, &number);
	size_t at = 0;

	if (a == DIGEST_HELD && !digest_field_next(d, name, &at, body_out)) {
		return DIGEST_ABSENT;
	}
	return a;
}
