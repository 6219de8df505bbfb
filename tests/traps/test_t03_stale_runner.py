"""T3: a runner that lost the move cannot change the target any more, whatever it still has open."""

from collections.abc import Iterator

import psycopg
import pytest

from fenced_database import Fenced, fenced_database
from pgcutover.edges.runrecord import Claim, cas_sql
from pgcutover.lab.clusters import Cluster

WRITE = "INSERT INTO public.rounds VALUES ('stale')"


@pytest.fixture
def source(cluster16: Cluster) -> Iterator[Fenced]:
    with fenced_database(cluster16, filled=False) as found:
        yield found


@pytest.fixture
def target(cluster16: Cluster) -> Iterator[Fenced]:
    with fenced_database(cluster16, filled=False) as found:
        with psycopg.connect(found.owner.url().reveal()) as session:
            session.execute("CREATE TABLE public.rounds (what text)")
        yield found


def lose(source: Fenced, claim: Claim) -> None:
    """The claim's lock session dies without its process knowing."""
    source.run(f"SELECT pg_terminate_backend({claim._connection.info.backend_pid}, 5000)")


def test_a_stale_transaction_does_not_begin(source: Fenced, target: Fenced) -> None:
    """After another runner took over, the first statement of the old one's transactions finds no row."""
    stale = Claim.acquire(source.server, target.target, run_id="run-1", holder="ann")
    lose(source, stale)
    fresh = Claim.acquire(source.server, target.target, run_id="run-1", holder="bob")
    with target.target.session("copy") as session:
        assert [] == session.execute(cas_sql("run-1", stale.epoch)).fetchall()
        assert [(fresh.epoch,)] == session.execute(cas_sql("run-1", fresh.epoch)).fetchall()
    fresh.release()
    stale.release()


def test_a_stale_transaction_that_had_begun_does_not_commit(source: Fenced, target: Fenced) -> None:
    """One that was let in before the take-over is ended by it, and what it wrote is gone."""
    stale = Claim.acquire(source.server, target.target, run_id="run-1", holder="ann")
    with psycopg.connect(target.owner.url().reveal()) as session:
        assert [(stale.epoch,)] == session.execute(cas_sql("run-1", stale.epoch)).fetchall()
        session.execute(WRITE)
        lose(source, stale)
        fresh = Claim.acquire(source.server, target.target, run_id="run-1", holder="bob")
        with pytest.raises(psycopg.OperationalError):
            session.commit()
    assert 0 == target.one("SELECT count(*) FROM public.rounds")
    fresh.release()
    stale.release()


def test_a_transaction_that_is_ours_keeps_the_record(source: Fenced, target: Fenced) -> None:
    """As long as it is open, nobody changes the record under it without ending it first."""
    claim = Claim.acquire(source.server, target.target, run_id="run-1", holder="ann")
    with psycopg.connect(target.owner.url().reveal()) as session:
        session.execute(cas_sql("run-1", claim.epoch))
        session.execute(WRITE)
        with target.superuser() as other, pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute("SET lock_timeout = 100; UPDATE pgcutover.run SET epoch = epoch + 1")
    assert 1 == target.one("SELECT count(*) FROM public.rounds")
    claim.release()
