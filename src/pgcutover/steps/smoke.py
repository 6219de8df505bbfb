"""Try the application on the new database while users still see the maintenance page.

First its own `smoke` command in a one-off dyno, then its web dynos behind the page. Workers come with the lift only:
work that a worker acknowledges before the point of no return would be lost by going back.
"""

from dataclasses import dataclass

from pgcutover.errors import SmokeError
from pgcutover.planning.moves import AppMoves
from pgcutover.planning.pgbouncer import told
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.one_off import run_one_off
from pgcutover.steps.ports import World
from pgcutover.steps.scale_down import formation_before, quantities, wait_until_gone
from pgcutover.steps.stop_dynos import stop_strays

SMOKED = "smoke passed"
BOOT_LIMIT_S = 180.0
POLL_S = 0.5
STEADY_S = 2.0
"""A dyno that crashes at boot is `up` for a moment first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoke:
    """One-off smoke command, then web dynos up behind maintenance; undone to 0 dynos."""

    apps: tuple[AppMoves, ...]
    commands: tuple[tuple[str, str], ...]
    """(app, command) pairs; apps without a command are tried by booting only."""
    name: str = "smoke"
    keeps_target: bool = False
    title: str = "try the application on the new database: smoke command, then web dynos behind maintenance"
    by_hand: str = "heroku ps:scale web=0 -a APP"
    calls: tuple[str, ...] = ("POST /apps/APP/dynos {command: SMOKE}", "PATCH /apps/APP/formation {web: QUANTITY}")

    def observe(self, world: World) -> Before:
        return {moves.app: dict(quantities(world, moves.app)) for moves in self.apps}

    def do(self, world: World, before: Before) -> None:
        for app, command in self.commands:
            self._try(world, app, command)
        for moves in self.apps:
            wanted = web_of(world, moves)
            if any(quantities(world, moves.app).get(kind) != n for kind, n in wanted.items()):
                world.heroku.scale(moves.app, wanted)
        for moves in self.apps:
            wait_until_up(world, moves.app, web_of(world, moves))
        world.notes.note(SMOKED, {"apps": [moves.app for moves in self.apps]})

    def verify(self, world: World, before: Before) -> Finding:
        now = {moves.app: quantities(world, moves.app) for moves in self.apps}
        up = all(now[m.app].get(kind) == n for m in self.apps for kind, n in web_of(world, m).items())
        steady = not any(d.state == "crashed" for m in self.apps for d in world.heroku.dynos(m.app))
        passed = bool(world.notes.notes(SMOKED))
        unchanged = all(now[app] == before[app] for app in now)
        whole = up and steady and passed
        verdict = Verdict.WHOLE if whole else Verdict.ABSENT if unchanged else Verdict.PARTIAL
        return Finding(verdict=verdict, unchanged=unchanged, detail="smoke passed" if passed else "")

    def undo(self, world: World, before: Before) -> None:
        for moves in self.apps:
            stop_app(world, moves)

    @staticmethod
    def _try(world: World, app: str, command: str) -> None:
        outcome = run_one_off(world, app, told(command), env={})
        if outcome.status != 0:
            ended = "did not tell how it ended" if outcome.status is None else f"ended with status {outcome.status}"
            said = "; ".join(outcome.output[-3:]) or "no output"
            raise SmokeError(
                f"the smoke command of {app} ({outcome.dyno}) {ended} on the new database: {said}",
                hint="Mend the application, then migrate again.",
            )


def web_of(world: World, moves: AppMoves) -> dict[str, int]:
    """How many dynos of each web type ran before the fence."""
    held = formation_before(world, moves.app)
    return {kind: held[kind] for kind in moves.web_types if held.get(kind)}


def wait_until_up(world: World, app: str, wanted: dict[str, int], *, release: int = 0) -> None:
    """Wait until that many dynos of each type, of this release or a later one, are up and stay up for a moment.

    Raises:
        SmokeError: one crashed, or they are not up within the limit.
    """
    begun, steady_since = world.clock.monotonic(), None
    while True:
        dynos = [d for d in world.heroku.dynos(app) if d.release >= release]
        crashed = [d.name for d in dynos if d.state == "crashed" and d.type in wanted]
        up = all(sum(d.type == kind and d.state == "up" for d in dynos) >= n for kind, n in wanted.items())
        now = world.clock.monotonic()
        if crashed or now - begun > BOOT_LIMIT_S:
            what = f"{', '.join(crashed)} crashed" if crashed else f"not up after {BOOT_LIMIT_S:.0f} s"
            raise SmokeError(
                f"{app} does not boot on the new database: {what}",
                hint=f"See heroku logs -a {app}.",
            )
        steady_since = (steady_since or now) if up else None
        if steady_since is not None and now - steady_since >= STEADY_S:
            return
        world.clock.sleep(POLL_S)


def stop_app(world: World, moves: AppMoves) -> None:
    """All of an app's dynos to 0 (web stays in a Private Space), strays stopped."""
    types = stoppable(world, moves)
    world.heroku.scale(moves.app, dict.fromkeys(types, 0))
    wait_until_gone(world, moves.app, types)
    stop_strays(world, (moves.app,))


def stoppable(world: World, moves: AppMoves) -> tuple[str, ...]:
    """The process types that may go to 0: all, but not web in a Private Space."""
    return tuple(k for k in quantities(world, moves.app) if not (moves.private_space and k in moves.web_types))
