"""Processes of a lab, by pid and never by name: recorded when started, ended when the lab ends.

A recorded pid carries the moment its process started (in clock ticks since boot) and its session, so that a pid which
the system gave to somebody else meanwhile is recognised and left alone. Linux only, as the whole lab: everything is
read from /proc.
"""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
POLL_S = 0.02
STATE, PARENT, GROUP, SESSION, STARTED = 0, 1, 2, 3, 19
"""Where `_stat` has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process that cannot be mistaken for a later one of the same pid."""

    pid: int
    started_ticks: int

    @property
    def alive(self) -> bool:
        return started_ticks(self.pid) == self.started_ticks


def started_ticks(pid: int) -> int | None:
    """When the process started; None when there is none, or only its unread exit code (a zombie)."""
    fields = _stat(pid)
    return None if fields is None or fields[STATE] in ("Z", "X") else int(fields[STARTED])


def _stat(pid: int) -> list[str] | None:
    """Fields 3 and up of /proc/PID/stat: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html"""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # Field 2 is the command in parentheses and may itself hold spaces and parentheses.
    return text[text.rindex(")") + 2 :].split()


def process(pid: int) -> Process | None:
    """The living process of this pid."""
    ticks = started_ticks(pid)
    return None if ticks is None else Process(pid=pid, started_ticks=ticks)


def children(pid: int) -> tuple[Process, ...]:
    """The living direct children of a process."""
    return _matching(lambda fields: int(fields[PARENT]) == pid)


def _matching(wanted: Callable[[list[str]], bool]) -> tuple[Process, ...]:
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    found = ((pid, _stat(pid)) for pid in pids)
    living = (process(pid) for pid, fields in found if fields is not None and wanted(fields))
    return tuple(one for one in living if one is not None)


def record(run: Path, name: str, pid: int) -> Path:
    """Write `run/<name>.pid` for a child just started; whoever cleans up after a dead daemon reads it."""
    path = run / f"{name}.pid"
    fresh = path.with_suffix(f".{os.getpid()}.new")
    fields = _stat(pid)
    ticks, session = ("0", "0") if fields is None else (fields[STARTED], fields[SESSION])
    fresh.write_text(f"{pid} {ticks} {session}\n")
    fresh.replace(path)
    return path


def read(path: Path) -> Process | None:
    """The living process that a pid file names; None when the file is absent, half-written or stale."""
    words = _words(path)
    named = None if words is None else Process(pid=words[0], started_ticks=words[1])
    return named if named is not None and named.alive else None


def _words(path: Path) -> tuple[int, int, int] | None:
    """Pid, start and session."""
    try:
        pid, ticks, session = (int(word) for word in path.read_text().split())
    except (FileNotFoundError, ValueError):
        return None
    return pid, ticks, session


def forget(run: Path, name: str) -> None:
    (run / f"{name}.pid").unlink(missing_ok=True)


def recorded(run: Path) -> dict[str, Process]:
    """Every recorded process that still lives, by name."""
    found = {path.stem: read(path) for path in sorted(run.glob("*.pid"))}
    return {name: living for name, living in found.items() if living is not None}


def orphans(run: Path) -> tuple[Process, ...]:
    """Living members of the groups that recorded processes led before they died.

    Death of the parent kills a leader (`die_with_parent`), but not the rest of its group. While a group has members,
    the kernel gives its number to no new process; the session tells it from an even later group of that number.
    """
    files = (_words(path) for path in run.glob("*.pid"))
    wanted = {(pid, session) for pid, _, session in filter(None, files) if started_ticks(pid) is None}
    return _matching(lambda fields: (int(fields[GROUP]), int(fields[SESSION])) in wanted)


def send(target: Process, signal_number: int, *, group: bool = False) -> None:
    """Send a signal, to the whole group when the process leads one; a process already gone is not an error."""
    if not target.alive:
        return
    with contextlib.suppress(ProcessLookupError):
        if group and os.getpgid(target.pid) == target.pid:
            os.killpg(target.pid, signal_number)
        else:
            os.kill(target.pid, signal_number)


def end(targets: Iterable[Process], *, grace_s: float, group: bool = True) -> None:
    """SIGTERM to each, SIGKILL to those that are still there after the grace; returns when all are gone."""
    wanted = tuple(targets)
    for target in wanted:
        send(target, signal.SIGTERM, group=group)
    if not wait_gone(wanted, limit_s=grace_s):
        for target in wanted:
            send(target, signal.SIGKILL, group=group)
        wait_gone(wanted, limit_s=grace_s)


def wait_gone(targets: Iterable[Process], *, limit_s: float) -> bool:
    """Whether all of them were gone within the limit."""
    wanted, deadline = tuple(targets), time.monotonic() + limit_s
    while any(target.alive for target in wanted):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def die_with_parent() -> None:
    """For `Popen(preexec_fn=…)`: the kernel kills the child when the THREAD that started it ends.

    So it suits only children started from a thread that lives as long as they should (the main one).
    https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
