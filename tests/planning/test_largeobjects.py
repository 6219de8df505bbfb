"""Large objects in batches: the same objects make the same batches."""

from pgcutover.planning.largeobjects import OBJECTS, batches, groups


def test_batches_hold_every_object_once_and_are_named_by_what_they_hold() -> None:
    """A marker stands for exactly these objects: one more or one less makes another digest."""
    oids = list(range(5, 5 + 2 * OBJECTS + 1))
    found = batches(oids)
    assert oids == [oid for batch in found for oid in batch.oids]
    assert [OBJECTS, OBJECTS, 1] == [len(batch.oids) for batch in found]
    assert found == batches(oids)
    assert found[0].storage != batches(oids[1:])[0].storage
    assert len(found) == len({batch.name for batch in found})
    assert () == batches([])


def test_groups_keep_their_order() -> None:
    """Some at a time, the last with what is left."""
    assert [[1, 2], [3, 4], [5]] == list(groups([1, 2, 3, 4, 5], 2))
