"""A part of a database: what of each table is taken, and what that leaves out."""

from dataclasses import replace

import pytest

from pgcutover.facts.building import ForeignKey
from pgcutover.facts.inventory import DatabaseInventory, PartitionKey, Table
from pgcutover.facts.names import TableName
from pgcutover.planning.chunks import plan_chunks
from pgcutover.planning.part import Part, choose_part

MB = 2**20


def name(text: str) -> TableName:
    return TableName(schema="public", name=text)


def table(text: str, megabytes: float, **other: object) -> Table:
    made = Table(
        name=name(text),
        oid=abs(hash(text)) % 2**31,
        kind="table",
        columns=(),
        key=(),
        owner="me",
        parent=None,
        inherits=(),
        partition_key=None,
        relfilenode=1,
        unlogged=False,
        row_security=False,
        rows_estimate=1000,
        heap_bytes=int(megabytes * MB),
        toast_bytes=int(megabytes * MB),
        index_bytes=int(megabytes * MB),
        index_count=1,
    )
    return replace(made, **other)  # type: ignore[arg-type]


def inventory(*tables: Table, version: int = 160000) -> DatabaseInventory:
    return DatabaseInventory(
        version=version,
        database="d",
        owner="me",
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
        search_path="public",
        fingerprint="f",
        blockers=(),
    )


def part_of(found: DatabaseInventory, megabytes: float | None) -> Part:
    chunks = plan_chunks(found, target_version=180000)
    return choose_part(found, chunks, most_bytes=None if megabytes is None else int(megabytes * MB))


def test_what_fits_is_taken_whole() -> None:
    """A database no larger than the part, or a part that is everything, changes nothing."""
    found = inventory(table("a", 50), table("b", 0.1))
    for part in (part_of(found, None), part_of(found, 500)):
        assert (True, found) == (part.whole, part.inventory(found))
        chunks = plan_chunks(found, target_version=180000)
        assert chunks == part.chunks(chunks)


def test_large_tables_give_the_same_share_and_small_ones_everything() -> None:
    """A tenth of each large table's pages, from its first on, and the small one: the database in little."""
    found = inventory(table("large", 100), table("larger", 400), table("small", 0.25))
    part = part_of(found, 100.5)
    assert 0.1 == pytest.approx(part.share, rel=0.01)
    chunks = {c.table.name: c for c in part.chunks(plan_chunks(part.inventory(found), target_version=180000))}
    assert (0, part.pages[name("large")]) == chunks["large"].pages
    assert (None, False) == (chunks["small"].pages, chunks["large"].freeze)
    assert 100.5 * MB == pytest.approx(sum(c.data_bytes for c in chunks.values()), rel=0.01)
    assert 4 == pytest.approx(chunks["larger"].data_bytes / chunks["large"].data_bytes, rel=0.01)


def test_a_cut_table_ends_where_its_part_ends() -> None:
    """Of a table in pieces only the last one, which is open at the source, is limited."""
    found = inventory(table("large", 100), table("other", 100))
    part = part_of(found, 50)
    bounds = {"public.large": (0, 500)}
    pieces = part.chunks(plan_chunks(found, target_version=180000, bounds=bounds))
    assert [(0, 500), (500, part.pages[name("large")])] == [c.pages for c in pieces if c.table.name == "large"]


def test_what_cannot_be_cut_is_whole_or_left_out() -> None:
    """A tree that loads through its root, and any table of an old server: whole where it fits, named where not."""
    key = PartitionKey(strategy="hash", columns=("",))
    root = table("root", 0, kind="partitioned", partition_key=key)
    found = inventory(root, table("leaf", 100, parent=name("root")), table("plain", 100))
    part = part_of(found, 50)
    assert ({name("root")}, {name("plain")}) == (set(part.without), set(part.pages))
    assert ["plain"] == [c.table.name for c in part.chunks(plan_chunks(found, target_version=180000))]
    assert {name("root"), name("leaf"), name("plain")} == set(part.incomplete)
    old = inventory(table("a", 100), table("b", 20), version=130000)
    assert ({name("a")}, {}) == (set(part_of(old, 60).without), dict(part_of(old, 60).pages))


def test_foreign_keys_to_incomplete_tables_are_told() -> None:
    """A key to a cut table, or to the root of one, may point nowhere; one to a whole table may not."""
    root = table("root", 0, kind="partitioned")
    found = inventory(root, table("leaf", 100, parent=name("root")), table("small", 0.1))
    part = part_of(found, 50)
    keys = [
        ForeignKey(key=(1, n), table=name("leaf"), referenced=name(to), divisible=True, validate_sql="")
        for n, to in enumerate(("root", "leaf", "small"))
    ]
    assert {(1, 0), (1, 1)} == part.unheld(keys)
