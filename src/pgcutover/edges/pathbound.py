"""Functions that rely on the search path, found before the night on which they would stop a restore.

Indexes are built without a search path: by every restore, and by servers from 17 on in any case, which fill
materialised views so, too. An index is defined all the same; building it fails as soon as there are rows. So what an
index puts rows through is tried here on a few of the source's own: on its first pages, for seconds at most, each in a
read-only transaction of its own, so that nobody waits for us.
https://www.postgresql.org/docs/current/app-pgdump.html (search_path), https://www.postgresql.org/docs/17/release-17.html
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from pgcutover.edges.pieces import SLICES_SINCE
from pgcutover.edges.postgres import Connection, Server, query, said

ROWS_TRIED = 100
PAGES_TRIED = 100
TRIED_MS = 2000
WAITED_MS = 500
NOT_FOUND = frozenset({"42883", "42P01", "42704", "42703", "3F000"})
"""undefined_function, _table, _object, _column; invalid_schema_name."""
NOT_TRIED = frozenset({"57014", "55P03"})
"""query_canceled, lock_not_available."""


@dataclass(slots=True)
class PathBound:
    """Names, each with the reason."""

    indexes: list[str] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    untried: list[str] = field(default_factory=list)


def path_bound(server: Server) -> PathBound:
    """Indexes that cannot be built, and materialised views whose query cannot even be planned, without a search path.

    What a view calls for each row is not tried. A server of an earlier major has no TID ranges: there the time alone
    is the limit.

    Raises:
        SourceError, TargetError: the server cannot be asked.
    """
    found = PathBound()
    with server.session("inventory") as connection:
        connection.read_only = True
        for name, tried in _indexes(connection):
            _try(connection, name, tried, found.indexes, found.untried)
        for name, tried in _views(connection):
            _try(connection, name, tried, found.views, found.untried)
    return found


def _indexes(connection: Connection) -> Iterator[tuple[str, sql.Composed]]:
    pages = sql.SQL("WHERE ctid < '({},0)'::tid").format(sql.Literal(PAGES_TRIED))
    if connection.info.server_version < SLICES_SINCE:
        pages = sql.Composed([])
    statement = query("inventory_expressions").format(schemas=query("inventory_schemas"))
    for schema, table, name, expression in connection.execute(statement).fetchall():
        yield (
            name,
            sql.SQL("SELECT count(x) FROM (SELECT ({}) AS x FROM ONLY {} {} LIMIT {}) AS t").format(
                sql.SQL(expression), sql.Identifier(schema, table), pages, sql.Literal(ROWS_TRIED)
            ),
        )


def _views(connection: Connection) -> Iterator[tuple[str, sql.Composed]]:
    statement = query("inventory_view_queries").format(schemas=query("inventory_schemas"))
    for schema, name, definition in connection.execute(statement).fetchall():
        yield f"{schema}.{name}", sql.SQL("EXPLAIN {}").format(sql.SQL(definition))


def _try(connection: Connection, name: str, tried: sql.Composed, missed: list[str], untried: list[str]) -> None:
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL statement_timeout = {TRIED_MS}")
            connection.execute(f"SET LOCAL lock_timeout = {WAITED_MS}")
            connection.execute(tried)
    except psycopg.Error as error:
        # Everything else fails there as it fails here, with or without a search path; or is a right, told elsewhere.
        if error.sqlstate in NOT_FOUND:
            missed.append(f"{name} ({said(error)})")
        elif error.sqlstate in NOT_TRIED:
            untried.append(f"{name} ({said(error)})")
