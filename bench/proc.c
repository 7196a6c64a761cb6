#include "bench/proc.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

struct process {
	pid_t pid;
	pid_t parent;
	uint64_t ticks; /* own, and of children waited for */
};

struct process_list {
	struct process *items; /* owned */
	size_t n;
	size_t cap;
};

/* False when the process has gone meanwhile. */
static bool
read_process(const char *pid, struct process *out)
{
	char path[64];
	char text[1024];
	FILE *file;
	uint64_t t[4];

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

	if (rest == NULL
	    || sscanf(rest,
		   ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64
		   " %" SCNu64 " %" SCNu64 " %" SCNu64,
		   &out->parent, &t[0], &t[1], &t[2], &t[3])
		   != 5) {
		return false;
	}
	out->pid = (pid_t)strtol(pid, NULL, 10);
	out->ticks = t[0] + t[1] + t[2] + t[3];
	return true;
}

static int
read_all(struct process_list *list, struct fail *f)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	if (dir == NULL) {
		return fail_sys(f, "/proc");
	}
	while ((entry = readdir(dir)) != NULL) { // NOLINT: own DIR
		struct process p;

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
is_under(const struct process_list *list, const struct process *p, pid_t top)
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
		if (is_under(&list, &list.items[i], top)) {
			ticks += list.items[i].ticks;
		}
	}
	free(list.items);
	*out = ticks * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
	return 0;
}
