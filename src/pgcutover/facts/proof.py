"""What a comparison of two databases found: equal, different, or not checked. Values only.

The three are never confused: what could not be checked has `error` set and is not equal.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pgcutover.facts.names import TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRanges:
    """How a unit's rows are grouped by key, the same way on both sides.

    With `column`, by the integers `bounds`: the first range and the last are open. Without it, in `count` buckets of
    the key's hash. A key that is NULL has a range of its own, so that every row is in exactly one range.
    """

    count: int
    column: str = ""
    bounds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonUnit:
    """Rows that are compared as one: a table's own, or (`tree`) those of a whole partition tree through its root.

    A column that only one side has is NULL on the other; `key` is () where the rows have none in common.
    """

    table: TableName
    tree: bool
    columns: tuple[str, ...]
    key: tuple[str, ...]
    bytes_columns: frozenset[str]
    """Columns of type bytea."""
    source_columns: frozenset[str] | None
    """None: the source has no such table."""
    target_columns: frozenset[str] | None
    data_bytes: int
    large_columns: tuple[str, ...] = ()
    """Columns whose values may be so large that a row is better hashed column by column; () when none can be."""
    recoded: bool = False
    """The servers' encodings differ, so text is hashed as UTF-8."""
    derived: bool = False
    """A materialised view: its rows follow from others, and from when it was refreshed."""
    ranges: KeyRanges | None = None

    def columns_on(self, side: Literal["source", "target"]) -> frozenset[str] | None:
        """None: that side has no such table."""
        return self.source_columns if side == "source" else self.target_columns

    def __str__(self) -> str:
        return str(self.table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """Rows of one table and a 128-bit sum of their hashes, as 32 hexadecimal digits; their order does not matter."""

    rows: int
    hash128: str


UNPOPULATED = Digest(rows=0, hash128="unpopulated")
"""Of a materialised view that was never refreshed: not the same as one without rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What reading one unit took on one side: seconds of all its sessions together, and bytes of storage read."""

    seconds: float
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableComparison:
    """One unit on both sides. With `error`, it could not be verified, and that is not equal."""

    unit: ComparisonUnit
    source: Digest | None
    target: Digest | None
    error: str = ""
    source_cost: Cost | None = None
    target_cost: Cost | None = None
    differing_ranges: int = 0
    """Of `unit.ranges`; 0 too where the rows were not grouped."""
    moved: bool = False
    """The error is that its rows were replaced while they were read."""
    stale: bool = False
    """The source's materialised view, or one that it is made from, held other rows than its query gave."""

    @property
    def equal(self) -> bool:
        return not self.error and self.source is not None and self.source == self.target

    @property
    def filled(self) -> bool:
        """Whether both sides have it, and a materialised view holds data on both."""
        return not any(digest is None or digest == UNPOPULATED for digest in (self.source, self.target))


class Standing(StrEnum):
    """What a difference between two definitions means."""

    DECISIVE = "decisive"
    """The two databases are not the same."""
    EXPECTED = "expected"
    """A move brings it, for a reason that is said."""
    UNDECIDED = "undecided"
    """Two servers may print one and the same definition otherwise; a person may look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionDifference:
    """An object defined otherwise, or on one side only (the other text is None); of one that could not be read on
    either side both texts are the same.

    `reason` says why it does not decide; it is empty where it does.
    """

    name: str
    source: str | None
    target: str | None
    standing: Standing = Standing.DECISIVE
    reason: str = ""

    @property
    def decisive(self) -> bool:
        return self.standing is Standing.DECISIVE

    def __str__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        if self.target is None:
            return f"{self.name} is missing on the target{why}"
        if self.source is None:
            return f"{self.name} is only on the target{why}"
        if self.source == self.target:
            return f"{self.name} could not be compared{why}"
        return f"{self.name} differs: {self.source!r} became {self.target!r}{why}"

    @property
    def mark(self) -> str:
        """Digest of the name and both texts: the same mark is the same difference."""
        return hashlib.sha256(json.dumps([self.name, self.source, self.target]).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """What a restore of the definitions into a scratch database showed."""

    left_out: tuple[str, ...]
    """Definitions that are not carried and matter, in words."""
    otherwise: tuple[DefinitionDifference, ...]
    """What a faithful restore prints otherwise, or leaves out for a reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDifference:
    """One row that differs: whether the target lacks it, has it too much, or holds other values in `columns`.

    `key` is () for rows that have none. It holds customers' data, so whoever shows it decides how.
    """

    kind: Literal["missing", "extra", "different"]
    key: tuple[tuple[str, str | None], ...]
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDifferences:
    """Every differing row of one unit counted, the first of them named. With `error` nothing was counted."""

    unit: ComparisonUnit
    missing: int = 0
    extra: int = 0
    different: int = 0
    first: tuple[RowDifference, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """One thing that could not be verified. With `redo`, it was changed meanwhile: only comparing again can tell."""

    name: str
    """Of a table, as SQL spells it: no other thing has it."""
    error: str
    redo: bool
    plain: str = ""
    """What a person may type for it where no other doubt is called so."""

    def __str__(self) -> str:
        return f"{self.name}: {self.error}" if self.error else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class BehindSequence:
    """A sequence that would hand out on the target what the source handed out; values as the catalogues hold them."""

    name: TableName
    source_last_value: int
    source_is_called: bool
    target_last_value: int
    target_is_called: bool

    @property
    def setval_sql(self) -> str:
        """What brings the target to where the source is."""
        literal = self.name.spelt.replace("'", "''")
        called = str(self.source_is_called).lower()
        return f"SELECT pg_catalog.setval('{literal}', {self.source_last_value}, {called});"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Everything that was compared at one moment."""

    tables: tuple[TableComparison, ...]
    definitions: tuple[DefinitionDifference, ...]
    behind: tuple[BehindSequence, ...]
    """One that is missing on the target is a definition that is."""
    unchecked_others: tuple[str, ...] = ()
    """What else could not be verified, one sentence each, which names its object before the last colon."""
    unsteady: tuple[str, ...] = ()
    """What changed while it was read, one sentence each: not verified either."""
    differences: tuple[RowDifferences, ...] = ()
    """Of tables that differ, where rows were asked for."""
    notes: tuple[str, ...] = ()
    """What a reader should know and what decides nothing."""
    seconds: float = 0.0
    """From the first catalogue read to the last."""
    rows_seconds: float = 0.0
    """Of that, reading and hashing rows."""

    @property
    def sequences_behind(self) -> tuple[str, ...]:
        return tuple(str(sequence.name) for sequence in self.behind)

    @property
    def unchecked(self) -> tuple[TableComparison, ...]:
        return tuple(t for t in self.tables if t.error)

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        """Everything that could not be verified, each name once."""
        errors: dict[str, list[str]] = defaultdict(list)
        for sentence in (*self.unchecked_others, *self.unsteady):
            # A quoted name may hold a colon; what is said after it holds none.
            name, _, error = sentence.rpartition(": ")
            errors[name or error].extend([error] if name else [])
        return (
            *(Doubt(name=t.unit.table.spelt, plain=str(t.unit), error=t.error, redo=t.moved) for t in self.unchecked),
            *(Doubt(name=n, plain=n, error="; ".join(e), redo=n in self.unsteady) for n, e in errors.items()),
        )

    @property
    def different(self) -> tuple[TableComparison, ...]:
        return tuple(t for t in self.tables if not t.error and not t.equal and not _only_refreshed(t))

    @property
    def refreshed(self) -> tuple[TableComparison, ...]:
        """Materialised views that were stale on the source: rows that only those held are not on the target."""
        return tuple(t for t in self.tables if not t.error and not t.equal and _only_refreshed(t))

    @property
    def same(self) -> bool:
        decisive = any(d.decisive for d in self.definitions)
        return not (self.doubts or self.different or self.behind or decisive)


def _only_refreshed(compared: TableComparison) -> bool:
    return compared.unit.derived and compared.stale and compared.filled


def stale_view(compared: TableComparison) -> str:
    """What is to be said of one of `Proof.refreshed`."""
    counts = [digest.rows if digest else "no" for digest in (compared.source, compared.target)]
    return (
        f"materialised view {compared.unit} was stale on the old server: it holds {counts[0]} rows there and "
        f"{counts[1]} on the new one, which its query gave; rows that only the old one holds are not there"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row that differs: values as each type prints them, by column; None is NULL. `old` is the source's row."""

    old: Mapping[str, str | None] | None
    new: Mapping[str, str | None] | None

    @property
    def kind(self) -> Literal["inserted", "updated", "deleted"]:
        if self.old is None:
            return "inserted"
        return "deleted" if self.new is None else "updated"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDifference:
    """How many rows of a unit are only on the target, changed there, or only on the source.

    Without a key rows have no identity: then a changed row counts as one deleted and one inserted.
    """

    table: str
    inserted: int
    updated: int
    deleted: int
    error: str = ""
    """Why the rows could not be read; then nothing was counted."""

    @property
    def changes(self) -> int:
        return self.inserted + self.updated + self.deleted


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One unit's difference, with the first of its changes."""

    counts: TableDifference
    sample: tuple[Change, ...]
