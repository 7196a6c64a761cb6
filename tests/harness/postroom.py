"""A mail server under test: its home, its programs, its accounts.

    with Postroom(tmp_path / "home", settings={"imap.idle_timeout": "5s"}) as p:
        ann = p.add_account("ann@example.org")
        imap = p.imap(ann)          # logged in; see wire.py

Nothing here sleeps to let something happen: starting waits for the ready line
or READY=1, killing waits for the process to be gone, and a client that comes
while a program restarts waits in the listening socket that postroom keeps.
"""
import json
import os
import re
import secrets
import select
import shutil
import signal
import socket
import subprocess
import threading
import time

from . import ports, wire

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("POSTROOM_BUILD", "build"))
PROGRAMS = ("imapd", "pop3d", "lmtpd", "smtpd")
READY_TIMEOUT = 60.0
# For all servers under test: "key=value key=value".
SETTINGS = dict(s.split("=", 1)
                for s in os.environ.get("POSTROOM_SETTINGS", "").split())

# What no server may ever write, whatever a client sends.
TROUBLE = re.compile(
    r"level=panic|\] panic |AddressSanitizer|LeakSanitizer|ThreadSanitizer"
    r"|MemorySanitizer|runtime error: |stack smashing|free\(\): |malloc\(\): "
    r"|double free|corrupted size"
    r"|program\.end .*signal=(?:4|6|7|8|11|31)\b")


def sanitized(build=BUILD):
    """The programs have a sanitizer in them, and need more memory for it."""
    with open(os.path.join(build, "bin", "imapd"), "rb") as f:
        return re.search(rb"__(?:asan|tsan|msan)_init", f.read()) is not None


class ServerError(Exception):
    """The server did not do what the harness asked."""


class Account:
    """An address with the password it was made with."""

    def __init__(self, address, password):
        self.address = address
        self.password = password

    def __repr__(self):
        return f"Account({self.address})"


class Log(threading.Thread):
    """Collects what a program writes on standard error."""

    def __init__(self, stream):
        super().__init__(daemon=True)
        self._stream = stream
        self._lines = []
        self._changed = threading.Condition()
        self.start()

    def run(self):
        for line in self._stream:
            with self._changed:
                self._lines.append(line.decode("utf-8", "backslashreplace"))
                self._changed.notify_all()

    def mark(self):
        """A position: pass it to since() or wait_for()."""
        with self._changed:
            return len(self._lines)

    def since(self, mark=0):
        with self._changed:
            return self._lines[mark:]

    def text(self):
        return "".join(self.since())

    def wait_for(self, pattern, mark=0, timeout=READY_TIMEOUT):
        """The first line from `mark` on that matches."""
        want = re.compile(pattern)
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                for line in self._lines[mark:]:
                    if want.search(line):
                        return line
                left = deadline - time.monotonic()
                if left <= 0:
                    raise ServerError(f"no log line matches {pattern!r}:\n"
                                      + "".join(self._lines[mark:]))
                mark = len(self._lines)
                self._changed.wait(left)

    def trouble(self, mark=0):
        """Panics, failed assertions, sanitizer reports."""
        lines = self.since(mark)
        for n, line in enumerate(lines):
            if TROUBLE.search(line):
                return "".join(lines[n:n + 60])
        return None


class Process:
    """One of our programs, running."""

    def __init__(self, argv, env=None, **more):
        self.argv = argv
        self.popen = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env={**os.environ, **(env or {})}, **more)
        self.log = Log(self.popen.stderr)

    @property
    def pid(self):
        return self.popen.pid

    def wait(self, timeout=READY_TIMEOUT):
        return self.popen.wait(timeout)

    def wait_line(self, want, timeout=READY_TIMEOUT):
        """Read standard output up to the line `want`."""
        timer = threading.Timer(timeout, self.popen.kill)
        timer.start()
        try:
            for line in self.popen.stdout:
                if line.strip() == want:
                    break
            else:
                self.popen.wait()
                raise ServerError(f"{self.argv[0]} ended before {want!r}:\n"
                                  + self.log.text())
        finally:
            timer.cancel()
        threading.Thread(target=self.popen.stdout.read, daemon=True).start()


class Postroom:
    """A home directory, and a postroom over it while started."""

    def __init__(self, home, settings=None, build=BUILD, env=None):
        self.home = str(home)
        self.build = build
        self.env = env or {}
        self.settings = {**SETTINGS, **(settings or {})}
        self.offset, self._holder = ports.reserve()
        self.process = None
        self._memory = None
        self.logs = []
        self.clients = []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.close()

    # --- programs ---------------------------------------------------------
    def bin(self, name):
        return os.path.join(self.build, "bin", name)

    def argv(self, name, *args):
        argv = [self.bin(name), *args, "--home", self.home,
                "--port-offset", str(self.offset)]
        for key, value in self.settings.items():
            argv += ["--set", f"{key}={value}"]
        return argv

    def start(self):
        """Start everything; returns once all programs accept."""
        assert self.process is None, "already started"
        self.process = Process(self.argv("postroom", "serve"), self.env)
        self.logs.append(self.process.log)
        self.process.wait_line(b"postroom: ready")
        # Where its run/ is if the disk takes nothing (settings/rundir.h).
        home = os.stat(self.home)
        self._memory = f"/dev/shm/postroom-{home.st_dev:x}-{home.st_ino:x}"

    def start_program(self, name, listener=None):
        """Start one program by itself, opening its own listeners, or with
        one that is given, by the name of its program."""
        os.makedirs(self.home, exist_ok=True)
        path = os.path.join(self.home, f"notify-{secrets.token_hex(4)}")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            notify.settimeout(READY_TIMEOUT)
            env = {**self.env, "NOTIFY_SOCKET": path}
            if listener is None:
                process = Process(self.argv(name), env)
            else:
                process = self._activate(name, listener, env)
            self.logs.append(process.log)
            while b"READY=1" not in notify.recv(4096):
                pass
        os.unlink(path)
        return process

    def _activate(self, name, listener, env):
        fd = listener.fileno()
        # LISTEN_PID is the process id of the program that sh becomes.
        return Process(
            ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh",
             *self.argv(name)],
            {**env, "LISTEN_FDS": "1", "LISTEN_FDNAMES": name[:-1]},
            # Python would close it again.
            preexec_fn=lambda: os.dup2(fd, 3), close_fds=False)

    def stop(self):
        """Orderly stop; the exit status must be 0."""
        process, self.process = self.process, None
        if process is None:
            return
        process.popen.send_signal(signal.SIGTERM)
        try:
            status = process.wait()
        except subprocess.TimeoutExpired as e:
            self._kill_tree(process.pid)
            raise ServerError("no end on SIGTERM:\n"
                              + process.log.text()) from e
        if status != 0:
            raise ServerError(f"exit status {status}:\n" + process.log.text())

    def close(self):
        for client in self.clients:
            client.close()
        self.clients.clear()
        try:
            self.stop()
        finally:
            self._holder.close()
            if self._memory is not None:
                shutil.rmtree(self._memory, ignore_errors=True)

    def restart(self):
        self.stop()
        self.start()

    def pids(self, program=None):
        """Process ids of `program`, or of all programs, under postroom.
        Those that keep the right to read keys for one are not it."""
        found = []
        for pid in _descendants(self.process.pid):
            try:
                exe = os.readlink(f"/proc/{pid}/exe")
                with open(f"/proc/{pid}/comm", encoding="ascii") as f:
                    keeper = f.read() == "keeper\n"
            except OSError:
                continue
            if program in (None, os.path.basename(exe)) and not keeper:
                found.append(pid)
        return found

    def keepers(self):
        """Process ids of those."""
        found = []
        for pid in _descendants(self.process.pid):
            with open(f"/proc/{pid}/comm", encoding="ascii") as f:
                if f.read() == "keeper\n":
                    found.append(pid)
        return found

    def descriptors(self, program):
        """How many each process of `program` has open: {pid: number}."""
        return {pid: len(os.listdir(f"/proc/{pid}/fd"))
                for pid in self.pids(program)}

    def sessions(self, program):
        """How many connections `program` serves."""
        done = subprocess.run(self.argv("msstat", "--json", program),
                              capture_output=True, timeout=READY_TIMEOUT,
                              check=True)
        return sum(len(p["sessions"]) for p in json.loads(done.stdout))

    def kill(self, program, sig=signal.SIGKILL):
        """Kill a program and wait for it to be gone; postroom restarts it."""
        pids = self.pids(program)
        if not pids:
            raise ServerError(f"no {program} runs")
        fds = [os.pidfd_open(pid) for pid in pids]
        for pid in pids:
            os.kill(pid, sig)
        for fd in fds:
            _wait_pidfd(fd)
        return pids

    def kill_all(self):
        """kill -9 postroom and everything under it, at once."""
        process, self.process = self.process, None
        self._kill_tree(process.pid)
        process.wait()

    def kill_monitor(self):
        """kill -9 postroom alone, and wait for all under it to have ended as
        they do then."""
        process, self.process = self.process, None
        os.kill(process.pid, signal.SIGSTOP)  # starts nothing any more
        fds = [os.pidfd_open(pid) for pid in _descendants(process.pid)]
        process.popen.kill()
        process.wait()
        for fd in fds:
            _wait_pidfd(fd)

    @staticmethod
    def _kill_tree(top):
        # Stopped first, the top one cannot start new ones meanwhile.
        os.kill(top, signal.SIGSTOP)
        pids = _descendants(top) + [top]
        fds = []
        for pid in pids:
            try:
                fds.append(os.pidfd_open(pid))
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for fd in fds:
            _wait_pidfd(fd)

    # --- what it says -----------------------------------------------------
    @property
    def log(self):
        return self.process.log

    def marks(self):
        return {log: log.mark() for log in self.logs}

    def trouble(self, marks=None):
        """Panics and reports since `marks` were taken, or ever."""
        for log in self.logs:
            found = log.trouble((marks or {}).get(log, 0))
            if found:
                return found
        return None

    # --- administration ---------------------------------------------------
    def msadm(self, *args, stdin="", check=True):
        """Run msadm; its standard output."""
        argv = [self.bin("msadm"), "--home", self.home, *args]
        done = subprocess.run(argv, input=stdin, text=True, check=False,
                              capture_output=True, timeout=READY_TIMEOUT,
                              env={**os.environ, **self.env})
        if check and done.returncode != 0:
            raise ServerError(f"msadm {' '.join(args)}: "
                              f"{done.returncode}\n{done.stderr}")
        return done.stdout if check else done

    def msadm_json(self, *args):
        return json.loads(self.msadm(*args, "--json"))

    def add_account(self, address=None, password=None):
        """Make an account; a new name when none is given."""
        address = address or f"u{secrets.token_hex(6)}@example.org"
        password = password or secrets.token_hex(8)
        self.msadm("account", "add", address, stdin=password + "\n")
        return Account(address, password)

    # --- clients ----------------------------------------------------------
    def port(self, name):
        return ports.STANDARD[name] + self.offset

    def _client(self, kind, name, tls):
        client = kind("127.0.0.1", self.port(name))
        self.clients.append(client)
        if tls:
            client.start_tls()
        return client

    def keep(self, client):
        """Close this connection too at the end."""
        self.clients.append(client)
        return client

    def raw(self, name):
        """A connection to the port called `name`; nothing read yet."""
        return self._client(wire.Wire, name, False)

    def imap(self, account=None, tls=False):
        """IMAP, greeting read; logged in when an account is given."""
        c = self._client(wire.Imap, "imaps" if tls else "imap", tls)
        c.greeting = c.line()
        if account:
            c.login(account.address, account.password)
        return c

    def pop3(self, account=None, tls=False):
        c = self._client(wire.Pop3, "pop3s" if tls else "pop3", tls)
        c.greeting = c.line()
        if account:
            c.login(account.address, account.password)
        return c

    def smtp(self, name="smtp", tls=False):
        """SMTP on "smtp", "submission" or "submissions"; no EHLO sent."""
        c = self._client(wire.Smtp, name, tls or name == "submissions")
        c.greeting = c.reply()
        return c

    def lmtp(self, hello=True):
        c = self._client(wire.Lmtp, "lmtp", False)
        c.greeting = c.reply()
        if hello:
            c.ok("LHLO client.test")
        return c

    def deliver(self, message, *accounts, sender="sender@example.net"):
        """Deliver octets to accounts by LMTP; every one must be accepted."""
        with self.lmtp() as c:
            replies = c.send_mail(sender, [a.address for a in accounts],
                                  message)
            c.ok("QUIT")
        for reply in replies:
            assert reply.code == 250, reply


def _descendants(top):
    children = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="ascii",
                      errors="replace") as f:
                parent = int(f.read().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(name))
    found, todo = [], [top]
    while todo:
        for pid in children.get(todo.pop(), ()):
            found.append(pid)
            todo.append(pid)
    return found


def _wait_pidfd(fd, timeout=READY_TIMEOUT):
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    events = poll.poll(timeout * 1000)
    os.close(fd)
    if not events:
        raise ServerError("a killed process did not end")
