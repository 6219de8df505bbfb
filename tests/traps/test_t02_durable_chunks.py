"""T2: what was acknowledged is there after a crash, whatever the server thinks of durability."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from little_database import RUN, carry_table, own_database, plain, rows_of, run_sql, take_run
from pgcutover.edges.copytarget import CopyTarget
from pgcutover.edges.pgtools import dump_schema, find_clients, read_toc, restore
from pgcutover.edges.postgres import Server
from pgcutover.facts.names import Dsn
from pgcutover.lab.clusters import Cluster, binaries
from pgcutover.planning.definitions import sift


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


@pytest.fixture
def target(careless: Cluster) -> Iterator[Dsn]:
    with own_database(careless) as dsn:
        run_sql(dsn, "CREATE TABLE public.t (id integer); CREATE TABLE public.plain (id integer)")
        yield dsn


def crash(careless: Cluster, target: Dsn) -> None:
    """Commit a row as the server likes it, then kill -9 and recover; that row being gone proves that this bites."""
    with psycopg.connect(plain(target).url().reveal(), autocommit=True) as session:
        assert ("off",) == session.execute("SHOW synchronous_commit").fetchone()
        session.execute("INSERT INTO public.plain VALUES (1)")
        careless.kill()
    careless.start()
    assert careless.port == target.port
    assert [(0,)] == rows_of(target, "SELECT count(*) FROM public.plain")


def test_an_acknowledged_chunk_survives_kill_9(careless: Cluster, target: Dsn, cluster16: Cluster) -> None:
    """After kill -9 and recovery the chunk's rows and its marker are there."""
    with own_database(cluster16) as source:
        run_sql(source, "CREATE TABLE public.t AS SELECT generate_series(1, 1000) AS id")
        assert 1000 == carry_table(source, target, "public.t").rows
    crash(careless, target)
    assert [(1000,)] == rows_of(target, "SELECT count(*) FROM public.t")
    assert [(1000,)] == rows_of(target, "SELECT rows FROM pgcutover.chunk")


def test_what_a_run_writes_down_survives_kill_9(careless: Cluster, target: Dsn) -> None:
    """Whose definitions these are is on disk when the call returns."""
    server = Server(dsn=plain(target), side="target")
    written = CopyTarget(server=server, run_id=RUN, claim=take_run(target, 1))
    written.prepare()
    written.begin_definitions("print")
    crash(careless, target)
    assert "print" == written.definitions_begun()


def test_an_index_that_was_acknowledged_survives_kill_9(
    careless: Cluster, target: Dsn, cluster16: Cluster, tmp_path: Path
) -> None:
    """When pg_restore has returned, what it made is on disk."""
    with own_database(cluster16) as source:
        run_sql(source, "CREATE TABLE public.made (id integer); CREATE INDEX ON public.made (id)")
        programs = {c.program: c for c in reversed(find_clients([binaries(16)])) if c.major == 16}
        archive = tmp_path / "schema.dump"
        dump_schema(programs["pg_dump"], plain(source), archive, server_version=160014)
    entries = sift(read_toc(programs["pg_restore"], archive)).kept
    restore(programs["pg_restore"], plain(target), archive, entries, server_version=160014)
    crash(careless, target)
    assert [("made_id_idx",)] == rows_of(target, "SELECT indexname::text FROM pg_indexes WHERE tablename = 'made'")
