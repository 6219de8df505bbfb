"""The gate of a target: closed to the application from the proof until the switch, and again when the move goes back.

Closed means read-only by default, so that no forgotten process writes rows that nobody sees; who overrides that on
purpose is kept out by locks while `quiet` reads, and for good once it was `shut`. It deletes and changes no row. The
invariant: only `open` lets the application write.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from pgcutover.edges.clients import end, end_all, read_clients
from pgcutover.edges.fence_state import fenced_tables, one, read_only_setting, read_only_sql, shown, undo_statements
from pgcutover.edges.fencing import lower_stored_fence
from pgcutover.edges.holder import LockHolder
from pgcutover.edges.postgres import Connection, Server, query
from pgcutover.edges.privileges import read_privileges, revocations
from pgcutover.edges.runrecord import assert_ours, ensure_records, writing
from pgcutover.errors import TargetError
from pgcutover.facts.fence import Client, GateStatus
from pgcutover.facts.names import TableName
from pgcutover.running.step import Json

PURPOSE = "gate"
END_LIMIT_S = 30


class Gate:
    """Opens and closes one target database."""

    def __init__(self, server: Server, claim_sql: str = "") -> None:
        self._server = server
        self._claim = claim_sql

    def close(self) -> None:
        """Close to writes, and end everybody's sessions: new ones read. Idempotent.

        Raises:
            TargetError: a session from before could not be ended.
            RunnerConflictError: the run of `claim_sql` is not ours any more.
        """
        with self._server.session(PURPOSE) as control:
            assert_ours(control, self._claim)
            ensure_records(control)
            if not _status(control).closed:
                with writing(control, self._claim):
                    control.execute(query("gate_close"), {"setting": read_only_setting(control)})
                    control.execute(read_only_sql(control, "on"))
            self._end_older(control)

    def open(self) -> None:
        """Let the application write: the default is again what it was. Idempotent.

        Raises:
            RunnerConflictError: the run of `claim_sql` is not ours any more.
        """
        lower_stored_fence(self._server, self._claim)
        with self._server.session(PURPOSE) as control, writing(control, self._claim):
            if _status(control).closed:
                row = control.execute(query("gate_open")).fetchone()
                control.execute(read_only_sql(control, row[0] if row is not None else None))

    def status(self) -> GateStatus:
        """As it is now, asked of the server."""
        with self._server.session(PURPOSE) as control:
            return _status(control)

    def clients(self) -> tuple[Client, ...]:
        """Everybody's sessions but ours."""
        with self._server.session(PURPOSE) as control:
            return read_clients(control)

    @contextmanager
    def quiet(self) -> Iterator[tuple[str, ...]]:
        """Closed, and every table locked for the length of the block: what is read in it is one state.

        A table of a role that ours is no member of, made on the target after it was opened, must not hold up those who
        go back: where it cannot be locked, it is named in what the block gets.

        Raises:
            TargetError: a session could not be ended, or a table of ours not be locked.
        """
        self.close()
        holder = LockHolder(self._server)
        try:
            with self._server.session(PURPOSE) as control:
                unlocked = _lock(control, holder)
            yield tuple(f"table {table} could not be locked while it was read" for table in unlocked)
        finally:
            holder.release()

    def shut(self) -> tuple[str, ...]:
        """Take the right to write from everybody, the owner included; what could not be taken, in words. Idempotent.

        Read-only alone lets whoever overrides it write rows that no export has. What gives the rights back stands in
        `pgcutover.fence` on the database itself; `open` does it, too.

        Raises:
            RunnerConflictError: the run of `claim_sql` is not ours any more.
        """
        with self._server.session(PURPOSE) as control, writing(control, self._claim):
            privileges = read_privileges(control)
            recorded: dict[str, Json] = {
                "database": self._server.dsn.database,
                "read_only": read_only_setting(control),
                "privileges": [cast("Json", p.kept) for p in privileges],
            }
            control.execute(query("gate_shut"), [Jsonb(recorded), undo_statements(control, recorded)])
            return tuple(left for statement in revocations(privileges) for left in _tried(control, statement))

    def _end_older(self, control: Connection) -> None:
        moment = one(control, "SELECT clock_timestamp()")
        end(control, (c for c in read_clients(control) if not c.beyond_reach))
        left = end_all(control, before=moment, limit_s=END_LIMIT_S)
        if left:
            raise TargetError(
                f"target {self._server.dsn}: sessions could not be ended: {shown([str(c) for c in left])}",
                hint="Stop them, or end them as the master user, then run the same command again. "
                f"GRANT pg_monitor, pg_signal_backend TO {self._server.dsn.user} as the master lets pgcutover do it.",
            )


def _tried(control: Connection, statement: sql.Composed) -> Iterator[str]:
    try:
        with control.transaction():
            control.execute(statement)
    except psycopg.errors.InsufficientPrivilege as cause:
        yield f"somebody else's rights could not be taken: {cause.diag.message_primary}"


def _lock(control: Connection, holder: LockHolder) -> list[TableName]:
    """Lock every table; those of others that we may not lock, or not in time, come back."""
    tables = fenced_tables(control)
    singly = [found for found in tables if not found[1]]
    try:
        holder.hold(control, [(t, lockable) for t, ours, lockable in tables if ours])
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable):
        # Ours, but in a schema that is not; or gone since it was listed. Which one, the server does not say for sure.
        singly = tables
    return [
        t for t, ours, lockable in singly if not ((ours or lockable) and _locked(control, holder, t, lockable=lockable))
    ]


def _locked(control: Connection, holder: LockHolder, table: TableName, *, lockable: bool) -> bool:
    try:
        holder.hold(control, [(table, lockable)])
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable, TargetError):
        return False
    return True


def _status(control: Connection) -> GateStatus:
    row = None
    if one(control, "SELECT to_regclass('pgcutover.gate') IS NOT NULL"):
        row = control.execute("SELECT closed_at, opened_at FROM pgcutover.gate").fetchone()
    closed_at, opened_at = row if row is not None else (None, None)
    shut = closed_at is not None and (opened_at is None or opened_at < closed_at)
    return GateStatus(closed=shut and read_only_setting(control) == "on", closed_at=closed_at, opened_at=opened_at)
