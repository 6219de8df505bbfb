"""What the planner knows after a copy: what the source's knew where that is good, else what was gathered."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from little_database import LittleWorld, join, own_database, plain, rows_of, run_sql
from pgcutover.edges.copysource import CopySource
from pgcutover.edges.postgres import Server
from pgcutover.facts.names import Dsn, Secret
from pgcutover.lab.clusters import Cluster
from pgcutover.running.step import Verdict
from pgcutover.steps.copy import Copy
from pgcutover.steps.finish import Finish
from pgcutover.steps.schema import Schema

# None is so small that nobody asks the source, unless its name says so.
KNOWN = """
CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'happy', '{odd, "50%"}');
CREATE DOMAIN app.positive AS integer CHECK (VALUE > 0);
CREATE TABLE app.goods (
    id bigint PRIMARY KEY, name text, code varchar(12), letter char(3), mood app.mood, age app.positive,
    price money, weight double precision, share real, born timestamptz, day date, lasts interval,
    tags text[], numbers integer[], document tsvector, settings jsonb, key uuid, picture bytea, place inet,
    nothing text, unlooked text, shouted text GENERATED ALWAYS AS (upper(name)) STORED
);
ALTER TABLE app.goods ALTER COLUMN unlooked SET STATISTICS 0;
INSERT INTO app.goods
SELECT i, E'näme,"\\\\{' || i % 400, 'c' || i % 37, chr(97 + i % 26), (enum_range(NULL::app.mood))[1 + i % 4],
       1 + i % 50, (i % 3000)::numeric::money, 1 / i::double precision, 1 / i::real,
       '2020-01-01'::timestamptz + i * interval '1 hour', '2020-01-01'::date - i % 700,
       (i % 900 - 450) * interval '-1 day 1 hour 1 second', ARRAY['a', 'b', 'x' || i % 90], ARRAY[i % 5, i % 7],
       to_tsvector('simple', 'common word' || i % 40), jsonb_build_object('k', i % 300),
       md5(i::text)::uuid, decode(md5((i % 500)::text), 'hex'), '10.0.0.0'::inet + i % 2000, NULL, 'x'
  FROM generate_series(1, 6000) AS i;
CREATE INDEX goods_expression ON app.goods (lower(name), id, (age % 7), (settings ->> 'k'));
CREATE TABLE app.orders (id integer, placed date, note text) PARTITION BY RANGE (placed);
CREATE TABLE app.orders_old PARTITION OF app.orders FOR VALUES FROM (MINVALUE) TO ('2021-01-01');
CREATE TABLE app.orders_new PARTITION OF app.orders FOR VALUES FROM ('2021-01-01') TO (MAXVALUE);
INSERT INTO app.orders SELECT i, '2020-06-01'::date + i % 400, repeat('n', 40) || i % 20
  FROM generate_series(1, 40000) AS i;
CREATE TABLE app."small one" (id integer PRIMARY KEY, "two words" text);
INSERT INTO app."small one" SELECT i, 'w' || i % 5 FROM generate_series(1, 50) AS i;
CREATE TABLE app.bloated (id integer, v text);
INSERT INTO app.bloated SELECT i, repeat('x', 100) FROM generate_series(1, 40000) AS i;
DELETE FROM app.bloated WHERE id % 4 <> 0;
CREATE TABLE app.keyed (id integer PRIMARY KEY, v text);
INSERT INTO app.keyed SELECT i, repeat('x', 100) FROM generate_series(1, 10000) AS i;
CREATE TABLE app.animals (name text, legs integer);
CREATE TABLE app.dogs (barks boolean) INHERITS (app.animals);
INSERT INTO app.animals SELECT 'a' || i, i % 5 FROM generate_series(1, 2000) AS i;
INSERT INTO app.dogs SELECT repeat('d', 40) || i % 99, 4, i % 2 = 0 FROM generate_series(1, 14000) AS i;
CREATE TABLE app.pairs (a integer, b integer);
INSERT INTO app.pairs SELECT i % 100, i % 100 FROM generate_series(1, 30000) AS i;
CREATE STATISTICS app.both (ndistinct, dependencies, mcv) ON a, b FROM app.pairs;
CREATE TABLE app.never (id integer, v text);
INSERT INTO app.never SELECT i, 'v' || i % 9 FROM generate_series(1, 30000) AS i;
"""
# Each for another reason: old, half known, gathered in a way that pg_stats does not show, in an order of the source's,
# of rows that are gone.
WORSE = """
CREATE TABLE app.stale (id integer, v text);
INSERT INTO app.stale SELECT i, repeat('old', 20) FROM generate_series(1, 15000) AS i;
CREATE TABLE app.widened (id integer);
INSERT INTO app.widened SELECT i FROM generate_series(1, 30000) AS i;
CREATE TABLE app.spans (during int4range);
INSERT INTO app.spans SELECT int4range(i, i + i % 9) FROM generate_series(1, 25000) AS i;
CREATE TABLE app.zz (); CREATE TABLE app.yy (); CREATE TABLE app.xx (); CREATE TABLE app.aa ();
CREATE TABLE app.tables (t regclass, large text);
ALTER TABLE app.tables ALTER COLUMN large SET STORAGE EXTERNAL;
INSERT INTO app.tables
SELECT t, repeat('x', 400000) FROM unnest(ARRAY['app.zz', 'app.yy', 'app.xx', 'app.aa']::regclass[]) AS t;
CREATE TABLE app.emptied (id integer);
INSERT INTO app.emptied SELECT i FROM generate_series(1, 100) AS i;
"""
# Nobody else is to gather anything meanwhile, on either side.
ALONE = """
DO $$ DECLARE it regclass; BEGIN
    FOR it IN SELECT oid FROM pg_class WHERE relnamespace = 'app'::regnamespace AND relkind = 'r' AND relname <> 'keyed'
    LOOP EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = false)', it); END LOOP;
END $$
"""
# Not as the target would gather them, which would else come to the same.
ANALYZE = """
SET default_statistics_target = 83;
ANALYZE app.goods, app.orders, app."small one", app.bloated, app.keyed, app.animals, app.dogs, app.pairs,
        app.stale, app.widened, app.spans, app.tables, app.emptied
"""
AGED = """
UPDATE app.stale SET v = 'new' WHERE id <= 7500;
ALTER TABLE app.widened ADD COLUMN v text DEFAULT 'v';
TRUNCATE app.emptied;
"""
COLUMNS = """
SELECT schemaname, tablename, CASE WHEN tablename !~ '_expression$' THEN attname::text END AS name, inherited,
       null_frac, avg_width, n_distinct, most_common_vals::text, most_common_freqs, histogram_bounds::text,
       correlation, most_common_elems::text, most_common_elem_freqs, elem_count_histogram
  FROM pg_stats WHERE schemaname = 'app' ORDER BY schemaname, tablename, attname, inherited
"""
GATHERED = "SELECT relname FROM pg_stat_user_tables WHERE schemaname = 'app' AND last_analyze IS NOT NULL ORDER BY 1"
SIZES = """
SELECT relname, relpages, reltuples, relallvisible FROM pg_class
 WHERE relnamespace = 'app'::regnamespace AND relkind = 'r' AND relname = ANY ('{goods,bloated,keyed,small one}')
 ORDER BY relname
"""


def copied(source: Dsn, target: Dsn, directory: Path) -> LittleWorld:
    world = join(source, target, directory)
    for step in (Schema(), Copy()):
        step.do(world, step.observe(world))
    return world


def finished(world: LittleWorld) -> None:
    finish = Finish(grants=(), settings=(), roles=(), app_role=world.copier.target_dsn.user)
    before = finish.observe(world)
    finish.do(world, before)
    assert Verdict.WHOLE == finish.verify(world, before).verdict


def gathered(target: Dsn) -> list[str]:
    return [name for (name,) in rows_of(target, GATHERED)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    source: Dsn
    target: Dsn
    gathered: list[str]
    """By ANALYZE, before the last step."""
    gathered_at_last: list[str]


@pytest.fixture(scope="module")
def moved(cluster16: Cluster, cluster18: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moved]:
    """A database of 16 on 18, with all that is done there."""
    with own_database(cluster16) as source, own_database(cluster18) as target:
        run_sql(source, KNOWN)
        # One after the other: what the same transaction wrote would count as written since.
        for text in (WORSE, ALONE, ANALYZE, AGED):
            run_sql(source, text)
        world = copied(source, target, tmp_path_factory.mktemp("moved"))
        soon = gathered(target)
        finished(world)
        yield Moved(source=source, target=target, gathered=soon, gathered_at_last=gathered(target))


def test_columns_are_known_as_on_the_source(moved: Moved) -> None:
    """Values, frequencies, histograms, correlation and elements are equal, of expressions in indexes, too."""
    taken = {"goods", "goods_expression", "orders_old", "orders_new", "bloated", "keyed", "dogs"}

    def known(dsn: Dsn) -> list[tuple[object, ...]]:
        return [row for row in rows_of(dsn, COLUMNS, timezone="UTC") if row[1] in taken]

    assert taken == {row[1] for row in known(moved.source)}
    assert known(moved.source) == known(moved.target)


def test_nothing_is_gathered_that_is_known(moved: Moved) -> None:
    """Tables whose statistics were taken over were never analyzed, and what the source knows badly was."""
    worse = ["emptied", "never", "small one", "spans", "stale", "tables", "widened"]
    assert [] == [name for name in worse if name not in moved.gathered]
    assert [] == sorted({"goods", "orders_old", "orders_new", "bloated", "dogs", "pairs"} & set(moved.gathered))
    now = moved.gathered_at_last
    assert ["animals", "orders", "pairs"] == [name for name in now if name in ("animals", "orders", "pairs")]
    assert [] == sorted({"goods", "orders_old", "orders_new", "bloated", "dogs"} & set(now))


def test_what_was_old_or_half_known_is_new(moved: Moved) -> None:
    """Of a table that was written to since, of a new column and of object names the target knows what is true there."""
    common = "SELECT most_common_freqs FROM pg_stats WHERE (tablename, attname) = ('stale', 'v')"
    assert [([1.0],)] == rows_of(moved.source, common)
    assert [([0.5, 0.5],)] == rows_of(moved.target, common)
    for table, column in (("widened", "v"), ("never", "v"), ("spans", "during"), ("tables", "t")):
        look = f"SELECT count(*) FROM pg_stats WHERE (tablename, attname) = ('{table}', '{column}')"
        assert [(1,)] == rows_of(moved.target, look), table


def test_parents_and_statistics_objects_are_known(moved: Moved) -> None:
    """Of a partitioned table, of a parent with its children, and of columns together."""
    whole = "SELECT DISTINCT tablename FROM pg_stats WHERE inherited AND schemaname = 'app' ORDER BY 1"
    assert [("animals",), ("orders",)] == rows_of(moved.target, whole)
    both = "SELECT n_distinct::text, dependencies::text FROM pg_stats_ext WHERE statistics_name = 'both'"
    assert rows_of(moved.source, both) == rows_of(moved.target, both)
    ((distinct, _),) = rows_of(moved.target, both)
    assert '{"1, 2": 100}' == distinct


def test_sizes_are_the_target_s_own(moved: Moved) -> None:
    """T19: pages, rows and what everybody sees are what ANALYZE finds there, not what bloat made of them elsewhere."""
    there = {name: rest for name, *rest in rows_of(moved.target, SIZES)}
    elsewhere = {name: rest for name, *rest in rows_of(moved.source, SIZES)}
    assert there["bloated"][0] * 3 < elsewhere["bloated"][0]
    assert 10000 == there["bloated"][1]
    with psycopg.connect(plain(moved.target).url().reveal()) as session:
        session.execute('ANALYZE app.goods, app.bloated, app.keyed, app."small one"')
        found = {name: rest for name, *rest in session.execute(SIZES).fetchall()}
        session.rollback()
    assert ["bloated", "goods", "keyed", "small one"] == sorted(there)
    assert {name: rest[:2] for name, rest in found.items()} == {name: rest[:2] for name, rest in there.items()}
    seen = {name: (rest[2], there[name][2]) for name, rest in found.items()}
    assert seen["keyed"][0] == seen["keyed"][1] > 0
    assert (0, 0) == seen["small one"]
    for name in ("bloated", "goods"):
        assert 0.8 * seen[name][1] <= seen[name][0] <= seen[name][1], name


def test_a_plan_is_right_at_once(moved: Moved) -> None:
    """The planner expects of a bloated table, of a value and of an expression what is there."""
    for query, least, most in (
        ("SELECT * FROM app.bloated", 10000, 10000),
        ("SELECT * FROM app.goods WHERE code = 'c1'", 140, 190),
        ("SELECT * FROM app.goods WHERE settings ->> 'k' = '7'", 10, 40),
    ):
        ((plan,),) = rows_of(moved.target, f"EXPLAIN (FORMAT json) {query}")
        assert least <= plan[0]["Plan"]["Plan Rows"] <= most, query


@pytest.fixture
def little_known(cluster16: Cluster) -> Iterator[Dsn]:
    with own_database(cluster16) as source:
        run_sql(
            source,
            """CREATE SCHEMA app; CREATE TABLE app.t (id integer PRIMARY KEY, v text);
               INSERT INTO app.t SELECT i, 'v' || i % 50 FROM generate_series(1, 40000) AS i;
               CREATE INDEX ON app.t (upper(v))""",
        )
        run_sql(source, "ANALYZE app.t")
        yield source


def test_older_servers_gather_as_ever(little_known: Dsn, cluster16: Cluster, tmp_path: Path) -> None:
    """From 16 to 16 every table is analyzed on the way: that server has no way to be told."""
    with own_database(cluster16) as target:
        finished(copied(little_known, target, tmp_path))
        assert ["t"] == gathered(target)


def test_who_may_not_see_statistics_still_gets_some(
    little_known: Dsn, cluster16: Cluster, cluster18: Cluster, tmp_path: Path
) -> None:
    """A role that may read the rows and not what is known of an index's expression leaves the table to ANALYZE."""
    reader = replace(little_known, user=f"{little_known.user}_r", password=Secret("of no use"))
    role = sql.Identifier(reader.user)
    run_sql(little_known, "GRANT USAGE ON SCHEMA app TO PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA app TO PUBLIC")
    with cluster16.superuser() as session:
        session.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'of no use'").format(role))
    try:
        with own_database(cluster18) as target:
            world = join(little_known, target, tmp_path)
            theirs = CopySource(server=Server(dsn=plain(reader), side="source"))
            with psycopg.connect(plain(reader).url().reveal()) as session:
                assert [(2,)] == session.execute("SELECT count(*) FROM pg_stats WHERE schemaname = 'app'").fetchall()
            world = LittleWorld(copier=replace(world.copier, source=theirs))
            for step in (Schema(), Copy()):
                step.do(world, step.observe(world))
            assert ["t"] == gathered(target)
            assert [(3,)] == rows_of(target, "SELECT count(*) FROM pg_stats WHERE schemaname = 'app'")
    finally:
        with cluster16.superuser() as session:
            session.execute(sql.SQL("DROP ROLE {}").format(role))
