"""Who holds a move: the lock, the record on both databases, and taking over."""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest

from fenced_database import Fenced, fenced_database
from pgcutover.edges.claim import QUIET_S, Claim
from pgcutover.edges.fencing import HeldSource
from pgcutover.edges.runrecord import cas_sql, drop_records, read_records
from pgcutover.errors import FenceError, RunnerConflictError, TargetError, UsageError
from pgcutover.lab.clusters import Cluster


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test but one has programs that are between two connections."""
    monkeypatch.setattr("pgcutover.edges.claim.QUIET_S", 0.1)


@pytest.fixture
def source(cluster16: Cluster) -> Iterator[Fenced]:
    with fenced_database(cluster16) as found:
        yield found


@pytest.fixture
def target(cluster18: Cluster) -> Iterator[Fenced]:
    with fenced_database(cluster18, filled=False) as found:
        yield found


def acquire(source: Fenced, target: Fenced | None = None, *, run: str = "run-1", holder: str = "ann@laptop") -> Claim:
    return Claim.acquire(source.server, target.target if target else None, run_id=run, holder=holder)


def kill_lock_session(source: Fenced) -> None:
    source.run("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'pgcutover lock'")


def test_a_second_runner_is_told_who_holds_the_move(source: Fenced, target: Fenced) -> None:
    """The error names run, holder, machine and process; after the first lets go, the second gets a higher epoch."""
    first = acquire(source, target)
    with pytest.raises(RunnerConflictError, match=r"run run-1 by ann@laptop on .* \(pid \d+\) since .*127\.0\.0\.1"):
        acquire(source, target, holder="bob@desk")
    first.release()
    second = acquire(source, target, holder="bob@desk")
    second.release()
    assert first.epoch + 1 == second.epoch
    for side in (source.server, target.target):
        assert [("run-1", second.epoch, "bob@desk")] == [(r.run_id, r.epoch, r.holder) for r in read_records(side)]


def test_two_at_the_same_moment(source: Fenced) -> None:
    """Of many runners that start at once exactly one gets the move."""
    claims: list[Claim] = []
    refused: list[RunnerConflictError] = []
    start = threading.Barrier(5)

    def run(number: int) -> None:
        start.wait()
        try:
            claims.append(acquire(source, run=f"run-{number}"))
        except RunnerConflictError as error:
            refused.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for claim in claims:
        claim.release()
    assert (1, 4) == (len(claims), len(refused))


def test_the_target_may_come_later(source: Fenced, target: Fenced) -> None:
    """A target made during the run is taken with the epoch the source has, and may be taken again."""
    claim = acquire(source)
    claim.take_target(target.target)
    claim.take_target(target.target)
    with target.target.session("test") as session:
        assert [(claim.epoch,)] == session.execute(cas_sql("run-1", claim.epoch)).fetchall()
    claim.release()


def test_a_dead_runners_programs_end(source: Fenced, target: Fenced) -> None:
    """A pg_restore that outlived its runner is ended when the target is taken, and nothing it began stays."""
    acquire(source, target).release()
    server = target.target
    orphan = server.connect("restore")
    orphan.read_only = False
    orphan.execute("BEGIN")
    orphan.execute("CREATE TABLE public.half_restored (i int)")
    claim = acquire(source)
    claim.take_target(server)
    with pytest.raises(psycopg.OperationalError):
        orphan.execute("COMMIT")
    orphan.close()
    with server.session("test") as session:
        assert (None,) == session.execute("SELECT to_regclass('public.half_restored')").fetchone()
    claim.release()


def test_a_dead_runners_programs_of_another_role_end(source: Fenced, target: Fenced) -> None:
    """What the master restores is ended like what the application's role does, in a claimed transaction or not."""
    first = acquire(source, target)
    server = target.target
    target.run(f'GRANT ALL ON SCHEMA pgcutover, public TO "{target.other.user}"')
    target.run(f'GRANT SELECT, UPDATE ON pgcutover.run TO "{target.other.user}"')
    orphans = [replace(server, dsn=target.other).connect(purpose) for purpose in ("restore", "comments")]
    for orphan in orphans:
        orphan.read_only = False
        orphan.execute("BEGIN")
    assert [(first.epoch,)] == orphans[1].execute(cas_sql("run-1", first.epoch)).fetchall()
    first.release()
    acquire(source, target).release()
    for orphan in orphans:
        with pytest.raises(psycopg.OperationalError):
            orphan.execute("COMMIT")
        orphan.close()


def test_programs_that_could_not_be_ended_are_not_forgotten(
    source: Fenced, target: Fenced, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same claim, tried again, finds them again although the record says that it has the target."""
    monkeypatch.setattr("pgcutover.edges.claim.STALE_TRANSACTIONS_END_S", 0.5)
    target.run(f'REVOKE pg_signal_backend FROM "{target.owner.user}"')
    with replace(target.target, dsn=target.other).session("restore"):
        claim = acquire(source)
        for _ in range(2):
            with pytest.raises(TargetError, match=f"still at work: .*{target.other.user}") as caught:
                claim.take_target(target.target)
            assert f"GRANT pg_signal_backend TO {target.owner.user}" in caught.value.hint
    claim.take_target(target.target)
    claim.take_target(target.target)
    claim.release()


def test_a_program_between_two_connections_is_waited_for(
    source: Fenced, target: Fenced, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pg_restore leaves one session before it opens those of its workers, which may take a second to log in."""
    # On a busy machine a second takes longer for the program than for the runner.
    monkeypatch.setattr("pgcutover.edges.claim.QUIET_S", 3 * QUIET_S)
    acquire(source, target).release()
    ends: list[psycopg.OperationalError] = []

    def work() -> None:
        """Until somebody ends it, be it amid the log-in."""
        try:
            with closing(target.target.connect("restore")) as late:
                late.execute("SELECT pg_sleep(60)")
        except psycopg.OperationalError as ended:
            ends.append(ended)

    timer = threading.Timer(1, work)
    timer.start()
    claim = acquire(source, target)
    assert 0 == target.one("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgcutover restore'")
    timer.join()
    assert 1 == len(ends)
    claim.release()


def test_an_epoch_on_the_target_alone_is_not_used_again(source: Fenced, target: Fenced) -> None:
    """When the source's record is gone, the next epoch is still above what the target has seen."""
    first = acquire(source, target)
    first.release()
    drop_records(source.server)
    second = acquire(source, target)
    second.release()
    assert first.epoch + 1 == second.epoch


def test_a_lost_lock_is_taken_again(source: Fenced) -> None:
    """When its session dies and nobody else came, the move goes on being ours, and others are kept out again."""
    claim = acquire(source)
    kill_lock_session(source)
    claim.still_ours()
    with pytest.raises(RunnerConflictError):
        acquire(source, run="run-2")
    claim.still_ours()
    claim.release()


def test_a_lock_that_another_run_holds_stops_us(source: Fenced) -> None:
    """When the lock was lost and another run has it, the error names that run."""
    claim = acquire(source)
    kill_lock_session(source)
    other = acquire(source, run="run-2", holder="bob@desk")
    with pytest.raises(RunnerConflictError, match="run-2 by bob@desk"):
        claim.still_ours()
    other.release()
    with pytest.raises(RunnerConflictError, match="run-2 by bob@desk"):
        claim.still_ours()
    claim.release()


def test_it_works_on_a_fenced_source(source: Fenced) -> None:
    """A run goes on, and is taken over, while the source is read-only and its owner may create nothing."""
    first = acquire(source)
    held = HeldSource(source.server)
    held.raise_fence(held.read_fence())
    first.release()
    second = acquire(source, holder="bob@desk")
    second.still_ours()
    assert first.epoch + 1 == second.epoch
    second.release()
    held.close()
    drop_records(source.server, even_fenced=True)
    assert () == read_records(source.server)
    drop_records(source.server)


def test_the_record_of_a_fence_that_stands_is_not_removed(source: Fenced) -> None:
    """It alone says what to put back; once the fence is lowered everything of ours may go."""
    held = HeldSource(source.server)
    recorded = held.read_fence()
    held.raise_fence(recorded)
    with pytest.raises(FenceError, match="is fenced"):
        drop_records(source.server)
    assert () == held.fence_status(recorded).leaks
    held.lower_fence(recorded)
    drop_records(source.server)
    assert not source.one("SELECT to_regnamespace('pgcutover') IS NOT NULL")


def test_the_epoch_found_is_told(source: Fenced) -> None:
    """A run that the source does not know, and one that it does; another run's epoch is not mistaken for it."""
    for run, found in (("run-1", None), ("run-1", 1), ("run-2", None), ("run-1", 2)):
        claim = acquire(source, run=run)
        claim.release()
        assert found == claim.found_epoch


def test_a_journal_that_is_refused_takes_nothing(source: Fenced) -> None:
    """It is judged by the epoch under the lock; after a refusal record and lock are as they were."""
    acquire(source).release()

    def too_old(found: int | None) -> None:
        assert 1 == found
        raise UsageError("this journal is older than the run", hint="")

    with pytest.raises(UsageError, match="older"):
        Claim.acquire(source.server, None, run_id="run-1", holder="bob", judge=too_old)
    assert [(1, "ann@laptop")] == [(r.epoch, r.holder) for r in read_records(source.server)]
    acquire(source).release()


def test_a_kept_target_that_knows_higher_epochs_can_be_taken(source: Fenced, target: Fenced) -> None:
    """A new run whose source forgot the earlier ones is the one that may write."""
    for _ in range(3):
        old = acquire(source, target)
        old.release()
    drop_records(source.server)
    new = acquire(source, run="run-2")
    new.take_target(target.target)
    assert new.epoch < old.epoch
    with target.target.session("test") as session:
        assert [(new.epoch,)] == session.execute(cas_sql("run-2", new.epoch)).fetchall()
        assert [] == session.execute(cas_sql("run-1", old.epoch)).fetchall()
    new.release()


def test_the_lock_does_not_wait_for_a_dead_machine(source: Fenced) -> None:
    """The lock's session asks the server to look for its client every half minute."""
    claim = acquire(source)
    setting = "SELECT current_setting('tcp_keepalives_idle')"
    with psycopg.connect(source.owner.url().reveal()) as session:
        assert ("30",) != session.execute(setting).fetchone()
    assert ("30",) == claim._connection.execute(setting).fetchone()
    claim.release()


@pytest.mark.parametrize("run", ["", "a b", "x'; DROP TABLE y; --", "a" * 65])
def test_a_run_id_is_a_plain_word(run: str) -> None:
    """It goes into statements and file names, so other characters are refused."""
    with pytest.raises(UsageError):
        cas_sql(run, 1)
