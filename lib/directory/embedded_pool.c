/*
 * embedded_pool.c: connections, kept for the next who needs one.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "directory/embedded_priv.h"

enum { LOOK_MS = 1000 }; /* how often the file is looked for */

/* May the file be changed now, and not when connections to it were made? */
static bool
became_writable(struct embedded *e) REQUIRES(e->lock)
{
	bool yes = e->read_only && access(e->path, W_OK) == 0;

	if (yes) {
		e->read_only = false;
	}
	return yes;
}

/* Is the file the one that is open?  Once a second; returns connections to
 * close. */
static struct sqlconn *
look_for_file_locked(struct embedded *e) REQUIRES(e->lock)
{
	int64_t now = clock_mono_ms();
	struct sqlconn *stale = NULL;
	struct stat st;

	if (now - e->looked_ms < LOOK_MS) {
		return NULL;
	}
	e->looked_ms = now;
	e->away = stat(e->path, &st) != 0;
	if (!e->away && st.st_dev == e->dev && st.st_ino == e->ino
	    && !became_writable(e)) {
		return NULL;
	}
	if (!e->away) {
		e->dev = st.st_dev;
		e->ino = st.st_ino;
		e->epoch++;
		stale = e->idle;
		e->idle = NULL;
	}
	for (struct sqlconn *c = stale; c != NULL; c = c->next) {
		e->n_open--;
	}
	return stale;
}

bool
embedded_take_idle(struct embedded *e, struct sqlconn **out)
{
	struct sqlconn *stale;
	bool here;

	lock_acquire(&e->lock);
	stale = look_for_file_locked(e);
	here = !e->away;
	*out = here ? e->idle : NULL;
	if (*out != NULL) {
		e->idle = (*out)->next;
	}
	lock_release(&e->lock);
	while (stale != NULL) {
		struct sqlconn *c = stale;

		stale = c->next;
		sqlconn_close(&c);
	}
	return here;
}

/* Wait until one may be opened or is idle: *out is set then. */
static uint64_t
wait_for_turn(struct embedded *e, struct sqlconn **out) EXCLUDES(e->lock)
{
	uint64_t epoch;

	lock_acquire(&e->lock);
	while (e->idle == NULL && e->n_open >= CONNS_MAX) {
		(void)pthread_cond_wait(&e->given, &e->lock.mutex);
	}
	*out = e->idle;
	if (*out != NULL) {
		e->idle = (*out)->next;
	} else {
		e->n_open++;
	}
	epoch = e->epoch;
	lock_release(&e->lock);
	return epoch;
}

static void
forget_one(struct embedded *e) EXCLUDES(e->lock)
{
	lock_acquire(&e->lock);
	e->n_open--;
	(void)pthread_cond_signal(&e->given);
	lock_release(&e->lock);
}

int
embedded_take(struct embedded *e, struct sqlconn **out, struct fail *f)
{
	uint64_t epoch;

	if (!embedded_take_idle(e, out)) {
		return fail_set(
		    f, FAIL_TEMP, "directory: %s is not there", e->path);
	}
	if (*out != NULL) {
		return 0;
	}
	epoch = wait_for_turn(e, out);
	if (*out != NULL) {
		return 0;
	}
	if (sqlconn_open(e->path, e->busy_ms, epoch, out, f) != 0) {
		forget_one(e);
		return -1;
	}
	if (sqlite3_db_readonly((*out)->db, "main") == 1) {
		lock_acquire(&e->lock);
		e->read_only = true;
		lock_release(&e->lock);
	}
	return 0;
}

void
embedded_give(struct embedded *e, struct sqlconn **conn)
{
	struct sqlconn *c = *conn;
	bool stale;

	*conn = NULL;
	if (sqlite3_get_autocommit(c->db) == 0) {
		(void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
	}
	lock_acquire(&e->lock);
	stale = c->epoch != e->epoch;
	if (stale) {
		e->n_open--;
	} else {
		c->next = e->idle;
		e->idle = c;
	}
	(void)pthread_cond_signal(&e->given);
	lock_release(&e->lock);
	if (stale) {
		sqlconn_close(&c);
	}
}

void
embedded_close_idle(struct embedded *e)
{
	while (e->idle != NULL) {
		struct sqlconn *c = e->idle;

		e->idle = c->next;
		sqlconn_close(&c);
	}
}
