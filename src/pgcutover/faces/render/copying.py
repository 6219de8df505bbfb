"""What `copy` brought."""

from rich.console import Group, RenderableType
from rich.text import Text

from pgcutover.app.plain_copy import CopyDone
from pgcutover.faces.figures import count, counted, size
from pgcutover.faces.render.comparing import comparison
from pgcutover.faces.render.parts import heading, lines


def copied(done: CopyDone) -> RenderableType:
    """A sentence, what was left out, and the comparison where there is one."""
    parts: list[RenderableType] = [
        Text(f"{count(done.rows)} rows of {counted(done.tables, 'table')} ({size(done.bytes)}) copied to {done.target}")
    ]
    if done.jobs < done.jobs_wanted:
        parts.append(Text(f"Only {counted(done.jobs, 'table')} at once: the servers have no more free connections."))
    if done.resumed:
        parts.append(Text("It went on with an earlier try, so the source was read at two moments: compared below."))
    if done.left_out:
        parts += [Text(), heading("Not carried"), lines(done.left_out)]
    if done.comparison is not None:
        parts += [Text(), comparison(done.comparison)]
    return Group(*parts)
