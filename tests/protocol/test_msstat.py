"""msstat(8): who is connected, to what, since when, and what it costs."""
import json
import os
import re
import signal
import socket
import stat
import subprocess

import pytest

from harness.postroom import PROGRAMS


def msstat(server, *args):
    run = subprocess.run(server.argv("msstat", *args), capture_output=True,
                         text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


def as_json(server, *args):
    return {p["program"]: p for p in json.loads(msstat(server, "--json",
                                                       *args))}


def sessions_of(server, program, account):
    return [s for s in as_json(server, program)[program]["sessions"]
            if s["user"] == account.address]


def test_each_program_says_what_it_costs(server):
    programs = as_json(server)
    assert sorted(programs) == sorted(PROGRAMS)
    for name, p in programs.items():
        assert p["pid"] in server.pids(name)
        assert p["threads"] >= 4
        assert 0 < p["memory"]["pss"] <= p["memory"]["rss"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", p["since"])


def test_programs_can_be_chosen(server):
    assert list(as_json(server, "imapd")) == ["imapd"]
    assert as_json(server, "imap") == {}


def test_an_option_that_there_is_not(server):
    done = subprocess.run(server.argv("msstat", "--bad"), capture_output=True,
                          text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == "msstat: unknown option --bad\n"


@pytest.mark.parametrize("tls", [False, True])
def test_an_imap_session_is_shown_while_it_lasts(server, account, tls):
    imap = server.imap(account, tls=tls)
    imap.ok("SELECT INBOX")
    [s] = sessions_of(server, "imapd", account)
    assert s["protocol"] == "imap"
    assert s["peer"] == "127.0.0.1"
    assert "INBOX" in s["state"]
    assert s["tls"].startswith("TLSv1.") == tls
    before = s["in"], s["out"]
    imap.ok("NOOP")
    [s] = sessions_of(server, "imapd", account)
    assert s["in"] > before[0] and s["out"] > before[1]
    imap.ok("LOGOUT")
    imap.read_to_end()
    assert sessions_of(server, "imapd", account) == []


def test_a_pop3_session_is_shown(server, account):
    pop3 = server.pop3(account)
    [s] = sessions_of(server, "pop3d", account)
    assert s["protocol"] == "pop3"
    pop3.close()


def test_the_table_is_for_people(server, account):
    server.imap(account)
    lines = msstat(server).splitlines()
    assert lines[0].split()[:3] == ["PROGRAM", "PID", "SESSIONS"]
    assert any(account.address in line for line in lines)


def test_only_the_owner_may_ask(server):
    folder = os.path.join(server.home, "run/stat")
    for name in os.listdir(folder):
        mode = os.stat(os.path.join(folder, name)).st_mode
        assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600


def test_a_killed_program_leaves_nothing_that_disturbs(make_server):
    server = make_server()
    server.kill("imapd")
    folder = os.path.join(server.home, "run/stat")
    server.imap().close()  # waits for the new one
    assert len([n for n in os.listdir(folder) if n.startswith("imapd.")]) >= 1
    assert sorted(as_json(server)) == sorted(PROGRAMS)


def test_who_asks_and_does_not_read_holds_nothing_up(make_server):
    server = make_server({"process.stop_time": "1s"})
    folder = os.path.join(server.home, "run/stat")
    [name] = [n for n in os.listdir(folder) if n.startswith("imapd.")]
    with socket.socket(socket.AF_UNIX) as lazy:
        # A path through the descriptor: the folder's may be too long.
        fd = os.open(folder, os.O_PATH)
        lazy.connect(f"/proc/self/fd/{fd}/{name}")
        os.close(fd)
        account = server.add_account()
        server.imap(account).ok("NOOP")
        server.stop()
    assert not os.path.exists(os.path.join(folder, name))


def test_one_address_may_not_take_all_connections(make_server):
    """The limit counts the peers that a balancer names, as loopback has
    none."""
    server = make_server({"listen.balancers": "127.0.0.1",
                          "limits.peer_connections": "3"})
    head = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c"
    ann = head + socket.inet_aton("192.0.2.1") + b"\xc6\x33\x64\x01\x30\x39\0\x8f"
    bob = head + socket.inet_aton("192.0.2.2") + b"\xc6\x33\x64\x01\x30\x39\0\x8f"
    held = []
    for _ in range(3):
        c = server.raw("imap")
        c.send(ann)
        assert c.line().startswith(b"* OK")
        held.append(c)
    late = server.raw("imap")
    late.send(ann)
    assert late.read_to_end() == b""
    other = server.raw("imap")
    other.send(bob)
    assert other.line().startswith(b"* OK")
    peers = sorted(s["peer"] for s in as_json(server)["imapd"]["sessions"])
    assert peers == ["192.0.2.1"] * 3 + ["192.0.2.2"]


def test_a_program_stopped_by_a_signal_says_goodbye(make_server):
    """SIGTERM to one program: its clients hear why, postroom restarts it."""
    server = make_server()
    account = server.add_account()
    imap = server.imap(account)
    imap.ok("SELECT INBOX")
    [pid] = server.pids("imapd")
    os.kill(pid, signal.SIGTERM)
    assert imap.line().startswith(b"* BYE")
    assert imap.read_to_end() == b""
    server.imap(account).ok("NOOP")
