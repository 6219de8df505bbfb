"""Indexes and foreign keys of the source, with the statements that build them piece by piece. Values only."""

from dataclasses import dataclass
from enum import StrEnum

from pgcutover.facts.names import TableName


class SortMemory(StrEnum):
    """Whose memory the sorts of a copy take."""

    AUTO = "auto"
    """As much as is best for each index, within the server's means."""
    SERVER = "server"
    """What maintenance_work_mem is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index of an ordinary table; `key` is its class and OID.

    `constraint` is that of the constraint it belongs to, None where there is none. A unique index of which a constraint
    can be made afterwards has `definition`, the CREATE INDEX, and `adopt_sql`; otherwise both are ''.
    """

    key: tuple[int, int]
    constraint: tuple[int, int] | None
    bytes: int
    definition: str
    adopt_sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """A foreign key. `divisible` when it can be made first and checked later, with `validate_sql`; `indexed` when an
    index of the referencing table has its columns in order."""

    key: tuple[int, int]
    table: TableName
    referenced: TableName
    divisible: bool
    validate_sql: str
    indexed: bool = False
