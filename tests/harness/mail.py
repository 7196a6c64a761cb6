"""Messages for tests."""
import email
import email.policy
import re
import secrets

HELLO = b"From: a@example.org\r\nSubject: hello\r\n\r\nbody\r\n"


def make(subject="Test", body="Hello.\r\n", sender="sender@example.net",
         to="someone@example.org", message_id=None):
    """A small message; octets with CRLF line ends."""
    message_id = message_id or f"{secrets.token_hex(8)}@test"
    return (f"From: {sender}\r\nTo: {to}\r\nSubject: {subject}\r\n"
            "Date: Mon, 12 Feb 2024 10:15:00 +0100\r\n"
            f"Message-ID: <{message_id}>\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Transfer-Encoding: 8bit\r\n"
            "\r\n").encode() + body.encode()


def parse(data):
    return email.message_from_bytes(data, policy=email.policy.default)


def message_id(data):
    m = re.search(rb"(?im)^message-id:\s*<([^>]*)>", data)
    return m.group(1).decode() if m else None


def body(data):
    """Everything after the header."""
    return data.partition(b"\r\n\r\n")[2]


def after_trace(data):
    """Without the fields that the way put in front: from From: on."""
    m = re.search(rb"(?m)^From: ", data)
    return data[m.start():] if m else data
