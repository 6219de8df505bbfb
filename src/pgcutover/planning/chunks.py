"""What must be copied in one piece: a table, a partition tree, or some pages of a table.

Pure. Invariant: every row of every table that holds rows is in exactly one chunk.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pgcutover.errors import RefusedError
from pgcutover.facts.inventory import Column, DatabaseInventory, PartitionKey, Table
from pgcutover.facts.names import TableName
from pgcutover.planning.formats import CATALOG, copy_format, extreme_columns, holds_object_names

# Built-in types that compare, and hash, alike on every server: where their rows belong cannot differ.
_STEADY = (
    "bit bool bytea char cidr date float4 float8 inet int2 int4 int8 interval macaddr macaddr8 money numeric oid "
    "pg_lsn time timestamp timestamptz timetz uuid varbit xid8"
)
STEADY_KEYS = frozenset(_STEADY.split())
TEXT_KEYS = frozenset({"text", "varchar", "bpchar", "name"})
BYTE_ORDER = frozenset({"C", "POSIX", "ucs_basic"})
DEFAULT_COLLATION = "default"

SMALL_BYTES = 128 * 1024
"""A smaller table is not worth new files on the target, which COPY FREEZE needs: vacuum will freeze it in passing."""

Bounds = Mapping[str, Sequence[int]]
"""First pages of a table's chunks, by the table as SQL spells it, from 0 on. A table that is not there is whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Rows that are copied in one transaction.

    `table` is what is read and written; with `tree` it is the root of a partition tree, read and written whole, so that
    the target decides where each row belongs. `holders` are the tables whose rows these are. `columns` are all but the
    generated ones; () means a table without any; in `extremes` are those whose extreme intervals the target would read
    as infinite (T6). `storage` is a digest of the holders' relfilenodes: it changes when one of them is truncated or
    rewritten (T7). `pages` are the first and the one after the last, which is None where the end is open (T23); None
    altogether for the whole table.
    """

    name: str
    table: TableName
    tree: bool
    holders: tuple[TableName, ...]
    columns: tuple[str, ...]
    binary: bool
    freeze: bool
    unlogged: bool
    object_names: bool
    extremes: tuple[str, ...]
    rows_estimate: int
    data_bytes: int
    storage: str
    pages: tuple[int, int | None] | None = None

    @property
    def first(self) -> bool:
        """Whether it begins its table: of a table in parts exactly one does."""
        return self.pages is None or self.pages[0] == 0


def plan_chunks(
    inventory: DatabaseInventory, *, target_version: int, bounds: Bounds | None = None
) -> tuple[Chunk, ...]:
    """One chunk per table, or several where `bounds` says so, or one per partition tree that must load through its root
    (T18); biggest first.

    Raises:
        RefusedError: such a tree has a foreign table among its partitions, whose rows are not in this database.
    """
    tables = {table.name: table for table in inventory.tables}
    chunks: list[Chunk] = []
    for root, tree in _trees(tables).items():
        if any(_unsteady(table, inventory) for table in tree):
            chunks.append(_tree_chunk(tables[root], tree, inventory.version, target_version))
        else:
            whole = [_chunk(t, (t,), inventory.version, target_version) for t in tree if t.holds_rows]
            chunks += [part for chunk in whole for part in _parts(chunk, (bounds or {}).get(chunk.name, ()))]
    return tuple(sorted(chunks, key=lambda c: (-c.data_bytes, c.name)))


def root_of(name: TableName, tables: Mapping[TableName, Table]) -> TableName:
    """The topmost parent of a partition; any other table's own name."""
    while (parent := tables[name].parent) is not None and parent in tables:
        name = parent
    return name


def _trees(tables: Mapping[TableName, Table]) -> dict[TableName, tuple[Table, ...]]:
    trees: dict[TableName, list[Table]] = defaultdict(list)
    for table in tables.values():
        trees[root_of(table.name, tables)].append(table)
    return {root: tuple(members) for root, members in trees.items()}


def _unsteady(table: Table, inventory: DatabaseInventory) -> bool:
    """Whether a row of this partitioned table might belong to another partition on another server.

    Enums hash by OID, collations order by a library's version: https://www.postgresql.org/docs/current/ddl-partitioning.html
    and traps.md T18. What is not known to be steady is held to be unsteady: that costs only speed.
    """
    key = table.partition_key
    if key is None:
        return False
    columns = {column.name: column for column in table.columns}
    return not all(name in columns and _steady(columns[name], key, inventory) for name in key.columns)


def _steady(column: Column, key: PartitionKey, inventory: DatabaseInventory) -> bool:
    schema, name = column.base_type
    if column.base_kind == "e":
        return key.strategy != "hash"
    if schema != CATALOG or column.base_kind != "b":
        return False
    if name in STEADY_KEYS:
        return True
    return name in TEXT_KEYS and _steady_text(column.collation, key, inventory)


def _steady_text(collation: str | None, key: PartitionKey, inventory: DatabaseInventory) -> bool:
    """Range needs byte order; list and hash need equality by bytes, which only a collation made by a user can lack."""
    bare = (collation or "C").rsplit(".", 1)[-1].strip('"')
    if bare == DEFAULT_COLLATION:
        return key.strategy != "range" or inventory.collate in BYTE_ORDER
    return bare in BYTE_ORDER


def _tree_chunk(root: Table, tree: tuple[Table, ...], source_version: int, target_version: int) -> Chunk:
    foreign = [str(table.name) for table in tree if table.kind == "foreign"]
    if foreign:
        raise RefusedError(
            f"partitioned table {root.name} must be loaded through its root, and its partition {foreign[0]} is a "
            "foreign table",
            hint="Detach the foreign partition for the move, then attach it on the target by hand.",
        )
    return _chunk(root, tuple(t for t in tree if t.holds_rows), source_version, target_version)


def _chunk(table: Table, holders: tuple[Table, ...], source_version: int, target_version: int) -> Chunk:
    tree = table.kind == "partitioned"
    form = copy_format(table.columns, source_version=source_version, target_version=target_version)
    data_bytes = sum(t.data_bytes for t in holders)
    return Chunk(
        name=table.name.spelt,
        table=table.name,
        tree=tree,
        holders=tuple(sorted(t.name for t in holders)),
        columns=tuple(column.name for column in table.columns if not column.generated),
        binary=form.binary,
        # PostgreSQL refuses COPY FREEZE into a partitioned table. https://www.postgresql.org/docs/current/sql-copy.html
        freeze=not tree and data_bytes >= SMALL_BYTES,
        unlogged=any(t.unlogged for t in holders),
        object_names=holds_object_names(table.columns),
        extremes=extreme_columns(table.columns, source_version=source_version, target_version=target_version),
        rows_estimate=sum(max(t.rows_estimate, 0) for t in holders),
        data_bytes=data_bytes,
        storage=_storage(holders),
    )


def _storage(holders: Iterable[Table]) -> str:
    text = "\n".join(f"{t.name.spelt} {t.relfilenode}" for t in sorted(holders, key=lambda t: t.name))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _parts(chunk: Chunk, starts: Sequence[int]) -> tuple[Chunk, ...]:
    """A table's pages from each start to the next; the last has no end, for the table may be longer by now (T23)."""
    if len(starts) < 2:
        return (chunk,)
    ends = (*starts[1:], None)
    return tuple(
        replace(
            chunk,
            name=f"{chunk.name} from page {start}",
            pages=(start, end),
            # Rows can be frozen only by the transaction that emptied the table, and several fill it.
            freeze=False,
            rows_estimate=chunk.rows_estimate // len(starts),
            data_bytes=chunk.data_bytes // len(starts),
        )
        for start, end in zip(starts, ends, strict=True)
    )
