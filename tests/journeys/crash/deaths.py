"""How the processes of a move die, and what must be true of a lab afterwards."""

import random
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lab_driver import APP, LIMIT_S, Lab

MIGRATE = ("migrate", "--yes")
ROLLBACK = ("rollback", "--yes")
LATEST_S = 0.7
UNDER_WAY = {"preparing", "prepared", "moving", "stopped", "lifted", "moved", "returning", "returned"}
UNTOUCHED = {"preparing", "prepared", "returned"}
"""What status may say only while the application is open on the old database."""
ALIVE_WITHIN_S = 90


@dataclass(frozen=True, kw_only=True)
class Moment:
    """So many seconds after the first of these steps has begun."""

    steps: tuple[str, ...]
    delay_s: float

    def __str__(self) -> str:
        return f"{self.delay_s:.2f} s after {self.steps[0]}"


def moments(steps: Sequence[str], count: int, *, seed: int) -> list[Moment]:
    """Seeded and spread over the steps. A step that was passed meanwhile is stood in for by the next one."""
    chance = random.Random(seed)
    chosen = sorted(chance.sample(range(len(steps)), count))
    return [Moment(steps=tuple(steps[number:]), delay_s=chance.uniform(0, LATEST_S)) for number in chosen]


def killed(lab: Lab, words: tuple[str, ...], moment: Moment) -> bool:
    """Run a command and kill it and its children at that moment; False when it came to its good end before."""
    names = "|".join(map(re.escape, moment.steps))
    with lab.running(*words) as run:
        if run.until(rf"(?m)^\S+ (undoing )?({names})( \(try \d+\))?: "):
            time.sleep(moment.delay_s)
        if run.process.poll() is None:
            run.kill()
        died = run.process.returncode < 0
    said = lab.history[-1]
    assert died or said.returncode == 0, f"{words} was to be killed {moment}:\n{said.stdout}\n{said.stderr}"
    return died


def readable_status(lab: Lab) -> str:
    """What status says of a dead process's run, which must not contradict the world; 0 are lost at any moment."""
    outcome: str = lab.json("status")["outcome"]
    assert outcome in UNDER_WAY
    found = lab.verdict()
    assert (0, 0) == (found["lost"], found["doubled"]), found
    app = found["apps"][APP]
    if outcome in UNTOUCHED:
        assert (False, "heroku") == (app["maintenance"], app["database"]), outcome
    return outcome


def moved(lab: Lab) -> None:
    """The application writes to RDS, both databases hold the same, and nothing was lost."""
    with lab.running("verify") as run:
        assert run.process.wait(LIMIT_S) in (0, 1), run.output + run.errors
    lab.nothing_lost()
    alive(lab, on="rds")
    lab.nothing_lost()


def alive(lab: Lab, *, on: str) -> None:
    """The application is open on that database, and writes are acknowledged there."""
    before = lab.check()
    app = before["apps"][APP]
    assert (on, False) == (app["database"], app["maintenance"])
    deadline = time.monotonic() + ALIVE_WITHIN_S
    while lab.check()["acknowledged"] == before["acknowledged"]:
        assert time.monotonic() < deadline, "no write was acknowledged"
        time.sleep(0.5)


def planned(lab: Lab) -> list[dict[str, Any]]:
    """A new plan; its steps."""
    steps: list[dict[str, Any]] = lab.json("plan")["plan"]["steps"]
    return steps


def names(steps: Iterable[dict[str, Any]], *phases: str) -> list[str]:
    return [step["name"] for step in steps if not phases or step["phase"] in phases]
