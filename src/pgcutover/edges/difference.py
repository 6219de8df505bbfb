"""Which rows differ between two databases that nobody writes to: inserted, updated, deleted, by key.

Keys are put in buckets by their hash; buckets that hash alike on both sides are passed over, the rows of the others are
streamed from both in one order and merged, so that memory does not grow with the tables. Keys are compared as text: a
key that its type calls equal but prints otherwise (citext 'A' and 'a') counts as one deleted and one inserted row. It
must only read. The invariant: every row that is not the same on both sides is in exactly one change.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, closing
from heapq import nsmallest
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import Protocol, TypeAlias

from psycopg import sql

from pgcutover.edges.digests import TooLargeError, column_digest, key_text, row_text, table_of, too_large_told
from pgcutover.edges.postgres import Connection, query
from pgcutover.facts.proof import Change, ComparisonUnit, Difference, RowDifference, RowDifferences, TableDifference

PURPOSE = "difference"
ROWS_PER_BUCKET = 128
"""Per changed row about this many are read again; fewer would mean more buckets to keep in memory."""
MOST_BUCKETS = 2**16
MOST_DIGITS = 40

Values: TypeAlias = tuple[str | None, ...]
Hashes: TypeAlias = tuple[int, int]
Row: TypeAlias = tuple[Hashes, str, Values]
Rows: TypeAlias = list[tuple[str, Values]]
"""Rows under keys that hash alike; a table without a key may hold one row any number of times."""


class Side(Protocol):
    """A database as it is now (`Server`) or as it was at one moment (`Moment`)."""

    def session(self, purpose: str) -> AbstractContextManager[Connection]: ...


def difference(source: Side, target: Side, unit: ComparisonUnit, *, limit: int) -> Difference:
    """Count a unit's changes and keep the first `limit` of them."""
    counts: Counter[str] = Counter()
    sample: list[Change] = []
    with closing(changes(source, target, unit)) as found:
        for change in found:
            counts[change.kind] += 1
            if len(sample) < limit:
                sample.append(change)
    return Difference(counts=table_difference(unit, counts), sample=tuple(sample))


def table_difference(unit: ComparisonUnit, counts: "Counter[str]") -> TableDifference:
    """Counts by `Change.kind` as a value."""
    return TableDifference(
        table=str(unit), inserted=counts["inserted"], updated=counts["updated"], deleted=counts["deleted"]
    )


def row_differences(source: Side, target: Side, unit: ComparisonUnit, *, limit: int) -> RowDifferences:
    """Count the rows that differ and name the `limit` with the lowest keys: integers by value, other keys as text.

    No value but the keys' leaves the servers.

    Raises:
        SourceError, TargetError, TooLargeError: as `changes`.
    """
    counts: Counter[str] = Counter()
    with closing(changes(source, target, unit, hashed=True)) as found:
        # At least one: for none, nothing would be counted either.
        named = nsmallest(max(limit, 1), _counted(found, counts), key=lambda change: _order(unit, change))
    return RowDifferences(
        unit=unit,
        missing=counts["deleted"],
        extra=counts["inserted"],
        different=counts["updated"],
        first=tuple(_row_difference(unit, change) for change in named[:limit]),
    )


def _counted(found: Iterable[Change], counts: "Counter[str]") -> Iterator[Change]:
    for change in found:
        counts[change.kind] += 1
        yield change


def _order(unit: ComparisonUnit, change: Change) -> list[tuple[bool, int, str]]:
    row = change.new or change.old or {}
    return [_place(row.get(name) or "") for name in unit.key]


def _place(text: str) -> tuple[bool, int, str]:
    # Whatever their type: int() of longer texts is refused, and no integer type prints so many digits.
    number = len(text) <= MOST_DIGITS and text.isascii() and text.removeprefix("-").isdigit()
    return (False, int(text), "") if number else (True, 0, text)


def _row_difference(unit: ComparisonUnit, change: Change) -> RowDifference:
    row = change.new or change.old or {}
    key = tuple((name, row.get(name)) for name in unit.key)
    if change.old is None:
        return RowDifference(kind="extra", key=key)
    if change.new is None:
        return RowDifference(kind="missing", key=key)
    old, new = change.old, change.new
    return RowDifference(
        kind="different", key=key, columns=tuple(name for name in unit.columns if old.get(name) != new.get(name))
    )


def changes(source: Side, target: Side, unit: ComparisonUnit, *, hashed: bool = False) -> Generator[Change, None, None]:
    """Every change of a unit, from the source's rows (old) to the target's (new).

    With `hashed`, values outside the key are given as their digests.

    Raises:
        SourceError, TargetError: a server refused, or a row is larger than it can spell.
    """
    with ExitStack() as stack:
        old = _Side(stack.enter_context(source.session(PURPOSE)), unit, unit.source_columns, hashed=hashed)
        new = _Side(stack.enter_context(target.session(PURPOSE)), unit, unit.target_columns, hashed=hashed)
        pool = stack.enter_context(ThreadPoolExecutor(2))
        mask = _mask(max(pool.map(_Side.count, (old, new))))
        try:
            differing = _differing(*pool.map(lambda side: side.buckets(mask), (old, new)))
        except TooLargeError:
            old.wide = new.wide = True
            differing = _differing(*pool.map(lambda side: side.buckets(mask), (old, new)))
        if differing:
            ours = stack.enter_context(closing(old.rows(mask, differing)))
            theirs = stack.enter_context(closing(new.rows(mask, differing)))
            for before, after in _merged(*_begun(ours, theirs)):
                yield from _changes_of(unit, before, after)


def _begun(*streams: Generator[Row, None, None]) -> list[Iterator[Row]]:
    """The same streams, their servers at work all at once: each sorts before it gives its first row."""
    # Its own pool, so that whatever happens no stream is closed while it runs.
    with ThreadPoolExecutor(len(streams)) as pool:
        firsts = [pool.submit(list, islice(stream, 1)) for stream in streams]
    return [chain(first.result(), stream) for first, stream in zip(firsts, streams, strict=True)]


class _Side:
    """One database's rows of a unit; none where the table is not there."""

    def __init__(
        self, connection: Connection, unit: ComparisonUnit, there: Collection[str] | None, *, hashed: bool
    ) -> None:
        self.wide = False
        self._hashed = hashed
        self._connection = connection
        self._there = there
        self._unit = unit
        self._table = table_of(unit)

    def count(self) -> int:
        if self._there is None:
            return 0
        row = self._connection.execute(sql.SQL("SELECT count(*) FROM {}").format(self._table)).fetchone()
        return 0 if row is None else int(row[0])

    def buckets(self, mask: int) -> dict[int, tuple[int, ...]]:
        """What each bucket holds: rows and two hashes.

        Raises:
            TooLargeError: rows must be hashed column by column, on both sides.
        """
        if self._there is None:
            return {}
        statement = query("content_buckets").format(
            key=self._key(), row=self._row(), mask=sql.Literal(mask), table=self._table
        )
        with too_large_told(), self._connection.transaction():
            return {bucket: tuple(map(int, held)) for bucket, *held in self._connection.execute(statement)}

    def rows(self, mask: int, buckets: Collection[int]) -> Generator[Row, None, None]:
        """Rows of these buckets with the hashes and the text of their key, in the order of the hashes."""
        if self._there is None:
            return
        there = self._there
        columns = [self._value(n) if n in there else sql.SQL("NULL") for n in self._unit.columns]
        statement = query("content_rows").format(
            key=self._key(),
            columns=sql.SQL("").join(sql.SQL(", {}").format(column) for column in columns),
            table=self._table,
            mask=sql.Literal(mask),
            buckets=sql.Literal(sorted(buckets)),
        )
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for first, second, key, *values in copy.rows():
                yield (int(first), int(second)), key, tuple(values)

    def _value(self, name: str) -> sql.Composable:
        if self._hashed and name not in self._unit.key:
            return column_digest(self._unit, name)
        return sql.Identifier("t", name)

    def _key(self) -> sql.Composable:
        return key_text(self._unit) if self._unit.key else self._row()

    def _row(self) -> sql.Composable:
        return row_text(self._unit, self._there or (), wide=self.wide)


def _mask(rows: int) -> int:
    """One less than a power of two: the number of buckets for so many rows."""
    return min(MOST_BUCKETS, 1 << (rows // ROWS_PER_BUCKET).bit_length()) - 1


def _differing(old: Mapping[int, tuple[int, ...]], new: Mapping[int, tuple[int, ...]]) -> frozenset[int]:
    return frozenset(bucket for bucket in old.keys() | new.keys() if old.get(bucket) != new.get(bucket))


def _merged(old: Iterable[Row], new: Iterable[Row]) -> Iterator[tuple[Rows, Rows]]:
    """Rows whose keys hash alike, from both sides at once."""
    olds, news = _grouped(old), _grouped(new)
    before, after = next(olds, None), next(news, None)
    while before is not None or after is not None:
        if after is None or (before is not None and before[0] < after[0]):
            assert before is not None, "the loop ends when both are None"
            yield before[1], []
            before = next(olds, None)
        elif before is None or after[0] < before[0]:
            yield [], after[1]
            after = next(news, None)
        else:
            yield before[1], after[1]
            before, after = next(olds, None), next(news, None)


def _grouped(fetched: Iterable[Row]) -> Iterator[tuple[Hashes, Rows]]:
    for hashes, group in groupby(fetched, key=itemgetter(0)):
        yield hashes, [(key, values) for _, key, values in group]


def _changes_of(unit: ComparisonUnit, old: Rows, new: Rows) -> Iterator[Change]:
    if old == new:
        # Most rows of a bucket: nothing need be counted.
        return
    ours, theirs = _by_key(old), _by_key(new)
    nothing: Counter[Values] = Counter()
    for key in dict.fromkeys([*ours, *theirs]):
        before, after = ours.get(key, nothing), theirs.get(key, nothing)
        gone, came = list((before - after).elements()), list((after - before).elements())
        if unit.key and len(gone) == len(came) == 1:
            yield Change(old=_named(unit, gone[0], unit.source_columns), new=_named(unit, came[0], unit.target_columns))
            continue
        for values in gone:
            yield Change(old=_named(unit, values, unit.source_columns), new=None)
        for values in came:
            yield Change(old=None, new=_named(unit, values, unit.target_columns))


def _by_key(rows: Rows) -> dict[str, Counter[Values]]:
    """How often each row stands under each key."""
    found: dict[str, Counter[Values]] = defaultdict(Counter)
    for key, values in rows:
        found[key][values] += 1
    return found


def _named(unit: ComparisonUnit, values: Values, there: Collection[str] | None) -> dict[str, str | None]:
    pairs = zip(unit.columns, values, strict=True)
    return {name: value for name, value in pairs if there is not None and name in there}
