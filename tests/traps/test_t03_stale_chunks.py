"""T3, for chunks: a runner that lost its run writes nothing more, and no chunk arrives twice."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from little_database import RUN, emptied, job, own_database, rows_of, run_sql, snapshot_of, take_run
from pgcutover.edges.copystream import carry
from pgcutover.errors import CopyError, PgcutoverError, RunnerConflictError
from pgcutover.facts.names import Dsn
from pgcutover.lab.clusters import Cluster


@pytest.fixture(scope="module")
def databases(cluster16: Cluster) -> Iterator[tuple[Dsn, Dsn]]:
    with own_database(cluster16) as source, own_database(cluster16) as target:
        yield source, target


@pytest.fixture
def pair(databases: tuple[Dsn, Dsn]) -> tuple[Dsn, Dsn]:
    source, target = map(emptied, databases)
    run_sql(source, "CREATE TABLE public.t AS SELECT generate_series(1, 100) AS id")
    run_sql(target, "CREATE TABLE public.t (id integer)")
    return source, target


def test_a_stale_runner_is_refused(pair: tuple[Dsn, Dsn]) -> None:
    """A chunk of epoch 1 is refused once epoch 2 holds the run; the same chunk of epoch 2 arrives."""
    source, target = pair
    with snapshot_of(source) as snapshot:
        stale = job(source, target, "public.t", snapshot, epoch=1)
        fresh = job(source, target, "public.t", snapshot, epoch=2)
        with pytest.raises(RunnerConflictError, match=r"another runner took over run run-1; public\.t was not copied"):
            carry(stale)
        assert [(0,)] == rows_of(target, "SELECT count(*) FROM public.t")
        assert 100 == carry(fresh)[0].rows
        with pytest.raises(RunnerConflictError):
            carry(stale)
    assert [(100,)] == rows_of(target, "SELECT count(*) FROM public.t")


def test_taking_over_waits_for_no_half_chunk(pair: tuple[Dsn, Dsn]) -> None:
    """While a chunk is on its way, its run cannot change hands: either the chunk commits first, or not at all."""
    source, target = pair
    run_sql(target, "CREATE TABLE public.seen (epoch bigint, rows bigint)")
    outcome: list[object] = []

    def carried() -> None:
        try:
            outcome.append(carry(words)[0].rows)
        except PgcutoverError as error:
            outcome.append(type(error))

    with snapshot_of(source) as snapshot:
        words = job(source, target, "public.t", snapshot)
        thread = threading.Thread(target=carried)
        thread.start()
        time.sleep(0.02)
        take_run(target, 2)
        rows_then = rows_of(target, "SELECT count(*) FROM public.t")
        thread.join()
    assert rows_then == rows_of(target, "SELECT count(*) FROM public.t")
    assert outcome in ([100], [RunnerConflictError])
    assert rows_then == [(100 if outcome == [100] else 0,)]


def test_a_chunk_of_other_rows_is_not_taken_for_done(pair: tuple[Dsn, Dsn]) -> None:
    """T7: a marker that tells of another file of the source's table is an error, not a chunk that arrived."""
    source, target = pair
    with snapshot_of(source) as snapshot:
        words = job(source, target, "public.t", snapshot)
        carry(words)
        rewritten = replace(words, chunks=(replace(words.chunks[0], storage="another"),))
        with pytest.raises(CopyError, match="rewritten or truncated on the source since"):
            carry(rewritten)
    assert [(RUN, 100)] == rows_of(target, "SELECT run_id, rows FROM pgcutover.chunk")
