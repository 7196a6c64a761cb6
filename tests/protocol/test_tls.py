"""Certificates: several by name, and new ones while the server runs.
[RFC 6066 3] [RFC 9325]"""
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

import pytest

from harness.postroom import Postroom

PROGRAMS = ("imapd", "pop3d", "smtpd")


EC = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
RSA = ("rsa:2048",)


def make_pair(folder, *names, cert="cert.pem", key="key.pem", days=30,
              kind=EC):
    """A self-signed certificate for `names`, with its key."""
    os.makedirs(folder, exist_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", *kind, "-nodes",
         "-days", str(days),
         "-subj", "/CN=" + names[0], "-addext",
         "subjectAltName=" + ",".join("DNS:" + n for n in names),
         "-keyout", os.path.join(folder, key),
         "-out", os.path.join(folder, cert)],
        check=True, capture_output=True, timeout=60)


def shown(p, name, port="imaps", version=None):
    """The names in the certificate that is shown to who asks for `name`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version:
        context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", p.port(port)), 20) as s:
        with context.wrap_socket(s, server_hostname=name) as tls:
            der = tls.getpeercert(binary_form=True)
    text = subprocess.run(
        ["openssl", "x509", "-inform", "der", "-noout", "-ext",
         "subjectAltName"], input=der, check=True, capture_output=True,
        timeout=60).stdout.decode()
    return {w.strip(" ,\n")[4:] for w in text.splitlines()[1].split(",")
            if w.strip().startswith("DNS:")}


def reload(p):
    mark = p.log.mark()
    p.process.popen.send_signal(signal.SIGHUP)
    for program in PROGRAMS:
        p.log.wait_for(rf"{program}\[\d+\] info reload", mark)
    return "".join(p.log.since(mark))


@pytest.fixture
def p(make_server):
    server = make_server({"server.hostname": "mx.example.org"}, start=False)
    names = os.path.join(server.home, "tls/names")
    make_pair(os.path.join(names, "a"), "mail.example.com")
    make_pair(os.path.join(names, "b"), "*.example.net", "example.net",
              cert="fullchain.pem", key="privkey.pem")
    server.start()
    return server


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2,
                                     ssl.TLSVersion.TLSv1_3])
def test_rfc6066_3_the_certificate_of_the_name_is_shown(p, version):
    for port in ("imaps", "pop3s", "submissions"):
        assert shown(p, "mail.example.com", port, version) == {
            "mail.example.com"}
        assert shown(p, "MAIL.example.com", port, version) == {
            "mail.example.com"}
        assert "example.net" in shown(p, "imap.example.net", port, version)
        assert "mx.example.org" in shown(p, "mx.example.org", port, version)
        # A wildcard stands for one label.
        for other in ("a.b.example.net", "elsewhere.test", None):
            assert "mx.example.org" in shown(p, other, port, version)


def test_a_name_of_its_own_comes_before_a_wildcard(p):
    make_pair(os.path.join(p.home, "tls/names/z"), "imap.example.net")
    reload(p)
    assert shown(p, "imap.example.net") == {"imap.example.net"}
    assert "*.example.net" in shown(p, "pop.example.net")


def test_starttls_shows_the_certificate_of_the_name(p):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(
        os.path.join(p.home, "tls/names/a/cert.pem"))
    for port in ("smtp", "submission"):
        c = p.smtp(port)
        c.ehlo()
        c.expect(220, "STARTTLS")
        c.sock = context.wrap_socket(c.sock,
                                     server_hostname="mail.example.com")
        c.ehlo()


def test_renewed_certificates_are_for_new_connections(p):
    """Put in place by rename, as certificate clients do."""
    old = p.imap(tls=True)
    for folder, name in (("tls", "new.example.org"),
                         ("tls/names/a", "new.example.com"),
                         ("tls/names/c", "new.example.edu")):
        make_pair(os.path.join(p.home, "new"), name)
        os.makedirs(os.path.join(p.home, folder), exist_ok=True)
        for file in ("key.pem", "cert.pem"):
            os.rename(os.path.join(p.home, "new", file),
                      os.path.join(p.home, folder, file))
    said = reload(p)
    assert "tls.refused" not in said
    assert "names=new.example.org" in said
    for port in ("imaps", "pop3s", "submissions"):
        for name in ("new.example.org", "new.example.com",
                     "new.example.edu"):
            assert shown(p, name, port) == {name}
    assert shown(p, "mail.example.com") == {"new.example.org"}
    old.ok("NOOP")


def test_renewal_behind_links_is_followed(make_server, tmp_path):
    """The files are links that a certificate client points elsewhere."""
    p = make_server(start=False)
    live = os.path.join(p.home, "tls/names/a")
    archive = tmp_path / "archive"
    os.makedirs(live)
    make_pair(archive, "one.example.com", cert="cert1.pem", key="key1.pem")
    make_pair(archive, "two.example.com", cert="cert2.pem", key="key2.pem")
    links = {"fullchain.pem": "cert", "privkey.pem": "key"}
    for name, target in links.items():
        os.symlink(archive / f"{target}1.pem", os.path.join(live, name))
    p.start()
    assert shown(p, "one.example.com") == {"one.example.com"}
    for name, target in links.items():
        os.unlink(os.path.join(live, name))
        os.symlink(archive / f"{target}2.pem", os.path.join(live, name))
    assert "tls.refused" not in reload(p)
    assert shown(p, "two.example.com") == {"two.example.com"}


# What certificate clients make: links in one folder to files in another,
# neither of which anybody but root may look into.
def renew(top, name, number):
    archive = os.path.join(top, "archive")
    make_pair(archive, name, cert=f"cert{number}.pem", key=f"key{number}.pem")
    for folder in ("live/a", "live/b"):
        os.makedirs(os.path.join(top, folder), exist_ok=True)
        for link, file in (("fullchain.pem", "cert"), ("privkey.pem", "key")):
            new = os.path.join(top, folder, "new")
            os.symlink(os.path.join(archive, f"{file}{number}.pem"), new)
            os.rename(new, os.path.join(top, folder, link))
    for folder in ("archive", "live", "live/a", "live/b"):
        os.chmod(os.path.join(top, folder), 0o700)


@pytest.fixture
def of_root():
    """A server whose programs are other users, and keys that are root's."""
    if os.geteuid() != 0:
        pytest.skip("only root becomes another")
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        home = os.path.join(top, "home")
        os.mkdir(home)
        renew(top, "one.example.org", 1)
        with open(os.path.join(home, "postroom.conf"), "w",
                  encoding="ascii") as f:
            f.write("process {\n  user = 61001:61000\n"
                    "  smtp_user = 61002:61000\n}\ntls {\n"
                    f"  certificate = {top}/live/a/fullchain.pem\n"
                    f"  key = {top}/live/a/privkey.pem\n"
                    f"  names = {top}/live\n}}\n")
        with Postroom(home) as server:
            yield server, top


def test_renewed_keys_of_root_are_read_without_being_root(of_root):
    p, top = of_root
    assert shown(p, "one.example.org") == {"one.example.org"}
    for number, name in ((2, "two.example.org"), (3, "three.example.org")):
        renew(top, name, number)
        said = reload(p)
        assert "tls.refused" not in said
        assert said.count(f"path={top}/live/b/fullchain.pem") == 3
        for port in ("imaps", "pop3s", "submissions"):
            assert shown(p, name, port) == {name}


def test_who_reads_for_others_can_do_nothing_else(of_root):
    p, _ = of_root
    keepers = p.keepers()
    assert len(keepers) == len(PROGRAMS)
    for pid in keepers:
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in f)
        assert int(status["CapEff"], 16) == 1 << 2  # CAP_DAC_READ_SEARCH
        assert int(status["CapPrm"], 16) == 1 << 2
        assert status["NoNewPrivs"] == "1"
        assert os.listdir(f"/proc/{pid}/fd") == ["0", "1", "2", "3"]
    for program in PROGRAMS:
        for pid in p.pids(program):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while any(os.path.exists(f"/proc/{pid}") for pid in keepers):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_keys_that_others_could_have_put_there_are_not(of_root):
    p, top = of_root
    renew(top, "two.example.org", 2)
    os.chown(os.path.join(top, "live/a"), 61001, 61000)
    said = reload(p)
    assert said.count(
        f"tls.refused path={top}/live/a/fullchain.pem why=") == 6
    assert shown(p, "one.example.org") == {"one.example.org"}
    os.chown(os.path.join(top, "live/a"), 0, 0)
    os.chmod(os.path.join(top, "live/a"), 0o770)
    assert f"tls.refused path={top}/live/a/fullchain.pem" in reload(p)
    os.chmod(os.path.join(top, "live/a"), 0o700)
    assert "tls.refused" not in reload(p)
    assert shown(p, "two.example.org") == {"two.example.org"}


def test_bad_files_are_refused_and_the_old_ones_kept(p):
    before = shown(p, "mx.example.org")
    make_pair(os.path.join(p.home, "new"), "good.example.org")
    with open(os.path.join(p.home, "tls/key.pem"), "w",
              encoding="ascii") as f:
        f.write("not a key\n")
    # A certificate whose key has not come yet.
    shutil.copy(os.path.join(p.home, "new/cert.pem"),
                os.path.join(p.home, "tls/names/a/cert.pem"))
    os.unlink(os.path.join(p.home, "tls/names/b/privkey.pem"))
    make_pair(os.path.join(p.home, "tls/names/c"), "good.example.edu")
    said = reload(p)
    for file in ("tls/cert.pem", "tls/names/a/cert.pem",
                 "tls/names/b/fullchain.pem"):
        assert f"tls.refused path={p.home}/{file} why=" in said, said
    # Each of them stays as it was; the good one is in use.
    assert shown(p, "mx.example.org") == before
    assert shown(p, "mail.example.com") == {"mail.example.com"}
    assert "example.net" in shown(p, "imap.example.net")
    assert shown(p, "good.example.edu") == {"good.example.edu"}


def test_a_certificate_that_expires_soon_is_told_of(p):
    make_pair(os.path.join(p.home, "tls/names/d"), "old.example.org", days=1)
    said = reload(p)
    assert "warn tls.certificate" in said and "expires soon" in said


# --- RFC 9325 ----------------------------------------------------------------

def s_client(server, *args, stdin=""):
    """What openssl's client says of a connection to the IMAP port."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect",
         f"127.0.0.1:{server.port('imaps')}", *args], input=stdin, text=True,
        capture_output=True, timeout=60, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_rfc9325_3_1_1_old_versions_are_refused(server, version):
    said = s_client(server, version, "-cipher", "ALL:@SECLEVEL=0")
    assert "alert protocol version" in said


@pytest.mark.parametrize("cipher", [
    "AES128-SHA", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-ECDSA-AES128-SHA256", "eNULL", "aNULL", "PSK"])
def test_rfc9325_4_1_weak_suites_are_refused(server, cipher):
    said = s_client(server, "-tls1_2", "-cipher", cipher + ":@SECLEVEL=0")
    assert "Cipher is (NONE)" in said


def test_rfc9325_3_nothing_is_compressed_resumed_or_renegotiated(server):
    said = s_client(server, "-tls1_2")
    assert "Cipher is ECDHE-" in said
    assert "Compression: NONE" in said
    assert "Extended master secret: yes" in said
    assert "Session-ID: \n" in said
    assert "TLS session ticket" not in said
    # R asks for a renegotiation.
    assert "no renegotiation" in s_client(server, "-tls1_2", stdin="R\n")
    said = s_client(server, "-tls1_3")
    assert "TLS_AES_128_GCM_SHA256" in said
    assert "session ticket" not in said


# --- RSA beside ECDSA ---------------------------------------------------------

def signed_with(p, name, kind):
    """What kind of key signs for a client that can check but one kind."""
    limits = {
        "RSA": ["-sigalgs", "RSA-PSS+SHA256"],
        "ECDSA": ["-sigalgs", "ECDSA+SHA256"],
        "RSA 1.2": ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"],
        "ECDSA 1.2": ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"],
        "any": [],
    }[kind]
    said = s_client(p, "-servername", name, *limits)
    for line in said.splitlines():
        if line.startswith("Peer signature type: "):
            return line.split(": ")[1].split("-")[0]
    return None


def test_rfc8446_4_4_2_2_each_client_gets_a_key_of_its_kind(make_server):
    p = make_server(start=False)
    names = os.path.join(p.home, "tls/names")
    make_pair(os.path.join(p.home, "tls"), "mx.example.org")
    make_pair(os.path.join(names, "mx-rsa"), "MX.example.org", kind=RSA)
    make_pair(os.path.join(names, "a"), "a.test", "b.test", kind=RSA)
    make_pair(os.path.join(names, "b"), "b.test", "a.test")
    make_pair(os.path.join(names, "c"), "c.test")
    p.start()
    for _ in range(2):
        for name in ("mx.example.org", "a.test", "b.test", "other.test"):
            for kind in ("RSA", "ECDSA", "RSA 1.2", "ECDSA 1.2"):
                assert signed_with(p, name, kind) == kind.split()[0]
            assert signed_with(p, name, "any") == "ECDSA"
        assert signed_with(p, "c.test", "ECDSA") == "ECDSA"
        assert signed_with(p, "c.test", "RSA") is None
        # One that is kept because its file is broken has its fellow still.
        with open(os.path.join(names, "a/key.pem"), "w",
                  encoding="ascii") as f:
            f.write("not a key\n")
        reload(p)


# --- RFC 8446 6.1: what is cut off --------------------------------------------

@pytest.mark.parametrize("orderly", [True, False])
def test_rfc8446_6_1_what_is_cut_off_is_no_message(server, account, orderly):
    """By an end of TLS, with its alert or without, as somebody in between
    can make it, who sees how long the records are."""
    text = b"Subject: x\r\n\r\nall of it"
    end = b"\r\n.\r\n"
    begun = [("DATA", 354, text + end[:n]) for n in range(len(end))]
    begun.append((f"BDAT {len(text)} LAST", None, text[:-1]))
    for command, code, octets in begun:
        c = server.smtp("submissions")
        c.ehlo()
        c.auth_plain(account.address, account.password)
        c.ok(f"MAIL FROM:<{account.address}>")
        c.ok(f"RCPT TO:<{account.address}>")
        if code:
            c.expect(code, command)
        else:
            c.send(command + "\r\n")
        c.send(octets)
        cut(c, orderly)
    c = server.imap(account, tls=True)
    c.send(f"a APPEND INBOX {{{len(text)}+}}\r\n".encode() + text[:-1])
    cut(c, orderly)
    with server.pop3(account) as pop3:
        assert pop3.ok("STAT").startswith(b"0 ")


def cut(c, orderly):
    if orderly:
        try:
            c.sock.unwrap()  # close_notify; waits for the server's
        except (OSError, ssl.SSLError):
            pass
    c.close()
