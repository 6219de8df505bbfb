"""Detach the old database's attachments that own the variables we must set; never the add-on, never its data.

A variable that an attachment owns cannot be set ("Cannot overwrite attachment values"), so for a moment
the application has no DATABASE_URL: its dynos are at 0 then.
"""

from dataclasses import dataclass

from pgcutover.facts.estate import Attachment
from pgcutover.planning.moves import AppMoves, VariableMove
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.ports import World
from pgcutover.steps.releases import ReleaseWatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Detach:
    """Each attachment that a move names goes; undone under the same name and credential."""

    apps: tuple[AppMoves, ...]
    name: str = "detach"
    keeps_target: bool = False

    @property
    def title(self) -> str:
        return "detach " + ", ".join(f"{m.attachment} from {app}" for app, m in self._moves())

    @property
    def by_hand(self) -> str:
        return "; ".join(_attach_by_hand(app, move) for app, move in self._moves())

    @property
    def calls(self) -> tuple[str, ...]:
        return tuple(f"DELETE /addon-attachments/ID of {m.attachment} on {app}" for app, m in self._moves())

    def observe(self, world: World) -> Before:
        return {}

    def do(self, world: World, before: Before) -> None:
        for app, move in self._moves():
            watch = self._watch(world, app)
            watch.quiet(app)
            found = find_attachment(world, app, move)
            if found:
                # A release phase that needs the variable fails here; no dyno runs, and the switch's must succeed.
                with watch.making(app, f"detach {move.attachment}", must_succeed=False):
                    world.heroku.detach(found.id)

    def verify(self, world: World, before: Before) -> Finding:
        moves = self._moves()
        attached = [f"{app}:{m.attachment}" for app, m in moves if find_attachment(world, app, m)]
        verdict = Verdict.WHOLE if not attached else Verdict.ABSENT if len(attached) == len(moves) else Verdict.PARTIAL
        return Finding(verdict=verdict, unchanged=not moves, evidence={"still_attached": attached})

    def undo(self, world: World, before: Before) -> None:
        for app, move in self._moves():
            watch = self._watch(world, app)
            watch.quiet(app)
            if find_attachment(world, app, move) is None:
                # A release phase that needs DATABASE_URL may fail here until the last attachment is back.
                with watch.making(app, f"attach {move.attachment}", must_succeed=False):
                    world.heroku.attach(app=app, addon=move.addon, name=move.attachment or "", namespace=move.namespace)

    def _moves(self) -> tuple[tuple[str, VariableMove], ...]:
        return tuple((moves.app, move) for moves in self.apps for move in moves.variables if move.attachment)

    @staticmethod
    def _watch(world: World, app: str) -> ReleaseWatch:
        return ReleaseWatch(heroku=world.heroku, notes=world.notes, clock=world.clock, apps=(app,))


def _attach_by_hand(app: str, move: VariableMove) -> str:
    where = f"{move.addon} --as {move.attachment} -a {app}"
    if move.pooler:
        return f"heroku pg:connection-pooling:attach {where}"
    return f"heroku addons:attach {where}" + (f" --credential {move.credential}" if move.credential else "")


def find_attachment(world: World, app: str, move: VariableMove) -> Attachment | None:
    """The attachment that a move names, as it is now."""
    return next(
        (a for a in world.heroku.app_attachments(app) if a.name == move.attachment and a.addon == move.addon), None
    )
