"""swaks sends by port 25, by submission and by LMTP."""
import pytest

from harness import client, mail


def swaks(server, port, *args, want=0):
    return client.run(["swaks", "--server", "127.0.0.1", "--port",
                       str(server.port(port)), "--helo", "client.test",
                       *args], want=want)


def inbox(server, account):
    imap = server.imap(account)
    imap.ok("SELECT INBOX")
    found = imap.ok("FETCH 1:* BODY.PEEK[]").fetch()
    return [found[n]["BODY[]"] for n in sorted(found)]


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("port, tls", [
    ("submission", ["--tls"]), ("submissions", ["--tlsc"]),
], ids=["starttls", "tls"])
def test_submission_with_tls_and_auth(server, account, mechanism, port, tls):
    other = server.add_account()
    swaks(server, port, *tls, "--auth", mechanism, "--auth-user",
          account.address, "--auth-password", account.password, "--from",
          account.address, "--to", other.address, "--header",
          "Subject: submitted", "--body", "text\n.\n..\nend")
    [data] = inbox(server, other)
    assert mail.parse(data)["Subject"] == "submitted"
    assert mail.body(data).startswith(b"text\r\n.\r\n..\r\nend")


def test_submission_needs_auth(server, account):
    result = swaks(server, "submission", "--tls", "--from", account.address,
                   "--to", account.address, want=None)
    assert result.status != 0
    assert "530" in result.output


def test_port_25_with_and_without_tls(server, account):
    for tls in ([], ["--tls"]):
        swaks(server, "smtp", *tls, "--from", "sender@example.net", "--to",
              account.address, "--body", "by port 25")
    assert len(inbox(server, account)) == 2


def test_port_25_does_not_relay(server):
    result = swaks(server, "smtp", "--from", "sender@example.net", "--to",
                   "someone@example.com", want=None)
    assert result.status != 0
    assert "5.7.1" in result.output


def test_lmtp_one_reply_a_recipient(server, account):
    other = server.add_account()
    result = swaks(server, "lmtp", "--protocol", "LMTP", "--from",
                   "sender@example.net", "--to",
                   f"{account.address},{other.address}", "--body", "by LMTP")
    assert len(inbox(server, account)) == len(inbox(server, other)) == 1
    assert "LHLO" in result.output
