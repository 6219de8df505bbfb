"""What is compared with what: each table's own rows, or a partition tree's rows as a whole.

Pure. The invariant: every row of both databases is in a unit, and rows that may rightly stand in another partition on
the other server are compared through their root.
"""

from collections.abc import Iterator, Mapping

from pgcutover.facts.inventory import DatabaseInventory, Table
from pgcutover.facts.names import TableName
from pgcutover.facts.proof import ComparisonUnit
from pgcutover.planning.tasks import STEADY_KEYS, root_of

Tables = Mapping[TableName, Table]


def comparison_units(source: DatabaseInventory, target: DatabaseInventory) -> tuple[ComparisonUnit, ...]:
    """Biggest first. Tables of one side only are units too; foreign tables hold no rows of these databases."""
    ours, theirs = _tables(source), _tables(target)
    names = dict.fromkeys([*_tops(ours), *(n for n in _tops(theirs) if n not in ours)])
    units = (_unit(name, ours.get(name), theirs.get(name)) for name in names)
    return tuple(sorted(units, key=lambda u: (-u.data_bytes, u.table)))


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


def _unit(name: TableName, ours: Table | None, theirs: Table | None) -> ComparisonUnit:
    sides = [t for t in (ours, theirs) if t is not None]
    columns = dict.fromkeys(c.name for t in sides for c in t.columns)
    key = next((t.key for t in sides if t.key), ())
    everywhere = all(set(key) <= {c.name for c in t.columns} for t in sides)
    return ComparisonUnit(
        table=name,
        tree=any(t.kind == "partitioned" for t in sides),
        columns=tuple(columns),
        key=key if everywhere else (),
        bytes_columns=frozenset(c for c in columns if all(_is_bytes(t, c) for t in sides)),
        source_columns=None if ours is None else frozenset(c.name for c in ours.columns),
        target_columns=None if theirs is None else frozenset(c.name for c in theirs.columns),
        data_bytes=max(t.data_bytes for t in sides),
    )


def _is_bytes(table: Table, column: str) -> bool:
    return all(c.type_sql == "bytea" for c in table.columns if c.name == column)
