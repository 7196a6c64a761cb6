"""Postfix hands mail in, by SMTP on port 25 and by LMTP.

A Postfix of our own under a temporary directory, listening on one loopback
port, that relays everything to the server under test.
"""
import os
import shutil
import smtplib
import subprocess
import time

import pytest

from harness import mail, ports

TIMEOUT = 30

MAIN = """\
compatibility_level = 3.6
queue_directory = {dir}/spool
data_directory = {dir}/data
maillog_file_prefixes = {dir}
maillog_file = {dir}/log
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mta.test
mydestination =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
relay_domains = example.org
relay_transport = {transport}
smtputf8_enable = no
smtp_tls_security_level = {tls}
smtp_destination_concurrency_limit = 5
lmtp_destination_concurrency_limit = 5
notify_classes =
"""

MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    def __init__(self, folder, transport, tls):
        self.dir = folder
        self.offset, self._holder = ports.reserve()
        self.port = self.offset + 25
        # Its daemons run as postfix and must reach their files.
        for path in (folder, *folder.parents):
            if os.stat(path).st_uid == os.getuid() and path != path.parent:
                path.chmod(path.stat().st_mode | 0o011)
        (folder / "data").mkdir()
        (folder / "spool").mkdir()
        shutil.chown(folder / "data", "postfix")
        (folder / "main.cf").write_text(MAIN.format(
            dir=folder, transport=transport, tls=tls))
        (folder / "master.cf").write_text(MASTER.format(port=self.port))
        self._postfix("start")

    def _postfix(self, command):
        # Not a pipe for its output: the master would keep it open.
        with open(self.dir / "out", "wb") as out:
            status = subprocess.run(
                ["postfix", "-c", str(self.dir), command], stdout=out,
                stderr=out, stdin=subprocess.DEVNULL, check=False).returncode
        assert status == 0, (self.dir / "out").read_text()

    def close(self):
        self._postfix("stop")
        self._holder.close()

    def wait_log(self, pattern, count):
        """Until `count` lines of its log hold `pattern`."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            log = self.dir / "log"
            text = log.read_text() if log.exists() else ""
            if text.count(pattern) >= count:
                return text
            time.sleep(0.05)
        raise AssertionError(f"not {count} of {pattern!r} in:\n{text}")


@pytest.fixture(params=["smtp", "smtp-tls", "lmtp"])
def postfix(request, server, tmp_path):
    if os.getuid() != 0:
        pytest.skip("only root can start Postfix")
    kind, _, tls = request.param.partition("-")
    target = (f"lmtp:inet:127.0.0.1:{server.port('lmtp')}" if kind == "lmtp"
              else f"smtp:[127.0.0.1]:{server.port('smtp')}")
    p = Postfix(tmp_path, target, "encrypt" if tls else "none")
    yield p
    p.close()


def test_relays_mail_to_our_users(server, postfix):
    users = [server.add_account() for _ in range(3)]
    sent = [mail.make(f"number {i}", "text\r\n.\r\n..\r\n" * 50)
            for i in range(10)]
    with smtplib.SMTP("127.0.0.1", postfix.port) as smtp:
        for m in sent:
            assert smtp.sendmail("sender@example.net",
                                 [u.address for u in users], m) == {}
    postfix.wait_log("status=sent", len(sent) * len(users))
    for user in users:
        imap = server.imap(user)
        assert imap.ok("SELECT INBOX").one("EXISTS")[0] == len(sent)
        found = imap.ok("FETCH 1:* BODY.PEEK[]").fetch().values()
        got = {mail.message_id(d["BODY[]"]): mail.body(d["BODY[]"])
               for d in found}
        assert got == {mail.message_id(m): mail.body(m) for m in sent}


def test_an_unknown_user_bounces_at_once(server, postfix):
    with smtplib.SMTP("127.0.0.1", postfix.port) as smtp:
        smtp.sendmail("sender@example.net", ["nobody@example.org"],
                      mail.make("to nobody"))
    text = postfix.wait_log("status=bounced", 1)
    assert "550 5.1.1" in text
