#include "auth/throttle.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/lock.h"
#include "base/mem.h"

enum {
	WAYS = 8,	/* entries that one id may be in */
	DOUBLINGS = 30, /* of a delay */
	COUNT_MAX = 1000,
};

/* A pair counts as known for so long after it signed in. */
static const int64_t pair_ms = INT64_C(30) * 24 * 3600 * 1000;

struct slot {
	uint64_t id;  /* 0: empty */
	int64_t free; /* when its queue of delays ends */
	int64_t last; /* when something was last counted */
	uint32_t count;
	uint32_t pending;
};

struct throttle {
	struct throttle_conf conf;
	size_t sets;
	struct lock lock;
	struct slot *failures; /* of peers and names: sets * WAYS */
	struct slot *pairs;    /* the same number; `last` alone is used */
};

struct throttle *
throttle_new(const struct throttle_conf *conf)
{
	struct throttle *t = xmalloc(sizeof(*t));

	t->conf = *conf;
	t->sets = conf->max / WAYS + 1;
	t->failures = xcalloc(t->sets * WAYS, sizeof(*t->failures));
	t->pairs = xcalloc(t->sets * WAYS, sizeof(*t->pairs));
	lock_init(&t->lock, LOCK_AUTH);
	return t;
}

void
throttle_free(struct throttle **throttle)
{
	struct throttle *t = *throttle;

	*throttle = NULL;
	if (t == NULL) {
		return;
	}
	lock_deinit(&t->lock);
	free(t->failures);
	free(t->pairs);
	free(t);
}

/* Ids are keyed hashes: nobody can choose two names that meet.  Not 0. */
static uint64_t
id_of(char kind, const void *p, size_t len)
{
	char text[512];

	if (len > sizeof(text) - 1) {
		len = sizeof(text) - 1;
	}
	text[0] = kind;
	if (len != 0) {
		memcpy(text + 1, p, len);
	}
	return hash_sv(sv_make(text, len + 1)) | 1;
}

struct throttle_who
throttle_who_make(const uint8_t ip[16], bool local, struct sv name)
{
	static const uint8_t mapped[12] = {
	    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	struct throttle_who who = {
	    .name = id_of('n', name.p, name.len), .local = local};
	uint64_t both[2];

	if (ip != NULL) {
		bool v4 = memcmp(ip, mapped, sizeof(mapped)) == 0;

		who.peer = id_of('p', ip, v4 ? 16 : 8);
	}
	both[0] = who.peer;
	both[1] = who.name;
	who.pair = id_of('b', both, sizeof(both));
	return who;
}

/* ---- tables ---- */

static struct slot *
find(struct slot *table, size_t sets, uint64_t id)
{
	struct slot *set = &table[id % sets * WAYS];

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].id == id) {
			return &set[i];
		}
	}
	return NULL;
}

/* The one of `id`, or a fresh one in place of that which is free first. */
static struct slot *
find_or_make(struct slot *table, size_t sets, uint64_t id)
{
	struct slot *set = &table[id % sets * WAYS];
	struct slot *s = find(table, sets, id);

	if (s != NULL) {
		return s;
	}
	s = &set[0];
	for (size_t i = 0; i < WAYS && s->id != 0; i++) {
		bool idle = set[i].pending == 0;

		if (set[i].id == 0 || (idle && s->pending != 0)
		    || (idle && set[i].free < s->free)
		    || (idle && set[i].free == s->free
			&& set[i].last < s->last)) {
			s = &set[i];
		}
	}
	memset(s, 0, sizeof(*s));
	s->id = id;
	return s;
}

/* ---- counting ---- */

static void
forget(const struct throttle *t, struct slot *s, int64_t now)
{
	uint64_t quiet = now > s->last ? (uint64_t)(now - s->last) : 0;
	uint64_t halves = quiet / t->conf.forget_ms;

	if (halves > 0) {
		s->count = halves < 32 ? s->count >> halves : 0;
		s->last = now;
	}
}

static uint64_t
queue_of(const struct slot *s, int64_t now)
{
	return s != NULL && s->free > now ? (uint64_t)(s->free - now) : 0;
}

static bool
pair_is_known(struct throttle *t, uint64_t pair, int64_t now) REQUIRES(t->lock)
{
	const struct slot *s = find(t->pairs, t->sets, pair);

	return s != NULL && now - s->last < pair_ms;
}

/* The longer queue of the two; more than any for one that is too busy. */
static uint64_t
queue_of_who(struct throttle *t, const struct throttle_who *who, int64_t now)
    REQUIRES(t->lock)
{
	const struct slot *peer = NULL;
	const struct slot *name = NULL;
	uint64_t peer_ms;
	uint64_t name_ms;

	if (who->peer != 0 && !who->local) {
		peer = find(t->failures, t->sets, who->peer);
	}
	peer_ms = queue_of(peer, now);
	if (!pair_is_known(t, who->pair, now)) {
		name = find(t->failures, t->sets, who->name);
	}
	name_ms = queue_of(name, now);
	if ((peer != NULL && peer->pending >= THROTTLE_PENDING_MAX)
	    || (name != NULL && name->pending >= THROTTLE_PENDING_MAX)) {
		return THROTTLE_QUEUE_MAX_MS;
	}
	return peer_ms > name_ms ? peer_ms : name_ms;
}

bool
throttle_admit(struct throttle *t, const struct throttle_who *who,
    int64_t now_ms, uint64_t *wait_ms_out)
{
	uint64_t queue;

	lock_acquire(&t->lock);
	queue = queue_of_who(t, who, now_ms);
	if (queue <= t->conf.backlog_ms) {
		if (who->peer != 0) {
			find_or_make(t->failures, t->sets, who->peer)
			    ->pending++;
		}
		find_or_make(t->failures, t->sets, who->name)->pending++;
	}
	lock_release(&t->lock);
	*wait_ms_out = t->conf.backlog_ms + t->conf.delay_ms;
	return queue <= t->conf.backlog_ms;
}

static void
end_pending(struct throttle *t, uint64_t id) REQUIRES(t->lock)
{
	struct slot *s = find(t->failures, t->sets, id);

	if (s != NULL && s->pending > 0) {
		s->pending--;
	}
}

/* Another failure; how long its answer has to wait. */
static uint64_t
charge(struct throttle *t, uint64_t id, int64_t now) REQUIRES(t->lock)
{
	struct slot *s = find_or_make(t->failures, t->sets, id);
	uint64_t delay = t->conf.delay_ms;
	int64_t latest = now + THROTTLE_QUEUE_MAX_MS;

	forget(t, s, now);
	for (uint32_t i = 0;
	     i < s->count && i < DOUBLINGS && delay < t->conf.delay_max_ms;
	     i++) {
		delay *= 2;
	}
	if (delay > t->conf.delay_max_ms) {
		delay = t->conf.delay_max_ms;
	}
	if (s->count < COUNT_MAX) {
		s->count++;
	}
	s->last = now;
	s->free = (s->free > now ? s->free : now) + (int64_t)delay;
	if (s->free > latest) {
		s->free = latest;
	}
	return (uint64_t)(s->free - now);
}

uint64_t
throttle_failed(
    struct throttle *t, const struct throttle_who *who, int64_t now_ms)
{
	uint64_t most = t->conf.backlog_ms + t->conf.delay_max_ms;
	uint64_t peer = 0, name;

	lock_acquire(&t->lock);
	if (who->peer != 0) {
		end_pending(t, who->peer);
		peer = charge(t, who->peer, now_ms);
	}
	end_pending(t, who->name);
	name = charge(t, who->name, now_ms);
	lock_release(&t->lock);
	if (peer > name) {
		name = peer;
	}
	return name < most ? name : most;
}

void
throttle_good(
    struct throttle *t, const struct throttle_who *who, int64_t now_ms)
{
	lock_acquire(&t->lock);
	if (who->peer != 0) {
		end_pending(t, who->peer);
	}
	end_pending(t, who->name);
	find_or_make(t->pairs, t->sets, who->pair)->last = now_ms;
	lock_release(&t->lock);
}
