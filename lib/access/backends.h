/*
 * backends: what a program that holds mail works on: the store, the
 * directory, and who may come in.
 *
 * Threads: filled in before sessions start, immutable from then on; what it
 * points to is safe from any thread.
 */
#pragma once

#include "base/attr.h"
#include "base/fail.h"

struct account;
struct auth;
struct directory;
struct settings;
struct store;

struct backends {
	struct store *store;
	struct directory *directory;
	struct auth *auth;
};

/* Open all three as the settings say.  `set` is borrowed until
 * backends_close().  After -1 nothing is open; kinds are those of the three. */
int backends_open(const struct settings *set, struct backends *out,
    struct fail *f) MUST_CHECK;
void backends_close(struct backends *b); /* what is NULL is passed over */

/* A reference to the account's tree, which is made where this is the first
 * use of it.  FAIL_PERM: it was closed for ever; else as account_open(). */
int backends_account(const struct backends *b, const char *id,
    struct account **out, struct fail *f) MUST_CHECK;
