"""Which settings of a copy are tried, in which order, and which of them is the winner.

Pure. Invariant: what is usual stays unless another setting is faster by more than the same setting differs from itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from pydantic import BaseModel, ConfigDict

from pgcutover.facts.building import SortMemory

MOST_JOBS = 64
WORTH = 0.05
"""Of the time: a difference that is smaller is nobody's, and chance makes such ones."""


class Setting(BaseModel):
    """What can be set of a copy: tables at once, and whose memory sorts take."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    jobs: int
    sort_memory: SortMemory = SortMemory.AUTO

    @property
    def options(self) -> str:
        """As `copy` takes them."""
        memory = "" if self.sort_memory is SortMemory.AUTO else f" --sort-memory {self.sort_memory}"
        return f"--jobs {self.jobs}{memory}"


Times = Mapping[Setting, Sequence[float]]
"""Seconds of each try."""


def job_counts(wished: Sequence[int], *, usual: int, affordable: int) -> tuple[int, ...]:
    """How many jobs are tried: what is usual, and what is wished for, else half and twice of that; at most as many as
    the servers have connections for."""
    wanted = {usual, *(wished or (max(1, usual // 2), usual * 2))}
    tried = sorted(jobs for jobs in wanted if jobs <= min(affordable, MOST_JOBS))
    return tuple(tried) or (affordable,)


def rounds(settings: Sequence[Setting], repeats: int) -> Iterator[Setting]:
    """Each so often, there and back again: what slowly changes on the servers meets all of them alike."""
    for number in range(repeats):
        yield from settings if number % 2 == 0 else reversed(settings)


def clearly_faster(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether the difference of two settings is larger than that of the tries of either, and worth the name."""
    spread = max(max(times) - min(times) for times in (one, other))
    return median(other) - median(one) > max(spread, WORTH * median(other))


def winner(times: Times, usual: Setting) -> Setting:
    """The usual setting, or one that is clearly faster: of several that are about as fast, the one with fewest jobs."""
    best = min(times, key=lambda setting: median(times[setting]))
    if best == usual or not clearly_faster(times[best], times[usual]):
        return usual
    as_fast = (s for s in times if clearly_faster(times[s], times[usual]) and not clearly_faster(times[best], times[s]))
    return min(as_fast, key=lambda setting: setting.jobs)
