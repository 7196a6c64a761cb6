/*
 * Names of files and folders, and small files read and written whole.
 */
#include <fcntl.h>
#include <stdio.h>
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
    int64_t date_ms, char out[PATH_SIZE])
{
	(void)snprintf(out, PATH_SIZE, "box/%016llx/%012llx.%016llx.%llu.%lld",
	    (unsigned long long)folder, (unsigned long long)p->time_ms,
	    (unsigned long long)p->random, (unsigned long long)size,
	    (long long)date_ms);
}

void
msg_path(const struct msg *m, char out[PATH_SIZE])
{
	struct placement p = {m->placement[0], m->placement[1]};

	placement_path(m->folder, &p, m->size, m->date_ms, out);
}

int
file_read(struct fs *fs, int dir, const char *path, size_t max, struct buf *to,
    struct fail *f)
{
	int fd = fs_open(fs, dir, path, O_RDONLY, 0);
	ssize_t n;

	if (fd < 0) {
		return fail_err(f, -fd, "open %s", path);
	}
	do {
		/* One octet more than allowed shows a file that is longer. */
		size_t want =
		    max - to->len + 1 < 16384 ? max - to->len + 1 : 16384;
		char *at = buf_reserve(to, want);

		n = fs_pread(fs, fd, at, want, to->len);
		to->len += n > 0 ? (size_t)n : 0;
	} while (n > 0 && to->len <= max);
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
