"""imapd: commands of any state, framing, wrong input, limits, ends."""
import pytest

from harness.wire import Closed


@pytest.fixture
def imap(server):
    with server.imap() as c:
        yield c


@pytest.fixture
def user(server, account):
    with server.imap(account) as c:
        yield c


# --- greeting, capabilities -------------------------------------------------
def test_rfc3501_7_1_1_greeting_has_capabilities(imap):
    assert imap.greeting.startswith(b"* OK [CAPABILITY IMAP4rev1 ")


def test_rfc3501_6_1_1_capability_before_login(imap):
    caps = imap.capabilities()
    assert {"IMAP4rev1", "STARTTLS", "LITERAL+", "SASL-IR", "ID", "ENABLE",
            "AUTH=PLAIN"} <= caps
    assert "LOGINDISABLED" not in caps  # loopback


def test_rfc3501_6_1_1_capability_after_login(user):
    caps = user.capabilities()
    assert {"IMAP4rev1", "LITERAL+", "NAMESPACE", "CHILDREN", "UNSELECT",
            "UIDPLUS", "IDLE", "MOVE", "SPECIAL-USE", "CREATE-SPECIAL-USE",
            "ESEARCH", "SEARCHRES", "CONDSTORE", "STATUS=SIZE",
            "LIST-EXTENDED", "LIST-STATUS", "OBJECTID"} <= caps
    assert any(c.startswith("APPENDLIMIT=") for c in caps)
    assert not any(c.startswith("AUTH=") for c in caps)


def test_rfc3501_6_2_login_ok_has_capabilities(server, account):
    with server.imap() as c:
        r = c.login(account.address, account.password)
        assert r.code.startswith(b"CAPABILITY IMAP4rev1 ")


def test_rfc3501_6_1_2_noop(imap):
    assert imap.ok("NOOP").untagged == []


def test_rfc3501_6_1_3_logout_says_bye_and_closes(user):
    r = user.ok("LOGOUT")
    assert r.untagged[0].startswith(b"* BYE ")
    assert user.closed()


def test_rfc2971_3_1_id(imap):
    r = imap.ok('ID ("name" "test" "version" "1")')
    assert r.one("ID")[1].startswith(b'("name" "Postroom" ')
    imap.ok("ID NIL")
    imap.bad('ID ("name")')


def test_rfc5161_3_1_enable_answers_what_is_known(user):
    assert user.ok("ENABLE XYZZY").one("ENABLED")[1] == b""
    assert user.ok("ENABLE CONDSTORE X").one("ENABLED")[1] == b"CONDSTORE"


# --- tags, states, pipelining ----------------------------------------------
def test_rfc3501_2_2_1_tag_is_repeated(imap):
    imap.send(b"a.1]x NOOP\r\n")
    assert imap.line().startswith(b"a.1]x OK ")


@pytest.mark.parametrize("line", [
    b"", b" ", b"+ NOOP", b"(a NOOP", b"a{b NOOP", b"\x80 NOOP"])
def test_rfc3501_7_1_3_bad_without_a_tag_is_untagged(imap, line):
    imap.send(line + b"\r\n")
    assert imap.line().startswith(b"* BAD ")
    imap.ok("NOOP")


@pytest.mark.parametrize("command", [
    "XYZZY", "UID", "UID NOOP", "UID XYZZY", "NOOP x", "LOGIN", "LOGIN a",
    "SEARCHALL", "LOGIN a  b", 'LOGIN a "b', "LOGIN a \"b\\c\""])
def test_rfc3501_6_wrong_commands_are_bad(imap, command):
    imap.bad(command)


@pytest.mark.parametrize("command", [
    "SELECT INBOX", "LIST \"\" *", "FETCH 1 FLAGS", "IDLE", "ENABLE CONDSTORE",
    "STATUS INBOX (MESSAGES)", "NAMESPACE", "CREATE x"])
def test_rfc3501_6_3_commands_need_login(imap, command):
    imap.bad(command)


@pytest.mark.parametrize("command", [
    "FETCH 1 FLAGS", "STORE 1 FLAGS ()", "SEARCH ALL", "COPY 1 x", "EXPUNGE",
    "CLOSE", "CHECK", "UNSELECT", "UID FETCH 1 FLAGS", "MOVE 1 x"])
def test_rfc3501_6_4_commands_need_a_mailbox(user, command):
    user.bad(command)


@pytest.mark.parametrize("command", [
    "LOGIN a b", "AUTHENTICATE PLAIN", "STARTTLS"])
def test_rfc3501_6_2_commands_are_for_before_login(user, command):
    user.bad(command)


def test_rfc3501_5_5_pipelined_commands_are_answered_in_order(user):
    n = 200
    user.send(b"".join(b"p%d NOOP\r\n" % i for i in range(n)))
    for i in range(n):
        assert user.line().startswith(b"p%d OK" % i)


def test_rfc3501_9_keywords_are_in_any_case(imap):
    assert imap.cmd("nOoP").ok


# --- literals ---------------------------------------------------------------
def test_rfc3501_4_3_literals_are_asked_for(server, account):
    with server.imap() as c:
        r = c.cmd_literals("LOGIN ", account.address, " ", account.password)
        assert r.ok


def test_rfc7888_3_literals_without_waiting(server, account):
    with server.imap() as c:
        user, password = account.address.encode(), account.password.encode()
        c.send(b"a LOGIN {%d+}\r\n%s {%d+}\r\n%s\r\n"
               % (len(user), user, len(password), password))
        assert c.line().startswith(b"a OK ")


@pytest.mark.parametrize("size", [
    1 << 20, 1 << 31, 1 << 32, 1 << 63, (1 << 64) - 1, 1 << 64, 10 ** 40])
def test_rfc7888_4_too_big_a_literal_is_refused_before_it_comes(imap, size):
    imap.send(b"a LOGIN {%d}\r\n" % size)
    assert imap.line().startswith(b"a NO [TOOBIG] ")
    imap.ok("NOOP")


def test_rfc7888_4_a_literal_on_its_way_is_read_over(imap):
    imap.send(b"a LOGIN {100000+}\r\n" + b"x" * 100000 + b" {2+}\r\nyy\r\n")
    assert imap.line().startswith(b"a NO [TOOBIG] ")
    imap.ok("NOOP")


@pytest.mark.parametrize("size", [1 << 32, 1 << 63, 1 << 64])
def test_rfc7888_4_a_huge_literal_on_its_way_ends_the_session(imap, size):
    imap.send(b"a LOGIN {%d+}\r\n" % size)
    assert imap.line().startswith(b"* BYE [TOOBIG] ")
    assert imap.closed()


# --- wrong input ------------------------------------------------------------
def test_rfc2683_3_2_1_5_long_lines_are_taken(user):
    user.ok("SELECT INBOX")
    uids = ",".join(str(n) for n in range(2, 16000, 2))
    assert len(uids) > 30000
    user.ok(f"UID FETCH {uids} FLAGS")


def test_overlong_line_is_refused(user):
    user.send(b"a NOOP " + b"x" * 1000000 + b"\r\n")
    assert user.line().startswith(b"a BAD ")
    user.ok("NOOP")


def test_overlong_line_before_login_is_refused(imap):
    imap.send(b"a LOGIN x " + b"y" * 9000 + b"\r\n")
    assert imap.line().startswith(b"a BAD ")
    imap.ok("NOOP")


@pytest.mark.parametrize("data", [
    b"a NO\0OP", b"a LOGIN x y\0", b"a LOGIN \"\0\" y", b"\0"])
def test_rfc3501_9_nul_is_refused(imap, data):
    imap.send(data + b"\r\n")
    assert imap.line().split(b" ")[1] == b"BAD"
    imap.ok("NOOP")


def test_rfc3501_9_nul_in_a_literal_is_refused(imap):
    imap.send(b"a LOGIN {3+}\r\nx\0y z\r\n")
    assert imap.line().startswith(b"a BAD ")
    imap.ok("NOOP")


@pytest.mark.parametrize("command", [
    "SEARCH " + "(" * 20000, "SEARCH " + "NOT " * 10000 + "ALL",
    "SEARCH " + "OR ALL " * 8000 + "ALL", "SEARCH ALL" + " ALL" * 10000,
    "FETCH 1 (" + "BODY[1.1] " * 3000 + "FLAGS)",
    "FETCH 1 BODY[" + "1." * 20000 + "1]"])
def test_bombs_are_refused(user, command):
    user.ok("SELECT INBOX")
    assert user.no(command).code == b"LIMIT"
    user.ok("NOOP")


def test_commands_cut_at_every_octet(server, account):
    """Whatever is cut off, the session goes on; nobody else notices."""
    commands = [
        b'x LOGIN "a" {3}\r\n', b"x AUTHENTICATE PLAIN\r\n",
        b"x STARTTLS\r\n", b'x ID ("a" "b")\r\n']
    with server.imap(account) as witness:
        for command in commands:
            for n in range(len(command)):
                with server.imap() as c:
                    c.send(command[:n])
                    c.half_close()
                    c.read_to_end()
        witness.ok("NOOP")


def test_commands_cut_at_every_octet_after_login(server, account):
    command = (b'x APPEND INBOX (\\Seen) "01-Jan-2020 00:00:00 +0000" {8+}\r\n'
               b"A: b\r\n\r\n\r\n")
    for n in range(0, len(command) - 1, 3):
        with server.imap(account) as c:
            c.send(command[:n])
            c.half_close()
            c.read_to_end()
    with server.imap(account) as c:
        assert c.ok("SELECT INBOX").one("EXISTS")[0] == 0


def test_commands_one_octet_at_a_time(user):
    user.send_slowly(b"a SELECT INBOX\r\nb NOOP\r\n")
    while not (line := user.line()).startswith(b"b "):
        pass
    assert line.startswith(b"b OK ")


def test_too_many_wrong_commands_end_the_session(imap):
    for _ in range(19):
        imap.bad("XYZZY")
    imap.ok("NOOP")  # a right one forgives
    for _ in range(19):
        imap.bad("XYZZY")
    imap.send(b"a XYZZY\r\n")
    assert imap.read_to_end().count(b"* BYE ") == 1


def test_imap_errors_sets_how_many(make_server):
    server = make_server({"imap.errors": 2})
    account = server.add_account()
    with server.imap(account) as c:
        c.bad("XYZZY")
        c.send(b"a XYZZY\r\n")
        assert c.read_to_end().count(b"* BYE ") == 1


def test_bare_lf_ends_a_line_too(imap):
    imap.send(b"a NOOP\n")
    assert imap.line().startswith(b"a OK ")


# --- ends -------------------------------------------------------------------
def test_rfc3501_5_4_autologout_says_bye(make_server):
    server = make_server({"limits.idle": "1s"})
    account = server.add_account()
    with server.imap(account) as c:
        assert c.line().startswith(b"* BYE ")
        assert c.closed()


def test_login_has_a_deadline(make_server):
    server = make_server({"limits.login": "1s"})
    with server.imap() as c:
        assert c.line().startswith(b"* BYE ")
        assert c.closed()


def test_rfc3501_7_1_5_shutdown_says_bye(make_server):
    server = make_server()
    account = server.add_account()
    with server.imap(account) as c, server.imap() as d:
        c.ok("SELECT INBOX")
        server.stop()
        assert c.read_to_end().startswith(b"* BYE ")
        assert d.read_to_end().startswith(b"* BYE ")


def test_a_client_that_vanishes_costs_nobody_anything(server, account):
    with server.imap(account) as witness:
        for _ in range(20):
            c = server.imap(account)
            c.ok("SELECT INBOX")
            c.send(b"a FETCH 1:* (BODY[")
            c.reset()
        with pytest.raises((Closed, OSError)):
            c.ok("NOOP")
        witness.ok("NOOP")
