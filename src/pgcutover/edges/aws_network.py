"""Security group and subnet group of the new database: found or made, and told apart from other people's by their tags.

Nothing that lacks our tag is ever changed or removed.
"""

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pgcutover.edges.aws_calls import AwsCalls
from pgcutover.errors import ConfigError, RefusedError
from pgcutover.facts.rds import GroupFacts, Network, Subnet, Tags, is_ours

PORT = 5432
SHOWS_LIMIT_S = 60.0
DESCRIPTION = "made by pgcutover for the database of a Heroku application"


class AwsNetwork:
    def __init__(self, calls: AwsCalls) -> None:
        self._calls = calls

    def survey(self, subnet_ids: Sequence[str] = ()) -> Network:
        """The network of these subnets, or the default one; one subnet for each zone.

        Raises:
            ConfigError: no default network, subnets of several networks, or fewer than two zones.
        """
        rows = self._named_subnets(subnet_ids) if subnet_ids else self._default_subnets()
        vpcs = {row["VpcId"] for row in rows}
        if len(vpcs) != 1:
            raise ConfigError("target.subnet_ids name subnets of several networks", hint="Choose one VPC's subnets.")
        zones = {row["AvailabilityZone"]: row["SubnetId"] for row in sorted(rows, key=lambda r: str(r["SubnetId"]))}
        if len(zones) < 2:
            # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_VPC.WorkingWithRDSInstanceinaVPC.html
            raise ConfigError(
                f"RDS wants subnets in two zones at least; there are {len(zones)}", hint="Set target.subnet_ids."
            )
        vpc_id = vpcs.pop()
        vpc = self._calls.call("ec2", "describe_vpcs", VpcIds=[vpc_id])["Vpcs"][0]
        subnets = tuple(Subnet(id=subnet, zone=zone) for zone, subnet in sorted(zones.items()))
        return Network(vpc_id=vpc_id, cidr=vpc["CidrBlock"], subnets=subnets)

    def security_group(self, name: str, vpc_id: str) -> GroupFacts | None:
        filters = [{"Name": "group-name", "Values": [name]}, {"Name": "vpc-id", "Values": [vpc_id]}]
        rows = self._calls.call("ec2", "describe_security_groups", Filters=filters)["SecurityGroups"]
        if not rows:
            return None
        return GroupFacts(id=rows[0]["GroupId"], members=_open_to(rows[0]), tags=_tags(rows[0].get("Tags", [])))

    def ensure_security_group(self, name: str, vpc_id: str, cidrs: Sequence[str], tags: Tags) -> None:
        """There is a group of ours that lets these in on PostgreSQL's port; what a person added stays.

        Raises:
            RefusedError: the name is somebody else's.
        """
        found = self.security_group(name, vpc_id)
        if found is None:
            with self._calls.timed(f"security group {name}"):
                specification = [{"ResourceType": "security-group", "Tags": _pairs(tags)}]
                self._calls.call(
                    "ec2",
                    "create_security_group",
                    tolerated={"InvalidGroup.Duplicate"},
                    GroupName=name,
                    Description=DESCRIPTION,
                    VpcId=vpc_id,
                    TagSpecifications=specification,
                )
            found = self._made(lambda: self.security_group(name, vpc_id), f"security group {name}")
        refuse_foreign("security group", name, dict(found.tags), tags)
        missing = [cidr for cidr in cidrs if cidr not in found.members]
        if missing:
            self._calls.call(
                "ec2",
                "authorize_security_group_ingress",
                tolerated={"InvalidPermission.Duplicate"},
                GroupId=found.id,
                IpPermissions=[_permission(missing)],
            )

    def subnet_group(self, name: str) -> GroupFacts | None:
        reply = self._calls.call(
            "rds", "describe_db_subnet_groups", tolerated={"DBSubnetGroupNotFound"}, DBSubnetGroupName=name
        )
        rows = reply.get("DBSubnetGroups", [])
        if not rows:
            return None
        members = tuple(sorted(str(subnet["SubnetIdentifier"]) for subnet in rows[0]["Subnets"]))
        arn = rows[0]["DBSubnetGroupArn"]
        return GroupFacts(id=arn, members=members, tags=tags_of(self._calls, arn))

    def ensure_subnet_group(self, name: str, subnet_ids: Sequence[str], tags: Tags) -> None:
        """There is a group of ours with these subnets.

        Raises:
            RefusedError: the name is somebody else's.
        """
        found = self.subnet_group(name)
        if found is None:
            with self._calls.timed(f"subnet group {name}"):
                self._calls.call(
                    "rds",
                    "create_db_subnet_group",
                    tolerated={"DBSubnetGroupAlreadyExists"},
                    DBSubnetGroupName=name,
                    DBSubnetGroupDescription=DESCRIPTION,
                    SubnetIds=list(subnet_ids),
                    Tags=_pairs(tags),
                )
            found = self._made(lambda: self.subnet_group(name), f"subnet group {name}")
        refuse_foreign("subnet group", name, dict(found.tags), tags)

    def remove_security_group(self, name: str, vpc_id: str, tags: Tags) -> None:
        """Remove a group of ours; one that is absent or somebody else's is left alone."""
        found = self.security_group(name, vpc_id)
        if found is not None and is_ours(dict(found.tags), tags):
            self._calls.call("ec2", "delete_security_group", tolerated={"InvalidGroup.NotFound"}, GroupId=found.id)

    def remove_subnet_group(self, name: str, tags: Tags) -> None:
        """Remove a group of ours; one that is absent or somebody else's is left alone."""
        found = self.subnet_group(name)
        if found is not None and is_ours(dict(found.tags), tags):
            self._calls.call(
                "rds", "delete_db_subnet_group", tolerated={"DBSubnetGroupNotFound"}, DBSubnetGroupName=name
            )

    def _named_subnets(self, subnet_ids: Sequence[str]) -> list[dict[str, Any]]:
        reply = self._calls.call(
            "ec2", "describe_subnets", tolerated={"InvalidSubnetID.NotFound"}, SubnetIds=list(subnet_ids)
        )
        rows: list[dict[str, Any]] = reply.get("Subnets", [])
        if len(rows) != len(set(subnet_ids)):
            raise ConfigError("target.subnet_ids name a subnet that does not exist", hint="Check them and the Region.")
        return rows

    def _default_subnets(self) -> list[dict[str, Any]]:
        filters = [{"Name": "default-for-az", "Values": ["true"]}]
        rows: list[dict[str, Any]] = self._calls.call("ec2", "describe_subnets", Filters=filters)["Subnets"]
        if not rows:
            raise ConfigError(
                f"this account has no default network in {self._calls.region}", hint="Set target.subnet_ids."
            )
        return rows

    def _made(self, find: Callable[[], GroupFacts | None], what: str) -> GroupFacts:
        """What was just made, once it shows: EC2 lists a new thing some seconds late.

        https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
        """
        seen: list[GroupFacts] = []

        def look() -> bool:
            seen[:] = [found for found in (find(),) if found is not None]
            return bool(seen)

        self._calls.until(look, what=what, limit_s=SHOWS_LIMIT_S)
        return seen[0]


def refuse_foreign(kind: str, name: str, found: Tags, wanted: Tags) -> None:
    """Raises:
    RefusedError: the thing lacks our tag, so that it is somebody else's.
    """
    if not is_ours(found, wanted):
        raise RefusedError(
            f"the {kind} name {name} is taken by something that pgcutover did not make for this environment",
            hint=f"Rename or remove that {kind}, or use your own instance: target.existing.",
        )


def tags_of(calls: AwsCalls, arn: str) -> tuple[tuple[str, str], ...]:
    """The tags of an RDS resource, sorted."""
    return _tags(calls.call("rds", "list_tags_for_resource", ResourceName=arn).get("TagList", []))


def _tags(rows: Sequence[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((row["Key"], row["Value"]) for row in rows))


def _pairs(tags: Tags) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def _open_to(group: Mapping[str, Any]) -> tuple[str, ...]:
    """The CIDRs that may reach PostgreSQL's port."""
    cidrs: set[str] = set()
    for permission in group["IpPermissions"]:
        if permission.get("FromPort") == PORT == permission.get("ToPort"):
            cidrs |= {row["CidrIp"] for row in permission.get("IpRanges", [])}
            cidrs |= {row["CidrIpv6"] for row in permission.get("Ipv6Ranges", [])}
    return tuple(sorted(cidrs))


def _permission(cidrs: Sequence[str]) -> dict[str, Any]:
    four = [{"CidrIp": cidr} for cidr in cidrs if ipaddress.ip_network(cidr, strict=False).version == 4]
    six = [{"CidrIpv6": cidr} for cidr in cidrs if ipaddress.ip_network(cidr, strict=False).version == 6]
    permission: dict[str, Any] = {"IpProtocol": "tcp", "FromPort": PORT, "ToPort": PORT}
    return permission | ({"IpRanges": four} if four else {}) | ({"Ipv6Ranges": six} if six else {})
