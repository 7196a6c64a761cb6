/*
 * confine: give up rights that a program will not need again.
 *
 * The kernel's Landlock keeps a process, its threads and children from every
 * file outside the paths named, for ever.  Descriptors that are open stay
 * usable.  [landlock(7)]
 *
 * Threads: all calls from main, before threads start.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/fail.h"

struct user;

struct confine_path {
	const char *path; /* absolute; skipped if it does not exist */
	bool write;
};

/* Become `user` with its groups.  The signal that is to come when the parent
 * ends stays set.  FAIL_DENIED, FAIL_TEMP. */
int confine_user(const struct user *user, struct fail *f) MUST_CHECK;

/*
 * Give up what no program of ours needs, whoever it runs as: new privileges,
 * files readable by all, core files and, when started as root, being traced
 * (they would show keys and mail), and root's capabilities.  Root without
 * them is the owner of root's files and no more.  If that does not reach
 * `home`, because a folder above it is another user's, those that read and
 * write all files are kept; *all_files_out says so.  FAIL_DENIED, FAIL_TEMP.
 */
int confine_rights(
    const char *home, bool *all_files_out, struct fail *f) MUST_CHECK;

/* The same for root, who keeps the right to read all files, and no other.
 * FAIL_DENIED, FAIL_TEMP. */
int confine_reader(struct fail *f) MUST_CHECK;

/*
 * No file but below `paths` and what libraries read (/usr, time zone, name
 * service, /proc/self), and no TCP connection or listener but those there
 * are.  *done_out is false where the kernel has no Landlock, which is no
 * failure.
 */
int confine_files(const struct confine_path *paths, size_t n, bool *done_out,
    struct fail *f) MUST_CHECK;
