"""What the source's planner knows of a table's columns, taken over by the target's, so that nobody has to gather it.

Only what is as good as gathering: fresh on the source, whole, and in an order that is the target's order, too. Whatever
else there is to say against a table leaves it to ANALYZE. Invariant: pages and rows are never the source's (traps.md
T19). It must not know when a table is ready.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import psycopg
from psycopg import sql

from pgcutover.edges.postgres import Connection, Server, query
from pgcutover.errors import SourceError
from pgcutover.facts.names import TableName
from pgcutover.facts.statistics import ColumnStatistics
from pgcutover.planning.chunks import Chunk

TAKEN_SINCE = 180000
"""pg_restore_attribute_stats. https://www.postgresql.org/docs/18/release-18.html"""
STALE_SHARE = 0.1
"""Of a table's rows, written since they were looked at: where autovacuum by default would look at them again."""

KNOWN_ORDER = """
    SELECT DISTINCT o.number
      FROM (SELECT l.number, v.place,
                   rank() OVER (PARTITION BY l.number, l.place ORDER BY v.value::{order}) AS rank
              FROM ordered AS l
             CROSS JOIN unnest(l.list::text[]) WITH ORDINALITY AS v (value, place)
             WHERE l."order" = {named}) AS o
     WHERE o.rank > o.place"""
"""Where a list is in order, no value is behind more values than stand before it. A collation's next version, and types
that compare by OID, order otherwise."""

Known = Callable[[Collection[TableName]], Sequence[ColumnStatistics]]


def read_statistics(server: Server, tables: Collection[TableName], *, snapshot: str) -> tuple[ColumnStatistics, ...]:
    """Of those of these tables of which it is worth taking; () where the source does not answer.

    What was gathered since the snapshot was taken is of other rows than it shows: only what is the same in it and now
    is given.
    """
    try:
        with server.session("statistics") as session:
            session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            session.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))
            then = set(_statistics(session, tables))
            session.execute("COMMIT")
            return tuple(each for each in _statistics(session, tables) if each in then)
    except SourceError:
        # They can be gathered where the rows are now.
        return ()


def _statistics(session: Connection, tables: Collection[TableName]) -> list[ColumnStatistics]:
    named = {"schemas": [t.schema for t in tables], "names": [t.name for t in tables], "stale": STALE_SHARE}
    return [
        ColumnStatistics(
            table=TableName(schema=schema, name=name),
            document=document,
            orders=tuple(sorted({order for order in orders if order is not None})),
        )
        for schema, name, document, orders in session.execute(query("copy_statistics"), named)
    ]


def put_statistics(
    session: Connection, statistics: Sequence[ColumnStatistics], chunks: Iterable[Chunk], *, run_id: str
) -> frozenset[TableName]:
    """In the transaction that the session is in; the tables that have them now. For the others nothing is promised.

    `chunks` are those that brought the tables' rows.
    """
    if not statistics:
        return frozenset()
    # An amount of money is read as it was printed, and so is the absence of a value.
    session.execute("SAVEPOINT statistics; SET LOCAL lc_monetary = 'C'; SET LOCAL array_nulls = on")
    try:
        session.execute(query("copy_statistics_given"))
        # Not as parameters: those are values of rows, and a server may log parameters.
        with session.cursor().copy("COPY pg_temp.pgcutover_statistics FROM STDIN") as rows:
            for number, each in enumerate(statistics, start=1):
                rows.write_row((number, each.table.schema, each.table.name, each.document))
        found = session.execute(_statement(statistics), _values(statistics, chunks, run_id)).fetchall()
    except psycopg.Error:
        # A value that this server does not read, for example. Of a connection that is gone, this tells as well.
        session.execute("ROLLBACK TO SAVEPOINT statistics")
        return frozenset()
    session.execute(
        "DROP TABLE pg_temp.pgcutover_statistics; RELEASE SAVEPOINT statistics; SET LOCAL lc_monetary TO DEFAULT; "
        "SET LOCAL array_nulls TO DEFAULT"
    )
    return frozenset(statistics[number - 1].table for (number,) in found)


def _statement(statistics: Iterable[ColumnStatistics]) -> sql.Composed:
    orders = sorted({order for each in statistics for order in each.orders})
    looks: list[sql.Composable] = [
        # A percent sign in a type's name would be a parameter.
        sql.SQL(KNOWN_ORDER).format(order=sql.SQL(order.replace("%", "%%")), named=sql.Literal(order))
        for order in orders
    ]
    none = sql.SQL("SELECT NULL::bigint AS number WHERE false")
    return query("copy_put_statistics").format(strange=sql.SQL(" UNION ALL").join(looks or [none]))


def _values(statistics: Sequence[ColumnStatistics], chunks: Iterable[Chunk], run_id: str) -> Mapping[str, object]:
    numbers = {each.table: number for number, each in enumerate(statistics, start=1)}
    arrived = [chunk for chunk in chunks if chunk.table in numbers]
    return {
        "run": run_id,
        "numbers": [numbers[chunk.table] for chunk in arrived],
        "chunks": [chunk.name for chunk in arrived],
        "frozen": [chunk.freeze for chunk in arrived],
    }
