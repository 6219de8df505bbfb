"""Two servers' rows compared: several sessions on each side sum slices of tables, both sides at the same time.

Tables are summed whole first; only those that differ are read again by ranges of keys, in the same moments, for to find
each row's range costs a sixth of reading it. It must only read. The invariant: a unit of which any slice could not be
read is reported as not read, never as equal.
"""

import hashlib
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue

import psycopg

from pgcutover.edges.digests import HASH_VALUES, Place, Sums, TooLargeError, digest_of, range_sums
from pgcutover.edges.keyranges import bounded
from pgcutover.edges.moment import Moment, at_one_moment
from pgcutover.edges.pieces import pieces_of
from pgcutover.edges.postgres import Connection, Server, error_of
from pgcutover.facts.proof import UNPOPULATED, ComparisonUnit, Cost, Digest, TableComparison
from pgcutover.facts.reading import Tally
from pgcutover.planning.slices import Slice

# What reading a materialised view without data is refused with.
NOT_POPULATED = "55000"
TRIES = 2
NAMED = 10
"""Errors of one unit that are told in full."""
READING = "reading rows"
AGAIN = "reading again what differs, by ranges of keys"
WIDE = "reading again what holds very large rows"


def compare(
    source: Server, target: Server, units: Sequence[ComparisonUnit], *, jobs: int
) -> tuple[TableComparison, ...]:
    """As `compare_moments`, each side at the moment of the call."""
    with at_one_moment(source) as ours, at_one_moment(target) as theirs:
        return compare_moments(ours, theirs, units, jobs=jobs)


def compare_moments(
    source: Moment, target: Moment, units: Sequence[ComparisonUnit], *, jobs: int, tally: Tally | None = None
) -> tuple[TableComparison, ...]:
    """Compare units on both servers, `jobs` sessions on each, in the order given. `tally` is told how far it is.

    Raises:
        SourceError, TargetError: a server cannot be reached at all.
    """
    tally = tally or Tally()
    tally.begin(READING)
    whole = _read(source, target, [replace(unit, ranges=None) for unit in units], jobs=jobs, tally=tally)
    wanted = {unit.table: unit for unit in units if unit.ranges is not None}
    differing = [wanted[read.unit.table] for read in whole if read.differs and read.unit.table in wanted]
    tally.begin(AGAIN)
    again = _read(source, target, bounded(source, differing), jobs=jobs, tally=tally)
    by_range = {both.unit.table: both for both in again}
    return tuple(_comparison(both, by_range.get(both.unit.table)) for both in whole)


@dataclass(slots=True)
class _Read:
    """What was read of one unit on one side, so far."""

    there: bool
    sums: dict[Place, Sums] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    broken: bool = False
    """Reading it ends sessions: not tried on."""
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
        return UNPOPULATED if self.unpopulated else digest_of(self.sums.values())

    def cost(self, again: "_Read | None") -> Cost | None:
        """With what reading it again cost."""
        more = again or _Read(there=False)
        return Cost(seconds=self.seconds + more.seconds, bytes=self.bytes + more.bytes) if self.there else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Both:
    """One unit on both sides."""

    unit: ComparisonUnit
    source: _Read
    target: _Read

    @property
    def too_large(self) -> bool:
        return self.source.too_large or self.target.too_large

    @property
    def differs(self) -> bool:
        """For certain: what could not be read does not."""
        ours, theirs = self.source.digest, self.target.digest
        return ours is not None and theirs is not None and ours != theirs

    @property
    def differing_ranges(self) -> int:
        ours, theirs = self.source.sums, self.target.sums
        return sum(_cut(ours.get(place)) != _cut(theirs.get(place)) for place in {*ours, *theirs})


def _comparison(whole: _Both, by_range: _Both | None) -> TableComparison:
    """What the sums of the whole say; the ranges, where they could be read, only tell where."""
    told = by_range if by_range is not None and by_range.differs else None
    return TableComparison(
        unit=told.unit if told else whole.unit,
        source=whole.source.digest,
        target=whole.target.digest,
        error=_told({*whole.source.failures, *whole.target.failures}),
        source_cost=whole.source.cost(by_range.source if by_range else None),
        target_cost=whole.target.cost(by_range.target if by_range else None),
        differing_ranges=told.differing_ranges if told else 0,
    )


def _told(failures: Collection[str]) -> str:
    """The same text for the same failures, in whichever order sessions met them: a person accepts it as it is."""
    texts = sorted(failures)
    rest = texts[NAMED:]
    mark = hashlib.sha256("\n".join(rest).encode()).hexdigest()[:12]
    return "; ".join([*texts[:NAMED], *([f"and {len(rest)} more errors ({mark})"] if rest else [])])


def _cut(sums: Sums | None) -> Sums | None:
    return sums and (sums[0], sums[1] % HASH_VALUES, sums[2] % HASH_VALUES)


def _read(source: Moment, target: Moment, units: Sequence[ComparisonUnit], *, jobs: int, tally: Tally) -> list[_Both]:
    if not units:
        return []
    found = {both.unit: both for both in _read_once(source, target, units, jobs=jobs, tally=tally)}
    too_large = [unit for unit, both in found.items() if both.too_large]
    if too_large:
        tally.begin(WIDE)
        wide = _read_once(source, target, too_large, jobs=jobs, tally=tally, wide=True)
        found |= {both.unit: both for both in wide}
    return [*found.values()]


def _read_once(
    source: Moment, target: Moment, units: Sequence[ComparisonUnit], *, jobs: int, tally: Tally, wide: bool = False
) -> list[_Both]:
    with ThreadPoolExecutor(2 * jobs, thread_name_prefix="verify") as pool:
        # To ask for the tables' sizes takes round trips, and servers may be far.
        sides = pool.map(lambda moment: _Side(moment, units, jobs=jobs, tally=tally, wide=wide), (source, target))
        ours, theirs = sides
        workers = [pool.submit(side.work) for side in (ours, theirs) for _ in range(min(side.sessions, side.pieces))]
        try:
            for worker in workers:
                worker.result()
        except BaseException:
            for side in (ours, theirs):
                side.stop()
            raise
    return [_Both(unit=unit, source=ours.read[unit], target=theirs.read[unit]) for unit in units]


class _Side:
    """One server's half of a comparison: several sessions that take slices from one queue."""

    def __init__(self, moment: Moment, units: Sequence[ComparisonUnit], *, jobs: int, tally: Tally, wide: bool) -> None:
        self.sessions = moment.sessions(jobs)
        self.read = {unit: _Read(there=unit.columns_on(moment.server.side) is not None) for unit in units}
        self._moment = moment
        self._wide = wide
        self._tally = tally
        self._folding = threading.Lock()
        self._queue: SimpleQueue[tuple[ComparisonUnit, Slice]] = SimpleQueue()
        here = [unit for unit in units if self.read[unit].there]
        pieces = pieces_of(moment, here, sessions=self.sessions)
        self.pieces = len(pieces)
        for unit, piece in pieces:
            self._queue.put((unit, piece))
            tally.expect(unit.table, piece.data_bytes)

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
                    self.read[taken[0]].broken = True
                    self._failed(taken[0], f"{self._moment.server.side}: the connection broke {TRIES} times")
                self._tally.done(taken[0].table, taken[1].data_bytes)
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

    def _failed(self, unit: ComparisonUnit, text: str) -> None:
        with self._folding:
            self.read[unit].failures.append(text)

    def _take(self, connection: Connection, unit: ComparisonUnit, piece: Slice) -> None:
        """Read one slice. Nothing is noted when the session broke.

        After a failure the unit's other slices are read all the same: which error comes first is a matter of timing.
        """
        read = self.read[unit]
        if read.broken or read.too_large or read.unpopulated:
            return
        began = time.monotonic()
        try:
            with connection.transaction():
                there = unit.columns_on(self._moment.server.side) or ()
                found = range_sums(connection, unit, there, piece, wide=self._wide)
        except TooLargeError as cause:
            if self._wide:
                self._failed(unit, f"a row is too large to be hashed: {cause}")
            else:
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
