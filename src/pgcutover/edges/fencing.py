"""The fence of a source: nobody writes to it any more, proved under locks, and undone exactly.

In this order (traps.md T4): read-only by default, everybody else's sessions ended, an EXCLUSIVE lock on every table
held by one session, the privileges to write taken from everybody, the owner and PUBLIC included, then every session
from before that moment ended. The locks die with us; the revocation stays. What was there before is kept in the run's
journal and in `pgcutover.fence` on the source itself, with the SQL that puts it back, for a person who has only psql.

What each part is for. The default stops whoever does not know better. Who unsets it (BEGIN READ WRITE, PGOPTIONS, a
role's setting), or was still logging in, meets the locks and, after our death, the revocation, which PostgreSQL checks
at every statement. A function with SECURITY DEFINER runs as its owner, who lost the privileges too; only a superuser's
would pass, and while the locks stand not even that. Sequences are revoked as well: a number drawn after its sequence
was copied would be handed out twice. Privileges to make objects are revoked on schemas and the database: a table made
after the copy would be lost. New sessions may log in and read: that harms nothing. COMMIT PREPARED needs no privilege,
so a prepared transaction stops us before anything was touched. An owner can grant itself everything back; that is no
accident any more, and `inspect` sees it.

It must not know plans or steps. The invariant: once `raise_fence` has returned, no statement changes a row of the
source until `lower_fence`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from psycopg.types.json import Jsonb

from pgcutover.edges.clients import end, end_all, read_clients
from pgcutover.edges.fence_state import (
    PURPOSE,
    fenced_tables,
    inspect,
    inspect_over,
    one,
    read_acls,
    read_only_setting,
    read_only_sql,
    recorded_privileges,
    refuse_what_cannot_be_fenced,
    shown,
    stored_fence,
    undo_statements,
)
from pgcutover.edges.holder import LIMIT_S, NAME, LockHolder
from pgcutover.edges.postgres import Connection, Server, query
from pgcutover.edges.privileges import missing, read_privileges, restorations, revocations, without_vanished
from pgcutover.edges.runrecord import ensure_records, writing
from pgcutover.errors import FenceError
from pgcutover.facts.fence import Client, FenceStatus
from pgcutover.running.step import Before, Json

END_LIMIT_S = 30
ROUNDS = 5
"""A table that appears while we lock asks for one more round; an application that makes more is not stopped."""
RESTORE_LOCK_TIMEOUT_MS = 30_000


class HeldSource:
    """A source that can be fenced. It keeps the session that holds the locks; `close` lets go of them alone."""

    def __init__(self, server: Server, *, lock_limit_s: float = LIMIT_S) -> None:
        self._server = server
        self._holder = LockHolder(server, limit_s=lock_limit_s)

    def clients(self) -> tuple[Client, ...]:
        """Everybody's sessions but ours, oldest first."""
        with self._server.session(PURPOSE) as control:
            return read_clients(control)

    def read_fence(self) -> dict[str, Json]:
        """See `read_acls`."""
        return read_acls(self._server)

    def raise_fence(self, recorded: Before) -> None:
        """See `raise_fence`; again, it closes what is open and locks what is not locked."""
        raise_fence(self._server, recorded, self._holder)

    def keep_fence(self) -> None:
        """Take the locks again when a fence stands and the session that held them is gone. Idempotent, cheap."""
        with self._server.session(PURPOSE) as control:
            stored, tables = stored_fence(control), fenced_tables(control)
        if stored is not None and stored[1] is not None and not self._holder.holds([t for t, _, _ in tables]):
            raise_fence(self._server, stored[0], self._holder)

    def fence_status(self, recorded: Before) -> FenceStatus:
        """See `inspect`."""
        return inspect(self._server, recorded)

    def leaks(self) -> tuple[str, ...]:
        """Every way in which the fence that should stand does not; () when it is whole."""
        with self._server.session(PURPOSE) as control:
            stored = stored_fence(control)
            return ("the source is not fenced",) if stored is None else inspect_over(control, stored[0]).leaks

    def lower_fence(self, recorded: Before) -> None:
        """See `lower_fence`."""
        self._holder.release()
        lower_fence(self._server, recorded)

    def close(self) -> None:
        """Let go of the locks; what was revoked stays revoked."""
        self._holder.release()


def raise_fence(server: Server, recorded: Before, holder: LockHolder) -> None:
    """Fence a database; when it returns, the proof was taken under the locks that `holder` has. Idempotent.

    Raises:
        FenceError: it does not hold, and why. What was done stays; `lower_fence` undoes it.
    """
    with server.session(PURPOSE) as control:
        refuse_what_cannot_be_fenced(control, server, recorded)
        _end_stale_holders(control, holder)
        ensure_records(control)
        _remember(control, recorded)
        _set_read_only(control, "on")
        end(control, (c for c in read_clients(control) if not c.beyond_reach))
        try:
            _shut(control, server, recorded, holder)
            leaks = inspect_over(control, recorded).leaks
            if leaks:
                raise _does_not_hold(server, leaks)
        except BaseException:
            holder.release()
            raise


def lower_fence(server: Server, recorded: Before) -> None:
    """Put back every recorded privilege that is missing, and the default: all in one transaction. Idempotent.

    Locks that a dead process of ours still has are broken; the caller has let go of its own.
    """
    with server.session(PURPOSE) as control:
        _end_stale_holders(control, None)
        with writing(control):
            control.execute(f"SET LOCAL lock_timeout = {RESTORE_LOCK_TIMEOUT_MS}")
            lost = missing(recorded_privileges(recorded), read_privileges(control))
            for statement in restorations(without_vanished(control, lost)):
                control.execute(statement)
            if read_only_setting(control) != recorded["read_only"]:
                control.execute(read_only_sql(control, recorded["read_only"]))
            if stored_fence(control) is not None:
                control.execute("DELETE FROM pgcutover.fence")


def _shut(control: Connection, server: Server, recorded: Before, holder: LockHolder) -> None:
    """Lock, revoke, end who is older; once more for tables that appeared meanwhile."""
    for _ in range(ROUNDS):
        tables = fenced_tables(control)
        if not all(lockable for _, _, lockable in tables):
            # A former attempt revoked already. The rest goes first: the holder's transaction is about to touch the
            # same rows of pg_class, and a revocation would wait for it.
            _refuse_unrecorded(control, server, recorded)
            _revoke(control)
            tables = fenced_tables(control)
        holder.hold(control, [(t, lockable) for t, _, lockable in tables])
        _refuse_unrecorded(control, server, recorded)
        _revoke(control)
        moment = _now(control)
        left = end_all(control, before=moment, limit_s=END_LIMIT_S)
        if left:
            raise _does_not_hold(server, [f"cannot be ended: {c}" for c in left])
        if holder.holds([t for t, _, _ in fenced_tables(control)]):
            with writing(control):
                control.execute("UPDATE pgcutover.fence SET raised_at = %s", (moment,))
            return
    raise _does_not_hold(server, ["tables keep appearing"])


def _refuse_unrecorded(control: Connection, server: Server, recorded: Before) -> None:
    """What is not recorded could not be put back, so it is not revoked either."""
    unrecorded = sorted({*read_privileges(control)} - {*recorded_privileges(recorded)})
    if unrecorded:
        raise FenceError(
            f"privileges of source {server.dsn} changed since they were recorded: "
            f"{shown([str(p) for p in unrecorded])}",
            hint="Go back, so that what was done so far is undone; then start again.",
        )


def _revoke(control: Connection) -> None:
    """In one transaction, so that a crash leaves either all of it or none."""
    with writing(control):
        for statement in revocations(read_privileges(control)):
            control.execute(statement)


def _does_not_hold(server: Server, leaks: Sequence[str]) -> FenceError:
    return FenceError(
        f"the fence of source {server.dsn} does not hold: {shown(leaks)}",
        hint="Stop what is named there, then run the same command again.",
    )


def _remember(control: Connection, recorded: Before) -> None:
    with writing(control):
        control.execute(
            "INSERT INTO pgcutover.fence (recorded, undo_sql) VALUES (%s, %s) ON CONFLICT (single) DO UPDATE "
            "SET recorded = excluded.recorded, undo_sql = excluded.undo_sql, raised_at = NULL",
            (Jsonb(dict(recorded)), undo_statements(control, recorded)),
        )


def _end_stale_holders(control: Connection, holder: LockHolder | None) -> None:
    """The run is ours alone, so whoever else holds a fence's locks under our name is a dead process's session."""
    known = {"holder": NAME, "known": [holder.pid if holder is not None else 0]}
    for (pid,) in control.execute(query("fence_holders"), known).fetchall():
        control.execute("SELECT pg_terminate_backend(%s)", (pid,))


def _set_read_only(control: Connection, value: str) -> None:
    if read_only_setting(control) != value:
        with writing(control):
            control.execute(read_only_sql(control, value))


def _now(control: Connection) -> datetime:
    return cast(datetime, one(control, "SELECT clock_timestamp()"))
