/*
 * The bodies of records.  Each writer and its reader stand together: fields
 * in one order, a reader refuses what its writer cannot have made.
 */
#include "store/codec_priv.h"
#include "store/record_priv.h"
#include "store/uidset_codec_priv.h"

enum { /* first octet of an ADD */
	ADD_DELIVERY = 1,
	ADD_FOLDER = 2,	  /* other than the mailbox's own */
	ADD_EMAIL_ID = 4, /* other than the placement */
	ADD_KEY = 8,
	ADD_UID = 16,
	ADD_UIDL = 32,
	ADD_ALL = 63,
};

enum { /* last octet of an EXPUNGE's head */
	EXPUNGE_ANY_FLAGS = 1,
	EXPUNGE_LOST = 2,
	EXPUNGE_ALL = 4,
	EXPUNGE_KNOWN = EXPUNGE_ANY_FLAGS | EXPUNGE_LOST | EXPUNGE_ALL,
};

enum { FLAGS_MASK = 31, USE_MASK = 255 };

size_t
keyword_list_fill(struct keyword_list *list, const struct sv *names, size_t n)
{
	size_t left_out = 0;

	list->n = 0;
	for (size_t i = 0; i < n; i++) {
		if (names[i].len == 0 || names[i].len > STORE_KEYWORD_LEN
		    || list->n == STORE_KEYWORDS_MAX) {
			left_out++;
		} else {
			list->name[list->n++] = names[i];
		}
	}
	return left_out;
}

static void
put_keywords(struct buf *to, const struct keyword_list *k)
{
	put_varint(to, k->n);
	for (unsigned i = 0; i < k->n; i++) {
		put_string(to, k->name[i]);
	}
}

static void
take_keywords(struct taker *t, struct keyword_list *k)
{
	k->n = (unsigned)take_max(t, STORE_KEYWORDS_MAX);
	for (unsigned i = 0; i < k->n && !t->bad; i++) {
		k->name[i] = take_string(t);
		if (k->name[i].len == 0 || k->name[i].len > STORE_KEYWORD_LEN) {
			t->bad = true;
		}
	}
}

/* ---- messages ---- */

static unsigned
add_shape(const struct rec_add *r)
{
	bool own_id = r->email_id[0] == r->placement.time_ms
		      && r->email_id[1] == r->placement.random;

	return (r->delivery ? ADD_DELIVERY : 0u)
	       | (r->folder != r->mbox ? ADD_FOLDER : 0u)
	       | (!own_id ? ADD_EMAIL_ID : 0u)
	       | ((r->key[0] | r->key[1]) != 0 ? ADD_KEY : 0u)
	       | (r->uid != 0 ? ADD_UID : 0u)
	       | (r->uidl.len != 0 ? ADD_UIDL : 0u);
}

void
rec_add_write(struct buf *to, const struct rec_add *r)
{
	unsigned shape = add_shape(r);

	put_u8(to, shape);
	put_varint(to, r->mbox);
	put_varint(to, r->placement.time_ms);
	put_u64(to, r->placement.random);
	put_varint(to, r->uidnext);
	put_varint(to, r->size);
	put_fixed32(to, r->sum);
	put_signed(to, r->date_ms);
	put_signed(to, r->zone_min);
	put_u8(to, r->flags);
	put_keywords(to, &r->keywords);
	if ((shape & ADD_FOLDER) != 0) {
		put_varint(to, r->folder);
	}
	if ((shape & ADD_EMAIL_ID) != 0) {
		put_u64(to, r->email_id[0]);
		put_u64(to, r->email_id[1]);
	}
	if ((shape & ADD_KEY) != 0) {
		put_u64(to, r->key[0]);
		put_u64(to, r->key[1]);
	}
	if ((shape & ADD_UID) != 0) {
		put_varint(to, r->uid);
	}
	if ((shape & ADD_UIDL) != 0) {
		put_string(to, r->uidl);
	}
	put_string(to, r->digest);
}

static void
take_add_options(struct taker *t, unsigned shape, struct rec_add *r)
{
	r->folder = (shape & ADD_FOLDER) != 0 ? take_varint(t) : r->mbox;
	r->email_id[0] = r->placement.time_ms;
	r->email_id[1] = r->placement.random;
	if ((shape & ADD_EMAIL_ID) != 0) {
		r->email_id[0] = take_u64(t);
		r->email_id[1] = take_u64(t);
	}
	if ((shape & ADD_KEY) != 0) {
		r->key[0] = take_u64(t);
		r->key[1] = take_u64(t);
	}
	if ((shape & ADD_UID) != 0) {
		r->uid = take_u32(t);
	}
	if ((shape & ADD_UIDL) != 0) {
		r->uidl = take_string(t);
	}
	r->digest = take_string(t);
}

bool
rec_add_read(struct sv body, struct rec_add *r)
{
	struct taker t = taker_of(body);
	unsigned shape = take_u8_max(&t, ADD_ALL);

	memset(r, 0, offsetof(struct rec_add, keywords));
	r->uidl = SV_EMPTY;
	r->delivery = (shape & ADD_DELIVERY) != 0;
	r->mbox = take_varint(&t);
	r->placement.time_ms = take_max(&t, INT64_MAX);
	r->placement.random = take_u64(&t);
	r->uidnext = take_u32(&t);
	r->size = take_max(&t, INT64_MAX);
	r->sum = take_fixed32(&t);
	r->date_ms = take_signed(&t);
	int64_t zone = take_signed(&t);

	r->zone_min = (int16_t)zone;
	r->flags = take_u8_max(&t, FLAGS_MASK);
	take_keywords(&t, &r->keywords);
	take_add_options(&t, shape, r);
	return take_done(&t) && r->zone_min == zone;
}

void
rec_store_write(struct buf *to, const struct rec_store *r)
{
	put_varint(to, r->mbox);
	put_u8(to, (unsigned)r->how);
	put_u8(to, r->flags);
	put_keywords(to, &r->keywords);
	put_u8(to, r->conditional);
	put_varint(to, r->unchanged_since);
	put_uidset(to, &r->uids);
}

bool
rec_store_read(struct sv body, struct rec_store *r)
{
	struct taker t = taker_of(body);

	r->mbox = take_varint(&t);
	r->how = (enum flag_how)take_u8_max(&t, FLAGS_REMOVE);
	r->flags = take_u8_max(&t, FLAGS_MASK);
	take_keywords(&t, &r->keywords);
	r->conditional = take_bool(&t);
	r->unchanged_since = take_varint(&t);
	return take_uidset(&t, &r->uids);
}

void
rec_copy_write(struct buf *to, const struct rec_copy *r)
{
	put_u8(to, r->move);
	put_varint(to, r->from);
	put_varint(to, r->to);
	put_varint(to, r->uidnext);
	put_varint(to, r->first.time_ms);
	put_u64(to, r->first.random);
	put_uidset(to, &r->uids);
}

bool
rec_copy_read(struct sv body, struct rec_copy *r)
{
	struct taker t = taker_of(body);

	r->move = take_bool(&t);
	r->from = take_varint(&t);
	r->to = take_varint(&t);
	r->uidnext = take_u32(&t);
	r->first.time_ms = take_max(&t, INT64_MAX);
	r->first.random = take_u64(&t);
	return take_uidset(&t, &r->uids);
}

void
rec_expunge_write(struct buf *to, const struct rec_expunge *r)
{
	put_varint(to, r->mbox);
	put_u8(to, (r->any_flags ? EXPUNGE_ANY_FLAGS : 0u)
		       | (r->lost ? EXPUNGE_LOST : 0u)
		       | (r->all ? EXPUNGE_ALL : 0u));
	put_uidset(to, &r->uids);
}

bool
rec_expunge_read(struct sv body, struct rec_expunge *r)
{
	struct taker t = taker_of(body);

	r->mbox = take_varint(&t);
	unsigned how = take_u8_max(&t, EXPUNGE_KNOWN);

	r->any_flags = (how & EXPUNGE_ANY_FLAGS) != 0;
	r->lost = (how & EXPUNGE_LOST) != 0;
	r->all = (how & EXPUNGE_ALL) != 0;
	return take_uidset(&t, &r->uids);
}

void
rec_claim_write(struct buf *to, const struct rec_claim *r)
{
	put_varint(to, r->mbox);
	put_varint(to, r->up_to);
	put_u64(to, r->session);
}

bool
rec_claim_read(struct sv body, struct rec_claim *r)
{
	struct taker t = taker_of(body);

	r->mbox = take_varint(&t);
	r->up_to = take_u32(&t);
	r->session = take_u64(&t);
	return take_done(&t);
}

void
rec_undelete_write(struct buf *to, const struct rec_undelete *r)
{
	put_varint(to, r->from);
	put_varint(to, r->to);
	put_signed(to, r->since_ms);
	put_varint(to, r->uidnext);
}

bool
rec_undelete_read(struct sv body, struct rec_undelete *r)
{
	struct taker t = taker_of(body);

	r->from = take_varint(&t);
	r->to = take_varint(&t);
	r->since_ms = take_signed(&t);
	r->uidnext = take_u32(&t);
	return take_done(&t);
}

/* ---- mailboxes ---- */

static struct sv
take_name(struct taker *t)
{
	struct sv name = take_string(t);

	if (name.len == 0 || name.len > STORE_NAME_LEN) {
		t->bad = true;
	}
	return name;
}

void
rec_create_write(struct buf *to, const struct rec_create *r)
{
	put_string(to, r->name);
	put_varint(to, r->special_use);
	put_varint(to, r->uidvalidity);
}

bool
rec_create_read(struct sv body, struct rec_create *r)
{
	struct taker t = taker_of(body);

	r->name = take_name(&t);
	r->special_use = (unsigned)take_max(&t, USE_MASK);
	r->uidvalidity = take_u32(&t);
	return take_done(&t);
}

void
rec_delete_write(struct buf *to, uint64_t mbox)
{
	put_varint(to, mbox);
}

bool
rec_delete_read(struct sv body, uint64_t *mbox)
{
	struct taker t = taker_of(body);

	*mbox = take_varint(&t);
	return take_done(&t);
}

void
rec_rename_write(struct buf *to, const struct rec_rename *r)
{
	put_varint(to, r->mbox);
	put_string(to, r->name);
}

bool
rec_rename_read(struct sv body, struct rec_rename *r)
{
	struct taker t = taker_of(body);

	r->mbox = take_varint(&t);
	r->name = take_name(&t);
	return take_done(&t);
}

void
rec_use_write(struct buf *to, const struct rec_use *r)
{
	put_varint(to, r->mbox);
	put_varint(to, r->special_use);
}

bool
rec_use_read(struct sv body, struct rec_use *r)
{
	struct taker t = taker_of(body);

	r->mbox = take_varint(&t);
	r->special_use = (unsigned)take_max(&t, USE_MASK);
	return take_done(&t);
}

void
rec_subscribe_write(struct buf *to, const struct rec_subscribe *r)
{
	put_u8(to, r->on);
	put_string(to, r->name);
}

bool
rec_subscribe_read(struct sv body, struct rec_subscribe *r)
{
	struct taker t = taker_of(body);

	r->on = take_bool(&t);
	r->name = take_name(&t);
	return take_done(&t);
}

/* ---- the journal itself ---- */

void
rec_seal_write(struct buf *to, const struct rec_seal *r)
{
	put_u8(to, (unsigned)r->kind);
	put_u64(to, r->next.number);
	put_u64(to, r->next.random);
}

bool
rec_seal_read(struct sv body, struct rec_seal *r)
{
	struct taker t = taker_of(body);

	r->kind = (enum seal_kind)take_u8_max(&t, SEAL_MENDED);
	r->next.number = take_u64(&t);
	r->next.random = take_u64(&t);
	return take_done(&t);
}
