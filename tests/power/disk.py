"""A disk that remembers what was flushed, and what is left of it after a
power cut.

    with Disk(folder, "ext4", programs) as disk:     # made, not yet mounted
        disk.mount(where)
        ...
        number = disk.count           # so much was written and flushed by now
        ...
        disk.umount()
    cutter = Cutter(folder, "ext4")
    cutter.cut(number, random.Random(1), path)

Everything is to run in mount and process namespaces of its own, so that
nothing stays behind however it ends: see run.py.
"""
import ctypes
import mmap
import os
import struct
import subprocess
import time

SIZE = 384 << 20
LEFT_OUT_MAX = 256
WITHOUT = {"message": 1, "journal": 2, "rotation": 4, "snapshot": 8,
           "directory": 16}
FAULTS = {"good": 0, "write": 1, "flush": 2}

# mkfs, its options; mount's options; octets that a sector keeps whole.
# XFS and btrfs trust that a block of theirs is written as a whole, which is
# what disks with sectors of 4 KiB do; ext4 trusts in 512 octets.
FILE_SYSTEMS = {
    "ext4": (["mkfs.ext4", "-q", "-F", "-b", "4096", "-i", "16384",
              "-E", "nodiscard"], "noinit_itable", 512),
    "xfs": (["mkfs.xfs", "-q", "-f", "-K"], "nodiscard", 4096),
    "btrfs": (["mkfs.btrfs", "-q", "-f", "-K"], "nodiscard", 4096),
}


class Control(ctypes.Structure):
    """struct disk_control"""
    _fields_ = [("count", ctypes.c_uint64), ("flushes", ctypes.c_uint64),
                ("fault", ctypes.c_uint32), ("refused", ctypes.c_uint32),
                ("since", ctypes.c_int64), ("pace", ctypes.c_int64),
                ("without", ctypes.c_uint32), ("left_out", ctypes.c_uint32),
                ("left_out_at", ctypes.c_uint64 * LEFT_OUT_MAX)]


def run(*argv):
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL)


def mount(kind, image, where):
    os.makedirs(where, exist_ok=True)
    if kind == "btrfs":
        # It knows its devices by their ids, and takes none older than one
        # that it saw last.
        run("btrfs", "device", "scan", "--forget")
    options = FILE_SYSTEMS[kind][1]
    run("mount", "-t", kind, "-o", f"loop,{options}", image, where)


def umount(where):
    """The kernel may still be closing the files of what was killed."""
    for _ in range(100):
        done = subprocess.run(["umount", where], check=False,
                              capture_output=True, text=True)
        if done.returncode == 0:
            return
        time.sleep(0.05)
    raise OSError(done.stderr)


def copy_sparse(source, target):
    run("cp", "--sparse=always", source, target)


class Shared:
    """The page that the disk, the programs and the test have in common."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "control")
        with open(self.path, "w+b") as f:
            f.truncate(mmap.PAGESIZE)
            self._map = mmap.mmap(f.fileno(), mmap.PAGESIZE)
        self.shared = Control.from_buffer(self._map)
        # The programs under test may be another user's.
        os.chmod(self.path, 0o666)


class Disk:
    def __init__(self, folder, kind, programs):
        self.folder = folder
        self.kind = kind
        self.image = self._path("image")
        self.file = self._path("fuse/disk")
        self._programs = programs
        self._process = None
        self._where = None
        page = Shared(folder)
        self.control, self.control_path = page.shared, page.path

    def _path(self, name):
        return os.path.join(self.folder, name)

    def __enter__(self):
        with open(self.image, "wb") as f:
            f.truncate(SIZE)
        run(*FILE_SYSTEMS[self.kind][0], self.image)
        copy_sparse(self.image, self._path("first"))
        os.makedirs(self._path("fuse"))
        self._process = subprocess.Popen(
            [os.path.join(self._programs, "disk"), self._path("fuse"),
             self.image, self._path("log"), self.control_path],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._process.stdout.readline() == b"ready\n"
        return self

    def __exit__(self, *exc):
        if self._where:
            umount(self._where)
        umount(self._path("fuse"))
        assert self._process.wait(60) == 0

    def mount(self, where):
        mount(self.kind, self.file, where)
        self._where = where
        self._try_flush(where)

    def umount(self):
        umount(self._where)
        self._where = None

    def _try_flush(self, where):
        """What all else relies on: fsync(2) of a file comes down here."""
        before = self.control.flushes
        path = os.path.join(where, "try")
        with open(path, "wb") as f:
            f.write(b"x" * 10000)
            f.flush()
            os.fsync(f.fileno())
        os.unlink(path)
        assert self.control.flushes > before, "flushes do not reach the disk"

    @property
    def count(self):
        return self.control.count

    def fail(self, how):
        self.control.refused = 0
        self.control.fault = FAULTS[how]

    def hurry(self, pace):
        """From now on the programs' clocks go so many times faster."""
        self.control.since = time.time_ns()
        self.control.pace = pace

    def age(self):
        """Days since then, by those clocks."""
        passed = time.time_ns() - self.control.since
        return passed * self.control.pace / 86400e9

    def leave_out(self, what):
        self.control.without = WITHOUT[what] if what else 0

    def left_out(self):
        """What `count` was at each flush that was left out; the last ones."""
        n = self.control.left_out
        return sorted(self.control.left_out_at[i]
                      for i in range(min(n, LEFT_OUT_MAX)))


class Cutter:
    """Images of a disk as power cuts leave them, in the order of the log."""

    ENTRY = struct.Struct("=QII")
    FLUSH = 2

    def __init__(self, folder, kind):
        self.kind = kind
        self._sector = FILE_SYSTEMS[kind][2]
        # As of the last flush before the cut.
        self._image = os.path.join(folder, "flushed")
        copy_sparse(os.path.join(folder, "first"), self._image)
        self._log = open(os.path.join(folder, "log"), "rb")
        self._entries = []      # (offset, length, kind, place in the log)
        self._applied = 0
        self._index()

    def _index(self):
        place = 0
        while head := self._log.read(self.ENTRY.size):
            at, length, kind = self.ENTRY.unpack(head)
            place += self.ENTRY.size
            self._entries.append((at, length, kind, place))
            place += length
            self._log.seek(place)

    def flushes(self):
        """The places right behind the flushes."""
        return [n + 1 for n, e in enumerate(self._entries)
                if e[2] == self.FLUSH]

    def _data(self, entry):
        _, length, _, place = entry
        return os.pread(self._log.fileno(), length, place)

    def cut(self, number, chance, path):
        """The power fails when the disk has done `number` things: what was
        flushed by then is there, and of the rest what chance decides.  No
        number may be smaller than the one before.  Says how it was done."""
        last = max((n for n in range(self._applied, number)
                    if self._entries[n][2] == self.FLUSH),
                   default=self._applied)
        with open(self._image, "r+b") as f:
            for entry in self._entries[self._applied:last]:
                f.seek(entry[0])
                f.write(self._data(entry))
        self._applied = last
        copy_sparse(self._image, path)
        rest = [e for e in self._entries[last:number] if e[2] != self.FLUSH]
        how, kept = self._survivors(rest, chance)
        with open(path, "r+b") as f:
            for at, data in kept:
                f.seek(at)
                f.write(data)
        return f"{how} of {len(rest)} writes"

    def _survivors(self, writes, chance):
        how = chance.choice(("none", "none", "all", "first", "some", "torn"))
        if how == "none":
            return how, []
        if how == "first":
            writes = writes[:chance.randint(0, len(writes))]
        elif how in ("some", "torn"):
            share = chance.choice((0.1, 0.5, 0.9))
            writes = [w for w in writes if chance.random() < share]
        kept = []
        for w in writes:
            data = self._data(w)
            if how == "torn" and chance.random() < 0.5:
                kept += self._torn(w[0], data, chance)
            else:
                kept.append((w[0], data))
        return how, kept

    def _torn(self, at, data, chance):
        return [(at + n, data[n:n + self._sector])
                for n in range(0, len(data), self._sector)
                if chance.random() < 0.5]
