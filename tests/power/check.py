"""Hold a server that was started on what a power cut left against the ledger.
"""
import json
import os
import re

from harness import mail
from harness.ledger import Broken
from harness.load import Mailbox
from power.clients import ABSENT, ANY, alike, read_names

# What power cuts and kills explain: torn records, segments whose maker did
# not come to their headers, files of messages, and accounts half made, that
# nobody was told of.
EXPLAINED = re.compile(r"journal/\S+: (\d+ octets are no record\b|"
                       r"journal/\S+: no good header$)|"
                       r"the account has no tree in the store$|"
                       r"box/\S+: no record names it\b")
PASSWORDS = 8   # the last that were set: each costs a key


def read_account(server, account):
    """{mailbox: [(octets, flags)]} and {mailbox: (UIDVALIDITY, counters,
    {UID: message id})} of everything that stands now."""
    boxes, told = {}, {}
    with server.imap(account) as c:
        for _, rest in c.ok('LIST "" *').all("LIST"):
            box = rest.rpartition(b" ")[2].strip(b'"').decode()
            codes = c.ok(f'EXAMINE "{box}" (CONDSTORE)').codes()
            counters = {m.group(1): int(m.group(2)) for m in (
                re.match(rb"(HIGHESTMODSEQ|UIDNEXT) (\d+)", code)
                for code in codes) if m}
            found = c.ok("UID FETCH 1:* (UID FLAGS BODY.PEEK[])").fetch()
            boxes[box] = [(d["BODY[]"], d["FLAGS"]) for d in found.values()]
            validity = next(x for x in codes if x.startswith(b"UIDVALIDITY"))
            told[box] = (validity, counters,
                         {int(d["UID"]): mail.message_id(d["BODY[]"])
                          for d in found.values()})
    return boxes, told


def check_account(server, ledger, account, renewed):
    boxes, told = read_account(server, account)
    count = ledger.check(account, boxes)
    ledger.check_told(account, told, renewed)
    # Modification sequences, with the flags that each was told with.
    if not renewed:
        reader = Mailbox(server, ledger, account)
        with reader.connect() as c:
            reader.look(c)
    return count


def check_uidls(server, ledger, account):
    with server.pop3(account) as c:
        for line in c.multi("UIDL"):
            number, uidl = line.split()
            key = mail.message_id(b"\r\n".join(c.multi(f"TOP {number.decode()} 0")))
            ledger.told((account.address, "UIDL", uidl), key)


def check_names(server, ledger, account, renewed):
    with server.imap(account) as c:
        found = read_names(c)
    states = ledger.states(("names", account.address))
    if renewed:
        states = [{name: (what[0], ANY, what[2]) for name, what in s.items()}
                  for s in states]
    if not any(alike(s, found) for s in states):
        raise Broken(f"{account}: mailboxes are {found}, not one of {states}")


def can_log_in(server, address, password):
    with server.imap() as c:
        return c.cmd(f'LOGIN "{address}" "{password}"').ok


def check_passwords(server, ledger):
    there = {a["address"] for a in server.msadm_json("account", "list")}
    for what in ledger.whats("password")[-PASSWORDS:]:
        address, states = what[1], ledger.states(what)
        if address not in there:
            if ABSENT not in states:
                raise Broken(f"{address}: lost")
            continue
        if not any(can_log_in(server, address, p) for p in states
                   if p != ABSENT):
            raise Broken(f"{address}: no password of {states} is taken")
        deliver(server, address)


def check_store(server):
    """msadm finds nothing but what a power cut explains."""
    done = server.msadm("store", "check", "--octets", "--json", check=False)
    if done.returncode not in (0, 1):
        raise Broken(f"msadm store check: {done.stderr}")
    found = [x["finding"] for x in json.loads(done.stdout)["findings"]]
    wrong = [x for x in found if not EXPLAINED.match(x)]
    if wrong:
        raise Broken(f"msadm store check: {wrong}")


def deliver(server, address):
    with server.lmtp() as c:
        reply, = c.send_mail("sender@example.net", [address], mail.make())
    if reply.code != 250:
        raise Broken(f"a delivery to {address} behind the cut: {reply}")


def resume(server):
    """If the server was told of a failed flush: it says so, and takes mail
    again once it may.  Was it?"""
    names = os.listdir(os.path.join(server.home, "store"))
    if not any(re.match(r"read-only\.\d+$", name) for name in names):
        return False
    with server.lmtp() as c:
        c.cmd("MAIL FROM:<sender@example.net>")
        c.cmd(f"RCPT TO:<{server.msadm_json('account', 'list')[0]['address']}>")
        if c.cmd("DATA").code == 354:
            c.send_data(mail.make())
            if c.reply().code == 250:
                raise Broken("mail is taken though a flush had failed")
    server.stop()
    server.msadm("store", "resume")
    server.start()
    return True


def check(server, ledger, accounts, may_resume=False):
    """Raises Broken, or gives the number of messages that stand."""
    renewed = may_resume and resume(server)
    total = sum(check_account(server, ledger, a, renewed) for a in accounts)
    popped, named = accounts[3], accounts[4]
    if not renewed:
        check_uidls(server, ledger, popped)
    check_names(server, ledger, named, renewed)
    check_passwords(server, ledger)
    check_store(server)
    for account in accounts:
        deliver(server, account.address)
        with server.imap(account) as c:
            assert c.append("INBOX", mail.make()).ok
    return total
