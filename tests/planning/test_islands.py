"""Which tables may be made side by side, before everything else."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from pgcutover.planning.definitions import TocEntry
from pgcutover.planning.islands import LEAST_IN_BATCH, MOST_IN_BATCH, Entries, Parted, batched, part

KINDS = ("SCHEMA", "TABLE", "SEQUENCE", "SEQUENCE OWNED BY", "DEFAULT", "COMMENT", "TABLE ATTACH", "TYPE", "FUNCTION")


def entry(dump_id: int, kind: str, *needs: int) -> TocEntry:
    return TocEntry(
        dump_id=dump_id,
        class_oid=9,
        oid=dump_id,
        section="pre-data",
        kind=kind,
        label=f"app {dump_id}",
        line="",
        needs=needs,
    )


def ids(entries: Iterable[TocEntry]) -> list[int]:
    return [e.dump_id for e in entries]


def parted(*entries: TocEntry, known: Iterable[int] | None = None, worth_it: int = 1) -> Parted:
    kinds = ("COMMENT", "DEFAULT", "SEQUENCE OWNED BY", "TABLE ATTACH")
    by_name = {e.dump_id for e in entries if e.kind not in kinds} if known is None else set(known)
    return part(entries, known=by_name, worth_it=worth_it)


@st.composite
def archives(draw: st.DrawFn) -> Entries:
    """Entries in an order in which each comes after what it needs; some of what they need is in no archive."""
    kinds = draw(st.lists(st.sampled_from(KINDS), max_size=40))
    return tuple(
        entry(n, kind, *draw(st.lists(st.integers(-2, n - 1), max_size=3))) for n, kind in enumerate(kinds, start=1)
    )


@given(archives(), st.sets(st.integers(1, 40)), st.integers(0, 4))
def test_every_entry_is_in_one_part_and_finds_what_it_needs(entries: Entries, known: set[int], worth_it: int) -> None:
    """Nothing is lost or made twice; what an island needs is in it before, or a schema; the archive's order is kept."""
    found = part(entries, known=known, worth_it=worth_it)
    parts = [found.schemas, *found.islands, found.rest]
    assert ids(entries) == sorted(ids(found))
    assert all(ids(each) == sorted(ids(each)) for each in parts)
    here = set(ids(entries))
    schemas = set(ids(found.schemas))
    for island in found.islands:
        made = set(schemas)
        for each in island:
            assert here.intersection(each.needs) <= made
            made.add(each.dump_id)


@given(archives(), st.sets(st.integers(1, 40)))
def test_every_transaction_makes_something_that_can_be_asked_for(entries: Entries, known: set[int]) -> None:
    """Else nobody could tell, after a crash, whether it was made."""
    found = part(entries, known=known, worth_it=1)
    if found.islands:
        assert all(known.intersection(ids(each)) for each in (*found.islands, found.rest or found.islands[0]))


@given(archives(), st.sets(st.integers(1, 40)), st.integers(1, 5))
def test_batches_hold_every_island_whole(entries: Entries, known: set[int], sessions: int) -> None:
    """An island that two sessions made by halves would need what is not there."""
    islands = part(entries, known=known, worth_it=1).islands
    batches = batched(islands, sessions=sessions)
    assert sorted(ids(e for island in islands for e in island)) == sorted(ids(e for batch in batches for e in batch))
    for island in islands:
        assert 1 == sum(set(ids(island)) <= set(ids(batch)) for batch in batches)


def test_a_table_comes_with_all_that_is_its_own() -> None:
    """A sequence, whose owner is noted on the sequence alone, the default that uses it, and remarks on either."""
    found = parted(
        entry(1, "SCHEMA"),
        entry(2, "TABLE", 1),
        entry(3, "SEQUENCE", 1, 2),
        entry(4, "SEQUENCE OWNED BY", 3),
        entry(5, "TABLE", 1),
        entry(6, "DEFAULT", 2, 3, 2),
        entry(7, "COMMENT", 3),
        entry(8, "COMMENT", 1),
        entry(9, "VIEW", 1, 2),
    )
    assert ([1], [[2, 3, 4, 6, 7], [5]], [8, 9]) == (
        ids(found.schemas),
        [ids(island) for island in found.islands],
        ids(found.rest),
    )


def test_what_needs_a_type_or_a_function_waits_for_it() -> None:
    """And so does whatever needs that; a table whose default alone needs a function does not."""
    found = parted(
        entry(1, "TYPE"),
        entry(2, "TABLE", 1),
        entry(3, "TABLE", 2),
        entry(4, "COMMENT", 3),
        entry(5, "TABLE"),
        entry(6, "FUNCTION", 5),
        entry(7, "DEFAULT", 5, 6),
        entry(8, "SEQUENCE"),
    )
    assert ([[5]], [1, 2, 3, 4, 6, 7, 8]) == ([ids(island) for island in found.islands], ids(found.rest))


def test_a_rest_that_cannot_be_asked_for_takes_a_table_along() -> None:
    """The smallest island; what needs a schema alone is known by no name of its own."""
    found = parted(
        entry(1, "SCHEMA"), entry(2, "TABLE"), entry(3, "TABLE", 2), entry(4, "TABLE"), entry(5, "COMMENT", 1)
    )
    assert ([[2, 3]], [4, 5]) == ([ids(island) for island in found.islands], ids(found.rest))


def test_few_tables_are_made_in_one_go() -> None:
    """Everything is the rest then; also where a cast may be used in ways that leave no trace."""
    few = [entry(1, "SCHEMA"), entry(2, "TABLE"), entry(3, "TABLE"), entry(4, "TYPE")]
    assert Parted(rest=tuple(few)) == parted(*few, worth_it=3)
    assert Parted(rest=(*few, entry(5, "CAST"))) == parted(*few, entry(5, "CAST"))


def test_of_each_part_everything_was_made_or_nothing() -> None:
    """What is found of a part stands for all of it."""
    everything = parted(
        *(entry(n, "TABLE") for n in (1, 2)), entry(3, "SEQUENCE", 2), entry(4, "TYPE"), entry(5, "VIEW")
    )
    left = everything.without({3, 5})
    assert ([[1]], []) == ([ids(island) for island in left.islands], ids(left.rest))


def test_batches_are_neither_large_nor_small() -> None:
    """The largest comes first; an island that is larger than any batch is one."""
    one = [(entry(n, "TABLE"),) for n in range(1, 1001)]
    tree = tuple(entry(n, "TABLE") for n in range(2001, 2001 + 2 * MOST_IN_BATCH))
    sizes = [len(batch) for batch in batched([*one, tree], sessions=2)]
    assert (2 * MOST_IN_BATCH, {MOST_IN_BATCH}) == (sizes[0], set(sizes[1:]))
    assert {LEAST_IN_BATCH} == {len(batch) for batch in batched(one[: 5 * LEAST_IN_BATCH], sessions=2)}
