"""A process may die, or be interrupted, at every point of a run; the next one goes on and the world ends right."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy_world import EFFECTS, NAMES, RUN, STEPS, UNDO_EFFECTS, Crash, Fuse, Life, World, whole_shape

from pgcutover.edges.journal import SqliteJournal
from pgcutover.errors import InterruptedRun
from pgcutover.running.state import Move, StepState

ALL_DONE = dict.fromkeys(NAMES, StepState.DONE)
ALL_UNDONE = dict.fromkeys(NAMES, StepState.UNDONE)


def points_forward(path: Path) -> list[str]:
    life = Life(path, World())
    life.forward()
    return life.fuse.passed


def points_back(path: Path) -> list[str]:
    world = World()
    Life(path, world).forward()
    life = Life(path, world)
    life.unwind()
    return life.fuse.passed


def test_the_matrix_knows_every_kind_of_point(tmp_path: Path) -> None:
    """Each step passes a point before and after each append, observe, do and verify, and one amid the two parts."""
    forward, back = points_forward(tmp_path / "forward.db"), points_back(tmp_path / "back.db")
    for name in NAMES:
        assert {
            f"{name}: observe",
            f"{name}: before begin is written",
            f"{name}: after begin is written",
            f"{name}: before do",
            f"{name}: after do",
            f"{name}: verify",
            f"{name}: before finish is written",
            f"{name}: after finish is written",
        } <= set(forward)
        assert {
            f"{name}: before begin_undo is written",
            f"{name}: after begin_undo is written",
            f"{name}: before undo",
            f"{name}: after undo",
            f"{name}: verify",
            f"{name}: before finish_undo is written",
            f"{name}: after finish_undo is written",
        } <= set(back)
    assert "lay both parts: half done" in forward
    assert "lay both parts: half undone" in back


def test_dying_at_every_point_forward_then_resuming_does_each_effect_once(tmp_path: Path) -> None:
    """Wherever a run dies, the same command by a new process makes the world whole, each effect exactly once."""
    wrong = []
    for number, name in enumerate(points_forward(tmp_path / "dry.db"), start=1):
        path, world = tmp_path / f"{number}.db", World()
        assert not Life(path, world, Fuse(number)).forward()
        survivor = Life(path, world)
        survivor.forward()
        if (world.shape(), world.effects, survivor.states) != (whole_shape(), EFFECTS, ALL_DONE):
            wrong.append((name, world))
    assert not wrong, wrong


def test_dying_at_every_point_back_then_resuming_leaves_the_world_as_it_was(tmp_path: Path) -> None:
    """Wherever an unwinding dies, unwinding again ends with the world of before, each effect taken back once."""
    wrong = []
    for number, name in enumerate(points_back(tmp_path / "dry.db"), start=1):
        path, world = tmp_path / f"{number}.db", World()
        assert Life(path, world).forward()
        assert not Life(path, world, Fuse(number)).unwind()
        survivor = Life(path, world)
        survivor.unwind()
        expected = (World().shape(), EFFECTS + UNDO_EFFECTS, ALL_UNDONE)
        if (world.shape(), world.effects, survivor.states) != expected:
            wrong.append((name, world))
    assert not wrong, wrong


def test_dying_at_every_point_forward_then_unwinding_leaves_the_world_as_it_was(tmp_path: Path) -> None:
    """Wherever a run dies, going back instead of on ends with the world of before and no step half done."""
    wrong = []
    for number, name in enumerate(points_forward(tmp_path / "dry.db"), start=1):
        path, world = tmp_path / f"{number}.db", World()
        assert not Life(path, world, Fuse(number)).forward()
        survivor = Life(path, world)
        survivor.unwind()
        untouched = {StepState.WAITING, StepState.UNDONE}
        if world.shape() != World().shape() or not set(survivor.states.values()) <= untouched:
            wrong.append((name, world))
    assert not wrong, wrong


def left_open(path: Path) -> bool:
    """Whether the last word of the journal is that something has begun."""
    with SqliteJournal(path, read_only=True) as journal:
        return [event.move for event in journal.events(RUN)][-1:] in ([Move.BEGIN], [Move.BEGIN_UNDO])


@pytest.mark.parametrize("way", ["forward", "back"])
def test_ctrl_c_at_every_point_is_recorded_and_the_same_command_goes_on(tmp_path: Path, way: str) -> None:
    """Wherever a person presses Ctrl-C, the run ends as interrupted, the journal says so, and it can go on."""
    points = points_forward if way == "forward" else points_back
    for number, name in enumerate(points(tmp_path / "dry.db"), start=1):
        path, world = tmp_path / f"{number}.db", World()
        interrupted, survivor = Life(path, world, Fuse(number, KeyboardInterrupt)), Life(path, world)
        if way == "forward":
            with pytest.raises(InterruptedRun):
                interrupted.forward()
            assert (name, False) == (name, left_open(path))
            survivor.forward()
            assert (name, whole_shape(), EFFECTS) == (name, world.shape(), world.effects)
        else:
            Life(path, world).forward()
            with pytest.raises(InterruptedRun):
                interrupted.unwind()
            assert (name, False) == (name, left_open(path))
            survivor.unwind()
            assert (name, World().shape(), EFFECTS + UNDO_EFFECTS) == (name, world.shape(), world.effects)


def test_a_step_that_was_whole_when_its_process_died_is_adopted_and_not_done_again(tmp_path: Path) -> None:
    """A process that dies between do and finish leaves a whole step, which the next one adopts without touching it."""
    dry = points_forward(tmp_path / "dry.db")
    for step in STEPS:
        path, world = tmp_path / f"{step.name}.db", World()
        Life(path, world, Fuse(dry.index(f"{step.name}: after do") + 1)).forward()
        survivor = Life(path, world)
        survivor.forward()
        assert f"{step.name}: after adopt is written" in survivor.fuse.passed
        assert f"{step.name}: before do" not in survivor.fuse.passed


def test_the_world_is_asked_how_it_was_only_while_it_is_as_it_was(tmp_path: Path) -> None:
    """After a half-done attempt, observe is not asked again: it would take the new value for the old."""
    dry = points_forward(tmp_path / "dry.db")
    path, world = tmp_path / "journal.db", World()
    Life(path, world, Fuse(dry.index("lay both parts: half done") + 1)).forward()
    Life(path, world).forward()
    assert list(NAMES) == world.asked_before


def test_a_crash_is_no_exception_that_the_runner_could_hide() -> None:
    """The matrix would prove nothing if the runner could catch what stands for the process's death."""
    assert not issubclass(Crash, Exception)


LIVES = st.lists(st.tuples(st.sampled_from(["forward", "back"]), st.integers(1, 45)), max_size=5)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lives=LIVES, end=st.sampled_from(["forward", "back"]))
def test_any_number_of_deaths_both_ways_ends_as_the_last_life_wanted(
    tmp_path_factory: pytest.TempPathFactory, lives: list[tuple[str, int]], end: str
) -> None:
    """After any sequence of lives cut short, forward and back, a life that lasts ends whole, or as it was before."""
    path, world = tmp_path_factory.mktemp("lives") / "journal.db", World()
    for way, burns_at in lives:
        life = Life(path, world, Fuse(burns_at))
        if way == "back":
            life.unwind()
        elif StepState.UNDOING not in Life(path, world).look().values():
            life.forward()
    Life(path, world).unwind()
    assert World().shape() == world.shape()
    if end == "forward":
        Life(path, world).forward()
        assert whole_shape() == world.shape()
