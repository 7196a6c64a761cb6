"""Camel, the engine of Evolution, which keeps its folders by QRESYNC."""
from harness import client, mail

# A program of its own: it lives in one account for as long as it runs.
PROGRAM = r"""
import sys
import gi
gi.require_version("Camel", "1.2")
from gi.repository import Camel

home, port, user, password = sys.argv[1:]
Camel.init(home, True)
Camel.provider_init()


class Session(Camel.Session):
    def do_authenticate_sync(self, service, mechanism, cancellable=None):
        service.authenticate_sync(mechanism, cancellable)
        return True


session = Session(user_data_dir=f"{home}/data",
                  user_cache_dir=f"{home}/cache", online=True)
store = session.add_service("account", "imapx", Camel.ProviderType.STORE)
settings = store.props.settings
settings.props.host, settings.props.port = "localhost", int(port)
settings.props.user, settings.props.auth_mechanism = user, "PLAIN"
settings.props.security_method = Camel.NetworkSecurityMethod.NONE
settings.props.use_qresync = True
settings.props.use_idle = False
store.set_password(password)
store.set_online_sync(True, None)
store.connect_sync(None)
inbox = store.get_folder_sync("INBOX", 0, None)


def look(*wanted):
    inbox.refresh_info_sync(None)
    found = [uid for uid in map(str, range(1, 20))
             if inbox.get_message_info(uid)]
    flagged = [uid for uid in found
               if inbox.get_message_flags(uid) & Camel.MessageFlags.FLAGGED]
    assert (found, flagged) == wanted, (found, flagged)


def step(name):
    print(name, flush=True)
    sys.stdin.readline()


look(["1", "2", "3", "4", "5"], [])
text = inbox.get_message_sync("3", None).get_subject()
assert text == "number 3", text
store.create_folder_sync(None, "Töpfe", None)
pots = store.get_folder_sync("Töpfe", 0, None)
inbox.transfer_messages_to_sync(["1", "2"], pots, False, None)
inbox.transfer_messages_to_sync(["5"], pots, True, None)
inbox.set_message_flags("4", Camel.MessageFlags.FLAGGED,
                        Camel.MessageFlags.FLAGGED)
inbox.synchronize_sync(True, None)
pots.refresh_info_sync(None)
assert pots.get_message_count() == 3, pots.get_message_count()
step("sorted")  # meanwhile another one works on the mailbox
store.disconnect_sync(True, None)
store.connect_sync(None)
look(["1", "3", "4", "6"], ["3"])
store.rename_folder_sync("Töpfe", "Pots", None)
store.delete_folder_sync("Pots", None)
store.disconnect_sync(True, None)
print("all is well")
"""


def test_rfc7162_3_2_5_camel_comes_back(server, account, tmp_path):
    for i in range(1, 6):
        server.deliver(mail.make(f"number {i}"), account)
    with client.Dialog(
            ["/usr/bin/python3", "-W", "ignore", "-c", PROGRAM, str(tmp_path),
             str(server.port("imap")), account.address, account.password],
            env={"CAMEL_DEBUG": "imapx:command"}) as camel:
        camel.wait_for("sorted")
        with server.imap(account) as c:
            c.ok("SELECT INBOX")
            assert c.ok("UID SEARCH FLAGGED").search() == [4]
            c.ok("UID STORE 2 +FLAGS (\\Deleted)")
            c.ok("EXPUNGE")
            c.ok("UID STORE 3 +FLAGS (\\Flagged)")
            c.ok("UID STORE 4 -FLAGS (\\Flagged)")
            assert c.append("INBOX", mail.make("number 6")).ok
        camel.say("go on")
        output = camel.wait_for("all is well")
    assert "(QRESYNC (" in output
    assert "result:NO" not in output and "result:BAD" not in output
