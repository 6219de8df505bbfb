"""What happened in a run, folded from its events: times, outages, proof, what people should know. Values only, no I/O.

The report, the terminal and `--json` all read one RunSummary, so that they cannot tell different stories.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from pgcutover.planning.plan import Phase, Plan
from pgcutover.running.journal import Event, Note, Run, timings
from pgcutover.running.state import Move, StepState, fold
from pgcutover.running.step import Json
from pgcutover.steps.acceptance import ACCEPTED_UNVERIFIED
from pgcutover.steps.destroy import DESTROYED
from pgcutover.steps.lift import LIFTED
from pgcutover.steps.open_target import LEFT_OUT, SALVAGED
from pgcutover.steps.releases import ACCEPTED, MADE
from pgcutover.steps.stop_dynos import STOPPED_NOTE

DRILL, DRILLED = "drill", "drilled"
"""Kinds of the notes that begin and end a drill: both worlds and the environment's facts before; what differs after."""


class Outcome(StrEnum):
    """Where a run stands as a whole; `phrase` says it to a person."""

    PLANNED = "planned"
    PREPARING = "preparing"
    PREPARED = "prepared"
    MOVING = "moving"
    STOPPED = "stopped"
    LIFTED = "lifted"
    MOVED = "moved"
    RETURNING = "returning"
    RETURNED = "returned"
    RETIRED = "retired"
    REPLACED = "replaced"

    @property
    def phrase(self) -> str:
        return _PHRASES[self]


_PHRASES: Mapping[Outcome, str] = {
    Outcome.PLANNED: "planned; nothing has been touched",
    Outcome.PREPARING: "preparing; users notice nothing",
    Outcome.PREPARED: "prepared; the application runs on the old database",
    Outcome.MOVING: "moving; the application is closed",
    Outcome.STOPPED: "stopped in the middle; the application is closed until you go on or go back",
    Outcome.LIFTED: "lifted; the application runs on the new database, the last steps are open",
    Outcome.MOVED: "moved; the application runs on the new database",
    Outcome.RETURNING: "going back; the application is closed",
    Outcome.RETURNED: "returned; the application runs on the old database",
    Outcome.RETIRED: "retired; pgcutover's scaffolding is gone",
    Outcome.REPLACED: "replaced by a newer plan before anything moved",
}


class _Value(BaseModel):
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")


class StepSummary(_Value):
    """One step: as planned, and as it went. Seconds are None where nothing is known."""

    name: str
    phase: Phase
    title: str
    by_hand: str
    state: StepState
    estimated_s: float | None
    actual_s: float | None
    undo_s: float | None
    started_at: datetime | None
    ended_at: datetime | None
    detail: str
    error: str
    evidence: Mapping[str, Any]


class Outage(_Value):
    """Seconds without writes to any database, and seconds in which users saw the maintenance page; None while open.

    `back_*` is the second outage, of going back after the lift.
    """

    database_s: float | None
    users_s: float | None
    back_database_s: float | None = None
    back_users_s: float | None = None


class TableProof(_Value):
    """One table (or partition tree) compared on both sides; `equal` is None when that could not be checked."""

    table: str
    source_rows: int | None
    target_rows: int | None
    equal: bool | None


class Salvaged(_Value):
    """Rows that going back left on the new database, exported: counts by table."""

    table: str
    inserted: int
    updated: int
    deleted: int


class RunSummary(_Value):
    """Everything that a person or a program wants to know about one run."""

    version: int = 1
    environment: str
    run: str | None
    outcome: Outcome
    phrase: str
    plan: Plan
    opened_at: datetime | None
    ended_at: datetime | None
    steps: tuple[StepSummary, ...]
    outage: Outage
    rows: int
    bytes: int
    proof: tuple[TableProof, ...]
    salvaged: tuple[Salvaged, ...]
    salvage_directory: str
    salvage_doubts: tuple[str, ...]
    """Why what was exported may not be everything; none, normally."""
    people: tuple[str, ...]
    """Who opened, confirmed, accepted: one sentence each."""
    at_work: str = ""
    """The process on this machine that works on the run at this moment, in words."""
    stopped: tuple[str, ...] = ()
    """One-off and Scheduler dynos that were stopped, as APP/DYNO: by their step, or at a later look."""
    drilling: bool = False
    """Whether the run is a drill that has not been compared with before."""
    destroyed: bool = False
    """Whether the new database was destroyed after going back."""
    next: tuple[str, ...]
    """What to type or do next, most useful first."""


def outcome_of(states: Mapping[str, StepState], plan: Plan, notes: Sequence[Note], run: Run | None) -> Outcome:
    """Fold the states of all steps into one word."""
    if run is None:
        return Outcome.PLANNED
    if run.outcome is not None:
        return Outcome(run.outcome)
    prepare = [states[s.name] for s in plan.steps if s.phase == "prepare"]
    move = {s.name: states[s.name] for s in plan.steps if s.phase != "prepare"}
    touched = {StepState.DOING, StepState.DONE, StepState.FAILED}
    if StepState.UNDOING in states.values() or StepState.UNDONE in states.values():
        return Outcome.RETURNING
    if all(state is StepState.DONE for state in move.values()):
        return Outcome.MOVED
    if any(note.kind == LIFTED for note in notes):
        return Outcome.LIFTED
    if StepState.FAILED in move.values():
        return Outcome.STOPPED
    if any(state in touched for state in move.values()):
        return Outcome.MOVING
    return Outcome.PREPARED if all(s is StepState.DONE for s in prepare) else Outcome.PREPARING


def summarise(
    *,
    environment: str,
    plan: Plan,
    run: Run | None,
    events: Sequence[Event],
    notes: Sequence[Note],
    estimates: Mapping[str, float],
    next_steps: Sequence[str],
) -> RunSummary:
    """Fold a run's events and notes. `estimates` gives planned seconds by step name; a run may be None."""
    states = fold(events, (s.name for s in plan.steps))
    outcome = outcome_of(states, plan, notes, run)
    evidence = _evidence(events)
    copied = evidence.get("copy", {})
    stopped = _stopped(notes)
    salvage = next((n.payload for n in reversed(notes) if n.kind == SALVAGED), None)
    return RunSummary(
        environment=environment,
        run=run.run if run else None,
        outcome=outcome,
        phrase=outcome.phrase,
        plan=plan,
        opened_at=run.opened_at if run else None,
        ended_at=run.closed_at if run else None,
        steps=tuple(_told_of(step, stopped) for step in _steps(plan, events, states, evidence, estimates)),
        outage=_outage(events),
        rows=_integer(copied, "rows"),
        bytes=_integer(copied, "bytes"),
        proof=tuple(_proof(evidence.get("verify", {}))),
        salvaged=tuple(_salvaged(salvage)),
        salvage_directory=str(salvage.get("directory", "")) if isinstance(salvage, Mapping) else "",
        salvage_doubts=tuple(_doubts(salvage, notes)),
        people=tuple(_people(run, notes)),
        stopped=stopped,
        drilling={DRILL} == {note.kind for note in notes} & {DRILL, DRILLED},
        destroyed=any(note.kind == DESTROYED for note in notes),
        next=tuple(next_steps),
    )


def _evidence(events: Sequence[Event]) -> dict[str, Mapping[str, Json]]:
    """The newest evidence found for each step while it went forward."""
    found: dict[str, Mapping[str, Json]] = {}
    for event in events:
        if event.finding is not None and event.move in (Move.FINISH, Move.ADOPT):
            found[event.step] = event.finding.evidence
    return found


def _steps(
    plan: Plan,
    events: Sequence[Event],
    states: Mapping[str, StepState],
    evidence: Mapping[str, Mapping[str, Json]],
    estimates: Mapping[str, float],
) -> list[StepSummary]:
    done_s, undone_s = timings(events), timings(events, undo=True)
    summaries = []
    for step in plan.steps:
        mine = [e for e in events if e.step == step.name]
        ended = [e.at for e in mine if e.move in (Move.FINISH, Move.ADOPT, Move.FINISH_UNDO)]
        found = [e.finding.detail for e in mine if e.finding is not None and e.finding.detail]
        failed = states[step.name] in (StepState.FAILED, StepState.UNDOING)
        summaries.append(
            StepSummary(
                name=step.name,
                phase=step.phase,
                title=step.title,
                by_hand=step.by_hand,
                state=states[step.name],
                estimated_s=estimates.get(step.name),
                actual_s=done_s.get(step.name),
                undo_s=undone_s.get(step.name),
                started_at=mine[0].at if mine else None,
                ended_at=ended[-1] if ended else None,
                detail=found[-1] if found else "",
                error=next((e.error for e in reversed(mine) if e.error), "") if failed else "",
                evidence=evidence.get(step.name, {}),
            )
        )
    return summaries


def _stopped(notes: Sequence[Note]) -> tuple[str, ...]:
    held = [n.payload for n in notes if n.kind == STOPPED_NOTE and isinstance(n.payload, Mapping)]
    return tuple(f"{note.get('app')}/{note.get('dyno')}" for note in held)


def _told_of(step: StepSummary, stopped: tuple[str, ...]) -> StepSummary:
    """The step that stops dynos knows only those that it saw itself; the run goes on looking."""
    if step.name != "stop-dynos" or not stopped:
        return step
    evidence = {**step.evidence, "stopped": list(stopped)}
    return step.model_copy(update={"detail": f"{len(stopped)} stopped", "evidence": evidence})


def _moment(events: Sequence[Event], step: str, moves: Sequence[Move], *, last: bool = False) -> datetime | None:
    found = [e.at for e in events if e.step == step and e.move in moves]
    return (found[-1] if last else found[0]) if found else None


def _outage(events: Sequence[Event]) -> Outage:
    """From the first wall to the lift, or to its undoing when the run went back."""
    ends = (Move.FINISH, Move.ADOPT)
    lifted = _moment(events, "lift", ends, last=True)

    def closed(step: str) -> float | None:
        start = _moment(events, step, (Move.BEGIN,))
        back = _moment(events, step, (Move.FINISH_UNDO,), last=True)
        end = lifted or back
        return max(0.0, (end - start).total_seconds()) if start and end else None

    def closed_again(since: str, until: str) -> float | None:
        start = _moment(events, since, (Move.BEGIN_UNDO,)) if lifted else None
        end = _moment(events, until, (Move.FINISH_UNDO,), last=True)
        return max(0.0, (end - start).total_seconds()) if start and end else None

    return Outage(
        database_s=closed("fence"),
        users_s=closed("maintenance"),
        back_database_s=closed_again("open-target", "fence"),
        back_users_s=closed_again("lift", "maintenance"),
    )


def _integer(evidence: Mapping[str, Json], key: str) -> int:
    value = evidence.get(key, 0)
    return value if isinstance(value, int) else 0


def _proof(evidence: Mapping[str, Json]) -> list[TableProof]:
    tables = evidence.get("tables", ())
    rows = tables if isinstance(tables, Sequence) and not isinstance(tables, str) else ()
    return [TableProof.model_validate(row) for row in rows]


def _salvaged(payload: Json) -> list[Salvaged]:
    tables = payload.get("tables", ()) if isinstance(payload, Mapping) else ()
    rows = tables if isinstance(tables, Sequence) and not isinstance(tables, str) else ()
    return [Salvaged.model_validate(row) for row in rows]


def _doubts(salvage: Json, notes: Sequence[Note]) -> list[str]:
    leaks = salvage.get("fence_leaks") if isinstance(salvage, Mapping) else None
    named = leaks if isinstance(leaks, Sequence) and not isinstance(leaks, str) else ()
    doubts = [f"the export may not be everything: {leak}" for leak in named]
    left_out = [n.payload for n in notes if n.kind == LEFT_OUT and isinstance(n.payload, Mapping)]
    return doubts + [f"nothing was exported ({note.get('by')}): {note.get('why')}" for note in left_out]


def _people(run: Run | None, notes: Sequence[Note]) -> list[str]:
    lines = [f"{run.by} opened the run at {_clock(run.opened_at)}"] if run else []
    for note in notes:
        held = note.payload if isinstance(note.payload, Mapping) else {}
        if note.kind == "confirmed":
            lines.append(f"{held.get('by')} confirmed {held.get('what')} at {_clock(note.at)}")
        elif note.kind == MADE and held.get("status") == ACCEPTED:
            release = f"v{held.get('version')} of {held.get('app')}"
            lines.append(f"{held.get('by')} let release {release} stand at {_clock(note.at)}")
        elif note.kind == ACCEPTED_UNVERIFIED:
            unverified = f"that {held.get('table')} is not verified"
            lines.append(f"{held.get('by')} accepted {unverified} at {_clock(note.at)}: {held.get('reason')}")
    return lines


def _clock(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
