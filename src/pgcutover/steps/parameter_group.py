"""A parameter group of the new instance's own, from birth: another group later would cost a reboot.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/parameter-groups-overview.html
"""

from dataclasses import dataclass

from pgcutover.facts.rds import Value, is_ours
from pgcutover.planning.target import TargetPlan
from pgcutover.running.step import Before, Finding, Json, Verdict
from pgcutover.steps.ports_aws import AwsWorld


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterGroup:
    """The group with the values that hold for good; those for the load come with `LoadParameters`."""

    target: TargetPlan
    name: str = "parameter-group"
    keeps_target: bool = True

    @property
    def group(self) -> str:
        return self.target.parameter_group

    @property
    def values(self) -> tuple[Value, ...]:
        return self.target.production_parameters

    @property
    def family(self) -> str:
        return self.target.parameter_family

    @property
    def title(self) -> str:
        values = ", ".join(f"{key}={value}" for key, value in self.values)
        return f"make parameter group {self.group} ({self.family}): {values}"

    @property
    def by_hand(self) -> str:
        return f"aws rds delete-db-parameter-group --db-parameter-group-name {self.group}"

    @property
    def calls(self) -> tuple[str, ...]:
        return (
            f"rds CreateDBParameterGroup {self.group}",
            *(f"rds ModifyDBParameterGroup {key} = {value}" for key, value in self.values),
        )

    def observe(self, world: AwsWorld) -> Before:
        return {"present": world.aws.parameters.group_tags(self.group) is not None}

    def do(self, world: AwsWorld, before: Before) -> None:
        world.aws.parameters.ensure_group(self.group, self.family, self.values, dict(self.target.tags))

    def verify(self, world: AwsWorld, before: Before) -> Finding:
        group = self.group
        tags = world.aws.parameters.group_tags(group)
        if tags is None:
            return Finding(verdict=Verdict.ABSENT, unchanged=not before["present"], detail=group)
        own = world.aws.parameters.own_values(group)
        whole = is_ours(dict(tags), dict(self.target.tags)) and own.items() >= dict(self.values).items()
        values: dict[str, Json] = dict(own)
        return Finding(
            verdict=Verdict.WHOLE if whole else Verdict.PARTIAL,
            unchanged=bool(before["present"]),
            detail=group,
            evidence={"values": values, "seconds": world.aws.seconds(f"parameter group {group}")},
        )

    def undo(self, world: AwsWorld, before: Before) -> None:
        if not before["present"]:
            world.aws.parameters.remove_group(self.group, dict(self.target.tags))
