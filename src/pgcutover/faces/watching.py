"""A sign of life while two databases are compared: a living line on a terminal, a line now and then in a log.

It looks on only, from a thread of its own and on standard error. Invariant: nothing that goes wrong here reaches the
comparison, and nothing of it is on standard output.
"""

import contextlib
import json as json_
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from pgcutover.faces.every import Every
from pgcutover.faces.figures import counted, duration, rate, size
from pgcutover.faces.progress import Pace
from pgcutover.facts.reading import Reading, Tally

SAY_EVERY_S = 30.0
"""Into a log; a person at a terminal sees the line change at once."""
LOOK_EVERY_S = 1.0


class Onlooker:
    """Figures of one comparison, with its clock and its pace."""

    def __init__(self, tally: Tally) -> None:
        self._tally, self._pace, self._stage = tally, Pace(), ""
        self._begun_s = self._looked_s = time.monotonic()

    def look(self) -> Reading:
        """Newest figures; the pace is that of the stage that goes on."""
        now, seen = time.monotonic(), self._tally.now()
        if seen.stage != self._stage:
            self._stage, self._pace = seen.stage, Pace()
            self._pace.see(now, seen.bytes_done)
        elif now - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = now
            self._pace.see(now, seen.bytes_done)
        return seen

    def sentence(self) -> str:
        """verify 1 min 05 s: reading rows, 12 of 43 tables, 1.2 GB of 41.2 GB read, 95.1 MB/s, 7 min left."""
        seen = self.look()
        words = [seen.stage]
        if seen.tables_total:
            words.append(f"{seen.tables_done} of {counted(seen.tables_total, 'table')}")
            words.append(f"{size(seen.bytes_done)} of {size(seen.bytes_total)} read")
            left = self._pace.left_s(seen.bytes_total - seen.bytes_done)
            words += [rate(self._pace.per_s, 1.0)] if self._pace.per_s else []
            words += [f"about {duration(left)} left"] if left else []
        return f"verify {duration(self.seconds)}: {', '.join(words)}"

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun_s

    def document(self) -> str:
        """The same as one JSON object on one line."""
        figures = {**asdict(self.look()), "seconds": round(self.seconds, 1)}
        return json_.dumps({"event": "comparing", "at": datetime.now(UTC).isoformat(), **figures})


@contextlib.contextmanager
def watched(tally: Tally, err: Console, *, json: bool) -> Iterator[None]:
    """While the block runs, `err` shows how far it is."""
    onlooker = Onlooker(tally)
    if err.is_terminal and not err.is_dumb_terminal and not json:
        with _living(onlooker, err):
            yield
        return
    tell = onlooker.document if json else onlooker.sentence
    # Not by the console, which ends the program when its reader is gone.
    saying = Every(SAY_EVERY_S, lambda: print(tell(), file=err.file, flush=True), name="comparing")
    try:
        yield
    finally:
        saying.stop()


def _living(onlooker: Onlooker, err: Console) -> Live:
    spinner = Spinner("line", style="cyan")

    def line() -> Spinner:
        spinner.update(text=Text(onlooker.sentence()))
        return spinner

    return Live(get_renderable=line, console=err, refresh_per_second=4, transient=True, redirect_stdout=False)
