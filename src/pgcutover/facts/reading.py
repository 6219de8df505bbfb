"""How far a comparison is: figures that its sessions write and that a face may read at any moment.

For the eye only. The invariant: nothing here can fail or wait, so whoever looks on cannot hold up what is looked at.
"""

import threading
from collections import Counter
from dataclasses import dataclass

from pgcutover.facts.names import TableName

BEGINNING = "looking at both databases"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One moment of a comparison. Bytes are of both sides' storage; a table is done when both sides of it are read."""

    stage: str
    tables_done: int
    tables_total: int
    bytes_done: int
    bytes_total: int


class Tally:
    """What is to be read and what has been, stage by stage; any thread may write."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begin(BEGINNING)

    def begin(self, stage: str) -> None:
        """From now on something else is done; what was expected of the stage before no longer counts."""
        with self._lock:
            self._begin(stage)

    def _begin(self, stage: str) -> None:
        self._stage = stage
        self._left: Counter[TableName] = Counter()
        self._expected = self._done = 0

    def expect(self, table: TableName, data_bytes: int) -> None:
        """A piece of a table on one side is to be read."""
        with self._lock:
            self._left[table] += 1
            self._expected += data_bytes

    def done(self, table: TableName, data_bytes: int) -> None:
        """A piece was read, or given up."""
        with self._lock:
            self._left[table] -= 1
            self._done += data_bytes

    def now(self) -> Reading:
        with self._lock:
            return Reading(
                stage=self._stage,
                tables_done=sum(left <= 0 for left in self._left.values()),
                tables_total=len(self._left),
                bytes_done=self._done,
                bytes_total=self._expected,
            )
