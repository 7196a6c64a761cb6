#include "store/names_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "store/change_priv.h"

enum {
	BASE_SIZE = 32, /* tmp/<16 hex>.names */
	LINK_SIZE = BASE_SIZE + STORE_NAME_LEN + 16,
};

static const char own_messages[] = "(messages)";

/* Can every level be the name of a file, and is it not our own? */
static bool
is_showable(struct sv name)
{
	while (name.len != 0) {
		struct sv level = sv_cut(&name, '/');

		if (level.len > NAME_MAX || sv_eq(level, SV("."))
		    || sv_eq(level, SV(".."))
		    || sv_eq(level, sv_cstr(own_messages))) {
			return false;
		}
	}
	return true;
}

static bool
has_children(const struct view *v, size_t i)
{
	struct sv name = view_mbox_at(v, i)->name;

	/* In the order of octets others may stand in between. */
	for (size_t k = i == 0 ? 1 : i + 1; k < view_mboxes(v); k++) {
		struct sv other = view_mbox_at(v, k)->name;

		if (sv_starts(other, name) && other.len > name.len
		    && other.p[name.len] == '/') {
			return true;
		}
		if (i != 0 && !sv_starts(other, name)) {
			return false;
		}
	}
	return false;
}

static void
make_link(struct account *a, const char *path, struct sv below, uint64_t id)
{
	char target[3 * STATE_DEPTH + PATH_SIZE];
	char box[PATH_SIZE];
	size_t n = 0;

	/* Up from by-name/, and from each level below it. */
	for (size_t i = 0; i < below.len; i++) {
		if (below.p[i] == '/') {
			n += (size_t)snprintf(
			    target + n, sizeof(target) - n, "../");
		}
	}
	box_path(id, box);
	(void)snprintf(target + n, sizeof(target) - n, "../%s", box);
	(void)!fs_symlink(a->store->fs, target, a->dir, path);
}

static void
show(struct account *a, const char *base, const struct view *v, size_t i)
{
	const struct mbox *m = view_mbox_at(v, i);
	char path[LINK_SIZE];

	if (!is_showable(m->name)) {
		return;
	}
	int n = snprintf(path, sizeof(path), "%s/%.*s", base, SV_ARG(m->name));
	const char *below = path + strlen(base) + 1;

	if (has_children(v, i)) {
		(void)!fs_mkdir(a->store->fs, a->dir, path, FOLDER_MODE);
		(void)snprintf(
		    path + n, sizeof(path) - (size_t)n, "/%s", own_messages);
	}
	if (!m->noselect) {
		make_link(a, path, sv_cstr(below), m->id);
	}
}

/* box/<id>/.name, if the folder is there. */
static void
write_name(struct account *a, const struct mbox *m)
{
	struct fs *fs = a->store->fs;
	struct fail ignored = {0};
	char path[PATH_SIZE];
	char box[PATH_SIZE];
	struct buf old = {0};
	char end[] = "\n";
	struct iovec v[] = {
	    {(void *)(uintptr_t)m->name.p, m->name.len},
	    {end, 1},
	};

	box_path(m->id, box);
	(void)snprintf(path, sizeof(path), "%.100s/.name", box);
	bool same =
	    file_read(fs, a->dir, path, STORE_NAME_LEN + 1, &old, &ignored) == 0
	    && sv_eq(sv_trim(buf_sv(&old)), sv_trim(m->name));

	buf_deinit(&old);
	if (same) {
		return;
	}
	int fd =
	    fs_open(fs, a->dir, path, O_WRONLY | O_CREAT | O_TRUNC, FILE_MODE);

	if (fd >= 0) {
		(void)!file_write(fs, fd, v, COUNT_OF(v), &ignored);
		fs_close(fs, &fd);
	}
}

static bool
build(struct account *a, const char *base, const struct view *v)
{
	if (fs_mkdir(a->store->fs, a->dir, base, FOLDER_MODE) != 0) {
		return false;
	}
	for (size_t i = 0; i < view_mboxes(v); i++) {
		show(a, base, v, i);
		write_name(a, view_mbox_at(v, i));
	}
	return true;
}

void
names_rebuild(struct account *a)
{
	struct fs *fs = a->store->fs;
	struct fail ignored = {0};
	struct view *v;
	char new[BASE_SIZE];
	char old[BASE_SIZE];

	if (change_view(a, &v, &ignored) != 0) {
		return;
	}
	(void)snprintf(new, sizeof(new), "tmp/%016llx.names",
	    (unsigned long long)fs_random(fs));
	(void)snprintf(old, sizeof(old), "tmp/%016llx.old",
	    (unsigned long long)fs_random(fs));
	if (build(a, new, v)) {
		int rc = fs_rename(fs, a->dir, "by-name", a->dir, old);

		if (rc == 0 || rc == -ENOENT) {
			(void)!fs_rename(fs, a->dir, new, a->dir, "by-name");
		}
	}
	/* Of both, what is left there. */
	(void)!tree_remove(fs, a->dir, new, STATE_DEPTH + 1, &ignored);
	(void)!tree_remove(fs, a->dir, old, STATE_DEPTH + 1, &ignored);
	view_unref(&v);
}
