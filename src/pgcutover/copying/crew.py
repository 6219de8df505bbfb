"""The workers that carry chunks, on any `concurrent.futures.Executor`.

It must not know what a chunk holds. Invariant: a worker that dies costs at most one more try of the chunk it had; a
chunk whose worker died twice is an error, for it is likely the chunk that kills it.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext

from pgcutover.copying.chunk import Carry, ChunkJob, Copied
from pgcutover.errors import CopyError

TRIES = 2
PRELOADED = ("pgcutover.edges.copystream.preloaded",)
"""Modules that every worker needs: loaded once. A name only; nothing here imports it."""
ORPHANED = 75


def processes(workers: int) -> Executor:
    """Worker processes of this machine; each ends when we do, however we end."""
    return ProcessPoolExecutor(workers, mp_context=begun(), initializer=_die_with_parent)


def begun() -> BaseContext:
    """Where workers come from, with the process started that they are forked off: by the time they are wanted, it has
    loaded what they need. Not off us: a forked copy of a process with threads and open connections is nobody's friend.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    forkserver.ensure_running()
    return context


def _die_with_parent() -> None:
    """A worker whose runner was killed would go on, and hold the run's row against the next runner.

    Ctrl-C reaches the whole process group; the runner decides what it means, workers do not.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.sentinel,), daemon=True).start()


def _watch(sentinel: int) -> None:
    wait([sentinel])
    os._exit(ORPHANED)


class Crew:
    """Hands jobs to an executor, and makes a new executor when a worker's death broke the old one."""

    def __init__(self, executor: Callable[[], Executor], carry: Carry, *, size: int) -> None:
        self.size = size
        self._make = executor
        self._carry = carry
        self._executor: Executor | None = None
        self._tries: dict[str, int] = {}

    def warm(self) -> None:
        """Have the workers started while there is nothing for them to do yet."""
        for _ in range(self.size):
            self._started().submit(os.getpid)

    def submit(self, job: ChunkJob) -> Future[tuple[Copied, ...]]:
        self._tries[job.name] = self._tries.get(job.name, 0) + 1
        try:
            return self._started().submit(self._carry, job)
        except BrokenExecutor:
            self.close()
            return self._started().submit(self._carry, job)

    def result(self, job: ChunkJob, future: Future[tuple[Copied, ...]]) -> tuple[Copied, ...] | None:
        """What became of a finished job; None when its worker died and it should be submitted again.

        Raises:
            CopyError: its worker died once too often. Whatever the carrying raised is raised as it is.
        """
        try:
            return future.result()
        except BrokenExecutor as cause:
            if self._tries[job.name] < TRIES:
                return None
            raise CopyError(
                f"the worker that copied {job.name} died {TRIES} times",
                hint="It may have been out of memory: give the machine more, or lower --jobs; then run again.",
            ) from cause

    def close(self) -> None:
        """Wait for what runs, then let the workers go. A crew may be used again afterwards."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None

    def _started(self) -> Executor:
        if self._executor is None:
            self._executor = self._make()
        return self._executor
