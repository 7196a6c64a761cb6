/*
 * A state from chunks.
 */
#include <endian.h>
#include <string.h>

#include "store/codec_priv.h"
#include "store/snapshot_priv.h"

/* ---- elements ---- */

static uint16_t
wire16(const char **at)
{
	uint16_t v;

	memcpy(&v, *at, sizeof(v));
	*at += sizeof(v);
	return le16toh(v);
}

static uint32_t
wire32(const char **at)
{
	uint32_t v;

	memcpy(&v, *at, sizeof(v));
	*at += sizeof(v);
	return le32toh(v);
}

static uint64_t
wire64(const char **at)
{
	uint64_t v;

	memcpy(&v, *at, sizeof(v));
	*at += sizeof(v);
	return le64toh(v);
}

static bool
msg_take(struct taker *t, struct msg *m)
{
	struct sv s = take_octets(t, SNAP_MSG_SIZE);
	const char *at = s.p;

	if (s.len == 0) {
		return false;
	}
	m->uid = wire32(&at);
	m->flags = wire16(&at);
	m->zone_min = (int16_t)wire16(&at);
	m->keywords = wire64(&at);
	m->modseq = wire64(&at);
	m->size = wire64(&at);
	m->sum = wire32(&at);
	m->date_ms = (int64_t)wire64(&at);
	m->email_id[0] = wire64(&at);
	m->email_id[1] = wire64(&at);
	m->placement[0] = wire64(&at);
	m->placement[1] = wire64(&at);
	m->folder = wire64(&at);
	m->digest_at = wire64(&at);
	m->extra = wire32(&at);
	return true;
}

static bool
key_element(struct snap_builder *b, struct taker *t)
{
	uint64_t hash = take_u64(t);

	if (b->r->keys.n >= STATE_KEYS) {
		return false;
	}
	key_ring_add(&b->r->keys, hash);
	return true;
}

static bool
msg_element(struct snap_builder *b, struct taker *t)
{
	struct msg m = {0};

	/* uidnext of a box that is being filled is the last UID plus one. */
	if (!msg_take(t, &m) || m.uid == UINT32_MAX
	    || m.uid < b->box->pub.uidnext) {
		return false;
	}
	box_add_msg(b->r->view, b->box, &m);
	return true;
}

static bool
grave_element(struct snap_builder *b, struct taker *t)
{
	struct grave *g = vec_push(&b->box->graves);

	if (!msg_take(t, &g->msg)) {
		return false;
	}
	g->at = take_u64(t);
	g->at_ms = (int64_t)take_u64(t);
	struct sv s = take_octets(t, 4);
	const char *at = s.p;

	g->kind = s.len == 4 ? wire32(&at) : 0;
	return !t->bad;
}

static bool
extra_element(struct snap_builder *b, struct taker *t)
{
	unsigned len = take_u8(t);
	struct sv s = take_octets(t, len);
	struct extra *x;

	if (t->bad || len > STATE_UIDL) {
		return false;
	}
	x = vec_push(&b->box->extras);
	x->uidl_len = (uint8_t)len;
	if (len != 0) {
		memcpy(x->uidl, s.p, len);
	}
	return true;
}

/* ---- mailboxes ---- */

static void
box_finish(struct snap_builder *b)
{
	struct mbox *pub;

	if (b->box == NULL) {
		return;
	}
	pub = &b->box->pub;
	pub->uidvalidity = b->box_last.uidvalidity;
	pub->uidnext = b->box_last.uidnext;
	pub->recent_from = b->box_last.recent_from;
	pub->highest_modseq = b->box_last.highest_modseq;
	pub->special_use = b->box_last.special_use;
	pub->noselect = b->box_last.noselect;
	(void)view_box_add(b->r->view, b->box);
	b->box = NULL;
}

static bool
box_element(struct snap_builder *b, struct taker *t, uint64_t id)
{
	struct sv name = take_string(t);
	uint64_t n;

	box_finish(b);
	if (t->bad || id <= b->last_id) {
		return false;
	}
	b->last_id = id;
	b->box = box_new(id, name);
	b->box_last.uidvalidity = take_u32(t);
	b->box_last.uidnext = take_u32(t);
	b->box_last.recent_from = take_u32(t);
	b->box_last.highest_modseq = take_u64(t);
	b->box->forgotten = take_u64(t);
	b->box_last.special_use = take_u32(t);
	b->box_last.noselect = take_u8(t) != 0;
	b->box->deleted = take_u8(t) != 0;
	n = take_max(t, STORE_KEYWORDS_MAX);
	for (uint64_t i = 0; i < n && !t->bad; i++) {
		if (box_keyword_make(b->box, take_string(t)) != (int)i) {
			return false;
		}
	}
	return !t->bad;
}

static bool
run_element(struct snap_builder *b, struct taker *t, unsigned item, uint64_t id)
{
	if (item == ITEM_KEY) {
		return key_element(b, t);
	}
	if (item == ITEM_BOX) {
		return box_element(b, t, id);
	}
	if (b->box == NULL || b->box->pub.id != id) {
		return false;
	}
	switch (item) {
	case ITEM_MSG:
		return msg_element(b, t);
	case ITEM_GRAVE:
		return grave_element(b, t);
	case ITEM_EXTRA:
		return extra_element(b, t);
	default:
		return false;
	}
}

bool
snap_build(struct snap_builder *b, struct sv chunk)
{
	struct taker t = taker_of(chunk);

	while (take_left(&t) != 0) {
		unsigned item = take_u8(&t);
		uint64_t id = take_u64(&t);
		struct sv count = take_octets(&t, 4);
		const char *at = count.p;
		uint32_t n = count.len == 4 ? wire32(&at) : 0;

		if (n == 0) {
			return false;
		}
		for (uint32_t i = 0; i < n; i++) {
			if (!run_element(b, &t, item, id) || t.bad) {
				return false;
			}
		}
	}
	return true;
}

void
snap_build_end(struct snap_builder *b)
{
	box_finish(b);
}

void
snap_build_abort(struct snap_builder *b)
{
	box_unref(&b->box);
}
