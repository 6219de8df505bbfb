"""In which order copying and building may go: one graph for the whole database, weighed.

Pure. Invariants: every chunk and every entry of the archive's post-data is in exactly one task; the graph has no cycle;
two tasks that would wait for each other's locks never run at once. A table's indexes wait only for that table's rows,
a foreign key only for the two tables that it joins.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from math import inf

from pgcutover.facts.building import ForeignKey, Index
from pgcutover.facts.inventory import DatabaseInventory, Table
from pgcutover.facts.names import TableName
from pgcutover.planning.chunks import SMALL_BYTES, Chunk, root_of
from pgcutover.planning.definitions import TocEntry
from pgcutover.planning.statements import first_statement, not_valid

MOST_IN_BATCH = 100
"""Tables: each takes a handful of the server's lock slots until the batch's transaction ends."""
BATCHES = 16
"""At least so many where there are small tables enough, so that no session has them all."""
VALIDATED_FROM_BYTES = 8 * 2**20
"""A foreign key of a table as large as this is checked apart from being made, so that nothing waits for its locks."""
ASKED_FROM_BYTES = 2**20
"""What a smaller table holds is read whole, and sooner than the source has told what it knows of it."""
INDEX_WEIGHT = 2.0
KEY_WEIGHT = 0.5
ANALYZE_WEIGHT = 0.02


class TaskKind(StrEnum):
    COPY = "copy"
    LOOK = "look"
    """At the source, once more, when the last row was read."""
    BUILD = "build"
    REST = "rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One thing to do in the target, `sql` or ANALYZE of some tables.

    `makes` is the class and OID, on the source, of what is there when it is done; None where doing it again changes
    nothing. `entry` is the dump id that it stands for; a further part of one has none. `archived` when `sql` comes from
    the archive, in its encoding: its bytes are then to be sent as they are.
    """

    sql: str = ""
    analyze: tuple[TableName, ...] = ()
    filled_by: tuple[Chunk, ...] = ()
    """The chunks of those tables of `analyze` for which what the source's planner knows may do as well."""
    makes: tuple[int, int] | None = None
    entry: int | None = None
    archived: bool = False
    again_sql: str = ""
    """What completes a constraint that is there and was not checked."""
    merged: bool = False
    """Whether reading two indexes side by side does it: a foreign key whose columns are all in indexes, of tables whose
    rows are visible to everybody, so that nobody looks at the tables themselves."""
    index_bytes: int = 0
    """Of an index that it builds, as large as it is on the source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A node of the graph. `needs` are names of tasks. `alone` are tables on which no other task with the same name in
    its own `alone` may work meanwhile. `entries` are dump ids that pg_restore makes, in the archive's order.

    `urgency` is its own weight and that of the heaviest way from it to the end.
    """

    name: str
    kind: TaskKind
    needs: tuple[str, ...] = ()
    chunks: tuple[Chunk, ...] = ()
    work: tuple[Work, ...] = ()
    entries: tuple[int, ...] = ()
    alone: frozenset[TableName] = frozenset()
    weight: float = 0.0
    urgency: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """The archive's post-data as the graph needs it. `texts` are entries as SQL, by dump id; one without is left to
    pg_restore. `owners` maps a dump id to an index's table; `indexes` and `keys` are the source's, by class and OID."""

    entries: Sequence[TocEntry]
    texts: Mapping[int, str]
    owners: Mapping[int, TableName]
    indexes: Mapping[tuple[int, int], Index]
    keys: Mapping[tuple[int, int], ForeignKey]


def plan_tasks(inventory: DatabaseInventory, chunks: Iterable[Chunk], definitions: Definitions) -> tuple[Task, ...]:
    """The whole graph, the most urgent first."""
    tables = {table.name: table for table in inventory.tables}
    members: dict[TableName, list[TableName]] = defaultdict(list)
    for name in tables:
        members[root_of(name, tables)].append(name)
    draft = _Draft(tables=tables, members=members, definitions=definitions)
    draft.copy(chunks)
    rest = draft.sort()
    draft.build()
    draft.attach()
    draft.analyze()
    draft.join()
    draft.tasks.append(
        Task(name="rest", kind=TaskKind.REST, needs=tuple(t.name for t in draft.tasks), entries=tuple(rest))
    )
    return weighed(draft.tasks)


@dataclass(slots=True, kw_only=True)
class _Table:
    """What is to be built on one table: indexes apart, and in one go what would lock it from all others."""

    apart: list[Work] = field(default_factory=list)
    together: list[Work] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class _Draft:
    """The graph while it is drawn."""

    tables: dict[TableName, Table]
    members: dict[TableName, list[TableName]]
    """Of each partition tree, by its root."""
    definitions: Definitions
    tasks: list[Task] = field(default_factory=list)
    chunks_of: dict[TableName, list[Chunk]] = field(default_factory=lambda: defaultdict(list))
    """Of tables that are not filled through the root of their tree: there, which rows a table gets is not known."""
    copied_by: dict[TableName, list[str]] = field(default_factory=lambda: defaultdict(list))
    built_by: dict[TableName, str] = field(default_factory=dict)
    batch_of: dict[TableName, int] = field(default_factory=dict)
    builds: dict[TableName, _Table] = field(default_factory=lambda: defaultdict(_Table))
    attaches: dict[TableName, list[Work]] = field(default_factory=lambda: defaultdict(list))
    keys: list[tuple[Work, ForeignKey]] = field(default_factory=list)

    def copy(self, chunks: Iterable[Chunk]) -> None:
        """Small chunks together, the others each by itself."""
        small: dict[bool, list[Chunk]] = {False: [], True: []}
        for chunk in chunks:
            if chunk.data_bytes < SMALL_BYTES and not chunk.tree and not chunk.pages:
                small[chunk.object_names].append(chunk)
            else:
                self._copied(f"copy {chunk.name}", (chunk,))
        groups = [group for chunks in small.values() for group in _grouped(sorted(chunks, key=lambda c: c.name))]
        for number, group in enumerate(groups):
            self._copied(f"copy {group[0].name}" + (f" and {len(group) - 1} more" if group[1:] else ""), group)
            self.batch_of |= {holder: number for chunk in group for holder in chunk.holders}
        self.tasks.append(Task(name="look", kind=TaskKind.LOOK, needs=tuple(task.name for task in self.tasks)))

    def _copied(self, name: str, chunks: tuple[Chunk, ...]) -> None:
        self.tasks.append(
            Task(name=name, kind=TaskKind.COPY, chunks=chunks, weight=float(sum(c.data_bytes for c in chunks)))
        )
        for chunk in chunks:
            for holder in chunk.holders:
                self.copied_by[holder].append(name)
            if not chunk.tree:
                self.chunks_of[chunk.table].append(chunk)

    def sort(self) -> list[int]:
        """Put every entry where it belongs; those that come last, in the archive's order."""
        tables = self.tables
        rest: list[int] = []
        postponed = False
        for entry in self.definitions.entries:
            # pg_dump postpones a function whose body needs a constraint; an index that follows may use it.
            postponed = postponed or entry.kind in ("FUNCTION", "PROCEDURE", "AGGREGATE")
            text = self.definitions.texts.get(entry.dump_id)
            owner = self.definitions.owners.get(entry.dump_id)
            made = (entry.class_oid, entry.oid)
            if postponed or text is None:
                rest.append(entry.dump_id)
            elif entry.kind in ("INDEX", "CONSTRAINT", "INDEX ATTACH") and owner in tables:
                if entry.kind == "INDEX ATTACH" or tables[owner].kind == "partitioned":
                    makes = None if entry.kind == "INDEX ATTACH" else made
                    work = Work(sql=text, makes=makes, entry=entry.dump_id, archived=True)
                    self.attaches[root_of(owner, tables)].append(work)
                else:
                    self._index(entry, text, owner)
            elif entry.kind == "FK CONSTRAINT" and made in self.definitions.keys:
                work = Work(sql=text, makes=made, entry=entry.dump_id, archived=True)
                self.keys.append((work, self.definitions.keys[made]))
            else:
                rest.append(entry.dump_id)
        return rest

    def _index(self, entry: TocEntry, text: str, owner: TableName) -> None:
        """Building is one statement that others of the same table may run beside; what follows it locks them out."""
        table, made = self.builds[owner], (entry.class_oid, entry.oid)
        index = self.definitions.indexes.get(made)
        first, further = first_statement(text)
        if index is not None and index.adopt_sql:
            table.apart.append(Work(sql=index.definition, makes=index.key, index_bytes=index.bytes))
            table.together.append(Work(sql=index.adopt_sql, makes=made, entry=entry.dump_id))
        elif index is not None and entry.kind == "INDEX" and first.startswith(("CREATE INDEX", "CREATE UNIQUE INDEX")):
            table.apart.append(Work(sql=first, makes=made, entry=entry.dump_id, archived=True, index_bytes=index.bytes))
        else:
            table.together.append(Work(sql=text, makes=made, entry=entry.dump_id, archived=True))
            return
        if further.strip():
            table.together.append(Work(sql=further, archived=True))

    def build(self) -> None:
        """Indexes of large tables each by itself; those of a batch of small tables in one transaction."""
        batches: dict[int, list[TableName]] = defaultdict(list)
        for name, table in self.builds.items():
            batch = self.batch_of.get(name)
            if batch is None:
                self._build(name, table)
            else:
                batches[batch].append(name)
        for names in batches.values():
            work = [w for n in names for w in (*self.builds[n].apart, *self.builds[n].together)]
            weight = sum(w.index_bytes for w in work)
            self._built(f"build {self._called(names)}", names, work, self._copies(names), INDEX_WEIGHT * weight)

    def _build(self, name: TableName, table: _Table) -> None:
        copies = self._copies([name])
        apart = []
        for number, work in enumerate(table.apart):
            apart.append(f"index {name.spelt} {number}")
            weight = INDEX_WEIGHT * work.index_bytes
            self.tasks.append(Task(name=apart[-1], kind=TaskKind.BUILD, needs=copies, work=(work,), weight=weight))
        self._built(f"build {name.spelt}", [name], table.together, (*copies, *apart), 0.0)

    def _built(
        self,
        name: str,
        tables: Sequence[TableName],
        work: Sequence[Work],
        needs: tuple[str, ...],
        weight: float,
        *,
        alone: frozenset[TableName] = frozenset(),
    ) -> None:
        self.built_by |= dict.fromkeys(tables, name)
        self.tasks.append(
            Task(name=name, kind=TaskKind.BUILD, needs=needs, work=tuple(work), alone=alone, weight=weight)
        )

    def attach(self) -> None:
        """Indexes of partitioned tables come into force when every partition's index is attached."""
        for root, work in self.attaches.items():
            members = self.members[root]
            needs = tuple(dict.fromkeys(name for member in members for name in self._ready(member)))
            # Its locks and those of an ANALYZE of several partitions come in different orders.
            self._built(f"attach {root.spelt}", [root], work, needs, 0.0, alone=frozenset(members))

    def analyze(self) -> None:
        """Each table as soon as its indexes stand: those on expressions have statistics too."""
        batches: dict[int, list[Table]] = defaultdict(list)
        # A parent's ANALYZE reads its children's rows, too: those may be elsewhere, or being worked on. It comes last.
        parents = {parent for table in self.tables.values() for parent in table.inherits}
        for table in (t for t in self.tables.values() if t.holds_rows and t.name not in parents):
            batches[self.batch_of.get(table.name, -table.oid - 1)].append(table)
        for members in batches.values():
            names = [table.name for table in members]
            needs = tuple(dict.fromkeys(need for name in names for need in self._ready(name)))
            large = [table.name for table in members if table.data_bytes >= ASKED_FROM_BYTES]
            # Of a table in parts the order of rows is another than on the source, and the planner is told of it.
            whole = [self.chunks_of[name] for name in large if len(self.chunks_of[name]) == 1]
            self.tasks.append(
                Task(
                    name=f"analyze {self._called(names)}",
                    kind=TaskKind.BUILD,
                    needs=needs,
                    work=(Work(analyze=tuple(names), filled_by=tuple(chunk for chunks in whole for chunk in chunks)),),
                    alone=frozenset(names),
                    weight=ANALYZE_WEIGHT * sum(table.data_bytes for table in members),
                )
            )

    def join(self) -> None:
        """Foreign keys: of small tables as they come, in batches; of large ones made first, then checked."""
        groups: dict[tuple[TableName, ...] | int, list[tuple[Work, ForeignKey]]] = defaultdict(list)
        for work, key in self.keys:
            batch = self.batch_of.get(key.table)
            groups[(key.table,) if batch is None else batch].append((work, key))
        for group in groups.values():
            self._join(group)

    def _join(self, group: Sequence[tuple[Work, ForeignKey]]) -> None:
        named = {name for _, key in group for name in (key.table, key.referenced)}
        tables = frozenset(member for name in named for member in self._whole(name))
        needs = tuple(dict.fromkeys(need for name in sorted(tables) for need in self._ready(name)))
        called = self._called(list(dict.fromkeys(key.table for _, key in group)))
        later = {work.entry: sql for work, key in group if (sql := self._later(work, key))}
        made = [
            replace(work, sql=later.get(work.entry, work.sql), again_sql=key.validate_sql if key.divisible else "")
            for work, key in group
        ]
        add = f"keys of {called}"
        checked = sum(self._bytes(key.table) for work, key in group if work.entry not in later)
        self.tasks.append(
            Task(
                name=add,
                kind=TaskKind.BUILD,
                needs=needs,
                work=tuple(made),
                alone=tables,
                weight=KEY_WEIGHT * checked,
            )
        )
        for number, key in enumerate(key for work, key in group if work.entry in later):
            self.tasks.append(
                Task(
                    name=f"check {key.table.spelt} {number}",
                    kind=TaskKind.BUILD,
                    needs=(add,),
                    work=(Work(sql=key.validate_sql, merged=key.indexed and self._frozen(key)),),
                    alone=frozenset({key.table}),
                    weight=KEY_WEIGHT * self._bytes(key.table),
                )
            )

    def _later(self, work: Work, key: ForeignKey) -> str:
        """The statement that makes the key without checking it; '' where it is made in one go."""
        if not key.divisible or self._bytes(key.table) < VALIDATED_FROM_BYTES:
            return ""
        return not_valid(work.sql)

    def _frozen(self, key: ForeignKey) -> bool:
        """Whether the rows of both sides are known to arrive so; not where they come through the root of a tree."""
        sides = [self.chunks_of[name] for name in (key.table, key.referenced)]
        return all(sides) and all(chunk.freeze for side in sides for chunk in side)

    def _bytes(self, name: TableName) -> int:
        return sum(self.tables[member].data_bytes for member in self._whole(name) if member in self.tables)

    def _called(self, names: Sequence[TableName]) -> str:
        return names[0].spelt + (f" and {len(names) - 1} more" if names[1:] else "")

    def _copies(self, names: Iterable[TableName]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(task for name in names for task in self.copied_by.get(name, ())))

    def _ready(self, name: TableName) -> tuple[str, ...]:
        """What must be done for a table to be complete in itself."""
        built = self.built_by.get(name)
        return self._copies([name]) if built is None else (built,)

    def _whole(self, name: TableName) -> Sequence[TableName]:
        """The table, or everything in its partition tree."""
        return self.members.get(root_of(name, self.tables), [name]) if name in self.tables else [name]


def _grouped(chunks: Sequence[Chunk]) -> list[tuple[Chunk, ...]]:
    """Neighbours together: what is called alike is often joined by foreign keys."""
    size = min(MOST_IN_BATCH, -(-len(chunks) // BATCHES)) or 1
    return [tuple(chunks[start : start + size]) for start in range(0, len(chunks), size)]


def weighed(tasks: Sequence[Task], *, builds: float = 1.0) -> tuple[Task, ...]:
    """With the urgency of each, the most urgent first; what is built takes so many times as long as its weight says.

    Tasks come after those that they need, so one way back suffices; and again in what is returned.
    """
    after: dict[str, float] = defaultdict(float)
    found = []
    for task in reversed(tasks):
        urgency = after[task.name] + (task.weight * builds if task.kind is TaskKind.BUILD else task.weight)
        for need in task.needs:
            after[need] = max(after[need], urgency)
        # What it finds may make everything else pointless.
        found.append(replace(task, urgency=inf if task.kind is TaskKind.LOOK else urgency))
    # Of equal ones, too, those that are needed come first.
    found.reverse()
    return tuple(sorted(found, key=lambda task: -task.urgency))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A chunk's marker on the target: the evidence that it arrived, and from which files (T7)."""

    rows: int
    bytes: int
    seconds: float
    storage: str
