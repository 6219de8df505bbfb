"""An error as a person reads it: what happened, what to do, how the world stands now, what to type next."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from pgcutover.errors import PgcutoverError
from pgcutover.faces.render.parts import lines


def error(problem: PgcutoverError, *, world: str = "", next_lines: Sequence[str] = ()) -> RenderableType:
    """`world` says in one sentence what has been touched and who runs on what; `next_lines` are commands to type."""
    parts: list[RenderableType] = [Text.assemble(("error: ", "bold red"), problem.message)]
    if problem.hint:
        parts.append(Text.assemble(("hint: ", "bold"), problem.hint))
    parts.extend(Text(f"note: {note}") for note in getattr(problem, "__notes__", ()))
    if world:
        parts.append(Text.assemble(("now: ", "bold"), world))
    if next_lines:
        parts += [Text("next:", style="bold"), lines(next_lines, bullet="  ")]
    parts.append(Text(f"exit code {problem.exit_code} ({type(problem).__name__})", style="dim"))
    return Group(*parts)
