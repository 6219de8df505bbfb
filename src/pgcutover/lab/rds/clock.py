"""Time in the lab's RDS: what takes minutes there takes minutes divided by the lab's speed here.

Nothing waits beyond the end of the lab: every wait ends at once with `ClosingError` when the lab stops.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

SHORTEST_S = 0.1
"""Below it a client that polls could miss a status altogether, and never learn that the status exists."""


class ClosingError(Exception):
    """The lab is being stopped."""


class Clock:
    def __init__(self, speed: float) -> None:
        if speed <= 0:
            raise ValueError("speed must be above 0")
        self.speed = speed
        self._closing = threading.Event()

    def wait(self, real_s: float) -> None:
        """Let that many seconds of RDS's time pass."""
        self._sleep(max(real_s / self.speed, SHORTEST_S))

    @contextmanager
    def lasting(self, real_s: float) -> Iterator[None]:
        """What is done inside takes at least that many seconds of RDS's time."""
        end = time.monotonic() + max(real_s / self.speed, SHORTEST_S)
        yield
        self._sleep(end - time.monotonic())

    def close(self) -> None:
        self._closing.set()

    @property
    def closing(self) -> bool:
        return self._closing.is_set()

    def _sleep(self, seconds: float) -> None:
        if self._closing.wait(max(seconds, 0.0)):
            raise ClosingError
