"""What AWS asks a policy about before it serves a call: which actions, on which resources, with which tags.

One call may ask for several: what is tagged when it is made asks for the right to tag, and a deletion that takes a
snapshot for the right to take one. A resource '' is one that the lab does not know; any pattern will do for it.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonrds.html
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from moto.ec2.models import ec2_backends
from moto.rds.models import rds_backends
from moto.secretsmanager.models import secretsmanager_backends

from pgcutover.lab.rds.keys import ACCOUNT, Call

RDS_KINDS = {
    "DBInstanceIdentifier": "db",
    "SourceDBInstanceIdentifier": "db",
    "DBParameterGroupName": "pg",
    "DBSubnetGroupName": "subgrp",
    "DBSnapshotIdentifier": "snapshot",
}
MADE = {
    "CreateDBInstance": "db",
    "CreateDBInstanceReadReplica": "db",
    "CreateDBParameterGroup": "pg",
    "CreateDBSubnetGroup": "subgrp",
    "CreateDBSnapshot": "snapshot",
}
TAG_KEY = re.compile(r"Tags?\.(?:\w+\.)*?\d+\.Key$")
ALARM_NAME = re.compile(r"AlarmNames?(\.|$)")
NEW_GROUP = "security-group/*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question to a policy."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def checks(call: Call) -> tuple[Check, ...]:
    """Everything that must be allowed for this call."""
    match call.service:
        case "rds":
            return tuple(_rds(call))
        case "ec2":
            return tuple(_ec2(call))
        case "secretsmanager":
            return tuple(_secrets(call))
        case "cloudwatch":
            return tuple(_alarms(call))
    return (Check(action=call.permission, resource=""),)


def _rds(call: Call) -> Iterator[Check]:
    named = {name: f"{kind}:{call.request[name]}" for name, kind in RDS_KINDS.items() if name in call.request}
    if call.action == "CreateDBInstance":
        major = call.request.get("EngineVersion", "").partition(".")[0]
        named["OptionGroupName"] = f"og:default:postgres-{major}"
    own = f"arn:aws:rds:{call.region}:{ACCOUNT}:"
    resources = [call.request["ResourceName"]] if "ResourceName" in call.request else [own + r for r in named.values()]
    for resource in resources or ["*"]:
        yield Check(action=call.permission, resource=resource, context=_rds_tags(call, resource) | _new_tags(call))
    if _new_tags(call) and call.action in MADE:
        made = next(own + r for r in named.values() if r.startswith(f"{MADE[call.action]}:"))
        yield Check(action="rds:AddTagsToResource", resource=made, context=_new_tags(call))
    if last := call.request.get("FinalDBSnapshotIdentifier"):
        for resource in (*resources, f"{own}snapshot:{last}"):
            yield Check(action="rds:CreateDBSnapshot", resource=resource)


def _ec2(call: Call) -> Iterator[Check]:
    own = f"arn:aws:ec2:{call.region}:{ACCOUNT}:"
    if call.action == "CreateSecurityGroup":
        yield Check(action=call.permission, resource=own + NEW_GROUP, context=_new_tags(call))
        yield Check(action=call.permission, resource=f"{own}vpc/{call.request.get('VpcId', '')}")
        if _new_tags(call):
            context = {**_new_tags(call), "ec2:CreateAction": call.action}
            yield Check(action="ec2:CreateTags", resource=own + NEW_GROUP, context=context)
    elif group := call.request.get("GroupId"):
        found = ec2_backends[ACCOUNT][call.region].get_security_group_from_id(group)
        tags = {tag["key"]: tag["value"] for tag in found.get_tags()} if found else {}
        yield Check(action=call.permission, resource=f"{own}security-group/{group}", context=_held(tags))
    else:
        yield Check(action=call.permission, resource="")


def _secrets(call: Call) -> Iterator[Check]:
    name = call.request.get("SecretId") or call.request.get("Name") or ""
    # By the stored ARN, with its six random characters; by the name alone while there is none.
    # https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_iam-policies.html
    held = secretsmanager_backends[ACCOUNT][call.region].secrets.get(name)
    resource = held.arn if held else f"arn:aws:secretsmanager:{call.region}:{ACCOUNT}:secret:{name}"
    yield Check(action=call.permission, resource=name if name.startswith("arn:") else resource)
    if _new_tags(call) and call.action == "CreateSecret":
        yield Check(action="secretsmanager:TagResource", resource=resource)


def _alarms(call: Call) -> Iterator[Check]:
    own = f"arn:aws:cloudwatch:{call.region}:{ACCOUNT}:alarm:"
    named = [own + value for name, value in call.request.items() if ALARM_NAME.match(name)]
    named += [call.request["ResourceARN"]] if "ResourceARN" in call.request else []
    for resource in ["*"] if call.reads and call.action != "ListTagsForResource" else named:
        yield Check(action=call.permission, resource=resource)
        if _new_tags(call):
            yield Check(action="cloudwatch:TagResource", resource=resource)


def _rds_tags(call: Call, resource: str) -> dict[str, str]:
    found = rds_backends[ACCOUNT][call.region].databases.get(resource.rpartition(":")[2])
    return _held({tag["Key"]: tag["Value"] for tag in found.tags} if found is not None else {})


def _held(tags: Mapping[str, str]) -> dict[str, str]:
    return {f"aws:ResourceTag/{key}": value for key, value in tags.items()}


def _new_tags(call: Call) -> dict[str, str]:
    names = [name for name in call.request if TAG_KEY.search(name)]
    return {
        f"aws:RequestTag/{call.request[name]}": call.request.get(name.removesuffix("Key") + "Value", "")
        for name in names
    }
