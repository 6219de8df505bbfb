"""One thread for each instance, doing what was asked of it one after another.

So two changes to an instance never overlap, however fast they are asked for. A job that raises does not end the thread.
"""

import queue
import threading
from collections.abc import Callable

from pgcutover.lab.rds.clock import ClosingError

Job = Callable[[], None]


class Worker:
    def __init__(self, name: str, on_failure: Callable[[Exception], None]) -> None:
        self._name = name
        self._on_failure = on_failure
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, job: Job) -> None:
        self._jobs.put(job)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()

    def close(self) -> None:
        """No further job is begun after those already submitted; returns at once."""
        self._jobs.put(None)

    def join(self, limit_s: float) -> None:
        if self._thread is not None:
            self._thread.join(limit_s)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except ClosingError:
                return
            except Exception as failure:
                self._on_failure(failure)
