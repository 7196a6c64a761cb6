#include "bench/proc.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sv.h"

struct process {
	uint64_t pid;
	uint64_t parent;
	uint64_t ticks; /* own, and of children waited for */
};

struct process_list {
	struct process *items; /* owned */
	size_t n;
	size_t cap;
};

enum { FIELD_PARENT = 1, FIELD_UTIME = 11, FIELD_CSTIME = 14 };

/* What follows the name in /proc/PID/stat, from the state on.  [proc(5)] */
static bool
read_fields(struct sv fields, struct process *out)
{
	for (int i = 0; i <= FIELD_CSTIME; i++) {
		struct sv field = sv_cut(&fields, ' ');
		uint64_t n = 0;

		if (i >= FIELD_UTIME || i == FIELD_PARENT) {
			if (!sv_u64(field, &n)) {
				return false;
			}
		}
		if (i == FIELD_PARENT) {
			out->parent = n;
		} else {
			out->ticks += n;
		}
	}
	return true;
}

/* False when the process has gone meanwhile. */
static bool
read_process(const char *pid, struct process *out)
{
	char path[64];
	char text[1024];
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	file = fopen(path, "re");
	if (file == NULL) {
		return false;
	}
	size_t len = fread(text, 1, sizeof(text) - 1, file);

	(void)fclose(file);
	text[len] = '\0';
	/* The name in brackets may hold anything: go on after the last one. */
	const char *rest = strrchr(text, ')');

	if (rest == NULL) {
		return false;
	}
	struct sv fields = sv_trim(sv_cstr(rest + 1));

	return sv_u64(sv_cstr(pid), &out->pid) && read_fields(fields, out);
}

static int
read_all(struct process_list *list, struct fail *f)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	if (dir == NULL) {
		return fail_sys(f, "/proc");
	}
	// NOLINTNEXTLINE(concurrency-mt-unsafe): a DIR of our own
	while ((entry = readdir(dir)) != NULL) {
		struct process p = {0};

		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9'
		    && read_process(entry->d_name, &p)) {
			list->items = xgrow(list->items, list->n, &list->cap,
			    sizeof(*list->items));
			list->items[list->n++] = p;
		}
	}
	(void)closedir(dir);
	return 0;
}

/* Whether the process is `top` or under it. */
static bool
is_under(const struct process_list *list, const struct process *p, uint64_t top)
{
	/* A tree is never deeper than the list is long. */
	for (size_t depth = 0; depth < list->n; depth++) {
		if (p->pid == top) {
			return true;
		}
		const struct process *parent = NULL;

		for (size_t i = 0; i < list->n; i++) {
			if (list->items[i].pid == p->parent) {
				parent = &list->items[i];
				break;
			}
		}
		if (parent == NULL) {
			return false;
		}
		p = parent;
	}
	return false;
}

int
proc_tree_cpu_us(pid_t top, uint64_t *out, struct fail *f)
{
	struct process_list list = {0};
	uint64_t ticks = 0;

	if (read_all(&list, f) != 0) {
		return -1;
	}
	for (size_t i = 0; i < list.n; i++) {
		if (is_under(&list, &list.items[i], (uint64_t)top)) {
			ticks += list.items[i].ticks;
		}
	}
	free(list.items);
	*out = ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
	return 0;
}
