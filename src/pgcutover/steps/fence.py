"""The fence of the old database: from here on nobody writes to it, until rollback or retire (traps.md T4, T5).

The locks live as long as this process; what was revoked stays when it dies. A run that goes on in another process finds
the fence whole without its locks, when nobody may write, no session from before is left and no prepared transaction
waits; `keep_fence`, called before each later step, takes the locks again, and stops the run when the fence does not
stand any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pgcutover.facts.fence import FenceStatus
from pgcutover.running.step import Before, Finding, Json, Verdict
from pgcutover.steps.ports_database import DatabaseWorld

NAMED = 10
"""Clients and leaks named in a finding; the rest are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """Read-only default, EXCLUSIVE locks, no privilege to write left; undone to exactly the privileges of before."""

    name: str = "fence"
    keeps_target: bool = False
    title: str = "fence the old database: no session may write to it; reads go on"
    by_hand: str = "psql with the old URL, then run what SELECT undo_sql FROM pgcutover.fence shows"
    calls: tuple[str, ...] = (
        "ALTER DATABASE … SET default_transaction_read_only = on",
        "SELECT pg_terminate_backend(…) for every other session",
        "LOCK TABLE … IN EXCLUSIVE MODE, every table, held by one session",
        "REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON every table FROM everyone, the owner too",
        "REVOKE USAGE, UPDATE ON sequences, CREATE ON schemas and the database FROM everyone",
    )

    def observe(self, world: DatabaseWorld) -> Before:
        return {**world.source.read_fence(), "clients": [*_named([str(c) for c in world.source.clients()])]}

    def do(self, world: DatabaseWorld, before: Before) -> None:
        world.source.raise_fence(before)

    def verify(self, world: DatabaseWorld, before: Before) -> Finding:
        status = world.source.settle(before)
        return Finding(verdict=_verdict(status), detail=_detail(status), evidence=_evidence(status))

    def undo(self, world: DatabaseWorld, before: Before) -> None:
        world.source.lower_fence(before)


def _verdict(status: FenceStatus) -> Verdict:
    if not status.leaks:
        return Verdict.WHOLE
    return Verdict.ABSENT if status.absent else Verdict.PARTIAL


def _detail(status: FenceStatus) -> str:
    if status.absent:
        return "; ".join(_named(status.not_given_back))
    if status.leaks:
        return "; ".join(_named(status.leaks))
    locked = "all locked" if status.locked else f"{len(status.unlocked)} not locked by this process"
    # Not a leak yet: the next look finds a table that somebody makes.
    beyond = f"; not ours to take: {'; '.join(_named(status.beyond_taking))}" if status.beyond_taking else ""
    return f"{len(status.tables)} tables, nobody may write to them, {locked}{beyond}"


def _evidence(status: FenceStatus) -> dict[str, Json]:
    return {
        "tables": len(status.tables),
        "locked": len(status.tables) - len(status.unlocked),
        "raised_at": status.raised_at.isoformat() if status.raised_at else None,
        "leaks": [*_named(status.leaks)],
        "beyond_taking": [*_named(status.beyond_taking)],
        "platform_sessions": [*_named([str(c) for c in status.platform_clients])],
    }


def _named(things: Sequence[str]) -> list[str]:
    more = [f"and {len(things) - NAMED} more"] if len(things) > NAMED else []
    return [*things[:NAMED], *more]
