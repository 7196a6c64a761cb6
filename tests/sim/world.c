#include "world.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/mutate_priv.h"
#include "store/snapshot_priv.h"

enum {
	STOP_MAX = 3000, /* steps */
	/* Of one operation: a copy of hundreds to another account makes some
	 * thousands; what never ends reaches any bound. */
	ALONE_CALLS = 40000,
	READ_STOPS = 8,	  /* in 1000 pages read */
	FAR_VOLUMES = 20, /* in 1000 runs */
	FINISH_STEPS = 200000,
	DAY_MS = 24 * 3600 * 1000,
};

const char *
world_account(unsigned account)
{
	static const char *const id[ORACLE_ACCOUNTS] = {
	    "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a",
	    "1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b"};

	return id[account];
}

static void
note(struct world *w, unsigned id, const char *text)
{
	static const uint64_t key[2] = {3, 4};

	w->trace = w->trace * 31 + siphash(key, text, strlen(text)) + id;
	if (w->conf.verbose) {
		(void)fprintf(stderr, "%6u p%-3u %s\n", w->step, id, text);
	}
}

void
world_say(struct world *w, const struct proc *p, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	if (!w->conf.verbose) {
		return;
	}
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	note(w, p != NULL ? p->id : 0, text);
}

static void
on_violation(void *arg, const char *text)
{
	struct world *w = arg;

	world_say(w, NULL, "VIOLATION %s", text);
	if (!w->failed) {
		w->failed = true;
		(void)snprintf(w->failure, sizeof(w->failure), "step %u: %s",
		    w->step, text);
	}
}

static void
on_trace(void *arg, struct simproc *p, const char *line)
{
	note(arg, simproc_id(p), line);
}

/* ---- switching ---- */

static bool
is_flush(enum simop op)
{
	return op == SIMOP_SYNC || op == SIMOP_DATASYNC;
}

static void
stop_for_others(struct world *w, const struct simproc *sim, unsigned steps)
{
	for (unsigned i = 0; i < WORLD_PROCS; i++) {
		if (w->proc[i] != NULL && w->proc[i]->sim == sim) {
			w->proc[i]->until = w->step + steps;
		}
	}
	task_pause();
}

/* Before a flush; and the power goes before it goes on. */
static void
stop_before_flush(struct world *w, const struct simproc *sim)
{
	unsigned steps = (unsigned)rng_range(&w->rng, 20, 150);

	if (w->power_at == 0 && rng_chance(&w->rng, 500)) {
		w->power_at = w->step + steps;
	}
	stop_for_others(w, sim, steps);
}

/* An audit makes a segment's successor where it is needed, and may have to
 * wait for an append that stopped half way. */
static void
end_appends(struct world *w)
{
	for (unsigned i = 0; i < WORLD_PROCS; i++) {
		struct proc *p = w->proc[i];

		while (p != NULL && simproc_writing(p->sim)) {
			task_resume(p->task);
		}
	}
}

static void
on_step(void *arg, struct simproc *sim, enum simop op)
{
	struct world *w = arg;

	if (!task_running()) { /* an audit, or the making of the world */
		if (op == SIMOP_WAIT) {
			end_appends(w);
		}
		return;
	}
	/* Who is told that a flush failed leaves the mark at once: see
	 * docs/store.md, 9. */
	if (simproc_told(sim) && op != SIMOP_WAIT) {
		return;
	}
	if (w->alone != NULL && w->alone->sim == sim) {
		bool call = op != SIMOP_READ_PAGE && op != SIMOP_READ_TORN
			    && op != SIMOP_WRITE_PAGE;

		w->unfair_calls += call;
		if (w->unfair_calls > ALONE_CALLS) {
			violation(&w->oracle,
			    "(11) no end of an operation in %d calls",
			    ALONE_CALLS);
			w->unfair_calls = 0;
			w->alone = NULL;
		}
		if (op != SIMOP_WAIT) {
			return;
		}
	}
	if (op == SIMOP_DATASYNC && rng_chance(&w->rng, w->flush_stops)) {
		stop_before_flush(w, sim);
		return;
	}
	/* Long enough in the middle of a read for others to write much. */
	if (op == SIMOP_READ_TORN
	    || (op == SIMOP_READ_PAGE && rng_chance(&w->rng, READ_STOPS))) {
		stop_for_others(w, sim, (unsigned)rng_range(&w->rng, 20, 300));
	} else if (op == SIMOP_WAIT
		   || rng_chance(&w->rng, w->switch_per_mille)) {
		task_pause();
	}
}

/* Who is out of handles, or of memory: nothing was done.  Of a flush that is
 * never said. */
static int
refusal(struct world *w, enum simop op)
{
	static const int no_handle[] = {-EMFILE, -ENFILE, -ENOMEM};

	return op == SIMOP_OPEN
		   ? no_handle[rng_below(&w->rng, COUNT_OF(no_handle))]
		   : -ENOMEM;
}

static int
on_call(void *arg, struct simproc *sim, enum simop op, const char *path)
{
	struct world *w = arg;

	(void)path;
	if (!task_running()) {
		return 0;
	}
	if (!is_flush(op)) {
		return !simproc_told(sim) && rng_chance(&w->rng, w->refusals)
			   ? refusal(w, op)
			   : 0;
	}
	if (!w->flush_fails) {
		return 0;
	}
	w->flush_fails = false;
	return rng_chance(&w->rng, 300) ? -ENOSPC : -EIO;
}

/* ---- processes ---- */

static void
proc_main(void *arg)
{
	struct proc *p = arg;
	struct fail f;

	if (store_open(&p->w->store_conf, simproc_fs(p->sim), &p->store, &f)
	    != 0) {
		if (!simproc_dead(p->sim) && p->w->strict && !p->w->oracle.sick
		    && p->w->refusals == 0) {
			violation(&p->w->oracle, "(11) store_open: %s", f.text);
		}
		return;
	}
	while (!p->leaving && !simproc_dead(p->sim) && !p->w->failed) {
		op_random(p);
		p->ops++;
		task_pause();
	}
	proc_leave(p);
	store_close(&p->store);
}

int64_t
world_skew(struct world *w)
{
	return (int64_t)rng_below(&w->rng, 2 * w->skew_max)
	       - (int64_t)w->skew_max;
}

struct proc *
proc_start(struct world *w)
{
	unsigned i = 0;
	struct proc *p;

	while (i < WORLD_PROCS && w->proc[i] != NULL) {
		i++;
	}
	if (i == WORLD_PROCS) {
		return NULL;
	}
	p = xmalloc(sizeof(*p));
	p->w = w;
	p->id = ++w->next_id;
	p->sim = simproc_new(w->fs, p->id);
	p->session = rng_u64(&w->rng) | 1;
	if (w->skew_max != 0) {
		simproc_clock(p->sim, world_skew(w) / 2);
	}
	p->task = task_new(proc_main, p);
	w->proc[i] = p;
	world_say(w, p, "START");
	return p;
}

static void
proc_gone(struct world *w, struct proc *p)
{
	for (unsigned i = 0; i < WORLD_PROCS; i++) {
		if (w->proc[i] == p) {
			w->proc[i] = NULL;
		}
	}
	if (w->alone == p) {
		w->alone = NULL;
	}
	if (!w->failed && simproc_handles(p->sim) != 0) {
		violation(&w->oracle, "process %u left %zu handles open", p->id,
		    simproc_handles(p->sim));
	}
	task_free(&p->task);
	simproc_free(&p->sim);
	free(p);
}

/* Until it has ended; others run only where it waits for them. */
static void
run_out(struct world *w, struct proc *p)
{
	for (unsigned i = 0; !task_done(p->task); i++) {
		if (i > FINISH_STEPS) {
			(void)fprintf(stderr,
			    "seed %llu: process %u does not "
			    "end\n",
			    (unsigned long long)w->conf.seed, p->id);
			abort();
		}
		task_resume(p->task);
		for (unsigned k = 0; k < WORLD_PROCS; k++) {
			struct proc *o = w->proc[k];

			if (o != NULL && o != p && simproc_writing(o->sim)) {
				task_resume(o->task);
			}
		}
	}
}

void
proc_finish(struct world *w, struct proc *p)
{
	p->leaving = true;
	run_out(w, p);
	proc_gone(w, p);
}

void
proc_kill(struct world *w, struct proc *p)
{
	world_say(w, p, "KILL");
	simproc_kill(p->sim);
	run_out(w, p);
	proc_gone(w, p);
}

void
world_quiesce(struct world *w)
{
	for (unsigned i = 0; i < WORLD_PROCS; i++) {
		if (w->proc[i] != NULL) {
			proc_finish(w, w->proc[i]);
		}
	}
}

/* ---- the course of a run ---- */

static struct proc *
pick(struct world *w)
{
	struct proc *ready[WORLD_PROCS];
	unsigned n = 0;

	if (w->alone != NULL) {
		return w->alone;
	}
	for (unsigned i = 0; i < WORLD_PROCS; i++) {
		struct proc *p = w->proc[i];

		if (p != NULL
		    && (p->until <= w->step || simproc_writing(p->sim))) {
			ready[n++] = p;
		}
	}
	return n != 0 ? ready[rng_below(&w->rng, n)] : NULL;
}

/* While one is alone, an append in progress still ends. */
static void
help_writers(struct world *w, const struct proc *p)
{
	for (unsigned i = 0; w->alone != NULL && i < WORLD_PROCS; i++) {
		struct proc *o = w->proc[i];

		while (o != NULL && o != p && !w->failed
		       && simproc_writing(o->sim)) {
			task_resume(o->task);
		}
	}
}

static void
run_step(struct world *w)
{
	struct proc *p = pick(w);
	uint64_t ops;

	if (p == NULL) {
		return;
	}
	ops = p->ops;
	task_resume(p->task);
	help_writers(w, p);
	if (task_done(p->task)) {
		proc_gone(w, p);
		return;
	}
	if (p->ops != ops && w->alone == p) {
		w->alone = NULL;
	}
	if (rng_chance(&w->rng, w->stop_per_mille)) {
		p->until = w->step + (unsigned)rng_below(&w->rng, STOP_MAX);
	}
}

struct leaning {
	unsigned what, more;
};

/* Each seed likes some things and not others. */
static void
draw_weights(struct world *w)
{
	static const unsigned op_base[OP_COUNT] = {
	    30, 24, 8, 16, 10, 10, 6, 4, 2, 3, 2, 2, 8, 6, 4, 3, 3};
	static const unsigned event_base[EVENT_LOSE_FILE] = {
	    20, 4, 6, 6, 8, 5, 4, 3, 10, 2, 4, 3, 1, 1, 1};

	for (unsigned i = 0; i < OP_COUNT; i++) {
		w->weight[i] = op_base[i]
			       * (unsigned)rng_below(
				   &w->rng, rng_chance(&w->rng, 200) ? 12 : 4);
	}
	w->weight[OP_REFRESH] += 4;
	w->weight[OP_DELIVER] += 4;
	for (unsigned i = 0; i < EVENT_LOSE_FILE; i++) {
		w->event_weight[i] =
		    event_base[i] * (unsigned)rng_below(&w->rng, 4);
	}
	if (!rng_chance(&w->rng, 150)) {
		w->event_weight[EVENT_SAVE] = 0;
		w->event_weight[EVENT_RESTORE] = 0;
	}
	if (!rng_chance(&w->rng, 60)) {
		w->event_weight[EVENT_FLUSH_FAILS] = 0;
		w->event_weight[EVENT_WRITEBACK_FAILS] = 0;
	}
	w->event_weight[EVENT_START] += 8;
	w->event_weight[EVENT_TIME] += 2;
	w->event_per_mille = (unsigned)rng_range(&w->rng, 2, 40);
	w->switch_per_mille = rng_chance(&w->rng, 500)
				  ? 1000
				  : (unsigned)rng_range(&w->rng, 30, 600);
	w->stop_per_mille = (unsigned)rng_below(&w->rng, 12);
	if (rng_chance(&w->rng, 60)) {
		w->refusals = (unsigned)rng_range(&w->rng, 1, 15);
	}
}

static void
add_weights(unsigned *to, const struct leaning *l)
{
	for (; l->more != 0; l++) {
		to[l->what] += l->more;
	}
}

/* One thing again and again: what takes several steps in order, and each of
 * them by chance, is met too rarely otherwise. */
static void
draw_focus(struct world *w)
{
	static const struct leaning ops[FOCUS_COUNT][8] = {
	    [FOCUS_SNAPSHOTS] = {{OP_CHECKPOINT, 80}, {OP_COLLECT, 40},
		{OP_SUBSCRIBE, 15}, {OP_DELIVER, 20}, {OP_CLOSE, 15}},
	    [FOCUS_COLLECT] = {{OP_COLLECT, 40}, {OP_DELIVER, 60},
		{OP_EXPUNGE, 20}, {OP_UNDELETE, 6}, {OP_CHECKPOINT, 10}},
	    [FOCUS_POWER] = {{OP_APPEND, 60}, {OP_REFRESH, 60}, {OP_FLAGS, 60},
		{OP_CHECKPOINT, 40}, {OP_CLAIM, 20}},
	    [FOCUS_RESTORE] = {{OP_APPEND, 40}, {OP_REFRESH, 40},
		{OP_DELIVER, 40}, {OP_CREATE, 10}},
	    [FOCUS_TEARS] = {{OP_REFRESH, 80}, {OP_DELIVER, 60},
		{OP_APPEND, 30}},
	    [FOCUS_SICK] = {{OP_REFRESH, 60}, {OP_APPEND, 40}, {OP_DELIVER, 40},
		{OP_FLAGS, 20}, {OP_CHECKPOINT, 10}},
	};
	static const struct leaning events[FOCUS_COUNT][8] = {
	    [FOCUS_SNAPSHOTS] = {{EVENT_TIME, 20}},
	    [FOCUS_COLLECT] = {{EVENT_TIME, 40}, {EVENT_STOP, 12},
		{EVENT_POWER, 6}},
	    [FOCUS_POWER] = {{EVENT_START, 20}, {EVENT_STOP, 10}},
	    [FOCUS_RESTORE] = {{EVENT_SAVE, 15}, {EVENT_RESTORE, 10},
		{EVENT_START, 10}},
	    [FOCUS_TEARS] = {{EVENT_START, 20}},
	    [FOCUS_SICK] = {{EVENT_START, 20}, {EVENT_FLUSH_FAILS, 8},
		{EVENT_WRITEBACK_FAILS, 8}, {EVENT_POWER, 10}},
	};

	bool all = rng_chance(&w->rng, 400);

	w->focus = all ? FOCUS_ALL
		       : (enum focus)rng_range(&w->rng, 1, FOCUS_COUNT - 1);
	if (w->conf.focus >= 0) {
		w->focus = (enum focus)w->conf.focus;
	}
	add_weights(w->weight, ops[w->focus]);
	add_weights(w->event_weight, events[w->focus]);
	world_say(w, NULL, "FOCUS %d", (int)w->focus);
	if (w->focus == FOCUS_POWER) {
		w->event_per_mille += 10;
		w->flush_stops = 120;
	}
}

/* By hours, or by days: but not where a tree is put back, since a clock that
 * goes before all that was lost gives its places again. */
static void
draw_clocks(struct world *w)
{
	if (!rng_chance(&w->rng, 300)) {
		return;
	}
	w->skew_max =
	    w->event_weight[EVENT_RESTORE] == 0 && rng_chance(&w->rng, 400)
		? 10 * DAY_MS
		: DAY_MS / 6;
}

/* What few runs have; with chance of its own, so that the others go on as
 * they do without it. */
static void
draw_rare(struct world *w)
{
	struct rng r = {.state = w->conf.seed ^ 0x72617265};

	if (rng_chance(&r, 60)) {
		w->event_weight[EVENT_LOSE_FILE] = 6;
	}
	w->many_keywords = rng_chance(&r, 60);
}

static void
make_volume(struct world *w)
{
	static const unsigned pages[] = {64, 128, 512, 4096};
	struct simfs_conf conf = {
	    .seed = rng_u64(&w->rng),
	    .page = pages[rng_below(&w->rng, COUNT_OF(pages))],
	    .fsync_covers_name = rng_chance(&w->rng, 500),
	    .step = on_step,
	    .fault = on_call,
	    .far_appends = rng_chance(&w->rng, FAR_VOLUMES),
	    .copies_share = MUTATION(F11),
	    .trace = w->conf.verbose ? on_trace : NULL,
	    .arg = w,
	};

	if (rng_chance(&w->rng, 200)) {
		conf.short_per_mille = 10;
	}
	if (w->focus == FOCUS_TEARS) {
		conf.torn_per_mille = 300;
		conf.page = pages[rng_below(&w->rng, 2)];
	}
	w->far = conf.far_appends;
	w->strict_flushes = conf.fsync_covers_name;
	w->fs = simfs_new(&conf);
}

static void
make_conf(struct world *w)
{
	static const size_t chunks[] = {200, 1000, SNAP_CHUNK_MAX};
	static const uint64_t retention[] = {
	    0, 3600 * 1000, 24 * 3600 * 1000, 7 * 24 * 3600 * 1000};

	store_conf_defaults(&w->store_conf);
	w->store_conf.maintenance = false;
	w->store_conf.accounts_max = 1;
	w->store_conf.segment_max = rng_chance(&w->rng, 600)
					? rng_range(&w->rng, 5500, 16000)
					: 256 * 1024;
	w->store_conf.retention_ms =
	    retention[rng_below(&w->rng, COUNT_OF(retention))];
	if (w->focus == FOCUS_SNAPSHOTS || w->focus == FOCUS_COLLECT) {
		w->store_conf.retention_ms = 0;
	}
	if (w->focus != FOCUS_ALL) {
		w->store_conf.segment_max = rng_range(&w->rng, 4500, 8000);
	}
	store_chunk_max = chunks[rng_below(&w->rng, COUNT_OF(chunks))];
}

static void
make_accounts(struct world *w)
{
	struct simproc *sim = simproc_new(w->fs, ++w->next_id);
	struct store *s = NULL;
	struct fail f;

	if (store_open(&w->store_conf, simproc_fs(sim), &s, &f) != 0) {
		w->refused = w->far && f.kind == FAIL_PERM;
		if (!w->refused) {
			violation(&w->oracle, "store_open: %s", f.text);
		}
		simproc_free(&sim);
		return;
	}
	if (w->far && !MUTATION(F7)) {
		violation(&w->oracle, "a volume that does not append is used");
	}
	for (unsigned a = 0; a < ORACLE_ACCOUNTS; a++) {
		if (account_create(s, world_account(a), &f) != 0) {
			violation(&w->oracle, "account_create: %s", f.text);
		}
	}
	store_close(&s);
	simproc_free(&sim);
}

static void
world_free(struct world *w)
{
	simtree_free(&w->saved);
	oracle_saved_free(&w->saved_facts);
	simfs_free(&w->fs);
	oracle_deinit(&w->oracle);
	free(w);
}

static void
run_steps(struct world *w, unsigned steps)
{
	for (unsigned n = (unsigned)rng_range(&w->rng, 1, WORLD_PROCS); n > 0;
	     n--) {
		(void)proc_start(w);
	}
	for (w->step = 0; w->step < steps && !w->failed; w->step++) {
		if (w->power_at != 0 && w->power_at <= w->step
		    && w->alone == NULL) {
			event_power(w);
		} else if (rng_chance(&w->rng, w->event_per_mille)) {
			event_random(w);
		} else {
			run_step(w);
		}
	}
	world_quiesce(w);
	world_mend(w);
	world_damage(w);
	if (!w->failed) {
		world_last_checks(w);
	}
}

bool
world_run(const struct world_conf *conf, char failure[400])
{
	struct world *w = xmalloc(sizeof(*w));
	unsigned steps;
	bool good;

	w->conf = *conf;
	w->rng.state = conf->seed * 0x9e3779b97f4a7c15U + 1;
	w->strict = true;
	w->next_k = 1;
	oracle_init(&w->oracle, on_violation, w);
	draw_weights(w);
	draw_focus(w);
	draw_clocks(w);
	draw_rare(w);
	make_volume(w);
	make_conf(w);
	make_accounts(w);
	steps = conf->steps != 0 ? conf->steps
				 : (unsigned)rng_range(&w->rng, 300, 2500);
	if (w->focus == FOCUS_POWER) {
		steps += 3000;
	}
	if (!w->refused) {
		run_steps(w, steps);
	}
	good = !w->failed;
	memcpy(failure, w->failure, sizeof(w->failure));
	world_free(w);
	return good;
}
