"""Asking AWS beforehand what it would refuse: a missing right is found while nothing has been touched yet.

IAM's simulator tells, for whoever may ask it. RDS has no dry run; EC2 has one, which is asked where the simulator may
not be. Nothing is ever made here.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from pgcutover.edges.aws_calls import AwsCalls
from pgcutover.errors import AwsError, RightsError
from pgcutover.planning.aws_rights import FOR_THE_CHECK, RARELY_NEEDED, Answer, Need, Pair

ALLOWED = "allowed"
DRY_RUN = "ec2:CreateSecurityGroup"


class AwsRights:
    def __init__(self, calls: AwsCalls) -> None:
        self._calls = calls

    def ask(self, who: str, needs: Sequence[Need], *, vpc_id: str) -> Answer:
        """What of these would be refused to `who`, the ARN that STS names. `vpc_id` is for EC2's dry run."""
        if who.endswith(":root"):
            return Answer(who=who)
        asked = [need for need in needs if need.action not in FOR_THE_CHECK | RARELY_NEEDED]
        refused: list[Need] = []
        unclear: list[Need] = []
        missing: set[str] = set()
        try:
            for need, lacking in self._not_allowed(self._policies_of(who), asked):
                (unclear if lacking else refused).append(need)
                missing.update(lacking)
        except (RightsError, AwsError) as error:
            unclear, unasked = [need for need in asked if need not in refused], error.message
        else:
            unasked = _cannot_be_simulated(missing, unclear) if unclear else ""
        tried = [need for need in unclear if need.action == DRY_RUN and need.when]
        refused += [need for need in tried if not self._dry_run(vpc_id, need.when)]
        return Answer(who=who, refused=tuple(refused), unasked=unasked)

    def _policies_of(self, who: str) -> str:
        """The user or role whose policies count. The ARN of a role's session names it without its path.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
        """
        kind, _, name = who.rpartition(":")[2].partition("/")
        if kind != "assumed-role":
            return who
        return str(self._calls.call("iam", "get_role", RoleName=name.partition("/")[0])["Role"]["Arn"])

    def _not_allowed(self, source: str, needs: Sequence[Need]) -> Iterator[tuple[Need, Sequence[str]]]:
        """Each that is not, with what a condition of a policy asks for that only a real request has."""
        grounds: dict[tuple[str, tuple[Pair, ...]], list[str]] = {}
        for need in needs:
            grounds.setdefault((need.resource, need.when), []).append(need.action)
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
            for row in rows:
                if row["EvalDecision"] != ALLOWED:
                    need = Need(action=row["EvalActionName"], resource=resource, when=when)
                    yield need, row.get("MissingContextValues") or ()

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


def _cannot_be_simulated(keys: Collection[str], needs: Sequence[Need]) -> str:
    actions = ", ".join(sorted({need.action for need in needs}))
    return f"a policy's condition on {', '.join(sorted(keys))} cannot be simulated, for {actions}"
