"""Two databases as one question: do they hold the same? Rows, definitions, sequences; and if not, which rows differ.

It joins what `digests`, `difference`, `export` and `definitions` find. It must only read. The invariant: a proof is of
this moment; the caller sees to it that nobody writes to either side meanwhile.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pgcutover.edges.catalog import read_inventory
from pgcutover.edges.definitions import Definitions, object_definitions, public_rights
from pgcutover.edges.difference import difference
from pgcutover.edges.digests import compare
from pgcutover.edges.export import export_difference, read_manifest
from pgcutover.edges.postgres import Server
from pgcutover.facts.inventory import DatabaseInventory, Sequence
from pgcutover.facts.names import TableName
from pgcutover.facts.proof import (
    ComparisonUnit,
    DefinitionDifference,
    Difference,
    Digest,
    Proof,
    TableComparison,
    TableDifference,
)
from pgcutover.planning.spelling import spelled_alike
from pgcutover.planning.units import comparison_units

# Printed from parsed queries, whose spelling may change from one major version to the next.
REPRINTED = ("view:", "materialised view:", "rule:")
BODIES = ("function body:",)

# Raw text, of which nothing may be respelled: a function's source, a comment.
VERBATIM = ("function:", "procedure:", "aggregate:", "comment:")

LARGE_OBJECTS = ComparisonUnit(
    table=TableName(schema="pg_catalog", name="pg_largeobject"),
    tree=False,
    columns=(),
    key=(),
    bytes_columns=frozenset(),
    source_columns=frozenset(),
    target_columns=frozenset(),
    data_bytes=0,
)


class ContentProof:
    """A source and a target, compared with `jobs` sessions on each; exports go to `directory`."""

    def __init__(self, source: Server, target: Server, *, directory: Path, jobs: int = 4) -> None:
        self._source = source
        self._target = target
        self._jobs = jobs
        self._directory = directory
        self._latest: Proof | None = None

    @property
    def latest(self) -> Proof | None:
        """What `compare` found last in this process."""
        return self._latest

    def units(self) -> tuple[ComparisonUnit, ...]:
        """What is compared with what, by both catalogues as they are now."""
        return comparison_units(read_inventory(self._source), read_inventory(self._target))

    def compare(self, *, seen: Collection[str] | None = None) -> Proof:
        """Compare everything, now. `seen` are the marks of the differences that the run's canary met; None: none flew.

        Raises:
            SourceError, TargetError: a server cannot be reached at all; what it refuses for one table is in the proof.
        """
        ours, theirs = read_inventory(self._source), read_inventory(self._target)
        self._latest = None
        definitions = definition_differences(
            object_definitions(self._source),
            object_definitions(self._target),
            same_major=ours.major == theirs.major,
            seen=seen,
        )
        self._latest = Proof(
            tables=(
                *compare(self._source, self._target, comparison_units(ours, theirs), jobs=self._jobs),
                *self._large_objects(),
            ),
            definitions=(*definitions, *self._public_rights()),
            sequences_behind=sequences_behind(ours, theirs),
        )
        return self._latest

    def forget(self) -> None:
        """Make as if nothing was compared."""
        self._latest = None

    def difference(self, unit: ComparisonUnit, *, limit: int = 10) -> Difference:
        """Which rows of one unit differ."""
        return difference(self._source, self._target, unit, limit=limit)

    def export_difference(self, *, keep_days: int) -> tuple[TableDifference, ...]:
        """Write every row that differs to files; see `export.export_difference`. Only tables that differ are counted.

        While the source is fenced this is exactly what was changed on the target since it was opened.
        """
        comparisons = compare(self._source, self._target, self.units(), jobs=self._jobs)
        return export_difference(
            self._source,
            self._target,
            [c.unit for c in comparisons if not c.equal],
            self._directory,
            now=datetime.now(UTC),
            keep=timedelta(days=keep_days),
            not_exported=self._not_exported(),
        )

    @property
    def directory(self) -> str:
        """Where exports go."""
        return str(self._directory)

    def exported(self) -> Mapping[str, Any] | None:
        """The manifest of a finished export."""
        return read_manifest(self._directory)

    def _not_exported(self) -> list[str]:
        count = large_objects(self._target)
        return [f"{count} large objects"] if count else []

    def _large_objects(self) -> tuple[TableComparison, ...]:
        """They are not moved and not hashed: any at the source could not be verified. Nothing where there are none."""
        ours, theirs = large_objects(self._source), large_objects(self._target)
        if not ours and not theirs:
            return ()
        return (
            TableComparison(
                unit=LARGE_OBJECTS,
                source=None if ours else Digest(rows=0, hash128="0" * 32),
                target=None if ours else Digest(rows=theirs, hash128="0" * 32),
                error=f"{ours} large objects at the source ({theirs} on the target) are not moved" if ours else "",
            ),
        )

    def _public_rights(self) -> tuple[DefinitionDifference, ...]:
        """Who may connect is no part of the data, so it decides nothing, and is said."""
        ours, theirs = public_rights(self._source), public_rights(self._target)
        if ours == theirs:
            return ()
        return (DefinitionDifference(name="database:rights of PUBLIC", source=ours, target=theirs, decisive=False),)


def large_objects(server: Server) -> int:
    """How many a database holds."""
    with server.session("large objects") as session:
        row = session.execute("SELECT count(*) FROM pg_largeobject_metadata").fetchone()
    assert row is not None, "an aggregate without GROUP BY gives one row"
    return int(row[0])


def definition_differences(
    source: Definitions, target: Definitions, *, same_major: bool, seen: Collection[str] | None = None
) -> tuple[DefinitionDifference, ...]:
    """Objects that are not defined alike on both sides, by name. `seen` are marks of differences a restore makes."""
    unlike = (
        DefinitionDifference(name=name, source=source.get(name), target=target.get(name), decisive=True)
        for name in sorted({*source, *target})
        if not _alike(name, source.get(name), target.get(name))
    )
    return tuple(replace(d, decisive=_decides(d, same_major=same_major, seen=seen)) for d in unlike)


def _alike(name: str, source: str | None, target: str | None) -> bool:
    if source == target or source is None or target is None or name.startswith(VERBATIM):
        return source == target
    return spelled_alike(source) == spelled_alike(target)


def _decides(unlike: DefinitionDifference, *, same_major: bool, seen: Collection[str] | None) -> bool:
    if seen is not None and unlike.mark in seen:
        return False
    if same_major or unlike.source is None or unlike.target is None or unlike.name.startswith(VERBATIM):
        return True
    if unlike.name.startswith(BODIES):
        return False
    # A canary that flew would have met what only the versions print otherwise.
    return seen is not None or not unlike.name.startswith(REPRINTED)


def sequences_behind(source: DatabaseInventory, target: DatabaseInventory) -> tuple[str, ...]:
    """Sequences that are missing on the target, or would hand out there what the source already did."""
    theirs = {s.name: s for s in target.sequences}
    return tuple(str(s.name) for s in source.sequences if s.name not in theirs or _behind(s, theirs[s.name]))


def _behind(source: Sequence, target: Sequence) -> bool:
    ahead = target.increment * (_next(target) - _next(source))
    return ahead < 0


def _next(sequence: Sequence) -> int:
    return sequence.last_value + (sequence.increment if sequence.is_called else 0)
