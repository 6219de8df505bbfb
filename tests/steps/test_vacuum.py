"""Tables that were loaded in pieces get their visibility maps after the lift, and nobody waits for it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import psycopg
import pytest

import rds_world
from pgcutover.facts.names import TableName
from pgcutover.planning.target import TargetPlan
from pgcutover.running.step import Verdict
from pgcutover.steps.aftercare import Aftercare
from pgcutover.steps.point_in_time import PointInTime
from pgcutover.steps.target_steps import making
from pgcutover.steps.vacuum import Vacuum
from rds_world import Account, RdsWorld, planned, world_for

Session = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with rds_world.account() as made:
        yield made


@pytest.fixture(scope="module")
def target(account: Account) -> TargetPlan:
    return planned(account.aws)


@pytest.fixture(scope="module")
def made(account: Account, target: TargetPlan) -> RdsWorld:
    world = world_for(account, target)
    for step in making(target):
        step.do(world, step.observe(world))
    return world


@pytest.fixture
def session(made: RdsWorld) -> Iterator[Session]:
    """The application's, with tables as a load leaves them: analysed, and of no visibility map."""
    with closing(made.connect(made.access.app())) as opened:
        for name in ('"Or""der"', "parts.line"):
            opened.execute("CREATE SCHEMA IF NOT EXISTS parts")
            opened.execute(f"CREATE TABLE {name} AS SELECT n FROM generate_series(1, 5000) AS n")
            opened.execute(f"ANALYZE {name}")
        opened.execute("CREATE TABLE frozen (n int)")
        with opened.transaction():
            opened.execute("TRUNCATE frozen")
            with opened.cursor().copy("COPY frozen FROM STDIN (FREEZE)") as copy:
                copy.write(b"1\n2\n")
        opened.execute("ANALYZE frozen")
        yield opened
        opened.execute('DROP TABLE "Or""der", parts.line, frozen; DROP SCHEMA parts')


def visible(session: Session) -> dict[str, bool]:
    """By table, whether every page with rows is known to be visible to all; the load may leave empty ones behind."""
    found = {}
    for name in ('"Or""der"', "parts.line", "frozen"):
        pages = f"SELECT count(DISTINCT (ctid::text::point)[0]) FROM {name}"
        known = session.execute("SELECT relallvisible FROM pg_class WHERE oid = %s::regclass", (name,)).fetchone()
        found[name] = known == session.execute(pages).fetchone()
    return found


def test_what_was_loaded_in_pieces_becomes_visible_to_all(made: RdsWorld, session: Session) -> None:
    """What COPY froze already is left alone; again, there is nothing to do."""
    step = Vacuum()
    before = step.observe(made)
    assert {'"Or""der"': False, "parts.line": False, "frozen": True} == visible(session)
    absent = step.verify(made, before)
    for _ in range(2):
        step.do(made, before)
    found = step.verify(made, before)
    assert (Verdict.ABSENT, Verdict.WHOLE) == (absent.verdict, found.verdict)
    assert {'"Or""der"': True, "parts.line": True, "frozen": True} == visible(session)
    assert "2 tables vacuumed and frozen" == found.detail


def test_a_locked_table_is_passed_over_and_named_and_the_next_time_done(
    made: RdsWorld, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits: neither those who hold the lock nor the vacuum."""
    step = Vacuum()
    before = step.observe(made)
    monkeypatch.setattr("pgcutover.steps.vacuum.LOCKED_LIMIT_S", 0.0)
    with closing(made.connect(made.access.app())) as other:
        other.execute("BEGIN; LOCK TABLE parts.line IN ACCESS EXCLUSIVE MODE")
        step.do(made, before)
        halfway = step.verify(made, before)
    assert (Verdict.PARTIAL, "not vacuumed: parts.line") == (halfway.verdict, halfway.detail)
    step.do(made, before)
    assert Verdict.WHOLE == step.verify(made, before).verdict


def test_a_migration_does_not_wait_for_the_vacuum(
    made: RdsWorld, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is cancelled for who waits; later it is tried again."""
    slowly = {"vacuum_cost_delay": "100ms", "vacuum_cost_limit": "1"}
    with monkeypatch.context() as patched, ThreadPoolExecutor(1) as pool:
        patched.setattr("pgcutover.edges.vacuuming.PACE", slowly)
        running = pool.submit(made.vacuuming.vacuum, TableName(schema="parts", name="line"))
        while not session.execute("SELECT pid FROM pg_stat_progress_vacuum").fetchone():
            assert not running.done()
        session.execute("SET lock_timeout = '20s'; ALTER TABLE parts.line ADD COLUMN later int")
        running.result()
    assert "parts.line" in map(str, made.vacuuming.left())
    Vacuum().do(made, {"tables": 2})
    assert () == made.vacuuming.left()


def test_a_vacuum_gives_back_no_pages_for_readers_would_wait(made: RdsWorld, session: Session) -> None:
    """Giving pages back takes a lock against everybody, on the replica too."""
    session.execute("DELETE FROM parts.line")
    size = "SELECT pg_relation_size('parts.line')"
    before = session.execute(size).fetchone()
    Vacuum().do(made, {"tables": 2})
    assert before == session.execute(size).fetchone()


def test_a_restore_reaches_the_present_once_backups_are_on(made: RdsWorld, target: TargetPlan) -> None:
    """Absent before the first backup; afterwards the last moment is there, and recent."""
    proof, aftercare = PointInTime(target=target), Aftercare(target=target)
    absent = proof.verify(made, {})
    aftercare.do(made, aftercare.observe(made))
    proof.do(made, {})
    found = proof.verify(made, {})
    assert (Verdict.ABSENT, Verdict.WHOLE) == (absent.verdict, found.verdict)
    assert "no backup is complete" == absent.detail
    assert found.evidence["latest_restorable_at"] is not None
