"""A session that holds an EXCLUSIVE lock on every table: nobody writes, not even a superuser; reads and copies go on.

It writes nothing that is ever committed. The invariant: as long as the session lives, each table given to `hold` is
locked; when it dies nothing of it is left.
"""

import time
from collections.abc import Sequence
from contextlib import suppress

import psycopg
from psycopg import sql

from pgcutover.edges.clients import client_of, end
from pgcutover.edges.postgres import Connection, Server, query
from pgcutover.errors import FenceError, PgcutoverError, TargetError
from pgcutover.facts.names import TableName

PURPOSE = "fence"
NAME = f"pgcutover {PURPOSE}"
"""The holder's application_name, by which another process of ours finds its locks."""
TABLES_PER_STATEMENT = 50
"""A statement that waits in vain is undone whole; the tables before it stay locked."""
# Longer than deadlock_timeout (1 s): after that long in a queue the server itself cancels an autovacuum in the way.
# https://www.postgresql.org/docs/current/routine-vacuuming.html#AUTOVACUUM
LOCK_TIMEOUT_MS = 2500
LIMIT_S = 90
"""Inside the outage: who has not let go of a lock by then is named, and a person decides."""


class LockHolder:
    """Locks on tables, held by one transaction that is never committed."""

    def __init__(self, server: Server, *, limit_s: float = LIMIT_S) -> None:
        self._server = server
        self._limit_s = limit_s
        self._connection: Connection | None = None
        self._tables: frozenset[TableName] = frozenset()

    @property
    def pid(self) -> int:
        """Of the session; 0 when nothing is held."""
        return self._connection.info.backend_pid if self._connection is not None else 0

    def holds(self, tables: Sequence[TableName]) -> bool:
        """Whether every one of these is locked, asked of the session itself."""
        if self._connection is None or not self._tables.issuperset(tables):
            return False
        with suppress(psycopg.Error):
            self._connection.execute("SELECT 1")
            return True
        self.release()
        return False

    def hold(self, control: Connection, tables: Sequence[tuple[TableName, bool]]) -> None:
        """Lock tables, each given with whether we have the right to; those without it get the right for this
        transaction alone, which no other session ever sees.

        Sessions in the way are ended over `control`.

        Raises:
            FenceError, TargetError: a session that we may not end is still in the way when time is up.
        """
        if self._connection is None:
            self._connection = self._server.connect(PURPOSE)
            self._connection.read_only = False
            self._connection.autocommit = False
            self._connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
        todo = [(t, lockable) for t, lockable in tables if t not in self._tables]
        deadline = time.monotonic() + self._limit_s
        for start in range(0, len(todo), TABLES_PER_STATEMENT):
            self._hold_part(control, todo[start : start + TABLES_PER_STATEMENT], deadline)
        self._tables |= {t for t, _ in todo}

    def release(self) -> None:
        """Let go of everything. Idempotent."""
        connection, self._connection, self._tables = self._connection, None, frozenset()
        if connection is not None:
            connection.close()

    def _hold_part(self, control: Connection, part: Sequence[tuple[TableName, bool]], deadline: float) -> None:
        assert self._connection is not None, "hold() has opened it"
        names = [t for t, _ in part]
        while True:
            try:
                with self._connection.transaction():
                    self._lend([t for t, lockable in part if not lockable])
                    self._connection.execute(_lock(names))
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as cause:
                in_the_way = self._end_blockers(control, names)
                if time.monotonic() > deadline:
                    raise self._failed(names, in_the_way) from cause
            else:
                return

    def _lend(self, names: Sequence[TableName]) -> None:
        """Give ourselves a right that LOCK TABLE asks for, in this transaction, which is never committed."""
        assert self._connection is not None, "hold() has opened it"
        if names:
            self._connection.execute(sql.SQL("GRANT TRUNCATE ON {} TO CURRENT_USER").format(_list(names)))

    def _end_blockers(self, control: Connection, names: Sequence[TableName]) -> tuple[str, ...]:
        tables = {"schemas": [t.schema for t in names], "names": [t.name for t in names]}
        rows = control.execute(query("fence_blockers"), {**tables, "holder": self.pid}).fetchall()
        clients = {client_of(row[:-1]): row[-1] for row in rows}
        end(control, (c for c in clients if not c.beyond_reach))
        return tuple(f"{client} on {where}" for client, where in clients.items())

    def _failed(self, names: Sequence[TableName], in_the_way: Sequence[str]) -> PgcutoverError:
        kind = FenceError if self._server.side == "source" else TargetError
        return kind(
            f"{self._server.side} {self._server.dsn}: tables could not be locked in {self._limit_s:g} s; in the way: "
            f"{'; '.join(in_the_way) or f'nobody that is visible on {names[0]} to {names[-1]}'}",
            hint="Nothing of the application was changed for good. End what is in the way, then run the command again.",
        )


def _lock(names: Sequence[TableName]) -> sql.Composed:
    # ONLY, for every table is named itself: one order, whatever hangs under what.
    only = sql.SQL(", ").join(sql.SQL("ONLY {}").format(sql.Identifier(t.schema, t.name)) for t in names)
    return sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(only)


def _list(names: Sequence[TableName]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(t.schema, t.name) for t in names)
