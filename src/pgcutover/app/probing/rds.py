"""The AWS side of a probe: an instance is asked for, looked at while it is made and afterwards."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pgcutover.app.probing.looking import Asking
from pgcutover.edges.probe_aws import ProbeAws
from pgcutover.errors import AwsError, PgcutoverError
from pgcutover.facts.names import Dsn
from pgcutover.facts.rds import EngineVersion, Instance
from pgcutover.planning.predictions import Seen
from pgcutover.planning.tuning import LOAD_PROFILE, SECURITY

POLL_S = 0.2
CHANGE_LIMIT_S = 3600.0
COUNTS_LIMIT_S = 120.0
BEHIND_S = 300.0
SHOWN = ("wal_compression", "max_slot_wal_keep_size", "rds.accepted_password_auth_method")
"""Of which the notes want to know what RDS allows today."""
DURATION_MS = "12345"
FORMULA = "{log(DBInstanceClassMemory/1048576)*100}"
"""Of about 747 MiB: 954 to the base 2, 661 to the base e, 287 to the base 10; less where it is cut to an integer."""
BASES = {"to the base 2": range(850, 1000), "natural": range(560, 700), "to the base 10": range(190, 300)}
MEMORY_SHARE = (70.0, 76.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RdsWorld:
    """The probe's instance, and how its server is asked."""

    aws: ProbeAws
    name: str
    version: EngineVersion
    ca_bundle: Callable[[], str]
    asking: Asking

    def value(self, question: str) -> str:
        return self.asking.value(self.dsn(), "target", question)

    def dsn(self) -> Dsn:
        return self.aws.dsn(self.name, self.ca_bundle())

    def modify(self, **wanted: Any) -> str:
        """Ask for a change at once; the status that is shown right after it."""
        self.aws.ready(self.name)
        self.aws.calls.call(
            "rds", "modify_db_instance", DBInstanceIdentifier=self.name, ApplyImmediately=True, **wanted
        )
        return self.aws.instance(self.name).status

    def until(self, holds: Callable[[Instance], bool], what: str) -> Instance:
        return self.aws.instances.wait(self.name, holds, what=what, limit_s=CHANGE_LIMIT_S)

    def set(self, parameter: str, value: str) -> str:
        """Set a parameter of the instance's group at once; the code of RDS's refusal, or ''."""
        row = {"ParameterName": parameter, "ParameterValue": value, "ApplyMethod": "immediate"}
        return self.aws.refusal("modify_db_parameter_group", DBParameterGroupName=self.name, Parameters=[row])


def no_endpoint(world: RdsWorld) -> Seen:
    """A9"""
    found = world.aws.instance(world.name)
    if found.status != "creating":
        raise AwsError(f"the instance was {found.status} already")
    return Seen(answer=f"{'an' if found.host else 'no'} endpoint while creating")


def modifiable(world: RdsWorld) -> Seen:
    """A2"""
    described = {p.name: p for p in world.aws.parameters.of_family(world.version.family)}
    wanted = sorted({rule.name for rule in LOAD_PROFILE} | {name for name, _ in SECURITY})
    fixed = [name for name in wanted if name in described and not described[name].modifiable]
    missing = [f"{world.version.family} lacks {name}" for name in wanted if name not in described]
    allowed = [f"{name}: {described[name].allowed}" for name in SHOWN if name in described]
    return Seen(
        answer=f"fixed: {', '.join(fixed)}" if fixed else "all may be modified", detail="; ".join([*missing, *allowed])
    )


def class_memory(world: RdsWorld) -> Seen:
    """A12"""
    pages = world.value("SELECT setting FROM pg_catalog.pg_settings WHERE name = 'effective_cache_size'")
    share = int(pages) * 8192 * 2 / 2**30 * 100
    low, high = MEMORY_SHARE
    shown = f"{low:.0f} to {high:.0f}" if low <= share <= high else f"{share:.0f}"
    return Seen(answer=f"{shown} % of 1 GiB", detail=f"{share:.1f} %")


def dynamic_parameter(world: RdsWorld) -> Seen:
    """A10"""
    refused = world.set("log_min_duration_statement", DURATION_MS)
    if refused:
        return Seen(answer=f"refused: {refused}")
    begun, statuses = time.monotonic(), set[str]()
    while time.monotonic() - begun < COUNTS_LIMIT_S:
        statuses |= {status for _, status in world.aws.instance(world.name).parameter_groups}
        if world.value("SHOW log_min_duration_statement").startswith(DURATION_MS):
            break
        time.sleep(POLL_S)
    else:
        return Seen(answer=f"it does not count within {COUNTS_LIMIT_S:.0f} s", detail=", ".join(sorted(statuses)))
    took = f"after {time.monotonic() - begun:.1f} s; meanwhile {', '.join(sorted(statuses))}"
    waits = "a reboot is waited for" if "pending-reboot" in statuses else "nothing waits for a reboot"
    return Seen(answer=f"it counts within two minutes, and {waits}", detail=took)


def logarithm(world: RdsWorld) -> Seen:
    """A13"""
    question = "SHOW vacuum_cost_limit"
    before = world.value(question)
    refused = world.set("vacuum_cost_limit", FORMULA)
    if refused:
        return Seen(answer=f"refused: {refused}")
    deadline = time.monotonic() + COUNTS_LIMIT_S
    while (now := world.value(question)) == before and time.monotonic() < deadline:
        time.sleep(POLL_S)
    found = next((base for base, values in BASES.items() if int(now) in values), f"none of the usual: {now}")
    return Seen(answer=found, detail=f"{FORMULA} is {now}")


def wal_level(world: RdsWorld) -> Seen:
    """A1"""
    without = world.value("SHOW wal_level")
    world.modify(BackupRetentionPeriod=1)
    world.until(lambda i: i.retention_days == 1 and i.changeable and not i.pending, "keeps backups")
    with_backups = world.value("SHOW wal_level")
    code = world.aws.try_replica(world.name, DBParameterGroupName=world.name)
    return Seen(
        answer=f"retention 0: {without}; retention 1: {with_backups}; "
        f"a replica with a parameter group: {'refused' if code else 'accepted'}",
        detail=code,
    )


def late_status(world: RdsWorld) -> Seen:
    """A8"""
    changed = world.modify(BackupRetentionPeriod=2)
    world.until(lambda i: i.retention_days == 2 and i.changeable and not i.pending, "keeps backups")
    started = _started(world)
    rebooted = _reboot(world)

    def back() -> bool:
        # The server is away for some seconds, and its status says so late.
        try:
            return _started(world) != started
        except PgcutoverError:
            return False

    world.aws.calls.until(back, what=f"the reboot of {world.name}", limit_s=CHANGE_LIMIT_S)
    world.aws.ready(world.name)
    return Seen(answer=f"after a change: {changed}; after a reboot: {rebooted}")


def _started(world: RdsWorld) -> str:
    return world.value("SELECT pg_catalog.pg_postmaster_start_time()")


def _reboot(world: RdsWorld) -> str:
    """The status right after the call."""
    world.aws.ready(world.name)
    world.aws.calls.call("rds", "reboot_db_instance", DBInstanceIdentifier=world.name)
    return world.aws.instance(world.name).status


def managed_password(world: RdsWorld) -> Seen:
    """A3. From here on the master's password is RDS's own: nothing asks the server any more."""
    world.modify(ManageMasterUserPassword=True)
    world.until(lambda i: bool(i.managed_secret) and i.changeable and not i.pending, "has a managed password")
    code = world.aws.try_replica(world.name)
    return Seen(answer="refused" if code else "accepted", detail=code)


def error_codes(world: RdsWorld) -> Seen:
    """A14"""
    family, name = world.version.family, world.name
    row = {"ParameterName": "no_such_parameter", "ParameterValue": "1", "ApplyMethod": "immediate"}
    codes = (
        world.aws.refusal("describe_db_instances", DBInstanceIdentifier=f"{name}-none"),
        world.aws.refusal(
            "create_db_parameter_group",
            DBParameterGroupName=name,
            DBParameterGroupFamily=family,
            Description="made by a probe of pgcutover",
        ),
        world.aws.refusal("modify_db_parameter_group", DBParameterGroupName=name, Parameters=[row]),
    )
    return Seen(answer=", ".join(code or "accepted" for code in codes))


def restorable(world: RdsWorld) -> Seen:
    """A15"""
    found: list[datetime] = []

    def there() -> bool:
        reply = world.aws.calls.call("rds", "describe_db_instances", DBInstanceIdentifier=world.name)
        found[:] = filter(None, [reply["DBInstances"][0].get("LatestRestorableTime")])
        return bool(found)

    world.aws.calls.until(there, what=f"a restorable time of {world.name}", limit_s=CHANGE_LIMIT_S)
    behind_s = (datetime.now(UTC) - found[0]).total_seconds()
    within = behind_s <= BEHIND_S
    return Seen(
        answer="at most five minutes behind" if within else "more than five minutes behind",
        detail=f"{behind_s:.0f} s",
    )


def undeletable(world: RdsWorld) -> Seen:
    """A11. The last of all: should RDS not refuse, the instance is gone, as it shall be anyway."""
    _reboot(world)
    deadline = time.monotonic() + COUNTS_LIMIT_S
    while (status := world.aws.instance(world.name).status) == "available":
        if time.monotonic() > deadline:
            raise AwsError("the status stayed available during a reboot")
        time.sleep(POLL_S)
    code = world.aws.refusal("delete_db_instance", DBInstanceIdentifier=world.name, SkipFinalSnapshot=True)
    return Seen(answer=f"refused: {code}" if code else "accepted", detail=f"while {status}")


BORN: Mapping[str, Callable[[RdsWorld], Seen]] = {"A9": no_endpoint}
"""What can be seen only while the instance is made."""
# In this order: what asks the server comes before its password is gone, and the deletion last.
GROWN: Mapping[str, Callable[[RdsWorld], Seen]] = {
    "A2": modifiable,
    "A12": class_memory,
    "A10": dynamic_parameter,
    "A13": logarithm,
    "A14": error_codes,
    "A1": wal_level,
    "A8": late_status,
    "A15": restorable,
    "A3": managed_password,
    "A11": undeletable,
}
