"""A part of a database that is like the whole: the first pages of every large table, and every small one.

Pure. Invariant: what is copied of a part is at most what was asked for, small tables apart; what is left out is named.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pgcutover.facts.building import ForeignKey, Index
from pgcutover.facts.inventory import DatabaseInventory, Table
from pgcutover.facts.names import TableName
from pgcutover.planning.chunks import Chunk, root_of
from pgcutover.planning.cuts import PAGE_BYTES, READ_BY_PAGE_SINCE

SMALL_BYTES = 2**20
"""A table as small as this is taken whole: thousands of them are a shape of its own."""
FOR_INDIVISIBLE = 0.5
"""Of the part, at most, for large tables of which only the whole can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """`pages` says how many of a table's first pages are taken; a table that is not there is whole. Of those in
    `without`, the root for a tree, no row is taken."""

    share: float = 1.0
    """Of each table in `pages`."""
    pages: Mapping[TableName, int] = field(default_factory=dict)
    without: frozenset[TableName] = frozenset()
    incomplete: frozenset[TableName] = frozenset()
    """Tables of which not all rows are taken, with all that they are partitions of."""

    @property
    def whole(self) -> bool:
        return not self.pages and not self.without

    def chunks(self, chunks: Iterable[Chunk]) -> tuple[Chunk, ...]:
        """As far as they are in the part."""
        return tuple(self._limited(chunk) for chunk in chunks if chunk.table not in self.without)

    def _limited(self, chunk: Chunk) -> Chunk:
        limit = self.pages.get(chunk.table)
        if limit is None or (chunk.pages is not None and chunk.pages[1] is not None):
            return chunk
        # Rows are frozen on arrival only where they are the table's whole.
        return replace(chunk, pages=(0 if chunk.pages is None else chunk.pages[0], limit), freeze=False)

    def inventory(self, found: DatabaseInventory) -> DatabaseInventory:
        """The database as if it were no larger than the part."""
        return found if self.whole else replace(found, tables=tuple(map(self._sized, found.tables)))

    def _sized(self, table: Table) -> Table:
        if table.name not in self.incomplete:
            return table
        share = self.share if table.name in self.pages else 0.0
        return replace(
            table,
            heap_bytes=self.pages.get(table.name, 0) * PAGE_BYTES,
            toast_bytes=int(table.toast_bytes * share),
            index_bytes=int(table.index_bytes * share),
            rows_estimate=int(max(table.rows_estimate, 0) * share),
        )

    def indexes(self, found: Iterable[Index]) -> tuple[Index, ...]:
        """With sizes as they will be: how much memory a sort gets depends on it."""
        return tuple(found if self.whole else (replace(i, bytes=int(i.bytes * self.share)) for i in found))

    def unheld(self, keys: Iterable[ForeignKey]) -> frozenset[tuple[int, int]]:
        """Foreign keys, by class and OID, whose rows may point to rows that are not in the part."""
        return frozenset(key.key for key in keys if key.referenced in self.incomplete)


def choose_part(inventory: DatabaseInventory, chunks: Iterable[Chunk], *, most_bytes: int | None) -> Part:
    """A part of at most so many bytes of rows; everything where it fits, or with None. `chunks` are uncut."""
    every = tuple(chunks)
    if most_bytes is None or sum(chunk.data_bytes for chunk in every) <= most_bytes:
        return Part()
    by_page = inventory.version >= READ_BY_PAGE_SINCE
    large = [chunk for chunk in every if chunk.data_bytes > SMALL_BYTES]
    divisible = [chunk for chunk in large if by_page and not chunk.tree]
    left = most_bytes - sum(chunk.data_bytes for chunk in every if chunk.data_bytes <= SMALL_BYTES)
    without = _too_large(
        [chunk for chunk in large if chunk not in divisible], left * (FOR_INDIVISIBLE if divisible else 1.0)
    )
    left -= sum(chunk.data_bytes for chunk in large if chunk not in divisible and chunk not in without)
    divisible_bytes = sum(chunk.data_bytes for chunk in divisible)
    share = max(left, 0) / divisible_bytes if divisible_bytes else 1.0
    tables = {table.name: table for table in inventory.tables}
    pages = {c.table: max(1, int(tables[c.table].heap_bytes // PAGE_BYTES * share)) for c in divisible if share < 1.0}
    cut = {*pages, *(holder for chunk in without for holder in chunk.holders)}
    return Part(
        share=share if pages else 1.0,
        pages=pages,
        without=frozenset(chunk.table for chunk in without),
        incomplete=frozenset(cut | {root_of(name, tables) for name in cut}),
    )


def _too_large(chunks: Iterable[Chunk], most_bytes: float) -> tuple[Chunk, ...]:
    """Those that do not fit any more when the largest that fits is taken first."""
    without = []
    for chunk in chunks:
        if chunk.data_bytes > most_bytes:
            without.append(chunk)
        else:
            most_bytes -= chunk.data_bytes
    return tuple(without)
