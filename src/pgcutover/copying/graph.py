"""The task graph, carried out: copies by the crew, builds by threads, each as soon as what it needs is done.

It decides only what may start; what a task does is its caller's. Invariant: a task starts when every task it needs has
ended well, and after the first error none starts.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from pgcutover.copying.chunk import ChunkJob, Copied
from pgcutover.copying.crew import Crew
from pgcutover.errors import PgcutoverError
from pgcutover.planning.tasks import Chunk, Task, TaskKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How the two sorts of task are done. `job` words a chunk for the crew; `build` restores a task's entries.

    `arrived` hears of every chunk that was carried; `abandon` is called once, after the first error, to end what is
    still running on the servers.
    """

    crew: Crew
    job: Callable[[Chunk], ChunkJob]
    build: Callable[[Task], None]
    builders: int
    abandon: Callable[[], None]
    arrived: Callable[[Copied], None] = lambda _: None


def carry_out(tasks: Iterable[Task], work: Work, *, done: Iterable[str] = ()) -> None:
    """Do every task but those named as done, biggest first among those that may start. Returns when all are done.

    Raises:
        The first error of a task; by then nothing runs any more. Ctrl-C likewise.
    """
    with ThreadPoolExecutor(work.builders, thread_name_prefix="build") as threads:
        finished = set(done)
        state = _State(work=work, threads=threads, waiting=[t for t in tasks if t.name not in finished], done=finished)
        try:
            while state.waiting or state.running:
                state.start()
                ended, _ = wait(state.running, return_when=FIRST_COMPLETED)
                for future in ended:
                    state.finish(future)
        except BaseException as error:
            state.give_up(error)
            raise
        finally:
            work.crew.close()


@dataclass(slots=True)
class _State:
    work: Work
    threads: ThreadPoolExecutor
    waiting: list[Task]
    done: set[str]
    running: dict[Future[Any], Task] = field(default_factory=dict)
    jobs: dict[Future[Any], ChunkJob] = field(default_factory=dict)

    def start(self) -> None:
        ready = [task for task in self.waiting if self.done.issuperset(task.needs)]
        if not ready and not self.running:
            raise ValueError(f"no task can start: {', '.join(task.name for task in self.waiting)}")
        for task in sorted(ready, key=lambda task: -task.weight_bytes):
            if self._busy(task) < (self.work.crew.size if task.kind is TaskKind.COPY else self.work.builders):
                self.waiting.remove(task)
                self._submit(task)

    def _busy(self, task: Task) -> int:
        return sum((other.kind is TaskKind.COPY) == (task.kind is TaskKind.COPY) for other in self.running.values())

    def _submit(self, task: Task) -> None:
        if task.chunk is None:
            self.running[self.threads.submit(self.work.build, task)] = task
            return
        job = self.work.job(task.chunk)
        future = self.work.crew.submit(job)
        self.running[future] = task
        self.jobs[future] = job

    def finish(self, future: Future[Any]) -> None:
        task = self.running.pop(future)
        job = self.jobs.pop(future, None)
        if job is None:
            future.result()
        else:
            copied = self.work.crew.result(job, future)
            if copied is None:
                self._submit(task)
                return
            self.work.arrived(copied)
        self.done.add(task.name)

    def give_up(self, error: BaseException) -> None:
        """End what runs; its errors are echoes of the first one."""
        self.waiting.clear()
        if self.running:
            try:
                self.work.abandon()
            except PgcutoverError as echo:
                error.add_note(f"ending the other tasks failed too: {echo.message}")
            wait(self.running)
