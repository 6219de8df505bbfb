"""Definitions of two databases, held against each other: what differs, and whether it may.

Pure. The invariant: nothing that differs is left out; what may differ is told with the reason, and without a reason it
decides.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from pgcutover.facts import inventory as facts
from pgcutover.facts.inventory import DatabaseInventory
from pgcutover.facts.proof import BehindSequence, DefinitionDifference, Standing
from pgcutover.planning.expectations import HIDDEN, PUBLIC_RIGHTS, expected
from pgcutover.planning.spelling import spelled_alike

Definitions = Mapping[str, str]
"""'kind:name' (the name quoted and with its schema) -> text."""

NONE: Definitions = {}
RIGHTS = "rights:on "

# Printed from parsed queries, whose spelling may change from one major version to the next.
REPRINTED = ("view:", "materialised view:", "rule:", "publication filter:", "collation:")
BODIES = ("function body:",)

# Raw text, of which nothing may be respelled: a function's source, a comment.
VERBATIM = ("function:", "procedure:", "aggregate:", "comment:")


def definition_differences(
    source: Definitions,
    target: Definitions,
    *,
    same_major: bool,
    seen: Collection[str] | None = None,
    reparsed: Definitions = NONE,
) -> tuple[DefinitionDifference, ...]:
    """Objects that are not defined alike on both sides, by name, or that we may read on neither.

    `seen` are marks of differences that a restore makes; `reparsed` are texts of the source as the target prints them.
    """
    ours, theirs = _without_everybodys(source, target), _without_everybodys(target, target)
    unlike = [
        DefinitionDifference(name=name, source=ours.get(name), target=theirs.get(name))
        for name in sorted({*ours, *theirs})
        if (not _alike(name, ours.get(name), theirs.get(name)) or ours.get(name) == HIDDEN)
        and (name not in reparsed or reparsed[name] != theirs[name])
    ]
    return tuple(_judged(d, same_major=same_major or d.name in reparsed, seen=seen) for d in _each_once(unlike))


def _each_once(unlike: Sequence[DefinitionDifference]) -> Iterator[DefinitionDifference]:
    """Without the privileges of what is itself only on one side."""
    gone = {d.name.partition(":")[2] for d in unlike if _on_one_side(d) and not d.name.startswith(RIGHTS)}
    for difference in unlike:
        of = difference.name.removeprefix(RIGHTS).partition(" ")[2]
        if not (difference.name.startswith(RIGHTS) and _on_one_side(difference) and of in gone):
            yield difference


def _on_one_side(difference: DefinitionDifference) -> bool:
    return difference.source is None or difference.target is None


def _without_everybodys(definitions: Definitions, target: Definitions) -> Definitions:
    """Without what single roles may do with the database where everybody may on the target."""
    everybodys = {*target.get(PUBLIC_RIGHTS, "").split(", ")}
    found = dict(definitions)
    for name, rights in definitions.items():
        if name.startswith("database:rights of ") and name != PUBLIC_RIGHTS:
            left = [right for right in rights.split(", ") if right not in everybodys]
            found[name] = ", ".join(left)
            if not left:
                del found[name]
    return found


def _alike(name: str, source: str | None, target: str | None) -> bool:
    if source == target or source is None or target is None or name.startswith(VERBATIM):
        return source == target
    return spelled_alike(source) == spelled_alike(target)


def _judged(unlike: DefinitionDifference, *, same_major: bool, seen: Collection[str] | None) -> DefinitionDifference:
    if seen is not None and unlike.mark in seen:
        return replace(
            unlike, standing=Standing.UNDECIDED, reason="a restore prints it otherwise, as the canary met it"
        )
    meant = expected(unlike)
    if not meant.decisive:
        return meant
    if same_major or unlike.source is None or unlike.target is None or unlike.name.startswith(VERBATIM):
        return unlike
    reprinted = replace(
        unlike, standing=Standing.UNDECIDED, reason="printed from a parsed query, which major versions do differently"
    )
    if unlike.name.startswith(BODIES):
        return reprinted
    # A canary that flew would have met what only the versions print otherwise.
    return reprinted if seen is None and unlike.name.startswith(REPRINTED) else unlike


def sequences_behind(source: DatabaseInventory, target: DatabaseInventory) -> tuple[BehindSequence, ...]:
    """Sequences that would hand out on the target what the source already did.

    One that is missing there is a definition that is; one that may not be read on a side could not be verified.
    """
    theirs = {s.name: s for s in target.sequences}
    return tuple(
        BehindSequence(
            name=ours.name,
            source_last_value=ours.last_value,
            source_is_called=ours.is_called,
            target_last_value=theirs[ours.name].last_value,
            target_is_called=theirs[ours.name].is_called,
        )
        for ours in source.sequences
        if ours.name in theirs and _behind(ours, theirs[ours.name])
    )


def _behind(source: facts.Sequence, target: facts.Sequence) -> bool:
    ahead = target.increment * (_next(target) - _next(source))
    return ahead < 0


def _next(sequence: facts.Sequence) -> int:
    return sequence.last_value + (sequence.increment if sequence.is_called else 0)
