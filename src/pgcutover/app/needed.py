"""`pgcutover rights`: what each command needs on Heroku and on AWS, for whoever hands out rights. Asks nobody."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pgcutover.config import Config
from pgcutover.errors import UsageError
from pgcutover.planning.aws_rights import APART, COMMANDS, EVERYTHING, PROBE, Place, needed_by, policy
from pgcutover.planning.heroku_rights import NONE, SCOPES


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededRight:
    """One action, and the patterns of what it must be good on."""

    action: str
    on: tuple[str, ...]
    why: str
    """For what no call of ours names: when AWS asks for it; '' otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededByCommand:
    command: str
    heroku: str
    """The smallest scope of a token that is enough."""
    aws: tuple[NeededRight, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsNeeded:
    """What these commands need, and the one IAM policy that grants them all."""

    environment: str
    """'' where no configuration was read."""
    commands: tuple[NeededByCommand, ...]
    policy: dict[str, Any]


ANYWHERE = Place.in_policy(region="*", app=PROBE, environment="*")
"""A probe is of no app and no environment: what it makes is named and tagged by itself."""


def needs_config(commands: Sequence[str]) -> bool:
    """Whether the rights of these commands depend on pgcutover.toml."""
    return set(commands) != {PROBE}


def rights_needed(config: Config | None, commands: Sequence[str]) -> RightsNeeded:
    """For these commands; for all that belong to a move when none is named.

    Raises:
        UsageError: there is no such command, or it needs no rights.
    """
    unknown = [command for command in commands if command not in SCOPES]
    if unknown:
        raise UsageError(f"{unknown[0]} is no command that needs rights", hint=f"Known: {', '.join(SCOPES)}.")
    wanted = tuple(command for command in SCOPES if command in commands or not (commands or command in APART))
    place = place_of(config) if config else ANYWHERE
    return RightsNeeded(
        environment=config.environment if config else "",
        commands=tuple(_needed(command, place) for command in wanted),
        policy=policy([command for command in wanted if command in COMMANDS], place),
    )


def place_of(config: Config) -> Place:
    """What policies of this environment are about."""
    choices = config.choices
    return Place.in_policy(
        region=choices.target.region,
        app=choices.billing_app,
        environment=config.environment,
        existing=choices.target.existing,
        parameter_group=choices.target.parameter_group,
        master_secret=choices.target.master_secret,
        made={"auto": EVERYTHING, "none": ""}.get(choices.target.replica, choices.target.replica),
        alarms=choices.target.alarms,
    )


def _needed(command: str, place: Place) -> NeededByCommand:
    rights = [
        NeededRight(
            action=right.action, on=tuple(each for pattern in right.on for each in place.named(pattern)), why=right.why
        )
        for right in needed_by((command,), existing=place.existing, made=place.made, alarms=place.alarms)
    ]
    return NeededByCommand(
        command=command,
        heroku=SCOPES.get(command, NONE),
        aws=tuple(dict.fromkeys(right for right in rights if right.on)),
    )
