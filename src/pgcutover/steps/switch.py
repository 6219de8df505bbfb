"""Point the applications at the new database: one PATCH an app, every variable that held the old URL.

Going back, and seeing that it is done, ask nothing of AWS: it may be what does not answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pgcutover.errors import JournalError
from pgcutover.facts.names import Secret
from pgcutover.planning.moves import PGBOUNCER_URLS, AppMoves
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.config_vars import new_values, newest_release_failed, set_config_vars
from pgcutover.steps.ports import World
from pgcutover.steps.save_config import vault_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """The release that moves an app, release phase included; undone to the saved values."""

    apps: tuple[AppMoves, ...]
    """With the server that each variable names from now on, which may not be the one for good."""
    name: str = "switch"
    keeps_target: bool = False

    @property
    def title(self) -> str:
        return "set " + "; ".join(f"{', '.join(a.changed)} of {a.app}" for a in self._changing())

    @property
    def by_hand(self) -> str:
        return "; ".join(line for app in self._changing() for line in _back_by_hand(app))

    @property
    def calls(self) -> tuple[str, ...]:
        return tuple(f"PATCH /apps/{a.app}/config-vars {{{', '.join(_patched(a))}}}" for a in self._changing())

    def observe(self, world: World) -> Before:
        return {}

    def do(self, world: World, before: Before) -> None:
        for moves in self.apps:
            set_config_vars(world, moves.app, new_values(world, moves), must_succeed=True)

    def verify(self, world: World, before: Before) -> Finding:
        if self._as_before(world):
            return Finding(verdict=Verdict.ABSENT)
        wanted = {moves.app: new_values(world, moves) for moves in self.apps}
        held = {app: world.heroku.config(app) for app in wanted}
        named = [(app, name, held[app].get(name) == value) for app in wanted for name, value in wanted[app].items()]
        failed = [app for app in wanted if newest_release_failed(world, app)]
        whole = all(equal for _, _, equal in named) and not failed
        switched = [f"{app}:{name}" for app, name, equal in named if equal]
        return Finding(
            verdict=Verdict.WHOLE if whole else Verdict.PARTIAL,
            unchanged=not named,
            evidence={"switched": switched, "release_failed": failed},
        )

    def undo(self, world: World, before: Before) -> None:
        """Raises:
        JournalError: a value that was saved is not among the saved ones any more.
        """
        for moves in self.apps:
            set_config_vars(world, moves.app, _old_values(world, moves), must_succeed=False)

    def _changing(self) -> tuple[AppMoves, ...]:
        return tuple(a for a in self.apps if a.changed)

    def _as_before(self, world: World) -> bool:
        """Whether no app has any of the new values, told from the old ones alone."""
        for moves in self._changing():
            config = world.heroku.config(moves.app)
            owned = {a.variable for a in world.heroku.app_attachments(moves.app)}
            try:
                old = _old_values(world, moves)
            except JournalError:
                return False
            if any(name not in owned and config.get(name) != value for name, value in old.items()):
                return False
        return bool(self._changing())


def _old_values(world: World, moves: AppMoves) -> dict[str, Secret | None]:
    """What the variables are while nothing is switched: no attachment's value, for attaching sets that."""
    old: dict[str, Secret | None] = {m.variable: None for m in moves.variables if m.attachment}
    for name in moves.changed:
        if name in old:
            continue
        saved = world.vault.get(vault_key(moves.app, name))
        if saved is None and name in moves.saved:
            raise JournalError(
                f"the old value of {name} of {moves.app} is not among the saved values",
                hint="Restore the vault file from status --export, or set the variable by hand.",
            )
        old[name] = saved if name in moves.saved else None
    return old


def _patched(moves: AppMoves) -> Iterator[str]:
    for move in moves.variables:
        yield f"{move.variable}: URL OF THE {move.role.upper()}{f' AS {move.user}' if move.user else ''}"
    if moves.pooling:
        yield f"{PGBOUNCER_URLS}: {moves.pooling.urls}"


def _back_by_hand(moves: AppMoves) -> Iterator[str]:
    unset = [name for name in moves.changed if name not in moves.saved]
    unset += [m.variable for m in moves.variables if m.attachment]
    again = [name for name in moves.saved if name not in unset]
    if unset:
        yield f"heroku config:unset {' '.join(unset)} -a {moves.app}"
    if again:
        yield f"set {', '.join(again)} of {moves.app} to what they were"
