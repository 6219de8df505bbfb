"""What is asked before every step: is the run still ours, did anybody release, is a dyno back, do the locks stand."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pgcutover.planning.plan import Plan
from pgcutover.running.journal import Journal
from pgcutover.running.state import Direction
from pgcutover.running.step import Json
from pgcutover.steps.ports import World
from pgcutover.steps.ports_database import SourceGate
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


class FencedWorld(World, Protocol):
    """What the questions are asked of."""

    @property
    def source(self) -> SourceGate: ...


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

    def __call__(self, world: FencedWorld, step: str, direction: Direction, /) -> None:
        self.claim.still_ours()
        phase = {s.name: s.phase for s in self.plan.steps}
        if phase[step] == "prepare":
            return
        if direction is Direction.FORWARD:
            self.watch.check()
        if self._after(step, "stop-dynos") and not self._after(step, "lift"):
            stop_strays(world, self.watch.apps)
        if direction is Direction.FORWARD and self._after(step, "fence") and not self._after(step, "lift"):
            world.source.keep_fence()

    def _after(self, step: str, other: str) -> bool:
        names: Sequence[str] = [s.name for s in self.plan.steps]
        return names.index(step) > names.index(other)
