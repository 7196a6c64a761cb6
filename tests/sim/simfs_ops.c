#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "simfs_priv.h"

const char *const simop_names[SIMOP_COUNT] = {"open", "read", "read-page",
    "read-torn", "write", "write-page", "wait", "sync", "datasync", "allocate",
    "stat", "link", "symlink", "rename", "unlink", "mkdir", "rmdir", "list"};

/* ---- what every call does first and last ---- */

struct simproc *
proc_of(struct fs *fs)
{
	return (struct simproc *)fs;
}

bool
proc_step(struct simproc *p, enum simop op)
{
	const struct simfs_conf *conf = &p->volume->conf;

	if (!p->dead && conf->step != NULL) {
		conf->step(conf->arg, p, op);
	}
	return !p->dead;
}

/* 0: go on; SIM_SHORT; -errno: that is the call's result. */
int
proc_begin(struct simproc *p, enum simop op, const char *path)
{
	const struct simfs_conf *conf = &p->volume->conf;

	if (!proc_step(p, op)) {
		return -EIO;
	}
	p->count.calls++;
	p->told -= p->told != 0;
	return conf->fault != NULL ? conf->fault(conf->arg, p, op, path) : 0;
}

ssize_t
proc_done(struct simproc *p, enum simop op, const char *name, ssize_t result)
{
	const struct simfs_conf *conf = &p->volume->conf;
	char line[400];

	if (conf->trace != NULL && !p->dead) {
		(void)snprintf(line, sizeof(line), "%s %s = %zd",
		    simop_names[op], name, result);
		conf->trace(conf->arg, p, line);
	}
	return result;
}

/* Handles are numbered apart in each process, so that none is mistaken. */
struct handle *
proc_handle(struct simproc *p, int fd)
{
	size_t n = (size_t)fd - p->id * 1000U - 3;

	ASSERT(n < p->n_handles && p->handles[n].inode != NULL);
	return &p->handles[n];
}

struct inode *
proc_dir(struct simproc *p, int dir)
{
	return dir == FS_ROOT ? p->volume->root : proc_handle(p, dir)->inode;
}

/* The slot at a path, made if asked for; NULL and *err. */
struct slot *
proc_slot(struct simproc *p, int dir, const char *path, bool make, int *err)
{
	struct inode *in;
	const char *name;
	struct slot *slot;

	*err = path_resolve(p->volume, proc_dir(p, dir), path, &in, &name);
	if (*err != 0) {
		return NULL;
	}
	if (make && in->links == 0 && in != p->volume->root) {
		*err = -ENOENT; /* a removed folder takes no names */
		return NULL;
	}
	slot = slot_find(in, name);
	if (slot == NULL && make) {
		slot = slot_make(p->volume, in, name);
	}
	*err = slot == NULL || (slot->now == NULL && !make) ? -ENOENT : 0;
	return *err == 0 ? slot : NULL;
}

/* ---- the node ---- */

static int
sim_traits(struct fs *fs, struct fs_traits *out)
{
	*out = (struct fs_traits){
	    .atomic_append = !proc_of(fs)->volume->conf.far_appends,
	    .fsync_covers_name = proc_of(fs)->volume->conf.fsync_covers_name,
	    .local = true,
	};
	return 0;
}

static int64_t
sim_now_ms(struct fs *fs)
{
	return (int64_t)proc_of(fs)->volume->now_ms + proc_of(fs)->skew_ms;
}

static uint64_t
sim_random(struct fs *fs)
{
	return rng_u64(&proc_of(fs)->volume->names);
}

static void
sim_boot_id(struct fs *fs, uint64_t out[2])
{
	out[0] = proc_of(fs)->volume->boot[0];
	out[1] = proc_of(fs)->volume->boot[1];
}

const struct fs_ops simfs_ops = {
    .open = sim_open,
    .close = sim_close,
    .pread = sim_pread,
    .writev = sim_writev,
    .copy_in = sim_copy_in,
    .sync_start = sim_sync_start,
    .sync = sim_sync,
    .allocate = sim_allocate,
    .stat = sim_stat,
    .stat_at = sim_stat_at,
    .link = sim_link,
    .symlink = sim_symlink,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .mkdir = sim_mkdir,
    .rmdir = sim_rmdir,
    .list = sim_list,
    .traits = sim_traits,
    .now_ms = sim_now_ms,
    .random = sim_random,
    .boot_id = sim_boot_id,
};
