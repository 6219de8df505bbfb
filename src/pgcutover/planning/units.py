"""What is compared with what: each table's own rows, or a partition tree's rows as a whole.

Pure. The invariant: every row of both databases is in a unit, and rows that may rightly stand in another partition on
the other server are compared through their root.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pgcutover.facts.inventory import DatabaseInventory, Table
from pgcutover.facts.names import TableName
from pgcutover.facts.proof import ComparisonUnit, KeyRanges
from pgcutover.planning.chunks import STEADY_KEYS, root_of
from pgcutover.planning.slices import range_count

Tables = Mapping[TableName, Table]

BOTH = 2
INTEGERS = frozenset({"smallint", "integer", "bigint"})
MEASURED = ("text", "bytea", "character")
# A value of 100 MB takes at least this when it is compressed: lz4, the better of the two methods, saves at most 255 of
# 256 bytes. https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
LARGE_TOAST_BYTES = 100_000_000 // 256


def comparison_units(source: DatabaseInventory, target: DatabaseInventory) -> tuple[ComparisonUnit, ...]:
    """Biggest first. Tables of one side only are units too; foreign tables hold no rows of these databases."""
    ours, theirs = _tables(source), _tables(target)
    names = dict.fromkeys([*_tops(ours), *(n for n in _tops(theirs) if n not in ours)])
    recoded = source.encoding != target.encoding
    units = (_unit(name, _member(name, ours), _member(name, theirs), recoded=recoded) for name in names)
    return tuple(sorted(units, key=lambda u: (-u.data_bytes, u.table)))


def _member(name: TableName, tables: Tables) -> Table | None:
    """A table, with the sizes of its partitions where it has some."""
    table = tables.get(name)
    if table is None or table.kind != "partitioned":
        return table
    tree = [t for t in tables.values() if t.holds_rows and root_of(t.name, tables) == name]
    return replace(table, heap_bytes=sum(t.heap_bytes for t in tree), toast_bytes=sum(t.toast_bytes for t in tree))


def _tables(inventory: DatabaseInventory) -> dict[TableName, Table]:
    return {t.name: t for t in inventory.tables}


def _tops(tables: Tables) -> Iterator[TableName]:
    """Tables that hold rows, or the root in place of its partitions where only the whole tree can be compared."""
    wandering = _wandering_roots(tables)
    for name, table in tables.items():
        if name in wandering or (table.holds_rows and root_of(name, tables) not in wandering):
            yield name


def _wandering_roots(tables: Tables) -> frozenset[TableName]:
    """Roots of trees whose rows may stand in another partition on another server (traps.md T18).

    Held to be so unless every key column is of a type that compares and hashes alike everywhere. Not trees with a
    foreign partition: its rows are another server's.
    """
    foreign = {root_of(t.name, tables) for t in tables.values() if t.kind == "foreign"}
    roots = {root_of(t.name, tables) for t in tables.values() if t.partition_key is not None and not _steady(t)}
    return frozenset(roots - foreign)


def _steady(table: Table) -> bool:
    assert table.partition_key is not None, "asked of partitioned tables only"
    columns = {c.name: c for c in table.columns}
    return all(
        name in columns and columns[name].base_type[0] == "pg_catalog" and columns[name].base_type[1] in STEADY_KEYS
        for name in table.partition_key.columns
    )


def _unit(name: TableName, ours: Table | None, theirs: Table | None, *, recoded: bool) -> ComparisonUnit:
    sides = [t for t in (ours, theirs) if t is not None]
    columns = dict.fromkeys(c.name for t in sides for c in t.columns)
    key = next((t.key for t in sides if t.key), ())
    everywhere = all(set(key) <= {c.name for c in t.columns} for t in sides)
    data_bytes = max(t.data_bytes for t in sides)
    large = max(t.toast_bytes for t in sides) >= LARGE_TOAST_BYTES and not recoded
    return ComparisonUnit(
        table=name,
        tree=any(t.kind == "partitioned" for t in sides),
        columns=tuple(columns),
        key=key if everywhere else (),
        bytes_columns=frozenset(c for c in columns if all(_is_bytes(t, c) for t in sides)),
        source_columns=None if ours is None else frozenset(c.name for c in ours.columns),
        target_columns=None if theirs is None else frozenset(c.name for c in theirs.columns),
        data_bytes=data_bytes,
        large_columns=tuple(c for c in columns if all(_measured(t, c) for t in sides)) if large else (),
        recoded=recoded,
        ranges=_ranges(key, sides, data_bytes) if everywhere and len(sides) == BOTH else None,
    )


def _ranges(key: tuple[str, ...], sides: Sequence[Table], data_bytes: int) -> KeyRanges | None:
    """Of a key that begins with an integer, ranges whose bounds are still to be found; of any other, of its hash."""
    count = range_count(data_bytes)
    if count == 1 or not key:
        return None
    integer = all(_type_of(table, key[0]) in INTEGERS for table in sides)
    return KeyRanges(count=count, column=key[0] if integer else "")


def _type_of(table: Table, column: str) -> str:
    return next((c.type_sql for c in table.columns if c.name == column), "")


def _measured(table: Table, column: str) -> bool:
    """Whether octet_length tells a value's size without reading it, or the column is not there."""
    type_sql = _type_of(table, column)
    return not type_sql or (type_sql.startswith(MEASURED) and not type_sql.endswith("]"))


def _is_bytes(table: Table, column: str) -> bool:
    return all(c.type_sql == "bytea" for c in table.columns if c.name == column)
