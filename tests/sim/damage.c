/*
 * Damage, one file at a time, each undone before the next: with all processes
 * gone, a new one must see what it would have seen.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/store_priv.h"
#include "world.h"

enum { FILES_MAX = 64 };

struct files {
	const char *below; /* an account */
	char *path[FILES_MAX];
	unsigned n;
};

static void
file_note(void *arg, const char *path, bool is_dir)
{
	struct files *l = arg;
	const char *name = path + strlen("accounts/xx/") + ACCOUNT_ID_LEN;

	if (!is_dir && l->n < FILES_MAX
	    && strncmp(name, l->below, strlen(l->below)) == 0) {
		l->path[l->n++] = xstrdup(path);
	}
}

static void
files_find(struct world *w, unsigned a, const char *below, struct files *l)
{
	char root[100];

	*l = (struct files){.below = below};
	(void)snprintf(root, sizeof(root), "accounts/%.2s/%s", world_account(a),
	    world_account(a));
	simfs_walk(w->fs, root, false, file_note, l);
}

static void
files_free(struct files *l)
{
	for (unsigned i = 0; i < l->n; i++) {
		free(l->path[i]);
	}
	l->n = 0;
}

/* All but the removal of the file. */
static enum simdamage
some_damage(struct world *w)
{
	return (enum simdamage)rng_range(&w->rng, DAMAGE_CUT, DAMAGE_FLIP);
}

/* Whichever file of a snapshot is harmed, the other generation has it all. */
static void
damage_snapshots(struct world *w, unsigned a)
{
	struct files l;

	files_find(w, a, "/snap/", &l);
	for (unsigned i = 0; i < l.n && !w->failed; i++) {
		uint64_t size;
		uint8_t *was = simfs_octets(w->fs, l.path[i], &size);

		world_say(w, NULL, "HARM %s", l.path[i]);
		(void)simfs_damage(w->fs, l.path[i], some_damage(w));
		world_audit(w);
		simfs_put_octets(w->fs, l.path[i], was, size);
		free(was);
	}
	files_free(&l);
}

void
world_damage(struct world *w)
{
	bool before = w->damaged;

	if (w->failed || before || w->focus != FOCUS_SNAPSHOTS) {
		return;
	}
	w->damaged = true;
	for (unsigned a = 0; a < ORACLE_ACCOUNTS; a++) {
		damage_snapshots(w, a);
	}
	w->damaged = before;
}
