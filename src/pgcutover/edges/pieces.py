"""In which pieces one side's tables are read: slices of their pages, of trees those of every partition.

It must only read. The invariant: every page of every unit is in exactly one slice.
"""

from collections.abc import Mapping, Sequence

from psycopg import sql

from pgcutover.edges.moment import Moment
from pgcutover.edges.postgres import Connection, query
from pgcutover.facts.names import TableName
from pgcutover.facts.proof import ComparisonUnit
from pgcutover.planning.slices import Slice, slices

# TID range scans. https://www.postgresql.org/docs/release/14.0/
SLICES_SINCE = 140000
# https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-PARTITION
TREES_SINCE = 120000


def pieces_of(moment: Moment, units: Sequence[ComparisonUnit], *, sessions: int) -> list[tuple[ComparisonUnit, Slice]]:
    """Every unit's slices on one side, biggest first."""
    with moment.session() as connection:
        sizes = _sizes(connection)
        each = [(unit, piece) for unit in units for piece in _slices_of(connection, unit, sizes, sessions)]
    return sorted(each, key=lambda both: -both[1].data_bytes)


def _sizes(connection: Connection) -> dict[TableName, tuple[int, int]]:
    rows = connection.execute(query("content_pages").format(schemas=query("inventory_schemas")))
    return {TableName(schema=s, name=n): (pages, data_bytes) for s, n, pages, data_bytes in rows}


def _slices_of(
    connection: Connection, unit: ComparisonUnit, sizes: Mapping[TableName, tuple[int, int]], sessions: int
) -> list[Slice]:
    whole = [Slice(table=unit.table, whole=True, data_bytes=unit.data_bytes)]
    version = connection.info.server_version
    if unit.tree:
        return (_leaves(connection, unit, sessions) if version >= TREES_SINCE else []) or whole
    if version < SLICES_SINCE or unit.table not in sizes:
        return whole
    pages, data_bytes = sizes[unit.table]
    return [*slices(unit.table, data_bytes, pages, sessions=sessions)]


def _leaves(connection: Connection, unit: ComparisonUnit, sessions: int) -> list[Slice]:
    """Slices of the tables that hold a tree's rows; none where some rows are another server's."""
    root = sql.Literal(sql.Identifier(unit.table.schema, unit.table.name).as_string(connection))
    leaves = connection.execute(query("content_leaves").format(root=root)).fetchall()
    if any(elsewhere for _, _, elsewhere, _, _ in leaves):
        return []
    sliced = connection.info.server_version >= SLICES_SINCE
    return [
        piece
        for schema, name, _, pages, data_bytes in leaves
        for piece in slices(TableName(schema=schema, name=name), data_bytes, pages if sliced else 0, sessions=sessions)
    ]
