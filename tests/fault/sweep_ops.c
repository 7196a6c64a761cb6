/*
 * The operations that scenes are made of; each keeps account of what it was
 * told.
 */
#include "base/buf.h"
#include "sweep.h"

/* ---- adding ---- */

void
op_deliver(struct run *r, unsigned a, uint32_t k)
{
	struct buf octets = {.len = 0};
	struct buf digest = {.len = 0};
	struct delivery to = {.account_id = account_ids[a], .key = {k, k}};
	struct fail f = {.kind = FAIL_NONE};

	if (run_dead(r)) {
		return;
	}
	content_octets(k, &octets);
	content_digest(k, &digest);
	int rc = store_deliver(r->store,
	    &(struct msg_source){
		.body = buf_sv(&octets), .fd = -1, .digest = buf_sv(&digest)},
	    &to, 1, &f);

	assert_int_equal(rc, to.rc);
	run_added(r, a, k, run_done(r, rc, &to.fail), &to.fail);
	buf_deinit(&octets);
	buf_deinit(&digest);
}

void
op_deliver_both(struct run *r, uint32_t k)
{
	struct buf octets = {.len = 0};
	struct delivery to[ACCOUNTS] = {{.rc = 0}};
	struct fail f = {.kind = FAIL_NONE};

	if (run_dead(r)) {
		return;
	}
	content_octets(k, &octets);
	for (unsigned a = 0; a < ACCOUNTS; a++) {
		to[a].account_id = account_ids[a];
		to[a].key[0] = to[a].key[1] = k;
	}
	int rc = store_deliver(r->store,
	    &(struct msg_source){.body = buf_sv(&octets), .fd = -1}, to,
	    ACCOUNTS, &f);

	for (unsigned a = 0; a < ACCOUNTS; a++) {
		assert_true(rc == 0 || to[a].rc != 0);
		bool so = run_done(r, to[a].rc, &to[a].fail);

		run_added(r, a, k, so, &to[a].fail);
		r->again[a][k] = !so && r->gone[a] == IS_THERE;
	}
	buf_deinit(&octets);
}

void
op_append(struct run *r, unsigned a, uint32_t k)
{
	struct buf octets = {.len = 0};
	struct msg_source source = {.fd = -1};
	struct msg_attrs attrs = {.flags = MSG_SEEN};
	struct appended out;
	struct fail f = {.kind = FAIL_NONE};

	if (!run_open(r, a)) {
		return;
	}
	content_octets(k, &octets);
	source.body = buf_sv(&octets);
	bool so = run_done(r,
	    account_append(r->account[a], 1, &source, &attrs, 1, &out, &f), &f);

	run_added(r, a, k, so, &f);
	uidset_deinit(&out.uids);
	buf_deinit(&octets);
}

/* ---- changing ---- */

/* UID of message k in INBOX as a view shows it; 0: not there. */
static uint32_t
uid_of(struct run *r, unsigned a, uint32_t k)
{
	struct view *v = NULL;
	struct fail f = {.kind = FAIL_NONE};
	uint32_t uid = 0;

	if (!run_open(r, a)
	    || !run_done(r, account_refresh(r->account[a], &v, &f), &f)) {
		return 0;
	}
	const struct mbox *m = view_mbox_by_id(v, 1);

	for (uint32_t i = 0; i < m->exists; i++) {
		if (mbox_msg(m, i)->size == content_size(k)) {
			uid = mbox_msg(m, i)->uid;
		}
	}
	view_unref(&v);
	return uid;
}

void
op_expunge(struct run *r, unsigned a, uint32_t k)
{
	struct uidset uids = {.n = 0};
	uint32_t uid = uid_of(r, a, k);
	struct fail f = {.kind = FAIL_NONE};

	if (uid == 0) {
		return;
	}
	uidset_add(&uids, uid);
	bool so =
	    run_done(r, account_expunge(r->account[a], 1, &uids, true, &f), &f);

	run_removed(r, a, k, so, &f);
	uidset_deinit(&uids);
}

void
op_flags(struct run *r, unsigned a, uint32_t k)
{
	struct uidset uids = {.n = 0};
	uint32_t uid = uid_of(r, a, k);
	struct flag_change c = {
	    .how = FLAGS_ADD, .flags = MSG_FLAGGED, .durable = true};
	struct fail f = {.kind = FAIL_NONE};

	if (uid != 0) {
		uidset_add(&uids, uid);
		(void)run_done(r,
		    account_store(r->account[a], 1, &uids, &c, NULL, &f), &f);
	}
	uidset_deinit(&uids);
}

void
op_copy(struct run *r, unsigned a, uint32_t k, unsigned to_account, uint64_t to,
    bool move)
{
	struct uidset uids = {.n = 0};
	uint32_t uid = uid_of(r, a, k);
	struct copied c;
	struct fail f = {.kind = FAIL_NONE};

	if (uid == 0 || to == 0 || !run_open(r, to_account)) {
		return;
	}
	uidset_add(&uids, uid);
	bool so = run_done(r,
	    account_copy(r->account[a], 1, &uids, r->account[to_account], to,
		move, &c, &f),
	    &f);

	if (so) {
		copied_deinit(&c);
	}
	uidset_deinit(&uids);
	if (move && a == to_account) {
		return; /* it is there once, before and behind */
	}
	run_added(r, to_account, k, so, &f);
	if (move) {
		run_removed(r, a, k, so, &f);
	}
}

uint64_t
op_create(struct run *r, unsigned a, const char *name)
{
	uint64_t id = 0;
	struct fail f = {.kind = FAIL_NONE};

	if (run_open(r, a)) {
		(void)run_done(r,
		    account_mbox_create(r->account[a], sv_cstr(name),
			&(struct mbox_attrs){.special_use = 0}, &id, &f),
		    &f);
	}
	return id;
}

/* ---- upkeep ---- */

void
op_checkpoint(struct run *r, unsigned a)
{
	struct fail f = {.kind = FAIL_NONE};

	if (run_open(r, a)) {
		(void)run_done(r, account_checkpoint(r->account[a], &f), &f);
	}
}

void
op_collect(struct run *r, unsigned a)
{
	struct fail f = {.kind = FAIL_NONE};

	if (run_open(r, a)) {
		(void)run_done(r, account_collect(r->account[a], &f), &f);
	}
}
