/*
 * room: what an account has room for, with what is on its way there.
 *
 * Whoever is about to add messages first writes down how much, and then looks
 * at what the account holds.  So of two that are under way at once at least
 * the later one knows of the other: in `taken` or, if it is done, in the
 * journal; while it is both, it counts twice.
 */
#include "store/store_priv.h"

static bool
is_over(uint64_t limit, uint64_t used, uint64_t more)
{
	return limit != 0 && (more > limit || used > limit - more);
}

static bool
is_full(const struct usage *limit, const struct usage *used,
    const struct usage *more)
{
	return is_over(limit->octets, used->octets, more->octets)
	       || is_over(limit->messages, used->messages, more->messages);
}

/* Write down `more`; gives what others had. */
static struct usage
take(struct account *a, const struct usage *more)
{
	lock_acquire(&a->lock);
	struct usage others = a->taken;

	a->taken.octets += more->octets;
	a->taken.messages += more->messages;
	lock_release(&a->lock);
	return others;
}

void
room_release(struct room *r)
{
	struct account *a = r->account;

	if (a == NULL) {
		return;
	}
	lock_acquire(&a->lock);
	a->taken.octets -= r->taken.octets;
	a->taken.messages -= r->taken.messages;
	lock_release(&a->lock);
	account_close(&r->account);
}

/* The estimate costs no state; only who seems full is looked at. */
static int
judge(struct store *store, const char *id, const struct usage *limit,
    const struct usage *others, const struct usage *more, enum room_answer *out,
    struct fail *f)
{
	for (unsigned exact = 0; exact <= 1; exact++) {
		struct usage used;

		if (store_usage(store, id, exact != 0, &used, f) != 0) {
			if (f->kind != FAIL_ABSENT) {
				return -1;
			}
			used = (struct usage){0}; /* nothing has come yet */
		}
		*out = is_full(limit, &used, more) ? ROOM_NONE : ROOM_THERE;
		used.octets += others->octets;
		used.messages += others->messages;
		if (!is_full(limit, &used, more)) {
			return 0;
		}
	}
	*out = *out == ROOM_NONE ? ROOM_NONE : ROOM_LATER;
	return 0;
}

int
store_room(struct store *store, const char *id, const struct usage *limit,
    const struct usage *more, struct room *out, enum room_answer *answer,
    struct fail *f)
{
	struct usage others = {0};
	struct room room = {.taken = *more};

	*answer = ROOM_THERE;
	if (out != NULL) {
		*out = (struct room){0};
	}
	if (limit->octets == 0 && limit->messages == 0) {
		return 0;
	}
	if (out != NULL && account_open(store, id, &room.account, f) != 0
	    && f->kind != FAIL_ABSENT) {
		return -1;
	}
	if (room.account != NULL) {
		others = take(room.account, more);
	}
	int rc = judge(store, id, limit, &others, more, answer, f);

	if (rc != 0 || *answer != ROOM_THERE) {
		room_release(&room);
	} else if (out != NULL) {
		*out = room;
	}
	return rc;
}
