/*
 * confine: give up rights that a program will not need again.
 *
 * The kernel's Landlock keeps a process, its threads and children from every
 * file outside the paths named, for ever.  Descriptors that are open stay
 * usable.  [landlock(7)]
 *
 * Threads: both calls from main, before threads start.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/fail.h"

struct confine_path {
	const char *path; /* absolute; skipped if it does not exist */
	bool write;
};

/*
 * Become `user` with its groups, when running as root and there is such a
 * user; *changed_out says whether.  The signal that is to come when the
 * parent ends stays set.  FAIL_DENIED, FAIL_TEMP.
 */
int confine_user(
    const char *user, bool *changed_out, struct fail *f) MUST_CHECK;

/*
 * No new privileges, and no file but below `paths` and what libraries read
 * (/usr, time zone, name service, /proc/self).  *done_out is false where the
 * kernel has no Landlock, which is no failure.
 */
int confine_files(const struct confine_path *paths, size_t n, bool *done_out,
    struct fail *f) MUST_CHECK;
