"""The lab and the demo: the only use cases that know that a lab exists."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgcutover.app.cutover import BreakGlass, Cutover
from pgcutover.app.people import Confirmation, Question
from pgcutover.app.session import Watcher
from pgcutover.config import CONFIG_FILE, Surroundings, read_config
from pgcutover.errors import PgcutoverError, UsageError
from pgcutover.steps.history import RunSummary

INSTALL = 'Install the lab: pip install "pgcutover[lab]".'


def world() -> Any:
    """The lab's own use cases, imported only when asked for: a plain install has no lab.

    Raises:
        UsageError: the lab's libraries are not installed.
    """
    try:
        from pgcutover.lab import world as lab_world
    except ImportError as cause:
        raise UsageError(f"the lab is not installed: {cause.name} is missing", hint=INSTALL) from cause
    return lab_world


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What the demo shows at its end."""

    moved: RunSummary
    ledger: dict[str, Any]
    report: Path
    returned: RunSummary | None
    left: tuple[str, ...]
    """Where the Heroku side differs after going back; empty when it is as before."""
    left_behind: tuple[str, ...]
    """Acknowledged writes that only the new database has after going back, as the ledger knows them."""
    not_exported: tuple[str, ...]
    """Those of them that the export does not hold; none, or something is lost."""
    seconds: float


def demo(
    directory: Path,
    *,
    size: str,
    speed: float,
    back: bool,
    listener: Watcher,
    say: Callable[[str], None],
    write_report: Callable[[RunSummary], str],
    break_glass: BreakGlass,
) -> DemoResult:
    """Bring up a lab, move its application, prove it, and (with `back`) go back; the lab is taken down at the end."""
    lab, begun = world(), time.monotonic()
    say(f"bringing up a lab in {directory}: PostgreSQL 16 as Heroku's leader and follower, local Heroku and AWS APIs")
    lab.up(directory, size=size, speed=speed)
    try:
        os.environ.update(lab.environment(directory))
        config = read_config(directory / CONFIG_FILE, None, Surroundings.read())
        with Cutover(config, listener) as cutover:
            return _Demo(cutover, lab, directory, say).run(
                back=back, write_report=write_report, break_glass=break_glass, begun=begun
            )
    finally:
        lab.down(directory)


@dataclass(frozen=True, slots=True)
class _Demo:
    cutover: Cutover
    lab: Any
    directory: Path
    say: Callable[[str], None]

    def run(
        self, *, back: bool, write_report: Callable[[RunSummary], str], break_glass: BreakGlass, begun: float
    ) -> DemoResult:
        self.say("the application serves its users now; taking stock and planning (pgcutover plan)")
        self.cutover.plan()
        self.say("preparing, days ahead in real life (pgcutover prepare)")
        self.cutover.prepare(None)
        self.say("moving (pgcutover migrate)")
        moved = self.cutover.migrate(None, ask=_agree, break_glass=break_glass)
        ledger = self._ledger()
        returned, left = self._back() if back else (None, ())
        behind, missing = self._left_behind(returned) if returned else ((), ())
        # After the way back, so that the page tells of it, too.
        report = self.cutover.write_document(Path("report.html"), write_report(returned or moved), beside_state=True)
        return DemoResult(
            moved=moved,
            ledger=ledger,
            report=report,
            returned=returned,
            left=left,
            left_behind=behind,
            not_exported=missing,
            seconds=time.monotonic() - begun,
        )

    def _ledger(self) -> dict[str, Any]:
        # A few seconds of life on the new database, so that users' requests are seen to succeed there.
        time.sleep(3)
        ledger: dict[str, Any] = self.lab.check(self.directory)
        if ledger["lost"] or ledger["doubled"]:
            raise PgcutoverError(f"the ledger says {ledger['lost']} lost and {ledger['doubled']} doubled writes")
        return ledger

    def _left_behind(self, returned: RunSummary) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Ask the ledger once more: what the old database lacks now must be in the export."""
        lost = tuple(self.lab.check(self.directory)["lost_tokens"])
        files = Path(returned.salvage_directory).glob("*") if returned.salvage_directory else ()
        exported = "".join(file.read_text("utf-8") for file in files if file.is_file())
        return lost, tuple(token for token in lost if token not in exported)

    def _back(self) -> tuple[RunSummary, tuple[str, ...]]:
        self.say("and the way back, although the application has written to the new database (pgcutover rollback)")
        return self.cutover.rollback(ask=_agree)


def _agree(_: Question) -> Confirmation:
    return Confirmation(agreed=True, unasked=True)
