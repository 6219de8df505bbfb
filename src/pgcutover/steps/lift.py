"""The lift: the application opens on the new database. This is the point of no return.

Until it, everything goes back by itself; after it, going back leaves the new database's new rows behind, exported. The
lift never opens the old database: that stays fenced until rollback or retire (traps.md T5).
"""

from dataclasses import dataclass

from pgcutover.planning.moves import AppMoves
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.ports import World
from pgcutover.steps.scale_down import quantities
from pgcutover.steps.smoke import stop_app, wait_until_up

LIFTED = "lifted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """Whole formation up, maintenance to what it was; undone to maintenance on and 0 dynos."""

    apps: tuple[AppMoves, ...]
    formation: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]
    maintenance: tuple[tuple[str, bool], ...]
    """(app, was in maintenance before the move)."""
    name: str = "lift"
    keeps_target: bool = False
    title: str = "open the application: whole formation up, maintenance mode off"
    by_hand: str = "pgcutover rollback; rows written to the new database since are exported, not carried back"
    calls: tuple[str, ...] = ("PATCH /apps/APP/formation", "PATCH /apps/APP {maintenance: false}")

    def observe(self, world: World) -> Before:
        return {}

    def do(self, world: World, before: Before) -> None:
        # Noted first: from here on the new database may hold rows that the old one has not.
        world.notes.note(LIFTED, {"apps": [moves.app for moves in self.apps]})
        for moves in self.apps:
            wanted = self._formation(moves.app)
            now = quantities(world, moves.app)
            if any(now.get(kind) != quantity for kind, quantity in wanted.items()):
                world.heroku.scale(moves.app, wanted)
        for app, was_on in self.maintenance:
            world.heroku.set_maintenance(app, on=was_on)
        for moves in self.apps:
            wait_until_up(world, moves.app, {k: n for k, n in self._formation(moves.app).items() if n})

    def verify(self, world: World, before: Before) -> Finding:
        open_ = all(world.heroku.app(app).maintenance == was_on for app, was_on in self.maintenance)
        up = all(
            quantities(world, moves.app).get(kind) == n
            for moves in self.apps
            for kind, n in self._formation(moves.app).items()
        )
        if open_ and up:
            return Finding(verdict=Verdict.WHOLE)
        down = not any(
            n
            for moves in self.apps
            for kind, n in quantities(world, moves.app).items()
            if not (moves.private_space and kind in moves.web_types)
        )
        closed = all(world.heroku.app(app).maintenance for app, _ in self.maintenance)
        return Finding(verdict=Verdict.ABSENT if down and closed else Verdict.PARTIAL)

    def undo(self, world: World, before: Before) -> None:
        for app, _ in self.maintenance:
            world.heroku.set_maintenance(app, on=True)
        for moves in self.apps:
            stop_app(world, moves)

    def _formation(self, app: str) -> dict[str, int]:
        return dict(dict(self.formation).get(app, ()))
