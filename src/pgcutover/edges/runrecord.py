"""Which run holds a move: a record on both databases whose epoch only grows; claim.py takes it.

A lock alone does not stop a former runner's transactions on the target, so each of those begins with `cas_sql`, which
finds no row once another epoch was taken (traps.md T3); what the fence and the gate write begins so, too. The
invariant: after a claim was taken, no transaction of an earlier epoch, of whichever run, commits.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from pgcutover.edges.postgres import Connection, Server, query
from pgcutover.errors import FenceError, RunnerConflictError, SourceError, UsageError

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
        return records_of(connection)


def drop_records(server: Server, *, even_fenced: bool = False, claim: str = "") -> None:
    """Remove all that is pgcutover's own from a database. Idempotent. Given `claim`, only while the run is ours.

    Raises:
        RunnerConflictError: it is not.
        FenceError: a fence stands there and only its record says how to lower it; `even_fenced` removes that, too.
    """
    with server.session("record", autocommit=False) as connection:
        connection.read_only = False
        connection.execute(f"SET LOCAL lock_timeout = {DROP_WAIT_MS}")
        if claim:
            _hold_claim(connection, claim)
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
        if not one_value(connection.execute("SELECT to_regnamespace('pgcutover') IS NOT NULL")):
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
    return text.format(run=checked_run_id(run_id), epoch=sql.Literal(epoch)).as_string(None)


@contextmanager
def of_run(session: Connection, claim: str, *, run_id: str) -> Iterator[None]:
    """A transaction of the run in a session of the target's, begun with `cas_sql`'s claim (traps.md T3), committed
    durably (T2) when the block ends well.

    Raises:
        RunnerConflictError: another runner has taken over; nothing was done.
    """
    session.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
    # As bytes: the statement is ready to send.
    if len(session.execute(claim.encode()).fetchall()) != 1:
        raise RunnerConflictError(
            f"another runner took over run {run_id}",
            hint="Let the other runner finish, or stop it and run the same command again.",
        )
    session.execute("SET LOCAL synchronous_commit = on")
    yield
    session.execute("COMMIT")


def checked_run_id(run_id: str) -> sql.Literal:
    if not RUN_ID.fullmatch(run_id):
        raise UsageError(f"run id {run_id!r} has characters other than letters, digits and _ . : -")
    return sql.Literal(run_id)


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
    if not one_value(connection.execute("SELECT to_regclass('pgcutover.fence') IS NOT NULL")):
        return False
    connection.execute("LOCK TABLE pgcutover.fence IN ACCESS EXCLUSIVE MODE")
    return bool(one_value(connection.execute("SELECT EXISTS (SELECT FROM pgcutover.fence)")))


def records_of(connection: Connection) -> tuple[RunRecord, ...]:
    if not one_value(connection.execute("SELECT to_regclass('pgcutover.run') IS NOT NULL")):
        return ()
    rows = connection.execute(
        "SELECT run_id, epoch, holder, host, pid, started_at, taken_at FROM pgcutover.run ORDER BY taken_at DESC"
    )
    return tuple(
        RunRecord(run_id=i, epoch=e, holder=h, host=m, pid=p, started_at=s, taken_at=t) for i, e, h, m, p, s, t in rows
    )


def one_value(cursor: psycopg.Cursor[tuple[Any, ...]]) -> Any:
    row = cursor.fetchone()
    if row is None:
        raise SourceError("a statement that returns one row returned none")
    return row[0]
