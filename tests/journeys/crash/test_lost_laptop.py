"""A laptop dies in the middle of a move; its export goes on elsewhere, and an older one goes nowhere."""

import shutil
from pathlib import Path

from deaths import MIGRATE, ROLLBACK, Moment, alive, killed, names, planned
from lab_driver import Lab

STALE = 68


def test_a_move_goes_on_on_another_machine_and_nowhere_from_an_older_export(lab: Lab, tmp_path: Path) -> None:
    """Exported from a dead laptop, the move ends on another; the same export imported on a third is refused (68).

    The third may look, and the second may go back.
    """
    steps = names(planned(lab))
    before = lab.world()
    assert killed(lab, MIGRATE, Moment(steps=tuple(steps[steps.index("copy") :]), delay_s=0.2))
    export = tmp_path / "state.export"
    left = lab.json("status", "--export", str(export))
    assert 0o600 == export.stat().st_mode & 0o777
    shutil.rmtree(lab.state.parent)

    second = lab.at("second-laptop")
    taken = second.json("status", "--import", str(export))
    assert (left["run"], left["outcome"], left["steps"]) == (taken["run"], taken["outcome"], taken["steps"])
    second.run(*MIGRATE)
    assert "moved" == second.json("status")["outcome"]
    alive(second, on="rds")
    lab.nothing_lost()

    third = lab.at("third-laptop")
    third.run("status", "--import", str(export))
    moved = lab.world()
    refused = third.run(*MIGRATE, code=STALE)
    assert "went on elsewhere" in refused.stderr
    assert moved == lab.world()
    lab.nothing_lost()

    second.run(*ROLLBACK)
    assert before == lab.world()
    alive(second, on="heroku")
