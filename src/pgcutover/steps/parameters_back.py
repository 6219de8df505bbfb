"""After the load: every load parameter back to exactly what was found, proved on the server, with no reboot due."""

from dataclasses import dataclass

from pgcutover.errors import JournalError
from pgcutover.planning.target import TargetPlan
from pgcutover.running.step import Before, Finding, Json, Verdict
from pgcutover.steps.parameters import FOUND, FoundParameters, differing, wait_in_force
from pgcutover.steps.ports_aws import AwsWorld


@dataclass(frozen=True, slots=True, kw_only=True)
class ParametersBack:
    """Puts back what `LoadParameters` noted. Going back leaves it so: the load values have no use then."""

    target: TargetPlan
    name: str = "parameters-back"
    keeps_target: bool = True

    @property
    def title(self) -> str:
        names = ", ".join(name for name, _ in self.target.load_parameters)
        return f"put {names} back to what they were, and prove it on the server"

    by_hand: str = "nothing to undo: the values are those from before the load"

    @property
    def calls(self) -> tuple[str, ...]:
        return (
            f"rds ResetDBParameterGroup {self.target.parameter_group} (ModifyDBParameterGroup for values of your own)",
            "SQL SELECT name, setting, pending_restart FROM pg_settings",
        )

    def observe(self, world: AwsWorld) -> Before:
        """Raises:
        JournalError: nobody noted what was found.
        """
        notes = [note for note in world.notes.notes(FOUND) if note["group"] == self.target.parameter_group]
        if not notes:
            raise JournalError(
                f"the journal does not say how {self.target.parameter_group} was before the load",
                hint="Run pgcutover prepare in this environment first.",
            )
        # The last: what is noted again after a crash is the same, and after going back it is newer.
        return FoundParameters.of(notes[-1]).as_before()

    def do(self, world: AwsWorld, before: Before) -> None:
        found = FoundParameters.of(before)
        found.put_back(world, self.target)
        wait_in_force(world, found.in_force)

    def verify(self, world: AwsWorld, before: Before) -> Finding:
        found = FoundParameters.of(before)
        in_group = found.back_in_group(world, self.target)
        wrong = differing(world, found.in_force)
        waiting = self._waiting(world, found)
        own = world.aws.parameters.own_values(self.target.parameter_group)
        loaded = all(own.get(name) == value for name, value in self.target.load_parameters)
        whole = in_group and not wrong and not waiting
        problems = [f"{name} is {now}, not {found.in_force[name]}" for name, now in wrong.items()] + waiting
        evidence: dict[str, Json] = {
            name: {"during_load": value, "now": wrong.get(name, found.in_force[name]), "own": own.get(name)}
            for name, value in self.target.load_parameters
        }
        return Finding(
            verdict=Verdict.WHOLE if whole else Verdict.ABSENT if loaded else Verdict.PARTIAL,
            unchanged=dict(found.own) == dict(self.target.load_parameters),
            detail="; ".join(problems) or "the server has what it had before the load",
            evidence=evidence,
        )

    def undo(self, world: AwsWorld, before: Before) -> None:
        """Nothing: the values are those from before the load."""

    def _waiting(self, world: AwsWorld, found: FoundParameters) -> list[str]:
        """What waits for a reboot and did not before us."""
        names = [name for name in world.admin.pending_restart() if name not in found.waiting]
        instance = world.aws.instances.describe(self.target.instance)
        if not names and instance is not None and instance.pending_reboot and not found.pending_reboot:
            return ["the parameter group waits for a reboot"]
        return [f"{name} waits for a reboot" for name in names]
