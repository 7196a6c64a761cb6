/*
 * The hash of a state: over what it means, not how it is laid out.  Not
 * cryptographic: it is to find programs that differ, not forgers.
 */
#include "base/hash.h"
#include "store/state_priv.h"

struct hasher {
	uint64_t h;
};

static void
mix(struct hasher *h, uint64_t v)
{
	h->h = (h->h ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	h->h ^= h->h >> 29;
}

static void
mix_sv(struct hasher *h, struct sv s)
{
	mix(h, s.len);
	mix(h, crc32c(0, s.p, s.len));
}

static void
mix_msg(struct hasher *h, const struct box *b, const struct msg *m)
{
	mix(h, (uint64_t)m->uid << 32 | m->flags);
	mix(h, m->keywords);
	mix(h, m->modseq);
	mix(h, m->size);
	mix(h, m->sum);
	mix(h, (uint64_t)m->date_ms);
	mix(h, (uint64_t)m->zone_min);
	mix(h, m->email_id[0]);
	mix(h, m->email_id[1]);
	mix(h, m->placement[0]);
	mix(h, m->placement[1]);
	mix(h, m->folder);
	mix(h, m->digest_at);
	mix_sv(h, mbox_uidl(&b->pub, m));
}

static void
mix_box(struct hasher *h, const struct box *b)
{
	mix(h, b->pub.id);
	mix_sv(h, b->pub.name);
	mix(h, (uint64_t)b->pub.uidvalidity << 32 | b->pub.uidnext);
	mix(h, (uint64_t)b->pub.recent_from << 32 | b->pub.special_use);
	mix(h, b->pub.highest_modseq);
	mix(h, (uint64_t)b->pub.noselect << 1 | b->deleted);
	mix(h, b->forgotten);
	for (unsigned i = 0; i < b->pub.n_keywords; i++) {
		mix_sv(h, b->pub.keywords[i]);
	}
	mix(h, b->msgs.n);
	for (uint32_t k = 0; k < b->msgs.n_chunks; k++) {
		const struct vec_chunk *c = b->msgs.chunks[k];

		for (uint32_t i = 0; i < c->n; i++) {
			mix_msg(h, b, (const struct msg *)c->data + i);
		}
	}
	mix(h, b->graves.n);
	for (uint32_t i = 0; i < b->graves.n; i++) {
		const struct grave *g = vec_at(&b->graves, i);

		mix_msg(h, b, &g->msg);
		mix(h, g->at);
		mix(h, (uint64_t)g->at_ms);
		mix(h, g->kind);
	}
}

uint64_t
replay_hash(const struct replay *r)
{
	const struct view *v = r->view;
	struct hasher h = {0x706f7374726f6f6d};

	mix(&h, v->place);
	mix(&h, v->firm);
	mix(&h, (uint64_t)v->floor_ms);
	mix(&h, v->purge);
	mix(&h, v->uidvalidity);
	mix(&h, v->usage.octets);
	mix(&h, v->usage.messages);
	for (uint32_t i = 0; i < v->boxes.n; i++) {
		mix_box(&h, view_box(v, i));
	}
	for (size_t i = 0; i < view_subscriptions(v); i++) {
		mix_sv(&h, view_subscription_at(v, i));
	}
	for (uint32_t i = 0; i < r->keys.n; i++) {
		mix(&h, key_ring_at(&r->keys, i));
	}
	mix(&h, r->gone);
	return h.h;
}
