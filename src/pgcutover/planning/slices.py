"""How the reading of a table is split: slices of its pages, which are work, and ranges of its keys, which are findings.

Pages differ from server to server, so each side is sliced for itself, as many sessions read one table at once; every
slice counts and sums its rows by range of keys, and what the slices of a range sum up to is compared. Sums do not care
which slice a row came from. Pure. The invariants: every page, also one added later, is in exactly one slice; every key
is in exactly one range.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pgcutover.facts.names import TableName
from pgcutover.facts.proof import KeyRanges

PAGE_BYTES = 8192
SLICE_BYTES = 64 * 2**20
"""About a second of one session's work: smaller ones cost round trips, larger ones leave sessions idle at the end."""
RANGE_BYTES = 16 * 2**20
"""A table has a range for so many bytes: this is what is read again when one row in it differs."""
MOST_RANGES = 1024
"""Each slice sends a row for each of them, and the server keeps them in memory while it sums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Pages of one table, from `first` up to and without `end`; `end` None is open (traps.md T23).

    With `whole`, the unit's own table, partitions and all, without regard to pages.
    """

    table: TableName
    first: int = 0
    end: int | None = None
    whole: bool = False
    data_bytes: int = 0


def slices(table: TableName, data_bytes: int, pages: int, *, sessions: int) -> Iterator[Slice]:
    """A table's pages, in pieces of about `SLICE_BYTES`, and no fewer than sessions when it is worth it."""
    wanted = max(data_bytes // SLICE_BYTES, min(sessions, data_bytes // (SLICE_BYTES // 4)))
    count = max(1, min(wanted, pages))
    step = -(-pages // count) if pages else 0
    starts = range(0, pages, step) if step else range(1)
    for first in starts:
        last = first + step >= pages
        share = data_bytes * (pages - first if last else step) // pages if pages else data_bytes
        yield Slice(table=table, first=first, end=None if last else first + step, data_bytes=share)


def range_count(data_bytes: int) -> int:
    """How many ranges a table is worth: a power of two; 1 means none."""
    worth = min(MOST_RANGES, data_bytes // RANGE_BYTES)
    return 1 << (worth.bit_length() - 1) if worth > 1 else 1


def integer_ranges(column: str, lowest: int, highest: int, count: int) -> KeyRanges:
    """`count` ranges of equal width over the keys that there are; the first and the last are open."""
    width = highest - lowest + 1
    bounds = sorted({lowest + width * number // count for number in range(1, count)} - {lowest})
    return KeyRanges(count=len(bounds) + 1, column=column, bounds=tuple(bounds))


def hash_ranges(count: int) -> KeyRanges:
    """`count` must be a power of two, for a range is some bits of the key's hash."""
    return KeyRanges(count=count)


def range_of(key: int | None, bounds: Sequence[int]) -> int | None:
    """What the server's width_bucket answers: how many bounds are at or below the key."""
    return None if key is None else sum(bound <= key for bound in bounds)
