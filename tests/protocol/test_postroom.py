"""postroom(8): starts, watches, restarts and stops the programs."""
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile

import pytest

from harness import mail
from harness.postroom import (BUILD, PROGRAMS, Postroom, ServerError,
                              sanitized)


def exit_of(p, name, *args):
    run = subprocess.run(p.argv(name, *args), capture_output=True, text=True,
                         timeout=60, check=False)
    return run.returncode, run.stdout, run.stderr


def test_first_start_makes_the_home(make_server):
    p = make_server()
    for name in ("directory", "store", "queue", "tls", "run"):
        assert os.path.isdir(os.path.join(p.home, name))
    key = os.stat(os.path.join(p.home, "tls/key.pem"))
    assert stat.S_IMODE(key.st_mode) & 0o007 == 0
    store = os.stat(os.path.join(p.home, "store"))
    assert stat.S_IMODE(store.st_mode) == 0o700
    assert set(PROGRAMS) == {
        os.path.basename(os.readlink(f"/proc/{pid}/exe"))
        for pid in p.pids()}


def test_ready_is_said_once(make_server):
    p = make_server(start=False)
    with subprocess.Popen(p.argv("postroom", "serve"), text=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as server:
        assert server.stdout.readline() == "postroom: ready\n"
        server.send_signal(signal.SIGINT)
        assert server.stdout.read() == ""
        assert server.wait() == 0


def test_a_new_configuration_is_all_comments(make_server):
    p = make_server()
    with open(os.path.join(p.home, "postroom.conf"), encoding="ascii") as f:
        lines = [line.strip() for line in f]
    assert any("message = " in line for line in lines)
    assert all(line == "" or line[0] in "#}" or line.endswith("{")
               for line in lines)


@pytest.mark.parametrize("text, expected", [
    ("limits {\n  message = soon\n}\n", ["postroom.conf:2:", "a size"]),
    ("limits {\n  mesage = 1M\n}\n", ["postroom.conf:2:", "mesage"]),
    ("log {\n", ["postroom.conf"]),
    ("log {\n  level = 'debug\\", ["postroom.conf:", "unterminated"]),
    ("log {\n\0}\n", ["postroom.conf:2:", "NUL"]),
])
def test_a_wrong_configuration_is_named_by_line(make_server, text, expected):
    p = make_server(start=False)
    os.makedirs(p.home)
    with open(os.path.join(p.home, "postroom.conf"), "w",
              encoding="ascii") as f:
        f.write(text)
    for name, *args in ([["postroom", "serve"]] + [[n] for n in PROGRAMS]
                        + [["msstat"], ["msadm", "account", "list"]]):
        status, out, err = exit_of(p, name, *args)
        assert (status, out) == (78, ""), (name, out, err)
        assert err.count("\n") == 1 and err.startswith(f"{name}: "), err
        for word in expected:
            assert word in err


@pytest.mark.parametrize("key, value", [
    ("listen.balancers", "somewhere"),
    ("auth.channel_binding", "imap:always"),
    ("directory.postmaster", "no address"),
    ("log.level", "loud"),
    ("listen.addresses", "localhost"),
])
def test_a_value_that_a_program_refuses_ends_the_start(make_server, key,
                                                       value):
    """At once, and not when process.start_time is over."""
    p = make_server({key: value, "process.start_time": "1h"}, start=False)
    status, out, err = exit_of(p, "postroom", "serve")
    assert (status, out) == (78, ""), err
    assert err.splitlines()[-1].startswith("postroom: ")
    assert value in err


def test_sighup_looks_at_the_configuration(make_server):
    """What runs goes on as it was."""
    p = make_server()
    path = os.path.join(p.home, "postroom.conf")

    def hup_with(text, event):
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        mark = p.process.log.mark()
        p.process.popen.send_signal(signal.SIGHUP)
        p.process.log.wait_for(event, mark)
        for program in ("imapd", "pop3d", "smtpd", "lmtpd"):
            p.process.log.wait_for(rf"{program}\[\d+\] info reload", mark)
        p.imap().ok("NOOP")
        return p.process.log.since(mark)

    hup_with("limits {\n  mesage = 1M\n}\n",
             r"error settings\.refused .*postroom\.conf:2:.*mesage")
    hup_with("limits {\n  message = 1M\n}\n", r"warn settings\.changed ")
    said = hup_with("", "info reload")
    assert not any("settings." in line for line in said), said


def test_prepare_makes_the_home_and_ends(make_server):
    p = make_server(start=False)
    assert exit_of(p, "postroom", "prepare")[0] == 0
    assert os.path.isfile(os.path.join(p.home, "postroom.conf"))
    with open(os.path.join(p.home, "tls/cert.pem"), "rb") as f:
        certificate = f.read()
    assert exit_of(p, "postroom", "prepare")[0] == 0
    program = p.start_program("imapd")
    with p.imap(tls=True) as imap:
        imap.ok("NOOP")
    program.popen.send_signal(signal.SIGTERM)
    assert program.wait() == 0
    with open(os.path.join(p.home, "tls/cert.pem"), "rb") as f:
        assert f.read() == certificate


def test_a_wrong_command_line_is_a_usage_error(make_server):
    p = make_server(start=False)
    status, _, err = exit_of(p, "postroom", "sreve")
    assert status == 64 and "usage" in err
    status, _, err = exit_of(p, "postroom", "serve", "--set", "no.such=1")
    assert status == 64 and "no.such" in err


def test_show_config_can_be_read_back(make_server):
    p = make_server(start=False)
    os.makedirs(p.home)
    status, out, _ = exit_of(p, "postroom", "--show-config",
                             "--set", "limits.idle=45m")
    assert status == 0 and "idle = 45m" in out
    with open(os.path.join(p.home, "postroom.conf"), "w",
              encoding="ascii") as f:
        f.write(out)
    assert exit_of(p, "postroom", "--show-config")[1] == out


def test_a_second_instance_is_refused(server):
    status, _, err = exit_of(server, "postroom", "serve")
    assert status == 1 and "another postroom" in err


def test_a_port_in_use_is_said(make_server):
    p = make_server(start=False)
    with socket.create_server(("127.0.0.1", 143 + p.offset)):
        status, _, err = exit_of(p, "postroom", "serve")
    assert status == 1 and str(143 + p.offset) in err


@pytest.mark.parametrize("program, port", [
    ("imapd", 143), ("pop3d", 110), ("lmtpd", 24), ("smtpd", 25)])
def test_a_killed_program_is_restarted_and_nobody_is_refused(
        make_server, program, port):
    p = make_server()
    old = p.kill(program)
    # The monitor holds the socket: this waits instead of being refused.
    with socket.create_connection(("127.0.0.1", port + p.offset), 30) as s:
        s.settimeout(30)
        assert s.recv(100)
    assert not set(old) & set(p.pids(program))


def test_killed_whole_it_starts_again_at_once(make_server):
    p = make_server()
    p.kill_all()
    p.start()


def test_killed_alone_its_programs_end_and_it_starts_again(make_server):
    p = make_server()
    monitor, p.process = p.process, None
    monitor.popen.kill()
    monitor.wait()
    p.start()


def test_stops_in_order_on_sigterm(make_server):
    p = make_server()
    pids = p.pids()
    p.stop()
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    assert os.listdir(os.path.join(p.home, "run/stat")) == []


def test_every_port_is_on_loopback_by_default(make_server):
    p = make_server()
    inodes = set()
    for pid in p.pids():
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                link = os.readlink(f"/proc/{pid}/fd/{fd}")
            except OSError:
                continue
            if link.startswith("socket:["):
                inodes.add(link[8:-1])
    loopback = {"0100007F", "00000000000000000000000001000000"}
    found = 0
    for table in ("tcp", "tcp6"):
        with open(f"/proc/net/{table}", encoding="ascii") as f:
            for row in [line.split() for line in f][1:]:
                if row[3] == "0A" and row[9] in inodes:
                    assert row[1].split(":")[0] in loopback
                    found += 1
    assert found >= 8


def test_sighup_reads_the_certificate_again(make_server):
    p = make_server()
    mark = p.process.log.mark()
    p.process.popen.send_signal(signal.SIGHUP)
    for program in ("imapd", "pop3d", "smtpd"):
        p.process.log.wait_for(rf"{program}\[\d+\] info reload", mark)


def test_a_program_that_cannot_start_ends_the_first_start(make_server):
    p = make_server({"process.start_time": "2s"}, start=False)
    os.makedirs(p.home)
    with open(os.path.join(p.home, "directory"), "w", encoding="ascii"):
        pass
    with pytest.raises(ServerError):
        p.start()
    p.process = None


def test_a_program_that_is_missing_is_said_at_once(make_server, tmp_path):
    """Not when process.start_time, a minute, is over."""
    build = tmp_path / "build"
    shutil.copytree(os.path.join(BUILD, "bin"), build / "bin",
                    ignore=shutil.ignore_patterns("pop3d"))
    p = make_server(start=False, build=str(build))
    status, out, err = exit_of(p, "postroom", "serve",
                               "--set", "process.start_time=10m")
    assert status == 1 and out == ""
    assert f"program {build}/bin/pop3d: No such file" in err


def test_msstat_names_every_program(server):
    status, out, _ = exit_of(server, "msstat")
    assert status == 0
    for program in PROGRAMS:
        assert program in out


@pytest.fixture
def open_home():
    """A home that users other than the test's can reach."""
    top = tempfile.mkdtemp(prefix="postroom.")
    os.chmod(top, 0o755)
    yield os.path.join(top, "home")
    shutil.rmtree(top)


def two_users():
    """Two users with one group, as postroom and postroom-smtp are."""
    by_group = {}
    for user in pwd.getpwall():
        if user.pw_uid != 0:
            by_group.setdefault(user.pw_gid, []).append(user)
    return next((u[:2] for u in by_group.values() if len(u) > 1), None)


@pytest.mark.skipif(os.getuid() != 0, reason="becomes other users")
def test_programs_of_root_become_the_users_of_the_settings(open_home):
    users = two_users()
    if not users:
        pytest.skip("no two users with one group here")
    inside, outside = users
    os.mkdir(open_home)
    # In the file and not as options, because msadm must know of it too.
    with open(os.path.join(open_home, "postroom.conf"), "w",
              encoding="ascii") as f:
        f.write(f"process {{\n  user = {inside.pw_name}\n"
                f"  smtp_user = {outside.pw_name}\n}}\n")
    with Postroom(open_home) as p:
        for program in PROGRAMS:
            [pid] = p.pids(program)
            with open(f"/proc/{pid}/status", encoding="ascii") as f:
                status = dict(line.rstrip("\n").split(":\t", 1)
                              for line in f if ":\t" in line)
            want = outside if program == "smtpd" else inside
            assert status["Uid"].split() == [str(want.pw_uid)] * 4
            assert status["Gid"].split() == [str(want.pw_gid)] * 4
            assert status["NoNewPrivs"] == "1"
        # All the way from port 25 to a mailbox, and after a new start.
        account = p.add_account()
        for n in (1, 2):
            with p.smtp() as smtp:
                smtp.ehlo()
                reply = smtp.send_mail("a@example.net", [account.address],
                                       mail.make(f"number {n}"))
                assert reply.code == 250, reply
            imap = p.imap(account)
            assert imap.ok("SELECT INBOX").one("EXISTS")[0] == n
            p.restart()
        # Reloading reads the key with the rights that are left.
        mark = p.process.log.mark()
        p.process.popen.send_signal(signal.SIGHUP)
        p.process.log.wait_for(r"smtpd\[\d+\] info reload", mark)
        assert not any(" error " in line for line in p.process.log.since(mark))


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return dict(line.rstrip("\n").split(":\t", 1)
                    for line in f if ":\t" in line)


def serves(p):
    """All the way from port 25 to a mailbox."""
    account = p.add_account()
    with p.smtp() as smtp:
        smtp.ehlo()
        reply = smtp.send_mail("a@example.net", [account.address],
                               mail.make())
        assert reply.code == 250, reply
    assert p.imap(account).ok("SELECT INBOX").one("EXISTS")[0] == 1
    assert p.pop3(account).ok("STAT").startswith(b"1 ")


@pytest.mark.skipif(os.getuid() != 0, reason="drops the rights of root")
def test_without_users_the_programs_of_root_have_no_capabilities(make_server):
    if sanitized():
        pytest.skip("leak checkers need them")
    p = make_server({"process.user": "no-such", "process.smtp_user": ""})
    assert any("users.missing user=no-such" in line for line in p.log.since())
    for program in PROGRAMS:
        [pid] = p.pids(program)
        status = status_of(pid)
        assert status["NoNewPrivs"] == "1"
        for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert int(status[kind], 16) == 0, program
        with open(f"/proc/{pid}/limits", encoding="ascii") as f:
            [core] = [x for x in f if x.startswith("Max core file size")]
        assert core.split()[4:6] == ["0", "0"]
    serves(p)
    p.restart()
    serves(p)


@pytest.mark.skipif(os.getuid() != 0, reason="becomes other users")
def test_users_may_be_given_by_number(open_home):
    os.mkdir(open_home)
    with open(os.path.join(open_home, "postroom.conf"), "w",
              encoding="ascii") as f:
        f.write("process {\n  user = 61001:61000\n"
                "  smtp_user = 61002:61000\n}\n")
    with Postroom(open_home) as p:
        for program in PROGRAMS:
            status = status_of(p.pids(program)[0])
            uid = "61002" if program == "smtpd" else "61001"
            assert status["Uid"].split() == [uid] * 4
            assert status["Gid"].split() == ["61000"] * 4
            assert status["Groups"].split() == ["61000"]
        serves(p)
        assert not any("users.missing" in x for x in p.log.since())


@pytest.mark.skipif(os.getuid() != 0, reason="becomes other users")
def test_without_users_the_owner_of_the_store_is_become(open_home):
    os.mkdir(open_home)
    with open(os.path.join(open_home, "postroom.conf"), "w",
              encoding="ascii") as f:
        f.write("process {\n  user = 61001\n  smtp_user = none-such\n}\n")
    with Postroom(open_home) as p:
        # Without a smtp_user smtpd takes the other.
        assert status_of(p.pids("smtpd")[0])["Uid"].split() == ["61001"] * 4
        assert any("users.missing user=none-such" in x for x in p.log.since())
        serves(p)
    with open(os.path.join(open_home, "postroom.conf"), "w",
              encoding="ascii") as f:
        f.write("process {\n  user = none-such\n}\n")
    with Postroom(open_home) as p:
        for program in PROGRAMS:
            assert status_of(p.pids(program)[0])["Uid"].split() == (
                ["61001"] * 4)
        serves(p)


@pytest.mark.skipif(os.getuid() != 0, reason="drops the rights of root")
def test_root_reaches_a_home_below_the_folder_of_another_user():
    if sanitized():
        pytest.skip("leak checkers need all capabilities")
    top = tempfile.mkdtemp(prefix="postroom.")
    os.chown(top, 61005, 61005)
    os.chmod(top, 0o700)
    try:
        with Postroom(os.path.join(top, "home")) as p:
            # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH.
            assert {int(status_of(pid)["CapEff"], 16)
                    for name in PROGRAMS for pid in p.pids(name)} == {6}
            serves(p)
    finally:
        shutil.rmtree(top)
