"""Ranges of keys as real servers of two versions see them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fenced_database import Fenced, fenced_database
from pgcutover.edges.comparing import compare
from pgcutover.edges.digests import range_sums
from pgcutover.edges.moment import at_one_moment
from pgcutover.edges.relations import before
from pgcutover.facts.names import TableName
from pgcutover.facts.proof import ComparisonUnit, KeyRanges
from pgcutover.lab.clusters import Cluster
from pgcutover.planning.slices import Slice, integer_ranges, range_of
from pgcutover.planning.units import comparison_units

KEYS = st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=60)
TEXTS = st.lists(st.one_of(st.none(), st.text(st.characters(exclude_characters="\0", codec="utf-8"))), max_size=60)


KEYS_UNIT = ComparisonUnit(
    table=TableName(schema="public", name="keys"),
    tree=False,
    columns=("id", "name"),
    key=("id",),
    bytes_columns=frozenset(),
    source_columns=frozenset({"id", "name"}),
    target_columns=frozenset({"id", "name"}),
    data_bytes=0,
)


@pytest.fixture(scope="module")
def both(cluster16: Cluster, cluster18: Cluster) -> Iterator[tuple[Fenced, Fenced]]:
    with fenced_database(cluster16, filled=False) as old, fenced_database(cluster18, filled=False) as new:
        for database in (old, new):
            database.run("CREATE TABLE public.keys (id bigint, name text); GRANT ALL ON public.keys TO PUBLIC")
        yield old, new


def unit_of(old: Fenced, new: Fenced, table: str) -> ComparisonUnit:
    units = comparison_units(before(old.server).inventory, before(new.target).inventory)
    return next(u for u in units if u.table.name == table)


def sums(database: Fenced, unit: ComparisonUnit, piece: Slice | None = None) -> dict[int | None, tuple[int, int, int]]:
    with at_one_moment(database.server) as moment, moment.session() as connection:
        return range_sums(connection, unit, unit.columns, piece, wide=False)


def fill(databases: tuple[Fenced, Fenced], column: str, values: list[object]) -> None:
    for database, order in zip(databases, (values, values[::-1]), strict=True):
        with psycopg.connect(database.owner.url().reveal(), autocommit=True) as session:
            session.execute("DELETE FROM public.keys")
            with session.cursor() as cursor:
                cursor.executemany(f"INSERT INTO public.keys ({column}) VALUES (%s)", [(v,) for v in order])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=KEYS, bounds=st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1)))
def test_integer_ranges_count_every_row_once(
    both: tuple[Fenced, Fenced], keys: list[int | None], bounds: tuple[int, int]
) -> None:
    """On both servers each row, a NULL key's too, is in the range that the plan says, and in no other."""
    fill(both, "id", list(keys))
    unit = replace(KEYS_UNIT, ranges=integer_ranges("id", min(bounds), max(bounds), 8))
    assert unit.ranges is not None
    expected: dict[int | None, int] = {}
    for key in keys:
        place = range_of(key, unit.ranges.bounds) if unit.ranges.bounds else None
        expected[place] = expected.get(place, 0) + 1
    old, new = (sums(database, unit) for database in both)
    assert expected == {place: held[0] for place, held in old.items()}
    assert old == new


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=TEXTS)
def test_hash_ranges_are_the_same_everywhere(both: tuple[Fenced, Fenced], texts: list[str | None]) -> None:
    """Keys of any text fall into the same buckets on both versions, NULL among them, and none is lost."""
    fill(both, "name", list(texts))
    unit = replace(KEYS_UNIT, key=("name",), ranges=KeyRanges(count=16))
    old, new = (sums(database, unit) for database in both)
    assert len(texts) == sum(held[0] for held in old.values())
    assert old == new


def test_slices_of_pages_add_up_to_the_table(both: tuple[Fenced, Fenced]) -> None:
    """However each side's pages are cut, and however different they are, the sums of the ranges are equal."""
    old, new = both
    make = (
        "CREATE TABLE cut AS SELECT i AS id, repeat('x', i % 50) AS v FROM generate_series(1, 20000) AS i ORDER BY {}"
    )
    for database, order in ((old, "i"), (new, "-i")):
        with psycopg.connect(database.owner.url().reveal(), autocommit=True) as session:
            session.execute(f"{make.format(order)}; ALTER TABLE cut ADD PRIMARY KEY (id)")
    unit = replace(unit_of(old, new, "cut"), ranges=integer_ranges("id", 1, 20000, 8))
    whole = sums(old, unit)
    assert 8 == len(whole)
    for parts in (3, 40):
        assert whole == added(sums(new, unit, piece) for piece in cut(unit.table, 100, parts))
    with psycopg.connect(new.owner.url().reveal(), autocommit=True) as session:
        session.execute("UPDATE cut SET v = 'y' WHERE id IN (1, 20000)")
    (found,) = compare(old.server, new.target, [unit], jobs=3)
    assert (False, 2) == (found.equal, found.differing_ranges)


def added(pieces: Iterable[dict[int | None, tuple[int, int, int]]]) -> dict[int | None, tuple[int, int, int]]:
    total: dict[int | None, tuple[int, int, int]] = {}
    for piece in pieces:
        for place, (rows, first, second) in piece.items():
            before_it = total.get(place, (0, 0, 0))
            total[place] = (before_it[0] + rows, before_it[1] + first, before_it[2] + second)
    return total


def cut(table: TableName, pages: int, parts: int) -> list[Slice]:
    step = -(-pages // parts)
    return [Slice(table=table, first=f, end=f + step if f + step < pages else None) for f in range(0, pages, step)]
