"""imapd: SELECT to CLOSE, CREATE to UNSUBSCRIBE, STATUS."""
import re

import pytest

from harness.mail import HELLO


def number(result, code):
    for c in result.codes():
        m = re.fullmatch(code.encode() + rb" \(?([^)]*)\)?", c)
        if m:
            return m.group(1)
    raise AssertionError(f"no {code} in {result!r}")


# --- SELECT, EXAMINE --------------------------------------------------------
def test_rfc3501_6_3_1_select_gives_required_untagged(imap):
    imap.append("INBOX", HELLO)
    imap.append("INBOX", HELLO, flags="(\\Seen)")
    r = imap.ok("SELECT INBOX")
    assert r.one("EXISTS")[0] == 2
    assert r.one("RECENT")[0] == 2
    flags = r.one("FLAGS")[1]
    for flag in (b"\\Answered", b"\\Flagged", b"\\Deleted", b"\\Seen",
                 b"\\Draft"):
        assert flag in flags
    assert number(r, "UNSEEN") == b"1"
    assert int(number(r, "UIDVALIDITY")) > 0
    assert int(number(r, "UIDNEXT")) == 3
    assert b"\\*" in number(r, "PERMANENTFLAGS")
    assert r.code == b"READ-WRITE"


def test_rfc3501_6_3_1_no_unseen_code_when_all_are_seen(imap):
    imap.append("INBOX", HELLO, flags="(\\Seen)")
    r = imap.ok("SELECT INBOX")
    assert not any(c.startswith(b"UNSEEN") for c in r.codes())


def test_rfc3501_6_3_1_failed_select_leaves_no_mailbox(imap):
    imap.ok("SELECT INBOX")
    assert imap.no("SELECT nowhere").code == b"NONEXISTENT"
    imap.bad("FETCH 1 FLAGS")


def test_rfc3501_6_3_1_select_leaves_the_old_mailbox(imap):
    imap.append("INBOX", HELLO)
    imap.ok("CREATE other")
    imap.ok("SELECT INBOX")
    r = imap.ok("SELECT other")
    assert r.one("EXISTS")[0] == 0
    assert b"CLOSED" in r.codes()


def test_rfc3501_5_1_inbox_in_any_case(imap):
    imap.append("inBOX", HELLO)
    assert imap.ok("SELECT iNbOx").one("EXISTS")[0] == 1


def test_rfc3501_6_3_2_examine_changes_nothing(imap, server, account):
    imap.append("INBOX", HELLO)
    r = imap.ok("EXAMINE INBOX")
    assert r.code == b"READ-ONLY"
    assert number(r, "PERMANENTFLAGS") == b""
    assert r.one("RECENT")[0] == 1
    assert imap.no("STORE 1 +FLAGS (\\Seen)").code == b"READ-ONLY"
    imap.no("EXPUNGE")
    imap.no("MOVE 1 INBOX")
    imap.ok("FETCH 1 BODY[]")
    imap.ok("CLOSE")
    # Neither \Seen nor \Recent went with it.
    r = imap.ok("SELECT INBOX")
    assert r.one("RECENT")[0] == 1
    assert imap.ok("FETCH 1 FLAGS").fetch()[1]["FLAGS"] == [b"\\Recent"]


def test_rfc3501_2_3_2_recent_is_one_sessions(server, account, imap):
    imap.append("INBOX", HELLO)
    assert imap.ok("SELECT INBOX").one("RECENT")[0] == 1
    with server.imap(account) as second:
        assert second.ok("SELECT INBOX").one("RECENT")[0] == 0
    assert b"\\Recent" in imap.ok("FETCH 1 FLAGS").fetch()[1]["FLAGS"]
    assert imap.ok("SEARCH RECENT").search() == [1]
    assert imap.ok("SELECT INBOX").one("RECENT")[0] == 0


def test_rfc3501_2_3_1_1_uids_rise_and_are_not_used_again(imap):
    for _ in range(3):
        imap.append("INBOX", HELLO)
    imap.ok("SELECT INBOX")
    imap.ok("STORE 3 +FLAGS (\\Deleted)")
    imap.ok("EXPUNGE")
    r = imap.append("INBOX", HELLO)
    assert r.code.split()[2] == b"4"


def test_rfc3501_6_4_2_close_expunges_without_a_word(imap):
    for _ in range(3):
        imap.append("INBOX", HELLO)
    imap.ok("SELECT INBOX")
    imap.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
    assert imap.ok("CLOSE").untagged == []
    imap.bad("FETCH 1 FLAGS")
    assert imap.ok("SELECT INBOX").one("EXISTS")[0] == 2


def test_rfc3691_unselect_expunges_nothing(imap):
    imap.append("INBOX", HELLO, flags="(\\Deleted)")
    imap.ok("SELECT INBOX")
    imap.ok("UNSELECT")
    imap.bad("CHECK")
    assert imap.ok("SELECT INBOX").one("EXISTS")[0] == 1


def test_rfc3501_6_4_1_check(imap):
    imap.ok("SELECT INBOX")
    imap.ok("CHECK")


def test_rfc8474_4_2_select_gives_the_mailbox_id(imap):
    created = number(imap.ok("CREATE x"), "MAILBOXID")
    assert number(imap.ok("SELECT x"), "MAILBOXID") == created
    assert created in imap.ok("STATUS x (MAILBOXID)").one("STATUS")[1]
    imap.ok("RENAME x y")
    assert number(imap.ok("EXAMINE y"), "MAILBOXID") == created


# --- CREATE -----------------------------------------------------------------
def names(imap, pattern="*"):
    found = []
    for _, rest in imap.ok(f'LIST "" {pattern}').all("LIST"):
        m = re.fullmatch(rb'\(([^)]*)\) "/" (.*)', rest)
        found.append(m.group(2).strip(b'"').decode())
    return found


def test_rfc3501_6_3_3_create(imap):
    imap.ok("CREATE Drafts")
    assert "Drafts" in names(imap)
    assert imap.no("CREATE Drafts").code == b"ALREADYEXISTS"
    imap.no("CREATE INBOX")
    imap.no("CREATE inbox")


def test_rfc3501_6_3_3_trailing_delimiter_is_no_part_of_the_name(imap):
    imap.ok("CREATE a/")
    assert "a" in names(imap)


def test_rfc3501_6_3_3_parents_are_made(imap):
    imap.ok("CREATE a/b/c")
    assert {"a", "a/b", "a/b/c"} <= set(names(imap))


@pytest.mark.parametrize("name", [
    '""', "/", "/a", "a//b", "a//", '"a\\\\b/"x', "&", "&AGE-", "&Jjo",
    "&AAo-", "x" * 1500])
def test_rfc3501_5_1_impossible_names(imap, name):
    assert imap.cmd(f"CREATE {name}").status in ("NO", "BAD")
    assert names(imap) == ["INBOX"]


def test_rfc3501_5_1_3_names_in_modified_utf7(imap):
    imap.ok('CREATE "&U,BTFw-/&ZeVnLIqe-"')
    imap.ok("CREATE a&-b")
    assert {"&U,BTFw-", "&U,BTFw-/&ZeVnLIqe-", "a&-b"} <= set(names(imap))
    imap.ok('SELECT "&U,BTFw-/&ZeVnLIqe-"')
    imap.no("SELECT &AOQ-")


COMPOSED, DECOMPOSED = "caf&AOk-", "cafe&AwE-"


def test_names_are_in_normalisation_form_c(imap):
    imap.ok(f"CREATE {DECOMPOSED}")
    assert COMPOSED in names(imap) and DECOMPOSED not in names(imap)
    assert imap.no(f"CREATE {COMPOSED}").code == b"ALREADYEXISTS"
    for name in (COMPOSED, DECOMPOSED):
        imap.ok(f"SELECT {name}")
        imap.ok(f"STATUS {name} (MESSAGES)")
        imap.ok(f"SUBSCRIBE {name}")
        for pattern in (f'"" {name}', f'"" %{name[3:]}', f'{name} ""',
                        f"{name} *"):
            r = imap.ok(f"LIST {pattern}")
            assert len(r.all("LIST")) == 1, pattern
    assert len(imap.ok('LSUB "" *').all("LSUB")) == 1
    imap.ok(f"RENAME {DECOMPOSED} other")
    imap.ok(f"RENAME other x/{DECOMPOSED}")
    imap.ok(f"DELETE x/{COMPOSED}")
    imap.ok(f"UNSUBSCRIBE {DECOMPOSED}")
    assert imap.ok('LSUB "" *').all("LSUB") == []


@pytest.mark.parametrize("name", [
    "with space", 'q"uote', "back\\slash", "star*", "per%cent", "(paren)",
    "NIL", "{5}"])
def test_rfc3501_9_names_of_any_printable_octets(imap, name):
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    imap.ok(f'CREATE "{quoted}"')
    imap.ok(f'SELECT "{quoted}"')
    r = imap.cmd_literals("STATUS ", name, " (MESSAGES)")
    assert r.ok and r.one("STATUS")


def test_rfc6154_3_create_with_a_use(imap):
    imap.ok("CREATE Sent (USE (\\Sent))")
    assert b"\\Sent" in imap.ok('LIST "" Sent').one("LIST")[1]
    r = imap.no("CREATE Everything (USE (\\All))")
    assert r.code == b"USEATTR"
    assert imap.no("CREATE Odd (USE (\\XYZZY))").code == b"USEATTR"
    assert "Everything" not in names(imap) and "Odd" not in names(imap)


# --- DELETE -----------------------------------------------------------------
def test_rfc3501_6_3_4_delete(imap):
    imap.ok("CREATE a")
    imap.append("a", HELLO)
    imap.ok("DELETE a")
    assert "a" not in names(imap)
    assert imap.no("DELETE a").code == b"NONEXISTENT"
    imap.no("DELETE INBOX")


def test_rfc3501_6_3_4_delete_of_a_parent_leaves_its_name(imap):
    imap.ok("CREATE a/b")
    imap.append("a", HELLO)
    imap.ok("DELETE a")
    assert {"a", "a/b"} <= set(names(imap))
    assert b"\\Noselect" in imap.ok('LIST "" a').one("LIST")[1]
    imap.no("SELECT a")
    imap.no("DELETE a")
    imap.ok("DELETE a/b")


def test_rfc3501_6_3_4_uidvalidity_rises_when_a_name_comes_back(imap):
    imap.ok("CREATE a")
    first = int(number(imap.ok("SELECT a"), "UIDVALIDITY"))
    imap.ok("UNSELECT")
    imap.ok("DELETE a")
    imap.ok("CREATE a")
    assert int(number(imap.ok("SELECT a"), "UIDVALIDITY")) > first


def test_delete_of_the_selected_mailbox_leaves_it(imap):
    imap.ok("CREATE a")
    imap.ok("SELECT a")
    imap.ok("DELETE a")
    imap.bad("FETCH 1 FLAGS")
    imap.ok("SELECT INBOX")


def test_rfc2180_3_3_deleted_by_another_session(server, account, imap):
    imap.ok("CREATE a")
    imap.append("a", HELLO)
    imap.ok("SELECT a")
    with server.imap(account) as other:
        other.ok("DELETE a")
    imap.send(b"x NOOP\r\n")
    assert imap.line().startswith(b"x OK")
    assert imap.read_to_end().startswith(b"* BYE ")


# --- RENAME -----------------------------------------------------------------
def test_rfc3501_6_3_5_rename_keeps_messages_and_uids(imap):
    imap.ok("CREATE a")
    imap.append("a", HELLO)
    before = imap.ok("SELECT a")
    imap.ok("UNSELECT")
    imap.ok("RENAME a x/y")
    r = imap.ok("SELECT x/y")
    assert r.one("EXISTS")[0] == 1
    assert number(r, "UIDVALIDITY") == number(before, "UIDVALIDITY")
    assert imap.ok("FETCH 1 BODY[]").fetch()[1]["BODY[]"] == HELLO
    assert imap.no("RENAME a b").code == b"NONEXISTENT"


def test_rfc3501_6_3_5_rename_takes_children_along(imap):
    imap.ok("CREATE a/b/c")
    imap.ok("RENAME a z")
    assert {"z", "z/b", "z/b/c"} <= set(names(imap))
    assert "a" not in names(imap)


def test_rfc3501_6_3_5_rename_of_inbox_moves_its_messages(imap):
    imap.append("INBOX", HELLO)
    imap.append("INBOX", HELLO, flags="(\\Flagged)")
    imap.ok("RENAME INBOX old")
    assert imap.ok("SELECT old").one("EXISTS")[0] == 2
    assert imap.ok("SEARCH FLAGGED").search() == [2]
    assert imap.ok("SELECT INBOX").one("EXISTS")[0] == 0


def test_rfc3501_6_3_5_rename_to_what_exists(imap):
    imap.ok("CREATE a")
    imap.ok("CREATE b")
    assert imap.no("RENAME a b").code == b"ALREADYEXISTS"
    imap.no("RENAME a INBOX")
    imap.no("RENAME a a/b")


def test_rename_of_the_selected_mailbox_goes_on(imap):
    imap.ok("CREATE a")
    imap.append("a", HELLO)
    imap.ok("SELECT a")
    imap.ok("RENAME a b")
    imap.ok("STORE 1 +FLAGS (\\Seen)")
    assert imap.ok("FETCH 1 BODY[]").fetch()[1]["BODY[]"] == HELLO


# --- SUBSCRIBE --------------------------------------------------------------
def test_rfc3501_6_3_6_subscriptions_outlive_mailboxes(imap):
    imap.ok("CREATE a")
    imap.ok("SUBSCRIBE a")
    assert len(imap.ok('LSUB "" *').all("LSUB")) == 1
    imap.ok("DELETE a")
    assert len(imap.ok('LSUB "" *').all("LSUB")) == 1
    imap.ok("UNSUBSCRIBE a")
    assert imap.ok('LSUB "" *').all("LSUB") == []
    assert imap.no("SUBSCRIBE a").code == b"NONEXISTENT"


# --- STATUS -----------------------------------------------------------------
def status(imap, name, items):
    rest = imap.ok(f"STATUS {name} ({items})").one("STATUS")[1]
    pairs = re.search(rb"\((.*)\)$", rest).group(1).split(b" ")
    return {k.decode(): v for k, v in zip(pairs[::2], pairs[1::2])}


def test_rfc3501_6_3_10_status(imap):
    imap.ok("CREATE a")
    imap.append("a", HELLO)
    imap.append("a", HELLO, flags="(\\Seen)")
    s = status(imap, "a", "MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN")
    assert (s["MESSAGES"], s["RECENT"], s["UIDNEXT"], s["UNSEEN"]) == (
        b"2", b"2", b"3", b"1")
    # Asking claims nothing.
    assert imap.ok("SELECT a").one("RECENT")[0] == 2


def test_rfc8438_3_status_size(imap):
    imap.append("INBOX", HELLO)
    imap.append("INBOX", HELLO)
    assert status(imap, "INBOX", "SIZE")["SIZE"] == b"%d" % (2 * len(HELLO))


def test_rfc7889_3_3_status_appendlimit(imap):
    limit = status(imap, "INBOX", "APPENDLIMIT")["APPENDLIMIT"]
    assert f"APPENDLIMIT={limit.decode()}" in imap.capabilities()


def test_rfc3501_6_3_10_status_of_nothing(imap):
    assert imap.no("STATUS nowhere (MESSAGES)").code == b"NONEXISTENT"
    imap.bad("STATUS INBOX ()")
    imap.bad("STATUS INBOX (XYZZY)")


def test_rfc3501_6_3_10_status_of_the_selected_mailbox(imap):
    imap.append("INBOX", HELLO)
    imap.ok("SELECT INBOX")
    assert status(imap, "INBOX", "MESSAGES")["MESSAGES"] == b"1"
