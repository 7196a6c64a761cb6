"""Every way in: each listening port, and the socket of the hand-over.

What a test says of all of them is said once, with these words.
"""
import array
import fcntl
import os
import re
import socket

from . import wire


class Door:
    """One of them.

    refusal  what the answer to nonsense looks like
    nothing  a command that always works before login, and `works` its answer
    """

    def __init__(self, name, program, refusal, nothing, works, tls=False):
        self.name = name
        self.program = program
        self.refusal = refusal
        self.nothing = nothing
        self.works = works
        self.tls = tls

    def __repr__(self):
        return self.name

    def connect(self, server):
        """A connection whose greeting, if there is one, was read."""
        if self.name == "handover":
            c = Handover(os.path.join(server.home, "run", "handover"))
            server.keep(c)
            return c
        c = server.raw(self.name)
        if self.tls:
            c.start_tls()
        c.line()
        return c

    def is_served(self, server):
        """Somebody else comes, and gets an answer."""
        with self.connect(server) as c:
            c.send(self.nothing)
            line = c.line()
            assert re.match(self.works, line), line

    def refused(self, c):
        line = c.line()
        assert re.match(self.refusal, line), line
        return line


_IMAP = (rb"(\S+ BAD|\* BAD|\* BYE)", b"a NOOP\r\n", rb"a OK")
_POP3 = (rb"-ERR", b"CAPA\r\n", rb"\+OK")
_SMTP = (rb"(5\d\d|421)[ -]", b"NOOP\r\n", rb"250")

DOORS = {d.name: d for d in (
    Door("imap", "imapd", *_IMAP),
    Door("imaps", "imapd", *_IMAP, tls=True),
    Door("pop3", "pop3d", *_POP3),
    Door("pop3s", "pop3d", *_POP3, tls=True),
    Door("smtp", "smtpd", *_SMTP),
    Door("submission", "smtpd", *_SMTP),
    Door("submissions", "smtpd", *_SMTP, tls=True),
    Door("lmtp", "lmtpd", *_SMTP),
    Door("handover", "lmtpd", *_SMTP),
)}
TLS = [name for name, d in DOORS.items() if d.tls]


class Handover(wire.Smtp):
    """What smtpd says to lmtpd (proto/handover.h)."""

    def __init__(self, path):
        # pylint: disable=super-init-not-called
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)  # waits while the backlog is full
        self.sock.settimeout(wire.TIMEOUT)
        self._in = bytearray()
        self.greeting = None

    def session(self, kind="mx", peer="192.0.2.1"):
        return self.expect(250, f"XSESSION kind={kind} peer={peer} tls=0 "
                           "loopback=0 unique= exporter= id=1")

    def send_with(self, data, *fds):
        self.sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                    array.array("i", fds))])


def sealed(data):
    """A memory file that nobody can change."""
    fd = os.memfd_create("message", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
                | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL)
    return fd
