"""A production move on a day when everything goes wrong, and yet nothing is lost.

Nobody may confirm alone; the network breaks in the copy; others run pgcutover too; a colleague releases; Heroku answers
503; the smoke test fails. The run stops where it was told to stop, and goes on by the same command. Told once by the
fixture; each test says one thing that was seen.
"""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lab_driver import APP, Lab, Said, Watched
from meddler import meddling
from shared_lab import Shared

COLLEAGUE = "colleague@acme.example"
OWNER = "owner@acme.example"
REFUSED, NOT_CONFIRMED, CONFLICT, FOREIGN_RELEASE, SMOKE = 67, 69, 71, 72, 89
STOP = ("migrate", "--yes", "--on-failure", "stop")


@dataclass(frozen=True, kw_only=True)
class Day:
    """What the day showed."""

    said: dict[str, Said] = field(default_factory=dict)
    json: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def day(shared: Shared, session_directory: Path) -> Iterator[Day]:
    lab, works = shared.take(), session_directory / "the-application-works"
    lab.edit({"production = false": "production = true"})
    lab.edit({"python -m pgcutover.lab.application smoke": f"test -e {works}"})
    yield _day(lab, works)
    lab.config_var(DEPLOYED_BY=None)
    shared.give_back()


def _day(lab: Lab, works: Path) -> Day:
    day = Day(facts={"before": lab.world()})
    day.json["plan"] = lab.json("plan")
    code = _agree(lab, day)
    with lab.running(*STOP, "--code", code) as run:
        _copy_and_meddle(lab, day, run)
        day.said["foreign release"] = run.ended(code=FOREIGN_RELEASE)
    day.said["still foreign"] = lab.run(*STOP, code=FOREIGN_RELEASE)
    lab.heroku("POST", "/_lab/faults", {"kind": "status", "path": "config-vars$", "method": "PATCH"})
    lab.heroku("POST", "/_lab/faults", {"kind": "status", "path": "addon-attachments", "method": "DELETE"})
    accept = re.search(r"--accept-release (\S+?:v\d+)", day.said["foreign release"].stderr)
    assert accept
    day.facts["accepted"] = accept[1]
    day.said["smoke"] = lab.run(*STOP, "--code", code, "--accept-release", accept[1], code=SMOKE)
    day.json["stopped"] = lab.json("status")
    day.facts["closed"] = lab.world()
    day.facts["dynos"] = lab.heroku("GET", f"/apps/{APP}/dynos")
    _verdicts(lab, day)
    works.touch()
    day.said["moved"] = lab.run("migrate", "--yes", "--code", code)
    day.json["moved"] = lab.json("status")
    day.facts["ledger"] = lab.nothing_lost()
    day.said["back"] = lab.run("rollback", "--yes")
    return day


def _agree(lab: Lab, day: Day) -> str:
    """Try to confirm alone, in every way; returns the colleague's code."""
    lab.run("prepare")
    day.said["no code"] = lab.run("migrate", "--yes", code=NOT_CONFIRMED)
    day.said["own code"] = lab.run("migrate", "--yes", "--code", _code(lab, lab), code=NOT_CONFIRMED)
    with meddling(lab.environment["HEROKU_HOST"], {OWNER: COLLEAGUE}) as host:
        code = _code(lab, lab.at("colleague").with_(HEROKU_HOST=host))
    wrong = code[:-1] + ("0" if code[-1] != "0" else "1")
    day.said["wrong code"] = lab.run("migrate", "--yes", "--code", wrong, code=NOT_CONFIRMED)
    day.facts["open before the code"] = lab.world()[APP]["maintenance"] is False
    return code


def _code(lab: Lab, person: Lab) -> str:
    """What `plan --code` shows to a person who was sent the plan."""
    (newest,) = sorted((lab.state / "plans").glob("*.json"))[-1:]
    plan = Path(shutil.copy(newest, person.home / "plan-to-look-at.json"))
    shown = person.json("plan", "--code", "--plan", str(plan))
    return f"{shown['name']}:{shown['code']}"


def _copy_and_meddle(lab: Lab, day: Day, run: Watched) -> None:
    instance = f"instances/{APP}/network"
    run.begun("copy")
    lab.rds(f"{instance}/cut-after", {"bytes": 500_000})
    day.facts["tried again"] = run.until(r" copy \(try 2\): ")
    lab.rds(f"{instance}/stall")
    day.json["during"] = lab.json("status")
    day.said["same directory"] = lab.run("migrate", "--yes", code=CONFLICT)
    other = lab.at("other-laptop")
    other.run("plan")
    day.said["other directory"] = other.run("prepare", code=CONFLICT)
    lab.heroku("POST", f"/_lab/apps/{APP}/scheduler", {"command": "sleep 600"})
    lab.config_var(DEPLOYED_BY="somebody")
    lab.rds(f"{instance}/resume")


def _verdicts(lab: Lab, day: Day) -> None:
    """verify: the same, different, could not verify."""
    target = day.json["plan"]["plan"]["decisions"]["target"]
    day.json["same"] = lab.json("verify", code=(0, 1))
    with lab.target(target["database"]) as session:
        session.execute("SET default_transaction_read_only = off")
        (token,) = session.execute("SELECT token FROM ledger_entries ORDER BY token LIMIT 1").fetchone() or ("",)
        session.execute("UPDATE ledger_entries SET version = version + 1000 WHERE token = %s", [token])
        day.json["different"] = lab.json("verify", code=2)
        session.execute("UPDATE ledger_entries SET version = version - 1000 WHERE token = %s", [token])
    lab.rds(f"instances/{APP}/network/refuse")
    day.json["could not"] = lab.json("verify", code=3)
    lab.rds(f"instances/{APP}/network/accept")


def test_a_production_plan_wants_two_people(day: Day) -> None:
    """Without a code, with one's own, with a wrong one nothing is closed; both names are journalled."""
    for attempt in ("no code", "own code", "wrong code"):
        assert "code" in day.said[attempt].stderr, attempt
    assert "is your own" in day.said["own code"].stderr
    assert day.facts["open before the code"]
    confirmed = [line for line in day.json["moved"]["people"] if "confirmed the fence" in line]
    assert 1 == len(confirmed)
    assert f"{OWNER} (--yes) and {COLLEAGUE}" in confirmed[0]


def test_a_cut_network_is_tried_again(day: Day) -> None:
    """The copy goes on by itself after its connections were reset, and its rows are there once."""
    assert day.facts["tried again"]
    assert (0, 0) == (day.facts["ledger"]["lost"], day.facts["ledger"]["doubled"])


def test_a_second_runner_is_kept_out(day: Day) -> None:
    """The journal's lock keeps out who works in the same directory, the source's lock who works elsewhere."""
    assert "moving" == day.json["during"]["outcome"]
    assert OWNER in day.said["other directory"].stderr
    assert day.said["same directory"].stderr.strip()


def test_a_release_that_we_did_not_make_stops_the_run(day: Day) -> None:
    """It stops before its next move, again and again, until a person lets that very release stand."""
    for attempt in ("foreign release", "still foreign"):
        assert day.facts["accepted"].partition(":")[2] in day.said[attempt].stderr
        assert "finish: " not in day.said[attempt].stderr
    assert "finish: " in day.said["smoke"].stderr
    assert any(day.facts["accepted"].partition(":")[2] in line for line in day.json["moved"]["people"])


def test_stopped_means_closed(day: Day) -> None:
    """With --on-failure stop the application stays closed, Scheduler's dyno too; the message says on and back."""
    assert "stopped" == day.json["stopped"]["outcome"]
    closed = day.facts["closed"][APP]
    assert closed["maintenance"]
    assert {0} == {process["quantity"] for process in closed["formation"].values()}
    assert not [dyno["name"] for dyno in day.facts["dynos"] if dyno["type"] != "web"]
    for way in ("pgcutover migrate", "pgcutover rollback"):
        assert way in day.said["smoke"].stderr


def test_heroku_may_answer_503(day: Day) -> None:
    """A change that Heroku did not take is tried again by itself."""
    for step in ("detach", "switch"):
        assert f"{step} (try 2)" in day.said["smoke"].stderr


def test_verify_has_three_answers(day: Day) -> None:
    """0 or 1 the same, or but for what decides nothing; 2 different, and where; 3 a database could not be asked."""
    assert ("same", "warnings")[day.json["same"]["exit_code"]] == day.json["same"]["verdict"]
    assert all(table["equal"] for table in day.json["same"]["tables"])
    assert ["public.ledger_entries"] == [t["table"] for t in day.json["different"]["tables"] if not t["equal"]]
    assert "could not verify" == day.json["could not"]["verdict"]


def test_the_same_command_goes_on(day: Day) -> None:
    """Mended, the same command finishes the move: nothing lost."""
    assert "moved" == day.json["moved"]["outcome"]
    assert "copy: " not in day.said["moved"].stderr
    assert "rds" == day.facts["ledger"]["apps"][APP]["database"]


def test_going_back_names_what_others_changed(day: Day) -> None:
    """What differs from before is the colleague's release, and it is said."""
    assert "DEPLOYED_BY" in day.said["back"].stdout
