"""The migration host in an account: nothing comes in, nothing of somebody else's is touched, it goes as it came."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest

import rds_world
from pgcutover.config import HostChoices
from pgcutover.edges.aws import Aws
from pgcutover.errors import ConfigError, NotDoneError, RefusedError, RightsError
from pgcutover.facts.ec2 import HostSubnet
from pgcutover.lab.rds import READ_ONLY_KEY
from pgcutover.planning.host import HostPlan, HostTarget, candidates, host_tags, plan_host
from pgcutover.steps.host import host_down, host_state, host_up
from rds_world import Account, Hurry

NAME = "acme-api-host"
OWNER = {"pgcutover:environment": "acme-api/production", "pgcutover:run": "1"}
TAGS = dict(host_tags(OWNER))
OTHERS = dict(host_tags({"pgcutover:environment": "acme-api/staging"}))
ALL_PARTS = ["profile", "network", "create", "running", "online", "client", "pgcutover", "connect"]


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with rds_world.account() as made:
        yield made


@pytest.fixture
def aws(account: Account) -> Iterator[Aws]:
    """The account; what a test made as ours is gone when it ends."""
    yield account.aws
    account.turn(fail_next=[], lose_next=[], next_command_fails=None)
    host_down(account.aws.hosts, NAME, TAGS, print)


@pytest.fixture
def plan(aws: Aws) -> HostPlan:
    return planned(aws)


def planned(aws: Aws, **choices: str) -> HostPlan:
    wishes = HostChoices(**choices)
    target = HostTarget(
        instance="acme-api", instance_class="db.m7g.large", major=16, address="", port=0, zone="us-east-1b"
    )
    subnets = aws.hosts.subnets([subnet.id for subnet in aws.network.survey().subnets])
    offered = aws.hosts.offered(candidates(wishes.size, target.instance_class))
    return plan_host(wishes, target, name=NAME, region="us-east-1", subnets=subnets, offered=offered, tags=OWNER)


def client(account: Account, service: str) -> Any:
    return boto3.client(service, endpoint_url=account.url, region_name=rds_world.REGION)


def up(aws: Aws, plan: HostPlan) -> list[tuple[str, bool]]:
    """Each part, and whether it stood already."""
    return [(part.name, part.found) for part in host_up(aws.hosts, plan, Hurry(), print)]


def test_a_host_is_made_part_by_part_and_each_is_timed(aws: Aws, plan: HostPlan) -> None:
    """Everything is made once, in order, with its seconds; then it runs and can be logged in to."""
    parts = host_up(aws.hosts, plan, Hurry(), print)
    assert ALL_PARTS == [part.name for part in parts]
    assert not any(part.found for part in parts if part.name not in ("running", "online"))
    assert all(part.seconds >= 0 for part in parts)
    state = host_state(aws.hosts, NAME, TAGS, environment="production", region="us-east-1")
    assert ("running", True, "us-east-1b") == (state.state, state.online, state.zone)
    assert f"aws ssm start-session --target {state.machine} --region us-east-1" == state.login


def test_the_machine_lets_nothing_in_and_keeps_its_credentials(account: Account, aws: Aws, plan: HostPlan) -> None:
    """No inbound rule, key pair or user data; IMDSv2 with one hop, an encrypted gp3 disk, its tags on everything."""
    up(aws, plan)
    ec2 = client(account, "ec2")
    [machine] = aws.hosts.machines(TAGS)
    [row] = ec2.describe_instances(InstanceIds=[machine.id])["Reservations"][0]["Instances"]
    [group] = ec2.describe_security_groups(GroupIds=[g["GroupId"] for g in row["SecurityGroups"]])["SecurityGroups"]
    assert [] == group["IpPermissions"]
    assert NAME == group["GroupName"]
    assert "KeyName" not in row or not row["KeyName"]
    assert {} == ec2.describe_instance_attribute(InstanceId=machine.id, Attribute="userData").get("UserData", {})
    options = row["MetadataOptions"]
    assert ("required", 1) == (options["HttpTokens"], options["HttpPutResponseHopLimit"])
    volumes = [mapping["Ebs"]["VolumeId"] for mapping in row["BlockDeviceMappings"]]
    [volume] = ec2.describe_volumes(VolumeIds=volumes)["Volumes"]
    assert (True, "gp3") == (volume["Encrypted"], volume["VolumeType"])
    for tags in (row["Tags"], group["Tags"], volume["Tags"]):
        assert TAGS.items() <= {tag["Key"]: tag["Value"] for tag in tags}.items()


def test_the_role_may_nothing_but_be_managed(account: Account, aws: Aws, plan: HostPlan) -> None:
    """One policy of AWS's own, none in line; only EC2 may take the role."""
    up(aws, plan)
    iam = client(account, "iam")
    attached = iam.list_attached_role_policies(RoleName=NAME)["AttachedPolicies"]
    assert ["AmazonSSMManagedInstanceCore"] == [policy["PolicyName"] for policy in attached]
    assert [] == iam.list_role_policies(RoleName=NAME)["PolicyNames"]
    trust = iam.get_role(RoleName=NAME)["Role"]["AssumeRolePolicyDocument"]
    assert {"Service": "ec2.amazonaws.com"} == trust["Statement"][0]["Principal"]


def test_up_typed_again_adopts_what_stands(aws: Aws, plan: HostPlan) -> None:
    """Nothing is made twice; only the commands, which may run again, do."""
    up(aws, plan)
    before = aws.hosts.machines(TAGS)
    again = dict(up(aws, plan))
    assert {name for name, found in again.items() if not found} == {"client", "pgcutover", "connect"}
    assert before == aws.hosts.machines(TAGS)


def test_a_machine_that_somebody_stopped_is_started(account: Account, aws: Aws, plan: HostPlan) -> None:
    """It is ours still, and adopted."""
    up(aws, plan)
    [machine] = aws.hosts.machines(TAGS)
    client(account, "ec2").stop_instances(InstanceIds=[machine.id])
    up(aws, plan)
    assert [(machine.id, "running")] == [(m.id, m.state) for m in aws.hosts.machines(TAGS)]


def test_down_removes_all_that_up_made_and_twice_is_no_error(account: Account, aws: Aws, plan: HostPlan) -> None:
    """Machine, group, profile and role; then there is nothing, and down finds nothing."""
    up(aws, plan)
    removed = host_down(aws.hosts, NAME, TAGS, print)
    assert ["machine", "security", "instance", "role"] == [what.split()[0] for what in removed]
    assert () == aws.hosts.machines(TAGS)
    assert () == aws.hosts.parts(NAME, TAGS)
    assert () == host_down(aws.hosts, NAME, TAGS, print)
    iam = client(account, "iam")
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_role(RoleName=NAME)


@pytest.mark.parametrize(
    "action", ["AttachRolePolicy", "CreateInstanceProfile", "AddRoleToInstanceProfile", "RunInstances", "SendCommand"]
)
def test_down_after_a_crash_in_the_middle_of_up_leaves_nothing(
    account: Account, aws: Aws, plan: HostPlan, action: str
) -> None:
    """Wherever it stopped, what was made is found by its tags, and goes."""
    account.turn(fail_next=[{"action": action, "code": "InternalFailure", "times": 20}])
    with pytest.raises(Exception, match="InternalFailure"):
        up(aws, plan)
    account.turn(fail_next=[])
    assert aws.hosts.parts(NAME, TAGS)
    host_down(aws.hosts, NAME, TAGS, print)
    assert ((), ()) == (aws.hosts.machines(TAGS), aws.hosts.parts(NAME, TAGS))


@pytest.mark.parametrize("action", ["AttachRolePolicy", "AddRoleToInstanceProfile", "RunInstances", "SendCommand"])
def test_up_goes_on_after_a_crash(account: Account, aws: Aws, plan: HostPlan, action: str) -> None:
    """The same command makes what is missing, and no second machine."""
    account.turn(fail_next=[{"action": action, "code": "InternalFailure", "times": 20}])
    with pytest.raises(Exception, match="InternalFailure"):
        up(aws, plan)
    account.turn(fail_next=[])
    up(aws, plan)
    assert 1 == len(aws.hosts.machines(TAGS))
    assert aws.hosts.has_profile(NAME, TAGS)


def test_an_answer_that_got_lost_makes_no_second_machine(account: Account, aws: Aws, plan: HostPlan) -> None:
    """EC2 made it and the answer never came: it is found by its tags."""
    account.turn(lose_next=[{"action": "RunInstances", "how": "html"}])
    with pytest.raises(Exception, match="web page"):
        up(aws, plan)
    up(aws, plan)
    assert 1 == len(aws.hosts.machines(TAGS))


def test_a_profile_that_ec2_has_not_heard_of_yet_is_waited_for(account: Account, aws: Aws, plan: HostPlan) -> None:
    """EC2 refuses a new profile for some seconds (A23)."""
    account.turn(fail_next=[{"action": "RunInstances", "code": "InvalidParameterValue", "times": 2}])
    assert ("create", False) in up(aws, plan)


def test_a_role_of_somebody_elses_by_that_name_is_left_alone(account: Account, aws: Aws, plan: HostPlan) -> None:
    """Up refuses and says what to do; down removes what is ours and names what it kept."""
    iam = client(account, "iam")
    iam.create_role(RoleName=NAME, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}))
    try:
        with pytest.raises(RefusedError, match="the role name acme-api-host is taken") as refused:
            up(aws, plan)
        assert "host.instance_profile" in refused.value.hint
        assert () == aws.hosts.machines(TAGS)
        host_down(aws.hosts, NAME, TAGS, print)
        assert ("role acme-api-host, which pgcutover did not make",) == aws.hosts.others(NAME, TAGS)
        assert [] == iam.list_attached_role_policies(RoleName=NAME)["AttachedPolicies"]
    finally:
        iam.delete_role(RoleName=NAME)


def test_another_environments_host_is_not_ours(account: Account, aws: Aws, plan: HostPlan) -> None:
    """Its machine and its group are neither adopted nor removed; a group that bears our name is refused."""
    other = replace(plan, machine=replace(plan.machine, name="staging-host", profile="staging-host"))
    other = replace(other, machine=replace(other.machine, tags=tuple(OTHERS.items())))
    up(aws, other)
    [theirs] = aws.hosts.machines(OTHERS)
    try:
        assert () == aws.hosts.machines(TAGS)
        assert () == host_down(aws.hosts, NAME, TAGS, print)
        assert [theirs] == list(aws.hosts.machines(OTHERS))
        named = replace(plan, machine=replace(plan.machine, name="staging-host", profile="x", profile_given=True))
        with pytest.raises(RefusedError, match="security group name staging-host is taken"):
            up(aws, named)
    finally:
        host_down(aws.hosts, "staging-host", OTHERS, print)


def test_an_inbound_rule_that_somebody_added_is_refused(account: Account, aws: Aws, plan: HostPlan) -> None:
    """The host is closed, or it is not made."""
    up(aws, plan)
    ec2 = client(account, "ec2")
    [group] = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [NAME]}])["SecurityGroups"]
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=[ssh])
    with pytest.raises(RefusedError, match="has inbound rules"):
        up(aws, plan)


def test_a_given_profile_is_used_and_stays(account: Account, aws: Aws) -> None:
    """No role is made, and down leaves the given profile."""
    iam = client(account, "iam")
    iam.create_instance_profile(InstanceProfileName="theirs")
    try:
        parts = up(aws, planned(aws, instance_profile="theirs"))
        assert "profile" not in dict(parts)
        host_down(aws.hosts, NAME, TAGS, print)
        assert iam.get_instance_profile(InstanceProfileName="theirs")
    finally:
        iam.delete_instance_profile(InstanceProfileName="theirs")


def test_a_missing_right_ends_it_with_its_name(account: Account, aws: Aws, plan: HostPlan) -> None:
    """Who may only read learns which right is missing; nothing was made."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", READ_ONLY_KEY)
        with account.client() as reader, pytest.raises(RightsError, match="iam:CreateRole"):
            up(reader, plan)
    assert () == aws.hosts.parts(NAME, TAGS)


def test_a_command_that_fails_says_which_and_what_it_said(account: Account, aws: Aws, plan: HostPlan) -> None:
    """The machine stays, and the same command goes on."""
    account.turn(next_command_fails="Error: Unable to find a match: postgresql16\n")
    with pytest.raises(NotDoneError, match=r"PostgreSQL 16: failed on i-.* with code 1: Error: Unable to find a match"):
        up(aws, plan)
    assert ("connect", False) in up(aws, plan)


def test_a_subnet_that_does_not_exist_is_said(aws: Aws) -> None:
    """By its name."""
    with pytest.raises(ConfigError, match="subnet-00000000"):
        aws.hosts.subnets(["subnet-00000000"])


def test_what_ec2_offers_is_asked_by_zone(aws: Aws) -> None:
    """Pairs of class and zone, of the classes asked for and no other."""
    offered = aws.hosts.offered(["c7gn.xlarge", "c7g.xlarge"])
    assert {"c7gn.xlarge", "c7g.xlarge"} == {name for name, _ in offered}
    assert all(zone.startswith("us-east-1") for _, zone in offered)


def test_a_subnet_says_whether_it_gives_public_addresses(aws: Aws) -> None:
    """Those of the default network do."""
    network = aws.network.survey()
    first = network.subnets[0]
    expected = HostSubnet(id=first.id, zone=first.zone, vpc_id=network.vpc_id, public_addresses=True)
    assert (expected,) == aws.hosts.subnets([first.id])
