"""A copy of a store in use, as msadm(8) tells to make one, and put back."""
import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


def commands(folder):
    """The copying commands of the manual page."""
    with open(os.path.join(ROOT, "tools/msadm/msadm.8"),
              encoding="utf-8") as f:
        page = f.read()
    literal = re.search(r"\.Ss Backup.*?\.Bd -literal.*?\n(.*?)\.Ed", page,
                        re.S).group(1)
    literal = literal.replace("/backup", str(folder))
    return [line for line in literal.splitlines() if "tar" in line]


def deliver(server, account, words):
    for word in words:
        server.deliver(b"Subject: %s\r\n\r\ntext\r\n" % word.encode(), account)


def test_a_copy_of_a_store_in_use_is_whole(make_server, tmp_path):
    server = make_server({"store.checkpoint": "4K"})
    account = server.add_account()
    store = os.path.join(server.home, "store")
    steps = commands(tmp_path)
    assert len(steps) == 3

    deliver(server, account, [f"before{i}" for i in range(10)])
    server.msadm("directory", "backup", str(tmp_path / "directory.db"))
    with server.imap(account) as c:
        c.ok("SELECT INBOX")
        for i, step in enumerate(steps):
            # Mail comes and goes all the while, and snapshots are written.
            deliver(server, account, [f"step{i}x{k}" for k in range(30)])
            c.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
            c.ok("EXPUNGE")
            # 1: a file was changed or removed while it was read.
            assert subprocess.run(step, shell=True, cwd=store,
                                  check=False).returncode in (0, 1)

    back = make_server(start=False)
    os.makedirs(os.path.join(back.home, "directory"))
    os.makedirs(os.path.join(back.home, "store"))
    subprocess.run(["tar", "-xf", str(tmp_path / "mail.tar")], check=True,
                   cwd=os.path.join(back.home, "store"))
    os.rename(tmp_path / "directory.db",
              os.path.join(back.home, "directory", "directory.db"))
    back.start()
    found = back.msadm("account", "check", account.address, check=False)
    assert "missing" not in found.stdout, found.stdout
    with back.imap(account) as c:
        there = c.ok("SELECT INBOX").one("EXISTS")[0]
        assert there >= 10 + 60 - 3
        reply = c.ok("FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        assert len(reply.all("FETCH")) == there
    deliver(back, account, ["after"])
