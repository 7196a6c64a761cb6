/*
 * A state as chunks.
 */
#include <endian.h>
#include <string.h>

#include "base/mem.h"
#include "store/codec_priv.h"
#include "store/mutate_priv.h"
#include "store/snapshot_priv.h"

struct encoder {
	const struct snap_chunk *bounds; /* what is left of them */
	size_t n_bounds;
	snap_chunk_fn *each;
	void *arg;
	struct buf chunk;
	struct snap_key first; /* of the chunk */
	struct snap_key run;   /* item and box of the open run */
	size_t run_at;	       /* where it begins in the chunk */
	uint32_t run_n;	       /* elements so far; 0: no run is open */
};

enum { RUN_HEAD = 1 + 8 + 4 };

static void
run_close(struct encoder *e)
{
	uint32_t n = htole32(e->run_n);

	if (e->run_n != 0) {
		memcpy(e->chunk.data + e->run_at + 9, &n, sizeof(n));
		e->run_n = 0;
	}
}

static void
run_open(struct encoder *e, const struct snap_key *key)
{
	static const char count[4] = {0};

	e->run = *key;
	e->run_at = e->chunk.len;
	put_u8(&e->chunk, key->item);
	put_u64(&e->chunk, key->box);
	buf_add(&e->chunk, count, sizeof(count));
}

static int
chunk_end(struct encoder *e, struct fail *f)
{
	int rc;

	run_close(e);
	if (e->chunk.len == 0) {
		return 0;
	}
	rc = e->each(e->arg, &e->first, buf_sv(&e->chunk), f);
	buf_clear(&e->chunk);
	return rc;
}

/* Does an older chunk begin at this element, or have begun since the last? */
static bool
passes_bound(struct encoder *e, const struct snap_key *key)
{
	bool passed = false;

	while (e->n_bounds != 0 && snap_key_cmp(&e->bounds->first, key) <= 0) {
		passed = true;
		e->bounds++;
		e->n_bounds--;
	}
	return passed;
}

/* Is the chunk to end before this element? */
static bool
is_full(struct encoder *e, const struct snap_key *key)
{
	bool bound = passes_bound(e, key);
	/* With room to spare as long as a bound lies ahead: else what is left
	 * of one chunk would shift the ends of all that follow. */
	size_t max =
	    e->n_bounds != 0 ? CHUNK_OCTETS + CHUNK_OCTETS / 2 : CHUNK_OCTETS;

	if (e->run_n != 0 && e->run.item == ITEM_KEY) {
		/* Where a key stands never shifts. */
		return e->chunk.len >= (key->item == ITEM_KEY ? SNAP_KEYS_MAX
							      : SNAP_KEYS_MIN);
	}
	return e->chunk.len >= max
	       || (bound && e->chunk.len >= CHUNK_OCTETS / SNAP_CHUNK_PART);
}

/* Room for one element; NULL: `each` failed. */
static struct buf *
element(struct encoder *e, const struct snap_key *key, struct fail *f)
{
	if (is_full(e, key) && chunk_end(e, f) != 0) {
		return NULL;
	}
	if (e->chunk.len == 0) {
		e->first = *key;
	}
	if (e->run_n == 0 || e->run.item != key->item
	    || e->run.box != key->box) {
		run_close(e);
		run_open(e, key);
	}
	e->run_n++;
	return &e->chunk;
}

/* ---- elements ---- */

static void
wire16(unsigned char **at, uint16_t v)
{
	v = htole16(v);
	memcpy(*at, &v, sizeof(v));
	*at += sizeof(v);
}

static void
wire32(unsigned char **at, uint32_t v)
{
	v = htole32(v);
	memcpy(*at, &v, sizeof(v));
	*at += sizeof(v);
}

static void
wire64(unsigned char **at, uint64_t v)
{
	v = htole64(v);
	memcpy(*at, &v, sizeof(v));
	*at += sizeof(v);
}

static void
msg_put(struct buf *to, const struct msg *m)
{
	unsigned char out[SNAP_MSG_SIZE];
	unsigned char *at = out;

	wire32(&at, m->uid);
	wire16(&at, (uint16_t)m->flags);
	wire16(&at, (uint16_t)m->zone_min);
	wire64(&at, m->keywords);
	wire64(&at, m->modseq);
	wire64(&at, m->size);
	wire32(&at, m->sum);
	wire64(&at, (uint64_t)m->date_ms);
	wire64(&at, m->email_id[0]);
	wire64(&at, m->email_id[1]);
	wire64(&at, m->placement[0]);
	wire64(&at, m->placement[1]);
	wire64(&at, m->folder);
	wire64(&at, m->digest_at);
	wire32(&at, m->extra);
	ASSERT(at == out + sizeof(out));
	buf_add(to, out, sizeof(out));
}

static void
grave_put(struct buf *to, const struct grave *g)
{
	unsigned char out[SNAP_GRAVE_SIZE - SNAP_MSG_SIZE];
	unsigned char *at = out;

	msg_put(to, &g->msg);
	wire64(&at, g->at);
	wire64(&at, (uint64_t)g->at_ms);
	wire32(&at, g->kind);
	buf_add(to, out, sizeof(out));
}

static void
extra_put(struct buf *to, const struct extra *x)
{
	put_u8(to, x->uidl_len);
	buf_add(to, x->uidl, x->uidl_len);
}

static void
box_put(struct buf *to, const struct box *b)
{
	unsigned n = b->keywords != NULL ? b->keywords->n : 0;

	put_string(to, b->name->s);
	put_varint(to, b->pub.uidvalidity);
	put_varint(to, b->pub.uidnext);
	put_varint(to, b->pub.recent_from);
	put_u64(to, b->pub.highest_modseq);
	put_u64(to, b->forgotten);
	put_varint(to, b->pub.special_use);
	put_u8(to, b->pub.noselect);
	put_u8(to, b->deleted);
	put_varint(to, n);
	for (unsigned i = 0; i < n; i++) {
		put_string(to, b->keywords->name[i]);
	}
}

/* ---- all of a state ---- */

static int
encode_keys(struct encoder *e, const struct key_ring *k, struct fail *f)
{
	/* By position in the ring, not by age: what was not overwritten
	 * stays where it was. */
	for (uint32_t i = 0; i < k->n; i++) {
		struct snap_key key = {.item = ITEM_KEY, .at = i};
		struct buf *to = element(e, &key, f);

		if (to == NULL) {
			return -1;
		}
		put_u64(to, k->ring[i]);
	}
	return 0;
}

static int
encode_msgs(struct encoder *e, const struct box *b, struct fail *f)
{
	struct snap_key key = {.box = b->pub.id, .item = ITEM_MSG};

	for (uint32_t i = 0; i < b->msgs.n; i++) {
		const struct msg *m = vec_at(&b->msgs, i);
		struct buf *to;

		key.at = m->uid;
		to = element(e, &key, f);
		if (to == NULL) {
			return -1;
		}
		msg_put(to, m);
	}
	return 0;
}

static int
encode_graves(struct encoder *e, const struct box *b, struct fail *f)
{
	struct snap_key key = {.box = b->pub.id, .item = ITEM_GRAVE};

	for (uint32_t i = 0; i < b->graves.n; i++) {
		const struct grave *g = vec_at(&b->graves, i);
		struct buf *to;

		key.at = g->at;
		to = element(e, &key, f);
		if (to == NULL) {
			return -1;
		}
		grave_put(to, g);
	}
	return 0;
}

static int
encode_extras(struct encoder *e, const struct box *b, struct fail *f)
{
	struct snap_key key = {.box = b->pub.id, .item = ITEM_EXTRA};

	for (uint32_t i = 0; i < b->extras.n; i++) {
		struct buf *to;

		key.at = i;
		to = element(e, &key, f);
		if (to == NULL) {
			return -1;
		}
		extra_put(to, vec_at(&b->extras, i));
	}
	return 0;
}

static int
encode_box(struct encoder *e, const struct box *b, struct fail *f)
{
	struct snap_key key = {.box = b->pub.id, .item = ITEM_BOX};
	struct buf *to = element(e, &key, f);

	if (to == NULL) {
		return -1;
	}
	box_put(to, b);
	return encode_msgs(e, b, f) != 0 || encode_graves(e, b, f) != 0
		       || encode_extras(e, b, f) != 0
		   ? -1
		   : 0;
}

int
snap_encode(const struct replay *r, const struct snap_chunk *bounds,
    size_t n_bounds, snap_chunk_fn *each, void *arg, struct fail *f)
{
	struct encoder e = {
	    .bounds = bounds, .n_bounds = n_bounds, .each = each, .arg = arg};
	const struct view *v = r->view;
	int rc = encode_keys(&e, &r->keys, f);

	for (uint32_t i = 0; rc == 0 && i < v->boxes.n; i++) {
		const struct box *b = view_box(v, i);

		if (b != NULL) {
			rc = encode_box(&e, b, f);
		}
	}
	if (rc == 0) {
		rc = chunk_end(&e, f);
	}
	buf_deinit(&e.chunk);
	return rc;
}
