/*
 * simfs_priv: the volume's structures, for the simfs_*.c files.
 *
 * An inode is freed when nothing refers to it: no slot's present, durable or
 * pending version, no handle.
 *
 * Threads: one.
 */
#pragma once

#include "base/map.h"
#include "simfs.h"

enum page_bits {
	PAGE_DIRTY = 1, /* cache differs from disk, a flush will write it */
	PAGE_LOST = 2,	/* it differs, and no flush ever will */
};

enum inode_kind { INODE_FILE, INODE_DIR, INODE_SYMLINK };

struct inode {
	uint64_t ino;
	enum inode_kind kind;
	size_t refs;  /* slot versions and handles */
	size_t links; /* names now, of `names` */
	size_t open;  /* handles */
	int64_t mtime_ms;
	int64_t writes;

	/* file: what readers see, and what the disk holds */
	uint8_t *data, *disk;
	uint64_t size, disk_size;
	uint64_t cap; /* of both, octets */
	uint8_t *pages;
	uint64_t charged; /* pages counted against the volume */
	struct simproc *writer;
	int shared_fd; /* whose octets it has from `shared_at` on; or -1 */
	uint64_t shared_at;
	unsigned error, error_seen; /* as the kernel's errseq_t */
	int answer;		    /* what it was; 0: EIO */
	struct slot **names;	    /* slots whose present version it is */
	size_t names_cap;

	/* folder */
	struct slot **slots;
	size_t n_slots, slots_cap;
	struct map by_name;
	struct slot *home; /* its own name on disk; NULL: none */

	struct inode *next, *prev; /* all inodes of the volume */
};

/* What a name stood for, since the folder was last flushed. */
struct version {
	struct inode *inode; /* NULL: no such name */
	uint64_t change;     /* both ends of a rename share it */
};

struct slot {
	char *name;
	struct inode *dir;     /* borrowed */
	struct inode *now;     /* what readers see */
	struct inode *durable; /* what the disk holds */
	struct version *pending;
	size_t n_pending, pending_cap;
	size_t kept; /* in a power loss: versions that survive */
	bool lost;   /* its changes will never be flushed */
	bool ever;   /* was created once */
};

struct handle {
	struct inode *inode; /* NULL: free */
	int flags;
	uint64_t at;
	unsigned error;
};

struct simproc {
	struct fs fs; /* first: the store sees only this */
	struct simfs *volume;
	unsigned id;
	bool dead;
	unsigned told; /* calls left since a flush failed */
	struct inode *writing;
	int64_t skew_ms;
	struct handle *handles;
	size_t n_handles;
	struct simcount count;
	struct simproc *next;
};

/* A rename whose new name is not durable yet. */
struct renamed {
	uint64_t change;
	struct slot *target;
};

struct simfs {
	struct simfs_conf conf;
	struct rng rng;	  /* what the file system does */
	struct rng names; /* what fs_random() gives */
	struct inode *root;
	struct inode *inodes;
	struct simproc *procs;
	uint64_t next_ino;
	uint64_t next_change;
	struct renamed *renames;
	size_t n_renames, renames_cap;
	uint64_t used; /* pages */
	uint64_t now_ms;
	uint64_t boot[2];
	bool quiet; /* names made now are not checked for being new */
	char *created_twice;
};

extern const struct fs_ops simfs_ops;

/* simfs.c */
struct inode *inode_new(struct simfs *s, enum inode_kind kind);
void inode_unref(struct simfs *s, struct inode *i);
int inode_resize(struct simfs *s, struct inode *i, uint64_t size);
uint64_t inode_pages(const struct simfs *s, uint64_t size);
bool inode_charge(struct simfs *s, struct inode *i, uint64_t pages);
void inode_closed(struct simfs *s, struct inode *i); /* one handle less */
struct slot *slot_find(struct inode *dir, const char *name);
struct slot *slot_make(struct simfs *s, struct inode *dir, const char *name);
void slot_set(
    struct simfs *s, struct slot *slot, struct inode *to, uint64_t change);
void rename_note(struct simfs *s, uint64_t change, struct slot *target);
void rename_forget(struct simfs *s, const struct slot *target);

/* -errno, or 0 with the folder and the last part of the path. */
int path_resolve(struct simfs *s, struct inode *from, const char *path,
    struct inode **dir_out, const char **name_out);
/* The inode at a path from the root, or NULL. */
struct inode *path_inode(struct simfs *s, const char *path);

/* simfs_ops.c: what every call does first and last. */
struct simproc *proc_of(struct fs *fs);
bool proc_step(struct simproc *p, enum simop op); /* false: it is dead */
/* 0: go on; SIM_SHORT; -errno: that is the call's result. */
int proc_begin(struct simproc *p, enum simop op, const char *path);
ssize_t proc_done(
    struct simproc *p, enum simop op, const char *name, ssize_t result);
struct inode *proc_dir(struct simproc *p, int dir);
struct slot *proc_slot(
    struct simproc *p, int dir, const char *path, bool make, int *err);
struct handle *proc_handle(struct simproc *p, int fd);

/* simfs_io.c */
int sim_open(
    struct fs *fs, int dir, const char *path, int flags, unsigned mode);
int sim_close(struct fs *fs, int fd);
ssize_t sim_pread(struct fs *fs, int fd, void *to, size_t len, uint64_t at);
ssize_t sim_writev(struct fs *fs, int fd, const struct iovec *v, int n);
ssize_t sim_copy_in(
    struct fs *fs, int fd, int kernel_fd, uint64_t at, size_t len);
void sim_sync_start(struct fs *fs, int fd);
int sim_sync(struct fs *fs, int fd, bool data_only);
int sim_allocate(struct fs *fs, int fd, uint64_t len);
int sim_stat(struct fs *fs, int fd, struct fs_stat *out);
int sim_stat_at(struct fs *fs, int dir, const char *path, struct fs_stat *out);

/* simfs_names.c */
int sim_link(
    struct fs *fs, int from_dir, const char *from, int to_dir, const char *to);
int sim_symlink(struct fs *fs, const char *target, int dir, const char *path);
int sim_rename(
    struct fs *fs, int from_dir, const char *from, int to_dir, const char *to);
int sim_unlink(struct fs *fs, int dir, const char *path);
int sim_mkdir(struct fs *fs, int dir, const char *path, unsigned mode);
int sim_rmdir(struct fs *fs, int dir, const char *path);
int sim_list(
    struct fs *fs, int dir, const char *path, fs_list_fn *each, void *arg);

/* simfs_disk.c */
void inode_flush(struct simfs *s, struct inode *i);
void inode_writeback(struct simfs *s, struct inode *i);
void inode_flush_names(struct simfs *s, struct inode *i);
void dir_flush(struct simfs *s, struct inode *dir);
void slot_flush(struct simfs *s, struct slot *slot);
