"""Port offsets that no two servers under test share.

All offsets are multiples of STEP.  No two of our standard ports differ by a
multiple of STEP, so servers with different offsets never meet, and one bound
socket (port offset + 1, used by no protocol of ours) reserves an offset until
its process ends, however it ends.
"""
import os
import socket

STANDARD = {"lmtp": 24, "smtp": 25, "web": 80, "pop3": 110, "imap": 143,
            "webs": 443, "submissions": 465, "submission": 587, "imaps": 993,
            "pop3s": 995, "sieve": 4190}
STEP = 27
# Below the kernel's own choice of client ports.
RANGE = os.environ.get("POSTROOM_PORT_OFFSETS", "10000-27000")


def _is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def reserve():
    """An offset and the socket that holds it."""
    low, high = (int(n) for n in RANGE.split("-"))
    first = -(-low // STEP) * STEP
    count = (high - first) // STEP + 1
    for i in range(count):
        offset = first + (os.getpid() + i) % count * STEP
        holder = socket.socket()
        try:
            holder.bind(("127.0.0.1", offset + 1))
        except OSError:
            holder.close()
            continue
        if all(_is_free(offset + p) for p in STANDARD.values()):
            return offset, holder
        holder.close()
    raise RuntimeError(f"no free port offset in {RANGE}")
