"""Where the replica is made after the lift: the variables that named a follower name it from now on, not the primary.

The application is open meanwhile: one release an app, and the next app only when the dynos of the one before are up.
"""

from dataclasses import dataclass

from pgcutover.errors import HerokuError
from pgcutover.planning.moves import AppMoves
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.config_vars import new_values, newest_release_failed, set_config_vars
from pgcutover.steps.open_target import OUT_OF_REACH
from pgcutover.steps.ports import World
from pgcutover.steps.scale_down import quantities
from pgcutover.steps.smoke import wait_until_up

LEFT = "left on the replica"
"""The kind of the note that says why going back did not name the primary first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowReplica:
    """Undone: they name the primary again. Where AWS does not say how, they stay, for what is undone next sets them."""

    apps: tuple[AppMoves, ...]
    """Only variables that are to name the replica."""
    name: str = "follow-replica"
    keeps_target: bool = False

    @property
    def title(self) -> str:
        named = "; ".join(f"{', '.join(m.variable for m in a.variables)} of {a.app}" for a in self.apps)
        return f"set {named} to the replica"

    @property
    def by_hand(self) -> str:
        return "; ".join(
            f"set {', '.join(m.variable for m in a.variables)} of {a.app} to the primary's URL" for a in self.apps
        )

    @property
    def calls(self) -> tuple[str, ...]:
        return tuple(
            f"PATCH /apps/{a.app}/config-vars {{{', '.join(f'{m.variable}: URL OF THE REPLICA' for m in a.variables)}}}"
            for a in self.apps
        )

    def observe(self, world: World) -> Before:
        """Raises:
        HerokuError: somebody gave a variable another value since the lift.
        """
        for moves in self.apps:
            if not self._all_are(world, [moves.on_primary]) and not self._all_are(world, [moves]):
                raise HerokuError(
                    f"{', '.join(moves.changed)} of {moves.app}: one is not as the switch set it",
                    hint=f"See who did: heroku releases -a {moves.app}. Set it back, then run pgcutover migrate again.",
                )
        return {}

    def do(self, world: World, before: Before) -> None:
        if world.notes.notes(LEFT):
            world.notes.note(LEFT, {"why": ""})
        for moves in self.apps:
            set_config_vars(world, moves.app, new_values(world, moves), must_succeed=True)
            running = {kind: n for kind, n in quantities(world, moves.app).items() if n}
            wait_until_up(world, moves.app, running, release=_serving(world, moves.app))

    def verify(self, world: World, before: Before) -> Finding:
        left = world.notes.notes(LEFT)
        if left and left[-1]["why"]:
            return Finding(verdict=Verdict.ABSENT, detail=f"still on the replica: {left[-1]['why']}")
        if self._all_are(world, [moves.on_primary for moves in self.apps]):
            return Finding(verdict=Verdict.ABSENT)
        failed = [moves.app for moves in self.apps if newest_release_failed(world, moves.app)]
        whole = self._all_are(world, self.apps) and not failed
        return Finding(verdict=Verdict.WHOLE if whole else Verdict.PARTIAL, evidence={"release_failed": failed})

    def undo(self, world: World, before: Before) -> None:
        try:
            primary = {moves.app: new_values(world, moves.on_primary) for moves in self.apps}
        except OUT_OF_REACH as error:
            world.notes.note(LEFT, {"why": error.message})
            return
        for app, values in primary.items():
            set_config_vars(world, app, values, must_succeed=False)

    @staticmethod
    def _all_are(world: World, apps: list[AppMoves] | tuple[AppMoves, ...]) -> bool:
        for moves in apps:
            config = world.heroku.config(moves.app)
            if any(config.get(name) != value for name, value in new_values(world, moves).items()):
                return False
        return True


def _serving(world: World, app: str) -> int:
    """The release that the app's dynos run, or will."""
    return next((r.version for r in world.heroku.releases(app) if r.status == "succeeded"), 0)
