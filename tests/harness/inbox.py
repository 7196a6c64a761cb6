"""What stands in an account's INBOX, by POP3."""


def messages(server, account):
    """The octets of each message, oldest first."""
    with server.pop3(account) as c:
        count = int(c.ok("STAT").split()[0])
        found = [c.retr(n + 1) for n in range(count)]
        c.ok("QUIT")
    return found


def one(server, account):
    found = messages(server, account)
    assert len(found) == 1, f"{len(found)} messages"
    return found[0]


def header(message):
    return message.partition(b"\r\n\r\n")[0] + b"\r\n"


def unfolded(message, name):
    """The bodies of all fields called `name`, unfolded."""
    found = []
    for line in header(message).replace(b"\r\n\t", b" ").replace(
            b"\r\n ", b" ").split(b"\r\n"):
        field, colon, text = line.partition(b":")
        if colon and field.lower() == name.lower().encode():
            found.append(text.strip().decode())
    return found
