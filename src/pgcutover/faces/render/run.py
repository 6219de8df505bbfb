"""A run while it is under way and after it: where it stands, what it took, what is proved, what to do next.

Everything is read from one RunSummary; nothing is counted here that the summary does not say.
"""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from pgcutover.faces.figures import NONE, count, counted, duration, listed, moment, rate, size
from pgcutover.faces.outages import DATABASE_FROM, USERS_FROM, planned_outage, spoken
from pgcutover.faces.render.parts import facts, heading, line, lines, row, state, table
from pgcutover.faces.render.plan import DIGEST_DIGITS, POINT_OF_NO_RETURN
from pgcutover.running.state import StepState
from pgcutover.steps.history import Outcome, RunSummary, StepSummary, TableProof

ON_TARGET = frozenset({Outcome.LIFTED, Outcome.MOVED, Outcome.RETIRED})
OPEN_AGAIN = ON_TARGET | {Outcome.RETURNED}
CHANGED = frozenset({StepState.DONE, StepState.DOING, StepState.FAILED, StepState.UNDOING})
VERDICTS = {True: "equal", False: "DIFFERENT", None: "could not verify"}
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
        parts += [Text(), *_salvaged(summary)]
    if summary.people:
        parts += [Text(), heading("Who"), lines(summary.people)]
    return Group(*parts, *_next(summary))


def comparison(tables: Sequence[TableProof], differences: Sequence[str] = ()) -> RenderableType:
    """Every table compared, those that are not equal first, and the definitions that differ."""
    parts: list[RenderableType] = [heading("Tables"), *_compared(tables), Text(proof_sentence(tables))]
    parts += [Text(), heading("Definitions")]
    if differences:
        parts += [Text(f"{counted(len(differences), 'difference')}:", style="bold red"), lines(differences)]
    else:
        parts.append(Text("equal", style="green"))
    return Group(*parts)


def proof_sentence(tables: Sequence[TableProof]) -> str:
    """12 tables equal; 1 different; 1 could not be verified."""
    if not tables:
        return "nothing has been compared yet"
    found = {verdict: sum(t.equal is verdict for t in tables) for verdict in VERDICTS}
    words = [f"{counted(found[True], 'table')} equal"]
    words += [f"{found[False]} different"] if found[False] else []
    words += [f"{found[None]} could not be verified"] if found[None] else []
    return "; ".join(words)


def standing(summary: RunSummary) -> Iterator[str]:
    """Who runs on which database, and what is still there, one sentence each."""
    decisions, states = summary.plan.decisions, {s.name: s.state for s in summary.steps}
    source, target = decisions.source, decisions.target
    new = f"{target.instance} ({target.region}), database {target.database}"
    for app in decisions.apps:
        named = listed([move.variable for move in app.moves.variables], "no variable")
        if states.get("switch") is StepState.DONE:
            yield f"{app.moves.app}: {named} set to the new database, {new}"
        else:
            yield f"{app.moves.app}: {named} as before the move, {source.addon}"
    if summary.outcome not in OPEN_AGAIN and states.get(USERS_FROM) in CHANGED:
        yield "the application is closed: users see the maintenance page"
    if states.get(DATABASE_FROM) is StepState.DONE:
        yield f"{source.addon} is fenced: it takes no writes until rollback or retire; it is still there and billed"
    elif states.get(DATABASE_FROM) in CHANGED:
        yield f"{source.addon} may be fenced in part: run the same command again, or roll back"
    if any(s.state in CHANGED and s.phase == "prepare" for s in summary.steps):
        yield f"{target.instance} stays: no command but destroy --target deletes it"


def _headline(summary: RunSummary) -> RenderableType:
    run = f", run {summary.run}" if summary.run else ""
    return heading(f"{summary.environment}: {summary.phrase}", f"plan {summary.plan.digest[:DIGEST_DIGITS]}{run}")


def _about(summary: RunSummary) -> Iterator[tuple[str, str]]:
    yield "Opened", moment(summary.opened_at)
    if summary.ended_at:
        yield "Ended", moment(summary.ended_at)
    if summary.outage.users_s is not None or summary.outage.database_s is not None:
        yield from _outages(summary)
    for sentence in summary.people:
        yield "Who", sentence


def _outages(summary: RunSummary) -> Iterator[tuple[str, str]]:
    estimates = {s.name: s.estimated_s for s in summary.steps if s.estimated_s is not None}
    for label, actual, since in (
        ("Users waited", summary.outage.users_s, USERS_FROM),
        ("No writes", summary.outage.database_s, DATABASE_FROM),
    ):
        yield label, f"{duration(actual)} (planned: {spoken(planned_outage(summary.plan, estimates, since=since))})"


def _figures(summary: RunSummary) -> Iterator[tuple[str, str]]:
    yield from _outages(summary)
    copy_s = next((s.actual_s for s in summary.steps if s.name == "copy"), None)
    if summary.rows or summary.bytes:
        speed = rate(summary.bytes, copy_s)
        yield "Copied", f"{count(summary.rows)} rows, {size(summary.bytes)} in {duration(copy_s)} ({speed})"


def _steps(summary: RunSummary) -> Iterator[RenderableType]:
    before, after = summary.steps[: summary.plan.lift], summary.steps[summary.plan.lift :]
    yield _table(before, 0)
    yield line(POINT_OF_NO_RETURN)
    yield _table(after, len(before))


def _table(steps: Sequence[StepSummary], first: int) -> RenderableType:
    made = table("#", "step", "state", "planned", "actual", "found", right=("#", "planned", "actual"))
    made.expand = True
    for column, width in zip(made.columns, (3, 18, 8, 12, 12), strict=False):
        column.width = width
    made.columns[5].ratio = 1
    for number, step in enumerate(steps, start=first + 1):
        undone = f"undone in {duration(step.undo_s)}" if step.undo_s is not None else ""
        said = "; ".join(filter(None, (step.error, step.detail, undone))) or NONE
        times = duration(step.estimated_s), duration(step.actual_s)
        row(made, str(number), step.name, state(step.state), *times, said)
    return made


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


def _salvaged(summary: RunSummary) -> Iterator[RenderableType]:
    yield heading("Left on the new database, exported", summary.salvage_directory)
    made = table("table", "inserted", "updated", "deleted", right=("inserted", "updated", "deleted"))
    for found in summary.salvaged:
        row(made, found.table, count(found.inserted), count(found.updated), count(found.deleted))
    yield made


def _next(summary: RunSummary) -> Iterator[RenderableType]:
    if summary.next:
        yield Text()
        yield heading("Next")
        yield lines(summary.next, bullet="  ")
