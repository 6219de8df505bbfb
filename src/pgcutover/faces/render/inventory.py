"""What is there today: the applications on Heroku and the database that they use. Nothing is judged here."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pgcutover.faces.figures import count, counted, listed, server_version, size
from pgcutover.faces.render.parts import facts, heading, lines, row, table
from pgcutover.facts.estate import App
from pgcutover.facts.inventory import DatabaseInventory
from pgcutover.planning.moves import AppMoves

if TYPE_CHECKING:
    from pgcutover.app.estate import AppEstate, Estate
    from pgcutover.app.planner import Stock

LARGEST_TABLES = 15
"""More than a screen of tables is read by nobody; the rest is summed up, and `--json` has them all."""


def inventory(stock: "Stock") -> RenderableType:
    """Apps first, then the database, its largest tables, and what stands in the way."""
    estate, database = stock.estate, stock.database
    parts: list[RenderableType] = []
    for entry, moves in zip(estate.apps, estate.moves(database.roles), strict=True):
        parts += [heading(entry.app.name, _place(entry.app)), facts(_app(entry, moves)), Text()]
    leader = estate.leader
    parts += [heading(leader.name, f"{leader.plan}, {leader.state}, billed to {leader.billing_app}")]
    parts += [facts([*_addon(estate), *_database(database)]), Text(), *_tables(database), Text(), *_blockers(database)]
    return Group(*parts)


def _place(app: App) -> str:
    space = f", Private Space {app.space}" if app.space else ""
    return f"{app.region}, {app.generation}{space}{', maintenance mode is on' if app.maintenance else ''}"


def _app(entry: "AppEstate", moves: AppMoves) -> Iterator[tuple[str, str]]:
    yield "Formation", listed([f"{p.type}={p.quantity}{f' {p.size}' if p.size else ''}" for p in entry.formation])
    for number, attachment in enumerate(entry.attachments):
        through = f" ({attachment.namespace})" if attachment.namespace else ""
        yield "" if number else "Attached", f"{attachment.name} -> {attachment.addon}{through}"
    for number, move in enumerate(moves.variables):
        owner = f"owned by attachment {move.attachment}" if move.attachment else "a copied URL"
        yield "" if number else "URL in", f"{move.variable}, {owner}{f', as {move.user}' if move.user else ''}"


def _addon(estate: "Estate") -> Iterator[tuple[str, str]]:
    yield "Followers", listed([f"{a.name} ({a.plan})" for a in estate.followers])
    others = sorted({a.app for a in estate.attachments} - {e.app.name for e in estate.apps})
    if others:
        yield "Also used by", listed(others)


def _database(found: DatabaseInventory) -> Iterator[tuple[str, str]]:
    yield "Version", f"PostgreSQL {server_version(found.version)}"
    locale = f"{found.encoding}, collation {found.collate}, character type {found.ctype}"
    yield "Database", f"{found.database}, owner {found.owner}, {locale} ({found.locale_provider})"
    held = f"{size(found.data_bytes)} data, {size(found.index_bytes)} indexes"
    yield "Size", f"{size(found.database_bytes)} on disk: {held}"
    sequences, views = counted(len(found.sequences), "sequence"), len(found.materialised_views)
    yield (
        "Objects",
        f"{counted(len(found.tables), 'table')}, {sequences}, {counted(views, 'materialised view')}, "
        f"{counted(len(found.grants), 'grant')}, {counted(len(found.settings), 'setting')}",
    )
    yield "Extensions", listed([f"{e.name} {e.version} in {e.schema}" for e in found.extensions])
    yield "Roles", f"{listed(found.roles)} (besides the owner)"
    yield "search_path", found.search_path or "PostgreSQL's default"
    role = f"{count(found.connection_limit)} for this role" if found.connection_limit >= 0 else "no limit for this role"
    yield "Connections", f"{role}, {count(found.max_connections)} for the server"
    yield "Definitions", f"fingerprint {found.fingerprint[:12]}"


def _tables(found: DatabaseInventory) -> Iterator[RenderableType]:
    by_size = sorted(found.tables, key=lambda t: (-(t.data_bytes + t.index_bytes), t.name))
    shown, rest = by_size[:LARGEST_TABLES], by_size[LARGEST_TABLES:]
    yield heading("Largest tables")
    made = _head()
    for t in shown:
        kind = "partition" if t.parent else t.kind
        key = listed(t.key, "no key")
        row(made, str(t.name), kind, f"~{count(t.rows_estimate)}", size(t.data_bytes), size(t.index_bytes), key)
    yield made
    if rest:
        held = size(sum(t.data_bytes + t.index_bytes for t in rest))
        yield Text(f"and {counted(len(rest), 'smaller table')} of {held} together", style="dim")


def _head() -> Table:
    return table("table", "kind", "rows", "data", "indexes", "key", right=("rows", "data", "indexes"))


def _blockers(found: DatabaseInventory) -> Iterator[RenderableType]:
    stopping = [f"{b.what}. {b.hint}" for b in found.blockers if b.stops]
    known = [f"{b.what}. {b.hint}" for b in found.blockers if not b.stops]
    if stopping:
        yield Text("In the way of a move:", style="bold red")
        yield lines(stopping)
    else:
        yield Text("Nothing in this database stands in the way.", style="green")
    if known:
        yield Text()
        yield heading("Does not stop a move, but should be known")
        yield lines(known)
