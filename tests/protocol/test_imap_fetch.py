"""imapd: FETCH."""
import pytest

PLAIN = (b"Date: Tue, 1 Jul 2003 10:52:37 +0200\r\n"
         b"From: \"A. Person\" <a@example.org>\r\n"
         b"To: b@example.org, Group: c@example.org;\r\n"
         b"Cc: d@example.org\r\n"
         b"Subject: one \"two\"\r\n"
         b" three\r\n"
         b"Message-ID: <1@example.org>\r\n"
         b"X-Other: yes\r\n"
         b"\r\n"
         b"Line one\r\nLine two\r\n")
INNER = (b"From: inner@example.org\r\nSubject: inner\r\n"
         b"Content-Type: multipart/alternative; boundary=i\r\n\r\n"
         b"--i\r\nContent-Type: text/plain\r\n\r\ninner text\r\n"
         b"--i\r\nContent-Type: text/html\r\n\r\n<p>inner\r\n--i--\r\n")
MIXED = (b"From: a@example.org\r\nSubject: mixed\r\nMIME-Version: 1.0\r\n"
         b"Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n"
         b"preamble\r\n"
         b"--b\r\n\r\nfirst part\r\n"
         b"--b\r\nContent-Type: application/octet-stream; name=x\r\n"
         b"Content-Transfer-Encoding: base64\r\n"
         b"Content-Disposition: attachment; filename=\"x\"\r\n\r\nAAEC\r\n"
         b"--b\r\nContent-Type: message/rfc822\r\n\r\n" + INNER +
         b"\r\n--b--\r\nepilogue\r\n")


@pytest.fixture
def imap(imap):
    imap.append("INBOX", PLAIN)
    imap.append("INBOX", MIXED)
    imap.append("INBOX", b"no header at all")
    imap.ok("SELECT INBOX")
    return imap


def fetch(imap, seq, items):
    return imap.ok(f"FETCH {seq} {items}").fetch()[seq]


def section(imap, seq, name):
    return fetch(imap, seq, f"BODY.PEEK[{name}]")[f"BODY[{name.upper()}]"]


# --- items ------------------------------------------------------------------
def test_rfc3501_6_4_5_macros(imap):
    assert set(fetch(imap, 1, "FAST")) == {
        "FLAGS", "INTERNALDATE", "RFC822.SIZE"}
    assert set(fetch(imap, 1, "ALL")) == {
        "FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"}
    assert set(fetch(imap, 1, "FULL")) == {
        "FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"}
    imap.bad("FETCH 1 (ALL)")


def test_rfc3501_7_4_2_envelope(imap):
    e = fetch(imap, 1, "ENVELOPE")["ENVELOPE"]
    assert e[0] == b"Tue, 1 Jul 2003 10:52:37 +0200"
    assert e[1] == b'one "two" three'
    person = [[b"A. Person", None, b"a", b"example.org"]]
    assert e[2] == e[3] == e[4] == person
    assert e[5] == [[None, None, b"b", b"example.org"],
                    [None, None, b"Group", None],
                    [None, None, b"c", b"example.org"],
                    [None, None, None, None]]
    assert e[6] == [[None, None, b"d", b"example.org"]]
    assert e[7] is None and e[8] is None
    assert e[9] == b"<1@example.org>"
    assert fetch(imap, 3, "ENVELOPE")["ENVELOPE"] == [None] * 10


def test_rfc3501_7_4_2_bodystructure(imap):
    b = fetch(imap, 1, "BODYSTRUCTURE")["BODYSTRUCTURE"]
    assert [x.upper() if x else x for x in b[:2]] == [b"TEXT", b"PLAIN"]
    assert int(b[6]) == 20 and int(b[7]) == 2
    m = fetch(imap, 2, "BODYSTRUCTURE")["BODYSTRUCTURE"]
    assert m[3].upper() == b"MIXED"
    assert m[4] == [b"boundary", b"b"]
    assert m[1][0].upper() == b"APPLICATION"
    assert m[1][8][0].upper() == b"ATTACHMENT"
    assert m[2][0].upper() == b"MESSAGE"
    assert m[2][7][1] == b"inner"
    plain = fetch(imap, 2, "BODY")["BODY"]
    assert plain[3].upper() == b"MIXED" and len(plain) == 4


def test_rfc3501_6_4_5_size_and_uid(imap):
    data = fetch(imap, 2, "(UID RFC822.SIZE)")
    assert data == {"UID": b"2", "RFC822.SIZE": b"%d" % len(MIXED)}


# --- sections ---------------------------------------------------------------
def test_rfc3501_6_4_5_body_of_the_whole(imap):
    assert section(imap, 1, "") == PLAIN
    assert section(imap, 2, "") == MIXED
    assert section(imap, 3, "") == b"no header at all"


def test_rfc3501_6_4_5_header_and_text(imap):
    head, _, text = PLAIN.partition(b"\r\n\r\n")
    assert section(imap, 1, "HEADER") == head + b"\r\n\r\n"
    assert section(imap, 1, "TEXT") == text
    assert section(imap, 1, "1") == text


def test_rfc3501_6_4_5_header_fields(imap):
    assert section(imap, 1, "HEADER.FIELDS (SUBJECT From)") == (
        b'From: "A. Person" <a@example.org>\r\n'
        b'Subject: one "two"\r\n three\r\n\r\n')
    assert section(imap, 1, "HEADER.FIELDS (X-Other X-None)") == (
        b"X-Other: yes\r\n\r\n")
    assert section(imap, 1, "HEADER.FIELDS (X-None)") == b"\r\n"
    rest = section(imap, 1, "HEADER.FIELDS.NOT (Date From To Cc Subject)")
    assert rest == (b"Message-ID: <1@example.org>\r\nX-Other: yes\r\n\r\n")


def test_rfc3501_6_4_5_parts(imap):
    assert section(imap, 2, "1") == b"first part"
    assert section(imap, 2, "2") == b"AAEC"
    assert section(imap, 2, "2.MIME").startswith(
        b"Content-Type: application/octet-stream; name=x\r\n")
    assert section(imap, 2, "2.MIME").endswith(b"\r\n\r\n")
    assert section(imap, 2, "3") == INNER
    assert section(imap, 2, "3.HEADER") == (
        INNER.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    assert section(imap, 2, "3.TEXT") == INNER.partition(b"\r\n\r\n")[2]
    assert section(imap, 2, "3.1") == b"inner text"
    assert section(imap, 2, "3.2") == b"<p>inner"
    assert section(imap, 2, "3.HEADER.FIELDS (Subject)") == (
        b"Subject: inner\r\n\r\n")


@pytest.mark.parametrize("part", ["4", "1.1", "3.3", "3.1.1", "9999999"])
def test_rfc3501_7_4_2_parts_that_are_not_there_are_nil(imap, part):
    assert section(imap, 2, part) is None


def test_rfc3501_6_4_5_partial(imap):
    def part(at, count):
        data = fetch(imap, 1, f"BODY.PEEK[]<{at}.{count}>")
        return data[f"BODY[]<{at}>"]

    n = len(PLAIN)
    assert part(0, 10) == PLAIN[:10]
    assert part(5, 1) == PLAIN[5:6]
    assert part(n - 3, 100) == PLAIN[-3:]
    assert part(n, 1) == b""
    assert part(n + 1000, 1000) == b""
    assert part(1 << 40, 1 << 40) == b""
    assert fetch(imap, 1, "BODY.PEEK[TEXT]<5.3>")["BODY[TEXT]<5>"] == b"one"
    assert fetch(imap, 1, "BODY.PEEK[HEADER.FIELDS (Cc)]<4.5>")[
        "BODY[HEADER.FIELDS (CC)]<4>"] == b"d@exa"


def test_rfc3501_6_4_5_rfc822_forms(imap):
    data = fetch(imap, 1, "(RFC822 RFC822.HEADER RFC822.TEXT)")
    assert data["RFC822"] == PLAIN
    assert data["RFC822.HEADER"] + data["RFC822.TEXT"] == PLAIN


def test_several_sections_in_one(imap):
    data = fetch(imap, 2, "(BODY.PEEK[1] UID BODY.PEEK[2] BODY.PEEK[9] FLAGS "
                          "BODY.PEEK[HEADER.FIELDS (Subject)])")
    assert data["BODY[1]"] == b"first part" and data["BODY[2]"] == b"AAEC"
    assert data["BODY[9]"] is None
    assert data["BODY[HEADER.FIELDS (SUBJECT)]"] == b"Subject: mixed\r\n\r\n"


# --- what no digest has room for --------------------------------------------
@pytest.fixture
def huge(server, account):
    """A header of 500 recipients, and a message of 300 parts."""
    to = b",\r\n ".join(b"Person %d <p%d@example.org>" % (n, n)
                        for n in range(500))
    first = b"From: a@example.org\r\nTo: " + to + b"\r\nSubject: x\r\n\r\n.\r\n"
    parts = b"".join(
        b"--b\r\nContent-Type: text/plain; name=\"%d\"\r\n\r\npart %d\r\n"
        % (n, n) for n in range(1, 301))
    second = (b"Subject: parts\r\nContent-Type: multipart/mixed; boundary=b"
              b"\r\n\r\n" + parts + b"--b--\r\n")
    with server.imap(account) as c:
        c.append("INBOX", first)
        c.append("INBOX", second)
        c.ok("SELECT INBOX")
        yield c, first, second


def test_an_envelope_of_500_recipients(huge):
    c, first, _ = huge
    to = fetch(c, 1, "ENVELOPE")["ENVELOPE"][5]
    assert len(to) == 500
    assert to[499] == [b"Person 499", None, b"p499", b"example.org"]
    head = section(c, 1, "HEADER.FIELDS (To)")
    assert head == first[first.index(b"To:"):first.index(b"Subject")] + b"\r\n"
    assert c.ok("SEARCH TO p250@").search() == [1]
    assert c.ok("SEARCH HEADER To p499").search() == [1]


def test_a_message_of_300_parts(huge):
    c, _, second = huge
    b = fetch(c, 2, "BODYSTRUCTURE")["BODYSTRUCTURE"]
    assert b[300].upper() == b"MIXED" and b[299][2][:2] == [b"name", b"300"]
    assert len(fetch(c, 2, "BODY")["BODY"]) == 301
    data = fetch(c, 2, "(BODY.PEEK[] BODY.PEEK[250] BODY.PEEK[300.MIME] "
                       "BODY.PEEK[301] BODY.PEEK[1]<2.3>)")
    assert data["BODY[]"] == second
    assert data["BODY[250]"] == b"part 250"
    assert data["BODY[300.MIME]"] == (
        b'Content-Type: text/plain; name="300"\r\n\r\n')
    assert data["BODY[301]"] is None
    assert data["BODY[1]<2>"] == b"rt "
    assert c.ok('SEARCH BODY "part 299"').search() == [2]


# --- \Seen ------------------------------------------------------------------
def test_rfc3501_6_4_5_body_sets_seen_and_says_so(imap):
    data = fetch(imap, 1, "BODY[TEXT]")
    assert b"\\Seen" in data["FLAGS"]
    assert "FLAGS" not in fetch(imap, 1, "BODY[TEXT]")
    assert b"\\Seen" not in fetch(imap, 2, "FLAGS")["FLAGS"]


@pytest.mark.parametrize("items", [
    "BODY.PEEK[]", "RFC822.HEADER", "ENVELOPE", "BODY", "BODYSTRUCTURE"])
def test_rfc3501_6_4_5_peeking_does_not(imap, items):
    fetch(imap, 1, items)
    assert b"\\Seen" not in fetch(imap, 1, "FLAGS")["FLAGS"]


@pytest.mark.parametrize("items", ["RFC822", "RFC822.TEXT", "BODY[1]"])
def test_rfc3501_6_4_5_these_do(imap, items):
    fetch(imap, 1, items)
    assert b"\\Seen" in fetch(imap, 1, "FLAGS")["FLAGS"]


# --- sets -------------------------------------------------------------------
def test_rfc3501_9_sets(imap):
    def seqs(text):
        return sorted(imap.ok(f"FETCH {text} FLAGS").fetch())

    assert seqs("1:*") == [1, 2, 3]
    assert seqs("*") == [3]
    assert seqs("*:2") == [2, 3]
    assert seqs("3,1,1:2") == [1, 2, 3]
    imap.bad("FETCH 4 FLAGS")
    imap.bad("FETCH 1:4 FLAGS")
    imap.bad("FETCH 0 FLAGS")


def test_rfc3501_6_4_8_uid_fetch(imap):
    imap.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    imap.ok("EXPUNGE")
    assert imap.ok("UID FETCH 2 FLAGS").fetch()[1]["UID"] == b"2"
    assert imap.ok("UID FETCH 1 FLAGS").fetch() == {}
    assert imap.ok("UID FETCH 100:200 FLAGS").fetch() == {}
    # The last one is in n:* even if n is above it.
    assert list(imap.ok("UID FETCH 100:* FLAGS").fetch()) == [2]
    assert imap.ok("UID FETCH 1:4294967295 UID").fetch().keys() == {1, 2}


def test_rfc3501_9_star_in_an_empty_mailbox(server, imap):
    imap.ok("CREATE empty")
    imap.ok("SELECT empty")
    imap.bad("FETCH * FLAGS")
    imap.bad("FETCH 1 FLAGS")
    assert imap.ok("UID FETCH 1:* FLAGS").fetch() == {}


# --- TLS ---------------------------------------------------------------------
def test_large_bodies_over_tls(server, account):
    message = PLAIN + b"0123456789abcdef\r\n" * 100000
    with server.imap(account, tls=True) as c:
        assert c.append("INBOX", message).ok
        c.ok("SELECT INBOX")
        assert fetch(c, 1, "BODY.PEEK[]")["BODY[]"] == message
        assert fetch(c, 1, "BODY.PEEK[]<1000000.5000>")[
            "BODY[]<1000000>"] == message[1000000:1005000]


# --- bulk -------------------------------------------------------------------
def test_a_thousand_messages_in_one_fetch(server, account):
    with server.imap(account) as c:
        message = PLAIN
        c.send(b"".join(
            b"a%d APPEND INBOX {%d+}\r\n%s\r\n" % (i, len(message), message)
            for i in range(1000)))
        for i in range(1000):
            assert c.line().startswith(b"a%d OK" % i)
        assert c.ok("SELECT INBOX").one("EXISTS")[0] == 1000
        data = c.ok("FETCH 1:* (UID FLAGS ENVELOPE BODYSTRUCTURE "
                    "RFC822.SIZE)").fetch()
        assert len(data) == 1000
        assert all(d["RFC822.SIZE"] == b"%d" % len(message)
                   for d in data.values())
        bodies = c.ok("FETCH 1:* BODY.PEEK[]").fetch()
        assert all(d["BODY[]"] == message for d in bodies.values())


def test_a_client_that_reads_slowly_gets_everything(server, account):
    import time
    message = PLAIN + b"x" * 200000 + b"\r\n"
    with server.imap(account) as c:
        for _ in range(30):
            c.append("INBOX", message)
        c.ok("SELECT INBOX")
        tag = c.begin("FETCH 1:* BODY.PEEK[]")
        time.sleep(0.5)
        with server.imap(account) as other:
            other.ok("NOOP")
        data = c.end(tag).fetch()
        assert [d["BODY[]"] for d in data.values()] == [message] * 30
