"""What `verify` found, as values: a verdict, both databases, and everything that differs. It knows no server.

These are the shapes that `--json` prints. The invariant: what was not looked at is None or said in words, never 0.
"""

from pydantic import BaseModel, ConfigDict

from pgcutover.facts.proof import Standing
from pgcutover.steps.history import TableProof


class ComparedDatabase(BaseModel):
    """One of the two databases; `server_version` is None where nobody could log in."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    host: str
    port: int
    database: str
    user: str
    server_version: str | None = None


class DifferingDefinition(BaseModel):
    """An object that is not defined alike, with both texts; None: not there. `says` is its sentence among
    `definitions`, `warnings` or `expected`."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    name: str
    standing: Standing
    says: str
    reason: str
    source: str | None
    target: str | None


class SequenceBehind(BaseModel):
    """A sequence that would hand out on the target what the source handed out; `setval` is the statement that brings
    the target to where the source is."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    sequence: str
    source_last_value: int
    source_is_called: bool
    target_last_value: int
    target_is_called: bool
    setval: str


class DifferingRow(BaseModel):
    """A row that the target lacks, has too much, or holds otherwise. `key` is masked, or as the type prints it."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    kind: str
    key: str
    columns: tuple[str, ...]


class ReadCost(BaseModel):
    """What comparing one table took on one side: seconds of all sessions together, bytes of storage."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    seconds: float
    bytes: int


class ComparedTable(TableProof):
    """One table with all that is known of it. Counts of rows are None where rows were not asked for or not read,
    ranges where rows were not grouped by key: only those of a table that differs are."""

    error: str = ""
    key_ranges: int | None = None
    differing_ranges: int | None = None
    source_cost: ReadCost | None = None
    target_cost: ReadCost | None = None
    missing: int | None = None
    extra: int | None = None
    different: int | None = None
    rows: tuple[DifferingRow, ...] = ()
    rows_unnamed: str = ""
    """Why rows that differ have no name."""
    rows_error: str = ""


class Comparison(BaseModel):
    """What `verify` found."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    version: int = 1
    verdict: str
    exit_code: int
    says: str
    tables: tuple[ComparedTable, ...] = ()
    definitions: tuple[str, ...] = ()
    sequences_behind: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    """What could not be verified, with the reason."""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    rows_seconds: float = 0.0
    expected: tuple[str, ...] = ()
    """Differences that a move brings, with the reason; they are no warnings."""
    source: ComparedDatabase | None = None
    """None: it is not known, as of a run whose new database is not there."""
    target: ComparedDatabase | None = None
    next: tuple[str, ...] = ()
    """What to do now, where it is no pass."""
    sequences: tuple[SequenceBehind, ...] = ()
    definition_texts: tuple[DifferingDefinition, ...] = ()
