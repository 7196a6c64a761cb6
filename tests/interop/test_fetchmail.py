"""fetchmail collects a maildrop by POP3."""
import pytest

from harness import client, mail


class Fetchmail:
    """A fetchmail whose deliveries append to one file."""

    def __init__(self, server, account, folder, port, options):
        self.got = folder / "got"
        self.rc = folder / "fetchmailrc"
        self.env = {"FETCHMAILHOME": str(folder), "HOME": str(folder)}
        self.rc.write_text(
            f"poll 127.0.0.1 protocol POP3 port {server.port(port)} uidl\n"
            f" user \"{account.address}\" password \"{account.password}\"\n"
            f" {options}\n"
            f" mda \"cat >> {self.got}\"\n")
        self.rc.chmod(0o600)

    def __call__(self, want=0):
        # Of root's two at a time would find each other's pid file.
        return client.run(
            ["fetchmail", "-f", str(self.rc), "--pidfile", f"{self.rc}.pid",
             "--nosyslog", "-v", "--nodetach"], env=self.env, want=want)


# fetchmail's own words for its exit status.
SUCCESS, NO_MAIL = 0, 1


@pytest.mark.parametrize("port, options", [
    ("pop3", "sslproto '' fetchall"),
    ("pop3", "sslproto TLS1.2+ no sslcertck fetchall"),
    ("pop3s", "ssl no sslcertck fetchall"),
], ids=["plain", "stls", "tls"])
def test_collects_and_deletes(server, account, tmp_path, port, options):
    sent = [mail.make(f"number {i}", ".dot\r\n..dots\r\n") for i in range(3)]
    for m in sent:
        server.deliver(m, account)
    fetchmail = Fetchmail(server, account, tmp_path, port, options)
    fetchmail(SUCCESS)
    got = fetchmail.got.read_bytes()
    for m in sent:
        assert mail.message_id(m).encode() in got
    assert got.count(b"\n.dot\n..dots\n") == 3
    fetchmail(NO_MAIL)
    assert server.imap(account).ok("EXAMINE INBOX").one("EXISTS")[0] == 0


def test_leaves_mail_and_knows_it_by_uidl(server, account, tmp_path):
    fetchmail = Fetchmail(server, account, tmp_path, "pop3",
                          "sslproto '' keep")
    server.deliver(mail.make("first"), account)
    fetchmail(SUCCESS)
    fetchmail(NO_MAIL)
    server.deliver(mail.make("second"), account)
    fetchmail(SUCCESS)
    got = fetchmail.got.read_bytes()
    assert got.count(b"Subject: first") == 1
    assert got.count(b"Subject: second") == 1
