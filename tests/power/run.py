#!/usr/bin/python3
"""A server under load on a disk that forgets what was not flushed.

usage: run.py [--fs ext4|xfs|btrfs] [--seed N] [--work N] [--days N]
              [--cuts N] [--seconds N] [--without FLUSH | --fail write|flush]
              [--build DIR] [--keep]
       run.py --again FOLDER --at N [--build DIR]

Records what a server writes while clients work, then lets the power fail at
many places of that record, mounts what is left, starts the server on it and
holds it against what the clients were told.  docs/power.md tells all.
--keep keeps the record, for --again.

Exit status: 0, 1 if something was lost, 77 if this machine cannot do it, which
is said in one line.
"""
import argparse
import os
import pickle
import random
import re
import shutil
import sys
import tempfile
import time
import uuid
from subprocess import CalledProcessError

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from harness.ledger import Broken  # noqa: E402
from harness.postroom import (BUILD, PROGRAMS, Postroom,  # noqa: E402
                              ServerError)
from harness.wire import Closed  # noqa: E402
from power import disk as disks  # noqa: E402
from power.check import check  # noqa: E402
from power.clients import PowerLoad  # noqa: E402

BOOT_ID = "/proc/sys/kernel/random/boot_id"
MEMORY = "4g"   # at most, for a record and images
PACE = 86400    # a day takes a second
ROUND = 8       # cuts in the order of the log before it is begun again
CAP_SYS_ADMIN = 21
SETTINGS = {
    "process.restart_min": "1ms", "process.restart_max": "1ms",
    # Rotations, snapshots and collections all the time.
    "store.segment": "64K", "store.checkpoint": "4K", "store.retention": "1d",
    "auth.iterations": "4096"}


def missing(args):
    """What this machine lacks for it, or None."""
    if os.geteuid() != 0:
        return "it takes root"
    with open("/proc/self/status", encoding="ascii") as f:
        caps = next(int(line.split()[1], 16) for line in f
                    if line.startswith("CapEff"))
    if not caps >> CAP_SYS_ADMIN & 1:
        return "it takes the right to mount"
    for device in ("/dev/fuse", "/dev/loop-control"):
        if not os.path.exists(device):
            return f"there is no {device}"
    with open("/proc/filesystems", encoding="ascii") as f:
        if args.fs not in f.read().split():
            return f"the kernel has no {args.fs}"
    if not shutil.which(f"mkfs.{args.fs}"):
        return f"there is no mkfs.{args.fs}"
    if not os.path.exists(os.path.join(args.build, "tests/power/disk")):
        return "it was built without libfuse"
    return None


def enter(argv):
    """Everything that is mounted or started goes when this process does."""
    os.environ["POWER_INSIDE"] = "1"
    os.execvp("unshare", ["unshare", "--mount", "--pid", "--fork",
                          "--kill-child", "--mount-proc", sys.executable,
                          *argv])


class Machine:
    """Has a disk, or what is left of one; each start is another boot."""

    def __init__(self, folder, control):
        self.mounted = os.path.join(folder, "mnt")
        self._boot_id = os.path.join(folder, "boot_id")
        self._control = control
        self._boot()
        disks.run("mount", "--bind", self._boot_id, BOOT_ID)

    def _boot(self):
        with open(self._boot_id, "w", encoding="ascii") as f:
            f.write(f"{uuid.uuid4()}\n")

    def server(self, build):
        self._boot()
        return Postroom(
            os.path.join(self.mounted, "home"), SETTINGS, build,
            {"LD_PRELOAD": os.path.join(build, "tests/power/preload.so"),
             "POWER_CONTROL": self._control})


def stop_hard(server):
    """As the power does.  Its connections end with it."""
    if server.process:
        server.kill_all()
    trouble = server.trouble()
    server.close()
    if trouble:
        raise Broken(trouble)


def disturb(server, chance):
    """Kill one program, or all."""
    if chance.random() < 0.3:
        server.kill_all()
        server.start()
        return
    name = chance.choice(PROGRAMS)
    mark = server.log.mark()
    server.kill(name)
    server.log.wait_for(f"program.ready program={name} ", mark)


def record(args, disk, machine, chance):
    """A server under load: the ledger, the accounts, and between which
    numbers of the disk they worked."""
    server = machine.server(args.build)
    server.start()
    try:
        load = PowerLoad(server, disk)
        begin = disk.count
        disk.leave_out(args.without)
        with load:
            while load.ledger.acks < args.work or disk.age() < args.days:
                load.wait(chance.randint(50, 300))
                if not args.without and not args.fail:
                    disturb(server, chance)
            shown = None
            if args.fail:
                begin = disk.count
                shown = break_down(args, disk, load, chance)
            end = disk.count
    finally:
        stop_hard(server)
    for event, n in warnings(server).items():
        print(f"{n} times: {event}", flush=True)
    return load.ledger, load.accounts, begin, end, shown


def break_down(args, disk, load, chance):
    """The disk refuses for a moment, and then serves again as if nothing had
    been.  How much stands in the ledger that was shown before."""
    load.bear()
    shown = len(load.ledger.notes)
    disk.fail(args.fail)
    until = time.monotonic() + chance.choice((0.05, 0.3, 1))
    while time.monotonic() < until or disk.control.refused == 0:
        time.sleep(0.01)
    disk.fail("good")
    # What is acknowledged now, if anything is, must be true.
    time.sleep(1)
    return shown


def warnings(server):
    """The names of the events that were logged as warnings or errors, with
    how many there were."""
    found = {}
    for log in server.logs:
        for m in re.finditer(r"\] (warn|error) ([a-z_.]+)", log.text()):
            found[m.group(2)] = found.get(m.group(2), 0) + 1
    return found


def places(args, notes, flushes, left_out, begin, end, chance):
    """Where the power fails, for one round: mostly right behind an answer,
    else right behind a flush, or anywhere."""
    answered = [n for n in notes.answered() if begin <= n <= end]
    flushes = [n for n in flushes if begin <= n <= end]
    chosen = []
    if args.without:
        # Where one was left out, and behind the next that was not.
        chosen = chance.sample(left_out, min(len(left_out), ROUND // 2))
        chosen += [next((n for n in flushes if n > at), end) for at in chosen]
    while len(chosen) < ROUND:
        x = chance.random()
        chosen.append(
            chance.choice(answered) + chance.choice((0, 0, 0, 1, 2, 5))
            if x < 0.7 else chance.choice(flushes) + chance.choice((0, 1, 3))
            if x < 0.9 else chance.randint(begin, end))
    return sorted(min(n, end) for n in chosen)


def judge(args, machine, kind, image, ledger, accounts, may_resume):
    disks.mount(kind, image, machine.mounted)
    try:
        server = machine.server(args.build)
        try:
            server.start()
            return check(server, ledger, accounts, may_resume)
        finally:
            stop_hard(server)
    finally:
        disks.umount(machine.mounted)


def experiment(args, folder):
    chance = random.Random(args.seed)
    began = time.monotonic()
    with disks.Disk(folder, args.fs,
                    os.path.join(args.build, "tests/power")) as disk:
        machine = Machine(folder, disk.control_path)
        disk.mount(machine.mounted)
        disk.hurry(PACE)
        ledger, accounts, begin, end, shown = record(args, disk, machine,
                                                     chance)
        disk.leave_out(None)
        disk.umount()
    print(f"{args.fs} seed {args.seed}: {ledger.acks} answers, {end} writes "
          f"and flushes, {time.monotonic() - began:.0f} s", flush=True)
    if args.keep:
        keep(folder, disk, ledger.notes, accounts)
    until = time.monotonic() + (args.seconds or 1e9)
    flushes = disks.Cutter(folder, args.fs).flushes()
    left_out = [n for n in disk.left_out() if begin <= n < end]
    if args.without and not left_out:
        raise Broken("no flush was left out")
    done = lost = 0
    while done < args.cuts and time.monotonic() < until \
            and not (lost and args.without):
        chosen = places(args, ledger.notes, flushes, left_out, begin, end,
                        chance)
        lost += judge_all(args, machine, disks.Cutter(folder, args.fs),
                          chosen, ledger.notes, accounts, chance, until,
                          shown)
        done += len(chosen)
    print(f"{args.fs} seed {args.seed}: {lost} cuts lost something",
          flush=True)
    return lost


def judge_all(args, machine, cutter, chosen, notes, accounts, chance, until,
              shown=None):
    """How many cuts lost something."""
    image = machine.mounted + ".image"
    lost = 0
    for number in chosen:
        if time.monotonic() > until:
            break
        how = cutter.cut(number, chance, image)
        began = time.monotonic()
        try:
            total = judge(args, machine, cutter.kind, image,
                          notes.at(number, shown), accounts,
                          shown is not None)
            print(f"cut at {number}, {how}: {total} messages stand, "
                  f"{time.monotonic() - began:.1f} s", flush=True)
        except (Broken, ServerError, Closed, AssertionError, OSError,
                CalledProcessError) as e:
            lost += 1
            print(f"cut at {number}, {how}: {type(e).__name__}: {e}")
            for key in set(re.findall(r"[0-9a-f]{16}@ledger", str(e))):
                for note in notes.about(key):
                    print("  ", *note)
            sys.stdout.flush()
            if args.without:
                break
    return lost


def keep(folder, disk, notes, accounts):
    with open(os.path.join(folder, "ledger"), "wb") as f:
        pickle.dump((disk.kind, disk.control.since, notes, accounts), f)


def again(args):
    """One cut of a record that was kept."""
    with open(os.path.join(args.again, "ledger"), "rb") as f:
        kind, since, notes, accounts = pickle.load(f)
    control = disks.Shared(args.again)
    control.shared.since, control.shared.pace = since, PACE
    machine = Machine(args.again, control.path)
    cutter = disks.Cutter(args.again, kind)
    return judge_all(args, machine, cutter, [args.at], notes, accounts,
                     random.Random(args.seed), float("inf"))


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fs", default="ext4", choices=disks.FILE_SYSTEMS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=int, default=600,
                        help="answers to wait for")
    parser.add_argument("--days", type=int, default=5,
                        help="how long by the servers' clocks, at least")
    parser.add_argument("--cuts", type=int, default=16)
    parser.add_argument("--seconds", type=int,
                        help="begin no cut when so many have passed")
    parser.add_argument("--without", choices=disks.WITHOUT)
    parser.add_argument("--fail", choices=("write", "flush"))
    parser.add_argument("--build", default=BUILD)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--again", metavar="FOLDER")
    parser.add_argument("--at", type=int)
    return parser.parse_args()


def main():
    args = options()
    why = missing(args)
    if why:
        print(f"power: passed over: {why}")
        return 77
    if "POWER_INSIDE" not in os.environ:
        enter(sys.argv)
    if args.again:
        return 1 if again(args) else 0
    folder = tempfile.mkdtemp(prefix="power-")
    if args.keep:
        lost = experiment(args, folder)
        print(f"kept: {folder}")
        return 1 if lost else 0
    # In memory, and gone with us.
    disks.run("mount", "-t", "tmpfs", "-o", f"size={MEMORY}", "power", folder)
    try:
        return 1 if experiment(args, folder) else 0
    finally:
        disks.run("umount", "--lazy", folder)
        os.rmdir(folder)


if __name__ == "__main__":
    sys.exit(main())
