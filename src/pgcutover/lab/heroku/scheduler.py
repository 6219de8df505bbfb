"""Heroku Scheduler: a one-off dyno `scheduler.N` of one app, again and again, also while the app is in maintenance.

https://devcenter.heroku.com/articles/scheduler ; nobody hears of a job that fails, and the next one starts in time.
"""

import threading

from pgcutover.lab.heroku.dynos import Dynos
from pgcutover.lab.heroku.refusals import Refusal

EVERY_S = 600.0
"""The shortest of the three intervals that Heroku Scheduler offers."""
SHORTEST_S = 5.0
"""A dyno takes that long on a busy machine; with less there would be more and more of them."""
PROCESS_TYPE = "scheduler"


class Scheduler:
    """Start once, stop once."""

    def __init__(self, dynos: Dynos, app: str, command: str, *, speed: float) -> None:
        self._dynos, self._app, self._command = dynos, app, command
        self._every_s = max(EVERY_S / speed, SHORTEST_S)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._live, name=f"scheduler {app}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _live(self) -> None:
        while not self._stopping.wait(self._every_s):
            try:
                self._dynos.run(self._app, self._command, process_type=PROCESS_TYPE)
            except Refusal:
                # The lab is closing.
                return
