"""Python's imaplib, poplib and smtplib."""
import email.message
import imaplib
import poplib
import smtplib
import ssl

from harness import mail, wire


def context():
    return wire.tls_context()


def test_imaplib_a_day_in_a_mailbox(server, account):
    server.deliver(mail.make("delivered", "Grüße\r\n"), account)
    with imaplib.IMAP4("localhost", server.port("imap")) as imap:
        imap.starttls(context())
        imap.login(account.address, account.password)
        assert imap.enable("CONDSTORE")[0] == "OK"
        assert imap.create("Archive/2024")[0] == "OK"
        assert imap.select()[1] == [b"1"]
        assert imap.search(None, "SUBJECT", '"delivered"')[1] == [b"1"]
        data = imap.fetch("1", "(RFC822)")[1][0][1]
        assert mail.parse(data).get_content().strip() == "Grüße"
        assert imap.copy("1", "Archive/2024")[0] == "OK"
        assert imap.append("INBOX", "\\Seen", None,
                           mail.make("kept"))[0] == "OK"
        assert imap.noop()[0] == "OK"
        assert imap.uid("STORE", "1", "+FLAGS", "(\\Deleted)")[0] == "OK"
        assert imap.expunge()[1] == [b"1"]
        assert imap.status("Archive/2024", "(MESSAGES UIDNEXT)")[1] == [
            b'Archive/2024 (MESSAGES 1 UIDNEXT 2)']
        assert imap.close()[0] == "OK"


def test_imaplib_over_tls_with_authenticate(server, account):
    with imaplib.IMAP4_SSL("localhost", server.port("imaps"),
                           ssl_context=context()) as imap:
        def plain(_):
            return f"\0{account.address}\0{account.password}".encode()
        assert imap.authenticate("PLAIN", plain)[0] == "OK"
        assert imap.select()[0] == "OK"


def test_poplib(server, account):
    sent = mail.make("for POP", ".\r\n..\r\n")
    server.deliver(sent, account)
    pop = poplib.POP3("localhost", server.port("pop3"))
    assert "STLS" in pop.capa()
    pop.stls(context())
    pop.user(account.address)
    pop.pass_(account.password)
    assert pop.stat()[0] == 1
    lines = pop.retr(1)[1]
    assert mail.after_trace(b"\r\n".join(lines) + b"\r\n") == sent
    assert len(pop.uidl()[1]) == 1
    pop.dele(1)
    pop.rset()
    pop.dele(1)
    pop.quit()
    pop = poplib.POP3_SSL("localhost", server.port("pop3s"),
                          context=context())
    pop.user(account.address)
    pop.pass_(account.password)
    assert pop.stat() == (0, 0)
    pop.quit()


def test_smtplib_submission(server, account):
    other = server.add_account()
    message = email.message.EmailMessage()
    message["From"] = account.address
    message["To"] = other.address
    message["Subject"] = "Änderung"
    message.set_content("Grüße\n" * 1000)
    message.add_attachment(bytes(range(256)) * 100, maintype="application",
                           subtype="octet-stream", filename="all.bin")
    for kind in ("starttls", "tls"):
        if kind == "tls":
            smtp = smtplib.SMTP_SSL("localhost", server.port("submissions"),
                                    context=context())
        else:
            smtp = smtplib.SMTP("localhost", server.port("submission"))
            smtp.starttls(context=context())
        with smtp:
            smtp.login(account.address, account.password)
            assert smtp.send_message(message) == {}
    imap = server.imap(other)
    assert imap.ok("SELECT INBOX").one("EXISTS")[0] == 2
    data = imap.ok("FETCH 2 BODY[]").fetch()[2]["BODY[]"]
    got = mail.parse(data)
    assert got["Subject"] == "Änderung"
    assert next(got.iter_attachments()).get_content() == bytes(
        range(256)) * 100


def test_lmtplib(server, account):
    with smtplib.LMTP("localhost", server.port("lmtp")) as lmtp:
        refused = lmtp.sendmail(
            "sender@example.net", [account.address, "nobody@example.org"],
            mail.make("by LMTP"))
    assert list(refused) == ["nobody@example.org"]
    assert refused["nobody@example.org"][0] == 550


def test_old_tls_is_refused(server):
    old = wire.tls_context(maximum=ssl.TLSVersion.TLSv1_1)
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    for port in ("imaps", "pop3s", "submissions"):
        c = server.raw(port)
        try:
            c.start_tls(old)
        except (ssl.SSLError, ConnectionResetError):
            continue
        raise AssertionError(f"{port} speaks TLS 1.1")
