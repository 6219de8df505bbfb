"""FIRST-NIGHT.md says of this very move what to watch, and its commands can be typed as they stand."""

import shlex
from dataclasses import replace
from typing import Any

import pytest
import story

from pgcutover.faces.first_night import MEANINGS, first_night
from pgcutover.planning.alarms import alarms_for
from pgcutover.planning.plan import Plan
from pgcutover.planning.sizing import class_facts
from pgcutover.planning.target import ReplicaPlan

REPLICA = ReplicaPlan(
    identifier="acme-api-replica",
    instance_class="db.m7g.large",
    parameter_group="acme-api-replica-postgres18",
    parameters=(),
    made="before-load",
)
TOPIC = "arn:aws:sns:eu-west-1:123456789012:night"


def plan(**target: Any) -> Plan:
    made = story.plan()
    decisions = made.decisions
    changed = decisions.model_copy(update={"target": decisions.target.model_copy(update=target)})
    return made.model_copy(update={"decisions": changed})


def watched(*, replica: ReplicaPlan | None, topic: str = "") -> Plan:
    size = class_facts("db.m7g.large")
    alarms = alarms_for(
        instance="acme-api",
        primary=size,
        replica=replica.identifier if replica else "",
        replica_class=size if replica else None,
        storage_gb=120,
    )
    return plan(replica=replica, alarms=tuple(replace(alarm, topic=topic) for alarm in alarms))


@pytest.mark.parametrize("replica", [None, REPLICA])
def test_every_alarm_is_explained_with_its_threshold(replica: ReplicaPlan | None) -> None:
    """What goes off is what the plan set, and nothing goes off that the paper does not explain."""
    made = watched(replica=replica)
    text = first_night(made)
    rows = [line for line in text.splitlines() if line.startswith("| `acme-api")]
    alarms = made.decisions.target.alarms
    assert [alarm.name for alarm in alarms] == [row.split("`")[1] for row in rows]
    assert {alarm.metric for alarm in alarms} <= MEANINGS.keys()
    assert "| `acme-api-CPUUtilization` | above 90 % |" in text
    assert (replica is not None) == ("conflict with recovery" in text)


def test_who_is_told_is_said_also_when_it_is_nobody() -> None:
    """An alarm that nobody hears is told as one."""
    assert f"Somebody gets what `{TOPIC}` sends" in first_night(watched(replica=None, topic=TOPIC))
    assert "told to nobody" in first_night(watched(replica=None))
    assert "No alarm is set" in first_night(plan(alarms=()))


def test_its_commands_are_whole_and_hold_no_secret() -> None:
    """One command a line, quoted so that a shell passes it on as it is."""
    text = first_night(watched(replica=REPLICA))
    commands = text.partition("```sh\n")[2].partition("```")[0].splitlines()
    words = [shlex.split(command) for command in commands]
    assert {"heroku", "aws"} == {command[0] for command in words}
    asked = [command[-1] for command in words if command[:2] == ["heroku", "run"]]
    assert all(shlex.split(one)[:2] == ["psql", "$DATABASE_URL"] for one in asked)
    assert any("pg_replication_slots" in one for one in asked)
    assert "password" not in text.lower()
