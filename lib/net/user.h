/*
 * user: whom a program started as root becomes.
 *
 * process.user and process.smtp_user name them, or give "uid" or "uid:gid".
 * Where there is no smtp_user it is the other one; where there is neither, it
 * is who owns the store, unless that is root.
 *
 * Threads: pure but for the user database.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "settings/settings.h"

enum { USER_NAME_SIZE = 64 };

struct user {
	uid_t uid;
	gid_t gid;
	char name[USER_NAME_SIZE]; /* "": none, and so no further groups */
};

/* `exposed`: of the program that strangers talk to.  False if this process is
 * not root's or has nobody to become. */
bool user_find(const struct settings *set, bool exposed, struct user *out);
