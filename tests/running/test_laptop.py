"""The laptop that dies: a run begun on one machine is gone on with, or taken back, on another."""

from pathlib import Path

import pytest
from toy_world import EFFECTS, NAMES, Fuse, Life, World, whole_shape

from pgcutover.edges.journal import SqliteJournal
from pgcutover.errors import JournalError
from pgcutover.running.state import StepState

# Amid the step of two parts, which the first machine leaves half done.
DIES_AT = "lay both parts: half done"


def died_here(here: Path, world: World) -> None:
    dry = Life(here.parent / "dry.db", World())
    dry.forward()
    assert not Life(here, world, Fuse(dry.fuse.passed.index(DIES_AT) + 1)).forward()


@pytest.mark.parametrize("way", ["forward", "back"])
def test_a_run_begun_here_ends_there(tmp_path: Path, way: str) -> None:
    """Exported from a dead machine's disk and imported on another, the run ends there as it would have here."""
    here, there, world = tmp_path / "here" / "journal.db", tmp_path / "there" / "journal.db", World()
    here.parent.mkdir()
    died_here(here, world)
    with SqliteJournal(here, read_only=True) as journal:
        journal.export(tmp_path / "run.json", {"plan.json": '{"steps": 5}'})
    with SqliteJournal(there) as journal:
        assert {"plan.json": '{"steps": 5}'} == journal.import_(tmp_path / "run.json")
    life = Life(there, world)
    if way == "forward":
        life.forward()
        assert (whole_shape(), EFFECTS) == (world.shape(), world.effects)
        assert dict.fromkeys(NAMES, StepState.DONE) == life.states
    else:
        life.unwind()
        assert World().shape() == world.shape()


def test_the_first_machine_comes_back_and_takes_over_what_the_other_did(tmp_path: Path) -> None:
    """The old journal takes the newer export, and refuses the older one it gave itself: both ways none is lost."""
    here, there, world = tmp_path / "here" / "journal.db", tmp_path / "there" / "journal.db", World()
    here.parent.mkdir()
    died_here(here, world)
    with SqliteJournal(here) as journal:
        journal.export(tmp_path / "older.json")
    with SqliteJournal(there) as journal:
        journal.import_(tmp_path / "older.json")
    Life(there, world).forward()
    with SqliteJournal(there) as journal:
        journal.export(tmp_path / "newer.json")
        with pytest.raises(JournalError, match="older than the journal"):
            journal.import_(tmp_path / "older.json")
    with SqliteJournal(here) as journal:
        journal.import_(tmp_path / "newer.json")
    returned = Life(here, world)
    returned.forward()
    assert (dict.fromkeys(NAMES, StepState.DONE), EFFECTS) == (returned.states, world.effects)
