"""The read replica that takes the followers' place: its own parameter group, and the instance.

In its primary's Region a PostgreSQL replica is born with the primary's group, whatever one asks for; another counts
after a reboot. So: create, wait, attach the group, wait, reboot, wait. Nobody reads from it before `verify` has seen in
SQL that it follows, with the values of its own group, and closely.
https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstanceReadReplica.html
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pgcutover.errors import AwsError, RefusedError
from pgcutover.facts.rds import Instance, InstanceChange, ReplicaSpec, ReplicaStanding, Value, is_ours
from pgcutover.planning.target import ReplicaPlan, TargetPlan
from pgcutover.planning.tuning import same_value
from pgcutover.running.step import Before, Finding, Json, Verdict
from pgcutover.steps.parameter_group import ParameterGroup
from pgcutover.steps.ports_aws import AwsWorld

CLOSE_BYTES = 64 * 2**20
"""A replica that is no further behind keeps up: RDS writes WAL in segments of 64 MB."""
CATCH_UP_LIMIT_S = 6 * 3600.0
"""After the lift, it has to replay what the application wrote while it was made and its blocks came from S3."""
LOADED_BYTES = 2**20
"""Before the switch nobody writes but us: what is missing beyond it would be rows of the load."""
LOADED_LIMIT_S = 1800.0
"""Users wait meanwhile. A replica that is further behind after a small load does not follow at all."""
POLL_S = 1.0


def planned(target: TargetPlan) -> ReplicaPlan:
    """The replica of a plan that has one; no other makes these steps."""
    assert target.replica is not None, "steps of a replica are made for a plan with one"
    return target.replica


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaGroup(ParameterGroup):
    """The replica's own group: what the primary's holds for good, and room for long queries."""

    name: str = "replica-group"

    @property
    def group(self) -> str:
        return planned(self.target).parameter_group

    @property
    def values(self) -> tuple[Value, ...]:
        return planned(self.target).parameters

    @property
    def family(self) -> str:
        """An existing instance's plan names none."""
        return self.target.parameter_family or f"postgres{self.target.major}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeReplica:
    """One read replica. Its undo refuses: applications may read from it; `destroy --target` deletes it."""

    target: TargetPlan
    name: str = "replica"
    keeps_target: bool = True

    @property
    def plan(self) -> ReplicaPlan:
        return planned(self.target)

    @property
    def title(self) -> str:
        return (
            f"make read replica {self.plan.identifier} of {self.target.instance} on {self.plan.instance_class}, "
            f"with parameter group {self.plan.parameter_group}"
        )

    @property
    def by_hand(self) -> str:
        return f"pgcutover destroy --target, which deletes {self.plan.identifier} before {self.target.instance}"

    @property
    def calls(self) -> tuple[str, ...]:
        backups = f"rds ModifyDBInstance {self.target.instance} BackupRetentionPeriod = {self.target.retention_days}"
        return (
            *(() if self.target.existing else (f"{backups} (RDS replicates only what keeps backups)",)),
            f"rds CreateDBInstanceReadReplica {self.plan.identifier} (about 10 minutes, longer for a large volume)",
            f"rds ModifyDBInstance {self.plan.identifier} DBParameterGroupName = {self.plan.parameter_group}",
            f"rds RebootDBInstance {self.plan.identifier}",
            "SQL on the replica: pg_is_in_recovery(), pg_settings, how far it has replayed",
        )

    @property
    def spec(self) -> ReplicaSpec:
        return ReplicaSpec(
            identifier=self.plan.identifier,
            primary=self.target.instance,
            instance_class=self.plan.instance_class,
            public=self.target.public,
            # Before the load, nothing may restart by itself; aftercare turns them on.
            minor_upgrades=self.plan.made == "after-lift",
            tags=self.target.tags,
        )

    def observe(self, world: AwsWorld) -> Before:
        found = world.aws.instances.describe(self.plan.identifier)
        if found is not None and not is_ours(dict(found.tags), dict(self.target.tags)):
            raise RefusedError(
                f"the instance name {found.identifier} is taken by something that pgcutover did not make",
                hint='Rename or remove it, or set replica = "none" under [target].',
            )
        if found is not None and not found.replica_of:
            raise RefusedError(
                f"instance {found.identifier} was promoted: it follows no primary and may hold rows of its own",
                hint='Rename it, or delete it with a final snapshot, or set replica = "none" under [target].',
            )
        return {"present": found is not None}

    def do(self, world: AwsWorld, before: Before) -> None:
        instances, identifier = world.aws.instances, self.plan.identifier
        primary = instances.describe(self.target.instance)
        if primary is not None and not primary.retention_days and not self.target.existing:
            instances.change(self.target.instance, InstanceChange(retention_days=self.target.retention_days))
        instances.create_replica(self.spec)
        # One that is found may have lost its protection to a destroy that did not end.
        change = InstanceChange(parameter_group=self.plan.parameter_group, deletion_protection=True)
        instances.change(identifier, change)
        found = instances.describe(identifier)
        if found is not None and found.pending_reboot:
            instances.reboot(identifier)
        instances.wait_initialized(identifier)
        _wait_until_close(world, self.target, CLOSE_BYTES, limit_s=CATCH_UP_LIMIT_S)

    def verify(self, world: AwsWorld, before: Before) -> Finding:
        found = world.aws.instances.describe(self.plan.identifier)
        if found is None:
            return Finding(verdict=Verdict.ABSENT, unchanged=not before["present"], detail=self.plan.identifier)
        wrong = self._wrong(found)
        evidence: dict[str, Json] = {
            "status": found.status,
            "host": found.host,
            "port": found.port,
            "class": found.instance_class,
            "parameters": dict(self.plan.parameters),
            "seconds": world.aws.seconds(f"instance {self.plan.identifier}"),
        }
        if not wrong:
            standing = self._standing(world)
            evidence |= {"in_recovery": standing.in_recovery, "lag_bytes": standing.lag_bytes}
            wrong = self._behaves_wrong(standing)
        return Finding(
            verdict=Verdict.PARTIAL if wrong else Verdict.WHOLE,
            unchanged=bool(before["present"]),
            detail="; ".join(wrong) or f"{found.host}:{found.port}",
            evidence=evidence,
        )

    def undo(self, world: AwsWorld, before: Before) -> None:
        """Raises:
        RefusedError: it exists and was made here; applications may read from it.
        """
        if world.aws.instances.describe(self.plan.identifier) is not None and not before["present"]:
            raise RefusedError(
                f"read replica {self.plan.identifier} is kept", hint="pgcutover destroy --target deletes it."
            )

    def _standing(self, world: AwsWorld) -> ReplicaStanding:
        return world.replica.standing([name for name, _ in self.plan.parameters])

    def _otherwise(self, standing: ReplicaStanding) -> Mapping[str, str]:
        """Parameters that the server has otherwise than the plan, with what it has."""
        now = dict(standing.settings)
        # What is RDS's own (rds.*) is not among a server's settings everywhere.
        return {n: now[n] for n, value in self.plan.parameters if n in now and not same_value(now[n], value)}

    def _wrong(self, found: Instance) -> list[str]:
        """What differs from the plan, as the API tells it."""
        checks = {
            f"it is {found.status}": found.usable,
            "it is not ours": is_ours(dict(found.tags), dict(self.target.tags)),
            f"it follows {found.replica_of or 'nothing'}": found.replica_of == self.target.instance,
            f"its class is {found.instance_class}": found.instance_class == self.plan.instance_class,
            "it is not protected from deletion": found.deletion_protection,
            f"its parameter group is {found.parameter_group}": found.parameter_group == self.plan.parameter_group,
            "a parameter waits for a reboot": not found.pending_reboot,
            "its volume still fetches blocks from S3": found.storage_operation != "Initializing",
        }
        return [text for text, good in checks.items() if not good]

    def _behaves_wrong(self, standing: ReplicaStanding) -> list[str]:
        """What differs from the plan, as the server tells it."""
        wanted = dict(self.plan.parameters)
        wrong = [f"{name} is {now}, not {wanted[name]}" for name, now in self._otherwise(standing).items()]
        if not standing.in_recovery:
            wrong.append("its server follows no primary")
        if standing.lag_bytes > CLOSE_BYTES:
            wrong.append(f"it is {standing.lag_bytes} bytes behind")
        return wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaCaughtUp:
    """Before the switch: what was loaded is on the replica too, or its readers would miss rows. It changes nothing."""

    target: TargetPlan
    name: str = "replica-caught-up"
    keeps_target: bool = True
    by_hand: str = "nothing to undo: this only waits"

    @property
    def title(self) -> str:
        return f"wait until read replica {planned(self.target).identifier} has replayed the load"

    @property
    def calls(self) -> tuple[str, ...]:
        return ("SQL on both: pg_current_wal_lsn(), pg_last_wal_replay_lsn()",)

    def observe(self, world: AwsWorld) -> Before:
        return {}

    def do(self, world: AwsWorld, before: Before) -> None:
        _wait_until_close(world, self.target, LOADED_BYTES, limit_s=LOADED_LIMIT_S)

    def verify(self, world: AwsWorld, before: Before) -> Finding:
        standing = world.replica.standing(())
        whole = standing.in_recovery and standing.lag_bytes <= LOADED_BYTES
        return Finding(
            verdict=Verdict.WHOLE if whole else Verdict.PARTIAL,
            detail=f"{standing.lag_bytes} bytes behind" if standing.in_recovery else "its server follows no primary",
            evidence={"lag_bytes": standing.lag_bytes},
        )

    def undo(self, world: AwsWorld, before: Before) -> None:
        """Nothing: see the class."""


def _wait_until_close(world: AwsWorld, target: TargetPlan, close_bytes: int, *, limit_s: float) -> None:
    begun = world.clock.monotonic()
    while (behind := world.replica.standing(()).lag_bytes) > close_bytes:
        if world.clock.monotonic() - begun > limit_s:
            raise AwsError(
                f"read replica {planned(target).identifier} is still {behind} bytes behind {target.instance}",
                hint="Look at ReplicaLag in CloudWatch; a long query on the replica holds it back. Then run the same "
                "command again.",
            )
        world.clock.sleep(POLL_S)
