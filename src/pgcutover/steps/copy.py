"""Rows, then indexes and constraints: every table in one snapshot, each table's indexes right after its rows.

Run again, it goes on where it stopped: what has a marker on the target is not copied again, what exists is not built
again. Going back leaves the target as it is: no path deletes rows that may be the only copy.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pgcutover.copying.chunk import ChunkJob
from pgcutover.copying.graph import Work, carry_out
from pgcutover.errors import FenceError
from pgcutover.facts.inventory import DatabaseInventory
from pgcutover.planning.definitions import TocEntry, identified, index_owners
from pgcutover.planning.largeobjects import Batch
from pgcutover.planning.tasks import Chunk, Mark, Task, TaskKind, plan_chunks, plan_tasks
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.ports_copy import Copier, CopyWorld

NAMED = 5
LEAK_HINT = "The fence did not hold: roll back, find who writes to the old database, and start a new run."


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    name: str = "copy"
    keeps_target: bool = True
    title: str = "copy every row and large object, and build indexes and constraints"
    by_hand: str = "nothing to undo: the new database stays as it is until `pgcutover destroy --target`"
    calls: tuple[str, ...] = (
        "source: COPY (SELECT ... FROM ONLY table) TO STDOUT, every table in one exported snapshot (reads only)",
        "target: COPY table FROM STDIN, with a marker in pgcutover.chunk in the same transaction",
        "target: lo_from_bytea() of every large object, in batches with a marker each",
        "target: pg_restore of indexes, constraints, foreign keys, triggers, policies and rules",
    )

    def observe(self, world: CopyWorld) -> Before:
        inventory = world.copier.source.inventory()
        return {
            "fingerprint": inventory.fingerprint,
            "tables": sum(table.holds_rows for table in inventory.tables),
            "data_bytes": inventory.data_bytes,
        }

    def do(self, world: CopyWorld, before: Before) -> None:
        copier = world.copier
        copier.target.prepare()
        # A try that broke off may have left sessions behind that a silent network keeps from ending: they hold locks.
        copier.target.abandon()
        # T7: the files' names are read before the snapshot is taken, so that whatever changes later shows.
        inventory = copier.source.inventory()
        _refuse_other_definitions(inventory, before)
        if not copier.definitions.exists():
            copier.definitions.dump()
        target_version = copier.target.version()
        marks = _marks(copier, plan_chunks(inventory, target_version=target_version))
        _carry_out(copier, inventory, marks, target_version)
        after = copier.source.inventory()
        _refuse_other_definitions(after, before)
        chunks = plan_chunks(after, target_version=target_version)
        _refuse_other_files((*chunks, *copier.source.large_objects()), copier.target.marks())

    def verify(self, world: CopyWorld, before: Before) -> Finding:
        copier = world.copier
        inventory = copier.source.inventory()
        chunks = plan_chunks(inventory, target_version=copier.target.version())
        marks = copier.target.marks()
        missing = [chunk.name for chunk in chunks if not _arrived(copier, chunk, marks)]
        missing += [batch.name for batch in copier.source.large_objects() if batch.name not in marks]
        there = {thing.key: thing for thing in copier.target.things()}
        later = {(special.class_oid, special.oid) for special in copier.source.special()}
        for thing in copier.source.things():
            if (thing.class_oid, thing.oid) in later:
                continue
            found = there.get(thing.key)
            if found is None or (thing.valid and not found.valid):
                missing.append(str(thing))
        rows, byte_count = sum(m.rows for m in marks.values()), sum(m.bytes for m in marks.values())
        evidence = {"tables": sum(len(c.holders) for c in chunks), "rows": rows, "bytes": byte_count}
        if not missing:
            return Finding(verdict=Verdict.WHOLE, detail=f"{rows} rows in {len(chunks)} chunks", evidence=evidence)
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        verdict = Verdict.PARTIAL if marks else Verdict.ABSENT
        return Finding(verdict=verdict, detail=f"missing: {', '.join(missing[:NAMED])}{more}", evidence=evidence)

    def undo(self, world: CopyWorld, before: Before) -> None:
        """Nothing: see the module."""


def restock(world: CopyWorld) -> None:
    """Copy unlogged tables again whose rows a crash of the target took, after `copy` was done. Else it only looks."""
    copier = world.copier
    if not copier.target.holds_unlogged():
        return
    inventory, marks = copier.source.inventory(), copier.target.marks()
    chunks = plan_chunks(inventory, target_version=copier.target.version())
    if any(chunk.name in marks and not _arrived(copier, chunk, marks) for chunk in chunks):
        Copy().do(world, {"fingerprint": inventory.fingerprint})


def _carry_out(copier: Copier, inventory: DatabaseInventory, marks: Mapping[str, Mark], target_version: int) -> None:
    entries = copier.entries().section("post-data")
    things = copier.source.things()
    there = {thing.key for thing in copier.target.things()}
    named = identified(entries, things)
    wanted = {e.dump_id: e for e in entries if e.dump_id not in named or named[e.dump_id].key not in there}
    tasks = plan_tasks(inventory, entries, index_owners(entries, things), target_version=target_version)
    done = {task.name for task in tasks if task.chunk is not None and task.chunk.name in marks}
    with copier.target.held(), copier.source.snapshot() as snapshot:
        work = Work(
            crew=copier.crew(),
            job=lambda chunk: _job(copier, inventory, chunk, snapshot),
            build=lambda task: _build(copier, task, wanted),
            builders=copier.builders,
            abandon=copier.target.abandon,
        )
        carry_out(tasks, work, done=done)
        for batch in copier.source.large_objects():
            if batch.name not in marks:
                copier.target.put_large_objects(batch, copier.source.pieces(snapshot, batch))


def _job(copier: Copier, inventory: DatabaseInventory, chunk: Chunk, snapshot: str) -> ChunkJob:
    # Functions in CHECK constraints and generated columns find what they find in the application; but names of objects
    # in the rows must be read as they were written, under an empty path.
    settings = () if chunk.object_names else (("search_path", inventory.search_path),)
    return ChunkJob(
        run_id=copier.run_id,
        epoch=copier.epoch,
        chunk=chunk,
        snapshot=snapshot,
        source=copier.source_dsn,
        target=copier.target_dsn,
        claim=copier.claim,
        settings=settings,
    )


def _build(copier: Copier, task: Task, wanted: Mapping[int, TocEntry]) -> None:
    entries = [wanted[dump_id] for dump_id in task.entries if dump_id in wanted]
    if entries:
        jobs = copier.builders if task.kind is TaskKind.FOREIGN_KEYS else 1
        copier.definitions.restore(entries, jobs=jobs, whole=task.kind is TaskKind.REST)


def _marks(copier: Copier, chunks: tuple[Chunk, ...]) -> dict[str, Mark]:
    """The markers that still tell the truth; those of unlogged tables that a crash emptied are taken away.

    Raises:
        FenceError: a table that was copied has been rewritten on the source since.
    """
    marks = copier.target.marks()
    _refuse_other_files((*chunks, *copier.source.large_objects()), marks)
    for chunk in chunks:
        if chunk.name in marks and not _arrived(copier, chunk, marks):
            copier.target.forget(chunk.name)
            del marks[chunk.name]
    return marks


def _arrived(copier: Copier, chunk: Chunk, marks: Mapping[str, Mark]) -> bool:
    """Whether a chunk has its marker, and an unlogged table its rows: a crash of the target empties it."""
    mark = marks.get(chunk.name)
    if mark is None:
        return False
    return not (chunk.unlogged and mark.rows) or copier.target.holds_rows(chunk.table)


def _refuse_other_definitions(inventory: DatabaseInventory, before: Before) -> None:
    if inventory.fingerprint != before["fingerprint"]:
        raise FenceError("definitions on the source changed while it was copied", hint=LEAK_HINT)


def _refuse_other_files(chunks: tuple[Chunk | Batch, ...], marks: Mapping[str, Mark]) -> None:
    for chunk in chunks:
        if chunk.name in marks and marks[chunk.name].storage != chunk.storage:
            raise FenceError(
                f"{chunk.name} was truncated or rewritten on the source after it was copied", hint=LEAK_HINT
            )
