"""`pgcutover probe` in a lab: it passes, it fails loudly when the lab is changed underneath, and leaves nothing."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab_driver import Lab

from pgcutover.lab import world
from pgcutover.lab.heroku.state import estate_file
from pgcutover.lab.layout import LabLayout

SPEED = 40.0
"""Slow enough that states which RDS leaves after some seconds are seen by a command on a busy machine."""
PROBE, REFUSED, NOT_CONFIRMED = 95, 67, 69
NAME = re.compile(r"pgcutover-probe-[0-9a-f]{8}")


@pytest.fixture(scope="module")
def probe_lab(session_directory: Path) -> Iterator[Lab]:
    """With the rights on AWS that pgcutover rights asks for a probe, and no more."""
    lab = Lab.up(session_directory / "probe", speed=SPEED)
    yield lab.limited("probe")
    lab.down()


@pytest.fixture
def unchanged(probe_lab: Lab) -> Iterator[Lab]:
    """The lab, from an empty directory; afterwards both sides are as before, or the test fails."""
    before = both_sides(probe_lab)
    yield probe_lab.at("probe", config=False)
    assert before == both_sides(probe_lab)


def both_sides(lab: Lab) -> dict[str, Any]:
    with lab.source() as session:
        databases = session.execute("SELECT datname FROM pg_database ORDER BY 1").fetchall()
        roles = session.execute("SELECT rolname FROM pg_roles ORDER BY 1").fetchall()
    rds, ec2 = lab.aws("rds"), lab.aws("ec2")
    try:
        return {
            "heroku": lab.world(),
            "databases": databases,
            "roles": roles,
            "instances": [one["name"] for one in lab.rds("instances")],
            "parameter groups": {
                one["DBParameterGroupName"] for one in rds.describe_db_parameter_groups()["DBParameterGroups"]
            },
            "subnet groups": {one["DBSubnetGroupName"] for one in rds.describe_db_subnet_groups()["DBSubnetGroups"]},
            "security groups": {one["GroupName"] for one in ec2.describe_security_groups()["SecurityGroups"]},
        }
    finally:
        rds.close()
        ec2.close()


def by_verdict(done: Any) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for finding in done["findings"]:
        found.setdefault(finding["verdict"], set()).add(finding["number"])
    return found


def test_the_lab_is_as_predicted(unchanged: Lab) -> None:
    """Every number that can be looked at is as predicted; what was asked is written down without a secret."""
    done = unchanged.json("probe", "--yes")
    assert {"as predicted", "cannot be seen"} == set(by_verdict(done)), done["findings"]
    assert {
        "H6",
        "H7",
        "L11",
        "L15",
        "L16",
        "L17",
        "A4",
        "A5",
        "A6",
        "A7",
        *(f"A{n}" for n in range(20, 28)),
    } == by_verdict(done)["cannot be seen"]
    assert done["removed"]
    transcript = Path(done["transcript"])
    assert 0o600 == transcript.stat().st_mode & 0o777
    assert [transcript] == list(transcript.parent.iterdir())
    text = transcript.read_text()
    assert {"heroku", "aws", "probe"} == {json.loads(line)["system"] for line in text.splitlines()}
    assert [] == [secret for secret in secrets_of(unchanged) if secret in text]
    assert set() == set(re.findall(r"postgres://(?!\*)\S+", text))
    assert {finding["number"]: finding["verdict"] for finding in done["findings"] if finding["seen"]} == {
        line["what"]: line["answer"]["verdict"]
        for line in map(json.loads, text.splitlines())
        if isinstance(line["answer"], dict) and "verdict" in line["answer"]
    }


def secrets_of(lab: Lab) -> set[str]:
    """Whatever of the lab nobody may read: keys, passwords, who its owner is."""
    environment = world.environment(lab.directory)
    keys = {environment[name] for name in ("HEROKU_API_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID")}
    estate = estate_file(LabLayout(lab.directory)).read_text()
    return {*keys, "owner@acme.example", "Acme Owner", *re.findall(r"postgres://[^:]+:([^@]+)@", estate)}


def test_a_change_underneath_fails_loudly(unchanged: Lab) -> None:
    """The number is named, by exit code, on standard error and in the table; the others are as predicted."""
    unchanged.heroku("PATCH", "/_lab/new-apps/knobs", {"refusal_status": 400, "attach_runs_release_phase": True})
    said = unchanged.run("probe", "--yes", "--heroku-only", "--json", code=PROBE)
    unchanged.heroku("PATCH", "/_lab/new-apps/knobs", {"refusal_status": 422, "attach_runs_release_phase": False})
    done = json.loads(said.stdout)
    assert {"H1", "H2"} == by_verdict(done)["otherwise"]
    assert {"otherwise", "as predicted", "cannot be seen"} == set(by_verdict(done))
    assert "otherwise than predicted: H1, H2" in said.stderr
    assert done["removed"]


def test_what_a_killed_probe_leaves_is_known_and_removed(unchanged: Lab) -> None:
    """Until then no other probe begins."""
    with unchanged.running("probe", "--yes") as probe:
        assert probe.until(r"(?m)^L30 ")
        probe.kill()
    (name,) = set(NAME.findall(probe.errors))
    assert name in unchanged.run("probe", "--yes", code=REFUSED).stderr
    assert [name] == unchanged.json("probe", "--clean")["names"]
    assert [] == unchanged.json("probe", "--clean")["names"]


def test_nothing_is_made_before_somebody_agrees(unchanged: Lab) -> None:
    """What it costs is said first; --dry-run says every call, and makes none."""
    said = unchanged.run("probe", code=NOT_CONFIRMED)
    assert "USD" in said.stderr
    shown = unchanged.json("probe", "--dry-run")
    assert all(look["how"] or look["unseen"] for look in shown["looks"])
    assert not (unchanged.home / ".pgcutover").exists()
