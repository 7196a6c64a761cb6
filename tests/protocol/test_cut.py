"""Every command of every protocol, cut at every octet.

What was not sent to its end is not done, whatever the cut part looks like;
nothing of the session stays behind, and the next client is served.
"""
import base64
import os
import re
import socket
import ssl
import time

import pytest

from harness import mail
from harness.doors import DOORS, Handover, sealed
from harness.postroom import PROGRAMS
from harness.wire import Closed, tls_context

HOWS = ["fin", "reset"]
MESSAGE = mail.make("cut", "text\r\n..\r\n")

IMAP_ANYONE = [
    b"a CAPABILITY\r\n", b"a NOOP\r\n", b"a LOGOUT\r\n",
    b'a ID ("name" {4+}\r\ntest "os" NIL)\r\n',
    b'a LOGIN {4+}\r\nuser {5+}\r\nwrong\r\n', b'a LOGIN "u" "wrong"\r\n',
    b"a AUTHENTICATE PLAIN\r\nAHVzZXIAd3Jvbmc=\r\n",
    b"a AUTHENTICATE PLAIN AHVzZXIAd3Jvbmc=\r\n",
    b"a AUTHENTICATE SCRAM-SHA-256 biwsbj11c2VyLHI9YWJj\r\n*\r\n",
    b"a STARTTLS\r\n",
]
IMAP_USER = [
    b"a ENABLE CONDSTORE QRESYNC\r\n", b"a NAMESPACE\r\n",
    b"a SELECT box (CONDSTORE)\r\n", b"a EXAMINE {3+}\r\nbox\r\n",
    b"a CREATE new/deep (USE (\\Sent))\r\n", b"a DELETE box\r\n",
    b"a RENAME box {6+}\r\nrenamed\r\n", b"a SUBSCRIBE box\r\n",
    b"a UNSUBSCRIBE INBOX\r\n", b'a LSUB "" *\r\n',
    b'a LIST (SUBSCRIBED) "" (INBOX {3+}\r\nb*x) RETURN (CHILDREN)\r\n',
    b"a STATUS box (MESSAGES UIDNEXT)\r\n",
    b'a APPEND box (\\Seen $x) "12-Feb-2024 10:15:00 +0100" {%d+}\r\n%s\r\n'
    % (len(MESSAGE), MESSAGE),
    b"a IDLE\r\nDONE\r\n",
]
IMAP_SELECTED = [
    b"a CHECK\r\n", b"a CLOSE\r\n", b"a UNSELECT\r\n", b"a EXPUNGE\r\n",
    b"a UID EXPUNGE 1:9\r\n",
    b"a SEARCH RETURN (ALL) CHARSET UTF-8 OR TEXT {3+}\r\ncut NOT SEEN\r\n",
    b"a FETCH 1:* (FLAGS UID BODY[HEADER.FIELDS ({2+}\r\nTO)]<0.9>)\r\n",
    b"a FETCH 12 BODY[]\r\n", b"a FETCH 1 (ENVELOPE BODYSTRUCTURE)\r\n",
    b"a STORE 1:12 (UNCHANGEDSINCE 99999999999) +FLAGS ($cut \\Seen)\r\n",
    b"a UID STORE 1 FLAGS.SILENT (\\Deleted)\r\n",
    b"a COPY 1:3 box\r\n", b"a UID MOVE 1:2 {3+}\r\nbox\r\n",
]
POP3_ANYONE = [b"CAPA\r\n", b"USER u\r\nPASS wrong\r\n", b"STLS\r\n",
               b"AUTH PLAIN\r\n*\r\n", b"AUTH PLAIN AHUAd3Jvbmc=\r\n",
               b"UTF8\r\n", b"QUIT\r\n"]
POP3_USER = [b"STAT\r\n", b"LIST\r\n", b"LIST 1\r\n", b"UIDL\r\n",
             b"UIDL 2\r\n", b"RETR 12\r\n", b"TOP 1 20\r\n", b"NOOP\r\n",
             b"RSET\r\n", b"LAST\r\n", b"DELE 1\r\nDELE 2\r\nQUIT"]
ENVELOPE = b"MAIL FROM:<a@example.net> SIZE=900 BODY=8BITMIME\r\n" \
    b"RCPT TO:<%s>\r\n"
SMTP = [b"HELO x\r\n", b"NOOP x\r\n", b"RSET\r\n", b"VRFY someone\r\n",
        b"HELP\r\n", b"EXPN x\r\n", b"QUIT\r\n", b"STARTTLS\r\n",
        b"AUTH PLAIN\r\nAHUAd3Jvbmc=\r\n",
        ENVELOPE + b"DATA\r\n" + MESSAGE.replace(b"\r\n.", b"\r\n..") + b"."
        b"\r\n",
        ENVELOPE + b"BDAT 10\r\n" + MESSAGE[:10]
        + b"BDAT %d LAST\r\n" % (len(MESSAGE) - 10) + MESSAGE[10:]]


def at_every_octet(commands, account):
    """Each command, as far as it goes, never to its end."""
    for command in commands:
        command = command.replace(b"%s", account.address.encode())
        for end in range(len(command)):
            yield command[:end]


def quietly(c, data, how):
    """Send and be gone."""
    try:
        c.send(data)
        if how == "reset":
            c.reset()
            return
        if isinstance(c.sock, ssl.SSLSocket):
            c.close()
            return
        c.half_close()
        c.read_to_end()
    except (Closed, OSError):
        pass
    c.close()


class Watch:
    """What must be as it was, when everybody has gone."""

    def __init__(self, server, *programs):
        self.server = server
        self.programs = programs or PROGRAMS
        self.pids = set(server.pids())

    def count(self):
        return [n for p in self.programs
                for n in (self.server.sessions(p),
                          sum(self.server.descriptors(p).values()))]

    def run(self, attack):
        """Do it until it leaves no more behind than the last time: the
        first times fill pools that are kept, a leak goes on for ever."""
        seen = []
        for _ in range(6):
            before = self.count()
            attack()
            assert set(self.server.pids()) == self.pids, "a program ended"
            if self.settles(before):
                return
            seen.append(self.count())
        raise AssertionError(f"sessions and descriptors of {self.programs} "
                             f"grew: {seen}")

    def settles(self, before):
        deadline = time.monotonic() + 5
        while any(a > b for a, b in zip(self.count(), before)):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


def state(server, account):
    """All that a client can see of an account."""
    with server.imap(account) as c:
        seen = [sorted(c.ok('LIST "" *').untagged),
                sorted(c.ok('LSUB "" *').untagged)]
        for box in ("INBOX", "box"):
            c.ok(f"EXAMINE {box}")
            seen.append([[d["UID"], set(d["FLAGS"]) - {b"\\Recent"}]
                         for d in c.ok("UID FETCH 1:* FLAGS").fetch()
                         .values()])
            seen.append(c.ok(f"STATUS {box} (UIDNEXT HIGHESTMODSEQ)")
                        .untagged)
    return seen


@pytest.fixture
def full(server, account):
    """An account that has something to lose."""
    with server.imap(account) as c:
        for box in ("box", "INBOX"):
            c.cmd(f"CREATE {box}")
            c.ok(f"SUBSCRIBE {box}")
            for n in range(3):
                c.append(box, mail.make(f"message {n}"))
            c.ok(f"SELECT {box}")
        c.ok("STORE 2 +FLAGS (\\Deleted)")
    with server.pop3(account) as c:
        c.ok("QUIT")
    server.deliver(mail.make("message 3"), account)
    with server.imap(account) as c:
        c.ok("SELECT INBOX")
    with DOORS["smtp"].connect(server) as c:
        c.send(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<%s>\r\nRSET\r\nQUIT\r\n"
               % account.address.encode())
        c.read_to_end()
    return account


def imap_beginning(account, where):
    login = b'l LOGIN "%s" "%s"\r\n' % (account.address.encode(),
                                        account.password.encode())
    return {"anyone": b"", "user": login,
            "selected": login + b"s SELECT INBOX\r\n"}[where]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("where", ["anyone", "user", "selected"])
def test_imap(server, full, where, how):
    commands = {"anyone": IMAP_ANYONE, "user": IMAP_USER,
                "selected": IMAP_SELECTED}[where]
    begin = imap_beginning(full, where)
    before = state(server, full)

    def attack():
        for part in at_every_octet(commands, full):
            quietly(DOORS["imap"].connect(server), begin + part, how)

    Watch(server, "imapd").run(attack)
    DOORS["imap"].is_served(server)
    assert state(server, full) == before


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("where", ["anyone", "user"])
def test_pop3(server, full, where, how):
    begin = b""
    if where == "user":
        begin = b"USER %s\r\nPASS %s\r\n" % (full.address.encode(),
                                             full.password.encode())
    before = state(server, full)

    def attack():
        for part in at_every_octet(POP3_USER if begin else POP3_ANYONE, full):
            quietly(DOORS["pop3"].connect(server), begin + part, how)

    Watch(server, "pop3d").run(attack)
    DOORS["pop3"].is_served(server)
    assert state(server, full) == before


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", ["smtp", "lmtp"])
def test_smtp_and_lmtp(server, full, name, how):
    begin = b"EHLO x\r\n" if name == "smtp" else b"LHLO x\r\n"
    before = state(server, full)

    def attack():
        for part in at_every_octet(SMTP, full):
            quietly(DOORS[name].connect(server), begin + part, how)

    Watch(server, "smtpd", "lmtpd").run(attack)
    DOORS[name].is_served(server)
    assert state(server, full) == before


@pytest.mark.parametrize("name", ["submissions", "imaps", "pop3s"])
def test_inside_tls(server, full, name):
    user, word = full.address.encode(), full.password.encode()
    begin, commands = {
        "submissions": (b"EHLO x\r\nAUTH PLAIN " + base64.b64encode(
            b"\0%s\0%s" % (user, word)) + b"\r\n", SMTP[-2:]),
        "imaps": (imap_beginning(full, "selected"), IMAP_SELECTED[3:6]),
        "pop3s": (b"USER %s\r\nPASS %s\r\n" % (user, word), POP3_USER[-2:]),
    }[name]
    before = state(server, full)

    def attack():
        for n, part in enumerate(at_every_octet(commands, full)):
            if n % 5 == 0:
                quietly(DOORS[name].connect(server), begin + part, HOWS[n % 2])

    Watch(server).run(attack)
    DOORS[name].is_served(server)
    assert state(server, full) == before


def client_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = tls_context().wrap_bio(incoming, outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("name,begin", [
    ("imaps", b""), ("pop3s", b""), ("submissions", b""),
    ("imap", b"a STARTTLS\r\n"), ("pop3", b"STLS\r\n"),
    ("smtp", b"EHLO x\r\nSTARTTLS\r\n"), ("lmtp", None)])
def test_a_tls_handshake(server, name, begin):
    """And what is no handshake at all."""
    if begin is None:
        hello, begin = b"\x16\x03\x01\x02\x00\x01", b"LHLO x\r\n"
    else:
        hello = client_hello()

    def attack():
        for end in range(len(hello)):
            c = server.raw(name)
            if begin:
                c.line()
                c.send(begin)
                while not re.match(rb"(a OK|\+OK|220 |250 )", c.line()):
                    pass
            quietly(c, hello[:end], HOWS[end % 2])
        for end in range(0, len(hello), 16):
            c = server.raw(name)
            quietly(c, begin + hello[:end] + b"\xff" * 300, "fin")

    Watch(server).run(attack)
    DOORS[name].is_served(server)


@pytest.mark.parametrize("how", HOWS)
def test_the_hand_over(server, full, how):
    """With a descriptor, which must not stay open."""
    envelope = b"MAIL FROM:<a@example.net>\r\nRCPT TO:<%s>\r\n" \
        % full.address.encode()
    begin = b"XSESSION kind=mx peer=192.0.2.1 tls=0 loopback=0 unique= " \
        b"exporter= id=1\r\n"
    hand = b"XHAND %d 0\r\nXDONE kept\r\n" % len(MESSAGE)
    auth = begin.replace(b"kind=mx", b"kind=submission") \
        + b"XAUTH PLAIN initial=AHUAd3Jvbmc=\r\n"
    before = state(server, full)

    def attack():
        path = os.path.join(server.home, "run", "handover")
        for part in at_every_octet([begin + envelope, auth], full):
            quietly(Handover(path), part, how)
        for end in range(1, hand.index(b"\r\n") + 1):
            c = Handover(path)
            c.send(begin + envelope)
            for _ in range(3):
                c.reply()
            fd = sealed(MESSAGE)
            c.send_with(hand[:end], fd, fd)
            os.close(fd)
            quietly(c, b"", how)

    Watch(server, "lmtpd").run(attack)
    DOORS["handover"].is_served(server)
    assert state(server, full) == before


def test_a_balancers_header(make_server):
    """[PROXY protocol 2.2]"""
    server = make_server({"listen.balancers": "127.0.0.0/8"})
    header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" \
        + socket.inet_aton("192.0.2.1") + socket.inet_aton("192.0.2.2") \
        + b"\x10\0\0\x8f"

    def attack():
        for name in ("imap", "imaps", "pop3", "smtp", "submissions", "lmtp"):
            for end in range(len(header)):
                c = server.raw(name)
                quietly(c, header[:end], HOWS[end % 2])
                c = server.raw(name)
                quietly(c, header[:end] + b"\xee" * 40, "fin")
            with server.raw(name) as c:
                c.send(header)
                if not DOORS[name].tls:
                    assert c.line()

    Watch(server).run(attack)
