"""The timeline: each step planned (outline) against actual (filled), as inline SVG.

Several charts, because days may lie between preparing, moving and going back. In the move and on the way back the wall
clock counts, for that is what users felt: the hours of a stop are drawn as they were. Before and after, only work does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pgcutover.faces.figures import duration
from pgcutover.faces.outages import DATABASE_FROM, UNTIL, USERS_FROM
from pgcutover.faces.report.markup import Markup, joined, tag
from pgcutover.faces.wording import POINT_OF_NO_RETURN
from pgcutover.planning.plan import Phase
from pgcutover.running.state import StepState
from pgcutover.steps.history import RunSummary, StepSummary

WIDTH, LABELS, FIGURES = 960, 170, 190
PLOT = WIDTH - LABELS - FIGURES
ROW, TOP, BOTTOM = 30, 34, 26
Stretch = tuple[float, float]
LEAST = 2.5
"""A step of milliseconds must still be seen."""
MOST_TICKS = 8
LIFTED = frozenset({StepState.DONE, StepState.UNDOING, StepState.UNDONE})
TICKS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A step's stretches in seconds from the chart's left edge; None where there is none."""

    step: StepSummary
    planned: Stretch | None
    actual: Stretch | None
    undo: Stretch | None = None

    @property
    def end_s(self) -> float:
        return max((stretch[1] for stretch in (self.planned, self.actual, self.undo) if stretch), default=0.0)


def preparation(summary: RunSummary) -> Markup:
    """The steps of days ahead, one after another, without the pauses between them."""
    return _work("Preparation, planned against actual", summary, "prepare")


def afterwards(summary: RunSummary) -> Markup:
    """What is done while the application is open again."""
    return _work("Afterwards, planned against actual", summary, "after")


def move(summary: RunSummary) -> Markup:
    """From the first closed door to the lift, by the wall clock."""
    steps = _moving(summary)
    begun = min((s.started_at for s in steps if s.started_at), default=None)
    planned = _planned(steps)
    bars = [Bar(step=s, planned=p, actual=_actual(s, begun)) for s, p in zip(steps, planned, strict=True)]
    lifted_s = next((bar.actual[0] for bar in bars if bar.step.name == UNTIL and bar.actual), None)
    return _chart("The move, planned against actual", bars, tuple(_closed(bars, begun)), lifted_s)


def going_back(summary: RunSummary) -> Markup:
    """The undoing, newest step first, by the wall clock; nothing where nothing was undone."""
    undone = [s for s in reversed(_moving(summary)) if s.undo_s is not None and s.ended_at is not None]
    begun = min((s.ended_at - timedelta(seconds=s.undo_s or 0.0) for s in undone if s.ended_at), default=None)
    bars = [Bar(step=s, planned=None, actual=None, undo=_undo(s, begun)) for s in undone]
    return _chart("Going back", bars, tuple(_closed_again(bars)), None)


def _moving(summary: RunSummary) -> list[StepSummary]:
    return [s for s in summary.steps if s.phase not in ("prepare", "after")]


def _work(title: str, summary: RunSummary, phase: Phase) -> Markup:
    steps = [s for s in summary.steps if s.phase == phase]
    bars, spent_s = [], 0.0
    for step, planned in zip(steps, _planned(steps), strict=True):
        actual = (spent_s, spent_s + step.actual_s) if step.actual_s is not None else None
        spent_s += step.actual_s or 0.0
        bars.append(Bar(step=step, planned=planned, actual=actual))
    return _chart(title, bars, (), None)


def _planned(steps: Sequence[StepSummary]) -> list[Stretch | None]:
    stretches: list[Stretch | None] = []
    planned_s = 0.0
    for step in steps:
        stretches.append((planned_s, planned_s + step.estimated_s) if step.estimated_s is not None else None)
        planned_s += step.estimated_s or 0.0
    return stretches


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Something that lasted, over all rows; `until_s` is None when it had no end yet."""

    kind: str
    words: str
    at_s: float
    until_s: float | None


def _actual(step: StepSummary, begun: datetime | None) -> Stretch | None:
    if step.started_at is None or begun is None:
        return None
    start = (step.started_at - begun).total_seconds()
    # The moment at which an undone step ended is that of its undoing.
    known = step.ended_at if step.undo_s is None else None
    end = (known - begun).total_seconds() if known else start + (step.actual_s or 0.0)
    return start, max(start, end)


def _undo(step: StepSummary, begun: datetime | None) -> Stretch | None:
    if step.undo_s is None or step.ended_at is None or begun is None:
        return None
    end = (step.ended_at - begun).total_seconds()
    return max(0.0, end - step.undo_s), end


def _closed(bars: Sequence[Bar], begun: datetime | None) -> Iterator[Band]:
    """From the step that closed something until the lift, its own undoing, or no end yet."""
    by_name = {bar.step.name: bar for bar in bars}
    lift = by_name.get(UNTIL)
    for name, kind, words in (
        (USERS_FROM, "users", "users see the maintenance page"),
        (DATABASE_FROM, "fence", "no database takes writes"),
    ):
        bar = by_name.get(name)
        if bar is None or bar.actual is None:
            continue
        undone = _undo(bar.step, begun)
        until_s = undone[1] if undone else None
        if lift is not None and lift.actual is not None and lift.step.state in LIFTED:
            until_s = lift.actual[1]
        yield Band(kind=kind, words=words, at_s=bar.actual[0], until_s=until_s)


def _closed_again(bars: Sequence[Bar]) -> Iterator[Band]:
    by_name = {bar.step.name: bar for bar in bars}
    lift, users = by_name.get(UNTIL), by_name.get(USERS_FROM)
    if lift is not None and lift.undo is not None:
        until_s = users.undo[1] if users is not None and users.undo is not None else None
        yield Band(kind="users", words="users see the maintenance page again", at_s=lift.undo[0], until_s=until_s)


def _chart(title: str, bars: Sequence[Bar], bands: Sequence[Band], lifted_s: float | None) -> Markup:
    if not bars:
        return Markup("")
    span_s = max(max(bar.end_s for bar in bars), 1.0)
    scale = PLOT / span_s
    top = TOP + 16 * len(bands)
    height = top + ROW * len(bars) + BOTTOM
    parts = [tag("title", title), *_axis(span_s, scale, top, height)]
    parts += [_band(band, scale, 16 + 16 * i, height) for i, band in enumerate(bands)]
    parts += [part for i, bar in enumerate(bars) for part in _row(bar, scale, top + ROW * i)]
    parts += [_moment(lifted_s, scale, len(bars), top)] if lifted_s is not None else []
    return tag(
        "svg", *parts, viewBox=f"0 0 {WIDTH} {height}", role="img", aria_label=title, xmlns="http://www.w3.org/2000/svg"
    )


def _axis(span_s: float, scale: float, top: float, height: float) -> Iterator[Markup]:
    every = next((t for t in TICKS_S if span_s / t <= MOST_TICKS), TICKS_S[-1])
    for number in range(int(span_s // every) + 1):
        x = LABELS + number * every * scale
        yield tag("line", x1=x, x2=x, y1=top - 4, y2=height - BOTTOM + 4, class_="grid")
        yield tag("text", _tick(number * every), x=x, y=height - BOTTOM + 20, class_="tick", text_anchor="middle")


def _tick(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d}" if minutes else f"{hours} h"
    return f"{minutes}:{rest:02d} min" if rest else f"{minutes} min"


def _band(band: Band, scale: float, y: float, height: float) -> Markup:
    x = LABELS + band.at_s * scale
    # What ended after the chart's last step is drawn to the edge; the words tell how long it was.
    end = LABELS + PLOT if band.until_s is None else min(LABELS + PLOT, LABELS + band.until_s * scale)
    width = max(LEAST, end - x)
    lasted = "still" if band.until_s is None else duration(band.until_s - band.at_s)
    anchor, at = ("end", x + width) if x - LABELS > PLOT * 0.6 else ("start", x)
    return joined(
        tag("rect", x=x, y=y, width=width, height=height - BOTTOM - y, class_=f"band {band.kind}"),
        tag("text", f"{band.words}: {lasted}", x=at, y=y - 4, class_="bandlabel", text_anchor=anchor),
    )


def _row(bar: Bar, scale: float, y: float) -> Iterator[Markup]:
    step = bar.step
    yield tag("text", step.name, x=LABELS - 10, y=y + 18, class_="label", text_anchor="end")
    for stretch, kind, offset, thick in (
        (bar.planned, "planned", 4, 9),
        (bar.actual, f"actual {step.state.value}", 14, 10),
        (bar.undo, "undo", 14, 10),
    ):
        if stretch is not None:
            x, width = LABELS + stretch[0] * scale, max(LEAST, (stretch[1] - stretch[0]) * scale)
            said = f"{step.name}, {kind.split()[0]}: {duration(stretch[1] - stretch[0])}"
            yield tag(
                "g", tag("title", said), tag("rect", x=x, y=y + offset, width=width, height=thick, rx=2, class_=kind)
            )
    figures = f"{duration(step.actual_s)} of {duration(step.estimated_s)}"
    if bar.undo is not None:
        figures = duration(step.undo_s)
    yield tag("text", figures, x=WIDTH, y=y + 18, class_="figure", text_anchor="end")


def _moment(at_s: float, scale: float, rows: int, top: float) -> Markup:
    """A line across all rows, its words above them, on the side where there is room."""
    x = LABELS + at_s * scale
    anchor, at = ("end", x - 6) if x - LABELS > PLOT * 0.3 else ("start", x + 6)
    return joined(
        tag("line", x1=x, x2=x, y1=top - 18, y2=top + ROW * rows + 4, class_="lift"),
        tag("text", POINT_OF_NO_RETURN, x=at, y=top - 6, class_="liftlabel", text_anchor=anchor),
    )
