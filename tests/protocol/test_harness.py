"""The harness itself: what it reads is what was sent."""
import pytest

from harness import ports
from harness.wire import ImapResult, Reply, sexp


@pytest.mark.parametrize("data, want", [
    (b"", []),
    (b"a b", [b"a", b"b"]),
    (b"NIL nil", [None, None]),
    (b'"" "a\\"b\\\\"', [b"", b'a"b\\']),
    (b"(1 (2) ())", [[b"1", [b"2"], []]]),
    (b"BODY[HEADER.FIELDS (TO CC)]<0> {3}\r\na)b", [
        b"BODY[HEADER.FIELDS (TO CC)]<0>", b"a)b"]),
    (b"(FLAGS (\\Seen $x) UID 7)", [[b"FLAGS", [b"\\Seen", b"$x"],
                                      b"UID", b"7"]]),
])
def test_sexp_reads_imap_data(data, want):
    assert sexp(data) == want


def test_result_sorts_responses():
    result = ImapResult(
        [b"* 3 EXISTS", b"* 2 FETCH (UID 9 FLAGS (\\Seen))", b"* SEARCH 4 5",
         b"* OK [UIDNEXT 10] next"], b"OK [READ-ONLY] Done")
    assert result.ok and result.code == b"READ-ONLY"
    assert result.one("EXISTS") == (3, b"")
    assert result.fetch() == {2: {"UID": b"9", "FLAGS": [b"\\Seen"]}}
    assert result.search() == [4, 5]
    assert result.codes() == [b"READ-ONLY", b"UIDNEXT 10"]


def test_reply_finds_the_enhanced_code():
    assert Reply(250, [b"2.1.5 fine"]).enhanced == "2.1.5"
    assert Reply(250, [b"2.1 fine"]).enhanced is None


def test_no_two_offsets_share_a_port():
    standard = [1, *ports.STANDARD.values()]
    assert all((a - b) % ports.STEP for a in standard for b in standard
               if a > b)
