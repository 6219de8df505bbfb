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
from multiprocessing.connection import wait

from pgcutover.copying.chunk import Carry, ChunkJob, Copied
from pgcutover.errors import CopyError

TRIES = 2
ORPHANED = 75


def processes(workers: int) -> Executor:
    """Worker processes of this machine; each ends when we do, however we end.

    Spawned, not forked: a forked copy of a process with threads and open connections is nobody's friend.
    """
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_die_with_parent)


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

    def submit(self, job: ChunkJob) -> Future[Copied]:
        self._tries[job.chunk.name] = self._tries.get(job.chunk.name, 0) + 1
        try:
            return self._started().submit(self._carry, job)
        except BrokenExecutor:
            self.close()
            return self._started().submit(self._carry, job)

    def result(self, job: ChunkJob, future: Future[Copied]) -> Copied | None:
        """What became of a finished job; None when its worker died and it should be submitted again.

        Raises:
            CopyError: its worker died once too often. Whatever the carrying raised is raised as it is.
        """
        try:
            return future.result()
        except BrokenExecutor as cause:
            if self._tries[job.chunk.name] < TRIES:
                return None
            raise CopyError(
                f"the worker that copied {job.chunk.name} died {TRIES} times",
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
