"""Make system calls of one program fail (tests/fault/preload.h)."""
import ctypes
import mmap
import os

MODES = {"error": 0, "full": 1, "short": 2, "again": 3}


class Control(ctypes.Structure):
    _fields_ = [("armed", ctypes.c_uint32), ("mode", ctypes.c_uint32),
                ("first", ctypes.c_uint64), ("times", ctypes.c_uint64),
                ("count", ctypes.c_uint64), ("met", ctypes.c_uint64),
                ("name", ctypes.c_char * 32)]


class Injector:
    """What is to fail in `program`, once it runs with `env`."""

    def __init__(self, build, folder, program):
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, program)
        with open(path, "w+b") as f:
            f.truncate(mmap.PAGESIZE)
            self._map = mmap.mmap(f.fileno(), mmap.PAGESIZE)
        self.control = Control.from_buffer(self._map)
        self.env = {"LD_PRELOAD": os.path.join(build, "tests/fault/preload.so"),
                    "FAULT_DIR": str(folder)}

    def arm(self, mode, first, times=1):
        """The call number `first` from now on fails; 0: none, but count."""
        c = self.control
        c.armed = 0
        c.mode = MODES[mode]
        c.first, c.times = (first, times) if first else (1 << 60, 0)
        c.count = c.met = 0
        c.name = b""
        c.armed = 1

    def disarm(self):
        """How many calls were counted, and how many have failed."""
        self.control.armed = 0
        return self.control.count, self.control.met

    @property
    def name(self):
        return self.control.name.decode()
