"""A plan before it is run: what will be done, in which order, how long it takes, and where the way back ends."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pgcutover.faces.figures import duration, moment
from pgcutover.faces.render.parts import aligned, facts, heading, line, lines, row, table
from pgcutover.faces.wording import (
    ABOVE,
    BELOW,
    DIGEST_DIGITS,
    PHASES,
    POINT_OF_NO_RETURN,
    drill_heading,
    drill_sentences,
    plan_facts,
    undo_sentence,
)
from pgcutover.planning.plan import Plan, PlannedStep

Cells = tuple[str | Text, ...]


def plan_table(plan: Plan, estimates: Mapping[str, float]) -> RenderableType:
    """The whole plan. `estimates` gives seconds by step name; what it does not name shows as unknown."""
    parts: list[RenderableType] = [_title(plan), Text(), facts(plan_facts(plan, estimates)), Text()]
    parts.extend(_phases(plan, estimates))
    if plan.advice:
        parts += [Text(), heading("Before you start"), lines(f"{a.what}. {a.hint}".strip() for a in plan.advice)]
    for drill in plan.drills:
        parts += [Text(), heading(*drill_heading(drill)), lines(drill_sentences(drill))]
    return Group(*parts)


def dry_run(plan: Plan, *, phases: Collection[str] | None = None) -> RenderableType:
    """The calls that each step would make, of some phases or of all. Nothing has been touched."""
    parts: list[RenderableType] = [_title(plan), Text("Dry run: these calls would be made. Nothing has been touched.")]
    for number, step in enumerate(plan.steps):
        if phases is not None and step.phase not in phases:
            continue
        if number == plan.lift:
            parts += [Text(), point_of_no_return()]
        parts += [Text(), heading(f"{number + 1}. {step.name}", step.title)]
        parts.append(lines(step.calls or ("no call to the outside",), bullet="   "))
    return Group(*parts)


def point_of_no_return() -> RenderableType:
    return Group(Text(ABOVE, justify="center", style="dim"), line(POINT_OF_NO_RETURN), _centred(BELOW))


def _title(plan: Plan) -> Text:
    made = f"made {moment(plan.created_at)} by {plan.made_by}"
    return heading(f"Plan {plan.digest[:DIGEST_DIGITS]} for environment {plan.decisions.environment}", made)


def _phases(plan: Plan, estimates: Mapping[str, float]) -> Iterator[RenderableType]:
    rows = [_cells(number, step, estimates) for number, step in enumerate(plan.steps, start=1)]
    yield _steps((), rows, head=True)
    for phase, group in groupby(enumerate(plan.steps), key=lambda pair: pair[1].phase):
        numbers = [number for number, _ in group]
        yield heading(*PHASES[phase])
        if numbers[0] < plan.lift:
            yield _steps([rows[n] for n in numbers if n < plan.lift], rows)
        if plan.lift in numbers:
            yield point_of_no_return()
        if numbers[-1] >= plan.lift:
            yield _steps([rows[n] for n in numbers if n >= plan.lift], rows)


def _steps(shown: Sequence[Cells], rows: Sequence[Cells], *, head: bool = False) -> Table:
    made = table("#", "step", "planned", "what it does, and how to undo it by hand", right=("#", "planned"), head=head)
    for cells in shown:
        row(made, *cells)
    return aligned(made, rows)


def _cells(number: int, step: PlannedStep, estimates: Mapping[str, float]) -> Cells:
    text = Text.assemble(step.title, (f"\n{undo_sentence(step.by_hand, 'undo')}", "dim"))
    return str(number), step.name, duration(estimates.get(step.name)), text


def _centred(words: str) -> Text:
    return Text(words, justify="center", style="dim")
