"""msadm(8): accounts, domains, aliases, the store; servers run or not."""
import json
import os
import pty
import pwd
import random
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import termios
import time

import pytest

from harness.postroom import Postroom

PASSWORD = "correct horse\n"


@pytest.fixture
def p(make_server):
    """A home without a running server."""
    return make_server(start=False)


def status(p, *args, stdin=""):
    return p.msadm(*args, stdin=stdin, check=False).returncode


def add(p, *addresses):
    for address in addresses:
        p.msadm("account", "add", address, stdin=PASSWORD)


def addresses(p, *args):
    return [a["address"] for a in p.msadm_json("account", "list", *args)]


def test_the_first_account_makes_home_and_domain_and_says_so(p):
    out = p.msadm("account", "add", "Ann@Example.ORG", stdin=PASSWORD)
    assert out.splitlines() == ["domain example.org made",
                                "account ann@example.org made"]
    out = p.msadm("account", "add", "bob@example.org", stdin=PASSWORD)
    assert out == "account bob@example.org made\n"
    made = json.loads(p.msadm("account", "add", "eve@example.net", "--json",
                              stdin=PASSWORD))
    assert made["domain_made"] is True
    assert re.fullmatch("[0-9a-f]{32}", made["id"])
    db = os.path.join(p.home, "directory/directory.db")
    assert stat.S_IMODE(os.stat(db).st_mode) == 0o600


def test_an_account_is_shown_by_address_and_by_id(p):
    p.msadm("account", "add", "ann@example.org", "--name", "Ann Lée",
            "--quota", "1G", "--quota-messages", "1000", stdin=PASSWORD)
    p.msadm("alias", "add", "info@example.org", "ann@example.org")
    shown = p.msadm_json("account", "show", "ANN@example.org")
    assert shown == p.msadm_json("account", "show", shown["id"])
    assert shown["name"] == "Ann Lée" and shown["quota"] == 1 << 30
    assert shown["quota_messages"] == 1000 and shown["enabled"] is True
    assert shown["keys"] == ["SCRAM-SHA-256", "SCRAM-SHA-1"]
    assert shown["aliases"] == ["info@example.org"]
    assert abs(shown["created"] / 1000 - time.time()) < 3600
    text = p.msadm("account", "show", "ann@example.org")
    assert "Ann Lée" in text and shown["id"] in text


def test_nothing_that_gives_a_password_away_is_shown(p):
    add(p, "ann@example.org")
    for args in (["account", "show", "ann@example.org", "--json"],
                 ["account", "list", "--json"]):
        out = p.msadm(*args)
        assert "$" not in out and "correct" not in out
    with open(os.path.join(p.home, "directory/directory.db"), "rb") as f:
        assert b"correct horse" not in f.read()


def test_passwords_are_one_line(p):
    add(p, "ann@example.org")
    assert status(p, "account", "add", "b@example.org") == 65
    assert status(p, "account", "add", "b@example.org", stdin="\n") == 65
    assert status(p, "account", "add", "b@example.org",
                  stdin="x" * 5000 + "\n") == 65
    assert status(p, "account", "add", "b@example.org",
                  stdin="tab\there\n") == 65
    assert status(p, "account", "passwd", "ann@example.org",
                  stdin="new one\r\nmore\n") == 0
    assert addresses(p) == ["ann@example.org"]


def test_imported_hashes(p):
    hashed = ("$6$rounds=1000$salt$" + "x" * 86)
    p.msadm("account", "add", "old@example.org", "--crypt",
            stdin=hashed + "\n")
    shown = p.msadm_json("account", "show", "old@example.org")
    assert shown["keys"] == ["crypt"]
    for bad in ("secret", "$1$salt$hash", "$6$salt$ha sh",
                "$6$s$h SCRAM-SHA-1$1:x$y:z"):
        assert status(p, "account", "passwd", "old@example.org", "--crypt",
                      stdin=bad + "\n") == 65


def test_rename_keeps_the_id_and_moves_the_aliases(p):
    add(p, "ann@example.org")
    before = p.msadm_json("account", "show", "ann@example.org")
    p.msadm("alias", "add", "info@example.org", "ann@example.org")
    p.msadm("account", "rename", "ann@example.org", "anna@example.org",
            "--keep-old")
    after = p.msadm_json("account", "show", "anna@example.org")
    assert after["id"] == before["id"]
    assert after["aliases"] == ["ann@example.org", "info@example.org"]
    found = p.msadm_json("resolve", "ann+x@example.org")
    assert found["route"] == "local"
    assert found["recipients"] == [{"address": "anna@example.org",
                                    "local": True, "detail": "x",
                                    "id": before["id"]}]


def test_set_enable_and_disable(p):
    add(p, "ann@example.org")
    p.msadm("account", "set", "ann@example.org", "--quota", "5M")
    p.msadm("account", "set", "ann@example.org", "--name", "Ann")
    p.msadm("account", "disable", "ann@example.org")
    shown = p.msadm_json("account", "show", "ann@example.org")
    assert (shown["quota"], shown["name"], shown["enabled"]) == (
        5 << 20, "Ann", False)
    p.msadm("account", "enable", "ann@example.org")
    assert p.msadm_json("account", "show", "ann@example.org")["enabled"]


def test_remove_takes_lone_aliases_along(p):
    add(p, "ann@example.org", "bob@example.org")
    p.msadm("alias", "add", "a@example.org", "ann@example.org")
    p.msadm("alias", "add", "ab@example.org", "ann@example.org",
            "bob@example.org", "eve@example.net")
    p.msadm("account", "remove", "ann@example.org")
    assert addresses(p) == ["bob@example.org"]
    assert p.msadm_json("alias", "list") == [
        {"address": "ab@example.org",
         "targets": ["bob@example.org", "eve@example.net"]}]


def trees(p):
    return [t["id"] for t in p.msadm_json("store", "list")]


def test_every_account_has_a_tree_that_outlives_it(p):
    add(p, "ann@example.org", "bob@example.org")
    ann = p.msadm_json("account", "show", "ann@example.org")
    bob = p.msadm_json("account", "show", "bob@example.org")
    assert (ann["store"], ann["octets"], ann["messages"]) == ("ok", 0, 0)
    assert [(t["id"], t.get("address"), t["owned"])
            for t in p.msadm_json("store", "list")] == [
        (ann["id"], "ann@example.org", True),
        (bob["id"], "bob@example.org", True)]
    assert status(p, "store", "purge", ann["id"]) == 77
    p.msadm("account", "remove", "ann@example.org")
    assert trees(p) == [bob["id"], ann["id"]]
    p.msadm("store", "purge", ann["id"])
    assert trees(p) == [bob["id"]]
    assert status(p, "store", "purge", ann["id"]) == 67
    p.msadm("account", "remove", "bob@example.org", "--purge")
    assert trees(p) == []
    assert status(p, "store", "purge", "nonsense") != 0


def test_an_account_that_was_not_made_leaves_no_tree(p):
    add(p, "ann@example.org")
    assert status(p, "account", "add", "bob@example.org", "--name", "a\nb",
                  stdin=PASSWORD) == 65
    assert len(trees(p)) == 1


def test_mailboxes_are_listed(p):
    add(p, "ann@example.org")
    assert [(b["name"], b["messages"], b["uidnext"], b["selectable"])
            for b in p.msadm_json("mailbox", "list", "ann@example.org")] == [
        ("INBOX", 0, 1, True)]
    assert status(p, "mailbox", "list", "eve@example.org") == 67
    assert p.msadm("undelete", "ann@example.org") == "nothing to bring back\n"
    assert p.msadm_json("undelete", "ann@example.org", "--since", "2d") == []
    assert status(p, "undelete", "ann@example.org", "--mailbox", "No") == 67
    assert status(p, "undelete", "ann@example.org", "--since", "soon") == 64


def test_domains(p):
    p.msadm("domain", "add", "bücher.example")
    add(p, "ann@example.org")
    p.msadm("alias", "add", "*@example.org", "ann@example.org")
    assert [(d["name"], d["accounts"], d["aliases"])
            for d in p.msadm_json("domain", "list")] == [
        ("example.org", 1, 1), ("xn--bcher-kva.example", 0, 0)]
    assert status(p, "domain", "remove", "example.org") == 77
    assert status(p, "domain", "add", "EXAMPLE.ORG") == 73
    p.msadm("domain", "remove", "xn--bcher-kva.example")
    assert status(p, "domain", "remove", "bücher.example") == 67
    assert addresses(p, "example.net") == []
    p.msadm("alias", "remove", "*@example.org")
    p.msadm("account", "remove", "ann@example.org")
    p.msadm("domain", "remove", "example.org")
    assert p.msadm("domain", "list") == ""


def test_a_backup_can_be_put_in_place(p):
    add(p, "ann@example.org")
    copy = os.path.join(p.home, "copy.db")
    p.msadm("directory", "backup", copy)
    assert status(p, "directory", "backup", copy) == 73
    assert stat.S_IMODE(os.stat(copy).st_mode) == 0o600
    add(p, "bob@example.org")
    os.rename(copy, os.path.join(p.home, "directory/directory.db"))
    assert addresses(p) == ["ann@example.org"]


def test_resolve_says_when_mail_goes_nowhere(p):
    add(p, "ann@example.org")
    done = p.msadm("resolve", "eve@example.org", check=False)
    assert (done.returncode, done.stdout) == (
        1, "eve@example.org is unknown\n")
    done = p.msadm("resolve", "eve@example.net", "--json", check=False)
    assert done.returncode == 1
    assert json.loads(done.stdout)["route"] == "remote"


@pytest.mark.parametrize("args, want", [
    (["account", "show", "eve@example.org"], 67),
    (["account", "show", "0" * 32], 67),
    (["account", "show", "no address"], 65),
    (["account", "remove", "eve@example.org"], 67),
    (["account", "rename", "ann@example.org", "ann@elsewhere.org"], 67),
    (["account", "rename", "ann@example.org", "*@example.org"], 65),
    (["account", "add", "ann@example.org"], 73),
    (["account", "set", "ann@example.org", "--quota", "much"], 64),
    (["account", "set", "ann@example.org", "--keep-old"], 64),
    (["account", "set", "ann@example.org"], 64),
    (["account", "set", "ann@example.org", "--quota"], 64),
    (["account", "list", "--json=yes"], 64),
    (["domain", "add", "a b"], 65),
    (["domain", "remove", "elsewhere.org"], 67),
    (["undelete", "ann@example.org", "--since", "2026-02-31"], 64),
    (["undelete", "ann@example.org", "--since", "200000000000d"], 64),
    (["account", "show"], 64),
    (["account", "show", "a@b.org", "c@d.org"], 64),
    (["account"], 64),
    (["no", "such", "command"], 64),
    (["account", "list", "--no-such-option"], 64),
    (["alias", "add", "ann@example.org", "bob@example.org"], 73),
    (["alias", "add", "a@example.org", "a@example.org"], 77),
    (["alias", "add", "a@elsewhere.org", "ann@example.org"], 67),
    (["alias", "remove", "ann@example.org"], 67),
    (["--set", "no.such=1", "account", "list"], 64),
])
def test_failures_have_their_exit_status(p, args, want):
    add(p, "ann@example.org")
    done = p.msadm(*args, check=False, stdin=PASSWORD)
    assert done.returncode == want
    assert done.stderr.startswith("msadm: ") and done.stdout == ""
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("args, word", [
    (["account", "set", "ann@example.org", "--quota"], "--quota needs"),
    (["account", "set", "ann@example.org"], "--quota SIZE"),
    (["account", "remove", "ann@example.org", "--json"], "--json"),
    (["account", "list", "--no-such-option"], "--no-such-option"),
    (["domain", "add", "a b"], "a b: "),
    (["domain", "remove", "elsewhere.org"], "elsewhere.org"),
    (["alias", "remove", "info@example.org", "eve@example.org"],
     "eve@example.org"),
])
def test_failures_name_what_was_wrong(p, args, word):
    add(p, "ann@example.org")
    p.msadm("alias", "add", "info@example.org", "ann@example.org")
    assert word in p.msadm(*args, check=False).stderr


def test_a_target_that_is_no_address_keeps_the_others_out(p):
    add(p, "ann@example.org")
    assert status(p, "alias", "add", "info@example.org", "ann@example.org",
                  "no address") == 65
    assert p.msadm("alias", "list") == ""


def test_no_limit_is_shown_as_none(p):
    add(p, "ann@example.org")
    shown = dict(line.split(maxsplit=1) for line in p.msadm(
        "account", "show", "ann@example.org").replace(
            "quota messages", "quota_messages").splitlines())
    assert shown["quota"] == shown["quota_messages"] == "-"
    assert shown["octets"] == shown["messages"] == "0"


def test_a_home_without_a_directory_is_not_made_by_looking(p):
    assert status(p, "account", "list") == 67
    assert not os.path.exists(p.home)


def test_output_that_cannot_be_written_is_a_failure(p):
    add(p, "ann@example.org")
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(
            [p.bin("msadm"), "--home", p.home, "account", "list"],
            stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 74


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another")
def test_what_root_makes_belongs_to_the_servers_user(p):
    user = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        p.home = os.path.join(top, "home")
        for name in ("a@example.org", "b@example.org"):
            p.msadm("account", "add", name, "--set", "process.user=nobody",
                    stdin=PASSWORD)
        for folder, names, files in os.walk(p.home):
            for name in names + files:
                owner = os.stat(os.path.join(folder, name)).st_uid
                assert owner == user.pw_uid, os.path.join(folder, name)
        assert addresses(p, "--set", "process.user=nobody") == [
            "a@example.org", "b@example.org"]


def test_help_lists_every_command(p):
    text = p.msadm("--help")
    for words in ("account add", "account passwd", "domain list",
                  "alias remove", "resolve"):
        assert words in text


def run_at_once(p, names):
    running = [subprocess.Popen(
        [p.bin("msadm"), "--home", p.home, "account", "add", name],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE) for name in names]
    for process in running:
        process.stdin.write(PASSWORD.encode())
        process.stdin.close()
    return running


def test_several_run_at_once_on_a_new_home(p):
    names = [f"u{n:02}@example.org" for n in range(12)]
    for process in run_at_once(p, names):
        assert process.wait(60) == 0, process.stderr.read()
        process.stderr.close()
    assert addresses(p) == names
    # One address, wanted by many: one gets it.
    ends = [process.wait(60) for process in
            run_at_once(p, ["one@example.org"] * 6)]
    assert sorted(ends) == [0] + [73] * 5


def test_killed_at_any_moment_it_did_all_or_nothing(p):
    add(p, "ann@example.org")
    done = []
    for n in range(40):
        name = f"k{n:02}@example.org"
        with subprocess.Popen(
                [p.bin("msadm"), "--home", p.home, "account", "add", name],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL) as process:
            process.stdin.write(PASSWORD.encode())
            process.stdin.flush()
            time.sleep(random.uniform(0, 0.04))
            process.send_signal(signal.SIGKILL)
            if name.encode() in process.stdout.read():
                done.append(name)
    found = addresses(p)
    assert set(done) <= set(found)
    for name in found:
        shown = p.msadm_json("account", "show", name)
        assert shown["keys"] == ["SCRAM-SHA-256", "SCRAM-SHA-1"]
        assert shown["store"] == "ok"
    p.msadm("account", "add", "after@example.org", stdin=PASSWORD)


# --- beside running servers ------------------------------------------------
@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """imapd and lmtpd of a server, started by hand."""
    p = Postroom(tmp_path_factory.mktemp("msadm") / "home",
                 {"auth.delay": "1ms"})
    subprocess.run(p.argv("postroom", "prepare"), check=True, timeout=60,
                   stderr=subprocess.DEVNULL)
    programs = [p.start_program(name) for name in ("imapd", "lmtpd")]
    yield p
    for client in p.clients:
        client.close()
    for program in programs:
        program.popen.send_signal(signal.SIGTERM)
        assert program.wait() == 0, program.log.text()
    assert p.trouble() is None, p.trouble()
    p._holder.close()


def test_a_new_account_can_be_used_at_once(running):
    with running.lmtp() as lmtp:
        lmtp.ok("MAIL FROM:<a@example.net>")
        assert lmtp.cmd("RCPT TO:<new@example.org>").code == 550
        new = running.add_account("new@example.org")
        lmtp.ok("RCPT TO:<new@example.org>")
    imap = running.imap(new)
    assert imap.ok("SELECT INBOX").one("EXISTS")[0] == 0


def test_a_new_password_counts_at_once(running):
    account = running.add_account()
    running.imap(account).ok("LOGOUT")
    running.msadm("account", "passwd", account.address, stdin="changed\n")
    old = running.imap()
    assert old.no(f"LOGIN {account.address} {account.password}").code \
        == b"AUTHENTICATIONFAILED"
    old.ok(f"LOGIN {account.address} changed")


def test_a_disabled_account_is_closed_at_once(running):
    account = running.add_account()
    running.imap(account).ok("LOGOUT")
    running.msadm("account", "disable", account.address)
    imap = running.imap()
    assert imap.no(f"LOGIN {account.address} {account.password}").code \
        == b"AUTHENTICATIONFAILED"
    with running.lmtp() as lmtp:
        lmtp.ok("MAIL FROM:<a@example.net>")
        assert lmtp.cmd(f"RCPT TO:<{account.address}>").code in (450, 550)
    running.msadm("account", "enable", account.address)
    imap.ok(f"LOGIN {account.address} {account.password}")


def test_a_renamed_account_keeps_its_mail(running):
    account = running.add_account("before@example.org")
    running.deliver(b"Subject: one\r\n\r\nhi\r\n", account)
    running.msadm("account", "rename", "before@example.org",
                  "after@example.org", "--keep-old")
    running.deliver(b"Subject: two\r\n\r\nhi\r\n", account)
    account.address = "after@example.org"
    assert running.imap(account).ok("SELECT INBOX").one("EXISTS")[0] == 2
    shown = running.msadm_json("account", "show", "after@example.org")
    assert shown["messages"] == 2 and shown["octets"] > 40


def test_undelete_brings_expunged_messages_back(running):
    account = running.add_account()
    for n in range(3):
        running.deliver(b"Subject: %d\r\n\r\nhi\r\n" % n, account)
    imap = running.imap(account)
    imap.ok("SELECT INBOX")
    imap.ok("STORE 1:2 +FLAGS (\\Deleted)")
    imap.ok("EXPUNGE")
    assert running.msadm_json("mailbox", "list", account.address)[0][
        "messages"] == 1
    assert running.msadm_json(
        "undelete", account.address, "--mailbox", "INBOX", "--since", "1d"
    ) == [{"mailbox": "INBOX", "messages": 2}]
    assert imap.ok("NOOP").one("EXISTS")[0] == 3
    found = imap.ok("UID FETCH 1:* (BODY[HEADER.FIELDS (SUBJECT)])")
    assert sorted(part["UID"] for part in found.fetch().values()) == [
        b"3", b"4", b"5"]
    assert running.msadm("undelete", account.address) == \
        "nothing to bring back\n"


def test_removal_ends_delivery_and_sessions(running):
    account = running.add_account()
    running.deliver(b"Subject: one\r\n\r\nhi\r\n", account)
    imap = running.imap(account)
    imap.ok("SELECT INBOX")
    running.msadm("account", "remove", account.address)
    with running.lmtp() as lmtp:
        lmtp.ok("MAIL FROM:<a@example.net>")
        assert lmtp.cmd(f"RCPT TO:<{account.address}>").code == 550
    again = running.imap()
    again.no(f"LOGIN {account.address} {account.password}")
    # The session that was open may read what it holds, and change nothing.
    imap.send(b"x STORE 1 +FLAGS (\\Deleted)\r\n")
    line = imap.line()
    while not line.startswith((b"x ", b"* BYE")):
        line = imap.line()
    assert line.startswith((b"x NO", b"* BYE"))


def files_of(p, account_id):
    """The message files of an account."""
    top = os.path.join(p.home, "store/accounts", account_id[:2], account_id)
    return [os.path.join(folder, name)
            for folder, _, names in os.walk(top) for name in names
            if "/box/" in folder + "/" and not name.startswith(".")]


def test_check_finds_what_is_damaged(running):
    account = running.add_account()
    account_id = running.msadm_json("account", "show", account.address)["id"]
    for n in range(3):
        running.deliver(b"Subject: %d\r\n\r\nhi\r\n" % n, account)
    assert running.msadm("account", "check", account.address).startswith(
        "looked at 1 accounts, 1 mailboxes, 3 messages of ")
    well = running.msadm_json("account", "check", account_id, "--octets")
    assert well["findings"] == []
    octets = sum(os.path.getsize(p) for p in files_of(running, account_id))
    assert well["checked"] == {
        "accounts": 1, "mailboxes": 1, "messages": 3, "octets": octets,
        "octets_read": octets, "segments": 1, "snapshots": 0}
    os.unlink(files_of(running, account_id)[1])
    done = running.msadm("account", "check", account.address, "--json",
                         check=False)
    assert done.returncode == 1
    found = json.loads(done.stdout)["findings"]
    assert {f["address"] for f in found} == {account.address}
    assert all(f["id"] == account_id and f["finding"] for f in found)
    done = running.msadm("store", "check", check=False)
    assert done.returncode == 1 and account.address in done.stdout
    assert done.stdout.splitlines()[-1].endswith(" findings")
    # The others are still there, whole.
    imap = running.imap(account)
    imap.ok("SELECT INBOX")
    found = imap.cmd("FETCH 1:* BODY[]").fetch()
    assert sum(b"hi\r\n" in (part.get("BODY[]") or b"")
               for part in found.values()) == 2


def test_check_makes_a_tree_that_is_lacking(running):
    account = running.add_account()
    account_id = running.msadm_json("account", "show", account.address)["id"]
    tree = os.path.join(running.home, "store/accounts", account_id[:2],
                        account_id)
    shutil.rmtree(tree)
    for args in (["account", "check", account.address], ["store", "check"],
                 ["account", "check", account.address, "--repair"]):
        done = running.msadm(*args, check=False)
        assert done.returncode == 1 and "no tree" in done.stdout
    assert running.msadm("account", "check", account.address).endswith(
        ", 1 segments, 0 snapshots: nothing is wrong\n")
    assert os.path.isdir(tree)


def test_check_of_all_accounts_sums_up(make_server):
    p = make_server()
    accounts = [p.add_account() for _ in range(3)]
    for n, account in enumerate(accounts):
        for _ in range(n):
            p.deliver(b"Subject: s\r\n\r\nhi\r\n", account)
    for args in (("account", "check", "--all"), ("store", "check")):
        sum_of = p.msadm_json(*args)
        assert sum_of["findings"] == []
        assert sum_of["checked"]["accounts"] == 3
        assert sum_of["checked"]["messages"] == 3
        done = p.msadm(*args, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("looked at 3 accounts, 3 mailboxes, "
                                      "3 messages of ")
        assert done.stdout.endswith(": nothing is wrong\n")
    account_id = p.msadm_json("account", "show", accounts[1].address)["id"]
    [path] = files_of(p, account_id)
    with open(path, "r+b") as f:
        f.write(b"s")
    assert p.msadm("account", "check", "--all", check=False).returncode == 0
    done = p.msadm("account", "check", "--all", "--octets", check=False)
    assert done.returncode == 1
    assert accounts[1].address in done.stdout
    assert done.stdout.endswith(": 1 findings\n")
    # It is either one account or all of them.
    for args in (("--all", accounts[0].address), ()):
        assert p.msadm("account", "check", *args,
                       check=False).returncode == 64


def test_check_shows_on_a_terminal_how_far_it_is(running):
    account = running.add_account()
    main, side = pty.openpty()
    done = subprocess.run(
        [running.bin("msadm"), "--home", running.home, "account", "check",
         account.address], stdout=subprocess.PIPE, stderr=side, check=True,
        timeout=60)
    os.close(side)
    said = os.read(main, 10000)
    os.close(main)
    assert said.startswith(b"\r\033[K") and said.endswith(b"\r\033[K")
    assert account.address.encode() in said
    assert done.stdout.startswith(b"looked at 1 accounts")


def test_resume_raises_the_generation_of_the_store(running):
    path = os.path.join(running.home, "store/generation")

    def generation():
        if not os.path.exists(path):
            return 0
        with open(path, encoding="ascii") as f:
            return int(f.read())

    before = generation()
    running.msadm("store", "resume")
    assert generation() > before
    account = running.add_account()
    running.deliver(b"Subject: one\r\n\r\nhi\r\n", account)


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_who_gives_up_at_the_prompt_sees_again_what_is_typed(p, sig):
    add(p, "ann@example.org")
    main, side = pty.openpty()
    was = termios.tcgetattr(side)
    child = subprocess.Popen(
        [p.bin("msadm"), "--home", p.home, "account", "passwd",
         "ann@example.org"], stdin=side, stdout=side, stderr=side)
    assert b"New password:" in os.read(main, 1000)
    assert not termios.tcgetattr(side)[3] & termios.ECHO
    child.send_signal(sig)
    assert child.wait(timeout=60) == -sig
    assert termios.tcgetattr(side) == was
    os.close(main)
    os.close(side)
