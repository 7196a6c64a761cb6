/*
 * home: the directory that holds all of one server.
 *
 *	postroom.conf   the configuration, at first all comments
 *	directory/      the embedded directory's database
 *	store/          the message store
 *	queue/          the message queue
 *	tls/            certificate and key, at first signed by ourselves
 *	run/            sockets; nothing that must survive a restart
 *
 * Made on first use.  When started as root with the users of the settings
 * process.user and process.smtp_user at hand, each part belongs to the one
 * that works on it, and nobody else can look inside.
 *
 * Threads: for main().
 */
#pragma once

#include "base/arena.h"
#include "base/attr.h"
#include "base/fail.h"
#include "settings/settings.h"

/* Make DIR itself, if it is new, before its settings are read. */
int home_make(const char *home, struct fail *f) MUST_CHECK;

/* Make what is missing inside. */
int home_prepare(
    const struct settings *set, struct arena *arena, struct fail *f) MUST_CHECK;

/* Take DIR for this process: *fd_out is held until the process ends.
 * FAIL_EXISTS when another one has it. */
int home_lock(const struct settings *set, struct arena *arena, int *fd_out,
    struct fail *f) MUST_CHECK;
