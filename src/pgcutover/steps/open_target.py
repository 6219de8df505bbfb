"""The opening of the new database to writes, and its closing when the move goes back.

Because the old database stays fenced (traps.md T5), what differs when we go back is exactly what was written to the new
one since it was opened: it is exported, counted, and left where it is. No row of the new database is touched.

A new database that cannot be reached must not keep the application closed: before the lift nobody was promised anything
on it, so going back goes on and says so; after it a person has to say that the export may be left out for now.
"""

from dataclasses import dataclass

from pgcutover.errors import AwsError, ConfigError, RightsError, TargetError
from pgcutover.running.step import Before, Finding, Json, Verdict
from pgcutover.steps.lift import LIFTED
from pgcutover.steps.ports_database import DatabaseWorld

SALVAGED = "salvaged"
"""The kind of the note that tells what was exported, and where; `fence_leaks` says why it may not be exact."""

NOT_GIVEN_BACK = "rights not given back"
"""The kind of the note that tells what somebody dropped or renamed while the new database was shut."""

LEFT_OUT = "export left out"
"""The kind of the note that says why nothing was exported."""

OUT_OF_REACH = (TargetError, AwsError, RightsError, ConfigError)
"""What going back goes on from: it may be AWS that does not answer, or a sign-in to it that expired meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTarget:
    """Undone: closed again, its sessions ended, what was changed on it exported while every table is locked.

    Then the right to write is taken from everybody, so that nothing is written there that the export does not have.
    """

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
        gone = world.target.open()
        if gone:
            world.notes.note(NOT_GIVEN_BACK, {"rights": [*gone]})

    def verify(self, world: DatabaseWorld, before: Before) -> Finding:
        left_out = world.notes.notes(LEFT_OUT)
        if left_out:
            return Finding(verdict=Verdict.ABSENT, detail=f"not closed, nothing exported: {left_out[-1]['why']}")
        status = world.target.status()
        opened_at = status.opened_at.isoformat() if status.opened_at else None
        return Finding(
            verdict=Verdict.ABSENT if status.closed else Verdict.WHOLE,
            detail="closed to writes" if status.closed else "open to writes",
            evidence={"opened_at": opened_at},
        )

    def undo(self, world: DatabaseWorld, before: Before) -> None:
        if world.notes.notes(LEFT_OUT):
            return
        try:
            self._close_and_export(world)
        except OUT_OF_REACH as error:
            if world.notes.notes(LIFTED):
                error.hint = (
                    f"{error.hint} Rows written since the lift are only there. To go back without exporting them now, "
                    "run pgcutover rollback --without-export REASON; they stay in the new database."
                )
                raise
            world.notes.note(LEFT_OUT, {"why": error.message, "by": "pgcutover, before the lift"})

    def _close_and_export(self, world: DatabaseWorld) -> None:
        with world.target.quiet() as unlocked:
            tables = world.proof.export_difference(keep_days=self.keep_days)
            rows: list[Json] = [
                {"table": t.table, "inserted": t.inserted, "updated": t.updated, "deleted": t.deleted}
                for t in tables
                if not t.error
            ]
            unread = [f"table {t.table} could not be exported: {t.error}" for t in tables if t.error]
            leaks: list[Json] = [*world.source.leaks(), *unlocked, *unread, *world.target.shut()]
            world.notes.note(SALVAGED, {"directory": world.proof.directory, "tables": rows, "fence_leaks": leaks})
