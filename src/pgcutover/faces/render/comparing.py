"""What `verify` found: the verdict first, then what differs down to the rows, then everything that was compared."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from pgcutover.app.comparison import ComparedTable, Comparison, DifferingRow
from pgcutover.faces.figures import NONE, count, duration, size
from pgcutover.faces.render.parts import heading, lines, row, table
from pgcutover.faces.wording import VERDICTS, proof_sentence

STYLES = {0: "green", 1: "yellow"}
VERDICT_STYLES = {True: "green", False: "bold red", None: "bold yellow"}
KINDS = {"missing": "missing on the target", "extra": "extra on the target", "different": "different"}


def comparison(found: Comparison) -> RenderableType:
    """Every sentence of a comparison."""
    style = STYLES.get(found.exit_code, "bold red")
    verdict = Text.assemble((found.verdict.upper(), style), f": {found.says} (exit code {found.exit_code})")
    parts: list[RenderableType] = [verdict]
    for title, sentences in (
        ("Could not be verified", found.unchecked),
        ("Definitions that differ", found.definitions),
        ("Sequences that are behind", found.sequences_behind),
        ("Warnings", found.warnings),
        ("Expected differences", found.expected),
        ("Notes", found.notes),
    ):
        if sentences:
            parts += [Text(), heading(title), lines(sentences)]
    for differing in (t for t in found.tables if t.missing is not None or t.rows_error):
        parts += [Text(), *_rows(differing)]
    if found.tables:
        parts += [Text(), heading("Tables", proof_sentence(found.tables)), _tables(found.tables)]
        parts += [Text(), Text(_spent(found))]
    return Group(*parts)


def _rows(found: ComparedTable) -> Iterator[RenderableType]:
    if found.rows_error:
        yield heading(f"Rows of {found.table}", f"could not be told apart: {found.rows_error}")
        return
    counts = f"{count(found.missing)} missing, {count(found.extra)} extra, {count(found.different)} different"
    yield heading(f"Rows of {found.table}", counts)
    named = [sentence for sentence in map(_row, found.rows) if sentence]
    if named:
        yield lines(named)
        unnamed = sum(n or 0 for n in (found.missing, found.extra, found.different)) - len(found.rows)
        if unnamed > 0:
            yield Text(f"  and {count(unnamed)} more")


def _row(differing: DifferingRow) -> str:
    """Rows without a key are only counted: there is nothing to call them by."""
    if not differing.key:
        return ""
    columns = f" in {', '.join(differing.columns)}" if differing.columns else ""
    return f"{differing.key}: {KINDS[differing.kind]}{columns}"


def _tables(tables: Sequence[ComparedTable]) -> RenderableType:
    numbers = ("source rows", "target rows", "ranges", "source", "target")
    made = table("table", *numbers, "verdict", right=numbers)
    order = {False: 0, None: 1, True: 2}
    for one in sorted(tables, key=lambda t: (order[t.equal], t.table)):
        row(
            made,
            one.table,
            count(one.source_rows),
            count(one.target_rows),
            f"{one.differing_ranges}/{one.key_ranges}" if one.differing_ranges else str(one.key_ranges),
            duration(one.source_cost.seconds) if one.source_cost else NONE,
            duration(one.target_cost.seconds) if one.target_cost else NONE,
            Text(VERDICTS[one.equal], style=VERDICT_STYLES[one.equal]),
        )
    return made


def _spent(found: Comparison) -> str:
    costs = {
        "source": [t.source_cost for t in found.tables if t.source_cost],
        "target": [t.target_cost for t in found.tables if t.target_cost],
    }
    each = (
        f"the {side} {size(sum(c.bytes for c in spent))} in {duration(sum(c.seconds for c in spent))} of its sessions"
        for side, spent in costs.items()
    )
    return f"Compared in {duration(found.seconds)}; read of {' and of '.join(each)}."
