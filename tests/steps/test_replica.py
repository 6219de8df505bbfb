"""The read replica against a local RDS with real servers: made, tuned, adopted, followed closely, and deleted."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import psycopg
import pytest

import rds_world
from pgcutover.errors import RefusedError
from pgcutover.facts.rds import OWNER_TAG, InstanceChange
from pgcutover.planning.target import TargetPlan
from pgcutover.running.step import Before, Verdict
from pgcutover.steps.destroy import destroy
from pgcutover.steps.replica import MakeReplica, ReplicaGroup
from pgcutover.steps.target_steps import lifted, loaded, making
from rds_world import Account, RdsWorld, planned, world_for

FRESH: Before = {"present": False}
LONG_S = 3.0
"""A query as long as this is long where the replay waits for a second."""


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with rds_world.account() as made:
        yield made


@pytest.fixture(scope="module")
def target(account: Account) -> TargetPlan:
    return planned(account.aws, followers=("postgresql-round-1",))


@pytest.fixture(scope="module")
def made(account: Account, target: TargetPlan) -> RdsWorld:
    """A world in which the instance, the database and the replica of `target` stand."""
    world = world_for(account, target)
    for step in making(target):
        step.do(world, step.observe(world))
    return world


def test_the_replica_is_whole_when_it_follows_with_its_own_parameters(made: RdsWorld, target: TargetPlan) -> None:
    """Proved in SQL on the replica: in recovery, close, and every value of its group in force."""
    step = MakeReplica(target=target)
    found = step.verify(made, FRESH)
    assert (Verdict.WHOLE, True) == (found.verdict, found.evidence["in_recovery"])
    assert found.evidence["seconds"] is not None
    with closing(made.connect(made.replica_access.master())) as session:
        shown = {
            name: session.execute(f"SHOW {name}").fetchone() for name in ("max_standby_streaming_delay", "work_mem")
        }
    assert {"max_standby_streaming_delay": ("1h",), "work_mem": ("52428kB",)} == shown


def test_the_primary_keeps_no_more_wal_than_its_disk_can_bear(made: RdsWorld) -> None:
    """A replica that lags must not fill the primary's disk."""
    with closing(made.connect(made.access.master())) as session:
        assert ("4GB",) == session.execute("SHOW max_slot_wal_keep_size").fetchone()


def test_a_replica_that_lost_its_group_is_found_and_gets_it_back(made: RdsWorld, target: TargetPlan) -> None:
    """As after a crash between its creation and its parameter group: adopted, and finished."""
    step = MakeReplica(target=target)
    identifier = step.plan.identifier
    made.aws.instances.change(identifier, InstanceChange(parameter_group=target.parameter_group))
    halfway = step.verify(made, FRESH)
    step.do(made, FRESH)
    assert (Verdict.PARTIAL, Verdict.WHOLE) == (halfway.verdict, step.verify(made, FRESH).verdict)
    assert target.parameter_group in halfway.detail


def test_a_replica_that_lost_its_protection_gets_it_back(made: RdsWorld, target: TargetPlan) -> None:
    """As after a destroy that did not end."""
    step = MakeReplica(target=target)
    made.aws.instances.change(step.plan.identifier, InstanceChange(deletion_protection=False))
    halfway = step.verify(made, FRESH)
    step.do(made, step.observe(made))
    assert (Verdict.PARTIAL, Verdict.WHOLE) == (halfway.verdict, step.verify(made, FRESH).verdict)


def test_it_is_made_once_and_its_undo_refuses(made: RdsWorld, target: TargetPlan) -> None:
    """Applications may read from it: only `destroy --target` deletes it."""
    step = MakeReplica(target=target)
    step.do(made, FRESH)
    with pytest.raises(RefusedError, match="acme-api-replica is kept"):
        step.undo(made, FRESH)
    found = made.aws.instances.describe(step.plan.identifier)
    assert found is not None
    assert (target.instance, True, True) == (found.replica_of, found.deletion_protection, step.keeps_target)


def test_the_load_counts_only_when_the_replica_has_replayed_it(made: RdsWorld, target: TargetPlan) -> None:
    """Otherwise its readers would miss rows for as long as it lags."""
    (step,) = [step for step in loaded(target) if step.name == "replica-caught-up"]
    with closing(made.connect(made.access.app())) as app, closing(made.connect(made.replica_access.app())) as reader:
        app.execute("CREATE TABLE old AS SELECT n FROM generate_series(1, 10000) AS n")
        wait_for_replay(made, app)
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM old")
        app.execute("DELETE FROM old")
        app.execute("VACUUM old")
        app.execute("CREATE TABLE loaded AS SELECT n, repeat('x', 100) AS t FROM generate_series(1, 30000) AS n")
        behind = step.verify(made, {})
        reader.execute("COMMIT")
        step.do(made, {})
        caught_up = step.verify(made, {})
        app.execute("DROP TABLE old, loaded")
    assert (Verdict.PARTIAL, Verdict.WHOLE) == (behind.verdict, caught_up.verdict)


def test_its_group_is_made_undone_and_made_again(account: Account) -> None:
    """Absent, whole, absent, whole: asked of AWS each time."""
    target = planned(account.aws, app="again", followers=("postgresql-round-1",))
    world = world_for(account, target)
    step = ReplicaGroup(target=target)
    before = step.observe(world)
    found = [step.verify(world, before)]
    for action in (step.do, step.undo, step.do):
        action(world, before)
        found.append(step.verify(world, before))
    assert [Verdict.ABSENT, Verdict.WHOLE, Verdict.ABSENT, Verdict.WHOLE] == [one.verdict for one in found]


def test_planning_again_after_the_replica_was_made_gives_the_same_plan(
    account: Account, made: RdsWorld, target: TargetPlan
) -> None:
    """Otherwise every plan were stale the moment that prepare had run."""
    assert target == planned(account.aws, followers=("postgresql-round-1",))


@pytest.fixture
def conflict(made: RdsWorld, target: TargetPlan) -> Iterator[psycopg.Connection[Any]]:
    """A session on the primary, with a table whose rows a vacuum will take from under a query on the replica."""
    with closing(made.connect(made.access.app())) as session:
        session.execute("CREATE TABLE much AS SELECT n, repeat('x', 100) AS text FROM generate_series(1, 10000) AS n")
        session.execute("VACUUM ANALYZE much")
        yield session
        session.execute("DROP TABLE much")


def long_query(world: RdsWorld, session: psycopg.Connection[Any], seconds: float) -> str:
    """What becomes of a query of so long on the replica when the primary vacuums what it reads."""
    said = []

    def ask() -> None:
        with closing(world.connect(world.replica_access.app())) as reader:
            try:
                rows = reader.execute("SELECT count(*) FROM much, pg_sleep(%s)", (seconds,)).fetchone()
                said.append(f"{rows and rows[0]} rows")
            except psycopg.errors.SerializationFailure as cause:
                said.append(str(cause.diag.message_primary))

    wait_for_replay(world, session)
    reading = threading.Thread(target=ask)
    reading.start()
    time.sleep(0.5)
    session.execute("DELETE FROM much WHERE n > 5000")
    session.execute("VACUUM much")
    reading.join()
    return said[0]


def wait_for_replay(world: RdsWorld, session: psycopg.Connection[Any]) -> None:
    (written,) = session.execute("SELECT pg_current_wal_lsn()::text").fetchone() or ("",)
    with closing(world.connect(world.replica_access.app())) as reader:
        reader.execute("SELECT pg_sleep(0)")
        for _ in range(200):
            if (True,) == reader.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (written,)).fetchone():
                return
            time.sleep(0.05)
    raise AssertionError("the replica does not keep up")


def test_a_long_query_on_the_replica_survives_a_vacuum_on_the_primary(
    made: RdsWorld, conflict: psycopg.Connection[Any]
) -> None:
    """With the replica's own parameters: it sees the rows of its snapshot to the end."""
    assert "10000 rows" == long_query(made, conflict, LONG_S)


@pytest.mark.full
def test_a_query_of_a_minute_survives_where_the_default_would_end_it_after_half(
    made: RdsWorld, conflict: psycopg.Connection[Any], target: TargetPlan
) -> None:
    """Unscaled: 60 s against RDS's default of 30 s, and against ours of an hour."""
    assert "10000 rows" == long_query(made, conflict, 60)
    group = MakeReplica(target=target).plan.parameter_group
    conflict.execute("INSERT INTO much SELECT n, 'x' FROM generate_series(5001, 10000) AS n")
    with delay(made, group, 30_000):
        assert "canceling statement due to conflict with recovery" == long_query(made, conflict, 60)


def test_with_a_short_delay_the_same_query_is_cancelled(
    made: RdsWorld, conflict: psycopg.Connection[Any], target: TargetPlan
) -> None:
    """So the test above would fail without the parameters; a second stands for the default's thirty."""
    with delay(made, MakeReplica(target=target).plan.parameter_group, 1_000):
        assert "canceling statement due to conflict with recovery" == long_query(made, conflict, LONG_S)


@contextmanager
def delay(world: RdsWorld, group: str, milliseconds: int) -> Iterator[None]:
    """The replica's replay waits so long for queries, and no longer."""
    names = ("max_standby_archive_delay", "max_standby_streaming_delay")
    ours = world.aws.parameters.own_values(group)
    set_and_await(world, group, dict.fromkeys(names, str(milliseconds)))
    try:
        yield
    finally:
        set_and_await(world, group, {name: ours[name] for name in names})


def set_and_await(world: RdsWorld, group: str, values: dict[str, str]) -> None:
    world.aws.parameters.set_values(group, tuple(values.items()))
    for _ in range(200):
        if dict(world.replica.standing(tuple(values)).settings) == values:
            return
        time.sleep(0.05)
    raise AssertionError("the values do not come into force")


def test_a_primary_that_is_being_backed_up_is_waited_for(account: Account) -> None:
    """RDS takes the first backup as soon as they are turned on, and makes no replica meanwhile."""
    target = planned(account.aws, app="busy", replica="before-load")
    world = world_for(account, target)
    *first, make = (step for step in making(target) if step.name != "database")
    for step in first:
        step.do(world, step.observe(world))
    account.aws.instances.change(target.instance, InstanceChange(retention_days=7))
    account.aws._calls.call("rds", "create_db_snapshot", DBSnapshotIdentifier="s", DBInstanceIdentifier="busy")
    make.do(world, FRESH)
    assert Verdict.WHOLE == make.verify(world, FRESH).verdict


def test_a_promoted_replica_is_neither_deleted_nor_taken(account: Account, made: RdsWorld, target: TargetPlan) -> None:
    """It may hold rows of its own by then."""
    with pytest.raises(RefusedError, match="follows no primary"):
        account.aws.instances.delete_replica(target.instance, dict(target.tags))
    assert target.replica is not None
    promoted = target.replica.model_copy(update={"identifier": target.instance})
    with pytest.raises(RefusedError, match="was promoted"):
        MakeReplica(target=target.model_copy(update={"replica": promoted})).observe(made)


def test_destroy_removes_the_replica_before_its_primary(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its group, and without a final snapshot, which RDS takes of no replica; again, it goes on.

    All of it also where the last plan knows of none; nothing at all while a replica is not ours to delete.
    """
    target = planned(account.aws, app="doomed", replica="after-lift")
    world = world_for(account, target)
    steps = (*making(target), *(step for step in lifted(target) if step.name in ("replica-group", "replica")))
    assert ["replica-group", "replica"] == [step.name for step in steps[-2:]]
    journal = {}
    for step in steps:
        journal[step.name] = step.observe(world)
        step.do(world, journal[step.name])
    assert Verdict.WHOLE == steps[-1].verify(world, journal["replica"]).verdict
    primary = account.aws.instances.describe(target.instance)
    assert primary is not None
    assert ("doomed-replica",) == primary.replicas
    account.aws.alarms.ensure(target.alarms, dict(target.tags))
    names = [alarm.name for alarm in target.alarms]
    later = target.model_copy(update={"replica": None, "alarms": ()})
    with foreign(account, "doomed-replica"), pytest.raises(RefusedError, match="doomed-replica is taken"):
        destroy(account.aws, later, typed="doomed")
    for far in ({"replicas": ("arn:aws:rds:eu-west-1:1:db:far",)}, {"replica_clusters": ("far",)}):
        with monkeypatch.context() as patch, pytest.raises(RefusedError, match=r"did not make: .*far"):
            patch.setattr(account.aws.instances, "describe", {"doomed": replace(primary, **far)}.get)
            destroy(account.aws, later, typed="doomed")
    assert len(names) == len(account.aws.alarms.found(names)) > 0
    report = destroy(account.aws, later, typed="doomed")
    destroy(account.aws, target, typed="doomed")
    assert () == account.aws.alarms.found(names)
    assert [Verdict.ABSENT] * 2 == [step.verify(world, journal[step.name]).verdict for step in steps[-2:]]
    assert account.aws.instances.snapshot_exists("doomed-final-1")
    assert "read replica doomed-replica" in report.removed


@contextmanager
def foreign(account: Account, identifier: str) -> Iterator[None]:
    """The instance lacks our tag."""
    found = account.aws.instances.describe(identifier)
    assert found is not None
    call, ours = account.aws._calls.call, dict(found.tags)[OWNER_TAG]
    call("rds", "remove_tags_from_resource", ResourceName=found.arn, TagKeys=[OWNER_TAG])
    yield
    call("rds", "add_tags_to_resource", ResourceName=found.arn, Tags=[{"Key": OWNER_TAG, "Value": ours}])
