"""How long things take on the local Heroku: realistic times, divided by the lab's speed, from one seed.

Release 5–15 s and boot 10–30 s are what one sees on the Common Runtime; Heroku promises neither.
"""

import random
import threading

RELEASE_S = (5.0, 15.0)
BOOT_S = (10.0, 30.0)
# https://devcenter.heroku.com/articles/dynos#shutdown : 30 s between SIGTERM and SIGKILL.
TERMINATION_GRACE_S = 30.0
SHORTEST_GRACE_S = 2.0
"""A Python process under load needs about a second to leave a transaction; less would make every stop a SIGKILL."""
# https://devcenter.heroku.com/articles/error-codes#h20-app-boot-timeout : the router holds requests for 75 s.
ROUTER_HOLD_S = 75.0
SHORTEST_HOLD_S = 20.0
"""A dyno boots in real time, on a busy machine in many seconds."""
FIRST_BACKOFF_S = 10.0
LONGEST_BACKOFF_S = 600.0
SHORTEST_BACKOFF_S = 0.2


class Pace:
    """Durations of one lab; the same seed draws the same ones."""

    def __init__(self, *, speed: float, seed: int) -> None:
        self.speed = speed
        self._random = random.Random(f"pace {seed}")
        self._lock = threading.Lock()

    def release_s(self) -> float:
        return self._draw(RELEASE_S)

    def boot_s(self) -> float:
        return self._draw(BOOT_S)

    @property
    def grace_s(self) -> float:
        return max(TERMINATION_GRACE_S / self.speed, SHORTEST_GRACE_S)

    @property
    def hold_s(self) -> float:
        return max(ROUTER_HOLD_S / self.speed, SHORTEST_HOLD_S)

    def backoff_s(self, crashes: int) -> float:
        """How long a dyno that crashed this many times in a row stays down. assumption L14"""
        wanted = min(FIRST_BACKOFF_S * 2.0 ** (crashes - 1), LONGEST_BACKOFF_S)
        return max(wanted / self.speed, SHORTEST_BACKOFF_S)

    def _draw(self, bounds: tuple[float, float]) -> float:
        with self._lock:
            return self._random.uniform(*bounds) / self.speed
