"""The table of legal moves, and everything that is read from it."""

import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgcutover.errors import JournalError
from pgcutover.running.state import (
    LEGAL_MOVES,
    MAY_HAVE_TOUCHED,
    Move,
    StepState,
    advance,
    attempt_after,
    diagram,
    fold,
)


@dataclass(frozen=True)
class Moved:
    step: str
    move: Move


MOVES = st.lists(st.builds(Moved, st.sampled_from(["one", "two"]), st.sampled_from(Move)), max_size=30)


@given(moves=MOVES)
def test_folding_never_leaves_the_table(moves: list[Moved]) -> None:
    """Whatever the moves, every state reached is one the table leads to, and the first illegal move raises."""
    states: dict[str, StepState] = {}
    for number, moved in enumerate(moves, start=1):
        state = states.get(moved.step, StepState.WAITING)
        if (state, moved.move) not in LEGAL_MOVES:
            with pytest.raises(JournalError, match=moved.step):
                fold(moves[:number])
            return
        states[moved.step] = LEGAL_MOVES[state, moved.move]
        assert states == fold(moves[:number])


@given(data=st.data())
def test_from_any_state_reached_a_step_can_still_be_done_and_still_be_undone(data: st.DataObject) -> None:
    """No legal history leads to a dead end: done and undone stay within reach of each state that has begun."""
    state = StepState.WAITING
    for _ in range(data.draw(st.integers(1, 15))):
        move = data.draw(st.sampled_from([move for at, move in LEGAL_MOVES if at is state]))
        state = advance(state, move, step="one")
    assert {StepState.DONE, StepState.UNDONE} <= reachable(state)


def reachable(state: StepState) -> set[StepState]:
    found = {state}
    while grown := {after for (at, _), after in LEGAL_MOVES.items() if at in found} - found:
        found |= grown
    return found


def test_a_step_nobody_touched_is_waiting() -> None:
    """Steps without events are waiting, in the order they were given, and others' events do not move them."""
    expected = {"two": StepState.WAITING, "one": StepState.DOING}
    actual = fold([Moved("one", Move.BEGIN)], ["two", "one"])
    assert list(expected.items()) == list(actual.items())


def test_what_is_undoing_goes_nowhere_but_to_undone() -> None:
    """Once its unwinding has begun, a step can be begun, finished or adopted only after it was undone."""
    assert {StepState.UNDOING, StepState.UNDONE} == {
        after for (state, _), after in LEGAL_MOVES.items() if state is StepState.UNDOING
    }


def test_every_state_that_may_have_touched_the_world_can_be_unwound() -> None:
    """Only the states that leave the world untouched are passed over when unwinding."""
    assert set(StepState) - {StepState.WAITING, StepState.UNDONE} == MAY_HAVE_TOUCHED


def test_done_and_undone_are_reached_only_after_the_world_was_asked() -> None:
    """Only finish and adopt lead to done, and only finish_undo to undone."""
    into = {after: {move for (_, move), to in LEGAL_MOVES.items() if to is after} for after in StepState}
    assert ({Move.FINISH, Move.ADOPT}, {Move.FINISH_UNDO}) == (into[StepState.DONE], into[StepState.UNDONE])


def test_an_illegal_move_names_the_step_the_state_and_the_move() -> None:
    """The error tells what was tried and where the step stands, with a hint."""
    with pytest.raises(JournalError) as caught:
        advance(StepState.UNDOING, Move.BEGIN, step="lift")
    assert "step lift is undoing, and begin is not a legal move from there" == caught.value.message
    assert caught.value.hint


def test_attempts_count_tries_in_one_direction() -> None:
    """A step begun again is at its next try; turned round, it is at its first."""
    moves = [Move.BEGIN, Move.FAIL, Move.BEGIN, Move.FINISH, Move.BEGIN_UNDO, Move.FAIL_UNDO, Move.BEGIN_UNDO]
    moves += [Move.FINISH_UNDO, Move.BEGIN]
    state, attempt, attempts = StepState.WAITING, 0, []
    for move in moves:
        attempt = attempt_after(state, attempt, move)
        state = advance(state, move, step="one")
        attempts.append(attempt)
    assert [1, 1, 2, 2, 1, 1, 2, 2, 1] == attempts


def test_the_diagram_shows_the_table_and_nothing_else() -> None:
    """Each arrow of the diagram is a legal move, and each legal move is an arrow."""
    header, start, *arrows = diagram().splitlines()
    assert ("stateDiagram-v2", "    [*] --> waiting") == (header, start)
    read = [re.fullmatch(r"    (\w+) --> (\w+): (\w+)", arrow) for arrow in arrows]
    assert {(state.value, after.value, move.value) for (state, move), after in LEGAL_MOVES.items()} == {
        match.groups() for match in read if match
    }
    assert len(LEGAL_MOVES) == len(arrows)


def test_every_state_has_a_phrase_of_its_own() -> None:
    """A person is told each state in words, and no two states in the same ones."""
    assert len(StepState) == len({state.phrase for state in StepState})
