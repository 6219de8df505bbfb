"""Last of all: CloudWatch watches the new database, so that nobody has to from the first night on."""

from dataclasses import dataclass

from pgcutover.planning.target import TargetPlan
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.ports_aws import AwsWorld


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """The plan's alarms. Going back leaves them, and `destroy --target` removes them: they guard what stays there."""

    target: TargetPlan
    name: str = "alarms"
    keeps_target: bool = True

    @property
    def title(self) -> str:
        topics = {alarm.topic for alarm in self.target.alarms if alarm.topic}
        told = f", told to {', '.join(sorted(topics))}" if topics else ", told to nobody yet"
        return f"set {len(self.target.alarms)} CloudWatch alarms{told}"

    @property
    def by_hand(self) -> str:
        return f"aws cloudwatch delete-alarms --alarm-names {' '.join(self._names)}"

    @property
    def calls(self) -> tuple[str, ...]:
        return tuple(f"cloudwatch PutMetricAlarm {alarm}" for alarm in self.target.alarms)

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(alarm.name for alarm in self.target.alarms)

    def observe(self, world: AwsWorld) -> Before:
        return {"present": [alarm.name for alarm in world.aws.alarms.found(self._names)]}

    def do(self, world: AwsWorld, before: Before) -> None:
        world.aws.alarms.ensure(self.target.alarms, dict(self.target.tags))

    def verify(self, world: AwsWorld, before: Before) -> Finding:
        found = set(world.aws.alarms.found(self._names))
        missing = [alarm.name for alarm in self.target.alarms if alarm not in found]
        unchanged = before["present"] == sorted(self._names)
        if not missing:
            return Finding(
                verdict=Verdict.WHOLE,
                unchanged=unchanged,
                detail=f"{len(found)} alarms",
                evidence={"alarms": [str(alarm) for alarm in self.target.alarms]},
            )
        there = sorted(alarm.name for alarm in found)
        return Finding(
            verdict=Verdict.ABSENT if there == before["present"] else Verdict.PARTIAL,
            detail=f"not as planned: {', '.join(missing)}",
        )

    def undo(self, world: AwsWorld, before: Before) -> None:
        present = before["present"]
        assert isinstance(present, list)
        ours = [name for name in self._names if name not in present]
        world.aws.alarms.remove(ours, dict(self.target.tags))
