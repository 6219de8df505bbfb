"""Asking AWS beforehand what it would refuse: a missing right is found while nothing has been touched yet.

IAM's simulator tells, for whoever may ask it. RDS has no dry run; EC2 has one, which is asked where the simulator may
not be. Nothing is ever made here.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from collections.abc import Sequence
from typing import Any

from pgcutover.edges.aws_calls import AwsCalls
from pgcutover.errors import AwsError, RightsError
from pgcutover.planning.aws_rights import FOR_THE_CHECK, Answer, Need, Pair

ALLOWED = "allowed"
DRY_RUN = "ec2:CreateSecurityGroup"


class AwsRights:
    def __init__(self, calls: AwsCalls) -> None:
        self._calls = calls

    def ask(self, who: str, needs: Sequence[Need], *, vpc_id: str) -> Answer:
        """What of these would be refused to `who`, the ARN that STS names. `vpc_id` is for EC2's dry run."""
        if who.endswith(":root"):
            return Answer(who=who)
        asked = [need for need in needs if need.action not in FOR_THE_CHECK]
        try:
            refused = self._simulated(self._policies_of(who), asked)
        except (RightsError, AwsError) as error:
            tried = [need for need in asked if need.action == DRY_RUN and need.when]
            denied = [need for need in tried if not self._dry_run(vpc_id, need.when)]
            return Answer(who=who, refused=tuple(denied), unasked=error.message)
        return Answer(who=who, refused=refused)

    def _policies_of(self, who: str) -> str:
        """The user or role whose policies count. The ARN of a role's session names it without its path.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
        """
        kind, _, name = who.rpartition(":")[2].partition("/")
        if kind != "assumed-role":
            return who
        return str(self._calls.call("iam", "get_role", RoleName=name.partition("/")[0])["Role"]["Arn"])

    def _simulated(self, source: str, needs: Sequence[Need]) -> tuple[Need, ...]:
        """Raises:
        AwsError: a policy asks for something that only a real request has.
        """
        grounds: dict[tuple[str, tuple[Pair, ...]], list[str]] = {}
        for need in needs:
            grounds.setdefault((need.resource, need.when), []).append(need.action)
        refused = []
        for (resource, when), actions in grounds.items():
            rows = self._calls.pages(
                "iam",
                "simulate_principal_policy",
                "EvaluationResults",
                PolicySourceArn=source,
                ActionNames=actions,
                ResourceArns=[resource],
                ContextEntries=[_context(key, value) for key, value in when],
            )
            refused += [
                Need(action=row["EvalActionName"], resource=resource, when=when) for row in rows if _refused(row)
            ]
        return tuple(refused)

    def _dry_run(self, vpc_id: str, tags: Sequence[Pair]) -> bool:
        """Whether EC2 would make a security group.

        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
        """
        pairs = [{"Key": key.partition("/")[2], "Value": value} for key, value in tags]
        try:
            self._calls.call(
                "ec2",
                "create_security_group",
                tolerated={"DryRunOperation"},
                DryRun=True,
                GroupName="pgcutover-dry-run",
                Description="never made",
                VpcId=vpc_id,
                TagSpecifications=[{"ResourceType": "security-group", "Tags": pairs}],
            )
        except RightsError:
            return False
        return True


def _context(key: str, value: str) -> dict[str, Any]:
    return {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}


def _refused(row: dict[str, Any]) -> bool:
    if row["EvalDecision"] == ALLOWED:
        return False
    missing = row.get("MissingContextValues") or []
    if missing:
        raise AwsError(f"a policy's condition on {', '.join(sorted(missing))} cannot be simulated")
    return True
