"""Materialised views that hold other rows on the target: is the old server's stale, or is the new one's wrong?

The target's was made from its query. The source's may hold rows that its query gives no more: an archive, kept by not
refreshing it. So each side's query is run, in the moment in which the rows were read, and held against what the view
holds there. It must only read. The invariant: a view that differs is called stale only when the source itself shows it
to be, and the target's holds what its query gives.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql

from pgcutover.edges.digests import TooLargeError, row_text, table_of, too_large_told
from pgcutover.edges.moment import Moment
from pgcutover.edges.postgres import Connection, query
from pgcutover.errors import SourceError, TargetError
from pgcutover.facts.names import TableName
from pgcutover.facts.proof import ComparisonUnit, TableComparison

UP_TO_DATE = (
    "it holds as many rows as the old server's, other ones, and the old server's is up to date: REFRESH it on the new "
    "server, unless its rows depend on when or in which order it reads others"
)
ON_BOTH = (
    "it holds {source} rows on the old server and {target} on the new one, and on the new one too its query gives "
    "other rows than it holds: it was not refreshed there, or its rows depend on when it is"
)
NOT_KNOWN = "it holds other rows, and whether the {whose} server's is stale is not known: {why}"

LIMIT_S = 300
"""Of one query of a view: the application waits meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """Whether one side's view holds other rows than its query gives; with `doubt`, that could not be found out."""

    other: bool = False
    doubt: str = ""

    @property
    def alike(self) -> bool:
        return not (self.other or self.doubt)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Own:
    """One view that differs, held against its query on both sides."""

    compared: TableComparison
    source: _Held
    target: _Held

    @property
    def stale(self) -> bool:
        return self.source.other and self.target.alike

    @property
    def doubt(self) -> str:
        """Why nothing is known of it; '' where the source's is up to date or it is stale."""
        if self.source.alike or self.stale:
            return ""
        held = (self.compared.source, self.compared.target)
        counts = [digest.rows if digest else "no" for digest in held]
        on_both = ON_BOTH.format(source=counts[0], target=counts[1]) if self.target.other else ""
        return "; ".join(filter(None, (self.source.doubt, self.target.doubt, on_both)))


class _TooLongError(Exception):
    """A view's query was ended before it gave its rows."""


def stale_told(
    source: Moment, target: Moment, tables: Sequence[TableComparison], *, search_path: str
) -> tuple[TableComparison, ...]:
    """The same, with `stale` or a doubt where a materialised view of the source explains that rows differ.

    `search_path` is what the application's sessions have: functions that a query calls may rely on it.
    """
    unlike = [t for t in tables if _unlike(t)]
    if not unlike:
        return tuple(tables)
    with source.session("materialised views") as connection:
        reads = _reads(connection)
    own = _own(source, target, unlike, search_path)
    other = frozenset(t.unit.table for t in tables if not t.equal and not t.unit.derived)
    return tuple(
        _told(t, own, reads.get(t.unit.table, frozenset()), other) if t.unit.table in own else t for t in tables
    )


def _own(source: Moment, target: Moment, unlike: Sequence[TableComparison], search_path: str) -> dict[TableName, _Own]:
    units = [t.unit for t in unlike]
    with ThreadPoolExecutor(2, thread_name_prefix="verify") as pool:
        sides = pool.map(lambda moment: [_looked(moment, unit, search_path) for unit in units], (source, target))
        try:
            ours, theirs = sides
        except BaseException:
            source.cancel()
            target.cancel()
            raise
    return {
        compared.unit.table: _Own(compared=compared, source=on_source, target=on_target)
        for compared, on_source, on_target in zip(unlike, ours, theirs, strict=True)
    }


def _unlike(compared: TableComparison) -> bool:
    return compared.unit.derived and compared.filled and not compared.error and not compared.equal


def _told(
    compared: TableComparison,
    own: Mapping[TableName, _Own],
    reads: Collection[TableName],
    other: Collection[TableName],
) -> TableComparison:
    assert compared.source is not None, "asked of views that both sides hold"
    assert compared.target is not None, "asked of views that both sides hold"
    mine = own[compared.unit.table]
    looked = [mine, *(own[name] for name in sorted(reads) if name in own)]
    stale = any(one.stale for one in looked)
    if stale and mine.target.alike:
        # What is made from a stale view is as old as that.
        return replace(compared, stale=True)
    doubtful = next((one for one in looked if one.doubt), None)
    doubt = "" if doubtful is None else doubtful.doubt
    if doubtful is not None and doubtful is not mine:
        doubt = f"it holds other rows, and is made from {doubtful.compared.unit}, which could not be verified either"
    if not doubt and stale:
        # Explained by what it is made from, if it holds what its query gives there.
        doubt = mine.target.doubt
    as_many = compared.source.rows == compared.target.rows
    if not doubt and as_many and not stale and not any(name in other for name in reads):
        doubt = UP_TO_DATE
    return replace(compared, error=doubt) if doubt else compared


def _reads(connection: Connection) -> Mapping[TableName, frozenset[TableName]]:
    found: defaultdict[TableName, set[TableName]] = defaultdict(set)
    for schema, name, of_schema, of_name in connection.execute(query("content_view_reads")):
        found[TableName(schema=schema, name=name)].add(TableName(schema=of_schema, name=of_name))
    return {view: frozenset(read) for view, read in found.items()}


def _looked(moment: Moment, unit: ComparisonUnit, search_path: str) -> _Held:
    try:
        with moment.session("materialised views") as connection, connection.transaction(force_rollback=True):
            text = connection.execute(
                "SELECT pg_get_viewdef(%s::regclass)", (sql.Identifier(*_parts(unit)).as_string(connection),)
            ).fetchone()
            assert text is not None, "a function gives one row"
            for name, value in (("search_path", search_path), ("statement_timeout", f"{LIMIT_S}s")):
                connection.execute("SELECT pg_catalog.set_config(%s, %s, true)", (name, value))
            # The server's own words for the view's query.
            asked = sql.SQL("({})").format(sql.SQL(str(text[0]).rstrip().removesuffix(";")))
            there = unit.columns_on(moment.server.side) or ()
            held, given = (_sums(connection, unit, there, rows) for rows in (table_of(unit), asked))
            return _Held(other=held != given)
    except (SourceError, TargetError) as error:
        why = error.message
    except (TooLargeError, _TooLongError) as error:
        why = str(error)
    return _Held(doubt=NOT_KNOWN.format(whose="old" if moment.server.side == "source" else "new", why=why))


def _parts(unit: ComparisonUnit) -> tuple[str, str]:
    return unit.table.schema, unit.table.name


def _sums(
    connection: Connection, unit: ComparisonUnit, there: Collection[str], rows: sql.Composable
) -> Sequence[tuple[object, ...]]:
    statement = query("content_sum").format(row=row_text(unit, there, wide=False), table=rows, pages=sql.SQL(""))
    try:
        with too_large_told():
            return connection.execute(statement).fetchall()
    except psycopg.errors.QueryCanceled as cause:
        raise _TooLongError(f"its query was cancelled, or took more than {LIMIT_S} s") from cause
