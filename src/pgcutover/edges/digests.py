"""Proof of rows: a count and an order-free 128-bit hash of every table, computed by the servers themselves.

Rows are hashed as text, spelled from explicit columns under pinned settings (traps.md T11), so that two servers of
different versions agree on equal rows. The invariant: what could not be hashed is reported as such, never as equal.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TypeAlias

import psycopg
from psycopg import sql

from pgcutover.edges.postgres import Connection, Server, error_of, query
from pgcutover.facts.proof import ComparisonUnit, Digest, TableComparison

PURPOSE = "verify"
HASH_VALUES = 2**64

# A row's text of more than 1 GB: 54000 when a buffer would grow too far, XX000 when one allocation is refused.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
TOO_LARGE = ("54000", "XX000")


class TooLargeError(Exception):
    """A row is larger as text than a server can spell in one piece; its columns must be hashed one by one."""


def table_of(unit: ComparisonUnit) -> sql.Composed:
    """ONLY, so that rows of children that inherit are not read twice (traps.md T12)."""
    only = sql.SQL("" if unit.tree else "ONLY ")
    return only + sql.Identifier(unit.table.schema, unit.table.name)


def row_text(unit: ComparisonUnit, there: Collection[str], *, wide: bool) -> sql.Composed:
    """The text of a row of `t`; columns that are not there count as NULL. `wide`: of digests of its columns."""
    spell = _digest_of if wide else _plain
    values = (spell(unit, name) if name in there else sql.SQL("NULL") for name in unit.columns)
    return sql.SQL('ROW({})::text COLLATE "C"').format(sql.SQL(", ").join(values))


def _plain(_: ComparisonUnit, name: str) -> sql.Composable:
    # Qualified: a bare `t` would be the column, in a table that has one of that name.
    return sql.Identifier("t", name)


def _digest_of(unit: ComparisonUnit, name: str) -> sql.Composable:
    column = sql.Identifier("t", name)
    content = column if name in unit.bytes_columns else sql.SQL("convert_to({}::text, 'UTF8')").format(column)
    return sql.SQL("sha256({})").format(content)


def table_digest(connection: Connection, unit: ComparisonUnit, there: Collection[str], *, wide: bool = False) -> Digest:
    """Count and hash of a unit's rows; `there` are the columns that this side has.

    Raises:
        TooLargeError: a row is over 1 GB as text; `wide` hashes column by column.
    """
    statement = query("content_digest").format(row=row_text(unit, there, wide=wide), table=table_of(unit))
    with too_large_told():
        row = connection.execute(statement).fetchone()
    assert row is not None, "an aggregate without GROUP BY gives one row"
    rows, first, second = row
    return Digest(rows=rows, hash128=f"{int(first) % HASH_VALUES:016x}{int(second) % HASH_VALUES:016x}")


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
    """Compare units on both servers, `jobs` sessions on each, in the order given; nobody may write meanwhile.

    Raises:
        SourceError, TargetError: a server cannot be reached at all.
    """
    found = _compare(source, target, units, jobs=jobs, wide=False)
    wider = _compare(source, target, [u for u, both in found.items() if _TOO_LARGE in both], jobs=jobs, wide=True)
    return tuple(_comparison(unit, *both) for unit, both in {**found, **wider}.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    text: str


_TOO_LARGE = _Failure(text="a row is too large to be hashed")
_Outcome: TypeAlias = Digest | _Failure | None


def _comparison(unit: ComparisonUnit, source: _Outcome, target: _Outcome) -> TableComparison:
    failures = [outcome.text for outcome in (source, target) if isinstance(outcome, _Failure)]
    return TableComparison(
        unit=unit,
        source=source if isinstance(source, Digest) else None,
        target=target if isinstance(target, Digest) else None,
        error="; ".join(failures),
    )


def _compare(
    source: Server, target: Server, units: Sequence[ComparisonUnit], *, jobs: int, wide: bool
) -> dict[ComparisonUnit, tuple[_Outcome, _Outcome]]:
    sides = (_Side(source, units, wide=wide), _Side(target, units, wide=wide))
    with ThreadPoolExecutor(2 * jobs) as pool:
        workers = [pool.submit(side.work) for side in sides for _ in range(min(jobs, len(units)))]
        try:
            for worker in workers:
                worker.result()
        except BaseException:
            for side in sides:
                side.stop()
            raise
    return {unit: (sides[0].found.get(unit), sides[1].found.get(unit)) for unit in units}


class _Side:
    """One server's half of a comparison: several sessions that take units from one queue."""

    def __init__(self, server: Server, units: Iterable[ComparisonUnit], *, wide: bool) -> None:
        self.found: dict[ComparisonUnit, _Outcome] = {}
        self._server = server
        self._wide = wide
        self._sessions: set[Connection] = set()
        self._queue: SimpleQueue[ComparisonUnit] = SimpleQueue()
        for unit in units:
            self._queue.put(unit)

    def work(self) -> None:
        """Take units until none is left. A session that broke costs one unit, and is opened anew for the next."""
        connection: Connection | None = None
        try:
            while (unit := self._next()) is not None:
                if connection is None or connection.closed:
                    connection = self._connect()
                self.found[unit] = self._digest(connection, unit)
        finally:
            if connection is not None:
                connection.close()

    def stop(self) -> None:
        """Give up: nothing more is taken, and what runs on the server is cancelled."""
        while self._next() is not None:
            pass
        for session in self._sessions:
            with suppress(psycopg.Error):
                session.cancel_safe()

    def _next(self) -> ComparisonUnit | None:
        with suppress(Empty):
            return self._queue.get_nowait()
        return None

    def _connect(self) -> Connection:
        with self._server.translated(PURPOSE):
            connection = self._server.connect(PURPOSE)
        self._sessions.add(connection)
        return connection

    def _digest(self, connection: Connection, unit: ComparisonUnit) -> _Outcome:
        there = unit.source_columns if self._server.side == "source" else unit.target_columns
        if there is None:
            return None
        try:
            return table_digest(connection, unit, there, wide=self._wide)
        except TooLargeError as cause:
            return _Failure(text=f"{_TOO_LARGE.text}: {cause}") if self._wide else _TOO_LARGE
        except psycopg.Error as cause:
            return _Failure(text=error_of(cause, self._server.dsn, self._server.side, f"hashing {unit}").message)
