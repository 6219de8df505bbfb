"""The opening of the new database to writes, and its closing when the move goes back.

Because the old database stays fenced (traps.md T5), what differs when we go back is exactly what was written to the new
one since it was opened: it is exported, counted, and left where it is. No row of the new database is touched.
"""

from dataclasses import dataclass

from pgcutover.running.step import Before, Finding, Json, Verdict
from pgcutover.steps.ports_database import DatabaseWorld

SALVAGED = "salvaged"
"""The kind of the note that tells what was exported, and where; `fence_leaks` says why it may not be exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTarget:
    """Undone: closed again, its sessions ended, what was changed on it exported while every table is locked."""

    keep_days: int = 30
    """After so many days the export says that it should be deleted: it holds customers' data."""
    name: str = "open-target"
    keeps_target: bool = False
    title: str = "open the new database to writes"
    by_hand: str = "with the new URL: ALTER DATABASE … SET default_transaction_read_only = on; rows written stay there"
    calls: tuple[str, ...] = ("target: ALTER DATABASE … RESET default_transaction_read_only",)

    def observe(self, world: DatabaseWorld) -> Before:
        return {}

    def do(self, world: DatabaseWorld, before: Before) -> None:
        world.target.open()

    def verify(self, world: DatabaseWorld, before: Before) -> Finding:
        status = world.target.status()
        opened_at = status.opened_at.isoformat() if status.opened_at else None
        return Finding(
            verdict=Verdict.ABSENT if status.closed else Verdict.WHOLE,
            detail="closed to writes" if status.closed else "open to writes",
            evidence={"opened_at": opened_at},
        )

    def undo(self, world: DatabaseWorld, before: Before) -> None:
        with world.target.quiet():
            tables = world.proof.export_difference(keep_days=self.keep_days)
            rows: list[Json] = [
                {"table": t.table, "inserted": t.inserted, "updated": t.updated, "deleted": t.deleted} for t in tables
            ]
            leaks = [*world.source.leaks()]
            world.notes.note(SALVAGED, {"directory": world.proof.directory, "tables": rows, "fence_leaks": leaks})
