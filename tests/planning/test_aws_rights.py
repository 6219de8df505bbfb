"""The table of rights names what the code calls, no more and no less, and the policies made of it are sound."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore import xform_name

from pgcutover.planning.aws_rights import (
    ASKED_BY_AWS,
    COMMANDS,
    EVERYTHING,
    LONGEST_POLICY,
    NO_RIGHT_NEEDED,
    RIGHTS,
    Place,
    needed_by,
    policy,
)

EDGES = Path(__file__).parents[2] / "src" / "pgcutover" / "edges"
GIVERS = {"call", "pages"}
"""The methods of `AwsCalls` that take a service and an operation."""
PLACE = Place.in_policy(region="eu-west-1", app="acme-api", environment="production")


def calls_in(source: str) -> Iterator[tuple[str, str]]:
    """(service, operation) of every call of AWS; ('?', the code) where one of them is no literal."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in GIVERS:
            continue
        if not any(word in ast.unparse(node.func.value) for word in ("calls", "aws")):
            continue
        words = [arg.value if isinstance(arg, ast.Constant) else None for arg in node.args[:2]]
        match words:
            case [str(service), str(operation)]:
                yield service, operation
            case _:
                yield "?", ast.unparse(node)


def named(action: str) -> tuple[str, str]:
    """The service and method of boto3 for an IAM action."""
    service, _, operation = action.partition(":")
    return service, xform_name(operation)


def test_the_table_names_every_call_and_nothing_that_no_code_calls() -> None:
    """Whoever adds a call says which commands need the right; whoever takes one away takes its right away."""
    called = {call for path in EDGES.rglob("*.py") for call in calls_in(path.read_text("utf-8"))}
    assert len(called) > 30
    assert {named(right.action) for right in RIGHTS} | {named(action) for action in NO_RIGHT_NEEDED} == called


def test_a_call_is_found_wherever_it_stands() -> None:
    """The walk over the code sees calls on a field, on a name, and those that hide their operation."""
    code = "self._calls.call('rds', 'x', A=1); calls.pages('ec2', 'y', 'Z'); aws_calls.call('s', which)"
    assert [("rds", "x"), ("ec2", "y"), ("?", "aws_calls.call('s', which)")] == list(calls_in(code))


def test_what_no_code_names_says_why_it_is_asked_for() -> None:
    """A right that is not one of our calls carries its reason; our own calls need none."""
    assert [] == [right.action for right in ASKED_BY_AWS if not right.why]
    assert [] == [right.action for right in RIGHTS if right.why]


def test_only_destroy_may_delete() -> None:
    """No other command's policy holds a right to remove anything."""
    deleting = {right.action: right.commands for right in (*RIGHTS, *ASKED_BY_AWS) if ":Delete" in right.action}
    assert {("destroy",)} == set(deleting.values())
    assert len(deleting) == 5


def test_nothing_is_changed_of_everything() -> None:
    """What writes is bound to a name or a tag; only looking is allowed on everything."""
    wide = {right.action.partition(":")[2] for right in (*RIGHTS, *ASKED_BY_AWS) if EVERYTHING in right.on}
    assert {"Describe", "ListTag"} == {name[: len("Describe")] if name[0] == "D" else name[:7] for name in wide}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_policy_is_one_that_aws_takes(command: str) -> None:
    """Short enough for a managed policy, every pattern filled, and no statement twice."""
    made = policy((command,), PLACE)
    text = json.dumps(made, separators=(",", ":"))
    assert len(text) <= LONGEST_POLICY
    assert "{" not in "".join(resource for statement in made["Statement"] for resource in statement["Resource"])
    grounds = [json.dumps([s["Resource"], s.get("Condition")]) for s in made["Statement"]]
    assert len(grounds) == len(set(grounds))


def test_an_instance_of_ones_own_needs_fewer_rights() -> None:
    """Nothing is made and nothing is deleted; the group's parameters only where a group is named."""
    own = Place.in_policy(region="eu-west-1", app="acme-api", environment="production", existing="acme-db")
    actions = {action for s in policy(COMMANDS, own)["Statement"] for action in s["Action"]}
    assert set() == {a for a in actions if a.startswith(("rds:Create", "rds:Delete", "ec2:Create"))}
    assert "rds:ModifyDBParameterGroup" not in actions
    grouped = Place.in_policy(
        region="eu-west-1", app="acme-api", environment="production", existing="acme-db", parameter_group="acme-pg"
    )
    actions = {action for s in policy(COMMANDS, grouped)["Statement"] for action in s["Action"]}
    assert "rds:ModifyDBParameterGroup" in actions


def test_every_command_of_a_row_is_one_that_calls_aws() -> None:
    """No row names a command that there is not."""
    assert set(COMMANDS) == {command for right in needed_by(COMMANDS, existing=False) for command in right.commands}
