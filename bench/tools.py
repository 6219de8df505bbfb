"""The programs that are timed: ours, pg_dump with pg_restore, pgcopydb. A run is one whole command, start to exit."""

import ctypes
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.shapes import Shape
from bench.world import Pair, cpu_s, programs

SAMPLE_S = 0.1
PATIENCE_S = 5.0
SORTING = {"PGOPTIONS": "-c maintenance_work_mem=32MB"}
"""With the server's own 128 MB sorts take longer. Nothing else of what ours asks of its sessions is given to others."""
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One program with one set of options; `commands` are run one after the other in an empty directory."""

    name: str
    commands: Callable[[Pair, Shape, Path], list[list[str]]]
    environment: Callable[[Pair, Shape], dict[str, str]] = lambda _pair, _shape: {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: seconds on the clock, processor seconds of the tool and of both servers, most memory in MB."""

    seconds: float
    tool_cpu_s: float
    servers_cpu_s: float
    rss_mb: float


def ours(jobs: int | None = None) -> Tool:
    """`pgcutover copy`, as a person would type it."""
    options = [] if jobs is None else ["--jobs", str(jobs)]
    return Tool(
        name="pgcutover" if jobs is None else f"pgcutover --jobs {jobs}",
        commands=lambda _pair, _shape, _place: [[sys.executable, "-m", "pgcutover", "copy", *options]],
        environment=lambda pair, shape: {
            "PGCUTOVER_SOURCE": pair.source_url(shape),
            "PGCUTOVER_TARGET": pair.target_url,
        },
    )


def dump_and_restore(jobs: int, *, compressed: bool = False) -> Tool:
    """The directory format; compressed as it comes, with which both are slower on one machine, or not. ANALYZE follows,
    as after every restore: the others do it, too."""

    def commands(pair: Pair, shape: Shape, place: Path) -> list[list[str]]:
        dump, restore, vacuum = (
            str(programs(pair.target.major) / name) for name in ("pg_dump", "pg_restore", "vacuumdb")
        )
        archive = str(place / "archive")
        return [
            [dump, "-Fd", f"-j{jobs}", *([] if compressed else ["-Z0"]), "-f", archive, pair.source_url(shape)],
            [restore, f"-j{jobs}", "--no-owner", "-d", pair.target_url, archive],
            [vacuum, "--analyze-only", "--quiet", f"-j{jobs}", "-d", pair.target_url],
        ]

    if compressed:
        return Tool(name=f"pg_dump -j{jobs} gzip", commands=commands)
    return Tool(name=f"pg_dump -j{jobs}", commands=commands, environment=lambda _pair, _shape: SORTING)


def pgcopydb(program: str, name: str, *options: str) -> Tool:
    def commands(pair: Pair, shape: Shape, place: Path) -> list[list[str]]:
        ends = ["--source", pair.source_url(shape), "--target", pair.target_url]
        return [[program, "clone", *ends, "--dir", str(place / "pgcopydb"), "--no-owner", "--no-acl", *options]]

    return Tool(name=name, commands=commands, environment=lambda _pair, _shape: SORTING if options else {})


def peers(pair: Pair) -> list[Tool]:
    """Those that this machine has, as they come and as they are fastest here."""
    found = [*(dump_and_restore(jobs) for jobs in (2, 4, 8)), dump_and_restore(4, compressed=True)]
    program = os.environ.get("PGCOPYDB") or shutil.which("pgcopydb")
    if program and max(pair.source.major, pair.target.major) <= _newest(program):
        found.append(pgcopydb(program, "pgcopydb defaults"))
        binary = ["--use-copy-binary"] if _knows(program, "--use-copy-binary") else []
        best = ["--table-jobs", "2", "--index-jobs", "2", *binary]
        found.append(pgcopydb(program, "pgcopydb 2+2", *best))
        found.append(pgcopydb(program, "pgcopydb 2+2 split", *best, "--split-tables-larger-than", "200 MB"))
    return found


def _knows(program: str, option: str) -> bool:
    said = subprocess.run([program, "clone", "--help"], capture_output=True, text=True, check=False)
    return option in said.stdout + said.stderr


def _newest(program: str) -> int:
    """The last PostgreSQL that it says to work with."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    line = next((line for line in (said.stdout + said.stderr).splitlines() if "compatible with" in line), "")
    numbers = [int(word) for word in line.replace(",", " ").split() if word.isdigit()]
    return max(numbers, default=15)


def run(tool: Tool, pair: Pair, shape: Shape) -> Run:
    """Time one run into an empty target.

    Raises:
        SystemExit: it failed, or left out rows or indexes: then its time means nothing.
    """
    pair.empty()
    clusters = (pair.source, pair.target)
    with tempfile.TemporaryDirectory(prefix="pgcutover-bench-", dir="/var/tmp") as made:
        place = Path(made)
        environment = {**os.environ, **tool.environment(pair, shape)}
        servers_s, tool_s = sum(map(cpu_s, clusters)), _children_s()
        ran = [_ran(command, place, environment) for command in tool.commands(pair, shape, place)]
        # A session that has just ended counts when its postmaster has seen it.
        time.sleep(0.3)
        spent = Run(
            seconds=sum(seconds for seconds, _ in ran),
            tool_cpu_s=_children_s() - tool_s,
            servers_cpu_s=sum(map(cpu_s, clusters)) - servers_s,
            rss_mb=max(most_mb for _, most_mb in ran),
        )
    _complete(tool, pair, shape)
    return spent


def _complete(tool: Tool, pair: Pair, shape: Shape) -> None:
    for what in (pair.rows, pair.objects):
        there, here = what(pair.source_url(shape)), what(pair.target_url)
        if there != here:
            lacking = sorted(set(there.items()) ^ set(here.items()))[:5]
            raise SystemExit(f"{tool.name} did not copy everything: {lacking}")


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _ran(command: list[str], place: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Run one command; its seconds, and the most memory that it and its children held at once, in MB."""
    with (place / "said").open("w+") as said, _adopting():
        begun_s = time.monotonic()
        process = subprocess.Popen(
            command, cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        )
        most, seen = [0.0], set[int]()
        watcher = threading.Thread(target=_watch, args=(process, most, seen), daemon=True)
        watcher.start()
        code = process.wait()
        seconds = time.monotonic() - begun_s
        watcher.join()
        _bury(seen - {process.pid})
        if code != 0:
            said.seek(0)
            raise SystemExit(f"{' '.join(command[:3])} ended with {code}:\n{said.read()[-3000:]}")
    return seconds, most[0]


@contextmanager
def _adopting() -> Iterator[None]:
    """A process that outlives its parent becomes ours, so that its processor time is counted, too.

    https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0)


def _bury(pids: set[int]) -> None:
    """Wait for those that are ours now, and not for long: a program that leaves something behind is not waited for."""
    until = time.monotonic() + PATIENCE_S
    while pids and time.monotonic() < until:
        for pid in tuple(pids):
            try:
                done, _ = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                done = pid
            if done:
                pids.discard(pid)
        time.sleep(0.02)


def _watch(process: "subprocess.Popen[bytes]", most: list[float], seen: set[int]) -> None:
    while process.poll() is None:
        tree = _tree(process.pid)
        seen.update(tree)
        most[0] = max(most[0], sum(map(_pss_mb, tree)))
        time.sleep(SAMPLE_S)


def _tree(pid: int) -> list[int]:
    """It and everything below: a thread's children are its own."""
    below: list[str] = []
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):
            below += (thread / "children").read_text().split()
    return [pid, *(p for child in below for p in _tree(int(child)))]


def _pss_mb(pid: int) -> float:
    """What a process holds, its share of what it shares with others counted once over all of them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
