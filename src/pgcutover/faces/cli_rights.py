"""`rights`: its options, and the policy as it is handed to whoever administers the AWS account."""

import json as json_
from typing import Annotated

import typer
from rich.console import Console

from pgcutover.app.needed import RightsNeeded
from pgcutover.errors import UsageError
from pgcutover.faces import render
from pgcutover.faces.output import emit

Commands = Annotated[
    list[str] | None, typer.Argument(help="Commands to be run; default: all of a move.", metavar="[COMMAND]...")
]
Policy = Annotated[
    bool, typer.Option("--policy", help="Print the IAM policy that is enough for them, as AWS takes it.")
]


def show(out: Console, needed: RightsNeeded, *, policy: bool, json: bool) -> None:
    """Raises UsageError when two forms are asked for."""
    if policy and json:
        raise UsageError("give --policy or --json, not both", hint="The document of --json has the policy in it.")
    if policy:
        out.out(json_.dumps(needed.policy, indent=2), highlight=False)
        return
    emit(out, needed, render.rights_needed(needed), json=json, wrapped=False)
