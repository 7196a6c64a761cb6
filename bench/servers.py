"""The servers that `bench/run` measures, each started by hand under one
directory, listening on loopback only, with users u00000@example.org and on.

A server has: name, home, pid, port(kind), start(), stop(), close(),
add_users(n, password), and for mail that comes in over SMTP: mta_pids(), of
all that has part in it, which starts what is not there yet; settle(count),
which waits until so many more messages are in mailboxes.
"""
import grp
import imaplib
import os
import pwd
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))

from harness import ports, postroom  # noqa: E402
from mta import Mta  # noqa: E402

DOMAIN = "example.org"


def user(n):
    return f"u{n:05d}@{DOMAIN}"


class Postroom:
    """Ours, with the settings that it comes with."""
    name = "postroom"

    def __init__(self, home, build):
        self.home = home
        self._server = postroom.Postroom(home, build=build)

    @property
    def pid(self):
        return self._server.process.pid

    def port(self, kind):
        return self._server.port(kind)

    def mta_pids(self):
        return [self.pid]

    def settle(self, count):
        """They are where they belong before they are acknowledged."""

    def start(self):
        self._server.start()

    def stop(self):
        self._server.stop()

    def close(self):
        self._server.close()

    def add_users(self, n, password):
        self.start()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda i: self._server.add_account(
                user(i), password), range(n)))
        self.stop()


DOVECOT_CONF = """\
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/log
protocols = imap pop3 lmtp
listen = 127.0.0.1
default_internal_user = dovecot
default_login_user = dovenull
default_process_limit = {processes}
default_client_limit = {clients}
default_vsz_limit = 1G

# As doc.dovecot.org advises: sdbox, the default mail_fsync (optimized), the
# high-performance login mode, processes that serve many sessions.
mail_location = sdbox:{home}/mail/%n
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = {uid}
first_valid_gid = {gid}
mail_max_userip_connections = 0
disable_plaintext_auth = no
auth_cache_size = 16M
ssl = yes
ssl_cert = <{home}/cert.pem
ssl_key = <{home}/key.pem
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {home}/users
}}
userdb {{
  driver = passwd-file
  args = {home}/users
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
  service_count = 0
  process_min_avail = {cores}
  process_limit = {cores}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
    ssl = yes
  }}
  service_count = 0
  process_min_avail = {cores}
  process_limit = {cores}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
  user = {user}
}}
service pop3 {{
  service_count = 1000
  process_limit = {processes}
}}
service auth {{
  client_limit = {masters}
  unix_listener auth-userdb {{
    mode = 0777
  }}
}}
service anvil {{
  client_limit = {masters}
}}
service imap-hibernate {{
  unix_listener imap-hibernate {{
    mode = 0666
  }}
}}
service imap {{
  service_count = 1000
  process_limit = {processes}
  unix_listener imap-master {{
    user = dovecot
    mode = 0666
  }}
}}
{more}
"""


class Dovecot:
    """Dovecot 2.3 of Debian, as its makers advise, and Postfix before it for
    mail that comes in over SMTP."""
    name = "dovecot"

    def __init__(self, home, connections):
        self.home = home
        self._clients = 2 * connections + 1000
        self._offset, self._holder = ports.reserve()
        self._process = None
        self._mta = Mta(f"{home}/postfix", self.port("smtp"),
                        self.port("submission"))
        self._write_files()

    def _write_files(self):
        os.makedirs(f"{self.home}/mail", exist_ok=True)
        account = pwd.getpwnam("mail")
        os.chown(f"{self.home}/mail", account.pw_uid, account.pw_gid)
        os.chmod(self.home, 0o755)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
             "/CN=localhost", "-keyout", f"{self.home}/key.pem", "-out",
             f"{self.home}/cert.pem"], check=True, capture_output=True)
        with open(f"{self.home}/users", "w", encoding="ascii"):
            pass
        with open(f"{self.home}/dovecot.conf", "w", encoding="ascii") as f:
            f.write(DOVECOT_CONF.format(
                home=self.home, user="mail", uid=account.pw_uid,
                gid=grp.getgrnam("mail").gr_gid, cores=os.cpu_count(),
                clients=self._clients, processes=self._clients,
                masters=5 * self._clients,
                more=self._mta.dovecot_conf,
                **{k: self.port(k) for k in (
                    "imap", "imaps", "pop3", "pop3s", "lmtp")}))

    @property
    def pid(self):
        return self._process.pid

    def port(self, kind):
        return self._offset + ports.STANDARD[kind]

    def mta_pids(self):
        self._mta.start()
        return [self._mta.pid, self.pid]

    def settle(self, count):
        self._mta.settle(count)

    def start(self):
        with open(f"{self.home}/out", "wb") as out:
            self._process = subprocess.Popen(
                ["dovecot", "-F", "-c", f"{self.home}/dovecot.conf"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self._wait_listening()

    def _wait_listening(self):
        for _ in range(500):
            try:
                imaplib.IMAP4("127.0.0.1", self.port("imap")).logout()
                return
            except (OSError, imaplib.IMAP4.error):
                if self._process.poll() is not None:
                    break
                time.sleep(0.02)
        raise RuntimeError("dovecot does not start: see " + self.home)

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)

    def close(self):
        self._mta.close()
        if self._process and self._process.poll() is None:
            self.stop()
        self._holder.close()

    def add_users(self, n, password):
        self._mta.set_users(map(user, range(n)))
        with open(f"{self.home}/users", "w", encoding="ascii") as f:
            for i in range(n):
                f.write(f"{user(i)}:{{PLAIN}}{password}::::::\n")
