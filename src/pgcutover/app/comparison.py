"""`pgcutover verify`: two databases compared now, with a verdict that can only mean one thing.

Keys are customers' data: unless somebody asks for them, a differing row is told apart by a hash that means nothing
outside this one comparison.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, TypeAlias

from pgcutover.app.compared import (
    ComparedDatabase,
    ComparedTable,
    Comparison,
    DifferingDefinition,
    DifferingRow,
    ReadCost,
    SequenceBehind,
)
from pgcutover.app.comparison_advice import LEAKING, ONE_DATABASE, after_difference, after_doubts, after_refusal
from pgcutover.app.guards import RunNotes
from pgcutover.app.records import Records
from pgcutover.edges.content import ContentProof
from pgcutover.edges.fencing import HeldSource
from pgcutover.edges.journal import SqliteJournal
from pgcutover.edges.postgres import Server, Side
from pgcutover.errors import AwsError, SourceError, TargetError
from pgcutover.facts.inventory import Sequence as SequenceFact
from pgcutover.facts.names import Dsn
from pgcutover.facts.proof import (
    BehindSequence,
    Cost,
    DefinitionDifference,
    Proof,
    RowDifference,
    RowDifferences,
    Standing,
    TableComparison,
    stale_view,
)
from pgcutover.facts.reading import Tally
from pgcutover.running.journal import Run
from pgcutover.steps.canary import seen_by_canary
from pgcutover.steps.lift import LIFTED

if TYPE_CHECKING:
    from pgcutover.config import Config
    from pgcutover.edges.aws import Aws
    from pgcutover.edges.heroku import HerokuClient


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
    tally: Tally = field(default_factory=Tally, compare=False)
    """Told how far it is, for whoever looks on."""


RunsError: TypeAlias = SourceError | TargetError | AwsError
UNNAMED = "the table has no key by which a row could be named: rows that differ are counted only"


@dataclass(slots=True, kw_only=True)
class _Both:
    """The two databases, as far as they are known, and what kept anybody from asking them."""

    of_run: bool
    known: dict[str, ComparedDatabase] = field(default_factory=dict)
    identities: list[object] = field(default_factory=list)
    errors: list[RunsError] = field(default_factory=list)

    def look(self, server: Server) -> None:
        """Log in once; what is refused is kept, so that one command tells of both sides."""
        dsn = server.dsn
        found = ComparedDatabase(host=dsn.host, port=dsn.port, database=dsn.database, user=dsn.user)
        self.known[server.side] = found
        try:
            with server.session("logging in") as session:
                # A copy of the files has another start; two servers do not start within one microsecond.
                asked = "SELECT pg_catalog.current_database(), pg_catalog.pg_postmaster_start_time()"
                self.identities.append(session.execute(asked).fetchone())
                version = session.info.server_version
        except (SourceError, TargetError) as error:
            self.errors.append(error)
        else:
            told = f"{version // 10000}.{version % 10000}"
            self.known[server.side] = found.model_copy(update={"server_version": told})

    @property
    def one_and_the_same(self) -> bool:
        """Whether both names lead to the same database of the same running server."""
        return len(self.identities) > 1 and self.identities[0] == self.identities[1]

    def told(self, found: Comparison) -> Comparison:
        return found.model_copy(update=self.known)

    def refused(self, *errors: RunsError) -> Comparison:
        """A database that cannot be asked is "could not verify", never "same"."""
        every = [*self.errors, *errors]
        says = "; ".join(error.message for error in every)
        return self.told(_could_not(says, tuple(dict.fromkeys(filter(None, map(self._advice, every))))))

    def _advice(self, error: RunsError) -> str:
        if isinstance(error, AwsError):
            return error.hint
        side: Side = "source" if isinstance(error, SourceError) else "target"
        return after_refusal(error.message, error.hint, side=side, of_run=self.of_run)


def compare_databases(
    source: Dsn, target: Dsn, looking: Looking, *, snapshot: str = "", sequences: tuple[SequenceFact, ...] | None = None
) -> Comparison:
    """Compare any two databases, no run needed; the source's rows as `snapshot` sees them, and with these sequences,
    where they are given."""
    both = _Both(of_run=False)
    servers = Server(dsn=source, side="source"), Server(dsn=target, side="target")
    for server in servers:
        both.look(server)
    if both.errors:
        return both.refused()
    if both.one_and_the_same:
        same = "--source and --target are one and the same database: that proves nothing"
        return both.told(_could_not(same, (ONE_DATABASE,)))
    try:
        proof = ContentProof(*servers, jobs=looking.jobs, snapshot=snapshot).compare(
            limit=looking.limit, tally=looking.tally, sequences=sequences
        )
    except (SourceError, TargetError) as error:
        return both.refused(error)
    return both.told(_judged(proof, lifted=False, of_run=False, looking=looking))


def compare_now(
    config: "Config", records: Records, run: Run, *, heroku: "HerokuClient", aws: "Aws", looking: Looking
) -> Comparison:
    """Compare the databases of a run. A database that cannot be asked is "could not verify", never "same"."""
    # Loaded here: with its vendors' libraries it takes longer than all the rest, and two databases need none of it.
    from pgcutover.app.world import RunWorld

    plan, both = records.plan_of(run), _Both(of_run=True)
    with SqliteJournal(records.journal_file, read_only=True) as journal:
        notes = RunNotes(journal=journal, run=run.run)
        lifted = bool(notes.notes(LIFTED)) and run.outcome != "returned"
        with RunWorld(config, plan, run.run, heroku=heroku, aws=aws, notes=notes, holder="verify") as world:
            try:
                both.look(world.source_server)
                both.look(world.plain_target)
                if both.errors:
                    return both.refused()
                proof = world.proof.compare(
                    seen=seen_by_canary(notes), limit=looking.limit, jobs=looking.jobs, tally=looking.tally
                )
                # Only looked at: to claim the run is not for who only compares.
                leaks = HeldSource(world.source_server).leaks() if lifted and run.is_open else ()
            except (SourceError, TargetError, AwsError) as error:
                return both.refused(error)
    if leaks:
        return both.told(_leaking(leaks))
    return both.told(_judged(proof, lifted=lifted, of_run=True, looking=looking))


def _could_not(why: str, what_next: tuple[str, ...]) -> Comparison:
    return Comparison(
        verdict="could not verify", exit_code=ComparisonVerdict.COULD_NOT_VERIFY, says=why, next=what_next
    )


def _leaking(leaks: Sequence[str]) -> Comparison:
    """After the lift, an old database that can be written to explains differences that nobody may explain away."""
    says = f"the old database is not fenced any more: {'; '.join(leaks)}"
    return Comparison(verdict="different", exit_code=ComparisonVerdict.DIFFERENT, says=says, next=(LEAKING,))


def _since_lifted(proof: Proof) -> Proof:
    """With no doubt about a materialised view that both sides hold: the application's writes explain one that is other
    than its query gives there."""
    return replace(
        proof,
        tables=tuple(replace(t, error="") if t.unit.derived and t.source and t.target else t for t in proof.tables),
    )


def _judged(proof: Proof, *, lifted: bool, of_run: bool, looking: Looking) -> Comparison:
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
        next=_next(verdict, proof, lifted=lifted, of_run=of_run),
        sequences=tuple(map(_sequence, proof.behind)),
        definition_texts=tuple(map(_definition, proof.definitions)),
    )


def _next(verdict: ComparisonVerdict, proof: Proof, *, lifted: bool, of_run: bool) -> tuple[str, ...]:
    if verdict is ComparisonVerdict.DIFFERENT:
        others = bool(proof.sequences_behind) or any(d.decisive for d in proof.definitions)
        return after_difference(rows=bool(proof.different), others=others, of_run=of_run, lifted=lifted)
    if verdict is ComparisonVerdict.COULD_NOT_VERIFY:
        return after_doubts(proof.doubts, of_run=of_run, lifted=lifted)
    return ()


def _definition(found: DefinitionDifference) -> DifferingDefinition:
    return DifferingDefinition(
        name=found.name,
        standing=found.standing,
        says=str(found),
        reason=found.reason,
        source=found.source,
        target=found.target,
    )


def _sequence(behind: BehindSequence) -> SequenceBehind:
    return SequenceBehind(
        sequence=str(behind.name),
        source_last_value=behind.source_last_value,
        source_is_called=behind.source_is_called,
        target_last_value=behind.target_last_value,
        target_is_called=behind.target_is_called,
        setval=behind.setval_sql,
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
    grouped = compared.unit.ranges
    return ComparedTable(
        table=str(compared.unit),
        source_rows=compared.source.rows if compared.source else None,
        target_rows=compared.target.rows if compared.target else None,
        equal=None if compared.error else compared.equal,
        error=compared.error,
        key_ranges=grouped.count if grouped else None,
        differing_ranges=compared.differing_ranges if grouped else None,
        source_cost=_cost(compared.source_cost),
        target_cost=_cost(compared.target_cost),
        missing=rows.missing if rows and counted else None,
        extra=rows.extra if rows and counted else None,
        different=rows.different if rows and counted else None,
        rows=tuple(
            DifferingRow(kind=row.kind, key=tell(row), columns=row.columns) for row in (rows.first if rows else ())
        ),
        rows_unnamed=UNNAMED if rows and rows.first and not any(row.key for row in rows.first) else "",
        rows_error=rows.error if rows else "",
    )


def _cost(cost: Cost | None) -> ReadCost | None:
    return ReadCost(seconds=round(cost.seconds, 3), bytes=cost.bytes) if cost else None
