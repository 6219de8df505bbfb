"""Which rights on AWS each command needs, and the IAM policy that grants these and no more. Pure.

`RIGHTS` is the one table: a test compares it with the calls that the edges make, another with those that the lab saw.
`ASKED_BY_AWS` are the rights that no call of ours names and AWS asks for all the same. What a right is good on is as
narrow as a name or a tag can make it; what may be described at all may be described of everything, for RDS lists
before it filters.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonrds.html (and list_amazonec2,
list_awssecretsmanager, list_awsidentityandaccessmanagementiam) say which resources and conditions an action has.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from string import Formatter
from typing import Any

from pgcutover.facts.rds import OWNER_TAG
from pgcutover.planning.host import host_name
from pgcutover.planning.names import names_for
from pgcutover.planning.target import TargetPlan

PREPARE, MIGRATE, ROLLBACK, DESTROY = "prepare", "migrate", "rollback", "destroy"
HOST, PROBE = "host", "probe"
PLANNING = ("plan", PREPARE, MIGRATE)
"""Whoever moves plans anew first, to see whether the world is as planned."""
MAKING = (PREPARE, MIGRATE)
"""The replica is made by one or the other, as the plan says: its rows name which."""
ON_TARGET = (PREPARE, MIGRATE, "verify", ROLLBACK, "retire")
COMPOSED = {"drill": ("plan", PREPARE, MIGRATE, ROLLBACK)}
"""A drill does what these do."""
APART = (HOST, PROBE)
"""Who does not name them does not run them."""
COMMANDS = ("plan", *ON_TARGET, *COMPOSED, DESTROY, *APART)
"""Those that call AWS. `migrate` is what is left when `prepare` was run before."""

VERSION = "2012-10-17"
LONGEST_POLICY = 6144
"""Characters, blanks not counted. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""

EVERYTHING = "*"
INSTANCE = "arn:aws:rds:{region}:{account}:db:{instance}"
OPTION_GROUP = "arn:aws:rds:{region}:{account}:og:default:postgres-{major}"
PARAMETERS = "arn:aws:rds:{region}:{account}:pg:{parameter_group}"
SUBNETS = "arn:aws:rds:{region}:{account}:subgrp:{subnet_group}"
SNAPSHOT = "arn:aws:rds:{region}:{account}:snapshot:{snapshot}"
SECURITY_GROUP = "arn:aws:ec2:{region}:{account}:security-group/{group_id}"
VPC = "arn:aws:ec2:{region}:{account}:vpc/{vpc}"
REPLICA = "arn:aws:rds:{region}:{account}:db:{replica}"
REPLICA_PARAMETERS = "arn:aws:rds:{region}:{account}:pg:{replica_group}"
ALARMS = (
    "arn:aws:cloudwatch:{region}:{account}:alarm:{instance}-{metric}",
    "arn:aws:cloudwatch:{region}:{account}:alarm:{replica}-{metric}",
)
MACHINE = "arn:aws:ec2:{region}:{account}:instance/*"
DISK = "arn:aws:ec2:{region}:{account}:volume/*"
AROUND_MACHINE = (
    "arn:aws:ec2:{region}:{account}:subnet/*",
    "arn:aws:ec2:{region}:{account}:network-interface/*",
    "arn:aws:ec2:{region}:{account}:security-group/*",
    "arn:aws:ec2:{region}::image/*",
)
HOST_ROLE = "arn:aws:iam::{account}:role/{host}"
HOST_PROFILE = "arn:aws:iam::{account}:instance-profile/{host}"
PROBES = "pgcutover-probe-*"
PROBE_INSTANCE = f"arn:aws:rds:{{region}}:{{account}}:db:{PROBES}"
PROBE_PARAMETERS = f"arn:aws:rds:{{region}}:{{account}}:pg:{PROBES}"
PROBE_SUBNETS = f"arn:aws:rds:{{region}}:{{account}}:subgrp:{PROBES}"
LOGINS = "arn:aws:secretsmanager:{region}:{account}:secret:{secret}"
MASTER_LOGIN = "{master_secret}"
USER, ROLE = "arn:aws:iam::{account}:user/{user}", "arn:aws:iam::{account}:role/{role}"
LINKED_ROLE = "arn:aws:iam::{account}:role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS"

Pair = tuple[str, str]
OURS: Pair = (f"aws:ResourceTag/{OWNER_TAG}", "{owner}")
MARKED_OURS: Pair = (f"aws:RequestTag/{OWNER_TAG}", "{owner}")
OF_A_PROBE: Pair = (f"aws:ResourceTag/{OWNER_TAG}", PROBES)
MARKED_A_PROBE: Pair = (f"aws:RequestTag/{OWNER_TAG}", PROBES)
NEW_GROUP: Pair = ("ec2:CreateAction", "CreateSecurityGroup")
FOR_EC2: Pair = ("iam:PassedToService", "ec2.amazonaws.com")
TO_LOG_IN: Pair = ("iam:PolicyARN", "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore")
FOR_RDS: Pair = ("iam:AWSServiceName", "rds.amazonaws.com")


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One action, the commands that need it, and the patterns of what it must be good on."""

    action: str
    commands: tuple[str, ...]
    on: tuple[str, ...]
    when: tuple[Pair, ...] = ()
    """Condition keys that must have these values."""
    new_only: bool = False
    """Not needed for an instance of one's own (`existing`)."""
    made: str = ""
    """Needed only where the replica is made then: before-load or after-lift."""
    alarms: bool = False
    """Needed only where there shall be alarms."""
    why: str = ""
    """For a right that no call of ours names: when AWS asks for it."""


def _called(
    service: str,
    operations: str,
    commands: tuple[str, ...],
    *on: str,
    when: tuple[Pair, ...] = (),
    new_only: bool = False,
    made: str = "",
    alarms: bool = False,
    why: str = "",
) -> tuple[Right, ...]:
    return tuple(
        Right(
            action=f"{service}:{operation}",
            commands=commands,
            on=on,
            when=when,
            new_only=new_only,
            made=made,
            alarms=alarms,
            why=why,
        )
        for operation in operations.split()
    )


def _making_replica(operations: str, *on: str, why: str = "") -> tuple[Right, ...]:
    """By the command that makes it."""
    return (
        *_called("rds", operations, (PREPARE,), *on, made="before-load", why=why),
        *_called("rds", operations, (MIGRATE,), *on, made="after-lift", why=why),
    )


RIGHTS: tuple[Right, ...] = (
    *_called("rds", "DescribeAccountAttributes", (*PLANNING, PROBE), EVERYTHING, new_only=True),
    *_called("rds", "DescribeOrderableDBInstanceOptions", PLANNING, EVERYTHING, new_only=True),
    *_called("rds", "DescribeDBEngineVersions DescribeEngineDefaultParameters", (*PLANNING, PROBE), EVERYTHING),
    *_called("ec2", "DescribeSubnets", (*PLANNING, HOST, PROBE), EVERYTHING),
    *_called("ec2", "DescribeVpcs", (*PLANNING, PROBE), EVERYTHING),
    *_called("ec2", "DescribeInstanceTypes", PLANNING, EVERYTHING),
    *_called("iam", "SimulatePrincipalPolicy", PLANNING, USER, ROLE),
    *_called("iam", "GetRole", PLANNING, ROLE),
    *_called("rds", "DescribeDBInstances", ("plan", *ON_TARGET, DESTROY, HOST, PROBE), EVERYTHING),
    *_called("rds", "DescribeDBParameters", (*PLANNING, ROLLBACK, PROBE), EVERYTHING),
    *_called("rds", "DescribeEvents", (*MAKING, ROLLBACK, DESTROY, PROBE), EVERYTHING),
    *_called("ec2", "DescribeSecurityGroups", (*MAKING, DESTROY, HOST, PROBE), EVERYTHING),
    *_called("rds", "DescribeDBSubnetGroups", (PREPARE, DESTROY, PROBE), EVERYTHING, new_only=True),
    *_called("rds", "DescribeDBParameterGroups ListTagsForResource", (*MAKING, DESTROY, PROBE), EVERYTHING),
    *_called("rds", "DescribeDBSnapshots", (MIGRATE, DESTROY), EVERYTHING, new_only=True),
    # The network
    *_called("ec2", "CreateSecurityGroup", (PREPARE, HOST), SECURITY_GROUP, when=(MARKED_OURS,), new_only=True),
    *_called("ec2", "CreateSecurityGroup", (PREPARE, HOST, PROBE), VPC, new_only=True),
    *_called("ec2", "AuthorizeSecurityGroupIngress", (PREPARE,), SECURITY_GROUP, when=(OURS,), new_only=True),
    *_called("ec2", "DeleteSecurityGroup", (DESTROY, HOST), SECURITY_GROUP, when=(OURS,), new_only=True),
    *_called("rds", "CreateDBSubnetGroup", (PREPARE,), SUBNETS, new_only=True),
    *_called("rds", "DeleteDBSubnetGroup", (DESTROY,), SUBNETS, new_only=True),
    # Passwords
    *_called("secretsmanager", "DescribeSecret", (*ON_TARGET, DESTROY), LOGINS),
    *_called("secretsmanager", "GetSecretValue", ON_TARGET, LOGINS, MASTER_LOGIN),
    *_called("secretsmanager", "CreateSecret PutSecretValue RestoreSecret", (PREPARE,), LOGINS),
    *_called("secretsmanager", "DeleteSecret", (DESTROY,), LOGINS),
    # The instance
    *_called("rds", "CreateDBParameterGroup", (PREPARE,), PARAMETERS, new_only=True),
    *_called("rds", "ModifyDBParameterGroup", (PREPARE, MIGRATE, ROLLBACK), PARAMETERS),
    *_called("rds", "ResetDBParameterGroup", (MIGRATE, ROLLBACK), PARAMETERS),
    *_called("rds", "DeleteDBParameterGroup", (DESTROY,), PARAMETERS, new_only=True),
    *_called("rds", "CreateDBInstance", (PREPARE,), INSTANCE, OPTION_GROUP, PARAMETERS, SUBNETS, new_only=True),
    *_called("rds", "RebootDBInstance", (PREPARE,), INSTANCE, new_only=True),
    *_called("rds", "ModifyDBInstance", (*MAKING, DESTROY), INSTANCE, new_only=True),
    *_called("rds", "CreateDBSnapshot", (MIGRATE,), INSTANCE, SNAPSHOT, new_only=True),
    *_called("rds", "DeleteDBInstance", (DESTROY,), INSTANCE, when=(OURS,), new_only=True),
    # The replica
    *_making_replica("CreateDBParameterGroup ModifyDBParameterGroup", REPLICA_PARAMETERS),
    *_making_replica("CreateDBInstanceReadReplica", REPLICA, INSTANCE, OPTION_GROUP, PARAMETERS, SUBNETS),
    *_making_replica("ModifyDBInstance", REPLICA, REPLICA_PARAMETERS),
    *_making_replica("RebootDBInstance", REPLICA),
    *_called("rds", "ModifyDBInstance", (MIGRATE,), REPLICA, new_only=True, made="before-load"),
    *_called("rds", "DeleteDBInstance", (DESTROY,), REPLICA, when=(OURS,)),
    *_called("rds", "ModifyDBInstance", (DESTROY,), REPLICA),
    *_called("rds", "DeleteDBParameterGroup", (DESTROY,), REPLICA_PARAMETERS),
    # The alarms
    *_called("cloudwatch", "DescribeAlarms", (MIGRATE,), EVERYTHING, alarms=True),
    *_called("cloudwatch", "ListTagsForResource PutMetricAlarm", (MIGRATE,), *ALARMS, alarms=True),
    # Those of an earlier plan, too.
    *_called("cloudwatch", "DescribeAlarms", (DESTROY,), EVERYTHING, new_only=True),
    *_called("cloudwatch", "ListTagsForResource DeleteAlarms", (DESTROY,), *ALARMS, new_only=True),
    # The migration host
    *_called("ec2", "DescribeInstances DescribeInstanceTypeOfferings", (HOST,), EVERYTHING),
    *_called("ec2", "RunInstances", (HOST,), MACHINE, DISK, when=(MARKED_OURS,)),
    *_called("ec2", "RunInstances", (HOST,), *AROUND_MACHINE),
    *_called("ec2", "StartInstances TerminateInstances", (HOST,), MACHINE, when=(OURS,)),
    *_called("iam", "CreateRole DeleteRole DetachRolePolicy GetRole ListAttachedRolePolicies", (HOST,), HOST_ROLE),
    *_called("iam", "AttachRolePolicy", (HOST,), HOST_ROLE, when=(TO_LOG_IN,)),
    *_called(
        "iam",
        "AddRoleToInstanceProfile CreateInstanceProfile DeleteInstanceProfile GetInstanceProfile "
        "RemoveRoleFromInstanceProfile",
        (HOST,),
        HOST_PROFILE,
    ),
    *_called("ssm", "DescribeInstanceInformation GetCommandInvocation", (HOST,), EVERYTHING),
    *_called("ssm", "GetParameter", (HOST,), "arn:aws:ssm:{region}::parameter/aws/service/*"),
    *_called("ssm", "SendCommand", (HOST,), "arn:aws:ssm:{region}::document/AWS-RunShellScript"),
    *_called("ssm", "SendCommand", (HOST,), MACHINE, when=((f"ssm:resourceTag/{OWNER_TAG}", "{owner}"),)),
    # The probe
    *_called("ec2", "CreateSecurityGroup", (PROBE,), SECURITY_GROUP, when=(MARKED_A_PROBE,)),
    *_called("ec2", "AuthorizeSecurityGroupIngress DeleteSecurityGroup", (PROBE,), SECURITY_GROUP, when=(OF_A_PROBE,)),
    *_called("rds", "CreateDBSubnetGroup DeleteDBSubnetGroup", (PROBE,), PROBE_SUBNETS),
    *_called(
        "rds",
        "CreateDBParameterGroup DeleteDBParameterGroup ModifyDBParameterGroup ResetDBParameterGroup",
        (PROBE,),
        PROBE_PARAMETERS,
    ),
    *_called(
        "rds",
        "CreateDBInstance CreateDBInstanceReadReplica",
        (PROBE,),
        *(PROBE_INSTANCE, PROBE_PARAMETERS, PROBE_SUBNETS, OPTION_GROUP),
    ),
    *_called("rds", "DeleteDBInstance ModifyDBInstance RebootDBInstance", (PROBE,), PROBE_INSTANCE),
)
"""Every call that the edges make. Who adds a call adds a row, or the test of this table fails."""

ASKED_BY_AWS: tuple[Right, ...] = (
    *_called(
        "rds",
        "AddTagsToResource",
        (PREPARE,),
        INSTANCE,
        PARAMETERS,
        SUBNETS,
        new_only=True,
        why="what is made is tagged in the same call",
    ),
    *_making_replica("AddTagsToResource", REPLICA, REPLICA_PARAMETERS, why="so are replica and its group"),
    *_called(
        "rds",
        "AddTagsToResource",
        (PROBE,),
        *(PROBE_INSTANCE, PROBE_PARAMETERS, PROBE_SUBNETS),
        why="so is what a probe makes",
    ),
    *_called("rds", "AddTagsToResource", (MIGRATE,), SNAPSHOT, new_only=True, why="so is the snapshot after the lift"),
    *_called(
        "rds",
        "CreateDBSnapshot",
        (DESTROY,),
        INSTANCE,
        SNAPSHOT,
        new_only=True,
        why="DeleteDBInstance takes the final snapshot",
    ),
    *_called(
        "rds",
        "AddTagsToResource",
        (DESTROY,),
        SNAPSHOT,
        new_only=True,
        why="the final snapshot gets the instance's tags",
    ),
    *_called(
        "ec2",
        "CreateTags",
        (PREPARE, HOST),
        SECURITY_GROUP,
        when=(MARKED_OURS, NEW_GROUP),
        new_only=True,
        why="the security group is tagged when it is made",
    ),
    *_called(
        "ec2",
        "CreateTags",
        (PROBE,),
        SECURITY_GROUP,
        when=(MARKED_A_PROBE, NEW_GROUP),
        why="the probe's, too",
    ),
    *_called(
        "ec2",
        "CreateTags",
        (HOST,),
        MACHINE,
        DISK,
        when=(MARKED_OURS, ("ec2:CreateAction", "RunInstances")),
        why="machine and disk are tagged when they are made",
    ),
    *_called("cloudwatch", "TagResource", (MIGRATE,), *ALARMS, alarms=True, why="alarms are tagged when they are set"),
    *_called("iam", "PassRole", (HOST,), HOST_ROLE, when=(FOR_EC2,), why="the machine gets the role"),
    *_called("iam", "TagRole", (HOST,), HOST_ROLE, why="the role is tagged when it is made"),
    *_called("iam", "TagInstanceProfile", (HOST,), HOST_PROFILE, why="so is the instance profile"),
    *_called("secretsmanager", "TagResource", (PREPARE,), LOGINS, why="the secret is tagged when it is made"),
    *_called(
        "iam",
        "CreateServiceLinkedRole",
        (PREPARE, PROBE),
        LINKED_ROLE,
        when=(FOR_RDS,),
        new_only=True,
        why="RDS makes its own role the first time that an account has an instance",
    ),
)
"""Not KMS: disks and secrets are encrypted with the account's `aws/rds` and `aws/secretsmanager` keys, whose own
policies let in whoever comes by way of the service. https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html"""

FOR_THE_CHECK = frozenset({"iam:SimulatePrincipalPolicy", "iam:GetRole"})
"""Only for finding a missing right beforehand: without them the plan says that it could not."""

RARELY_NEEDED = frozenset({"secretsmanager:RestoreSecret"})
"""Granted, and not asked for beforehand: only after a `destroy` is there a secret to bring back."""

NO_RIGHT_NEEDED = frozenset({"sts:GetCallerIdentity"})
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the patterns are filled with: names of things to be asked about, or patterns of a policy."""

    region: str
    account: str
    owner: str
    """The value of our tag: APP/ENVIRONMENT."""
    instance: str
    existing: bool
    parameter_group: str
    """'' when the group of an existing instance is left alone."""
    replica: str
    """'' when there is none, and so for its group."""
    replica_group: str
    made: str
    """When the replica is made: before-load or after-lift, "" for never, "*" for a policy that is good for both."""
    alarms: bool
    host: str
    subnet_group: str
    snapshot: str
    secrets: tuple[str, ...]
    """Our secret's name as its ARN ends, in every spelling that counts."""
    master_secrets: tuple[str, ...]
    """ARNs of somebody else's secret with the master's login."""
    major: str
    group_id: str
    vpc: str
    metric: str
    user: str
    role: str

    def named(self, pattern: str) -> tuple[str, ...]:
        """What a pattern names here; nothing where there is no such thing."""
        if pattern == MASTER_LOGIN:
            return self.master_secrets
        values = asdict(self)
        if any(values.get(field) == "" for _, field, _, _ in Formatter().parse(pattern) if field):
            return ()
        return tuple(
            pattern.format(**values, secret=secret) for secret in (self.secrets if pattern == LOGINS else ("",))
        )

    @classmethod
    def in_policy(
        cls,
        *,
        region: str,
        app: str,
        environment: str,
        account: str = "*",
        existing: str = "",
        parameter_group: str = "",
        master_secret: str = "",
        made: str = EVERYTHING,
        alarms: bool = True,
    ) -> "Place":
        """Patterns for every run of an environment, from what pgcutover.toml says."""
        names = names_for(app)
        instance = existing or names.instance
        managed = f"arn:aws:secretsmanager:{region}:{account}:secret:"
        master = master_secret if ":" in master_secret else f"{managed}{master_secret or 'rds!db'}-*"
        return cls(
            region=region,
            account=account,
            owner=f"{app}/{environment}",
            instance=instance,
            existing=bool(existing),
            parameter_group=parameter_group if existing else f"{instance}-postgres*",
            replica=names.replica,
            replica_group=names.replica_group("postgres*"),
            made=made,
            alarms=alarms and not existing,
            host=host_name(names.instance),
            subnet_group=names.subnet_group,
            snapshot=f"{instance}-*",
            # The suffix is made with the secret; before there is one, AWS goes by the name alone.
            secrets=(names.secret, f"{names.secret}-??????"),
            master_secrets=(master,) if existing else (),
            major="*",
            group_id="*",
            vpc="*",
            metric="*",
            user="*",
            role="*",
        )

    @classmethod
    def of_plan(cls, target: TargetPlan, account: str) -> "Place":
        """The very things of one plan; where AWS chooses the name, one as it could be."""
        return cls(
            region=target.region,
            account=account,
            owner=target.owned_by,
            instance=target.instance,
            existing=target.existing,
            parameter_group=target.parameter_group,
            replica=target.replica.identifier if target.replica else "",
            replica_group=target.replica.parameter_group if target.replica else "",
            made=target.replica.made if target.replica else "",
            alarms=bool(target.alarms),
            host="",
            subnet_group=target.subnet_group,
            snapshot=target.snapshot,
            secrets=(f"{target.secret_name}-AbCdEf",),
            master_secrets=(target.master_secret,) if ":" in target.master_secret else (),
            major=str(target.major),
            group_id="sg-0123456789abcdef0",
            vpc=target.vpc_id,
            metric="CPUUtilization",
            user="pgcutover",
            role="pgcutover",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One action on one thing, with what the request or the thing says of itself."""

    action: str
    resource: str
    when: tuple[Pair, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What AWS said about needs: which it would refuse, and why it could not be asked about the others."""

    who: str
    refused: tuple[Need, ...] = ()
    unasked: str = ""


def needed_by(
    commands: Collection[str], *, existing: bool, made: str = EVERYTHING, alarms: bool = True
) -> tuple[Right, ...]:
    """The rows that these commands need, in the table's order; `made` and `alarms` as of a Place."""
    commands = {part for command in commands for part in COMPOSED.get(command, (command,))}
    return tuple(
        right
        for right in (*RIGHTS, *ASKED_BY_AWS)
        if not commands.isdisjoint(right.commands)
        and not (existing and right.new_only)
        and (made == EVERYTHING or right.made in ("", made))
        and (alarms or not right.alarms)
    )


def needs(commands: Collection[str], place: Place) -> tuple[Need, ...]:
    """Every action on every thing that these commands touch there, each once."""
    found = [
        Need(
            action=right.action,
            resource=resource,
            when=tuple((key, value.format(owner=place.owner)) for key, value in right.when),
        )
        for right in needed_by(commands, existing=place.existing, made=place.made, alarms=place.alarms)
        for pattern in right.on
        for resource in place.named(pattern)
    ]
    return tuple(dict.fromkeys(found))


def policy(commands: Collection[str], place: Place) -> dict[str, Any]:
    """The IAM policy that lets these commands do their work there, and nothing else."""
    by_ground: dict[tuple[str, tuple[Pair, ...]], set[str]] = {}
    for need in needs(commands, place):
        by_ground.setdefault((need.resource, need.when), set()).add(need.action)
    # Things on which the same may be done share a statement.
    shared: dict[tuple[tuple[str, ...], tuple[Pair, ...]], list[str]] = {}
    for (resource, when), actions in by_ground.items():
        shared.setdefault((tuple(sorted(actions)), when), []).append(resource)
    return {
        "Version": VERSION,
        "Statement": [_statement(actions, resources, when) for (actions, when), resources in shared.items()],
    }


def _statement(actions: Sequence[str], resources: Sequence[str], when: Sequence[Pair]) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": list(actions), "Resource": sorted(resources)}
    tests: dict[str, dict[str, str]] = {}
    for key, value in when:
        tests.setdefault("StringLike" if "*" in value else "StringEquals", {})[key] = value
    return {**statement, "Condition": tests} if tests else statement
