"""A whole move while Heroku and AWS misbehave: the same command again ends it, nothing is lost, nothing is done twice.

One move has as many faults as fit; `--full` gives each kind a move of its own.
"""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from driver import Outcome, Result, Told
from lab_driver import APP, POLL_S, Lab, Watched

from pgcutover import errors

STOP = ("migrate", "--yes", "--on-failure", "stop")
AGAIN, AGAIN_AT_EVERY_STEP = 5, 20
CLEAR = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type)} - {errors.PgcutoverError.exit_code}
CONFIG, FORMATION, ATTACH, APPS, DYNOS = "config-vars$", "/formation$", "addon-attachments", f"/apps/{APP}$", "/dynos$"

ANY = "^/(apps|addon|account|client|postgres)"
BEGUN = re.compile(r"(?m)^\S+ ([\w-]+)(?: \(try \d+\))?: ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is armed before each command. `knobs` are turned for migrate alone, and `amid` happens in its `step`."""

    name: str
    heroku: tuple[dict[str, Any], ...] = ()
    rds: dict[str, Any] = field(default_factory=dict)
    knobs: dict[str, Any] = field(default_factory=dict)
    step: str = ""
    amid: Callable[[Lab], None] = lambda _: None


def rotate(lab: Lab) -> None:
    """Heroku gives the old database a new password, and ends everybody's sessions."""
    lab.heroku("POST", f"/postgres/v0/databases/{lab.addon}/credentials/default/credentials_rotation", {})


def stray(lab: Lab) -> None:
    """Scheduler starts a dyno in the middle."""
    lab.heroku("POST", f"/_lab/apps/{APP}/scheduler", {"command": "sleep 600"})


def rotate_and_stray(lab: Lab) -> None:
    rotate(lab)
    stray(lab)


def unhang(lab: Lab) -> None:
    """A release that hung goes on after a while."""
    time.sleep(5)
    lab.knob(releases_hang=False)


def fault(kind: str, path: str, method: str | None, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "path": path, "method": method, **more}


TROUBLES = (
    Trouble(
        name="Heroku: 429 with Retry-After",
        heroku=tuple(
            fault("status", path, method, status=429, id="rate_limit", retry_after_s=1, times=2)
            for path, method in ((CONFIG, "GET"), (CONFIG, "PATCH"), (FORMATION, "PATCH"), ("/releases", "GET"))
        ),
    ),
    Trouble(
        name="Heroku: 500",
        heroku=tuple(
            fault("status", path, method, status=500, times=2)
            for path, method in ((CONFIG, "GET"), (CONFIG, "PATCH"), (FORMATION, "PATCH"), (ATTACH, "DELETE"))
        ),
    ),
    Trouble(
        name="Heroku: HTML",
        heroku=tuple(
            fault("html", path, method, status=status, times=2)
            for path, method, status in ((CONFIG, "GET", 200), (CONFIG, "PATCH", 502), (APPS, "PATCH", 200))
        ),
    ),
    Trouble(
        name="Heroku: done, and 503",
        heroku=tuple(
            fault("done_status", path, method)
            for path, method in ((CONFIG, "PATCH"), (FORMATION, "PATCH"), (ATTACH, "POST"), (ATTACH, "DELETE"))
        ),
    ),
    Trouble(
        name="Heroku: done, and cut",
        heroku=tuple(
            fault("done_cut", path, method)
            for path, method in ((CONFIG, "PATCH"), (APPS, "PATCH"), (ATTACH, "DELETE"), (DYNOS, "POST"))
        ),
    ),
    Trouble(
        name="Heroku: silent",
        heroku=(
            fault("hang_after", CONFIG, "PATCH", seconds=40),
            fault("hang_before", FORMATION, "GET", seconds=40),
        ),
    ),
    Trouble(name="Heroku: a dyno will not stop", knobs={"stops_ignored": 5}, step="fence", amid=stray),
    Trouble(name="Heroku: a release hangs", knobs={"releases_hang": True}, step="detach", amid=unhang),
    Trouble(name="Heroku: password rotated amid the copy", step="copy", amid=rotate),
    Trouble(name="Heroku: password rotated amid the proof", step="verify", amid=rotate),
    Trouble(name="RDS: throttled", rds={"throttle_calls": 12}),
    Trouble(name="RDS: 500 in HTML", rds={"html_500_calls": 6}),
    Trouble(
        name="RDS: done, and 503",
        rds={
            "lose_next": [
                {"action": action, "how": "status"}
                for action in ("CreateDBInstance", "CreateDBParameterGroup", "ModifyDBInstance", "CreateSecret")
            ]
        },
    ),
    Trouble(
        name="RDS: done, and cut",
        rds={
            "lose_next": [
                {"action": action, "how": "cut"}
                for action in ("CreateDBInstance", "ModifyDBParameterGroup", "RebootDBInstance", "CreateSecurityGroup")
            ]
        },
    ),
    Trouble(
        name="RDS: done, and HTML",
        rds={
            "lose_next": [
                {"action": action, "how": "html"}
                for action in ("CreateDBInstance", "ModifyDBInstance", "CreateDBSubnetGroup", "DescribeDBInstances")
            ]
        },
    ),
)
TOGETHER = Trouble(
    name="everything at once",
    heroku=(
        fault("status", CONFIG, "GET", status=429, id="rate_limit", retry_after_s=1),
        fault("html", FORMATION, "GET", status=200),
        fault("done_cut", APPS, "PATCH"),
        fault("done_status", ATTACH, "POST"),
        fault("done_status", FORMATION, "PATCH"),
        fault("done_cut", CONFIG, "PATCH"),
    ),
    rds={
        "throttle_calls": 2,
        "html_500_calls": 2,
        "lose_next": [
            {"action": "CreateDBInstance", "how": "status"},
            {"action": "ModifyDBInstance", "how": "cut"},
        ],
    },
    knobs={"stops_ignored": 2},
    step="copy",
    amid=rotate_and_stray,
)


@pytest.fixture
def lab(make_lab: Callable[[str], Lab], request: pytest.FixtureRequest) -> Iterator[Lab]:
    yield make_lab(f"trouble-{abs(hash(request.node.name)) % 10**8}")


def moved_through(lab: Lab, trouble: Trouble) -> tuple[Told, ...]:
    """The move, disturbed; every command as it ended."""
    lab.run("plan")
    told = []
    _arm(lab, trouble)
    while not told or (told[-1].code and len(told) < AGAIN):
        with lab.running("prepare") as run:
            told.append(_ended(run))
    assert 0 == told[-1].code, told[-1].said
    _arm(lab, trouble)
    if trouble.knobs:
        lab.knob(**trouble.knobs)
    for attempt in range(AGAIN):
        with lab.running(*STOP) as run:
            if not attempt and trouble.step and run.until(rf"(?m)^\S+ {trouble.step}( \(try \d+\))?: "):
                trouble.amid(lab)
            told.append(_ended(run))
        if not told[-1].code:
            break
    return tuple(told)


def _arm(lab: Lab, trouble: Trouble) -> None:
    lab.heroku("DELETE", "/_lab/faults")
    if trouble.rds:
        lab.rds("knobs", trouble.rds)
    for each in trouble.heroku:
        lab.heroku("POST", "/_lab/faults", each)


def _ended(run: Watched) -> Told:
    return Told(code=run.process.wait(600), said=run.output + run.errors)


def strike(lab: Lab, results: list[Result], name: str, told: tuple[Told, ...]) -> None:
    said = "\n---\n".join(t.said[-3000:] for t in told)
    unclear = [t.code for t in told if t.code and (t.code not in CLEAR or "Traceback" in t.said)]
    lab.heroku("DELETE", "/_lab/faults")
    found = lab.check()
    kept = (0, 0) == (found["lost"], found["doubled"])
    outcome = Outcome.LOST if not kept else Outcome.UNCLEAR if unclear or told[-1].code else Outcome.SURVIVED
    results.append(Result(fault=name, seed=0, moment="", struck=True, outcome=outcome, attempts=told))
    assert Outcome.SURVIVED == outcome, f"{[t.code for t in told]} {found}\n{said}"
    assert "rds" == found["apps"][APP]["database"]
    assert [APP] == [each["name"] for each in lab.rds("instances")]
    with lab.running("verify") as run:
        assert run.process.wait(300) in (0, 1), run.output
    lab.nothing_lost()


def test_a_move_through_everything_at_once(lab: Lab, results: list[Result]) -> None:
    """Answers late, lost, broken or refused, a rotated password, a dyno that stays: the move comes to its end."""
    strike(lab, results, TOGETHER.name, moved_through(lab, TOGETHER))


@pytest.mark.full
@pytest.mark.parametrize("name", [trouble.name for trouble in TROUBLES])
def test_a_move_through_each_trouble(lab: Lab, results: list[Result], name: str) -> None:
    """The same, one kind of trouble at a time."""
    strike(lab, results, name, moved_through(lab, next(t for t in TROUBLES if t.name == name)))


def heroku_says(kind: str, **more: Any) -> Callable[[Lab], None]:
    return lambda lab: lab.heroku("POST", "/_lab/faults", fault(kind, **{"path": ANY, "method": None, **more}))


def aws_says(**knobs: Any) -> Callable[[Lab], None]:
    return lambda lab: lab.rds("knobs", knobs)


AT_EVERY_STEP: dict[str, Callable[[Lab], None]] = {
    "Heroku: 429": heroku_says("status", status=429, id="rate_limit", retry_after_s=1, times=2),
    "Heroku: 500": heroku_says("status", status=500, times=2),
    "Heroku: HTML": heroku_says("html", status=200, times=2),
    "Heroku: a change done, and cut": heroku_says("done_cut", method="PATCH"),
    "Heroku: a change done, and silent": heroku_says("hang_after", method="PATCH", seconds=40),
    "AWS: throttled": aws_says(throttle_calls=3),
    "AWS: 500 in HTML": aws_says(html_500_calls=3),
}


def dogged(lab: Lab, arm: Callable[[Lab], None]) -> tuple[Told, ...]:
    """The move; whenever another step begins, the trouble is armed anew."""
    lab.run("plan")
    told: list[Told] = []
    while not told or (told[-1].code and len(told) < AGAIN_AT_EVERY_STEP):
        with lab.running(*STOP) as run:
            armed_at: set[str] = set()
            while run.process.poll() is None:
                begun = set(BEGUN.findall(run.errors))
                if begun - armed_at:
                    lab.heroku("DELETE", "/_lab/faults")
                    arm(lab)
                    armed_at |= begun
                time.sleep(POLL_S)
            told.append(_ended(run))
    return tuple(told)


@pytest.mark.full
@pytest.mark.parametrize("name", AT_EVERY_STEP)
def test_a_move_through_one_trouble_at_every_step(lab: Lab, results: list[Result], name: str) -> None:
    """The same, and every step from prepare to aftercare meets the trouble anew."""
    strike(lab, results, f"{name}, at every step", dogged(lab, AT_EVERY_STEP[name]))
