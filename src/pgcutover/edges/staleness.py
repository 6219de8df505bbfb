"""Materialised views that hold other rows on the target: is the old server's stale, or is the new one's wrong?

The target's was made from its query. The source's may hold rows that its query gives no more: an archive, kept by not
refreshing it. So the source's query is run, in the moment in which the rows were read, and held against what the view
holds. It must only read. The invariant: a view that differs is called stale only when the source itself shows it to be.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from psycopg import sql

from pgcutover.edges.digests import TooLargeError, row_text, table_of, too_large_told
from pgcutover.edges.moment import Moment
from pgcutover.edges.postgres import Connection, query
from pgcutover.errors import SourceError
from pgcutover.facts.names import TableName
from pgcutover.facts.proof import UNPOPULATED, ComparisonUnit, TableComparison

UP_TO_DATE = (
    "it holds as many rows as the old server's, other ones, and the old server's is up to date: REFRESH it on the new "
    "server, unless its rows depend on when or in which order it reads others"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Own:
    """Whether a view holds other rows than its query gives; with `doubt`, that could not be found out."""

    stale: bool = False
    doubt: str = ""


def stale_told(source: Moment, tables: Sequence[TableComparison], *, search_path: str) -> tuple[TableComparison, ...]:
    """The same, with `stale` or a doubt where a materialised view of the source explains that rows differ.

    `search_path` is what the application's sessions have: functions that a query calls may rely on it.
    """
    unlike = [t for t in tables if _unlike(t)]
    if not unlike:
        return tuple(tables)
    with source.session("materialised views") as connection:
        reads = _reads(connection)
    own = {t.unit.table: _looked(source, t.unit, search_path) for t in unlike}
    other = frozenset(t.unit.table for t in tables if not t.equal and not t.unit.derived)
    return tuple(
        _told(t, own, reads.get(t.unit.table, frozenset()), other) if t.unit.table in own else t for t in tables
    )


def _unlike(compared: TableComparison) -> bool:
    both = (compared.source, compared.target)
    filled = not any(digest is None or digest == UNPOPULATED for digest in both)
    return compared.unit.derived and filled and not compared.error and not compared.equal


def _told(
    compared: TableComparison,
    own: Mapping[TableName, _Own],
    reads: Collection[TableName],
    other: Collection[TableName],
) -> TableComparison:
    assert compared.source is not None, "asked of views that both sides hold"
    assert compared.target is not None, "asked of views that both sides hold"
    looked = [own[compared.unit.table], *(own[name] for name in sorted(reads) if name in own)]
    if any(one.stale for one in looked):
        # What is made from a stale view is as old as that.
        return replace(compared, stale=True)
    doubt = next((one.doubt for one in looked if one.doubt), "")
    as_many = compared.source.rows == compared.target.rows
    if not doubt and as_many and not any(name in other for name in reads):
        doubt = UP_TO_DATE
    return replace(compared, error=doubt) if doubt else compared


def _reads(connection: Connection) -> Mapping[TableName, frozenset[TableName]]:
    found: defaultdict[TableName, set[TableName]] = defaultdict(set)
    for schema, name, of_schema, of_name in connection.execute(query("content_view_reads")):
        found[TableName(schema=schema, name=name)].add(TableName(schema=of_schema, name=of_name))
    return {view: frozenset(read) for view, read in found.items()}


def _looked(source: Moment, unit: ComparisonUnit, search_path: str) -> _Own:
    try:
        with source.session("materialised views") as connection, connection.transaction(force_rollback=True):
            text = connection.execute(
                "SELECT pg_get_viewdef(%s::regclass)", (sql.Identifier(*_parts(unit)).as_string(connection),)
            ).fetchone()
            assert text is not None, "a function gives one row"
            connection.execute("SELECT pg_catalog.set_config('search_path', %s, true)", (search_path,))
            # The server's own words for the view's query.
            asked = sql.SQL("({})").format(sql.SQL(str(text[0]).rstrip().removesuffix(";")))
            return _Own(stale=_sums(connection, unit, table_of(unit)) != _sums(connection, unit, asked))
    except SourceError as error:
        return _Own(doubt=f"it holds other rows, and whether the old server's is stale is not known: {error.message}")
    except TooLargeError as error:
        return _Own(doubt=f"it holds other rows, and whether the old server's is stale is not known: {error}")


def _parts(unit: ComparisonUnit) -> tuple[str, str]:
    return unit.table.schema, unit.table.name


def _sums(connection: Connection, unit: ComparisonUnit, rows: sql.Composable) -> Sequence[tuple[object, ...]]:
    statement = query("content_digest").format(
        place=sql.SQL("NULL::bigint"),
        row=row_text(unit, unit.source_columns or (), wide=False),
        table=rows,
        pages=sql.SQL(""),
    )
    with too_large_told():
        return connection.execute(statement).fetchall()
