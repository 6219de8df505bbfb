"""After the lift: proof that the new database can be restored to any moment from now on, not only to the snapshot.

Backups were switched on before; that a restore to a moment is possible, RDS says by the last moment it reaches.
https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_PIT.html
"""

from dataclasses import dataclass

from pgcutover.errors import AwsError
from pgcutover.planning.target import TargetPlan
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.ports_aws import AwsWorld

RECENT_S = 900.0
"""RDS archives its WAL every five minutes; a last moment three times as old says that something is stuck."""
LIMIT_S = 3600.0
"""The first backup reads the whole disk."""
POLL_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PointInTime:
    """Waits until LatestRestorableTime is there and recent. It changes nothing, so there is nothing to undo."""

    target: TargetPlan
    name: str = "point-in-time"
    keeps_target: bool = True
    by_hand: str = "nothing to undo: this only looks"

    @property
    def title(self) -> str:
        return f"prove that {self.target.instance} can be restored to any moment from now on"

    @property
    def calls(self) -> tuple[str, ...]:
        return (f"rds DescribeDBInstances {self.target.instance}: LatestRestorableTime",)

    def observe(self, world: AwsWorld) -> Before:
        return {}

    def do(self, world: AwsWorld, before: Before) -> None:
        begun = world.clock.monotonic()
        while not self._recent(world):
            if world.clock.monotonic() - begun > LIMIT_S:
                raise AwsError(
                    f"instance {self.target.instance} cannot be restored to a moment yet: {self._said(world)}",
                    hint="Look at its backups and events in the RDS console, then run the same command again.",
                )
            world.clock.sleep(POLL_S)

    def verify(self, world: AwsWorld, before: Before) -> Finding:
        found = world.aws.instances.describe(self.target.instance)
        moment = found.latest_restorable_at if found is not None else None
        return Finding(
            verdict=Verdict.WHOLE if self._recent(world) else Verdict.ABSENT,
            detail=self._said(world),
            evidence={
                "latest_restorable_at": moment.isoformat() if moment else None,
                "retention_days": found.retention_days if found else 0,
            },
        )

    def undo(self, world: AwsWorld, before: Before) -> None:
        """Nothing: see the class."""

    def _recent(self, world: AwsWorld) -> bool:
        behind_s = world.aws.instances.restorable_behind_s(self.target.instance)
        return behind_s is not None and behind_s <= RECENT_S

    def _said(self, world: AwsWorld) -> str:
        behind_s = world.aws.instances.restorable_behind_s(self.target.instance)
        if behind_s is None:
            return "no backup is complete"
        return f"a restore reaches every moment but the last {behind_s:.0f} s"
