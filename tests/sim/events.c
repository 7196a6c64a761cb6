/*
 * What happens to the machine and to its processes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

static struct proc *
some_proc(struct world *w)
{
	struct proc *p = w->proc[rng_below(&w->rng, WORLD_PROCS)];

	return p;
}

static void
event_time(struct world *w)
{
	static const uint64_t most[] = {
	    50, 1000, 60 * 1000, 3600 * 1000, 30 * 3600 * 1000};
	unsigned how = w->focus == FOCUS_COLLECT
			   ? COUNT_OF(most) - 1
			   : (unsigned)rng_below(&w->rng, COUNT_OF(most));
	uint64_t ms = rng_below(&w->rng, most[how]) + 1;

	world_say(w, NULL, "TIME +%llu ms", (unsigned long long)ms);
	simfs_advance(w->fs, ms);
}

static void
event_clock(struct world *w)
{
	struct proc *p = some_proc(w);

	if (p != NULL && w->skew_max != 0) {
		simproc_clock(p->sim, world_skew(w));
		world_say(w, p, "CLOCK steps");
	}
}

/* Once the disk is mended and the machine has been restarted. */
static void
resume(struct world *w)
{
	struct simproc *sim = simproc_new(w->fs, ++w->next_id);
	struct store *s = NULL;
	struct fail f;

	w->flush_fails = false;
	w->full = false;
	simfs_capacity(w->fs, 0);
	if (store_open(&w->store_conf, simproc_fs(sim), &s, &f) != 0
	    || store_raise_generation(s, &f) != 0) {
		violation(&w->oracle, "(11) resume: %s", f.text);
	}
	store_close(&s);
	simproc_free(&sim);
	world_say(w, NULL, "RESUME");
	w->oracle.sick = false;
	w->oracle.resumed = true;
}

static void
lose_power(struct world *w, enum simloss how)
{
	for (unsigned i = 0; i < WORLD_PROCS; i++) {
		if (w->proc[i] != NULL) {
			proc_kill(w, w->proc[i]);
		}
	}
	world_say(w, NULL, "POWER LOSS %d", (int)how);
	simfs_power_loss(w->fs, how);
	oracle_power_loss(&w->oracle);
	simfs_advance(w->fs, rng_range(&w->rng, 1000, 600 * 1000));
	if (w->oracle.sick) {
		resume(w);
	}
}

void
world_mend(struct world *w)
{
	if (w->oracle.sick) {
		lose_power(w, LOSS_MIXED);
	}
}

void
event_power(struct world *w)
{
	enum simloss how = (enum simloss)rng_below(&w->rng, 3);

	if (rng_chance(&w->rng, 500)) {
		how = LOSS_MIXED;
	}
	w->power_at = 0;
	lose_power(w, how);
	world_audit(w);
	for (unsigned n = (unsigned)rng_range(&w->rng, 1, WORLD_PROCS); n > 0;
	     n--) {
		(void)proc_start(w);
	}
}

static void
event_full(struct world *w)
{
	if (w->full) {
		simfs_capacity(w->fs, 0);
	} else {
		simfs_capacity(
		    w->fs, simfs_used(w->fs) + rng_below(&w->rng, 12));
	}
	w->full = !w->full;
	w->fulls++;
	world_say(w, NULL, w->full ? "DISK FULL" : "DISK HAS ROOM");
}

static void
event_save(struct world *w)
{
	simtree_free(&w->saved);
	oracle_saved_free(&w->saved_facts);
	w->saved = simfs_save(w->fs, "accounts/0a");
	w->saved_facts = oracle_save(&w->oracle, 0);
	world_say(w, NULL, "SAVE");
}

static void
event_restore(struct world *w)
{
	if (w->saved == NULL) {
		return;
	}
	world_say(w, NULL, "RESTORE");
	simfs_advance(w->fs, 20 * 3600 * 1000);
	simfs_remove_tree(w->fs, "accounts/0a");
	simfs_restore(w->fs, w->saved);
	simtree_free(&w->saved);
	oracle_restore(&w->oracle, 0, &w->saved_facts);
}

static void
event_alone(struct world *w)
{
	struct proc *p = some_proc(w);

	if (p != NULL && !simproc_writing(p->sim)) {
		world_say(w, p, "ALONE");
		w->alone = p;
		w->unfair_calls = 0;
	}
}

struct victim {
	struct rng *rng;
	char path[400];
	unsigned n;
};

/* Snapshots, packs and the hint: whatever becomes of one of their files,
 * nothing is lost. */
static void
maybe_victim(void *arg, const char *path, bool is_dir)
{
	struct victim *v = arg;
	const char *below = path + strlen("accounts/xx/") + ACCOUNT_ID_LEN;

	if (!is_dir
	    && (strncmp(below, "/snap/", 6) == 0
		|| strncmp(below, "/pack/", 6) == 0
		|| strcmp(below, "/head") == 0)
	    && rng_below(v->rng, ++v->n) == 0) {
		(void)snprintf(v->path, sizeof(v->path), "%s", path);
	}
}

static void
event_damage(struct world *w)
{
	struct victim v = {.rng = &w->rng};
	char root[100];
	unsigned a = (unsigned)rng_below(&w->rng, ORACLE_ACCOUNTS);

	(void)snprintf(root, sizeof(root), "accounts/%.2s/%s", world_account(a),
	    world_account(a));
	simfs_walk(w->fs, root, false, maybe_victim, &v);
	if (w->damaged || v.n == 0) {
		return;
	}
	w->damaged = true;
	world_say(w, NULL, "DAMAGE %s", v.path);
	(void)simfs_damage(
	    w->fs, v.path, (enum simdamage)rng_below(&w->rng, 4));
	world_audit(w);
}

static void
maybe_message(void *arg, const char *path, bool is_dir)
{
	struct victim *v = arg;

	if (!is_dir && strstr(path, "/box/") != NULL
	    && strstr(path, "/.name") == NULL
	    && rng_below(v->rng, ++v->n) == 0) {
		(void)snprintf(v->path, sizeof(v->path), "%s", path);
	}
}

/* Which message is it?  By the size in its name; false of one that is being
 * written, or was cut already. */
static bool
whole_content(const struct world *w, const char *path, uint32_t *k_out)
{
	const char *at = strrchr(path, '/');

	for (int i = 0; at != NULL && i < 2; i++) {
		at = strchr(at + 1, '.');
	}
	uint64_t size = at != NULL ? strtoull(at + 1, NULL, 10) : 0;

	return size == (uint64_t)simfs_size(w->fs, path)
	       && content_of_size(size, k_out);
}

/* The file may have names in both accounts. */
static void
event_lose_file(struct world *w)
{
	struct victim v = {.rng = &w->rng};
	bool gone = rng_chance(&w->rng, 500);
	uint32_t k;

	simfs_walk(w->fs, "accounts", false, maybe_message, &v);
	if (v.n == 0 || !whole_content(w, v.path, &k)) {
		return;
	}
	world_say(w, NULL, "LOSE %s (%u)", v.path, k);
	w->damaged = true;
	w->oracle.harmed[k] = true;
	(void)simfs_damage(w->fs, v.path, gone ? DAMAGE_GONE : DAMAGE_CUT);
}

static void
event_run(struct world *w, enum event e)
{
	struct proc *p = some_proc(w);

	switch (e) {
	case EVENT_TIME:
		event_time(w);
		break;
	case EVENT_CLOCK:
		event_clock(w);
		break;
	case EVENT_STOP:
		if (p != NULL) {
			p->until = w->step + rng_range(&w->rng, 100, 4000);
		}
		break;
	case EVENT_KILL:
		if (p != NULL) {
			proc_kill(w, p);
		}
		break;
	case EVENT_START:
		(void)proc_start(w);
		break;
	case EVENT_AUDIT:
		world_audit(w);
		break;
	case EVENT_ALONE:
		event_alone(w);
		break;
	case EVENT_POWER:
		event_power(w);
		break;
	case EVENT_WRITEBACK:
		simfs_writeback(w->fs);
		break;
	case EVENT_FULL:
		event_full(w);
		break;
	case EVENT_SAVE:
		event_save(w);
		break;
	case EVENT_RESTORE:
		event_restore(w);
		break;
	case EVENT_DAMAGE:
		event_damage(w);
		break;
	case EVENT_FLUSH_FAILS:
		world_say(w, NULL, "THE NEXT FLUSH FAILS");
		w->flush_fails = true;
		w->oracle.sick = true;
		break;
	case EVENT_WRITEBACK_FAILS:
		world_say(w, NULL, "WRITEBACK FAILS");
		simfs_writeback_fails(w->fs);
		w->oracle.sick = true;
		break;
	case EVENT_LOSE_FILE:
		event_lose_file(w);
		break;
	case EVENT_COUNT:
		break;
	}
}

void
event_random(struct world *w)
{
	unsigned sum = 0;
	unsigned at;
	unsigned i = 0;

	if (w->alone != NULL) {
		return; /* nothing else may move */
	}
	for (unsigned k = 0; k < EVENT_COUNT; k++) {
		sum += w->event_weight[k];
	}
	at = (unsigned)rng_below(&w->rng, sum);
	while (at >= w->event_weight[i]) {
		at -= w->event_weight[i++];
	}
	event_run(w, (enum event)i);
}
