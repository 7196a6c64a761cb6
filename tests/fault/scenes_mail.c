/*
 * Scenes of adding messages and of bringing them back.
 */
#include <errno.h>

#include "base/buf.h"
#include "sweep.h"

static void
nothing(struct run *r)
{
	(void)r;
}

/* ---- a bit of everything, in one account ---- */

/* Of message 1, the copy goes with its mailbox. */
static void
delete_copy(struct run *r)
{
	struct must *m = &r->must[0][1];
	struct fail f = {.kind = FAIL_NONE};

	if (!run_open(r, 0)) {
		return;
	}
	bool gone =
	    run_done(r, account_mbox_delete(r->account[0], SV("C/x"), &f), &f);

	m->max -= m->max == 2 && gone;
	m->min -= m->min == 2 && (gone || run_unknown(r, &f));
}

static void
rename_copy(struct run *r)
{
	struct fail f = {.kind = FAIL_NONE};

	if (run_open(r, 0)) {
		(void)run_done(r,
		    account_mbox_rename(
			r->account[0], SV("Copy"), SV("C/x"), &f),
		    &f);
	}
	if (run_open(r, 0)) {
		(void)run_done(
		    r, account_subscribe(r->account[0], SV("C"), true, &f), &f);
	}
}

static void
everyday(struct run *r)
{
	op_deliver(r, 0, 3);
	op_append(r, 0, 4);
	op_flags(r, 0, 1);
	op_copy(r, 0, 1, 0, op_create(r, 0, "Copy"), false);
	op_copy(r, 0, 2, 0, op_create(r, 0, "Moved"), true);
	op_deliver(r, 0, 5);
	op_expunge(r, 0, 4);
	op_checkpoint(r, 0);
	op_deliver(r, 0, 6);
	op_append(r, 0, 7);
	rename_copy(r);
	delete_copy(r);
	op_checkpoint(r, 0);
	op_collect(r, 0);
	op_deliver(r, 0, 8);
}

const struct scene scene_everyday = {
    .name = "everyday", .set_up = nothing, .act = everyday};

/* ---- one message for two ---- */

static void
second_account(struct run *r)
{
	struct fail f;

	assert_int_equal(account_create(r->store, account_ids[1], &f), 0);
	r->gone[1] = IS_THERE;
}

/* Each recipient has it or not, whatever becomes of the other; whose MTA tries
 * again has it once. */
static void
recipients(struct run *r)
{
	op_deliver_both(r, 3);
	op_deliver_both(r, 4);
}

const struct scene scene_recipients = {
    .name = "two recipients", .set_up = second_account, .act = recipients};

/* ---- and one of them is closed ---- */

static void
shut_second(struct run *r)
{
	struct fail f;

	second_account(r);
	assert_true(run_open(r, 1));
	assert_int_equal(account_shut(r->account[1], &f), 0);
	r->gone[1] = IS_GONE;
}

static void
check_shut(struct run *r)
{
	struct delivery to = {.account_id = account_ids[1]};
	struct fail f;

	assert_int_equal(
	    store_deliver(r->store,
		&(struct msg_source){.body = SV("x"), .fd = -1}, &to, 1, &f),
	    -1);
	assert_int_equal(to.rc, -1);
	assert_true(to.fail.kind == FAIL_PERM || run_refused(r));
}

const struct scene scene_shut = {.name = "a closed recipient",
    .set_up = shut_second,
    .act = recipients,
    .check = check_shut};

/* ---- import: given UIDVALIDITY, UIDs and UIDLs ---- */

enum { GIVEN_VALIDITY = 77, GIVEN_UID = 100 };

static void
import_one(struct run *r, uint64_t mbox, uint32_t k)
{
	struct buf octets = {.len = 0};
	struct msg_source source = {.fd = -1};
	struct msg_attrs attrs = {
	    .uid = GIVEN_UID * k, .uidl = SV("their-own-name")};
	struct appended out;
	struct fail f = {.kind = FAIL_NONE};

	if (mbox == 0 || !run_open(r, 0)) {
		return;
	}
	content_octets(k, &octets);
	source.body = buf_sv(&octets);
	bool so = run_done(r,
	    account_append(r->account[0], mbox, &source, &attrs, 1, &out, &f),
	    &f);

	if (so) {
		assert_true(uidset_has(&out.uids, GIVEN_UID * k));
		assert_int_equal(out.uidvalidity, GIVEN_VALIDITY);
	}
	run_added(r, 0, k, so, &f);
	uidset_deinit(&out.uids);
	buf_deinit(&octets);
}

static void
import(struct run *r)
{
	struct mbox_attrs attrs = {.uidvalidity = GIVEN_VALIDITY};
	uint64_t id = 0;
	struct fail f = {.kind = FAIL_NONE};

	if (!run_open(r, 0)
	    || !run_done(r,
		account_mbox_create(
		    r->account[0], SV("Old/Mail"), &attrs, &id, &f),
		&f)) {
		return;
	}
	import_one(r, id, 3);
	import_one(r, id, 4);
	op_checkpoint(r, 0);
	import_one(r, id, 5);
}

/* A generation that is raised gives a new UIDVALIDITY, and no other UIDs. */
static void
check_import(struct run *r)
{
	struct view *v = NULL;
	struct fail f;

	assert_int_equal(account_refresh(r->account[0], &v, &f), 0);
	const struct mbox *m = view_mbox(v, SV("Old/Mail"));

	for (uint32_t i = 0; m != NULL && i < m->exists; i++) {
		const struct msg *msg = mbox_msg(m, i);
		uint32_t k = 0;

		assert_true(content_of_size(msg->size, &k));
		assert_int_equal(msg->uid, GIVEN_UID * k);
		assert_true(sv_eq(mbox_uidl(m, msg), SV("their-own-name")));
		assert_true(m->uidvalidity == GIVEN_VALIDITY || run_refused(r));
	}
	view_unref(&v);
}

const struct scene scene_import = {
    .name = "import", .set_up = nothing, .act = import, .check = check_import};

/* ---- undelete ---- */

static void
bury(struct run *r)
{
	uint64_t id = op_create(r, 0, "Lost");
	struct fail f;

	op_expunge(r, 0, 1);
	op_deliver(r, 0, 3);
	op_copy(r, 0, 3, 0, id, true);
	assert_int_equal(account_mbox_delete(r->account[0], SV("Lost"), &f), 0);
	r->must[0][3] = (struct must){0, 0};
}

static void
raise(struct run *r, struct sv name, uint32_t k)
{
	uint64_t n = 0;
	struct fail f = {.kind = FAIL_NONE};

	if (run_open(r, 0)) {
		bool so = run_done(
		    r, account_undelete(r->account[0], name, 0, &n, &f), &f);

		run_added(r, 0, k, so, &f);
		assert_true(!so || n == 1);
	}
}

static void
undelete(struct run *r)
{
	raise(r, SV("INBOX"), 1);
	raise(r, SV("Lost"), 3);
}

const struct scene scene_undelete = {
    .name = "undelete", .set_up = bury, .act = undelete};
