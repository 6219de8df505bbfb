"""The timeline: each step planned (outline) against actual (filled), as inline SVG.

Two charts, because days lie between `prepare` and the fence. In the first only work counts; in the second the wall
clock does, for that is what users felt: the hours of a stop are drawn as they were.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pgcutover.faces.figures import duration
from pgcutover.faces.outages import DATABASE_FROM, UNTIL, USERS_FROM
from pgcutover.faces.report.markup import Markup, joined, tag
from pgcutover.faces.wording import POINT_OF_NO_RETURN
from pgcutover.running.state import StepState
from pgcutover.steps.history import RunSummary, StepSummary

WIDTH, LABELS, FIGURES = 960, 170, 190
PLOT = WIDTH - LABELS - FIGURES
ROW, TOP, BOTTOM = 30, 34, 26
LEAST = 2.5
"""A step of milliseconds must still be seen."""
MOST_TICKS = 8
LIFTED = frozenset({StepState.DONE, StepState.UNDOING, StepState.UNDONE})
TICKS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A step's stretches in seconds from the chart's left edge; None where there is none."""

    step: StepSummary
    planned: tuple[float, float] | None
    actual: tuple[float, float] | None
    undo: tuple[float, float] | None

    @property
    def end_s(self) -> float:
        return max((stretch[1] for stretch in (self.planned, self.actual, self.undo) if stretch), default=0.0)


def preparation(summary: RunSummary) -> Markup:
    """The steps of days ahead, one after another, without the pauses between them."""
    steps = [s for s in summary.steps if s.phase == "prepare"]
    bars, planned_s, actual_s = [], 0.0, 0.0
    for step in steps:
        planned = (planned_s, planned_s + step.estimated_s) if step.estimated_s is not None else None
        actual = (actual_s, actual_s + step.actual_s) if step.actual_s is not None else None
        planned_s, actual_s = planned_s + (step.estimated_s or 0.0), actual_s + (step.actual_s or 0.0)
        bars.append(Bar(step=step, planned=planned, actual=actual, undo=None))
    return _chart("Preparation, planned against actual", bars, (), None) if bars else Markup("")


def move(summary: RunSummary) -> Markup:
    """From the first closed door to the last step, by the wall clock."""
    steps = [s for s in summary.steps if s.phase != "prepare"]
    begun = min((s.started_at for s in steps if s.started_at), default=None)
    bars, planned_s = [], 0.0
    for step in steps:
        planned = (planned_s, planned_s + step.estimated_s) if step.estimated_s is not None else None
        planned_s += step.estimated_s or 0.0
        bars.append(Bar(step=step, planned=planned, actual=_actual(step, begun), undo=_undo(step, begun)))
    if not bars:
        return Markup("")
    return _chart("The move, planned against actual", bars, tuple(_bands(bars)), _returns_no_more(bars))


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Something that lasted, over all rows; `until_s` is None when it had no end yet."""

    kind: str
    words: str
    at_s: float
    until_s: float | None


def _actual(step: StepSummary, begun: datetime | None) -> tuple[float, float] | None:
    if step.started_at is None or begun is None:
        return None
    start = (step.started_at - begun).total_seconds()
    undone = step.undo_s is not None
    end = (step.ended_at - begun).total_seconds() if step.ended_at and not undone else start + (step.actual_s or 0.0)
    return start, max(start, end)


def _undo(step: StepSummary, begun: datetime | None) -> tuple[float, float] | None:
    if step.undo_s is None or step.ended_at is None or begun is None:
        return None
    end = (step.ended_at - begun).total_seconds()
    return max(0.0, end - step.undo_s), end


def _bands(bars: Sequence[Bar]) -> Iterator[Band]:
    by_name = {bar.step.name: bar for bar in bars}
    lift = by_name.get(UNTIL)
    for name, kind, words in (
        (USERS_FROM, "users", "users see the maintenance page"),
        (DATABASE_FROM, "fence", "no database takes writes"),
    ):
        bar = by_name.get(name)
        if bar is None or bar.actual is None:
            continue
        yield Band(kind=kind, words=words, at_s=bar.actual[0], until_s=_opened(bar, lift))
        if kind == "users" and lift is not None and lift.undo is not None:
            until_s = bar.undo[1] if bar.undo else None
            yield Band(kind=kind, words=f"{words} again", at_s=lift.undo[0], until_s=until_s)


def _opened(closed: Bar, lift: Bar | None) -> float | None:
    """When the application was open again: after the lift, after the undoing, or not yet."""
    if lift is not None and lift.actual is not None and lift.step.state in LIFTED:
        return lift.actual[1]
    return closed.undo[1] if closed.undo is not None else None


def _returns_no_more(bars: Sequence[Bar]) -> float | None:
    """Where the point of no return was passed."""
    return next((bar.actual[0] for bar in bars if bar.step.name == UNTIL and bar.actual), None)


def _chart(title: str, bars: Sequence[Bar], bands: Sequence[Band], lifted_s: float | None) -> Markup:
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
    end = LABELS + PLOT if band.until_s is None else LABELS + band.until_s * scale
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
    yield tag("text", figures, x=WIDTH, y=y + 18, class_="figure", text_anchor="end")


def _moment(at_s: float, scale: float, rows: int, top: float) -> Markup:
    """A line across all rows, its words in the last of them, on the side where there is room."""
    x = LABELS + at_s * scale
    y1, y2 = top - 6, top + ROW * rows + 4
    anchor, at = ("end", x - 6) if x - LABELS > PLOT * 0.3 else ("start", x + 6)
    return joined(
        tag("line", x1=x, x2=x, y1=y1, y2=y2, class_="lift"),
        tag("text", POINT_OF_NO_RETURN, x=at, y=y2 - 6, class_="liftlabel", text_anchor=anchor),
    )
