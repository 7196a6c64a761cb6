"""A delivery whose answer was lost, and the client that tries again.

[RFC 1047], RFC 5321 4.5.4.1 and 6.1: a client that had no answer sends the
message again.  It must not stand there twice; a message that somebody sends
twice on purpose must.
"""
import os
import signal
import time

import pytest

from harness import inbox, mail


def attempt(c, recipients, data):
    c.envelope("a@b.test", recipients)
    c.expect(354, "DATA")
    c.send_data(data)


def wait_stored(server, account, count):
    """Until `count` messages stand there (what a client cannot see)."""
    deadline = time.monotonic() + 20
    while len(inbox.messages(server, account)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("quit", [True, False])
def test_the_same_message_twice_on_purpose_is_two(server, account, quit):
    data = mail.make()
    for _ in range(3):
        with server.lmtp() as c:
            for _ in range(2):
                assert c.send_mail("a@b.test", [account.address],
                                   data)[0].code == 250
            if quit:
                c.ok("QUIT")
    assert len(inbox.messages(server, account)) == 6


def test_the_same_message_at_once_on_many_connections_is_many(
        server, account):
    data = mail.make()
    clients = [server.lmtp() for _ in range(8)]
    for c in clients:
        attempt(c, [account.address], data)
    assert [c.reply().code for c in clients] == [250] * 8
    assert len(inbox.messages(server, account)) == 8


def test_a_broken_connection_before_the_answer_and_a_retry_is_one(
        server, account):
    data = mail.make()
    c = server.lmtp()
    attempt(c, [account.address], data)
    c.reset()  # before it could read the answer, or just then
    wait_stored(server, account, 1)
    with server.lmtp() as c:
        assert c.send_mail("a@b.test", [account.address],
                           data)[0].code == 250
        c.ok("QUIT")
    assert len(inbox.messages(server, account)) == 1


def test_kill_between_append_and_answer_and_a_retry_is_one(make_server):
    """The client does not take the answer; lmtpd is killed; the client comes
    back with the same message, and once more with the same on purpose."""
    server = make_server()
    accounts = [server.add_account() for _ in range(2)]
    addresses = [a.address for a in accounts]
    data = mail.make()
    server.deliver(data, *accounts)  # an earlier copy, answered
    c = server.lmtp()
    attempt(c, addresses, data)
    wait_stored(server, accounts[1], 2)
    server.kill("lmtpd")
    with server.lmtp() as c:
        replies = c.send_mail("a@b.test", addresses, data)
        assert [r.code for r in replies] == [250, 250]
        c.ok("QUIT")
    assert [len(inbox.messages(server, a)) for a in accounts] == [2, 2]
    server.deliver(data, *accounts)
    assert [len(inbox.messages(server, a)) for a in accounts] == [3, 3]


def test_a_retry_to_others_too_reaches_them(make_server):
    server = make_server()
    ann, bob = server.add_account(), server.add_account()
    data = mail.make()
    c = server.lmtp()
    attempt(c, [ann.address], data)
    wait_stored(server, ann, 1)
    server.kill("lmtpd")
    with server.lmtp() as c:
        c.send_mail("a@b.test", [ann.address, bob.address], data)
        c.ok("QUIT")
    assert len(inbox.messages(server, ann)) == 1
    assert len(inbox.messages(server, bob)) == 1


def test_another_sender_is_another_message(make_server):
    server = make_server()
    account = server.add_account()
    data = mail.make()
    c = server.lmtp()
    attempt(c, [account.address], data)
    wait_stored(server, account, 1)
    server.kill("lmtpd")
    with server.lmtp() as c:
        c.send_mail("other@b.test", [account.address], data)
        c.ok("QUIT")
    assert len(inbox.messages(server, account)) == 2


def test_kill_of_smtpd_before_its_answer_and_a_retry_is_one(make_server):
    server = make_server()
    account = server.add_account()
    data = mail.make()
    c = server.smtp()
    c.ehlo()
    attempt(c, [account.address], data)
    wait_stored(server, account, 1)
    server.kill("smtpd")
    for _ in range(2):  # the second time on purpose
        with server.smtp() as c:
            c.ehlo()
            assert c.send_mail("a@b.test", [account.address],
                               data).code == 250
            c.ok("QUIT")
    assert len(inbox.messages(server, account)) == 2


def test_kill_of_lmtpd_under_smtpd_and_a_retry_is_one(make_server):
    server = make_server()
    account = server.add_account()
    data = mail.make()
    with server.smtp() as c:
        c.ehlo()
        c.envelope("a@b.test", [account.address])
        c.expect(354, "DATA")
        for pid in server.pids("lmtpd"):
            os.kill(pid, signal.SIGSTOP)
        c.send_data(data)
        assert c.silent(0.2)
        server.kill("lmtpd")
        reply = c.reply()
        assert reply.code == 451, reply
        assert c.send_mail("a@b.test", [account.address], data).code == 250
        c.ok("QUIT")
    assert len(inbox.messages(server, account)) == 1
