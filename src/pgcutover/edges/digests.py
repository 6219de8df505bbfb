"""Proof of rows: a count and an order-free 128-bit hash of every table, computed by the servers themselves.

Rows are hashed as text, spelled from explicit columns under pinned settings (traps.md T11), so that two servers of
different versions agree on equal rows. The invariant: what could not be hashed is reported as such, never as equal.

Why the 128 bits hold. A row's text is unambiguous: `ROW(…)::text` quotes every value, tells NULL from '', and keeps the
order of columns, so values that changed places, also between rows, make other texts. Each text is hashed twice, with
two seeds: two functions of 64 bits each, whose whole inner state (96 bits) starts from the seed
(https://github.com/postgres/postgres/blob/REL_16_STABLE/src/common/hashfn.c), so a text that collides under one seed
does so under the other by chance only. The hashes are added, not xor-ed: a row that is there twice adds twice, where
xor would cancel it, and one row too many with another too few leaves the difference of their hashes. Sums are exact and
are cut to 64 bits at the end; rows are counted beside them. What is not claimed: the functions are not cryptographic.
They catch faults, not a forger who may choose rows.
"""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import psycopg
from psycopg import sql

from pgcutover.edges.postgres import Connection, query
from pgcutover.facts.names import TableName
from pgcutover.facts.proof import ComparisonUnit, Digest
from pgcutover.planning.slices import Slice

HASH_VALUES = 2**64
LARGE_ROW_BYTES = 100_000_000
"""A row of more is hashed column by column: spelled whole, the server would need several times as much memory."""

# A row's text of more than 1 GB: 54000 when a buffer would grow too far, XX000 when one allocation is refused.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
TOO_LARGE = ("54000", "XX000")
Place: TypeAlias = int | None
Sums: TypeAlias = tuple[int, int, int]
"""Rows, and the two sums of their hashes."""


class TooLargeError(Exception):
    """A row is larger as text than a server can spell in one piece; its columns must be hashed one by one."""


def table_of(unit: ComparisonUnit) -> sql.Composed:
    """ONLY, so that rows of children that inherit are not read twice (traps.md T12)."""
    only = sql.SQL("" if unit.tree else "ONLY ")
    return only + sql.Identifier(unit.table.schema, unit.table.name)


def row_text(unit: ComparisonUnit, there: Collection[str], *, wide: bool) -> sql.Composable:
    """The text of a row of `t`; columns that are not there count as NULL. `wide`: of digests of its columns."""
    by_column = _spelt(unit, unit.columns, there, wide=True)
    large = [sql.Identifier("t", name) for name in unit.large_columns if name in there]
    if wide:
        return recoded(unit, by_column)
    whole = _spelt(unit, unit.columns, there, wide=False)
    if not large:
        return recoded(unit, whole)
    # The size of a value that is stored out of line is known without reading it.
    sizes = sql.SQL(" + ").join(sql.SQL("coalesce(octet_length({}), 0)::bigint").format(column) for column in large)
    choice = sql.SQL('(CASE WHEN {} > {} THEN {} ELSE {} END) COLLATE "C"')
    return recoded(unit, choice.format(sizes, sql.Literal(LARGE_ROW_BYTES), by_column, whole))


def key_text(unit: ComparisonUnit) -> sql.Composable:
    """The text of a row's key, of which only keys that print alike are alike, whatever their type's `=` says (T1)."""
    return recoded(unit, _spelt(unit, unit.key, unit.key, wide=False))


def recoded(unit: ComparisonUnit, text: sql.Composable) -> sql.Composable:
    """Text whose bytes are the same in both servers' encodings."""
    if not unit.recoded:
        return text
    return sql.SQL("encode(convert_to({}, 'UTF8'), 'hex') COLLATE \"C\"").format(text)


def _spelt(unit: ComparisonUnit, columns: Iterable[str], there: Collection[str], *, wide: bool) -> sql.Composed:
    spell = column_digest if wide else _plain
    values = (spell(unit, name) if name in there else sql.SQL("NULL") for name in columns)
    return sql.SQL('ROW({})::text COLLATE "C"').format(sql.SQL(", ").join(values))


def _plain(_: ComparisonUnit, name: str) -> sql.Composable:
    # Qualified: a bare `t` would be the column, in a table that has one of that name.
    return sql.Identifier("t", name)


def column_digest(unit: ComparisonUnit, name: str) -> sql.Composable:
    """SHA-256 of one value as its type prints it; of bytea, of the bytes."""
    column = sql.Identifier("t", name)
    if name in unit.bytes_columns:
        return sql.SQL("sha256({})").format(column)
    if name in unit.large_columns:
        # Text already: to print it would take its size twice more.
        return sql.SQL("sha256(convert_to({}::text, 'UTF8'))").format(column)
    # Not by a cast, which of the user's own types may be a function of the user's. NULL would print as ''; IS NULL is
    # true of a composite value without values too.
    printed = "CASE WHEN num_nulls({0}) = 0 THEN sha256(convert_to(format('%s', {0}), 'UTF8')) END"
    return sql.SQL(printed).format(column)


def table_digest(connection: Connection, unit: ComparisonUnit, there: Collection[str], *, wide: bool = False) -> Digest:
    """Count and hash of a unit's rows; `there` are the columns that this side has.

    Raises:
        TooLargeError: a row is over 1 GB as text; `wide` hashes column by column.
    """
    return digest_of(range_sums(connection, unit, there, wide=wide).values())


def range_sums(
    connection: Connection, unit: ComparisonUnit, there: Collection[str], piece: Slice | None = None, *, wide: bool
) -> dict[Place, Sums]:
    """The sums of a unit's rows, or of one slice of them, by range of keys; empty ranges are left out.

    To find a row's range costs a sixth of reading it, so a unit without ranges is summed without looking for any.

    Raises:
        TooLargeError: as `table_digest`.
    """
    place = place_of(unit)
    statement = query("content_digest" if place else "content_sum").format(
        place=place or sql.SQL(""),
        row=row_text(unit, there, wide=wide),
        table=table_of(unit) if piece is None or piece.whole else _only(piece.table),
        pages=sql.SQL("") if piece is None else _pages(piece),
    )
    with too_large_told():
        found = connection.execute(statement).fetchall()
    return {place: (rows, int(first), int(second)) for place, rows, first, second in found if rows}


def place_of(unit: ComparisonUnit) -> sql.Composable | None:
    """Which of the unit's ranges a row is in; None where it has but one."""
    ranges = unit.ranges
    if ranges is None or (ranges.column and not ranges.bounds):
        return None
    if ranges.column:
        column = sql.Identifier("t", ranges.column)
        bounds = sql.Literal(list(ranges.bounds))
        return sql.SQL("width_bucket({}::bigint, {}::bigint[])::bigint").format(column, bounds)
    return sql.SQL("hashtextextended({}, 0) & {}").format(key_text(unit), sql.Literal(ranges.count - 1))


def _only(table: TableName) -> sql.Composed:
    return sql.SQL("ONLY {}").format(sql.Identifier(table.schema, table.name))


def _pages(piece: Slice) -> sql.Composable:
    bounds = [sql.SQL("t.ctid >= {}::tid").format(sql.Literal(f"({piece.first},0)"))] if piece.first else []
    if piece.end is not None:
        bounds.append(sql.SQL("t.ctid < {}::tid").format(sql.Literal(f"({piece.end},0)")))
    return sql.SQL("WHERE {}").format(sql.SQL(" AND ").join(bounds)) if bounds else sql.SQL("")


def digest_of(sums: Iterable[Sums]) -> Digest:
    rows = first = second = 0
    for held in sums:
        rows, first, second = rows + held[0], first + held[1], second + held[2]
    return Digest(rows=rows, hash128=f"{first % HASH_VALUES:016x}{second % HASH_VALUES:016x}")


@contextmanager
def too_large_told() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as cause:
        if cause.sqlstate in TOO_LARGE:
            raise TooLargeError(str(cause)) from cause
        raise
