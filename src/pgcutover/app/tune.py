"""`pgcutover tune`: which settings copy a user's own data fastest, found by copying some of it again and again.

Each try has a database of its own on the target's server, made and dropped by us; the databases that were named are
only read. Invariant: what is wrong is said before the first of them is made.
"""

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from pydantic import BaseModel, ConfigDict

from pgcutover.app.plain_checks import refuse_older, refuse_source
from pgcutover.app.plain_copy import WRITING, Watching
from pgcutover.app.trial import Trials
from pgcutover.app.workers import JOBS
from pgcutover.copying.crew import begun
from pgcutover.edges.archive import open_archive
from pgcutover.edges.capacity import affordable_jobs
from pgcutover.edges.copysource import CopySource
from pgcutover.edges.postgres import Idle, Server
from pgcutover.edges.throwaway import Throwaways, throwaways
from pgcutover.facts.building import SortMemory
from pgcutover.facts.names import Dsn
from pgcutover.planning.chunks import Chunk, plan_chunks
from pgcutover.planning.definitions import MADE_BEFORE
from pgcutover.planning.part import Part, choose_part
from pgcutover.planning.trials import MOST_JOBS, Setting, job_counts, rounds, winner

NAMED = 5
USUAL = Setting(jobs=JOBS)
OTHER = {SortMemory.AUTO: SortMemory.SERVER, SortMemory.SERVER: SortMemory.AUTO}


class _Value(BaseModel):
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")


class Try(_Value):
    """One copy. The first is not counted: it also warms what the servers remember."""

    setting: Setting
    seconds: float
    rows: int
    bytes: int
    counted: bool


class Tried(_Value):
    """A setting with its tries, in seconds."""

    setting: Setting
    median_s: float
    fastest_s: float
    slowest_s: float
    tries: int


class TuneDone(_Value):
    """What was tried, what was found. `left_out` says what the tries did not copy and the source holds; `skipped` are
    job counts for which the servers have no connections."""

    version: int = 1
    source: str
    target: str
    bytes_copied: int
    """Of tables, as the source stores them."""
    bytes_total: int
    left_out: tuple[str, ...]
    skipped: tuple[int, ...]
    tries: tuple[Try, ...]
    tried: tuple[Tried, ...]
    usual: Setting
    """What is used where nothing is clearly faster."""
    best: Setting
    faster: bool
    """Whether the best is another one than the usual."""
    command: str
    removed: tuple[str, ...]
    """Databases that an earlier try had left behind."""
    plan: str = ""
    """The file of the plan into which the best was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a person asked for; `jobs` () is our choice, `part_bytes` None is everything."""

    jobs: tuple[int, ...] = ()
    repeats: int = 3
    part_bytes: int | None = None
    usual: Setting = USUAL


Told = Callable[[str, Setting, float | None], None]
"""Told before and after each try: "2 of 11", its setting, its seconds."""


def tune(
    source: Dsn,
    target: Dsn,
    wishes: Wishes,
    *,
    state: Path,
    pg_bin: tuple[Path, ...] = (),
    tell: Told = lambda *_: None,
    watching: Watching = lambda _: nullcontext(),
) -> TuneDone:
    """Try settings, and say which is best.

    Raises:
        RefusedError, RightsError, RunnerConflictError: something stands in the way; nothing was made.
        Others of the error tree: a try broke off; its database was dropped, or the next `tune` drops it.
    """
    with closing(Idle()) as here:
        ours = Server(dsn=source, side="source", idle=here)
        theirs = Server(dsn=target, side="target", settings=WRITING)
        reading = CopySource(server=ours)
        inventory = reading.inventory()
        refuse_source(reading, inventory)
        with theirs.session("look") as session:
            version = session.info.server_version
        refuse_older(theirs, inventory, version)
        chunks = plan_chunks(inventory, target_version=version)
        part = choose_part(inventory, chunks, most_bytes=wishes.part_bytes)
        with throwaways(theirs, inventory.extensions) as making:
            directory = state / "tune" / making.name
            for name in making.removed:
                shutil.rmtree(state / "tune" / name, ignore_errors=True)
            # Asked now, so that a missing program is not found by the first try.
            open_archive(directory / "definitions.dump", ours, theirs, directories=pg_bin)
            counts = job_counts(
                wishes.jobs, usual=wishes.usual.jobs, affordable=affordable_jobs(ours, theirs, wanted=MOST_JOBS)
            )
            begun()
            trials = Trials(
                source=ours,
                part=part,
                inventory=part.inventory(inventory),
                directory=directory,
                pg_bin=pg_bin,
                watching=watching,
            )
            search = _Search(trials=trials, making=making, wishes=wishes, counts=counts, tell=tell)
            try:
                best = search.run(schemas=_made_before(reading))
            finally:
                shutil.rmtree(directory, ignore_errors=True)
            copied = part.chunks(plan_chunks(trials.inventory, target_version=version))
            return TuneDone(
                source=str(source),
                target=str(target),
                bytes_copied=sum(chunk.data_bytes for chunk in copied),
                bytes_total=sum(chunk.data_bytes for chunk in chunks),
                left_out=tuple(_left_out(reading, part, chunks)),
                skipped=tuple(sorted({*wishes.jobs, wishes.usual.jobs} - set(counts))),
                tries=tuple(search.tries),
                tried=tuple(_tried(s, times) for s, times in sorted(search.times.items(), key=_in_order)),
                usual=search.usual,
                best=best,
                faster=best != search.usual,
                command=f"pgcutover copy {best.options}",
                removed=making.removed,
            )


@dataclass(slots=True, kw_only=True)
class _Search:
    """The tries: job counts first, then the other memory with the best of them."""

    trials: Trials
    making: Throwaways
    wishes: Wishes
    counts: tuple[int, ...]
    tell: Told
    tries: list[Try] = field(default_factory=list)
    times: dict[Setting, list[float]] = field(default_factory=lambda: defaultdict(list))
    _schemas: tuple[str, ...] = ()

    @property
    def usual(self) -> Setting:
        """What a copy would take; where the servers have no connections for it, what is nearest."""
        known = [jobs for jobs in self.counts if jobs <= self.wishes.usual.jobs]
        return self.wishes.usual.model_copy(update={"jobs": max(known, default=self.counts[0])})

    @property
    def _sorts(self) -> bool:
        return any(table.index_bytes for table in self.trials.inventory.tables)

    def run(self, *, schemas: tuple[str, ...]) -> Setting:
        self._schemas = schemas
        usual, repeats = self.usual, self.wishes.repeats
        settings = [usual.model_copy(update={"jobs": jobs}) for jobs in self.counts]
        self._try(usual, counted=False)
        if settings[1:] or not self._sorts:
            for setting in rounds(settings, repeats):
                self._try(setting)
            usual = winner(self.times, usual)
        if not self._sorts:
            return usual
        other = usual.model_copy(update={"sort_memory": OTHER[usual.sort_memory]})
        for setting in rounds((other, usual), repeats):
            self._try(setting)
        return winner({s: self.times[s] for s in (usual, other)}, usual)

    @property
    def _planned(self) -> int:
        by_jobs = len(self.counts) if self.counts[1:] or not self._sorts else 0
        return 1 + self.wishes.repeats * (by_jobs + 2 * self._sorts)

    def _try(self, setting: Setting, *, counted: bool = True) -> None:
        number = f"{len(self.tries) + 1} of {self._planned}"
        self.tell(number, setting, None)
        extensions = self.trials.inventory.extensions
        with self.making.database(extensions, self._schemas) as server:
            measured = self.trials.measure(server, setting)
        self.tries.append(
            Try(
                setting=setting,
                seconds=round(measured.seconds, 3),
                rows=measured.rows,
                bytes=measured.bytes,
                counted=counted,
            )
        )
        if counted:
            self.times[setting].append(measured.seconds)
        self.tell(number, setting, measured.seconds)


def _made_before(reading: CopySource) -> tuple[str, ...]:
    """Schemas that a dump takes for granted."""
    return tuple(t.name for t in reading.things() if t.kind == "schema" and t.name in MADE_BEFORE)


def _left_out(reading: CopySource, part: Part, chunks: Iterable[Chunk]) -> Iterator[str]:
    if part.whole:
        return
    if part.pages:
        yield f"of {len(part.pages)} large tables only the first {part.share:.1%} of their pages were copied"
    without = [chunk for chunk in chunks if chunk.table in part.without]
    if without:
        yield f"tables that can only be read whole, and are too large: {_listed([str(c.table) for c in without])}"
    keys = part.unheld(reading.foreign_keys())
    if keys:
        yield f"foreign keys to tables of which not all rows were copied: {len(keys)}"
    objects = sum(len(batch.oids) for batch in reading.large_objects())
    if objects:
        yield f"large objects: {objects}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if names[NAMED:] else "")


def _tried(setting: Setting, times: Sequence[float]) -> Tried:
    return Tried(
        setting=setting,
        median_s=round(median(times), 3),
        fastest_s=round(min(times), 3),
        slowest_s=round(max(times), 3),
        tries=len(times),
    )


def _in_order(tried: tuple[Setting, Sequence[float]]) -> tuple[int, str]:
    return tried[0].jobs, tried[0].sort_memory
