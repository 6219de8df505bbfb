"""The operating system's side of a dyno: one process group, its output line by line, its end.

Nothing of a dyno survives it: when its first process ends, the rest of its group is killed. The thread that starts a
process lives until the process is gone, for the kernel kills the child of a thread that ends (see `launch`).
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from pgcutover.lab import processes
from pgcutover.lab.heroku import launch

LONGEST_LINE_CHARACTERS = 10_000
"""https://devcenter.heroku.com/articles/logging#log-message-limits : longer lines are cut."""


class Program:
    """A running command. `exited` is set once it is gone and every line it printed was handed over."""

    def __init__(
        self,
        command: str,
        *,
        environment: Mapping[str, str],
        directory: Path,
        on_line: Callable[[str], None],
        on_exit: Callable[[], None],
        run: Path,
        name: str,
    ) -> None:
        """`run` and `name`: where the pid is recorded while it lives, see `processes.record`."""
        self.exited = threading.Event()
        self.status: int | None = None
        """As a shell says it: the exit code, or 128 plus the signal's number."""
        self._started = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: OSError | None = None
        self._command, self._environment, self._directory = command, environment, directory
        self._on_line, self._on_exit = on_line, on_exit
        self._run, self._name = run, name
        self._life = threading.Thread(target=self._live, name=f"dyno {name}", daemon=True)
        self._life.start()
        self._started.wait()
        if self._failure is not None:
            raise self._failure

    @property
    def pid(self) -> int:
        return 0 if self._process is None else self._process.pid

    def signal(self, number: int) -> None:
        """To the whole group. A group that is gone is not an error."""
        process = self._process
        if process is None or self.exited.is_set():
            return
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return

    def end(self, *, grace_s: float) -> None:
        """SIGTERM, and SIGKILL after the grace; returns when it is gone."""
        self.signal(signal.SIGTERM)
        if not self.exited.wait(grace_s):
            self.signal(signal.SIGKILL)
        self.exited.wait()
        self._life.join()

    def _live(self) -> None:
        try:
            process = self._start()
        except OSError as failure:
            self._failure = failure
            self.exited.set()
            return
        finally:
            self._started.set()
        reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        reader.start()
        # Not reaped yet: until the group is killed the pid, which is also the group's, cannot be given to anybody else.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        self.signal(signal.SIGKILL)
        code = process.wait()
        reader.join()
        self.status = code if code >= 0 else 128 - code
        processes.forget(self._run, self._name)
        self.exited.set()
        self._on_exit()

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), self._command],
            cwd=self._directory,
            env=dict(self._environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        self._process = process
        processes.record(self._run, self._name, process.pid)
        return process

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout as output:
            for line in output:
                self._on_line(line.decode(errors="replace").rstrip("\r\n")[:LONGEST_LINE_CHARACTERS])


def listens(port: int) -> bool:
    """Whether somebody accepts connections on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
