"""Stop one-off and Scheduler dynos, and keep them stopped while the fence stands."""

from collections.abc import Sequence
from dataclasses import dataclass

from pgcutover.errors import HerokuError
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.one_off import ONE_OFF_NOTE
from pgcutover.steps.ports import World

STOPPED_NOTE = "stopped dyno"
LIMIT_S = 120.0
POLL_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class StopDynos:
    """Every dyno outside the formation is stopped; Scheduler may start more, so the run looks again at each step."""

    apps: tuple[str, ...]
    name: str = "stop-dynos"
    keeps_target: bool = False
    title: str = "stop one-off and Scheduler dynos, and keep them stopped"
    by_hand: str = "nothing to undo: start again by hand what was stopped (listed in the report)"
    calls: tuple[str, ...] = ("POST /apps/APP/dynos/DYNO/actions/stop",)

    def observe(self, world: World) -> Before:
        return {app: [d.name for d in world.heroku.dynos(app)] for app in self.apps}

    def do(self, world: World, before: Before) -> None:
        begun = world.clock.monotonic()
        while strays := stop_strays(world, self.apps):
            if world.clock.monotonic() - begun > LIMIT_S:
                raise HerokuError(
                    f"these dynos will not stop: {', '.join(strays)}",
                    hint="Stop them with heroku ps:stop, or end what starts them (Scheduler, a colleague).",
                )
            world.clock.sleep(POLL_S)

    def verify(self, world: World, before: Before) -> Finding:
        left = strays_of(world, self.apps)
        stopped = [f"{n['app']}/{n['dyno']}" for n in world.notes.notes(STOPPED_NOTE)]
        return Finding(
            verdict=Verdict.PARTIAL if left else Verdict.WHOLE,
            unchanged=True,
            detail=f"{len(stopped)} stopped",
            evidence={"stopped": list(stopped)},
        )

    def undo(self, world: World, before: Before) -> None:
        """A one-off dyno cannot be started again in somebody's name; the report lists what was stopped."""


def strays_of(world: World, apps: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """(app, dyno) of every dyno that is neither in a formation nor ours."""
    ours = {(str(n["app"]), str(n["dyno"])) for n in world.notes.notes(ONE_OFF_NOTE)}
    found = []
    for app in apps:
        # A release dyno belongs to a release, and releases are watched on their own.
        formation = {p.type for p in world.heroku.formation(app)} | {"release"}
        found += [
            (app, d.name) for d in world.heroku.dynos(app) if d.type not in formation and (app, d.name) not in ours
        ]
    return tuple(found)


def stop_strays(world: World, apps: Sequence[str]) -> tuple[str, ...]:
    """Ask every stray dyno to stop; returns those seen, as app/dyno, for as long as there are any."""
    strays = strays_of(world, apps)
    noted = {(str(n["app"]), str(n["dyno"])) for n in world.notes.notes(STOPPED_NOTE)}
    for app, dyno in strays:
        if (app, dyno) not in noted:
            world.notes.note(STOPPED_NOTE, {"app": app, "dyno": dyno})
        world.heroku.stop_dyno(app, dyno)
    return tuple(f"{app}/{dyno}" for app, dyno in strays)
