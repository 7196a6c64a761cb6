"""imapd: STORE, COPY, MOVE, EXPUNGE; CONDSTORE."""
import re

import pytest

from harness.mail import HELLO


@pytest.fixture
def imap(imap):
    for _ in range(4):
        imap.append("INBOX", HELLO)
    imap.ok("SELECT INBOX")
    return imap


@pytest.fixture
def second(server, account, imap):
    with server.imap(account) as c:
        c.ok("SELECT INBOX")
        yield c


def flags(imap, seq):
    found = imap.ok(f"FETCH {seq} FLAGS").fetch()[seq]["FLAGS"]
    return {f.decode() for f in found if f != b"\\Recent"}


def modseq(imap, seq):
    return int(imap.ok(f"FETCH {seq} MODSEQ").fetch()[seq]["MODSEQ"][0])


# --- STORE ------------------------------------------------------------------
def test_rfc3501_6_4_6_store(imap):
    r = imap.ok("STORE 2 FLAGS (\\Seen \\Flagged)")
    assert set(r.fetch()[2]["FLAGS"]) == {b"\\Seen", b"\\Flagged",
                                          b"\\Recent"}
    imap.ok("STORE 2 +FLAGS (\\Deleted)")
    assert flags(imap, 2) == {"\\Seen", "\\Flagged", "\\Deleted"}
    imap.ok("STORE 2 -FLAGS (\\Seen \\Answered)")
    assert flags(imap, 2) == {"\\Flagged", "\\Deleted"}
    imap.ok("STORE 2 FLAGS ()")
    assert flags(imap, 2) == set()
    assert flags(imap, 1) == set()


def test_rfc3501_6_4_6_flags_without_parentheses(imap):
    imap.ok("STORE 1 +FLAGS \\Seen $x")
    assert flags(imap, 1) == {"\\Seen", "$x"}


def test_rfc3501_6_4_6_every_message_named_is_answered(imap):
    imap.ok("STORE 1 +FLAGS (\\Seen)")
    assert sorted(imap.ok("STORE 1:* +FLAGS (\\Seen)").fetch()) == [1, 2, 3, 4]


def test_rfc3501_6_4_6_silent_is_silent(imap):
    assert imap.ok("STORE 1:* +FLAGS.SILENT (\\Seen)").untagged == []
    assert imap.ok("NOOP").untagged == []
    assert flags(imap, 3) == {"\\Seen"}


def test_rfc3501_6_4_6_silent_still_tells_what_others_did(imap, second):
    second.ok("STORE 1 +FLAGS (\\Answered)")
    r = imap.ok("STORE 1 +FLAGS.SILENT (\\Seen)")
    assert {b"\\Answered", b"\\Seen"} <= set(r.fetch()[1]["FLAGS"])


@pytest.mark.parametrize("how, after", [
    ("", {"\\Seen"}), ("+", {"\\Seen", "\\Draft", "$k"}),
    ("-", {"\\Draft", "$k"})])
def test_rfc3501_6_4_6_silent_in_all_forms(imap, second, how, after):
    imap.ok("STORE 1 FLAGS.SILENT (\\Draft $k)")
    assert imap.ok(f"STORE 1 {how}FLAGS.SILENT (\\Seen)").untagged == []
    assert flags(imap, 1) == after
    second.ok("NOOP")
    second.ok("STORE 1 +FLAGS.SILENT (\\Flagged $other)")
    r = imap.ok(f"STORE 1 {how}FLAGS.SILENT (\\Seen)")
    if how == "":
        assert r.fetch() == {}  # SET leaves what it says
    else:
        assert {b"\\Flagged", b"$other"} <= set(r.fetch()[1]["FLAGS"])


def test_rfc3501_2_3_2_keywords_are_made_and_told(imap, second):
    r = imap.ok("STORE 1 +FLAGS ($New NonJunk)")
    assert b"$New" in r.all("FLAGS")[0][1]
    assert flags(imap, 1) == {"$New", "NonJunk"}
    imap.ok("STORE 2 +FLAGS ($NEW)")  # the same keyword
    assert flags(imap, 2) == {"$New"}
    r = second.ok("NOOP")
    assert b"$New" in r.all("FLAGS")[0][1]
    assert set(r.fetch()) == {1, 2}


def test_rfc5530_3_more_keywords_than_there_is_room_for(imap):
    for n in range(64):
        imap.ok(f"STORE 1 +FLAGS.SILENT (k{n})")
    assert imap.no("STORE 1 +FLAGS (k64)").code == b"LIMIT"
    assert "k63" in flags(imap, 1)
    assert b"\\*" not in [c for c in imap.ok("SELECT INBOX").codes()
                          if c.startswith(b"PERMANENTFLAGS")][0]


def test_rfc3501_7_1_what_cannot_be_set_is_read_over(imap):
    imap.ok("STORE 1 FLAGS (\\Recent \\XYZZY \\Seen)")
    assert flags(imap, 1) == {"\\Seen"}


def test_rfc3501_6_4_8_uid_store(imap):
    imap.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    imap.ok("EXPUNGE")
    r = imap.ok("UID STORE 3 +FLAGS (\\Seen)")
    assert r.fetch()[2]["FLAGS"]
    assert flags(imap, 2) == {"\\Seen"}
    assert imap.ok("UID STORE 1 +FLAGS (\\Seen)").untagged == []
    imap.bad("STORE 4 +FLAGS (\\Seen)")


def test_rfc3501_6_4_8_uid_store_is_answered_with_uids(imap):
    assert imap.ok("UID STORE 2:3 +FLAGS (\\Seen)").untagged == [
        b"* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent))",
        b"* 3 FETCH (UID 3 FLAGS (\\Seen \\Recent))"]
    assert imap.ok("STORE 2 -FLAGS (\\Seen)").untagged == [
        b"* 2 FETCH (FLAGS (\\Recent))"]


def test_rfc3501_6_4_8_uid_commands_tell_uids_of_others_changes(
        imap, second):
    second.ok("SELECT INBOX")
    second.ok("STORE 1 +FLAGS (\\Flagged)")
    r = imap.ok("UID FETCH 2 (FLAGS)")
    assert b"* 1 FETCH (UID 1 FLAGS (\\Flagged \\Recent))" in r.untagged


# --- EXPUNGE ----------------------------------------------------------------
def test_rfc3501_6_4_3_expunge(imap):
    imap.ok("STORE 1,3:4 +FLAGS.SILENT (\\Deleted)")
    r = imap.ok("EXPUNGE")
    assert [n for n, _ in r.all("EXPUNGE")] == [1, 2, 2]
    assert imap.ok("FETCH 1:* UID").fetch()[1]["UID"] == b"2"


def test_rfc4315_2_1_uid_expunge(imap):
    imap.ok("STORE 1:3 +FLAGS.SILENT (\\Deleted)")
    r = imap.ok("UID EXPUNGE 2:4")
    assert [n for n, _ in r.all("EXPUNGE")] == [2, 2]
    assert imap.ok("UID SEARCH ALL").search() == [1, 4]


def test_rfc3501_7_4_1_expunge_is_told_to_others_when_allowed(imap, second):
    imap.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
    imap.ok("EXPUNGE")
    r = second.ok("FETCH 2 UID")
    assert r.all("EXPUNGE") == [] and r.fetch()[2]["UID"] == b"2"
    r = second.ok("STORE 1 +FLAGS (\\Seen)")
    assert r.all("EXPUNGE") == [] and b"\\Seen" in r.fetch()[1]["FLAGS"]
    assert second.ok("SEARCH ALL").all("EXPUNGE") == []
    r = second.ok("NOOP")
    assert r.one("EXPUNGE")[0] == 2
    assert sorted(second.ok("FETCH 1:* UID").fetch()) == [1, 2, 3]


def test_rfc3501_7_4_1_uid_commands_may_tell_it(imap, second):
    imap.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
    imap.ok("EXPUNGE")
    r = second.ok("UID FETCH 3 FLAGS")
    assert 3 in r.fetch()
    assert r.one("EXPUNGE")[0] == 2


def test_rfc2180_4_1_1_expunged_messages_can_be_read_until_told(imap, second):
    imap.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
    imap.ok("EXPUNGE")
    data = second.ok("FETCH 1:4 BODY.PEEK[]").fetch()
    assert [d["BODY[]"] for d in data.values()] == [HELLO] * 4
    assert second.no("STORE 1 +FLAGS (\\Seen)").code == b"EXPUNGEISSUED"
    assert second.ok("STORE 1 +FLAGS.SILENT (\\Seen)").fetch() == {}
    assert len(second.ok("NOOP").all("EXPUNGE")) == 4


# --- COPY, MOVE -------------------------------------------------------------
def test_rfc3501_6_4_7_copy_keeps_flags_and_date(imap):
    imap.ok("CREATE x")
    imap.ok("STORE 2 FLAGS (\\Seen $k)")
    date = imap.ok("FETCH 2 INTERNALDATE").fetch()[2]["INTERNALDATE"]
    imap.ok("COPY 2 x")
    assert imap.ok("SELECT x").one("RECENT")[0] == 1
    data = imap.ok("FETCH 1 (FLAGS INTERNALDATE BODY.PEEK[])").fetch()[1]
    assert set(data["FLAGS"]) == {b"\\Seen", b"$k", b"\\Recent"}
    assert data["INTERNALDATE"] == date and data["BODY[]"] == HELLO


def test_rfc4315_3_copyuid(imap):
    imap.ok("CREATE x")
    imap.ok("COPY 1 x")
    r = imap.ok("COPY 2,4 x")
    m = re.fullmatch(rb"COPYUID (\d+) (\S+) (\S+)", r.code)
    assert m.group(2) == b"2,4" and m.group(3) == b"2:3"
    assert b"UIDVALIDITY " + m.group(1) in imap.ok("SELECT x").codes()


def test_rfc3501_6_4_7_trycreate(imap):
    assert imap.no("COPY 1 nowhere").code == b"TRYCREATE"
    assert imap.no("UID COPY 1 nowhere").code == b"TRYCREATE"
    assert imap.no("MOVE 1 nowhere").code == b"TRYCREATE"


def test_rfc3501_6_4_7_copy_into_itself(imap):
    r = imap.ok("COPY 1:2 INBOX")
    assert r.one("EXISTS")[0] == 6
    imap.bad("COPY 9 INBOX")


def test_rfc6851_3_3_move(imap):
    imap.ok("CREATE x")
    r = imap.ok("MOVE 2:3 x")
    assert any(c.startswith(b"COPYUID ") and c.endswith(b"2:3 1:2")
               for c in r.codes())
    order = [u for u in r.untagged if b"COPYUID" in u or b"EXPUNGE" in u]
    assert b"COPYUID" in order[0] and len(order) == 3
    assert [n for n, _ in r.all("EXPUNGE")] == [2, 2]
    assert imap.ok("UID SEARCH ALL").search() == [1, 4]
    imap.ok("SELECT x")
    found = imap.ok("FETCH 1:* (FLAGS BODY.PEEK[])").fetch()
    assert all(b"\\Deleted" not in d["FLAGS"] and d["BODY[]"] == HELLO
               for d in found.values()) and len(found) == 2


def test_rfc6851_3_2_uid_move(imap):
    imap.ok("CREATE x")
    imap.ok("UID MOVE 4 x")
    assert imap.ok("UID SEARCH ALL").search() == [1, 2, 3]
    assert imap.ok("UID MOVE 99 x").untagged == []


def test_rfc6851_3_3_others_see_it_go(imap, second):
    imap.ok("CREATE x")
    imap.ok("MOVE 1 x")
    assert second.ok("NOOP").one("EXPUNGE")[0] == 1


# --- CONDSTORE --------------------------------------------------------------
def highest(result):
    return [int(c.split()[1]) for c in result.codes()
            if c.startswith(b"HIGHESTMODSEQ ")]


def test_rfc7162_3_1_2_1_select_tells_highestmodseq(imap):
    r = imap.ok("SELECT INBOX (CONDSTORE)")
    assert highest(r)[0] >= modseq(imap, 4)


def test_rfc7162_3_1_first_enabling_command_tells_it(imap):
    assert highest(imap.ok("FETCH 1 MODSEQ"))
    assert not highest(imap.ok("FETCH 1 MODSEQ"))


def test_rfc7162_3_1_enable_condstore(imap):
    assert highest(imap.ok("ENABLE CONDSTORE"))
    r = imap.ok("STORE 1 +FLAGS.SILENT (\\Seen)")
    assert int(r.fetch()[1]["MODSEQ"][0]) == modseq(imap, 1)


def test_rfc7162_3_1_modseq_rises_with_changes_alone(imap):
    before = modseq(imap, 1)
    imap.ok("STORE 1 +FLAGS (\\Seen)")
    after = modseq(imap, 1)
    assert after > before
    imap.ok("STORE 1 +FLAGS (\\Seen)")
    imap.ok("STORE 1 -FLAGS (\\Flagged)")
    assert modseq(imap, 1) == after
    assert modseq(imap, 2) < after
    imap.append("INBOX", HELLO)
    assert modseq(imap, 5) > after


def test_rfc7162_3_1_3_unchangedsince(imap, second):
    mark = modseq(imap, 4)
    second.ok("STORE 2 +FLAGS (\\Flagged)")
    r = imap.ok(f"STORE 1:3 (UNCHANGEDSINCE {mark}) +FLAGS.SILENT (\\Seen)")
    assert r.code == b"MODIFIED 2"
    found = r.fetch()
    assert int(found[1]["MODSEQ"][0]) > mark
    assert b"\\Flagged" in found[2]["FLAGS"]
    assert flags(imap, 2) == {"\\Flagged"}
    assert flags(imap, 3) == {"\\Seen"}
    r = imap.ok(f"UID STORE 2 (UNCHANGEDSINCE {mark}) FLAGS ()")
    assert r.code == b"MODIFIED 2"
    mark = modseq(imap, 2)
    assert imap.ok(f"STORE 2 (UNCHANGEDSINCE {mark}) FLAGS ()").code is None


def test_rfc7162_3_1_3_unchangedsince_0_always_fails(imap):
    r = imap.ok("STORE 1 (UNCHANGEDSINCE 0) +FLAGS (\\Seen)")
    assert r.code == b"MODIFIED 1"


def test_rfc7162_3_1_4_1_changedsince(imap):
    mark = max(modseq(imap, n) for n in range(1, 5))
    imap.ok("STORE 3 +FLAGS.SILENT (\\Seen)")
    r = imap.ok(f"FETCH 1:* (FLAGS) (CHANGEDSINCE {mark})")
    assert list(r.fetch()) == [3] and "MODSEQ" in r.fetch()[3]
    assert imap.ok(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq(imap, 3)})"
                   ).fetch() == {}


def test_rfc7162_3_1_5_search_modseq(imap):
    imap.ok("STORE 3 +FLAGS.SILENT (\\Seen)")
    mark = modseq(imap, 3)
    r = imap.ok(f"SEARCH MODSEQ {mark}")
    assert r.search() == [3]
    assert r.one("SEARCH")[1].endswith(b"(MODSEQ %d)" % mark)
    r = imap.ok(f'SEARCH MODSEQ "/flags/\\\\seen" all {mark}')
    assert r.search() == [3]
    assert imap.ok(f"SEARCH MODSEQ {mark + 1}").one("SEARCH")[1] == b""
    r = imap.ok(f"SEARCH RETURN (ALL) MODSEQ {mark}")
    assert r.one("ESEARCH")[1].endswith(b"ALL 3 MODSEQ %d" % mark)


def test_rfc7162_3_1_others_are_told_modseqs(imap, second):
    second.ok("ENABLE CONDSTORE")
    imap.ok("STORE 2 +FLAGS (\\Seen)")
    told = second.ok("NOOP").fetch()[2]
    assert int(told["MODSEQ"][0]) == modseq(imap, 2)
    assert b"\\Seen" in told["FLAGS"] and told["UID"] == b"2"


def test_rfc7162_3_1_4_seen_by_fetch_has_its_modseq(imap):
    imap.ok("ENABLE CONDSTORE")
    data = imap.ok("FETCH 1 BODY[]").fetch()[1]
    assert int(data["MODSEQ"][0]) == modseq(imap, 1)


def test_rfc7162_3_1_7_status(imap):
    rest = imap.ok("STATUS INBOX (HIGHESTMODSEQ)").one("STATUS")[1]
    assert int(re.search(rb"\d+", rest).group()) >= modseq(imap, 4)


def test_rfc6851_4_4_move_tells_highestmodseq(imap):
    imap.ok("CREATE x")
    imap.ok("ENABLE CONDSTORE")
    assert highest(imap.ok("MOVE 1 x"))


def test_qresync_was_not_enabled(imap):
    imap.bad("SELECT INBOX (QRESYNC (1 2))")
    imap.bad("UID FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED)")


# --- while EXPUNGE has to wait ----------------------------------------------
@pytest.fixture
def waiting(imap, second):
    """A session that has not been told yet that message 1 is gone."""
    second.ok("SELECT INBOX")
    second.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    second.ok("EXPUNGE")
    assert imap.ok("SEARCH ALL").search()[0] == 1
    return imap


def test_rfc3501_7_4_1_flags_that_were_told_stay_told(waiting):
    r = waiting.ok("STORE 3 +FLAGS (\\Flagged $new)")
    assert r.all("FLAGS") and b"$new" in r.fetch()[3]["FLAGS"]
    assert flags(waiting, 3) == {"\\Flagged", "$new"}
    assert waiting.ok("SEARCH FLAGGED KEYWORD $new").search() == [3]
    assert b"\\Seen" in waiting.ok("FETCH 3 BODY[]").fetch()[3]["FLAGS"]
    assert flags(waiting, 3) == {"\\Flagged", "\\Seen", "$new"}
    assert waiting.ok("SEARCH UNSEEN").search() == [1, 2, 4]
    assert waiting.ok("FETCH 1 (BODY.PEEK[])").fetch()[1]["BODY[]"]
    assert waiting.ok("NOOP").one("EXPUNGE")[0] == 1
    assert flags(waiting, 2) == {"\\Flagged", "\\Seen", "$new"}


def test_rfc7162_3_1_modseqs_that_were_told_stay_told(waiting):
    told = waiting.ok("STORE 3 +FLAGS (\\Flagged)")
    waiting.ok("ENABLE CONDSTORE")
    told = waiting.ok("STORE 3 +FLAGS (\\Seen)").fetch()[3]["MODSEQ"]
    assert waiting.ok("FETCH 3 MODSEQ").fetch()[3]["MODSEQ"] == told
    modseq = int(told[0])
    assert waiting.ok(f"SEARCH MODSEQ {modseq}").search() == [3]
    r = waiting.ok(f"FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq - 1})")
    assert list(r.fetch()) == [3]


def test_rfc3501_7_4_1_flags_of_others_are_fetched(waiting, second):
    second.ok("STORE 1 +FLAGS (\\Answered $new)")
    r = waiting.ok("FETCH 2 FLAGS")
    assert waiting.ok("FETCH 2 FLAGS").fetch()[2]["FLAGS"] and not r.all(
        "EXPUNGE")
    assert flags(waiting, 2) == {"\\Answered", "$new"}
