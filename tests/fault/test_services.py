"""Each system call of each program fails in turn.

A fixed session of commands runs again and again, and every time the next call
that the program makes on its behalf fails: with EIO, with ENOSPC or EMFILE,
half done, or interrupted.  The program does not end; its answers are those of
its protocol for trouble that passes; whoever comes next is served; and what
was acknowledged stands after kill -9 and a new start.

FAULT_RUNS is how many of the calls are tried, spread over all of them (0:
every one).
"""
import base64
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from harness import ledger, mail
from harness.doors import DOORS
from harness.faults import MODES, Injector
from harness.postroom import BUILD, PROGRAMS, Process
from harness.wire import Closed

RUNS = int(os.environ.get("FAULT_RUNS", "60"))
START_RUNS = RUNS // 4
RESTART_EVERY = 40


class Session:
    """The commands of a session, and what they were told."""

    def __init__(self, server):
        self.server = server
        self.ledger = ledger.Ledger()
        self.ann, self.bob = server.add_account(), server.add_account()
        with server.imap(self.ann) as c:
            c.ok("CREATE Archive")
            c.ok("CREATE Copies")
        for account in (self.ann, self.bob):
            with server.pop3(account) as c:
                c.ok("QUIT")

    def check(self):
        for account in (self.ann, self.bob):
            boxes = ledger.read_all(self.server, account)
            boxes.pop("Copies", None)
            self.ledger.check(account, boxes)

    # --- mail comes in -----------------------------------------------------
    def give(self, c, accounts, size=0, each=True, chunks=False):
        """One message; every answer is a yes, or a no for now."""
        key, data = self.ledger.new_message()
        data += b"x" * 70 + b"\r\n"
        data += (b"y" * 70 + b"\r\n") * (size // 72)
        self.ledger.amend(key, data)
        if self.for_now(c.cmd("MAIL FROM:<sender@example.net>")) != 250:
            return
        taken = [a for a in accounts
                 if self.for_now(c.cmd(f"RCPT TO:<{a.address}>")) == 250]
        if not taken:
            c.cmd("RSET")
            return
        for a in taken:
            self.ledger.attempt(a, key)
        if chunks:
            c.send(b"BDAT 100\r\n" + data[:100])
            if self.for_now(c.reply()) != 250:
                return
            c.send(b"BDAT %d LAST\r\n" % (len(data) - 100) + data[100:])
        else:
            if self.for_now(c.cmd("DATA")) != 354:
                c.cmd("RSET")
                return
            c.send_data(data)
        codes = [self.for_now(c.reply()) for _ in (taken if each else [0])]
        for a, code in zip(taken, codes if each else codes * len(taken)):
            if code == 250:
                self.ledger.acknowledge(a, key)

    @staticmethod
    def for_now(reply):
        assert reply.code in (250, 354, 235, 220, 334) \
            or reply.code // 100 == 4, reply
        return reply.code

    def lmtp(self):
        with self.server.lmtp(False) as c:
            c.ok("LHLO x")
            self.give(c, [self.ann, self.bob])
            self.give(c, [self.ann], size=100_000, chunks=True)
            c.cmd("QUIT")

    def smtp(self, size=0):
        with self.server.smtp() as c:
            if self.for_now(c.cmd("EHLO x")) != 250:
                return
            self.give(c, [self.ann, self.bob], each=False)
            if size:
                self.give(c, [self.bob], size=size, each=False)
            c.cmd("QUIT")

    def submission(self):
        with self.server.smtp("submissions") as c:
            if self.for_now(c.cmd("EHLO x")) != 250:
                return
            text = f"\0{self.bob.address}\0{self.bob.password}".encode()
            reply = c.cmd(b"AUTH PLAIN " + base64.b64encode(text))
            if self.for_now(reply) != 235:
                return
            key, data = self.ledger.new_message()
            if self.for_now(c.cmd(f"MAIL FROM:<{self.bob.address}>")) != 250:
                return
            if self.for_now(c.cmd(f"RCPT TO:<{self.ann.address}>")) != 250:
                return
            self.ledger.attempt(self.ann, key)
            if self.for_now(c.cmd("DATA")) == 354:
                c.send_data(data)
                if self.for_now(c.reply()) == 250:
                    self.ledger.acknowledge(self.ann, key)
            c.cmd("QUIT")

    # --- mail is read ------------------------------------------------------
    @staticmethod
    def ask(c, command, *literals):
        """OK or NO; the result if it was OK."""
        result = c.cmd_literals(command, *literals) if literals \
            else c.cmd(command)
        assert result.status in ("OK", "NO"), (command, result)
        return result if result.ok else None

    def append(self, c):
        """UID, message id and octets of a new message."""
        key, data = self.ledger.new_message()
        self.ledger.attempt(self.ann, key)
        result = self.ask(c, "APPEND INBOX ($new) ", data)
        if result is None:
            return None
        self.ledger.acknowledge(self.ann, key)
        self.ledger.flagged(self.ann, key, b"$new")
        _, validity, uid = result.code.split()
        self.ledger.told((self.ann.address, validity, int(uid)), key)
        return int(uid), key, data

    def imap(self):
        with self.server.imap() as c:
            if not self.ask(c, f'LOGIN "{self.ann.address}" '
                            f'"{self.ann.password}"'):
                return
            new = [self.append(c) for _ in range(3)]
            if not self.ask(c, "SELECT INBOX (CONDSTORE)"):
                return
            for one in new:
                if one is not None:
                    self.read(c, one)
            self.ask(c, "SEARCH TEXT nowhere")
            self.ask(c, "UID SEARCH RETURN (ALL COUNT) NEW")
            if new[0] is not None:
                self.flag(c, new[0])
                self.ask(c, f"UID COPY {new[0][0]} Copies")
            if new[1] is not None:
                self.move(c, new[1])
            if new[2] is not None:
                self.expunge(c, new[2])
            self.ask(c, 'LIST "" * RETURN (STATUS (MESSAGES UIDNEXT))')
            self.ask(c, "CREATE temporary/deep")
            self.ask(c, "SUBSCRIBE temporary")
            self.ask(c, "RENAME temporary other")
            self.ask(c, "UNSUBSCRIBE temporary")
            self.ask(c, "DELETE other/deep")
            self.ask(c, "DELETE other")
            tag = c.begin("IDLE")
            c.continuation()
            c.send("DONE\r\n")
            c.end(tag)
            c.cmd("LOGOUT")

    def read(self, c, one):
        uid, _, data = one
        result = self.ask(c, f"UID FETCH {uid} (FLAGS ENVELOPE BODYSTRUCTURE "
                          "BODY.PEEK[] BODY.PEEK[HEADER.FIELDS (TO)])")
        if result is not None:
            [found] = [d for d in result.fetch().values() if "BODY[]" in d]
            assert found["BODY[]"] == data

    def flag(self, c, one):
        if self.ask(c, f"UID STORE {one[0]} +FLAGS (\\Flagged $x)"):
            self.ledger.flagged(self.ann, one[1], b"\\Flagged")
            self.ledger.flagged(self.ann, one[1], b"$x")

    def move(self, c, one):
        result = self.ask(c, f"UID MOVE {one[0]} Archive")
        if result and any(x.startswith(b"COPYUID") for x in result.codes()):
            self.ledger.moved(self.ann, one[1], "Archive")

    def expunge(self, c, one):
        self.ledger.begin_removal(self.ann, one[1])
        if self.ask(c, f"UID STORE {one[0]} +FLAGS.SILENT (\\Deleted)") \
                and self.ask(c, f"UID EXPUNGE {one[0]}"):
            self.ledger.removed(self.ann, one[1])

    def pop3(self):
        account = self.bob
        with self.server.pop3() as c:
            if not c.cmd(f"USER {account.address}").startswith(b"+OK") \
                    or not self.yes(c, f"PASS {account.password}"):
                return
            if self.yes(c, "CAPA"):
                c.body()
            if not self.yes(c, "UIDL"):
                return
            going = []
            for line in c.body()[:2]:
                number, uidl = line.decode().split()
                if self.yes(c, f"TOP {number} 1"):
                    key = mail.message_id(b"\r\n".join(c.body()))
                    self.ledger.told((account.address, uidl), key)
                if not self.yes(c, f"RETR {number}"):
                    continue
                key = mail.message_id(b"\r\n".join(c.body()))
                self.ledger.told((account.address, uidl), key)
                self.ledger.begin_removal(account, key)
                if self.yes(c, f"DELE {number}"):
                    going.append(key)
            if self.yes(c, "QUIT"):
                for key in going:
                    self.ledger.removed(account, key)

    @staticmethod
    def yes(c, command):
        line = c.cmd(command)
        assert re.match(rb"\+OK|-ERR", line), line
        return line.startswith(b"+OK")


def run_imapd(s):
    s.imap()


def run_pop3d(s):
    for _ in range(2):
        with s.server.lmtp() as c:
            s.give(c, [s.bob])
    s.pop3()


def run_lmtpd(s):
    for part in (s.lmtp, s.smtp, s.submission):
        attempt(part)


def run_smtpd(s):
    for part in (lambda: s.smtp(1_200_000), s.submission):
        attempt(part)


def attempt(part):
    """As far as it goes: the connection may end, but not hang."""
    try:
        part()
    except TimeoutError:
        raise
    except (Closed, OSError):
        pass


RUN = {"imapd": run_imapd, "pop3d": run_pop3d, "lmtpd": run_lmtpd,
       "smtpd": run_smtpd}


def all_is_well(server, session):
    """Each door is open, and mail goes in and comes out."""
    for door in DOORS.values():
        door.is_served(server)
    if not takes_mail(server, session):
        # A flush has failed: it takes the administrator's word that the
        # disk is good again.  [store.md 9]
        server.log.wait_for("since a flush failed", timeout=1)
        server.msadm("store", "resume")
        server.kill_all()
        server.start()
        assert takes_mail(server, session)
    with server.imap(session.ann) as c:
        c.ok("SELECT INBOX")
        c.ok("UID FETCH *:* (FLAGS BODY.PEEK[HEADER])")
        c.ok("UID STORE * +FLAGS ($probe)")


def takes_mail(server, session):
    with server.lmtp() as c:
        [reply] = c.send_mail("a@example.net", [session.bob.address],
                              session_message(session))
    with server.imap(session.ann) as c:
        return reply.code == 250 and c.append("Copies", mail.make("x")).ok


def session_message(session):
    key, data = session.ledger.new_message()
    session.ledger.attempt(session.bob, key)
    return data


def numbers(count, runs):
    """Which calls are to fail, spread over `count` of them."""
    if runs == 0 or count <= runs:
        return range(1, count + 1)
    return sorted({1 + i * count // runs for i in range(runs)} | {count})


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_session_in_which_each_call_fails(make_server, tmp_path, program,
                                            mode):
    faults = Injector(BUILD, tmp_path / "faults", program)
    server = make_server({"smtp.memory": "1M", "limits.input": "10s"},
                         env=faults.env)
    session = Session(server)
    for _ in range(2):  # what is done once is done
        RUN[program](session)
    faults.arm(mode, 0)
    RUN[program](session)
    count, _ = faults.disarm()
    assert count > 0, "the injector is not there"
    met = 0
    [pid] = server.pids(program)
    for run, n in enumerate(numbers(count, RUNS)):
        faults.arm(mode, n, times=1 + run % 3)
        try:
            attempt(lambda: RUN[program](session))
        except BaseException as e:
            raise AssertionError(f"{mode} of call {n} of {count}, "
                                 f"{faults.name}: {e!r}") from e
        met += faults.disarm()[1]
        try:
            assert server.pids(program) == [pid], "the program ended"
            all_is_well(server, session)
        except BaseException as e:
            raise AssertionError(f"after {mode} of call {n} of {count}, "
                                 f"{faults.name}: {e!r}") from e
        if run % RESTART_EVERY == RESTART_EVERY - 1:
            server.kill_all()
            server.start()
            session.check()
        [pid] = server.pids(program)
    assert met > 0
    server.restart()
    session.check()


@pytest.mark.parametrize("mode", ["error", "full", "short"])
@pytest.mark.parametrize("program", [*PROGRAMS, "postroom"])
def test_a_start_in_which_each_call_fails(make_server, tmp_path, program,
                                          mode):
    """It starts, or says why not and ends in order."""
    faults = Injector(BUILD, tmp_path / "faults", program)
    server = make_server(env=faults.env)
    session = Session(server)
    session.lmtp()
    server.stop()
    faults.arm(mode, 0)
    stop(start(server, program))
    count, _ = faults.disarm()
    for n in numbers(count, START_RUNS):
        faults.arm(mode, n)
        try:
            process = start(server, program)
        except AssertionError as e:
            raise AssertionError(f"{mode} of call {n} of {count}, "
                                 f"{faults.name}: {e!r}") from e
        faults.disarm()
        where = f"{mode} of call {n} of {count}, {faults.name}"
        if process.popen.poll() is None:
            stop(process)
        status = process.wait()
        assert status >= 0, f"{where}: signal {-status}"
        assert process.log.trouble() is None, where
        if status != 0:
            process.log.wait_for(
                "start.failed" if program in PROGRAMS else "^postroom: .",
                timeout=5)
    server.start()
    session.check()


def start(server, program):
    """Up to its readiness, or its end."""
    path = os.path.join(server.home, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(path)
        os.chmod(path, 0o666)
        notify.settimeout(0.01)
        command = ["serve"] if program == "postroom" else []
        process = Process(server.argv(program, *command),
                          {**server.env, "NOTIFY_SOCKET": path})
        server.logs.append(process.log)
        deadline = time.monotonic() + 20
        while process.popen.poll() is None:
            try:
                assert time.monotonic() < deadline, "neither ready nor ended"
                if b"READY=1" in notify.recv(4096):
                    break
            except TimeoutError:
                pass
    os.unlink(path)
    return process


def stop(process):
    process.popen.send_signal(signal.SIGTERM)
    try:
        process.wait()
    except subprocess.TimeoutExpired:
        process.popen.kill()
        raise
