"""What a worker is told about one task's chunks, and what it answers. Values only; they travel between processes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from pgcutover.facts.names import Dsn
from pgcutover.planning.chunks import Chunk

STALL_S = 60.0
"""Silence has good reasons too (a lock, a table full of dead rows), and asking costs a connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkJob:
    """Chunks to carry, one after the other, in one transaction on the target.

    `claim` is a statement that returns one row while the run is ours, none once another runner took it over, and that
    keeps others from taking it until the transaction ends; it is the transaction's first statement (T3). `settings` are
    set in the target's session. `stall_s` is for how long a silent connection is believed before its server is asked.
    """

    run_id: str
    epoch: int
    chunks: tuple[Chunk, ...]
    snapshot: str
    source: Dsn
    target: Dsn
    claim: str
    settings: tuple[tuple[str, str], ...] = ()
    stall_s: float = STALL_S

    @property
    def name(self) -> str:
        more = len(self.chunks) - 1
        return self.chunks[0].name + (f" and {more} more" if more else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """A chunk that is on the target, with its marker. `found` when it was there already; then nothing was touched."""

    chunk: str
    rows: int
    bytes: int
    seconds: float
    found: bool = False


Carry: TypeAlias = Callable[[ChunkJob], tuple[Copied, ...]]
"""Carries a job's chunks; a function of a module, so that it can be named to another process."""
