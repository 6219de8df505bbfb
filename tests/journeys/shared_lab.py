"""One lab for many journeys: each leaves it as it found it, and what a journey leaves otherwise ends that lab's use."""

from collections.abc import Callable

from lab_driver import APP, CONFIG, Lab

MOVING = {"prepare", "migrate", "rollback", "drill", "destroy", "--import"}
USAGE = 64
"""How a command line that is not understood ends: it moved nothing."""
AT_REST = ("planned", "returned", "replaced")


class Shared:
    """A lab for journeys that leave it as they found it; one that was left otherwise is replaced."""

    def __init__(self, make: Callable[[str], Lab]) -> None:
        self._make, self._number = make, 0
        self._lab: Lab | None = None
        self._taken = False

    def take(self) -> Lab:
        # Never given back: whoever had it broke off amid a move.
        if self._lab is None or self._taken:
            self._number += 1
            self._lab = self._make(f"shared-{self._number}")
            self._world = self._lab.world()
            self._config = (self._lab.directory / CONFIG).read_text()
        self._seen, self._taken = len(self._lab.history), True
        return self._lab

    def give_back(self) -> None:
        """Put back what a test changes as a matter of course; whatever else differs, nobody uses this lab again."""
        lab, self._lab, self._taken = self._lab, None, False
        if lab is None:
            return
        (lab.directory / CONFIG).write_text(self._config)
        lab.heroku("DELETE", "/_lab/faults")
        ran = {word for said in lab.history[self._seen :] if said.returncode != USAGE for word in said.args}
        if ran & MOVING and not any((lab.state / "plans").glob("*.json")):
            # The run went on on another machine: what this one would say is not asked.
            return
        if ran & MOVING and lab.json("status")["outcome"] not in AT_REST:
            lab.run("rollback", "--yes")
        lab.heroku("PUT", f"/_lab/apps/{APP}/processes/release", {"command": None})
        if lab.world() == self._world:
            if ran & MOVING:
                lab.forgive()
            self._lab = lab
