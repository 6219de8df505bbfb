"""Parameter values that come and go: read as found, set, put back, and waited for until the server agrees.

A value counts as put back only when the group says so and the server itself, asked, has what it had before.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pgcutover.errors import AwsError
from pgcutover.planning.target import TargetPlan
from pgcutover.planning.tuning import same_value
from pgcutover.running.step import Before, Json
from pgcutover.steps.ports_aws import AwsWorld

IN_FORCE_LIMIT_S = 900.0
"""RDS carries a dynamic value to the server within seconds, a minute at most."""
POLL_S = 1.0
FOUND = "load-parameters-found"
"""Kind of the note that carries the values found to the step that puts them back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundParameters:
    """The load parameters as they were before the load."""

    own: Mapping[str, str | None]
    """What the group itself held; None for a default."""
    in_force: Mapping[str, str]
    """What the server said, in its own units."""
    pending_reboot: bool
    """Whether the group waited for a reboot already."""
    waiting: tuple[str, ...]
    """Parameters that the server itself knew to wait for a restart; PostgreSQL keeps that mark until one comes."""

    @classmethod
    def read(cls, world: AwsWorld, target: TargetPlan) -> "FoundParameters":
        names = [name for name, _ in target.load_parameters]
        own = world.aws.parameters.own_values(target.parameter_group)
        instance = world.aws.instances.describe(target.instance)
        return cls(
            own={name: own.get(name) for name in names},
            in_force=dict(world.admin.settings(names)),
            pending_reboot=instance is not None and instance.pending_reboot,
            waiting=world.admin.pending_restart(),
        )

    @classmethod
    def of(cls, before: Before) -> "FoundParameters":
        """What `as_before` wrote."""
        own, in_force, waiting = before["own"], before["in_force"], before["waiting"]
        assert isinstance(own, dict)
        assert isinstance(in_force, dict)
        assert isinstance(waiting, list)
        return cls(
            own={name: None if value is None else str(value) for name, value in own.items()},
            in_force={name: str(value) for name, value in in_force.items()},
            pending_reboot=bool(before["pending_reboot"]),
            waiting=tuple(str(name) for name in waiting),
        )

    def as_before(self) -> dict[str, Json]:
        return {
            "own": dict(self.own),
            "in_force": dict(self.in_force),
            "pending_reboot": self.pending_reboot,
            "waiting": list(self.waiting),
        }

    def back_in_group(self, world: AwsWorld, target: TargetPlan) -> bool:
        """Whether the group holds of these parameters exactly what it held."""
        own = world.aws.parameters.own_values(target.parameter_group)
        return all(own.get(name) == value for name, value in self.own.items())

    def put_back(self, world: AwsWorld, target: TargetPlan) -> None:
        """Give the group exactly what it held; returns at once, see `wait_in_force`."""
        own = world.aws.parameters.own_values(target.parameter_group)
        values = [(name, value) for name, value in self.own.items() if value is not None and own.get(name) != value]
        defaults = [name for name, value in self.own.items() if value is None and name in own]
        world.aws.parameters.set_values(target.parameter_group, values)
        world.aws.parameters.reset_values(target.parameter_group, defaults)


def differing(world: AwsWorld, wanted: Mapping[str, str]) -> dict[str, str]:
    """Those parameters that the server has otherwise, with what it has."""
    now = world.admin.settings(list(wanted))
    return {name: now.get(name, "") for name, value in wanted.items() if not same_value(now.get(name, ""), value)}


def wait_in_force(world: AwsWorld, wanted: Mapping[str, str]) -> None:
    """Wait until the server itself has these values.

    Raises:
        AwsError: it has not, after the limit; names what it has instead.
    """
    begun = world.clock.monotonic()
    while wrong := differing(world, wanted):
        if world.clock.monotonic() - begun > IN_FORCE_LIMIT_S:
            said = ", ".join(f"{name} is {now}, not {wanted[name]}" for name, now in wrong.items())
            raise AwsError(
                f"parameters do not come into force: {said}",
                hint="Look at the parameter group's status in the RDS console, then run the same command again.",
            )
        world.clock.sleep(POLL_S)
