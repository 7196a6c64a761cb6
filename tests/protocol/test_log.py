"""What the log tells: where a message is, who came in, who was refused."""
import base64
import re
import socket

import pytest

from harness import inbox, mail


def fields(line):
    """The pairs of a log line."""
    return {k: v.strip('"') for k, v in
            re.findall(r' ([a-z_]+)=("(?:\\.|[^"\\])*"|\S*)', line)}


def find(server, mark, event, **want):
    """The first line of this event with these fields."""
    pairs = "".join(rf'(?=.* {key}="?{re.escape(value)}["\s])'
                    for key, value in want.items())
    return fields(server.log.wait_for(rf" {event}(?= ){pairs}", mark))


def test_a_message_is_followed_by_one_id_from_the_port_to_the_mailbox(
        server, account):
    mark = server.log.mark()
    c = server.smtp()
    c.ehlo()
    for n in (1, 2):
        reply = c.send_mail("a@b.test", [account.address],
                            mail.make(message_id=f"m{n}@b.test"))
        assert reply.code == 250, reply
        got = re.fullmatch(rb"2\.0\.0 Delivered as ([0-9a-f]{16})\.(\d+)",
                           reply.lines[0])
        assert got and int(got[2]) == n
        ident = f"{got[1].decode()}.{n}"
        accepted = find(server, mark, "message.accepted", id=ident)
        assert accepted["sender"] == "a@b.test"
        assert accepted["peer"] in ("127.0.0.1", "::1")
        assert find(server, mark, "delivered", id=ident) == {
            **find(server, mark, "delivered", message_id=f"<m{n}@b.test>"),
            "account": account.address, "recipient": account.address,
            "sender": "a@b.test", "mailbox": "INBOX", "duplicate": "0"}
        received = inbox.unfolded(inbox.messages(server, account)[n - 1],
                                  "Received")[0]
        assert f" id {ident} for <{account.address}>" in received
    c.ok("QUIT")
    c.closed()
    session = got[1].decode()
    server.log.wait_for(rf"session\.end session={session} ", mark)


def test_a_message_by_lmtp_is_followed_by_one_id(server, account):
    mark = server.log.mark()
    with server.lmtp() as c:
        [reply] = c.send_mail("a@b.test", [account.address], mail.make())
    ident = reply.lines[0].split()[-1].decode()
    assert find(server, mark, "delivered", id=ident)[
        "recipient"] == account.address
    assert f" id {ident} for " in inbox.unfolded(
        inbox.one(server, account), "Received")[0]


def test_ids_are_of_one_message_alone_across_restarts(make_server):
    p = make_server()
    account = p.add_account()
    seen = set()
    for _ in range(2):
        for client in (p.smtp, p.lmtp):
            c = client()
            if client == p.smtp:
                c.ehlo()
            reply = c.send_mail("a@b.test", [account.address], mail.make())
            reply = reply if client == p.smtp else reply[0]
            seen.add(reply.lines[0].split()[-1])
        p.restart()
    assert len(seen) == 4


@pytest.mark.parametrize("kind", ["smtp", "lmtp"])
def test_a_refused_recipient_is_told_with_sender_and_reason(server, kind):
    server.add_account()  # so that the domain is ours
    mark = server.log.mark()
    c = server.smtp() if kind == "smtp" else server.lmtp()
    if kind == "smtp":
        c.ehlo()
    c.ok("MAIL FROM:<a@b.test>")
    c.expect(550, "RCPT TO:<nobody@example.org>")
    line = find(server, mark, "recipient.refused",
                address="nobody@example.org")
    assert (line["sender"], line["code"], line["status"]) == (
        "a@b.test", "550", "5.1.1")
    # Once: not by both programs.
    assert len([x for x in server.log.since(mark)
                if "recipient.refused" in x]) == 1
    c.expect(501, "RCPT TO:<nobody@@example.org>")
    assert find(server, mark, "command.refused")["line"] == (
        "RCPT TO:<nobody@@example.org>")


def test_octets_of_a_peer_cannot_forge_a_line(server):
    mark = server.log.mark()
    c = server.smtp()
    c.ehlo()
    c.expect(501, b'MAIL FROM:<"a b"@\xff\xfe.test> x="y" code=250')
    server.log.wait_for("command.refused", mark)
    line = [x for x in server.log.since(mark) if "command.refused" in x]
    assert len(line) == 1 and '\\xff\\xfe' in line[0]
    assert 'x=\\"y\\" code=250' in line[0]


def test_logins_are_told_alike_and_without_secrets(make_server):
    p = make_server({"auth.delay": "0"})
    account = p.add_account()
    secret, wrong = account.password, "wrong-4f1d"
    mark = p.log.mark()
    for word in (secret, wrong):
        plain = base64.b64encode(
            f"\0{account.address}\0{word}".encode()).decode()
        with p.imap() as c:
            c.cmd(f'LOGIN {account.address} "{word}"')
        with p.imap() as c:
            c.cmd(f"AUTHENTICATE PLAIN {plain}")
        with p.pop3() as c:
            c.cmd(f"USER {account.address}")
            c.cmd(f"PASS {word}")
        with p.pop3() as c:
            c.cmd(f"AUTH PLAIN {plain}")
        with p.smtp("submission") as c:
            c.ehlo()
            c.cmd(f"AUTH PLAIN {plain}")
            c.cmd(f"AUTH PLAIN {plain}x")
    said = p.log.since(mark)
    for event in ("login", "login.failed"):
        for service in ("imap", "pop3", "smtp"):
            line = find(p, mark, event, service=service)
            assert line["user"] == account.address
            assert re.fullmatch("[0-9a-f]{16}", line["session"])
            if service != "smtp" or event == "login.failed":
                assert line["peer"] == "127.0.0.1"
    for text in (secret, wrong, base64.b64encode(secret.encode()).decode(),
                 base64.b64encode(f"\0{account.address}\0".encode()
                                  ).decode()[:-4]):
        assert not any(text in line for line in said)


def test_a_tls_handshake_that_fails_is_told(server):
    mark = server.log.mark()
    with socket.create_connection(("127.0.0.1", server.port("imaps")),
                                  20) as s:
        s.sendall(b"a LOGIN ann secret-in-clear\r\n")
        s.settimeout(20)
        while s.recv(1000):
            pass
    line = server.log.wait_for(r"tls\.failed", mark)
    assert "protocol=imap peer=127.0.0.1 why=" in line
    assert "secret-in-clear" not in line
