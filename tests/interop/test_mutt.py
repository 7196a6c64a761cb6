"""mutt sends by submission and reads by IMAP and POP3."""
import pytest

from harness import client, mail


class Mutt:
    def __init__(self, server, account, folder):
        self.folder = folder
        self.rc = folder / "muttrc"
        user = account.address.replace("@", "%40")
        self.imap = f"imap://{user}@127.0.0.1:{server.port('imap')}/"
        self.imaps = f"imaps://{user}@127.0.0.1:{server.port('imaps')}/"
        self.pop = f"pop://{user}@127.0.0.1:{server.port('pop3')}"
        self.rc.write_text(f"""
set from = "{account.address}"
set use_from = yes
set smtp_url = "smtp://{user}@127.0.0.1:{server.port('submission')}/"
set smtp_pass = "{account.password}"
set imap_pass = "{account.password}"
set pop_user = "{account.address}"
set pop_pass = "{account.password}"
set ssl_starttls = yes
set ssl_force_tls = yes
set certificate_file = "{server.home}/tls/cert.pem"
set ssl_verify_host = no
set folder = "{self.imap}"
set spoolfile = "+INBOX"
set record = "+Sent"
set header_cache = ""
set wait_key = no
set confirmappend = no
set confirmcreate = no
set delete = yes
set quit = yes
set timeout = 1
set sleep_time = 0
""")

    def send(self, subject, to, body):
        return client.run(["mutt", "-n", "-F", str(self.rc), "-s", subject,
                           "--", to], stdin=body, cwd=self.folder,
                          env={"HOME": str(self.folder)})

    def push(self, keys, box):
        """Open a mailbox, press keys, and end."""
        return client.run_on_terminal(
            ["mutt", "-n", "-F", str(self.rc), "-f", box, "-e",
             f'push "{keys}"'], cwd=self.folder,
            env={"HOME": str(self.folder)})


@pytest.fixture
def mutt(server, account, tmp_path):
    imap = server.imap(account)
    imap.ok("CREATE Sent")
    return Mutt(server, account, tmp_path)


def test_sends_keeps_a_copy_and_it_arrives(server, account, mutt):
    other = server.add_account()
    mutt.send("Grüße", other.address, "Hello\n.\nfrom mutt\n")
    for who, box in ((other, "INBOX"), (account, "Sent")):
        imap = server.imap(who)
        assert imap.ok(f"SELECT {box}").one("EXISTS")[0] == 1
        data = imap.ok("FETCH 1 BODY[]").fetch()[1]["BODY[]"]
        assert mail.parse(data)["Subject"] == "Grüße"
        assert mail.body(data) == b"Hello\r\n.\r\nfrom mutt\r\n"


@pytest.mark.parametrize("how", ["imap", "imaps"])
def test_reads_flags_moves_and_deletes(server, account, mutt, how):
    for i in range(3):
        server.deliver(mail.make(f"number {i}"), account)
    out = mutt.folder / "out"
    mutt.push(f"<pipe-message>cat > {out}<enter>"
              "<flag-message>"  # and mutt goes to the next one
              "<save-message>=Work<enter>"
              "<last-entry><delete-message>"
              "<sync-mailbox><exit>", getattr(mutt, how) + "INBOX")
    assert b"number 0" in out.read_bytes()
    imap = server.imap(account)
    assert imap.ok("SELECT INBOX").one("EXISTS")[0] == 1
    [data] = imap.ok("FETCH 1 (FLAGS)").fetch().values()
    assert b"\\Flagged" in data["FLAGS"]
    assert imap.ok("SELECT Work").one("EXISTS")[0] == 1


def test_reads_by_pop3(server, account, mutt):
    server.deliver(mail.make("by POP"), account)
    out = mutt.folder / "out"
    mutt.push(f"<pipe-message>cat > {out}<enter><exit>", mutt.pop)
    assert b"by POP" in out.read_bytes()
