"""A Postfix of a test's own, below one directory, on loopback; root's.

Its configuration files are made from what all uses share, and the lines that
one of them adds.
"""
import os
import shutil
import subprocess

MAIN = """\
compatibility_level = 3.6
queue_directory = {home}/spool
data_directory = {home}/data
maillog_file_prefixes = {home}
maillog_file = {home}/log
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
mynetworks = 127.0.0.0/8
notify_classes =
{more}
"""

# No chroot: libraries and sockets are outside of the queue.
MASTER = """\
{more}
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """Not running yet.  `main` and `master` are lines of the two files."""

    def __init__(self, home, main, master):
        self.home = str(home)
        self.log = f"{home}/log"
        self._running = False
        os.makedirs(f"{home}/data")
        os.makedirs(f"{home}/spool/private")
        shutil.chown(f"{home}/data", "postfix")
        shutil.chown(f"{home}/spool/private", "postfix")
        self._write("main.cf", MAIN.format(home=home, more=main))
        self._write("master.cf", MASTER.format(more=master))

    def _write(self, name, text):
        with open(f"{self.home}/{name}", "w", encoding="ascii") as f:
            f.write(text)

    @property
    def pid(self):
        """Of its master; while it runs."""
        with open(f"{self.home}/spool/pid/master.pid", encoding="ascii") as f:
            return int(f.read())

    def table(self, name, lines):
        """An indexed table: main.cf calls it hash:HOME/NAME."""
        self._write(name, "".join(line + "\n" for line in lines))
        subprocess.run(["postmap", "-c", self.home,
                        f"hash:{self.home}/{name}"], check=True)

    def _command(self, word):
        # Not a pipe for its output: the master would keep it open.
        with open(f"{self.home}/out", "wb") as out:
            done = subprocess.run(["postfix", "-c", self.home, word],
                                  stdin=subprocess.DEVNULL, stdout=out,
                                  stderr=out, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"postfix {word} fails: {self.read_log()}")

    def read_log(self):
        """What it has told so far."""
        try:
            with open(self.log, encoding="utf-8") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def start(self):
        """Unless it runs already."""
        if not self._running:
            self._command("start")
            self._running = True

    def close(self):
        if self._running:
            self._command("stop")
            self._running = False
