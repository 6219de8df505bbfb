"""What must be copied in one piece, and in which order copying and building may go: chunks and one task graph.

Pure. Invariants: every table that holds rows is in exactly one chunk; every entry of the archive's post-data is in
exactly one task; the graph has no cycle. A table's indexes wait only for that table's rows, foreign keys for
everything.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pgcutover.errors import RefusedError
from pgcutover.facts.inventory import Column, DatabaseInventory, PartitionKey, Table
from pgcutover.facts.names import TableName
from pgcutover.planning.definitions import TocEntry
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


class TaskKind(StrEnum):
    COPY = "copy"
    BUILD = "build"
    ATTACH = "attach"
    FOREIGN_KEYS = "foreign keys"
    REST = "rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Rows that are copied in one transaction.

    `table` is what is read and written; with `tree` it is the root of a partition tree, read and written whole, so that
    the target decides where each row belongs. `holders` are the tables whose rows these are. `columns` are all but the
    generated ones; () means a table without any; in `extremes` are those whose extreme intervals the target would read
    as infinite (T6). `storage` is a digest of the holders' relfilenodes: it changes when
    one of them is truncated or rewritten (T7).
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A node of the graph. `needs` are names of tasks; `entries` are dump ids, in the archive's order."""

    name: str
    kind: TaskKind
    needs: tuple[str, ...] = ()
    chunk: Chunk | None = None
    entries: tuple[int, ...] = ()
    weight_bytes: int = 0


def plan_chunks(inventory: DatabaseInventory, *, target_version: int) -> tuple[Chunk, ...]:
    """One chunk per table, or per partition tree that must load through its root (T18); biggest first.

    Raises:
        RefusedError: such a tree has a foreign table among its partitions, whose rows are not in this database.
    """
    tables = {table.name: table for table in inventory.tables}
    chunks = []
    for root, tree in _trees(tables).items():
        if any(_unsteady(table, inventory) for table in tree):
            chunks.append(_tree_chunk(tables[root], tree, inventory.version, target_version))
        else:
            chunks += [_chunk(t, (t,), inventory.version, target_version) for t in tree if t.holds_rows]
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
    return Chunk(
        name=table.name.spelt,
        table=table.name,
        tree=tree,
        holders=tuple(sorted(t.name for t in holders)),
        columns=tuple(column.name for column in table.columns if not column.generated),
        binary=form.binary,
        # PostgreSQL refuses COPY FREEZE into a partitioned table. https://www.postgresql.org/docs/current/sql-copy.html
        freeze=not tree,
        unlogged=any(t.unlogged for t in holders),
        object_names=holds_object_names(table.columns),
        extremes=extreme_columns(table.columns, source_version=source_version, target_version=target_version),
        rows_estimate=sum(max(t.rows_estimate, 0) for t in holders),
        data_bytes=sum(t.data_bytes for t in holders),
        storage=_storage(holders),
    )


def _storage(holders: Iterable[Table]) -> str:
    text = "\n".join(f"{t.name.spelt} {t.relfilenode}" for t in sorted(holders, key=lambda t: t.name))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def plan_tasks(
    inventory: DatabaseInventory, entries: Iterable[TocEntry], owners: Mapping[int, TableName], *, target_version: int
) -> tuple[Task, ...]:
    """The graph for these post-data entries, in the archive's order; `owners` maps a dump id to an index's table."""
    tables = {table.name: table for table in inventory.tables}
    chunks = plan_chunks(inventory, target_version=target_version)
    copies = {holder: _copy_name(chunk) for chunk in chunks for holder in chunk.holders}
    groups, keys, rest = _parted(entries, owners, tables)
    tasks = [
        Task(name=_copy_name(chunk), kind=TaskKind.COPY, chunk=chunk, weight_bytes=chunk.data_bytes) for chunk in chunks
    ]
    builds = [_build(tables[n], ids, copies) for n, ids in groups.items() if tables[n].kind != "partitioned"]
    # Indexes of partitioned tables come into force when every partition's index is attached.
    attaches = [_attach(n, ids, builds, tables) for n, ids in groups.items() if tables[n].kind == "partitioned"]
    tasks += builds + attaches
    before = tuple(task.name for task in tasks)
    # The tasks are there even when empty, so that what follows can always name them.
    tasks.append(Task(name="foreign keys", kind=TaskKind.FOREIGN_KEYS, needs=before, entries=tuple(keys)))
    tasks.append(Task(name="rest", kind=TaskKind.REST, needs=("foreign keys",), entries=tuple(rest)))
    return tuple(tasks)


def _copy_name(chunk: Chunk) -> str:
    return f"copy {chunk.name}"


def _parted(
    entries: Iterable[TocEntry], owners: Mapping[int, TableName], tables: Mapping[TableName, Table]
) -> tuple[dict[TableName, list[int]], list[int], list[int]]:
    """Entries by the table they wait for, the foreign keys, and everything else."""
    groups: dict[TableName, list[int]] = {}
    keys: list[int] = []
    rest: list[int] = []
    postponed = False
    for entry in entries:
        # pg_dump postpones a function whose body needs a constraint; an index that follows may use it.
        postponed = postponed or entry.kind in ("FUNCTION", "PROCEDURE", "AGGREGATE")
        owner = owners.get(entry.dump_id)
        if (
            not postponed
            and owner is not None
            and owner in tables
            and entry.kind in ("INDEX", "CONSTRAINT", "INDEX ATTACH")
        ):
            of_tree = tables[owner].kind == "partitioned" or entry.kind == "INDEX ATTACH"
            groups.setdefault(root_of(owner, tables) if of_tree else owner, []).append(entry.dump_id)
        elif not postponed and entry.kind == "FK CONSTRAINT":
            keys.append(entry.dump_id)
        else:
            rest.append(entry.dump_id)
    return groups, keys, rest


def _build(table: Table, ids: list[int], copies: Mapping[TableName, str]) -> Task:
    return Task(
        name=f"build {table.name.spelt}",
        kind=TaskKind.BUILD,
        needs=(copies[table.name],) if table.name in copies else (),
        entries=tuple(ids),
        weight_bytes=table.index_bytes,
    )


def _attach(root: TableName, ids: list[int], builds: list[Task], tables: Mapping[TableName, Table]) -> Task:
    below = {f"build {t.name.spelt}" for t in tables.values() if root_of(t.name, tables) == root}
    return Task(
        name=f"attach {root.spelt}",
        kind=TaskKind.ATTACH,
        needs=tuple(task.name for task in builds if task.name in below),
        entries=tuple(ids),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A chunk's marker on the target: the evidence that it arrived, and from which files (T7)."""

    rows: int
    bytes: int
    seconds: float
    storage: str
