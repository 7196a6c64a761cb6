"""LMTP: commands, their order and their answers.  [RFC 2033]"""
import socket

import pytest

from harness import inbox, mail
from harness.wire import Lmtp

NOBODY = "nobody@example.org"


@pytest.fixture
def lmtp(server):
    return server.lmtp()


def test_rfc2033_4_greeting_names_the_protocol(server):
    c = server.lmtp(hello=False)
    assert c.greeting.code == 220
    assert b" LMTP" in c.greeting.lines[0]


def test_rfc2033_4_1_lhlo_lists_the_extensions(server):
    c = server.lmtp(hello=False)
    reply = c.expect(250, "LHLO client.test")
    words = {line.split()[0] for line in reply.lines[1:]}
    assert {b"PIPELINING", b"ENHANCEDSTATUSCODES", b"8BITMIME", b"SIZE",
            b"CHUNKING", b"BINARYMIME", b"SMTPUTF8"} <= words
    # Naming it would promise notices [RFC 3461 6].
    assert b"DSN" not in words


@pytest.mark.parametrize("verb", ["EHLO client.test", "HELO client.test",
                                  "STARTTLS", "AUTH PLAIN"])
def test_rfc2033_4_1_smtp_commands_are_unknown(server, verb):
    c = server.lmtp(hello=False)
    assert c.cmd(verb).code == 500


def test_rfc5321_4_1_4_mail_needs_lhlo(server):
    c = server.lmtp(hello=False)
    assert c.cmd("MAIL FROM:<a@b.test>").enhanced == "5.5.1"


@pytest.mark.parametrize("command", ["RCPT TO:<a@example.org>", "DATA",
                                     "BDAT 0 LAST"])
def test_rfc5321_4_1_4_transaction_needs_mail(lmtp, command):
    if command.startswith("BDAT"):
        # Nobody to answer for, no answer [RFC 2033 4.3].
        lmtp.send(command + "\r\n")
        lmtp.ok("NOOP")
    else:
        lmtp.expect(503, command)


def test_rfc2033_4_2_data_without_recipients_is_503(lmtp):
    lmtp.ok("MAIL FROM:<a@b.test>")
    assert lmtp.cmd(f"RCPT TO:<{NOBODY}>").code == 550
    lmtp.expect(503, "DATA")


def test_rfc5321_3_3_nested_mail_is_503(lmtp):
    lmtp.ok("MAIL FROM:<a@b.test>")
    lmtp.expect(503, "MAIL FROM:<a@b.test>")
    lmtp.ok("RSET")
    lmtp.ok("MAIL FROM:<a@b.test>")


def test_rfc5321_4_1_4_lhlo_drops_the_transaction(lmtp):
    lmtp.ok("MAIL FROM:<a@b.test>")
    lmtp.ok("LHLO again.test")
    lmtp.ok("MAIL FROM:<a@b.test>")


def test_rcpt_answers(server, lmtp, account):
    user, _, domain = account.address.partition("@")
    lmtp.ok("MAIL FROM:<a@b.test>")
    good = lmtp.cmd(f"RCPT TO:<{account.address}>")
    assert (good.code, good.enhanced) == (250, "2.1.5")
    unknown = lmtp.cmd(f"RCPT TO:<{NOBODY}>")
    assert (unknown.code, unknown.enhanced) == (550, "5.1.1")
    elsewhere = lmtp.cmd("RCPT TO:<ann@elsewhere.test>")
    assert (elsewhere.code, elsewhere.enhanced) == (550, "5.7.1")
    assert lmtp.cmd(f"RCPT TO:<{user.upper()}@{domain.upper()}>").code == 250
    assert lmtp.cmd(f'RCPT TO:<"{user}"@{domain}>').code == 250
    assert lmtp.cmd(f"RCPT TO:<@relay.test:{account.address}>").code == 250
    assert lmtp.cmd("RCPT TO:<Postmaster>").code == 250
    assert lmtp.cmd("RCPT TO:<>").enhanced == "5.1.3"
    assert lmtp.cmd(f"RCPT TO:{account.address}").enhanced == "5.1.3"


def test_disabled_account_is_550_5_2_1(server, lmtp):
    account = server.add_account()
    server.msadm("account", "disable", account.address)
    lmtp.ok("MAIL FROM:<a@b.test>")
    reply = lmtp.cmd(f"RCPT TO:<{account.address}>")
    assert (reply.code, reply.enhanced) == (550, "5.2.1")


def test_rfc1870_6_1_declared_size_over_the_limit_is_552(server, lmtp):
    reply = lmtp.cmd("MAIL FROM:<a@b.test> SIZE=99999999999999999999")
    assert (reply.code, reply.enhanced) == (552, "5.3.4")
    lmtp.ok("MAIL FROM:<a@b.test> SIZE=1000")


@pytest.mark.parametrize("parameter, code", [
    ("BODY=8BITMIME", 250), ("BODY=7BIT", 250), ("BODY=BINARYMIME", 250),
    ("SMTPUTF8", 250), ("RET=FULL ENVID=QQ314159", 250),
    ("BODY=9BIT", 501), ("SIZE=x", 501), ("SIZE=1 SIZE=1", 501),
    ("FROB=1", 555), ("AUTH=<>", 555), ("RET=ALL", 501)])
def test_rfc5321_4_1_1_11_mail_parameters(lmtp, parameter, code):
    assert lmtp.cmd(f"MAIL FROM:<a@b.test> {parameter}").code == code


@pytest.mark.parametrize("parameter, code", [
    ("NOTIFY=NEVER", 250), ("NOTIFY=SUCCESS,DELAY", 250),
    ("ORCPT=rfc822;x+2By@z.test", 250), ("NOTIFY=NEVER,DELAY", 501),
    ("ORCPT=xyz", 501), ("SIZE=1", 555)])
def test_rfc3461_4_rcpt_parameters(lmtp, account, parameter, code):
    lmtp.ok("MAIL FROM:<a@b.test>")
    reply = lmtp.cmd(f"RCPT TO:<{account.address}> {parameter}")
    assert reply.code == code


def test_rfc2920_3_2_pipelined_answers_come_in_order(server, lmtp, account):
    data = mail.make().replace(b"\r\n.", b"\r\n..")
    lmtp.send(f"MAIL FROM:<a@b.test>\r\nRCPT TO:<{NOBODY}>\r\n"
              f"RCPT TO:<{account.address}>\r\nDATA\r\n".encode())
    assert [lmtp.reply().code for _ in range(4)] == [250, 550, 250, 354]
    lmtp.send(data + b".\r\nNOOP\r\nFROB\r\nQUIT\r\n")
    assert [lmtp.reply().code for _ in range(4)] == [250, 250, 500, 221]
    assert lmtp.closed()
    assert len(inbox.messages(server, account)) == 1


def test_rfc5321_2_3_8_commands_end_with_crlf_alone(lmtp):
    lmtp.send(b"NOOP\nNOOP\r\n")
    assert lmtp.reply().code == 500
    assert lmtp.reply().code == 250
    lmtp.send(b"NOOP\rNOOP\r\n")
    assert lmtp.reply().code == 500
    assert lmtp.reply().code == 250


def test_commands_cut_at_every_octet(server, account):
    text = (f"LHLO client.test\r\nMAIL FROM:<a@b.test> SIZE=100\r\n"
            f"RCPT TO:<{account.address}>\r\nDATA\r\n"
            "Subject: slow\r\n\r\n..\r\n.\r\nQUIT\r\n").encode()
    c = server.lmtp(hello=False)
    c.send_slowly(text)
    assert [c.reply().code for _ in range(6)] == [250, 250, 250, 354, 250, 221]
    assert inbox.one(server, account).endswith(b"\r\n\r\n.\r\n")


def test_rfc5321_4_5_3_1_4_long_lines_are_500(lmtp):
    lmtp.send(b"NOOP " + b"x" * 20000 + b"\r\n")
    reply = lmtp.reply()
    assert (reply.code, reply.enhanced) == (500, "5.5.2")
    lmtp.ok("NOOP")


def test_unix_socket(server, account):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(f"{server.home}/run/lmtp")
        c = Lmtp.__new__(Lmtp)
        c.sock, c._in = s, bytearray()
        s.settimeout(20)
        assert c.reply().code == 220
        c.ok("LHLO local.test")
        assert [r.code for r in c.send_mail("a@b.test", [account.address],
                                            mail.make())] == [250]
        c.ok("QUIT")
    assert "[" not in inbox.unfolded(inbox.one(server, account),
                                     "Received")[0]
