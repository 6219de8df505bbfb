"""Definitions: dump those of the fenced source, make all but indexes and constraints in the empty target.

The target must be empty, or hold only what this run made. Going back leaves the target as it is: a rollback never
drops what might hold the only copy of a row, and a new plan gets a new database.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pgcutover.errors import TargetNotEmptyError
from pgcutover.planning.definitions import Thing, identified
from pgcutover.running.step import Before, Finding, Json, Verdict
from pgcutover.steps.ports_copy import Copier, CopyWorld

NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    name: str = "schema"
    keeps_target: bool = True
    title: str = "make tables, types, functions and views in the new database"
    by_hand: str = "nothing to undo: the new database stays as it is until `pgcutover destroy --target`"
    calls: tuple[str, ...] = (
        "source: pg_dump --schema-only --exclude-schema=_heroku (reads only)",
        "target: pg_restore of the pre-data section, in one transaction, as the application's role",
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
        if contents and copier.definitions.exists():
            return
        copier.definitions.dump()
        if contents:
            return
        copier.target.begin_definitions(str(before.get("fingerprint", "")))
        with copier.target.held():
            copier.definitions.restore(copier.entries().section("pre-data"), whole=True)

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
