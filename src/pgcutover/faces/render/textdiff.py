"""Two texts of one definition, as the lines in which they differ: a body of hundreds of lines may differ in one word.

The invariant: what is printed as different is different, also where it is only a blank or a sign that nobody sees.
"""

from collections.abc import Iterator
from difflib import unified_diff

from rich.text import Text

CONTEXT = 2
MOST_LINES = 60
STYLES = {"-": "red", "+": "green", "@": "dim"}


def differing_lines(source: str, target: str) -> list[Text]:
    """A unified difference, indented; [] where it would show no more than a sentence does."""
    if "\n" not in source and "\n" not in target:
        return []
    found = [*_lines(source, target)]
    rest = [Text(f"    and {len(found) - MOST_LINES} more lines: --json has both texts")]
    return found[:MOST_LINES] + (rest if len(found) > MOST_LINES else [])


def _lines(source: str, target: str) -> Iterator[Text]:
    old, new = source.split("\n"), target.split("\n")
    for line in unified_diff(old, new, fromfile="source", tofile="target", n=CONTEXT, lineterm=""):
        yield Text(f"    {_visible(line)}", style=STYLES.get(line[:1], ""))


def _visible(line: str) -> str:
    """Signs that a terminal does not show, or obeys, as Python spells them; so are blanks at a line's end."""
    shown = line.rstrip(" ")
    blanks = "\\x20" * (len(line) - len(shown)) if line.startswith(("+", "-")) else ""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown) + blanks
