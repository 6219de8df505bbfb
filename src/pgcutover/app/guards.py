"""What is asked before every step: is the run still ours, did anybody else release, has a dyno come back to life."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pgcutover.planning.plan import Plan
from pgcutover.running.journal import Journal
from pgcutover.running.state import Direction
from pgcutover.running.step import Json
from pgcutover.steps.ports import World
from pgcutover.steps.releases import ReleaseWatch
from pgcutover.steps.stop_dynos import stop_strays


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


class Claim(Protocol):
    """The right to run, held on the databases; see edges/runrecord.py."""

    def still_ours(self) -> None:
        """Raise RunnerConflictError when another run holds it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """The three questions, as one guard of the runner."""

    plan: Plan
    claim: Claim
    watch: ReleaseWatch

    def __call__(self, world: World, step: str, direction: Direction, /) -> None:
        self.claim.still_ours()
        phase = {s.name: s.phase for s in self.plan.steps}
        if phase[step] == "prepare":
            return
        if direction is Direction.FORWARD:
            self.watch.check()
        if self._fenced(step, direction):
            stop_strays(world, self.watch.apps)

    def _fenced(self, step: str, direction: Direction) -> bool:
        """Whether the application is closed at this step: from stop-dynos up to the lift."""
        names: Sequence[str] = [s.name for s in self.plan.steps]
        place, first, lift = names.index(step), names.index("stop-dynos"), names.index("lift")
        return first < place <= lift if direction is Direction.FORWARD else first < place < lift
