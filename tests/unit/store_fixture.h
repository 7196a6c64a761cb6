/*
 * store_fixture: a store in a folder of its own, for the tests of lib/store.
 */
#pragma once

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "scratch.h"
#include "store/fs.h"
#include "store/store.h"
#include "unit.h"

#define ALICE "0123456789abcdef0123456789abcdef"
enum { INBOX = 1 }; /* id */

#define BOB "fedcba9876543210fedcba9876543210"

struct fixture {
	char root[64];
	struct store_conf conf;
	struct store *store;
};

/* For CMUnitTest set-up and tear-down. */
static inline int
fixture_begin(void **state)
{
	struct fixture *x = xmalloc(sizeof(*x));
	struct fail f = {0};

	/* In memory where that is possible: a flush costs nothing there. */
	(void)snprintf(x->root, sizeof(x->root), "/dev/shm/test_store.XXXXXX");
	if (mkdtemp(x->root) == NULL) {
		(void)snprintf(
		    x->root, sizeof(x->root), "/tmp/test_store.XXXXXX");
		if (mkdtemp(x->root) == NULL) {
			return -1;
		}
	}
	store_conf_defaults(&x->conf);
	x->conf.maintenance = false;
	if (store_open_path(&x->conf, x->root, &x->store, &f) != 0
	    || account_create(x->store, ALICE, &f) != 0
	    || account_create(x->store, BOB, &f) != 0) {
		(void)fprintf(stderr, "%s\n", f.text);
		return -1;
	}
	*state = x;
	return 0;
}

static inline int
fixture_end(void **state)
{
	struct fixture *x = *state;

	store_close(&x->store);
	scratch_remove(x->root);
	free(x);
	return 0;
}

/* As another process, or this one after a restart, would see it. */
static inline void
fixture_reopen(struct fixture *x)
{
	struct fail f = {0};

	store_close(&x->store);
	if (store_open_path(&x->conf, x->root, &x->store, &f) != 0) {
		fail_msg("%s", f.text);
	}
}

#define OK(call)                                                               \
	do {                                                                   \
		if ((call) != 0) {                                             \
			fail_msg("%s: %s", #call, f.text);                     \
		}                                                              \
	} while (0)

static inline struct account *
fixture_account(struct fixture *x, const char *id)
{
	struct account *a = NULL;
	struct fail f = {0};

	OK(account_open(x->store, id, &a, &f));
	return a;
}

static inline struct view *
fixture_view(struct account *a)
{
	struct view *v = NULL;
	struct fail f = {0};

	OK(account_refresh(a, &v, &f));
	return v;
}

static inline struct msg_source
source_of(const char *text)
{
	return (struct msg_source){
	    .body = sv_cstr(text),
	    .fd = -1,
	    .digest = SV("digest"),
	};
}

static inline void
deliver_to(
    struct fixture *x, const char *id, const char *mailbox, const char *text)
{
	struct msg_source source = source_of(text);
	struct delivery d = {
	    .account_id = id,
	    .mailbox = sv_cstr(mailbox),
	};
	struct fail f = {0};

	OK(store_deliver(x->store, &source, &d, 1, &f));
	assert_int_equal(d.rc, 0);
}

static inline void
append_to(struct account *a, uint64_t mbox, const char *text, uint32_t flags)
{
	struct msg_source source = source_of(text);
	struct msg_attrs attrs = {.flags = flags};
	struct appended out;
	struct fail f = {0};

	OK(account_append(a, mbox, &source, &attrs, 1, &out, &f));
	uidset_deinit(&out.uids);
}

static inline uint64_t
make_mailbox(struct account *a, const char *name)
{
	struct mbox_attrs attrs = {0};
	struct fail f = {0};
	uint64_t id = 0;

	OK(account_mbox_create(a, sv_cstr(name), &attrs, &id, &f));
	return id;
}

/* The octets of message `i` of a mailbox are `text`. */
static inline void
expect_text(
    struct account *a, const struct mbox *m, uint32_t i, const char *text)
{
	const struct msg *msg = mbox_msg(m, i);
	struct fail f = {0};
	char got[4096];
	int fd;

	OK(msg_open(a, msg, &fd, &f));
	ssize_t n = read(fd, got, sizeof(got) - 1);

	assert_true(n >= 0);
	got[n] = '\0';
	assert_string_equal(got, text);
	assert_int_equal(msg->size, strlen(text));
	msg_close(a, &fd);
}

static inline struct uidset
set_of(uint32_t lo, uint32_t hi)
{
	struct uidset s = {0};

	uidset_add_range(&s, lo, hi);
	return s;
}

static inline void
expect_uids(const struct uidset *s, const char *text)
{
	struct buf b = {0};

	uidset_write(s, &b);
	assert_string_equal(buf_cstr(&b), text);
	buf_deinit(&b);
}
