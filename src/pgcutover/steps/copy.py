"""Rows, then indexes and constraints: every table in one snapshot, each table's indexes right after its rows.

Run again, it goes on where it stopped: what has a marker on the target is not copied again, what exists is not built
again. Going back leaves the target as it is: no path deletes rows that may be the only copy.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from pgcutover.copying.chunk import ChunkJob
from pgcutover.copying.crew import Crew
from pgcutover.copying.graph import Yard, carry_out
from pgcutover.errors import FenceError, TargetNotEmptyError
from pgcutover.facts.inventory import DatabaseInventory
from pgcutover.planning.chunks import Chunk
from pgcutover.planning.cuts import cuts
from pgcutover.planning.definitions import Thing, TocEntry, identified, index_owners
from pgcutover.planning.largeobjects import Batch
from pgcutover.planning.tasks import Definitions, Mark, Task, Work, plan_tasks
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.ports_copy import Builders, Copier, CopyWorld

NAMED = 5
DONE_BY_US = frozenset({"INDEX", "CONSTRAINT", "INDEX ATTACH", "FK CONSTRAINT"})
"""Entries that the graph does one by one; pg_restore makes the others, at the end."""


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
        with closing(copier.crew()) as crew:
            crew.warm()
            # T7: the files' names are read before the snapshot is taken, so that whatever changes later shows; and
            # after the definitions, so that it shows when those were of another moment.
            inventory = copier.source.look()
            _refuse_other_definitions(copier, inventory, before)
            if not copier.definitions.exists():
                copier.definitions.dump()
            chunks = _cut(copier, inventory)
            marks = _marks(copier, chunks)
            _mark_objects(copier, marks)
            _carry_out(copier, crew, inventory, chunks, marks)
        _refuse_other_files(copier, copier.source.large_objects(), copier.target.marks())

    def verify(self, world: CopyWorld, before: Before) -> Finding:
        copier = world.copier
        inventory = copier.source.inventory()
        chunks = copier.chunks(inventory)
        marks = copier.target.marks()
        missing = [chunk.name for chunk in chunks if not _arrived(copier, chunk, marks)]
        if batches := copier.source.large_objects():
            objects = copier.target.large_objects()
            missing += [b.name for b in batches if b.name not in marks or not objects.issuperset(b.oids)]
        there = {thing.key: thing for thing in copier.target.things()}
        later = {(special.class_oid, special.oid) for special in copier.source.special()}
        for thing in copier.source.things():
            if (thing.class_oid, thing.oid) in later:
                continue
            found = there.get(thing.key)
            if found is None or (thing.valid and not found.valid):
                missing.append(str(thing))
        rows, byte_count = sum(m.rows for m in marks.values()), sum(m.bytes for m in marks.values())
        evidence = {"tables": sum(len(c.holders) for c in chunks if c.first), "rows": rows, "bytes": byte_count}
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
    chunks = copier.chunks(inventory)
    if any(chunk.name in marks and not _arrived(copier, chunk, marks) for chunk in chunks):
        Copy().do(world, {"fingerprint": inventory.fingerprint})


def _cut(copier: Copier, inventory: DatabaseInventory) -> tuple[Chunk, ...]:
    """The chunks; where the tables are cut is decided once, before the first of them arrives."""
    chunks, marks = copier.chunks(inventory), copier.target.marks()
    if not marks and all(chunk.pages is None for chunk in chunks):
        copier.target.cut(cuts(inventory, chunks, jobs=copier.jobs))
        chunks = copier.chunks(inventory)
    begun = {chunk.table for chunk in chunks if chunk.name in marks}
    for table in dict.fromkeys(chunk.table for chunk in chunks if chunk.pages is not None):
        # While parts arrive side by side, none of them can tell its table's rows from somebody else's.
        if table not in begun and copier.target.holds_rows(table):
            raise TargetNotEmptyError(
                f"table {table.spelt} on the target holds rows that this run did not copy",
                hint="Nothing was touched. Give the run an empty database.",
            )
    return chunks


def _carry_out(
    copier: Copier, crew: Crew, inventory: DatabaseInventory, chunks: Sequence[Chunk], marks: Mapping[str, Mark]
) -> None:
    entries = copier.entries().section("post-data")
    things = copier.source.things()
    script = copier.definitions.script([entry for entry in entries if entry.kind in DONE_BY_US])
    tasks = plan_tasks(inventory, chunks, _definitions(copier, entries, things, script.texts))
    done = {task.name for task in tasks if task.chunks and all(chunk.name in marks for chunk in task.chunks)}
    there = {thing.key: thing for thing in copier.target.things()}
    made = {
        (thing.class_oid, thing.oid): not thing.valid or there[thing.key].valid
        for thing in things
        if thing.key in there
    }
    named = identified(entries, things)
    left = {e.dump_id: e for e in entries if e.dump_id not in named or named[e.dump_id].key not in there}
    with (
        copier.target.held(),
        copier.source.snapshot() as snapshot,
        copier.target.building(
            script.encoding, partial(copier.source.statistics, snapshot), sessions=copier.builders
        ) as builders,
    ):
        yard = Yard(
            crew=crew,
            job=lambda some: _job(copier, inventory, some, snapshot),
            look=lambda: _look(copier, inventory.fingerprint),
            build=lambda task, idle: _build(copier, builders, task, left, made, idle),
            builders=copier.builders,
            abandon=copier.target.abandon,
            evict=copier.target.evict,
        )
        carry_out(tasks, yard, done=done)
        for batch in copier.source.large_objects():
            if batch.name not in marks:
                copier.target.put_large_objects(batch, copier.source.pieces(snapshot, batch))


def _definitions(
    copier: Copier, entries: Sequence[TocEntry], things: Sequence[Thing], texts: Mapping[int, str]
) -> Definitions:
    indexes = copier.source.indexes()
    by_key = {index.key: index for index in indexes}
    return Definitions(
        entries=entries,
        texts=texts,
        owners=index_owners(entries, things),
        indexes=by_key | {index.constraint: index for index in indexes if index.constraint is not None},
        keys={key.key: key for key in copier.source.foreign_keys()},
    )


def _look(copier: Copier, fingerprint: str) -> None:
    """T7: whether every table still is what was read, now that the last row was read."""
    after = copier.source.look()
    _refuse_other_definitions(copier, after, {"fingerprint": fingerprint})
    _refuse_other_files(copier, copier.chunks(after), copier.target.marks())


def _job(copier: Copier, inventory: DatabaseInventory, chunks: tuple[Chunk, ...], snapshot: str) -> ChunkJob:
    # Functions in CHECK constraints and generated columns find what they find in the application; but names of objects
    # in the rows must be read as they were written, under an empty path.
    settings = () if chunks[0].object_names else (("search_path", inventory.search_path),)
    return ChunkJob(
        run_id=copier.run_id,
        epoch=copier.epoch,
        chunks=chunks,
        snapshot=snapshot,
        source=copier.source_dsn,
        target=copier.target_dsn,
        claim=copier.claim,
        settings=settings,
    )


def _build(
    copier: Copier,
    builders: Builders,
    task: Task,
    left: Mapping[int, TocEntry],
    made: Mapping[tuple[int, int], bool],
    idle: int,
) -> None:
    """What a task makes, but what is there already: `made`, and whether as it should be. The last of it in one go."""
    works = [work for work in task.work if work.makes is None or work.makes not in made]
    works += [
        Work(sql=work.again_sql)
        for work in task.work
        if work.again_sql and work.makes is not None and not made.get(work.makes, True)
    ]
    if works:
        builders.do(works, helpers=idle)
    if task.entries:
        copier.definitions.restore([left[dump_id] for dump_id in task.entries if dump_id in left], whole=True)


def _marks(copier: Copier, chunks: tuple[Chunk, ...]) -> dict[str, Mark]:
    """The markers that still tell the truth; those of unlogged tables that a crash emptied are taken away.

    Raises:
        FenceError: a table that was copied has been rewritten on the source since.
    """
    marks = copier.target.marks()
    _refuse_other_files(copier, (*chunks, *copier.source.large_objects()), marks)
    for chunk in chunks:
        if chunk.name in marks and not _arrived(copier, chunk, marks):
            copier.target.forget(chunk.name)
            del marks[chunk.name]
    return marks


def _mark_objects(copier: Copier, marks: dict[str, Mark]) -> None:
    """Take away the markers of large objects that are gone: no schema goes with them when a target is emptied.

    Raises:
        TargetNotEmptyError: there are some that this run did not copy, or some of those that arrived together are gone.
    """
    batches = copier.source.large_objects()
    there = copier.target.large_objects() if batches else frozenset()
    for batch in batches:
        here = there.intersection(batch.oids)
        if batch.name in marks and not here:
            copier.target.forget(batch.name)
            del marks[batch.name]
        elif here and (batch.name not in marks or len(here) < len(batch.oids)):
            raise TargetNotEmptyError(
                f"{len(here)} of {batch.name} are on the target, and this run did not copy them, or not these alone",
                hint="Nothing was touched. Look at them; SELECT lo_unlink(oid) FROM pg_largeobject_metadata on the "
                "target removes all; then run the same command again.",
            )


def _arrived(copier: Copier, chunk: Chunk, marks: Mapping[str, Mark]) -> bool:
    """Whether a chunk has its marker, and an unlogged table its rows: a crash of the target empties it."""
    mark = marks.get(chunk.name)
    if mark is None:
        return False
    return not (chunk.unlogged and mark.rows) or copier.target.holds_rows(chunk.table)


def _refuse_other_definitions(copier: Copier, inventory: DatabaseInventory, before: Before) -> None:
    if inventory.fingerprint != before["fingerprint"]:
        raise FenceError("definitions on the source changed while it was copied", hint=copier.leaked)


def _refuse_other_files(copier: Copier, chunks: tuple[Chunk | Batch, ...], marks: Mapping[str, Mark]) -> None:
    for chunk in chunks:
        if chunk.name in marks and marks[chunk.name].storage != chunk.storage:
            raise FenceError(
                f"{chunk.name} was truncated or rewritten on the source after it was copied", hint=copier.leaked
            )
