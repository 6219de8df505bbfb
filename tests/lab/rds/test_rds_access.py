"""The lab holds a key to the policy it was given, asks about every resource of a call, and simulates by it."""

import json
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError

KEY = "AKIALABLIMITED000001"
DB = "arn:aws:rds:us-east-1:123456789012:db:"
GROUP = {"DBParameterGroupFamily": "postgres18", "Description": "d"}


def allow(action: str, *resources: str, **equal: str) -> dict[str, Any]:
    condition = {"Condition": {"StringEquals": equal}} if equal else {}
    return {"Effect": "Allow", "Action": [action], "Resource": list(resources), **condition}


@pytest.fixture
def limited(account: Any) -> Any:
    """A key with the policy of these statements."""

    def give(*statements: dict[str, Any]) -> str:
        body = {"key": KEY, "policy": {"Version": "2012-10-17", "Statement": list(statements)}}
        request = urllib.request.Request(f"{account.url}/_lab/rds/keys", data=json.dumps(body).encode())
        with urllib.request.urlopen(request) as answer:
            answer.read()
        return KEY

    return give


def said(call: Any, **request: Any) -> str:
    """What AWS says against it; '' when nothing."""
    try:
        call(**request)
    except ClientError as error:
        return str(error.response["Error"]["Message"])
    return ""


def test_a_key_may_do_what_its_policy_says_and_nothing_else(account: Any, limited: Any) -> None:
    """By the name of the resource, in AWS's words; who we are, everybody may ask."""
    own = "arn:aws:rds:us-east-1:123456789012:pg:mine-*"
    rds = account.client("rds", key=limited(allow("rds:CreateDBParameterGroup", own)))
    assert "" == said(rds.create_db_parameter_group, DBParameterGroupName="mine-1", **GROUP)
    refused = said(rds.create_db_parameter_group, DBParameterGroupName="theirs", **GROUP)
    assert "not authorized to perform: rds:CreateDBParameterGroup on resource: arn:aws:rds:us-east-1:123" in refused
    assert "rds:DescribeDBInstances" in said(rds.describe_db_instances)
    assert "" == said(account.client("sts", key=KEY).get_caller_identity)


def test_tagging_and_final_snapshots_are_asked_for_too(account: Any, limited: Any) -> None:
    """One call may need several rights: the second one that is missing is named."""
    tags = [{"Key": "pgcutover:environment", "Value": "x"}]
    rds = account.client(
        "rds", key=limited(allow("rds:CreateDBParameterGroup", "*"), allow("rds:DeleteDBInstance", "*"))
    )
    assert "rds:AddTagsToResource" in said(rds.create_db_parameter_group, DBParameterGroupName="t", Tags=tags, **GROUP)
    last = said(rds.delete_db_instance, DBInstanceIdentifier="i", FinalDBSnapshotIdentifier="f")
    assert f"rds:CreateDBSnapshot on resource: {DB}i" in last


def test_a_group_is_known_by_its_tags(account: Any, limited: Any) -> None:
    """Security groups have no names of their own in policies: a condition on our tag holds others off."""
    admin, ours = account.client("ec2"), {"pgcutover:environment": "acme/production"}
    vpc = admin.describe_vpcs()["Vpcs"][0]["VpcId"]
    tags = [{"ResourceType": "security-group", "Tags": [{"Key": k, "Value": v} for k, v in ours.items()]}]
    held = {f"aws:ResourceTag/{k}": v for k, v in ours.items()}
    asked = {f"aws:RequestTag/{k}": v for k, v in ours.items()}
    key = limited(
        allow("ec2:CreateSecurityGroup", "arn:aws:ec2:*:*:security-group/*", **asked),
        allow("ec2:CreateSecurityGroup", "arn:aws:ec2:*:*:vpc/*"),
        allow("ec2:CreateTags", "*", **{**asked, "ec2:CreateAction": "CreateSecurityGroup"}),
        allow("ec2:DeleteSecurityGroup", "*", **held),
    )
    ec2 = account.client("ec2", key=key)
    assert "ec2:CreateSecurityGroup" in said(ec2.create_security_group, GroupName="a", Description="d", VpcId=vpc)
    made = ec2.create_security_group(GroupName="b", Description="d", VpcId=vpc, TagSpecifications=tags)["GroupId"]
    other = admin.create_security_group(GroupName="c", Description="d", VpcId=vpc)["GroupId"]
    assert "ec2:DeleteSecurityGroup" in said(ec2.delete_security_group, GroupId=other)
    assert "" == said(ec2.delete_security_group, GroupId=made)


def test_the_simulator_answers_by_the_policy(account: Any, limited: Any) -> None:
    """With resource and context as they are given; whoever may not ask is refused."""
    tagged = allow("rds:DeleteDBInstance", f"{DB}*", **{"aws:ResourceTag/owner": "me"})
    iam = account.client("iam", key=limited(tagged, allow("iam:SimulatePrincipalPolicy", "*")))

    def decided(resource: str, owner: str) -> list[str]:
        entry = {"ContextKeyName": "aws:ResourceTag/owner", "ContextKeyValues": [owner], "ContextKeyType": "string"}
        found = iam.simulate_principal_policy(
            PolicySourceArn="arn:aws:iam::123456789012:user/me",
            ActionNames=["rds:DeleteDBInstance", "rds:CreateDBInstance"],
            ResourceArns=[resource],
            ContextEntries=[entry],
        )
        return [row["EvalDecision"] for row in found["EvaluationResults"]]

    assert ["allowed", "implicitDeny"] == decided(f"{DB}a", "me")
    assert ["implicitDeny", "implicitDeny"] == decided(f"{DB}a", "you")
    assert ["implicitDeny", "implicitDeny"] == decided("arn:aws:rds:us-east-1:123456789012:pg:a", "me")
    limited(tagged)
    with pytest.raises(ClientError, match="iam:SimulatePrincipalPolicy"):
        decided(f"{DB}a", "me")


def test_what_was_called_is_told_by_key(account: Any, limited: Any) -> None:
    """Calls that were refused are not among them."""
    rds = account.client("rds", key=limited(allow("rds:DescribeDBInstances", "*")))
    before = dict(called(account)).get(KEY, [])
    rds.describe_db_instances()
    said(rds.describe_db_parameter_groups)
    assert [["rds:DescribeDBInstances", "*"]] == [each for each in called(account)[KEY] if each not in before]


def called(account: Any) -> Any:
    with urllib.request.urlopen(f"{account.url}/_lab/rds/calls") as answer:
        return json.loads(answer.read())
