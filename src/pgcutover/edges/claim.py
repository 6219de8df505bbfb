"""Taking a run: the advisory lock on the source, and a new epoch in the record of both databases.

The lock keeps a second runner out; the epoch stops the first one's transactions (see runrecord.py), and its programs on
the target, which do not ask the record, are ended. It must not know what a run does.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

import psycopg
from psycopg import sql

from pgcutover.edges.postgres import Connection, Server, query
from pgcutover.edges.runrecord import checked_run_id, ensure_records, one_value, read_records, records_of, writing
from pgcutover.errors import RunnerConflictError, TargetError

LOCK = sql.SQL("SELECT pg_try_advisory_lock(hashtextextended('pgcutover', 0))")
STALE_TRANSACTIONS_END_S = 30
RECORD_WAIT_MS = 2000
QUIET_S = 2.0
"""A program that is between two connections shows up again within this time: pg_restore leaves its first session before
its workers open theirs, which from far away takes a second."""


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
        self._cleared: set[tuple[str, int, str]] = set()
        """Targets on which no former runner's program is at work any more; the record is ours before that."""

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
        checked_run_id(run_id)
        with source.translated("taking the run"):
            connection = source.connect("lock")
            try:
                if not one_value(connection.execute(LOCK)):
                    raise _conflict(connection, source)
                records = records_of(connection)
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
        """Take the run on a target, so that nothing of an earlier epoch there commits any more. Idempotent.

        Raises:
            TargetError: a former runner's program is still at work there and cannot be ended.
        """
        place = (target.dsn.host, target.dsn.port, target.dsn.database)
        with target.session("record") as connection:
            ensure_records(connection)
            records = records_of(connection)
            mine = [r for r in records if r.run_id == self.run_id]
            if not mine or mine[0].epoch != self.epoch:
                self._cleared.discard(place)
                _take(connection, run_id=self.run_id, epoch=self.epoch, holder=self._holder)
            if place not in self._cleared:
                # Who never was here has no program here: one look is enough.
                _end_programs(connection, target, quiet_s=QUIET_S if records else 0.0)
                self._cleared.add(place)

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
            connection = self._source.connect("lock")
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
        if one_value(connection.execute(LOCK)):
            return
        holder = connection.execute(query("record_holder")).fetchone()
        # The server may not have noticed yet that our own former session is dead.
        if holder is not None and (holder[0], holder[2]) == self._backend:
            connection.execute("SELECT pg_terminate_backend(%s)", (holder[0],))
            deadline = time.monotonic() + STALE_TRANSACTIONS_END_S
            while time.monotonic() < deadline:
                if one_value(connection.execute(LOCK)):
                    return
                time.sleep(0.05)
        raise _conflict(connection, self._source)

    def _compare(self, connection: Connection) -> None:
        newest = max(records_of(connection), key=lambda r: r.epoch, default=None)
        if newest is None or (newest.run_id, newest.epoch) != (self.run_id, self.epoch):
            raise RunnerConflictError(
                f"source {self._source.dsn}: {newest or 'nobody'} took the move over while our lock was lost",
                hint="Let that run go on, or stop it and run the same command again.",
            )


@contextmanager
def target_alone(target: Server, *, run_id: str, holder: str) -> Iterator[int]:
    """Hold a target for a copy that leaves its source untouched; the epoch that was taken.

    Raises:
        RunnerConflictError: another process holds it.
        TargetError: a former runner's program is still at work there and cannot be ended.
    """
    with target.translated("taking the target"):
        connection = target.connect("lock")
        try:
            if not one_value(connection.execute(LOCK)):
                raise _conflict(connection, target)
            ensure_records(connection)
            records = records_of(connection)
            epoch = 1 + max((r.epoch for r in records), default=0)
            _take(connection, run_id=run_id, epoch=epoch, holder=holder)
            _end_programs(connection, target, quiet_s=QUIET_S if records else 0.0)
            yield epoch
        finally:
            connection.close()


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
            for (pid,) in connection.execute(query("record_users").format(may_end=query("may_end"))).fetchall():
                connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
            continue
        if taken is None:
            raise RunnerConflictError(f"another run took {run_id} at the same moment", hint="Run the command again.")
        return


def _end_programs(connection: Connection, target: Server, *, quiet_s: float) -> None:
    """End what a dead runner left at work: its pg_restore builds on, and what it makes next would be in our way."""
    deadline = time.monotonic() + STALE_TRANSACTIONS_END_S
    quiet_since = time.monotonic()
    while True:
        found = connection.execute(query("copy_abandon").format(may_end=query("may_end"))).fetchone()
        now = time.monotonic()
        if found is not None and found[0]:
            quiet_since = now
            if now > deadline:
                raise _still_at_work(target, beyond_reach=found[1])
        elif now - quiet_since >= quiet_s:
            return
        time.sleep(0.05)


def _still_at_work(target: Server, *, beyond_reach: str) -> TargetError:
    whose = f": sessions of {beyond_reach}, which {target.dsn.user} may not end" if beyond_reach else ""
    grant = (
        f" As the master, GRANT pg_signal_backend TO {target.dsn.user} lets pgcutover do it." if beyond_reach else ""
    )
    return TargetError(
        f"target {target.dsn}: programs of a former runner are still at work{whose}",
        hint="End them (application_name pgcutover restore or copy), then run the same command again." + grant,
    )


def _conflict(connection: Connection, source: Server) -> RunnerConflictError:
    session = connection.execute(query("record_holder")).fetchone()
    records = records_of(connection)
    where = f", connected from {session[1] or 'this machine'} since {session[2]}" if session is not None else ""
    return RunnerConflictError(
        f"{source.side} {source.dsn}: {records[0] if records else 'another run'} holds this move{where}",
        hint="Wait for it or stop it; when its machine is gone, the server lets go of the lock within two minutes.",
    )
