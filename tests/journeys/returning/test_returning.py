"""Before the lift everything goes back by itself, or waits for a person: nothing lost, Heroku as it was."""

import os
import signal
import time
from contextlib import closing
from typing import Any

from lab_driver import APP, Lab

NOT_CONFIRMED, RELEASE_FAILED, SMOKE, INTERRUPTED = 69, 85, 89, 130
SMOKE_COMMAND = 'smoke = "python -m pgcutover.lab.application smoke"'
ON_THE_NEW_ONE = 'case "$DATABASE_URL" in *acme_api_app*) echo "no such column"; exit 3;; *) exit 0;; esac'


def back_as_before(lab: Lab, before: dict[str, Any]) -> None:
    """Heroku is as it was, nothing is lost, and whoever wrote to the old database writes again."""
    assert before == lab.world()
    returned = lab.nothing_lost()
    assert "heroku" == returned["apps"][APP]["database"]
    deadline = time.monotonic() + 90
    while True:
        later = lab.nothing_lost()
        stray = later["stray"]["acknowledged"] > returned["stray"]["acknowledged"]
        if stray and later["acknowledged"] > returned["acknowledged"] + 5:
            return
        assert time.monotonic() < deadline, (returned, later)
        time.sleep(0.2)


def test_a_smoke_test_that_fails_takes_everything_back(lab: Lab) -> None:
    """The application's own verdict decides: everything goes back by itself, and the message says both."""
    lab.edit({SMOKE_COMMAND: "smoke = \"echo 'orders are missing'; exit 7\""})
    before = lab.world()
    lab.run("plan")
    said = lab.run("migrate", "--yes", code=SMOKE).stderr
    assert "ended with status 7" in said
    assert "orders are missing" in said
    assert "Everything went back" in " ".join(said.split())
    assert "POINT OF NO RETURN" not in said
    status = lab.json("status")
    assert ("returned", []) == (status["outcome"], status["salvaged"])
    back_as_before(lab, before)


def interrupted(lab: Lab) -> None:
    """A person presses Ctrl-C amid the copy: all its processes hear that, none shows a traceback, nothing goes back."""
    with lab.running("migrate", "--yes") as run:
        run.begun("copy")
        os.killpg(run.process.pid, signal.SIGINT)
        said = run.ended(code=INTERRUPTED).stderr
    assert "Traceback" not in said
    assert "same command again" in said
    assert "undoing" not in said
    assert lab.check()["apps"][APP]["maintenance"]


def test_a_release_phase_that_fails_in_the_switch_waits_when_told_to(lab: Lab) -> None:
    """With --on-failure stop, as after Ctrl-C, the application stays closed; rollback opens it on the old database."""
    lab.heroku("PUT", f"/_lab/apps/{APP}/processes/release", {"command": ON_THE_NEW_ONE})
    before = lab.world()
    lab.run("plan")
    interrupted(lab)
    said = lab.run("migrate", "--yes", "--on-failure", "stop", code=RELEASE_FAILED).stderr
    assert "heroku releases:output v" in said
    assert "pgcutover rollback" in said
    stopped = lab.check()
    assert (True, "stopped") == (stopped["apps"][APP]["maintenance"], lab.json("status")["outcome"])
    lab.run("rollback", code=NOT_CONFIRMED)
    assert stopped["acknowledged"] == lab.check()["acknowledged"]
    back = lab.run("rollback", "--yes").stdout
    assert "the same" in " ".join(back.split())
    back_as_before(lab, before)


def test_destroy_is_the_only_way_to_delete_an_instance(lab: Lab) -> None:
    """After a return the instance stays until its name is typed; a final snapshot stays; a new try makes it anew."""
    lab.run("plan")
    lab.run("prepare")
    lab.run("rollback", "--yes")
    assert [APP] == [each["name"] for each in lab.rds("instances")]
    lab.run("destroy", "--target", "acme", "--yes", code=NOT_CONFIRMED)
    assert [APP] == [each["name"] for each in lab.rds("instances")]
    gone = lab.run("destroy", "--target", APP, "--yes").stdout
    assert [] == lab.rds("instances")
    with closing(lab.aws("rds")) as rds:
        snapshots = [each["DBSnapshotIdentifier"] for each in rds.describe_db_snapshots()["DBSnapshots"]]
    assert [name for name in snapshots if name in gone]
    lab.run("plan")
    assert "prepared" == lab.json("prepare")["outcome"]
