"""What is asked before every step: is the run still ours, did anybody release, is a dyno back, do the locks stand, are
the rows that were copied still there."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pgcutover.errors import FenceError
from pgcutover.planning.plan import Plan
from pgcutover.running.journal import Journal
from pgcutover.running.state import Direction
from pgcutover.running.step import Before, Json
from pgcutover.steps.copy import restock
from pgcutover.steps.lift import LIFTED
from pgcutover.steps.ports import World
from pgcutover.steps.ports_copy import Copier
from pgcutover.steps.ports_database import SourceGate
from pgcutover.steps.releases import ReleaseWatch
from pgcutover.steps.scale_down import quantities
from pgcutover.steps.smoke import stoppable
from pgcutover.steps.stop_dynos import stop_strays

OPENED_HINT = "What was copied may be stale. Run pgcutover rollback, and migrate again with a new plan."


class RealClock:
    """The machine's own time."""

    @staticmethod
    def monotonic() -> float:
        return time.monotonic()

    @staticmethod
    def sleep(seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNotes:
    """One run's notes in the journal."""

    journal: Journal
    run: str

    def note(self, kind: str, payload: Mapping[str, Json]) -> None:
        self.journal.note(self.run, kind, dict(payload))

    def notes(self, kind: str) -> tuple[Mapping[str, Json], ...]:
        return tuple(n.payload for n in self.journal.notes(self.run, kind) if isinstance(n.payload, Mapping))


class FencedWorld(World, Protocol):
    """What the questions are asked of."""

    @property
    def source(self) -> SourceGate: ...
    @property
    def copier(self) -> Copier: ...


class Claim(Protocol):
    """The right to run, held on the databases; see edges/runrecord.py."""

    def still_ours(self) -> None:
        """Raise RunnerConflictError when another run holds it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """The questions, as one guard of the runner."""

    plan: Plan
    claim: Claim
    watch: ReleaseWatch
    fenced_with: Callable[[], Before | None]
    """What the fence step recorded before it was raised; None when it was not."""

    def __call__(self, world: FencedWorld, step: str, direction: Direction, /) -> None:
        self.claim.still_ours()
        phase = {s.name: s.phase for s in self.plan.steps}
        if phase[step] == "prepare":
            return
        # After the lift the application is its owners' again: their deploys are no reason to stop.
        if direction is Direction.FORWARD and not self._after(step, "lift"):
            self.watch.check()
        # A run that died amid the lift finds the application open: it opened it itself.
        open_by_us = direction is Direction.FORWARD and bool(world.notes.notes(LIFTED))
        if self._after(step, "lift") or open_by_us:
            return
        if self._after(step, "stop-dynos"):
            stop_strays(world, self.watch.apps)
        if direction is Direction.FORWARD:
            self._still_closed(world, step)
            # Once it is open, the application's own commands may empty a table on purpose.
            if self._after(step, "copy") and not self._after(step, "open-target"):
                restock(world)

    def _still_closed(self, world: FencedWorld, step: str) -> None:
        """Whether what earlier steps closed is closed now: a person may have opened it by hand meanwhile.

        Raises:
            FenceError: the application or the old database is open; what was copied may be stale.
        """
        apps = {app.moves.app: app.moves for app in self.plan.decisions.apps}
        opened = [app for app in apps if self._after(step, "maintenance") and not world.heroku.app(app).maintenance]
        if self._after(step, "scale-down") and not self._after(step, "switch"):
            opened += [
                f"{kind} of {app}"
                for app, moves in apps.items()
                for kind in stoppable(world, moves)
                if quantities(world, app)[kind]
            ]
        if opened:
            raise FenceError(f"somebody opened {', '.join(opened)} in the middle of the move", hint=OPENED_HINT)
        if self._after(step, "fence"):
            world.source.keep_fence(self.fenced_with() or {})

    def _after(self, step: str, other: str) -> bool:
        names: Sequence[str] = [s.name for s in self.plan.steps]
        return names.index(step) > names.index(other)
