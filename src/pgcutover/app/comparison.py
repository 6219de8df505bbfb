"""`pgcutover verify`: both databases compared now, with a verdict that can only mean one thing."""

from collections.abc import Sequence
from enum import IntEnum

from pydantic import BaseModel, ConfigDict

from pgcutover.app.guards import RunNotes
from pgcutover.app.records import Records
from pgcutover.app.world import RunWorld
from pgcutover.config import Config
from pgcutover.edges.aws import Aws
from pgcutover.edges.fencing import HeldSource
from pgcutover.edges.heroku import HerokuClient
from pgcutover.edges.journal import SqliteJournal
from pgcutover.errors import AwsError, SourceError, TargetError
from pgcutover.facts.proof import Proof, TableComparison
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


class Comparison(BaseModel):
    """What `verify` found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    verdict: str
    exit_code: int
    says: str
    tables: tuple[TableProof, ...]
    definitions: tuple[str, ...]
    sequences_behind: tuple[str, ...]
    warnings: tuple[str, ...]


def compare_now(config: Config, records: Records, run: Run, *, heroku: HerokuClient, aws: Aws) -> Comparison:
    """Compare the databases of a run. A database that cannot be asked is "could not verify", never "same"."""
    plan = records.plan_of(run)
    with SqliteJournal(records.journal_file, read_only=True) as journal:
        notes = RunNotes(journal=journal, run=run.run)
        lifted = bool(notes.notes(LIFTED)) and run.outcome != "returned"
        with RunWorld(config, plan, run.run, heroku=heroku, aws=aws, notes=notes, holder="verify") as world:
            try:
                proof = world.proof.compare(seen=seen_by_canary(notes))
                # Only looked at: to claim the run is not for who only compares.
                leaks = HeldSource(world.source_server).leaks() if lifted and run.is_open else ()
            except (SourceError, TargetError, AwsError) as error:
                return _could_not(str(error))
    if leaks:
        return _leaking(leaks)
    return _judged(proof, lifted=lifted)


def _could_not(why: str) -> Comparison:
    return Comparison(
        verdict="could not verify",
        exit_code=ComparisonVerdict.COULD_NOT_VERIFY,
        says=why,
        tables=(),
        definitions=(),
        sequences_behind=(),
        warnings=(),
    )


def _leaking(leaks: Sequence[str]) -> Comparison:
    """After the lift, an old database that can be written to explains differences that nobody may explain away."""
    return Comparison(
        verdict="different",
        exit_code=ComparisonVerdict.DIFFERENT,
        says=f"the old database is not fenced any more: {'; '.join(leaks)}",
        tables=(),
        definitions=(),
        sequences_behind=(),
        warnings=(),
    )


def _judged(proof: Proof, *, lifted: bool) -> Comparison:
    decisive = tuple(str(d) for d in proof.definitions if d.decisive)
    warnings = tuple(str(d) for d in proof.definitions if not d.decisive)
    verdict, says = ComparisonVerdict.SAME, "both databases hold the same"
    if proof.unchecked:
        verdict, says = ComparisonVerdict.COULD_NOT_VERIFY, f"{len(proof.unchecked)} tables could not be checked"
    elif lifted and proof.different and not proof.sequences_behind and not decisive:
        verdict = ComparisonVerdict.WARNINGS
        says = "the application has changed the new database since the lift; the proof before the lift stands"
    elif proof.different or proof.sequences_behind or decisive:
        verdict, says = ComparisonVerdict.DIFFERENT, "the databases differ"
    elif warnings:
        verdict, says = ComparisonVerdict.WARNINGS, "the same, but for differences that decide nothing"
    return Comparison(
        verdict=verdict.name.lower().replace("_", " "),
        exit_code=verdict,
        says=says,
        tables=tuple(_table(t) for t in proof.tables),
        definitions=decisive,
        sequences_behind=proof.sequences_behind,
        warnings=warnings,
    )


def _table(compared: TableComparison) -> TableProof:
    return TableProof(
        table=str(compared.unit),
        source_rows=compared.source.rows if compared.source else None,
        target_rows=compared.target.rows if compared.target else None,
        equal=None if compared.error else compared.equal,
    )
