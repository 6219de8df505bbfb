"""What is compared with what."""

from pgcutover.facts.inventory import Column, DatabaseInventory, PartitionKey, Table, TableKind
from pgcutover.facts.names import TableName
from pgcutover.facts.proof import ComparisonUnit
from pgcutover.planning.units import comparison_units


def column(name: str, base: tuple[str, str] = ("pg_catalog", "int4")) -> Column:
    return Column(
        name=name,
        type_sql=base[1],
        base_type=base,
        base_kind="b",
        collation=None,
        generated=False,
        identity=False,
        not_null=True,
    )


def table(
    name: str,
    *columns: Column,
    kind: TableKind = "table",
    parent: str = "",
    split: PartitionKey | None = None,
    key: tuple[str, ...] = ("id",),
    size: int = 0,
) -> Table:
    return Table(
        name=TableName(schema="s", name=name),
        oid=1,
        kind=kind,
        columns=columns or (column("id"),),
        key=key,
        owner="o",
        parent=TableName(schema="s", name=parent) if parent else None,
        inherits=(),
        partition_key=split,
        relfilenode=1,
        unlogged=False,
        row_security=False,
        rows_estimate=0,
        heap_bytes=size,
        toast_bytes=0,
        index_bytes=0,
        index_count=0,
    )


def inventory(*tables: Table) -> DatabaseInventory:
    return DatabaseInventory(
        version=160014,
        database="d",
        owner="o",
        encoding="UTF8",
        collate="C",
        ctype="C",
        locale_provider="libc",
        locale="",
        system_identifier="1",
        database_bytes=0,
        max_connections=100,
        connection_limit=-1,
        tables=tables,
        sequences=(),
        extensions=(),
        materialised_views=(),
        settings=(),
        grants=(),
        roles=(),
        search_path="",
        fingerprint="",
        blockers=(),
    )


def units(source: DatabaseInventory, target: DatabaseInventory) -> dict[str, ComparisonUnit]:
    return {u.table.name: u for u in comparison_units(source, target)}


def split(strategy: str, column_name: str) -> PartitionKey:
    return PartitionKey(strategy=strategy, columns=(column_name,))  # type: ignore[arg-type]


def test_biggest_first() -> None:
    """So that no worker is left with the largest table at the end."""
    both = inventory(table("small", size=1), table("big", size=9), table("middle", size=5))
    assert ["big", "middle", "small"] == list(units(both, both))


def test_partitions_are_compared_by_name_where_they_are_steady() -> None:
    """A tree split by integers is compared leaf by leaf; the root itself holds nothing."""
    both = inventory(table("root", kind="partitioned", split=split("range", "id")), table("leaf", parent="root"))
    assert {"leaf": False} == {name: unit.tree for name, unit in units(both, both).items()}


def test_a_tree_that_is_unsteady_at_any_level_is_compared_whole() -> None:
    """By text, by an expression, or by an enum anywhere below: the root stands for all of its leaves."""
    word = (column("id"), column("word", ("public", "mood")))
    for by in ("word", ""):
        both = inventory(
            table("root", kind="partitioned", split=split("range", "id")),
            table("middle", *word, kind="partitioned", parent="root", split=split("hash", by)),
            table("leaf", parent="middle"),
            table("other", parent="root"),
        )
        assert {"root": True} == {name: unit.tree for name, unit in units(both, both).items()}


def test_a_tree_with_a_foreign_partition_is_compared_by_its_own_leaves() -> None:
    """Rows of another server's are not this database's."""
    word = (column("id"), column("word", ("pg_catalog", "text")))
    both = inventory(
        table("root", *word, kind="partitioned", split=split("range", "word")),
        table("leaf", parent="root"),
        table("far", parent="root", kind="foreign"),
    )
    assert ["leaf"] == list(units(both, both))


def test_columns_and_keys_of_both_sides() -> None:
    """Columns are united, the source's first; a key counts only where both sides have its columns."""
    old = inventory(table("t", column("id"), column("a")), table("gone"), table("u", column("id")))
    new = inventory(table("t", column("b"), column("id")), table("fresh"), table("u", column("other"), key=()))
    found = units(old, new)
    assert (("id", "a", "b"), ("id",)) == (found["t"].columns, found["t"].key)
    assert () == found["u"].key
    assert (None, frozenset({"id"})) == (found["gone"].target_columns, found["gone"].source_columns)
    assert (frozenset({"id"}), None) == (found["fresh"].target_columns, found["fresh"].source_columns)
