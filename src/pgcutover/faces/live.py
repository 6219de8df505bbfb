"""What a person, or a log, sees while the steps run: on a terminal a living line, else one line for each event.

It listens only. Invariant: nothing raised here reaches the runner; a broken pipe must not stop a move in the middle.
"""

import atexit
import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TextIO, cast

import structlog
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from pgcutover.faces.every import Every
from pgcutover.faces.figures import clock, duration
from pgcutover.faces.progress import CopyProgress, ProgressSource, Watch
from pgcutover.faces.wording import POINT_OF_NO_RETURN, undo_sentence
from pgcutover.planning.plan import Plan, PlannedStep
from pgcutover.running.journal import Event
from pgcutover.running.state import Move

COPY = "copy"
LIFT = "lift"
SAY_EVERY_S = 10.0
"""How often a log gets a line about a copy that goes on: more drowns the rest of it."""
GOES_ON_EVERY_S = 60.0
"""How often from any other step, as a sign of life: a release may run for an hour, an instance takes ten minutes."""
SAYING = "copy log"
"""Name of the thread that does."""
BAR_WIDTH = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of the steps beyond their names; empty until somebody tells."""

    steps: Mapping[str, PlannedStep] = field(default_factory=dict)
    estimates: Mapping[str, float] = field(default_factory=dict)

    def title(self, step: str) -> str:
        return f": {self.steps[step].title}" if step in self.steps else ""

    def taking_back(self, step: str) -> str:
        return f': take back "{self.steps[step].title}"' if step in self.steps else ""

    def by_hand(self, step: str) -> str:
        return self.steps[step].by_hand if step in self.steps else ""

    def planned(self, step: str) -> str:
        return f" (planned {duration(self.estimates[step])})" if step in self.estimates else ""


class Watcher:
    """A listener that may be told of the plan and of where a copy's figures come from; each face draws it its own way.

    Every public method swallows what goes wrong in drawing: whoever watches must not be able to stop what is watched.
    """

    def __init__(self) -> None:
        self.known = Known()
        self._watch: Watch | None = None

    def know(self, plan: Plan, estimates: Mapping[str, float]) -> None:
        """Titles, undos by hand and planned seconds of the steps that will be heard of."""
        self.known = Known(steps={s.name: s for s in plan.steps}, estimates=dict(estimates))

    def copying(self, source: ProgressSource) -> None:
        """Where the figures of a copy come from, from now on."""
        self._watch = Watch(source)

    def started(self, event: Event) -> None:
        with _harmless():
            self._begin(event)

    def undoing(self, event: Event) -> None:
        with _harmless():
            self._begin(event)

    def adopted(self, event: Event) -> None:
        with _harmless():
            self._end(event, None)

    def finished(self, event: Event, seconds: float) -> None:
        with _harmless():
            self._end(event, seconds)

    def undone(self, event: Event, seconds: float) -> None:
        with _harmless():
            self._end(event, seconds)

    def failed(self, event: Event) -> None:
        with _harmless():
            self._end(event, None)

    def close(self) -> None:
        """Give the terminal back as it was. Called again, it does nothing."""
        with _harmless():
            self._stop_watch()

    def _begin(self, event: Event) -> None:
        if self._watch is not None and event.step == COPY and event.move is Move.BEGIN:
            self._watch.start()

    def _end(self, event: Event, seconds: float | None) -> None:
        self._stop_watch()

    def _stop_watch(self) -> None:
        if self._watch is not None:
            self._watch.stop()


class Lines(Watcher):
    """One line for each event: for logs, pipes and screens that cannot redraw."""

    def __init__(
        self, console: Console, *, say_every_s: float = SAY_EVERY_S, goes_on_every_s: float = GOES_ON_EVERY_S
    ) -> None:
        super().__init__()
        self._console, self._say_every_s, self._goes_on_every_s = console, say_every_s, goes_on_every_s
        self._saying: Every | None = None

    def _begin(self, event: Event) -> None:
        super()._begin(event)
        for line in opening_lines(event, self.known):
            self._say(line)
        if self._watch is not None and event.step == COPY:
            self._saying = Every(self._say_every_s, self._tell, name=SAYING)
        else:
            begun_s = time.monotonic()
            self._saying = Every(self._goes_on_every_s, lambda: self._goes_on(event.step, begun_s), name=SAYING)

    def _end(self, event: Event, seconds: float | None) -> None:
        self._quiet()
        super()._end(event, seconds)
        for line in closing_lines(event, seconds, self._watch):
            self._say(line)

    def _tell(self) -> None:
        if self._watch is not None and self._watch.newest is not None:
            self._say(Text(f"         copy: {self._watch.sentence()}"))

    def _goes_on(self, step: str, begun_s: float) -> None:
        spent = duration(time.monotonic() - begun_s)
        self._say(Text(f"         {step} goes on: {spent}{self.known.planned(step)}"))

    def _say(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)

    def _quiet(self) -> None:
        if self._saying is not None:
            self._saying.stop()
            self._saying = None

    def close(self) -> None:
        self._quiet()
        super().close()


class Screen(Watcher):
    """The same lines, and under them the running step with its clock and a copy's figures, redrawn in place."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._live: Live | None = None
        # A process that dies between two events would leave the terminal without its cursor.
        atexit.register(self.close)

    def _begin(self, event: Event) -> None:
        super()._begin(event)
        for line in opening_lines(event, self.known):
            self._console.print(line)
        begun_s = time.monotonic()
        spinner = Spinner("line", style="cyan")
        self._live = Live(
            get_renderable=lambda: self._running(event, spinner, begun_s),
            console=self._console,
            refresh_per_second=8,
            transient=True,
        )
        self._live.start()

    def _end(self, event: Event, seconds: float | None) -> None:
        self._still()
        super()._end(event, seconds)
        for line in closing_lines(event, seconds, self._watch):
            self._console.print(line)

    def _running(self, event: Event, spinner: Spinner, begun_s: float) -> RenderableType:
        spent = duration(time.monotonic() - begun_s)
        spinner.update(text=Text(f"{event.step} {spent}{self.known.planned(event.step)}"))
        if self._watch is None or self._watch.newest is None or event.step != COPY:
            return spinner
        return Group(spinner, _bar(self._watch.newest), Text(f"  {self._watch.sentence()}"))

    def _still(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def close(self) -> None:
        with _harmless():
            self._still()
        super().close()


class JsonLines(Watcher):
    """One JSON object a line on stderr, for programs: what the journal holds of the event, and no evidence."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._log: Any = structlog.wrap_logger(
            structlog.WriteLogger(cast(TextIO, console.file)), processors=[structlog.processors.JSONRenderer()]
        )

    def _begin(self, event: Event) -> None:
        super()._begin(event)
        planned = self.known.estimates.get(event.step)
        self._log.info(_SAID[event.move], **_fields(event), planned_s=planned)

    def _end(self, event: Event, seconds: float | None) -> None:
        super()._end(event, seconds)
        detail = event.finding.detail if event.finding else ""
        self._log.info(_SAID[event.move], **_fields(event), seconds=seconds, detail=detail, error=event.error)


def listener(console: Console, *, json: bool = False) -> Watcher:
    """The face for this console: JSON lines when asked for, a living line on a terminal, else plain lines."""
    if json:
        return JsonLines(console)
    return Screen(console) if console.is_terminal and not console.is_dumb_terminal else Lines(console)


_SAID: Mapping[Move, str] = MappingProxyType(
    {
        Move.BEGIN: "step started",
        Move.FINISH: "step done",
        Move.FAIL: "step failed",
        Move.ADOPT: "step found done",
        Move.BEGIN_UNDO: "step undoing",
        Move.FINISH_UNDO: "step undone",
        Move.FAIL_UNDO: "step not undone",
    }
)
_STYLES: Mapping[Move, str] = MappingProxyType(
    {Move.FINISH: "green", Move.ADOPT: "green", Move.FINISH_UNDO: "green", Move.FAIL: "red", Move.FAIL_UNDO: "red"}
)


def opening_lines(event: Event, known: Known) -> Iterator[Text]:
    """What a step will do, and how to undo it by hand."""
    undoing = event.move is Move.BEGIN_UNDO
    if event.step == LIFT and not undoing:
        yield Text(f"{clock(event.at)} ======== {POINT_OF_NO_RETURN} ========", style="bold red")
    again = f" (try {event.attempt})" if event.attempt > 1 else ""
    verb, of = ("undoing ", known.taking_back(event.step)) if undoing else ("", known.title(event.step))
    yield Text.assemble(f"{clock(event.at)} ", (f"{verb}{event.step}", "bold"), f"{again}{of}{_due(event, known)}")
    if known.by_hand(event.step) and not undoing:
        yield Text(f"         {undo_sentence(known.by_hand(event.step), 'undo by hand')}", style="dim")


def closing_lines(event: Event, seconds: float | None, watch: Watch | None) -> Iterator[Text]:
    """How a step ended, how long it took, and what was found."""
    if event.step == COPY and watch is not None and watch.trouble:
        yield Text(f"         the figures of the copy could not be read: {watch.trouble}", style="dim")
    took = f" in {duration(seconds)}" if seconds is not None else ""
    found = event.finding.detail if event.finding else ""
    said = "; ".join(filter(None, (event.error, found)))
    words = _SAID[event.move].removeprefix("step ")
    yield Text.assemble(
        f"{clock(event.at)} ", (f"{event.step} {words}", _STYLES.get(event.move, "")), took, f": {said}" if said else ""
    )


def _due(event: Event, known: Known) -> str:
    return "" if event.move is Move.BEGIN_UNDO else known.planned(event.step)


def _bar(progress: CopyProgress) -> Table:
    grid = Table.grid(padding=(0, 1))
    share = progress.bytes_done / progress.bytes_total if progress.bytes_total else 0.0
    bar = ProgressBar(total=max(1, progress.bytes_total), completed=progress.bytes_done, width=BAR_WIDTH)
    grid.add_row(Text(" "), bar, Text(f"{min(share, 1.0):.0%}"))
    return grid


def _fields(event: Event) -> dict[str, Any]:
    return {"at": event.at.isoformat(), "run": event.run, "step": event.step, "attempt": event.attempt}


@contextlib.contextmanager
def _harmless() -> Iterator[None]:
    with contextlib.suppress(Exception):
        yield
