"""imapd: what a session is told is enough to know the mailbox.

Each session keeps a mirror of its mailbox from untagged responses alone while
all of them change it at random.  At the end every mirror must be what the
server says, and all sessions must have been told the same of each message:
one UID is one message for ever, \\Recent is one session's.

POSTROOM_MIRROR_SECONDS makes the tests run that much longer.
"""
import threading

import pytest

from harness.mirror import BOXES, SECONDS, Mirror, World, run_mirrors
from harness.wire import Closed


def check_mirrors(mirrors):
    for box in BOXES:
        states = [m.check() for m in mirrors if m.box == box]
        assert all(s == states[0] for s in states)


def mirrors_of(connections, seed, qresync=0):
    world = World()
    connections[0].ok("CREATE other")
    return [Mirror(c, f"{seed}-{i}", world, BOXES[int(i % 3 == 2)],
                   i < qresync)
            for i, c in enumerate(connections)]


@pytest.mark.parametrize("seed", range(3))
def test_mirrors_of_one_process(server, account, seed):
    mirrors = mirrors_of([server.imap(account) for _ in range(6)], seed)
    run_mirrors(mirrors, SECONDS)
    check_mirrors(mirrors)


def pair_of(make_server):
    one = make_server()
    two = make_server({"store.path": f"{one.home}/store",
                       "directory.path": f"{one.home}/directory"})
    return one, two, one.add_account()


def test_mirrors_of_two_processes(make_server):
    one, two, account = pair_of(make_server)
    mirrors = mirrors_of(
        [s.imap(account) for s in (one, two) * 3], "two")
    run_mirrors(mirrors, 1.5 * SECONDS)
    check_mirrors(mirrors)


def test_mirrors_with_condstore(server, account):
    connections = [server.imap(account) for _ in range(4)]
    for c in connections[::2]:
        c.ok("ENABLE CONDSTORE")
    mirrors = mirrors_of(connections, "condstore")
    run_mirrors(mirrors, SECONDS)
    check_mirrors(mirrors)


def test_mirrors_with_qresync(server, account):
    mirrors = mirrors_of([server.imap(account) for _ in range(5)], "qresync",
                         qresync=3)
    run_mirrors(mirrors, SECONDS)
    check_mirrors(mirrors)


def test_mirrors_while_another_process_is_killed(make_server):
    """Sessions of the other process go on, and new ones of the killed one
    are told the same."""
    one, two, account = pair_of(make_server)
    mirrors = mirrors_of([one.imap(account) for _ in range(3)], "kill")
    world = mirrors[0].world
    victims = []

    def live_and_die():
        victims.append(two.imap(account))
        victim = Mirror(victims[-1], f"victim-{len(victims)}", world)
        killer = threading.Timer(victim.random.random() / 4, two.kill,
                                 ["imapd"])
        killer.start()
        try:
            while True:
                victim.step()
        except (Closed, ConnectionError):
            killer.join()

    run_mirrors(mirrors, 1.5 * SECONDS, live_and_die)
    mirrors += [Mirror(two.imap(account), "after", world, box)
                for box in BOXES]
    check_mirrors(mirrors)
