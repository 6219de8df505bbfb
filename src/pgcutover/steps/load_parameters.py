"""Parameters for the time of the load: dynamic ones only, so that neither their coming nor going needs a reboot."""

from dataclasses import dataclass

from pgcutover.planning.target import TargetPlan
from pgcutover.running.step import Before, Finding, Json, Verdict
from pgcutover.steps.parameters import FOUND, FoundParameters, differing, wait_in_force
from pgcutover.steps.ports_aws import AwsWorld


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadParameters:
    """Sets the plan's load values after noting what was found, in the group and on the server."""

    target: TargetPlan
    name: str = "load-parameters"
    keeps_target: bool = False
    """Going back must not leave autovacuum off on an instance that stays."""

    @property
    def title(self) -> str:
        values = ", ".join(f"{key}={value}" for key, value in self.target.load_parameters)
        return f"set {self.target.parameter_group} for the load: {values}"

    @property
    def by_hand(self) -> str:
        names = ", ".join(name for name, _ in self.target.load_parameters)
        return f"reset {names} in parameter group {self.target.parameter_group}"

    @property
    def calls(self) -> tuple[str, ...]:
        return (
            "SQL SELECT name, setting FROM pg_settings",
            *(f"rds ModifyDBParameterGroup {key} = {value}" for key, value in self.target.load_parameters),
        )

    def observe(self, world: AwsWorld) -> Before:
        return FoundParameters.read(world, self.target).as_before()

    def do(self, world: AwsWorld, before: Before) -> None:
        world.notes.note(FOUND, {**before, "group": self.target.parameter_group})
        own = world.aws.parameters.own_values(self.target.parameter_group)
        changes = [(name, value) for name, value in self.target.load_parameters if own.get(name) != value]
        world.aws.parameters.set_values(self.target.parameter_group, changes)
        wait_in_force(world, dict(self.target.load_parameters))

    def verify(self, world: AwsWorld, before: Before) -> Finding:
        """ABSENT by the group alone: going back must not depend on a server that may be out of reach."""
        found = FoundParameters.of(before)
        wanted = dict(self.target.load_parameters)
        unchanged = dict(found.own) == wanted
        if found.back_in_group(world, self.target) and not unchanged:
            return Finding(verdict=Verdict.ABSENT, detail=f"{self.target.parameter_group} is as it was found")
        own = world.aws.parameters.own_values(self.target.parameter_group)
        in_group = all(own.get(name) == value for name, value in wanted.items())
        evidence: dict[str, Json] = dict(wanted)
        whole = in_group and not differing(world, wanted)
        return Finding(verdict=Verdict.WHOLE if whole else Verdict.PARTIAL, unchanged=unchanged, evidence=evidence)

    def undo(self, world: AwsWorld, before: Before) -> None:
        FoundParameters.of(before).put_back(world, self.target)
