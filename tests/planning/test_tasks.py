"""Chunks and the task graph: nothing is left out, nothing is done twice, nothing waits for itself."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgcutover.errors import RefusedError
from pgcutover.facts.inventory import Column, DatabaseInventory, PartitionKey, Table
from pgcutover.facts.names import TableName
from pgcutover.planning.definitions import TocEntry
from pgcutover.planning.tasks import Task, TaskKind, plan_chunks, plan_tasks

TEXT = Column(
    name="t",
    type_sql="text",
    base_type=("pg_catalog", "text"),
    base_kind="b",
    collation="default",
    generated=False,
    identity=False,
    not_null=False,
)
NUMBER = replace(TEXT, name="n", type_sql="integer", base_type=("pg_catalog", "int4"), collation=None)
MOOD = replace(TEXT, name="m", type_sql="app.mood", base_type=("app", "mood"), base_kind="e", collation=None)
BYTES = replace(TEXT, name="b", collation="C")


def table(name: str, **changes: object) -> Table:
    plain = Table(
        name=TableName(schema="app", name=name),
        oid=1,
        kind="table",
        columns=(NUMBER, TEXT, MOOD, BYTES),
        key=(),
        owner="o",
        parent=None,
        inherits=(),
        partition_key=None,
        relfilenode=7,
        unlogged=False,
        row_security=False,
        rows_estimate=1,
        heap_bytes=1,
        toast_bytes=0,
        index_bytes=0,
        index_count=0,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def inventory(*tables: Table, collate: str = "en_US.UTF-8") -> DatabaseInventory:
    values: dict[str, object] = dict.fromkeys(DatabaseInventory.__slots__, "")
    values |= {"version": 160014, "collate": collate, "tables": tables}
    return DatabaseInventory(**values)  # type: ignore[arg-type]


def tree(strategy: str, column: str, *, leaf_kind: str = "table") -> tuple[Table, ...]:
    key = PartitionKey(strategy=strategy, columns=(column,))  # type: ignore[arg-type]
    root = table("root", kind="partitioned", partition_key=key)
    leaves = (table("leaf1", parent=root.name), table("leaf2", parent=root.name, kind=leaf_kind))
    return root, *leaves


@pytest.mark.parametrize(
    ("strategy", "column", "collate", "through_root"),
    [
        ("hash", "m", "en_US.UTF-8", True),
        ("list", "m", "en_US.UTF-8", False),
        ("range", "m", "en_US.UTF-8", False),
        ("range", "t", "en_US.UTF-8", True),
        ("range", "t", "C", False),
        ("range", "b", "en_US.UTF-8", False),
        ("hash", "t", "en_US.UTF-8", False),
        ("hash", "n", "en_US.UTF-8", False),
        ("range", "n", "en_US.UTF-8", False),
        ("range", "", "en_US.UTF-8", True),
    ],
)
def test_trees_whose_rows_may_belong_elsewhere_load_through_their_root(
    strategy: str, column: str, collate: str, through_root: bool
) -> None:
    """T18: hash by enum and range by collated text go whole through the root; others leaf by leaf, frozen."""
    chunks = plan_chunks(inventory(*tree(strategy, column), collate=collate), target_version=180004)
    expected = {("app.root", True, False)} if through_root else {("app.leaf1", False, True), ("app.leaf2", False, True)}
    assert expected == {(chunk.name, chunk.tree, chunk.freeze) for chunk in chunks}


def test_an_unsteady_level_below_makes_the_whole_tree_load_through_the_root() -> None:
    """T18: the enum may be the key of a level below the root."""
    root = table("root", kind="partitioned", partition_key=PartitionKey(strategy="range", columns=("n",)))
    middle = table(
        "middle", kind="partitioned", parent=root.name, partition_key=PartitionKey(strategy="hash", columns=("m",))
    )
    leaf = table("leaf", parent=middle.name)
    (chunk,) = plan_chunks(inventory(root, middle, leaf), target_version=180004)
    assert (root.name, (leaf.name,)) == (chunk.table, chunk.holders)


def test_a_foreign_partition_of_such_a_tree_is_refused() -> None:
    """Reading the root would fetch another database's rows, writing it would write there."""
    with pytest.raises(RefusedError, match=r"app\.leaf2 is a foreign table"):
        plan_chunks(inventory(*tree("hash", "m", leaf_kind="foreign")), target_version=180004)


def test_a_rewritten_table_has_another_storage() -> None:
    """T7: the chunk's digest changes with the relfilenode, and with nothing else."""
    before, same, after = (
        plan_chunks(inventory(t), target_version=180004)[0].storage
        for t in (table("a"), table("a", rows_estimate=9), table("a", relfilenode=8))
    )
    assert (True, False) == (before == same, before == after)


def test_no_two_tables_share_a_name() -> None:
    """A dot in a name does not make two chunks one."""
    assert 'app."a.b"' == TableName(schema="app", name="a.b").spelt
    assert '"app.a".b' == TableName(schema="app.a", name="b").spelt


def entry(dump_id: int, kind: str) -> TocEntry:
    return TocEntry(dump_id=dump_id, class_oid=1, oid=dump_id, section="post-data", kind=kind, label="", line="")


@st.composite
def databases(draw: st.DrawFn) -> tuple[tuple[Table, ...], list[TocEntry], dict[int, TableName]]:
    """Tables, partition trees up to three levels deep, and post-data entries of every kind in any order."""
    tables: list[Table] = []
    for number in range(draw(st.integers(0, 8))):
        parents = [t for t in tables if t.kind == "partitioned"]
        parent = draw(st.sampled_from([None, *parents]))
        kind = draw(st.sampled_from(["table", "partitioned"]))
        key = PartitionKey(
            strategy=draw(st.sampled_from(["list", "range", "hash"])), columns=(draw(st.sampled_from("ntmb")),)
        )
        tables.append(
            table(
                f"t{number}",
                kind=kind,
                parent=parent.name if parent else None,
                partition_key=key if kind == "partitioned" else None,
                heap_bytes=draw(st.integers(0, 100)),
                index_bytes=draw(st.integers(0, 100)),
            )
        )
    kinds = ["INDEX", "CONSTRAINT", "INDEX ATTACH", "FK CONSTRAINT", "TRIGGER", "COMMENT", "FUNCTION", "RULE"]
    entries = [entry(n, draw(st.sampled_from(kinds))) for n in range(draw(st.integers(0, 20)))]
    owners = {
        e.dump_id: draw(st.sampled_from(tables)).name
        for e in entries
        if tables and e.kind in ("INDEX", "CONSTRAINT", "INDEX ATTACH")
    }
    return tuple(tables), entries, owners


@given(databases())
def test_everything_is_done_once(made: tuple[tuple[Table, ...], list[TocEntry], dict[int, TableName]]) -> None:
    """Every table with rows is in exactly one chunk, every entry in exactly one task, in the archive's order."""
    tables, entries, owners = made
    tasks = plan_tasks(inventory(*tables), entries, owners, target_version=180004)
    holders = [holder for task in tasks if task.chunk is not None for holder in task.chunk.holders]
    assert sorted(t.name for t in tables if t.holds_rows) == sorted(holders)
    assert [e.dump_id for e in entries] == sorted(dump_id for task in tasks for dump_id in task.entries)
    assert all(list(task.entries) == sorted(task.entries) for task in tasks)
    assert len(tasks) == len({task.name for task in tasks})


@given(databases())
def test_nothing_waits_for_itself(made: tuple[tuple[Table, ...], list[TocEntry], dict[int, TableName]]) -> None:
    """Done in any order that respects what each needs, every task's turn comes; the rest comes last."""
    tables, entries, owners = made
    waiting: list[Task] = list(plan_tasks(inventory(*tables), entries, owners, target_version=180004))
    done: list[str] = []
    while waiting:
        ready = [task for task in waiting if set(task.needs) <= set(done)]
        assert ready
        done.append(ready[-1].name)
        waiting.remove(ready[-1])
    assert ["foreign keys", "rest"] == done[-2:]


@given(databases())
def test_an_index_waits_for_its_rows(made: tuple[tuple[Table, ...], list[TocEntry], dict[int, TableName]]) -> None:
    """A table's indexes are built after the chunk with its rows, a tree's attached after those of its partitions."""
    tables, entries, owners = made
    tasks = plan_tasks(inventory(*tables), entries, owners, target_version=180004)
    copies = {holder: t.name for t in tasks if t.chunk is not None for holder in t.chunk.holders}
    for task in tasks:
        if task.kind is TaskKind.BUILD:
            tables_of = {owners[dump_id] for dump_id in task.entries}
            assert {copies[name] for name in tables_of if name in copies} == set(task.needs)
