"""What each command needs on Heroku and on AWS, as tables."""

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from pgcutover.faces.render.parts import facts, heading, row, table

if TYPE_CHECKING:
    from pgcutover.app.needed import NeededByCommand, RightsNeeded


def rights_needed(needed: "RightsNeeded") -> RenderableType:
    """Command by command, then how to get the policy."""
    parts: list[RenderableType] = []
    for command in needed.commands:
        parts += [*_command(command), Text()]
    words = " ".join(command.command for command in needed.commands)
    return Group(*parts, Text(f"As an IAM policy: pgcutover rights {words} --policy"))


def _command(needed: "NeededByCommand") -> list[RenderableType]:
    parts: list[RenderableType] = [heading(needed.command), facts([("Heroku", needed.heroku)])]
    if not needed.aws:
        return [*parts, facts([("AWS", "none")])]
    rights = table("AWS", "on")
    for right in needed.aws:
        on = ", ".join(each if each == "*" else each.split(":", 5)[-1] for each in right.on)
        row(rights, right.action, f"{on} ({right.why})" if right.why else on)
    return [*parts, rights]
