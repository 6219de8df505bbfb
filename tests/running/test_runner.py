"""What the runner does with steps, the world and a journal; deaths have a file of their own."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from toy_world import (
    EFFECTS,
    FLAG,
    NAMES,
    PARTS,
    ROW,
    RUN,
    STEPS,
    SWITCH,
    TARGET,
    UNDO_EFFECTS,
    Value,
    World,
    whole_shape,
)

from pgcutover.edges.journal import SqliteJournal
from pgcutover.errors import (
    ForeignReleaseError,
    JournalError,
    NotUndoneError,
    PgcutoverError,
    RefusedError,
    UsageError,
)
from pgcutover.running.journal import Event
from pgcutover.running.runner import Guard, Runner, SilentListener
from pgcutover.running.state import Direction, Move, StepState
from pgcutover.running.step import Before, Finding, Step, Verdict


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    with SqliteJournal(tmp_path / "journal.db") as opened:
        opened.open_run(RUN, "digest", {"steps": []}, "ada")
        yield opened


@dataclass
class Heard(SilentListener):
    """Writes down what it hears, and that the journal knew it already."""

    journal: SqliteJournal
    calls: list[tuple[str, str]] = field(default_factory=list)

    def started(self, event: Event) -> None:
        self._hear("started", event)

    def adopted(self, event: Event) -> None:
        self._hear("adopted", event)

    def finished(self, event: Event, seconds: float) -> None:
        assert 0 <= seconds < 60
        self._hear("finished", event)

    def failed(self, event: Event) -> None:
        self._hear(f"failed: {event.error}", event)

    def undoing(self, event: Event) -> None:
        self._hear("undoing", event)

    def undone(self, event: Event, seconds: float) -> None:
        assert 0 <= seconds < 60
        self._hear("undone", event)

    def _hear(self, what: str, event: Event) -> None:
        assert event == self.journal.events(RUN)[-1]
        self.calls.append((what, event.step))


@dataclass(frozen=True)
class Faulty(Value):
    """A step that fails in the ways steps fail."""

    error: Exception | None = None
    leaves_out_do: bool = False
    leaves_out_undo: bool = False

    def do(self, world: World, before: Before) -> None:
        if self.error is not None:
            raise self.error
        if not self.leaves_out_do:
            super().do(world, before)

    def undo(self, world: World, before: Before) -> None:
        if self.error is not None:
            raise self.error
        if not self.leaves_out_undo:
            super().undo(world, before)


BROKEN = Faulty("turn the switch", "url", "new")


def moves(journal: SqliteJournal, step: str) -> list[Move]:
    return [event.move for event in journal.events(RUN) if event.step == step]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_each_step_can_be_done_undone_and_done_again(journal: SqliteJournal, step: Step[World]) -> None:
    """Undoing gives back the world of before, and doing it again gives the world that doing it once gave."""
    world = World()
    runner = Runner([step], journal, RUN, world)
    untouched = world.shape()
    runner.forward()
    done = world.shape()
    runner.unwind(include_target=True)
    undone = world.shape()
    runner.forward()
    assert (untouched, done) == (undone, world.shape())
    assert done != undone


def test_a_whole_run_goes_in_order_and_back_in_reverse(journal: SqliteJournal) -> None:
    """Forward follows the plan, unwinding walks it newest first, and both touch the world once for each effect."""
    world = World()
    runner = Runner(STEPS, journal, RUN, world)
    runner.forward()
    assert (whole_shape(), EFFECTS) == (world.shape(), world.effects)
    runner.unwind(include_target=True)
    assert (World().shape(), EFFECTS + UNDO_EFFECTS) == (world.shape(), world.effects)


def test_forward_again_touches_nothing(journal: SqliteJournal) -> None:
    """A finished run that is run again asks and changes nothing, and writes nothing."""
    world = World()
    Runner(STEPS, journal, RUN, world).forward()
    passed, events = len(world.fuse.passed), journal.events(RUN)
    Runner(STEPS, journal, RUN, world).forward()
    assert (passed, events) == (len(world.fuse.passed), journal.events(RUN))


def test_the_intent_is_written_before_the_touch_and_the_answer_after_the_asking(journal: SqliteJournal) -> None:
    """At do the journal says doing and how the world was; finish carries what verify found."""
    seen: list[tuple[StepState, Before | None]] = []

    class Watching(Value):
        def do(self, world: World, before: Before) -> None:
            event = journal.events(RUN)[-1]
            seen.append((event.state, event.before))
            super().do(world, before)

    Runner([Watching("raise the flag", "flag", "on")], journal, RUN, World()).forward()
    finding = Finding(verdict=Verdict.WHOLE, detail="flag is on", evidence={"now": "on"})
    assert [(StepState.DOING, {"was": "off"})] == seen
    assert (Move.FINISH, finding) == (journal.events(RUN)[-1].move, journal.events(RUN)[-1].finding)


def test_the_first_do_is_given_what_a_resumed_one_would_be_given(journal: SqliteJournal) -> None:
    """JSON turns tuples into lists; the first do sees lists too, not only the one after a crash."""
    given: list[object] = []

    class Tuples(Value):
        def observe(self, world: World) -> Before:
            return {"was": world.facts["flag"], "many": ("a", "b")}

        def do(self, world: World, before: Before) -> None:
            given.append(before["many"])
            super().do(world, before)

    Runner([Tuples("raise the flag", "flag", "on")], journal, RUN, World()).forward()
    assert [["a", "b"]] == given


def test_until_and_down_to_include_the_step_they_name(journal: SqliteJournal) -> None:
    """Forward until a step does it and none after; unwinding down to a step undoes it and none before."""
    world = World()
    runner = Runner(STEPS, journal, RUN, world)
    runner.forward(until=ROW.name)
    assert EFFECTS[:3] == world.effects
    runner.forward()
    runner.unwind(down_to=PARTS.name)
    assert [*EFFECTS, *UNDO_EFFECTS[:3]] == world.effects
    assert StepState.DONE == runner.states()[ROW.name]


@pytest.mark.parametrize("way", ["forward", "unwind"])
def test_a_step_that_the_plan_lacks_is_a_usage_error(journal: SqliteJournal, way: str) -> None:
    """Naming an unknown step touches nothing and tells which there are."""
    world = World()
    with pytest.raises(UsageError) as caught:
        getattr(Runner(STEPS, journal, RUN, world), way)("nonsense")
    assert all(name in caught.value.hint for name in NAMES)
    assert ([], ()) == (world.effects, journal.events(RUN))


def test_going_back_keeps_the_target_unless_told_otherwise(journal: SqliteJournal) -> None:
    """A step that made the target stays done when the others are undone, and is then not done twice."""
    world = World()
    runner = Runner(STEPS, journal, RUN, world)
    runner.forward()
    runner.unwind()
    assert (StepState.DONE, "made") == (runner.states()[TARGET.name], world.facts["target"])
    runner.forward()
    assert 1 == world.effects.count("target=made")
    runner.unwind(include_target=True)
    assert World().shape() == world.shape()


def test_a_step_that_raises_is_failed_with_its_text_and_goes_on_when_mended(journal: SqliteJournal) -> None:
    """The error is written and raised as it is; the same command then does the step again, as a second attempt."""
    world = World()
    error = PgcutoverError("the switch is stuck", hint="Push harder.")
    with pytest.raises(PgcutoverError) as caught:
        Runner([FLAG, replace(BROKEN, error=error)], journal, RUN, world).forward()
    failed = journal.events(RUN)[-1]
    assert caught.value is error
    assert (StepState.FAILED, "the switch is stuck (Push harder.)", 1) == (failed.state, failed.error, failed.attempt)
    Runner([FLAG, SWITCH], journal, RUN, world).forward()
    assert ("new", 2) == (world.facts["url"], journal.events(RUN)[-1].attempt)


def test_a_password_in_a_foreign_error_does_not_reach_the_journal(journal: SqliteJournal) -> None:
    """An error of somebody else's library is written with its class, its URL's password masked."""
    error = OSError("cannot reach db://u1:pa:ss@example.com:5432/d")
    with pytest.raises(OSError, match="cannot reach"):
        Runner([replace(BROKEN, error=error)], journal, RUN, World()).forward()
    assert "OSError: cannot reach db://u1:********@example.com:5432/d" == journal.events(RUN)[-1].error


def test_a_step_that_leaves_the_world_unchanged_is_failed(journal: SqliteJournal) -> None:
    """What do returned means nothing: the world is found absent, so the step is failed, with the finding."""
    with pytest.raises(PgcutoverError, match="step turn the switch was done, but the world is absent: url is old"):
        Runner([replace(BROKEN, leaves_out_do=True)], journal, RUN, World()).forward()
    failed = journal.events(RUN)[-1]
    assert (Move.FAIL, Verdict.ABSENT) == (failed.move, failed.finding and failed.finding.verdict)


def test_a_failed_step_found_whole_is_adopted(journal: SqliteJournal) -> None:
    """Someone did by hand what had failed: the step is adopted, and not done again."""
    world = World()
    runner = Runner([replace(BROKEN, error=PgcutoverError("stuck"))], journal, RUN, world)
    with pytest.raises(PgcutoverError):
        runner.forward()
    world.facts["url"] = "new"
    runner.forward()
    assert [Move.BEGIN, Move.FAIL, Move.ADOPT] == moves(journal, SWITCH.name)


def test_asking_the_world_on_resume_may_fail_and_be_tried_again(journal: SqliteJournal) -> None:
    """An error while a failed step is verified is written as a failure, and the run can still go on."""

    class Blind(Value):
        def verify(self, world: World, before: Before) -> Finding:
            raise PgcutoverError("cannot look")

    world = World()
    for _ in range(2):
        with pytest.raises(PgcutoverError, match="cannot look"):
            Runner([Blind("turn the switch", "url", "new")], journal, RUN, world).forward()
    Runner([SWITCH], journal, RUN, world).forward()
    assert [Move.BEGIN, Move.FAIL, Move.FAIL, Move.ADOPT] == moves(journal, SWITCH.name)


def test_an_observe_that_raises_leaves_the_step_waiting(journal: SqliteJournal) -> None:
    """Nothing was touched, so nothing is written."""

    class Blind(Value):
        def observe(self, world: World) -> Before:
            raise PgcutoverError("cannot look")

    with pytest.raises(PgcutoverError, match="cannot look"):
        Runner([Blind("turn the switch", "url", "new")], journal, RUN, World()).forward()
    assert () == journal.events(RUN)


def test_what_was_not_undone_is_an_error_and_can_be_undone_again(journal: SqliteJournal) -> None:
    """Unwinding demands ABSENT; else the step stays undoing, with the finding, until it is."""
    world = World()
    Runner([FLAG, SWITCH], journal, RUN, world).forward()
    with pytest.raises(NotUndoneError, match="still whole: url is new"):
        Runner([FLAG, replace(BROKEN, leaves_out_undo=True)], journal, RUN, world).unwind()
    runner = Runner([FLAG, SWITCH], journal, RUN, world)
    assert (StepState.UNDOING, StepState.DONE) == (runner.states()[SWITCH.name], runner.states()[FLAG.name])
    runner.unwind()
    assert World().shape() == world.shape()
    assert 2 == [event.attempt for event in journal.events(RUN) if event.move is Move.BEGIN_UNDO][1]


def test_an_undo_that_raises_stops_the_unwinding_there(journal: SqliteJournal) -> None:
    """The error is written and raised, and older steps are not undone over it."""
    world = World()
    Runner([FLAG, SWITCH], journal, RUN, world).forward()
    with pytest.raises(PgcutoverError, match="stuck"):
        Runner([FLAG, replace(BROKEN, error=PgcutoverError("stuck"))], journal, RUN, world).unwind()
    last = journal.events(RUN)[-1]
    assert (Move.FAIL_UNDO, "stuck", "on") == (last.move, last.error, world.facts["flag"])


def test_a_run_that_is_half_undone_cannot_go_forward(journal: SqliteJournal) -> None:
    """Going forward is refused before anything is asked or touched, also for the steps before."""
    world = World()
    Runner([FLAG, SWITCH], journal, RUN, world).forward()
    with pytest.raises(NotUndoneError):
        Runner([FLAG, replace(BROKEN, leaves_out_undo=True)], journal, RUN, world).unwind()
    events, passed = journal.events(RUN), list(world.fuse.passed)
    with pytest.raises(RefusedError, match="going back has begun and has not ended: turn the switch"):
        Runner([FLAG, SWITCH], journal, RUN, world).forward(until=FLAG.name)
    assert (events, passed) == (journal.events(RUN), world.fuse.passed)


def test_a_guard_is_asked_before_each_step_and_stops_the_run_untouched(journal: SqliteJournal) -> None:
    """Guards hear the step and the direction; when one raises, the step has not begun."""
    asked: list[tuple[str, Direction]] = []

    def guard(world: World, step: str, direction: Direction) -> None:
        asked.append((step, direction))
        if step == ROW.name and direction is Direction.FORWARD:
            raise ForeignReleaseError("somebody released v43")

    guards: list[Guard[World]] = [guard]
    world = World()
    runner = Runner(STEPS, journal, RUN, world, guards)
    with pytest.raises(ForeignReleaseError):
        runner.forward()
    assert (StepState.WAITING, EFFECTS[:2]) == (runner.states()[ROW.name], world.effects)
    runner.unwind()
    forward = [(name, Direction.FORWARD) for name in NAMES[:3]]
    assert [*forward, (FLAG.name, Direction.BACK)] == asked


def test_a_listener_hears_what_the_journal_already_holds(journal: SqliteJournal) -> None:
    """Started, failed, adopted, finished, undoing and undone are heard in order, each after it was written."""
    world, heard = World(), Heard(journal)
    broken = replace(BROKEN, error=PgcutoverError("stuck"))
    with pytest.raises(PgcutoverError):
        Runner([FLAG, broken], journal, RUN, world, listener=heard).forward()
    world.facts["url"] = "new"
    Runner([FLAG, broken], journal, RUN, world, listener=heard).forward()
    Runner([FLAG, SWITCH], journal, RUN, world, listener=heard).unwind()
    assert [
        ("started", FLAG.name),
        ("finished", FLAG.name),
        ("started", SWITCH.name),
        ("failed: stuck", SWITCH.name),
        ("adopted", SWITCH.name),
        ("undoing", SWITCH.name),
        ("undone", SWITCH.name),
        ("undoing", FLAG.name),
        ("undone", FLAG.name),
    ] == heard.calls


def test_a_plan_that_lacks_a_step_of_the_run_is_refused(journal: SqliteJournal) -> None:
    """Unwinding with another plan would leave behind what the missing step did."""
    world = World()
    Runner(STEPS, journal, RUN, world).forward()
    with pytest.raises(JournalError, match=f"not in this plan: {ROW.name}"):
        Runner([step for step in STEPS if step is not ROW], journal, RUN, world)


def test_two_steps_of_one_name_are_refused(journal: SqliteJournal) -> None:
    """The name is the key in the journal; two steps with one key could not be told apart."""
    with pytest.raises(JournalError, match="several steps named raise the flag"):
        Runner([FLAG, FLAG], journal, RUN, World())


def test_a_run_never_opened_is_refused(journal: SqliteJournal) -> None:
    """A mistyped run id does not begin a new history."""
    with pytest.raises(JournalError, match="run nonsense is not in the journal"):
        Runner(STEPS, journal, "nonsense", World())


def test_a_failure_that_the_journal_cannot_take_is_still_the_error_raised(journal: SqliteJournal) -> None:
    """When the journal fails while a failure is written, the step's own error comes out, with a note of both."""

    class Closing(Value):
        def do(self, world: World, before: Before) -> None:
            journal.close()
            raise PgcutoverError("the switch is stuck")

    with pytest.raises(PgcutoverError, match="the switch is stuck") as caught:
        Runner([Closing("turn the switch", "url", "new")], journal, RUN, World()).forward()
    assert ["this could not be written to the journal"] == [note.partition(":")[0] for note in caught.value.__notes__]
