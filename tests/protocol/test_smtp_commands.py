"""Port 25: commands, refusals and limits.  [RFC 5321]"""
import re

import pytest

from harness import inbox, mail


@pytest.fixture
def smtp(server):
    c = server.smtp()
    c.ehlo()
    return c


def test_rfc5321_3_1_greeting(server):
    c = server.smtp()
    assert c.greeting.code == 220 and b"ESMTP" in c.greeting.lines[0]


def test_rfc5321_4_1_1_1_ehlo(server):
    c = server.smtp()
    words = c.ehlo()
    assert {"PIPELINING", "8BITMIME", "SIZE", "ENHANCEDSTATUSCODES",
            "CHUNKING", "BINARYMIME", "SMTPUTF8", "STARTTLS"} <= set(words)
    assert int(words["SIZE"]) > 0
    # Not for those who bring mail for us.
    assert "AUTH" not in words


def test_rfc5321_4_1_1_1_helo_has_no_extensions(server):
    c = server.smtp()
    assert len(c.expect(250, "HELO client.test").lines) == 1


def test_rfc5321_4_1_1_1_lhlo_is_unknown(server):
    assert server.smtp().cmd("LHLO client.test").code == 500


@pytest.mark.parametrize("command, want", [
    ("EHLO", (501, None)),  # RFC 2034 4: but for EHLO and HELO
    ("HELO", (501, None)),
    ("EHLO a b", (501, None)),
    ("MAIL FROM:<a@b.test>x", (501, "5.1.7")),
    ("MAIL FROM:a@b.test", (501, "5.1.7")),
    ("MAIL FROM:<a@b_c.test>", (501, "5.1.7")),
    ("MAIL FROM:<a..b@c.test>", (501, "5.1.7")),
    ("MAIL FROM:<a@b.test> FROB=1", (555, "5.5.4")),
    ("MAIL FROM:<a@b.test> AUTH=<>", (555, "5.5.4")),
    ("MAIL FROM:<a@b.test> RET=HDRS", (555, "5.5.4")),  # no DSN in EHLO
    ("MAIL FROM:<a@b.test> ENVID=x", (555, "5.5.4")),
    ("MAIL FROM:<a@b.test> SIZE=99999999999", (552, "5.3.4")),
    ("MAIL FROM:<grün@b.test>", (550, "5.6.7")),
    ("RCPT TO:<a@example.org>", (503, "5.5.1")),
    ("DATA", (503, "5.5.1")),
    ("DATA now", (501, "5.5.4")),
    ("EXPN list", (502, "5.5.1")),
    ("AUTH PLAIN AAAA", (502, "5.5.1")),
    ("TURN", (502, "5.5.1")),
    ("FROB", (500, "5.5.1")),
    ("VRFY", (501, "5.5.4")),
    ("VRFY ann", (252, "2.0.0")),
    ("HELP", (214, "2.0.0")),
    ("NOOP anything", (250, "2.0.0")),
    ("RSET", (250, "2.0.0")),
    ("QUIT", (221, "2.0.0")),
])
def test_rfc5321_4_2_replies(smtp, command, want):
    reply = smtp.cmd(command)
    assert (reply.code, reply.enhanced) == want


def test_rfc5321_4_1_4_ehlo_comes_first(server):
    c = server.smtp()
    assert c.cmd("MAIL FROM:<a@b.test>").enhanced == "5.5.1"
    c.ok("NOOP")
    c.ok("RSET")


def test_rfc5321_7_1_mail_for_other_places_is_550_5_7_1(smtp, account):
    smtp.ok("MAIL FROM:<a@b.test>")
    reply = smtp.cmd("RCPT TO:<ann@elsewhere.test>")
    assert (reply.code, reply.enhanced) == (550, "5.7.1")
    reply = smtp.cmd("RCPT TO:<@example.org:ann@elsewhere.test>")
    assert (reply.code, reply.enhanced) == (550, "5.7.1")
    reply = smtp.cmd("RCPT TO:<nobody@example.org>")
    assert (reply.code, reply.enhanced) == (550, "5.1.1")
    # RFC 5321 3.3: 503 or 554.
    assert smtp.cmd("DATA").code == 554


def test_rfc5321_4_5_1_postmaster_is_taken(smtp, account):
    smtp.ok("MAIL FROM:<>")
    smtp.ok("RCPT TO:<Postmaster>")
    smtp.ok("RCPT TO:<postmaster@example.org>")


def test_rfc6531_3_5_recipients_need_smtputf8(smtp):
    smtp.ok("MAIL FROM:<a@b.test>")
    reply = smtp.cmd("RCPT TO:<grün@example.org>")
    assert (reply.code, reply.enhanced) == (553, "5.6.7")
    smtp.ok("RSET")
    smtp.ok("MAIL FROM:<grün@b.test> SMTPUTF8")
    assert smtp.cmd("RCPT TO:<grün@example.org>").enhanced == "5.1.1"


def test_rfc5321_4_4_received(server, smtp, account):
    data = mail.make()
    assert smtp.send_mail("a@b.test", [account.address], data).code == 250
    got = inbox.one(server, account)
    assert got.startswith(b"Return-Path: <a@b.test>\r\nReceived: ")
    assert got.endswith(data)
    received = inbox.unfolded(got, "Received")
    assert len(received) == 1
    assert re.match(r"from client\.test \(\[(127\.0\.0\.1|IPv6:::1)\]\) by "
                    r"\S+ with ESMTP id \S+ for <", received[0])


def test_rfc3848_received_names_tls(server, account):
    c = server.smtp()
    c.ehlo()
    c.starttls()
    assert "STARTTLS" not in c.ehlo()
    assert c.send_mail("a@b.test", [account.address], mail.make()).code == 250
    received = inbox.unfolded(inbox.one(server, account), "Received")[0]
    assert " with ESMTPS (TLSv1." in received


def test_rfc3848_received_names_smtp_behind_helo(server, account):
    c = server.smtp()
    c.ok("HELO client.test")
    assert c.send_mail("a@b.test", [account.address], mail.make()).code == 250
    assert " with SMTP id" in inbox.unfolded(inbox.one(server, account),
                                             "Received")[0]


def test_rfc3207_4_2_state_is_forgotten_behind_starttls(server):
    c = server.smtp()
    c.ehlo()
    c.ok("MAIL FROM:<a@b.test>")
    c.starttls()
    c.expect(503, "RCPT TO:<a@example.org>")
    c.expect(503, "MAIL FROM:<a@b.test>")
    c.ehlo()
    c.expect(503, "STARTTLS")


def test_rfc3207_4_starttls_takes_no_argument(smtp):
    smtp.expect(501, "STARTTLS now")


def test_rfc3207_6_nothing_is_smuggled_over_starttls(server):
    c = server.smtp()
    c.ehlo()
    c.send("STARTTLS\r\nMAIL FROM:<evil@b.test>\r\n")
    assert c.reply().code in (503, 554)
    assert c.closed()


def test_several_messages_on_one_connection(server, smtp, account):
    for n in range(5):
        assert smtp.send_mail("a@b.test", [account.address],
                              mail.make(subject=str(n))).code == 250
    subjects = [inbox.unfolded(m, "Subject")[0]
                for m in inbox.messages(server, account)]
    assert subjects == ["0", "1", "2", "3", "4"]


def test_rfc2920_3_1_a_pipelined_group(server, smtp, account):
    smtp.send(f"RSET\r\nMAIL FROM:<a@b.test>\r\n"
              f"RCPT TO:<nobody@example.org>\r\n"
              f"RCPT TO:<{account.address}>\r\nDATA\r\n")
    assert [smtp.reply().code for _ in range(5)] == [250, 250, 550, 250, 354]
    smtp.send_data(mail.make())
    smtp.send("QUIT\r\n")
    assert [smtp.reply().code for _ in range(2)] == [250, 221]
    assert len(inbox.messages(server, account)) == 1


def test_commands_cut_at_every_octet(server, account):
    c = server.smtp()
    c.send_slowly(f"EHLO client.test\r\nMAIL FROM:<a@b.test> SIZE=99\r\n"
                  f"RCPT TO:<{account.address}>\r\nDATA\r\n"
                  "Subject: slow\r\n\r\n..\r\n.\r\nQUIT\r\n")
    assert [c.reply().code for _ in range(6)] == [250, 250, 250, 354, 250,
                                                  221]
    assert inbox.one(server, account).endswith(b"\r\n\r\n.\r\n")


def test_message_for_several_has_one_answer(server, smtp, account):
    other = server.add_account()
    assert smtp.send_mail("a@b.test", [account.address, other.address],
                          mail.make()).code == 250
    for a in (account, other):
        assert " for <" not in inbox.unfolded(inbox.one(server, a),
                                              "Received")[0]


@pytest.mark.parametrize("size", [900_000, 1_200_000, 6_000_000])
def test_large_messages_are_kept_octet_for_octet(
        server, smtp, account, size):
    data = mail.make() + b"0123456789abcdef\r\n" * (size // 18)
    assert smtp.send_mail("a@b.test", [account.address], data).code == 250
    assert inbox.one(server, account).endswith(data)


def test_rfc3030_2_chunks(server, smtp, account):
    data = b"Subject: bin\r\n\r\n" + bytes(range(256)) * 16
    smtp.ok("MAIL FROM:<a@b.test> BODY=BINARYMIME")
    smtp.ok(f"RCPT TO:<{account.address}>")
    smtp.send(b"BDAT 1000\r\n" + data[:1000]
              + b"BDAT %d LAST\r\n" % (len(data) - 1000) + data[1000:])
    assert [smtp.reply().code for _ in range(2)] == [250, 250]
    with server.imap(account) as c:
        c.ok("SELECT INBOX")
        text = c.ok("FETCH 1 BODY[TEXT]").fetch()[1]["BODY[TEXT]"]
    assert text == bytes(range(256)) * 16


def test_mixed_outcomes_are_451_and_reach_nobody_twice(make_server):
    """SMTP has one answer for all recipients: see docs/smtp.md."""
    server = make_server()
    ann, bob = server.add_account(), server.add_account()
    server.msadm("account", "set", bob.address, "--quota", "4K")
    data = mail.make() + b"x" * 5000 + b"\r\n"
    for _ in range(2):
        with server.smtp() as c:
            c.ehlo()
            # No SIZE is declared, so that bob is full only when it comes.
            assert c.send_mail("a@b.test", [ann.address, bob.address],
                               data).code in (451, 452)
            c.ok("QUIT")
    assert len(inbox.messages(server, ann)) == 1
    assert len(inbox.messages(server, bob)) == 0
    server.msadm("account", "set", bob.address, "--quota", "1M")
    with server.smtp() as c:
        c.ehlo()
        assert c.send_mail("a@b.test", [ann.address, bob.address],
                           data).code == 250
        c.ok("QUIT")
    assert len(inbox.messages(server, ann)) == 1
    assert len(inbox.messages(server, bob)) == 1


# --- limits ----------------------------------------------------------------

def test_rfc5321_4_5_3_1_8_too_many_recipients_are_452_4_5_3(make_server):
    server = make_server({"smtp.recipients": "100", "smtp.errors": "0"})
    account = server.add_account()
    with server.smtp() as c:
        c.ehlo()
        c.ok("MAIL FROM:<a@b.test>")
        for _ in range(100):
            c.ok(f"RCPT TO:<{account.address}>")
        reply = c.cmd(f"RCPT TO:<{account.address}>")
        assert (reply.code, reply.enhanced) == (452, "4.5.3")
        c.expect(354, "DATA")
        c.send_data(mail.make())
        assert c.reply().code == 250
    assert len(inbox.messages(server, account)) == 1


def test_too_many_errors_are_421(make_server):
    server = make_server({"smtp.errors": "3"})
    with server.smtp() as c:
        c.ehlo()
        for _ in range(3):
            c.expect(500, "FROB")
        c.expect(500, "FROB")
        assert c.reply().code == 421
        assert c.closed()


def test_too_many_commands_without_a_message_are_421(make_server):
    server = make_server({"smtp.commands": "5"})
    account = server.add_account()
    with server.smtp() as c:
        c.ehlo()
        for _ in range(4):
            c.ok("NOOP")
        assert c.send_mail("a@b.test", [account.address],
                           mail.make()).code == 250
        for _ in range(5):
            c.ok("NOOP")
        c.expect(421, "NOOP")
        assert c.closed()


def test_rfc5321_4_5_3_2_7_idle_clients_are_421(make_server):
    server = make_server({"smtp.idle": "1s"})
    with server.smtp() as c:
        c.ehlo()
        reply = c.reply()
        assert (reply.code, reply.enhanced) == (421, "4.4.2")
        assert c.closed()


def test_a_text_that_comes_too_slowly_is_421(make_server):
    server = make_server({"smtp.input": "500ms"})
    account = server.add_account()
    with server.smtp() as c:
        c.ehlo()
        c.envelope("a@b.test", [account.address])
        c.expect(354, "DATA")
        c.send("Subject: slow\r\n")
        reply = c.reply()
        assert (reply.code, reply.enhanced) == (421, "4.4.2")
        assert c.closed()
    assert inbox.messages(server, account) == []


def test_a_text_over_the_limit_is_552(make_server):
    server = make_server({"limits.message": "64K"})
    account = server.add_account()
    with server.smtp() as c:
        c.ehlo()
        reply = c.send_mail("a@b.test", [account.address],
                            mail.make() + b"x" * 70000)
        assert (reply.code, reply.enhanced) == (552, "5.3.4")
        assert c.send_mail("a@b.test", [account.address],
                           mail.make()).code == 250


def test_rfc5321_4_5_3_1_6_long_lines_of_text_when_configured(make_server):
    server = make_server({"smtp.text_line": "1000"})
    account = server.add_account()
    with server.smtp() as c:
        c.ehlo()
        assert c.send_mail("a@b.test", [account.address],
                           mail.make() + b"x" * 999 + b"\r\n").code == 500
        assert c.send_mail("a@b.test", [account.address],
                           mail.make() + b"x" * 998 + b"\r\n").code == 250


def test_helo_check_when_configured(make_server):
    server = make_server({"smtp.helo_check": "yes"})
    with server.smtp() as c:
        c.expect(501, "EHLO not_a_host")
        c.expect(250, "EHLO [192.0.2.1]")
        c.expect(250, "EHLO host.example")


def test_rfc5321_3_8_stopping_is_421(make_server):
    server = make_server()
    with server.smtp() as c:
        c.ehlo()
        server.stop()
        assert c.reply().code == 421
        assert c.closed()


def test_lmtpd_away_is_451_and_comes_back(make_server):
    server = make_server({"process.restart_min": "1s"})
    account = server.add_account()
    with server.smtp() as c:
        c.ehlo()
        assert c.send_mail("a@b.test", [account.address],
                           mail.make()).code == 250
        server.kill("lmtpd")
        reply = c.send_mail("a@b.test", [account.address], mail.make())
        assert reply.code == 250  # the socket stays open meanwhile
    assert len(inbox.messages(server, account)) == 2


def test_rfc5321_4_2_2_leave_is_taken_with_the_name_of_the_host(make_server):
    p = make_server({"server.hostname": "mx.example.org", "smtp.errors": "2"})
    c = p.smtp()
    assert c.greeting.lines[0].startswith(b"mx.example.org ")
    reply = c.expect(221, "QUIT")
    assert reply.lines == [b"2.0.0 mx.example.org Goodbye"]
    c = p.smtp()
    for _ in range(3):
        c.expect(500, "FROB")
    reply = c.reply()
    assert reply.code == 421
    assert reply.lines[0].startswith(b"4.7.0 mx.example.org ")
    assert p.lmtp().expect(221, "QUIT").lines[0].startswith(
        b"2.0.0 mx.example.org ")


def test_rfc5321_4_5_1_postmaster_at_our_address(server, account):
    del account  # there has to be one
    c = server.smtp()
    c.ehlo()
    c.ok("MAIL FROM:<a@b.test>")
    c.ok("RCPT TO:<postmaster@[127.0.0.1]>")
    c.ok("RCPT TO:<Postmaster@[127.0.0.1]>")
    for other in ("postmaster@[127.0.0.2]", "postmaster@[IPv6:::1]",
                  "ann@[127.0.0.1]"):
        c.expect(550, f"RCPT TO:<{other}>")


def test_rfc3030_2_a_chunk_of_unknown_length_ends_the_connection(server):
    """Its octets would be taken for commands."""
    c = server.smtp()
    c.ehlo()
    c.send("BDAT 99999999999999999999999\r\nQUIT\r\n")
    assert c.reply().code == 552
    assert c.closed()
    c = server.smtp()
    c.ehlo()
    c.expect(501, "BDAT x")
    c.ok("NOOP")


def test_rfc5321_4_1_4_a_refused_ehlo_changes_nothing(smtp):
    smtp.ok("MAIL FROM:<a@b.test>")
    smtp.expect(501, "EHLO")
    smtp.expect(503, "MAIL FROM:<a@b.test>")
    smtp.ok("EHLO other.test")
    smtp.ok("MAIL FROM:<a@b.test>")


@pytest.mark.parametrize("first", [
    "BDAT 5 FIRST\r\nabcde",    # refused for its syntax
    "BDAT 5 LAST now\r\nabcde",
])
def test_rfc3030_2_a_message_has_failed_with_one_of_its_chunks(
        server, account, smtp, first):
    """What follows a refused chunk is no message by itself."""
    smtp.ok("MAIL FROM:<a@b.test>")
    smtp.ok(f"RCPT TO:<{account.address}>")
    smtp.send(first + "BDAT 5 LAST\r\nfghijNOOP\r\n")
    assert [smtp.reply().code for _ in range(3)] == [501, 503, 250]
    assert smtp.cmd(f"RCPT TO:<{account.address}>").code == 503
    assert not inbox.messages(server, account)
    smtp.ok("RSET")
    smtp.ok("MAIL FROM:<a@b.test>")
    smtp.ok(f"RCPT TO:<{account.address}>")
    smtp.send("BDAT 7 LAST\r\nfghij\r\n")
    assert smtp.reply().code == 250
    assert inbox.one(server, account).endswith(b"\r\nfghij\r\n")


def test_rfc3030_2_chunks_before_a_recipient_are_lost(server, account, smtp):
    """Those that came when there was none are not part of a later message."""
    smtp.ok("MAIL FROM:<a@b.test>")
    smtp.send("RCPT TO:<nobody@example.org>\r\nBDAT 5\r\nabcde"
              f"RCPT TO:<{account.address}>\r\nBDAT 5 LAST\r\nfghij")
    assert [smtp.reply().code for _ in range(4)] == [550, 554, 503, 554]
    assert not inbox.messages(server, account)


def test_rfc3030_2_chunks_of_no_octets(server, account, smtp):
    smtp.ok("MAIL FROM:<a@b.test>")
    smtp.ok(f"RCPT TO:<{account.address}>")
    smtp.send("BDAT 0\r\nbdat 14\r\nSubject: x\r\n\r\nNOOP\r\n"
              "BDAT 0 LAST\r\nQUIT\r\n")
    assert [smtp.reply().code for _ in range(5)] == [250] * 4 + [221]
    assert inbox.one(server, account).endswith(b"Subject: x\r\n\r\n")


def test_rfc3030_2_rset_between_chunks(server, account, smtp):
    for _ in range(2):
        smtp.ok("MAIL FROM:<a@b.test>")
        smtp.ok(f"RCPT TO:<{account.address}>")
        smtp.send("BDAT 5\r\nabcdeRSET\r\n")
        assert [smtp.reply().code for _ in range(2)] == [250, 250]
    smtp.send(f"MAIL FROM:<a@b.test>\r\nRCPT TO:<{account.address}>\r\n"
              "BDAT 5 LAST\r\nfghij")
    assert [smtp.reply().code for _ in range(3)] == [250] * 3
    assert b"abcde" not in inbox.one(server, account)


def test_rfc3030_2_a_chunk_in_too_long_a_line_ends_the_connection(server):
    c = server.smtp()
    c.ehlo()
    c.send("BDAT " + "0" * 600 + "5 LAST\r\nQUIT\r\n")
    assert c.reply().code == 552
    assert c.closed()


@pytest.mark.parametrize("request_line", [
    "POST / HTTP/1.1", "GET /" + "x" * 20000 + " HTTP/1.1", "PRI * HTTP/2.0"])
def test_a_browser_is_sent_away(server, request_line):
    """What stands in the body of a web page's request is not done."""
    c = server.smtp()
    c.send(request_line + "\r\nHost: x\r\n\r\nEHLO client.test\r\n"
           "MAIL FROM:<a@b.test>\r\n")
    reply = c.reply()
    assert (reply.code, reply.enhanced) == (421, "4.7.0")
    assert c.closed()
