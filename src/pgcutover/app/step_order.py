"""The steps of a move, in order, built from a plan's decisions; and the same as a person reads them.

Nothing is inside the fence that could be before or after it.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from pgcutover.facts.inventory import Grant, Setting
from pgcutover.planning.plan import Decisions, Phase, PlannedStep
from pgcutover.running.step import Step
from pgcutover.steps import target_steps
from pgcutover.steps.canary import Canary
from pgcutover.steps.connect import Connect
from pgcutover.steps.copy import Copy
from pgcutover.steps.detach import Detach
from pgcutover.steps.fence import Fence
from pgcutover.steps.finish import Finish
from pgcutover.steps.follow_replica import FollowReplica
from pgcutover.steps.keep_attachment import KeepAttachment
from pgcutover.steps.lift import Lift
from pgcutover.steps.maintenance import Maintenance
from pgcutover.steps.open_target import OpenTarget
from pgcutover.steps.save_config import SaveConfig
from pgcutover.steps.scale_down import ScaleDown
from pgcutover.steps.schema import Schema
from pgcutover.steps.smoke import Smoke
from pgcutover.steps.stop_dynos import StopDynos
from pgcutover.steps.switch import Switch
from pgcutover.steps.verify import Verify


class Described(Protocol):
    """How a step tells a person what it does."""

    @property
    def title(self) -> str: ...
    @property
    def by_hand(self) -> str: ...
    @property
    def calls(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Privileges:
    """What the target shall have that the fence takes from the source: read before the fence, kept in the notes."""

    grants: tuple[Grant, ...] = ()
    settings: tuple[Setting, ...] = ()
    owner: str = ""


def phased_steps(decisions: Decisions, privileges: Privileges) -> tuple[tuple[Phase, Step[Any]], ...]:
    """Every step with its phase."""
    target = decisions.target
    moves = tuple(app.moves for app in decisions.apps)
    later = target.replica is not None and target.replica.made == "after-lift"
    switched = tuple(m.on_primary for m in moves) if later else moves
    followers = tuple(m.of_replica for m in moves if m.of_replica.variables) if later else ()
    following = (FollowReplica(apps=followers),) if followers else ()
    names = tuple(m.app for m in moves)
    smoke = tuple((app.moves.app, app.smoke) for app in decisions.apps if app.smoke)
    connect = tuple((app.moves.app, app.connect) for app in decisions.apps)
    roles = ((privileges.owner, target.app_role),) if privileges.owner else ()
    finish = Finish(grants=privileges.grants, settings=privileges.settings, roles=roles, app_role=target.app_role)
    return (
        ("prepare", SaveConfig(apps=moves)),
        *(("prepare", step) for step in target_steps.making(target)),
        ("prepare", Canary()),
        *(("prepare", KeepAttachment(kept=k, name=_kept_name(n))) for n, k in enumerate(decisions.kept, start=1)),
        ("prepare", Connect(apps=switched, commands=connect)),
        *(("fence", step) for step in target_steps.loading(target)),
        ("fence", Maintenance(apps=names)),
        ("fence", ScaleDown(apps=moves)),
        ("fence", StopDynos(apps=names)),
        ("fence", Fence()),
        ("copy", Schema()),
        ("copy", Copy()),
        ("copy", finish),
        ("copy", Verify()),
        *(("copy", step) for step in target_steps.loaded(target)),
        ("switch", OpenTarget()),
        ("switch", Detach(apps=moves)),
        ("switch", Switch(apps=switched)),
        ("switch", Smoke(apps=moves, commands=smoke)),
        ("switch", Lift(apps=moves)),
        *(("after", step) for step in target_steps.lifted(target)),
        *(("after", step) for step in following),
        *(("after", step) for step in target_steps.settled(target)),
    )


def _kept_name(number: int) -> str:
    return "keep-attachment" if number == 1 else f"keep-attachment-{number}"


def planned_steps(decisions: Decisions) -> tuple[PlannedStep, ...]:
    """The steps as a person reads them."""
    return tuple(_planned(phase, step, step) for phase, step in phased_steps(decisions, Privileges()))


def _planned(phase: Phase, step: Step[Any], described: Any) -> PlannedStep:
    words: Described = described
    return PlannedStep(
        name=step.name,
        phase=phase,
        title=words.title,
        by_hand=words.by_hand,
        calls=tuple(words.calls),
        keeps_target=step.keeps_target,
    )
