"""A move and a rollback, in this process, that die once at every point of the journal of every real step.

Three points for a step: its intent is written and nothing touched; the world was touched and asked, and the answer is
not written; the answer is written. What stands between (amid a touch) is what the kills of test_kills.py are for.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from deaths import alive, moved, names, planned
from lab_driver import CONFIG, Lab

from pgcutover.app.cutover import Cutover
from pgcutover.app.people import Confirmation
from pgcutover.config import Surroundings, read_config
from pgcutover.edges.journal import SqliteJournal
from pgcutover.edges.progress import CopyProgress
from pgcutover.faces.documents import break_glass
from pgcutover.planning.plan import Plan
from pgcutover.running.journal import Event
from pgcutover.running.runner import SilentListener
from pgcutover.running.state import Move

pytestmark = pytest.mark.full

INTENTS = {Move.BEGIN: "begun", Move.BEGIN_UNDO: "undoing"}
ANSWERS = {Move.FINISH: "done", Move.ADOPT: "done", Move.FINISH_UNDO: "undone"}
FAILURES = {Move.FAIL, Move.FAIL_UNDO}


class Died(BaseException):
    """The power went: nothing of the program may catch it."""


@dataclass
class Fuse:
    """Dies at each point once, in the order in which they come."""

    passed: set[tuple[str, str]] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)

    def blow(self, step: str, point: str) -> None:
        if (step, point) not in self.passed:
            self.passed.add((step, point))
            raise Died(f"{step}: {point}")


class Doomed(SilentListener):
    """Dies right after the journal has an event."""

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse

    def started(self, event: Event) -> None:
        self._fuse.blow(event.step, INTENTS[event.move])

    def adopted(self, event: Event) -> None:
        self._fuse.blow(event.step, ANSWERS[event.move])

    def finished(self, event: Event, seconds: float) -> None:
        self._fuse.blow(event.step, ANSWERS[event.move])

    def undoing(self, event: Event) -> None:
        self._fuse.blow(event.step, INTENTS[event.move])

    def undone(self, event: Event, seconds: float) -> None:
        self._fuse.blow(event.step, ANSWERS[event.move])

    def failed(self, event: Event) -> None:
        self._fuse.failures.append(f"{event.step}: {event.error}")

    def know(self, plan: Plan, estimates: Mapping[str, float], /) -> None: ...

    def copying(self, source: Callable[[], CopyProgress | None], /) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def fuse(monkeypatch: pytest.MonkeyPatch) -> Fuse:
    """One that also dies right before an answer is written; an answer found on resuming was not written before."""
    fuse, append = Fuse(), SqliteJournal.append

    def doomed(self: SqliteJournal, run: str, step: str, move: Move, **rest: Any) -> Event:
        if move in (Move.FINISH, Move.FINISH_UNDO):
            fuse.blow(step, f"{ANSWERS[move]}, not written")
        return append(self, run, step, move, **rest)

    monkeypatch.setattr(SqliteJournal, "append", doomed)
    return fuse


@pytest.fixture
def lab(make_lab: Callable[[str], Lab], monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A lab whose lab.env is this process's environment."""
    lab = make_lab("matrix")
    for name, value in lab.environment.items():
        monkeypatch.setenv(name, value)
    yield lab


def lives(lab: Lab, fuse: Fuse, act: Callable[[Cutover], object], *, may_lack: bool = False) -> int:
    """A new process, as it were, after every death, until one comes to the end; how many died."""
    deaths = 0
    while True:
        config = read_config(lab.home / CONFIG, None, Surroundings.read())
        try:
            with Cutover(config, Doomed(fuse)) as cutover:
                act(cutover)
        except Died as death:
            deaths += 1
            print(f"{deaths}: {death}", flush=True)
            found = lab.check()
            assert 0 == found["doubled"], (str(death), found)
            # Going back after the lift leaves the new rows on RDS; only then may the old database lack some.
            assert may_lack or 0 == found["lost"], (str(death), found)
        else:
            return deaths


def agree(_: object) -> Confirmation:
    return Confirmation(agreed=True)


def test_every_point_of_a_move_and_of_its_way_back(lab: Lab, fuse: Fuse) -> None:
    """Dead once at every point, the move ends moved with nothing lost, the rollback with Heroku as it was."""
    steps = planned(lab)
    before = lab.world()
    deaths = lives(lab, fuse, lambda cutover: cutover.migrate(None, ask=agree, break_glass=break_glass))
    points = {(name, point) for name in names(steps) for point in ("begun", "done, not written", "done")}
    # A step that had nothing to do (no stray dyno to stop) is found whole at once when its first process died.
    assert points - fuse.passed <= {("stop-dynos", "done, not written")}
    assert len(fuse.passed) == deaths
    assert [] == fuse.failures
    assert "moved" == lab.json("status")["outcome"]
    moved(lab)

    fuse.passed.clear()
    deaths = lives(lab, fuse, lambda cutover: cutover.rollback(ask=agree), may_lack=True)
    mine = [step["name"] for step in steps if not step["keeps_target"]]
    points = {(name, point) for name in mine for point in ("undoing", "undone, not written", "undone")}
    assert (points, len(points)) == (fuse.passed, deaths)
    assert [] == fuse.failures
    assert "returned" == lab.json("status")["outcome"]
    assert before == lab.world()
    alive(lab, on="heroku")
