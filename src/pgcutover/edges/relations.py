"""What a comparison asks of the catalogues beyond the inventory: materialised views, files, what may not be read.

It must only read. The invariant: whatever has rows here is compared, or is named as not compared with the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pgcutover.edges.catalog import read_inventory, read_marks
from pgcutover.edges.postgres import Server, query
from pgcutover.facts.inventory import Column, DatabaseInventory, Table
from pgcutover.facts.names import TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """One side before its rows are read; materialised views are among the tables, for they are read alike."""

    inventory: DatabaseInventory
    views: frozenset[TableName]
    files: Mapping[TableName, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """What came between: why a table's rows may not be those that were there, what could not be seen, what changed."""

    moved: Mapping[TableName, str]
    doubts: tuple[str, ...]
    changed: tuple[str, ...]


def before(server: Server) -> Before:
    """Look at one side. Raises SourceError or TargetError."""
    # The files first: a table that is truncated before its snapshot is taken must not look unchanged.
    found = _files(server)
    inventory = read_inventory(server)
    views = _views(server)
    return Before(
        inventory=replace(inventory, tables=(*inventory.tables, *views)),
        views=frozenset(view.name for view in views),
        files=found,
    )


def after(server: Server, seen: Before) -> After:
    """Look again, in fresh snapshots: a file that was replaced meanwhile may have been read empty (traps.md T7)."""
    doubts = [f"sequence {name}: its value on the {server.side} may not be read" for name in _unreadable(server)]
    same = read_marks(server).fingerprint == seen.inventory.fingerprint
    changed = () if same else (f"definitions on the {server.side} changed while it was read",)
    return After(moved=_moved(server, seen), doubts=tuple(doubts), changed=changed)


def _moved(server: Server, seen: Before) -> dict[TableName, str]:
    now = _files(server)
    parents = {table.name: table.parent for table in seen.inventory.tables}
    moved: dict[TableName, str] = {}
    for name in {n for n in {*now, *seen.files} if now.get(n) != seen.files.get(n)}:
        unit: TableName | None = name
        while unit is not None:
            moved[unit] = f"{name} was truncated, rewritten, made or dropped on the {server.side} while it was read"
            unit = parents.get(unit)
    return moved


def _files(server: Server) -> dict[TableName, int]:
    with server.session("storage") as session:
        rows = session.execute(query("content_files").format(schemas=query("inventory_schemas")))
        return {TableName(schema=s, name=n): number for s, n, number in rows}


def _unreadable(server: Server) -> list[str]:
    """Sequences whose values we may not see; the inventory does not hold them."""
    with server.session("sequences") as session:
        return [
            name for (name,) in session.execute(query("content_unreadable").format(schemas=query("inventory_schemas")))
        ]


def _views(server: Server) -> list[Table]:
    with server.session("materialised views") as session:
        rows = session.execute(query("content_views").format(schemas=query("inventory_schemas"))).fetchall()
    return [_view(TableName(schema=s, name=n), data_bytes, columns) for s, n, data_bytes, columns in rows]


def _view(name: TableName, data_bytes: int, columns: list[list[str]]) -> Table:
    """As far as a comparison of rows needs it."""
    return Table(
        name=name,
        oid=0,
        kind="table",
        columns=tuple(_column(*column) for column in columns),
        key=(),
        owner="",
        parent=None,
        inherits=(),
        partition_key=None,
        relfilenode=0,
        unlogged=False,
        row_security=False,
        rows_estimate=0,
        heap_bytes=data_bytes,
        toast_bytes=0,
        index_bytes=0,
        index_count=0,
    )


def _column(name: str, type_sql: str) -> Column:
    return Column(
        name=name,
        type_sql=type_sql,
        base_type=("", ""),
        base_kind="b",
        collation=None,
        generated=False,
        identity=False,
        not_null=False,
    )
