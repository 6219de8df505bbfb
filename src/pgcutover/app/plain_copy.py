"""`pgcutover copy`: one database into an empty one, with no move around it.

The source is only read; what is copied is what it held at one moment. Invariant: what is wrong is said before anything
is made in the target; a copy that broke off goes on with the same command, and is then compared as a whole, because it
was read at two moments.
"""

import getpass
import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pgcutover.app.compared import Comparison
from pgcutover.app.detour import detour
from pgcutover.app.guards import RealClock
from pgcutover.app.patience import patiently
from pgcutover.app.plain_checks import refuse_source, refuse_target
from pgcutover.app.workers import Workers, workers
from pgcutover.config import Surroundings
from pgcutover.copying.crew import Crew
from pgcutover.edges.archive import open_archive
from pgcutover.edges.capacity import affordable_jobs, no_more_than_cores
from pgcutover.edges.claim import target_alone
from pgcutover.edges.copyfinish import CopyFinish
from pgcutover.edges.copysource import CopySource, HeldSnapshot, Memory
from pgcutover.edges.copystream import carry
from pgcutover.edges.copytarget import CopyTarget
from pgcutover.edges.postgres import Idle, Server
from pgcutover.edges.progress import CopyProgress, read_progress
from pgcutover.edges.runrecord import cas_sql, drop_records
from pgcutover.errors import NotDoneError, PgcutoverError, TargetError
from pgcutover.facts.building import SortMemory
from pgcutover.facts.cluster import ClusterPlace
from pgcutover.facts.inventory import DatabaseInventory, Sequence
from pgcutover.facts.names import Dsn
from pgcutover.planning.chunks import Bounds, Chunk
from pgcutover.planning.definitions import MADE_BEFORE
from pgcutover.planning.distance import region_of
from pgcutover.planning.grants import given
from pgcutover.planning.plan import Advice
from pgcutover.running.step import Before, Finding, Json, Step, Verdict
from pgcutover.steps.copy import Copy
from pgcutover.steps.finish import Finish
from pgcutover.steps.ports_copy import Copier
from pgcutover.steps.schema import Schema

LEFT_OUT = {
    "privileges_left_out": "privileges not given",
    "user_mappings_left_out": "user mapping not made",
    "left_to_the_master": "left to a superuser",
    "settings_refused": "setting refused",
}
START_ANEW = (
    "The source was changed between two looks at it. Drop what is in the target, large objects too, and its schema "
    "pgcutover, or take another database; let nobody change definitions meanwhile; then run the same command again."
)
CONTRADICTIONS = (
    "could not create unique index",
    "violates foreign key constraint",
    "already exists",
    "pg_largeobject_metadata_oid_index",
)
"""What the target says when rows of two moments do not fit together."""

WRITING = {"default_transaction_read_only": "off"}

ProgressSource = Callable[[], CopyProgress | None]
Advise = Callable[[Advice], None]
Watching = Callable[[ProgressSource], AbstractContextManager[object]]


class CopyDone(BaseModel):
    """What a copy brought. `left_out` is what the target has no place for, one sentence each."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    version: int = 1
    source: str
    target: str
    tables: int
    rows: int
    bytes: int
    jobs: int
    """Tables at once: fewer than wanted where a server has few connections left."""
    jobs_wanted: int
    resumed: bool
    left_out: tuple[str, ...] = ()
    comparison: Comparison | None = None


def copy_database(
    source: Dsn,
    target: Dsn,
    *,
    jobs: int | None,
    verify: bool,
    state: Path,
    pg_bin: tuple[Path, ...] = (),
    cluster: ClusterPlace | None = None,
    sort_memory: SortMemory = SortMemory.AUTO,
    watching: Watching = lambda _: nullcontext(),
    advise: Advise = lambda _: None,
) -> CopyDone:
    """Copy everything into an empty database, or go on with a copy that broke off.

    `advise` hears, before anything is copied, what a person should know.

    Raises:
        RefusedError, RightsError: something stands in the way; nothing was touched.
        TargetNotEmptyError: the target holds objects that this copy did not make.
        Others of the error tree: it broke off; what arrived is kept, and the same command goes on.
    """
    with (
        closing(Idle()) as here,
        closing(Idle()) as there,
        workers(source, target, jobs=jobs, cluster=cluster) as carriers,
    ):
        ours = Server(dsn=source, side="source", idle=here)
        theirs = Server(dsn=target, side="target", settings=WRITING, idle=there)
        return _copy(
            ours,
            theirs,
            carriers,
            verify=verify,
            state=state,
            pg_bin=pg_bin,
            sort_memory=sort_memory,
            watching=watching,
            advise=advise,
        )


def _copy(
    ours: Server,
    theirs: Server,
    carriers: Workers,
    *,
    verify: bool,
    state: Path,
    pg_bin: tuple[Path, ...],
    sort_memory: SortMemory,
    watching: Watching,
    advise: Advise,
) -> CopyDone:
    source, target = ours.dsn, theirs.dsn
    memory = Memory()
    reading = CopySource(server=ours, memory=memory)
    inventory = reading.inventory()
    run_id = f"copy-{hashlib.sha256(f'{source} {target}'.encode()).hexdigest()[:16]}"
    refuse_source(reading, inventory)
    refuse_target(theirs, inventory, run_id=run_id)
    for advice in detour(inventory.data_bytes, region_of(target.host), Surroundings.read()):
        advise(advice)
    wanted = carriers.jobs if carriers.asked else no_more_than_cores(theirs, carriers.jobs)
    jobs = affordable_jobs(ours, theirs, wanted=wanted)
    directory = state / "copies" / run_id
    archive = open_archive(
        directory / "definitions.dump", ours, theirs, directories=pg_bin, settings=dict(theirs.settings)
    )
    with (
        target_alone(theirs, run_id=run_id, holder=getpass.getuser()) as epoch,
        closing(HeldSnapshot(ours)) as snapshot,
    ):
        claim, reading = cas_sql(run_id, epoch), replace(reading, held=snapshot.name)
        writing = CopyTarget(server=theirs, run_id=run_id, claim=claim, sort_memory=sort_memory)
        copier = Copier(
            run_id=run_id,
            epoch=epoch,
            claim=claim,
            source=reading,
            target=writing,
            finish=CopyFinish(target=writing),
            definitions=archive,
            crew=lambda: Crew(lambda: carriers.executor(jobs), carry, size=jobs),
            jobs=jobs,
            builders=no_more_than_cores(theirs, jobs),
            source_dsn=source,
            target_dsn=target,
            leaked=START_ANEW,
        )
        copying = _Copying(
            copier=copier,
            memory=memory,
            writing=writing,
            inventory=inventory,
            jobs_wanted=wanted,
            resumed=_arrived(writing),
        )
        with watching(copying.progress), _blamed(copying, snapshot):
            done = patiently(copying.run, RealClock())
        if snapshot.moments > 1:
            done = done.model_copy(update={"resumed": True})
        if verify or done.resumed:
            # The proof is half of the program, and most copies do without.
            from pgcutover.app.comparison import Looking, compare_databases

            looking = Looking(jobs=jobs)
            comparison = compare_databases(
                source, target, looking, snapshot=snapshot.name(), sequences=copying.sequences
            )
            done = done.model_copy(update={"comparison": comparison})
        if done.comparison is None or done.comparison.exit_code <= 1:
            drop_records(theirs, claim=claim)
            shutil.rmtree(directory, ignore_errors=True)
    return done


def _arrived(writing: CopyTarget) -> bool:
    """Whether an earlier process brought something: what comes now is of another moment."""
    writing.prepare()
    return bool(writing.marks())


@contextmanager
def _blamed(copying: "_Copying", snapshot: HeldSnapshot) -> Iterator[None]:
    """Rows of two moments may contradict each other: then the same command would meet the same rows for ever."""
    try:
        yield
    except TargetError as error:
        if (copying.resumed or snapshot.moments > 1) and any(words in error.message for words in CONTRADICTIONS):
            raise TargetError(error.message, hint=START_ANEW) from error
        raise


@dataclass(slots=True, kw_only=True)
class _Copying:
    """The steps of a copy, as often as it takes."""

    copier: Copier
    memory: Memory
    writing: CopyTarget
    inventory: DatabaseInventory
    jobs_wanted: int
    resumed: bool
    sequences: tuple[Sequence, ...] = ()
    """As they were set on the target: read after the rows, so that none is behind what it gave out."""

    _planned: tuple[Bounds, tuple[Chunk, ...]] | None = None

    def progress(self) -> CopyProgress:
        bounds = self.writing.bounds()
        if self._planned is None or self._planned[0] != bounds:
            self._planned = bounds, self.copier.chunks(self.inventory)
        return read_progress(self.writing.server, self.copier.run_id, self._planned[1])

    def run(self) -> CopyDone:
        try:
            return self._run()
        except PgcutoverError:
            # The next try looks for itself.
            self.memory.forget()
            raise

    def _run(self) -> CopyDone:
        copier = self.copier
        copier.target.prepare()
        self._make_schemas()
        contents = [thing for thing in copier.target.things() if thing.kind != "schema"]
        begun = copier.target.definitions_begun() if contents else None
        before = {"fingerprint": begun or self.inventory.fingerprint}
        # Its effect is found together with that of the next.
        Schema().do(self, before)
        copied = self._done(Copy(), before).evidence
        left_out = [blocker.what for blocker in self.inventory.blockers if not blocker.of_the_move]
        left_out += [f"{out.entry}: {out.reason}" for out in copier.entries().left_out if out.matters]
        left_out += self._finish()
        return CopyDone(
            source=str(copier.source_dsn),
            target=str(copier.target_dsn),
            tables=_number(copied["tables"]),
            rows=_number(copied["rows"]),
            bytes=_number(copied["bytes"]),
            jobs=copier.jobs,
            jobs_wanted=self.jobs_wanted,
            resumed=self.resumed,
            left_out=tuple(left_out),
        )

    def _make_schemas(self) -> None:
        """Those that a dump takes for granted, because a move makes them beforehand."""
        there = {thing.name for thing in self.copier.target.things() if thing.kind == "schema"}
        here = {thing.name for thing in self.copier.source.things() if thing.kind == "schema"}
        for name in sorted(here.intersection(MADE_BEFORE, here - there)):
            self.writing.make_schema(name)

    def _finish(self) -> Iterator[str]:
        """What rows alone do not bring; what of it has no place, in sentences."""
        # Read after the last row, and what it sets is what it is held against: a source that is written to moves on.
        self.sequences = self.copier.source.inventory().sequences
        ours, theirs = self.copier.source_dsn.user, self.copier.target_dsn.user
        mine = {self.inventory.owner, ours}
        grants, ungranted = given(self.inventory.grants, roles=self.copier.target.roles(), owners=mine)
        finish = Finish(
            grants=grants,
            settings=tuple(s for s in self.inventory.settings if not s.role and s.database),
            roles=tuple(dict.fromkeys(mine, theirs).items()),
            app_role=theirs,
        )
        found = self._done(finish, {})
        yield from ungranted
        yield from (f"setting {s.name} of role {s.role}" for s in self.inventory.settings if s.role)
        yield from _left_out(found)

    def _done(self, step: "Step[_Copying]", before: Before) -> Finding:
        step.do(self, before)
        found = step.verify(self, before)
        if found.verdict is not Verdict.WHOLE:
            raise NotDoneError(
                f"{step.name} was done, and not everything is there: {found.detail}", hint="Run the same command again."
            )
        return found


def _left_out(found: Finding) -> Iterator[str]:
    for key, words in LEFT_OUT.items():
        for what in found.evidence.get(key, ()) or ():  # type: ignore[union-attr]
            yield f"{words}: {what}"


def _number(value: Json) -> int:
    assert isinstance(value, int), "the copy counts"
    return value
