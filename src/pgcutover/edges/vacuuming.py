"""VACUUM of what was loaded in pieces: FREEZE is only for tables that one COPY fills, and the others have no visibility
map, so that an index-only scan reads the table after all.

While an application works. Invariant: nobody waits for it. It takes no lock that readers or writers would wait for,
gives up no empty pages at the end of a table (which would), passes over a table that somebody else has locked, and
writes at a limited pace.
"""

from psycopg import sql

from pgcutover.edges.postgres import Server, query
from pgcutover.facts.names import TableName

PURPOSE = "vacuum"
PACE = {"vacuum_cost_delay": "2ms", "vacuum_cost_limit": "400"}
"""Twice autovacuum's default limit: 20 pages written in 2 ms are 80 MB/s, of the 125 MiB/s of the smallest gp3 disk.
https://www.postgresql.org/docs/current/runtime-config-resource.html#GUC-VACUUM-COST-LIMIT"""


class Vacuuming:
    """The new database, as the application's role, which owns the tables."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def left(self) -> tuple[TableName, ...]:
        """Tables that still have to be vacuumed, the largest last."""
        with self._server.session(PURPOSE) as session:
            rows = session.execute(query("vacuum_left")).fetchall()
        return tuple(TableName(schema=schema, name=name) for schema, name in rows)

    def vacuum(self, table: TableName) -> None:
        """Vacuum and freeze it; one that is locked, or gone, is passed over."""
        with self._server.session(PURPOSE) as session:
            for name, value in PACE.items():
                session.execute("SELECT pg_catalog.set_config(%s, %s, false)", (name, value))
            # Every page is written anyway, to mark it: frozen with it, it need not be written again later.
            statement = sql.SQL("VACUUM (FREEZE, SKIP_LOCKED, TRUNCATE false) {}")
            if session.execute("SELECT pg_catalog.to_regclass(%s)", (_name(table).as_string(),)).fetchone() != (None,):
                session.execute(statement.format(_name(table)))


def _name(table: TableName) -> sql.Identifier:
    return sql.Identifier(table.schema, table.name)
