"""The target's steps against a local RDS with real servers: made once, undone exactly, put back exactly."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import rds_world
from pgcutover.errors import JournalError, NotConfirmedError, QuotaError, RefusedError
from pgcutover.facts.rds import OWNER_TAG, InstanceChange
from pgcutover.planning.target import TargetPlan
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.aftercare import Aftercare
from pgcutover.steps.alarms import Alarms
from pgcutover.steps.destroy import destroy
from pgcutover.steps.instance import MakeInstance
from pgcutover.steps.load_parameters import LoadParameters
from pgcutover.steps.network import Network
from pgcutover.steps.parameter_group import ParameterGroup
from pgcutover.steps.parameters_back import ParametersBack
from pgcutover.steps.secret import MakeSecret
from pgcutover.steps.target_steps import lifted, loaded, loading, making, settled
from rds_world import Account, RdsWorld, planned, world_for

GROUPS = (Network, MakeSecret, ParameterGroup)


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with rds_world.account() as made:
        yield made


@pytest.fixture(scope="module")
def target(account: Account) -> TargetPlan:
    return planned(account.aws)


@pytest.fixture(scope="module")
def made(account: Account, target: TargetPlan) -> RdsWorld:
    """A world in which the instance of `target` stands, with no load values in force."""
    world = world_for(account, target)
    for step in (*making(target)[:4],):
        step.do(world, step.observe(world))
    return world


@pytest.fixture(scope="module")
def elsewhere(account: Account) -> TargetPlan:
    """An instance that somebody else made, with a group of its own that holds a value of theirs."""
    theirs = planned(account.aws, app="theirs")
    theirs = theirs.model_copy(update={"tags": (("made-by", "terraform"), ("pgcutover:environment", "somebody"))})
    world = world_for(account, theirs)
    for step in (*making(theirs)[:4],):
        step.do(world, step.observe(world))
    # Values of theirs, one of which the load changes and one of which it does not know.
    account.aws.parameters.set_values(theirs.parameter_group, [("checkpoint_timeout", "600"), ("work_mem", "8192")])
    until(lambda: world.admin.settings(["checkpoint_timeout"]) == {"checkpoint_timeout": "600"})
    return planned(
        account.aws,
        app="acme-web",
        existing=theirs.instance,
        master_secret=theirs.secret_name,
        parameter_group=theirs.parameter_group,
    )


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def verdicts(*findings: Finding) -> list[Verdict]:
    return [finding.verdict for finding in findings]


@pytest.mark.parametrize("kind", GROUPS)
def test_what_surrounds_the_instance_is_made_undone_and_made_again(account: Account, kind: type[Any]) -> None:
    """Absent, whole, whole again, absent, whole: asked of AWS each time."""
    target = planned(account.aws, app=f"again-{GROUPS.index(kind)}")
    world = world_for(account, target)
    step = kind(target=target)
    before = step.observe(world)
    found = [step.verify(world, before)]
    for action in (step.do, step.do, step.undo, step.undo, step.do):
        action(world, before)
        found.append(step.verify(world, before))
    whole, absent = Verdict.WHOLE, Verdict.ABSENT
    assert [absent, whole, whole, absent, absent, whole] == verdicts(*found)
    assert found[1].evidence["seconds"] is not None


@pytest.mark.parametrize("kind", GROUPS)
def test_what_was_there_before_us_is_left_there(account: Account, kind: type[Any]) -> None:
    """A second run finds the first one's groups; undoing the second leaves them, and says that nothing changed."""
    target = planned(account.aws, app=f"stays-{GROUPS.index(kind)}")
    world = world_for(account, target)
    step = kind(target=target)
    step.do(world, step.observe(world))
    second = step.observe(world)
    step.do(world, second)
    step.undo(world, second)
    found = step.verify(world, second)
    assert (Verdict.WHOLE, True) == (found.verdict, found.unchanged)


def test_a_half_made_network_is_partial_and_is_completed(account: Account) -> None:
    """A crash between the two groups."""
    target = planned(account.aws, app="half")
    world = world_for(account, target)
    step = Network(target=target)
    before = step.observe(world)
    account.aws.network.ensure_security_group(
        target.security_group, target.vpc_id, target.allowed_cidrs, dict(target.tags)
    )
    halfway = step.verify(world, before)
    step.do(world, before)
    assert [Verdict.PARTIAL, Verdict.WHOLE] == verdicts(halfway, step.verify(world, before))
    step.undo(world, before)
    assert Verdict.ABSENT == step.verify(world, before).verdict


def test_the_instance_is_made_once_and_its_undo_refuses(made: RdsWorld, target: TargetPlan) -> None:
    """It may hold the only copy of a row: only `destroy --target` deletes it."""
    step = MakeInstance(target=target)
    fresh: Before = {"present": False}
    step.do(made, fresh)
    found = step.verify(made, fresh)
    assert Verdict.WHOLE == found.verdict
    assert made.aws.instances.endpoint(target.instance) == (found.evidence["host"], found.evidence["port"])
    assert found.evidence["seconds"] is not None
    with pytest.raises(RefusedError, match="is kept"):
        step.undo(made, fresh)
    assert step.keeps_target


def test_an_instance_that_lost_its_protection_is_not_whole(made: RdsWorld, target: TargetPlan) -> None:
    """What verify finds outside, not what we remember."""
    step = MakeInstance(target=target)
    made.aws.instances.change(target.instance, InstanceChange(deletion_protection=False))
    found = step.verify(made, {"present": False})
    made.aws.instances.change(target.instance, InstanceChange(deletion_protection=True))
    assert (Verdict.PARTIAL, "it is not protected from deletion") == (found.verdict, found.detail)


def test_the_production_values_are_in_force_from_birth(made: RdsWorld, target: TargetPlan) -> None:
    """TLS forced and SCRAM, without a reboot; nothing of the load profile."""
    assert "scram-sha-256" == made.admin.settings(["password_encryption"])["password_encryption"]
    assert dict(target.production_parameters) == made.aws.parameters.own_values(target.parameter_group)


def test_planning_again_after_prepare_gives_the_same_plan(account: Account, made: RdsWorld, target: TargetPlan) -> None:
    """Otherwise every plan were stale the moment that prepare had run."""
    assert target == planned(account.aws)
    second = planned(account.aws, number=2)
    assert (target.instance, "acme_api_2") == (second.instance, second.database)


def test_load_values_come_into_force_and_go_back_to_the_defaults(made: RdsWorld, target: TargetPlan) -> None:
    """Proved on the server: what it said before is what it says afterwards."""
    load, back = LoadParameters(target=target), ParametersBack(target=target)
    names = [name for name, _ in target.load_parameters]
    natural = made.admin.settings(names)
    before = load.observe(made)
    absent = load.verify(made, before)
    for _ in range(2):
        load.do(made, before)
    whole = load.verify(made, before)
    assert "off" == made.admin.settings(["autovacuum"])["autovacuum"]
    found = back.observe(made)
    loaded_still = back.verify(made, found)
    for _ in range(2):
        back.do(made, found)
    after = back.verify(made, found)
    assert [Verdict.ABSENT, Verdict.WHOLE, Verdict.ABSENT, Verdict.WHOLE] == verdicts(
        absent, whole, loaded_still, after
    )
    assert natural == made.admin.settings(names)
    assert dict(target.production_parameters) == made.aws.parameters.own_values(target.parameter_group)
    assert {"during_load": "0", "now": "on", "own": None} == after.evidence["autovacuum"]
    assert Verdict.ABSENT == load.verify(made, before).verdict


def test_going_back_puts_the_load_values_back_also_without_the_server(made: RdsWorld, target: TargetPlan) -> None:
    """Autovacuum must not stay off on an instance that stays; a server out of reach must not stop the way back."""
    load = LoadParameters(target=target)
    before = load.observe(made)
    load.do(made, before)
    unreachable = dataclasses.replace(made, admin=None)
    for _ in range(2):
        load.undo(unreachable, before)
    assert Verdict.ABSENT == load.verify(unreachable, before).verdict
    until(lambda: made.admin.settings(["autovacuum"]) == {"autovacuum": "on"})
    load.do(made, before)
    assert Verdict.WHOLE == load.verify(made, before).verdict
    load.undo(made, before)
    until(lambda: made.admin.settings(["autovacuum"]) == {"autovacuum": "on"})


def test_parameters_that_are_not_quite_back_are_found(made: RdsWorld, target: TargetPlan) -> None:
    """By the group's own values, by the server's, and by what waits for a reboot."""
    load, back = LoadParameters(target=target), ParametersBack(target=target)
    before = load.observe(made)
    load.do(made, before)
    found = back.observe(made)
    back.do(made, found)
    parameters = made.aws.parameters
    parameters.set_values(target.parameter_group, [("max_wal_size", "8192")])
    until(lambda: made.admin.settings(["max_wal_size"]) == {"max_wal_size": "8192"})
    tampered = back.verify(made, found)
    back.do(made, found)
    parameters.set_values(target.parameter_group, [("max_locks_per_transaction", "128")])
    until(lambda: bool(made.admin.pending_restart()))
    waiting = back.verify(made, found)
    # PostgreSQL takes the mark away when it reads the value that is in force, not when the line goes.
    parameters.set_values(target.parameter_group, [("max_locks_per_transaction", "64")])
    until(lambda: not made.admin.pending_restart())
    parameters.reset_values(target.parameter_group, ["max_locks_per_transaction"])
    assert (Verdict.PARTIAL, "max_wal_size is 8192, not 2048") == (tampered.verdict, tampered.detail)
    assert (Verdict.PARTIAL, "max_locks_per_transaction waits for a reboot") == (waiting.verdict, waiting.detail)
    assert Verdict.WHOLE == back.verify(made, found).verdict


def test_without_a_note_of_what_was_found_nothing_is_guessed(account: Account, target: TargetPlan) -> None:
    """Resetting to defaults would destroy a value of the owner's."""
    with pytest.raises(JournalError, match="does not say how acme-api-postgres16 was"):
        ParametersBack(target=target).observe(world_for(account, target))


def test_an_existing_instance_is_left_exactly_as_it_was_found(account: Account, elsewhere: TargetPlan) -> None:
    """Its description, its group's values, its settings and its other databases: no difference but ours inside it."""
    world = world_for(account, elsewhere)
    before = portrait(world, elsewhere)
    steps = (*making(elsewhere), *loading(elsewhere))
    journal = {step.name: step.observe(world) for step in steps}
    for step in steps:
        step.do(world, journal[step.name])
        assert Verdict.WHOLE == step.verify(world, journal[step.name]).verdict
    assert "1800" == world.admin.settings(["checkpoint_timeout"])["checkpoint_timeout"]
    for step in (*loaded(elsewhere), *lifted(elsewhere)):
        found = step.observe(world)
        step.do(world, found)
        assert Verdict.WHOLE == step.verify(world, found).verdict
    assert before == portrait(world, elsewhere)
    assert "600" == world.aws.parameters.own_values(elsewhere.parameter_group)["checkpoint_timeout"]
    assert ["parameters-proved", "vacuum"] == [step.name for step in lifted(elsewhere)]
    assert () == settled(elsewhere)
    names = [step.name for step in making(elsewhere)]
    assert ["secret", "database"] == names
    with pytest.raises(RefusedError, match="was not made by pgcutover"):
        destroy(world.aws, elsewhere, typed=elsewhere.instance)


def portrait(world: RdsWorld, target: TargetPlan) -> dict[str, Any]:
    """Everything about an instance that its owner would miss."""
    with world.connect(world.access.master()) as session:
        settings = session.execute("SELECT name, setting FROM pg_settings WHERE context <> 'internal'").fetchall()
        databases = session.execute(
            "SELECT datname, pg_get_userbyid(datdba), datacl FROM pg_database WHERE datname <> %s", (target.database,)
        ).fetchall()
        roles = session.execute(
            "SELECT rolname FROM pg_roles WHERE rolname <> ALL (%s)", ([target.app_role, *target.credentials],)
        ).fetchall()
    session_own = {"application_name", "client_encoding", "DateStyle", "TimeZone"}
    return {
        "instance": world.aws.instances.describe(target.instance),
        "group": world.aws.parameters.of_group(target.parameter_group),
        "tags": world.aws.parameters.group_tags(target.parameter_group),
        "settings": {name: value for name, value in settings if name not in session_own},
        "databases": sorted(map(str, databases)),
        "roles": sorted(roles),
    }


def test_aftercare_brings_what_production_needs(made: RdsWorld, target: TargetPlan) -> None:
    """Backups, a snapshot and protection; again is no error; going back takes none of it away."""
    step = Aftercare(target=target.model_copy(update={"multi_az": True}))
    before = step.observe(made)
    absent = step.verify(made, before)
    for _ in range(2):
        step.do(made, before)
    step.undo(made, before)
    found = made.aws.instances.describe(target.instance)
    assert found is not None
    assert [Verdict.ABSENT, Verdict.WHOLE] == verdicts(absent, step.verify(made, before))
    assert (7, True, True, True) == (
        found.retention_days,
        found.multi_az,
        found.deletion_protection,
        found.minor_upgrades,
    )
    assert made.aws.instances.snapshot_exists(target.snapshot)


def test_destroy_needs_the_name_and_leaves_a_last_snapshot(account: Account) -> None:
    """Everything of ours is gone, the snapshot stays; again, it goes on from where it was."""
    target = planned(account.aws, app="doomed")
    world = world_for(account, target)
    steps = making(target)[:4]
    journal = {step.name: step.observe(world) for step in steps}
    for step in steps:
        step.do(world, journal[step.name])
    for typed in ("", "doomed ", "acme-api"):
        with pytest.raises(NotConfirmedError, match="the instance is named doomed"):
            destroy(account.aws, target, typed=typed)
    assert [Verdict.WHOLE] * 4 == [step.verify(world, journal[step.name]).verdict for step in steps]
    for _ in range(2):
        report = destroy(account.aws, target, typed="doomed")
    assert [Verdict.ABSENT] * 4 == [step.verify(world, journal[step.name]).verdict for step in steps]
    assert account.aws.instances.snapshot_exists("doomed-final-1")
    assert "instance doomed" in report.removed


def test_alarms_are_set_put_back_and_removed(account: Account) -> None:
    """Absent, whole, changed by somebody, whole again, absent, whole: asked of CloudWatch each time."""
    target = planned(account.aws, app="watched", alarm_topic="arn:aws:sns:us-east-1:123456789012:night")
    world = world_for(account, target)
    step = Alarms(target=target)
    before = step.observe(world)
    found = [step.verify(world, before)]
    step.do(world, before)
    found.append(step.verify(world, before))
    louder = [dataclasses.replace(alarm, threshold=alarm.threshold * 2) for alarm in target.alarms[:1]]
    account.aws.alarms.ensure(louder, dict(target.tags))
    found.append(step.verify(world, before))
    for action in (step.do, step.undo, step.do):
        action(world, before)
        found.append(step.verify(world, before))
    whole, absent = Verdict.WHOLE, Verdict.ABSENT
    assert [absent, whole, Verdict.PARTIAL, whole, absent, whole] == verdicts(*found)
    assert "not as planned: watched-CPUUtilization" == found[2].detail
    assert {"arn:aws:sns:us-east-1:123456789012:night"} == {
        alarm.topic for alarm in account.aws.alarms.found(["watched-CPUUtilization"])
    }


def test_an_alarm_of_somebody_else_is_never_changed(account: Account) -> None:
    """Its name is taken: refused before any alarm is set, and not removed."""
    target = planned(account.aws, app="crowded")
    taken = dataclasses.replace(target.alarms[0], threshold=1.0)
    account.aws.alarms.ensure([taken], {"made-by": "terraform"} | {OWNER_TAG: "somebody/else"})
    world, step = world_for(account, target), Alarms(target=target)
    before = step.observe(world)
    with pytest.raises(RefusedError, match=f"alarm name {taken.name} is taken"):
        step.do(world, before)
    account.aws.alarms.remove([alarm.name for alarm in target.alarms], dict(target.tags))
    assert (taken,) == account.aws.alarms.found([alarm.name for alarm in target.alarms])


def test_a_taken_instance_name_is_refused_before_anything_is_touched(account: Account, elsewhere: TargetPlan) -> None:
    """Already when the plan is made, and again when the step looks."""
    with pytest.raises(RefusedError, match="pgcutover did not make it"):
        planned(account.aws, app="theirs")
    mine = planned(account.aws, app="mine").model_copy(update={"instance": elsewhere.instance})
    with pytest.raises(RefusedError, match="the instance name theirs is taken"):
        MakeInstance(target=mine).observe(world_for(account, mine))


def test_an_account_without_room_stops_the_plan(account: Account) -> None:
    """Days before the fence; an instance of ours that stands already needs no room."""
    account.turn(instance_quota=0)
    try:
        with pytest.raises(QuotaError, match="no room for another database: DBInstances"):
            planned(account.aws, app="no-room")
    finally:
        account.turn(instance_quota=40)


def test_no_step_shows_a_password(made: RdsWorld, target: TargetPlan) -> None:
    """Not in what is observed and found, which the journal keeps, nor in what a person reads."""
    passwords = [secret.reveal() for secret in made.aws.secrets.logins(target.secret_name).values()]
    steps = (*making(target)[:4], *loading(target), Aftercare(target=target), *settled(target))
    shown = ""
    for step in steps:
        before = step.observe(made)
        shown += repr((step, before, step.verify(made, before), step.title, step.by_hand, step.calls))
    assert [] == [password for password in passwords if password in shown]
    assert all(step.title and step.by_hand and step.calls for step in steps)


def test_the_steps_come_in_an_order_that_works(target: TargetPlan) -> None:
    """What is needed comes before what needs it; only the load values are undone by going back."""
    steps = (*making(target), *loading(target), *loaded(target), *lifted(target), *settled(target))
    names = [step.name for step in steps]
    assert [
        "network",
        "secret",
        "parameter-group",
        "instance",
        "database",
        "load-parameters",
        "parameters-back",
        "aftercare",
        "parameters-proved",
        "vacuum",
        "point-in-time",
        "alarms",
    ] == names
    assert ["load-parameters"] == [step.name for step in steps if not step.keeps_target]
