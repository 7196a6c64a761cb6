"""What `bench/run` measures: one method a row, run against each server in
turn.  A row gives one or more named figures; `Figure` says how to read them.

Users, so that no row disturbs another (BIG and the rest are at full scale):
  0-99     LMTP deliveries            100-119  APPEND
  120-139  POP3, 200 messages each    140      the big mailbox
  141      SEARCH                     142, 143 many mailboxes, STATUS
  144      CREATE                     150-159  IDLE and deliveries
  200-     logins and idle connections, 20 messages each
"""
import imaplib
import json
import os
import re
import subprocess
import time

from servers import ROOT, user
import trace

PASSWORD = "secret"
BIG_USER = 140
SEARCH_USER = 141
MANY_USER = 142
STATUS_USER = 143
CREATE_USER = 144
FIRST_WAITING = 150
WAITING = 10
FIRST_IDLE = 200


class Sizes:
    """How much there is of everything, by scale."""

    def __init__(self, scale):
        self.seconds = max(0.5, 3 * min(scale, 1))
        self.big = int(100_000 * scale)
        self.some = int(10_000 * scale)
        self.idle = int(5_000 * scale)
        self.idle_users = max(100, int(1_000 * scale))
        self.pop3 = 200
        self.many = max(10, int(1_000 * scale))
        self.status = max(10, int(200 * scale))
        self.traced = 200
        self.users = FIRST_IDLE + self.idle_users


class Load:
    """Runs build/bench/load against one server."""

    def __init__(self, build, server):
        self.path = os.path.join(ROOT, build, "bench", "load")
        self.server = server

    def argv(self, workload, port, **options):
        argv = [self.path, workload, "--password", PASSWORD]
        if port:
            argv += ["--port", str(self.server.port(port))]
        for key, value in options.items():
            values = value if isinstance(value, list) else [value]
            for v in values:
                argv.append("--" + key)
                if v is not True:
                    argv.append(str(v))
        return argv

    def __call__(self, workload, port, **options):
        argv = self.argv(workload, port, server=self.server.pid, **options)
        done = subprocess.run(argv, capture_output=True, text=True,
                              check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{self.server.name}: {done.stderr.strip()}")
        return json.loads(done.stdout)


def rate(result):
    """Items a second, and the server's CPU milliseconds an item."""
    return {"rate": result["items"] / result["seconds"],
            "cpu_ms": result["cpu_ms"] / result["items"],
            "p99_us": result["p99_us"]}


def times(result):
    """Milliseconds of a step, and the server's CPU milliseconds for it."""
    return {"ms": 1000 * result["seconds"] / result["steps"],
            "cpu_ms": result["cpu_ms"] / result["steps"]}


class Rows:
    """The rows of one server."""

    def __init__(self, server, build, sizes, scratch):
        self.server = server
        self.sizes = sizes
        self.scratch = scratch
        self.load = Load(build, server)
        self.round = 0
        self._filled = set()
        self._sign = "-"

    def prepare(self):
        self.server.add_users(self.sizes.users, PASSWORD)
        self.server.start()

    def _fill(self, what):
        """Put into the mailboxes what a row needs, once."""
        if what in self._filled:
            return
        self._filled.add(what)
        s = self.sizes
        if what == "pop3":
            self.load("lmtp", "lmtp", first=120, users=20, connections=10,
                      count=20 * s.pop3)
        elif what == "idle":
            self.load("lmtp", "lmtp", first=FIRST_IDLE, users=s.idle_users,
                      connections=10, count=2 * s.idle_users, recipients=10)
        elif what == "big":
            self._command([], ["CREATE Big"], 1)
            self.load("imap-append", "imap", user=user(BIG_USER),
                      mailbox="Big", connections=2, count=s.big)
        elif what == "search":
            self.load("lmtp", "lmtp", first=SEARCH_USER, count=s.some)
        elif what == "many":
            self._create(MANY_USER, "Many", s.many)
        elif what == "status":
            self._create(STATUS_USER, "Box", s.status)
            self.load("lmtp", "lmtp", first=STATUS_USER, count=10)
            with self._client(STATUS_USER) as imap:
                imap.select()
                for i in range(s.status):
                    imap.copy("1:10", f"Box/0-{i}")

    def _client(self, number):
        imap = imaplib.IMAP4("127.0.0.1", self.server.port("imap"))
        imap.login(user(number), PASSWORD)
        return imap

    def _create(self, number, top, count):
        return self.load("imap-create", "imap", user=user(number),
                         mailbox=top, count=count)

    # --- deliveries -------------------------------------------------------
    def _lmtp(self, connections, recipients):
        return rate(self.load("lmtp", "lmtp", users=100,
                              connections=connections, recipients=recipients,
                              seconds=self.sizes.seconds))

    def lmtp_1_1(self):
        return self._lmtp(1, 1)

    def lmtp_20_1(self):
        return self._lmtp(20, 1)

    def lmtp_1_10(self):
        return self._lmtp(1, 10)

    def lmtp_20_10(self):
        return self._lmtp(20, 10)

    # Between users of the server, by smtpd, which hands over to lmtpd.
    def _submit(self, workload, port, size):
        pids = self.server.mta_pids()
        cpu = trace.cpu_ms(pids)
        result = self.load(workload, port, users=100, connections=20,
                           size=size, seconds=self.sizes.seconds)
        start = time.monotonic()
        self.server.settle(result["items"])
        left = time.monotonic() - start
        cpu = trace.cpu_ms(pids) - cpu
        return {**rate(result), "cpu_ms": cpu / result["items"],
                "delivered": result["items"] / (result["seconds"] + left)}

    def smtp_25_20(self):
        return self._submit("smtp", "smtp", 4096)

    def submission_20(self):
        return self._submit("submission", "submission", 4096)

    def submission_20_large(self):
        return self._submit("submission", "submission", 3 << 20)

    def _append(self, connections):
        return rate(self.load("imap-append", "imap", first=100, users=20,
                              connections=connections,
                              seconds=self.sizes.seconds))

    def append_1(self):
        return self._append(1)

    def append_20(self):
        return self._append(20)

    def _traced(self, pids, deliver):
        path = os.path.join(self.scratch, "strace")
        deliver(50)
        few, many = (trace.run(pids, path, lambda n=n: deliver(n))
                     for n in (self.sizes.traced, 3 * self.sizes.traced))
        os.unlink(path)
        # The difference leaves out what starting and ending cost.
        n = 2 * self.sizes.traced
        names = {k: round((v - few.by_name.get(k, 0)) / n, 2)
                 for k, v in many.by_name.items()}
        return {"calls": (many.calls - few.calls) / n,
                "flushes": (many.flushes - few.flushes) / n,
                "by_name": dict(sorted(names.items(), key=lambda x: -x[1]))}

    def _traced_lmtp(self, connections):
        return self._traced(
            [self.server.pid],
            lambda n: self.load("lmtp", "lmtp", users=100,
                                connections=connections, count=n))

    def traced_1(self):
        return self._traced_lmtp(1)

    def traced_20(self):
        return self._traced_lmtp(20)

    def _traced_mta(self, kind):
        def deliver(count):
            self.load(kind, kind, users=100, connections=1, count=count)
            self.server.settle(count)
        return self._traced(self.server.mta_pids(), deliver)

    def traced_smtp(self):
        return self._traced_mta("smtp")

    def traced_submission(self):
        return self._traced_mta("submission")

    # --- sessions ---------------------------------------------------------
    def logins(self):
        self._fill("idle")
        return rate(self.load("imap-login", "imap", first=FIRST_IDLE,
                              users=100, connections=20,
                              seconds=self.sizes.seconds))

    def noop(self):
        self._fill("idle")
        return rate(self.load("imap-noop", "imap", first=FIRST_IDLE,
                              users=100, connections=20,
                              seconds=self.sizes.seconds))

    def pop3_retr(self):
        self._fill("pop3")
        return rate(self.load("pop3-retr", "pop3", first=120, users=20,
                              connections=20, seconds=self.sizes.seconds))

    def _idle(self, port, **options):
        self._fill("idle")
        n = self.sizes.idle
        # Nothing may be left of the sessions of another row.
        self.server.stop()
        self.server.start()
        before = trace.pss_kib(self.server.pid)
        argv = self.load.argv("imap-hold", port, first=FIRST_IDLE, idle=True,
                              users=self.sizes.idle_users, connections=n,
                              **options)
        with subprocess.Popen(argv, stdin=subprocess.PIPE, text=True,
                              stdout=subprocess.PIPE) as hold:
            if hold.stdout.readline().strip() != "ready":
                raise RuntimeError(f"{self.server.name}: imap-hold failed")
            after = trace.pss_kib(self.server.pid)
            hold.stdin.close()
        return {"kib": (after - before) / n}

    def idle_plain(self):
        return self._idle("imap")

    def idle_tls(self):
        return self._idle("imaps", tls=True)

    # --- the big mailbox --------------------------------------------------
    def _command(self, prepare, commands, items):
        return rate(self.load("imap-command", "imap", user=user(BIG_USER),
                              prepare=prepare, command=commands, count=1,
                              items=items))

    def _big(self, prepare, commands, items):
        self._fill("big")
        return self._command(prepare, commands, items)

    def _grow_cold(self):
        self.server.stop()
        os.sync()
        try:
            with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as f:
                f.write("1\n")
        except OSError:
            pass  # then the page cache stays warm, for both servers
        self.server.start()

    def _cold(self, what):
        self._fill("big")
        self._grow_cold()
        return self._big([], ["SELECT Big", f"FETCH 1:* ({what})"],
                         self.sizes.big)

    def _warm(self, what):
        return self._big(["SELECT Big", f"FETCH 1:* ({what})"],
                         [f"FETCH 1:* ({what})"], self.sizes.big)

    def flags_first(self):
        return self._cold("FLAGS")

    def envelope_first(self):
        return self._cold("ENVELOPE")

    def bodystructure_first(self):
        return self._cold("BODYSTRUCTURE")

    def flags_cold(self):
        return self._cold("FLAGS")

    def flags_warm(self):
        return self._warm("FLAGS")

    def envelope_cold(self):
        return self._cold("ENVELOPE")

    def envelope_warm(self):
        return self._warm("ENVELOPE")

    def bodystructure_cold(self):
        return self._cold("BODYSTRUCTURE")

    def bodystructure_warm(self):
        return self._warm("BODYSTRUCTURE")

    def store_all(self):
        sign = "-" if self.round % 2 else "+"
        return self._big(["SELECT Big"], [f"STORE 1:* {sign}FLAGS (\\Flagged)"],
                         self.sizes.big)

    def copy(self):
        box = f"Copy{self.round}"
        return self._big([f"CREATE {box}", "SELECT Big"],
                         [f"COPY 1:{self.sizes.some} {box}"], self.sizes.some)

    def expunge(self):
        return self._big([f"SELECT Copy{self.round}",
                          "STORE 1:* +FLAGS.SILENT (\\Deleted)"],
                         ["EXPUNGE"], self.sizes.some)

    # --- what a client does when it comes back ----------------------------
    def _times(self, number, prepare, command, count):
        return times(self.load("imap-command", "imap", user=user(number),
                               prepare=prepare, command=[command],
                               count=count))

    def select_cold(self):
        self._fill("big")
        self._grow_cold()
        return self._times(BIG_USER, [], "SELECT Big", 1)

    def select_warm(self):
        self._fill("big")
        return self._times(BIG_USER, ["SELECT Big"], "SELECT Big", 500)

    def _change_some(self):
        """UIDVALIDITY and HIGHESTMODSEQ of before flags of 100 change."""
        self._sign = "-" if self._sign == "+" else "+"
        with self._client(BIG_USER) as imap:
            imap.enable("CONDSTORE")
            imap.select("Big")
            imap.store("1:100", f"{self._sign}FLAGS.SILENT", "(\\Answered)")
            _, text = imap.status("Big", "(UIDVALIDITY HIGHESTMODSEQ)")
            imap.store("1:100", f"{self._sign}FLAGS.SILENT", "(\\Draft)")
        return re.findall(rb"[A-Z]+ (\d+)", text[0])

    def resync(self):
        self._fill("big")
        validity, modseq = (int(n) for n in self._change_some())
        return self._times(BIG_USER, ["ENABLE QRESYNC"],
                           f"SELECT Big (QRESYNC ({validity} {modseq}))", 100)

    def changed_since(self):
        self._fill("big")
        _, modseq = (int(n) for n in self._change_some())
        return self._times(
            BIG_USER, ["SELECT Big (CONDSTORE)"],
            f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq})", 100)

    def _search(self, key):
        self._fill("search")
        return self._times(SEARCH_USER, ["SELECT INBOX", f"SEARCH {key}"],
                           f"SEARCH {key}", 2)

    def search_text(self):
        return self._search('TEXT "is in none"')

    def search_from(self):
        return self._search('FROM "nobody"')

    def search_subject(self):
        return self._search('SUBJECT "number 7777"')

    def create(self):
        return times(self._create(CREATE_USER, f"Round{self.round}",
                                  self.sizes.many))

    def list(self):
        self._fill("many")
        return self._times(MANY_USER, [], 'LIST "" "*"', 50)

    STATUS = 'LIST "" "*" RETURN (STATUS (MESSAGES UNSEEN UIDNEXT))'

    def status_cold(self):
        self._fill("status")
        self._grow_cold()
        return self._times(STATUS_USER, [], self.STATUS, 1)

    def status_warm(self):
        self._fill("status")
        return self._times(STATUS_USER, [self.STATUS], self.STATUS, 50)

    def waiting(self):
        result = self.load("imap-idle", "imap", first=FIRST_WAITING,
                           users=WAITING, connections=WAITING, idle=True,
                           deliver=self.server.port("lmtp"),
                           seconds=2 * self.sizes.seconds)
        return {"p50_ms": result["p50_us"] / 1000,
                "p99_ms": result["p99_us"] / 1000}


class Figure:
    """One column of the report: a row's method, a figure of it, its unit,
    and whether more or less is better."""

    def __init__(self, row, key, label, unit, more=True):
        self.row = row
        self.key = key
        self.label = label
        self.unit = unit
        self.more = more


def _rated(row, label, unit):
    return [Figure(row, "rate", label, unit + "/s"),
            Figure(row, "cpu_ms", "  CPU", "ms", more=False)]


def _timed(row, label):
    return [Figure(row, "ms", label, "ms", more=False),
            Figure(row, "cpu_ms", "  CPU", "ms", more=False)]


def _received(row, label):
    """A rate is that of answers; another server may deliver later."""
    return [*_rated(row, label, "messages"),
            Figure(row, "delivered", "  in mailboxes", "messages/s")]


def _fetch(row, what):
    return [*_rated(f"{row}_first", f"{what} never asked before", "messages"),
            *_rated(f"{row}_cold", f"SELECT, FETCH {what}, cold", "messages"),
            *_rated(f"{row}_warm", f"FETCH {what}, warm", "messages")]


FIGURES = [
    *_rated("lmtp_1_1", "LMTP, 1 connection", "deliveries"),
    *_rated("lmtp_20_1", "LMTP, 20 connections", "deliveries"),
    *_rated("lmtp_1_10", "LMTP, 1 connection, 10 recipients", "recipients"),
    *_rated("lmtp_20_10", "LMTP, 20 connections, 10 recipients", "recipients"),
    Figure("traced_1", "calls", "System calls a delivery, 1 connection", "",
           more=False),
    Figure("traced_1", "flushes", "  flushes", "", more=False),
    Figure("traced_20", "calls", "System calls a delivery, 20 connections",
           "", more=False),
    Figure("traced_20", "flushes", "  flushes", "", more=False),
    *_received("smtp_25_20", "SMTP, 20 connections"),
    *_received("submission_20", "Submission, 20 connections"),
    *_received("submission_20_large", "Submission of 3 MiB"),
    Figure("traced_smtp", "calls", "System calls a message, SMTP", "",
           more=False),
    Figure("traced_smtp", "flushes", "  flushes", "", more=False),
    Figure("traced_submission", "calls", "System calls a message, submission",
           "", more=False),
    Figure("traced_submission", "flushes", "  flushes", "", more=False),
    *_rated("append_1", "APPEND, 1 connection", "messages"),
    *_rated("append_20", "APPEND, 20 connections", "messages"),
    *_rated("logins", "IMAP login and logout, 20 connections", "logins"),
    *_rated("noop", "NOOP, 20 connections", "commands"),
    *_rated("pop3_retr", "POP3 RETR, 20 connections", "messages"),
    *_fetch("flags", "FLAGS"),
    *_fetch("envelope", "ENVELOPE"),
    *_fetch("bodystructure", "BODYSTRUCTURE"),
    *_rated("store_all", "STORE FLAGS on all", "messages"),
    *_rated("copy", "COPY", "messages"),
    *_rated("expunge", "EXPUNGE", "messages"),
    *_timed("select_cold", "SELECT of the big mailbox, cold"),
    *_timed("select_warm", "  warm"),
    *_timed("resync", "  QRESYNC, 100 changes"),
    *_timed("changed_since", "FETCH CHANGEDSINCE, 100 changes"),
    *_timed("search_text", "SEARCH TEXT"),
    *_timed("search_from", "SEARCH FROM"),
    *_timed("search_subject", "SEARCH SUBJECT"),
    *_timed("create", "CREATE of a mailbox"),
    *_timed("list", "LIST of many mailboxes"),
    *_timed("status_cold", "LIST-STATUS of some, cold"),
    *_timed("status_warm", "  warm"),
    Figure("waiting", "p50_ms", "From delivery to EXISTS in IDLE", "ms",
           more=False),
    Figure("waiting", "p99_ms", "  99th percentile", "ms", more=False),
    Figure("idle_plain", "kib", "Memory of an idle connection", "KiB",
           more=False),
    Figure("idle_tls", "kib", "  with TLS", "KiB", more=False),
]
# The same in every round, or possible in the first one alone.
ONCE = {"traced_1", "traced_20", "traced_smtp", "traced_submission",
        "flags_first", "envelope_first",
        "bodystructure_first"}
