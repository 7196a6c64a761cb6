"""System calls and flushes of a server, counted by strace."""
import os
import re
import subprocess

_CALL = re.compile(r"^\d+ +(\w+)\(")
_FLUSHES = {"fsync", "fdatasync", "syncfs", "sync", "sync_file_range", "msync"}
_WRITES = {"write", "writev", "pwrite64", "pwritev", "pwritev2"}
_SYNC_OPEN = re.compile(r"open(?:at)?\(.*\bO_D?SYNC\b.*\) = (\d+)$")
_FIRST_NUMBER = re.compile(r"\((\d+)")


def tree(tops):
    """Those of `tops` and the processes under them."""
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="ascii",
                      errors="replace") as f:
                parent = int(f.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(name))
    found = list(tops)
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_ms(tops):
    """CPU time of the trees, with that of children that have ended and been
    waited for."""
    ticks = 0
    for pid in tree(tops):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii",
                      errors="replace") as f:
                fields = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(int(n) for n in fields[11:15])
    return 1000 * ticks / os.sysconf("SC_CLK_TCK")


def pss_kib(top):
    """Proportional set size of the whole tree."""
    total = 0
    for pid in tree([top]):
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
                for line in f:
                    if line.startswith("Pss:"):
                        total += int(line.split()[1])
        except OSError:
            continue
    return total


class Count:
    """What a trace holds."""

    def __init__(self, path):
        self.calls = 0
        self.flushes = 0
        self.by_name = {}
        sync_fds = set()
        with open(path, encoding="utf-8", errors="replace") as f:
            for line in f:
                opened = _SYNC_OPEN.search(line)
                if opened:
                    sync_fds.add(opened.group(1))
                self._add(line, sync_fds)

    def _add(self, line, sync_fds):
        m = _CALL.match(line)
        if not m:
            return  # resumed calls, signals, exits
        name = m.group(1)
        self.calls += 1
        self.by_name[name] = self.by_name.get(name, 0) + 1
        fd = _FIRST_NUMBER.search(line)
        if name in _FLUSHES or (name in _WRITES and (
                "RWF_DSYNC" in line or "RWF_SYNC" in line
                or (fd and fd.group(1) in sync_fds))):
            self.flushes += 1


def run(tops, path, load):
    """Trace the trees under `tops` while load() runs."""
    pids = tree(tops)
    strace = subprocess.Popen(
        ["strace", "-f", "-s", "0", "-e", "signal=none", "-o", path]
        + [a for pid in pids for a in ("-p", str(pid))],
        stderr=subprocess.PIPE, text=True)
    try:
        attached = set()
        # One "attached" for each process; threads may be told in its line.
        while len(attached) < len(pids):
            line = strace.stderr.readline()
            if not line:
                raise RuntimeError("strace ended at once")
            m = re.search(r"Process (\d+) attached", line)
            if m and int(m.group(1)) in pids:
                attached.add(int(m.group(1)))
        load()
    finally:
        strace.terminate()
        strace.communicate()
    return Count(path)
