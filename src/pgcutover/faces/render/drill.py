"""A drill that ended: what differs from before, what it left on purpose, how long the application was closed."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from pgcutover.faces.figures import duration, moment
from pgcutover.faces.render.parts import facts, heading, lines
from pgcutover.faces.render.run import salvaged
from pgcutover.faces.wording import DIGEST_DIGITS

if TYPE_CHECKING:
    from pgcutover.app.drill import Drilled

AS_BEFORE = (
    "Heroku is as it was before (maintenance, formation, attachments, config vars, buildpacks), and so is the old "
    "database (definitions, privileges, settings, roles); nothing of pgcutover is left on either."
)


def drilled(done: "Drilled") -> RenderableType:
    """Before and after of both worlds."""
    verdict = "green: there and back" if done.green else "NOT green"
    parts: list[RenderableType] = [heading(f"Drill of {done.environment}: {verdict}", moment(done.at)), Text()]
    parts += [facts(_figures(done)), Text(), heading("Before and after"), *_differences(done)]
    parts += [Text(), heading("Made on AWS, and kept"), lines(done.kept)]
    if done.salvaged:
        parts += [Text(), *salvaged(done.salvaged, done.salvage_directory)]
    if done.salvage_doubts:
        parts += [Text(), lines(done.salvage_doubts, bullet="! ")]
    return Group(*parts, Text(), heading("Next"), lines(done.next, bullet="  "))


def _figures(done: "Drilled") -> Iterator[tuple[str, str]]:
    outage = done.outage
    yield "Plan", f"{done.plan_digest[:DIGEST_DIGITS]}, run {done.run}"
    yield (
        "Users waited",
        f"{duration(outage.users_s)} on the way there, {duration(outage.back_users_s)} on the way back",
    )
    yield "No writes", f"for {duration(outage.database_s)}, and for {duration(outage.back_database_s)}"


def _differences(done: "Drilled") -> Iterator[RenderableType]:
    if done.differences:
        yield Text("Differs from before:", style="bold red")
        yield lines(done.differences)
    else:
        yield Text(AS_BEFORE, style="green")
