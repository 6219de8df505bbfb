"""The shapes of what `--json` prints, as Markdown, read from the classes that are printed."""

import dataclasses
import inspect
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pgcutover.app.compared import Comparison
from pgcutover.app.cutover import Code, Retired
from pgcutover.app.drill import Drilled
from pgcutover.app.first import WrittenConfig
from pgcutover.app.needed import RightsNeeded
from pgcutover.app.plain_copy import CopyDone
from pgcutover.app.planner import Planned, Stock
from pgcutover.app.probe import Cleaned, ProbeDone, Proposal
from pgcutover.app.tune import TuneDone
from pgcutover.facts.host import HostGone, HostPlanned, HostState
from pgcutover.steps.destroy import Destroyed
from pgcutover.steps.history import RunSummary

PRINTED: Mapping[str, type] = {
    "init": WrittenConfig,
    "inventory": Stock,
    "plan, and prepare, migrate with --dry-run": Planned,
    "plan --code": Code,
    "prepare, migrate, status, rollback": RunSummary,
    "verify": Comparison,
    "copy": CopyDone,
    "tune": TuneDone,
    "drill": Drilled,
    "probe": ProbeDone,
    "probe --dry-run": Proposal,
    "probe --clean": Cleaned,
    "retire": Retired,
    "destroy": Destroyed,
    "rights": RightsNeeded,
    "host up, host status": HostState,
    "host up --dry-run": HostPlanned,
    "host down": HostGone,
}
WORDS: Mapping[Any, str] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    type(None): "null",
    datetime: "time (ISO 8601, UTC)",
    Path: "path",
    Any: "anything",
}


def shapes() -> str:
    """One table of what each command prints, then one for each shape, in the order in which they are met."""
    rows = "\n".join(f"| {_commands(names)} | {_link(shape)} |" for names, shape in PRINTED.items())
    met = list(dict.fromkeys(found for shape in PRINTED.values() for found in _within(shape, set())))
    return "\n\n".join([f"| command | prints |\n|---|---|\n{rows}", *(_table(shape) for shape in met)])


def _commands(names: str) -> str:
    return f"`{names}`" if "," not in names else names


def _within(shape: type, seen: set[type]) -> Iterator[type]:
    if shape in seen:
        return
    seen.add(shape)
    yield shape
    for annotation in _fields(shape).values():
        for inner in _classes(annotation):
            yield from _within(inner, seen)


def _fields(shape: type) -> dict[str, Any]:
    hints = typing.get_type_hints(shape)
    if issubclass(shape, BaseModel):
        return {name: hints[name] for name in shape.model_fields}
    return {field.name: hints[field.name] for field in dataclasses.fields(shape)}


def _classes(annotation: Any) -> Iterator[type]:
    for inner in typing.get_args(annotation):
        yield from _classes(inner)
    if inspect.isclass(annotation) and _has_fields(annotation):
        yield annotation


def _has_fields(shape: type) -> bool:
    own = shape.__module__.startswith("pgcutover") and shape.__name__ not in ("Secret", "TableName")
    return own and (dataclasses.is_dataclass(shape) or issubclass(shape, BaseModel))


def _table(shape: type) -> str:
    about = (inspect.getdoc(shape) or "").split("\n\n")[0].replace("\n", " ")
    # A dataclass without a docstring has its signature for one.
    about = "" if about.startswith(f"{shape.__name__}(") else f"{about}\n\n"
    rows = "\n".join(f"| `{name}` | {_said(annotation)} |" for name, annotation in _fields(shape).items())
    return f"### {shape.__name__}\n\n{about}| key | value |\n|---|---|\n{rows}"


def _link(shape: type) -> str:
    return f"[{shape.__name__}](#{shape.__name__.lower()})"


def _said(annotation: Any) -> str:
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_said(one) for one in inner)
    if origin is typing.Literal:
        return " or ".join(f"`{one}`" for one in inner)
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return f"object of {_said(inner[1])}"
    if origin is tuple and inner[-1] is not ...:
        return f"list of {' and '.join(_said(one) for one in inner)}"
    if inspect.isclass(origin) and issubclass(origin, (Sequence, frozenset, set)):
        return f"list of {_said(inner[0])}"
    if inspect.isclass(annotation) and issubclass(annotation, Enum):
        return " or ".join(f"`{one.value}`" for one in annotation)
    if inspect.isclass(annotation) and _has_fields(annotation):
        return _link(annotation)
    return WORDS.get(annotation, "text")
