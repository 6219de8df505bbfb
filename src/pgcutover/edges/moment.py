"""One side of a comparison at one moment: any number of sessions that all see the same rows.

A holder exports its snapshot and every other session imports it; where a server refuses that, one session reads
everything, which is slower and sees one moment as well. It must only read. The invariant: whatever is read through a
`Moment` was committed when it was opened, and nothing that was committed later is.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress

import psycopg
from psycopg import sql

from pgcutover.edges.postgres import PINNED, Connection, Server, looked_for

PURPOSE = "verify"
BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

# jit compiles for seconds what runs for one; parallel workers would come on top of our own sessions.
# A scan that begins where another one is meets errors in another order.
# https://www.postgresql.org/docs/current/runtime-config-compatible.html#GUC-SYNCHRONIZE-SEQSCANS
READING = {"jit": "off", "max_parallel_workers_per_gather": "0", "synchronize_seqscans": "off"}


class Moment:
    """Made by `at_one_moment`."""

    def __init__(self, server: Server, holder: Connection, snapshot: str, refused: str) -> None:
        self.server = server
        self.refused = refused
        """Why the snapshot could not be shared; '' when it is."""
        self._holder = holder
        self._snapshot = snapshot
        self._alone = threading.Lock()
        self._sessions: set[Connection] = set()

    def sessions(self, wanted: int) -> int:
        """How many sessions there can be at once."""
        return wanted if self._snapshot else 1

    @contextmanager
    def session(self, purpose: str = PURPOSE) -> Iterator[Connection]:
        """A session inside the moment; errors of the driver become ours. Where others read through the same one, what
        fails in the block does not spoil it for them; who goes on after an error inside it needs a `transaction()`.
        """
        with self.server.translated(purpose):
            connection = self.connect()
            try:
                with nullcontext() if self._snapshot else connection.transaction():
                    yield connection
            finally:
                self.give_back(connection)

    def connect(self) -> Connection:
        """Like `session`, for a caller who gives it back himself and expects psycopg's errors."""
        if not self._snapshot:
            self._alone.acquire()
            return self._holder
        connection = self.server.connect(PURPOSE)
        try:
            connection.execute(BEGIN)
            connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(self._snapshot)))
            _pin_again(connection, self.server)
        except BaseException:
            connection.close()
            raise
        self._sessions.add(connection)
        return connection

    def give_back(self, connection: Connection) -> None:
        if connection is self._holder:
            self._alone.release()
            return
        self._sessions.discard(connection)
        connection.close()

    def cancel(self) -> None:
        """End what runs on the server."""
        for connection in [*self._sessions, self._holder]:
            with suppress(psycopg.Error):
                connection.cancel_safe()


@contextmanager
def at_one_moment(server: Server, snapshot: str = "") -> Iterator[Moment]:
    """Everything that is read in the block is of the moment when it began, or of a snapshot that somebody holds.

    Raises:
        SourceError, TargetError: the server cannot be reached.
    """
    with server.translated("snapshot"):
        holder = server.connect("snapshot")
    try:
        with server.translated("snapshot"):
            if snapshot:
                refused = ""
                holder.execute(BEGIN)
                holder.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))
            else:
                snapshot, refused = _exported(holder)
            _pin_again(holder, server)
        yield Moment(server, holder, snapshot, refused)
    finally:
        holder.close()


def _exported(holder: Connection) -> tuple[str, str]:
    holder.execute(BEGIN)
    try:
        row = holder.execute("SELECT pg_catalog.pg_export_snapshot()").fetchone()
    except psycopg.Error as cause:
        if holder.closed:
            raise
        holder.execute("ROLLBACK")
        holder.execute(BEGIN)
        holder.execute("SELECT 1")
        return "", " ".join(str(cause).split())
    assert row is not None, "the function returns one row"
    return str(row[0]), ""


def _pin_again(connection: Connection, server: Server) -> None:
    """Inside the transaction, for behind a pooler only a transaction is sure to stay on one session of the server."""
    settings = {**looked_for(connection.info.server_version), **PINNED, **READING, **server.settings}
    # The transaction is read-only already, and must stay so whatever the side's own settings are.
    settings.pop("default_transaction_read_only", None)
    each = (
        sql.SQL("pg_catalog.set_config({}, {}, true)").format(sql.Literal(n), sql.Literal(v))
        for n, v in settings.items()
    )
    connection.execute(sql.SQL("SELECT {}").format(sql.SQL(", ").join(each)))
