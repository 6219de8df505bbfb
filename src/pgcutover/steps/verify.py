"""The proof: the new database, closed to everybody, holds what the fenced old one holds.

Three outcomes are kept apart: the same, different, and could not be checked, which is never a pass unless a person
named the table and the reason, which the journal keeps.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pgcutover.errors import CopyError
from pgcutover.facts.proof import Cost, Proof, stale_view
from pgcutover.running.step import Before, Finding, Json, Verdict
from pgcutover.steps.acceptance import UNVERIFIED, accepted, listed
from pgcutover.steps.canary import seen_by_canary
from pgcutover.steps.ports_database import DatabaseWorld

NAMED = 10
HINT = "Nothing was switched: the application can go back to the old database. "


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """Close the target, compare every table's rows, every definition and every sequence. It changes no row.

    It keeps the target: closed is how the target stays until it is opened.
    """

    name: str = "verify"
    keeps_target: bool = True
    title: str = "prove that the new database holds the same rows, definitions and sequences"
    by_hand: str = "nothing to undo: it reads; the new database stays closed to writes"
    calls: tuple[str, ...] = (
        "target: ALTER DATABASE … SET default_transaction_read_only = on",
        "both: SELECT count(*), sum(hash of each row) per table; definitions; sequences",
    )

    def observe(self, world: DatabaseWorld) -> Before:
        return {}

    def do(self, world: DatabaseWorld, before: Before) -> None:
        world.target.close()
        proof = world.proof.compare(seen=seen_by_canary(world.notes))
        failures = _unchecked(proof, accepted(world, proof.doubts))
        if failures:
            world.notes.note(UNVERIFIED, listed(proof.doubts))
            raise CopyError(
                f"could not verify {_listed(failures)}",
                hint=f"{HINT}Look at the cause, then run the command again. Who knows what it means and lets it pass: "
                "--on-failure stop makes a run wait here, and then it takes --accept-unverified TABLE=REASON.",
            )
        different = _differences(proof)
        if different:
            raise CopyError(
                f"the new database is not the same: {_listed(different)}",
                hint=f"{HINT}Was the fence broken? Roll back, then start a new run.",
            )

    def verify(self, world: DatabaseWorld, before: Before) -> Finding:
        proof, closed = world.proof.latest, world.target.status().closed
        if proof is None:
            # What another process found is not known here; comparing again only reads.
            return Finding(verdict=Verdict.PARTIAL if closed else Verdict.ABSENT)
        let_pass = accepted(world, proof.doubts)
        passed = not _unchecked(proof, let_pass) and not _differences(proof)
        verdict = Verdict.WHOLE if passed and closed else Verdict.PARTIAL
        return Finding(
            verdict=verdict,
            detail=_summary(proof, let_pass),
            evidence={**_evidence(proof), "accepted_unverified": {**let_pass}},
        )

    def undo(self, world: DatabaseWorld, before: Before) -> None:
        world.proof.forget()
        world.target.open()


def _unchecked(proof: Proof, let_pass: Mapping[str, str]) -> list[str]:
    """What could not be verified and nobody accepted."""
    return [str(doubt) for doubt in proof.doubts if doubt.name not in let_pass]


def _differences(proof: Proof) -> list[str]:
    rows = [
        f"{c.unit} ({c.source.rows if c.source else 'no'} rows, {c.target.rows if c.target else 'no'} on the new one)"
        for c in proof.different
    ]
    definitions = [str(d) for d in proof.definitions if d.decisive]
    return [*rows, *definitions, *(f"sequence {name} is behind" for name in proof.sequences_behind)]


def _listed(things: Sequence[str]) -> str:
    more = f"; and {len(things) - NAMED} more" if len(things) > NAMED else ""
    return "; ".join(things[:NAMED]) + more


def _summary(proof: Proof, let_pass: Mapping[str, str]) -> str:
    rows = sum(c.source.rows for c in proof.tables if c.source is not None)
    undecisive = sum(not d.decisive for d in proof.definitions)
    said = f", {undecisive} differences that decide nothing, named in the report" if undecisive else ""
    doubt = f"; NOT verified, and accepted: {', '.join(let_pass)}" if let_pass else ""
    stale = "".join(f"; {stale_view(c)}" for c in proof.refreshed)
    return f"{len(proof.tables)} tables, {rows} rows compared, {_told(proof)}{said}{doubt}{stale}"


def _told(proof: Proof) -> str:
    """What reading cost the source, in seconds of all sessions together."""
    return f"the source read for {_spent(c.source_cost for c in proof.tables)['seconds']:.1f} s"


def _evidence(proof: Proof) -> dict[str, Json]:
    return {
        "tables": [
            {
                "table": str(c.unit),
                "source_rows": c.source.rows if c.source else None,
                "target_rows": c.target.rows if c.target else None,
                "equal": None if c.error else c.equal,
            }
            for c in proof.tables
            if c not in proof.refreshed
        ],
        "refreshed": [stale_view(c) for c in proof.refreshed],
        "hashes": {str(c.unit): c.source.hash128 for c in proof.tables if c.source},
        "definitions": [str(d) for d in proof.definitions],
        "sequences_behind": [*proof.sequences_behind],
        "unchecked": [str(doubt) for doubt in proof.doubts],
        "seconds": round(proof.seconds, 3),
        "rows_seconds": round(proof.rows_seconds, 3),
        "reading": {
            "source": {**_spent(c.source_cost for c in proof.tables)},
            "target": {**_spent(c.target_cost for c in proof.tables)},
            # While this step runs nothing else of the move does, and the application is down.
            "outage_seconds": round(proof.seconds, 3),
        },
    }


def _spent(costs: Iterable[Cost | None]) -> dict[str, float]:
    """What reading one side cost: seconds of all sessions together."""
    known = [cost for cost in costs if cost is not None]
    return {
        "seconds": round(sum(cost.seconds for cost in known), 3),
        "bytes": sum(cost.bytes for cost in known),
    }
