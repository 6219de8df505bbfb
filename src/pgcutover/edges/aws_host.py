"""The migration host's parts in the account: machine, security group, role and instance profile; and commands on it.

Everything is told by its tags, nothing is remembered. Invariants: nothing that lacks our tags is changed or removed;
the security group lets nothing in; no request holds a secret. Each method may be called again after a crash.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from shlex import quote
from typing import Any

from pgcutover.edges.aws_calls import AwsCalls
from pgcutover.errors import AwsError, ConfigError, NotDoneError, RefusedError
from pgcutover.facts.ec2 import (
    ALIVE,
    HOST_ROLE,
    ROLE_TAG,
    HostSubnet,
    Machine,
    MachineSpec,
    Ran,
    TargetPlace,
)
from pgcutover.facts.rds import OWNER_TAG, Network, Subnet, Tags, is_ours

POLICY = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
"""All that the machine may do by itself: be reached by Systems Manager.
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonSSMManagedInstanceCore.html"""
DESCRIPTION = "made by pgcutover for its migration host: nothing comes in"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
ROOT_DEVICE = "/dev/xvda"
"""Of Amazon Linux's images (A20); another name would add a second, empty disk."""
SHOWS_LIMIT_S = 60.0
PROFILE_LIMIT_S = 150.0
"""EC2 learns of a new instance profile some seconds later, at times two minutes.
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency"""
PROFILE_PAUSE_S = 5.0
MACHINE_LIMIT_S = 900.0
ONLINE_LIMIT_S = 600.0
COMMAND_LIMIT_S = 1200
GROUP_LIMIT_S = 300.0
"""A machine's network interface outlives it by a moment, and holds the group."""
CONSOLE = "Look at it in the EC2 console, then run the same command again: it goes on waiting."
NO_WAY_OUT = (
    "The machine must reach Systems Manager: name a subnet with a way to the Internet in host.subnet_id, and see that "
    "the profile has AmazonSSMManagedInstanceCore; then pgcutover host down, and up again."
)
ENDED = frozenset({"Success", "Cancelled", "TimedOut", "Failed"})
"""https://docs.aws.amazon.com/systems-manager/latest/userguide/monitor-commands.html"""
SAID_CHARACTERS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """A security group. `inbound` counts its inbound rules; there must be none."""

    id: str
    inbound: int
    tags: Tags


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """An instance profile or a role; `whole`: nothing is missing in it."""

    kind: str
    tags: Tags
    whole: bool


class AwsHosts:
    def __init__(self, calls: AwsCalls) -> None:
        self._calls = calls

    # -- looking ----------------------------------------------------------------------------------------------------

    def machines(self, tags: Tags) -> tuple[Machine, ...]:
        """Those of ours that live, oldest first."""
        filters = [*_ours(tags), {"Name": "instance-state-name", "Values": list(ALIVE)}]
        rows = [row for page in self._pages("describe_instances", "Reservations", filters) for row in page["Instances"]]
        return tuple(_machine(row) for row in sorted(rows, key=lambda row: (str(row["LaunchTime"]), row["InstanceId"])))

    def has_profile(self, name: str, tags: Tags) -> bool:
        """Whether role and instance profile of that name are ours, and whole."""
        return all(found is not None and is_ours(found.tags, tags) and found.whole for found in self._named(name))

    def has_group(self, name: str, vpc_id: str, tags: Tags) -> bool:
        """Whether the security group of that name is ours, and lets nothing in."""
        found = self._group(name, vpc_id)
        return found is not None and is_ours(found.tags, tags) and not found.inbound

    def parts(self, name: str, tags: Tags) -> tuple[str, ...]:
        """What of ours is there besides machines, in words."""
        groups = [f"security group {group.id}" for group in self._groups(tags)]
        named = [f"{found.kind} {name}" for found in self._named(name) if found and is_ours(found.tags, tags)]
        return (*groups, *named)

    def others(self, name: str, tags: Tags) -> tuple[str, ...]:
        """What bears our names and is somebody else's, in words."""
        named = [found for found in self._named(name) if found and not is_ours(found.tags, tags)]
        return tuple(f"{found.kind} {name}, which pgcutover did not make" for found in named)

    def target_place(self, identifier: str) -> TargetPlace | None:
        """Where an RDS instance stands; None when there is none."""
        reply = self._calls.call(
            "rds", "describe_db_instances", tolerated={"DBInstanceNotFound"}, DBInstanceIdentifier=identifier
        )
        rows = reply.get("DBInstances", [])
        if not rows:
            return None
        group, endpoint = rows[0].get("DBSubnetGroup", {}), rows[0].get("Endpoint", {})
        subnets = tuple(
            Subnet(id=s["SubnetIdentifier"], zone=s.get("SubnetAvailabilityZone", {}).get("Name", ""))
            for s in group.get("Subnets", ())
        )
        return TargetPlace(
            host=endpoint.get("Address", ""),
            port=int(endpoint.get("Port", 0)),
            zone=rows[0].get("AvailabilityZone", ""),
            network=Network(vpc_id=group.get("VpcId", ""), cidr="", subnets=subnets),
        )

    def subnets(self, ids: Sequence[str]) -> tuple[HostSubnet, ...]:
        """Raises ConfigError when one does not exist."""
        reply = self._calls.call(
            "ec2",
            "describe_subnets",
            tolerated={"InvalidSubnetID.NotFound", "InvalidSubnetId.Malformed"},
            SubnetIds=list(ids),
        )
        rows = reply.get("Subnets", [])
        if len(rows) != len(set(ids)):
            raise ConfigError(
                f"no such subnet in {self._calls.region}: {', '.join(ids)}", hint="Check host.subnet_id and the Region."
            )
        return tuple(
            HostSubnet(
                id=row["SubnetId"],
                zone=row["AvailabilityZone"],
                vpc_id=row["VpcId"],
                public_addresses=bool(row.get("MapPublicIpOnLaunch")),
            )
            for row in rows
        )

    def offered(self, classes: Sequence[str]) -> frozenset[tuple[str, str]]:
        """(class, zone) pairs that EC2 has, of these classes."""
        rows = self._pages(
            "describe_instance_type_offerings",
            "InstanceTypeOfferings",
            [{"Name": "instance-type", "Values": list(classes)}],
            LocationType="availability-zone",
        )
        return frozenset((str(row["InstanceType"]), str(row["Location"])) for row in rows)

    # -- making -----------------------------------------------------------------------------------------------------

    def ensure_profile(self, name: str, tags: Tags) -> None:
        """There is a role of ours with one policy, in an instance profile of ours.

        Raises:
            RefusedError: a name is somebody else's.
        """
        pairs = _pairs(tags)
        if self._role(name) is None:
            self._calls.call(
                "iam",
                "create_role",
                tolerated={"EntityAlreadyExists"},
                RoleName=name,
                AssumeRolePolicyDocument=json.dumps(TRUST),
                Description="made by pgcutover for its migration host",
                Tags=pairs,
            )
        _refuse_foreign(self._role(name), name, tags)
        self._calls.call("iam", "attach_role_policy", RoleName=name, PolicyArn=POLICY)
        if self._profile(name) is None:
            self._calls.call(
                "iam",
                "create_instance_profile",
                tolerated={"EntityAlreadyExists"},
                InstanceProfileName=name,
                Tags=pairs,
            )
        found = self._profile(name)
        _refuse_foreign(found, name, tags)
        if found is not None and not found.whole:
            self._calls.call("iam", "add_role_to_instance_profile", InstanceProfileName=name, RoleName=name)

    def ensure_group(self, name: str, vpc_id: str, tags: Tags) -> None:
        """There is a security group of ours that lets nothing in.

        Raises:
            RefusedError: the name is somebody else's; or somebody gave ours an inbound rule.
        """
        if self._group(name, vpc_id) is None:
            self._calls.call(
                "ec2",
                "create_security_group",
                tolerated={"InvalidGroup.Duplicate"},
                GroupName=name,
                Description=DESCRIPTION,
                VpcId=vpc_id,
                TagSpecifications=_specified("security-group", tags),
            )
            self._until(lambda: self._group(name, vpc_id) is not None, f"security group {name}", SHOWS_LIMIT_S)
        found = self._group(name, vpc_id)
        if found is None or not is_ours(found.tags, tags):
            raise _taken("security group", name)
        if found.inbound:
            raise RefusedError(
                f"security group {name} has inbound rules ({found.inbound}), and pgcutover made it with none",
                hint="Remove them: people log in through Systems Manager, which needs none.",
            )

    def launch(self, spec: MachineSpec) -> None:
        """There is a machine of ours; one that lives is adopted, whatever its class."""
        tags = dict(spec.tags)
        if not self.machines(tags):
            self._run(spec)
            self._until(lambda: bool(self.machines(tags)), "the new machine", SHOWS_LIMIT_S)

    def wait_running(self, tags: Tags) -> None:
        """It runs; one that somebody stopped is started.

        Raises:
            AwsError: it vanished, or does not come up.
        """

        def runs() -> bool:
            found = self.machines(tags)
            if not found:
                raise AwsError(
                    "the host's machine is gone", hint="AWS may have none of that class left: see host.size."
                )
            if found[0].state == "stopped":
                self._calls.call("ec2", "start_instances", InstanceIds=[found[0].id])
            return found[0].state == "running"

        self._until(runs, "a running machine", MACHINE_LIMIT_S)

    def online(self, machine: str) -> bool:
        """Whether Systems Manager reaches it."""
        filters = [{"Key": "InstanceIds", "Values": [machine]}]
        # A machine that has never signed in may be an empty list or an error.
        unknown = {"InvalidInstanceId", "InvalidInstanceInformationFilterValue"}
        reply = self._calls.call("ssm", "describe_instance_information", tolerated=unknown, Filters=filters)
        return any(row.get("PingStatus") == "Online" for row in reply.get("InstanceInformationList", ()))

    def wait_online(self, machine: str) -> None:
        what = f"{machine} in Systems Manager"
        self._calls.until(lambda: self.online(machine), what=what, limit_s=ONLINE_LIMIT_S, hint=NO_WAY_OUT)

    def run(self, machine: str, script: str) -> Ran:
        """Run a script on the machine as root, and wait until it ends. It must be one that may run again."""
        sent = self._calls.call(
            "ssm",
            "send_command",
            InstanceIds=[machine],
            DocumentName="AWS-RunShellScript",
            Comment="pgcutover host up",
            Parameters={
                "commands": [f"bash -c {quote(script)}"],
                "executionTimeout": [str(COMMAND_LIMIT_S)],
            },
        )
        command, seen = str(sent["Command"]["CommandId"]), [dict[str, Any]()]

        def ended() -> bool:
            # It is not known at once.
            seen[:] = [
                self._calls.call(
                    "ssm",
                    "get_command_invocation",
                    tolerated={"InvocationDoesNotExist"},
                    CommandId=command,
                    InstanceId=machine,
                )
            ]
            return seen[0].get("Status") in ENDED

        self._until(ended, "the end of a command on the machine", COMMAND_LIMIT_S + SHOWS_LIMIT_S)
        answer = seen[0]
        done = answer["Status"] == "Success"
        said = answer.get("StandardOutputContent" if done else "StandardErrorContent", "")
        return Ran(done=done, code=int(answer.get("ResponseCode", -1)), said=said.strip()[-SAID_CHARACTERS:])

    # -- removing ---------------------------------------------------------------------------------------------------

    def terminate(self, tags: Tags) -> tuple[str, ...]:
        """End every machine of ours; returns their ids. They are gone when this returns."""
        ids = [machine.id for machine in self.machines(tags)]
        if ids:
            self._calls.call("ec2", "terminate_instances", InstanceIds=ids)
        # Those that an earlier call ended may still be on their way.
        filters = [*_ours(tags), {"Name": "instance-state-name", "Values": [*ALIVE, "shutting-down"]}]
        self._until(
            lambda: not self._pages("describe_instances", "Reservations", filters),
            "the end of the machine",
            MACHINE_LIMIT_S,
        )
        return tuple(ids)

    def remove_groups(self, tags: Tags) -> tuple[str, ...]:
        """Remove the security groups of ours; returns their ids."""
        ids = tuple(group.id for group in self._groups(tags))
        for group in ids:
            self._until(partial(self._group_gone, group), f"the removal of security group {group}", GROUP_LIMIT_S)
        return ids

    def remove_profile(self, name: str, tags: Tags) -> tuple[str, ...]:
        """Remove profile and role of ours; what is somebody else's stays. Returns what was removed."""
        removed = []
        profile = self._profile(name)
        if profile is not None and is_ours(profile.tags, tags):
            if profile.whole:
                self._iam("remove_role_from_instance_profile", InstanceProfileName=name, RoleName=name)
            self._iam("delete_instance_profile", InstanceProfileName=name)
            removed.append(f"instance profile {name}")
        role = self._role(name)
        if role is not None and is_ours(role.tags, tags):
            for policy in self._policies(name):
                self._iam("detach_role_policy", RoleName=name, PolicyArn=policy)
            self._iam("delete_role", RoleName=name)
            removed.append(f"role {name}")
        return tuple(removed)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _groups(self, tags: Tags) -> tuple[_Group, ...]:
        """Security groups of ours, in whatever network."""
        return tuple(_group(row) for row in self._pages("describe_security_groups", "SecurityGroups", _ours(tags)))

    def _group(self, name: str, vpc_id: str) -> _Group | None:
        """The security group of that name, whosever it is."""
        filters = [{"Name": "group-name", "Values": [name]}, {"Name": "vpc-id", "Values": [vpc_id]}]
        rows = self._pages("describe_security_groups", "SecurityGroups", filters)
        return _group(rows[0]) if rows else None

    def _named(self, name: str) -> tuple[_Named | None, _Named | None]:
        return self._role(name), self._profile(name)

    def _profile(self, name: str) -> _Named | None:
        row = self._iam("get_instance_profile", InstanceProfileName=name).get("InstanceProfile")
        if row is None:
            return None
        return _Named(kind="instance profile", tags=_tags(row.get("Tags", ())), whole=bool(row.get("Roles")))

    def _role(self, name: str) -> _Named | None:
        row = self._iam("get_role", RoleName=name).get("Role")
        if row is None:
            return None
        return _Named(kind="role", tags=_tags(row.get("Tags", ())), whole=POLICY in self._policies(name))

    def _run(self, spec: MachineSpec) -> None:
        request = self._request(spec)
        deadline = self._calls.clock.monotonic() + PROFILE_LIMIT_S
        while self._calls.clock.monotonic() < deadline and not spec.profile_given:
            # What EC2 says of a profile that it has not heard of yet; it has no code of its own.
            if self._calls.call("ec2", "run_instances", tolerated={"InvalidParameterValue"}, **request):
                return
            self._calls.clock.sleep(PROFILE_PAUSE_S)
        self._calls.call("ec2", "run_instances", **request)

    def _request(self, spec: MachineSpec) -> dict[str, Any]:
        group = self._group(spec.name, spec.vpc_id)
        if group is None:
            raise NotDoneError(f"there is no security group {spec.name}", hint="Run the same command again.")
        image = self._calls.call("ssm", "get_parameter", Name=spec.image_parameter)["Parameter"]["Value"]
        key = "Arn" if spec.profile.startswith("arn:") else "Name"
        disk = {"VolumeSize": spec.volume_gb, "VolumeType": "gp3", "Encrypted": True, "DeleteOnTermination": True}
        named = {**dict(spec.tags), "Name": spec.name}
        return {
            "ImageId": image,
            "InstanceType": spec.instance_class,
            "MinCount": 1,
            "MaxCount": 1,
            "SubnetId": spec.subnet_id,
            "SecurityGroupIds": [group.id],
            "IamInstanceProfile": {key: spec.profile},
            # One hop: what runs in a container there cannot take the machine's credentials.
            "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"},
            "BlockDeviceMappings": [{"DeviceName": ROOT_DEVICE, "Ebs": disk}],
            "TagSpecifications": _specified("instance", named) + _specified("volume", named),
        }

    def _group_gone(self, group: str) -> bool:
        """Whether it is gone now; a group in use stays for the moment."""
        gone = {"InvalidGroup.NotFound", "InvalidGroupId.NotFound"}
        self._calls.call("ec2", "delete_security_group", tolerated={*gone, "DependencyViolation"}, GroupId=group)
        reply = self._calls.call("ec2", "describe_security_groups", tolerated=gone, GroupIds=[group])
        return not reply.get("SecurityGroups")

    def _policies(self, role: str) -> tuple[str, ...]:
        rows = self._iam("list_attached_role_policies", RoleName=role).get("AttachedPolicies", ())
        return tuple(str(row["PolicyArn"]) for row in rows)

    def _iam(self, operation: str, **request: Any) -> dict[str, Any]:
        return self._calls.call("iam", operation, tolerated={"NoSuchEntity"}, **request)

    def _until(self, holds: Callable[[], bool], what: str, limit_s: float) -> None:
        self._calls.until(holds, what=what, limit_s=limit_s, hint=CONSOLE)

    def _pages(self, operation: str, key: str, filters: Sequence[Mapping[str, Any]], **more: Any) -> list[Any]:
        """Every row: EC2 pages by NextToken."""
        rows: list[Any] = []
        token: dict[str, str] = {}
        while True:
            reply = self._calls.call("ec2", operation, Filters=list(filters), **more, **token)
            rows += reply.get(key, [])
            if not reply.get("NextToken"):
                return rows
            token = {"NextToken": reply["NextToken"]}


def _ours(tags: Tags) -> list[dict[str, Any]]:
    return [
        {"Name": f"tag:{OWNER_TAG}", "Values": [tags[OWNER_TAG]]},
        {"Name": f"tag:{ROLE_TAG}", "Values": [HOST_ROLE]},
    ]


def _refuse_foreign(found: _Named | None, name: str, tags: Tags) -> None:
    if found is not None and not is_ours(found.tags, tags):
        raise _taken(found.kind, name)


def _taken(kind: str, name: str) -> RefusedError:
    return RefusedError(
        f"the {kind} name {name} is taken by something that pgcutover did not make for this environment",
        hint=f"Rename or remove that {kind}; instead of a role and a profile, host.instance_profile can name yours.",
    )


def _machine(row: Mapping[str, Any]) -> Machine:
    return Machine(
        id=row["InstanceId"],
        state=row["State"]["Name"],
        instance_class=row["InstanceType"],
        zone=row.get("Placement", {}).get("AvailabilityZone", ""),
        tags=tuple(sorted(_tags(row.get("Tags", ())).items())),
    )


def _group(row: Mapping[str, Any]) -> _Group:
    return _Group(id=row["GroupId"], inbound=len(row.get("IpPermissions", ())), tags=_tags(row.get("Tags", ())))


def _tags(rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    return {row["Key"]: row["Value"] for row in rows}


def _pairs(tags: Tags) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def _specified(kind: str, tags: Tags) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": _pairs(tags)}]
