"""Tables that need nothing but schemas: they can be made by several sessions at once, before everything else.

Pure. Invariants: every entry is in exactly one part; what an island needs is in it, or a schema, or not restored here;
the order within a part is the archive's. Everything else comes after the islands, so that nothing that uses a table
without the catalogue's knowing, as a function's body does, is made before it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from pgcutover.planning.definitions import TocEntry

WORTH_IT = 100
"""Tables: fewer are made in one session sooner than their entries are read as SQL."""
MOST_IN_BATCH = 50
"""Tables: each takes a handful of the server's lock slots until the batch's transaction ends."""
LEAST_IN_BATCH = 20
"""Tables: every transaction waits for the disk once."""
BATCHES_EACH = 4
"""For a session, so that none has much to do when the others are done."""

FREE_KINDS = frozenset({"TABLE", "SEQUENCE", "SEQUENCE OWNED BY", "DEFAULT", "COMMENT", "TABLE ATTACH"})
"""What a table may consist of. What of it uses a type or a function says so in the archive."""
UNTRACED = frozenset({"CAST"})
"""Kinds that an expression may use while the catalogue does not say so: a cast WITH INOUT, for one."""

Entries = tuple[TocEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parted:
    """Entries of pre-data: `schemas` come first, then each of the `islands`, then the `rest` in one go.

    When there are no islands, `rest` is everything.
    """

    schemas: Entries = ()
    islands: tuple[Entries, ...] = ()
    rest: Entries = ()

    def __iter__(self) -> Iterator[TocEntry]:
        """Every entry."""
        return chain(self.schemas, *self.islands, self.rest)

    def without(self, made: Collection[int]) -> "Parted":
        """What is still to be made. Of each part either everything was made or nothing: a single transaction did it."""
        return Parted(
            schemas=_unmade(self.schemas, made),
            islands=tuple(island for island in self.islands if _unmade(island, made)),
            rest=_unmade(self.rest, made),
        )


def part(entries: Sequence[TocEntry], *, known: Collection[int], worth_it: int = WORTH_IT) -> Parted:
    """Part pre-data. `known` are dump ids of entries that the catalogue can be asked for by name.

    What the catalogue cannot be asked for is in a part with something that it can, so that a part that was made shows.
    """
    if any(entry.kind in UNTRACED for entry in entries):
        return Parted(rest=tuple(entries))
    schemas = {entry.dump_id for entry in entries if entry.kind == "SCHEMA"}
    islands = [
        island
        for island in _components(_free(entries, schemas))
        if any(entry.kind == "TABLE" and entry.dump_id in known for entry in island)
    ]
    rest = _without(entries, schemas, islands)
    if rest and islands and not any(entry.dump_id in known for entry in rest):
        islands.remove(min(islands, key=_tables))
        rest = _without(entries, schemas, islands)
    if sum(map(_tables, islands)) < worth_it:
        return Parted(rest=tuple(entries))
    return Parted(
        schemas=tuple(entry for entry in entries if entry.dump_id in schemas), islands=tuple(islands), rest=rest
    )


def batched(islands: Iterable[Entries], *, sessions: int) -> tuple[Entries, ...]:
    """Islands in batches of some tables, the largest first; an island is never cut."""
    everything = tuple(islands)
    wanted = -(-sum(map(_tables, everything)) // (BATCHES_EACH * sessions))
    size = min(MOST_IN_BATCH, max(LEAST_IN_BATCH, wanted))
    return tuple(sorted(_filled(everything, size), key=_tables, reverse=True))


def _filled(islands: Iterable[Entries], size: int) -> Iterator[Entries]:
    batch: Entries = ()
    for island in islands:
        if batch and _tables(batch) + _tables(island) > size:
            yield batch
            batch = ()
        batch += island
    if batch:
        yield batch


def _unmade(entries: Entries, made: Collection[int]) -> Entries:
    return () if any(entry.dump_id in made for entry in entries) else entries


def _tables(entries: Entries) -> int:
    return sum(entry.kind == "TABLE" for entry in entries)


def _without(entries: Iterable[TocEntry], schemas: Collection[int], islands: Iterable[Entries]) -> Entries:
    taken = {entry.dump_id for island in islands for entry in island}.union(schemas)
    return tuple(entry for entry in entries if entry.dump_id not in taken)


def _free(entries: Sequence[TocEntry], schemas: Collection[int]) -> Entries:
    """Entries of the free kinds that need, however far away, only such and schemas."""
    needed_by: dict[int, list[int]] = defaultdict(list)
    for entry in entries:
        for need in entry.needs:
            needed_by[need].append(entry.dump_id)
    bound: set[int] = set()
    reached = [e.dump_id for e in entries if e.kind not in FREE_KINDS and e.dump_id not in schemas]
    while reached:
        dump_id = reached.pop()
        if dump_id not in bound:
            bound.add(dump_id)
            reached += needed_by[dump_id]
    return tuple(entry for entry in entries if entry.dump_id not in bound and entry.dump_id not in schemas)


def _components(entries: Entries) -> list[Entries]:
    """Entries that need each other, together; in the order of the first of each."""
    leader = {entry.dump_id: entry.dump_id for entry in entries}

    def leading(dump_id: int) -> int:
        while leader[dump_id] != dump_id:
            leader[dump_id] = leader[leader[dump_id]]
            dump_id = leader[dump_id]
        return dump_id

    for entry in entries:
        for need in entry.needs:
            if need in leader:
                leader[leading(entry.dump_id)] = leading(need)
    members: dict[int, list[TocEntry]] = defaultdict(list)
    for entry in entries:
        members[leading(entry.dump_id)].append(entry)
    return [tuple(component) for component in members.values()]
