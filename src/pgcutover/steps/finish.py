"""What rows alone do not bring: sequences, materialised views, privileges, settings, statistics.

Privileges and settings are the step's own parameters, for they were read before the fence took the source's away (T4);
sequences are read under it. Going back leaves the target as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pgcutover.facts.inventory import DatabaseInventory, Grant, Sequence, Setting
from pgcutover.planning.grants import Guarded, Held, astray, held, renamed, unplaceable
from pgcutover.running.step import Before, Finding, Json, Verdict
from pgcutover.steps.ports_copy import CopyWorld

# Set by the fence on the source; on the target it would keep the application from writing.
OURS = frozenset({"default_transaction_read_only"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """`roles` pairs a role of the source with its name on the target; every other role keeps its name. `app_role` owns
    everything on the target."""

    grants: tuple[Grant, ...]
    settings: tuple[Setting, ...]
    roles: tuple[tuple[str, str], ...]
    app_role: str
    name: str = "finish"
    keeps_target: bool = True
    title: str = "set sequences, fill materialised views, grant privileges, place settings, gather statistics"
    by_hand: str = "nothing to undo: the new database stays as it is until `pgcutover destroy --target`"
    calls: tuple[str, ...] = (
        "target: setval() on every sequence",
        "target: REFRESH MATERIALIZED VIEW, for those that hold rows on the source",
        "target: GRANT and ALTER DEFAULT PRIVILEGES, ALTER DATABASE and ALTER ROLE ... SET",
        "target: ANALYZE",
    )

    def observe(self, world: CopyWorld) -> Before:
        sequences = world.copier.source.inventory().sequences
        return {"sequences": len(sequences)}

    def do(self, world: CopyWorld, before: Before) -> None:
        copier = world.copier
        inventory = copier.source.inventory()
        copier.finish.set_sequences(inventory.sequences)
        filled = set(copier.target.materialised())
        for view in copier.source.materialised():
            if view not in filled:
                copier.target.refresh(view, search_path=inventory.search_path)
        copier.finish.grant(self._wanted()[0])
        copier.finish.set_settings(self._placed(copier.target_dsn.database, inventory))
        copier.target.analyze()

    def verify(self, world: CopyWorld, before: Before) -> Finding:
        copier = world.copier
        source, target = copier.source.inventory(), copier.target.inventory()
        wanted, left = self._wanted()
        there = {sequence.name: sequence for sequence in target.sequences}
        views = set(copier.source.materialised()) - set(copier.target.materialised())
        settings = self._placed(copier.target_dsn.database, source)
        missing = [f"sequence {s.name}" for s in source.sequences if not _reached(there.get(s.name), s)]
        missing += [f"rows of materialised view {view}" for view in sorted(views)]
        missing += [f"privileges on {g.object_sql}" for g in astray(wanted, held(target.grants))]
        missing += [f"statistics of {table}" for table in copier.target.unanalysed()]
        evidence: dict[str, Json] = {
            "sequences": len(source.sequences),
            "objects_with_privileges": len(wanted),
            "privileges_left_out": [f"{g.kind} {g.object_sql} of {g.owner}" for g in left],
            "settings_refused": [f"{s.name} of {s.role or s.database}" for s in settings if s not in target.settings],
        }
        if not missing:
            return Finding(verdict=Verdict.WHOLE, detail="everything is in place", evidence=evidence)
        return Finding(verdict=Verdict.PARTIAL, detail=f"missing: {', '.join(missing[:5])}", evidence=evidence)

    def undo(self, world: CopyWorld, before: Before) -> None:
        """Nothing: see the module."""

    def _wanted(self) -> tuple[Mapping[Guarded, Held], tuple[Guarded, ...]]:
        """Privileges to grant, and those that only another role could."""
        listed = held(renamed(self.grants, dict(self.roles)))
        # The application's role owns what Heroku's own roles owned (heroku_ext): an owner is granted nothing.
        everything = {
            g: privileges if g.kind == "default" else frozenset(p for p in privileges if p[0] != self.app_role)
            for g, privileges in listed.items()
        }
        left = unplaceable(everything, self.app_role)
        return {g: privileges for g, privileges in everything.items() if g not in left}, left

    def _placed(self, database: str, source: DatabaseInventory) -> tuple[Setting, ...]:
        """Settings with the target's names; those for every role of every database are the server's own affair."""
        names = dict(self.roles)
        return tuple(
            replace(s, role=names.get(s.role, s.role), database=database if s.database == source.database else "")
            for s in self.settings
            if s.name not in OURS and (s.role or s.database)
        )


def _reached(there: Sequence | None, wanted: Sequence) -> bool:
    if there is None:
        return False
    if wanted.cycles:
        return (there.last_value, there.is_called) == (wanted.last_value, wanted.is_called)
    if wanted.increment < 0:
        return (-there.last_value, there.is_called) >= (-wanted.last_value, wanted.is_called)
    return (there.last_value, there.is_called) >= (wanted.last_value, wanted.is_called)
