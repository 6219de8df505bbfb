"""A run while it is under way and after it: where it stands, what it took, what is proved, what to do next.

Everything is read from one RunSummary; nothing is counted here that the summary does not say.
"""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from pgcutover.faces.figures import NONE, count, duration, moment
from pgcutover.faces.render.parts import aligned, facts, heading, line, lines, row, state, table
from pgcutover.faces.wording import (
    DIGEST_DIGITS,
    POINT_OF_NO_RETURN,
    VERDICTS,
    copied_sentence,
    outage_sentences,
    proof_sentence,
    standing,
)
from pgcutover.steps.history import RunSummary, Salvaged, StepSummary, TableProof

Cells = tuple[str | Text, ...]
VERDICT_STYLES = {True: "green", False: "bold red", None: "bold yellow"}


def status(summary: RunSummary) -> RenderableType:
    """Where a run stands, step by step, and what to type next."""
    parts: list[RenderableType] = [_headline(summary), Text(), facts(_about(summary)), Text()]
    parts += [*_steps(summary), *_next(summary)]
    return Group(*parts)


def closing(summary: RunSummary) -> RenderableType:
    """The story of a run that ended: planned against actual, outages, proof, what changed, what was salvaged."""
    parts: list[RenderableType] = [_headline(summary), Text(), *_steps(summary), Text(), facts(_figures(summary))]
    parts += [Text(), heading("Proof"), *_proof(summary.proof), Text(), heading("How things stand")]
    parts.append(lines(standing(summary)))
    if summary.salvaged:
        parts += [Text(), *salvaged(summary.salvaged, summary.salvage_directory)]
    if summary.salvage_doubts:
        parts += [Text(), lines(summary.salvage_doubts, bullet="! ")]
    if summary.stopped:
        parts += [Text(), heading("Stopped for the move, to be started again by hand"), lines(summary.stopped)]
    if summary.people:
        parts += [Text(), heading("Who"), lines(summary.people)]
    return Group(*parts, *_next(summary))


def _headline(summary: RunSummary) -> RenderableType:
    return heading(f"{summary.environment}: {summary.phrase}")


def _about(summary: RunSummary) -> Iterator[tuple[str, str]]:
    run = f", run {summary.run}" if summary.run else ", not run yet"
    yield "Plan", f"{summary.plan.digest[:DIGEST_DIGITS]}{run}"
    if summary.at_work:
        yield "At work", f"{summary.at_work}, now"
    if summary.opened_at:
        yield "Opened", moment(summary.opened_at)
    if summary.ended_at:
        yield "Ended", moment(summary.ended_at)
    if summary.outage.users_s is not None or summary.outage.database_s is not None:
        yield from outage_sentences(summary)
    for number, sentence in enumerate(summary.people):
        yield "" if number else "Who", sentence


def _figures(summary: RunSummary) -> Iterator[tuple[str, str]]:
    yield from outage_sentences(summary)
    if copied := copied_sentence(summary):
        yield "Copied", copied


def _steps(summary: RunSummary) -> Iterator[RenderableType]:
    rows = [_cells(number, step) for number, step in enumerate(summary.steps, start=1)]
    yield _table(rows[: summary.plan.lift], rows)
    yield line(POINT_OF_NO_RETURN)
    yield _table(rows[summary.plan.lift :], rows, head=False)


def _table(shown: Sequence[Cells], rows: Sequence[Cells], *, head: bool = True) -> RenderableType:
    made = table("#", "step", "state", "planned", "actual", "found", right=("#", "planned", "actual"), head=head)
    for cells in shown:
        row(made, *cells)
    return aligned(made, rows)


def _cells(number: int, step: StepSummary) -> Cells:
    undone = f"undone in {duration(step.undo_s)}" if step.undo_s is not None else ""
    said = "; ".join(filter(None, (step.error, step.detail, undone))) or NONE
    return str(number), step.name, state(step.state), duration(step.estimated_s), duration(step.actual_s), said


def _proof(tables: Sequence[TableProof]) -> Iterator[RenderableType]:
    yield Text(proof_sentence(tables), style="green" if tables and all(t.equal for t in tables) else "bold yellow")
    wrong = [t for t in tables if t.equal is not True]
    if wrong:
        yield from _compared(wrong)


def _compared(tables: Sequence[TableProof]) -> Iterator[RenderableType]:
    made = table("table", "source rows", "target rows", "verdict", right=("source rows", "target rows"))
    order = {False: 0, None: 1, True: 2}
    for proof in sorted(tables, key=lambda t: (order[t.equal], t.table)):
        verdict = Text(VERDICTS[proof.equal], style=VERDICT_STYLES[proof.equal])
        row(made, proof.table, count(proof.source_rows), count(proof.target_rows), verdict)
    yield made


def salvaged(tables: Sequence[Salvaged], directory: str) -> Iterator[RenderableType]:
    """What going back left on the new database, table by table, and where it was exported to."""
    yield heading("Left on the new database, exported", directory)
    made = table("table", "inserted", "updated", "deleted", right=("inserted", "updated", "deleted"))
    for found in tables:
        row(made, found.table, count(found.inserted), count(found.updated), count(found.deleted))
    yield made


def _next(summary: RunSummary) -> Iterator[RenderableType]:
    if summary.next:
        yield Text()
        yield heading("Next")
        yield lines(summary.next, bullet="  ")
