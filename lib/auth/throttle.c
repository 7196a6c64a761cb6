#include "auth/throttle.h"

#include <stdlib.h>
#include <string.h>

#include "auth/shared.h"
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
	uint64_t id;	  /* 0: empty */
	int64_t free;	  /* when its queue of delays ends */
	int64_t last;	  /* when something was last counted */
	int64_t good;	  /* of a pair: when it last signed in */
	int64_t admitted; /* when one was last let in to be checked */
	uint32_t count;
	uint32_t pending;
};

struct throttle {
	struct throttle_conf conf;
	size_t sets;
	struct lock lock;      /* of the threads, around that of the memory */
	struct shared *shared; /* in which the tables are */
	struct slot *failures; /* of peers and names: sets * WAYS */
	struct slot *pairs;    /* the same number, of those that signed in */
};

struct throttle *
throttle_new(const struct throttle_conf *conf)
{
	struct throttle *t = xmalloc(sizeof(*t));

	t->conf = *conf;
	t->sets = conf->max / WAYS + 1;
	t->shared =
	    shared_open(conf->path, 2 * t->sets * WAYS * sizeof(struct slot));
	t->failures = shared_memory(t->shared);
	t->pairs = t->failures + t->sets * WAYS;
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
	shared_close(&t->shared);
	free(t);
}

/* Not 0. */
static uint64_t
id_of(const uint64_t key[2], char kind, const void *p, size_t len)
{
	char text[512];

	if (len > sizeof(text) - 1) {
		len = sizeof(text) - 1;
	}
	text[0] = kind;
	if (len != 0) {
		memcpy(text + 1, p, len);
	}
	return siphash(key, text, len + 1) | 1;
}

struct throttle_who
throttle_who_make(
    const uint64_t key[2], const uint8_t ip[16], bool local, struct sv name)
{
	static const uint8_t mapped[12] = {
	    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	struct throttle_who who = {
	    .name = id_of(key, 'n', name.p, name.len), .local = local};
	uint64_t both[2];

	if (ip != NULL) {
		bool v4 = memcmp(ip, mapped, sizeof(mapped)) == 0;

		who.peer = id_of(key, 'p', ip, v4 ? 16 : 8);
	}
	both[0] = who.peer;
	both[1] = who.name;
	who.pair = id_of(key, 'b', both, sizeof(both));
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

static int64_t
last_used(const struct slot *s)
{
	return s->last > s->good ? s->last : s->good;
}

/* Does `a` cost less to forget than `b`?  An empty one costs nothing; then
 * come those that hold nobody up, the longest unused first. */
static bool
cheaper(const struct slot *a, const struct slot *b)
{
	if (a->id == 0 || b->id == 0) {
		return a->id == 0 && b->id != 0;
	}
	if ((a->pending == 0) != (b->pending == 0)) {
		return a->pending == 0;
	}
	if (a->free != b->free) {
		return a->free < b->free;
	}
	return last_used(a) < last_used(b);
}

/* The one of `id`, or a fresh one in place of the cheapest. */
static struct slot *
find_or_make(struct slot *table, size_t sets, uint64_t id)
{
	struct slot *set = &table[id % sets * WAYS];
	struct slot *s = find(table, sets, id);

	if (s != NULL) {
		return s;
	}
	s = &set[0];
	for (size_t i = 1; i < WAYS; i++) {
		if (cheaper(&set[i], s)) {
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

/* The slot of a pair that signed in before, or NULL. */
static struct slot *
known_pair(struct throttle *t, const struct throttle_who *who, int64_t now)
    REQUIRES(t->lock)
{
	struct slot *s = find(t->pairs, t->sets, who->pair);

	return s != NULL && now - s->good < pair_ms ? s : NULL;
}

static bool
too_long(const struct throttle *t, const struct slot *s, int64_t now)
{
	return s != NULL
	       && (queue_of(s, now) > t->conf.backlog_ms
		   || (s->pending >= THROTTLE_PENDING_MAX
		       && now - s->admitted < THROTTLE_CHECK_MS));
}

static void
begin_pending(struct slot *s, int64_t now)
{
	if (now - s->admitted >= THROTTLE_CHECK_MS) {
		s->pending = 0; /* killed in the middle */
	}
	s->pending++;
	s->admitted = now;
}

/* Is the queue of the peer too long, or that of the name?  A known pair has
 * one of its own in place of the name's. */
static bool
held_up(struct throttle *t, const struct throttle_who *who, int64_t now)
    REQUIRES(t->lock)
{
	const struct slot *name = known_pair(t, who, now);

	if (name == NULL) {
		name = find(t->failures, t->sets, who->name);
	}
	if (who->peer != 0 && !who->local
	    && too_long(t, find(t->failures, t->sets, who->peer), now)) {
		return true;
	}
	return too_long(t, name, now);
}

bool
throttle_admit(struct throttle *t, struct throttle_who *who, int64_t now_ms,
    uint64_t *wait_ms_out)
{
	struct slot *pair;
	bool admitted;

	lock_acquire(&t->lock);
	shared_enter(t->shared);
	admitted = !held_up(t, who, now_ms);
	if (admitted) {
		if (who->peer != 0) {
			begin_pending(
			    find_or_make(t->failures, t->sets, who->peer),
			    now_ms);
		}
		pair = known_pair(t, who, now_ms);
		who->known = pair != NULL;
		if (pair == NULL) {
			pair = find_or_make(t->failures, t->sets, who->name);
		}
		begin_pending(pair, now_ms);
	}
	shared_leave(t->shared);
	lock_release(&t->lock);
	*wait_ms_out = t->conf.backlog_ms + t->conf.delay_ms;
	return admitted;
}

/* What is counted beside the peer: the pair, if it was known and still is
 * there, else the name. */
static struct slot *
counted(struct throttle *t, const struct throttle_who *who) REQUIRES(t->lock)
{
	struct slot *s = NULL;

	if (who->known) {
		s = find(t->pairs, t->sets, who->pair);
	}
	return s != NULL ? s : find_or_make(t->failures, t->sets, who->name);
}

static void
end_pending(struct slot *s)
{
	if (s->pending > 0) {
		s->pending--;
	}
}

/* Another failure; how long its answer has to wait. */
static uint64_t
charge(const struct throttle *t, struct slot *s, int64_t now)
{
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
	uint64_t peer_ms = 0, name_ms;
	struct slot *s;

	lock_acquire(&t->lock);
	shared_enter(t->shared);
	if (who->peer != 0) {
		s = find_or_make(t->failures, t->sets, who->peer);
		end_pending(s);
		peer_ms = charge(t, s, now_ms);
	}
	s = counted(t, who);
	end_pending(s);
	name_ms = charge(t, s, now_ms);
	shared_leave(t->shared);
	lock_release(&t->lock);
	if (peer_ms > name_ms) {
		name_ms = peer_ms;
	}
	return name_ms < most ? name_ms : most;
}

void
throttle_good(
    struct throttle *t, const struct throttle_who *who, int64_t now_ms)
{
	struct slot *pair;

	lock_acquire(&t->lock);
	shared_enter(t->shared);
	if (who->peer != 0) {
		end_pending(find_or_make(t->failures, t->sets, who->peer));
	}
	end_pending(counted(t, who));
	pair = find_or_make(t->pairs, t->sets, who->pair);
	pair->good = now_ms;
	shared_leave(t->shared);
	lock_release(&t->lock);
}
