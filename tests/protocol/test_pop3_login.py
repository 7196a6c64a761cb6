"""POP3: before and while signing in.  [RFC 1939 4, 7] [RFC 5034]"""
import base64
import os
import stat
import time

import pytest

from harness import mail


def b64(text):
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def pop3(server):
    return server.pop3()


def test_rfc1939_4_greeting_offers_no_apop(pop3):
    assert pop3.greeting.startswith(b"+OK")
    assert b"<" not in pop3.greeting
    pop3.err("APOP ann c4c9334bac560ecc979e58001b3e22fb")


def test_rfc2449_5_capa_in_both_states(server, account):
    c = server.pop3()
    words = {line.split()[0]: line for line in c.multi("CAPA")}
    assert {b"TOP", b"UIDL", b"USER", b"SASL", b"STLS", b"RESP-CODES",
            b"AUTH-RESP-CODE", b"PIPELINING", b"EXPIRE", b"UTF8", b"LANG",
            b"IMPLEMENTATION"} <= set(words)
    assert words[b"EXPIRE"] == b"EXPIRE NEVER"
    assert b"SCRAM-SHA-256" in words[b"SASL"].split()
    assert b"LOGIN-DELAY" not in words
    c.login(account.address, account.password)
    words = {line.split()[0] for line in c.multi("CAPA")}
    assert b"TOP" in words and b"STLS" not in words


@pytest.mark.parametrize("tls", [False, True])
def test_rfc1939_7_user_and_pass(server, account, tls):
    c = server.pop3(tls=tls)
    c.ok(f"USER {account.address}")
    assert c.ok(f"PASS {account.password}").startswith(b"0 ")
    c.ok("QUIT")
    assert c.closed()


def test_rfc3206_6_wrong_password_is_auth(server, account, pop3):
    pop3.ok(f"USER {account.address}")
    wrong = pop3.err("PASS wrong")
    assert wrong.startswith(b"[AUTH]")
    pop3.ok("USER nobody@example.org")
    assert pop3.err("PASS wrong") == wrong
    # The name is asked for again. [RFC 1939 7 PASS]
    pop3.err(f"PASS {account.password}")
    pop3.login(account.address, account.password)


def test_passwords_with_blanks(server):
    account = server.add_account(password=" a  b ")
    c = server.pop3()
    c.ok(f"USER {account.address}")
    c.ok("PASS  a  b ")


def test_rfc5034_4_auth(server, account, pop3):
    pop3.ok("AUTH PLAIN "
            + b64(f"\0{account.address}\0{account.password}"))
    pop3.ok("STAT")
    pop3.err("AUTH PLAIN")


def test_rfc5034_4_auth_without_initial_response(server, account, pop3):
    assert pop3.cmd("AUTH PLAIN") == b"+ "
    pop3.ok(b64(f"\0{account.address}\0{account.password}"))


def test_rfc5034_4_auth_refusals(pop3):
    pop3.err("AUTH FROB")
    assert pop3.cmd("AUTH PLAIN") == b"+ "
    pop3.err("*")
    assert pop3.cmd("AUTH PLAIN") == b"+ "
    pop3.err("=AAA")
    assert pop3.cmd("AUTH PLAIN") == b"+ "
    pop3.err("A" * 20000)
    assert b"PLAIN" in pop3.multi("AUTH")


def test_rfc2595_4_stls(server, account, pop3):
    pop3.starttls()
    assert b"STLS" not in pop3.multi("CAPA")
    pop3.err("STLS")
    pop3.login(account.address, account.password)


def test_rfc5802_6_channel_binding_is_offered_where_it_is_set(make_server):
    server = make_server({"auth.channel_binding": "pop3"})
    assert any(b"SCRAM-SHA-256-PLUS" in line
               for line in server.pop3(tls=True).multi("CAPA"))
    assert not any(c.endswith("-PLUS")
                   for c in server.imap(tls=True).capabilities())


def test_rfc2595_nothing_is_smuggled_over_stls(pop3):
    pop3.send("STLS\r\nUSER evil\r\n")
    assert pop3.line().startswith(b"-ERR")
    assert pop3.closed()


@pytest.mark.parametrize("command", [
    "STAT", "LIST", "UIDL", "RETR 1", "TOP 1 0", "DELE 1", "NOOP", "RSET"])
def test_rfc1939_3_transaction_commands_need_a_login(pop3, command):
    pop3.err(command)


@pytest.mark.parametrize("command", [
    "USER a", "PASS a", "STLS", "UTF8", "AUTH PLAIN"])
def test_rfc1939_3_login_commands_are_over_after_it(server, account, command):
    server.pop3(account).err(command)


def test_rfc1939_3_quit_before_login(pop3):
    pop3.ok("QUIT")
    assert pop3.closed()


def test_rfc2449_8_long_lines(pop3):
    pop3.err("USER " + "x" * 300)
    pop3.ok("USER " + "x" * 200)


def test_rfc6856_3_lang(pop3):
    assert pop3.multi("LANG") == [b"en English"]
    assert pop3.ok("LANG en").startswith(b"en ")
    assert pop3.ok("LANG *").startswith(b"en ")
    pop3.err("LANG uga")


def test_rfc6856_2_1_stls_comes_before_utf8(pop3):
    pop3.ok("UTF8")
    pop3.err("STLS")


def test_rfc2449_6_5_login_delay_when_configured(make_server):
    server = make_server({"pop3.login_delay": "1h"})
    account = server.add_account()
    other = server.add_account()
    with server.pop3() as c:
        assert b"LOGIN-DELAY 3600" in c.multi("CAPA")
        c.login(account.address, account.password)
    with server.pop3() as c:
        c.ok(f"USER {account.address}")
        assert c.err(f"PASS {account.password}").startswith(b"[LOGIN-DELAY]")
        c.login(other.address, other.password)


def test_passwords_need_tls_from_elsewhere(make_server):
    server = make_server({"listen.balancers": "127.0.0.1"})
    c = server.raw("pop3")
    c.send(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c"
           b"\xc0\x00\x02\x01\x7f\x00\x00\x01\x30\x39\x00\x6e")
    assert c.line().startswith(b"+OK")
    c.send("CAPA\r\n")
    lines = []
    while not lines or lines[-1] != b".":
        lines.append(c.line())
    assert b"USER" not in lines and b"STLS" in lines
    assert not any(b"PLAIN" in line for line in lines)
    c.send("USER ann\r\n")
    assert c.line().startswith(b"-ERR")
    c.send("AUTH PLAIN\r\n")
    assert c.line().startswith(b"-ERR")


def test_rfc1939_3_who_does_not_sign_in_is_closed_without_a_word(make_server):
    server = make_server({"limits.login": "1s"})
    with server.pop3() as c:
        c.ok("CAPA")
        c.body()
        assert c.closed()


def test_commands_cut_at_every_octet(server, account):
    server.deliver(mail.make(), account)
    c = server.pop3()
    c.send_slowly(f"USER {account.address}\r\nPASS {account.password}\r\n"
                  "STAT\r\nLIST 1\r\nQUIT\r\n")
    lines = [c.line() for _ in range(5)]
    assert all(line.startswith(b"+OK") for line in lines)
    assert lines[2].split()[1] == b"1"


def test_failures_count_at_all_doors_together(make_server):
    """Guessing at one protocol and then another gains nothing."""
    p = make_server({"auth.delay": "10s", "auth.delay_max": "10s",
                     "auth.backlog": "5s"})
    account = p.add_account()
    late = p.imap()
    late.begin(f"LOGIN {account.address} wrong")
    # Its queue is longer than is let in: refused without a look.
    mark = p.log.mark()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        c = p.pop3()
        c.ok(f"USER {account.address}")
        c.send("PASS wrong\r\n")
        line = p.log.wait_for(r"login\.failed .*service=pop3", mark)
        mark = p.log.mark()
        if "too many failed attempts" in line:
            break
    assert "too many failed attempts" in line
    p.kill_all()  # nobody waits for the answers
    p.start()


def test_the_count_of_failures_is_kept_by_no_other(make_server):
    p = make_server()
    file = os.stat(os.path.join(p.home, "run/throttle"))
    assert stat.S_IMODE(file.st_mode) == 0o600


def test_a_browser_is_sent_away(pop3):
    """What stands in the body of a web page's request is not done."""
    pop3.send("POST / HTTP/1.1\r\nHost: x\r\n\r\nUSER ann\r\n")
    assert pop3.line().startswith(b"-ERR")
    assert pop3.closed()
