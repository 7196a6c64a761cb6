#include "store/round_priv.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/account_priv.h"
#include "store/checkpoint_priv.h"

enum {
	ROUND_MS = 24 * 3600 * 1000,
	SLICE_MS = 200, /* of each second */
};

void
round_deinit(struct round *r)
{
	free(r->id);
	*r = (struct round){.id = NULL};
}

static bool
is_due(struct store *s)
{
	struct fs_stat st;

	return fs_stat_at(s->fs, FS_ROOT, "round", &st) != 0
	       || st.mtime_ms + ROUND_MS < fs_now_ms(s->fs);
}

/* Replaced, so that its time is the file system's. */
static bool
mark(struct store *s)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "tmp/round.%016llx",
	    (unsigned long long)fs_random(s->fs));
	fd = fs_open(
	    s->fs, FS_ROOT, path, O_WRONLY | O_CREAT | O_EXCL, FILE_MODE);
	if (fd < 0) {
		return false;
	}
	fs_close(s->fs, &fd);
	return fs_rename(s->fs, FS_ROOT, path, FS_ROOT, "round") == 0;
}

static bool
note_id(void *arg, const char *id)
{
	struct round *r = arg;

	r->id = xgrow(r->id, r->n, &r->cap, sizeof(*r->id));
	memcpy(r->id[r->n++], id, sizeof(*r->id));
	return true;
}

static void
visit(struct store *s, const char *id)
{
	struct account *a;
	struct fail f = {0};
	bool done;

	if (account_open(s, id, &a, &f) != 0) {
		return; /* removed since, or closed */
	}
	if (account_upkeep(a, &done, &f) != 0 && f.kind != FAIL_PERM) {
		LOG(LOG_WARN, "account.upkeep", kv_str("account", id),
		    kv_fail(&f));
	}
	account_leave(&a);
}

void
round_go_on(struct round *r, struct store *s)
{
	int64_t until = clock_mono_ms() + SLICE_MS;
	struct fail f = {0};

	if (r->n == 0
	    && (!is_due(s) || !mark(s) || store_list(s, note_id, r, &f) != 0)) {
		round_deinit(r);
		return;
	}
	if (r->next == 0) {
		store_tidy(s);
	}
	while (r->next < r->n && clock_mono_ms() < until) {
		visit(s, r->id[r->next++]);
	}
	if (r->next == r->n) {
		round_deinit(r);
	}
}
