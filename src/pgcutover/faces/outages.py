"""What a plan's estimates add up to: how long users wait, how long no database takes writes. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from pgcutover.faces.figures import NONE, duration, listed
from pgcutover.planning.plan import Plan

USERS_FROM, DATABASE_FROM, UNTIL = "maintenance", "fence", "lift"
"""The steps that close the application, close the database, and open the application again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedOutage:
    """Estimated seconds, and the steps for which there is no estimate."""

    seconds: float
    unknown: tuple[str, ...]

    def __str__(self) -> str:
        if not self.unknown:
            return f"about {duration(self.seconds)}"
        known = f"at least {duration(self.seconds)}; " if self.seconds else ""
        return f"{known}no estimate for {listed(self.unknown)}"


def planned_outage(plan: Plan, estimates: Mapping[str, float], *, since: str) -> PlannedOutage | None:
    """From step `since` to the lift, both included; None when the plan has no such stretch."""
    names = [step.name for step in plan.steps]
    if since not in names or UNTIL not in names:
        return None
    span = names[names.index(since) : names.index(UNTIL) + 1]
    return PlannedOutage(
        seconds=sum(estimates.get(name, 0.0) for name in span),
        unknown=tuple(name for name in span if name not in estimates),
    )


def spoken(outage: PlannedOutage | None) -> str:
    return NONE if outage is None else str(outage)
