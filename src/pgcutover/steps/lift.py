"""The lift: the application opens on the new database. This is the point of no return.

Until it, everything goes back by itself; after it, going back leaves the new database's new rows behind, exported. The
lift never opens the old database: that stays fenced until rollback or retire (traps.md T5).
"""

from dataclasses import dataclass

from pgcutover.planning.moves import AppMoves
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.maintenance import MAINTENANCE
from pgcutover.steps.ports import World
from pgcutover.steps.scale_down import formation_before, quantities
from pgcutover.steps.smoke import stop_app, stoppable, wait_until_up

LIFTED = "lifted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """Whole formation up, maintenance to what it was; undone to maintenance on and 0 dynos."""

    apps: tuple[AppMoves, ...]
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
            wanted = formation_before(world, moves.app)
            now = quantities(world, moves.app)
            if any(now.get(kind) != quantity for kind, quantity in wanted.items()):
                world.heroku.scale(moves.app, wanted)
        for moves in self.apps:
            world.heroku.set_maintenance(moves.app, on=maintenance_before(world, moves.app))
        for moves in self.apps:
            wait_until_up(world, moves.app, {k: n for k, n in formation_before(world, moves.app).items() if n})

    def verify(self, world: World, before: Before) -> Finding:
        apps = [moves.app for moves in self.apps]
        now = {app: quantities(world, app) for app in apps}
        maintenance = {app: world.heroku.app(app).maintenance for app in apps}
        up = all(now[app].get(kind) == n for app in apps for kind, n in formation_before(world, app).items())
        if up and all(maintenance[app] == maintenance_before(world, app) for app in apps):
            return Finding(verdict=Verdict.WHOLE)
        down = not any(now[moves.app][kind] for moves in self.apps for kind in stoppable(world, moves))
        closed = down and all(maintenance.values())
        return Finding(verdict=Verdict.ABSENT if closed else Verdict.PARTIAL)

    def undo(self, world: World, before: Before) -> None:
        for moves in self.apps:
            world.heroku.set_maintenance(moves.app, on=True)
        for moves in self.apps:
            stop_app(world, moves)


def maintenance_before(world: World, app: str) -> bool:
    return bool(world.notes.notes(MAINTENANCE)[-1][app])
