"""VACUUM of what was loaded in pieces: FREEZE is only for tables that one COPY fills, and the others have no visibility
map, so that an index-only scan reads the table after all.

While an application works. Invariant: nobody waits for it. It takes no lock that readers or writers would wait for,
gives up no empty pages at the end of a table (which would), passes over a table that somebody else has locked, gives
way to a migration (a manual VACUUM never does by itself, and everybody queues behind who waits for it), and writes at
a limited pace.
"""

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress

from psycopg import sql
from psycopg.errors import QueryCanceled

from pgcutover.edges.postgres import Connection, Server, query
from pgcutover.facts.names import TableName

PURPOSE, WATCH = "vacuum", "vacuum watch"
PACE = {"vacuum_cost_delay": "2ms", "vacuum_cost_limit": "200"}
"""Autovacuum's default: 10 pages written in 2 ms are 40 MB/s, and as much again for WAL with its full-page images, of
the 125 MiB/s of the smallest gp3 disk.
https://www.postgresql.org/docs/current/runtime-config-resource.html#GUC-VACUUM-COST-LIMIT"""
GLANCE_S = 0.5
"""How long somebody waits for us at most, about."""
WAITED_FOR = "SELECT FROM pg_catalog.pg_locks WHERE NOT granted AND %s = ANY (pg_catalog.pg_blocking_pids(pid)) LIMIT 1"


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
        """Vacuum and freeze it; one that is locked, gone, or that somebody else comes to need, is passed over."""
        with self._server.session(PURPOSE) as session:
            for name, value in PACE.items():
                session.execute("SELECT pg_catalog.set_config(%s, %s, false)", (name, value))
            # Every page is written anyway, to mark it: frozen with it, it need not be written again later.
            statement = sql.SQL("VACUUM (FREEZE, SKIP_LOCKED, TRUNCATE false) {}")
            if session.execute("SELECT pg_catalog.to_regclass(%s)", (_name(table).as_string(),)).fetchone() != (None,):
                self._giving_way(session, statement.format(_name(table)))

    def _giving_way(self, session: Connection, statement: sql.Composed) -> None:
        """Execute it; it is cancelled as soon as somebody waits for it. The pages that it froze stay frozen."""
        with self._server.session(WATCH) as watch, ThreadPoolExecutor(1, thread_name_prefix=PURPOSE) as pool:
            work = pool.submit(session.execute, statement)
            try:
                while wait((work,), timeout=GLANCE_S).not_done:
                    if watch.execute(WAITED_FOR, (session.info.backend_pid,)).fetchone() is not None:
                        session.cancel_safe()
            except BaseException:
                session.cancel_safe()
                raise
            with suppress(QueryCanceled):
                work.result()


def _name(table: TableName) -> sql.Identifier:
    return sql.Identifier(table.schema, table.name)
