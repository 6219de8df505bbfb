"""What rows alone do not bring: sequences, materialised views, privileges, settings, statistics.

Privileges and settings are the step's own parameters, for they were read before the fence took the source's away (T4);
sequences are read under it. Going back leaves the target as it is.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from pgcutover.errors import ToolError
from pgcutover.facts.inventory import DatabaseInventory, Grant, Sequence, Setting
from pgcutover.facts.remade import Policy, UserMapping
from pgcutover.planning.definitions import TocEntry
from pgcutover.planning.grants import Guarded, Held, astray, held, masters, renamed
from pgcutover.running.step import Before, Finding, Json, Verdict
from pgcutover.steps.ports_copy import Copier, CopyWorld

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
        "target: CREATE POLICY and CREATE USER MAPPING, where they name a role that has another name there",
        "target: GRANT and ALTER DEFAULT PRIVILEGES, ALTER DATABASE and ALTER ROLE ... SET",
        "target: ANALYZE",
        "target, as the master: publications of everything, event triggers",
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
        copier.finish.make_policies(self._policies(copier))
        copier.finish.make_user_mappings(self._user_mappings(copier))
        self._grant(copier)
        copier.finish.set_settings(self._placed(copier.target_dsn.database, inventory))
        copier.target.analyze()
        # Last of all: event triggers fire on what is done after them.
        for entries in _missing_of_master(copier):
            # What the server refuses its master is told by `verify`, as it was by the canary.
            with suppress(ToolError):
                copier.definitions.restore(entries, whole=True, by_master=True)

    def verify(self, world: CopyWorld, before: Before) -> Finding:
        copier = world.copier
        source, target = copier.source.inventory(), copier.target.finished()
        wanted, others = self._wanted()
        there = {sequence.name: sequence for sequence in target.sequences}
        views = set(copier.source.materialised()) - set(copier.target.materialised())
        settings = self._placed(copier.target_dsn.database, source)
        # The server may write a value otherwise; whether it is the same is for the proof to say.
        placed = {(s.role, s.database, s.name) for s in target.settings}
        missing = [f"sequence {s.name}" for s in source.sequences if not _reached(there.get(s.name), s)]
        missing += [f"rows of materialised view {view}" for view in sorted(views)]
        granted = held(target.grants)
        missing += [f"privileges on {g.object_sql}" for g in astray(wanted, granted)]
        missing += [f"policy {p.name}" for p in self._policies(copier) if _place(p) not in copier.finish.policies()]
        mappings, mapped = self._user_mappings(copier), copier.finish.user_mappings()
        missing += [str(m) for m in mappings if m.options is not None and (m.server, m.role) not in mapped]
        missing += [f"statistics of {table}" for table in copier.target.unanalysed()]
        evidence: dict[str, Json] = {
            "sequences": len(source.sequences),
            "objects_with_privileges": len(wanted),
            "privileges_left_out": [f"{g.kind} {g.object_sql} of {g.owner}" for g in astray(others, granted)],
            "user_mappings_left_out": [str(m) for m in mappings if m.options is None],
            "left_to_the_master": [str(entry) for entries in _missing_of_master(copier) for entry in entries],
            "settings_refused": [
                f"{s.name} of {s.role or s.database}" for s in settings if (s.role, s.database, s.name) not in placed
            ],
        }
        if not missing:
            return Finding(verdict=Verdict.WHOLE, detail="everything is in place", evidence=evidence)
        return Finding(verdict=Verdict.PARTIAL, detail=f"missing: {', '.join(missing[:5])}", evidence=evidence)

    def undo(self, world: CopyWorld, before: Before) -> None:
        """Nothing: see the module."""

    def _grant(self, copier: Copier) -> None:
        """Nothing where nothing is astray: once event triggers are there, they would fire."""
        wanted, others = self._wanted()
        granted = held(copier.target.finished().grants)
        for part, by_master in ((wanted, False), (others, True)):
            copier.finish.grant({g: part[g] for g in astray(part, granted)}, by_master=by_master)

    def _policies(self, copier: Copier) -> tuple[Policy, ...]:
        names = dict(self.roles)
        return tuple(replace(p, roles=tuple(names.get(r, r) for r in p.roles)) for p in copier.source.policies())

    def _user_mappings(self, copier: Copier) -> tuple[UserMapping, ...]:
        names = dict(self.roles)
        return tuple(replace(m, role=names.get(m.role, m.role)) for m in copier.source.user_mappings())

    def _wanted(self) -> tuple[Mapping[Guarded, Held], Mapping[Guarded, Held]]:
        """Privileges that the owner grants, and those on what other roles will make, which the master does."""
        listed = held(renamed(self.grants, dict(self.roles)))
        # The application's role owns what Heroku's own roles owned (heroku_ext): an owner is granted nothing.
        everything = {
            g: privileges if g.kind == "default" else frozenset(p for p in privileges if p[0] != self.app_role)
            for g, privileges in listed.items()
        }
        others = masters(everything, self.app_role)
        return {g: p for g, p in everything.items() if g not in others}, {g: everything[g] for g in others}

    def _placed(self, database: str, source: DatabaseInventory) -> tuple[Setting, ...]:
        """Settings with the target's names; those for every role of every database are the server's own affair."""
        names = dict(self.roles)
        return tuple(
            replace(s, role=names.get(s.role, s.role), database=database if s.database == source.database else "")
            for s in self.settings
            if s.name not in OURS and (s.role or s.database)
        )


def _place(policy: Policy) -> tuple[str, str, str]:
    return policy.schema, policy.table, policy.name


def _missing_of_master(copier: Copier) -> tuple[tuple[TocEntry, ...], ...]:
    """What only the master may make and is not there: publications first, for event triggers would see them made."""
    there = copier.target.made_by_master()
    special = [s for s in copier.source.special() if s.way == "master"]
    triggers: list[TocEntry] = []
    publications: list[TocEntry] = []
    for entry in copier.entries().by_master:
        remark = next((s.remark for s in special if s.stands_for(entry)), "")
        if remark not in there:
            (triggers if remark.startswith("- EVENT") else publications).append(entry)
    if not any(entry.kind == "PUBLICATION" for entry in publications):
        publications = []
    return tuple(tuple(group) for group in (publications, triggers) if group)


def _reached(there: Sequence | None, wanted: Sequence) -> bool:
    if there is None:
        return False
    if wanted.cycles:
        return (there.last_value, there.is_called) == (wanted.last_value, wanted.is_called)
    if wanted.increment < 0:
        return (-there.last_value, there.is_called) >= (-wanted.last_value, wanted.is_called)
    return (there.last_value, there.is_called) >= (wanted.last_value, wanted.is_called)
