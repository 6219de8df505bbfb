"""Two databases as one question: do they hold the same? Rows, definitions, sequences; and if not, which rows differ.

It joins what `digests`, `difference`, `export` and `definitions` find. It must only read. The invariant: a proof is of
this moment; the caller sees to it that nobody writes to either side meanwhile.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pgcutover.edges.catalog import read_inventory
from pgcutover.edges.definitions import Definitions, object_definitions
from pgcutover.edges.difference import difference
from pgcutover.edges.digests import compare
from pgcutover.edges.export import export_difference, read_manifest
from pgcutover.edges.postgres import Server
from pgcutover.facts.inventory import DatabaseInventory, Sequence
from pgcutover.facts.proof import ComparisonUnit, DefinitionDifference, Difference, Proof, TableDifference
from pgcutover.planning.units import comparison_units

# Printed from parsed queries, whose spelling may change from one major version to the next.
REPRINTED = ("view:", "materialised view:", "rule:", "function:", "procedure:")


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

    def compare(self) -> Proof:
        """Compare everything, now.

        Raises:
            SourceError, TargetError: a server cannot be reached at all; what it refuses for one table is in the proof.
        """
        ours, theirs = read_inventory(self._source), read_inventory(self._target)
        self._latest = None
        self._latest = Proof(
            tables=compare(self._source, self._target, comparison_units(ours, theirs), jobs=self._jobs),
            definitions=definition_differences(
                object_definitions(self._source),
                object_definitions(self._target),
                same_major=ours.major == theirs.major,
            ),
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
        with self._target.session("large objects") as session:
            row = session.execute("SELECT count(*) FROM pg_largeobject_metadata").fetchone()
        return [f"{row[0]} large objects"] if row is not None and row[0] else []


def definition_differences(
    source: Definitions, target: Definitions, *, same_major: bool
) -> tuple[DefinitionDifference, ...]:
    """Objects that are not defined alike on both sides, by name."""
    return tuple(
        DefinitionDifference(
            name=name,
            source=source.get(name),
            target=target.get(name),
            decisive=same_major or not name.startswith(REPRINTED) or name not in source or name not in target,
        )
        for name in sorted({*source, *target})
        if source.get(name) != target.get(name)
    )


def sequences_behind(source: DatabaseInventory, target: DatabaseInventory) -> tuple[str, ...]:
    """Sequences that are missing on the target, or would hand out there what the source already did."""
    theirs = {s.name: s for s in target.sequences}
    return tuple(str(s.name) for s in source.sequences if s.name not in theirs or _behind(s, theirs[s.name]))


def _behind(source: Sequence, target: Sequence) -> bool:
    ahead = target.increment * (_next(target) - _next(source))
    return ahead < 0


def _next(sequence: Sequence) -> int:
    return sequence.last_value + (sequence.increment if sequence.is_called else 0)
