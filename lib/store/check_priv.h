/*
 * check_priv: messages without a file, and files without a message.
 *
 * Threads: owned by one runner.
 */
#pragma once

#include "store/collect_priv.h"

struct check {
	struct account *account;       /* borrowed, as the others */
	const struct check_conf *conf; /* where findings go, whether to mend */
	struct checked *sum;
};

/* One finding, counted. */
void check_report(const struct check *c, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

void check_progress(const struct check *c);

/*
 * Live messages of `v` whose file is gone or not of their size: reported, and
 * with `repair` expunged by a record that says why.  Those whose octets are
 * others are reported, and stay: what is left of them is more than nothing.
 */
int check_lost(
    const struct check *c, const struct view *v, struct fail *f) MUST_CHECK;

/* Files that no record names: those whose record may yet come are left alone
 * for an hour; others are reported, and with `repair` filed into INBOX, if
 * they have the octets that their names say. */
int check_strays(
    const struct check *c, const struct view *v, struct fail *f) MUST_CHECK;
