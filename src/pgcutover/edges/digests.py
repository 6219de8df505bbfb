"""Proof of rows: a count and an order-free 128-bit hash of every table, computed by the servers themselves.

Rows are hashed as text, spelled from explicit columns under pinned settings (traps.md T11), so that two servers of
different versions agree on equal rows. The invariant: what could not be hashed is reported as such, never as equal.

Why the 128 bits hold. A row's text is unambiguous: `ROW(…)::text` quotes every value, tells NULL from '', and keeps the
order of columns, so values that changed places, also between rows, make other texts. Each text is hashed twice, with
two seeds: two functions of 64 bits each, whose whole inner state (96 bits) starts from the seed
(https://github.com/postgres/postgres/blob/REL_16_STABLE/src/common/hashfn.c), so a text that collides under one seed
does so under the other by chance only. The hashes are added, not xor-ed: a row that is there twice adds twice, where
xor would cancel it, and one row too many with another too few leaves the difference of their hashes. Sums are exact and
are cut to 64 bits at the end; rows are counted beside them. What is not claimed: the functions are not cryptographic.
They catch faults, not a forger who may choose rows.
"""

import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TypeAlias

import psycopg
from psycopg import sql

from pgcutover.edges.moment import Moment, at_one_moment
from pgcutover.edges.postgres import Connection, Server, error_of, query
from pgcutover.facts.names import TableName
from pgcutover.facts.proof import UNPOPULATED, ComparisonUnit, Cost, Digest, TableComparison
from pgcutover.planning.slices import Slice, slices

HASH_VALUES = 2**64
LARGE_ROW_BYTES = 100_000_000
"""A row of more is hashed column by column: spelled whole, the server would need several times as much memory."""

# A row's text of more than 1 GB: 54000 when a buffer would grow too far, XX000 when one allocation is refused.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
TOO_LARGE = ("54000", "XX000")
# What reading a materialised view without data is refused with.
NOT_POPULATED = "55000"

# TID range scans. https://www.postgresql.org/docs/release/14.0/
SLICES_SINCE = 140000
# https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-PARTITION
TREES_SINCE = 120000
TRIES = 2

Place: TypeAlias = int | None
Sums: TypeAlias = tuple[int, int, int]
"""Rows, and the two sums of their hashes."""


class TooLargeError(Exception):
    """A row is larger as text than a server can spell in one piece; its columns must be hashed one by one."""


def table_of(unit: ComparisonUnit) -> sql.Composed:
    """ONLY, so that rows of children that inherit are not read twice (traps.md T12)."""
    only = sql.SQL("" if unit.tree else "ONLY ")
    return only + sql.Identifier(unit.table.schema, unit.table.name)


def row_text(unit: ComparisonUnit, there: Collection[str], *, wide: bool) -> sql.Composable:
    """The text of a row of `t`; columns that are not there count as NULL. `wide`: of digests of its columns."""
    by_column = _spelt(unit, unit.columns, there, wide=True)
    large = [sql.Identifier("t", name) for name in unit.large_columns if name in there]
    if wide:
        return recoded(unit, by_column)
    whole = _spelt(unit, unit.columns, there, wide=False)
    if not large:
        return recoded(unit, whole)
    # The size of a value that is stored out of line is known without reading it.
    sizes = sql.SQL(" + ").join(sql.SQL("coalesce(octet_length({}), 0)::bigint").format(column) for column in large)
    choice = sql.SQL('(CASE WHEN {} > {} THEN {} ELSE {} END) COLLATE "C"')
    return recoded(unit, choice.format(sizes, sql.Literal(LARGE_ROW_BYTES), by_column, whole))


def key_text(unit: ComparisonUnit) -> sql.Composable:
    """The text of a row's key, of which only keys that print alike are alike, whatever their type's `=` says (T1)."""
    return recoded(unit, _spelt(unit, unit.key, unit.key, wide=False))


def recoded(unit: ComparisonUnit, text: sql.Composable) -> sql.Composable:
    """Text whose bytes are the same in both servers' encodings."""
    if not unit.recoded:
        return text
    return sql.SQL("encode(convert_to({}, 'UTF8'), 'hex') COLLATE \"C\"").format(text)


def _spelt(unit: ComparisonUnit, columns: Iterable[str], there: Collection[str], *, wide: bool) -> sql.Composed:
    spell = column_digest if wide else _plain
    values = (spell(unit, name) if name in there else sql.SQL("NULL") for name in columns)
    return sql.SQL('ROW({})::text COLLATE "C"').format(sql.SQL(", ").join(values))


def _plain(_: ComparisonUnit, name: str) -> sql.Composable:
    # Qualified: a bare `t` would be the column, in a table that has one of that name.
    return sql.Identifier("t", name)


def column_digest(unit: ComparisonUnit, name: str) -> sql.Composable:
    """SHA-256 of one value as its type prints it; of bytea, of the bytes."""
    column = sql.Identifier("t", name)
    content = column if name in unit.bytes_columns else sql.SQL("convert_to({}::text, 'UTF8')").format(column)
    return sql.SQL("sha256({})").format(content)


def table_digest(connection: Connection, unit: ComparisonUnit, there: Collection[str], *, wide: bool = False) -> Digest:
    """Count and hash of a unit's rows; `there` are the columns that this side has.

    Raises:
        TooLargeError: a row is over 1 GB as text; `wide` hashes column by column.
    """
    return _digest(range_sums(connection, unit, there, wide=wide).values())


def range_sums(
    connection: Connection, unit: ComparisonUnit, there: Collection[str], piece: Slice | None = None, *, wide: bool
) -> dict[Place, Sums]:
    """The sums of a unit's rows, or of one slice of them, by range of keys; empty ranges are left out.

    Raises:
        TooLargeError: as `table_digest`.
    """
    statement = query("content_digest").format(
        place=place_of(unit),
        row=row_text(unit, there, wide=wide),
        table=table_of(unit) if piece is None or piece.whole else _only(piece.table),
        pages=sql.SQL("") if piece is None else _pages(piece),
    )
    with too_large_told():
        found = connection.execute(statement).fetchall()
    return {place: (rows, int(first), int(second)) for place, rows, first, second in found}


def place_of(unit: ComparisonUnit) -> sql.Composable:
    """Which of the unit's ranges a row is in."""
    ranges = unit.ranges
    if ranges is None or (ranges.column and not ranges.bounds):
        return sql.SQL("NULL::bigint")
    if ranges.column:
        column = sql.Identifier("t", ranges.column)
        bounds = sql.Literal(list(ranges.bounds))
        return sql.SQL("width_bucket({}::bigint, {}::bigint[])::bigint").format(column, bounds)
    return sql.SQL("hashtextextended({}, 0) & {}").format(key_text(unit), sql.Literal(ranges.count - 1))


def _only(table: TableName) -> sql.Composed:
    return sql.SQL("ONLY {}").format(sql.Identifier(table.schema, table.name))


def _pages(piece: Slice) -> sql.Composable:
    bounds = [sql.SQL("t.ctid >= {}::tid").format(sql.Literal(f"({piece.first},0)"))] if piece.first else []
    if piece.end is not None:
        bounds.append(sql.SQL("t.ctid < {}::tid").format(sql.Literal(f"({piece.end},0)")))
    return sql.SQL("WHERE {}").format(sql.SQL(" AND ").join(bounds)) if bounds else sql.SQL("")


def _digest(sums: Iterable[Sums]) -> Digest:
    rows = first = second = 0
    for held in sums:
        rows, first, second = rows + held[0], first + held[1], second + held[2]
    return Digest(rows=rows, hash128=f"{first % HASH_VALUES:016x}{second % HASH_VALUES:016x}")


@contextmanager
def too_large_told() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as cause:
        if cause.sqlstate in TOO_LARGE:
            raise TooLargeError(str(cause)) from cause
        raise


def compare(
    source: Server, target: Server, units: Sequence[ComparisonUnit], *, jobs: int
) -> tuple[TableComparison, ...]:
    """As `compare_moments`, each side at the moment of the call."""
    with at_one_moment(source) as ours, at_one_moment(target) as theirs:
        return compare_moments(ours, theirs, units, jobs=jobs)


def compare_moments(
    source: Moment, target: Moment, units: Sequence[ComparisonUnit], *, jobs: int
) -> tuple[TableComparison, ...]:
    """Compare units on both servers, `jobs` sessions on each, in the order given.

    Raises:
        SourceError, TargetError: a server cannot be reached at all.
    """
    found = _compare(source, target, units, jobs=jobs, wide=False)
    again = [unit for unit, both in found.items() if any(read.too_large for read in both)]
    wider = _compare(source, target, again, jobs=jobs, wide=True) if again else {}
    return tuple(_comparison(unit, *both) for unit, both in {**found, **wider}.items())


@dataclass(slots=True)
class _Read:
    """What was read of one unit on one side, so far."""

    there: bool
    sums: dict[Place, Sums] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    too_large: bool = False
    unpopulated: bool = False
    seconds: float = 0.0
    bytes: int = 0

    def add(self, found: Mapping[Place, Sums]) -> None:
        for place, held in found.items():
            before = self.sums.get(place, (0, 0, 0))
            self.sums[place] = (before[0] + held[0], before[1] + held[1], before[2] + held[2])

    @property
    def digest(self) -> Digest | None:
        if not self.there or self.failures:
            return None
        return UNPOPULATED if self.unpopulated else _digest(self.sums.values())

    @property
    def cost(self) -> Cost | None:
        return Cost(seconds=self.seconds, bytes=self.bytes) if self.there else None


def _comparison(unit: ComparisonUnit, source: _Read, target: _Read) -> TableComparison:
    places = {*source.sums, *target.sums} if unit.ranges is not None else set()
    return TableComparison(
        unit=unit,
        source=source.digest,
        target=target.digest,
        error="; ".join(dict.fromkeys([*source.failures, *target.failures])),
        source_cost=source.cost,
        target_cost=target.cost,
        differing_ranges=sum(_cut(source.sums.get(p)) != _cut(target.sums.get(p)) for p in places),
    )


def _cut(sums: Sums | None) -> Sums | None:
    return sums and (sums[0], sums[1] % HASH_VALUES, sums[2] % HASH_VALUES)


def _compare(
    source: Moment, target: Moment, units: Sequence[ComparisonUnit], *, jobs: int, wide: bool
) -> dict[ComparisonUnit, tuple[_Read, _Read]]:
    sides = tuple(_Side(moment, units, jobs=jobs, wide=wide) for moment in (source, target))
    with ThreadPoolExecutor(2 * jobs, thread_name_prefix="verify") as pool:
        workers = [pool.submit(side.work) for side in sides for _ in range(min(side.sessions, side.pieces))]
        try:
            for worker in workers:
                worker.result()
        except BaseException:
            for side in sides:
                side.stop()
            raise
    return {unit: (sides[0].read[unit], sides[1].read[unit]) for unit in units}


class _Side:
    """One server's half of a comparison: several sessions that take slices from one queue."""

    def __init__(self, moment: Moment, units: Sequence[ComparisonUnit], *, jobs: int, wide: bool) -> None:
        self.sessions = moment.sessions(jobs)
        self.read = {unit: _Read(there=self._columns(moment, unit) is not None) for unit in units}
        self._moment = moment
        self._wide = wide
        self._folding = threading.Lock()
        self._queue: SimpleQueue[tuple[ComparisonUnit, Slice]] = SimpleQueue()
        here = [unit for unit in units if self.read[unit].there]
        pieces = _pieces(moment, here, sessions=self.sessions)
        self.pieces = len(pieces)
        for piece in pieces:
            self._queue.put(piece)

    def work(self) -> None:
        """Take slices until none is left. A session that broke is opened anew, in the same moment."""
        connection: Connection | None = None
        try:
            while (taken := self._next()) is not None:
                for _ in range(TRIES):
                    if connection is not None and connection.closed:
                        self._moment.give_back(connection)
                        connection = None
                    if connection is None:
                        connection = self._connect()
                    self._take(connection, *taken)
                    if not connection.closed:
                        break
                else:
                    self._failed(taken[0], f"{self._moment.server.side}: the connection broke {TRIES} times")
        finally:
            if connection is not None:
                self._moment.give_back(connection)

    def stop(self) -> None:
        """Give up: nothing more is taken, and what runs on the server is cancelled."""
        while self._next() is not None:
            pass
        self._moment.cancel()

    def _next(self) -> tuple[ComparisonUnit, Slice] | None:
        with suppress(Empty):
            return self._queue.get_nowait()
        return None

    def _connect(self) -> Connection:
        with self._moment.server.translated("verify"):
            return self._moment.connect()

    @staticmethod
    def _columns(moment: Moment, unit: ComparisonUnit) -> frozenset[str] | None:
        return unit.source_columns if moment.server.side == "source" else unit.target_columns

    def _failed(self, unit: ComparisonUnit, text: str) -> None:
        with self._folding:
            self.read[unit].failures.append(text)

    def _take(self, connection: Connection, unit: ComparisonUnit, piece: Slice) -> None:
        """Read one slice, unless the unit is lost already. Nothing is noted when the session broke."""
        read = self.read[unit]
        if read.failures or read.too_large or read.unpopulated:
            return
        began = time.monotonic()
        try:
            with connection.transaction():
                found = range_sums(connection, unit, self._columns(self._moment, unit) or (), piece, wide=self._wide)
        except TooLargeError as cause:
            if self._wide:
                self._failed(unit, f"a row is too large to be hashed: {cause}")
            read.too_large = True
        except psycopg.Error as cause:
            if unit.derived and cause.sqlstate == NOT_POPULATED:
                read.unpopulated = True
            elif not connection.closed:
                server = self._moment.server
                self._failed(unit, error_of(cause, server.dsn, server.side, f"hashing {unit}").message)
        else:
            with self._folding:
                read.add(found)
                read.seconds += time.monotonic() - began
                read.bytes += piece.data_bytes


def _pieces(moment: Moment, units: Sequence[ComparisonUnit], *, sessions: int) -> list[tuple[ComparisonUnit, Slice]]:
    """Every unit's slices on one side, biggest first."""
    with moment.session() as connection:
        sizes = _sizes(connection)
        each = [(unit, piece) for unit in units for piece in _slices_of(connection, unit, sizes, sessions)]
    return sorted(each, key=lambda both: -both[1].data_bytes)


def _sizes(connection: Connection) -> dict[TableName, tuple[int, int]]:
    rows = connection.execute(query("content_pages").format(schemas=query("inventory_schemas")))
    return {TableName(schema=s, name=n): (pages, data_bytes) for s, n, pages, data_bytes in rows}


def _slices_of(
    connection: Connection, unit: ComparisonUnit, sizes: Mapping[TableName, tuple[int, int]], sessions: int
) -> list[Slice]:
    whole = [Slice(table=unit.table, whole=True, data_bytes=unit.data_bytes)]
    version = connection.info.server_version
    if unit.tree:
        return (_leaves(connection, unit, sessions) if version >= TREES_SINCE else []) or whole
    if version < SLICES_SINCE or unit.table not in sizes:
        return whole
    pages, data_bytes = sizes[unit.table]
    return [*slices(unit.table, data_bytes, pages, sessions=sessions)]


def _leaves(connection: Connection, unit: ComparisonUnit, sessions: int) -> list[Slice]:
    """Slices of the tables that hold a tree's rows; none where some rows are another server's."""
    root = sql.Literal(sql.Identifier(unit.table.schema, unit.table.name).as_string(connection))
    leaves = connection.execute(query("content_leaves").format(root=root)).fetchall()
    if any(elsewhere for _, _, elsewhere, _, _ in leaves):
        return []
    sliced = connection.info.server_version >= SLICES_SINCE
    return [
        piece
        for schema, name, _, pages, data_bytes in leaves
        for piece in slices(TableName(schema=schema, name=name), data_bytes, pages if sliced else 0, sessions=sessions)
    ]
