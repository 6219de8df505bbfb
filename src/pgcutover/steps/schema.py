"""Definitions: dump those of the fenced source, make all but indexes and constraints in the empty target.

The target must be empty, or hold only what this run made. Of many tables those that need nothing else are made first,
by several sessions; everything else in one transaction. Invariant: what is there shows what was made, because every
transaction makes something that the catalogue can be asked for. Going back leaves the target as it is: a rollback never
drops what might hold the only copy of a row, and a new plan gets a new database.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from pgcutover.copying.abreast import abreast
from pgcutover.errors import TargetNotEmptyError, ToolError
from pgcutover.planning.definitions import Thing, TocEntry, identified
from pgcutover.planning.islands import Parted, batched, part
from pgcutover.running.step import Before, Finding, Json, Verdict
from pgcutover.steps.ports_copy import Copier, CopyWorld, Script

NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    name: str = "schema"
    keeps_target: bool = True
    title: str = "make tables, types, functions and views in the new database"
    by_hand: str = "nothing to undo: the new database stays as it is until `pgcutover destroy --target`"
    calls: tuple[str, ...] = (
        "source: pg_dump --schema-only --exclude-schema=_heroku (reads only)",
        "target: pg_restore of the pre-data section, in one transaction, as the application's role; of 100 tables and "
        "more first CREATE TABLE as pg_dump words it, in several sessions",
    )

    def observe(self, world: CopyWorld) -> Before:
        """Refuse a target that holds anything, before anything is touched."""
        contents = _contents(world.copier)
        if contents:
            raise _not_empty(contents)
        return {"fingerprint": world.copier.source.inventory().fingerprint}

    def do(self, world: CopyWorld, before: Before) -> None:
        copier = world.copier
        copier.target.prepare()
        # What a try that broke off left at work would make things under our hands.
        copier.target.abandon()
        contents, ours = _contents(copier), copier.target.definitions_begun() is not None
        if contents and not ours:
            raise _not_empty(contents)
        if not contents or not copier.definitions.exists():
            copier.definitions.dump()
        if not contents:
            copier.target.begin_definitions(str(before.get("fingerprint", "")))
        elif copier.target.marks().keys() - {batch.name for batch in copier.source.large_objects()}:
            # Everything was there once; a table that is missing now was dropped with rows that had arrived in it.
            return
        _make(copier, begun=bool(contents))

    def verify(self, world: CopyWorld, before: Before) -> Finding:
        copier = world.copier
        there = {thing.key for thing in copier.target.things()}
        if not copier.definitions.exists():
            return Finding(verdict=Verdict.PARTIAL if _contents(copier) else Verdict.ABSENT, detail="no archive")
        parted = copier.entries()
        wanted = identified(parted.section("pre-data"), copier.source.things()).values()
        missing = [str(thing) for thing in wanted if thing.key not in there]
        evidence: dict[str, Json] = {
            "objects": len(wanted),
            "left_out": [f"{out.entry}: {out.reason}" for out in parted.left_out if out.matters],
        }
        if not missing:
            return Finding(verdict=Verdict.WHOLE, detail=f"{len(wanted)} objects are there", evidence=evidence)
        verdict = Verdict.PARTIAL if _contents(copier) else Verdict.ABSENT
        return Finding(verdict=verdict, detail=f"missing: {_listed(missing)}", evidence=evidence)

    def undo(self, world: CopyWorld, before: Before) -> None:
        """Nothing: see the module."""


def _make(copier: Copier, *, begun: bool) -> None:
    """Make everything; or, when it was `begun`, what is not there."""
    entries = copier.entries().section("pre-data")
    named = identified(entries, copier.source.things())
    parted = part(entries, known=named.keys())
    if begun:
        if not parted.islands:
            return
        there = {thing.key for thing in copier.target.things()}
        parted = parted.without({dump_id for dump_id, thing in named.items() if thing.key in there})
    script = _script(copier, parted)
    with copier.target.held():
        if script is None:
            left = {entry.dump_id for entry in parted}
            copier.definitions.restore([entry for entry in entries if entry.dump_id in left], whole=True)
        else:
            _make_islands(copier, parted, script)
            copier.definitions.restore(parted.rest, whole=True)


def _script(copier: Copier, parted: Parted) -> Script | None:
    """The islands as SQL; None where nobody can say where an entry ends: a comment may look like pg_restore's own."""
    try:
        return copier.definitions.script([*parted.schemas, *(e for island in parted.islands for e in island)])
    except ToolError:
        return None


def _make_islands(copier: Copier, parted: Parted, script: Script) -> None:
    """Schemas and the first tables in one transaction, so that there are tables where schemas are ours."""
    batches = list(batched(parted.islands, sessions=copier.builders))
    texts = [[_worded(entry, script) for entry in batch] for batch in batches]
    with copier.target.building(script.encoding, sessions=copier.builders) as builders:
        if parted.schemas:
            builders.make([*(_worded(entry, script) for entry in parted.schemas), *(texts.pop() if texts else ())])
        abreast(
            (partial(builders.make, each) for each in texts), sessions=copier.builders, abandon=copier.target.abandon
        )


def _worded(entry: TocEntry, script: Script) -> tuple[str, str]:
    settings = script.settings[entry.dump_id] if entry.kind == "TABLE" else ""
    return str(entry), f"{settings}\n{script.texts[entry.dump_id]}"


def _contents(copier: Copier) -> list[Thing]:
    """Objects of anybody's in the target; schemas that hold nothing do not count."""
    return [thing for thing in copier.target.things() if thing.kind != "schema"]


def _not_empty(contents: Iterable[Thing]) -> TargetNotEmptyError:
    return TargetNotEmptyError(
        f"the target already holds objects: {_listed([str(thing) for thing in contents])}",
        hint="Nothing was touched. Give the run an empty database, or plan a new one.",
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
