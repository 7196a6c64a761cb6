"""imapd: STARTTLS, AUTHENTICATE, LOGIN."""
import base64
import hashlib
import hmac
import os
import ssl
import struct
import time

import pytest

from harness.wire import Closed, tls_context


@pytest.fixture
def imap(server):
    with server.imap() as c:
        yield c


@pytest.fixture
def quick(make_server):
    """A server that hardly slows failed attempts, and an account."""
    server = make_server({"auth.delay": "1ms", "auth.delay_max": "1ms"})
    return server, server.add_account()


def plain(account, authzid=""):
    raw = f"{authzid}\0{account.address}\0{account.password}".encode()
    return base64.b64encode(raw).decode()


# --- LOGIN ------------------------------------------------------------------
def test_rfc3501_6_2_3_login(imap, account):
    imap.ok(f'LOGIN {account.address} "{account.password}"')
    imap.ok("SELECT INBOX")


def test_rfc3501_6_2_3_wrong_password(quick):
    server, account = quick
    imap = server.imap()
    r = imap.no(f"LOGIN {account.address} wrong")
    assert r.code == b"AUTHENTICATIONFAILED"
    imap.ok(f"LOGIN {account.address} {account.password}")


def test_rfc5530_3_unknown_account_is_answered_alike(quick):
    server, account = quick
    imap = server.imap()
    a = imap.no(f"LOGIN {account.address} wrong")
    b = imap.no("LOGIN nobody@example.org wrong")
    assert (a.code, a.text) == (b.code, b.text)


def test_rfc3501_6_2_3_password_with_quotes_and_utf8(server):
    account = server.add_account(password='p"\\ä ö')
    with server.imap() as c:
        r = c.cmd_literals(f"LOGIN {account.address} ", account.password)
        assert r.ok
    with server.imap() as c:
        quoted = account.password.replace("\\", "\\\\").replace('"', '\\"')
        c.ok(f'LOGIN {account.address} "{quoted}"')


# --- AUTHENTICATE -----------------------------------------------------------
def test_rfc4959_3_plain_with_initial_response(imap, account):
    imap.ok(f"AUTHENTICATE PLAIN {plain(account)}")
    imap.ok("SELECT INBOX")


def test_rfc3501_6_2_2_plain_with_a_challenge(imap, account):
    tag = imap.begin("AUTHENTICATE PLAIN")
    assert imap.continuation() == b""
    imap.send(plain(account) + "\r\n")
    assert imap.end(tag).ok


def test_rfc3501_6_2_2_star_cancels(imap):
    tag = imap.begin("AUTHENTICATE PLAIN")
    imap.continuation()
    imap.send(b"*\r\n")
    assert imap.end(tag).status == "BAD"
    imap.ok("NOOP")


@pytest.mark.parametrize("text", ["%%%", "AAA", "A" * 15000, "\0"])
def test_rfc3501_6_2_2_wrong_responses(imap, text):
    tag = imap.begin("AUTHENTICATE PLAIN")
    imap.continuation()
    imap.send(text + "\r\n")
    assert imap.end(tag).status in ("BAD", "NO")
    imap.ok("NOOP")


def test_rfc3501_6_2_2_unknown_mechanism(imap):
    imap.no("AUTHENTICATE XYZZY")


def test_rfc5530_3_wrong_password_of_plain(quick):
    server, account = quick
    imap = server.imap()
    account.password += "x"
    r = imap.no(f"AUTHENTICATE PLAIN {plain(account)}")
    assert r.code == b"AUTHENTICATIONFAILED"


def scram(imap, account, mech, digest, gs2="n,,", binding=b""):
    """SCRAM as RFC 5802 3 has it; returns the final result."""
    def mac(key, text):
        return hmac.new(key, text, digest).digest()

    nonce = base64.b64encode(os.urandom(12)).decode()
    bare = f"n={account.address},r={nonce}"
    first = base64.b64encode((gs2 + bare).encode()).decode()
    tag = imap.begin(f"AUTHENTICATE {mech} {first}")
    line = imap.response()
    if not line.startswith(b"+"):
        return line
    challenge = base64.b64decode(line[2:]).decode()
    fields = dict(f.split("=", 1) for f in challenge.split(","))
    assert fields["r"].startswith(nonce)
    salted = hashlib.pbkdf2_hmac(digest, account.password.encode(),
                                 base64.b64decode(fields["s"]),
                                 int(fields["i"]))
    c = base64.b64encode(gs2.encode() + binding).decode()
    without_proof = f"c={c},r={fields['r']}"
    message = ",".join([bare, challenge, without_proof]).encode()
    client_key = mac(salted, b"Client Key")
    stored = hashlib.new(digest, client_key).digest()
    proof = bytes(a ^ b for a, b in zip(client_key, mac(stored, message)))
    final = f"{without_proof},p={base64.b64encode(proof).decode()}"
    imap.send(base64.b64encode(final.encode()) + b"\r\n")
    line = imap.response()
    if line.startswith(b"+"):
        want = base64.b64encode(mac(mac(salted, b"Server Key"),
                                    message)).decode()
        assert base64.b64decode(line[2:]).decode() == "v=" + want
        imap.send(b"\r\n")
        line = imap.response()
    assert line.startswith(tag.encode())
    return line


@pytest.mark.parametrize("mech, digest", [
    ("SCRAM-SHA-1", "sha1"), ("SCRAM-SHA-256", "sha256")])
def test_rfc5802_3_scram(imap, account, mech, digest):
    assert b" OK " in scram(imap, account, mech, digest)
    imap.ok("SELECT INBOX")


def test_rfc5802_3_scram_wrong_password(quick):
    server, account = quick
    imap = server.imap()
    account.password += "x"
    assert b" NO [AUTHENTICATIONFAILED]" in scram(
        imap, account, "SCRAM-SHA-256", "sha256")


def test_rfc5802_6_plus_mechanisms_need_tls(imap, server):
    assert not any(c.endswith("-PLUS") for c in imap.capabilities())
    with server.imap(tls=True) as c:
        assert any(c.endswith("-PLUS") for c in c.capabilities())


def test_rfc5929_scram_plus_with_tls_unique(server, account):
    c = server.imap()
    c.starttls(tls_context(maximum=ssl.TLSVersion.TLSv1_2))
    binding = c.sock.get_channel_binding("tls-unique")
    line = scram(c, account, "SCRAM-SHA-256-PLUS", "sha256",
                 "p=tls-unique,,", binding)
    assert b" OK " in line
    c.close()


# --- STARTTLS ---------------------------------------------------------------
def test_rfc3501_6_2_1_starttls(server, account):
    with server.imap() as c:
        c.starttls()
        caps = c.capabilities()
        assert "STARTTLS" not in caps
        c.bad("STARTTLS")
        c.login(account.address, account.password)
        c.ok("SELECT INBOX")


def test_rfc8314_3_2_implicit_tls(server, account):
    with server.imap(account, tls=True) as c:
        c.ok("SELECT INBOX")


def test_rfc9051_11_1_plain_text_behind_starttls_is_not_taken(server):
    with server.imap() as c:
        c.send(b"a STARTTLS\r\nb NOOP\r\n")
        data = c.read_to_end()
        assert b"b OK" not in data
        assert data.startswith(b"* BYE ")


def test_tls_handshake_of_garbage_costs_only_itself(server, account):
    with server.raw("imaps") as c:
        c.send(b"a LOGIN x y\r\n" * 10)
        c.read_to_end()
    with server.imap(account, tls=True) as c:
        c.ok("NOOP")


# --- clear text from elsewhere ----------------------------------------------
def proxied(server, ip="192.0.2.7"):
    """A connection that a balancer says is from `ip`."""
    c = server.raw("imap")
    addresses = bytes(int(x) for x in ip.split(".")) + b"\x7f\0\0\1"
    c.send(b"\r\n\r\n\0\r\nQUIT\n\x21\x11"
           + struct.pack(">H", 12) + addresses + struct.pack(">HH", 40000, 143))
    return c


@pytest.fixture
def elsewhere(make_server):
    return make_server({"listen.balancers": "127.0.0.0/8"})


def test_rfc3501_11_2_logindisabled_without_tls(elsewhere):
    account = elsewhere.add_account()
    c = proxied(elsewhere)
    greeting = c.line()
    assert b" LOGINDISABLED" in greeting
    assert b"AUTH=PLAIN" not in greeting
    c.send(f"a LOGIN {account.address} {account.password}\r\n")
    assert c.line().startswith(b"a NO [PRIVACYREQUIRED]")
    c.send(f"b AUTHENTICATE PLAIN {plain(account)}\r\n")
    assert c.line().startswith(b"b NO [PRIVACYREQUIRED]")
    c.close()


def test_failures_are_slowed(make_server):
    server = make_server({"auth.delay": "100ms", "auth.delay_max": "1s"})
    account = server.add_account()
    with server.imap() as c:
        times = []
        for _ in range(3):
            start = time.monotonic()
            c.no(f"LOGIN {account.address} wrong")
            times.append(time.monotonic() - start)
        assert times[0] > 0.05 and times[2] > times[0]


def test_a_closed_connection_ends_authenticate(server):
    c = server.imap()
    c.begin("AUTHENTICATE PLAIN")
    c.continuation()
    c.half_close()
    with pytest.raises(Closed):
        while True:
            c.line()
