"""T2: a chunk that was acknowledged is there after a crash, whatever the server thinks of durability."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from little_database import carry_table, own_database, plain, rows_of, run_sql
from pgcutover.facts.names import Dsn
from pgcutover.lab.clusters import Cluster


@pytest.fixture
def careless(server_directory: Path) -> Iterator[Cluster]:
    """A server that acknowledges commits before they are on disk, and is slow to put them there."""
    settings = {"synchronous_commit": "off", "wal_writer_delay": "10s", "autovacuum": "off"}
    cluster = Cluster(server_directory / "careless", 16, settings=settings)
    cluster.initdb()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def test_an_acknowledged_chunk_survives_kill_9(careless: Cluster, cluster16: Cluster) -> None:
    """After kill -9 and recovery the chunk's rows and marker are there; a plain commit made later is gone."""
    with own_database(cluster16) as source, own_database(careless) as target:
        run_sql(source, "CREATE TABLE public.t AS SELECT generate_series(1, 1000) AS id")
        run_sql(target, "CREATE TABLE public.t (id integer); CREATE TABLE public.plain (id integer)")
        assert 1000 == carry_table(source, target, "public.t").rows
        with psycopg.connect(plain(target).url().reveal(), autocommit=True) as session:
            assert ("off",) == session.execute("SHOW synchronous_commit").fetchone()
            session.execute("INSERT INTO public.plain VALUES (1)")
            careless.kill()
        careless.start()
        assert [(1000,)] == rows_of(moved(target, careless), "SELECT count(*) FROM public.t")
        assert [(1000,)] == rows_of(moved(target, careless), "SELECT rows FROM pgcutover.chunk")
        assert [(0,)] == rows_of(moved(target, careless), "SELECT count(*) FROM public.plain")


def moved(dsn: Dsn, cluster: Cluster) -> Dsn:
    """A server may come back on another port."""
    assert dsn.port == cluster.port
    return dsn
