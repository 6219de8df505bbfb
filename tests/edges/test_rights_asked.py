"""What AWS would refuse is known beforehand, or it is said that it could not be asked."""

import json
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from pgcutover.app.rights import about_rights, refuse_lacking
from pgcutover.edges.aws import Aws
from pgcutover.edges.aws_rights import AwsRights
from pgcutover.errors import RightsError
from pgcutover.lab.rds import READ_ONLY_KEY
from pgcutover.planning.aws_rights import FOR_THE_CHECK, MIGRATE, PREPARE, ROLLBACK, Need, Place, policy
from pgcutover.planning.plan import Advice, PlannedStep
from pgcutover.planning.target import TargetPlan
from pgcutover.steps.target_steps import lifted, loading, making
from rds_world import Account, account, planned

KEY = "AKIALABPREFLIGHT0001"
PLACE = Place.in_policy(region="us-east-1", app="acme-api", environment="production")


@pytest.fixture(scope="module", name="lab")
def lab_() -> Iterator[Account]:
    with account() as made:
        yield made


@pytest.fixture(scope="module")
def target(lab: Account) -> TargetPlan:
    return planned(lab.aws)


@pytest.fixture
def aws(lab: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """As a key that has what `give` gave it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    with lab.client() as client:
        yield client


def give(lab: Account, *commands: str, but: str = "") -> None:
    """The policy of these commands, less one action."""
    made = policy(commands, PLACE)
    for statement in made["Statement"]:
        statement["Action"] = [action for action in statement["Action"] if action != but]
    request = urllib.request.Request(f"{lab.url}/_lab/rds/keys", data=json.dumps({"key": KEY, "policy": made}).encode())
    with urllib.request.urlopen(request) as answer:
        answer.read()


def steps_of(target: TargetPlan) -> tuple[PlannedStep, ...]:
    return tuple(
        PlannedStep(name=step.name, phase="prepare", title="", by_hand="", calls=tuple(step.calls), keeps_target=True)
        for step in (*making(target), *loading(target), *lifted(target))
    )


WRITING = (
    ("rds:CreateDBInstance", "db:acme-api (step instance)"),
    ("rds:AddTagsToResource", "db:acme-api"),
    ("ec2:CreateTags", "security-group/"),
    ("secretsmanager:CreateSecret", "secret:pgcutover/acme-api"),
    ("iam:CreateServiceLinkedRole", "role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS"),
    ("rds:DescribeEvents", "rds:DescribeEvents"),
)


@pytest.mark.parametrize(("action", "on"), WRITING)
def test_one_right_taken_away_is_named_with_its_step(
    lab: Account, aws: Aws, target: TargetPlan, action: str, on: str
) -> None:
    """Nothing was touched, and the hint says which command prints the policy."""
    give(lab, PREPARE, but=action)
    with pytest.raises(RightsError, match=f"lacks rights on AWS that prepare need: .*{action}") as caught:
        refuse_lacking(aws, target, steps_of(target), (PREPARE,))
    assert on in caught.value.message
    assert "Nothing was touched" in caught.value.hint
    assert "pgcutover rights prepare --policy" in caught.value.hint
    assert 66 == caught.value.exit_code


@pytest.mark.parametrize("commands", [(PREPARE,), (MIGRATE,), (PREPARE, MIGRATE)])
def test_the_policy_of_a_command_is_enough_for_its_check(
    lab: Account, aws: Aws, target: TargetPlan, commands: tuple[str, ...]
) -> None:
    """The patterns of the policy fit the names of the plan, and the tags what is asked with."""
    give(lab, *commands)
    refuse_lacking(aws, target, steps_of(target), commands)


def test_a_plan_says_which_commands_its_maker_may_not_run(lab: Account, aws: Aws, target: TargetPlan) -> None:
    """A line for each of them; none when all is allowed."""
    give(lab, "plan", PREPARE)
    said = about_rights(aws, target, steps_of(target))
    assert [f"may not run {MIGRATE}", f"may not run {ROLLBACK}"] == [
        f"may not run {line.what.partition('may not run ')[2].partition(',')[0]}" for line in said
    ]
    assert "rds:CreateDBSnapshot on snapshot:acme-api-after-lift-1 (step aftercare)" in said[0].what
    give(lab, "plan", PREPARE, MIGRATE, ROLLBACK)
    assert () == about_rights(aws, target, steps_of(target))


def test_reading_is_not_writing(lab: Account, monkeypatch: pytest.MonkeyPatch, target: TargetPlan) -> None:
    """With AWS's own read-only policy the check can be made, and names everything that writes."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", READ_ONLY_KEY)
    with lab.client() as aws, pytest.raises(RightsError) as caught:
        refuse_lacking(aws, target, steps_of(target), (PREPARE,))
    assert "Describe" not in caught.value.message
    assert "rds:CreateDBInstance on db:acme-api" in caught.value.message


def test_who_may_not_ask_is_told_so_and_not_stopped(lab: Account, aws: Aws, target: TargetPlan) -> None:
    """Could not check is neither a pass nor a refusal."""
    give(lab, PREPARE, but="iam:SimulatePrincipalPolicy")
    heard: list[Advice] = []
    refuse_lacking(aws, target, steps_of(target), (PREPARE,), heard.append)
    (said,) = about_rights(aws, target, steps_of(target))
    assert "could not check whether AWS lets these credentials move" in said.what
    assert "iam:SimulatePrincipalPolicy" in said.what
    assert [said] == heard


@dataclass(frozen=True)
class Simulator:
    """Stands in for the calls of AWS: answers by action."""

    rows: Mapping[str, Mapping[str, Any]]

    def pages(self, *_: str, ActionNames: Sequence[str], **__: Any) -> Iterator[dict[str, Any]]:  # noqa: N803
        for action in ActionNames:
            yield {"EvalActionName": action, **self.rows[action]}


def test_a_condition_that_cannot_be_simulated_leaves_the_other_answers() -> None:
    """That one right is said to be unknown, whatever AWS says of it; refusals before and after it stand."""
    rows = {
        "rds:RebootDBInstance": {"EvalDecision": "explicitDeny"},
        "rds:CreateDBInstance": {"EvalDecision": "explicitDeny", "MissingContextValues": ["aws:SourceIp"]},
        "rds:CreateDBSnapshot": {"EvalDecision": "implicitDeny"},
        "rds:DescribeEvents": {"EvalDecision": "allowed", "MissingContextValues": ["aws:SourceIp"]},
    }
    asked = [Need(action=action, resource="*", when=()) for action in (*rows, "secretsmanager:RestoreSecret")]
    rights = AwsRights(Simulator(rows))  # type: ignore[arg-type]
    answer = rights.ask("arn:aws:iam::123456789012:user/mover", asked, vpc_id="vpc-1")
    assert (asked[0], asked[2]) == answer.refused
    assert "a policy's condition on aws:SourceIp cannot be simulated, for rds:CreateDBInstance" == answer.unasked


def test_ec2_is_tried_where_the_simulator_may_not_be(lab: Account, aws: Aws, target: TargetPlan) -> None:
    """EC2's dry run finds a missing right, and makes nothing."""
    made = policy((PREPARE,), PLACE)
    gone = {*FOR_THE_CHECK, "ec2:CreateTags"}
    for statement in made["Statement"]:
        statement["Action"] = [action for action in statement["Action"] if action not in gone]
    body = json.dumps({"key": KEY, "policy": made}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{lab.url}/_lab/rds/keys", data=body)) as answer:
        answer.read()
    with pytest.raises(RightsError, match="ec2:CreateSecurityGroup on security-group/"):
        refuse_lacking(aws, target, steps_of(target), (PREPARE,))
    assert lab.aws.network.security_group("pgcutover-dry-run", target.vpc_id) is None


def test_a_roles_session_is_asked_about_as_its_role(lab: Account, target: TargetPlan) -> None:
    """The path of the role, which its session does not show, comes from IAM; root need not be asked about."""
    role = "arn:aws:iam::123456789012:role/made/by/sso/Mover"
    with lab.client() as aws:
        iam = aws.rights._calls._client("iam")
        iam.create_role(RoleName="Mover", Path="/made/by/sso/", AssumeRolePolicyDocument="{}")
        assert role == aws.rights._policies_of("arn:aws:sts::123456789012:assumed-role/Mover/me@example.com")
        assert "arn:aws:iam::123456789012:user/a/b" == aws.rights._policies_of("arn:aws:iam::123456789012:user/a/b")
        assert "" == aws.rights.ask("arn:aws:iam::123456789012:root", (), vpc_id=target.vpc_id).unasked
