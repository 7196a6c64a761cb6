"""lmtpd: whatever is wrong on our side, no mail is refused for good.

The directory has said that the recipient is here; a store that is away, of
another version or damaged is mended, and the sender's server tries again.
"""
import glob
import os
import socket

import pytest

from harness import inbox, mail
from harness.doors import DOORS


def tree_of(server, account):
    account_id = server.msadm_json("account", "show", account.address)["id"]
    return os.path.join(server.home, "store/accounts", account_id[:2],
                        account_id)


def in_each_segment(tree, change):
    """Change the octets of both headers of each segment, before anything of
    it was read."""
    paths = glob.glob(f"{tree}/journal/*")
    assert paths
    for path in paths:
        with open(path, "r+b") as f:
            octets = bytearray(f.read())
            for at in (0, 4096):
                change(octets, at)
            f.seek(0)
            f.write(octets)


def of_another_format(octets, at):
    octets[at + 8] += 1


def damaged(octets, at):
    octets[at] ^= 0xff


def send(server, *accounts):
    with server.lmtp() as c:
        return [(r.code, r.enhanced) for r in c.send_mail(
            "a@b.test", [a.address for a in accounts], mail.make())]


def test_an_account_of_another_version_is_for_later(server):
    account = server.add_account()
    in_each_segment(tree_of(server, account), of_another_format)
    assert send(server, account) == [(450, "4.2.1")]


def test_each_recipient_has_its_own_answer(server):
    """Also when nobody got it."""
    later, broken = server.add_account(), server.add_account()
    in_each_segment(tree_of(server, later), of_another_format)
    in_each_segment(tree_of(server, broken), damaged)
    assert send(server, later, broken) == [(450, "4.2.1"), (451, "4.3.0")]
    assert send(server, broken, later) == [(451, "4.3.0"), (450, "4.2.1")]


def test_a_store_that_is_away_is_for_later(make_server):
    server = make_server()
    account = server.add_account()
    here = os.path.join(server.home, "store/accounts")
    os.rename(here, here + ".away")
    assert send(server, account) == [(451, "4.3.0")]
    os.rename(here + ".away", here)
    assert send(server, account) == [(250, "2.0.0")]
    assert len(inbox.messages(server, account)) == 1


@pytest.fixture
def handed(make_server, tmp_path):
    """lmtpd's other door, with a recipient told; and its spool."""
    spool = tmp_path / "spool"
    spool.mkdir()
    server = make_server({"lmtp.spool": str(spool)})
    account = server.add_account()
    c = DOORS["handover"].connect(server)
    server.keep(c)
    c.send(b"XSESSION kind=mx peer=192.0.2.1 tls=0 loopback=0 unique= "
           b"exporter= id=1\r\n")
    assert c.reply().code == 250
    c.ok("MAIL FROM:<a@b.test>")
    c.ok(f"RCPT TO:<{account.address}>")
    return c, spool, server, account


def hand(c, path, size):
    """A file that is not sealed, so that it is copied."""
    with open(path, "rb") as f:
        socket.send_fds(c.sock, [b"X"], [f.fileno()])
    c.send(b"HAND %d 0 abc\r\n" % size)
    return c.reply()


def test_a_spool_that_is_away_is_for_later(handed, tmp_path):
    c, spool, server, account = handed
    path = tmp_path / "message"
    path.write_bytes(mail.make())
    os.rename(spool, tmp_path / "away")
    reply = hand(c, path, path.stat().st_size)
    assert (reply.code, reply.enhanced) == (451, "4.3.0")
    os.rename(tmp_path / "away", spool)
    c.ok("MAIL FROM:<a@b.test>")
    c.ok(f"RCPT TO:<{account.address}>")
    assert hand(c, path, path.stat().st_size).code == 250
    assert inbox.one(server, account) == path.read_bytes()


def test_a_descriptor_that_did_not_come_is_for_later(handed):
    """As when the process has no more of them."""
    c = handed[0]
    c.send(b"XHAND 100 0 abc\r\n")
    reply = c.reply()
    assert (reply.code, reply.enhanced) == (451, "4.3.0")


def test_a_file_of_another_size_is_for_later(handed, tmp_path):
    c = handed[0]
    path = tmp_path / "message"
    path.write_bytes(mail.make())
    reply = hand(c, path, path.stat().st_size + 1)
    assert (reply.code, reply.enhanced) == (451, "4.3.0")
