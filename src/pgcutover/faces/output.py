"""Values out: one JSON document for programs, or text for people."""

import dataclasses
import json as json_
import os
from typing import Any

from pydantic import BaseModel
from rich.console import Console, RenderableType

from pgcutover.planning.plan import Advice

NO_EDGE = 100_000
"""Columns of what has none: longer than any sentence."""


def emit(console: Console, value: Any, text: RenderableType, *, json: bool, wrapped: bool = True) -> None:
    """Print `value` as one JSON document, or `text`; not `wrapped`, a pipe or a file gets its sentences whole."""
    if json:
        body = as_json(value)
        # Every document says which version of its shape it is.
        document = {"version": 1, **body} if isinstance(body, dict) else body
        console.out(json_.dumps(document, indent=2, sort_keys=True, default=str), highlight=False)
    elif wrapped or console.is_terminal or "COLUMNS" in os.environ:
        console.print(text)
    else:
        _print_whole(console, text)


def advised(advice: Advice, console: Console, *, json: bool) -> None:
    """What a person should know before something begins; a line of JSON among the steps'."""
    if json:
        console.out(json_.dumps({"event": "advice", "what": advice.what, "hint": advice.hint}), highlight=False)
    else:
        console.print(f"{advice.what}. {advice.hint}", style="yellow", soft_wrap=True)


def _print_whole(console: Console, text: RenderableType) -> None:
    """Whoever searches a log for a sentence or a name must find it in one line."""
    before, console.width = console.width, NO_EDGE
    try:
        with console.capture() as captured:
            console.print(text)
    finally:
        console.width = before
    # Cells are filled up to their column's width.
    console.out("\n".join(line.rstrip() for line in captured.get().rstrip("\n").split("\n")), highlight=False)


def as_json(value: Any) -> Any:
    """A value in JSON's own types; a secret prints as its mask because it is only ever turned into `str`."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
