"""The migration host: what would be made, what stands, what is gone."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from pgcutover.faces.figures import duration
from pgcutover.faces.render.parts import facts, heading, lines, row, table
from pgcutover.facts.host import HostGone, HostPlanned, HostState, PlannedPart


def host_planned(planned: HostPlanned) -> RenderableType:
    """The calls and scripts of each part. Nothing has been touched."""
    parts: list[RenderableType] = [
        Text(f"Migration host of {planned.environment}: {planned.instance_class} in {planned.zone}"),
        Text("Dry run: these calls would be made. Nothing has been touched."),
    ]
    for number, part in enumerate(planned.parts):
        parts += [Text(), heading(f"{number + 1}. {part.name}", part.title), lines(_calls(part), bullet="   ")]
    return Group(*parts, Text(), heading("Notes"), lines(planned.notes))


def host_state(state: HostState) -> RenderableType:
    """The machine, its parts with their times where it was just made, and what to type."""
    if not state.machine:
        parts: list[RenderableType] = [Text(f"{state.environment} has no migration host.")]
        if state.besides:
            parts += [Text("These are left of one; pgcutover host down removes them:"), lines(state.besides)]
        return Group(*parts)
    reached = "reached by Systems Manager" if state.online else "not reached by Systems Manager yet"
    about = [
        ("Machine", f"{state.machine}, {state.instance_class} in {state.zone}: {state.state}, {reached}"),
        ("With", ", ".join(state.besides)),
    ]
    parts = [facts(about)]
    if state.parts:
        parts += [Text(), _times(state)]
    parts += [Text(), heading("Log in"), Text(f"  {state.login}")]
    parts += [Text(), heading("Bring over a run that was started here"), lines(state.carry)]
    return Group(*parts, Text(), heading("Notes"), lines(state.notes))


def host_gone(gone: HostGone) -> RenderableType:
    parts: list[RenderableType] = [
        heading("Removed", f"in {duration(gone.seconds)}"),
        lines(gone.removed or ("nothing",)),
    ]
    if gone.kept:
        parts += [Text(), heading("Kept"), lines(gone.kept)]
    return Group(*parts)


def _times(state: HostState) -> RenderableType:
    made = table("part", "took", "what", "said", right=("took",))
    for part in state.parts:
        row(made, part.name, "found" if part.found else duration(part.seconds), part.title, part.said)
    return made


def _calls(part: PlannedPart) -> Iterator[str]:
    yield from part.calls or ("looks until it is so",)
    yield from (f"  {line}" for line in part.script.splitlines())
