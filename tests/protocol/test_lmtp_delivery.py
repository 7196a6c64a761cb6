"""LMTP: what becomes of a message."""
import os
import re

import pytest

from harness import inbox, mail


@pytest.fixture
def lmtp(server):
    return server.lmtp()


def deliver(c, accounts, data, sender="a@b.test"):
    return c.send_mail(sender, [a.address for a in accounts], data)


def test_rfc5321_4_4_trace_fields_come_first(server, lmtp, account):
    data = mail.make()
    deliver(lmtp, [account], data, sender="bounce+1@b.test")
    got = inbox.one(server, account)
    assert got.endswith(data)
    lines = got[:-len(data)].split(b"\r\n")
    assert lines[0] == b"Return-Path: <bounce+1@b.test>"
    assert lines[1].startswith(b"Received: from client.test")
    received = inbox.unfolded(got, "Received")[0]
    assert re.search(r"\(\[(127\.0\.0\.1|IPv6:::1)\]\)", received)
    assert " with LMTP " in received
    assert f"for <{account.address}>" in received
    assert re.search(r"; \w{3}, +\d+ \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}",
                     received)


def test_rfc5321_4_4_null_sender_gives_an_empty_return_path(
        server, lmtp, account):
    deliver(lmtp, [account], mail.make(), sender="")
    assert inbox.one(server, account).startswith(b"Return-Path: <>\r\n")


def test_rfc5321_7_6_recipients_are_not_told_of_each_other(
        server, lmtp, account):
    other = server.add_account()
    replies = deliver(lmtp, [account, other], mail.make())
    assert [r.code for r in replies] == [250, 250]
    for a in (account, other):
        received = inbox.unfolded(inbox.one(server, a), "Received")[0]
        assert " for " not in received


def test_rfc6531_4_3_received_names_the_protocol(server, lmtp, account):
    lmtp.ok("MAIL FROM:<grün@b.test> SMTPUTF8")
    lmtp.ok(f"RCPT TO:<{account.address}>")
    lmtp.expect(354, "DATA")
    lmtp.send_data(mail.make())
    assert lmtp.reply().code == 250
    with server.imap(account) as c:
        c.ok("SELECT INBOX")
        text = c.ok("FETCH 1 BODY[HEADER]").fetch()[1]["BODY[HEADER]"]
    assert "Return-Path: <grün@b.test>".encode() in text
    assert b"with UTF8LMTP" in text


def test_rfc2033_4_2_one_answer_a_recipient(server, lmtp, account):
    other = server.add_account()
    lmtp.ok("MAIL FROM:<a@b.test>")
    for address in (account.address, "nobody@example.org", other.address,
                    account.address):
        lmtp.cmd(f"RCPT TO:<{address}>")
    lmtp.expect(354, "DATA")
    lmtp.send_data(mail.make())
    assert [lmtp.reply().code for _ in range(3)] == [250] * 3
    lmtp.ok("NOOP")
    # Named twice, delivered once.
    assert len(inbox.messages(server, account)) == 1
    assert len(inbox.messages(server, other)) == 1


def test_one_file_for_all_recipients(server, lmtp):
    accounts = [server.add_account() for _ in range(5)]
    data = mail.make(body="once\r\n" * 50)
    assert len(deliver(lmtp, accounts, data)) == 5
    found = {}
    for folder, _, files in os.walk(f"{server.home}/store"):
        for name in files:
            path = os.path.join(folder, name)
            if ("/box/" not in path or "/by-name/" in path
                    or name == ".name"):
                continue  # made anew at any time
            with open(path, "rb") as f:
                if f.read().endswith(data):
                    found[path] = os.stat(path)
    assert len(found) == 5
    assert len({st.st_ino for st in found.values()}) == 1
    assert {st.st_nlink for st in found.values()} == {5}


def test_a_message_of_no_octets(server, lmtp, account):
    lmtp.ok("MAIL FROM:<a@b.test>")
    lmtp.ok(f"RCPT TO:<{account.address}>")
    lmtp.expect(354, "DATA")
    lmtp.send(b".\r\n")
    assert lmtp.reply().code == 250
    assert inbox.one(server, account).startswith(b"Return-Path: <a@b.test>")


@pytest.mark.parametrize("octets", [b"\0\r\n", b"bare\nlf\r\n",
                                    b"bare\rcr\r\n", b"\xff\xfe\r\n",
                                    b"x" * 5000 + b"\r\n"])
def test_any_octets_are_kept(server, lmtp, account, octets):
    data = b"Subject: odd\r\n\r\n" + octets
    deliver(lmtp, [account], data)
    with server.imap(account) as c:
        c.ok("SELECT INBOX")
        text = c.ok("FETCH 1 BODY[TEXT]").fetch()[1]["BODY[TEXT]"]
    assert text == octets


@pytest.mark.parametrize("size", [60_000, 1_000_000, 1_100_000, 5_000_000])
def test_large_messages_are_kept_octet_for_octet(
        server, lmtp, account, size):
    line = bytes(range(0x20, 0x7f)) + b"\r\n"
    data = mail.make() + line * (size // len(line))
    deliver(lmtp, [account], data)
    assert inbox.one(server, account).endswith(data)


def test_rfc1870_6_3_a_message_over_the_limit_is_552(make_server):
    server = make_server({"limits.message": "64K"})
    account = server.add_account()
    with server.lmtp() as c:
        replies = deliver(c, [account], mail.make() + b"x" * 80 * 1024)
        assert [(r.code, r.enhanced) for r in replies] == [(552, "5.3.4")]
        assert deliver(c, [account], mail.make())[0].code == 250


def test_rfc3030_2_bdat(server, lmtp, account):
    data = mail.make()
    lmtp.ok("MAIL FROM:<a@b.test> BODY=8BITMIME")
    lmtp.ok(f"RCPT TO:<{account.address}>")
    lmtp.send(b"BDAT 10\r\n" + data[:10] + b"BDAT 0\r\n")
    assert [lmtp.reply().code for _ in range(2)] == [250, 250]
    lmtp.send(b"BDAT %d LAST\r\n" % (len(data) - 10) + data[10:])
    assert lmtp.reply().code == 250
    assert inbox.one(server, account).endswith(data)


def test_rfc3030_2_dots_in_chunks_are_content(server, lmtp, account):
    data = b"Subject: dots\r\n\r\n.\r\n..\r\n.\r\n"
    lmtp.ok("MAIL FROM:<a@b.test>")
    lmtp.ok(f"RCPT TO:<{account.address}>")
    lmtp.send(b"BDAT %d LAST\r\n" % len(data) + data)
    assert lmtp.reply().code == 250
    assert inbox.one(server, account).endswith(data)


def test_rfc3030_2_data_and_bdat_do_not_mix(lmtp, account):
    lmtp.ok("MAIL FROM:<a@b.test>")
    lmtp.ok(f"RCPT TO:<{account.address}>")
    lmtp.send(b"BDAT 3\r\nabc")
    assert lmtp.reply().code == 250
    lmtp.expect(503, "DATA")
    lmtp.expect(503, f"RCPT TO:<{account.address}>")
    lmtp.ok("RSET")


def test_rfc3030_2_bdat_behind_the_last_is_503(lmtp, account):
    lmtp.ok("MAIL FROM:<a@b.test>")
    lmtp.ok(f"RCPT TO:<{account.address}>")
    lmtp.send(b"BDAT 14 LAST\r\nSubject: x\r\n\r\n")
    assert lmtp.reply().code == 250
    lmtp.send(b"BDAT 3\r\nabc")
    assert lmtp.reply().code == 503


def test_rfc3030_3_binarymime_comes_by_bdat_alone(server, lmtp, account):
    data = b"Subject: bin\r\n\r\n" + bytes(range(256)) * 4
    lmtp.ok("MAIL FROM:<a@b.test> BODY=BINARYMIME")
    lmtp.ok(f"RCPT TO:<{account.address}>")
    lmtp.expect(503, "DATA")
    lmtp.send(b"BDAT %d LAST\r\n" % len(data) + data)
    assert lmtp.reply().code == 250
    with server.imap(account) as c:
        c.ok("SELECT INBOX")
        text = c.ok("FETCH 1 BODY[TEXT]").fetch()[1]["BODY[TEXT]"]
    assert text == bytes(range(256)) * 4


def test_rfc3030_2_a_chunk_of_2_to_64_octets_is_552(server, account):
    with server.lmtp() as c:
        c.ok("MAIL FROM:<a@b.test>")
        c.ok(f"RCPT TO:<{account.address}>")
        c.send(b"BDAT 18446744073709551615 LAST\r\nabc")
        assert c.reply().code == 552
        assert c.closed()


def test_rfc3030_2_chunks_are_read_even_when_refused(make_server):
    server = make_server({"limits.message": "64K"})
    account = server.add_account()
    with server.lmtp() as c:
        c.ok("MAIL FROM:<a@b.test>")
        c.ok(f"RCPT TO:<{account.address}>")
        c.send(b"BDAT 100000\r\n" + b"x" * 100000 + b"BDAT 3\r\nabc"
               + b"BDAT 3 LAST\r\nabcRSET\r\n")
        assert [c.reply().code for _ in range(4)] == [552, 503, 503, 250]


def test_rfc5321_6_3_too_many_hops_is_554_5_4_6(make_server):
    server = make_server({"lmtp.hops": "5"})
    account = server.add_account()
    hop = b"Received: from a by b; Mon, 12 Feb 2024 10:15:00 +0100\r\n"
    with server.lmtp() as c:
        assert deliver(c, [account], hop * 4 + mail.make())[0].code == 250
        reply = deliver(c, [account], hop * 5 + mail.make())[0]
        assert (reply.code, reply.enhanced) == (554, "5.4.6")
    assert len(inbox.messages(server, account)) == 1


def test_a_client_that_goes_away_in_the_text_leaves_nothing(server, account):
    with server.lmtp() as c:
        c.envelope("a@b.test", [account.address])
        c.expect(354, "DATA")
        c.send(mail.make())
    assert inbox.messages(server, account) == []


# --- subaddresses ----------------------------------------------------------

def detail_of(account, detail):
    user, _, domain = account.address.partition("@")
    return f"{user}+{detail}@{domain}"


def test_rfc5233_detail_goes_to_inbox(server, lmtp, account):
    with server.imap(account) as c:
        c.ok("CREATE lists")
    replies = lmtp.send_mail("a@b.test", [detail_of(account, "lists")],
                             mail.make())
    assert [r.code for r in replies] == [250]
    assert len(inbox.messages(server, account)) == 1


def test_rfc5233_detail_names_a_mailbox_when_configured(make_server):
    server = make_server({"lmtp.detail_mailbox": "yes"})
    account = server.add_account()
    with server.imap(account) as c:
        c.ok("CREATE lists")
        with server.lmtp() as l:
            l.send_mail("a@b.test", [detail_of(account, "lists"),
                                     detail_of(account, "other")],
                        mail.make())
        assert c.ok("STATUS lists (MESSAGES)").one("STATUS")[1].endswith(
            b"(MESSAGES 1)")
        assert c.ok("STATUS INBOX (MESSAGES)").one("STATUS")[1].endswith(
            b"(MESSAGES 1)")


# --- quota -----------------------------------------------------------------

@pytest.mark.parametrize("temporary, want", [("yes", (452, "4.2.2")),
                                             ("no", (552, "5.2.2"))])
def test_quota(make_server, temporary, want):
    server = make_server({"lmtp.quota_temporary": temporary})
    account = server.add_account()
    server.msadm("account", "set", account.address, "--quota", "4K")
    with server.lmtp() as c:
        # [RFC 1870 6.4]
        c.ok("MAIL FROM:<a@b.test> SIZE=5000")
        reply = c.cmd(f"RCPT TO:<{account.address}>")
        assert (reply.code, reply.enhanced) == want
        c.ok("RSET")
        reply = deliver(c, [account], mail.make() + b"x" * 5000)[0]
        assert (reply.code, reply.enhanced) == want
        assert deliver(c, [account], mail.make())[0].code == 250
    assert len(inbox.messages(server, account)) == 1


@pytest.mark.parametrize("quota", [("--quota-messages", "5"),
                                   ("--quota", "10K")])
def test_deliveries_at_the_same_moment_share_a_quota(make_server, quota):
    """What does not fit is refused for now while it may yet, then for good."""
    server = make_server({"lmtp.quota_temporary": "no"})
    account = server.add_account()
    server.msadm("account", "set", account.address, *quota)
    text = mail.make(body="x" * 50 + "\r\n")
    text += b"y" * (2000 - len(text) - 2) + b"\r\n"  # and a trace in front
    clients = [server.lmtp() for _ in range(50)]
    for c in clients:
        c.ok("MAIL FROM:<a@b.test>")
        c.ok(f"RCPT TO:<{account.address}>")
        assert c.cmd("DATA").code == 354
        c.send(text)
    for c in clients:
        c.send(b".\r\n")
    replies = [c.reply() for c in clients]
    for c in clients:
        c.close()
    taken = [r for r in replies if r.code == 250]
    for r in replies:
        assert r in taken or (r.code, r.enhanced) in (
            (452, "4.2.2"), (552, "5.2.2")), r
    held = inbox.messages(server, account)
    assert len(held) == len(taken) <= 5
    fits = 5 if quota[0] == "--quota-messages" else \
        10240 // len(held[0])
    assert len(held) <= fits
    # Nothing is under way any more: all that has room comes in.
    with server.lmtp() as c:
        for _ in range(fits - len(held)):
            assert deliver(c, [account], text)[0].code == 250
        c.ok(f"MAIL FROM:<a@b.test> SIZE={len(held[0])}")
        reply = c.cmd(f"RCPT TO:<{account.address}>")
        assert (reply.code, reply.enhanced) == (552, "5.2.2")
    assert len(inbox.messages(server, account)) == fits
