"""One dyno's life: boot, run, crash and come back, stop. Each life is one thread and at most one process at a time.

https://devcenter.heroku.com/articles/dynos#dyno-states ; what it logs is worded as Heroku words it.
"""

import shutil
import socket
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from pgcutover.lab.heroku.logs import Logplex
from pgcutover.lab.heroku.pace import Pace
from pgcutover.lab.heroku.programs import Program, listens
from pgcutover.lab.heroku.records import Dyno, DynoState, now

POLL_S = 0.05
# https://devcenter.heroku.com/articles/error-codes#r10-boot-timeout
BIND_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every dyno of one lab finds around it."""

    pace: Pace
    logs: Logplex
    base_environment: Mapping[str, str]
    slug: Path
    """A directory whose content every dyno gets a copy of, as its working directory."""
    scripts: Callable[[str], Mapping[str, str]] = lambda _: MappingProxyType({})
    """What buildpacks add to an app's slug: path to content, by the app's name. assumption L17"""
    room: Path
    """Where those copies are made."""
    run: Path
    """Where pids are recorded, see `processes.record`."""


class Slot(ABC):
    """The thread behind one dyno. `record` is what the API shows of it at this moment."""

    def __init__(self, dyno: Dyno, config: Mapping[str, str], around: Surroundings) -> None:
        self.record = dyno
        self._config = dict(config)
        self._around = around
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._live, name=f"slot {dyno.app} {dyno.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def request_stop(self) -> None:
        """Returns at once; the process gets SIGTERM now and SIGKILL after the grace."""
        self._stopping.set()
        self._wake.set()

    def join(self) -> None:
        self._thread.join()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    def log(self, text: str) -> None:
        self._around.logs.write(self.record.app, self.record.name, text)

    @abstractmethod
    def _live(self) -> None: ...

    def _boot(self) -> bool:
        """Whether the boot came to its end; False when the dyno was told to stop meanwhile."""
        self._enter(DynoState.STARTING)
        return not self._stopping.wait(self._around.pace.boot_s())

    def _enter(self, state: DynoState) -> None:
        before = self.record.state
        if before is not state:
            self.log(f"State changed from {before} to {state}")
        self.record = replace(self.record, state=state, updated_at=now())

    def _spawn(self, directory: Path) -> Program:
        # One wake-up per program: an older one's end must not be taken for this one's.
        self._wake.clear()
        if self._stopping.is_set():
            self._wake.set()
        environment = {
            **self._around.base_environment,
            **self._config,
            "PORT": str(self.record.port or free_port()),
            "DYNO": self.record.name,
            # https://devcenter.heroku.com/articles/dyno-metadata
            "HEROKU_APP_NAME": self.record.app,
            "HOME": str(directory),
            "PWD": str(directory),
        }
        self.log(f"Starting process with command `{self.record.command}`")
        return Program(
            self.record.command,
            environment=environment,
            directory=directory,
            on_line=self._print,
            on_exit=self._wake.set,
            run=self._around.run,
            name=f"dyno-{self.record.app}-{self.record.name}-{self.record.id[:8]}",
        )

    def _print(self, line: str) -> None:
        self._around.logs.write(self.record.app, self.record.name, line, source="app")

    def _unpack(self) -> Path:
        directory = Path(tempfile.mkdtemp(prefix=f"{self.record.name}-", dir=self._around.room))
        shutil.copytree(self._around.slug, directory, dirs_exist_ok=True)
        for name, text in self._around.scripts(self.record.app).items():
            script = directory / name
            script.parent.mkdir(parents=True, exist_ok=True)
            script.write_text(text)
            script.chmod(0o755)
        return directory

    def _end(self, program: Program) -> None:
        if not program.exited.is_set():
            self.log("Stopping all processes with SIGTERM")
        program.end(grace_s=self._around.pace.grace_s)
        self.log(f"Process exited with status {program.status}")


class FormationSlot(Slot):
    """A dyno of the formation: restarted after a crash, with a longer pause each time, until it is stopped."""

    def _live(self) -> None:
        directory = self._unpack()
        try:
            crashes = 0
            while not self.stopping:
                started = time.monotonic()
                if not self._run_once(directory):
                    break
                lasted_s = time.monotonic() - started
                crashes = 1 if lasted_s > 3 * self._around.pace.backoff_s(crashes + 1) else crashes + 1
                self._stopping.wait(self._around.pace.backoff_s(crashes))
            self._enter(DynoState.DOWN)
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _run_once(self, directory: Path) -> bool:
        """Whether it crashed; False when it was stopped."""
        if not self._boot():
            return False
        if self.record.type == "web":
            self.record = replace(self.record, port=free_port())
        program = self._spawn(directory)
        if self._up(program):
            self._enter(DynoState.UP)
        self._wake.wait()
        self._end(program)
        if self.stopping:
            return False
        self._enter(DynoState.CRASHED)
        return True

    def _up(self, program: Program) -> bool:
        """Other types are up when started; web when it listens. False when it ended or was stopped before."""
        port = self.record.port
        if self.record.type != "web" or port is None:
            return True
        deadline = time.monotonic() + BIND_LIMIT_S
        while not self._wake.wait(POLL_S):
            if listens(port):
                return True
            if time.monotonic() > deadline:
                self.log("Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 60 seconds of launch")
                program.end(grace_s=0)
        return False


class OneOffSlot(Slot):
    """A dyno that runs one command to its end: `run.N`, `scheduler.N`, `release.N`."""

    def __init__(
        self,
        dyno: Dyno,
        config: Mapping[str, str],
        around: Surroundings,
        *,
        time_to_live_s: float | None = None,
        on_line: Callable[[str], None] | None = None,
        on_end: Callable[["OneOffSlot"], None] = lambda _: None,
    ) -> None:
        super().__init__(dyno, config, around)
        self.status: int | None = None
        """The exit status; None while it runs, and when it was stopped before its command began."""
        self._time_to_live_s = time_to_live_s
        self._on_line = on_line
        self._on_end = on_end

    def _live(self) -> None:
        directory = self._unpack()
        try:
            if self._boot():
                self._run(directory)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
            self._on_end(self)

    def _run(self, directory: Path) -> None:
        program = self._spawn(directory)
        self._enter(DynoState.UP)
        if not self._wake.wait(self._time_to_live_s):
            self.log("Cycling")
        self._end(program)
        self.status = program.status
        self.log("State changed from up to complete")

    def _print(self, line: str) -> None:
        super()._print(line)
        if self._on_line is not None:
            self._on_line(line)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
