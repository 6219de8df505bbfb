"""Two databases as one question: do they hold the same? Rows, definitions, sequences; and if not, which rows differ.

It joins what `comparing`, `difference`, `staleness`, `largeobjects`, `export` and `definition_proof` find. It must only
read. The invariant: all rows of one side are of one moment; what was rewritten or redefined meanwhile is not called
equal.
"""

import time
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pgcutover.edges.comparing import compare, compare_moments
from pgcutover.edges.definition_proof import compare_definitions
from pgcutover.edges.difference import difference, row_differences
from pgcutover.edges.digests import TooLargeError
from pgcutover.edges.export import export_difference, read_manifest
from pgcutover.edges.largeobjects import compare_large_objects
from pgcutover.edges.moment import Moment, at_one_moment
from pgcutover.edges.postgres import Server
from pgcutover.edges.relations import Before, after, before
from pgcutover.edges.staleness import stale_told
from pgcutover.errors import PgcutoverError, SourceError, TargetError
from pgcutover.facts.inventory import Sequence
from pgcutover.facts.names import TableName
from pgcutover.facts.proof import (
    ComparisonUnit,
    Difference,
    Proof,
    RowDifferences,
    TableComparison,
    TableDifference,
)
from pgcutover.facts.reading import Tally
from pgcutover.planning.definition_proof import sequences_behind
from pgcutover.planning.units import comparison_units

VIEWS = "looking at materialised views"
REST = "looking at large objects, and at what changed meanwhile"
NOWHERE = Path("left-on-target")
"""Made only when something is exported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """What reading the rows of both sides found, and how long the tables took."""

    tables: tuple[TableComparison, ...]
    differences: tuple[RowDifferences, ...]
    notes: tuple[str, ...]
    seconds: float


class ContentProof:
    """A source and a target, compared with `jobs` sessions on each; exports go to `directory`."""

    def __init__(
        self, source: Server, target: Server, *, directory: Path = NOWHERE, jobs: int = 4, snapshot: str = ""
    ) -> None:
        """`snapshot` is one of the source that somebody holds; without it, rows are compared as they are now."""
        self._snapshot = snapshot
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
        return _units(before(self._source), before(self._target))

    def compare(
        self,
        *,
        seen: Collection[str] | None = None,
        limit: int = 0,
        jobs: int = 0,
        tally: Tally | None = None,
        sequences: tuple[Sequence, ...] | None = None,
    ) -> Proof:
        """Compare everything, now. `seen` are the marks of the differences that the run's canary met; None: none flew.

        With `limit`, rows that differ are counted, and so many of each table named. `jobs` 0: as many as ever. `tally`
        is told how far it is. `sequences` stand for the source's where that is written to, and they move on.

        Raises:
            SourceError, TargetError: a server cannot be reached at all; what it refuses for one table is in the proof.
        """
        began = time.monotonic()
        self._latest = None
        servers = (self._source, self._target)
        with ThreadPoolExecutor(2, thread_name_prefix="verify") as pool:
            ours, theirs = pool.map(before, servers)
            if sequences is not None:
                ours = replace(ours, inventory=replace(ours.inventory, sequences=sequences))
            # The catalogues keep other parts of the servers busy than the rows do.
            defined = pool.submit(compare_definitions, self._source, self._target, seen=seen)
            rows = self._rows(ours, theirs, limit=limit, jobs=jobs or self._jobs, tally=tally or Tally())
            definitions = defined.result()
            afterwards = tuple(pool.map(after, servers, (ours, theirs)))
        self._latest = Proof(
            tables=_still_there(rows.tables, {name: why for side in afterwards for name, why in side.moved.items()}),
            definitions=definitions,
            behind=sequences_behind(ours.inventory, theirs.inventory),
            unchecked_others=tuple(sentence for side in afterwards for sentence in side.doubts),
            unsteady=tuple(sentence for side in afterwards for sentence in side.changed),
            differences=rows.differences,
            notes=rows.notes,
            seconds=time.monotonic() - began,
            rows_seconds=rows.seconds,
        )
        return self._latest

    def _rows(self, ours: Before, theirs: Before, *, limit: int, jobs: int, tally: Tally) -> _Rows:
        with at_one_moment(self._source, self._snapshot) as source, at_one_moment(self._target) as target:
            began = time.monotonic()
            tables = compare_moments(source, target, _units(ours, theirs), jobs=jobs, tally=tally)
            seconds = time.monotonic() - began
            tally.begin(VIEWS)
            tables = stale_told(source, target, tables, search_path=ours.inventory.search_path)
            differences = _differences(source, target, tables, limit, tally)
            tally.begin(REST)
            objects = compare_large_objects(source, target, limit=limit)
            notes = (*_alone(source, target), *_elsewhere(ours, theirs))
        if objects is not None:
            tables = (*tables, objects[0])
            differences = (*differences, *([objects[1]] if limit and not objects[0].equal else []))
        return _Rows(tables=tables, differences=differences, notes=notes, seconds=seconds)

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
        own = [unit for unit in self.units() if not unit.derived]
        comparisons = compare(self._source, self._target, own, jobs=self._jobs)
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


def _units(ours: Before, theirs: Before) -> tuple[ComparisonUnit, ...]:
    views = (ours.views | theirs.views) - _tables(ours) - _tables(theirs)
    units = comparison_units(ours.inventory, theirs.inventory)
    return tuple(replace(unit, derived=True) if unit.table in views else unit for unit in units)


def _tables(side: Before) -> frozenset[TableName]:
    """Tables proper: rows of one that has a materialised view's name on the other side follow from nothing."""
    return frozenset(table.name for table in side.inventory.tables) - side.views


def _differences(
    source: Moment, target: Moment, tables: Iterable[TableComparison], limit: int, tally: Tally
) -> tuple[RowDifferences, ...]:
    both = [t.unit for t in tables if t.source is not None and t.target is not None and not t.equal]
    found = []
    for number, unit in enumerate(both if limit else (), 1):
        tally.begin(f"looking which rows of {unit} differ ({number} of {len(both)} such tables)")
        found.append(_rows_of(source, target, unit, limit))
    return tuple(found)


def _rows_of(source: Moment, target: Moment, unit: ComparisonUnit, limit: int) -> RowDifferences:
    try:
        return row_differences(source, target, unit, limit=limit)
    except (SourceError, TargetError, TooLargeError) as error:
        # That the table differs is found; which rows do is a convenience.
        return RowDifferences(unit=unit, error=error.message if isinstance(error, PgcutoverError) else str(error))


def _still_there(tables: Iterable[TableComparison], moved: Mapping[TableName, str]) -> tuple[TableComparison, ...]:
    """A table whose file was replaced while it was read may have been seen empty (traps.md T7)."""
    return tuple(replace(t, error=moved[t.unit.table], moved=True) if t.unit.table in moved else t for t in tables)


def _alone(*moments: Moment) -> tuple[str, ...]:
    return tuple(
        f"one session read the whole {moment.server.side}, for its snapshot could not be shared: {moment.refused}"
        for moment in moments
        if moment.refused
    )


def _elsewhere(*sides: Before) -> tuple[str, ...]:
    foreign = {str(t.name) for side in sides for t in side.inventory.tables if t.kind == "foreign"}
    return tuple(f"foreign table {name}: its rows are another server's and were not read" for name in sorted(foreign))


def large_objects(server: Server) -> int:
    """How many a database holds."""
    with server.session("large objects") as session:
        row = session.execute("SELECT count(*) FROM pg_largeobject_metadata").fetchone()
    assert row is not None, "an aggregate without GROUP BY gives one row"
    return int(row[0])
