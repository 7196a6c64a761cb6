/*
 * Names of files and folders, and small files read and written whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/store_priv.h"

bool
account_id_valid(const char *id)
{
	size_t n = 0;

	for (; id[n] != '\0'; n++) {
		if (!ascii_digit(id[n]) && (id[n] < 'a' || id[n] > 'f')) {
			return false;
		}
	}
	return n == ACCOUNT_ID_LEN;
}

void
account_path(const char *id, char out[ACCOUNT_PATH_SIZE])
{
	(void)snprintf(out, ACCOUNT_PATH_SIZE, "accounts/%.2s/%.*s", id,
	    ACCOUNT_ID_LEN, id);
}

void
box_path(uint64_t mbox, char out[PATH_SIZE])
{
	(void)snprintf(out, PATH_SIZE, "box/%016llx", (unsigned long long)mbox);
}

void
placement_path(uint64_t folder, const struct placement *p, uint64_t size,
    int64_t date_ms, uint32_t sum, char out[PATH_SIZE])
{
	(void)snprintf(out, PATH_SIZE,
	    "box/%016llx/%012llx.%016llx.%llu.%lld.%08" PRIx32,
	    (unsigned long long)folder, (unsigned long long)p->time_ms,
	    (unsigned long long)p->random, (unsigned long long)size,
	    (long long)date_ms, sum);
}

void
msg_path(const struct msg *m, char out[PATH_SIZE])
{
	struct placement p = {m->placement[0], m->placement[1]};

	placement_path(m->folder, &p, m->size, m->date_ms, m->sum, out);
}

/* What to read at once of a file of so many octets: one more than there
 * should be, which shows that it is longer. */
static size_t
read_size(uint64_t size, size_t max)
{
	enum { LEAST = 4096 };
	size_t n = size < max ? (size_t)size : max;

	return (n > LEAST ? n : LEAST) + 1;
}

int
file_read(struct fs *fs, int dir, const char *path, size_t max, struct buf *to,
    struct fail *f)
{
	int fd = fs_open(fs, dir, path, O_RDONLY, 0);
	struct fs_stat st;

	if (fd < 0) {
		return fail_err(f, -fd, "open %s", path);
	}
	ssize_t n = fs_stat(fs, fd, &st);
	size_t want = read_size(n == 0 ? st.size : 0, max);

	while (n >= 0 && to->len <= max) {
		n = fs_pread(fs, fd, buf_reserve(to, want), want, to->len);
		if (n <= 0) {
			break;
		}
		to->len += (size_t)n;
		if ((size_t)n < want) {
			break; /* the end */
		}
	}
	fs_close(fs, &fd);
	if (n < 0) {
		return fail_err(f, (int)-n, "read %s", path);
	}
	if (to->len > max) {
		return fail_set(
		    f, FAIL_CORRUPT, "%s: over %zu octets", path, max);
	}
	return 0;
}

int
file_write(struct fs *fs, int fd, struct iovec *v, int n, struct fail *f)
{
	int i = 0;

	while (i < n) {
		ssize_t done = fs_writev(fs, fd, v + i, n - i);

		if (done < 0) {
			return fail_err(f, (int)-done, "write");
		}
		if (done == 0) {
			return fail_set(f, FAIL_LIMIT, "write: no room");
		}
		for (; i < n && (size_t)done >= v[i].iov_len; i++) {
			done -= (ssize_t)v[i].iov_len;
		}
		if (i < n) {
			v[i].iov_base = (char *)v[i].iov_base + done;
			v[i].iov_len -= (size_t)done;
		}
	}
	return 0;
}

struct entries {
	char **name;
	size_t n, cap;
};

static bool
collect_name(void *arg, const char *name)
{
	struct entries *e = arg;

	e->name = xgrow(e->name, e->n, &e->cap, sizeof(*e->name));
	e->name[e->n++] = xstrdup(name);
	return true;
}

int
tree_remove(
    struct fs *fs, int dir, const char *path, unsigned depth, struct fail *f)
{
	struct entries e = {0};
	int rc = fs_list(fs, dir, path, collect_name, &e);
	int result = 0;

	for (size_t i = 0; i < e.n; i++) {
		char *below = xasprintf("%s/%s", path, e.name[i]);

		if (rc == 0 && result == 0
		    && fs_unlink(fs, dir, below) == -EISDIR && depth > 0) {
			result = tree_remove(fs, dir, below, depth - 1, f);
		}
		free(below);
		free(e.name[i]);
	}
	free(e.name);
	if (result != 0) {
		return result;
	}
	if (rc == 0) {
		rc = fs_rmdir(fs, dir, path);
	}
	return rc == 0 || rc == -ENOENT ? 0
					: fail_err(f, -rc, "remove %s", path);
}
