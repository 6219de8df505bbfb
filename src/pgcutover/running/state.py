"""What a step's state may be, and the one table of moves that change it.

Pure: no clock, no journal, no world. The runner, the journal, the diagram in the docs and the tests all read
`LEGAL_MOVES`; nothing else decides what may follow what.

Invariant: a step that may have touched the world can be unwound, and a step whose unwinding has begun can go nowhere
but to `undone`.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Protocol

from pgcutover.errors import JournalError


class StepState(StrEnum):
    """Where a step stands, as the journal remembers it; `phrase` says it to a person."""

    WAITING = "waiting"
    DOING = "doing"
    DONE = "done"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"

    @property
    def phrase(self) -> str:
        return _PHRASES[self]


class Move(StrEnum):
    """What an event says happened to a step."""

    BEGIN = "begin"
    FINISH = "finish"
    FAIL = "fail"
    ADOPT = "adopt"
    BEGIN_UNDO = "begin_undo"
    FINISH_UNDO = "finish_undo"
    FAIL_UNDO = "fail_undo"


class Direction(StrEnum):
    """Which way a run goes."""

    FORWARD = "forward"
    BACK = "back"


_PHRASES: Final[Mapping[StepState, str]] = MappingProxyType(
    {
        StepState.WAITING: "has not touched the world",
        StepState.DOING: "has begun, and may have touched the world",
        StepState.DONE: "was found whole in the world",
        StepState.FAILED: "has begun and stopped on an error; the world may be half changed",
        StepState.UNDOING: "is being undone; the world may be half changed",
        StepState.UNDONE: "was undone, and nothing of it was found in the world",
    }
)

LEGAL_MOVES: Final[Mapping[tuple[StepState, Move], StepState]] = MappingProxyType(
    {
        (StepState.WAITING, Move.BEGIN): StepState.DOING,
        (StepState.UNDONE, Move.BEGIN): StepState.DOING,
        # Begun again after a crash, or after a failure.
        (StepState.DOING, Move.BEGIN): StepState.DOING,
        (StepState.FAILED, Move.BEGIN): StepState.DOING,
        (StepState.DOING, Move.FINISH): StepState.DONE,
        (StepState.DOING, Move.FAIL): StepState.FAILED,
        # On resume the world is asked before the step is begun again, and the asking may fail too.
        (StepState.FAILED, Move.FAIL): StepState.FAILED,
        (StepState.DOING, Move.ADOPT): StepState.DONE,
        (StepState.FAILED, Move.ADOPT): StepState.DONE,
        (StepState.DOING, Move.BEGIN_UNDO): StepState.UNDOING,
        (StepState.DONE, Move.BEGIN_UNDO): StepState.UNDOING,
        (StepState.FAILED, Move.BEGIN_UNDO): StepState.UNDOING,
        (StepState.UNDOING, Move.BEGIN_UNDO): StepState.UNDOING,
        # Not back to failed: from there a step could be begun on a world that is half unwound.
        (StepState.UNDOING, Move.FAIL_UNDO): StepState.UNDOING,
        (StepState.UNDOING, Move.FINISH_UNDO): StepState.UNDONE,
    }
)

MAY_HAVE_TOUCHED: Final[frozenset[StepState]] = frozenset(
    state for state, move in LEGAL_MOVES if move is Move.BEGIN_UNDO
)


class Moved(Protocol):
    """The part of an event that folding needs."""

    @property
    def step(self) -> str: ...

    @property
    def move(self) -> Move: ...


def advance(state: StepState, move: Move, *, step: str) -> StepState:
    """The state after `move`.

    Raises:
        JournalError: the table has no such move.
    """
    try:
        return LEGAL_MOVES[state, move]
    except KeyError:
        raise JournalError(
            f"step {step} is {state}, and {move} is not a legal move from there",
            hint="Look at the run's status: a step that is undoing must be undone first.",
        ) from None


def fold(events: Iterable[Moved], steps: Iterable[str] = ()) -> dict[str, StepState]:
    """The state of every step in `steps` (waiting unless an event says otherwise) and of every step in `events`.

    Raises:
        JournalError: an event is not a legal move from the state before it.
    """
    states = dict.fromkeys(steps, StepState.WAITING)
    for event in events:
        states[event.step] = advance(states.get(event.step, StepState.WAITING), event.move, step=event.step)
    return states


def attempt_after(state: StepState, attempt: int, move: Move) -> int:
    """The number of the try that `move` belongs to, given the step's state and attempt before it.

    It counts from 1 each time the step changes direction: a step undone and begun anew is at its first try again.
    """
    if move is Move.BEGIN:
        return attempt + 1 if state in (StepState.DOING, StepState.FAILED) else 1
    if move is Move.BEGIN_UNDO:
        return attempt + 1 if state is StepState.UNDOING else 1
    return attempt


def diagram() -> str:
    """The table as a Mermaid state diagram (https://mermaid.js.org/syntax/stateDiagram.html), one line per move."""
    arrows = [f"    {state} --> {after}: {move}" for (state, move), after in LEGAL_MOVES.items()]
    return "\n".join(["stateDiagram-v2", f"    [*] --> {StepState.WAITING}", *arrows, ""])
