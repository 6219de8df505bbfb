"""How reading is split: nothing is left out, nothing is read twice."""

from hypothesis import given
from hypothesis import strategies as st

from pgcutover.facts.names import TableName
from pgcutover.planning.slices import MOST_RANGES, integer_ranges, range_count, range_of, slices

TABLE = TableName(schema="s", name="t")
BIGINTS = st.integers(-(2**63), 2**63 - 1)


@given(st.integers(0, 2**40), st.integers(0, 10**6), st.integers(1, 64))
def test_slices_cover_every_page_once(data_bytes: int, pages: int, sessions: int) -> None:
    """Each begins where the one before ends; the first at page 0, and the last is open for pages added later (T23)."""
    found = [*slices(TABLE, data_bytes, pages, sessions=sessions)]
    assert 0 == found[0].first
    assert found[-1].end is None
    assert [s.first for s in found[1:]] == [s.end for s in found[:-1]]
    assert all(s.first < (s.end or s.first + 1) for s in found)
    assert data_bytes - len(found) <= sum(s.data_bytes for s in found) <= data_bytes + len(found)


@given(BIGINTS, BIGINTS, st.integers(1, MOST_RANGES), BIGINTS)
def test_every_key_is_in_one_range(one: int, other: int, count: int, key: int) -> None:
    """Also keys below the lowest and above the highest that were seen; and bounds fit into a bigint."""
    lowest, highest = sorted((one, other))
    ranges = integer_ranges("id", lowest, highest, count)
    assert sorted(set(ranges.bounds)) == list(ranges.bounds)
    assert all(lowest < bound <= highest for bound in ranges.bounds)
    found = range_of(key, ranges.bounds)
    assert found is not None
    assert 0 <= found < ranges.count
    assert all(bound <= key for bound in ranges.bounds[:found])
    assert all(bound > key for bound in ranges.bounds[found:])


def test_a_null_key_has_a_range_of_its_own() -> None:
    """It is neither the first nor the last."""
    assert range_of(None, (1, 2)) is None


@given(st.integers(0, 2**50))
def test_the_number_of_ranges_is_a_power_of_two(data_bytes: int) -> None:
    """For hash ranges are some bits of a hash; and never more than a server can keep in memory."""
    count = range_count(data_bytes)
    assert 0 == count & (count - 1)
    assert 1 <= count <= MOST_RANGES
