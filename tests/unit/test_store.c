/* What users of the store rely on, on the real file system. */
#include <fcntl.h>
#include <sys/mman.h>

#include "store/names_priv.h"
#include "store_fixture.h"

static void
a_delivered_message_stands_in_inbox(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct view *v;

	deliver_to(x, ALICE, "", "one");
	deliver_to(x, ALICE, "", "two");
	v = fixture_view(a);
	const struct mbox *m = view_mbox(v, SV("INBOX"));

	assert_non_null(m);
	assert_int_equal(m->exists, 2);
	assert_int_equal(m->uidnext, 3);
	assert_int_equal(m->unseen, 2);
	assert_int_equal(m->octets, 6);
	assert_int_equal(mbox_msg(m, 0)->uid, 1);
	expect_text(a, m, 0, "one");
	expect_text(a, m, 1, "two");
	view_unref(&v);
	account_close(&a);
}

static void
a_restart_changes_nothing(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct view *v;

	deliver_to(x, ALICE, "", "one");
	uint64_t work = make_mailbox(a, "Work/Clients");

	append_to(a, work, "two", MSG_SEEN);
	account_close(&a);
	fixture_reopen(x);
	a = fixture_account(x, ALICE);
	v = fixture_view(a);
	assert_int_equal(view_mboxes(v), 3);
	assert_true(sv_eq(view_mbox_at(v, 0)->name, SV("INBOX")));
	assert_true(sv_eq(view_mbox_at(v, 1)->name, SV("Work")));
	assert_true(sv_eq(view_mbox_at(v, 2)->name, SV("Work/Clients")));
	assert_int_equal(view_mbox_at(v, 2)->id, work);
	expect_text(a, view_mbox_at(v, 2), 0, "two");
	assert_int_equal(view_mbox_at(v, 2)->unseen, 0);
	view_unref(&v);
	account_close(&a);
}

static void
one_message_for_ten_recipients_is_written_once(void **state)
{
	struct fixture *x = *state;
	struct msg_source source = source_of("to all");
	struct delivery to[10];
	struct fail f = {0};
	struct stat st;

	memset(to, 0, sizeof(to));
	for (int i = 0; i < 10; i++) {
		to[i].account_id = i % 2 == 0 ? ALICE : BOB;
	}
	OK(store_deliver(x->store, &source, to, 10, &f));
	struct account *a = fixture_account(x, BOB);
	struct view *v = fixture_view(a);
	const struct mbox *m = view_mbox(v, SV("INBOX"));
	int fd;

	assert_int_equal(m->exists, 5);
	expect_text(a, m, 4, "to all");
	OK(msg_open(a, mbox_msg(m, 0), &fd, &f));
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, 10);
	msg_close(a, &fd);
	view_unref(&v);
	account_close(&a);
}

/* The inode of Alice's n-th message. */
static ino_t
inode_of(struct fixture *x, uint32_t n)
{
	struct account *a = fixture_account(x, ALICE);
	struct view *v = fixture_view(a);
	struct fail f = {0};
	struct stat st;
	int fd;

	OK(msg_open(a, mbox_msg(view_mbox_at(v, 0), n), &fd, &f));
	assert_int_equal(fstat(fd, &st), 0);
	expect_text(a, view_mbox_at(v, 0), n, "gathered");
	msg_close(a, &fd);
	view_unref(&v);
	account_close(&a);
	return st.st_ino;
}

static void
a_file_that_the_caller_gathered_becomes_the_message(void **state)
{
	struct fixture *x = *state;
	static const char text[] = "gathered";
	struct delivery to[] = {{.account_id = ALICE}, {.account_id = BOB}};
	struct msg_source source = {.own = true, .body = SV("gathered")};
	struct fail f = {0};
	struct stat st;

	source.fd = open(x->root, O_TMPFILE | O_RDWR, 0600);
	if (source.fd < 0) {
		skip(); /* not on every file system */
	}
	assert_int_equal(write(source.fd, text, sizeof(text) - 1), 8);
	OK(store_deliver(x->store, &source, to, 2, &f));
	assert_int_equal(fstat(source.fd, &st), 0);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(inode_of(x, 0), st.st_ino);
	/* With something in front it is copied. */
	source.head = SV("X");
	OK(store_deliver(x->store, &source, to, 1, &f));
	close(source.fd);

	/* As is one from elsewhere. */
	source.head = SV_EMPTY;
	source.fd = memfd_create("message", MFD_CLOEXEC);
	assert_int_equal(write(source.fd, text, sizeof(text) - 1), 8);
	OK(store_deliver(x->store, &source, to, 1, &f));
	(void)inode_of(x, 2);
	close(source.fd);
}

static void
an_unknown_account_fails_alone(void **state)
{
	struct fixture *x = *state;
	struct msg_source source = source_of("x");
	struct delivery to[2] = {
	    {.account_id = "00000000000000000000000000000000"},
	    {.account_id = ALICE},
	};
	struct fail f = {0};

	OK(store_deliver(x->store, &source, to, 2, &f));
	assert_int_equal(to[0].rc, -1);
	assert_int_equal(to[0].fail.kind, FAIL_ABSENT);
	assert_int_equal(to[1].rc, 0);
}

static void
the_same_key_is_stored_once(void **state)
{
	struct fixture *x = *state;
	struct msg_source source = source_of("x");
	struct fail f = {0};

	for (int i = 0; i < 3; i++) {
		struct delivery d = {.account_id = ALICE, .key = {7, 8}};

		OK(store_deliver(x->store, &source, &d, 1, &f));
	}
	struct account *a = fixture_account(x, ALICE);
	struct view *v = fixture_view(a);

	assert_int_equal(view_mbox_at(v, 0)->exists, 1);
	view_unref(&v);
	/* With the state in memory the answer is known. */
	struct delivery d = {.account_id = ALICE, .key = {7, 8}};

	OK(store_deliver(x->store, &source, &d, 1, &f));
	assert_true(d.duplicate);
	account_close(&a);
}

static void
mail_for_a_name_goes_there_or_to_inbox(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct view *v;

	(void)make_mailbox(a, "Lists");
	account_close(&a);
	fixture_reopen(x);
	deliver_to(x, ALICE, "Lists", "l");
	deliver_to(x, ALICE, "Nowhere", "n");
	a = fixture_account(x, ALICE);
	v = fixture_view(a);
	expect_text(a, view_mbox(v, SV("Lists")), 0, "l");
	expect_text(a, view_mbox(v, SV("INBOX")), 0, "n");
	view_unref(&v);
	account_close(&a);
}

static void
flags_change_and_condstore_holds(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct fail f = {0};
	struct uidset all = set_of(1, 3);
	struct uidset second = set_of(2, 2);
	struct uidset modified = {0};
	struct sv keyword = SV("$Work");

	for (int i = 0; i < 3; i++) {
		deliver_to(x, ALICE, "", "m");
	}
	struct view *v = fixture_view(a);
	place_t before = view_mbox_at(v, 0)->highest_modseq;
	struct flag_change seen = {
	    .how = FLAGS_ADD,
	    .flags = MSG_SEEN,
	    .keywords = &keyword,
	    .n_keywords = 1,
	    .durable = true,
	};

	OK(account_store(a, INT64_C(1), &second, &seen, NULL, &f));
	seen.conditional = true;
	seen.unchanged_since = before;
	OK(account_store(a, 1, &all, &seen, &modified, &f));
	expect_uids(&modified, "2");

	struct view *now = fixture_view(a);
	const struct mbox *m = view_mbox_at(now, 0);

	assert_int_equal(m->unseen, 0);
	assert_int_equal(mbox_msg(m, 1)->keywords, 1);
	assert_true(mbox_msg(m, 1)->modseq > before);
	assert_true(mbox_msg(m, 0)->modseq > mbox_msg(m, 1)->modseq);
	assert_int_equal(mbox_keyword(m, SV("$WORK")), 0);

	/* No change: no new MODSEQ [RFC 7162 3.1.3]. */
	place_t high = m->highest_modseq;
	struct view *again;

	seen.conditional = false;
	OK(account_store(a, 1, &all, &seen, NULL, &f));
	again = fixture_view(a);
	assert_int_equal(view_mbox_at(again, 0)->highest_modseq, high);
	/* The old version is what it was. */
	assert_int_equal(view_mbox_at(v, 0)->unseen, 3);
	view_unref(&again);
	view_unref(&now);
	view_unref(&v);
	uidset_deinit(&all);
	uidset_deinit(&second);
	uidset_deinit(&modified);
	account_close(&a);
}

static void
the_difference_of_two_views_tells_all(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct fail f = {0};

	for (int i = 0; i < 600; i++) {
		append_to(a, 1, "m", i % 5 == 0 ? MSG_DELETED : 0);
	}
	struct view *old = fixture_view(a);
	struct uidset flagged = set_of(500, 500);
	struct flag_change change = {.how = FLAGS_ADD, .flags = MSG_FLAGGED};

	OK(account_expunge(a, 1, NULL, false, &f));
	OK(account_store(a, 1, &flagged, &change, NULL, &f));
	deliver_to(x, ALICE, "", "new");
	struct view *new = fixture_view(a);
	struct mbox_diff d;
	struct mbox_change c;
	unsigned n[3] = {0};

	mbox_diff_begin(&d, view_mbox_at(old, 0), view_mbox_at(new, 0));
	while (mbox_diff_next(&d, &c)) {
		n[c.kind]++;
		if (c.kind == CHANGE_FLAGS) {
			assert_int_equal(c.msg->uid, 500);
			assert_int_equal(c.old_index, 499);
		}
		if (c.kind == CHANGE_EXPUNGED) {
			assert_int_equal(c.old_index % 5, 0);
			assert_int_equal(c.msg->uid, c.old_index + 1);
		}
		if (c.kind == CHANGE_ADDED) {
			assert_int_equal(c.msg->uid, 601);
			assert_int_equal(c.new_index, 480);
		}
	}
	assert_int_equal(n[CHANGE_EXPUNGED], 120);
	assert_int_equal(n[CHANGE_FLAGS], 1);
	assert_int_equal(n[CHANGE_ADDED], 1);
	mbox_diff_begin(&d, view_mbox_at(new, 0), view_mbox_at(new, 0));
	assert_false(mbox_diff_next(&d, &c));

	struct uidset gone = {0};

	OK(mbox_vanished(view_mbox_at(new, 0),
	    view_mbox_at(old, 0)->highest_modseq, NULL, &gone, &f));
	assert_int_equal(uidset_count(&gone), 120);
	uidset_deinit(&gone);
	uidset_deinit(&flagged);
	view_unref(&old);
	view_unref(&new);
	account_close(&a);
}

static void
copy_and_move_keep_what_they_should(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct fail f = {0};
	struct uidset some = set_of(2, 9);
	struct copied c;
	uint64_t work = make_mailbox(a, "Work");

	for (int i = 0; i < 3; i++) {
		append_to(a, 1, i == 1 ? "b" : "a", MSG_FLAGGED);
	}
	OK(account_copy(a, 1, &some, a, work, false, &c, &f));
	expect_uids(&c.from, "2:3");
	expect_uids(&c.to, "1:2");
	copied_deinit(&c);
	OK(account_copy(a, 1, &some, a, work, true, &c, &f));
	expect_uids(&c.to, "3:4");
	copied_deinit(&c);

	struct view *v = fixture_view(a);
	const struct mbox *inbox = view_mbox_at(v, 0);
	const struct mbox *m = view_mbox_by_id(v, work);

	assert_int_equal(inbox->exists, 1);
	assert_int_equal(m->exists, 4);
	expect_text(a, m, 0, "b");
	expect_text(a, m, 2, "b");
	assert_int_equal(mbox_msg(m, 2)->flags, MSG_FLAGGED);
	assert_memory_equal(mbox_msg(m, 0)->email_id, mbox_msg(m, 2)->email_id,
	    sizeof(mbox_msg(m, 0)->email_id));
	assert_memory_not_equal(mbox_msg(m, 0)->placement,
	    mbox_msg(m, 2)->placement, sizeof(mbox_msg(m, 0)->placement));
	view_unref(&v);
	uidset_deinit(&some);
	account_close(&a);
}

static void
copies_go_to_other_accounts(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct account *b = fixture_account(x, BOB);
	struct fail f = {0};
	struct uidset all = set_of(1, 5);
	struct copied c;

	append_to(a, 1, "a", MSG_SEEN);
	append_to(a, 1, "b", 0);
	OK(account_copy(a, 1, &all, b, 1, true, &c, &f));
	expect_uids(&c.from, "1:2");
	expect_uids(&c.to, "1:2");
	copied_deinit(&c);
	struct view *v = fixture_view(b);

	expect_text(b, view_mbox_at(v, 0), 1, "b");
	assert_int_equal(mbox_msg(view_mbox_at(v, 0), 0)->flags, MSG_SEEN);
	view_unref(&v);
	v = fixture_view(a);
	assert_int_equal(view_mbox_at(v, 0)->exists, 0);
	view_unref(&v);
	uidset_deinit(&all);
	account_close(&a);
	account_close(&b);
}

/* FAIL_ABSENT would say that it is the target that is gone. */
static void
copying_from_a_mailbox_that_is_gone_copies_nothing(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct account *b = fixture_account(x, BOB);
	struct uidset all = set_of(1, 5);
	uint64_t gone = make_mailbox(a, "Gone");
	struct copied c;
	struct fail f = {0};

	append_to(a, gone, "a", 0);
	OK(account_mbox_delete(a, SV("Gone"), &f));
	for (unsigned move = 0; move < 2; move++) {
		OK(account_copy(a, gone, &all, a, INBOX, move != 0, &c, &f));
		assert_int_equal(c.from.n, 0);
		copied_deinit(&c);
		OK(account_copy(a, gone, &all, b, INBOX, move != 0, &c, &f));
		assert_int_equal(c.from.n, 0);
		copied_deinit(&c);
	}
	uidset_deinit(&all);
	account_close(&a);
	account_close(&b);
}

/* What has no file is left out of a copy; not what cannot be written. */
static void
copies_that_cannot_be_written_are_a_failure(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct account *b = fixture_account(x, BOB);
	struct uidset all = set_of(1, 5);
	char *box = xasprintf("%s/accounts/%.2s/%s/box", x->root, BOB, BOB);
	char *away = xasprintf("%s.away", box);
	struct copied c;
	struct fail f = {0};

	append_to(a, INBOX, "a", 0);
	assert_int_equal(rename(box, away), 0);
	for (unsigned file = 0; file < 2; file++) {
		int fd = file != 0 ? open(box, O_CREAT | O_WRONLY, 0600) : -1;

		assert_int_equal(
		    account_copy(a, INBOX, &all, b, INBOX, true, &c, &f), -1);
		assert_int_equal(f.kind, FAIL_TEMP);
		if (fd >= 0) {
			assert_int_equal(close(fd), 0);
			assert_int_equal(unlink(box), 0);
		}
	}
	assert_int_equal(rename(away, box), 0);
	OK(account_copy(a, INBOX, &all, b, INBOX, true, &c, &f));
	expect_uids(&c.from, "1");
	copied_deinit(&c);
	free(box);
	free(away);
	uidset_deinit(&all);
	account_close(&a);
	account_close(&b);
}

static void
what_was_expunged_can_be_undeleted(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct fail f = {0};
	uint64_t n;

	append_to(a, 1, "a", MSG_DELETED);
	append_to(a, 1, "b", 0);
	OK(account_expunge(a, 1, NULL, false, &f));
	OK(account_undelete(a, SV("INBOX"), 0, &n, &f));
	assert_int_equal(n, 1);
	struct view *v = fixture_view(a);
	const struct mbox *m = view_mbox_at(v, 0);

	assert_int_equal(m->exists, 2);
	assert_int_equal(mbox_msg(m, 1)->uid, 3);
	assert_int_equal(mbox_msg(m, 1)->flags, 0);
	expect_text(a, m, 1, "a");
	view_unref(&v);

	/* A mailbox that was deleted, with its messages. */
	uint64_t old = make_mailbox(a, "Old");

	append_to(a, old, "c", 0);
	OK(account_mbox_delete(a, SV("Old"), &f));
	OK(account_undelete(a, SV("Old"), 0, &n, &f));
	assert_int_equal(n, 1);
	v = fixture_view(a);
	m = view_mbox(v, SV("Old"));
	assert_non_null(m);
	assert_int_not_equal(m->id, old);
	expect_text(a, m, 0, "c");
	view_unref(&v);
	account_close(&a);
}

static void
recent_is_claimed_once(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct fail f = {0};
	uint32_t from;
	uint32_t to;

	deliver_to(x, ALICE, "", "a");
	deliver_to(x, ALICE, "", "b");
	OK(account_claim(a, 1, 77, &from, &to, &f));
	assert_int_equal(from, 1);
	assert_int_equal(to, 2);
	OK(account_claim(a, 1, 78, &from, &to, &f));
	assert_true(from > to);
	account_close(&a);
}

static void
expect_names(struct account *a, const char *text)
{
	struct view *v = fixture_view(a);
	struct buf b = {0};

	for (size_t i = 0; i < view_mboxes(v); i++) {
		const struct mbox *m = view_mbox_at(v, i);

		if (i != 0) {
			buf_add_char(&b, ' ');
		}
		if (m->noselect) {
			buf_add_char(&b, '-');
		}
		buf_add_sv(&b, m->name);
	}
	assert_string_equal(buf_cstr(&b), text);
	buf_deinit(&b);
	view_unref(&v);
}

static void
rfc3501_6_3_mailboxes_and_their_children(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct mbox_attrs attrs = {0};
	struct fail f = {0};
	uint64_t id;

	(void)make_mailbox(a, "a/b/c");
	expect_names(a, "INBOX a a/b a/b/c");
	assert_int_equal(
	    account_mbox_create(a, SV("a/b"), &attrs, &id, &f), -1);
	assert_int_equal(f.kind, FAIL_EXISTS);
	assert_int_equal(
	    account_mbox_create(a, SV("inbox"), &attrs, &id, &f), -1);
	assert_int_equal(f.kind, FAIL_EXISTS);
	assert_int_equal(
	    account_mbox_create(a, SV("x//y"), &attrs, &id, &f), -1);
	assert_int_equal(f.kind, FAIL_SYNTAX);
	assert_int_equal(
	    account_mbox_create(a, SV("\xff"), &attrs, &id, &f), -1);
	assert_int_equal(f.kind, FAIL_SYNTAX);

	OK(account_mbox_delete(a, SV("a/b"), &f));
	expect_names(a, "INBOX a -a/b a/b/c");
	assert_int_equal(account_mbox_delete(a, SV("a/b"), &f), -1);
	assert_int_equal(f.kind, FAIL_PERM);
	OK(account_mbox_rename(a, SV("a"), SV("z/y"), &f));
	expect_names(a, "INBOX z z/y -z/y/b z/y/b/c");
	assert_int_equal(account_mbox_rename(a, SV("z"), SV("z/y/q"), &f), -1);
	OK(account_mbox_delete(a, SV("z/y/b/c"), &f));
	expect_names(a, "INBOX z z/y");
	assert_int_equal(account_mbox_delete(a, SV("INBOX"), &f), -1);
	assert_int_equal(f.kind, FAIL_PERM);
	assert_int_equal(account_mbox_delete(a, SV("none"), &f), -1);
	assert_int_equal(f.kind, FAIL_ABSENT);
	account_close(&a);
}

static void
rfc3501_6_3_5_renaming_inbox_moves_its_messages(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct fail f = {0};

	append_to(a, 1, "a", MSG_SEEN);
	append_to(a, 1, "b", 0);
	OK(account_mbox_rename(a, SV("INBOX"), SV("Old/In"), &f));
	expect_names(a, "INBOX Old Old/In");
	struct view *v = fixture_view(a);
	const struct mbox *m = view_mbox(v, SV("Old/In"));

	assert_int_equal(view_mbox_at(v, 0)->exists, 0);
	assert_int_equal(view_mbox_at(v, 0)->uidnext, 3);
	assert_int_equal(m->exists, 2);
	expect_text(a, m, 1, "b");
	view_unref(&v);
	account_close(&a);
}

static void
subscriptions_are_kept_by_name(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct fail f = {0};

	OK(account_subscribe(a, SV("b"), true, &f));
	OK(account_subscribe(a, SV("a"), true, &f));
	OK(account_subscribe(a, SV("b"), true, &f));
	OK(account_subscribe(a, SV("b"), false, &f));
	struct view *v = fixture_view(a);

	assert_int_equal(view_subscriptions(v), 1);
	assert_true(sv_eq(view_subscription_at(v, 0), SV("a")));
	assert_true(view_subscribed(v, SV("a")));
	assert_false(view_subscribed(v, SV("b")));
	view_unref(&v);
	account_close(&a);
}

static void
digests_come_back(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct fail f = {0};

	for (int i = 0; i < 20; i++) {
		deliver_to(x, ALICE, "", "m");
	}
	struct view *v = fixture_view(a);
	const struct mbox *m = view_mbox_at(v, 0);
	struct digest_reader *r = digest_reader_new(a, v, m);

	for (uint32_t i = m->exists; i-- > 0;) {
		struct sv digest;

		OK(digest_reader_get(r, mbox_msg(m, i), &digest, &f));
		assert_true(sv_eq(digest, SV("digest")));
	}
	digest_reader_free(&r);
	view_unref(&v);
	account_close(&a);
}

static void
imported_messages_keep_what_clients_hold(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct mbox_attrs attrs = {.uidvalidity = 12345};
	struct msg_source source = source_of("m");
	struct msg_attrs m = {
	    .uid = 77,
	    .uidl = SV("old-uidl"),
	    .date_ms = 86400000,
	    .zone_min = -90,
	};
	struct appended out;
	struct fail f = {0};
	uint64_t id;

	OK(account_mbox_create(a, SV("Imported"), &attrs, &id, &f));
	OK(account_append(a, id, &source, &m, 1, &out, &f));
	assert_int_equal(out.uidvalidity, 12345);
	expect_uids(&out.uids, "77");
	uidset_deinit(&out.uids);
	struct view *v = fixture_view(a);
	const struct mbox *mb = view_mbox_by_id(v, id);

	assert_true(sv_eq(mbox_uidl(mb, mbox_msg(mb, 0)), SV("old-uidl")));
	assert_int_equal(mbox_msg(mb, 0)->date_ms, 86400000);
	assert_int_equal(mbox_msg(mb, 0)->zone_min, -90);
	assert_int_equal(mb->uidnext, 78);
	view_unref(&v);
	account_close(&a);
}

/* [RFC 9051 2.3.1.1] UIDs end at 2^32: what is given leaves room for what is
 * delivered later. */
static void
imported_uids_leave_room(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct msg_source source = source_of("m");
	struct msg_attrs m = {.uid = STORE_UID_GIVEN_MAX};
	struct appended out;
	struct fail f = {0};

	OK(account_append(a, 1, &source, &m, 1, &out, &f));
	uidset_deinit(&out.uids);
	m.uid++;
	assert_int_equal(account_append(a, 1, &source, &m, 1, &out, &f), -1);
	assert_int_equal(f.kind, FAIL_LIMIT);
	deliver_to(x, ALICE, "", "later");
	struct view *v = fixture_view(a);

	assert_int_equal(view_mbox_by_id(v, 1)->exists, 2);
	view_unref(&v);
	account_close(&a);
}

static void
a_closed_account_stays_closed(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct fail f = {0};
	struct view *v;

	deliver_to(x, ALICE, "", "m");
	OK(account_shut(a, &f));
	assert_int_equal(account_refresh(a, &v, &f), -1);
	assert_int_equal(f.kind, FAIL_PERM);
	account_close(&a);
	fixture_reopen(x);
	struct msg_source source = source_of("x");
	struct delivery d = {.account_id = ALICE};

	assert_int_equal(store_deliver(x->store, &source, &d, 1, &f), -1);
	assert_int_equal(d.fail.kind, FAIL_PERM);
	OK(account_purge(x->store, ALICE, &f));
	assert_int_equal(account_open(x->store, ALICE, &a, &f), -1);
	assert_int_equal(f.kind, FAIL_ABSENT);
}

static void
small_segments_follow_one_another(void **state)
{
	struct fixture *x = *state;
	struct fail f = {0};

	x->conf.segment_max = 8000;
	fixture_reopen(x);
	for (int i = 0; i < 100; i++) {
		deliver_to(x, ALICE, "", "cold");
	}
	struct account *a = fixture_account(x, ALICE);

	for (int i = 0; i < 100; i++) {
		append_to(a, 1, "warm", 0);
	}
	struct view *v = fixture_view(a);

	assert_int_equal(view_mbox_at(v, 0)->exists, 200);
	assert_int_equal(view_mbox_at(v, 0)->uidnext, 201);
	view_unref(&v);
	account_close(&a);
	fixture_reopen(x);
	a = fixture_account(x, ALICE);
	OK(account_refresh(a, &v, &f));
	assert_int_equal(view_mbox_at(v, 0)->exists, 200);
	view_unref(&v);
	account_close(&a);
}

static void
usage_is_known_without_the_state(void **state)
{
	struct fixture *x = *state;
	struct usage u;
	struct fail f = {0};

	x->conf.segment_max = 8000;
	fixture_reopen(x);
	for (unsigned i = 1; i <= 60; i++) {
		deliver_to(x, ALICE, "", "abcd");
		OK(store_usage(x->store, ALICE, false, &u, &f));
		assert_int_equal(u.messages, i);
		assert_int_equal(u.octets, 4 * i);
		if (i % 25 == 0) {
			fixture_reopen(x);
		}
	}
	struct account *a = fixture_account(x, ALICE);

	(void)make_mailbox(a, "Other");
	OK(account_expunge(a, INBOX, NULL, true, &f));
	account_close(&a);
	OK(store_usage(x->store, ALICE, true, &u, &f));
	assert_int_equal(u.messages, 0);
	assert_int_equal(store_usage(x->store,
			     "00000000000000000000000000000000", false, &u, &f),
	    -1);
	assert_int_equal(f.kind, FAIL_ABSENT);
}

/* A quota must not be slipped past by copies, whose sizes their records do
 * not tell. */
/* Another process went on in a segment that this one knows nothing of. */
static void
usage_is_not_that_of_a_segment_that_was_sealed(void **state)
{
	struct fixture *x = *state;
	struct store_conf conf = x->conf;
	struct store *other;
	struct account *a;
	struct usage u;
	struct fail f = {0};

	deliver_to(x, ALICE, "", "1234567890");
	OK(store_usage(x->store, ALICE, false, &u, &f));
	assert_int_equal(u.octets, 10);
	conf.segment_max = 8192;
	OK(store_open_path(&conf, x->root, &other, &f));
	OK(account_open(other, ALICE, &a, &f));
	for (unsigned i = 0; i < 100; i++) {
		append_to(a, INBOX, "1234567890", 0);
	}
	account_close(&a);
	store_close(&other);
	OK(store_usage(x->store, ALICE, false, &u, &f));
	assert_int_equal(u.octets, 1010);
}

/* ---- room under a quota ---- */

static enum room_answer
room_for(struct fixture *x, uint64_t octets, struct room *out)
{
	const struct usage limit = {.octets = 100, .messages = 3};
	const struct usage more = {octets, 1};
	enum room_answer answer;
	struct fail f = {0};

	OK(store_room(x->store, ALICE, &limit, &more, out, &answer, &f));
	return answer;
}

static void
what_is_on_its_way_counts_against_a_quota(void **state)
{
	struct fixture *x = *state;
	struct room first, second, third;

	assert_int_equal(room_for(x, 101, &first), ROOM_NONE);
	assert_int_equal(room_for(x, 60, &first), ROOM_THERE);
	assert_int_equal(room_for(x, 60, &second), ROOM_LATER);
	assert_int_equal(room_for(x, 60, NULL), ROOM_THERE);
	assert_int_equal(room_for(x, 40, &second), ROOM_THERE);
	room_release(&second);
	assert_int_equal(room_for(x, 40, &second), ROOM_THERE);
	deliver_to(x, ALICE, "", "1234567890");
	/* It is there, and was not counted twice once it is released. */
	room_release(&first);
	room_release(&first);
	assert_int_equal(room_for(x, 50, &first), ROOM_THERE);
	/* Three messages are all that it may hold. */
	assert_int_equal(room_for(x, 0, &third), ROOM_LATER);
	room_release(&first);
	room_release(&second);
	deliver_to(x, ALICE, "", "1234567890");
	deliver_to(x, ALICE, "", "1234567890");
	assert_int_equal(room_for(x, 0, &third), ROOM_NONE);
	assert_int_equal(room_for(x, 0, NULL), ROOM_NONE);
}

static void
usage_counts_copies(void **state)
{
	struct fixture *x = *state;
	struct uidset all = {0};
	struct copied c;
	struct usage u;
	struct fail f = {0};

	for (unsigned i = 1; i <= 3; i++) {
		deliver_to(x, ALICE, "", "abcd");
		uidset_add(&all, i);
	}
	struct account *a = fixture_account(x, ALICE);
	uint64_t other = make_mailbox(a, "Other");

	OK(account_copy(a, INBOX, &all, a, other, false, &c, &f));
	copied_deinit(&c);
	uidset_deinit(&all);
	account_close(&a);
	for (unsigned i = 0; i < 3; i++) {
		fixture_reopen(x);
		OK(store_usage(x->store, ALICE, false, &u, &f));
		assert_int_equal(u.messages, 6 + i);
		assert_int_equal(u.octets, 24 + 4 * i);
		deliver_to(x, ALICE, "", "abcd");
	}
}

static void
count_wakes(void *arg)
{
	++*(int *)arg;
}

static void
watches_wake(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	int woken = 0;
	struct watch *w = account_watch(a, count_wakes, &woken);

	deliver_to(x, ALICE, "", "m");
	assert_int_equal(woken, 1);
	account_unwatch(&w);
	deliver_to(x, ALICE, "", "m");
	assert_int_equal(woken, 1);
	account_close(&a);
}

static bool
has_snapshot(const struct fixture *x)
{
	char path[256];
	struct dirent *d;
	bool found = false;

	(void)snprintf(path, sizeof(path), "%s/accounts/%.2s/%s/snap", x->root,
	    ALICE, ALICE);
	DIR *dir = opendir(path);

	assert_non_null(dir);
	while ((d = readdir(dir)) != NULL) {
		found |= d->d_name[0] != '.';
	}
	(void)closedir(dir);
	return found;
}

static void
upkeep_writes_snapshots_of_what_has_grown(void **state)
{
	struct fixture *x = *state;

	x->conf.maintenance = true;
	x->conf.checkpoint_tail = 4096;
	fixture_reopen(x);
	for (int i = 0; i < 200; i++) {
		deliver_to(x, ALICE, "", "m");
	}
	for (int i = 0; i < 4000 && !has_snapshot(x); i++) {
		(void)usleep(10000);
	}
	assert_true(has_snapshot(x));
	fixture_reopen(x);
	struct account *a = fixture_account(x, ALICE);
	struct view *v = fixture_view(a);

	assert_int_equal(view_mbox_at(v, 0)->exists, 200);
	expect_text(a, view_mbox_at(v, 0), 199, "m");
	view_unref(&v);
	account_close(&a);
}

static void
folders_show_mailboxes_by_name(void **state)
{
	struct fixture *x = *state;
	struct account *a = fixture_account(x, ALICE);
	struct fail f = {0};
	char path[512];
	char got[64] = "";

	(void)make_mailbox(a, "Work/Clients");
	struct view *v = fixture_view(a);
	uint64_t work = view_mbox(v, SV("Work"))->id;

	view_unref(&v);
	append_to(a, work, "hello", 0);
	names_rebuild(a);
	OK(account_mbox_rename(a, SV("Work"), SV("../Office"), &f));
	OK(account_mbox_rename(a, SV("../Office"), SV("Office"), &f));
	names_rebuild(a);
	account_close(&a);
	(void)snprintf(path, sizeof(path),
	    "%s/accounts/%.2s/%s/by-name/Office/(messages)/.name", x->root,
	    ALICE, ALICE);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, got, sizeof(got) - 1), 7);
	assert_string_equal(got, "Office\n");
	assert_int_equal(close(fd), 0);
}

#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_delivered_message_stands_in_inbox),
	    T(a_restart_changes_nothing),
	    T(one_message_for_ten_recipients_is_written_once),
	    T(a_file_that_the_caller_gathered_becomes_the_message),
	    T(an_unknown_account_fails_alone),
	    T(the_same_key_is_stored_once),
	    T(mail_for_a_name_goes_there_or_to_inbox),
	    T(flags_change_and_condstore_holds),
	    T(the_difference_of_two_views_tells_all),
	    T(copy_and_move_keep_what_they_should),
	    T(copies_go_to_other_accounts),
	    T(copying_from_a_mailbox_that_is_gone_copies_nothing),
	    T(copies_that_cannot_be_written_are_a_failure),
	    T(what_was_expunged_can_be_undeleted),
	    T(recent_is_claimed_once),
	    T(rfc3501_6_3_mailboxes_and_their_children),
	    T(rfc3501_6_3_5_renaming_inbox_moves_its_messages),
	    T(subscriptions_are_kept_by_name),
	    T(digests_come_back),
	    T(imported_messages_keep_what_clients_hold),
	    T(imported_uids_leave_room),
	    T(a_closed_account_stays_closed),
	    T(small_segments_follow_one_another),
	    T(usage_is_known_without_the_state),
	    T(usage_counts_copies),
	    T(usage_is_not_that_of_a_segment_that_was_sealed),
	    T(what_is_on_its_way_counts_against_a_quota),
	    T(watches_wake),
	    T(folders_show_mailboxes_by_name),
	    T(upkeep_writes_snapshots_of_what_has_grown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
