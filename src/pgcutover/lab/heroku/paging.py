"""Lists, a page at a time, by `Range` and `Next-Range` headers.

`Range: version ]12..; max=5, order=desc`: `]` leaves the named value itself out.
https://devcenter.heroku.com/articles/platform-api-reference#ranges
"""

import re
from collections.abc import Sequence
from typing import Any

from starlette.responses import JSONResponse

from pgcutover.lab.heroku import refusals

RANGE = re.compile(r"^\s*(?P<field>\w+)\s+(?P<first>[^.;\s]*)\.\.(?P<last>[^;\s]*)\s*(?:;(?P<options>.*))?$")
DEFAULT_MAX = 200
LARGEST_MAX = 1000


def page(items: Sequence[dict[str, Any]], header: str | None, *, fields: tuple[str, ...]) -> JSONResponse:
    """The part of the list that `Range` asks for; 206 and `Next-Range` when there is more.

    `fields`: what the list may be ordered by; the first is the default.
    """
    field, first, last, most, descending = _read(header or f"{fields[0]} ..", fields)
    ordered = sorted(items, key=lambda item: item[field], reverse=descending)
    wanted = [item for item in ordered if _inside(item[field], first, last, descending=descending)]
    shown = wanted[:most]
    headers = {"Accept-Ranges": ", ".join(fields)}
    if shown:
        headers["Content-Range"] = f"{field} {shown[0][field]}..{shown[-1][field]}; max={most}"
    if len(wanted) <= len(shown):
        return JSONResponse(shown, 200, headers)
    order = ", order=desc" if descending else ""
    headers["Next-Range"] = f"{field} ]{shown[-1][field]}..{last}; max={most}{order}"
    return JSONResponse(shown, 206, headers)


def _read(header: str, fields: tuple[str, ...]) -> tuple[str, str, str, int, bool]:
    match = RANGE.match(header)
    if match is None or match["field"] not in fields:
        raise refusals.Refusal(416, "requested_range_not_satisfiable", f"Range must be on one of {', '.join(fields)}.")
    options = dict(
        part.strip().partition("=")[::2] for part in re.split("[,;]", match["options"] or "") if part.strip()
    )
    most = options.get("max", str(DEFAULT_MAX))
    if not most.isdigit() or not 1 <= int(most) <= LARGEST_MAX:
        raise refusals.Refusal(416, "requested_range_not_satisfiable", f"max must be from 1 to {LARGEST_MAX}.")
    return match["field"], match["first"], match["last"], int(most), options.get("order") == "desc"


def _edge(bound: str, like: str | int) -> str | int:
    if isinstance(like, str):
        return bound
    if not bound.isdigit():
        raise refusals.Refusal(416, "requested_range_not_satisfiable", f"{bound} is not a number.")
    return int(bound)


def _inside(value: str | int, first: str, last: str, *, descending: bool) -> bool:
    bound = first.lstrip("]")
    if bound:
        edge = _edge(bound, value)
        if value == edge:
            return not first.startswith("]")
        if (value > edge) if descending else (value < edge):  # type: ignore[operator]
            return False
    if last:
        edge = _edge(last, value)
        return (value >= edge) if descending else (value <= edge)  # type: ignore[operator]
    return True
