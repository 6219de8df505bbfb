"""Something said every so many seconds while something else goes on.

It runs in a thread of its own. Invariant: nothing that goes wrong in it reaches what goes on.
"""

import contextlib
import threading
from collections.abc import Callable


class Every:
    """Calls something every so many seconds, in a thread of this name, until stopped."""

    def __init__(self, seconds: float, call: Callable[[], None], *, name: str) -> None:
        self._seconds, self._call = seconds, call
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(timeout=1.0)

    def _run(self) -> None:
        while not self._ended.wait(self._seconds):
            # Whoever would read it may be gone.
            with contextlib.suppress(Exception):
                self._call()
