/*
 * check_priv: messages without a file, and files without a message.
 *
 * Threads: owned by one runner.
 */
#pragma once

#include "store/collect_priv.h"

/* Where findings go, and whether to mend. */
struct check {
	struct account *account; /* borrowed */
	bool repair;
	void (*report)(void *arg, const char *text);
	void *arg;
};

void check_report(const struct check *c, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

/*
 * Live messages of `v` whose file is gone or not of their size: reported, and
 * with `repair` expunged by a record that says why.
 */
int check_lost(
    const struct check *c, const struct view *v, struct fail *f) MUST_CHECK;

/* Files that no record names: those whose record may yet come are left alone
 * for an hour; others are reported, and with `repair` filed into INBOX. */
int check_strays(
    const struct check *c, const struct view *v, struct fail *f) MUST_CHECK;
