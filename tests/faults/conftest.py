"""Servers and labs to be disturbed, and the table of what became of every fault."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from driver import Outcome, Result, Stage, stage

from pgcutover.lab.tls import CertificateAuthority

sys.path.append(str(Path(__file__).parent.parent / "journeys"))
from lab_driver import Lab

SPEED = 100.0
RESULTS = pytest.StashKey[list[Result]]()


@pytest.fixture(scope="session")
def results(pytestconfig: pytest.Config) -> list[Result]:
    """Every fault of this session, for the table at its end."""
    return pytestconfig.stash.setdefault(RESULTS, [])


@pytest.fixture(scope="session")
def disturbed(session_directory: Path, lab_ca: CertificateAuthority) -> Iterator[Stage]:
    """Both servers, and how long an undisturbed copy takes between them."""
    directory = session_directory / "faults"
    directory.mkdir(mode=0o755)
    with stage(directory, lab_ca) as made:
        made.rehearse()
        yield made


@pytest.fixture
def make_lab(session_directory: Path) -> Iterator[Callable[[str], Lab]]:
    """Bring up a lab of one's own."""
    with ExitStack() as stack:

        def make(name: str) -> Lab:
            lab = Lab.up(session_directory / name, speed=SPEED)
            stack.callback(lab.down)
            return lab

        yield make


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line a fault: how often tried, survived, refused, lost."""
    results = [r for r in config.stash.get(RESULTS, []) if r.struck]
    if not results:
        return
    terminalreporter.section("faults")
    head = f"{'fault':<48} tried  " + "  ".join(outcome.value for outcome in Outcome)
    terminalreporter.write_line(head)
    for name in [*dict.fromkeys(r.fault for r in results), "all"]:
        counts = Counter(r.outcome for r in results if name in (r.fault, "all"))
        columns = "  ".join(f"{counts[outcome]:>{len(outcome.value)}}" for outcome in Outcome)
        terminalreporter.write_line(f"{name:<48} {counts.total():>5}  {columns}")
