"""Every fault of Heroku's API at every step on Heroku's side, there and back: each step ends in a state that it knows.

Whatever a fault does to a step, the step's own look at the world tells what is so, doing it once more makes it whole,
and undoing it takes everything away.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from local_heroku import KEY
from moving import QuickClock, World
from test_steps_on_heroku import APP, Stage, closing, stage, standing

from pgcutover.edges.heroku import HerokuClient
from pgcutover.errors import PgcutoverError, ReleaseFailedError
from pgcutover.facts.names import Secret
from pgcutover.running.step import Before, Step, Verdict
from pgcutover.steps.detach import Detach
from pgcutover.steps.lift import Lift
from pgcutover.steps.smoke import Smoke
from pgcutover.steps.switch import Switch

__all__ = ["stage"]

TIMEOUT_S = 2.0
"""Of the client, in place of half a minute; what hangs hangs longer."""
FAULTS: dict[str, dict[str, Any]] = {
    "429": {"kind": "status", "status": 429, "id": "rate_limit", "retry_after_s": 1},
    "500": {"kind": "status", "status": 500},
    "HTML and 200": {"kind": "html", "status": 200},
    "HTML and 502": {"kind": "html", "status": 502},
    "done, and 503": {"kind": "done_status"},
    "done, and cut": {"kind": "done_cut"},
    "late": {"kind": "hang_before", "seconds": TIMEOUT_S * 2},
    "done, and silent": {"kind": "hang_after", "seconds": TIMEOUT_S * 2},
}
NAMES = tuple(FAULTS)
METHODS = ("GET", "POST", "PATCH", "DELETE")


@pytest.fixture
def hurried(stage: Stage) -> Iterator[Stage]:
    """The stage with a client that does not wait long for an answer."""
    host = stage.seen.lab.base_url
    with HerokuClient(Secret(KEY), host=host, data_host="127.0.0.1", timeout_s=TIMEOUT_S) as heroku:
        yield replace(stage, world=replace(stage.world, heroku=heroku))


def steps_of(stage: Stage) -> tuple[Step[Any], ...]:
    return (
        *closing(stage),
        Detach(apps=stage.moves),
        Switch(apps=stage.moves),
        Smoke(apps=stage.moves, commands=((APP, "true"),)),
        Lift(apps=stage.moves),
    )


@contextmanager
def trouble(stage: Stage, name: str) -> Iterator[None]:
    """The next call of each method that the block sends meets the fault."""
    for method in METHODS:
        armed = stage.seen.api.post("/_lab/faults", json={"path": "^/(apps|addon)", "method": method, **FAULTS[name]})
        assert armed.is_success, armed.text
    yield
    stage.seen.api.delete("/_lab/faults")


def survives(step: Step[Any], stage: Stage, name: str) -> Before:
    """Done amid a fault, looked at, done again: whole."""
    world = stage.world
    before = step.observe(world)
    with trouble(stage, name):
        tried(lambda: step.do(world, before))
    assert step.verify(world, before).verdict in Verdict
    step.do(world, before)
    assert Verdict.WHOLE == step.verify(world, before).verdict, (step.name, name)
    return before


def returns(step: Step[Any], stage: Stage, name: str, before: Before) -> None:
    """Undone amid a fault, undone again: nothing of it is left."""
    with trouble(stage, name):
        tried(lambda: step.undo(stage.world, before))
    step.undo(stage.world, before)
    finding = step.verify(stage.world, before)
    assert finding.verdict == Verdict.ABSENT or finding.unchanged, (step.name, name, finding)


def tried(act: Any) -> None:
    """It ends well, or with an error that is foreseen: never as a bug."""
    try:
        act()
    except PgcutoverError as error:
        assert PgcutoverError.exit_code != error.exit_code, error


def there_and_back(stage: Stage, shift: int) -> None:
    """All steps of a move; each meets another fault, and on the way back the one after that."""
    before, done = stage.picture(), []
    for number, step in enumerate(steps_of(stage)):
        done.append((step, number, survives(step, stage, NAMES[(number + shift) % len(NAMES)])))
    for step, number, noted in reversed(done):
        returns(step, stage, NAMES[(number + shift + 1) % len(NAMES)], noted)
    assert before == stage.picture()


def test_steps_there_and_back_through_faults(hurried: Stage) -> None:
    """Every fault once, spread over the steps."""
    there_and_back(hurried, 0)


@pytest.mark.full
@pytest.mark.parametrize("shift", range(1, len(NAMES)))
def test_every_step_meets_every_fault(hurried: Stage, shift: int) -> None:
    """With the test above, each pair of step and fault, on both ways."""
    there_and_back(hurried, shift)


@dataclass
class LongClock(QuickClock):
    """A clock to which each wait is long: what a step does when its time is over is seen at once."""

    factor: float = field(default=200.0)

    def __post_init__(self) -> None:
        super().__init__()

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._now += seconds * (self.factor - 1)


@pytest.mark.parametrize(
    "number", [0, pytest.param(1, marks=pytest.mark.full), pytest.param(2, marks=pytest.mark.full)]
)
def test_a_release_that_hangs_is_given_up_and_gone_on_with(stage: Stage, number: int) -> None:
    """Switch, detach, keep-attachment: after the longest time the step is an error, the world is known, and once the
    release ends the same step is whole. Going back meets the same."""
    kept, detach = stage.kept[0], Detach(apps=stage.moves)
    switch = Switch(apps=stage.moves)
    step: Step[Any] = (switch, detach, kept)[number]
    under = {0: (*closing(stage), detach), 1: closing(stage), 2: ()}[number]
    with standing(stage, *under):
        noted = step.observe(stage.world)
        hanging(step, stage, lambda world: step.do(world, noted))
        step.do(stage.world, noted)
        assert Verdict.WHOLE == step.verify(stage.world, noted).verdict
        hanging(step, stage, lambda world: step.undo(world, noted))
        step.undo(stage.world, noted)
        assert Verdict.ABSENT == step.verify(stage.world, noted).verdict


def hanging(step: Step[Any], stage: Stage, act: Any) -> None:
    """No release ends while the block acts; then they do."""
    knobs = f"/_lab/apps/{APP}/knobs"
    stage.seen.api.patch(knobs, json={"releases_hang": True})
    impatient: World = replace(stage.world, clock=LongClock())
    with pytest.raises(ReleaseFailedError, match="still pending"):
        act(impatient)
    assert step.verify(stage.world, {}).verdict in Verdict
    stage.seen.api.patch(knobs, json={"releases_hang": False})
