"""The table of rights names what the code calls, no more and no less, and the policies made of it are sound."""

import ast
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name

from pgcutover.planning.aws_rights import (
    APART,
    ASKED_BY_AWS,
    COMMANDS,
    COMPOSED,
    EVERYTHING,
    LONGEST_POLICY,
    MAKING,
    NO_RIGHT_NEEDED,
    RIGHTS,
    Place,
    needed_by,
    needs,
    policy,
)
from pgcutover.planning.heroku_rights import SCOPES

EDGES = Path(__file__).parents[2] / "src" / "pgcutover" / "edges"
OUTSIDE = [ast.parse(path.read_text("utf-8")) for path in (EDGES.parent / "app").rglob("*.py")]
"""Where a method of an edge may be handed an operation."""
GIVERS = {"call", "pages"}
"""The methods of `AwsCalls` that take a service and an operation."""
REMOVING = re.compile(":(Delete|Terminate|Remove)")
PLACE = Place.in_policy(region="eu-west-1", app="acme-api", environment="production")


def calls_in(source: str) -> Iterator[tuple[str, str]]:
    """(service, operation) of every call of AWS; ('?', the code) where one of them cannot be read off.

    A method that hands its own `operation` on is gone through to those that call it.
    """
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for function in functions:
        for node in own_nodes(function):
            if is_call_of_aws(node):
                yield from operations(node, function, tree)
    for node in own_nodes(tree):
        if is_call_of_aws(node):
            yield from operations(node, None, tree)


def own_nodes(root: ast.AST) -> Iterator[ast.AST]:
    """What is in it, without what is in the functions in it."""
    for node in ast.iter_child_nodes(root):
        if not isinstance(node, ast.FunctionDef):
            yield node
            yield from own_nodes(node)


def is_call_of_aws(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in GIVERS:
        return False
    return any(word in ast.unparse(node.func.value) for word in ("calls", "aws"))


def operations(node: Any, function: ast.FunctionDef | None, tree: ast.AST) -> Iterator[tuple[str, str]]:
    match node.args[:2]:
        case [ast.Constant(value=str(service)), ast.Constant(value=str(operation))]:
            yield service, operation
        case [ast.Constant(value=str(service)), ast.Name(id=name)] if function is not None:
            place = [arg.arg for arg in function.args.args if arg.arg != "self"].index(name)
            given = [call.args[place] for each in (tree, *OUTSIDE) for call in ast.walk(each) if calls(call, function)]
            assert given, f"nobody calls {function.name}"
            for arg in given:
                yield (service, arg.value) if isinstance(arg, ast.Constant) else ("?", ast.unparse(arg))
        case _:
            yield "?", ast.unparse(node)


def calls(node: Any, function: ast.FunctionDef) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == function.name


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
    code = """
self._calls.call('rds', 'x', A=1)
calls.pages('ec2', 'y', 'Z')
calls.call('s', which)
class A:
    def _iam(self, operation):
        return self._calls.call('iam', operation)
    def do(self):
        self._iam('get_role')
        self._iam(anything)
"""
    found = {("rds", "x"), ("ec2", "y"), ("?", "calls.call('s', which)"), ("iam", "get_role"), ("?", "anything")}
    assert found == set(calls_in(code))


def test_what_no_code_names_says_why_it_is_asked_for() -> None:
    """A right that is not one of our calls carries its reason; our own calls need none."""
    assert [] == [right.action for right in ASKED_BY_AWS if not right.why]
    assert [] == [right.action for right in RIGHTS if right.why]


def test_only_destroy_may_delete() -> None:
    """No other command's policy holds a right to remove anything, but those that remove what only they make."""
    deleting = [right.commands for right in (*RIGHTS, *ASKED_BY_AWS) if REMOVING.search(right.action)]
    assert {"destroy", "host", "probe"} == {command for commands in deleting for command in commands}


def test_nothing_is_changed_of_everything() -> None:
    """What writes is bound to a name or a tag; only looking is allowed on everything."""
    wide = [right.action for right in (*RIGHTS, *ASKED_BY_AWS) if EVERYTHING in right.on]
    assert [] == [action for action in wide if not re.search(":(Describe|ListTags|GetCommandInvocation)", action)]


@pytest.mark.parametrize(
    "commands", [*((each,) for each in COMMANDS), tuple(each for each in COMMANDS if each not in APART)], ids=str
)
def test_a_policy_is_one_that_aws_takes(commands: Collection[str]) -> None:
    """Short enough for a managed policy, every pattern filled, and no statement twice."""
    made = policy(commands, PLACE)
    text = json.dumps(made, separators=(",", ":"))
    assert len(text) <= LONGEST_POLICY
    assert "{" not in "".join(resource for statement in made["Statement"] for resource in statement["Resource"])
    grounds = [json.dumps([s["Resource"], s.get("Condition")]) for s in made["Statement"]]
    assert len(grounds) == len(set(grounds))


def test_an_instance_of_ones_own_needs_fewer_rights() -> None:
    """Nothing of it is made and nothing is deleted; the group's parameters only where a group is named."""
    named = {"region": "eu-west-1", "app": "acme-api", "environment": "production", "existing": "acme-db"}
    own = granted(Place.in_policy(**named))
    assert set() == own & {"rds:CreateDBInstance", "rds:CreateDBSnapshot", "rds:CreateDBSubnetGroup"}
    assert "arn:aws:rds:eu-west-1:*:pg:acme-pg" not in grounds(Place.in_policy(**named), "rds:ModifyDBParameterGroup")
    grouped = Place.in_policy(**named, parameter_group="acme-pg")
    assert "arn:aws:rds:eu-west-1:*:pg:acme-pg" in grounds(grouped, "rds:ModifyDBParameterGroup")


def granted(place: Place) -> set[str]:
    return {need.action for need in needs(("plan", "prepare", "migrate", "rollback", "destroy"), place)}


def grounds(place: Place, action: str) -> set[str]:
    return {need.resource for need in needs(("plan", "prepare", "migrate"), place) if need.action == action}


@pytest.mark.parametrize(
    ("made", "asked"), [("", set()), ("before-load", {"prepare"}), ("after-lift", {"migrate"}), ("*", set(MAKING))]
)
def test_a_replica_asks_for_rights_of_the_command_that_makes_it(made: str, asked: set[str]) -> None:
    """None where none is planned; a policy for an open choice is good for both."""
    place = replace(PLACE, made=made)
    making = {command for command in MAKING if "rds:CreateDBInstanceReadReplica" in actions(command, place)}
    assert asked == making


def test_without_alarms_nobody_needs_rights_to_set_them() -> None:
    """Nor for an instance of one's own, which gets none, and which no step changes."""
    own = Place.in_policy(region="eu-west-1", app="acme-api", environment="production", existing="acme-db", made="")
    for place in (replace(PLACE, alarms=False), own):
        assert [] == [action for action in actions("migrate", place) if action.startswith("cloudwatch:")]
    assert "cloudwatch:PutMetricAlarm" in actions("migrate", PLACE)
    assert "rds:ModifyDBInstance" in actions("prepare", PLACE)
    assert "rds:ModifyDBInstance" not in actions("prepare", own) | actions("migrate", own)


def actions(command: str, place: Place) -> set[str]:
    return {need.action for need in needs((command,), place)}


def test_every_command_of_a_row_is_one_that_calls_aws() -> None:
    """No row names a command that there is not; what a command runs inside it needs, too."""
    rows = {command for right in (*RIGHTS, *ASKED_BY_AWS) for command in right.commands}
    assert set(COMMANDS) - COMPOSED.keys() == rows
    assert set(COMMANDS) <= set(SCOPES)
    inside = {right.action for right in needed_by(COMPOSED["drill"], existing=False)}
    assert inside == {right.action for right in needed_by(("drill",), existing=False)}
