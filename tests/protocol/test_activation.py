"""The programs started as systemd starts them, by packaging/'s own units."""
import glob
import os
import signal
import socket
import subprocess

import pytest

from harness import wire
from harness.postroom import READY_TIMEOUT, ROOT, Process

UNITS = os.path.join(ROOT, "packaging/systemd/activated")
GREETINGS = {"imap": b"* OK", "imaps": b"* OK", "pop3": b"+OK",
             "pop3s": b"+OK", "lmtp": b"220 ", "smtp": b"220 ",
             "submission": b"220 ", "submissions": b"220 "}
# LISTEN_PID is the process id of the program that sh becomes.
# Unix-domain sockets, by the last part of their paths.
PATHS = {"handover": "handover", "lmtp-local": "lmtp"}
START = 'LISTEN_PID=$$ exec "$@"'


def unit(path):
    """The last value of each key of a unit."""
    with open(path, encoding="utf-8") as f:
        return dict(line.strip().split("=", 1) for line in f
                    if "=" in line and not line.startswith("#"))


def sockets_of(program):
    """Names of the sockets whose units start `program`."""
    names = []
    for path in sorted(glob.glob(os.path.join(UNITS, "*.socket"))):
        keys = unit(path)
        if keys["Service"] == f"postroom-{program}.service":
            names.append(keys["FileDescriptorName"])
    return names


def listener(home, name):
    if name in PATHS:
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.bind(os.path.join(home, "run", PATHS[name]))
    else:
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
    s.listen(100)
    return s


def start_activated(p, program, sockets):
    fds = [s.fileno() for s in sockets.values()]

    def place():
        high = [os.dup2(fd, 100 + n) for n, fd in enumerate(fds)]
        for n, fd in enumerate(high):
            os.dup2(fd, 3 + n)
            os.close(fd)

    path = os.path.join(p.home, f"notify-{program}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(path)
        notify.settimeout(READY_TIMEOUT)
        process = Process(
            ["/bin/sh", "-c", START, "sh", p.bin(program), "--home", p.home],
            {"LISTEN_FDS": str(len(fds)), "NOTIFY_SOCKET": path,
             "LISTEN_FDNAMES": ":".join(sockets)},
            # Python would close what place() made.
            preexec_fn=place, close_fds=False)
        p.logs.append(process.log)
        while b"READY=1" not in notify.recv(4096):
            pass
    return process


def test_units_open_the_paths_that_programs_use():
    for name, last in PATHS.items():
        keys = unit(os.path.join(UNITS, f"postroom-{name}.socket"))
        assert keys["ListenStream"] == f"/var/lib/postroom/run/{last}"
        assert keys["SocketMode"] == "0660"


def test_every_port_has_its_unit():
    names = [name for program in ("imapd", "pop3d", "lmtpd", "smtpd")
             for name in sockets_of(program)]
    assert sorted(names) == sorted([*GREETINGS, *PATHS])
    assert len(glob.glob(os.path.join(UNITS, "*.socket"))) == len(names)


@pytest.mark.parametrize("program", ["imapd", "pop3d", "lmtpd", "smtpd"])
def test_a_program_takes_the_sockets_of_its_units(make_server, program):
    p = make_server(start=False)
    subprocess.run(p.argv("postroom", "prepare"), check=True, timeout=60,
                   stderr=subprocess.DEVNULL)
    sockets = {name: listener(p.home, name) for name in sockets_of(program)}
    process = start_activated(p, program, sockets)
    for name, s in sockets.items():
        if name in PATHS:
            continue
        with wire.Wire("127.0.0.1", s.getsockname()[1]) as c:
            if name in ("imaps", "pop3s", "submissions"):
                c.start_tls()
            assert c.line().startswith(GREETINGS[name]), name
    process.popen.send_signal(signal.SIGTERM)
    assert process.wait() == 0, process.log.text()
    # They are systemd's: neither closed for others nor removed.
    for name, s in sockets.items():
        assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if name in PATHS:
            assert os.path.exists(s.getsockname())
        s.close()
