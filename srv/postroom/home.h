/*
 * home: the directory that holds all of one server.
 *
 *	postroom.conf   the configuration, at first all comments
 *	directory/      the embedded directory's database
 *	store/          the message store
 *	queue/          the message queue
 *	tls/            certificate and key, at first signed by ourselves
 *	run/            sockets; nothing that must survive a restart (or in
 *			memory, when the disk is full)
 *
 * Made on first use.  When started as root with the users of the settings
 * process.user and process.smtp_user at hand, each part belongs to the one
 * that works on it, and nobody else can look inside.
 *
 * Threads: for main().
 */
#pragma once

#include <sys/types.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/fail.h"
#include "settings/settings.h"

/* Make DIR itself, if it is new, before its settings are read. */
int home_make(const char *home, struct fail *f) MUST_CHECK;

/* Take DIR for this process: *fd_out is held until the process ends.
 * FAIL_EXISTS when another one has it. */
int home_lock(const char *home, int *fd_out, struct fail *f) MUST_CHECK;

/* Make what is missing inside, but for run/: that is room.h's. */
int home_prepare(
    const struct settings *set, struct arena *arena, struct fail *f) MUST_CHECK;

/* Whom the parts belong to; HOME_KEEP leaves things as they are. */
enum { HOME_KEEP = -1 };

struct owners {
	uid_t user;  /* of the store */
	gid_t group; /* of what both users read */
};

struct owners home_owners(const struct settings *set);

struct home_dir {
	const char *path;
	unsigned mode;
	uid_t user;
	gid_t group;
};

/* One that is there is left as it is. */
int home_make_dir(const struct home_dir *dir, struct fail *f) MUST_CHECK;
