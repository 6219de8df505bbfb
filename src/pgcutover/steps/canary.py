"""Prove, days ahead, that the definitions of the live database can be restored on the new server."""

from dataclasses import dataclass
from typing import Protocol

from pgcutover.facts.proof import Flight
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.ports import Notes

FLOWN = "canary flown"
NAMED = 50


class CanaryGate(Protocol):
    """See edges/canary.py."""

    def fly(self) -> Flight: ...
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
    keeps_target: bool = True
    """Nothing of it is left to undo, and a target that is gone must not hinder going back."""
    title: str = "restore the definitions of the live database into a scratch database, and drop that again"
    by_hand: str = "as the master: DROP DATABASE of the name that ends in _canary, if it is still there"
    calls: tuple[str, ...] = (
        "source: pg_dump --schema-only (reads only)",
        "target: CREATE DATABASE …_canary; pg_restore; DROP DATABASE …_canary",
    )

    def observe(self, world: CanaryWorld) -> Before:
        return {}

    def do(self, world: CanaryWorld, before: Before) -> None:
        flight = world.canary.fly()
        names = [d.name for d in flight.otherwise]
        world.notes.note(
            FLOWN,
            {
                "left_out": list(flight.left_out),
                "otherwise": names[:NAMED],
                "otherwise_count": len(names),
                "seen": [d.mark for d in flight.otherwise],
            },
        )

    def verify(self, world: CanaryWorld, before: Before) -> Finding:
        flown, there = world.notes.notes(FLOWN), world.canary.there()
        verdict = Verdict.PARTIAL if there else Verdict.WHOLE if flown else Verdict.ABSENT
        note = flown[-1] if flown else {}
        left_out = note.get("left_out", [])
        count = len(left_out) if isinstance(left_out, list) else 0
        said = f"; {count} left out, named in the report" if count else ""
        if note.get("otherwise_count"):
            said += f"; {note['otherwise_count']} that a restore prints otherwise"
        return Finding(
            verdict=verdict,
            unchanged=not there,
            detail=f"the new server takes every definition{said}" if flown else "",
            evidence={
                "left_out": left_out,
                "otherwise": note.get("otherwise", []),
                "otherwise_count": note.get("otherwise_count", 0),
            },
        )

    def undo(self, world: CanaryWorld, before: Before) -> None:
        world.canary.clear()


def seen_by_canary(notes: Notes) -> frozenset[str] | None:
    """Marks of the differences that a restore makes, as this run's latest canary met them; None when none flew."""
    flown = notes.notes(FLOWN)
    seen = flown[-1].get("seen") if flown else None
    return frozenset(str(mark) for mark in seen) if isinstance(seen, list) else None
