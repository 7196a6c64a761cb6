"""curl as an IMAP, POP3 and SMTP client."""
import pytest

from harness import client, mail

# name of the port, scheme, options
IMAP = [("imap", "imap", []), ("imap", "imap", ["--ssl-reqd"]),
        ("imaps", "imaps", [])]
POP3 = [("pop3", "pop3", []), ("pop3", "pop3", ["--ssl-reqd"]),
        ("pop3s", "pop3s", [])]
SMTP = [("submission", "smtp", []), ("submission", "smtp", ["--ssl-reqd"]),
        ("submissions", "smtps", [])]
IDS = ["plain", "starttls", "tls"]


class Curl:
    def __init__(self, server, account, port, scheme, options):
        self.base = f"{scheme}://127.0.0.1:{server.port(port)}"
        self.options = ["curl", "-sS", "--insecure", "--user",
                        f"{account.address}:{account.password}", *options]

    def __call__(self, path, *args, want=0):
        return client.run([*self.options, *args, self.base + path],
                          want=want).output


@pytest.mark.parametrize("port, scheme, options", IMAP, ids=IDS)
def test_imap_reads_searches_and_uploads(server, account, tmp_path, port,
                                         scheme, options):
    curl = Curl(server, account, port, scheme, options)
    sent = mail.make("by curl")
    server.deliver(mail.make("delivered"), account)
    file = tmp_path / "message"
    file.write_bytes(sent)
    curl("/INBOX", "-T", str(file))
    assert "INBOX" in curl("/")
    assert "SEARCH 2" in curl("/INBOX", "-X", "SEARCH SUBJECT curl")
    assert client.run([*curl.options, f"{curl.base}/INBOX;UID=2"]
                      ).output.encode() == sent.replace(b"\r\n", b"\r\n")
    text = curl("/INBOX;UID=1;SECTION=HEADER.FIELDS%20(SUBJECT)")
    assert text.strip() == "Subject: delivered"


@pytest.mark.parametrize("port, scheme, options", POP3, ids=IDS)
def test_pop3_lists_and_retrieves(server, account, port, scheme, options):
    curl = Curl(server, account, port, scheme, options)
    sent = mail.make("for POP", ".a dot\r\n")
    server.deliver(sent, account)
    assert curl("/").split()[0] == "1"
    assert mail.after_trace(curl("/1").encode()) == sent
    assert "for POP" in curl("/", "-X", "TOP 1 0")
    curl("/1", "-X", "DELE", "-I")
    assert curl("/").strip() == ""


@pytest.mark.parametrize("port, scheme, options", SMTP, ids=IDS)
def test_smtp_submits(server, account, tmp_path, port, scheme, options):
    curl = Curl(server, account, port, scheme, options)
    other = server.add_account()
    file = tmp_path / "message"
    file.write_bytes(mail.make("submitted", "..\r\n.\r\nend\r\n",
                               sender=account.address, to=other.address))
    curl("/client.test", "--mail-from", account.address, "--mail-rcpt",
         other.address, "-T", str(file))
    imap = server.imap(other)
    imap.ok("SELECT INBOX")
    data = imap.ok("FETCH 1 BODY[]").fetch()[1]["BODY[]"]
    assert mail.body(data) == b"..\r\n.\r\nend\r\n"


def test_a_wrong_password_is_refused(server, account):
    account.password += "x"
    for port, scheme, options in (IMAP[0], POP3[0], SMTP[0]):
        curl = Curl(server, account, port, scheme, options)
        assert client.run([*curl.options, curl.base + "/"],
                          want=67).status == 67
