"""The power fails: what was acknowledged is there on the disk.

Each test is a run of run.py, which says what it does.  POWER_SECONDS is for
how long each of them cuts, POWER_RUNS how many of each file system there are;
the seeds begin with POWER_FIRST.
"""
import os
import subprocess
import sys

import pytest

from harness.postroom import BUILD, ROOT

SECONDS = os.environ.get("POWER_SECONDS", "10")
RUNS = int(os.environ.get("POWER_RUNS", "1"))
FIRST = int(os.environ.get("POWER_FIRST", "1"))
LIMIT = 300 + 2 * int(SECONDS)


def run(*args):
    done = subprocess.run(
        [sys.executable, os.path.join(ROOT, "tests/power/run.py"),
         "--build", BUILD, "--seconds", SECONDS, "--cuts", "1000000", *args],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=LIMIT, check=False)
    print(done.stdout)
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    return done


@pytest.mark.parametrize("seed", range(FIRST, FIRST + RUNS))
@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_what_was_acknowledged_is_there(kind, seed):
    done = run("--fs", kind, "--seed", str(seed))
    assert done.returncode == 0, done.stdout


# A soak has all of them.  What of btrfs is not here: docs/power.md.
FAILURES = [("ext4", "write"), ("xfs", "flush"),
            ("ext4", "flush"), ("xfs", "write"), ("btrfs", "flush")]


@pytest.mark.parametrize("seed", range(FIRST, FIRST + RUNS))
@pytest.mark.parametrize("kind, call", FAILURES if RUNS > 1 else FAILURES[:2])
def test_nothing_is_acknowledged_falsely_when_the_disk_fails(kind, call, seed):
    done = run("--fs", kind, "--fail", call, "--seed", str(seed),
               "--days", "1")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("flush", ["message", "journal", "rotation",
                                   "snapshot", "directory"])
def test_a_flush_left_out_is_noticed(flush):
    done = run("--without", flush)
    assert done.returncode == 1 and "1 cuts lost" in done.stdout, done.stdout
