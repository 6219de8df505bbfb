"""Each command with its own smallest rights: enough for a whole move, and what is missing is found before it begins."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from lab_driver import APP, Lab

from pgcutover.planning.aws_rights import (
    APART,
    ASKED_BY_AWS,
    COMMANDS,
    COMPOSED,
    FOR_THE_CHECK,
    NO_RIGHT_NEEDED,
    needed_by,
)
from pgcutover.planning.heroku_rights import LOOKING, NONE, SCOPES

RIGHTS, SAME_WITH_WARNINGS = 66, 1
REPLICA = "the plan says whether prepare or migrate makes the replica, and this one's is the other"
UNSEEN = {
    **{right.action: right.why for right in ASKED_BY_AWS if right.action == "iam:CreateServiceLinkedRole"},
    **dict.fromkeys(("rds:CreateDBInstanceReadReplica", "rds:CreateDBParameterGroup", "rds:RebootDBInstance"), REPLICA),
    **dict.fromkeys(("rds:DescribeDBParameterGroups", "rds:ListTagsForResource", "rds:ModifyDBInstance"), REPLICA),
    "ec2:DescribeSecurityGroups": REPLICA,
    "cloudwatch:ListTagsForResource": "alarms of these names are there already",
    "ec2:DescribeInstanceTypes": "a class that our table lacks",
    "iam:GetRole": "the lab's caller is a user, no role",
    "rds:AddTagsToResource": "AWS copies tags to the final snapshot; the lab asks for nothing there",
    "rds:DescribeAccountAttributes": "limits are asked for while there is no instance",
    "rds:DescribeDBParameters": "a plan looks into a named group; going back, into what it gives back",
    "rds:DescribeDBSnapshots": "a move that goes back before its end takes no snapshot",
    "rds:DescribeEvents": "asked for when an instance fails",
    "rds:ModifyDBParameterGroup": "a load that was broken off leaves values of one's own to give back",
    "rds:ResetDBParameterGroup": "the same, with values that nobody set",
    "secretsmanager:DescribeSecret": "the master of an instance of one's own is looked up before there are others",
    "secretsmanager:PutSecretValue": "a credential was added since the secret was made",
    "secretsmanager:RestoreSecret": "the secret of a target that was destroyed comes back",
}
"""What a policy holds and a move that goes well does not use, with the reason."""


def somebody(lab: Lab, command: str, *, less: str = "") -> Lab:
    """Somebody who may do what this command needs, and no more."""
    token = lab.environment["HEROKU_API_KEY"]
    held = {LOOKING: f"{token}-read", NONE: "no token of anybody"}.get(SCOPES[command], token)
    mover = lab.limited(command, less=less) if command in COMMANDS else lab.with_(AWS_ACCESS_KEY_ID="AKIANOBODY")
    return mover.with_(HEROKU_API_KEY=held)


def advice(lab: Lab) -> list[str]:
    return [line["what"] for line in lab.json("plan")["plan"]["advice"]]


def world_of(lab: Lab) -> dict[str, Any]:
    """All that a refused command must have left alone: Heroku with its releases, AWS, the old database."""
    with closing(lab.aws("rds")) as rds, closing(lab.aws("ec2")) as ec2, closing(lab.aws("secretsmanager")) as manager:
        made = {
            "instances": [each["DBInstanceIdentifier"] for each in rds.describe_db_instances()["DBInstances"]],
            "groups": [g["DBParameterGroupName"] for g in rds.describe_db_parameter_groups()["DBParameterGroups"]],
            "subnets": [g["DBSubnetGroupName"] for g in rds.describe_db_subnet_groups()["DBSubnetGroups"]],
            "security": sorted(g["GroupName"] for g in ec2.describe_security_groups()["SecurityGroups"]),
            "secrets": [each["Name"] for each in manager.list_secrets()["SecretList"]],
        }
    with lab.source() as session:
        schemas = [name for (name,) in session.execute("SELECT nspname::text FROM pg_namespace ORDER BY 1")]
    return {**made, "schemas": schemas, "heroku": lab.world(), "releases": lab.newest_release()["version"]}


@pytest.mark.parametrize("action", ["rds:CreateDBInstance", "secretsmanager:TagResource"])
def test_a_right_that_is_missing_on_aws_is_found_before_anything_is_made(lab: Lab, action: str) -> None:
    """The plan says it, prepare refuses with it: nothing in AWS, no release, nothing in the old database."""
    mover = somebody(lab, "prepare", less=action)
    assert [line for line in advice(mover) if "may not run prepare" in line and action in line]
    before = world_of(lab)
    said = " ".join(mover.run("prepare", code=RIGHTS).stderr.split())
    assert before == world_of(lab)
    assert action in said
    assert "pgcutover rights prepare --policy" in said


def test_a_token_that_may_only_read_is_good_for_a_plan(lab: Lab) -> None:
    """plan works with read-protected; prepare stops before anything is touched, on either side."""
    reader = lab.with_(HEROKU_API_KEY=somebody(lab, "plan").extra["HEROKU_API_KEY"])
    reader.run("plan")
    before = world_of(lab)
    assert "scope" in reader.run("prepare", code=RIGHTS).stderr
    assert before == world_of(lab)


def test_whoever_may_not_ask_the_simulator_is_told_so(lab: Lab) -> None:
    """Could not check is said in the plan; it is no refusal."""
    said = advice(somebody(lab, "plan", less="iam:SimulatePrincipalPolicy"))
    assert [line for line in said if line.startswith("could not check whether AWS lets")], said


@pytest.fixture(scope="module")
def moved(make_lab: Callable[[str], Lab]) -> Lab:
    """Twice through every command, each with a key and a token of its own: back and away, then for good."""
    lab = make_lab("rights")
    for words in (*BACK_AND_AWAY, *FOR_GOOD):
        somebody(lab, words[0]).run(*words, code=(0, SAME_WITH_WARNINGS) if words == ("verify",) else 0)
    return lab


BACK_AND_AWAY = (
    *(("inventory",), ("plan",), ("prepare",), ("migrate", "--yes"), ("verify",), ("status",), ("rollback", "--yes")),
    ("destroy", "--target", APP, "--yes"),
)
FOR_GOOD = (("plan",), ("prepare",), ("migrate", "--yes"), ("retire", "--yes"))


@pytest.mark.full
def test_each_commands_own_rights_are_enough_for_a_whole_move(moved: Lab) -> None:
    """The lab refuses whatever a policy does not allow; it got to the end, and nothing was lost."""
    assert "retired" == moved.json("status")["outcome"]


@pytest.mark.full
@pytest.mark.parametrize("command", [each for each in COMMANDS if each not in (*COMPOSED, *APART)])
def test_a_policy_holds_what_was_used_and_what_a_reason_explains(moved: Lab, command: str) -> None:
    """What the lab saw is in the policy; what it did not see is in the policy for a reason that is written down."""
    key = moved.limited(command).extra["AWS_ACCESS_KEY_ID"]
    used = {action for action, _ in moved.rds("calls")[key]} - NO_RIGHT_NEEDED
    held = {right.action for right in needed_by((command,), existing=False)}
    assert used
    assert set() == used - held
    assert set() == held - used - UNSEEN.keys() - FOR_THE_CHECK
