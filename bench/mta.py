"""Postfix in front of Dovecot: what receives mail for it, on port 25 and as
submission, and delivers it by LMTP.

As its makers advise for virtual mailboxes behind Dovecot: the LMTP client
over a socket below the queue, Dovecot's SASL, recipients and the addresses
that a user may send from in an indexed table.  All else is as it comes.
"""
import time

from harness import postfix

MAIN = """\
myhostname = mx.example.org
alias_maps =
alias_database =
local_recipient_maps =
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated,
    reject_unauth_destination
virtual_mailbox_domains = example.org
virtual_mailbox_maps = hash:{home}/users
virtual_transport = lmtp:unix:private/dovecot-lmtp
smtpd_sender_login_maps = hash:{home}/users
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
"""

MASTER = """\
127.0.0.1:{smtp} inet n - n - - smtpd
127.0.0.1:{submission} inet n - n - - smtpd
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
  -o smtpd_sender_restrictions=reject_sender_login_mismatch
"""

# Of Dovecot: the two sockets that Postfix reaches it by.
DOVECOT = """\
auth_mechanisms = plain login
service lmtp {{
  unix_listener {home}/spool/private/dovecot-lmtp {{
    mode = 0666
  }}
}}
service auth {{
  unix_listener {home}/spool/private/auth {{
    mode = 0666
  }}
}}
"""

SETTLE_S = 600


class Mta:
    """Its files are made at once, so that Dovecot can listen below it."""

    def __init__(self, home, smtp, submission):
        self._postfix = postfix.Postfix(
            home, MAIN.format(home=home),
            MASTER.format(smtp=smtp, submission=submission))
        self.dovecot_conf = DOVECOT.format(home=home)
        self._read = 0  # octets of its log
        self._sent = 0  # deliveries that it told of there
        self.close = self._postfix.close

    @property
    def pid(self):
        return self._postfix.pid

    def set_users(self, users):
        self._postfix.table("users", (f"{u} {u}" for u in users))

    def start(self):
        self._postfix.start()

    def _read_log(self, log):
        log.seek(self._read)
        text = log.read()
        whole = text[:text.rfind(b"\n") + 1]
        self._read += len(whole)
        self._sent += whole.count(b"status=sent")
        if b"status=deferred" in whole or b"status=bounced" in whole:
            raise RuntimeError(f"mail is not delivered: {log.name}")

    def settle(self, count):
        """Wait until it has told of `count` deliveries more."""
        wanted = self._sent + count
        deadline = time.monotonic() + SETTLE_S
        with open(self._postfix.log, "rb") as log:
            self._read_log(log)
            while self._sent < wanted and time.monotonic() < deadline:
                time.sleep(0.005)
                self._read_log(log)
        if self._sent != wanted:
            raise RuntimeError(f"{self._sent} of {wanted} deliveries")
