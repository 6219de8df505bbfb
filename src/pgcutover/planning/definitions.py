"""What an archive of pg_dump holds, entry by entry, and which entries are restored.

Pure: reading an archive is `edges/pgtools.py`. Invariant: an entry is either kept or left out for a reason that is
said; nothing is dropped in silence.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pgcutover.facts.names import TableName

Section = Literal["pre-data", "post-data"]

# Schemas that are never carried: pgcutover's own and Heroku's.
# https://devcenter.heroku.com/articles/heroku-postgresql#extensions; seen in many public dumps.
FOREIGN_SCHEMAS = ("_heroku", "pgcutover")

# Schemas that exist on the target before the restore.
MADE_BEFORE = ("public", "heroku_ext")

UNCARRIED_KINDS = {
    "EXTENSION": "extensions are made by the target's master, in another step",
    "SECURITY LABEL": "security labels belong to a provider that the target may not have",
    "SUBSCRIPTION": "subscriptions are not carried",
    "SUBSCRIPTION TABLE": "subscriptions are not carried",
    "ACL": "privileges are granted by another step",
    "DEFAULT ACL": "privileges are granted by another step",
    "USER MAPPING": "user mappings are made with the target's role names, in another step",
    "DATABASE": "the target's database exists",
    "DATABASE PROPERTIES": "settings are placed by another step",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TocEntry:
    """One line of an archive's table of contents.

    `class_oid` and `oid` are the object's place in the source's catalogue (0, 0 where it has none of its own); `label`
    is schema, name and owner as pg_restore prints them, with single spaces between, so names that hold spaces can be
    compared but not split off; `line` is what goes into pg_restore's list file; `needs` are dump ids of entries that
    must be made before.
    """

    dump_id: int
    class_oid: int
    oid: int
    section: Section
    kind: str
    label: str
    line: str
    needs: tuple[int, ...] = ()

    def names(self, schema: str, name: str) -> bool:
        """Whether it stands for the object of that schema and name ('-' for objects outside schemas)."""
        # pg_restore prints a line break in a name as a space.
        return f"{self.label} ".startswith(f"{schema} {name} ".replace("\n", " ").replace("\r", " "))

    def __str__(self) -> str:
        return f"{self.kind} {self.label}"


Way = Literal["heroku", "master", "finish"]
"""Heroku's own, hence nobody's; the master's to make, at the very end; the copy's last step's, role names replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Special:
    """An object of the source that the application's role does not restore. `remark` is how a comment names it."""

    way: Way
    class_oid: int
    oid: int
    remark: str

    def stands_for(self, entry: TocEntry) -> bool:
        if entry.class_oid:
            return (entry.class_oid, entry.oid) == (self.class_oid, self.oid)
        return entry.kind == "COMMENT" and f"{entry.label} ".startswith(f"{self.remark} ")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """An entry that is not restored. `matters` when a person should know of it."""

    entry: TocEntry
    reason: str
    matters: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """A table of contents, parted. Order is the archive's; `by_master` are made after everything else."""

    kept: tuple[TocEntry, ...]
    by_master: tuple[TocEntry, ...]
    left_out: tuple[LeftOut, ...]

    def section(self, section: Section) -> tuple[TocEntry, ...]:
        return tuple(e for e in self.kept if e.section == section)


def sift(
    entries: Iterable[TocEntry], *, made_schemas: Collection[str] = (), special: Collection[Special] = ()
) -> Sifted:
    """Part the entries to restore from those that only the master may make, and from those that are not ours to make.

    `made_schemas` exist on the target already (those of extensions).
    """
    kept: list[TocEntry] = []
    by_master: list[TocEntry] = []
    left: list[LeftOut] = []
    made = (*MADE_BEFORE, *FOREIGN_SCHEMAS, *made_schemas)
    for entry in entries:
        way = next((s.way for s in special if s.stands_for(entry)), None)
        out = WAYS[way](entry) if way in WAYS else _left_out(entry, made)
        if out is not None:
            left.append(out)
        else:
            (by_master if way == "master" else kept).append(entry)
    return Sifted(kept=tuple(kept), by_master=tuple(by_master), left_out=tuple(left))


def _said(reason: str) -> Callable[[TocEntry], LeftOut]:
    return lambda entry: LeftOut(entry=entry, reason=reason, matters=False)


WAYS: Mapping[Way | None, Callable[[TocEntry], LeftOut]] = {
    "heroku": _said("Heroku's own"),
    "finish": _said("it names a role that has another name on the target, and is made in another step"),
}

UNSAID = ("EXTENSION", "ACL", "DEFAULT ACL", "DATABASE", "DATABASE PROPERTIES", "USER MAPPING")


def _left_out(entry: TocEntry, made: Collection[str]) -> LeftOut | None:
    if any(entry.label.startswith(f"{schema} ") for schema in FOREIGN_SCHEMAS):
        return LeftOut(entry=entry, reason="not the application's", matters=False)
    if entry.kind in UNCARRIED_KINDS:
        return LeftOut(entry=entry, reason=UNCARRIED_KINDS[entry.kind], matters=entry.kind not in UNSAID)
    if entry.kind == "SCHEMA" and any(entry.names("-", schema) for schema in made):
        return LeftOut(entry=entry, reason="the schema exists on the target", matters=False)
    if entry.kind == "COMMENT" and entry.label.startswith("- EXTENSION "):
        return LeftOut(entry=entry, reason="a comment on what is not made here", matters=False)
    if entry.kind == "COMMENT" and any(_comments_on(entry, schema) for schema in made):
        return LeftOut(entry=entry, reason="a comment on a schema that is not made here", matters=True)
    return None


def _comments_on(entry: TocEntry, schema: str) -> bool:
    # With --quote-all-identifiers, pg_dump quotes here and nowhere else in the listing.
    quoted = schema.replace('"', '""')
    return entry.names("-", f"SCHEMA {schema}") or entry.names("-", f'SCHEMA "{quoted}"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """An object as a catalogue knows it. `parent` is the table of an index, constraint, trigger, rule or policy.

    `valid` is false for an index that is not in force, for example a partitioned table's before every partition's is
    attached.
    """

    class_oid: int
    oid: int
    kind: str
    schema: str
    parent: str
    name: str
    valid: bool

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is called on any server: OIDs differ between servers."""
        return self.kind, self.schema, self.parent, self.name

    def __str__(self) -> str:
        where = f" on {self.schema}.{self.parent}" if self.parent else ""
        name = self.name if self.parent else f"{self.schema}.{self.name}"
        return f"{self.kind} {name}{where}"


def identified(entries: Iterable[TocEntry], things: Iterable[Thing]) -> dict[int, Thing]:
    """The thing each entry makes, by dump id; entries that make none (comments, attachments) are not in it."""
    by_oid = {(thing.class_oid, thing.oid): thing for thing in things}
    secured = {thing.oid: thing for thing in by_oid.values() if thing.kind == "row security"}
    found: dict[int, Thing] = {}
    for entry in entries:
        thing = secured.get(entry.oid) if entry.kind == "ROW SECURITY" else by_oid.get((entry.class_oid, entry.oid))
        if thing is not None:
            found[entry.dump_id] = thing
    return found


def index_owners(entries: Iterable[TocEntry], things: Iterable[Thing]) -> dict[int, TableName]:
    """The table whose rows each index, constraint or attachment of an index waits for, by dump id."""
    everything = tuple(things)
    named = identified(entries, everything)
    indexes = [t for t in everything if t.kind in ("index", "constraint") and t.parent]
    owners: dict[int, TableName] = {}
    by_label = {f"{t.schema} {t.name}": t for t in indexes}
    for entry in entries:
        thing = named.get(entry.dump_id)
        if entry.kind == "INDEX ATTACH":
            # It has no OID of its own; an index has the name of its constraint.
            thing = by_label.get(entry.label.rsplit(" ", 1)[0])
            thing = thing or next((t for t in indexes if entry.names(t.schema, t.name)), None)
        if thing is not None and thing.parent:
            owners[entry.dump_id] = TableName(schema=thing.schema, name=thing.parent)
    return owners
