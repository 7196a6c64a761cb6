"""Clients with control of every octet: Wire, Imap, Pop3, Smtp, Lmtp.

What a client sends is exactly what it is given; nothing is added but where a
method says so (`cmd` adds CRLF).  Every read has a deadline; a peer that
closes raises Closed.
"""
import base64
import os
import re
import socket
import ssl

TIMEOUT = float(os.environ.get("POSTROOM_TIMEOUT", "20"))


class Closed(Exception):
    """The server closed the connection."""


def octets(text):
    return text.encode("utf-8") if isinstance(text, str) else text


def tls_context(minimum=None, maximum=None):
    """A context that takes a self-signed certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if minimum:
        context.minimum_version = minimum
    if maximum:
        context.maximum_version = maximum
    return context


class Wire:
    """A connection, octets in and out."""

    def __init__(self, host, port):
        self.sock = socket.create_connection((host, port), TIMEOUT)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._in = bytearray()
        self.greeting = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        """Close with RST, as a host does that lost its state."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def half_close(self):
        """Send no more (FIN); reading goes on."""
        self.sock.shutdown(socket.SHUT_WR)

    def start_tls(self, context=None):
        assert not self._in, f"octets before the TLS handshake: {self._in}"
        self.sock = (context or tls_context()).wrap_socket(self.sock)

    def send(self, data):
        self.sock.sendall(octets(data))

    def send_slowly(self, data):
        """One octet a segment."""
        for i in range(len(data)):
            self.sock.sendall(octets(data)[i:i + 1])

    def _fill(self):
        try:
            data = self.sock.recv(1 << 16)
        except (ConnectionResetError, ssl.SSLEOFError,
                ssl.SSLZeroReturnError) as e:
            raise Closed(f"reset after {bytes(self._in)!r}") from e
        except (socket.timeout, TimeoutError) as e:
            raise TimeoutError(f"nothing came; had {bytes(self._in)!r}") from e
        if not data:
            raise Closed(f"closed after {bytes(self._in)!r}")
        self._in += data

    def line(self):
        """The next line, without its CRLF (which must be there)."""
        while (end := self._in.find(b"\n")) < 0:
            self._fill()
        line = bytes(self._in[:end + 1])
        del self._in[:end + 1]
        assert line.endswith(b"\r\n"), f"a line not ended by CRLF: {line!r}"
        return line[:-2]

    def read(self, size):
        while len(self._in) < size:
            self._fill()
        data = bytes(self._in[:size])
        del self._in[:size]
        return data

    def read_to_end(self):
        """Everything up to the close by the server."""
        try:
            while True:
                self._fill()
        except Closed:
            data = bytes(self._in)
            self._in.clear()
            return data

    def closed(self):
        """The server has closed, or does so within the deadline, and says
        nothing more."""
        rest = self.read_to_end()
        assert rest == b"", rest
        return True

    def silent(self, seconds=0.2):
        """Nothing comes for a while (the one wait that is by time)."""
        if self._in:
            return False
        self.sock.settimeout(seconds)
        try:
            self._fill()
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(TIMEOUT)
        return False


# --- IMAP ------------------------------------------------------------------
class ImapResult:
    """The tagged answer to a command and the untagged ones before it."""

    def __init__(self, untagged, tagged):
        self.untagged = untagged
        status, _, text = tagged.partition(b" ")
        self.status = status.decode()
        self.text = text

    def __repr__(self):
        return f"<{self.status} {self.text!r} {self.untagged!r}>"

    @property
    def ok(self):
        return self.status == "OK"

    @property
    def code(self):
        """The response code: b"APPENDUID 1 2" of "[APPENDUID 1 2] Done"."""
        m = re.match(rb"\[([^\]]*)\]", self.text)
        return m.group(1) if m else None

    def all(self, name):
        """The untagged responses called `name` ("FETCH", "EXISTS",
        "SEARCH" …), without "* " and the name: (number or None, rest)."""
        found = []
        for r in self.untagged:
            m = re.match(rb"\* (?:(\d+) )?([A-Za-z0-9.-]+) ?", r)
            if m and m.group(2).decode().upper() == name.upper():
                number = int(m.group(1)) if m.group(1) else None
                found.append((number, r[m.end():]))
        return found

    def one(self, name):
        found = self.all(name)
        assert len(found) == 1, f"{len(found)} {name} in {self!r}"
        return found[0]

    def codes(self):
        """The response codes of the untagged OK, NO and BAD answers."""
        found = [self.code] if self.code else []
        for r in self.untagged:
            m = re.match(rb"\* (?:OK|NO|BAD|PREAUTH|BYE) \[([^\]]*)\]", r)
            if m:
                found.append(m.group(1))
        return found

    def fetch(self):
        """FETCH data by message number: {number: {name: value}}, names in
        upper case, values as sexp() gives them."""
        found = {}
        for number, data in self.each_fetch():
            found.setdefault(number, {}).update(data)
        return found

    def each_fetch(self):
        """Number and data of each FETCH response by itself: where messages
        are expunged meanwhile, a number can come to mean another one."""
        for number, rest in self.all("FETCH"):
            items = sexp(rest)[0]
            yield number, {items[i].decode().upper(): items[i + 1]
                           for i in range(0, len(items), 2)}

    def search(self):
        return [int(n) for _, rest in self.all("SEARCH")
                for n in re.sub(rb"\(.*\)", b"", rest).split()]


def sexp(data):
    """Parse IMAP data: lists, strings and atoms as bytes, NIL as None.

    An atom keeps a bracketed part with blanks: BODY[HEADER.FIELDS (TO)]<0>.
    """
    items, at = _sexp_list(data, 0)
    assert at == len(data), f"unbalanced: {data!r}"
    return items


_ATOM = re.compile(rb"(?:[^][\s(){}\"]|\[[^]]*\])+")


def _sexp_list(data, at):
    items = []
    while at < len(data):
        c = data[at:at + 1]
        if c == b" ":
            at += 1
        elif c == b"(":
            item, at = _sexp_list(data, at + 1)
            assert data[at:at + 1] == b")", f"unbalanced: {data!r}"
            items.append(item)
            at += 1
        elif c == b")":
            return items, at
        else:
            item, at = _sexp_string(data, at)
            items.append(item)
    return items, at


def _sexp_string(data, at):
    if data[at:at + 1] == b'"':
        m = re.compile(rb'"((?:[^"\\\r\n]|\\["\\])*)"').match(data, at)
        assert m, f"a bad quoted string at {at}: {data!r}"
        return re.sub(rb"\\(.)", rb"\1", m.group(1)), m.end()
    m = re.compile(rb"~?\{(\d+)\}\r\n").match(data, at)
    if m:
        end = m.end() + int(m.group(1))
        return data[m.end():end], end
    m = _ATOM.match(data, at)
    assert m, f"not IMAP data at {at}: {data!r}"
    text = m.group(0)
    return (None if text.upper() == b"NIL" else text), m.end()


class Imap(Wire):
    """IMAP: commands by tag, literals in both directions."""

    _LITERAL = re.compile(rb"~?\{(\d+)\}$")

    def __init__(self, host, port):
        super().__init__(host, port)
        self._tags = 0

    def response(self):
        """One whole response line, literals and their {n} CRLF included."""
        data = self.line()
        while m := self._LITERAL.search(data):
            data += b"\r\n" + self.read(int(m.group(1)))
            data += self.line()
        return data

    def tag(self):
        self._tags += 1
        return f"t{self._tags}"

    def begin(self, command):
        """Send a tagged command with its CRLF and return the tag."""
        tag = self.tag()
        self.send(octets(tag) + b" " + octets(command) + b"\r\n")
        return tag

    def end(self, tag):
        """Read up to the answer with this tag."""
        untagged = []
        want = octets(tag) + b" "
        while not (r := self.response()).startswith(want):
            assert r.startswith((b"* ", b"+ ", b"+")), f"out of order: {r!r}"
            untagged.append(r)
        return ImapResult(untagged, r[len(want):])

    def cmd(self, command):
        return self.end(self.begin(command))

    def ok(self, command):
        result = self.cmd(command)
        assert result.ok, f"{command!r}: {result!r}"
        return result

    def no(self, command):
        result = self.cmd(command)
        assert result.status == "NO", f"{command!r}: {result!r}"
        return result

    def bad(self, command):
        result = self.cmd(command)
        assert result.status == "BAD", f"{command!r}: {result!r}"
        return result

    def continuation(self):
        """Read the "+" line; its text."""
        line = self.line()
        assert line.startswith(b"+"), line
        return line[2:]

    def cmd_literals(self, *parts):
        """A command of text and literals in turn: text, literal, text, …
        Each literal is sent after the server's "+"."""
        tag = self.tag()
        self.send(octets(tag) + b" ")
        for text, literal in zip(parts[::2], parts[1::2]):
            data = octets(literal)
            self.send(octets(text) + b"{%d}\r\n" % len(data))
            line = self.response()
            if line.startswith(b"* BYE"):
                raise Closed(line)
            if not line.startswith(b"+"):
                return ImapResult([], line[len(tag) + 1:])
            self.send(data)
        self.send((octets(parts[-1]) if len(parts) % 2 else b"") + b"\r\n")
        return self.end(tag)

    def login(self, user, password):
        return self.ok(f'LOGIN "{user}" "{password}"')

    def capabilities(self):
        _, rest = self.ok("CAPABILITY").one("CAPABILITY")
        return set(rest.decode().split())

    def starttls(self, context=None):
        self.ok("STARTTLS")
        self.start_tls(context)

    def append(self, mailbox, message, flags="", date=""):
        """APPEND; the result, which has APPENDUID as its code."""
        args = "".join(f"{x} " for x in (flags, date) if x)
        return self.cmd_literals(f'APPEND "{mailbox}" {args}', message)

    def idle(self):
        """Begin IDLE; returns the tag for done()."""
        tag = self.begin("IDLE")
        self.continuation()
        return tag

    def done(self, tag):
        self.send(b"DONE\r\n")
        return self.end(tag)


# --- POP3 ------------------------------------------------------------------
class Pop3(Wire):
    """POP3: one-line and multi-line answers."""

    def cmd(self, command):
        """Send with CRLF; the status line."""
        self.send(octets(command) + b"\r\n")
        return self.line()

    def ok(self, command):
        line = self.cmd(command)
        assert line.startswith(b"+OK"), f"{command!r}: {line!r}"
        return line[4:]

    def err(self, command):
        line = self.cmd(command)
        assert line.startswith(b"-ERR"), f"{command!r}: {line!r}"
        return line[5:]

    def body(self):
        """The lines of a multi-line answer, dots undone."""
        lines = []
        while (line := self.line()) != b".":
            lines.append(line[1:] if line.startswith(b".") else line)
        return lines

    def multi(self, command):
        self.ok(command)
        return self.body()

    def bulk(self, command):
        """The octets of a multi-line answer, however many lines it has."""
        self.ok(command)
        self._in[:0] = b"\r\n"
        while not self._in.endswith(b"\r\n.\r\n"):
            self._fill()
        data = bytes(self._in[2:-3])
        self._in.clear()
        return re.sub(rb"(?m)^\.", b"", data)

    def retr(self, number):
        """The octets of a message."""
        return b"".join(line + b"\r\n" for line in self.multi(f"RETR {number}"))

    def login(self, user, password):
        self.ok(f"USER {user}")
        return self.ok(f"PASS {password}")

    def starttls(self, context=None):
        self.ok("STLS")
        self.start_tls(context)


# --- SMTP and LMTP ---------------------------------------------------------
class Reply:
    """An SMTP reply: code, enhanced code if any, lines of text."""

    def __init__(self, code, lines):
        self.code = code
        self.lines = lines
        m = re.match(rb"([245]\.\d{1,3}\.\d{1,3})(?: |$)", lines[-1])
        self.enhanced = m.group(1).decode() if m else None

    def __repr__(self):
        return f"<{self.code} {self.lines!r}>"


class Smtp(Wire):
    """SMTP: replies of one or more lines."""

    def reply(self):
        lines = []
        while True:
            line = self.line()
            m = re.match(rb"([2-5]\d\d)([ -]|$)(.*)", line, re.DOTALL)
            assert m, f"not a reply: {line!r}"
            lines.append(m.group(3))
            if m.group(2) != b"-":
                return Reply(int(m.group(1)), lines)

    def cmd(self, command):
        self.send(octets(command) + b"\r\n")
        return self.reply()

    def expect(self, code, command):
        reply = self.cmd(command)
        assert reply.code == code, f"{command!r}: {reply!r}"
        return reply

    def ok(self, command):
        reply = self.cmd(command)
        assert 200 <= reply.code < 300, f"{command!r}: {reply!r}"
        return reply

    def ehlo(self, name="client.test"):
        """EHLO; the keywords: {"SIZE": b"1000", "8BITMIME": b""}."""
        reply = self.expect(250, f"EHLO {name}")
        words = (line.partition(b" ") for line in reply.lines[1:])
        return {w[0].decode().upper(): w[2] for w in words}

    def starttls(self, context=None):
        self.expect(220, "STARTTLS")
        self.start_tls(context)

    def auth_plain(self, user, password):
        text = base64.b64encode(octets(f"\0{user}\0{password}")).decode()
        return self.cmd(f"AUTH PLAIN {text}")

    def envelope(self, sender, recipients):
        """MAIL and RCPT; the reply to each RCPT."""
        self.expect(250, f"MAIL FROM:<{sender}>")
        return [self.cmd(f"RCPT TO:<{r}>") for r in recipients]

    def send_data(self, message):
        """The message with dots doubled and the final dot; no reply read."""
        data = octets(message)
        if not data.endswith(b"\r\n"):
            data += b"\r\n"
        data = re.sub(rb"(?m)^\.", b"..", data)
        self.send(data + b".\r\n")

    def send_mail(self, sender, recipients, message):
        """One message; the reply to the final dot (SMTP)."""
        self.envelope(sender, recipients)
        self.expect(354, "DATA")
        self.send_data(message)
        return self.reply()


class Lmtp(Smtp):
    """LMTP: after the final dot one reply for each accepted recipient."""

    def send_mail(self, sender, recipients, message):
        taken = [r for r in self.envelope(sender, recipients)
                 if r.code == 250]
        self.expect(354, "DATA")
        self.send_data(message)
        return [self.reply() for _ in taken]
