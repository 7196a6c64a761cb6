#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/block.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/account_priv.h"
#include "store/hint.h"
#include "store/mutate_priv.h"
#include "store/snapshot_priv.h"
#include "store/upkeep_priv.h"

#ifdef STORE_MUTATIONS
enum mutation store_mutation;
size_t store_chunk_max = SNAP_CHUNK_MAX;
#endif

enum { GENERATION_MAX = 32 }; /* octets of the file */

void
store_conf_defaults(struct store_conf *conf)
{
	*conf = (struct store_conf){
	    .retention_ms = UINT64_C(7) * 24 * 3600 * 1000,
	    .segment_max = 4 * 1024 * 1024,
	    .checkpoint_tail = 256 * 1024,
	    .cache_max = 256 * 1024 * 1024,
	    .accounts_max = 1000,
	    .flushers_max = 8,
	    .mailboxes_max = 10000,
	    .maintenance = true,
	};
}

static int
make_folder(struct fs *fs, const char *path, struct fail *f)
{
	int rc = fs_mkdir(fs, FS_ROOT, path, FOLDER_MODE);

	return rc == 0 || rc == -EEXIST ? 0
					: fail_err(f, -rc, "mkdir %s", path);
}

/* The volume's generation; absent means 0. */
static int
read_generation(struct store *s, uint64_t *out, struct fail *f)
{
	struct buf text = {0};
	uint64_t generation = 0;
	int rc =
	    file_read(s->fs, FS_ROOT, "generation", GENERATION_MAX, &text, f);

	if (rc != 0 && f->kind == FAIL_ABSENT) {
		fail_clear(f);
		rc = 0;
	} else if (rc == 0 && !sv_u64(sv_trim(buf_sv(&text)), &generation)) {
		rc = fail_set(f, FAIL_CORRUPT, "generation: not a number");
	}
	buf_deinit(&text);
	*out = generation;
	return rc;
}

/*
 * The kernel tells of a failed flush those who had the file open, once: who
 * opens it later is told that all is well, and could build on records that
 * will be gone after the next start.  So the process that was told leaves
 * word for all others, until the generation is raised.
 */
static void
mark_path(uint64_t generation, char path[64])
{
	(void)snprintf(
	    path, 64, "read-only.%llu", (unsigned long long)generation);
}

/* Flush a folder.  What failed before it was opened was told to another, who
 * has left the mark: it is looked for. */
static int
sync_folder(struct store *s, int dir, const char *path, struct fail *f)
{
	int fd = fs_open(s->fs, dir, path, O_RDONLY, 0);
	int rc;

	if (fd < 0) {
		return fail_err(f, -fd, "open %s", path);
	}
	rc = fs_sync(s->fs, fd);
	fs_close(s->fs, &fd);
	if (rc == 0) {
		store_look_for_mark(s);
	}
	return rc == 0 ? 0 : store_flush_failed(s, -rc, path, f);
}

static bool
make_empty(struct fs *fs, const char *path)
{
	int fd = fs_open(fs, FS_ROOT, path, O_WRONLY | O_CREAT, FILE_MODE);
	bool made = fd >= 0;

	fs_close(fs, &fd);
	return made;
}

/* The mark on a disk that has no room for one: this is renamed. */
static const char spare_mark[] = "read-only.spare";

static void
keep_spare_mark(struct store *s)
{
	struct fs_stat st;

	if (fs_stat_at(s->fs, FS_ROOT, spare_mark, &st) == -ENOENT) {
		(void)make_empty(s->fs, spare_mark);
	}
}

static void
leave_mark(struct store *s)
{
	struct fail f = {0};
	char path[64];

	mark_path(s->generation, path);
	if (make_empty(s->fs, path)
	    || fs_rename(s->fs, FS_ROOT, spare_mark, FS_ROOT, path) == 0) {
		(void)!sync_folder(s, FS_ROOT, ".", &f);
	}
}

void
store_look_for_mark(struct store *s)
{
	struct fs_stat st;
	struct fail f = {0};
	char path[64];

	mark_path(s->generation, path);
	if (!s->read_only && fs_stat_at(s->fs, FS_ROOT, path, &st) == 0
	    && !atomic_exchange(&s->read_only, true)) {
		LOG(LOG_ERROR, "store.read_only", kv_str("file", path));
		/* Not to be told of again after a power cut, it must be there
		 * before anything more is shown: see journal_rotate(). */
		(void)!sync_folder(s, FS_ROOT, ".", &f);
	}
}

int
store_is_read_only(struct fail *f)
{
	return fail_set(
	    f, FAIL_TEMP, "the store is read-only since a flush failed");
}

void
store_look_at_generation(struct store *s)
{
	struct fail f = {0};
	uint64_t generation;

	if (read_generation(s, &generation, &f) == 0
	    && generation != s->generation) {
		LOG(LOG_INFO, "store.generation", kv_u64("number", generation));
		s->generation = generation;
		s->read_only = false;
	}
	store_look_for_mark(s);
}

/* It says nothing of the next generation: only a tidy folder. */
static void
remove_mark(struct store *s, uint64_t generation)
{
	char path[64];

	mark_path(generation, path);
	(void)fs_unlink(s->fs, FS_ROOT, path);
}

int
store_raise_generation(struct store *store, struct fail *f)
{
	struct fs *fs = store->fs;
	char text[GENERATION_MAX];
	char path[64];
	uint64_t generation;

	if (read_generation(store, &generation, f) != 0) {
		return -1;
	}
	(void)snprintf(path, sizeof(path), "tmp/generation.%016llx",
	    (unsigned long long)fs_random(fs));
	int n = snprintf(
	    text, sizeof(text), "%llu\n", (unsigned long long)generation + 1);
	int fd =
	    fs_open(fs, FS_ROOT, path, O_WRONLY | O_CREAT | O_EXCL, FILE_MODE);

	if (fd < 0) {
		return fail_err(f, -fd, "create %s", path);
	}
	struct iovec v = {text, (size_t)n};
	int rc = file_write(fs, fd, &v, 1, f);

	if (rc == 0) {
		int err = fs_sync(fs, fd);

		rc = err == 0 ? 0 : fail_err(f, -err, "flush %s", path);
	}
	fs_close(fs, &fd);
	if (rc == 0) {
		int err = fs_rename(fs, FS_ROOT, path, FS_ROOT, "generation");

		rc = err == 0 ? sync_folder(store, FS_ROOT, ".", f)
			      : fail_err(f, -err, "rename %s", path);
	}
	if (rc == 0) {
		remove_mark(store, generation);
		keep_spare_mark(store);
		store_look_at_generation(store);
	}
	return rc;
}

static int
prepare(struct store *s, struct fail *f)
{
	int rc = fs_traits(s->fs, &s->traits);

	if (rc != 0) {
		return fail_err(f, -rc, "file system below the store");
	}
	if (!s->traits.atomic_append && !MUTATION(F7)) {
		return fail_set(f, FAIL_PERM,
		    "the store's file system is not known to append whole "
		    "records: use ext4, XFS or btrfs");
	}
	fs_boot_id(s->fs, s->boot_id);
	s->process = fs_random(s->fs);
	if (make_folder(s->fs, "accounts", f) != 0
	    || make_folder(s->fs, "tmp", f) != 0) {
		return -1;
	}
	uint64_t generation;

	if (read_generation(s, &generation, f) != 0) {
		return -1;
	}
	s->generation = generation;
	keep_spare_mark(s);
	/* Whatever is acknowledged stands below them. */
	return sync_folder(s, FS_ROOT, ".", f);
}

static void
heard(void *arg, const char *id, uint64_t flushed)
{
	struct account *a = account_find(arg, id);

	if (a != NULL) {
		account_heard(a, flushed);
		account_close(&a);
	}
}

static int
start_threads(struct store *s, struct fail *f)
{
	if (s->conf.hint_dir != NULL
	    && hint_open(s->conf.hint_dir, heard, s, &s->hint, f) != 0) {
		return -1;
	}
	if (s->conf.hint_dir == NULL && !s->conf.maintenance) {
		return 0;
	}
	return upkeep_start(s, &s->upkeep, f);
}

int
store_open(const struct store_conf *conf, struct fs *fs, struct store **out,
    struct fail *f)
{
	struct store *s = xmalloc(sizeof(*s));

	*out = NULL;
	s->fs = fs;
	s->conf = *conf;
	s->conf.hint_dir =
	    conf->hint_dir != NULL ? xstrdup(conf->hint_dir) : NULL;
	lock_init(&s->lock, LOCK_STORE);
	if (prepare(s, f) != 0 || start_threads(s, f) != 0) {
		store_close(&s);
		return -1;
	}
	*out = s;
	return 0;
}

int
store_open_path(const struct store_conf *conf, const char *path,
    struct store **out, struct fail *f)
{
	struct fs *fs = NULL;

	*out = NULL;
	if (mkdir(path, FOLDER_MODE) != 0 && errno != EEXIST) {
		return fail_sys(f, "mkdir %s", path);
	}
	if (fs_real_open(path, &fs, f) != 0) {
		return -1;
	}
	if (store_open(conf, fs, out, f) != 0) {
		fs_real_close(&fs);
		return fail_wrap(f, "%s", path);
	}
	(*out)->owns_fs = true;
	return 0;
}

void
store_close(struct store **store)
{
	struct store *s = *store;

	*store = NULL;
	if (s == NULL) {
		return;
	}
	/* The thread of upkeep uses the hints. */
	upkeep_stop(&s->upkeep);
	hint_close(&s->hint);
	accounts_drop_idle(s, 0, 0);
	if (s->accounts.n != 0) {
		/* Still held by sessions that the program did not end. */
		LOG(LOG_WARN, "store.close", kv_u64("held", s->accounts.n));
		return;
	}
	map_deinit(&s->accounts);
	lock_deinit(&s->lock);
	if (s->owns_fs) {
		fs_real_close(&s->fs);
	}
	free((void *)(uintptr_t)s->conf.hint_dir);
	free(s);
}

/* ---- flushing ---- */

/* One that waits, on its own stack.  A semaphore each: a condition variable
 * and the lock with it take three times the system calls. */
struct flush_wait {
	struct flush_wait *next;
	sem_t called;
};

static void
flush_queue_locked(struct store *s, struct flush_wait *own)
{
	own->next = NULL;
	ASSERT(sem_init(&own->called, 0, 0) == 0);
	if (s->flush_first == NULL) {
		s->flush_last = &s->flush_first;
	}
	*s->flush_last = own;
	s->flush_last = &own->next;
}

void
store_flush_begin(struct store *s)
{
	struct flush_wait own;
	bool wait;

	block_begin();
	lock_acquire(&s->lock);
	wait = s->n_flushing >= s->conf.flushers_max;
	if (!wait) {
		s->n_flushing++;
	} else {
		flush_queue_locked(s, &own);
	}
	lock_release(&s->lock);
	if (wait) {
		while (sem_wait(&own.called) != 0) {
			ASSERT(errno == EINTR);
		}
		(void)sem_destroy(&own.called);
	}
}

void
store_flush_end(struct store *s)
{
	struct flush_wait *next;

	lock_acquire(&s->lock);
	next = s->flush_first;
	if (next != NULL) {
		s->flush_first = next->next; /* has our place */
	} else {
		s->n_flushing--;
	}
	lock_release(&s->lock);
	if (next != NULL) {
		ASSERT(sem_post(&next->called) == 0);
	}
	block_end();
}

int
store_flush_failed(struct store *s, int err, const char *what, struct fail *f)
{
	/* The kernel has dropped what it could not write, for whatever reason,
	 * and will say yes the next time: nothing on this volume can be
	 * believed any more. */
	if (!atomic_exchange(&s->read_only, true)) {
		LOG(LOG_ERROR, "store.read_only", kv_str("file", what),
		    kv_i64("errno", err));
		leave_mark(s);
	}
	(void)fail_err(f, err, "flush %s", what);
	f->kind = FAIL_TEMP;
	return -1;
}

int
store_flush_new_failed(
    struct store *s, int err, const char *what, struct fail *f)
{
	if (err == ENOSPC || err == EDQUOT) {
		return fail_err(f, err, "flush %s", what);
	}
	return store_flush_failed(s, err, what, f);
}

int
store_sync_path(struct store *s, int dir, const char *path, struct fail *f)
{
	if (sync_folder(s, dir, path, f) != 0) {
		return -1;
	}
	return s->read_only ? store_is_read_only(f) : 0;
}

/* ---- listing ---- */

struct names {
	char (*id)[ACCOUNT_ID_LEN + 1];
	size_t n, cap;
};

static bool
collect_id(void *arg, const char *name)
{
	struct names *names = arg;

	if (account_id_valid(name)) {
		names->id =
		    xgrow(names->id, names->n, &names->cap, sizeof(*names->id));
		memcpy(names->id[names->n++], name, ACCOUNT_ID_LEN + 1);
	}
	return true;
}

int
store_list(struct store *store, bool (*each)(void *arg, const char *id),
    void *arg, struct fail *f)
{
	for (unsigned i = 0; i < 256; i++) {
		struct names names = {0};
		char path[16];
		bool go_on = true;

		(void)snprintf(path, sizeof(path), "accounts/%02x", i);
		int rc = fs_list(store->fs, FS_ROOT, path, collect_id, &names);

		for (size_t k = 0; k < names.n && go_on; k++) {
			go_on = each(arg, names.id[k]);
		}
		free(names.id);
		if (rc < 0 && rc != -ENOENT) {
			return fail_err(f, -rc, "list %s", path);
		}
		if (!go_on) {
			break;
		}
	}
	return 0;
}
