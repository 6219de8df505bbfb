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


NOTHING_YET = (
    "This run found nothing yet that it could not verify, and what another run found does not count. With "
    "--on-failure stop a run waits where it failed."
)


def listed(doubts: Sequence[Doubt]) -> dict[str, Json]:
    """What a note of kind UNVERIFIED says."""
    return {
        "found": [{"name": d.name, "plain": d.plain, "error": _bare(d.error), "redo": d.redo} for d in doubts],
    }


def acceptances(
    told: Sequence[Mapping[str, Json]], wanted: Sequence[tuple[str, str]], *, by: str
) -> list[dict[str, Json]]:
    """Notes of kind ACCEPTED_UNVERIFIED for names and reasons; `told` are this run's notes of kind UNVERIFIED, oldest
    first: another run had other rows, and another target.

    Raises:
        RefusedError: a name was not listed last, or is two things' name, or comparing it again is the only way.
    """
    found = told[-1]["found"] if told else []
    seen = {str(d["name"]): d for d in found if isinstance(d, Mapping)} if isinstance(found, Sequence) else {}
    notes: list[dict[str, Json]] = []
    for wanted_table, wanted_reason in wanted:
        typed, reason = _parted(wanted_table, wanted_reason, seen)
        name = _meant(typed, seen)
        if seen[name]["redo"]:
            raise RefusedError(
                f"{name} cannot be accepted: {seen[name]['error']}",
                hint="Run the same command without it: it is compared anew.",
            )
        notes.append({"table": name, "reason": reason, "by": by, "error": seen[name]["error"]})
    return notes


def _parted(typed: str, reason: str, seen: Mapping[str, Mapping[str, Json]]) -> tuple[str, str]:
    """Name and reason, where the name itself may hold the sign between them.

    Raises:
        RefusedError: they can be parted in two ways, each of which names something.
    """
    text = f"{typed}={reason}"
    known = {name for quoted, d in seen.items() for name in (quoted, str(d.get("plain") or quoted))}
    longer = [name for name in known if len(name) > len(typed) and text.startswith(f"{name}=")]
    named = {name: text.removeprefix(f"{name}=").strip() for name in longer}
    told = {name: reason for name, reason in named.items() if reason}
    if len(told) + (typed in known) > 1:
        names = " or ".join(sorted({*told, *({typed} & known)}))
        raise RefusedError(f"{text} may be of {names}", hint="Type the name quoted, or begin the reason otherwise.")
    return next(iter(told.items()), (typed, reason))


def _meant(typed: str, seen: Mapping[str, Mapping[str, Json]]) -> str:
    """The name of the one thing that was typed, quoted or plain."""
    named = [typed] if typed in seen else [name for name, d in seen.items() if d.get("plain") == typed]
    if len(named) == 1:
        return named[0]
    if named:
        raise RefusedError(f"{typed} may be {' or '.join(named)}", hint="Type it quoted, as it is written here.")
    names = f"What this run could not verify: {'; '.join(seen)}." if seen else NOTHING_YET
    raise RefusedError(f"{typed} is not among what could not be verified", hint=names)


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
