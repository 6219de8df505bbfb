"""T11: how a row is spelled before it is hashed decides whether the hash says anything."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from fenced_database import Fenced, fenced_database
from pgcutover.edges.catalog import read_inventory
from pgcutover.edges.comparing import compare
from pgcutover.edges.digests import table_digest
from pgcutover.edges.postgres import PINNED
from pgcutover.facts.proof import ComparisonUnit, Digest
from pgcutover.lab.clusters import Cluster
from pgcutover.planning.units import comparison_units


@pytest.fixture
def database(cluster16: Cluster) -> Iterator[Fenced]:
    with fenced_database(cluster16, filled=False) as found:
        yield found


def run(database: Fenced, statements: str) -> None:
    with psycopg.connect(database.owner.url().reveal(), autocommit=True) as session:
        session.execute(statements)


def unit_of(database: Fenced, table: str) -> ComparisonUnit:
    inventory = read_inventory(database.server)
    return next(u for u in comparison_units(inventory, inventory) if u.table.name == table)


def digest(database: Fenced, table: str, **options: Any) -> Digest:
    unit = unit_of(database, table)
    with database.server.session("test") as session:
        for name, value in options.items():
            session.execute("SELECT set_config(%s, %s, false)", (name, value))
        return table_digest(session, unit, unit.columns)


def test_a_column_named_like_the_table_does_not_stand_for_the_row(database: Fenced) -> None:
    """`t::text` is such a column; the digest sees a change in any other one all the same."""
    run(database, "CREATE TABLE t (t text, other integer); INSERT INTO t VALUES ('x', 1)")
    before, by_column = digest(database, "t"), database.one("SELECT hashtextextended(t::text, 0) FROM t")
    run(database, "UPDATE t SET other = 2")
    assert by_column == database.one("SELECT hashtextextended(t::text, 0) FROM t")
    assert before != digest(database, "t")


@pytest.mark.parametrize(
    ("pinned", "otherwise", "values"),
    [
        ("extra_float_digits", "-5", "0.1::float8 + 0.2"),
        ("datestyle", "German", "'2024-02-03'::date"),
        ("timezone", "Asia/Tokyo", "'2024-02-03 04:05Z'::timestamptz"),
        ("intervalstyle", "iso_8601", "'1 day 2 hours'::interval"),
        ("bytea_output", "escape", "'\\x00ff'::bytea"),
        ("search_path", "public", "'public.v'::regclass"),
    ],
)
def test_each_pinned_setting_is_needed(database: Fenced, pinned: str, otherwise: str, values: str) -> None:
    """With this one setting as somebody may have it, equal rows hash otherwise."""
    run(database, "CREATE TABLE v ()")
    run(database, f"ALTER TABLE v ADD c text; CREATE TABLE w AS SELECT {values} AS c")
    assert pinned in PINNED
    assert digest(database, "w") != digest(database, "w", **{pinned: otherwise})


@pytest.mark.full
def test_a_row_of_more_than_a_gigabyte_of_text(database: Fenced, cluster18: Cluster) -> None:
    """It cannot be spelled in one piece, so it is hashed column by column, on both sides."""
    make = "CREATE TABLE huge (a text, b text, c bytea); INSERT INTO huge SELECT repeat('x', 400000000), NULL, '\\x00'"
    grow = "UPDATE huge SET b = repeat('y', 700000000)"
    run(database, make)
    run(database, grow)
    with fenced_database(cluster18, filled=False) as other:
        run(other, make)
        run(other, grow)
        units = [unit_of(database, "huge")]
        assert [(True, "")] == [(c.equal, c.error) for c in compare(database.server, other.target, units, jobs=1)]
        run(other, "UPDATE huge SET c = '\\x01'")
        assert [(False, "")] == [(c.equal, c.error) for c in compare(database.server, other.target, units, jobs=1)]


def test_column_by_column_sees_what_rows_see(database: Fenced) -> None:
    """The digest for wide rows tells apart NULL, the empty string and columns that changed places."""
    run(database, "CREATE TABLE q (a text, b text, c bytea); INSERT INTO q VALUES ('x', NULL, NULL)")
    unit, seen = unit_of(database, "q"), set()
    for change in ("a = 'x', b = NULL", "a = 'x', b = ''", "a = NULL, b = 'x'", "a = '', b = 'x'", "c = '\\x00'"):
        run(database, f"UPDATE q SET {change}")
        with database.server.session("test") as session:
            seen.add(table_digest(session, unit, unit.columns, wide=True).hash128)
    assert 5 == len(seen)


LYING = """
CREATE TYPE place AS (street text, number integer);
CREATE FUNCTION place_text(place) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'somewhere' $$;
CREATE CAST (place AS text) WITH FUNCTION place_text(place);
CREATE TABLE places (p place);
INSERT INTO places VALUES (NULL)
"""


def test_a_cast_of_the_users_own_has_no_say(database: Fenced) -> None:
    """Column by column too, a value is hashed as its type prints it: a cast to text may make all values alike."""
    run(database, LYING)
    unit, seen = unit_of(database, "places"), set()
    for value in ("NULL", "ROW(NULL, NULL)", "ROW('', 1)", "ROW('', 2)"):
        run(database, f"UPDATE places SET p = {value}")
        with database.server.session("test") as session:
            seen.add(table_digest(session, unit, unit.columns, wide=True).hash128)
    assert 4 == len(seen)
