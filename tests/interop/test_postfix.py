"""Postfix hands mail in, by SMTP on port 25 and by LMTP.

A Postfix of our own under a temporary directory, listening on one loopback
port, that relays everything to the server under test.
"""
import os
import shutil
import smtplib
import tempfile
import time

import pytest

from harness import mail, ports, postfix

TIMEOUT = 30

MAIN = """\
myhostname = mta.test
smtpd_relay_restrictions = permit_mynetworks, reject
relay_domains = example.org
relay_transport = {transport}
smtputf8_enable = no
smtp_tls_security_level = {tls}
smtp_destination_concurrency_limit = 5
lmtp_destination_concurrency_limit = 5
"""


class Relay:
    def __init__(self, transport, tls):
        # Not below tmp_path: its daemons run as postfix and must reach it,
        # and pytest takes that right from its folder again and again.
        self.home = tempfile.mkdtemp(prefix="postroom-postfix.")
        os.chmod(self.home, 0o755)
        self.offset, self._holder = ports.reserve()
        self.port = self.offset + 25
        self._postfix = postfix.Postfix(
            self.home, MAIN.format(transport=transport, tls=tls),
            f"127.0.0.1:{self.port} inet n - n - - smtpd")
        self._postfix.start()

    def close(self):
        self._postfix.close()
        self._holder.close()
        shutil.rmtree(self.home)

    def wait_log(self, pattern, count):
        """Until `count` lines of its log hold `pattern`."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            text = self._postfix.read_log()
            if text.count(pattern) >= count:
                return text
            time.sleep(0.05)
        raise AssertionError(f"not {count} of {pattern!r} in:\n{text}")


@pytest.fixture(params=["smtp", "smtp-tls", "lmtp"])
def relay(request, server):
    if os.getuid() != 0:
        pytest.skip("only root can start Postfix")
    kind, _, tls = request.param.partition("-")
    target = (f"lmtp:inet:127.0.0.1:{server.port('lmtp')}" if kind == "lmtp"
              else f"smtp:[127.0.0.1]:{server.port('smtp')}")
    p = Relay(target, "encrypt" if tls else "none")
    yield p
    p.close()


def test_relays_mail_to_our_users(server, relay):
    users = [server.add_account() for _ in range(3)]
    sent = [mail.make(f"number {i}", "text\r\n.\r\n..\r\n" * 50)
            for i in range(10)]
    with smtplib.SMTP("127.0.0.1", relay.port) as smtp:
        for m in sent:
            assert smtp.sendmail("sender@example.net",
                                 [u.address for u in users], m) == {}
    relay.wait_log("status=sent", len(sent) * len(users))
    for user in users:
        imap = server.imap(user)
        assert imap.ok("SELECT INBOX").one("EXISTS")[0] == len(sent)
        found = imap.ok("FETCH 1:* BODY.PEEK[]").fetch().values()
        got = {mail.message_id(d["BODY[]"]): mail.body(d["BODY[]"])
               for d in found}
        assert got == {mail.message_id(m): mail.body(m) for m in sent}


def test_an_unknown_user_bounces_at_once(server, relay):
    with smtplib.SMTP("127.0.0.1", relay.port) as smtp:
        smtp.sendmail("sender@example.net", ["nobody@example.org"],
                      mail.make("to nobody"))
    text = relay.wait_log("status=bounced", 1)
    assert "550 5.1.1" in text
