"""What a comparison of two databases found: equal, different, or not checked. Values only.

The three are never confused: what could not be checked has `error` set and is not equal.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pgcutover.facts.names import TableName


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

    def __str__(self) -> str:
        return str(self.table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """Rows of one table and a 128-bit sum of their hashes, as 32 hexadecimal digits; their order does not matter."""

    rows: int
    hash128: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableComparison:
    """One unit on both sides. With `error`, it could not be verified, and that is not equal."""

    unit: ComparisonUnit
    source: Digest | None
    target: Digest | None
    error: str = ""

    @property
    def equal(self) -> bool:
        return not self.error and self.source is not None and self.source == self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionDifference:
    """An object defined otherwise, or on one side only (the other text is None).

    Not `decisive` where two servers may print one and the same definition otherwise, or where it changes no row.
    """

    name: str
    source: str | None
    target: str | None
    decisive: bool

    def __str__(self) -> str:
        if self.target is None:
            return f"{self.name} is missing on the target"
        if self.source is None:
            return f"{self.name} is only on the target"
        return f"{self.name} differs: {self.source!r} became {self.target!r}"

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
class Proof:
    """Everything that was compared at one moment."""

    tables: tuple[TableComparison, ...]
    definitions: tuple[DefinitionDifference, ...]
    sequences_behind: tuple[str, ...]
    """Sequences that would hand out on the target what the source handed out, or that are missing there."""

    @property
    def unchecked(self) -> tuple[TableComparison, ...]:
        return tuple(t for t in self.tables if t.error)

    @property
    def different(self) -> tuple[TableComparison, ...]:
        return tuple(t for t in self.tables if not t.error and not t.equal)

    @property
    def same(self) -> bool:
        decisive = any(d.decisive for d in self.definitions)
        return not (self.unchecked or self.different or self.sequences_behind or decisive)


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
