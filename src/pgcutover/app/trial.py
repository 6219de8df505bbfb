"""One try of a copy, for the time that it takes: into a database that is thrown away afterwards.

What is copied is a part of the source, by the engine of every copy. What comes last (sequences, materialised views,
privileges) is neither done nor measured, for no setting changes it. The source is only read.
"""

import getpass
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from pgcutover.app.plain_copy import START_ANEW, Watching
from pgcutover.copying.crew import Crew, processes
from pgcutover.edges.archive import open_archive
from pgcutover.edges.capacity import no_more_than_cores
from pgcutover.edges.claim import target_alone
from pgcutover.edges.copyfinish import CopyFinish
from pgcutover.edges.copysource import CopySource, HeldSnapshot, Memory
from pgcutover.edges.copystream import carry
from pgcutover.edges.copytarget import CopyTarget
from pgcutover.edges.postgres import Idle, Server
from pgcutover.edges.progress import CopyProgress, read_progress
from pgcutover.edges.runrecord import cas_sql
from pgcutover.facts.building import Index
from pgcutover.facts.inventory import DatabaseInventory
from pgcutover.planning.chunks import Chunk, plan_chunks
from pgcutover.planning.cuts import cuts
from pgcutover.planning.definitions import Sifted
from pgcutover.planning.largeobjects import Batch
from pgcutover.planning.part import Part
from pgcutover.planning.trials import Setting
from pgcutover.running.step import Before
from pgcutover.steps.copy import Copy
from pgcutover.steps.ports_copy import Copier
from pgcutover.steps.schema import Schema

RUN = "tune"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a try took, and what it copied."""

    seconds: float
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSource(CopySource):
    """The source as if it held no more than a part of itself."""

    part: Part

    def look(self) -> DatabaseInventory:
        found = self.part.inventory(CopySource.look(self))
        if self.memory is not None:
            self.memory.inventory = found
        return found

    def indexes(self) -> tuple[Index, ...]:
        return self.part.indexes(CopySource.indexes(self))

    def large_objects(self) -> tuple[Batch, ...]:
        return CopySource.large_objects(self) if self.part.whole else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartCopier(Copier):
    """A copier of a part."""

    part: Part

    def chunks(self, inventory: DatabaseInventory) -> tuple[Chunk, ...]:
        return self.part.chunks(Copier.chunks(self, inventory))

    def entries(self) -> Sifted:
        """Without foreign keys that would point nowhere."""
        sifted, unheld = Copier.entries(self), self.part.unheld(self.source.foreign_keys())
        kept = tuple(e for e in sifted.kept if e.kind != "FK CONSTRAINT" or (e.class_oid, e.oid) not in unheld)
        return replace(sifted, kept=kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class _World:
    copier: Copier


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """What all tries have in common."""

    source: Server
    part: Part
    inventory: DatabaseInventory
    """As large as the part."""
    directory: Path
    pg_bin: Sequence[Path]
    watching: Watching

    def measure(self, server: Server, setting: Setting) -> Measured:
        """Copy the part into an empty database.

        Raises:
            FenceError: definitions of the source changed, or a table was rewritten, while it was copied.
            Others of the error tree: it broke off.
        """
        with (
            closing(Idle()) as there,
            target_alone(server, run_id=RUN, holder=getpass.getuser()) as epoch,
            closing(HeldSnapshot(self.source)) as snapshot,
        ):
            server = replace(server, idle=there)
            copier = self._copier(server, setting, epoch, snapshot)
            world = _World(copier=copier)
            before: Before = {"fingerprint": self.inventory.fingerprint}
            self._cut(copier)
            chunks = copier.chunks(self.inventory)

            def progress() -> CopyProgress:
                return read_progress(server, RUN, chunks)

            with self.watching(progress):
                started = time.monotonic()
                Schema().do(world, before)
                Copy().do(world, before)
                seconds = time.monotonic() - started
            marks = copier.target.marks().values()
            return Measured(
                seconds=seconds, rows=sum(mark.rows for mark in marks), bytes=sum(mark.bytes for mark in marks)
            )

    def _cut(self, copier: Copier) -> None:
        """Say where the tables of a part are cut: the engine says it of whole ones alone."""
        copier.target.prepare()
        if not self.part.whole:
            whole = plan_chunks(self.inventory, target_version=copier.target.version())
            taken = tuple(chunk for chunk in whole if chunk.table not in self.part.without)
            copier.target.cut(cuts(self.inventory, taken, jobs=copier.jobs))

    def _copier(self, server: Server, setting: Setting, epoch: int, snapshot: HeldSnapshot) -> Copier:
        claim, jobs = cas_sql(RUN, epoch), setting.jobs
        target = CopyTarget(server=server, run_id=RUN, claim=claim, sort_memory=setting.sort_memory)
        return PartCopier(
            part=self.part,
            run_id=RUN,
            epoch=epoch,
            claim=claim,
            source=PartSource(server=self.source, held=snapshot.name, memory=Memory(), part=self.part),
            target=target,
            finish=CopyFinish(target=target),
            definitions=open_archive(
                self.directory / "definitions.dump",
                self.source,
                server,
                directories=self.pg_bin,
                settings=dict(server.settings),
            ),
            crew=lambda: Crew(lambda: processes(jobs), carry, size=jobs),
            jobs=jobs,
            builders=no_more_than_cores(server, jobs),
            source_dsn=self.source.dsn,
            target_dsn=server.dsn,
            leaked=START_ANEW,
        )
