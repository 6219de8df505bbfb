"""Maintenance mode: the router shows a page; dynos, Scheduler and one-offs go on, so that this is only the first wall.

https://devcenter.heroku.com/articles/maintenance-mode
"""

from dataclasses import dataclass

from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.ports import World

MAINTENANCE = "maintenance before"


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """Maintenance on for every listed app; undone to what each was."""

    apps: tuple[str, ...]
    name: str = "maintenance"
    keeps_target: bool = False
    title: str = "maintenance mode on"

    @property
    def by_hand(self) -> str:
        return "; ".join(f"heroku maintenance:off -a {app}" for app in self.apps)

    @property
    def calls(self) -> tuple[str, ...]:
        return tuple(f"PATCH /apps/{app} {{maintenance: true}}" for app in self.apps)

    def observe(self, world: World) -> Before:
        return {app: world.heroku.app(app).maintenance for app in self.apps}

    def do(self, world: World, before: Before) -> None:
        world.notes.note(MAINTENANCE, before)
        for app in self.apps:
            world.heroku.set_maintenance(app, on=True)

    def verify(self, world: World, before: Before) -> Finding:
        now = {app: world.heroku.app(app).maintenance for app in self.apps}
        unchanged = now == dict(before)
        verdict = Verdict.WHOLE if all(now.values()) else Verdict.ABSENT if unchanged else Verdict.PARTIAL
        return Finding(verdict=verdict, unchanged=unchanged, evidence={"maintenance": dict(now)})

    def undo(self, world: World, before: Before) -> None:
        for app in self.apps:
            world.heroku.set_maintenance(app, on=bool(before[app]))
