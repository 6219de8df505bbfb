"""`pgcutover verify`: two databases compared now, with a verdict that can only mean one thing.

Keys are customers' data: unless somebody asks for them, a differing row is told apart by a hash that means nothing
outside this one comparison.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TypeAlias

from pydantic import BaseModel, ConfigDict

from pgcutover.app.guards import RunNotes
from pgcutover.app.records import Records
from pgcutover.app.world import RunWorld
from pgcutover.config import Config
from pgcutover.edges.aws import Aws
from pgcutover.edges.content import ContentProof
from pgcutover.edges.fencing import HeldSource
from pgcutover.edges.heroku import HerokuClient
from pgcutover.edges.journal import SqliteJournal
from pgcutover.edges.postgres import Server
from pgcutover.errors import AwsError, SourceError, TargetError
from pgcutover.facts.names import Dsn
from pgcutover.facts.proof import Cost, Proof, RowDifference, RowDifferences, Standing, TableComparison, stale_view
from pgcutover.running.journal import Run
from pgcutover.steps.canary import seen_by_canary
from pgcutover.steps.history import TableProof
from pgcutover.steps.lift import LIFTED


class ComparisonVerdict(IntEnum):
    """The only meanings of the exit codes 0 to 3."""

    SAME = 0
    WARNINGS = 1
    DIFFERENT = 2
    COULD_NOT_VERIFY = 3


MASK_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """How closely to look: `limit` rows of each table that differs are named, by their keys or by a mask."""

    limit: int = 10
    jobs: int = 4
    show_keys: bool = False


class DifferingRow(BaseModel):
    """A row that the target lacks, has too much, or holds otherwise. `key` is masked, or as the type prints it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    key: str
    columns: tuple[str, ...]


class ReadCost(BaseModel):
    """What comparing one table took on one side: seconds of all sessions together, bytes of storage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: float
    bytes: int


class ComparedTable(TableProof):
    """One table with all that is known of it. Counts of rows are None where rows were not asked for or not read."""

    error: str = ""
    key_ranges: int = 1
    differing_ranges: int = 0
    source_cost: ReadCost | None = None
    target_cost: ReadCost | None = None
    missing: int | None = None
    extra: int | None = None
    different: int | None = None
    rows: tuple[DifferingRow, ...] = ()
    rows_error: str = ""


class Comparison(BaseModel):
    """What `verify` found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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


def compare_databases(source: Dsn, target: Dsn, looking: Looking) -> Comparison:
    """Compare any two databases, no run needed."""
    servers = Server(dsn=source, side="source"), Server(dsn=target, side="target")
    try:
        if _one_and_the_same(*servers):
            return _could_not("--source and --target are one and the same database: that proves nothing")
        proof = ContentProof(*servers, jobs=looking.jobs)
        return _judged(proof.compare(limit=looking.limit), lifted=False, looking=looking)
    except (SourceError, TargetError) as error:
        return _could_not(str(error))


def _one_and_the_same(source: Server, target: Server) -> bool:
    """Whether both names lead to the same database of the same running server."""
    return _identity(source) == _identity(target)


def _identity(server: Server) -> object:
    with server.session("identity") as session:
        # A copy of the files has another start; two servers do not start within one microsecond.
        asked = "SELECT pg_catalog.current_database(), pg_catalog.pg_postmaster_start_time()"
        return session.execute(asked).fetchone()


def compare_now(
    config: Config, records: Records, run: Run, *, heroku: HerokuClient, aws: Aws, looking: Looking
) -> Comparison:
    """Compare the databases of a run. A database that cannot be asked is "could not verify", never "same"."""
    plan = records.plan_of(run)
    with SqliteJournal(records.journal_file, read_only=True) as journal:
        notes = RunNotes(journal=journal, run=run.run)
        lifted = bool(notes.notes(LIFTED)) and run.outcome != "returned"
        with RunWorld(config, plan, run.run, heroku=heroku, aws=aws, notes=notes, holder="verify") as world:
            try:
                proof = world.proof.compare(seen=seen_by_canary(notes), limit=looking.limit, jobs=looking.jobs)
                # Only looked at: to claim the run is not for who only compares.
                leaks = HeldSource(world.source_server).leaks() if lifted and run.is_open else ()
            except (SourceError, TargetError, AwsError) as error:
                return _could_not(str(error))
    if leaks:
        return _leaking(leaks)
    return _judged(proof, lifted=lifted, looking=looking)


def _could_not(why: str) -> Comparison:
    return Comparison(verdict="could not verify", exit_code=ComparisonVerdict.COULD_NOT_VERIFY, says=why)


def _leaking(leaks: Sequence[str]) -> Comparison:
    """After the lift, an old database that can be written to explains differences that nobody may explain away."""
    says = f"the old database is not fenced any more: {'; '.join(leaks)}"
    return Comparison(verdict="different", exit_code=ComparisonVerdict.DIFFERENT, says=says)


def _since_lifted(proof: Proof) -> Proof:
    """With no doubt about a materialised view that both sides hold: the application's writes explain one that is other
    than its query gives there."""
    return replace(
        proof,
        tables=tuple(replace(t, error="") if t.unit.derived and t.source and t.target else t for t in proof.tables),
    )


def _judged(proof: Proof, *, lifted: bool, looking: Looking) -> Comparison:
    proof = _since_lifted(proof) if lifted else proof
    decisive = tuple(str(d) for d in proof.definitions if d.decisive)
    unchecked = tuple(str(doubt) for doubt in proof.doubts)
    warnings = (
        *(str(d) for d in proof.definitions if d.standing is Standing.UNDECIDED),
        *(stale_view(t) for t in proof.refreshed),
    )
    verdict, says = _verdict(proof, decisive, unchecked, warnings, lifted=lifted)
    tell, rows = _tellers(looking), {d.unit: d for d in proof.differences}
    return Comparison(
        verdict=verdict.name.lower().replace("_", " "),
        exit_code=verdict,
        says=says,
        tables=tuple(_table(t, rows.get(t.unit), tell) for t in proof.tables if t not in proof.refreshed),
        definitions=decisive,
        sequences_behind=proof.sequences_behind,
        unchecked=unchecked,
        warnings=warnings,
        notes=proof.notes,
        seconds=proof.seconds,
        rows_seconds=proof.rows_seconds,
        expected=tuple(str(d) for d in proof.definitions if d.standing is Standing.EXPECTED),
    )


def _verdict(
    proof: Proof, decisive: Sequence[str], unchecked: Sequence[str], warnings: Sequence[str], *, lifted: bool
) -> tuple[ComparisonVerdict, str]:
    """A difference that was found is certain, whatever could not be looked at; nothing else outweighs a doubt."""
    if decisive or proof.sequences_behind or (proof.different and not lifted):
        doubt = f", and {_doubts(unchecked)}" if unchecked else ""
        return ComparisonVerdict.DIFFERENT, f"the databases differ{doubt}"
    if unchecked:
        return ComparisonVerdict.COULD_NOT_VERIFY, _doubts(unchecked)
    if proof.different:
        return (
            ComparisonVerdict.WARNINGS,
            "the application has changed the new database since the lift; the proof before the lift stands",
        )
    if warnings:
        return ComparisonVerdict.WARNINGS, "the same, but for differences that decide nothing"
    return ComparisonVerdict.SAME, "both databases hold the same"


def _doubts(unchecked: Sequence[str]) -> str:
    return f"{len(unchecked)} thing{'s' if len(unchecked) > 1 else ''} could not be checked"


Teller: TypeAlias = Callable[[RowDifference], str]


def _tellers(looking: Looking) -> Teller:
    """How a row is called: by its key, or by a keyed hash of it, so that two lines can be told apart and no more."""
    if looking.show_keys:
        return lambda row: ", ".join(f"{name}={'NULL' if value is None else value}" for name, value in row.key)
    salt = secrets.token_bytes(32)

    def masked(row: RowDifference) -> str:
        if not row.key:
            return ""
        return "#" + hashlib.blake2b(json.dumps(row.key).encode(), key=salt).hexdigest()[:MASK_DIGITS]

    return masked


def _table(compared: TableComparison, rows: RowDifferences | None, tell: Teller) -> ComparedTable:
    counted = rows is not None and not rows.error
    return ComparedTable(
        table=str(compared.unit),
        source_rows=compared.source.rows if compared.source else None,
        target_rows=compared.target.rows if compared.target else None,
        equal=None if compared.error else compared.equal,
        error=compared.error,
        key_ranges=compared.unit.ranges.count if compared.unit.ranges else 1,
        differing_ranges=compared.differing_ranges,
        source_cost=_cost(compared.source_cost),
        target_cost=_cost(compared.target_cost),
        missing=rows.missing if rows and counted else None,
        extra=rows.extra if rows and counted else None,
        different=rows.different if rows and counted else None,
        rows=tuple(
            DifferingRow(kind=row.kind, key=tell(row), columns=row.columns) for row in (rows.first if rows else ())
        ),
        rows_error=rows.error if rows else "",
    )


def _cost(cost: Cost | None) -> ReadCost | None:
    return ReadCost(seconds=round(cost.seconds, 3), bytes=cost.bytes) if cost else None
