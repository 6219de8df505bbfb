"""How far a copy is: figures read from somewhere else, turned into rate, time left and a sentence.

It asks for figures in a thread of its own, so that a slow server never holds up the run. Invariant: no error of the
asking, or of the asked, leaves this module.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from pgcutover.errors import PgcutoverError
from pgcutover.faces.figures import count, counted, duration, rate, size
from pgcutover.facts.names import TableName

POLL_S = 1.0
WINDOW_S = 20.0
"""Over which the rate is taken: shorter jumps with every large table's end, longer is stale."""
HELD_S = 5.0
"""A sum that falls is not believed for so long: a table that has arrived whole is in no view until its transaction has
committed. One that stays lower is of a new copy."""
SHOWN_BUILDS = 2


class Build(Protocol):
    """An index being built; `share` is how much of the present phase is done, from 0 to 1."""

    @property
    def table(self) -> TableName: ...
    @property
    def phase(self) -> str: ...
    @property
    def share(self) -> float: ...


class CopyProgress(Protocol):
    """How far a copy is at one moment, as the servers' progress views say."""

    @property
    def bytes_done(self) -> int: ...
    @property
    def bytes_total(self) -> int: ...
    @property
    def rows_done(self) -> int: ...
    @property
    def tables_done(self) -> int: ...
    @property
    def tables_total(self) -> int: ...
    @property
    def builds(self) -> Sequence[Build]: ...


ProgressSource = Callable[[], CopyProgress | None]
"""Asked about once a second while a step runs; None where nothing is being copied."""


class Pace:
    """Rate and time left, from the figures seen in the last seconds: of bytes, of rows, whatever only grows."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def see(self, at_s: float, done: int) -> None:
        """Take note of a figure; one lower than the last means a new copy."""
        if self._seen and done < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((at_s, done))
        while len(self._seen) > 2 and at_s - self._seen[0][0] > WINDOW_S:
            self._seen.popleft()

    @property
    def per_s(self) -> float | None:
        if len(self._seen) < 2:
            return None
        (first_s, first), (last_s, last) = self._seen[0], self._seen[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else None

    def left_s(self, left: int) -> float | None:
        """Seconds until the rest is there at this rate; None when nothing moves."""
        speed = self.per_s
        return max(0, left) / speed if speed else None


class Watch:
    """Asks a source once a second in a thread, between `start` and `stop`."""

    def __init__(self, source: ProgressSource, *, poll_s: float = POLL_S) -> None:
        self._source, self._poll_s = source, poll_s
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._bytes, self._rows = Pace(), Pace()
        self._fell_s: float | None = None
        """When the sum fell below the newest that was believed."""
        self.newest: CopyProgress | None = None
        self.trouble = ""
        """Why the newest asking failed; '' when it did not."""

    def start(self) -> None:
        self._ended.clear()
        self._thread = threading.Thread(target=self._ask, name="copy progress", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask no more. A source that hangs is left behind in its daemon thread: the run is worth more."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=self._poll_s)

    def _ask(self) -> None:
        while not self._ended.is_set():
            try:
                found = self._source()
            except Exception as error:  # noqa: BLE001  (figures are for the eye: no error of theirs may end a run)
                # Others' errors may quote a URL, so only ours are shown whole.
                self.trouble = str(error) if isinstance(error, PgcutoverError) else type(error).__name__
            else:
                self.trouble = ""
                if found is not None:
                    self.take(time.monotonic(), found)
            self._ended.wait(self._poll_s)

    def take(self, at_s: float, found: CopyProgress) -> None:
        """Believe an answer, or wait for a better one."""
        if self.newest is not None and found.bytes_done < self.newest.bytes_done:
            self._fell_s = at_s if self._fell_s is None else self._fell_s
            if at_s - self._fell_s < HELD_S:
                return
        self._fell_s = None
        self._bytes.see(at_s, found.bytes_done)
        self._rows.see(at_s, found.rows_done)
        self.newest = found

    def sentence(self) -> str:
        """How far it was when it was asked last; '' before the first answer."""
        return "" if self.newest is None else sentence(self.newest, self._bytes, self._rows)


def sentence(progress: CopyProgress, of_bytes: Pace, of_rows: Pace) -> str:
    """1.2 GB of 41.2 GB, 3,400,000 rows, 5 of 43 tables, 95.1 MB/s, 270,000 rows/s, last row in 7 min 01 s; index on
    orders: sorting 40 %."""
    words = [
        f"{size(progress.bytes_done)} of {size(progress.bytes_total)}",
        f"{count(progress.rows_done)} rows",
        f"{progress.tables_done} of {counted(progress.tables_total, 'table')}",
    ]
    left = of_bytes.left_s(progress.bytes_total - progress.bytes_done)
    words += [rate(of_bytes.per_s, 1.0)] if of_bytes.per_s else []
    words += [f"{count(round(of_rows.per_s))} rows/s"] if of_rows.per_s else []
    words += [f"last row in {duration(left)}"] if left else []
    return ", ".join(words) + _building(progress.builds)


def _building(builds: Sequence[Build]) -> str:
    named = [f"index on {b.table.name}: {b.phase} {b.share:.0%}" for b in builds[:SHOWN_BUILDS]]
    more = [f"{len(builds) - SHOWN_BUILDS} more"] if len(builds) > SHOWN_BUILDS else []
    return "".join(f"; {words}" for words in named + more)
