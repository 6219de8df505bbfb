"""Which tables are copied in parts, and where they are cut.

Pure. Invariant: only a table whose pages can be read by number is cut, and only where the copy ends sooner for it:
parts cannot be frozen as they arrive, for that takes a transaction that has the table for itself.
"""

from collections.abc import Iterator

from pgcutover.facts.inventory import DatabaseInventory, Table
from pgcutover.planning.chunks import Bounds, Chunk

PAGE_BYTES = 8192
READ_BY_PAGE_SINCE = 140000
"""A condition on ctid was a scan of everything before. https://www.postgresql.org/docs/14/release-14.html"""
CUT_FROM_BYTES = 192 * 2**20
PART_BYTES = 64 * 2**20
"""A part is no smaller: each costs a connection to both servers."""
LARGEST_PART_BYTES = 16 * 2**30
"""Nor larger: what a broken connection makes do again."""
INDEX_WEIGHT = 2.0


def cuts(inventory: DatabaseInventory, whole: tuple[Chunk, ...], *, jobs: int) -> Bounds:
    """First pages of the parts of each table that is to be cut, by the table as SQL spells it.

    `whole` are the chunks without any cut; `jobs` is how many are copied at once.
    """
    if inventory.version < READ_BY_PAGE_SINCE:
        return {}
    tables = {table.name: table for table in inventory.tables}
    fair_bytes = sum(_work_bytes(table) for table in inventory.tables) / max(jobs, 1)
    found: dict[str, tuple[int, ...]] = {}
    for chunk in whole:
        if chunk.tree or chunk.unlogged or chunk.data_bytes < CUT_FROM_BYTES:
            continue
        table = tables[chunk.table]
        parts = -(-chunk.data_bytes // LARGEST_PART_BYTES)
        if _longest_way_bytes(table) > fair_bytes:
            parts = max(parts, min(jobs, chunk.data_bytes // PART_BYTES))
        starts = tuple(_starts(table.heap_bytes // PAGE_BYTES, parts))
        if len(starts) > 1:
            found[chunk.name] = starts
    return found


def _work_bytes(table: Table) -> float:
    return table.data_bytes + INDEX_WEIGHT * table.index_bytes if table.holds_rows else 0.0


def _longest_way_bytes(table: Table) -> float:
    """Its rows, then the largest of its indexes. How large that is is not known: all, where it is the only one."""
    largest = table.index_bytes * 2 / (table.index_count + 1) if table.index_count else 0.0
    return table.data_bytes + INDEX_WEIGHT * largest


def _starts(pages: int, parts: int) -> Iterator[int]:
    yield 0
    before = 0
    for number in range(1, parts):
        start = pages * number // parts
        if start > before:
            yield start
            before = start
