"""Too much of everything: each limit is met by an answer, not by harm."""
import os
import resource
import shutil
import subprocess
import time

import pytest

from harness import mail
from harness.doors import DOORS, Handover
from harness.postroom import PROGRAMS, sanitized
from harness.wire import Closed

root_only = pytest.mark.skipif(os.getuid() != 0, reason="mounts or prlimit")


def pss_kib(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
            total += next(int(line.split()[1]) for line in f
                          if line.startswith("Pss:"))
    return total


@pytest.fixture
def many_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("name", DOORS)
def test_ten_thousand_connections_that_say_nothing(make_server, name,
                                                   many_descriptors):
    want = 10_000
    if many_descriptors < want + 500:
        pytest.skip(f"only {many_descriptors} descriptors")
    door = DOORS[name]
    server = make_server({"limits.connections": str(want + 1000)})
    account = server.add_account()
    path = os.path.join(server.home, "run", "handover")
    before = pss_kib(server.pids(door.program))
    silent = []
    for _ in range(want):
        c = Handover(path) if name == "handover" else server.raw(name)
        silent.append(c)
        if not door.tls and name != "handover":
            c.line()
    # All were accepted before one that is answered.
    door.is_served(server)
    assert server.sessions(door.program) >= want
    grown = pss_kib(server.pids(door.program)) - before
    allowed = 32 if sanitized() else 8
    assert grown / want < allowed, f"{grown / want:.1f} KiB a connection"
    # Somebody else comes and is served, at this door and all others.
    for other in DOORS.values():
        other.is_served(server)
    server.deliver(mail.make("meanwhile"), account)
    imap = server.imap(account)
    assert imap.ok("SELECT INBOX").one("EXISTS")[0] == 1
    with server.pop3(account) as c:
        assert c.ok("STAT").startswith(b"1 ")
    with server.smtp() as c:
        c.ehlo()
        assert c.send_mail("a@example.net", [account.address],
                           mail.make("two")).code == 250
    for c in silent:
        c.close()


@pytest.mark.parametrize("name", [n for n in DOORS if n != "handover"])
def test_who_says_nothing_is_sent_away(make_server, name):
    """So that such connections do not stay for ever.  [RFC 3501 5.4, RFC
    1939 3, RFC 5321 4.5.3.2]"""
    server = make_server({"limits.login": "1s", "limits.idle": "1s",
                          "smtp.idle": "1s", "smtp.input": "1s",
                          "lmtp.idle": "1s", "limits.input": "1s"})
    silent = [server.raw(name) for _ in range(200)]
    begun = [server.raw(name) for _ in range(20)]
    for c in begun:
        c.send(b"a")  # of a command, or of a handshake
    program = DOORS[name].program
    for c in silent + begun:
        c.read_to_end()
        c.close()
    assert server.sessions(program) <= 1
    DOORS[name].is_served(server)


def test_more_connections_than_the_limit(make_server):
    server = make_server({"limits.connections": "20"})
    account = server.add_account()
    held = [server.imap(account) for _ in range(20)]
    late = server.raw("imap")
    said = late.read_to_end()
    assert said == b"" or said.startswith(b"* BYE"), said
    held[0].ok("NOOP")
    held.pop().close()
    held[0].ok("NOOP")
    # One has gone, so one more is taken as soon as that is noticed.
    for _ in range(100):
        try:
            server.imap(account).ok("NOOP")
            break
        except Closed:
            continue
    else:
        raise AssertionError("nobody is taken any more")


@root_only
@pytest.mark.parametrize("name", [n for n in DOORS if n != "handover"])
def test_no_descriptors_left(make_server, name):
    """Accepting pauses; who is in goes on; all is well when there are some
    again."""
    server = make_server()
    door = DOORS[name]
    account = server.add_account()
    server.deliver(mail.make("before"), account)
    [pid] = server.pids(door.program)
    imap = server.imap(account)
    imap.ok("SELECT INBOX")
    pop3 = server.pop3(account)
    lmtp = server.lmtp()
    smtp = server.smtp()
    smtp.ehlo()
    in_use = len(os.listdir(f"/proc/{pid}/fd"))
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (in_use + 5, limits[1]))
    waiting = [server.raw(name) for _ in range(30)]
    # Who is in goes on; what needs a file says no and comes to no harm.
    imap.ok("NOOP")
    for command in ("STATUS INBOX (MESSAGES)", "FETCH 1 BODY.PEEK[]",
                    "SEARCH TEXT before", "CREATE new", "COPY 1 INBOX",
                    "STORE 1 +FLAGS (\\Seen)", "EXPUNGE"):
        assert imap.cmd(command).status in ("OK", "NO")
    if pop3.cmd("RETR 1").startswith(b"+OK"):
        pop3.body()
    pop3.ok("NOOP")
    message = mail.make("meanwhile")
    taken = 0
    for c in (lmtp, smtp):
        c.expect(250, "MAIL FROM:<a@example.net>")
        reply = c.cmd(f"RCPT TO:<{account.address}>")
        if reply.code == 250:
            c.expect(354, "DATA")
            c.send_data(message)
            reply = c.reply()
        assert reply.code == 250 or reply.code // 100 == 4, reply
        taken += reply.code == 250
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    for c in waiting:
        c.close()
    door.is_served(server)
    server.deliver(mail.make("after"), account)
    new = server.imap(account)
    count = new.ok("SELECT INBOX").one("EXISTS")[0]
    assert count in (taken + 2, taken + 3)  # the COPY
    assert imap.ok("NOOP").status == "OK"
    assert len(imap.ok("FETCH 1:* FLAGS").fetch()) == count
    for n in range(count):
        assert new.ok(f"FETCH {n + 1} BODY.PEEK[]").fetch()[n + 1]["BODY[]"]
    pop3.ok("QUIT")
    assert server.pids(door.program) == [pid]


@root_only
@pytest.mark.parametrize("program", PROGRAMS)
def test_started_with_few_descriptors(make_server, program):
    """Each call that makes a descriptor fails at some limit."""
    server = make_server()
    account = server.add_account()
    server.deliver(mail.make("before"), account)
    [pid] = server.pids(program)
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    in_use = len(os.listdir(f"/proc/{pid}/fd"))
    acknowledged = 1
    for left in range(24):
        resource.prlimit(pid, resource.RLIMIT_NOFILE,
                         (in_use + left, limits[1]))
        acknowledged += use_everything(server, account)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    assert server.pids(program) == [pid]
    with server.imap(account) as c:
        count = c.ok("SELECT INBOX").one("EXISTS")[0]
        assert count >= acknowledged
        assert len(c.ok("FETCH 1:* BODY.PEEK[]").fetch()) == count


def use_everything(server, account):
    """A client at each door that takes what it gets; how many messages were
    acknowledged."""
    acknowledged = 0
    for work in (by_lmtp, by_smtp, by_imap, by_pop3):
        clients = len(server.clients)
        try:
            acknowledged += work(server, account)
        except (Closed, OSError, AssertionError):
            pass  # refused, somewhere on the way
        for c in server.clients[clients:]:
            c.close()
    return acknowledged


def by_lmtp(server, account):
    with server.lmtp() as c:
        [reply] = c.send_mail("a@example.net", [account.address],
                              mail.make("lmtp"))
        return reply.code == 250


def by_smtp(server, account):
    with server.smtp() as c:
        c.ehlo()
        return c.send_mail("a@example.net", [account.address],
                           mail.make("smtp")).code == 250


def by_imap(server, account):
    with server.imap(account, tls=True) as c:
        c.cmd("SELECT INBOX")
        c.cmd("FETCH 1 BODY.PEEK[]")
        c.cmd("STORE 1 +FLAGS ($x)")
        return c.append("INBOX", mail.make("imap")).ok


def by_pop3(server, account):
    with server.pop3(account) as c:
        c.retr(1)
        c.ok("QUIT")
    return 0


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with a few megabytes."""
    mount = tmp_path / "disk"
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,nr_inodes=2000", "none",
                           str(mount)], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("no right to mount")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def in_memory(home):
    """Where postroom puts the run/ of a home whose disk takes nothing."""
    return f"/dev/shm/postroom-{home.st_dev:x}-{home.st_ino:x}"


def fill(path):
    # Unbuffered: nothing is left for close() to fail with.
    with open(path, "wb", buffering=0) as f:
        try:
            while True:
                f.write(b"\0" * 65536)
        except OSError:
            pass


def take_all_inodes(folder):
    folder.mkdir()
    try:
        for n in range(100_000):
            (folder / str(n)).touch()
    except OSError:
        return
    raise AssertionError("there is always an inode")


class Taken:
    """What may be wanting on a disk when a server starts on it."""

    def __init__(self, disk):
        self.disk = disk
        self.filler = disk / "filler"

    def blocks(self):
        fill(self.filler)
        self.give_back = lambda: os.unlink(self.filler)

    def inodes(self):
        take_all_inodes(self.filler)
        self.give_back = lambda: shutil.rmtree(self.filler)

    def writing(self):
        def remount(how):
            # What was removed just now may keep it busy.
            end = time.monotonic() + 20
            while subprocess.run(
                    ["mount", "-o", f"remount,{how}", str(self.disk)],
                    check=False).returncode != 0:
                assert time.monotonic() < end, "the disk stays busy"
                time.sleep(0.05)

        remount("ro")
        self.give_back = lambda: remount("rw")


def refused_for_now(c, account, message):
    replies = c.send_mail("a@example.net", [account.address], message)
    for reply in replies if isinstance(replies, list) else [replies]:
        assert reply.code // 100 == 4, reply


def take_all_room(server, account, disk):
    """Until a small message finds none either; how many did."""
    fill(disk / "filler")
    taken = 0
    with server.lmtp() as lmtp:
        for _ in range(5000):
            [reply] = lmtp.send_mail("a@example.net", [account.address],
                                     mail.make("small"))
            if reply.code != 250:
                assert reply.code // 100 == 4, reply
                return taken
            taken += 1
    raise AssertionError("there is always room")


@root_only
@pytest.mark.parametrize("what", ["store", "home"])
def test_a_full_disk(make_server, small_disk, what):
    """What needs room says no, the rest works, and nothing is lost."""
    if what == "store":
        server = make_server({"store.path": str(small_disk / "store")})
    else:
        server = make_server(start=False)
        server.home = str(small_disk / "home")
        server.start()
    account, other = server.add_account(), server.add_account()
    big = mail.make("big", ("x" * 70 + "\r\n") * 4000)
    for n in range(5):
        server.deliver(mail.make(f"before {n}"), account)
    imap, pop3 = server.imap(account), server.pop3(account)
    imap.ok("SELECT INBOX")
    imap.ok("CREATE box")
    count = 5 + take_all_room(server, account, small_disk)

    # Mail is refused for now.
    with server.lmtp() as lmtp:
        refused_for_now(lmtp, account, big)
        refused_for_now(lmtp, other, big)
        refused_for_now(lmtp, account, mail.make("small"))
    with server.smtp() as smtp:
        smtp.ehlo()
        refused_for_now(smtp, account, big)
    for message in (big, mail.make("small")):
        said = imap.append("INBOX", message)
        # [RFC 5530 3]
        assert said.status == "NO", said
        assert said.code in (b"LIMIT", b"OVERQUOTA", b"UNAVAILABLE"), said
    assert imap.cmd("COPY 1:5 box").status in ("OK", "NO")
    # Reading goes on, in old sessions and in new ones.
    for c in (imap, server.imap(account)):
        c.ok("SELECT INBOX")
        data = c.ok("FETCH 1 BODY.PEEK[]").fetch()[1]["BODY[]"]
        assert mail.parse(data)["Subject"] == "before 0"
        assert c.ok("SEARCH SUBJECT before").search() == [1, 2, 3, 4, 5]
    with server.pop3(account) as c:
        assert b"Subject: before 0" in c.retr(1)
        c.ok("QUIT")
    # Messages can be removed, which is how room is made.
    imap.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
    assert imap.ok("EXPUNGE").one("EXPUNGE")[0] == 2
    pop3.ok("DELE 1")
    pop3.ok("QUIT")
    count -= 2
    in_box = imap.ok("STATUS box (MESSAGES)").one("STATUS")[1]

    os.unlink(small_disk / "filler")
    server.deliver(mail.make("after"), account, other)
    assert imap.append("INBOX", big).ok
    count += 2
    server.restart()
    with server.imap(account) as c:
        assert c.ok("SELECT INBOX").one("EXISTS")[0] == count
        found = c.ok("FETCH 1:* (BODY.PEEK[])").fetch()
        assert len(found) == count
        subjects = [mail.parse(d["BODY[]"])["Subject"]
                    for d in found.values()]
        assert subjects[:3] == ["before 2", "before 3", "before 4"]
        assert subjects[-2:] == ["after", "big"]
        assert c.ok("STATUS box (MESSAGES)").one("STATUS")[1] == in_box
    server.msadm("account", "check", account.address)


@root_only
@pytest.mark.parametrize("before", ["stopped", "killed", "rebooted"])
@pytest.mark.parametrize("what", ["blocks", "inodes", "writing"])
def test_started_on_a_disk_that_takes_nothing(make_server, small_disk, what,
                                              before):
    """Everything starts and reads, and changes when it is over."""
    server = make_server(start=False)
    server.home = str(small_disk / "home")
    server.start()
    account = server.add_account()
    for subject in ("before", "old"):
        server.deliver(mail.make(subject), account)
    with server.imap(account) as c:
        c.ok("SELECT INBOX")
    if before == "killed":
        server.kill_all()
    else:
        server.stop()
    if before == "rebooted":
        shutil.rmtree(small_disk / "home" / "run")
        # What a start makes, and can do without.
        os.unlink(small_disk / "home" / "postroom.conf")
        os.rmdir(small_disk / "home" / "queue")
        os.rmdir(small_disk / "home" / "tls" / "names")
    taken = Taken(small_disk)
    getattr(taken, what)()
    server.start()

    reads_on(server, account, "before")
    with server.lmtp() as lmtp:
        refused_for_now(lmtp, account, mail.make("big", "x" * 70_000 + "\r\n"))
    with server.imap(account) as c:
        said = c.append("INBOX", mail.make("big", "x" * 70_000 + "\r\n"))
        assert said.status == "NO", said
        # Journals have room for what makes room, if they can be written to.
        c.ok("SELECT INBOX")
        said = c.cmd("STORE 2 +FLAGS.SILENT (\\Deleted)")
        if what == "writing":
            assert said.status == "NO" and b"not known" not in said.text, said
        else:
            assert c.ok("EXPUNGE").one("EXPUNGE")[0] == 2
    for program in PROGRAMS:
        server.sessions(program)
        server.kill(program)
    reads_on(server, account, "before")

    taken.give_back()
    # The directory is looked at once a second.
    end = time.monotonic() + 20
    while True:
        with server.lmtp() as lmtp:
            [reply] = lmtp.send_mail("a@example.net", [account.address],
                                     mail.make("after"))
        if reply.code == 250:
            break
        assert reply.code // 100 == 4 and time.monotonic() < end, reply
    with server.imap(account) as c:
        assert c.ok("SELECT INBOX").one("EXISTS")[0] == (
            3 if what == "writing" else 2)
        c.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        c.ok("EXPUNGE")
    server.msadm("account", "set", account.address, "--quota", "1G")
    server.restart()
    assert os.path.exists(os.path.join(server.home, "run/handover"))
    server.msadm("account", "check", account.address)


def reads_on(server, account, subject):
    with server.imap(account) as c:
        c.ok("SELECT INBOX")
        data = c.ok("FETCH 1 BODY.PEEK[]").fetch()[1]["BODY[]"]
        assert mail.parse(data)["Subject"] == subject
    with server.pop3(account) as c:
        assert f"Subject: {subject}".encode() in c.retr(1)
        c.ok("QUIT")


@root_only
def test_a_folder_in_memory_that_is_somebody_elses(make_server, small_disk):
    """Anybody can make one of that name: nothing is put there."""
    server = make_server(start=False)
    server.home = str(small_disk / "home")
    server.start()
    server.stop()
    fill(small_disk / "filler")
    name = in_memory(os.stat(server.home))
    os.mkdir(name, 0o755)
    try:
        os.chown(name, 4711, 4711)
        done = subprocess.run(server.argv("postroom", "serve"), check=False,
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == (
            f"postroom: {name} is there and is somebody else's")
        os.chown(name, 0, 0)
        os.chmod(name, 0o777)
        done = subprocess.run(server.argv("postroom", "serve"), check=False,
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        assert os.listdir(name) == []
    finally:
        os.rmdir(name)


@root_only
def test_what_is_in_memory_stays_while_the_disk_takes_nothing(make_server,
                                                              small_disk):
    server = make_server(start=False)
    server.home = str(small_disk / "home")
    server.start()
    server.stop()
    fill(small_disk / "filler")
    server.start()
    name = in_memory(os.stat(server.home))
    file = os.stat(f"{name}/run/lmtpd.pending")
    server.restart()
    assert os.stat(f"{name}/run/lmtpd.pending").st_ino == file.st_ino
    server.kill_all()
    server.start()
    assert os.stat(f"{name}/run/lmtpd.pending").st_ino == file.st_ino
    os.unlink(small_disk / "filler")
    server.restart()
    assert not os.path.exists(name) and not os.path.exists(f"{name}.aside")


@pytest.fixture
def copying_disk(tmp_path):
    """A file system that writes anew what is written over."""
    image, mount = tmp_path / "image", tmp_path / "btrfs"
    mount.mkdir()
    with open(image, "wb") as f:
        f.truncate(150 << 20)
    if shutil.which("mkfs.btrfs") is None or subprocess.run(
            ["mkfs.btrfs", "-q", str(image)], check=False,
            capture_output=True).returncode != 0:
        pytest.skip("no mkfs.btrfs")
    if subprocess.run(["mount", "-o", "loop", str(image), str(mount)],
                      check=False, capture_output=True).returncode != 0:
        pytest.skip("no right to mount, or no btrfs")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


@root_only
def test_a_disk_that_copies_gets_full(make_server, copying_disk):
    """A store into a table would need a block: nobody is killed for it."""
    server = make_server(start=False)
    server.home = str(copying_disk / "home")
    server.start()
    name = in_memory(os.stat(server.home))
    assert os.path.exists(f"{name}/tables/throttle")
    assert os.path.exists(f"{server.home}/run/handover")
    account = server.add_account()
    server.deliver(mail.make("before"), account)
    pids = sorted(server.pids())
    take_all_room(server, account, copying_disk)
    reads_on(server, account, "before")
    with server.lmtp() as lmtp:
        refused_for_now(lmtp, account, mail.make("small"))
    assert sorted(server.pids()) == pids
    os.unlink(copying_disk / "filler")
    server.deliver(mail.make("after"), account)
    assert sorted(server.pids()) == pids
