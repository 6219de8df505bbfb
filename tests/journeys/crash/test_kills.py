"""The real process and all its children are killed at seeded random moments; the same command goes on.

Where a step lasts longer than the delay, the death falls into its middle; else anywhere in the steps after it.
"""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from deaths import MIGRATE, ROLLBACK, alive, killed, moments, moved, names, planned, readable_status
from lab_driver import Lab

SPEED = 100.0
KILLS = 5
ROLLBACK_KILLS = 2


@pytest.fixture
def own_lab(session_directory: Path) -> Iterator[Lab]:
    """A lab for one move: going back after the lift leaves rows on RDS, and the next verdict would count them."""
    lab = Lab.up(Path(tempfile.mkdtemp(prefix="kills-", dir=session_directory)), speed=SPEED)
    yield lab
    lab.down()


def kill_and_go_on(lab: Lab, seed: int) -> None:
    deaths = 0
    for moment in moments(names(planned(lab)), KILLS, seed=seed):
        if not killed(lab, MIGRATE, moment):
            break
        deaths += 1
        print(f"seed {seed}: killed {moment}: {readable_status(lab)}")
    assert deaths >= KILLS - 1, "the move was over too early to be killed so often"
    lab.run(*MIGRATE)
    assert "moved" == lab.json("status")["outcome"]
    moved(lab)


def test_a_move_killed_five_times_ends_as_if_it_never_was(own_lab: Lab) -> None:
    """Killed at five moments and started again each time, the move ends, verified, with no write lost or doubled."""
    kill_and_go_on(own_lab, seed=1)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(2, 6))
def test_moves_killed_twenty_times_end_as_if_they_never_were(own_lab: Lab, seed: int) -> None:
    """Twenty more moments over four moves, each from a world of its own: nothing is ever lost."""
    kill_and_go_on(own_lab, seed)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(2, 5))])
def test_a_rollback_killed_twice_leaves_heroku_as_it_was(lab: Lab, seed: int) -> None:
    """A move killed before the lift and a rollback killed twice: Heroku is as before, the old database writable."""
    steps = planned(lab)
    before = lab.world()
    # The last two steps before the lift are left out: a delay after them would lead past it.
    closed = names(steps, "fence", "copy", "switch")[:-2]
    (moment,) = moments(closed, 1, seed=seed)
    assert killed(lab, MIGRATE, moment)
    print(f"seed {seed}: killed {moment}: {readable_status(lab)}")
    states = {step["name"]: step["state"] for step in lab.json("status")["steps"]}
    touched = [s["name"] for s in reversed(steps) if not s["keeps_target"] and states[s["name"]] != "waiting"]
    for death in moments(touched, min(ROLLBACK_KILLS, len(touched)), seed=random.Random(seed).randrange(1000)):
        if not killed(lab, ROLLBACK, death):
            break
        outcome = readable_status(lab)
        print(f"seed {seed}: rollback killed {death}: {outcome}")
        if outcome == "returned":
            break
    if lab.json("status")["outcome"] != "returned":
        lab.run(*ROLLBACK)
    assert "returned" == lab.json("status")["outcome"]
    assert before == lab.world()
    lab.nothing_lost()
    alive(lab, on="heroku")
    lab.nothing_lost()
