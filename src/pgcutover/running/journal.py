"""What a journal holds and what it promises; the journal itself is at the edge.

Only values, the protocol, and readings of the values. No file, no clock.

Invariant: an `append` that returned is durable, and an `append` that would be an illegal move raises before anything is
written. Nothing secret may be handed in: the journal is exported, shown and mailed; secrets go to the vault and are
named here by key.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pgcutover.running.state import Move, StepState
from pgcutover.running.step import Before, Finding, Json, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One move of one step. `at` is aware UTC; `attempt` counts tries since the step last changed direction."""

    seq: int
    at: datetime
    run: str
    step: str
    move: Move
    state: StepState
    before: Before | None
    finding: Finding | None
    error: str
    host: str
    pid: int
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something about a run that is no move of a step: a confirmation, an override, an acknowledgement."""

    seq: int
    at: datetime
    run: str
    kind: str
    payload: Json
    host: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A plan being run, or one that was: `outcome` is None while it is open."""

    run: str
    opened_at: datetime
    plan_digest: str
    plan: Json
    by: str
    closed_at: datetime | None = None
    outcome: str | None = None

    @property
    def is_open(self) -> bool:
        return self.outcome is None


class Journal(Protocol):
    """An append-only record of runs. Every method raises JournalError when the journal cannot do what it says."""

    def open_run(self, run: str, plan_digest: str, plan: Json, by: str) -> Run:
        """Begin a run under a name that no run of this journal has."""
        ...

    def close_run(self, run: str, outcome: str) -> None:
        """End a run. No event can be appended after it, so close only what will neither go on nor be unwound."""
        ...

    def runs(self) -> tuple[Run, ...]:
        """Every run, oldest first."""
        ...

    def append(
        self,
        run: str,
        step: str,
        move: Move,
        *,
        before: Before | None = None,
        finding: Finding | None = None,
        error: str = "",
    ) -> Event:
        """Record a move; the event returned is what a later reading gives, JSON's narrowing of types included."""
        ...

    def events(self, run: str) -> tuple[Event, ...]:
        """The events of a run, oldest first; of a run never opened, JournalError."""
        ...

    def note(self, run: str, kind: str, payload: Json) -> Note: ...

    def notes(self, run: str, kind: str | None = None) -> tuple[Note, ...]:
        """The notes of a run, oldest first; only those of `kind` when given."""
        ...


def before_of(events: Iterable[Event], step: str) -> Before | None:
    """What `observe` returned before the first `do` since the step was last undone; None when not begun since."""
    before: Before | None = None
    for event in events:
        if event.step == step and event.move is Move.BEGIN:
            before = event.before
        elif event.step == step and event.move is Move.FINISH_UNDO:
            before = None
    return before


def timings(events: Iterable[Event], *, undo: bool = False) -> dict[str, float]:
    """Seconds spent doing (or undoing) each step the last time it was done, all its attempts added up.

    An attempt that its own process did not live to end counts nothing: when it stopped working is not known, and the
    hours until somebody resumed were not work. A step with no known attempt is left out.
    """
    opening = Move.BEGIN_UNDO if undo else Move.BEGIN
    closing = (Move.FINISH_UNDO, Move.FAIL_UNDO) if undo else (Move.FINISH, Move.FAIL)
    begun: dict[str, Event] = {}
    seconds: dict[str, float] = {}
    for event in events:
        if event.move is opening:
            begun[event.step] = event
            if event.attempt == 1:
                seconds.pop(event.step, None)
        elif event.move in closing:
            start = begun.pop(event.step, None)
            if start is not None and _same_process(start, event):
                seconds[event.step] = seconds.get(event.step, 0.0) + _seconds_between(start, event)
    return seconds


def _same_process(one: Event, other: Event) -> bool:
    return (one.host, one.pid) == (other.host, other.pid)


def _seconds_between(start: Event, end: Event) -> float:
    # The wall clock may be set back between two events; a step never took less than no time.
    return max(0.0, (end.at - start.at).total_seconds())


def finding_as_json(finding: Finding) -> dict[str, Json]:
    """A finding as the journal and `--json` write it."""
    return {
        "verdict": finding.verdict.value,
        "detail": finding.detail,
        "evidence": dict(finding.evidence),
    }


def finding_from_json(written: Mapping[str, Any]) -> Finding:
    return Finding(verdict=Verdict(written["verdict"]), detail=written["detail"], evidence=written["evidence"])
