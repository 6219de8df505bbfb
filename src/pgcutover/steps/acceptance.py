"""What could not be verified and a person lets pass: by name, with a reason, and for the error that was seen.

The invariant: an acceptance holds for one error. What fails otherwise the next time, or was changed while it was read,
was accepted by nobody.
"""

import re
from collections.abc import Mapping, Sequence

from pgcutover.errors import RefusedError
from pgcutover.facts.proof import Doubt
from pgcutover.running.step import Json
from pgcutover.steps.ports_database import DatabaseWorld

UNVERIFIED = "could not verify"
"""Kind of the note that lists what one comparison could not verify."""
ACCEPTED_UNVERIFIED = "accepted unverified"
"""Kind of the note in which a person accepts that one table, or one sequence, could not be verified."""

# In whose name we asked: credentials are rotated, and the next run has another server.
WHERE = re.compile(r"\b(source|target) \S+@\S+: ")


def listed(doubts: Sequence[Doubt]) -> dict[str, Json]:
    """What a note of kind UNVERIFIED says."""
    return {
        "found": [{"name": d.name, "error": _bare(d.error), "redo": d.redo} for d in doubts],
    }


def acceptances(
    told: Sequence[Mapping[str, Json]], wanted: Sequence[tuple[str, str]], *, by: str
) -> list[dict[str, Json]]:
    """Notes of kind ACCEPTED_UNVERIFIED for names and reasons; `told` are notes of kind UNVERIFIED, oldest first.

    Raises:
        RefusedError: a name was not listed last, or comparing it again is the only way.
    """
    found = told[-1]["found"] if told else []
    seen = {str(d["name"]): d for d in found if isinstance(d, Mapping)} if isinstance(found, Sequence) else {}
    for name, _ in wanted:
        if name not in seen:
            names = f"What could not be verified: {'; '.join(seen)}." if seen else "Nothing was found unverifiable yet."
            raise RefusedError(f"{name} is not among what could not be verified", hint=names)
        if seen[name]["redo"]:
            raise RefusedError(
                f"{name} cannot be accepted: {seen[name]['error']}",
                hint="Run the same command without it: it is compared anew.",
            )
    return [{"table": name, "reason": reason, "by": by, "error": seen[name]["error"]} for name, reason in wanted]


def accepted(world: DatabaseWorld, doubts: Sequence[Doubt]) -> dict[str, str]:
    """Reasons by name, of those doubts that a person accepted for just this error."""
    notes = {(str(n["table"]), str(n.get("error"))): n for n in world.notes.notes(ACCEPTED_UNVERIFIED)}
    return {
        d.name: str(notes[d.name, _bare(d.error)]["reason"])
        for d in doubts
        if not d.redo and (d.name, _bare(d.error)) in notes
    }


def _bare(error: str) -> str:
    return WHERE.sub(r"\1: ", error)
