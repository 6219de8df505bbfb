"""Prove, days ahead, that the definitions of the live database can be restored on the new server."""

from dataclasses import dataclass
from typing import Protocol

from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.ports import Notes

FLOWN = "canary flown"


class CanaryGate(Protocol):
    """See edges/canary.py."""

    def fly(self) -> tuple[str, ...]: ...
    def there(self) -> bool: ...
    def clear(self) -> None: ...


class CanaryWorld(Protocol):
    """The part of the world that this step touches."""

    @property
    def canary(self) -> CanaryGate: ...
    @property
    def notes(self) -> Notes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """Dump and restore into a scratch database that is dropped again; what cannot be carried shows now."""

    name: str = "canary"
    keeps_target: bool = False
    title: str = "restore the definitions of the live database into a scratch database, and drop that again"
    by_hand: str = "as the master: DROP DATABASE of the name that ends in _canary, if it is still there"
    calls: tuple[str, ...] = (
        "source: pg_dump --schema-only (reads only)",
        "target: CREATE DATABASE …_canary; pg_restore; DROP DATABASE …_canary",
    )

    def observe(self, world: CanaryWorld) -> Before:
        return {}

    def do(self, world: CanaryWorld, before: Before) -> None:
        left_out = world.canary.fly()
        world.notes.note(FLOWN, {"left_out": list(left_out)})

    def verify(self, world: CanaryWorld, before: Before) -> Finding:
        flown, there = world.notes.notes(FLOWN), world.canary.there()
        verdict = Verdict.PARTIAL if there else Verdict.WHOLE if flown else Verdict.ABSENT
        left_out = flown[-1]["left_out"] if flown else []
        count = len(left_out) if isinstance(left_out, list) else 0
        detail = f"the new server takes every definition{f'; {count} left out, named in the report' if count else ''}"
        return Finding(
            verdict=verdict, unchanged=not there, detail=detail if flown else "", evidence={"left_out": left_out}
        )

    def undo(self, world: CanaryWorld, before: Before) -> None:
        world.canary.clear()
