/*
 * simfs: a file system in memory that behaves as badly as real ones may.
 *
 * One `simfs` is a volume: inodes with a page cache and, apart from it, what
 * the disk holds.  A `simproc` is a process that uses it: a struct fs with a
 * handle table, a clock and a fate of its own.  Everything follows from the
 * seed.
 *
 * What it does that a test on a real disk cannot show at will:
 *  - an append becomes visible page by page, and its writer may be killed
 *    between two octets; appends of two writers never mix;
 *  - a read is not one instant: it, too, goes page by page; where it may
 *    tear, a page holds zeros behind what was the file's end when the page
 *    was fetched, and the next one what was written since;
 *  - where appends are far, their place is taken from the size before others
 *    are done with theirs, and overwrites them (as over NFS): the trait that
 *    appends are atomic is not given then;
 *  - where copies share, a file copied in goes on being that of the process
 *    that handed it in (as a link to a spool file would);
 *  - after a power loss each unflushed page holds its old or its new octets
 *    or zeros, the size may have survived without data, and unflushed names
 *    are there or not, each for itself (a rename: the old, the new or both);
 *  - a flush that failed fails once, later ones say 0, and the pages are lost
 *    all the same;
 *  - the disk is full: writes are cut short, and a smaller one succeeds later;
 *  - writes are short for no reason.
 *
 * Every call of the struct fs runs `step` first, where a scheduler switches
 * to another process.  A process that was killed gets -EIO from every call,
 * with no effect, until it has unwound.
 *
 * It notes what may never happen: a name created twice in one folder.
 *
 * A node is a machine: it has a boot id and a clock.  This volume is local:
 * all processes see one page cache.
 *
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rng.h"
#include "store/fs.h"

struct simfs;
struct simproc;

enum simop {
	SIMOP_OPEN,
	SIMOP_READ,
	SIMOP_READ_PAGE, /* between two pages of one read */
	SIMOP_READ_TORN, /* the last page was fetched, the size not looked at */
	SIMOP_WRITE,
	SIMOP_WRITE_PAGE, /* between two pages of one write */
	SIMOP_WAIT,	  /* another append holds the inode: let it go on */
	SIMOP_SYNC,
	SIMOP_DATASYNC,
	SIMOP_ALLOCATE,
	SIMOP_STAT,
	SIMOP_LINK,
	SIMOP_SYMLINK,
	SIMOP_RENAME,
	SIMOP_UNLINK,
	SIMOP_MKDIR,
	SIMOP_RMDIR,
	SIMOP_LIST,
	SIMOP_COUNT,
};
extern const char *const simop_names[SIMOP_COUNT];

/* What `fault` may answer besides 0 and -errno: cut this write short. */
enum { SIM_SHORT = 1 };

struct simfs_conf {
	uint64_t seed;
	unsigned page;		  /* octets, a power of two from 16 */
	uint64_t capacity;	  /* pages; 0: no bound */
	bool fsync_covers_name;	  /* not `strict` */
	unsigned short_per_mille; /* writes cut short for no reason */
	unsigned torn_per_mille;  /* reads of the last page that may tear */
	bool far_appends;
	bool copies_share;
	unsigned handles; /* per process; more is EMFILE */
	/* Before each call and each page; may switch or kill.  May be NULL. */
	void (*step)(void *arg, struct simproc *proc, enum simop op);
	/* 0, -errno or SIM_SHORT, once per call.  May be NULL. */
	int (*fault)(
	    void *arg, struct simproc *proc, enum simop op, const char *path);
	/* A line for each call done.  May be NULL. */
	void (*trace)(void *arg, struct simproc *proc, const char *line);
	void *arg;
};

struct simfs *simfs_new(const struct simfs_conf *conf);
void simfs_free(struct simfs **s);

/* ---- processes ---- */

struct simproc *simproc_new(struct simfs *s, unsigned id);
void simproc_free(struct simproc **p); /* closes what is open */
struct fs *simproc_fs(struct simproc *p);
unsigned simproc_id(const struct simproc *p);

/* The process is gone: an append in progress stays as far as it came. */
void simproc_kill(struct simproc *p);
bool simproc_dead(const struct simproc *p);
bool simproc_writing(const struct simproc *p); /* between pages of a write */
size_t simproc_handles(const struct simproc *p);
/* A flush of its failed, a few calls ago at most. */
bool simproc_told(const struct simproc *p);

struct simcount {
	uint64_t calls;
	uint64_t flushes;
	uint64_t names; /* created, linked, renamed, removed */
};
struct simcount simproc_count(const struct simproc *p);

/* ---- the machine ---- */

void simfs_advance(struct simfs *s, uint64_t ms);
uint64_t simfs_now(const struct simfs *s); /* true time, ms since 1970 */
void simproc_clock(struct simproc *p, int64_t skew_ms);

/* How unkind a power loss is to what was not flushed. */
enum simloss { LOSS_NOTHING, LOSS_ALL, LOSS_MIXED };

/* Every process must have been killed.  A new boot id follows. */
void simfs_power_loss(struct simfs *s, enum simloss how);

/* The kernel flushes some dirty pages and names on its own. */
void simfs_writeback(struct simfs *s);

/* The same, but the disk refuses: the next flush of that file fails once. */
void simfs_writeback_fails(struct simfs *s);

void simfs_capacity(struct simfs *s, uint64_t pages);
uint64_t simfs_used(const struct simfs *s); /* pages */

/* ---- looking at the volume and harming it, with no step between ---- */

/* Every file below `path`, deepest first if `up`: (path, is_dir). */
typedef void simfs_walk_fn(void *arg, const char *path, bool is_dir);
void simfs_walk(
    struct simfs *s, const char *path, bool up, simfs_walk_fn *each, void *arg);

bool simfs_exists(struct simfs *s, const char *path);
int64_t simfs_size(struct simfs *s, const char *path); /* -1: no such file */

enum simdamage { DAMAGE_GONE, DAMAGE_CUT, DAMAGE_ZEROS, DAMAGE_FLIP };
/* To a random place of the file, in cache and on disk; returns the first
 * octet that is not what it was. */
uint64_t simfs_damage(struct simfs *s, const char *path, enum simdamage how);

/* All octets of a file, to be freed; and back, in place. */
uint8_t *simfs_octets(struct simfs *s, const char *path, uint64_t *size);
void simfs_put_octets(
    struct simfs *s, const char *path, const uint8_t *octets, uint64_t size);

/* Remove a tree, as rm -r does; the files stay for who has them open. */
void simfs_remove_tree(struct simfs *s, const char *path);

/* A copy of a tree in a new volume object, and back: tar. */
struct simtree;
struct simtree *simfs_save(struct simfs *s, const char *path);
void simfs_restore(struct simfs *s, const struct simtree *tree);
void simtree_free(struct simtree **tree);

/* The first name that was created twice, or NULL. */
const char *simfs_created_twice(const struct simfs *s);

/* Digest of all that is on the volume: for checks of determinism. */
uint64_t simfs_hash(struct simfs *s);
