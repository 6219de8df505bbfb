"""How long steps took, as the journal tells."""

from datetime import UTC, datetime, timedelta

from pgcutover.running.journal import Event, before_of, timings
from pgcutover.running.state import Move, StepState, advance, attempt_after

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def history(*moves: tuple[Move, float, int]) -> list[Event]:
    """Events of one step: each move, at so many seconds after noon, by the process of that id."""
    events: list[Event] = []
    state, attempt = StepState.WAITING, 0
    for seq, (move, at_s, pid) in enumerate(moves, start=1):
        attempt = attempt_after(state, attempt, move)
        state = advance(state, move, step="copy")
        events.append(
            Event(
                seq=seq,
                at=NOON + timedelta(seconds=at_s),
                run="run-1",
                step="copy",
                move=move,
                state=state,
                before={"seq": seq} if move is Move.BEGIN else None,
                finding=None,
                error="",
                host="laptop",
                pid=pid,
                attempt=attempt,
            )
        )
    return events


def test_repeated_attempts_add_up() -> None:
    """A step that failed after 3 s and was done at the second try in 5 s took 8 s."""
    events = history((Move.BEGIN, 0, 1), (Move.FAIL, 3, 1), (Move.BEGIN, 10, 1), (Move.FINISH, 15, 1))
    assert {"copy": 8.0} == timings(events)


def test_the_time_between_a_death_and_a_resume_is_not_work() -> None:
    """Of an attempt that died, nothing counts; what the next process did counts."""
    cut = history((Move.BEGIN, 0, 1), (Move.BEGIN, 9000, 2), (Move.FINISH, 9004, 2))
    failed_by_another = history((Move.BEGIN, 0, 1), (Move.FAIL, 9000, 2), (Move.BEGIN, 9001, 2), (Move.FINISH, 9005, 2))
    adopted = history((Move.BEGIN, 0, 1), (Move.ADOPT, 9000, 2))
    assert ({"copy": 4.0}, {"copy": 4.0}, {}) == (timings(cut), timings(failed_by_another), timings(adopted))


def test_a_step_done_undone_and_done_anew_took_as_long_as_the_last_time() -> None:
    """Only the last doing counts, and after an unwinding it is still there to be read."""
    once = history((Move.BEGIN, 0, 1), (Move.FINISH, 7, 1), (Move.BEGIN_UNDO, 8, 1), (Move.FINISH_UNDO, 10, 1))
    twice = history(
        (Move.BEGIN, 0, 1),
        (Move.FINISH, 7, 1),
        (Move.BEGIN_UNDO, 8, 1),
        (Move.FINISH_UNDO, 10, 1),
        (Move.BEGIN, 20, 1),
        (Move.FINISH, 21, 1),
    )
    assert ({"copy": 7.0}, {"copy": 2.0}) == (timings(once), timings(once, undo=True))
    assert {"copy": 1.0} == timings(twice)


def test_a_clock_set_back_gives_no_negative_time() -> None:
    """A step whose end carries an earlier time than its beginning took 0 s."""
    assert {"copy": 0.0} == timings(history((Move.BEGIN, 50, 1), (Move.FINISH, 0, 1)))


def test_how_the_world_was_before_is_forgotten_when_the_step_is_undone() -> None:
    """While a step is begun its before is known; once undone, the world must be asked anew."""
    begun = history((Move.BEGIN, 0, 1), (Move.FAIL, 1, 1), (Move.BEGIN_UNDO, 2, 1))
    undone = history((Move.BEGIN, 0, 1), (Move.FAIL, 1, 1), (Move.BEGIN_UNDO, 2, 1), (Move.FINISH_UNDO, 3, 1))
    assert ({"seq": 1}, None, None) == (before_of(begun, "copy"), before_of(undone, "copy"), before_of(begun, "other"))
