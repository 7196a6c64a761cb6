/*
 * msadm: what the commands share.
 *
 * A command is a row in main.c's table.  It finds its arguments and options
 * here, opens what it needs (directory, store), prints through print.h and
 * returns 0, 1 (it found something wrong: an exit status of 1 without a
 * failure), or -1 with a failure that main() reports and turns into the exit
 * status.
 *
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/fail.h"
#include "directory/directory.h"
#include "settings/settings.h"
#include "store/store.h"

/* Options of commands; which of them a command takes is in its row. */
enum {
	OPT_JSON = 1 << 0,
	OPT_NAME = 1 << 1,
	OPT_QUOTA = 1 << 2,
	OPT_QUOTA_MESSAGES = 1 << 3,
	OPT_CRYPT = 1 << 4,
	OPT_KEEP_OLD = 1 << 5,
	OPT_PURGE = 1 << 6,
	OPT_MAILBOX = 1 << 7,
	OPT_SINCE = 1 << 8,
	OPT_REPAIR = 1 << 9,
	OPT_OCTETS = 1 << 10,
	OPT_ALL = 1 << 11,  /* stands for the argument */
	OPT_SOME = 1 << 12, /* no option: one of the command's is needed */
};

struct msadm {
	struct settings set;
	struct arena arena; /* of the whole run */
	char **args;	    /* what stands behind the command's words */
	int n_args;
	unsigned given; /* OPT_ bits */
	const char *name;
	uint64_t quota;
	uint64_t quota_messages;
	const char *mailbox;
	int64_t since_ms;	     /* since 1970; 0: all */
	struct directory *directory; /* NULL until opened */
	struct store *store;	     /* NULL until opened */
};

/* With `create` a home without a directory gets one.  Opening what is open
 * does nothing; the same for the store. */
int msadm_directory(struct msadm *m, bool create, struct fail *f) MUST_CHECK;
int msadm_store(struct msadm *m, struct fail *f) MUST_CHECK;

/* The account that argument `arg` names, by address or by id; a reference. */
int msadm_account(struct msadm *m, const char *arg,
    struct directory_account **out, struct fail *f) MUST_CHECK;

/* Each account of `domain` (NULL: all) by address, until `each` fails. */
int msadm_each_account(struct msadm *m, const char *domain,
    int (*each)(void *arg, const struct directory_account *a, struct fail *f),
    void *arg, struct fail *f) MUST_CHECK;

/* Argument `arg` as an address; a failure names it. */
int msadm_address(
    const char *arg, struct mailaddr *out, struct fail *f) MUST_CHECK;

int account_add(struct msadm *m, struct fail *f);
int account_list(struct msadm *m, struct fail *f);
int account_show(struct msadm *m, struct fail *f);
int account_passwd(struct msadm *m, struct fail *f);
int account_rename(struct msadm *m, struct fail *f);
int account_set(struct msadm *m, struct fail *f);
int account_enable(struct msadm *m, struct fail *f);
int account_disable(struct msadm *m, struct fail *f);
int account_remove(struct msadm *m, struct fail *f);

int mailbox_list(struct msadm *m, struct fail *f);
int undelete(struct msadm *m, struct fail *f);
int store_accounts(struct msadm *m, struct fail *f);
int store_purge(struct msadm *m, struct fail *f);
int store_resume(struct msadm *m, struct fail *f);
int account_check_one(struct msadm *m, struct fail *f);
int store_check(struct msadm *m, struct fail *f);

int domain_add(struct msadm *m, struct fail *f);
int domain_list(struct msadm *m, struct fail *f);
int domain_remove(struct msadm *m, struct fail *f);

int alias_add(struct msadm *m, struct fail *f);
int alias_list(struct msadm *m, struct fail *f);
int alias_remove(struct msadm *m, struct fail *f);
int resolve(struct msadm *m, struct fail *f);
int backup(struct msadm *m, struct fail *f);
