"""Thunderbird: a day of work by IMAP and submission."""
import pytest

from harness import mail
from harness.thunderbird import Thunderbird


@pytest.fixture
def thunderbird(tmp_path):
    with Thunderbird(tmp_path / "profile") as t:
        yield t


def test_a_day_in_a_mailbox(server, account, thunderbird, tmp_path):
    t = thunderbird
    server.deliver(mail.make("first", "Grüße\r\n"), account)
    server.deliver(mail.make("second"), account)
    t.sign_up(server, account, secure=False)
    t.run("await fresh('INBOX', () => list('INBOX').length == 2);")

    for name in ["Töpfe", "Archive"]:
        t.run("server().rootFolder.createSubfolder(args[0], null);"
              "await until(() => server().rootFolder.subFolders.some("
              "    f => f.localizedName == args[0]));", name)
    t.run("folder('Archive').createSubfolder('2024', null);"
          "await until(() => folder('Archive/2024'));")

    # Flags go there and come back.
    t.run("const m = [find('INBOX', 'first')], f = folder('INBOX');"
          "f.markMessagesRead(m, true); f.markMessagesFlagged(m, true);"
          "f.addKeywordsToMessages(m, '$label1');")
    with server.imap(account) as c:
        c.ok("SELECT INBOX")
        while b"$label1" not in c.ok("FETCH 1 FLAGS").untagged[-1]:
            tag = c.idle()
            c.response()
            c.done(tag)
        c.ok("STORE 2 +FLAGS (\\Answered $Forwarded)")
        assert c.append("INBOX", mail.make("third"), "(\\Flagged)").ok
        t.run("await fresh('INBOX', () => list('INBOX').length == 3);"
              "await fresh('INBOX', () => "
              "    (find('INBOX', 'second').flags & 0x1002) == 0x1002);")

    # COPY, MOVE, and a move to the trash.
    for subject, move in [("first", False), ("second", True)]:
        t.run("const [l, end] = copied();"
              "MailServices.copy.copyMessages(folder('INBOX'),"
              "    [find('INBOX', args[0])], folder('Archive/2024'),"
              "    args[1], l, null, false);"
              "if (await end) throw new Error('not copied');", subject, move)
    assert t.run("await fresh('Archive/2024',"
                 "    () => list('Archive/2024').length == 2);"
                 "return subjects('Archive/2024');") == ["first", "second"]
    t.run("const [l, end] = copied();"
          "folder('INBOX').deleteMessages([find('INBOX', 'first')], null,"
          "    false, false, l, true);"
          "await end; await until(() => list('INBOX').length == 1);")

    # SEARCH by what is in the body.
    assert t.run("""
        const s = Cc["@mozilla.org/messenger/searchSession;1"]
            .createInstance(Ci.nsIMsgSearchSession), term = s.createTerm();
        term.attrib = Ci.nsMsgSearchAttrib.Body;
        term.op = Ci.nsMsgSearchOp.Contains;
        const value = term.value;
        value.attrib = term.attrib; value.str = "grüße"; term.value = value;
        s.appendTerm(term);
        s.addScopeTerm(Ci.nsMsgSearchScope.onlineMail,
                       folder("Archive/2024"));
        const hits = [];
        await new Promise(done => {
            s.registerListener({
                onSearchHit(h) { hits.push(h.mime2DecodedSubject); },
                onSearchDone() { done(); }, onNewSearch() {},
                QueryInterface: ChromeUtils.generateQI(
                    ["nsIMsgSearchNotify"])});
            s.search(null);
        });
        return hits;""") == ["first"]

    # A draft is appended, folders get other names and go.
    (tmp_path / "draft.eml").write_bytes(mail.make("a draft", "ü\r\n"))
    t.run("const [l, end] = copied();"
          "MailServices.copy.copyFileMessage(local(args[0]),"
          "    folder('Archive'), null, true, 0x10001, '', l, null);"
          "if (await end) throw new Error('not saved');",
          str(tmp_path / "draft.eml"))
    t.run("folder('Archive').rename('Attic', null);"
          "await until(() => folder('Attic/2024'));")
    t.run("server().rootFolder.subFolders.find("
          "    f => f.localizedName == 'Töpfe').deleteSelf(null);"
          "await until(() => !server().rootFolder.subFolders.some("
          "    f => f.localizedName == 'Töpfe'));")
    with server.imap(account) as c:
        assert b"* STATUS Attic (MESSAGES 1)" in c.ok(
            "STATUS Attic (MESSAGES)").untagged
        names = {r.split(b' "/" ')[1] for r in c.ok('LIST "" *').untagged}
        assert {b"INBOX", b"Attic", b"Attic/2024", b"Trash"} <= names
        assert not names & {b"Archive", b"Archive/2024", b"T&APY-pfe"}
    assert t.is_content()


def test_it_sends_and_keeps_a_copy(server, account, thunderbird, tmp_path):
    t = thunderbird
    t.sign_up(server, account, secure=True)
    (tmp_path / "letter.eml").write_bytes(mail.make("to myself"))
    t.run("""
        const fields = Cc["@mozilla.org/messengercompose/composefields;1"]
            .createInstance(Ci.nsIMsgCompFields);
        const me = MailServices.accounts.allIdentities[0];
        Object.assign(fields, {from: me.email, to: me.email,
                               fcc: me.fccFolderURI});
        const [l, end] = listener("onStopCopy", "nsIMsgSendListener",
                                  "nsIMsgCopyServiceListener");
        Cc["@mozilla.org/messengercompose/send;1"].createInstance(
            Ci.nsIMsgSend).sendMessageFile(me, "", fields, local(args[0]),
            false, false, Ci.nsIMsgSend.nsMsgDeliverNow, null, l, null, null);
        if (await end) throw new Error("not sent");
        await fresh("INBOX", () => find("INBOX", "to myself"));
        """, str(tmp_path / "letter.eml"))
    with server.imap(account) as c:
        for box in ["INBOX", "Sent"]:
            assert b"* STATUS %s (MESSAGES 1)" % box.encode() in c.ok(
                f"STATUS {box} (MESSAGES)").untagged
    assert t.is_content()


def test_rfc7162_it_comes_back_to_a_changed_mailbox(server, account,
                                                    tmp_path):
    profile = tmp_path / "profile"
    for i in range(5):
        server.deliver(mail.make(f"number {i}"), account)
    with Thunderbird(profile) as t:
        t.sign_up(server, account, secure=True)
        t.run("await fresh('INBOX', () => list('INBOX').length == 5);")
        assert t.is_content()
    with server.imap(account) as c:
        c.ok("SELECT INBOX")
        c.ok("STORE 2 +FLAGS (\\Deleted)")
        c.ok("EXPUNGE")
        c.ok("STORE 2 +FLAGS (\\Seen \\Flagged)")
        assert c.append("INBOX", mail.make("number 5")).ok
    with Thunderbird(profile) as t:
        t.sign_in(account)
        assert t.run("await fresh('INBOX', () => find('INBOX', 'number 5')"
                     "    && !find('INBOX', 'number 1')"
                     "    && find('INBOX', 'number 2').isFlagged);"
                     "return subjects('INBOX');") == [
            f"number {i}" for i in (0, 2, 3, 4, 5)]
        assert t.is_content()
        sent = [line for is_sent, line in t.trace() if is_sent]
        assert any("CHANGEDSINCE" in line for line in sent)
