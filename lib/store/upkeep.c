#include "store/upkeep_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/account_priv.h"
#include "store/checkpoint_priv.h"
#include "store/names_priv.h"
#include "store/round_priv.h"
#include "store/watch_priv.h"

enum {
	POLL_SLICES = 10, /* seconds for a round */
	UPKEEP_A_SECOND = 8,
	PUT_OFF_MS = 10 * 60 * 1000,
	LEAVE_MS = 1000, /* a stop may take longer for it */
};

struct upkeep {
	struct store *store;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake; /* with `mutex` */
	bool stop;	     /* guarded by `mutex` */
	struct round round;  /* the thread's own */
};

static void
poll_slice(struct store *s, unsigned slice)
{
	struct account **list;
	size_t n = accounts_watched(s, &list);

	for (size_t i = 0; i < n; i++) {
		/* By address: a slice has about a tenth of them. */
		if (((uintptr_t)list[i] >> 8) % POLL_SLICES == slice) {
			watch_poll(list[i]);
		}
		account_close(&list[i]);
	}
	free(list);
}

/* A failure is not to be met again each second. */
static void
put_off(struct account *a)
{
	int64_t now = fs_now_ms(a->store->fs);

	lock_acquire(&a->lock);
	a->upkeep_after_ms = now + PUT_OFF_MS;
	lock_release(&a->lock);
}

static void
maintain(struct account *a)
{
	struct fail f = {0};
	bool done;

	if (account_upkeep(a, &done, &f) != 0) {
		LOG(LOG_WARN, "account.upkeep", kv_str("account", a->id),
		    kv_fail(&f));
		put_off(a);
	} else if (done) {
		LOG(LOG_DEBUG, "account.upkeep", kv_str("account", a->id));
	} else if (account_is_due(a, fs_now_ms(a->store->fs))) {
		put_off(
		    a); /* at rest: not due by its tail, which was looked at */
	}
}

static bool
maintain_one(struct store *s)
{
	struct account *a = account_due(s, fs_now_ms(s->fs));

	if (a == NULL) {
		return false;
	}
	maintain(a);
	account_close(&a);
	return true;
}

/* A few each second, so that they do not come in herds. */
static void
maintain_some(struct store *s)
{
	for (unsigned i = 0; i < UPKEEP_A_SECOND && maintain_one(s); i++) {
	}
}

/* What grew since the last look: so that whoever opens these accounts next
 * has little to replay. */
static void
maintain_last(struct store *s)
{
	int64_t start = clock_mono_ms();

	while (clock_mono_ms() - start < LEAVE_MS && maintain_one(s)) {
	}
}

static void
show_names(struct store *s)
{
	for (unsigned i = 0; i < UPKEEP_A_SECOND; i++) {
		struct account *a = account_stale_names(s);

		if (a == NULL) {
			return;
		}
		names_rebuild(a);
		account_close(&a);
	}
}

/* Sleep a second; true: stop. */
static bool
nap(struct upkeep *u)
{
	struct timespec until;
	int rc = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec++;
	ASSERT(pthread_mutex_lock(&u->mutex) == 0);
	while (!u->stop && rc != ETIMEDOUT) {
		rc = pthread_cond_timedwait(&u->wake, &u->mutex, &until);
	}
	bool stop = u->stop;
	ASSERT(pthread_mutex_unlock(&u->mutex) == 0);
	return stop;
}

static void *
run(void *arg)
{
	struct upkeep *u = arg;

	for (unsigned slice = 0; !nap(u); slice = (slice + 1) % POLL_SLICES) {
		poll_slice(u->store, slice);
		if (slice == 0) {
			store_look_at_generation(u->store);
		}
		if (u->store->conf.maintenance && !u->store->read_only) {
			maintain_some(u->store);
			show_names(u->store);
			round_go_on(&u->round, u->store);
		}
	}
	if (u->store->conf.maintenance && !u->store->read_only) {
		maintain_last(u->store);
	}
	return NULL;
}

int
upkeep_start(struct store *s, struct upkeep **out, struct fail *f)
{
	struct upkeep *u = xmalloc(sizeof(*u));
	pthread_condattr_t attr;
	int rc;

	u->store = s;
	ASSERT(pthread_condattr_init(&attr) == 0);
	ASSERT(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	ASSERT(pthread_mutex_init(&u->mutex, NULL) == 0);
	ASSERT(pthread_cond_init(&u->wake, &attr) == 0);
	(void)pthread_condattr_destroy(&attr);
	rc = pthread_create(&u->thread, NULL, run, u);
	if (rc != 0) {
		(void)pthread_cond_destroy(&u->wake);
		(void)pthread_mutex_destroy(&u->mutex);
		free(u);
		return fail_err(f, rc, "start the store's thread");
	}
	*out = u;
	return 0;
}

void
upkeep_stop(struct upkeep **up)
{
	struct upkeep *u = *up;

	*up = NULL;
	if (u == NULL) {
		return;
	}
	ASSERT(pthread_mutex_lock(&u->mutex) == 0);
	u->stop = true;
	ASSERT(pthread_cond_signal(&u->wake) == 0);
	ASSERT(pthread_mutex_unlock(&u->mutex) == 0);
	ASSERT(pthread_join(u->thread, NULL) == 0);
	(void)pthread_cond_destroy(&u->wake);
	(void)pthread_mutex_destroy(&u->mutex);
	round_deinit(&u->round);
	free(u);
}
