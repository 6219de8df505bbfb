"""After the lift: tables that were loaded in pieces get what a frozen load has from birth, their visibility maps.

Resumable: what is left is asked of the new database's catalog. Nobody waits for it, and going back leaves it.
"""

from dataclasses import dataclass

from pgcutover.facts.names import TableName
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.ports_aws import AwsWorld

LOCKED_LIMIT_S = 900.0
"""How long we wait in all for tables that somebody keeps needing, unless one gets done; a migration takes seconds."""
POLL_S = 2.0
NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Vacuum:
    """VACUUM (FREEZE) of every table that nobody has vacuumed yet, one after the other, the largest last."""

    name: str = "vacuum"
    keeps_target: bool = True
    title: str = "vacuum the tables that were loaded in pieces, while the application works"
    by_hand: str = "nothing to undo: a vacuumed table holds the same rows"
    calls: tuple[str, ...] = ("target: VACUUM (FREEZE, SKIP_LOCKED, TRUNCATE false), table by table",)

    def observe(self, world: AwsWorld) -> Before:
        return {"tables": len(world.vacuuming.left())}

    def do(self, world: AwsWorld, before: Before) -> None:
        waited_s = 0.0
        left = world.vacuuming.left()
        while left:
            for table in left:
                world.vacuuming.vacuum(table)
            after = world.vacuuming.left()
            if len(after) < len(left):
                waited_s = 0.0
            elif waited_s >= LOCKED_LIMIT_S:
                # `verify` names them.
                return
            else:
                world.clock.sleep(POLL_S)
                waited_s += POLL_S
            left = after

    def verify(self, world: AwsWorld, before: Before) -> Finding:
        left = world.vacuuming.left()
        tables = before["tables"]
        if not left:
            return Finding(
                verdict=Verdict.WHOLE,
                unchanged=not tables,
                detail=f"{tables} tables vacuumed and frozen" if tables else "every table had its visibility map",
                evidence={"tables": tables},
            )
        return Finding(
            verdict=Verdict.ABSENT if len(left) == tables else Verdict.PARTIAL,
            detail=f"not vacuumed: {_named(left)}",
            evidence={"tables": tables, "left": [str(table) for table in left]},
        )

    def undo(self, world: AwsWorld, before: Before) -> None:
        """Nothing: see the module."""


def _named(tables: tuple[TableName, ...]) -> str:
    more = f" and {len(tables) - NAMED} more" if len(tables) > NAMED else ""
    return ", ".join(str(table) for table in tables[:NAMED]) + more
