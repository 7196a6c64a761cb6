"""Ports 587 and 465: mail from our users.  [RFC 6409] [RFC 4954] [RFC 8314]"""
import base64
import re

import pytest

from harness import inbox, mail


def b64(text):
    return base64.b64encode(text.encode()).decode()


@pytest.fixture(params=["submission", "submissions"])
def port(request):
    return request.param


@pytest.fixture
def msa(server, account):
    """A session of `account`, signed in."""
    c = server.smtp("submission")
    c.ehlo()
    assert c.auth_plain(account.address, account.password).code == 235
    return c


# --- signing in ------------------------------------------------------------

def test_rfc4954_3_ehlo_names_the_mechanisms(server, port):
    c = server.smtp(port)
    mechs = c.ehlo()["AUTH"].split()
    assert {b"PLAIN", b"SCRAM-SHA-256"} <= set(mechs)
    assert b"SCRAM-SHA-256-PLUS" not in mechs


def test_rfc5802_6_channel_binding_is_offered_where_it_is_set(
        make_server, port):
    server = make_server({"auth.channel_binding": "imap, smtp"})
    mechs = server.smtp(port).ehlo()["AUTH"].split()
    assert (b"SCRAM-SHA-256-PLUS" in mechs) == (port == "submissions")
    assert not any(b"-PLUS" in line
                   for line in server.pop3(tls=True).multi("CAPA"))


def test_rfc4954_4_plain_with_initial_response(server, account, port):
    c = server.smtp(port)
    c.ehlo()
    reply = c.auth_plain(account.address, account.password)
    assert (reply.code, reply.enhanced) == (235, "2.7.0")


def test_rfc4954_4_plain_without_initial_response(server, account):
    c = server.smtp("submission")
    c.ehlo()
    c.send("AUTH PLAIN\r\n")
    assert c.line() == b"334 "
    assert c.cmd(b64(f"\0{account.address}\0{account.password}")).code == 235


def test_login_mechanism(server, account):
    c = server.smtp("submission")
    c.ehlo()
    c.expect(334, "AUTH LOGIN")
    c.expect(334, b64(account.address))
    c.expect(235, b64(account.password))


def test_rfc4954_4_wrong_password_is_535_and_may_be_tried_again(
        server, account):
    c = server.smtp("submission")
    c.ehlo()
    reply = c.auth_plain(account.address, "wrong")
    assert (reply.code, reply.enhanced) == (535, "5.7.8")
    unknown = c.auth_plain("nobody@example.org", "wrong")
    assert (unknown.code, unknown.lines) == (reply.code, reply.lines)
    assert c.auth_plain(account.address, account.password).code == 235


def test_rfc4954_4_cancelled_is_501(server):
    c = server.smtp("submission")
    c.ehlo()
    c.expect(334, "AUTH PLAIN")
    c.expect(501, "*")
    c.ok("NOOP")


@pytest.mark.parametrize("response", ["=AAA", "AAA=BBB", "A A", "*x", "\x01"])
def test_rfc4954_4_bad_base64_is_501_5_5_2(server, response):
    c = server.smtp("submission")
    c.ehlo()
    c.expect(334, "AUTH PLAIN")
    reply = c.cmd(response)
    assert (reply.code, reply.enhanced) == (501, "5.5.2")
    c.ok("NOOP")


def test_rfc4954_4_long_response_is_500_5_5_6(server):
    c = server.smtp("submission")
    c.ehlo()
    c.expect(334, "AUTH PLAIN")
    reply = c.cmd("A" * 20000)
    assert (reply.code, reply.enhanced) == (500, "5.5.6")
    c.ok("NOOP")


def test_rfc4954_4_unknown_mechanism_is_504(server):
    c = server.smtp("submission")
    c.ehlo()
    reply = c.cmd("AUTH FROB")
    assert (reply.code, reply.enhanced) == (504, "5.5.4")


def test_rfc4954_4_twice_is_503(msa, account):
    assert msa.auth_plain(account.address, account.password).code == 503


def test_rfc4954_4_needs_ehlo(server, account):
    c = server.smtp("submission")
    assert c.auth_plain(account.address, account.password).code == 503
    c.ok("HELO client.test")
    assert c.auth_plain(account.address, account.password).code == 503


def test_rfc4954_6_mail_without_it_is_530(server, port):
    c = server.smtp(port)
    c.ehlo()
    reply = c.cmd("MAIL FROM:<a@b.test>")
    assert (reply.code, reply.enhanced) == (530, "5.7.0")


def test_rfc3207_4_2_signing_in_is_forgotten_behind_starttls(msa, account):
    msa.starttls()
    msa.ehlo()
    assert msa.cmd(f"MAIL FROM:<{account.address}>").code == 530


def test_rfc6409_4_3_not_offered_and_538_without_tls(make_server):
    # Through a balancer the peer is not this machine.
    server = make_server({"listen.balancers": "127.0.0.1"})
    account = server.add_account()
    c = server.raw("submission")
    c.send(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c"
           b"\xc0\x00\x02\x01\x7f\x00\x00\x01\x30\x39\x02\x4b")
    assert c.line().startswith(b"220")
    c.send("EHLO client.test\r\n")
    lines = []
    while not (lines and lines[-1][3:4] == b" "):
        lines.append(c.line())
    assert not any(b"AUTH" in line for line in lines)
    c.send("AUTH PLAIN " + b64(f"\0{account.address}\0{account.password}")
           + "\r\n")
    assert c.line().startswith(b"538 5.7.11")
    c.send("MAIL FROM:<a@b.test>\r\n")
    assert c.line().startswith(b"530 5.7.0")


# --- mail ------------------------------------------------------------------

def test_a_message_from_one_to_the_other(server, msa, account):
    other = server.add_account()
    data = mail.make(sender=account.address, to=other.address)
    assert msa.send_mail(account.address, [other.address], data).code == 250
    got = inbox.one(server, other)
    assert got.endswith(data)
    assert got.startswith(b"Return-Path: <%s>" % account.address.encode())


def test_rfc6409_6_1_sender_must_be_ones_own(server, msa, account):
    other = server.add_account()
    reply = msa.cmd(f"MAIL FROM:<{other.address}>")
    assert (reply.code, reply.enhanced) == (553, "5.7.1")
    assert msa.cmd("MAIL FROM:<ann@elsewhere.test>").code == 553
    user, _, domain = account.address.partition("@")
    for own in (account.address, f"{user}+detail@{domain}",
                account.address.upper(), ""):
        msa.ok(f"MAIL FROM:<{own}>")
        msa.ok("RSET")


def test_an_alias_is_ones_own(server, msa, account):
    alias = "alias-" + account.address
    server.msadm("alias", "add", alias, account.address)
    msa.ok(f"MAIL FROM:<{alias}>")


def test_any_sender_when_configured(make_server):
    server = make_server({"smtp.sender_check": "no"})
    account = server.add_account()
    with server.smtp("submission") as c:
        c.ehlo()
        c.auth_plain(account.address, account.password)
        c.ok("MAIL FROM:<somebody@elsewhere.test>")


def test_recipients_elsewhere_are_550_5_7_1(msa, account):
    msa.ok(f"MAIL FROM:<{account.address}>")
    reply = msa.cmd("RCPT TO:<ann@elsewhere.test>")
    assert (reply.code, reply.enhanced) == (550, "5.7.1")


def test_rfc4954_5_auth_parameter_is_taken(msa, account):
    msa.ok(f"MAIL FROM:<{account.address}> AUTH=<>")
    msa.ehlo()
    msa.ok(f"MAIL FROM:<{account.address}> AUTH=<>")


def test_rfc6409_8_missing_fields_are_added(server, msa, account):
    data = b"From: a@b.test\r\nSubject: bare\r\n\r\nbody\r\n"
    msa.send_mail(account.address, [account.address], data)
    got = inbox.one(server, account)
    assert got.endswith(data)
    assert re.match(r"\w{3}, \d+ \w{3} \d{4} ",
                    inbox.unfolded(got, "Date")[0])
    assert re.match(r"<\w+@[^>]+>$", inbox.unfolded(got, "Message-ID")[0])


def test_rfc6409_8_nothing_else_is_changed(server, msa, account):
    data = (b"date: yesterday\r\nmessage-id: mine\r\nX-Odd:\r\n\tfolded\r\n"
            b"From: x\r\n\r\n")
    msa.send_mail(account.address, [account.address], data)
    got = inbox.one(server, account)
    assert got.endswith(data)
    assert len(inbox.unfolded(got, "Date")) == 1
    assert len(inbox.unfolded(got, "Message-ID")) == 1


def test_missing_fields_of_a_large_message(server, msa, account):
    data = b"From: a@b.test\r\n\r\n" + b"0123456789\r\n" * 120_000
    msa.send_mail(account.address, [account.address], data)
    got = inbox.one(server, account)
    assert got.endswith(data)
    assert len(inbox.unfolded(got, "Date")) == 1


def test_mail_for_port_25_is_not_given_fields(server, account):
    data = b"From: a@b.test\r\n\r\nbody\r\n"
    with server.smtp() as c:
        c.ehlo()
        c.send_mail("a@b.test", [account.address], data)
    assert inbox.unfolded(inbox.one(server, account), "Date") == []


@pytest.mark.parametrize("tls, want", [(False, "ESMTPA"), (True, "ESMTPSA")])
def test_rfc3848_received_names_the_protocol(server, account, tls, want):
    c = server.smtp("submission")
    c.ehlo()
    if tls:
        c.starttls()
        c.ehlo()
    c.auth_plain(account.address, account.password)
    c.send_mail(account.address, [account.address], mail.make())
    received = inbox.unfolded(inbox.one(server, account), "Received")[0]
    assert f" with {want} " in received
    # Where the user is, is nobody's business.
    assert "127.0.0.1" not in received and "client.test" not in received


def test_address_of_the_user_when_configured(make_server):
    server = make_server({"smtp.hide_client": "no"})
    account = server.add_account()
    with server.smtp("submission") as c:
        c.ehlo()
        c.auth_plain(account.address, account.password)
        c.send_mail(account.address, [account.address], mail.make())
    assert "from client.test ([127.0.0.1])" in inbox.unfolded(
        inbox.one(server, account), "Received")[0]


def test_a_session_whose_lmtpd_died_must_sign_in_again(make_server):
    server = make_server()
    account = server.add_account()
    with server.smtp("submission") as c:
        c.ehlo()
        c.auth_plain(account.address, account.password)
        server.kill("lmtpd")
        c.expect(421, f"MAIL FROM:<{account.address}>")
        assert c.closed()
    with server.smtp("submission") as c:
        c.ehlo()
        assert c.auth_plain(account.address, account.password).code == 235


@pytest.mark.parametrize("response", ["=", ""])
def test_rfc4954_4_an_empty_response_to_plain_is_501(server, response):
    c = server.smtp("submission")
    c.ehlo()
    if response:
        reply = c.cmd(f"AUTH PLAIN {response}")
    else:
        c.expect(334, "AUTH PLAIN")
        reply = c.cmd("")
    assert (reply.code, reply.enhanced) == (501, "5.5.2")
    c.ok("NOOP")


def test_login_asks_as_clients_expect(server, account):
    c = server.smtp("submission")
    c.ehlo()
    word = base64.b64encode
    assert c.expect(334, "AUTH LOGIN").lines == [word(b"Username:")]
    reply = c.expect(334, word(account.address.encode()))
    assert reply.lines == [word(b"Password:")]
    c.expect(235, word(account.password.encode()))
