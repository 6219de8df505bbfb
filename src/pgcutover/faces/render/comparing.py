"""What `verify` found: the verdict first, then what differs down to the rows, then everything that was compared; and
where that was long, the verdict once more at the end, where a terminal leaves the eye.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from pgcutover.app.compared import (
    ComparedDatabase,
    ComparedTable,
    Comparison,
    DifferingDefinition,
    DifferingRow,
    SequenceBehind,
)
from pgcutover.faces.figures import NONE, count, duration, size
from pgcutover.faces.render.parts import heading, row, table
from pgcutover.faces.render.textdiff import differing_lines
from pgcutover.faces.wording import VERDICTS, proof_sentence

STYLES = {0: "green", 1: "yellow"}
VERDICT_STYLES = {True: "green", False: "bold red", None: "bold yellow"}
KINDS = {"missing": "missing on the target", "extra": "extra on the target", "different": "different"}
FEW_LINES = 3
"""Of what was found; the verdict above more is said again below."""
ALWAYS = ("table", "source rows", "target rows", "verdict")
# From the widest to the narrowest: what is left out is in --json.
COLUMNS = (
    ("table", "source rows", "target rows", "ranges", "source", "target", "verdict"),
    ("table", "source rows", "target rows", "ranges", "verdict"),
    ALWAYS,
)


def comparison(found: Comparison) -> RenderableType:
    """Every sentence of a comparison."""
    style = STYLES.get(found.exit_code, "bold red")
    verdict = Text.assemble((found.verdict.upper(), style), f": {found.says} (exit code {found.exit_code})")
    parts: list[RenderableType] = [verdict, *_databases(found), *_sections(found)]
    for differing in (t for t in found.tables if t.missing is not None or t.rows_error):
        parts += [Text(), *_rows(differing)]
    if found.tables:
        parts += [Text(), heading("Tables", proof_sentence(found.tables)), _Tables(found.tables)]
        parts += [Text(), Text(_spent(found))]
    if _long(found):
        parts += [Text(), verdict]
    parts += [Text.assemble(("next: ", "bold"), sentence) for sentence in found.next]
    return Group(*parts)


def _long(found: Comparison) -> bool:
    told = (found.unchecked, found.definitions, found.sequences_behind, found.warnings, found.expected, found.notes)
    return sum(map(len, told)) + sum(1 + len(table.rows) for table in found.tables) > FEW_LINES


def _databases(found: Comparison) -> Iterator[Text]:
    for label, database in (("Source", found.source), ("Target", found.target)):
        if database is not None:
            yield Text.assemble((f"{label}  ", "bold"), _database(database))


def _database(compared: ComparedDatabase) -> str:
    version = f"PostgreSQL {compared.server_version}" if compared.server_version else "nobody could log in"
    return f"{compared.host}:{compared.port}/{compared.database} as {compared.user}, {version}"


def _sections(found: Comparison) -> Iterator[RenderableType]:
    texts = {definition.says: definition for definition in found.definition_texts}
    for title, sentences in (
        ("Could not be verified", found.unchecked),
        ("Definitions that differ", found.definitions),
        ("Sequences that are behind", _behind(found)),
        ("Warnings", found.warnings),
        ("Expected differences", found.expected),
        ("Notes", found.notes),
    ):
        if sentences:
            yield Text()
            yield heading(title)
            yield from _told(sentences, texts)


def _told(sentences: Iterable[str], texts: Mapping[str, DifferingDefinition]) -> Iterator[RenderableType]:
    """Each with a bullet; a definition of many lines as those of its lines that differ."""
    for sentence in sentences:
        of = texts.get(sentence)
        differing = differing_lines(of.source or "", of.target or "") if of and _on_both(of) else []
        if of and differing:
            why = f" ({of.reason})" if of.reason else ""
            yield _Hanging(f"{of.name} differs{why}:")
            yield from differing
        else:
            yield _Hanging(sentence)


def _on_both(definition: DifferingDefinition) -> bool:
    return definition.source is not None and definition.target is not None


def _behind(found: Comparison) -> list[str]:
    values = {sequence.sequence: sequence for sequence in found.sequences}
    return [_sequence(values[name]) if name in values else name for name in found.sequences_behind]


def _sequence(behind: SequenceBehind) -> str:
    source = _value(behind.source_last_value, called=behind.source_is_called)
    target = _value(behind.target_last_value, called=behind.target_is_called)
    return f"{behind.sequence}: {source} on the source, {target} on the target; to mend it there:\n{behind.setval}"


def _value(last: int, *, called: bool) -> str:
    return str(last) if called else f"{last} (not handed out yet)"


def _rows(found: ComparedTable) -> Iterator[RenderableType]:
    if found.rows_error:
        yield heading(f"Rows of {found.table}", f"could not be told apart: {found.rows_error}")
        return
    counts = f"{count(found.missing)} missing, {count(found.extra)} extra, {count(found.different)} different"
    yield heading(f"Rows of {found.table}", counts)
    if found.rows_unnamed:
        yield Text(f"  {found.rows_unnamed}")
    named = [sentence for sentence in map(_row, found.rows) if sentence]
    if named:
        yield from map(_Hanging, named)
        unnamed = sum(n or 0 for n in (found.missing, found.extra, found.different)) - len(found.rows)
        if unnamed > 0:
            yield Text(f"  and {count(unnamed)} more")


def _row(differing: DifferingRow) -> str:
    """Rows without a key are only counted: there is nothing to call them by."""
    if not differing.key:
        return ""
    columns = f" in {', '.join(differing.columns)}" if differing.columns else ""
    return f"{differing.key}: {KINDS[differing.kind]}{columns}"


@dataclass(frozen=True, slots=True)
class _Hanging:
    """A sentence with a bullet, its later lines below its first word. Not a grid, which fills every line with blanks:
    one sentence may be a hundred times as long as the next.
    """

    sentence: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        bullet = "- "
        for line in Text(self.sentence).wrap(console, options.max_width - len(bullet), overflow="fold"):
            yield Text(bullet) + line
            bullet = "  "


@dataclass(frozen=True, slots=True)
class _Tables:
    """A line for each table. On a narrow screen columns go before a name is broken: names are copied from here."""

    tables: Sequence[ComparedTable]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        order = {False: 0, None: 1, True: 2}
        cells = [_cells(one) for one in sorted(self.tables, key=lambda t: (order[t.equal], t.table))]
        unbound = options.update(width=sum(len(str(cell)) for each in cells for cell in each.values()) + 1000)
        for columns in COLUMNS:
            made = _made(cells, columns)
            if console.measure(made, options=unbound).maximum <= options.max_width:
                yield made
                return
        for each in cells:
            yield Text(str(each["table"]))
            yield Text.assemble("  ", *_beside(each))


def _cells(one: ComparedTable) -> dict[str, str | Text]:
    return {
        "table": one.table,
        "source rows": count(one.source_rows),
        "target rows": count(one.target_rows),
        "ranges": NONE if one.key_ranges is None else f"{one.differing_ranges}/{one.key_ranges}",
        "source": duration(one.source_cost.seconds) if one.source_cost else NONE,
        "target": duration(one.target_cost.seconds) if one.target_cost else NONE,
        "verdict": Text(VERDICTS[one.equal], style=VERDICT_STYLES[one.equal]),
    }


def _made(cells: Sequence[Mapping[str, str | Text]], columns: Sequence[str]) -> Table:
    made = table(*columns, right=columns[1:-1])
    for each in cells:
        row(made, *(each[column] for column in columns))
    return made


def _beside(cells: Mapping[str, str | Text]) -> Iterator[str | Text]:
    for column in ALWAYS[1:-1]:
        yield f"{column} {cells[column]}, "
    yield cells["verdict"]


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
