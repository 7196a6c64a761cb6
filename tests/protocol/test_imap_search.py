"""imapd: SEARCH, ESEARCH, SEARCHRES."""
import pytest

from harness.wire import sexp


def message(subject="s", sender="a@example.org", date=None, body="body",
            more=""):
    head = f"From: {sender}\r\nTo: to@example.org\r\nSubject: {subject}\r\n"
    if date:
        head += f"Date: {date}\r\n"
    return (head + more + "\r\n" + body + "\r\n").encode()


@pytest.fixture
def imap(imap):
    imap.append("INBOX", message("first", date="Tue, 1 Feb 2000 23:30:00 "
                              "-0500"), "(\\Seen)",
             '"01-Feb-2000 10:00:00 +0000"')
    imap.append("INBOX", message("second", sender="Smith <s@example.org>",
                              body="needle in the hay",
                              more="Cc: cc@x.example\r\n"),
             "(\\Flagged $Junk)", '"02-Feb-2000 23:30:00 -0500"')
    imap.append("INBOX", message(
        "=?utf-8?Q?gr=C3=BC=C3=9Fe?=", date="Thu, 3 Feb 2000 00:00:00 "
        "+0000", body="x" * 5000,
        more="X-Test: yes it is\r\nBcc: hidden@x.example\r\n"),
        "(\\Answered \\Draft)", '"03-Feb-2000 10:00:00 +0000"')
    imap.ok("SELECT INBOX")
    return imap


@pytest.mark.parametrize("keys, want", [
    ("ALL", [1, 2, 3]),
    ("1:2", [1, 2]), ("*", [3]), ("UID 2:3", [2, 3]), ("NOT 2", [1, 3]),
    ("SEEN", [1]), ("UNSEEN", [2, 3]), ("FLAGGED", [2]),
    ("UNFLAGGED", [1, 3]), ("ANSWERED", [3]), ("UNANSWERED", [1, 2]),
    ("DRAFT", [3]), ("UNDRAFT", [1, 2]), ("DELETED", []),
    ("UNDELETED", [1, 2, 3]), ("KEYWORD $Junk", [2]),
    ("KEYWORD $JUNK", [2]), ("UNKEYWORD $Junk", [1, 3]),
    ("KEYWORD none", []), ("UNKEYWORD none", [1, 2, 3]),
    ("RECENT", [1, 2, 3]), ("OLD", []), ("NEW", [2, 3]),
    ("SUBJECT first", [1]), ("SUBJECT FIR", [1]), ("FROM smith", [2]),
    ("FROM example.org", [1, 2, 3]), ("TO to@", [1, 2, 3]), ("CC cc@", [2]),
    ("BCC hidden", [3]), ("HEADER X-Test yes", [3]),
    ('HEADER X-Test ""', [3]), ('HEADER X-None ""', []),
    ("HEADER Subject second", [2]),
    ("BODY needle", [2]), ("BODY second", []), ("TEXT second", [2]),
    ("TEXT needle", [2]), ("BODY NEEDLE", [2]),
    ("LARGER 1000", [3]), ("SMALLER 1000", [1, 2]),
    ("BEFORE 2-Feb-2000", [1]), ("ON 2-Feb-2000", [2]),
    ("SINCE 2-Feb-2000", [2, 3]), ('SINCE "3-Feb-2000"', [3]),
    ("SENTON 1-Feb-2000", [1]), ("SENTSINCE 2-Feb-2000", [3]),
    ("SENTBEFORE 2-Feb-2000", [1]),
    ("OR SEEN FLAGGED", [1, 2]), ("SEEN FLAGGED", []),
    ("NOT (SEEN)", [2, 3]), ("(OR (SEEN) (FLAGGED)) NOT SEEN", [2]),
    ("OR OR 1 2 3", [1, 2, 3]),
])
def test_rfc3501_6_4_4_keys(imap, keys, want):
    assert imap.ok(f"SEARCH {keys}").search() == want
    uids = imap.ok(f"UID SEARCH {keys}").search()
    assert uids == want


def test_rfc3501_6_4_4_charset(imap):
    assert imap.ok("SEARCH CHARSET US-ASCII SUBJECT first").search() == [1]
    r = imap.cmd_literals("SEARCH CHARSET UTF-8 SUBJECT ", "GRÜSSE")
    assert r.ok
    r = imap.cmd_literals("SEARCH CHARSET UTF-8 SUBJECT ", "Grüße")
    assert r.search() == [3]
    r = imap.cmd_literals("SEARCH CHARSET ISO-8859-1 SUBJECT ",
                          "grüße".encode("latin-1"))
    assert r.search() == [3]
    assert imap.no("SEARCH CHARSET XYZZY ALL").code.startswith(b"BADCHARSET")


def test_rfc3501_7_2_5_nothing_found_is_an_empty_response(imap):
    assert imap.ok("SEARCH DELETED").one("SEARCH")[1] == b""


def test_rfc3501_6_4_4_uids_differ_from_numbers(imap):
    imap.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    imap.ok("EXPUNGE")
    assert imap.ok("SEARCH ALL").search() == [1, 2]
    assert imap.ok("UID SEARCH ALL").search() == [2, 3]
    assert imap.ok("UID SEARCH 1").search() == [2]
    assert imap.ok("SEARCH UID 3").search() == [2]


@pytest.mark.parametrize("keys", [
    "", "XYZZY", "0", "SINCE yesterday", "SINCE 31-Feb-2000", "(ALL",
    "OR ALL", "NOT", "LARGER x", "KEYWORD \\Seen", "HEADER X"])
def test_rfc3501_6_4_4_wrong_keys_are_bad(imap, keys):
    imap.bad(f"SEARCH {keys}".rstrip())


@pytest.mark.parametrize("keys, want", [
    ("4", []), ("2:9", [2, 3]), ("9:2", [2, 3]), ("4:*", [3]), ("*:4", [3]),
    ("1,7,9", [1]), ("4294967295", []), ("NOT 4:5", [1, 2, 3]),
    ("3:4294967295", [3]), ("UID 4:*", [3]), ("UID 4:7", [])])
def test_rfc3501_6_4_4_numbers_that_are_not_there_match_nothing(
        imap, keys, want):
    assert imap.ok(f"SEARCH {keys}").search() == want


def test_rfc3501_6_4_4_an_empty_mailbox_is_searched(imap):
    imap.ok("CREATE empty")
    imap.ok("SELECT empty")
    for keys in ("*", "1:*", "1", "ALL", "NOT 1:*", "UID 1:*"):
        assert imap.ok(f"SEARCH {keys}").search() == []


def test_rfc3501_6_4_4_addresses_are_those_of_the_envelope(imap):
    imap.append("INBOX", message(
        sender="<jo (x)@ (y) example.com> (Jo)", more="Cc: a@x.example,\r\n"
        ' "Q. \\"X\\" Y" <q@x.example>, Some (of us): g@x.example;\r\n'))
    imap.ok("NOOP")
    for keys in ("FROM jo@example.com", "FROM jo", 'CC "Q. \\"X\\" Y"',
                 "CC q@x.example", "CC some", "CC g@x", 'FROM "(y)"',
                 'HEADER From "(y)"'):
        assert imap.ok(f"SEARCH {keys}").search() == [4], keys
    assert imap.ok("SEARCH HEADER From jo@example.com").search() == []


def test_search_of_mime_decodes(imap):
    imap.append("INBOX", message(
        "b64", body="QSBoaWRkZW4gd29yZA==",
        more="MIME-Version: 1.0\r\nContent-Type: text/plain\r\n"
             "Content-Transfer-Encoding: base64\r\n"))
    imap.ok("NOOP")
    assert imap.ok('SEARCH BODY "hidden word"').search() == [4]
    assert imap.ok('SEARCH BODY "QSBoaW"').search() == []


def test_search_of_html_as_it_is_seen(imap):
    imap.append("INBOX", message(
        "html", body="<p>Viele Gr&uuml;=C3=9Fe<br>\r\naus <b>K=C3=B6</b>ln"
        "</p>", more="MIME-Version: 1.0\r\n"
        "Content-Type: text/html; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n"))
    imap.ok("NOOP")
    for text in ("viele grüsse aus köln", "VIELE GRÜSSE", "köln", "<p>viele",
                 "Gr&uuml;"):
        key = text.replace("ss", "ß").replace("SS", "ß")
        r = imap.cmd_literals("SEARCH CHARSET UTF-8 BODY ", key)
        assert r.search() == [4], text


# --- ESEARCH ----------------------------------------------------------------
def esearch(result):
    items = sexp(result.one("ESEARCH")[1])
    assert items[0][0] == b"TAG"
    found, items = {}, items[1:]
    if items and items[0] == b"UID":
        found["UID"] = True
        items = items[1:]
    for i in range(0, len(items), 2):
        found[items[i].decode()] = items[i + 1].decode()
    return found


@pytest.mark.parametrize("options, keys, want", [
    ("", "ALL", {"ALL": "1:3"}),
    ("ALL", "UNSEEN", {"ALL": "2:3"}),
    ("MIN", "UNSEEN", {"MIN": "2"}),
    ("MAX", "UNSEEN", {"MAX": "3"}),
    ("COUNT", "ALL", {"COUNT": "3"}),
    ("MIN MAX COUNT ALL", "OR 1 3",
     {"MIN": "1", "MAX": "3", "COUNT": "2", "ALL": "1,3"}),
    ("MIN MAX ALL", "DELETED", {}),
    ("COUNT", "DELETED", {"COUNT": "0"}),
])
def test_rfc4731_3_1_return_options(imap, options, keys, want):
    assert esearch(imap.ok(f"SEARCH RETURN ({options}) {keys}")) == want
    got = esearch(imap.ok(f"UID SEARCH RETURN ({options}) {keys}"))
    assert got.pop("UID") and got == want


def test_rfc4731_3_1_the_tag_is_repeated(imap):
    imap.send(b"x9 SEARCH RETURN (COUNT) ALL\r\n")
    assert imap.line() == b'* ESEARCH (TAG "x9") COUNT 3'


# --- SEARCHRES --------------------------------------------------------------
def test_rfc5182_2_1_saved_result(imap):
    r = imap.ok("SEARCH RETURN (SAVE) UNSEEN")
    assert r.all("SEARCH") == [] and r.all("ESEARCH") == []
    assert sorted(imap.ok("FETCH $ FLAGS").fetch()) == [2, 3]
    assert imap.ok("UID SEARCH $ FLAGGED").search() == [2]
    assert imap.ok("SEARCH UID $").search() == [2, 3]
    assert imap.ok("SEARCH NOT $").search() == [1]
    imap.ok("STORE $ +FLAGS.SILENT (\\Deleted)")
    assert imap.ok("SEARCH DELETED").search() == [2, 3]


def test_rfc5182_2_1_expunged_messages_leave_the_result(imap):
    imap.ok("SEARCH RETURN (SAVE) ALL")
    imap.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    imap.ok("EXPUNGE")
    assert sorted(imap.ok("FETCH $ UID").fetch()) == [1, 2]


def test_rfc5182_2_1_an_empty_result_names_nothing(imap):
    imap.ok("CREATE x")
    imap.ok("SEARCH RETURN (SAVE) DELETED")
    assert imap.ok("FETCH $ FLAGS").fetch() == {}
    assert imap.ok("COPY $ x").ok
    imap.ok("SEARCH RETURN (SAVE) ALL")
    imap.no("SEARCH RETURN (SAVE) CHARSET XYZZY ALL")
    assert imap.ok("FETCH $ FLAGS").fetch() == {}
    imap.ok("SEARCH RETURN (SAVE) ALL")
    imap.ok("SELECT INBOX")
    assert imap.ok("FETCH $ FLAGS").fetch() == {}


@pytest.mark.parametrize("options, want", [
    ("SAVE MIN", [1]), ("SAVE MAX", [3]), ("SAVE MIN MAX", [1, 3]),
    ("SAVE MIN COUNT", [1, 2, 3]), ("SAVE MAX ALL", [1, 2, 3])])
def test_rfc5182_2_4_with_other_options(imap, options, want):
    imap.ok(f"SEARCH RETURN ({options}) ALL")
    assert imap.ok("SEARCH $").search() == want


def test_rfc5182_2_3_pipelined(imap):
    imap.send(b"a SEARCH RETURN (SAVE) FLAGGED\r\nb FETCH $ UID\r\n")
    assert imap.line().startswith(b"a OK")
    assert imap.line() == b"* 2 FETCH (UID 2)"
    assert imap.line().startswith(b"b OK")
