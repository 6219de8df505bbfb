"""Where the ranges of integer keys begin and end: between the lowest key and the highest of either side.

It must only read. The invariant: both sides are grouped by the same bounds, whatever either holds.
"""

from collections.abc import Iterable
from dataclasses import replace

import psycopg
from psycopg import sql

from pgcutover.edges.digests import table_of
from pgcutover.edges.moment import Moment
from pgcutover.edges.postgres import Connection, query
from pgcutover.facts.proof import ComparisonUnit, KeyRanges
from pgcutover.planning.slices import hash_ranges, integer_ranges


def bounded(source: Moment, units: Iterable[ComparisonUnit]) -> tuple[ComparisonUnit, ...]:
    """The units, ranges of integers with their bounds; a key that cannot be read so is grouped by its hash."""
    wanted = tuple(units)
    if not any(unit.ranges and unit.ranges.column for unit in wanted):
        return wanted
    with source.session() as connection:
        return tuple(_bounded(connection, unit) for unit in wanted)


def _bounded(connection: Connection, unit: ComparisonUnit) -> ComparisonUnit:
    if unit.ranges is None or not unit.ranges.column:
        return unit
    return replace(unit, ranges=_found(connection, unit, unit.ranges))


def _found(connection: Connection, unit: ComparisonUnit, wanted: KeyRanges) -> KeyRanges:
    statement = query("content_extremes").format(column=sql.Identifier("t", wanted.column), table=table_of(unit))
    try:
        with connection.transaction():
            row = connection.execute(statement).fetchone()
    except psycopg.Error:
        # Whatever refuses this refuses the rows as well, and is reported then.
        if connection.closed:
            raise
        return hash_ranges(wanted.count)
    if row is None or row[0] is None:
        return hash_ranges(wanted.count)
    return integer_ranges(wanted.column, row[0], row[1], wanted.count)
