"""After the lift: what a production instance has and a load does without. Nobody waits for it."""

from dataclasses import dataclass

from pgcutover.facts.rds import InstanceChange
from pgcutover.planning.target import TargetPlan
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.ports_aws import AwsWorld

REPLICA_KEPT = InstanceChange(deletion_protection=True, minor_upgrades=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftercare:
    """Backups, a snapshot, Multi-AZ as planned, minor upgrades, protection from deletion. Not undone by going back."""

    target: TargetPlan
    name: str = "aftercare"
    keeps_target: bool = True
    by_hand: str = "nothing to undo: backups and protection stay on"

    @property
    def title(self) -> str:
        multi_az = ", Multi-AZ" if self.target.multi_az else ""
        return f"turn on {self.target.retention_days} days of backups, take snapshot {self.target.snapshot}{multi_az}"

    @property
    def calls(self) -> tuple[str, ...]:
        return (
            f"rds ModifyDBInstance BackupRetentionPeriod = {self.target.retention_days}, DeletionProtection = true",
            f"rds CreateDBSnapshot {self.target.snapshot}",
            *(("rds ModifyDBInstance MultiAZ = true",) if self.target.multi_az else ()),
            *((f"rds ModifyDBInstance {self._replica} AutoMinorVersionUpgrade = true",) if self._replica else ()),
        )

    @property
    def _wanted(self) -> InstanceChange:
        return InstanceChange(
            retention_days=self.target.retention_days,
            multi_az=True if self.target.multi_az else None,
            deletion_protection=True,
            minor_upgrades=True,
        )

    @property
    def _replica(self) -> str:
        """The replica that streamed through the load; one that comes later is made as it shall be."""
        replica = self.target.replica
        return replica.identifier if replica is not None and replica.made == "before-load" else ""

    def observe(self, world: AwsWorld) -> Before:
        found = world.aws.instances.describe(self.target.instance)
        return {
            "retention_days": found.retention_days if found else 0,
            "multi_az": bool(found and found.multi_az),
            "snapshot": world.aws.instances.snapshot_exists(self.target.snapshot),
        }

    def do(self, world: AwsWorld, before: Before) -> None:
        instances, target = world.aws.instances, self.target
        backups = InstanceChange(retention_days=target.retention_days, deletion_protection=True, minor_upgrades=True)
        # Backups first: from then on there is a way back in time. Multi-AZ last: it takes longest.
        instances.change(target.instance, backups)
        instances.ensure_snapshot(target.instance, target.snapshot, dict(target.tags))
        instances.change(target.instance, self._wanted)
        if self._replica:
            instances.change(self._replica, REPLICA_KEPT)

    def verify(self, world: AwsWorld, before: Before) -> Finding:
        found = world.aws.instances.describe(self.target.instance)
        snapshot = world.aws.instances.snapshot_exists(self.target.snapshot)
        if found is None:
            return Finding(verdict=Verdict.ABSENT, detail=f"instance {self.target.instance} does not exist")
        replica = world.aws.instances.describe(self._replica) if self._replica else None
        whole = self._wanted.holds(found) and snapshot and (replica is None or REPLICA_KEPT.holds(replica))
        untouched = not snapshot and found.retention_days == before["retention_days"]
        return Finding(
            verdict=Verdict.WHOLE if whole else Verdict.ABSENT if untouched else Verdict.PARTIAL,
            detail=f"{found.retention_days} days of backups"
            + (f", snapshot {self.target.snapshot}" if snapshot else ""),
            evidence={
                "retention_days": found.retention_days,
                "multi_az": found.multi_az,
                "deletion_protection": found.deletion_protection,
                "seconds": world.aws.seconds(f"snapshot {self.target.snapshot}"),
            },
        )

    def undo(self, world: AwsWorld, before: Before) -> None:
        """Nothing: going back takes no backup away from an instance that stays."""
