"""Values out: one JSON document for programs, or text for people."""

import dataclasses
import json as json_
from typing import Any

from pydantic import BaseModel
from rich.console import Console, RenderableType


def emit(console: Console, value: Any, text: RenderableType, *, json: bool) -> None:
    """Print `value` as one JSON document, or `text`."""
    if json:
        body = as_json(value)
        # Every document says which version of its shape it is.
        document = {"version": 1, **body} if isinstance(body, dict) else body
        console.out(json_.dumps(document, indent=2, sort_keys=True, default=str), highlight=False)
    else:
        console.print(text)


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
