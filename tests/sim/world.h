/*
 * world: one run of the simulation, made from its seed.
 *
 * A machine with a disk, processes that use the store on it, an oracle that
 * knows what must be true, and chance.
 *
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "oracle.h"
#include "rng.h"
#include "simfs.h"
#include "store/store.h"
#include "task.h"

enum { WORLD_PROCS = 4, WORLD_KEYS_KEPT = 8 };

enum op {
	OP_REFRESH,
	OP_DELIVER,
	OP_APPEND,
	OP_FLAGS,
	OP_COPY,
	OP_EXPUNGE,
	OP_CLAIM,
	OP_CREATE,
	OP_DELETE,
	OP_RENAME,
	OP_SUBSCRIBE,
	OP_UNDELETE,
	OP_READ,
	OP_DIGEST,
	OP_CHECKPOINT,
	OP_COLLECT,
	OP_CLOSE, /* let go of the account: the next opens it anew */
	OP_COUNT,
};

enum event {
	EVENT_TIME,
	EVENT_CLOCK, /* one process's clock steps */
	EVENT_STOP,  /* one process sleeps */
	EVENT_KILL,
	EVENT_START,
	EVENT_AUDIT,
	EVENT_ALONE, /* all others are stopped: one must get on */
	EVENT_POWER,
	EVENT_WRITEBACK,
	EVENT_FULL, /* the disk, and then not any more */
	EVENT_SAVE,
	EVENT_RESTORE,
	EVENT_DAMAGE,	       /* of one file, once */
	EVENT_FLUSH_FAILS,     /* the next one of anybody's */
	EVENT_WRITEBACK_FAILS, /* the kernel's own */
	EVENT_LOSE_FILE,       /* a message's, or a part of it */
	EVENT_COUNT,
};

/* What a run is most about. */
enum focus {
	FOCUS_ALL,
	FOCUS_SNAPSHOTS, /* made, compared and damaged */
	FOCUS_COLLECT,	 /* while others stand still for long */
	FOCUS_POWER,
	FOCUS_RESTORE, /* yesterday's tree under live processes */
	FOCUS_TEARS,   /* many readers of what is just being written */
	FOCUS_SICK,    /* flushes fail, and the disk is mended */
	FOCUS_COUNT,
};

struct world_conf {
	uint64_t seed;
	unsigned steps; /* switches between processes; 0: by the seed */
	bool verbose;
	int focus; /* an enum focus; -1: by the seed */
};

struct proc {
	struct world *w;
	unsigned id;
	struct simproc *sim;
	struct store *store;
	struct task *task;
	struct account *account[ORACLE_ACCOUNTS];
	struct view *view[ORACLE_ACCOUNTS];
	unsigned epoch[ORACLE_ACCOUNTS];   /* when `view` was taken */
	unsigned excused[ORACLE_ACCOUNTS]; /* failures since it changed */
	unsigned excused_for[ORACLE_ACCOUNTS];
	uint64_t session;
	uint64_t until; /* stopped until this step */
	bool leaving;	/* ends after what it is doing */
	bool met_full;	/* the disk, when its operation began */
	unsigned fulls; /* of the world, then */
	uint64_t ops;	/* done */
};

struct retry {
	uint32_t k;
	bool used;
};

struct world {
	struct world_conf conf;
	struct rng rng;
	struct simfs *fs;
	struct oracle oracle;
	struct store_conf store_conf;
	struct proc *proc[WORLD_PROCS];
	struct proc *alone;
	unsigned next_id;
	uint32_t next_k;
	uint32_t retry[WORLD_KEYS_KEPT]; /* deliveries to try again, k + 1 */
	unsigned step;
	unsigned weight[OP_COUNT];
	unsigned event_weight[EVENT_COUNT];
	unsigned event_per_mille;
	unsigned switch_per_mille;
	unsigned stop_per_mille;
	unsigned flush_stops; /* of 1000 flushes, that wait for others */
	unsigned power_at;    /* the step at which it goes; 0: not planned */
	uint64_t skew_max;    /* ms by which clocks of processes differ */
	unsigned refusals;    /* of 1000 calls: no memory, or no handle */
	bool many_keywords;   /* more than a mailbox may have */
	bool strict;	      /* no call may fail but for a reason of its own */
	bool full;	      /* the disk, now */
	unsigned fulls;	      /* how often that changed */
	bool strict_flushes;
	bool refused;	  /* the volume, as it had to be */
	bool far;	  /* the volume does not append: to be refused */
	bool flush_fails; /* the next one */
	enum focus focus;
	uint64_t unfair_calls; /* of `alone`, in its present operation */
	struct simtree *saved;
	struct account_fact *saved_facts;
	bool damaged; /* one file, on purpose */
	bool repaired;
	bool failed;
	char failure[400];
	uint64_t trace; /* digest of all that happened */
};

/* One run: false if it failed, and why in `failure`. */
bool world_run(const struct world_conf *conf, char failure[400]);

/* world.c */
const char *world_account(unsigned account); /* its id */
void world_say(struct world *w, const struct proc *p, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
struct proc *proc_start(struct world *w);
int64_t world_skew(struct world *w);		   /* of a clock, by chance */
void proc_finish(struct world *w, struct proc *p); /* run to its end */
void proc_kill(struct world *w, struct proc *p);
void world_quiesce(struct world *w);

/* ops.c: one operation of a process, from begin to end. */
void op_random(struct proc *p);
void proc_leave(struct proc *p); /* drop views and accounts */

/* audit.c: a new process looks at everything, with no step between. */
void world_audit(struct world *w);
void world_last_checks(struct world *w);

/* damage.c: each file that there is more than one of, harmed in turn. */
void world_damage(struct world *w);

/* events.c */
/* Kill all, cut the power, drop what was lost, raise the generation. */
void world_mend(struct world *w);
void event_random(struct world *w);
void event_power(struct world *w);
