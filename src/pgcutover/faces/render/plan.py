"""A plan before it is run: what will be done, in which order, how long it takes, and where the way back ends."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pgcutover.faces.figures import duration, moment
from pgcutover.faces.render.parts import facts, heading, line, lines, row, table
from pgcutover.faces.wording import ABOVE, BELOW, DIGEST_DIGITS, PHASES, POINT_OF_NO_RETURN, plan_facts
from pgcutover.planning.plan import Plan, PlannedStep

NUMBER_WIDTH, NAME_WIDTH, TIME_WIDTH = 3, 18, 12


def plan_table(plan: Plan, estimates: Mapping[str, float]) -> RenderableType:
    """The whole plan. `estimates` gives seconds by step name; what it does not name shows as unknown."""
    parts: list[RenderableType] = [_title(plan), Text(), facts(plan_facts(plan, estimates)), Text()]
    parts.extend(_phases(plan, estimates))
    if plan.advice:
        parts += [Text(), heading("Before you start"), lines(f"{a.what}. {a.hint}".strip() for a in plan.advice)]
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
    yield _steps((), estimates, head=True)
    for phase, group in groupby(enumerate(plan.steps), key=lambda pair: pair[1].phase):
        steps = list(group)
        yield heading(*PHASES[phase])
        before = [(n, s) for n, s in steps if n < plan.lift]
        after = [(n, s) for n, s in steps if n >= plan.lift]
        if before:
            yield _steps(before, estimates)
        if after and after[0][0] == plan.lift:
            yield point_of_no_return()
        if after:
            yield _steps(after, estimates)


def _steps(steps: Sequence[tuple[int, PlannedStep]], estimates: Mapping[str, float], *, head: bool = False) -> Table:
    made = table("#", "step", "planned", "what it does, and how to undo it by hand", right=("#", "planned"), head=head)
    made.expand = True
    for column, width in zip(made.columns, (NUMBER_WIDTH, NAME_WIDTH, TIME_WIDTH), strict=False):
        column.width = width
    made.columns[3].ratio = 1
    for number, step in steps:
        text = Text.assemble(step.title, ("\nundo: ", "dim"), (step.by_hand, "dim"))
        row(made, str(number + 1), step.name, duration(estimates.get(step.name)), text)
    return made


def _centred(words: str) -> Text:
    return Text(words, justify="center", style="dim")
