"""imapd: whatever the grammar can say, and what it almost can.

Sessions that send random commands to mailboxes of odd messages, some of them
mangled.  Each command is answered, by a response that can be read; a refusal
says why; the connection goes on; the server lives.

POSTROOM_CHATTER_SECONDS makes it longer, POSTROOM_CHATTER_SEED other.
"""
import os
import random
import re
import threading
import time

from harness.wire import sexp

SECONDS = float(os.environ.get("POSTROOM_CHATTER_SECONDS", "3"))
SEED = os.environ.get("POSTROOM_CHATTER_SEED", "chatter")
BOXES = ["INBOX", "a", "a/b", "&AOk-", "x y", "nope", "T&APY-pfe/sub"]
FLAGS = ["\\Seen", "\\Deleted", "\\Flagged", "\\Recent", "\\New", "$a", "kw"]
DATES = ["1-Jan-2024", '"12-Feb-2024"', "31-Dec-9999", "99-Foo-1"]
NUMBERS = "0 1 2 3 7 20 * 01 4294967295 99999999999".split()
TEXTS = ["amber", "grüße", "", "é", "NIL", "\\", "=C3", "(", "x" * 200]
COLLECTED = ["LIST", "LSUB", "STATUS", "FLAGS", "ESEARCH", "ENABLED"]


class Parted(Exception):
    """The session is over, and that is as it should be."""


class Talk:
    """Random text, from the smallest pieces up."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.one = self.random.choice

    def often(self, share):
        return self.random.random() < share

    def some(self, make, low, high, between=" "):
        return between.join(make() for _ in range(
            self.random.randint(low, high)))

    def any_of(self, words):
        return " ".join(self.random.sample(
            words, self.random.randint(0, len(words))))

    # --- what stands in commands ------------------------------------------
    def string(self, text):
        kind = self.random.randrange(6)
        if kind == 0:
            return text
        if kind == 1:
            return f"{{{len(text.encode())}+}}\r\n{text}"
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    def box(self):
        return self.string(self.one(BOXES))

    def set(self):
        if self.often(0.1):
            return "$"
        return self.some(lambda: self.some(lambda: self.one(NUMBERS),
                                           1, 2, ":"), 1, 4, ",")

    def flags(self):
        return "(" + self.some(lambda: self.one(FLAGS), 0, 3) + ")"

    def section(self):
        parts = self.some(lambda: self.one("11123809"), 0, 4, ".")
        text = self.one(["", "HEADER", "TEXT", "MIME",
                         "HEADER.FIELDS (SUBJECT \"From\")",
                         "HEADER.FIELDS.NOT (To {2+}\r\nCc)"])
        dot = "." if parts and text else ""
        cut = f"<{self.one('0159')}.{self.one(NUMBERS)}>"
        return f"[{parts}{dot}{text}]{cut if self.often(0.3) else ''}"

    def item(self):
        return self.one([
            "FLAGS", "UID", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE",
            "BODY", "BODYSTRUCTURE", "MODSEQ", "EMAILID", "THREADID",
            "RFC822", "RFC822.TEXT", "RFC822.HEADER", "BODY.PEEK[]",
            "BODY" + self.section(), "BODY.PEEK" + self.section()])

    def key(self, depth=0):
        kind = self.random.randrange(3 if depth < 6 else 1)
        if kind == 2:
            one, two = self.key(depth + 1), self.key(depth + 1)
            return self.one([f"NOT {one}", f"OR {one} {two}",
                             f"({one} {two})"])
        text = self.string(self.one(TEXTS))
        return self.one([
            self.set(), "UID " + self.set(), "ALL", "NEW", "RECENT",
            "UNSEEN", "DELETED", f"LARGER {self.one(NUMBERS)}",
            f"{self.one(['BEFORE', 'SENTON', 'SINCE'])} {self.one(DATES)}",
            f"KEYWORD {self.one(FLAGS)}", f"MODSEQ {self.one(NUMBERS)}",
            'MODSEQ "/flags/\\\\Seen" all 5',
            f"HEADER {self.one(['Subject', 'X-Y', ':'])} {text}",
            f"{self.one(['BODY', 'TEXT', 'SUBJECT', 'FROM', 'CC'])} {text}"])

    # --- commands ---------------------------------------------------------
    def fetch(self):
        since = (f" (CHANGEDSINCE {self.one(['1', '9' * 18])}"
                 f"{self.one(['', ' VANISHED'])})")
        items = self.some(self.item, 1, 5)
        return (f"FETCH {self.set()} "
                f"{self.one(['ALL', 'FULL', f'({items})', f'({items})'])}"
                f"{since if self.often(0.2) else ''}")

    def search(self):
        returns = self.any_of(["MIN", "MAX", "ALL", "COUNT", "SAVE"])
        charset = self.one(["UTF-8", "US-ASCII", "ISO-8859-1", "x"])
        return ("SEARCH "
                + (f"RETURN ({returns}) " if self.often(0.4) else "")
                + (f"CHARSET {charset} " if self.often(0.2) else "")
                + self.some(self.key, 1, 3))

    def store(self):
        since = f"(UNCHANGEDSINCE {self.one('0159')}) "
        return (f"STORE {self.set()} {since if self.often(0.2) else ''}"
                f"{self.one(['', '+', '-'])}FLAGS"
                f"{self.one(['', '.SILENT'])} {self.flags()}")

    def select(self):
        how = self.one([
            "", "", " (CONDSTORE)", " (QRESYNC (7 5))",
            " (QRESYNC (4294967295 9999999 1:9,12 (1,3 2,5)))", " ()"])
        return f"{self.one(['SELECT', 'SELECT', 'EXAMINE'])} {self.box()}{how}"

    def list(self):
        chosen = self.any_of(["SUBSCRIBED", "RECURSIVEMATCH", "REMOTE"])
        returned = self.any_of(["CHILDREN", "SPECIAL-USE",
                                "STATUS (MESSAGES SIZE)"])
        pattern = self.string(self.one(["*", "%", "a*", "%/%", "", "&AOk-"]))
        return (self.one(["LIST ", "LSUB "])
                + (f"({chosen}) " if self.often(0.3) else "")
                + f"{self.string(self.one(['', 'a', 'a/', '%']))} {pattern}"
                + (f" RETURN ({returned})" if self.often(0.3) else ""))

    def append(self):
        text = self.message()
        return (f"APPEND {self.box()} {self.flags()} ").encode() + (
            b"{%d+}\r\n%s" % (len(text), text))

    def command(self):
        uid = self.one(["", "UID "])
        kind = self.random.randrange(16)
        if kind < 8:
            return uid + self.one([self.fetch, self.search, self.store])()
        if kind < 10:
            return f"{uid}{self.one(['COPY', 'MOVE'])} {self.set()} " + (
                self.box())
        if kind < 12:
            return self.append()
        return self.one([
            self.select, self.list,
            lambda: self.one(["NOOP", "EXPUNGE", "CHECK", "UNSELECT", "IDLE",
                              "ENABLE QRESYNC", "NAMESPACE", "ID NIL"]),
            lambda: self.one(["CREATE ", "DELETE ", "SUBSCRIBE ",
                              f"RENAME {self.box()} "]) + self.box(),
            lambda: f"STATUS {self.box()} ({self.any_of(STATUS)})"])()

    def mangle(self, data):
        data = bytearray(data)
        for _ in range(self.random.randint(1, 3)):
            at = self.random.randrange(len(data) + 1)
            self.one([
                lambda at=at: data.insert(at, self.random.randrange(256)),
                lambda at=at: data.__delitem__(slice(at, at + 3)),
                lambda at=at: data.__setitem__(slice(at, at), self.one(
                    [b'"', b"(", b")", b"{3+}\r\n", b"\\", b"(" * 90]))])()
        return bytes(data)

    # --- messages ---------------------------------------------------------
    def words(self):
        return self.some(lambda: self.one(
            ["amber", "Grüße", "=?utf-8?q?J=C3=BCrgen?=", "=?x?b?!!?=", "(",
             "\\", '"', "{3}", "é\x80", "a" * 90]), 0, 6)

    def field(self):
        name = self.one(["From", "To", "Subject", "Date", "Content-ID",
                         "Content-Language", "Content-Disposition", "X-Y"])
        address = self.one(["A <a@b>", "g: a@b, c@d;", '"q\\"x" <@r:a@b>',
                            "<>", "a", '"never ended <a@b>'])
        return f"{name}{self.one([':', ': '])}{self.words()} {address}\r\n"

    def part(self, depth=0):
        kind = self.random.randrange(8 if depth < 5 else 4)
        fields = [self.field() for _ in range(self.random.randint(0, 4))]
        body = self.one(["hello\r\n", "", "=C3=ZZ\r\n", "w6k=\r\n",
                         "x" * 2000, "<p>a&eacute;<!-- c -->\r\n"])
        if kind < 3:
            fields.append("Content-Type: " + self.one(
                ["text/plain; charset=utf-7", "text/html", "a; =; x",
                 "message/delivery-status"]) + "\r\n")
        elif kind == 3 and depth < 5:
            fields.append("Content-Type: message/rfc822\r\n")
            body = self.part(depth + 1)
        elif kind > 3:
            mark = self.one(["b", "bb", "b-", "a b"])
            fields.append("Content-Type: multipart/"
                          f'{self.one(["mixed", "digest"])}; '
                          f'boundary="{mark}"\r\n')
            body = "".join(f"--{mark}\r\n{self.part(depth + 1)}\r\n"
                           for _ in range(self.random.randint(0, 3)))
            body += self.one([f"--{mark}--\r\n", ""])
        return "".join(fields) + self.one(["\r\n", "\r\n", ""]) + body

    def message(self):
        return self.part().encode("utf-8", "surrogateescape")[:50000] or (
            b"\r\n")


STATUS = ["MESSAGES", "RECENT", "UIDNEXT", "UNSEEN", "HIGHESTMODSEQ", "SIZE",
          "MAILBOXID", "APPENDLIMIT"]


def read_answer(imap, tag, command):
    """What comes up to the tagged line, each of it as it should be."""
    while not (r := imap.response()).startswith(tag + b" "):
        word = r.split(b" ", 3)
        if len(word) > 2 and word[2] == b"FETCH":
            assert len(sexp(word[3])) == 1, r
        elif word[1].decode() in COLLECTED:
            sexp(r[2:])
        elif word[1] == b"BYE":  # its mailbox was deleted
            raise Parted
    status = r[len(tag) + 1:]
    assert re.match(rb"OK |BAD |NO \[[A-Z]", status), (command, status)
    assert b"SERVERBUG" not in status, (command, status)


def converse(imap, talk):
    command = talk.command()
    if isinstance(command, str):
        command = command.encode("utf-8", "surrogateescape")
    tag = imap.tag().encode()
    if talk.often(0.15):
        # Nobody knows where the mangled one ends, nor whether it waits.
        try:
            imap.send(tag + b" " + talk.mangle(command) + b"\r\n\r\n")
            imap.half_close()
            imap.read_to_end()
        except OSError:  # it was worth a BYE
            pass
        raise Parted
    imap.send(tag + b" " + command + b"\r\n")
    if command == b"IDLE":
        imap.send(b"DONE\r\n")
    read_answer(imap, tag, command)


def test_rfc3501_9_whatever_the_grammar_can_say(make_server):
    server = make_server({"imap.errors": "0"})
    accounts = [server.add_account() for _ in range(2)]
    until = time.monotonic() + SECONDS
    failed = []

    def session(account, talk):
        with server.imap(account) as imap:
            imap.ok("SELECT INBOX")
            while time.monotonic() < until:
                converse(imap, talk)

    def work(number):
        talk = Talk(f"{SEED}-{number}")
        while time.monotonic() < until and not failed:
            try:
                session(accounts[number % 2], talk)
            except Parted:
                pass
            except BaseException as e:  # told in the main thread
                failed.append(e)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        raise failed[0]
