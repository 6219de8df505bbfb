"""The few shapes that every screen is made of: a heading, facts by name, a table without walls.

Colour only repeats what the words say, so that a log, a pipe or a colour-blind reader loses nothing.
"""

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from pgcutover.running.state import StepState

STATE_STYLES = {
    StepState.WAITING: "dim",
    StepState.DOING: "cyan",
    StepState.DONE: "green",
    StepState.FAILED: "bold red",
    StepState.UNDOING: "yellow",
    StepState.UNDONE: "yellow",
}
LABEL_WIDTH = 12


def heading(words: str, aside: str = "") -> Text:
    return Text.assemble((words, "bold"), (f"  {aside}" if aside else "", "dim"))


def facts(pairs: Iterable[tuple[str, str]], *, label_width: int = LABEL_WIDTH) -> Table:
    """Label and sentence, one a line; an empty label continues the one above."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", width=label_width, no_wrap=True)
    grid.add_column(overflow="fold")
    for label, words in pairs:
        row(grid, label, words)
    return grid


def table(*columns: str, right: Sequence[str] = (), head: bool = True) -> Table:
    """A table with one line under its head; columns named in `right` hold numbers."""
    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold", show_header=head)
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


def aligned(made: Table, rows: Sequence[Sequence[str | Text]]) -> Table:
    """Fix every column but the last to what all `rows` need, so that tables one below the other stand in line."""
    made.expand = True
    for number, column in enumerate(made.columns[:-1]):
        cells = [len(str(cells[number])) for cells in rows]
        column.width = max([len(str(column.header)), *cells])
    made.columns[-1].ratio = 1
    return made


def row(made: Table, *cells: str | Text) -> None:
    """Add a row. A plain string is never read as rich's markup: a table may well be named `[red]`."""
    made.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))


def lines(words: Iterable[str], *, bullet: str = "- ") -> Group:
    """Sentences, each with a bullet, later lines hanging."""
    grid = Table.grid()
    grid.add_column(width=len(bullet), no_wrap=True)
    grid.add_column(overflow="fold")
    for line in words:
        row(grid, bullet, line)
    return Group(grid)


def indented(inner: RenderableType) -> Padding:
    return Padding(inner, (0, 0, 0, 2))


def line(words: str, style: str = "bold red", characters: str = "=") -> Rule:
    """A drawn line over the whole width. Plain signs, because it must survive a log that knows no others."""
    return Rule(Text(words, style=style), characters=characters, style=style)


def state(found: StepState) -> Text:
    return Text(found.value, style=STATE_STYLES[found])
