#include "net/slot.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/lock.h"
#include "base/mem.h"

enum {
	CHUNK = 1024,
	CHUNKS_MAX = 1024,
	STATE_BITS = 8,
	EVENT_SHIFT = 8,
	MASK_SHIFT = 16,
	GEN_SHIFT = 32,
};

enum state { FREE, RUNNING, RESTING, QUEUED };

struct slot {
	_Atomic uint64_t word;
	struct session *s; /* valid unless FREE */
	uint32_t next_free;
};

static struct {
	struct lock lock;
	struct slot *_Atomic chunks[CHUNKS_MAX]; /* written under the lock */
	_Atomic uint32_t n;			 /* slots ever used */
	uint32_t free;				 /* head of the list, + 1 */
} table = {.lock = LOCK_INITIALIZER(LOCK_LEAF)};

static struct slot *
slot_at(uint32_t i)
{
	/* Acquire: a ref from another thread leads to an initialized chunk. */
	return &atomic_load_explicit(
	    &table.chunks[i / CHUNK], memory_order_acquire)[i % CHUNK];
}

static enum state
state_of(uint64_t word)
{
	return (enum state)(word & ((1 << STATE_BITS) - 1));
}

static uint64_t
with_state(uint64_t word, enum state state)
{
	return (word & ~(uint64_t)((1 << STATE_BITS) - 1)) | state;
}

static uint32_t
gen_of(uint64_t word)
{
	return (uint32_t)(word >> GEN_SHIFT);
}

static uint64_t
make_word(uint32_t gen, enum state state)
{
	return (uint64_t)gen << GEN_SHIFT | (unsigned)state;
}

/* No generation is 0, which a zeroed park_ref has. */
static uint32_t
next_gen(uint32_t gen)
{
	return gen == UINT32_MAX ? 1 : gen + 1;
}

static unsigned
events_of(uint64_t word)
{
	return (word >> EVENT_SHIFT) & EV_ALL;
}

/* All changes of the word are acquire and release: the next runner sees what
 * the last one wrote in the session. */
static bool
change(struct slot *slot, uint64_t *word, uint64_t to)
{
	return atomic_compare_exchange_weak_explicit(
	    &slot->word, word, to, memory_order_acq_rel, memory_order_acquire);
}

static uint64_t
load(struct slot *slot)
{
	return atomic_load_explicit(&slot->word, memory_order_acquire);
}

/* Index of a free slot, or UINT32_MAX. */
static uint32_t
take_free(void)
{
	uint32_t n = atomic_load(&table.n);
	uint32_t i = table.free;

	if (i != 0) {
		i--;
		table.free = slot_at(i)->next_free;
		return i;
	}
	if (n == CHUNK * CHUNKS_MAX) {
		return UINT32_MAX;
	}
	if (n % CHUNK == 0) {
		atomic_store_explicit(&table.chunks[n / CHUNK],
		    xcalloc(CHUNK, sizeof(struct slot)), memory_order_release);
	}
	atomic_store(&table.n, n + 1);
	return n;
}

bool
slot_open(struct session *s)
{
	struct slot *slot;
	uint32_t i;
	uint32_t gen;

	lock_acquire(&table.lock);
	i = take_free();
	lock_release(&table.lock);
	if (i == UINT32_MAX) {
		return false;
	}
	slot = slot_at(i);
	gen = next_gen(gen_of(load(slot)));
	slot->s = s;
	s->ref = (struct park_ref){i, gen};
	atomic_store_explicit(
	    &slot->word, make_word(gen, RUNNING), memory_order_release);
	return true;
}

void
slot_close(struct session *s)
{
	struct slot *slot = slot_at(s->ref.slot);

	/* The generation ends now: later events find no session. */
	atomic_store_explicit(&slot->word,
	    make_word(next_gen(s->ref.gen), FREE), memory_order_release);
	lock_acquire(&table.lock);
	slot->next_free = table.free;
	table.free = s->ref.slot + 1;
	lock_release(&table.lock);
}

static bool
ends_rest(uint64_t word, unsigned events)
{
	return state_of(word) == RESTING
	       && (events & (unsigned)(word >> MASK_SHIFT) & EV_ALL) != 0;
}

static struct session *
note(struct park_ref ref, unsigned events, enum state to)
{
	struct slot *slot = slot_at(ref.slot);
	uint64_t word = load(slot);
	uint64_t next;
	bool mine;

	do {
		if (gen_of(word) != ref.gen || state_of(word) == FREE) {
			return NULL;
		}
		mine = ends_rest(word, events);
		next = word | (uint64_t)events << EVENT_SHIFT;
		if (mine) {
			next = with_state(next, to);
		}
	} while (!change(slot, &word, next));
	return mine ? slot->s : NULL;
}

struct session *
slot_post(struct park_ref ref, unsigned events)
{
	return note(ref, events, QUEUED);
}

struct session *
slot_claim(struct park_ref ref, unsigned events)
{
	return note(ref, events, RUNNING);
}

static void
set_state(const struct session *s, enum state from, enum state to)
{
	struct slot *slot = slot_at(s->ref.slot);
	uint64_t word = load(slot);

	do {
		ASSERT(state_of(word) == from);
	} while (!change(slot, &word, with_state(word, to)));
}

void
slot_run(const struct session *s)
{
	set_state(s, QUEUED, RUNNING);
}

void
slot_queue(const struct session *s)
{
	set_state(s, RUNNING, QUEUED);
}

bool
slot_rest(const struct session *s, unsigned mask)
{
	struct slot *slot = slot_at(s->ref.slot);
	uint64_t word = load(slot);
	uint64_t next;

	do {
		ASSERT(state_of(word) == RUNNING);
		if ((events_of(word) & mask) != 0) {
			return false;
		}
		next = word & ~((uint64_t)0xff << MASK_SHIFT);
		next |= (uint64_t)mask << MASK_SHIFT;
		next = with_state(next, RESTING);
	} while (!change(slot, &word, next));
	return true;
}

unsigned
slot_take(const struct session *s, unsigned mask)
{
	struct slot *slot = slot_at(s->ref.slot);
	uint64_t word = load(slot);

	while ((events_of(word) & mask) != 0) {
		if (change(
			slot, &word, word & ~((uint64_t)mask << EVENT_SHIFT))) {
			return events_of(word) & mask;
		}
	}
	return 0;
}

void
slot_each(void (*fn)(struct park_ref ref))
{
	uint32_t n = atomic_load(&table.n);

	for (uint32_t i = 0; i < n; i++) {
		fn((struct park_ref){i, gen_of(load(slot_at(i)))});
	}
}
