"""T23, for whole tables: rows arrive frozen, and no time-out of a role's ends a copy."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from little_database import carry_table, emptied, job, own_database, rows_of, run_sql, snapshot_of
from pgcutover.edges.copystream import carry
from pgcutover.facts.names import Dsn, TableName
from pgcutover.lab.clusters import Cluster


@pytest.fixture(scope="module")
def databases(cluster18: Cluster) -> Iterator[tuple[Dsn, Dsn]]:
    with own_database(cluster18) as source, own_database(cluster18) as target:
        yield source, target


@pytest.fixture
def pair(databases: tuple[Dsn, Dsn]) -> tuple[Dsn, Dsn]:
    return emptied(databases[0]), emptied(databases[1])


def test_rows_arrive_frozen(pair: tuple[Dsn, Dsn]) -> None:
    """Most pages are all-visible at once, without a vacuum: the first one after the switch has little to rewrite.

    Pages that two batches of COPY share are not marked; without FREEZE none is.
    """
    source, target = pair
    run_sql(source, "CREATE TABLE public.t AS SELECT i AS id, repeat('x', 200) AS body FROM generate_series(1, 5000) i")
    run_sql(target, "CREATE TABLE public.t (id integer, body text) WITH (autovacuum_enabled = off)")
    carry_table(source, target, "public.t", target_version=180004)
    run_sql(target, "ANALYZE public.t")
    ((pages, visible),) = rows_of(target, "SELECT relpages, relallvisible FROM pg_class WHERE relname = 't'")
    assert pages > 100
    assert visible > pages / 2


def test_no_time_out_ends_a_copy(pair: tuple[Dsn, Dsn]) -> None:
    """A read that takes longer than every time-out the roles have set arrives whole, on 18 with all five of them."""
    source, target = pair
    run_sql(
        source,
        """CREATE TABLE public.t AS SELECT i AS id, repeat('x', 9000) AS body FROM generate_series(1, 40) i;
           CREATE FUNCTION public.slow(i integer) RETURNS boolean LANGUAGE plpgsql AS
               'BEGIN PERFORM pg_sleep(0.05); RETURN true; END';
           CREATE VIEW public.slowly AS SELECT * FROM public.t WHERE public.slow(id)""",
    )
    run_sql(target, "CREATE TABLE public.slowly (id integer, body text)")
    with snapshot_of(source) as snapshot:
        words = job(source, target, "public.t", snapshot, target_version=180004)
        for dsn in pair:
            for name in (
                "statement_timeout",
                "idle_in_transaction_session_timeout",
                "idle_session_timeout",
                "transaction_timeout",
                "lock_timeout",
            ):
                run_sql(dsn, f"ALTER ROLE {dsn.user} SET {name} = '1s'")
        slowly = replace(words.chunks[0], table=TableName(schema="public", name="slowly"))
        (copied,) = carry(replace(words, chunks=(slowly,)))
    assert 40 == copied.rows
    assert copied.seconds > 1.5
