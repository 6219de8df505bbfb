"""Which run holds a move: an advisory lock on the source, and a record on both databases whose epoch only grows.

The lock keeps a second runner out. It does not stop the first one's transactions on the target when the lock is lost,
so each of those begins with `cas_sql`, which finds no row once another epoch was taken (traps.md T3); what the fence
and the gate write on the source and the target begins so, too. It must not know
what a run does. The invariant: after a claim was taken, no transaction of an earlier epoch, of whichever run, commits.
"""

import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from pgcutover.edges.postgres import Connection, Server, query, watch
from pgcutover.errors import FenceError, RunnerConflictError, SourceError, UsageError

LOCK = sql.SQL("SELECT pg_try_advisory_lock(hashtextextended('pgcutover', 0))")
STALE_TRANSACTIONS_END_S = 30
RECORD_WAIT_MS = 2000
DROP_WAIT_MS = 30_000
RUN_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One row of `pgcutover.run`."""

    run_id: str
    epoch: int
    holder: str
    host: str
    pid: int
    started_at: datetime
    taken_at: datetime

    def __str__(self) -> str:
        since = f"{self.taken_at:%Y-%m-%d %H:%M:%S %Z}"
        return f"run {self.run_id} by {self.holder} on {self.host} (pid {self.pid}) since {since}"


def read_records(server: Server) -> tuple[RunRecord, ...]:
    """Every run recorded on a database, the one taken last first; () where pgcutover never was."""
    with server.session("record") as connection:
        return _records(connection)


def drop_records(server: Server, *, even_fenced: bool = False) -> None:
    """Remove all that is pgcutover's own from a database. Idempotent.

    Raises:
        FenceError: a fence stands there and only its record says how to lower it; `even_fenced` removes that, too.
    """
    with server.session("record", autocommit=False) as connection:
        connection.read_only = False
        connection.execute(f"SET LOCAL lock_timeout = {DROP_WAIT_MS}")
        if not even_fenced and _fenced(connection):
            raise FenceError(
                f"{server.side} {server.dsn} is fenced; its record is not removed before it is lowered",
                hint="Run pgcutover rollback, or as its owner what SELECT undo_sql FROM pgcutover.fence shows.",
            )
        connection.execute("DROP SCHEMA IF EXISTS pgcutover CASCADE")
        connection.commit()


def ensure_records(connection: Connection) -> None:
    """Make schema and tables where they are not; over a session in autocommit, also on a database that is read-only.

    Looked at first: CREATE … IF NOT EXISTS asks for the right to create even when it has nothing to do, and a fence
    takes that right from the owner.
    """
    with writing(connection):
        there = "SELECT to_regclass('pgcutover.' || t) IS NOT NULL FROM unnest(ARRAY['run', 'fence', 'gate']) AS t"
        if all(found for (found,) in connection.execute(there)):
            return
        if not _one(connection.execute("SELECT to_regnamespace('pgcutover') IS NOT NULL")):
            connection.execute("CREATE SCHEMA pgcutover")
        connection.execute(query("record_tables"))


@contextmanager
def writing(connection: Connection, claim: str = "") -> Iterator[None]:
    """A durable transaction that may write whatever the database's defaults say; the session is in autocommit.

    Given `claim` (see `cas_sql`), it begins with that, and keeps every other epoch from being taken until it ends.

    Raises:
        RunnerConflictError: the run is not ours any more; nothing was written.
    """
    connection.read_only = False
    try:
        with connection.transaction():
            connection.execute("SET LOCAL synchronous_commit = on")
            if claim:
                _hold_claim(connection, claim)
            yield
    finally:
        if not connection.closed:
            connection.read_only = None


def assert_ours(connection: Connection, claim: str) -> None:
    """Return when the run is still ours, or when no claim is given; for what no transaction can hold back.

    Raises:
        RunnerConflictError: it is not.
    """
    if claim:
        with writing(connection, claim):
            pass


def cas_sql(run_id: str, epoch: int) -> str:
    """The first statement of every transaction on the target: one row while the run is ours, none when it is not.

    Its lock keeps every other epoch, of this run or another, from being taken until the transaction ends.
    """
    # By time, not epoch: a target that was kept may know higher epochs than a source whose record was removed.
    text = sql.SQL(
        "SELECT r.epoch FROM pgcutover.run AS r WHERE r.run_id = {run} AND r.epoch = {epoch}"
        " AND NOT EXISTS (SELECT FROM pgcutover.run AS later WHERE later.taken_at > r.taken_at) FOR SHARE OF r"
    )
    return text.format(run=_checked(run_id), epoch=sql.Literal(epoch)).as_string(None)


def _checked(run_id: str) -> sql.Literal:
    if not RUN_ID.fullmatch(run_id):
        raise UsageError(f"run id {run_id!r} has characters other than letters, digits and _ . : -")
    return sql.Literal(run_id)


class Claim:
    """A move that is ours. Made by `acquire`; given up by `release`, or by the process's death."""

    def __init__(
        self,
        source: Server,
        connection: Connection,
        *,
        run_id: str,
        epoch: int,
        holder: str,
        found_epoch: int | None = None,
    ) -> None:
        self.run_id = run_id
        self.epoch = epoch
        self.found_epoch = found_epoch
        """The epoch that the source's record of this run had before we took it; None when it had no such record."""
        self._source = source
        self._holder = holder
        self._connection = connection
        self._backend = _backend(connection)

    @classmethod
    def acquire(
        cls,
        source: Server,
        target: Server | None,
        *,
        run_id: str,
        holder: str,
        judge: Callable[[int | None], None] | None = None,
    ) -> "Claim":
        """Lock the source and take the run on both databases, or on the source alone while no target is there.

        `judge` is given `found_epoch` under the lock; when it raises, nothing was taken, so that a refused journal
        leaves no trace that would make the right one look old.

        Raises:
            RunnerConflictError: another run holds the lock; the message names it.
        """
        _checked(run_id)
        with source.translated("taking the run"):
            connection = _lock_session(source)
            try:
                if not _one(connection.execute(LOCK)):
                    raise _conflict(connection, source)
                records = _records(connection)
                found = next((r.epoch for r in records if r.run_id == run_id), None)
                if judge is not None:
                    judge(found)
                ensure_records(connection)
                targets = () if target is None else read_records(target)
                epoch = 1 + max((r.epoch for r in (*records, *targets)), default=0)
                _take(connection, run_id=run_id, epoch=epoch, holder=holder)
                claim = cls(source, connection, run_id=run_id, epoch=epoch, holder=holder, found_epoch=found)
                if target is not None:
                    claim.take_target(target)
            except BaseException:
                connection.close()
                raise
        return claim

    def take_target(self, target: Server) -> None:
        """Take the run on a target, so that no earlier epoch's transaction there commits any more. Idempotent."""
        with target.session("record") as connection:
            ensure_records(connection)
            mine = [r for r in _records(connection) if r.run_id == self.run_id]
            if not mine or mine[0].epoch != self.epoch:
                _take(connection, run_id=self.run_id, epoch=self.epoch, holder=self._holder)

    def still_ours(self) -> None:
        """Return when the move is still ours, the lock taken again if its session died.

        Raises:
            RunnerConflictError: another run holds the lock, or held it meanwhile.
            SourceError: the source cannot be reached; nothing is known, and the same call may be made again.
        """
        with suppress(psycopg.Error):
            self._connection.execute("SELECT 1")
            return
        self._connection.close()
        with self._source.translated("taking the run's lock again"):
            connection = _lock_session(self._source)
            try:
                self._lock_again(connection)
                self._compare(connection)
            except BaseException:
                connection.close()
                raise
        self._connection, self._backend = connection, _backend(connection)

    def release(self) -> None:
        """Give the lock back. The records stay: they tell who was last."""
        self._connection.close()

    def _lock_again(self, connection: Connection) -> None:
        if _one(connection.execute(LOCK)):
            return
        holder = connection.execute(query("record_holder")).fetchone()
        # The server may not have noticed yet that our own former session is dead.
        if holder is not None and (holder[0], holder[2]) == self._backend:
            connection.execute("SELECT pg_terminate_backend(%s)", (holder[0],))
            deadline = time.monotonic() + STALE_TRANSACTIONS_END_S
            while time.monotonic() < deadline:
                if _one(connection.execute(LOCK)):
                    return
                time.sleep(0.05)
        raise _conflict(connection, self._source)

    def _compare(self, connection: Connection) -> None:
        newest = max(_records(connection), key=lambda r: r.epoch, default=None)
        if newest is None or (newest.run_id, newest.epoch) != (self.run_id, self.epoch):
            raise RunnerConflictError(
                f"source {self._source.dsn}: {newest or 'nobody'} took the move over while our lock was lost",
                hint="Let that run go on, or stop it and run the same command again.",
            )


def _hold_claim(connection: Connection, claim: str) -> None:
    try:
        found = connection.execute(sql.SQL(claim)).fetchone()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        found = None
    if found is None:
        raise RunnerConflictError(
            f"database {connection.info.dbname}: this move is not ours any more, so nothing was written",
            hint="Another process took it, or a person removed its record; pgcutover status says who has it.",
        )


def _fenced(connection: Connection) -> bool:
    if not _one(connection.execute("SELECT to_regclass('pgcutover.fence') IS NOT NULL")):
        return False
    connection.execute("LOCK TABLE pgcutover.fence IN ACCESS EXCLUSIVE MODE")
    return bool(_one(connection.execute("SELECT EXISTS (SELECT FROM pgcutover.fence)")))


def _lock_session(source: Server) -> Connection:
    connection = source.connect("lock")
    watch(connection)
    return connection


def _backend(connection: Connection) -> tuple[int, datetime]:
    row = connection.execute("SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()").fetchone()
    assert row is not None, "pg_stat_activity has a row for the session that reads it"
    return row[0], row[1]


def _take(connection: Connection, *, run_id: str, epoch: int, holder: str) -> None:
    """Compare-and-set of the run's row; transactions that the former epoch let in are ended, not waited for."""
    values = {"run_id": run_id, "epoch": epoch, "holder": holder, "host": socket.gethostname(), "pid": os.getpid()}
    deadline = time.monotonic() + STALE_TRANSACTIONS_END_S
    while True:
        try:
            with writing(connection):
                connection.execute(f"SET LOCAL lock_timeout = {RECORD_WAIT_MS}")
                # Conflicts with the lock of `cas_sql`, and makes one that waits look again once the new row is there.
                connection.execute("LOCK TABLE pgcutover.run IN EXCLUSIVE MODE")
                taken = connection.execute(query("record_take"), values).fetchone()
        except psycopg.errors.LockNotAvailable:
            if time.monotonic() > deadline:
                raise
            for (pid,) in connection.execute(query("record_users")).fetchall():
                connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
            continue
        if taken is None:
            raise RunnerConflictError(f"another run took {run_id} at the same moment", hint="Run the command again.")
        return


def _conflict(connection: Connection, source: Server) -> RunnerConflictError:
    session = connection.execute(query("record_holder")).fetchone()
    records = _records(connection)
    where = f", connected from {session[1] or 'this machine'} since {session[2]}" if session is not None else ""
    return RunnerConflictError(
        f"source {source.dsn}: {records[0] if records else 'another run'} holds this move{where}",
        hint="Wait for it or stop it; when its machine is gone, the server lets go of the lock within two minutes.",
    )


def _records(connection: Connection) -> tuple[RunRecord, ...]:
    if not _one(connection.execute("SELECT to_regclass('pgcutover.run') IS NOT NULL")):
        return ()
    rows = connection.execute(
        "SELECT run_id, epoch, holder, host, pid, started_at, taken_at FROM pgcutover.run ORDER BY taken_at DESC"
    )
    return tuple(
        RunRecord(run_id=i, epoch=e, holder=h, host=m, pid=p, started_at=s, taken_at=t) for i, e, h, m, p, s, t in rows
    )


def _one(cursor: psycopg.Cursor[tuple[Any, ...]]) -> Any:
    row = cursor.fetchone()
    if row is None:
        raise SourceError("a statement that returns one row returned none")
    return row[0]
