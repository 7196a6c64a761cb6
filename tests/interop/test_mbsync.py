"""mbsync (isync) synchronizes both ways, and once more without a change."""
import os
import re

import pytest

from harness import client, mail


class Mbsync:
    """An mbsync over one account and one Maildir tree."""

    def __init__(self, server, account, folder, port, ssl):
        self.root = folder / "mail"
        self.root.mkdir()
        self.rc = folder / "mbsyncrc"
        self.rc.write_text(f"""
IMAPAccount account
Host localhost
Port {server.port(port)}
User {account.address}
Pass {account.password}
SSLType {ssl}
CertificateFile {server.home}/tls/cert.pem

IMAPStore far
Account account

MaildirStore near
Path {self.root}/
Inbox {self.root}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
""")

    def __call__(self):
        return client.run(["mbsync", "-V", "-c", str(self.rc), "-a"])

    def files(self, box="INBOX"):
        return sorted(p for d in ("cur", "new")
                      for p in (self.root / box / d).iterdir())

    def tree(self):
        return sorted(str(p) for p in self.root.rglob("*")
                      if p.is_file() and not p.name.startswith("."))

    def put(self, box, name, data):
        for d in ("cur", "new", "tmp"):
            (self.root / box / d).mkdir(parents=True, exist_ok=True)
        (self.root / box / "new" / name).write_bytes(data)


def far_state(imap):
    """What the server holds: by mailbox, each UID with its flags."""
    state = {}
    for _, rest in imap.ok('LIST "" *').all("LIST"):
        box = rest.rpartition(b" ")[2].strip(b'"').decode()
        imap.ok(f'EXAMINE "{box}"')
        found = imap.ok("UID FETCH 1:* (FLAGS)").fetch()
        state[box] = {
            d["UID"]: sorted(f for f in d["FLAGS"] if f != b"\\Recent")
            for d in found.values()}
    return state


def lf(data):
    return data.replace(b"\r\n", b"\n")


@pytest.fixture(params=[("imap", "STARTTLS"), ("imaps", "IMAPS")],
                ids=["starttls", "tls"])
def mbsync(request, server, account, tmp_path):
    return Mbsync(server, account, tmp_path, *request.param)


def test_both_ways_then_no_change(server, account, mbsync):
    sent = [mail.make(f"number {i}") for i in range(5)]
    for m in sent:
        server.deliver(m, account)
    mine = [mail.make(f"written here {i}") for i in range(2)]
    for i, m in enumerate(mine):
        mbsync.put("Work", f"{i}.local", lf(m))
    mbsync()

    # mbsync marks what it brings with a field of its own.
    near = [re.sub(rb"X-TUID: .*\n", b"", mail.after_trace(p.read_bytes()))
            for p in mbsync.files()]
    assert sorted(near) == sorted(map(lf, sent))
    imap = server.imap(account)
    assert imap.ok("SELECT Work").one("EXISTS")[0] == 2
    far = [d["BODY[]"] for d in
           imap.ok("FETCH 1:* BODY.PEEK[]").fetch().values()]
    assert sorted(mail.message_id(m) for m in far) == sorted(
        mail.message_id(m) for m in mine)

    before = (mbsync.tree(), far_state(imap))
    mbsync()
    assert (mbsync.tree(), far_state(imap)) == before


def test_flags_and_deletions_go_both_ways(server, account, mbsync):
    for i in range(4):
        server.deliver(mail.make(f"number {i}"), account)
    mbsync()
    imap = server.imap(account)
    imap.ok("SELECT INBOX")
    imap.ok("STORE 1 +FLAGS (\\Flagged)")
    imap.ok("STORE 2 +FLAGS (\\Deleted)")
    imap.ok("EXPUNGE")
    # Here: the last one is read, the one before it is deleted.
    by_subject = {mail.parse(p.read_bytes())["Subject"]: p
                  for p in mbsync.files()}
    seen, gone = by_subject["number 3"], by_subject["number 2"]
    base = os.path.basename(seen).partition(":")[0]
    seen.rename(mbsync.root / "INBOX" / "cur" / f"{base}:2,S")
    gone.unlink()
    mbsync()

    imap.ok("NOOP")
    found = imap.ok("FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
    state = {}
    for d in found.fetch().values():
        subject = d["BODY[HEADER.FIELDS (SUBJECT)]"].split()[-1]
        state[subject] = sorted(f for f in d["FLAGS"] if f != b"\\Recent")
    assert state == {b"0": [b"\\Flagged"], b"3": [b"\\Seen"]}
    names = {mail.parse(p.read_bytes())["Subject"]: p.name
             for p in mbsync.files()}
    assert set(names) == {"number 0", "number 3"}
    assert "F" in names["number 0"].partition(":2,")[2]

    before = (mbsync.tree(), far_state(imap))
    mbsync()
    assert (mbsync.tree(), far_state(imap)) == before
