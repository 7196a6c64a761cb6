"""Run other people's clients."""
import os
import pty
import select
import subprocess
import threading
import time

TIMEOUT = float(os.environ.get("POSTROOM_TIMEOUT", "20")) * 3


class Result:
    def __init__(self, argv, status, output):
        self.argv = argv
        self.status = status
        self.output = output

    def __repr__(self):
        return (f"{' '.join(map(str, self.argv))}: status {self.status}\n"
                f"{self.output}")


def run(argv, stdin="", env=None, cwd=None, want=0):
    """Run to the end; its output is both streams.  `want` is the status that
    it must have, or None for any."""
    done = subprocess.run(
        argv, input=stdin.encode() if isinstance(stdin, str) else stdin,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=cwd,
        env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
        timeout=TIMEOUT, check=False)
    result = Result(argv, done.returncode, done.stdout.decode("utf-8",
                                                              "replace"))
    assert want is None or result.status == want, result
    return result


def run_on_terminal(argv, env=None, cwd=None, want=0):
    """The same for a program that wants a terminal, to which nobody types."""
    pid, master = pty.fork()
    if pid == 0:
        if cwd:
            os.chdir(cwd)
        os.environ.update({"TERM": "xterm", "LC_ALL": "C.UTF-8",
                           **(env or {})})
        os.execvp(argv[0], argv)
    output = b""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        if not select.select([master], [], [], 1)[0]:
            continue
        try:
            data = os.read(master, 1 << 16)
        except OSError:
            break  # the other end is closed
        if not data:
            break
        output += data
    else:
        os.kill(pid, 9)
    os.close(master)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    result = Result(argv, status, output.decode("utf-8", "replace"))
    assert want is None or status == want, result
    return result


class Dialog:
    """A program that is talked to; its output is both streams."""

    def __init__(self, argv, env=None):
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
            env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})})
        # Whoever waits for more is woken by the end of the output.
        self.limit = threading.Timer(TIMEOUT, self.process.kill)
        self.output = ""

    def __enter__(self):
        self.limit.start()
        return self

    def __exit__(self, *exc):
        self.limit.cancel()
        self.process.kill()
        self.process.communicate()

    def wait_for(self, line):
        """All that it said up to this line."""
        for said in self.process.stdout:
            self.output += said
            if said.rstrip("\n") == line:
                return self.output
        raise AssertionError(f"it never said {line!r}:\n{self.output}")

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
