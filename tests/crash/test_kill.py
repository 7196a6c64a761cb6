"""kill -9 of each program, of all of them at once and of the monitor, under
load; programs that are stopped for a while; and two of each at once.

Clients of every kind work on a few accounts and write into a ledger what
they were told.  The program under test is killed again and again, each time
after a random amount of acknowledged work.  Then everything is read and held
against the ledger: nothing acknowledged is missing, changed or doubled, and
no UID, UIDL or modification sequence ever means something else.

CRASH_KILLS sets how often each target is killed.
"""
import os
import random
import signal
import socket
import time

import pytest

from harness.load import Load
from harness.postroom import PROGRAMS, Postroom

KILLS = int(os.environ.get("CRASH_KILLS", "60"))


def kill_everything(server):
    server.kill_all()
    server.start()


def kill_one(name):
    def kill(server):
        mark = server.log.mark()
        server.kill(name)
        server.log.wait_for(f"program.ready program={name} ", mark)
    return kill


def kill_monitor(server):
    server.kill_monitor()
    server.start()


def stop_and_go(server):
    """SIGSTOP of one program, now and then to be killed while it stands."""
    name = random.choice(PROGRAMS)
    pids = server.pids(name)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    # What the others do meanwhile is what it finds when it goes on.
    time.sleep(random.random())
    if random.random() < 0.3:
        kill_one(name)(server)
        return
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


TARGETS = {"all": (kill_everything, KILLS), "monitor": (kill_monitor, KILLS),
           "stopped": (stop_and_go, KILLS // 4)}
TARGETS.update((name, (kill_one(name), KILLS)) for name in PROGRAMS)


SETTINGS = {"process.restart_min": "1ms", "process.restart_max": "1ms"}


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_acknowledged_is_lost(make_server, target):
    server = make_server(SETTINGS)
    hit, times = TARGETS[target]
    chance = random.Random(target)
    with Load(server) as load:
        for _ in range(times):
            load.wait(chance.randint(1, 60))
            time.sleep(chance.random() * 0.01)
            hit(server)
        load.wait(50)
    server.restart()
    print(f"{target}: {times} times, {load.ledger.acks} acknowledgements, "
          f"{load.check()} messages stand")


class Twin:
    """imapd, pop3d and lmtpd once more, on ports of their own, over the home
    of a server that runs."""

    def __init__(self, server):
        self.p = Postroom(server.home, SETTINGS)
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", self.p.port("lmtp")))
        self.listener.listen(100)
        self.running = {}
        for name in ("imapd", "pop3d", "lmtpd"):
            self.begin(name)

    def begin(self, name):
        # The hand-over socket belongs to the first lmtpd.
        listener = self.listener if name == "lmtpd" else None
        self.running[name] = self.p.start_program(name, listener)

    def kill(self, name):
        self.running[name].popen.kill()
        self.running[name].wait()
        self.begin(name)

    def abandon(self):
        for process in self.running.values():
            process.popen.kill()
        self.listener.close()
        self.p.close()

    def close(self):
        for process in self.running.values():
            process.popen.terminate()
            assert process.wait() == 0
        assert self.p.trouble() is None, self.p.trouble()


def test_two_of_each_program_over_one_store(make_server):
    server = make_server(SETTINGS)
    twin = Twin(server)
    chance = random.Random(1)
    try:
        with Load(server, twin.p) as load:
            for _ in range(KILLS // 2):
                load.wait(chance.randint(1, 60))
                name = chance.choice(("imapd", "pop3d", "lmtpd"))
                if chance.random() < 0.5:
                    twin.kill(name)
                else:
                    kill_one(name)(server)
            load.wait(100)
        twin.close()
    finally:
        twin.abandon()
    server.restart()
    print(f"two: {load.ledger.acks} acknowledgements, {load.check()} "
          "messages stand")
