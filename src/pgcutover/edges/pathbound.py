"""Functions that rely on the search path, found before the night on which they would stop a restore.

A restore has none, and neither has a server from 17 on while it builds indexes or fills materialised views. A
definition is restored all the same; it fails as soon as there are rows. So what rows are put through is tried here, on
a few of the source's own, without a search path. What is immutable changes nothing, and the session is read-only.
https://www.postgresql.org/docs/current/app-pgdump.html (search_path), https://www.postgresql.org/docs/17/release-17.html
"""

from collections.abc import Iterator

import psycopg
from psycopg import sql

from pgcutover.edges.postgres import Connection, query, said

ROWS_TRIED = 100
NOT_FOUND = frozenset({"42883", "42P01", "42704", "42703", "3F000"})
"""undefined_function, _table, _object, _column; invalid_schema_name."""


def path_bound(connection: Connection) -> Iterator[str]:
    """Indexes, CHECK constraints and generated columns that a restore could not fill, each with the reason.

    `connection` is in a transaction, with an empty search path.
    """
    found = query("inventory_expressions").format(schemas=query("inventory_schemas"))
    for schema, table, name, expression in connection.execute(found).fetchall():
        tried = sql.SQL("SELECT count(x) FROM (SELECT ({}) AS x FROM ONLY {} LIMIT {}) AS t").format(
            sql.SQL(expression), sql.Identifier(schema, table), sql.Literal(ROWS_TRIED)
        )
        yield from _missed(connection, name, tried)


def path_bound_views(connection: Connection) -> Iterator[str]:
    """Materialised views whose query cannot even be planned; what it calls for each row is not tried."""
    for schema, name, definition in connection.execute(
        query("inventory_view_queries").format(schemas=query("inventory_schemas"))
    ).fetchall():
        yield from _missed(connection, f"{schema}.{name}", sql.SQL("EXPLAIN {}").format(sql.SQL(definition)))


def _missed(connection: Connection, name: str, tried: sql.Composed) -> Iterator[str]:
    try:
        with connection.transaction():
            connection.execute(tried)
    except psycopg.Error as error:
        # Everything else fails there as it fails here, with or without a search path; or is a right, told elsewhere.
        if error.sqlstate in NOT_FOUND:
            yield f"{name} ({said(error)})"
