"""Labs for people and tests: bring one up, ask about it, take it down.

A lab belongs to its directory. Only what a lab recorded there is ever ended or removed, by pid and start or by data
directory; a directory that is not a lab's is refused.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pgcutover.errors import ToolError, UsageError
from pgcutover.lab import guardian, handout, ledger, processes, statefile
from pgcutover.lab.clusters import binaries, require_entry
from pgcutover.lab.dataset import HEROKU_MAJOR, SCALE, Size
from pgcutover.lab.layout import WORLDS, LabLayout, World
from pgcutover.lab.statefile import LabState

DAEMON = "daemon"
START_LIMIT_S: dict[Size, float] = {"tiny": 240.0, "small": 240.0, "medium": 600.0}
WHOLE_WORLD_S = 240.0
"""On top, for a second environment and three more apps."""
SLOWEST_BOOT_S = 30.0
END_LIMIT_S = 120.0
"""Dynos may take 30 s to leave, and a server its time to write a checkpoint."""
GUARDIAN_LIMIT_S = 60.0
POLL_S = 0.05
LOG_LINES = 25
EARLIER = "earlier"
KEPT = (".pgcutover", "pgcutover.toml")
"""What a person may have worked on: moved to `earlier/`, never removed, when a new lab takes the directory."""
FOREIGN = ("PG", "AWS_", "HEROKU_", "PGCUTOVER_")
"""Variables that would make the lab's own programs look elsewhere, such as those of another lab."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabInfo:
    """A lab that has just come up."""

    directory: Path
    pid: int
    seconds: float
    urls: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """One PostgreSQL server, named by its directory below the lab's."""

    name: str
    major: int
    port: int
    running: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LabStatus:
    """What of a lab is there."""

    directory: str
    state: LabState
    pid: int | None
    size: str
    speed: float | None
    urls: dict[str, str]
    servers: tuple[ServerStatus, ...]
    processes: dict[str, int]
    """Pids of the children that live, by name."""


def up(
    directory: Path,
    *,
    size: Size = "small",
    speed: float = 10.0,
    seed: int = 1,
    rds_major: int = 18,
    world: World = "single",
    limit_s: float | None = None,
) -> LabInfo:
    """Start a lab; returns when its application serves users.

    A directory where a lab ran before gets a new one: what the old one's servers held is removed, what a person may
    have worked on is moved to `earlier/`. `rds_major` is what the config asks RDS for in production; `heroku.acme`
    tells what each `world` holds. Without a limit, a generous one for size and world.

    Raises:
        UsageError: the directory is somebody else's, a lab runs there, or the machine lacks something.
        ToolError: it did not come up; nothing of it is left running.
    """
    began, layout = time.monotonic(), LabLayout(directory.resolve())
    if size not in SCALE or speed <= 0:
        raise UsageError(
            f"no lab of size {size} and speed {speed:g}", hint=f"Sizes: {', '.join(SCALE)}; speed above 0."
        )
    if world not in WORLDS:
        raise UsageError(f"no world called {world}", hint=f"Worlds: {', '.join(WORLDS)}.")
    for major in (HEROKU_MAJOR, rds_major):
        require_entry(binaries(major))
    with _alone(layout):
        _take(layout)
        statefile.write(layout, LabState.STARTING)
        asked = {"size": size, "speed": speed, "seed": seed, "rds-major": rds_major, "world": world}
        pid = _spawn(layout, asked)
        processes.record(layout.directory, DAEMON, pid)
    try:
        generous_s = START_LIMIT_S[size] + SLOWEST_BOOT_S / speed + (WHOLE_WORLD_S if world == "whole" else 0)
        facts = _await_ready(layout, pid, limit_s=limit_s or generous_s)
    except BaseException:
        down(layout.directory)
        raise
    return LabInfo(directory=layout.directory, pid=pid, seconds=time.monotonic() - began, urls=facts["urls"])


def down(directory: Path) -> None:
    """Stop a lab; afterwards none of its processes and ports is left. A lab that is down already is not an error.

    Raises:
        UsageError: no lab was ever there.
        ToolError: something of it still runs.
    """
    layout = LabLayout(directory.resolve())
    facts = _facts(layout)
    _end(layout)
    left = _left(layout, facts)
    if left:
        raise ToolError(f"the lab in {layout.directory} did not end: {', '.join(left)}")
    statefile.write(layout, LabState.STOPPED, **{key: facts[key] for key in facts if key not in ("version", "state")})


def status(directory: Path) -> LabStatus:
    """Raises UsageError: no lab was ever there."""
    layout = LabLayout(directory.resolve())
    facts = _facts(layout)
    daemon = processes.read(layout.daemon_pid)
    state = LabState(facts["state"])
    if daemon is None and state in (LabState.STARTING, LabState.READY):
        state = LabState.BROKEN
    return LabStatus(
        directory=str(layout.directory),
        state=state,
        pid=None if daemon is None else daemon.pid,
        size=facts.get("size", ""),
        speed=facts.get("speed"),
        urls=facts.get("urls", {}) if state is LabState.READY else {},
        servers=tuple(
            ServerStatus(
                name=str(cluster.directory.relative_to(layout.directory)),
                major=cluster.major,
                port=cluster.port,
                running=cluster.running,
            )
            for cluster in guardian.clusters(layout.directory)
        ),
        processes={name: living.pid for name, living in processes.recorded(layout.run).items()},
    )


def check(directory: Path) -> dict[str, Any]:
    """The ledger's verdict, see `ledger.check`."""
    return ledger.check(LabLayout(directory.resolve()))


def environment(directory: Path) -> dict[str, str]:
    """What lab.env exports."""
    return handout.read_environment(LabLayout(directory.resolve()))


def _facts(layout: LabLayout) -> dict[str, Any]:
    facts = statefile.read(layout)
    if facts is None:
        raise UsageError(
            f"no lab in {layout.directory}", hint="Name the directory that `pgcutover lab up --dir` was given."
        )
    return facts


@contextlib.contextmanager
def _alone(layout: LabLayout) -> Iterator[None]:
    """Keep a second `up` out while this one decides; the kernel lets go when we die."""
    directory = layout.directory
    if directory.exists() and not directory.is_dir():
        raise UsageError(f"{directory} is not a directory", hint="Give an empty or a new directory.")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError as cause:
        raise UsageError(f"{directory} cannot be used: {cause.strerror}", hint="Give another directory.") from cause
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as cause:
        raise UsageError(f"another lab is being started in {directory}", hint="Wait for it.") from cause
    finally:
        os.close(descriptor)


def _take(layout: LabLayout) -> None:
    """Make the directory an empty lab's."""
    directory = layout.directory
    if statefile.read(layout) is None and any(directory.iterdir()):
        raise UsageError(f"{directory} is not empty and not a lab", hint="Give an empty or a new directory.")
    if processes.read(layout.daemon_pid) is not None:
        raise UsageError(f"a lab runs in {directory}", hint="Stop it with `pgcutover lab down`, or use another one.")
    directory.chmod(0o711)
    require_entry(directory)
    guardian.sweep(directory)
    _put_away(layout)
    for path in layout.directories:
        path.mkdir(mode=0o711 if path in (layout.heroku, layout.rds) else 0o700)


def _put_away(layout: LabLayout) -> None:
    """Remove what an earlier lab left, and move aside what a person may have worked on."""
    kept = [layout.directory / name for name in KEPT if (layout.directory / name).exists()]
    if kept:
        aside = layout.directory / EARLIER / time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        aside.mkdir(parents=True, exist_ok=True)
        for path in kept:
            path.rename(aside / path.name)
    for path in layout.directories:
        shutil.rmtree(path, ignore_errors=True)
    for path in (layout.environment, layout.daemon_pid):
        path.unlink(missing_ok=True)


def _spawn(layout: LabLayout, asked: Mapping[str, object]) -> int:
    """The daemon's pid. It is a session of its own, so that no terminal's Ctrl-C or hang-up reaches it."""
    options = {"dir": layout.directory, **asked}
    command = [sys.executable, "-m", "pgcutover.lab.daemon", *(f"--{name}={value}" for name, value in options.items())]
    log = str(layout.daemon_log)
    return os.posix_spawn(
        sys.executable,
        command,
        {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def _await_ready(layout: LabLayout, pid: int, *, limit_s: float) -> dict[str, Any]:
    deadline = time.monotonic() + limit_s
    while (facts := _facts(layout))["state"] != LabState.READY:
        if processes.process(pid) is None:
            raise ToolError(f"the lab did not start:\n{_tail(layout)}", hint=f"The whole log: {layout.daemon_log}.")
        if time.monotonic() > deadline:
            raise ToolError(
                f"the lab was not ready after {limit_s:.0f} s:\n{_tail(layout)}",
                hint=f"The whole log: {layout.daemon_log}.",
            )
        time.sleep(POLL_S)
    return facts


def _tail(layout: LabLayout) -> str:
    try:
        lines = layout.daemon_log.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return "(it wrote no log)"
    return "\n".join(lines[-LOG_LINES:])


def _end(layout: LabLayout) -> None:
    daemon = processes.read(layout.daemon_pid)
    if daemon is not None:
        processes.send(daemon, signal.SIGTERM)
        if not processes.wait_gone([daemon], limit_s=END_LIMIT_S):
            processes.send(daemon, signal.SIGKILL)
            processes.wait_gone([daemon], limit_s=END_LIMIT_S)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(daemon.pid, os.WNOHANG)
    watcher = processes.recorded(layout.run).get(guardian.NAME)
    if watcher is not None:
        # The daemon is dead, so it is sweeping at this moment.
        processes.wait_gone([watcher], limit_s=GUARDIAN_LIMIT_S)
        processes.end([watcher], grace_s=0)
    guardian.sweep(layout.directory)
    for path in (layout.daemon_pid, *layout.run.glob("*.pid")):
        path.unlink(missing_ok=True)


def _left(layout: LabLayout, facts: dict[str, Any]) -> list[str]:
    """What still runs, in words."""
    ports = {**facts.get("ports", {})}
    ports |= {name: urlsplit(url).port for name, url in facts.get("urls", {}).items()}
    living = [f"process {name} ({one.pid})" for name, one in processes.recorded(layout.run).items()]
    servers = [f"server {one.directory}" for one in guardian.clusters(layout.directory) if one.running]
    return [*living, *servers, *(f"port {port} ({name})" for name, port in ports.items() if _answers(port))]


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
