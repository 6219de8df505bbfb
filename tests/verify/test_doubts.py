"""What cannot be verified is never called equal; what is read is of one moment."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import psycopg
import pytest

from fenced_database import Fenced, fenced_database
from pgcutover.app.comparison import Looking, compare_databases
from pgcutover.edges.comparing import compare, compare_moments
from pgcutover.edges.content import ContentProof
from pgcutover.edges.moment import BEGIN, Moment, at_one_moment
from pgcutover.edges.relations import after, before
from pgcutover.facts.names import TableName
from pgcutover.facts.proof import ComparisonUnit
from pgcutover.lab.clusters import Cluster
from pgcutover.planning.units import comparison_units


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    old: Fenced
    new: Fenced

    def both(self, statements: str) -> None:
        for database in (self.old, self.new):
            owner(database, statements)

    @property
    def proof(self) -> ContentProof:
        return ContentProof(self.old.server, self.new.target, jobs=2)

    def unit(self, table: str) -> ComparisonUnit:
        units = comparison_units(before(self.old.server).inventory, before(self.new.target).inventory)
        return next(u for u in units if u.table.name == table)


def owner(database: Fenced, statements: str) -> None:
    with psycopg.connect(database.owner.url().reveal(), autocommit=True) as session:
        session.execute(statements)


@pytest.fixture
def pair(cluster16: Cluster, cluster18: Cluster) -> Iterator[Pair]:
    with fenced_database(cluster16, filled=False) as old, fenced_database(cluster18, filled=False) as new:
        yield Pair(old=old, new=new)


def test_t07_a_table_truncated_while_it_is_read_is_not_equal(pair: Pair) -> None:
    """Under an exported snapshot it reads as empty on both sides; its file, looked at afresh, tells (T7)."""
    pair.both("CREATE TABLE gone (id integer PRIMARY KEY); CREATE TABLE kept (id integer); INSERT INTO gone VALUES (1)")
    seen = before(pair.old.server)
    unit = pair.unit("gone")
    with at_one_moment(pair.old.server) as source, at_one_moment(pair.new.target) as target:
        pair.both("TRUNCATE gone")
        (found,) = compare_moments(source, target, [unit], jobs=1)
    assert (True, 0) == (found.equal, found.source and found.source.rows)
    looked = after(pair.old.server, seen)
    assert {TableName(schema="public", name="gone")} == set(looked.moved)
    assert () == (*looked.doubts, *looked.changed)


def test_definitions_that_change_meanwhile_are_a_doubt(pair: Pair) -> None:
    """A column that came while rows were read was not compared."""
    pair.both("CREATE TABLE t (id integer)")
    seen = before(pair.new.target)
    owner(pair.new, "ALTER TABLE t ADD more integer")
    assert ("definitions on the target changed while it was read",) == after(pair.new.target, seen).changed


def test_what_may_not_be_read_could_not_be_verified(pair: Pair) -> None:
    """A table and a sequence of somebody else's, refused on both sides alike: named, and not the same."""
    for database in (pair.old, pair.new):
        database.run("CREATE TABLE public.shut (id integer); CREATE SEQUENCE public.hidden")
    proof = pair.proof.compare()
    assert ["public.shut"] == [str(c.unit) for c in proof.unchecked]
    assert "permission denied" in proof.unchecked[0].error
    expected = [f"sequence public.hidden: its value on the {side} may not be read" for side in ("source", "target")]
    assert expected == sorted(proof.unchecked_others)
    assert not proof.same


def test_a_moment_does_not_see_what_was_committed_later(pair: Pair) -> None:
    """Every session of a comparison sees the rows that were there when it began; also where only one can."""
    pair.both("CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100)")
    unit = pair.unit("t")
    with at_one_moment(pair.old.server) as source, pair.new.target.session("alone") as alone:
        alone.execute(BEGIN)
        alone.execute("SELECT count(*) FROM pg_class")
        target = Moment(pair.new.target, alone, "", "no")
        pair.both("DELETE FROM t WHERE id > 50")
        assert 1 == target.sessions(4)
        (then,) = compare_moments(source, target, [unit], jobs=4)
    assert (100, True) == (then.source and then.source.rows, then.equal)
    (now,) = compare(pair.old.server, pair.new.target, [unit], jobs=4)
    assert (50, True) == (now.source and now.source.rows, now.equal)


VIEWS = """
CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3);
CREATE MATERIALIZED VIEW m AS SELECT * FROM t; CREATE MATERIALIZED VIEW n AS SELECT * FROM t WITH NO DATA;
CREATE VIEW v AS SELECT count(*) AS many FROM m; CREATE MATERIALIZED VIEW of_m AS SELECT many FROM v
"""


def test_materialised_views_are_compared(pair: Pair) -> None:
    """The same rows are the same; one that holds none at all is a difference, so is one that holds other rows than the
    old server's, which is up to date."""
    pair.both(VIEWS)
    proof = pair.proof.compare()
    assert {"public.m", "public.n", "public.of_m", "public.t"} == {str(c.unit) for c in proof.tables if c.equal}
    owner(pair.new, "INSERT INTO t VALUES (4); REFRESH MATERIALIZED VIEW m; DELETE FROM t WHERE id = 4")
    owner(pair.new, "REFRESH MATERIALIZED VIEW n")
    proof = pair.proof.compare()
    assert {"public.m", "public.n"} == {str(c.unit) for c in proof.different}
    assert () == proof.refreshed


def test_an_archive_in_a_materialised_view_is_not_the_same(pair: Pair) -> None:
    """Rows that only a view holds which nobody refreshes are lost: said by name, with counts; also of views on it."""
    pair.both(VIEWS + "; DELETE FROM t WHERE id > 1")
    owner(pair.new, "REFRESH MATERIALIZED VIEW m; REFRESH MATERIALIZED VIEW of_m")
    proof = pair.proof.compare()
    assert () == (*proof.different, *proof.unchecked)
    assert ["public.m", "public.of_m"] == sorted(str(c.unit) for c in proof.refreshed)
    told = compare_databases(pair.old.owner, pair.new.owner, Looking())
    assert ("warnings", 1) == (told.verdict, told.exit_code)
    (of_m,) = (sentence for sentence in told.warnings if "public.m " in sentence)
    assert "3 rows there and 1 on the new one" in of_m


def test_other_rows_as_many_of_a_view_that_is_up_to_date_are_a_doubt(pair: Pair) -> None:
    """They may depend on an order that no server promises, so a person decides; it is never the same."""
    pair.both("CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1), (2)")
    pair.both("CREATE MATERIALIZED VIEW one AS SELECT id FROM t LIMIT 1")
    owner(pair.new, "UPDATE t SET id = id WHERE id = 1; REFRESH MATERIALIZED VIEW one")
    proof = pair.proof.compare()
    assert [("public.one", True)] == [(str(c.unit), "up to date" in c.error) for c in proof.unchecked]
    assert not proof.same


def held(database: Fenced, view: str, rows: int) -> None:
    """Fill a view of `s` with so many rows, whatever its query gives now."""
    owner(
        database,
        f"CREATE TABLE kept AS TABLE s; DELETE FROM s; INSERT INTO s SELECT generate_series(1, {rows});"
        f"REFRESH MATERIALIZED VIEW {view}; DELETE FROM s; INSERT INTO s TABLE kept; DROP TABLE kept",
    )


def test_a_stale_view_explains_nothing_where_the_targets_is_not_what_its_query_gives(pair: Pair) -> None:
    """Stale on the old server, and empty on the new one whose query gives 201 rows, is a doubt; so is a random one; and
    what is made from it; filled by its query, it is stale."""
    pair.both(
        "CREATE TABLE s (id integer); INSERT INTO s SELECT generate_series(1, 201);"
        "CREATE MATERIALIZED VIEW stale AS SELECT id FROM s;"
        "CREATE MATERIALIZED VIEW vol AS SELECT id, random() AS r FROM s;"
        "CREATE MATERIALIZED VIEW many AS SELECT count(*) AS n FROM stale"
    )
    held(pair.old, "stale", 200)
    owner(pair.old, "REFRESH MATERIALIZED VIEW many")
    for view in ("stale", "vol"):
        held(pair.new, view, 0)
    owner(pair.new, "REFRESH MATERIALIZED VIEW many")
    proof = pair.proof.compare()
    assert () == (*proof.refreshed, *proof.different)
    errors = {str(c.unit): c.error for c in proof.unchecked}
    assert {"public.stale", "public.vol", "public.many"} == set(errors)
    assert "200 rows on the old server and 0 on the new one, and on the new one too" in errors["public.stale"]
    assert "201 rows on the old server and 0 on the new one, and on the new one too" in errors["public.vol"]
    assert "made from public.stale" in errors["public.many"]
    assert not proof.same
    owner(pair.new, "REFRESH MATERIALIZED VIEW stale")
    proof = pair.proof.compare()
    assert {"public.stale": True, "public.many": False} == {
        str(c.unit): c.stale for c in (*proof.refreshed, *proof.different)
    }
    owner(pair.new, "REFRESH MATERIALIZED VIEW many")
    assert ["public.many", "public.stale"] == sorted(str(c.unit) for c in pair.proof.compare().refreshed)


def test_a_views_query_that_takes_too_long_is_a_doubt(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The application waits meanwhile: the query is ended, and whether the view is stale is not known."""
    monkeypatch.setattr("pgcutover.edges.staleness.LIMIT_S", 1)
    pair.both(
        "CREATE TABLE naps (s integer); INSERT INTO naps VALUES (0);"
        "CREATE MATERIALIZED VIEW slept AS SELECT s, pg_sleep(s) IS NULL AS n FROM naps"
    )
    owner(pair.new, "INSERT INTO naps VALUES (0); REFRESH MATERIALIZED VIEW slept")
    pair.both("UPDATE naps SET s = 5")
    (found,) = (c for c in pair.proof.compare().unchecked if c.unit.derived)
    for side in ("old", "new"):
        assert f"whether the {side} server's is stale is not known: its query was cancelled, or took more than 1 s" in (
            found.error
        )


def test_errors_of_a_table_do_not_depend_on_which_session_meets_one_first(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two slices of one table are damaged: both are told, in one order, whether one session reads or four."""
    monkeypatch.setattr("pgcutover.planning.slices.SLICE_BYTES", 32768)
    pair.both("CREATE TABLE t (id integer PRIMARY KEY, pad text, v text); ALTER TABLE t ALTER v SET STORAGE EXTERNAL")
    pair.both("INSERT INTO t SELECT i, repeat('p', 1000), repeat('v', 3000) FROM generate_series(1, 300) AS i")
    with pair.old.superuser() as session:
        session.execute("SET allow_system_table_mods = on")
        toast = pair.old.one("SELECT reltoastrelid::regclass::text FROM pg_class WHERE oid = 'public.t'::regclass")
        kind = f"UPDATE pg_class SET relkind = %s WHERE oid = '{toast}'::regclass"
        # Values are in the order of the rows.
        lost = session.execute(f"SELECT min(chunk_id), max(chunk_id) FROM {toast}").fetchone()
        session.execute(kind, ("r",))
        session.execute(f"DELETE FROM {toast} WHERE chunk_id IN (%s, %s)", lost)
        session.execute(kind, ("t",))
        # Until then they are found, deleted or not.
        session.execute(f"VACUUM {toast}")
    unit = pair.unit("t")
    errors = {compare(pair.old.server, pair.new.target, [unit], jobs=jobs)[0].error for jobs in (1, 4, 4)}
    (error,) = errors
    assert [str(value) for value in lost or ()] == re.findall(r"toast value (\d+)", error)


def test_functions_of_a_views_query_find_what_the_application_finds(pair: Pair) -> None:
    """With our empty search path the query would fail, and a stale view could not be told from a wrong one."""
    pair.both("CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1), (2)")
    # From 17 on functions in a materialised view's query need a search path of their own.
    # https://www.postgresql.org/docs/release/17.0/
    for database, own in ((pair.old, ""), (pair.new, "SET search_path = public")):
        owner(
            database,
            f"CREATE FUNCTION many() RETURNS bigint LANGUAGE plpgsql STABLE {own} "
            "AS 'BEGIN RETURN (SELECT count(*) FROM t); END';"
            "CREATE MATERIALIZED VIEW m AS SELECT generate_series(1, many()) AS i; DELETE FROM t WHERE id = 2",
        )
    owner(pair.new, "REFRESH MATERIALIZED VIEW m")
    proof = pair.proof.compare()
    assert ["public.m"] == [str(c.unit) for c in proof.refreshed]
    assert () == proof.unchecked
    owner(pair.old, "CREATE OR REPLACE FUNCTION many() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT 1 / 0'")
    (found,) = pair.proof.compare().unchecked
    assert ("public.m", True) == (str(found.unit), "division by zero" in found.error)


def test_servers_of_different_encodings_agree_on_text(pair: Pair, cluster18: Cluster) -> None:
    """A LATIN1 database and a UTF8 one that hold the same letters are the same; one other letter is found."""
    name = f"latin_{pair.new.owner.database}"
    with cluster18.superuser() as session:
        session.execute(
            f"CREATE DATABASE {name} OWNER {pair.new.owner.user} ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'"
        )
    try:
        latin = replace(pair.new, owner=replace(pair.new.owner, database=name))
        owner(pair.old, "CREATE TABLE t (id text PRIMARY KEY, v text); INSERT INTO t VALUES ('ä', 'Grüße')")
        owner(latin, "CREATE TABLE t (id text PRIMARY KEY, v text); INSERT INTO t VALUES ('ä', 'Grüße')")
        proof = ContentProof(pair.old.server, latin.target)
        assert [True] == [c.equal for c in proof.compare().tables]
        owner(latin, "UPDATE t SET v = 'Grüsse'")
        found = proof.compare(limit=3)
        assert [("different", (("id", "ä"),), ("v",))] == [
            (row.kind, row.key, row.columns) for row in found.differences[0].first
        ]
    finally:
        with cluster18.superuser() as session:
            session.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.full
def test_t11_large_values_are_hashed_by_column(pair: Pair) -> None:
    """A row of more than 100 MB is not spelled in one piece, and one byte in it is still found (T11)."""
    pair.both(
        "CREATE TABLE huge (id integer PRIMARY KEY, v text, b bytea);"
        "INSERT INTO huge SELECT 1, repeat('x', 120000000), '\\x00'::bytea UNION ALL SELECT 2, 'small', NULL"
    )
    unit = pair.unit("huge")
    assert ("v", "b") == unit.large_columns
    assert [True] == [c.equal for c in compare(pair.old.server, pair.new.target, [unit], jobs=1)]
    owner(pair.new, "UPDATE huge SET v = overlay(v placing 'y' from 110000000) WHERE id = 1")
    assert [False] == [c.equal for c in compare(pair.old.server, pair.new.target, [unit], jobs=1)]
