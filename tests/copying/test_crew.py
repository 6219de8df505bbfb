"""Workers in processes of their own: what they answer, what they raise, and what happens when they die."""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import workers
from workers import job

from pgcutover.copying.chunk import Carry, ChunkJob, Copied
from pgcutover.copying.crew import Crew, processes
from pgcutover.errors import CopyError
from pgcutover.lab.processes import process


@pytest.fixture
def crew() -> Iterator[Callable[[Carry], Crew]]:
    """Make crews of one process each; they are let go when the test ends."""
    made: list[Crew] = []

    def make(carry: Carry) -> Crew:
        made.append(Crew(lambda: processes(1), carry, size=1))
        return made[-1]

    yield make
    for one in made:
        one.close()


def settled(crew: Crew, words: ChunkJob) -> tuple[Copied, ...] | None:
    future = crew.submit(words)
    future.exception(timeout=60)
    return crew.result(words, future)


def test_a_job_is_done_in_another_process(crew: Callable[[Carry], Crew]) -> None:
    """The answer comes from a process that is not ours."""
    found = settled(crew(workers.answer), job())
    assert found is not None
    assert os.getpid() != found[0].rows


def test_an_error_comes_back_as_it_was_raised(crew: Callable[[Carry], Crew]) -> None:
    """Class, message and hint survive the way between processes."""
    with pytest.raises(CopyError) as caught:
        settled(crew(workers.refuse), job())
    assert ("app.t was refused", "Again.") == (caught.value.message, caught.value.hint)


def test_a_worker_that_dies_costs_one_more_try(crew: Callable[[Carry], Crew], tmp_path: Path) -> None:
    """After the first death the crew asks for the job again, and a new worker does it."""
    one, words = crew(workers.die_once), job(str(tmp_path / "flag"))
    assert settled(one, words) is None
    assert settled(one, words) is not None


def test_a_chunk_that_kills_its_worker_twice_is_an_error(crew: Callable[[Carry], Crew]) -> None:
    """The second death of the same chunk stops the run, with words about memory."""
    one = crew(workers.die)
    assert settled(one, job()) is None
    with pytest.raises(CopyError, match=r"copied app\.t died 2 times") as caught:
        settled(one, job())
    assert "memory" in caught.value.hint


def test_any_executor_will_do() -> None:
    """Threads carry as processes do: the crew asks for nothing but submit and shutdown."""
    crew = Crew(lambda: ThreadPoolExecutor(1), workers.answer, size=1)
    found = settled(crew, job())
    crew.close()
    assert found is not None
    assert os.getpid() == found[0].rows


def _run_a_crew(flag: str) -> None:
    crew = Crew(lambda: processes(1), workers.wait_long, size=1)
    crew.submit(job(flag)).result()


def test_workers_end_with_a_runner_that_is_killed(tmp_path: Path) -> None:
    """kill -9 of the runner leaves no worker behind, which would hold the run's row against the next runner."""
    flag = tmp_path / "pid"
    runner = multiprocessing.get_context("spawn").Process(target=_run_a_crew, args=(str(flag),))
    runner.start()
    deadline = time.monotonic() + 30
    while not (flag.exists() and flag.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    worker = process(int(flag.read_text()))
    assert worker is not None
    runner.kill()
    runner.join()
    deadline = time.monotonic() + 60
    while worker.alive and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not worker.alive
