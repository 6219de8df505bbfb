"""Going back and clearing up: what would be undone, what was, what is gone, what stays."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from rich.console import Group, RenderableType
from rich.text import Text

from pgcutover.faces.render.parts import facts, heading, lines
from pgcutover.faces.render.run import closing
from pgcutover.faces.wording import DIGEST_DIGITS
from pgcutover.running.state import MAY_HAVE_TOUCHED, StepState
from pgcutover.steps.history import RunSummary

if TYPE_CHECKING:
    from pgcutover.app.cutover import Code, Retired

AS_BEFORE = "Heroku is as it was before: maintenance, formation, attachments and config vars are the same."


class Cleared(Protocol):
    """What a command took away and what it left, in words."""

    @property
    def removed(self) -> tuple[str, ...]: ...
    @property
    def kept(self) -> tuple[str, ...]: ...


def undo_plan(summary: RunSummary) -> RenderableType:
    """What rollback would undo, newest first, and what it would leave."""
    keeping = {step.name for step in summary.plan.steps if step.keeps_target}
    touched = [step for step in reversed(summary.steps) if step.state in MAY_HAVE_TOUCHED]
    undone = [f"{s.name}: {s.title} (by hand: {s.by_hand})" for s in touched if s.name not in keeping]
    left = [f"{s.name}: {s.title}" for s in touched if s.name in keeping]
    parts: list[RenderableType] = [Text("Dry run: nothing has been touched."), Text(), heading("Would be undone")]
    parts.append(lines(undone or ["nothing: no step has touched anything"]))
    if left:
        parts += [Text(), heading("Would stay, for a rollback never deletes a database"), lines(left)]
    if any(s.name == "lift" and s.state is StepState.DONE for s in summary.steps):
        parts += [Text(), Text("Rows that only the new database has stay there, and are exported and counted.")]
    return Group(*parts)


def returned(summary: RunSummary, left: Sequence[str]) -> RenderableType:
    """The end of a rollback. `left` says where Heroku differs from before, one line each."""
    parts: list[RenderableType] = [closing(summary), Text(), heading("Before and after")]
    if left:
        parts += [Text("Heroku differs from before:", style="bold red"), lines(left)]
    else:
        parts.append(Text(AS_BEFORE, style="green"))
    return Group(*parts)


def retired(done: "Retired") -> RenderableType:
    """What retire removed and kept, and what a person may destroy now."""
    return Group(*_cleared(done), Text(), heading("May be destroyed now, by you"), lines(done.may_destroy, bullet="  "))


def destroyed(done: Cleared) -> RenderableType:
    return Group(*_cleared(done))


def code(shown: "Code") -> RenderableType:
    """What a colleague reads out, and for which plan."""
    plan = shown.plan
    pairs = [
        ("Plan", f"{plan.digest[:DIGEST_DIGITS]} for environment {plan.decisions.environment}, made by {plan.made_by}"),
        ("Name:code", f"{shown.name}:{shown.code}"),
    ]
    return Group(facts(pairs), Text("Read the plan before you give the code: it says that you have."))


def _cleared(done: Cleared) -> Sequence[RenderableType]:
    return (heading("Removed"), lines(done.removed or ("nothing",)), Text(), heading("Kept"), lines(done.kept))
