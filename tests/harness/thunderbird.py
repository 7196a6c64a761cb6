"""Thunderbird without a window, driven from within.

It listens for the Marionette protocol: JSON behind its length and a colon.
What it runs is JavaScript with all rights of the program, so a test asks for
what a person would click on and sees what the program then knows.
"""
import json
import os
import pathlib
import re
import socket
import subprocess
import time

TIMEOUT = float(os.environ.get("POSTROOM_TIMEOUT", "20")) * 6
PLAIN, STARTTLS, TLS = 0, 2, 3

PREFS = {
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.rights.version": 1,
    "mail.winsearch.firstRunDone": True,
    "mail.shell.checkDefaultClient": False,
    "mailnews.start_page.enabled": False,
    "mailnews.confirm.moveFoldersToTrash": False,
    "mail.server.default.use_condstore": True,
    "app.update.enabled": False,
    "extensions.update.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
}

# What every script can use.
LIBRARY = """
const {MailServices} = ChromeUtils.importESModule(
    "resource:///modules/MailServices.sys.mjs");
const server = () => MailServices.accounts.accounts.map(
    a => a.incomingServer).find(s => s && s.type == "imap");
const folders = () => server().rootFolder.descendants.map(
    f => decodeURIComponent(f.URI).split("localhost/")[1]).sort();
const folder = name => server().rootFolder.descendants.find(
    f => decodeURIComponent(f.URI).split("localhost/")[1] == name);
const list = name => [...folder(name).messages];
const subjects = name => list(name).map(h => h.mime2DecodedSubject).sort();
const find = (name, subject) => list(name).find(
    h => h.mime2DecodedSubject == subject);
const until = async test => {
    while (!test()) await new Promise(r => setTimeout(r, 20));
};
// The folder is asked for again and again, as an update that comes while
// another runs may come to nothing.
const fresh = async (name, test) => {
    for (let i = 0; !test(); i++) {
        if (i % 50 == 0) folder(name).updateFolder(null);
        await new Promise(r => setTimeout(r, 20));
    }
};
const local = path => {
    const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
    file.initWithPath(path);
    return file;
};
// A listener of many kinds, and a promise of how it ends.
const listener = (end, ...kinds) => {
    const l = new Proxy({QueryInterface: ChromeUtils.generateQI(kinds)}, {
        get: (t, name) => name in t ? t[name] : () => undefined});
    const ends = new Promise(resolve => {
        l[end] = (...args) => resolve(args[args.length - 1]); });
    return [l, ends];
};
const copied = () => listener("onStopCopy", "nsIMsgCopyServiceListener");
"""

ACCOUNT = """
const [user, password, imap, how, smtp, smtpHow, cert] = args;
const der = Cc["@mozilla.org/security/x509certdb;1"].getService(
    Ci.nsIX509CertDB).constructX509FromBase64(cert);
for (const port of [imap, smtp])
    Cc["@mozilla.org/security/certoverride;1"].getService(
        Ci.nsICertOverrideService).rememberValidityOverride(
            "localhost", port, {}, der, false);
const s = MailServices.accounts.createIncomingServer(user, "localhost",
                                                     "imap");
Object.assign(s, {port: imap, socketType: how, authMethod: 3, password,
                  valid: true});
const out = MailServices.outgoingServer.createServer("smtp");
out.QueryInterface(Ci.nsISmtpServer);
Object.assign(out, {hostname: "localhost", port: smtp, socketType: smtpHow,
                    authMethod: 3, username: user, password});
MailServices.outgoingServer.defaultServer = out;
const me = MailServices.accounts.createIdentity();
Object.assign(me, {email: user, fullName: "A Tester", doFcc: true,
                   smtpServerKey: out.key,
                   fccFolderURI: s.serverURI + "/Sent"});
const account = MailServices.accounts.createAccount();
account.incomingServer = s;
account.addIdentity(me);
s.performExpand(null);
await until(() => folder("INBOX"));
"""

SIGN_IN = """
server().password = args[0];
MailServices.outgoingServer.defaultServer.password = args[0];
"""


class Thunderbird:
    """One run of it; a profile can have several, one after the other."""

    def __init__(self, profile):
        self.profile = profile
        self.process = None

    def __enter__(self):
        self.profile.mkdir(exist_ok=True)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        prefs = {**PREFS, "marionette.port": port}
        (self.profile / "user.js").write_text("".join(
            f'user_pref("{name}", {json.dumps(value)});\n'
            for name, value in prefs.items()))
        self.process = subprocess.Popen(
            ["thunderbird", "--headless", "--marionette",
             "--remote-allow-system-access", "--no-remote",
             "--profile", str(self.profile)],
            env={**os.environ, "HOME": str(self.profile), "MOZ_LOG": "IMAP:5",
                 "MOZ_LOG_FILE": str(self.profile / "imap.log")},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self._connect(port)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        self.process.terminate()
        try:
            self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _connect(self, port):
        deadline = time.monotonic() + TIMEOUT
        while True:
            try:
                self.sock = socket.create_connection(("127.0.0.1", port),
                                                     TIMEOUT)
                break
            except OSError:
                assert self.process.poll() is None, "it does not start"
                assert time.monotonic() < deadline, "it does not listen"
                time.sleep(0.05)
        self._in, self._number = b"", 0
        self._receive()
        self._command("WebDriver:NewSession")
        self._command("Marionette:SetContext", value="chrome")
        self._command("WebDriver:SetTimeouts", script=int(TIMEOUT * 1000))

    def _receive(self):
        while (at := self._in.find(b":")) < 0:
            self._fill()
        end = at + 1 + int(self._in[:at])
        while len(self._in) < end:
            self._fill()
        data, self._in = self._in[at + 1:end], self._in[end:]
        return json.loads(data)

    def _fill(self):
        data = self.sock.recv(1 << 16)
        assert data, "it has closed the connection"
        self._in += data

    def _command(self, command, **params):
        self._number += 1
        data = json.dumps([0, self._number, command, params]).encode()
        self.sock.sendall(b"%d:%s" % (len(data), data))
        kind, number, error, value = self._receive()
        assert (kind, number) == (1, self._number)
        assert not error, (command, error)
        return value

    def run(self, script, *args):
        """What an asynchronous function of this body returns."""
        value = self._command(
            "WebDriver:ExecuteAsyncScript", args=list(args), sandbox="system",
            script="const args = [...arguments], done = args.pop();"
                   "(async () => {" + LIBRARY + script + "})().then("
                   "v => done([true, v === undefined ? null : v]),"
                   "e => done([false, e + '\\n' + e.stack]));")["value"]
        assert value[0], f"{script}: {value[1]}"
        return value[1]

    def sign_up(self, server, account, secure):
        cert = pathlib.Path(server.home, "tls", "cert.pem").read_text()
        self.run(ACCOUNT, account.address, account.password,
                 server.port("imaps" if secure else "imap"),
                 TLS if secure else PLAIN, server.port("submission"),
                 STARTTLS if secure else PLAIN,
                 "".join(cert.split("-----")[2].split()))

    def sign_in(self, account):
        """The profile has the account already, but no password."""
        self.run(SIGN_IN, account.password)

    def trace(self):
        """What went over its IMAP connections, as (is_sent, line)."""
        text = (self.profile / "imap.log.moz_log").read_text(
            errors="replace")
        return [(m.group(1) == "SendData", m.group(2)) for m in re.finditer(
            r":(SendData|CreateNewLineFromSocket): (.*)", text)]

    def is_content(self):
        """It was refused nothing, but that it looks for a folder on one
        connection after it renamed or removed it on another."""
        refused = [line for sent, line in self.trace() if not sent
                   and re.match(r"\d+ (NO|BAD)|\* (NO|BAD|BYE)", line)
                   and "NO [NONEXISTENT]" not in line]
        assert not refused, refused
        return True
