"""The task graph, carried out: copies by the crew, builds by threads, each as soon as what it needs is done.

It decides only what may start; what a task does is its caller's. Invariants: a task starts when every task it needs has
ended well and no other works alone on a table of its own; after the first error none starts.
"""

import heapq
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from pgcutover.copying.abreast import end_all
from pgcutover.copying.chunk import ChunkJob, Copied
from pgcutover.copying.crew import Crew
from pgcutover.facts.names import TableName
from pgcutover.planning.chunks import Chunk
from pgcutover.planning.tasks import Task, TaskKind, weighed

LEARNT_FROM = 4 * 2**20
"""Of a lighter task most is not its weight."""
RELEARNT_AT = 1.25
TICK_S = 1e-3
LIMIT = 10.0
"""Once more, or less, than weights said: some tasks wait for a disk, and the next may not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Yard:
    """How tasks are done. `job` words chunks for the crew; `look` looks at the source; `build` does any other task,
    given how many builders have nothing to do meanwhile.

    No more than `builders` run at once: a server that builds more than it has cores for ends with the longest, alone.
    Nor, of all tasks, more than one besides as many as the crew has workers: what copies needs the same cores.

    `arrived` hears of every chunk that was carried; `evict` is called when a job's worker died, before another gets it:
    what is left of the first may hold what the second waits for. `abandon` is called after the first error, until
    nothing runs any more, to end what is still at work on the servers.
    """

    crew: Crew
    job: Callable[[tuple[Chunk, ...]], ChunkJob]
    look: Callable[[], None]
    build: Callable[[Task, int], None]
    builders: int
    abandon: Callable[[], None]
    evict: Callable[[ChunkJob], None] = lambda _: None
    arrived: Callable[[Copied], None] = lambda _: None


def carry_out(tasks: Iterable[Task], yard: Yard, *, done: Iterable[str] = ()) -> None:
    """Do every task but those named as done, the most urgent first among those that may start.

    Raises:
        The first error of a task; by then nothing runs any more. Ctrl-C likewise.
    """
    with ThreadPoolExecutor(yard.builders + 1, thread_name_prefix="build") as threads:
        state = _State(yard=yard, threads=threads, tasks={task.name: task for task in tasks}, done=set(done))
        try:
            state.begin()
            while state.waiting or state.running:
                state.start()
                ended, _ = wait(state.running, return_when=FIRST_COMPLETED)
                for future in ended:
                    state.finish(future)
        except BaseException as error:
            state.give_up(error)
            raise
        finally:
            yard.crew.close()


@dataclass(slots=True)
class _State:
    yard: Yard
    threads: ThreadPoolExecutor
    tasks: dict[str, Task]
    done: set[str]
    waiting: dict[str, int] = field(default_factory=dict)
    """Tasks that have not begun, and how many of those that they need are not done."""
    running: dict[Future[Any], Task] = field(default_factory=dict)
    jobs: dict[Future[Any], ChunkJob] = field(default_factory=dict)
    _after: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _ready: list[tuple[float, int, str]] = field(default_factory=list)
    _order: "count[int]" = field(default_factory=count)
    _taken: set[TableName] = field(default_factory=set)
    _copies: int = 0
    """Under way."""
    _to_copy: int = 0
    """Not done."""
    _began_s: dict[Future[Any], float] = field(default_factory=dict)
    _pace: dict[TaskKind, tuple[float, float]] = field(default_factory=dict)
    """Seconds and weight of what is done."""
    _builds: float = 1.0
    """How much longer a build takes, of the same weight, than a copy."""

    def begin(self) -> None:
        for task in self.tasks.values():
            if task.name not in self.done:
                self._to_copy += task.kind is TaskKind.COPY
                needs = {need for need in task.needs if need not in self.done}
                if unknown := needs - self.tasks.keys():
                    raise ValueError(f"{task.name} needs {min(unknown)}, and there is no such task")
                self.waiting[task.name] = len(needs)
                for need in needs:
                    self._after[need].append(task.name)
        for name, lacking in self.waiting.items():
            if not lacking:
                self._offer(name)

    def _offer(self, name: str) -> None:
        heapq.heappush(self._ready, (-self.tasks[name].urgency, next(self._order), name))

    def start(self) -> None:
        held_back = []
        while self._ready and len(self.running) <= self.yard.crew.size:
            taken = heapq.heappop(self._ready)
            task = self.tasks[taken[2]]
            if self._crowded(task.kind) or not self._taken.isdisjoint(task.alone):
                held_back.append(taken)
                continue
            del self.waiting[task.name]
            self._taken |= task.alone
            self._copies += task.kind is TaskKind.COPY
            self._submit(task)
        for taken in held_back:
            heapq.heappush(self._ready, taken)
        if not self.running:
            raise ValueError(f"no task can start: {', '.join(self.waiting)}")

    def _crowded(self, kind: TaskKind) -> bool:
        if kind is TaskKind.COPY:
            return self._copies >= self.yard.crew.size
        return kind is not TaskKind.LOOK and len(self.running) - self._copies >= self.yard.builders

    def _submit(self, task: Task) -> None:
        future: Future[Any]
        if task.kind is TaskKind.LOOK:
            future = self.threads.submit(self.yard.look)
        elif task.kind is TaskKind.COPY:
            job = self.yard.job(task.chunks)
            future = self.yard.crew.submit(job)
            self.jobs[future] = job
        else:
            idle = max(self.yard.builders - len(self.running) - 1, 0) if not self._ready else 0
            future = self.threads.submit(self.yard.build, task, idle)
        self.running[future] = task
        self._began_s[future] = time.monotonic()

    def finish(self, future: Future[Any]) -> None:
        task, took_s = self.running.pop(future), time.monotonic() - self._began_s.pop(future)
        job = self.jobs.pop(future, None)
        if job is None:
            future.result()
        else:
            copied = self.yard.crew.result(job, future)
            if copied is None:
                self.yard.evict(job)
                self._submit(task)
                return
            for chunk in copied:
                self.yard.arrived(chunk)
            self._copies -= 1
            self._to_copy -= 1
            if not self._to_copy:
                # Building may take hours yet, and idle workers hold memory.
                self.yard.crew.close()
        self._taken -= task.alone
        self._learn(task, took_s)
        for name in self._after.pop(task.name, ()):
            self.waiting[name] -= 1
            if not self.waiting[name]:
                self._offer(name)

    def _learn(self, task: Task, took_s: float) -> None:
        """Weigh anew when builds take longer, or shorter, beside copies than was thought."""
        if task.weight < LEARNT_FROM:
            return
        seconds, weight = self._pace.get(task.kind, (0.0, 0.0))
        self._pace[task.kind] = seconds + took_s, weight + task.weight
        if not self._pace.keys() >= {TaskKind.COPY, TaskKind.BUILD}:
            return
        copying, building = (self._seconds_each(kind) for kind in (TaskKind.COPY, TaskKind.BUILD))
        builds = min(LIMIT, max(1 / LIMIT, building / copying))
        if max(builds / self._builds, self._builds / builds) < RELEARNT_AT:
            return
        self._builds = builds
        self.tasks = {task.name: task for task in weighed(tuple(self.tasks.values()), builds=builds)}
        self._ready = [(-self.tasks[name].urgency, order, name) for _, order, name in self._ready]
        heapq.heapify(self._ready)

    def _seconds_each(self, kind: TaskKind) -> float:
        """For a unit of weight."""
        seconds, weight = self._pace[kind]
        return max(seconds, TICK_S) / weight

    def give_up(self, error: BaseException) -> None:
        """Nothing starts any more, and what runs is ended."""
        self.waiting.clear()
        end_all(set(self.running), self.yard.abandon, error, what="tasks")
