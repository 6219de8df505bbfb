"""Which settings are tried, and which of them is called the winner."""

import pytest

from pgcutover.facts.building import SortMemory
from pgcutover.planning.trials import Setting, clearly_faster, job_counts, rounds, winner

TWO, FOUR, EIGHT = (Setting(jobs=jobs) for jobs in (2, 4, 8))


@pytest.mark.parametrize(
    ("wished", "usual", "affordable", "tried"),
    [
        ((), 4, 20, (2, 4, 8)),
        ((), 1, 20, (1, 2)),
        ((), 4, 5, (2, 4)),
        ((8, 2, 2), 4, 20, (2, 4, 8)),
        ((4,), 4, 20, (4,)),
        ((1,), 64, 40, (1,)),
        ((16, 8), 7, 6, (6,)),
    ],
)
def test_job_counts_are_those_wished_for_and_affordable(
    wished: tuple[int, ...], usual: int, affordable: int, tried: tuple[int, ...]
) -> None:
    """The usual count, those around it or as wished, and never more than the servers have connections for."""
    assert tried == job_counts(wished, usual=usual, affordable=affordable)


def test_every_other_round_goes_backwards() -> None:
    """Whoever is first in one round is last in the next."""
    assert [TWO, FOUR, FOUR, TWO, TWO, FOUR] == list(rounds([TWO, FOUR], 3))


def test_a_difference_within_the_spread_is_none() -> None:
    """Faster is who is so by more than either differs from itself."""
    assert clearly_faster([10.0, 11.0], [13.0, 14.0])
    assert not clearly_faster([10.0, 14.0], [13.0, 14.0])
    assert not clearly_faster([10.0, 10.0], [10.0, 10.0])
    assert not clearly_faster([10.0, 10.01], [10.2, 10.21])


def test_the_usual_stays_unless_another_is_clearly_faster() -> None:
    """Noise makes no winner; a real difference does; of two that are as fast the one with fewer jobs does."""
    assert FOUR == winner({TWO: [20.0, 21.0], FOUR: [10.0, 12.0], EIGHT: [9.0, 11.5]}, FOUR)
    assert EIGHT == winner({TWO: [20.0, 21.0], FOUR: [10.0, 11.0], EIGHT: [5.0, 6.0]}, FOUR)
    assert TWO == winner({TWO: [5.0, 6.0], FOUR: [10.0, 11.0], EIGHT: [4.9, 5.8]}, FOUR)


def test_a_setting_is_typed_as_copy_takes_it() -> None:
    """What is usual is not said."""
    assert "--jobs 4" == FOUR.options
    assert "--jobs 4 --sort-memory server" == Setting(jobs=4, sort_memory=SortMemory.SERVER).options
