"""Scale every process type to 0: workers and web dynos go on writing behind maintenance mode otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass

from pgcutover.errors import HerokuError
from pgcutover.planning.moves import AppMoves
from pgcutover.running.step import Before, Finding, Json, Verdict
from pgcutover.steps.config_vars import serve_old_values
from pgcutover.steps.ports import World

STOP_LIMIT_S = 120.0
"""Dynos get 30 s between SIGTERM and SIGKILL. https://devcenter.heroku.com/articles/dyno-shutdown-behavior"""
POLL_S = 0.5
FORMATION = "formation before"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleDown:
    """Every type of every app to 0; in a Private Space web stays, because there 0 shows errors instead of the page."""

    apps: tuple[AppMoves, ...]
    name: str = "scale-down"
    keeps_target: bool = False
    title: str = "scale every process type to 0"
    by_hand: str = "heroku ps:scale TYPE=QUANTITY -a APP, with the quantities of the plan"
    calls: tuple[str, ...] = ("PATCH /apps/APP/formation {updates: [{type, quantity: 0}]}",)

    def observe(self, world: World) -> Before:
        return {moves.app: dict(quantities(world, moves.app)) for moves in self.apps}

    def do(self, world: World, before: Before) -> None:
        world.notes.note(FORMATION, before)
        for moves in self.apps:
            down = {kind: 0 for kind in self._types(world, moves) if quantities(world, moves.app)[kind]}
            if down:
                world.heroku.scale(moves.app, down)
        for moves in self.apps:
            wait_until_gone(world, moves.app, self._types(world, moves))

    def verify(self, world: World, before: Before) -> Finding:
        now = {moves.app: dict(quantities(world, moves.app)) for moves in self.apps}
        down = all(now[moves.app][kind] == 0 for moves in self.apps for kind in self._types(world, moves))
        unchanged = all(not _to_scale(now[app], formation_of(before, app)) for app in now)
        verdict = Verdict.WHOLE if down else Verdict.ABSENT if unchanged else Verdict.PARTIAL
        evidence: dict[str, Json] = {"formation_before": dict(before)}
        return Finding(verdict=verdict, unchanged=unchanged, evidence=evidence)

    def undo(self, world: World, before: Before) -> None:
        for moves in self.apps:
            serve_old_values(world, moves.app)
            up = _to_scale(quantities(world, moves.app), formation_of(before, moves.app))
            if up:
                world.heroku.scale(moves.app, up)

    @staticmethod
    def _types(world: World, moves: AppMoves) -> tuple[str, ...]:
        keep = set(moves.web_types) if moves.private_space else set()
        return tuple(kind for kind in quantities(world, moves.app) if kind not in keep)


def _to_scale(now: Mapping[str, int], wanted: Mapping[str, int]) -> dict[str, int]:
    """What differs. A type that a release took away meanwhile cannot be scaled, and must not hinder going back."""
    return {kind: quantity for kind, quantity in wanted.items() if kind in now and now[kind] != quantity}


def quantities(world: World, app: str) -> dict[str, int]:
    """Quantity by process type, as Heroku has it now."""
    return {p.type: p.quantity for p in world.heroku.formation(app)}


def formation_before(world: World, app: str) -> dict[str, int]:
    """What ran before the fence, as the run noted it: what smoke and lift bring back, of the types that still exist."""
    now = quantities(world, app)
    held = formation_of(world.notes.notes(FORMATION)[-1], app)
    return {kind: quantity for kind, quantity in held.items() if kind in now}


def formation_of(before: Mapping[str, Json], app: str) -> dict[str, int]:
    """The formation that a `before` holds for an app."""
    held = before[app]
    assert isinstance(held, Mapping)
    return {kind: int(str(quantity)) for kind, quantity in held.items()}


def wait_until_gone(world: World, app: str, types: tuple[str, ...]) -> None:
    """Wait until no dyno of these types is left.

    Raises:
        HerokuError: some are still there after the limit; names them.
    """
    begun = world.clock.monotonic()
    while left := [d.name for d in world.heroku.dynos(app) if d.type in types]:
        if world.clock.monotonic() - begun > STOP_LIMIT_S:
            raise HerokuError(
                f"{app}: {', '.join(left)} still running {STOP_LIMIT_S:.0f} s after scaling to 0",
                hint=f"Stop them: heroku ps:stop DYNO -a {app}; then run the same command again.",
            )
        world.clock.sleep(POLL_S)
