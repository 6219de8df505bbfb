"""The gate of a target: closed to the application from the proof until the switch, and again when the move goes back.

Closed means read-only by default, so that no forgotten process writes rows that nobody sees; who overrides that on
purpose is kept out by locks while `quiet` reads, and for good once it was `shut`. It deletes and changes no row. The
invariant: only `open` lets the application write.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import cast

import psycopg
from psycopg.types.json import Jsonb

from pgcutover.edges.clients import end, end_all, read_clients
from pgcutover.edges.fence_state import (
    fenced_tables,
    one,
    read_only_setting,
    read_only_sql,
    recorded_privileges,
    stored_fence,
    undo_statements,
)
from pgcutover.edges.fencing import lower_stored_fence
from pgcutover.edges.giveback import shown
from pgcutover.edges.holder import LockHolder
from pgcutover.edges.postgres import Connection, Server, query, said
from pgcutover.edges.privileges import Privilege, beyond_taking, missing, read_privileges, revocation, together
from pgcutover.edges.runrecord import assert_ours, ensure_records, writing
from pgcutover.errors import TargetError
from pgcutover.facts.fence import Client, GateStatus
from pgcutover.facts.names import TableName
from pgcutover.running.step import Json

PURPOSE = "gate"
END_LIMIT_S = 30
# A GRANT in a transaction that somebody leaves open would be waited for without end.
REVOKE_WAIT_MS = 2500
REVOKE_ONE_WAIT_MS = 250


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
                    # Closed before, and reset by somebody: what it was before that is known already.
                    known = {"setting": read_only_setting(control), "closed": _noted_closed(control)}
                    control.execute(query("gate_close"), known)
                    control.execute(read_only_sql(control, "on"))
            self._end_older(control)

    def open(self) -> tuple[str, ...]:
        """Let the application write: the default is again what it was. Idempotent.

        Where it was shut: what could not be given back because it is gone, in sentences.

        Raises:
            TargetError: rights on something that is still there could not be given back.
            RunnerConflictError: the run of `claim_sql` is not ours any more.
        """
        gone = lower_stored_fence(self._server, self._claim) or ()
        with self._server.session(PURPOSE) as control, writing(control, self._claim):
            # Not by the setting: where the gate was shut, lowering has put that back already.
            if _noted_closed(control):
                row = control.execute(query("gate_open")).fetchone()
                control.execute(read_only_sql(control, row[0] if row is not None else None))
        return gone

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
                self._shut_what_is_lent(control)
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
            return _left(control, self._take_recorded(control, read_privileges(control)))

    def _shut_what_is_lent(self, control: Connection) -> None:
        """Take first, and commit, what is held on tables that the locks' session must lend itself a right on.

        Later a revocation would wait for that session, which waits for us.
        """
        lent = {t for t, ours, lockable in fenced_tables(control) if ours and not lockable}
        first = [
            p
            for p in read_privileges(control)
            if p.object_kind == "table" and TableName(schema=p.schema, name=p.name) in lent
        ]
        if first:
            with writing(control, self._claim):
                self._take_recorded(control, first)

    def _take_recorded(self, control: Connection, privileges: Collection[Privilege]) -> dict[str, str]:
        """Take, and record in the same transaction what was taken; what was refused and why, by object.

        What was taken is asked of another session: it sees what our transaction is about to end, a GRANT too that was
        committed while we revoked. What could not be taken must not be given back.
        """
        refused = _take(control, privileges)
        tried = {p.on for p in privileges} - {*refused}
        left = {*read_privileges(control)}
        with self._server.session(PURPOSE) as beside:
            before = read_privileges(beside)
        self._record(control, [p for p in before if p.on in tried and p not in left])
        return refused

    def _record(self, control: Connection, taken: Collection[Privilege]) -> None:
        """Add to what to put back. What was recorded first stays: shut again, only what appeared since is new."""
        stored = stored_fence(control)
        recorded = dict(stored[0]) if stored is not None else self._nothing_taken(control)
        known = recorded_privileges(recorded)
        recorded["privileges"] = [cast("Json", p.kept) for p in (*known, *missing(taken, known))]
        control.execute(query("gate_shut"), [Jsonb(recorded), undo_statements(control, recorded)])

    def _nothing_taken(self, control: Connection) -> dict[str, Json]:
        """Of the default, what it was before the gate closed."""
        before = read_only_setting(control)
        if _noted_closed(control):
            before = one(control, "SELECT setting_before FROM pgcutover.gate")
        return {"database": self._server.dsn.database, "read_only": before, "privileges": []}

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


def _take(control: Connection, privileges: Collection[Privilege]) -> dict[str, str]:
    """Revoke in the open transaction, object by object where a statement for many is refused; why, by object."""
    refused: dict[str, str] = {}
    for many in together(privileges):
        if _refusal(control, many, REVOKE_WAIT_MS):
            for single in together(many, at_most=1):
                why = _refusal(control, single, REVOKE_ONE_WAIT_MS)
                refused |= {single[0].on: why} if why else {}
    return refused


def _refusal(control: Connection, privileges: Sequence[Privilege], wait_ms: int) -> str:
    try:
        with control.transaction():
            control.execute(f"SET LOCAL lock_timeout = {wait_ms}")
            control.execute(revocation(privileges))
    except (
        psycopg.errors.InsufficientPrivilege,
        psycopg.errors.LockNotAvailable,
        psycopg.errors.DeadlockDetected,
        # Dropped since it was read, it or a role; or changed at the same moment ("tuple concurrently updated").
        psycopg.errors.UndefinedTable,
        psycopg.errors.UndefinedObject,
        psycopg.errors.InvalidSchemaName,
        psycopg.errors.InternalError_,
    ) as cause:
        return said(cause)
    return ""


def _left(control: Connection, refused: Mapping[str, str]) -> tuple[str, ...]:
    """Who may still write, in words: where another role granted, REVOKE may only warn. Superusers always may."""
    superusers = {name for (name,) in control.execute("SELECT rolname::text FROM pg_roles WHERE rolsuper")}
    held: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for p in read_privileges(control):
        if p.grantee not in superusers:
            held[p.on][p.grantee].add(p.privilege)
    for on, grantee, privilege in beyond_taking(control):
        held[on][grantee].add(privilege)
    return tuple(
        f"rights to write could not be taken: {on}: "
        + "; ".join(f"{grantee} has {', '.join(sorted(words))}" for grantee, words in sorted(grantees.items()))
        + (f" ({refused[on]})" if on in refused else "")
        for on, grantees in sorted(held.items())
    )


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
    closed_at, opened_at = _moments(control)
    closed = _closed_last(closed_at, opened_at) and read_only_setting(control) == "on"
    return GateStatus(closed=closed, closed_at=closed_at, opened_at=opened_at)


def _noted_closed(control: Connection) -> bool:
    return _closed_last(*_moments(control))


def _closed_last(closed_at: datetime | None, opened_at: datetime | None) -> bool:
    return closed_at is not None and (opened_at is None or opened_at < closed_at)


def _moments(control: Connection) -> tuple[datetime | None, datetime | None]:
    """When it was last closed, and last opened."""
    if not one(control, "SELECT to_regclass('pgcutover.gate') IS NOT NULL"):
        return None, None
    row = control.execute("SELECT closed_at, opened_at FROM pgcutover.gate").fetchone()
    return row if row is not None else (None, None)
