"""Chunks and the task graph: nothing is left out, nothing is done twice, nothing waits for itself."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgcutover.errors import RefusedError
from pgcutover.facts.building import ForeignKey, Index
from pgcutover.facts.inventory import Column, DatabaseInventory, PartitionKey, Table
from pgcutover.facts.names import TableName
from pgcutover.planning.chunks import plan_chunks
from pgcutover.planning.cuts import cuts
from pgcutover.planning.definitions import TocEntry
from pgcutover.planning.tasks import Definitions, Task, TaskKind, plan_tasks

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
        heap_bytes=200_000,
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


def test_a_table_in_parts_is_read_from_end_to_end() -> None:
    """T23: each part ends where the next begins, and the last has no end."""
    chunks = plan_chunks(inventory(table("big")), target_version=180004, bounds={"app.big": (0, 7, 19)})
    assert [(0, 7), (7, 19), (19, None)] == sorted((c.pages for c in chunks if c.pages), key=lambda pages: pages[0])
    assert {False} == {chunk.freeze for chunk in chunks}
    assert 3 == len({chunk.name for chunk in chunks})


GIGABYTE = 2**30


def cut(*tables: Table, jobs: int = 4, version: int = 160014) -> dict[str, Sequence[int]]:
    found = replace(inventory(*tables), version=version)
    return dict(cuts(found, plan_chunks(found, target_version=180004), jobs=jobs))


def test_a_table_that_all_others_would_wait_for_is_cut() -> None:
    """One table that is most of the database is copied by as many sessions as there are."""
    small, big = table("small", heap_bytes=GIGABYTE), table("big", heap_bytes=8 * GIGABYTE)
    pages = 8 * GIGABYTE // 8192
    assert {"app.big": (0, pages // 4, pages // 2, pages * 3 // 4)} == cut(small, big)


@pytest.mark.parametrize(
    ("tables", "version"),
    [
        ([table(f"t{n}", heap_bytes=GIGABYTE) for n in range(8)], 160014),
        ([table("little", heap_bytes=GIGABYTE // 8)], 160014),
        ([table("unlogged", heap_bytes=8 * GIGABYTE, unlogged=True)], 160014),
        ([table("old", heap_bytes=8 * GIGABYTE)], 130000),
        (list(tree("hash", "m")), 160014),
    ],
    ids=["all alike", "small", "unlogged", "a server that would read everything", "through its root"],
)
def test_other_tables_stay_whole(tables: list[Table], version: int) -> None:
    """Where nobody waits for it, or where it cannot be done, a table is not cut: its rows can be frozen."""
    assert {} == cut(*tables, version=version)


def test_a_part_is_never_so_large_that_a_broken_connection_costs_the_night() -> None:
    """Even where others take as long, a huge table is cut."""
    found = cut(*(table(f"t{n}", heap_bytes=40 * GIGABYTE) for n in range(8)))
    assert {3} == {len(starts) for starts in found.values()}


def entry(dump_id: int, kind: str) -> TocEntry:
    return TocEntry(dump_id=dump_id, class_oid=1, oid=dump_id, section="post-data", kind=kind, label="", line="")


OF_INDEXES = ("INDEX", "CONSTRAINT", "INDEX ATTACH")


@st.composite
def databases(draw: st.DrawFn) -> tuple[tuple[Table, ...], Definitions]:
    """Tables of every size, partition trees up to three levels deep, post-data entries of every kind in any order."""
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
                oid=number + 1,
                kind=kind,
                parent=parent.name if parent else None,
                partition_key=key if kind == "partitioned" else None,
                heap_bytes=draw(st.sampled_from([0, 100, 1_000_000, 100_000_000])),
            )
        )
    kinds = [*OF_INDEXES, "FK CONSTRAINT", "TRIGGER", "COMMENT", "FUNCTION", "RULE"]
    entries = [entry(n, draw(st.sampled_from(kinds))) for n in range(draw(st.integers(0, 20)))]
    return tuple(tables), definitions(draw, tables, entries)


def definitions(draw: st.DrawFn, tables: list[Table], entries: list[TocEntry]) -> Definitions:
    """Texts for most of what has one; indexes that can be adopted and others; keys that are divisible and not."""
    of_tables = [e for e in entries if tables and e.kind in (*OF_INDEXES, "FK CONSTRAINT")]
    owners = {e.dump_id: draw(st.sampled_from(tables)).name for e in of_tables if e.kind in OF_INDEXES}
    indexes = {
        (e.class_oid, e.oid): Index(
            key=(2, e.oid),
            constraint=None,
            bytes=draw(st.integers(0, 100)),
            definition="CREATE UNIQUE INDEX i ON t (n)" if adoptable else "",
            adopt_sql="ALTER TABLE t ADD PRIMARY KEY USING INDEX i" if adoptable else "",
        )
        for e in of_tables
        if e.kind in ("INDEX", "CONSTRAINT") and draw(st.booleans())
        for adoptable in [e.kind == "CONSTRAINT" and draw(st.booleans())]
    }
    keys = {
        (e.class_oid, e.oid): ForeignKey(
            key=(e.class_oid, e.oid),
            table=draw(st.sampled_from(tables)).name,
            referenced=draw(st.sampled_from(tables)).name,
            divisible=draw(st.booleans()),
            validate_sql="VALIDATE",
        )
        for e in of_tables
        if e.kind == "FK CONSTRAINT"
    }
    texts = {e.dump_id: f"CREATE INDEX i{e.dump_id}; CLUSTER" for e in of_tables if draw(st.integers(0, 9))}
    return Definitions(entries=entries, texts=texts, owners=owners, indexes=indexes, keys=keys)


def graph(made: tuple[tuple[Table, ...], Definitions]) -> tuple[Task, ...]:
    tables, found = made
    here = inventory(*tables)
    return plan_tasks(here, plan_chunks(here, target_version=180004), found)


@given(databases())
def test_everything_is_done_once(made: tuple[tuple[Table, ...], Definitions]) -> None:
    """Every table with rows is in exactly one chunk of one task, every entry is done exactly once."""
    tables, found = made
    tasks = graph(made)
    holders = [holder for task in tasks for chunk in task.chunks for holder in chunk.holders]
    assert sorted(t.name for t in tables if t.holds_rows) == sorted(holders)
    done = [dump_id for task in tasks for dump_id in task.entries]
    done += [work.entry for task in tasks for work in task.work if work.entry is not None]
    assert [e.dump_id for e in found.entries] == sorted(done)
    assert all(list(task.entries) == sorted(task.entries) for task in tasks)
    assert len(tasks) == len({task.name for task in tasks})


@given(databases())
def test_nothing_waits_for_itself(made: tuple[tuple[Table, ...], Definitions]) -> None:
    """Done in any order that respects what each needs, every task's turn comes; the rest comes last."""
    waiting: list[Task] = list(graph(made))
    done: list[str] = []
    while waiting:
        ready = [task for task in waiting if set(task.needs) <= set(done)]
        assert ready
        done.append(ready[-1].name)
        waiting.remove(ready[-1])
    assert "rest" == done[-1]


@given(databases())
def test_what_others_wait_for_is_more_urgent(made: tuple[tuple[Table, ...], Definitions]) -> None:
    """A task is more urgent than one that needs it by its own weight: the longest way to the end begins first. The look
    at the source only waits for the last row."""
    tasks = {task.name: task for task in graph(made)}
    for task in (task for task in tasks.values() if task.kind is not TaskKind.LOOK):
        assert all(tasks[need].urgency >= task.urgency + tasks[need].weight for need in task.needs)


def before(tasks: Mapping[str, Task], name: str) -> set[str]:
    """Everything that is done when a task begins."""
    needs = tasks[name].needs
    return set(needs).union(*(before(tasks, need) for need in needs))


@given(databases())
def test_an_index_waits_for_its_rows_and_a_key_for_both_tables(made: tuple[tuple[Table, ...], Definitions]) -> None:
    """A table's indexes are built after all chunks with its rows, a foreign key made after both tables' indexes."""
    _, found = made
    tasks = {task.name: task for task in graph(made)}
    copies = {h: t.name for t in tasks.values() for chunk in t.chunks for h in chunk.holders}
    of_entry = {work.entry: name for name, task in tasks.items() for work in task.work if work.entry is not None}
    for dump_id, owner in found.owners.items():
        if dump_id in of_entry and owner in copies:
            assert copies[owner] in before(tasks, of_entry[dump_id])
    for known in found.entries:
        key = found.keys.get((known.class_oid, known.oid))
        if known.dump_id in of_entry and key is not None and known.kind == "FK CONSTRAINT":
            done = before(tasks, of_entry[known.dump_id])
            built = {n for d, n in of_entry.items() if found.owners.get(d) in (key.table, key.referenced)}
            assert built <= done
            assert {key.table, key.referenced} <= tasks[of_entry[known.dump_id]].alone


def test_a_constraint_s_index_is_built_first_and_beside_others() -> None:
    """A large table's key: its index is a task of its own like any other, and the constraint adopts it afterwards."""
    big = table("big", heap_bytes=100_000_000)
    entries = [entry(1, "CONSTRAINT"), entry(2, "INDEX")]
    unique = Index(key=(9, 9), constraint=(1, 1), bytes=5, definition="CREATE UNIQUE INDEX pk", adopt_sql="ADOPT")
    plain = Index(key=(1, 2), constraint=None, bytes=7, definition="", adopt_sql="")
    found = Definitions(
        entries=entries,
        texts={1: "ALTER TABLE big ADD PRIMARY KEY (n);", 2: "CREATE INDEX i ON big (n);\nCLUSTER ON i;"},
        owners={1: big.name, 2: big.name},
        indexes={(1, 1): unique, (9, 9): unique, (1, 2): plain},
        keys={},
    )
    work = {task.name: [w.sql.strip() for w in task.work if w.sql] for task in graph(((big,), found)) if task.work}
    assert ["CREATE UNIQUE INDEX pk"] == work["index app.big 0"]
    assert ["CREATE INDEX i ON big (n)"] == work["index app.big 1"]
    assert ["ADOPT", "CLUSTER ON i;"] == work["build app.big"]


NOTHING = Definitions(entries=(), texts={}, owners={}, indexes={}, keys={})


def test_small_tables_share_a_transaction() -> None:
    """5,000 small tables are not 5,000 round trips: they are copied and analyzed by the hundred."""
    tables = tuple(table(f"t{n:04}", oid=n, heap_bytes=8192) for n in range(5000))
    tasks = graph((tables, NOTHING))
    assert {TaskKind.COPY: 50, TaskKind.LOOK: 1, TaskKind.BUILD: 50, TaskKind.REST: 1} == Counter(
        task.kind for task in tasks
    )
    assert 100 == max(len(task.chunks) for task in tasks)


def test_the_source_is_asked_what_it_knows_of_large_tables_whose_rows_are_the_same_here() -> None:
    """Not of small ones, nor of partitions that the target deals rows out to, nor of a table in parts: there the rows
    stand in another order."""
    large, cut = table("large", heap_bytes=2 * 2**20), table("cut", heap_bytes=2 * 2**20)
    leaves = [replace(t, heap_bytes=2 * 2**20) for t in tree("hash", "m")]
    here = inventory(table("small"), large, cut, *leaves)
    chunks = plan_chunks(here, target_version=180004, bounds={cut.name.spelt: (0, 100)})
    tasks = plan_tasks(here, chunks, NOTHING)
    analyzed = {name.name for task in tasks for work in task.work for name in work.analyze}
    assert {"small", "large", "cut", "leaf1", "leaf2"} == analyzed
    asked = [chunk.name for task in tasks for work in task.work for chunk in work.filled_by]
    assert ["app.large"] == asked


@pytest.mark.parametrize("kind", ["foreign", "table"])
def test_a_parent_is_not_analyzed_amid_the_work_on_its_children(kind: str) -> None:
    """That reads the children's rows, too, which may be elsewhere, and holds indexes that others wait for."""
    parent, child = table("parent"), table("child", kind=kind, inherits=(TableName(schema="app", name="parent"),))
    tasks = graph(((parent, child), NOTHING))
    assert parent.name not in {name for task in tasks for work in task.work for name in work.analyze}


def test_what_touches_a_whole_partition_tree_has_it_alone() -> None:
    """Attaching indexes, and foreign keys, lock partitions in an order of their own."""
    root, *leaves = tree("list", "n")
    entries = [entry(1, "INDEX ATTACH"), entry(2, "FK CONSTRAINT")]
    key = ForeignKey(key=(1, 2), table=root.name, referenced=root.name, divisible=False, validate_sql="")
    found = Definitions(entries=entries, texts={1: "A", 2: "B"}, owners={1: root.name}, indexes={}, keys={(1, 2): key})
    alone = {task.name: task.alone for task in graph(((root, *leaves), found))}
    whole = {root.name, *(leaf.name for leaf in leaves)}
    assert [whole, whole] == [alone["attach app.root"], alone["keys of app.root"]]
