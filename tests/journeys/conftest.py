"""Labs for whole migrations: one that many journeys share because each leaves it as it was, and others on demand."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from lab_driver import Lab
from shared_lab import Shared

SPEED = 100.0
"""Releases, boots and AWS take a hundredth of their time; PostgreSQL takes its own."""


@pytest.fixture(scope="session")
def make_lab(session_directory: Path) -> Iterator[Callable[..., Lab]]:
    """Bring up a lab of one's own; it goes when the session ends."""
    with ExitStack() as stack:

        def make(name: str, **more: Any) -> Lab:
            lab = Lab.up(session_directory / name, speed=SPEED, **more)
            stack.callback(lab.down)
            return lab

        yield make


@pytest.fixture(scope="session")
def shared(make_lab: Callable[[str], Lab]) -> Shared:
    """Without a replica, which has journeys of its own and would take seconds of each."""

    def make(name: str) -> Lab:
        lab = make_lab(name)
        lab.edit({'size = "next"\n': 'size = "next"\nreplica = "none"\n'})
        return lab

    return Shared(make)


@pytest.fixture
def lab(shared: Shared) -> Iterator[Lab]:
    """The shared lab. What a test leaves open is rolled back, what it changed in pgcutover.toml is undone."""
    yield shared.take()
    shared.give_back()
