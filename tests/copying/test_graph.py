"""Carrying out the task graph: order, limits, resumption, and the end after an error."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path

import pytest
import workers
from hypothesis import given, settings
from hypothesis import strategies as st
from workers import chunk, job

from pgcutover.copying.chunk import ChunkJob, Copied
from pgcutover.copying.crew import Crew, processes
from pgcutover.copying.graph import Yard, carry_out
from pgcutover.errors import CopyError, ToolError
from pgcutover.planning.chunks import Chunk
from pgcutover.planning.tasks import Task, TaskKind, weighed


@dataclass
class Watched:
    """Work in threads that notes what happens."""

    began: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    abandoned: int = 0
    failing: frozenset[str] = frozenset()
    gate: threading.Event = field(default_factory=threading.Event)
    waiting: frozenset[str] = frozenset()

    def do(self, name: str) -> None:
        self.began.append(name)
        if name in self.waiting:
            self.gate.wait(10)
        if name in self.failing:
            raise ToolError(f"{name} failed")
        self.ended.append(name)

    def carry(self, words: ChunkJob) -> tuple[Copied, ...]:
        self.do(f"copy {words.chunks[0].name}")
        return (Copied(chunk=words.chunks[0].name, rows=1, bytes=1, seconds=0),)

    def abandon(self) -> None:
        self.abandoned += 1
        self.gate.set()

    def work(self, *, copiers: int = 2, builders: int = 2) -> Yard:
        def words(some: tuple[Chunk, ...]) -> ChunkJob:
            return replace(job(), chunks=some)

        return Yard(
            crew=Crew(lambda: ThreadPoolExecutor(copiers), self.carry, size=copiers),
            job=words,
            look=lambda: self.do("look"),
            build=lambda task, idle: self.do(task.name),
            builders=builders,
            abandon=self.abandon,
        )


def copy(name: str, size: int = 1) -> Task:
    return Task(name=f"copy {name}", kind=TaskKind.COPY, chunks=(chunk(name, size),), urgency=size)


def build(name: str, *needs: str, size: int = 1) -> Task:
    return Task(name=name, kind=TaskKind.BUILD, needs=needs, urgency=size)


def test_the_biggest_is_copied_first() -> None:
    """Of the tasks that may start, the heaviest starts first."""
    yard = Watched()
    carry_out([copy("a", 1), copy("b", 9), copy("c", 5)], yard.work(copiers=1))
    assert ["copy b", "copy c", "copy a"] == yard.ended


def test_indexes_start_while_other_tables_are_copied() -> None:
    """There are no phases: the build of one table ends while the copy of another still runs."""
    yard = Watched(waiting=frozenset({"copy slow"}))
    tasks = [copy("slow", 9), copy("quick", 1), build("build quick", "copy quick"), build("build slow", "copy slow")]
    thread = threading.Thread(target=carry_out, args=(tasks, yard.work()))
    thread.start()
    while "build quick" not in yard.ended:
        assert thread.is_alive()
        time.sleep(0.005)
    assert "copy slow" not in yard.ended
    yard.gate.set()
    thread.join()
    assert {"copy slow", "copy quick", "build quick", "build slow"} == set(yard.ended)


def test_the_source_is_looked_at_as_soon_as_the_last_row_is_read() -> None:
    """Whether a table was rewritten is not asked after hours of building indexes, but before they go on."""
    yard = Watched()
    look = Task(name="look", kind=TaskKind.LOOK, needs=("copy a", "copy b"), urgency=inf)
    carry_out([copy("a"), copy("b"), look, build("build a", "look", size=9)], yard.work())
    assert ["look", "build a"] == yard.ended[2:]


def test_workers_leave_when_the_last_row_is_carried() -> None:
    """While indexes are built nobody waits for rows that do not come: a worker holds memory."""
    yard = Watched()
    executors: list[ThreadPoolExecutor] = []

    def made() -> ThreadPoolExecutor:
        executors.append(ThreadPoolExecutor(1, initializer=yard.do, initargs=("worker comes",)))
        return executors[-1]

    def built(task: Task, _idle: int) -> None:
        with pytest.raises(RuntimeError, match="shutdown"):
            executors[0].submit(yard.do, "nothing")
        yard.do(task.name)

    work = replace(yard.work(), crew=Crew(made, yard.carry, size=1), build=built)
    carry_out([copy("a"), copy("b"), build("build", "copy a", "copy b")], work)
    assert ("build", 1) == (yard.ended[-1], len(executors))


def test_what_is_done_is_not_done_again() -> None:
    """Tasks that an earlier run finished are passed over, and what needed them starts."""
    yard = Watched()
    carry_out([copy("a"), copy("b"), build("build a", "copy a")], yard.work(), done=["copy a"])
    assert {"copy b", "build a"} == set(yard.ended)


def test_after_an_error_nothing_starts_and_what_runs_is_ended() -> None:
    """The first error is raised when everything has come to rest; what was running was told to end."""
    yard = Watched(failing=frozenset({"copy bad"}), waiting=frozenset({"copy slow"}))
    tasks = [copy("slow", 9), copy("bad", 8), copy("later", 1), build("build bad", "copy bad")]
    with pytest.raises(ToolError, match="copy bad failed"):
        carry_out(tasks, yard.work())
    assert (["copy slow"], 1, False) == (yard.ended, yard.abandoned, "copy later" in yard.began)


def test_a_failing_end_does_not_hide_the_error() -> None:
    """When even ending the rest fails, the first error is still the one raised, with a note."""
    yard = Watched(failing=frozenset({"copy bad"}), waiting=frozenset({"copy slow"}))

    def broken() -> None:
        yard.gate.set()
        raise CopyError("nobody there")

    with pytest.raises(ToolError) as caught:
        carry_out([copy("slow", 9), copy("bad", 8)], replace(yard.work(), abandon=broken))
    assert ["ending the other tasks failed too: nobody there"] == caught.value.__notes__


def test_a_graph_that_cannot_go_on_is_a_bug_that_shows() -> None:
    """A task that needs what nobody does raises at once instead of waiting for ever."""
    with pytest.raises(ValueError, match="build a needs copy a, and there is no such task"):
        carry_out([build("build a", "copy a")], Watched().work())


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=7), st.integers(1, 3), st.integers(1, 3))
def test_everything_needed_is_done_before(sizes: list[int], copiers: int, builders: int) -> None:
    """Whatever the sizes and limits, each task runs once, after all that it needs."""
    tasks = [copy(str(n), size) for n, size in enumerate(sizes)]
    tasks += [build(f"build {n}", f"copy {n}", size=size) for n, size in enumerate(sizes)]
    tasks.append(build("last", *(task.name for task in tasks)))
    yard = Watched()
    carry_out(tasks, yard.work(copiers=copiers, builders=builders))
    assert sorted(task.name for task in tasks) == sorted(yard.ended)
    for task in tasks:
        assert all(yard.ended.index(need) < yard.ended.index(task.name) for need in task.needs)


def test_no_more_is_built_at_once_than_there_are_builders() -> None:
    """A server that builds more than it has cores for ends with the longest, alone."""
    yard = Watched(waiting=frozenset({"build 0", "build 1"}))
    tasks = [build(f"build {n}", size=9 - n) for n in range(3)]
    thread = threading.Thread(target=carry_out, args=(tasks, yard.work(copiers=4, builders=2)))
    thread.start()
    while len(yard.began) < 2:
        assert thread.is_alive()
        time.sleep(0.005)
    # A third would have begun with them, before anything was waited for.
    time.sleep(0.05)
    assert ["build 0", "build 1"] == sorted(yard.began)
    yard.gate.set()
    thread.join()
    assert 3 == len(yard.ended)


def test_what_takes_longer_than_was_thought_is_weighed_anew() -> None:
    """Builds turn out to take ten times as long as copies of the same weight: what is built upon is copied first."""
    size = 8 * 2**20

    def slowly(task: Task, _: int) -> None:
        time.sleep(0.2)
        watched.do(task.name)

    first = [copy("first"), build("build first", "copy first")]
    second = [copy("plain"), copy("indexed"), build("build indexed", "copy indexed")]
    weights = {"copy plain": 3 * size}
    tasks = [replace(task, weight=weights.get(task.name, size)) for task in first]
    tasks += [replace(task, weight=weights.get(task.name, size), needs=(*task.needs, "build first")) for task in second]
    watched = Watched()
    carry_out(weighed(tasks), replace(watched.work(copiers=1, builders=1), build=slowly))
    assert ["copy first", "build first", "copy indexed", "copy plain", "build indexed"] == watched.began


def test_what_a_dead_worker_held_is_let_go_before_another_tries(tmp_path: Path) -> None:
    """Its session may live on where the network fell silent, and the second try would wait for it."""
    evicted: list[str] = []
    yard = replace(
        Watched().work(),
        crew=Crew(lambda: processes(1), workers.die_once, size=1),
        job=lambda _: job(str(tmp_path / "flag")),
        evict=lambda lost: evicted.append(lost.name),
    )
    carry_out([copy("a")], yard)
    assert ["app.t"] == evicted
