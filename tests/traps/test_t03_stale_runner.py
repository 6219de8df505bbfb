"""T3: a runner that lost the move cannot change source or target any more, whatever it still has open."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from fenced_database import Fenced, fenced_database
from pgcutover.edges.claim import Claim
from pgcutover.edges.fencing import HeldSource, lower_stored_fence
from pgcutover.edges.gate import Gate
from pgcutover.edges.runrecord import cas_sql
from pgcutover.errors import RunnerConflictError
from pgcutover.lab.clusters import Cluster

WRITE = "INSERT INTO public.rounds VALUES ('stale')"


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test has programs that are between two connections."""
    monkeypatch.setattr("pgcutover.edges.claim.QUIET_S", 0.1)


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


@pytest.mark.parametrize("run", ["run-1", "run-2"])
def test_a_stale_runner_neither_lowers_nor_raises_the_fence(source: Fenced, run: str) -> None:
    """Nor does it break the locks of the one that took over, under the same name or another; that one goes back."""
    before = source.state()
    stale = Claim.acquire(source.server, None, run_id="run-1", holder="ann")
    old = HeldSource(source.server, cas_sql("run-1", stale.epoch))
    recorded = old.read_fence()
    old.raise_fence(recorded)
    old.close()
    lose(source, stale)
    fresh = Claim.acquire(source.server, None, run_id=run, holder="bob")
    new = HeldSource(source.server, cas_sql(run, fresh.epoch))
    new.keep_fence(recorded)
    acts: tuple[Callable[[], object], ...] = (
        lambda: old.raise_fence(recorded),
        lambda: old.keep_fence(recorded),
        lambda: old.lower_fence(recorded),
        lambda: lower_stored_fence(source.server, cas_sql("run-1", stale.epoch)),
    )
    for act in acts:
        with pytest.raises(RunnerConflictError, match="not ours any more"):
            act()
        assert new.fence_status(recorded).locked
    assert () == new.fence_status(recorded).leaks
    new.lower_fence(recorded)
    assert before == source.state()
    fresh.release()
    stale.release()


def test_a_stale_runner_neither_opens_nor_closes_the_target(source: Fenced, target: Fenced) -> None:
    """Whichever way the one that took over left it, it stays."""
    stale = Claim.acquire(source.server, target.target, run_id="run-1", holder="ann")
    old = Gate(target.target, cas_sql("run-1", stale.epoch))
    old.close()
    lose(source, stale)
    fresh = Claim.acquire(source.server, target.target, run_id="run-1", holder="bob")
    new = Gate(target.target, cas_sql("run-1", fresh.epoch))
    for closed in (True, False):
        for act in (old.open, old.close):
            with pytest.raises(RunnerConflictError, match="not ours any more"):
                act()
            assert closed == new.status().closed
        new.open()
    fresh.release()
    stale.release()


def test_a_move_whose_record_was_removed_is_nobodys(source: Fenced) -> None:
    """After a person removed all that is ours, no old runner fences the database again or makes a record there."""
    stale = Claim.acquire(source.server, None, run_id="run-1", holder="ann")
    old = HeldSource(source.server, cas_sql("run-1", stale.epoch))
    recorded = old.read_fence()
    source.run("DROP SCHEMA pgcutover CASCADE")
    before = source.state()
    with pytest.raises(RunnerConflictError, match="not ours any more"):
        old.raise_fence(recorded)
    assert before == source.state()
    assert not source.one("SELECT to_regnamespace('pgcutover') IS NOT NULL")
    stale.release()


def test_another_run_ends_what_an_earlier_one_had_begun(source: Fenced, target: Fenced) -> None:
    """A transaction let in under one run's name does not commit once another run took the target."""
    stale = Claim.acquire(source.server, target.target, run_id="run-1", holder="ann")
    with psycopg.connect(target.owner.url().reveal()) as session:
        session.execute(cas_sql("run-1", stale.epoch))
        session.execute(WRITE)
        lose(source, stale)
        fresh = Claim.acquire(source.server, target.target, run_id="run-2", holder="bob")
        with pytest.raises(psycopg.OperationalError):
            session.commit()
    with target.target.session("copy") as again:
        assert [] == again.execute(cas_sql("run-1", stale.epoch)).fetchall()
    assert 0 == target.one("SELECT count(*) FROM public.rounds")
    fresh.release()
    stale.release()
