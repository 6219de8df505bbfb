"""The first words: what `init` wrote, and what is left for a person to decide."""

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from pgcutover.faces.figures import listed
from pgcutover.faces.render.parts import facts, heading, lines

if TYPE_CHECKING:
    from pgcutover.app.first import WrittenConfig


def written_config(written: "WrittenConfig") -> RenderableType:
    """Where the file is, and what comes next."""
    pairs = [("Database", written.addon), ("Apps", listed(list(written.apps)))]
    parts: list[RenderableType] = [heading(f"Wrote {written.path}"), facts(pairs)]
    if written.to_decide:
        parts += [Text(), heading("For you to decide"), lines(written.to_decide)]
    return Group(*parts, Text(), heading("Next"), lines(("pgcutover inventory", "pgcutover plan"), bullet="  "))
