#include "bench/flush_load.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

struct flush_state {
	int fd;
};

static int
flush_open(struct worker *w, struct fail *f)
{
	struct flush_state *s = xcalloc(1, sizeof(*s));
	char path[4096];

	w->state = s;
	(void)snprintf(
	    path, sizeof(path), "%s/flush-%u", w->opt->dir, w->index);
	s->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (s->fd < 0) {
		return fail_sys(f, "%s", path);
	}
	(void)unlink(path);
	return 0;
}

static int
flush_step(struct worker *w, struct fail *f)
{
	struct flush_state *s = w->state;
	static const char block[4096];

	if (write(s->fd, block, sizeof(block)) != (ssize_t)sizeof(block)
	    || fdatasync(s->fd) != 0) {
		return fail_sys(f, "flush");
	}
	w->items++;
	return 0;
}

static void
flush_close(struct worker *w)
{
	struct flush_state *s = w->state;

	if (s->fd >= 0) {
		(void)close(s->fd);
	}
	free(s);
	w->state = NULL;
}

const struct workload flush_load = {"flush",
    "append 4 KiB and fdatasync in --dir", flush_open, flush_step, flush_close};
