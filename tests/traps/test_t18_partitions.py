"""T18: rows of a partitioned table arrive although they belong to another partition on the target."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from little_database import emptied, job, join, own_database, rows_of, run_sql, snapshot_of
from pgcutover.edges.copystream import carry
from pgcutover.errors import TargetError
from pgcutover.facts.names import Dsn, TableName
from pgcutover.lab.clusters import Cluster
from pgcutover.running.step import Verdict
from pgcutover.steps.copy import Copy
from pgcutover.steps.schema import Schema

HASHED = """
CREATE TYPE public.mood AS ENUM ('a', 'b', 'c', 'd', 'e', 'f');
CREATE TABLE public.t (m public.mood NOT NULL, n integer) PARTITION BY HASH (m);
CREATE TABLE public.t0 PARTITION OF public.t FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE public.t1 PARTITION OF public.t FOR VALUES WITH (MODULUS 2, REMAINDER 1);
"""
ROWS = "INSERT INTO public.t SELECT m, n FROM unnest(enum_range(NULL::public.mood)) AS m, generate_series(1, 50) AS n"
SPREAD = "SELECT tableoid::regclass::text, m::text FROM public.t GROUP BY 1, 2 ORDER BY 1, 2"


@pytest.fixture(scope="module")
def databases(cluster16: Cluster, cluster18: Cluster) -> Iterator[tuple[Dsn, Dsn]]:
    with own_database(cluster16) as source, own_database(cluster18) as target:
        yield source, target


@pytest.fixture
def pair(databases: tuple[Dsn, Dsn]) -> tuple[Dsn, Dsn]:
    return emptied(databases[0]), emptied(databases[1])


def test_a_tree_hashed_by_an_enum_loads_through_its_root(pair: tuple[Dsn, Dsn]) -> None:
    """Enums hash by OID: leaf by leaf the target refuses rows, through the root each finds its partition."""
    source, target = pair
    for dsn in pair:
        run_sql(dsn, HASHED)
    run_sql(source, ROWS)
    # Six labels under new OIDs spread alike once in 64 times; then make new ones.
    run_sql(target, "CREATE TABLE public.u (LIKE public.t)")
    while True:
        run_sql(target, f"TRUNCATE public.t; {ROWS}")
        if rows_of(source, SPREAD) != rows_of(target, SPREAD):
            break
        run_sql(target, f"DROP TABLE public.t, public.u; DROP TYPE public.mood; {HASHED}")
    run_sql(target, "TRUNCATE public.t")
    with snapshot_of(source) as snapshot:
        words = job(source, target, "public.t", snapshot, target_version=180004)
        leaves = [TableName(schema="public", name=name) for name in ("t0", "t1")]
        assert (True, tuple(leaves)) == (words.chunks[0].tree, words.chunks[0].holders)
        refused = 0
        for leaf in leaves:
            alone = replace(words.chunks[0], name=leaf.name, table=leaf, tree=False, holders=(leaf,))
            try:
                carry(replace(words, run_id="leaves", chunks=(alone,)))
            except TargetError as error:
                assert "violates partition constraint" in error.message
                refused += 1
        assert refused
        run_sql(target, "TRUNCATE public.t")
        assert 300 == carry(words)[0].rows
    statement = "SELECT m::text, n FROM public.t ORDER BY 1, 2"
    assert rows_of(source, statement) == rows_of(target, statement)


PARTS = """
CREATE TABLE public.keys (id integer PRIMARY KEY);
INSERT INTO public.keys SELECT generate_series(1, 10);
CREATE TABLE public.p (id integer, k integer, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE public.p2 PARTITION OF public.p FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') PARTITION BY HASH (id);
CREATE TABLE public.p2a PARTITION OF public.p2 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE public.p2b PARTITION OF public.p2 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX p_k ON public.p (k);
CREATE INDEX only_here ON public.p1 (k, id);
INSERT INTO public.p SELECT i, 1 + i % 10, '2020-01-01'::date + i FROM generate_series(0, 600) AS i;
ALTER TABLE public.p ADD CONSTRAINT p_fk FOREIGN KEY (k) REFERENCES public.keys;
CREATE TABLE public.refers (id integer, at date, FOREIGN KEY (id, at) REFERENCES public.p);
INSERT INTO public.refers SELECT id, at FROM public.p;
INSERT INTO public.keys VALUES (11);
ALTER TABLE public.p1 ADD CONSTRAINT p1_fk FOREIGN KEY (id) REFERENCES public.keys NOT VALID;
"""
INDEXES = """SELECT c.relname::text, i.indisvalid, inhparent::regclass::text
               FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid LEFT JOIN pg_inherits ON inhrelid = c.oid
              WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1"""
KEYS = """SELECT conrelid::regclass::text, conname::text, convalidated, pg_get_constraintdef(oid)
            FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
             AND NOT (contype = 'f' AND conparentid <> 0) ORDER BY 1, 2"""


def test_indexes_and_keys_of_a_tree_are_attached(pair: tuple[Dsn, Dsn], tmp_path: Path) -> None:
    """Leaf indexes are built, attached level by level, and in force; foreign keys to and from the tree hold, those that
    were not valid stay so; and a second run finds nothing to do."""
    source, target = pair
    run_sql(source, PARTS)
    world = join(source, target, tmp_path)
    Schema().do(world, Schema().observe(world))
    before = Copy().observe(world)
    for _ in range(2):
        Copy().do(world, before)
        assert Verdict.WHOLE == Copy().verify(world, before).verdict
    for statement in (INDEXES, KEYS, "SELECT tableoid::regclass::text, * FROM public.p ORDER BY id"):
        assert rows_of(source, statement) == rows_of(target, statement)
    # Half of it gone: the step makes what is missing, and what is there does not hinder it.
    run_sql(target, "ALTER TABLE public.refers DROP CONSTRAINT refers_id_at_fkey; DROP INDEX public.p_k")
    assert Verdict.PARTIAL == Copy().verify(world, before).verdict
    Copy().do(world, before)
    assert rows_of(source, INDEXES) == rows_of(target, INDEXES)
