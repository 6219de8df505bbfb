"""Point the applications at the new database: one PATCH an app, every variable that held the old URL."""

from collections.abc import Mapping
from dataclasses import dataclass

from pgcutover.errors import JournalError
from pgcutover.facts.names import Secret
from pgcutover.planning.moves import AppMoves
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.ports import World
from pgcutover.steps.releases import ReleaseWatch
from pgcutover.steps.save_config import vault_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """The release that moves an app, release phase included; undone to the saved values."""

    apps: tuple[AppMoves, ...]
    sslmode: str
    name: str = "switch"
    keeps_target: bool = False

    @property
    def title(self) -> str:
        return "set " + "; ".join(f"{', '.join(m.variable for m in a.variables)} of {a.app}" for a in self.apps)

    @property
    def by_hand(self) -> str:
        return "; ".join(
            f"heroku config:unset {' '.join(m.variable for m in a.variables)} -a {a.app}; set copied URLs again"
            for a in self.apps
        )

    @property
    def calls(self) -> tuple[str, ...]:
        return tuple(
            f"PATCH /apps/{a.app}/config-vars {{{', '.join(f'{m.variable}: NEW URL' for m in a.variables)}}}"
            for a in self.apps
        )

    def observe(self, world: World) -> Before:
        return {}

    def do(self, world: World, before: Before) -> None:
        new = world.access.app_url(sslmode=self.sslmode)
        for moves in self.apps:
            self._set(world, moves.app, {m.variable: new for m in moves.variables}, must_succeed=True)

    def verify(self, world: World, before: Before) -> Finding:
        new = world.access.app_url(sslmode=self.sslmode)
        configs = {moves.app: world.heroku.config(moves.app) for moves in self.apps}
        named = [
            (moves.app, m.variable, configs[moves.app].get(m.variable)) for moves in self.apps for m in moves.variables
        ]
        switched = [f"{app}:{variable}" for app, variable, value in named if value == new]
        failed = [moves.app for moves in self.apps if self._newest_failed(world, moves.app)]
        whole = len(switched) == len(named) and not failed
        verdict = Verdict.WHOLE if whole else Verdict.PARTIAL if switched else Verdict.ABSENT
        return Finding(verdict=verdict, evidence={"switched": switched, "release_failed": failed})

    def undo(self, world: World, before: Before) -> None:
        for moves in self.apps:
            old: dict[str, Secret | None] = {}
            for move in moves.variables:
                saved = world.vault.get(vault_key(moves.app, move.variable))
                if move.attachment is None and saved is None:
                    raise JournalError(
                        f"the old value of {move.variable} of {moves.app} is not among the saved values",
                        hint="Restore the vault file from status --export, or set the variable by hand.",
                    )
                old[move.variable] = None if move.attachment else saved
            self._set(world, moves.app, old, must_succeed=False)

    def _set(self, world: World, app: str, wanted: Mapping[str, Secret | None], *, must_succeed: bool) -> None:
        watch = ReleaseWatch(heroku=world.heroku, notes=world.notes, clock=world.clock, apps=(app,))
        watch.quiet(app)
        config = world.heroku.config(app)
        # An attachment that came back already owns its variable, which then cannot be unset and need not be.
        owned = {a.variable for a in world.heroku.app_attachments(app)}
        changes = {k: v for k, v in wanted.items() if k not in owned and config.get(k) != v}
        if changes:
            with watch.making(app, f"set {', '.join(sorted(changes))}", must_succeed=must_succeed):
                world.heroku.set_config(app, changes)

    @staticmethod
    def _newest_failed(world: World, app: str) -> bool:
        return any(r.status != "succeeded" for r in world.heroku.releases(app, newest=1))
