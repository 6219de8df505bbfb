"""What the access keys of the lab's AWS may do, and what each has done.

A key is given a policy at the lab's door, and from then on may do what that allows and nothing else. Policies are read
as IAM reads them, as far as pgcutover's own go: Allow, patterns, StringEquals and StringLike; anything else in one is
an error. The simulator answers for whoever asks: the lab knows keys and no users.
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, Literal
from xml.sax.saxutils import escape

from pydantic import BaseModel, ConfigDict, Field

from pgcutover.lab.rds.grounds import Check, checks
from pgcutover.lab.rds.keys import ADMIN_KEY, Call, Fault, forbidden, refusal

SIMULATE = "iam:SimulatePrincipalPolicy"
FREE = frozenset({"sts:GetCallerIdentity"})
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html"""


class Statement(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    effect: Literal["Allow"] = Field(alias="Effect")
    actions: tuple[str, ...] = Field(alias="Action")
    resources: tuple[str, ...] = Field(alias="Resource")
    condition: Mapping[Literal["StringEquals", "StringLike"], Mapping[str, str]] = Field(
        default_factory=dict, alias="Condition"
    )

    def allows(self, check: Check) -> bool:
        equal, like = self.condition.get("StringEquals", {}), self.condition.get("StringLike", {})
        return (
            any(_like(check.action, action) for action in self.actions)
            and (not check.resource or any(_like(check.resource, resource) for resource in self.resources))
            and all(check.context.get(key) == value for key, value in equal.items())
            and all(_like(check.context.get(key, ""), value) for key, value in like.items())
        )


class Policy(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal["2012-10-17"] = Field(alias="Version")
    statements: tuple[Statement, ...] = Field(alias="Statement")

    def allows(self, check: Check) -> bool:
        return check.action in FREE or any(statement.allows(check) for statement in self.statements)


class Access:
    """In `Site.lock` when asked or changed."""

    def __init__(self) -> None:
        self._policies: dict[str, Policy] = {}
        self._seen: dict[str, set[tuple[str, str]]] = {}

    def give(self, key: str, policy: Mapping[str, Any]) -> None:
        """Let this key do what the policy allows."""
        self._policies[key] = Policy.model_validate(policy)

    def seen(self) -> dict[str, list[tuple[str, str]]]:
        """By key: every (action, resource) that its calls were allowed."""
        return {key: sorted(done) for key, done in self._seen.items()}

    def refusal(self, call: Call) -> Fault | None:
        """What is answered in place of serving the call; None: go on."""
        if call.key not in self._policies:
            return refusal(call)
        policy = self._policies[call.key]
        return next((forbidden(call, c.action, c.resource) for c in checks(call) if not policy.allows(c)), None)

    def note(self, call: Call) -> None:
        self._seen.setdefault(call.key, set()).update((check.action, check.resource) for check in checks(call))

    def simulation(self, call: Call) -> str | None:
        """The simulator's answer; None when the call asks for something else."""
        if call.permission != SIMULATE:
            return None
        context = {
            value: call.request[name.removesuffix("ContextKeyName") + "ContextKeyValues.member.1"]
            for name, value in call.request.items()
            if name.endswith(".ContextKeyName")
        }
        asked = [value for name, value in call.request.items() if name.startswith("ActionNames.member.")]
        resource = call.request.get("ResourceArns.member.1", "*")
        rows = "".join(
            f"<member><EvalActionName>{escape(action)}</EvalActionName><EvalResourceName>{escape(resource)}"
            f"</EvalResourceName><EvalDecision>{'allowed' if self._may(call, check) else 'implicitDeny'}"
            "</EvalDecision><MissingContextValues/></member>"
            for action in asked
            for check in (Check(action=action, resource=resource, context=context),)
        )
        return (
            '<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">'
            f"<SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated><EvaluationResults>{rows}"
            "</EvaluationResults></SimulatePrincipalPolicyResult><ResponseMetadata>"
            f"<RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata></SimulatePrincipalPolicyResponse>"
        )

    def _may(self, call: Call, check: Check) -> bool:
        if call.key in self._policies:
            return self._policies[call.key].allows(check)
        service, _, action = check.action.partition(":")
        return call.key == ADMIN_KEY or replace(call, service=service, action=action).reads


def _like(text: str, pattern: str) -> bool:
    """IAM's patterns have * and ? only."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))
