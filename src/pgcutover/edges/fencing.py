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
source until `lower_fence`; and a fence that somebody opened meanwhile is never closed again in silence.
"""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import cast

from psycopg.types.json import Jsonb

from pgcutover.edges.clients import PAUSE_S, end, end_all, read_clients
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
    stored_fence,
    undo_statements,
)
from pgcutover.edges.giveback import GivenBack, give_back, shown
from pgcutover.edges.holder import LIMIT_S, NAME, LockHolder
from pgcutover.edges.postgres import Connection, Server, query
from pgcutover.edges.privileges import read_privileges, revocations
from pgcutover.edges.runrecord import assert_ours, ensure_records, writing
from pgcutover.errors import FenceError, TargetError
from pgcutover.facts.fence import Client, FenceStatus
from pgcutover.running.step import Before, Json

END_LIMIT_S = 30
SETTLE_LIMIT_S = 15
"""For sessions whose log-in takes longer than the fence; each is ended when it appears."""
ROUNDS = 5
"""A table that appears while we lock asks for one more round; an application that makes more is not stopped."""
RESTORE_LOCK_TIMEOUT_MS = 30_000


class HeldSource:
    """A source that can be fenced. It keeps the session that holds the locks; `close` lets go of them alone.

    With `claim_sql` (runrecord.cas_sql) everything that writes or breaks locks raises RunnerConflictError, and does
    nothing, once the run is not ours any more.
    """

    def __init__(self, server: Server, claim_sql: str = "", *, lock_limit_s: float = LIMIT_S) -> None:
        self._server = server
        self._claim = claim_sql
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
        raise_fence(self._server, recorded, self._holder, self._claim)

    def keep_fence(self, recorded: Before) -> None:
        """Return when the fence stands, the locks taken again if the session that held them is gone. Idempotent.

        Nothing is revoked anew: through a fence that was open rows may have come that were never copied.

        Raises:
            FenceError: it does not stand any more, and why.
        """
        with self._server.session(PURPOSE) as control:
            _refuse_fallen(control, self._server, recorded)
            tables = fenced_tables(control)
            if self._holder.holds([t for t, _, _ in tables]):
                return
            assert_ours(control, self._claim)
            _end_stale_holders(control, self._holder)
            try:
                self._holder.hold(control, [(t, lockable) for t, _, lockable in tables])
                # It may have been opened between the look and the locks.
                _refuse_fallen(control, self._server, recorded)
            except BaseException:
                self._holder.release()
                raise

    def fence_status(self, recorded: Before) -> FenceStatus:
        """See `inspect`."""
        return inspect(self._server, recorded)

    def settle(self, recorded: Before) -> FenceStatus:
        """The same, after those were ended who had been logging in while the fence was raised."""
        with self._server.session(PURPOSE) as control:
            return _settled(control, recorded)

    def leaks(self) -> tuple[str, ...]:
        """Every way in which the fence that should stand does not; () when it is whole. Settled first."""
        with self._server.session(PURPOSE) as control:
            stored = stored_fence(control)
            return ("the source is not fenced",) if stored is None else _settled(control, stored[0]).leaks

    def lower_fence(self, recorded: Before) -> tuple[str, ...]:
        """See `lower_fence`."""
        self._holder.release()
        return lower_fence(self._server, recorded, self._claim)

    def close(self) -> None:
        """Let go of the locks; what was revoked stays revoked."""
        self._holder.release()


def raise_fence(server: Server, recorded: Before, holder: LockHolder, claim_sql: str = "") -> None:
    """Fence a database; when it returns, the proof was taken under the locks that `holder` has. Idempotent.

    Raises:
        FenceError: it does not hold, and why. What was done stays; `lower_fence` undoes it.
        RunnerConflictError: the run of `claim_sql` is not ours any more.
    """
    with server.session(PURPOSE) as control:
        refuse_what_cannot_be_fenced(control, server, recorded)
        assert_ours(control, claim_sql)
        _end_stale_holders(control, holder)
        ensure_records(control)
        _remember(control, recorded, claim_sql)
        _set_read_only(control, "on", claim_sql)
        end(control, (c for c in read_clients(control) if not c.beyond_reach))
        try:
            _shut(control, server, recorded, holder, claim_sql)
            leaks = _settled(control, recorded).leaks
            if leaks:
                raise _does_not_hold(server, leaks)
        except BaseException:
            holder.release()
            raise


def lower_fence(server: Server, recorded: Before, claim_sql: str = "") -> tuple[str, ...]:
    """Put back every recorded privilege that is missing, and the default: all in one transaction. Idempotent.

    Locks that a dead process of ours still has are broken; the caller has let go of its own. What was dropped or
    renamed meanwhile is passed over, and told in the sentences that come back.

    Raises:
        FenceError, TargetError: something is there that was not ours to give rights on; everything else was put back,
            and the record of what was taken stays.
        RunnerConflictError: the run of `claim_sql` is not ours any more.
    """
    with server.session(PURPOSE) as control:
        assert_ours(control, claim_sql)
        _end_stale_holders(control, None)
        with writing(control, claim_sql):
            control.execute(f"SET LOCAL lock_timeout = {RESTORE_LOCK_TIMEOUT_MS}")
            given = give_back(control, recorded_privileges(recorded))
            if read_only_setting(control) != recorded["read_only"]:
                control.execute(read_only_sql(control, recorded["read_only"]))
            if stored_fence(control) is not None and not given.owed:
                control.execute("DELETE FROM pgcutover.fence")
    if given.owed:
        raise _owing(server, given)
    return given.gone


def lower_stored_fence(server: Server, claim_sql: str = "") -> tuple[str, ...] | None:
    """Lower the fence that the database itself has a record of; None when it has none. For a journal that knows none.

    Returns and raises what `lower_fence` does.
    """
    with server.session(PURPOSE) as control:
        stored = stored_fence(control)
    return None if stored is None else lower_fence(server, stored[0], claim_sql)


def _owing(server: Server, given: GivenBack) -> FenceError | TargetError:
    kind = FenceError if server.side == "source" else TargetError
    why = f" ({shown(given.refusals)})" if given.refusals else ""
    return kind(
        f"{server.side} {server.dsn}: rights could not be given back: {shown(given.owed)}{why}",
        hint="All the others were. Somebody else owns these now: let the owner grant them, or give the ownership back, "
        "then run the same command again. SELECT undo_sql FROM pgcutover.fence shows every statement.",
    )


def _refuse_fallen(control: Connection, server: Server, recorded: Before) -> None:
    if stored_fence(control) is None:
        found: tuple[str, ...] = ("its record on the source is gone",)
    else:
        found = _settled(control, recorded).leaks
    if found:
        raise FenceError(
            f"the fence of source {server.dsn} does not stand any more: {shown(found)}",
            hint="The application may have been opened on the old database by hand; what was copied is stale. "
            "Run pgcutover rollback.",
        )


def _settled(control: Connection, recorded: Before) -> FenceStatus:
    """A session that was logging in while the fence was raised shows up later, with a beginning from before it."""
    deadline = time.monotonic() + SETTLE_LIMIT_S
    while True:
        status = inspect_over(control, recorded)
        if not status.only_older_clients or time.monotonic() > deadline:
            return status
        end(control, status.older_clients)
        time.sleep(PAUSE_S)


def _shut(control: Connection, server: Server, recorded: Before, holder: LockHolder, claim: str) -> None:
    """Lock, revoke, end who is older; once more for tables that appeared meanwhile."""
    for _ in range(ROUNDS):
        tables = fenced_tables(control)
        if not all(lockable for _, _, lockable in tables):
            # A former attempt revoked already. The rest goes first: the holder's transaction is about to touch the
            # same rows of pg_class, and a revocation would wait for it.
            _revoke(control, server, recorded, claim)
            tables = fenced_tables(control)
        holder.hold(control, [(t, lockable) for t, _, lockable in tables])
        _revoke(control, server, recorded, claim)
        moment = _now(control)
        left = end_all(control, before=moment, limit_s=END_LIMIT_S)
        if left:
            raise _does_not_hold(server, [f"cannot be ended: {c}" for c in left])
        if holder.holds([t for t, _, _ in fenced_tables(control)]):
            with writing(control, claim):
                control.execute("UPDATE pgcutover.fence SET raised_at = %s", (moment,))
            return
    raise _does_not_hold(server, ["tables keep appearing"])


def _revoke(control: Connection, server: Server, recorded: Before, claim: str) -> None:
    """In one transaction, so that a crash leaves either all of it or none.

    What is not recorded could not be put back, so it is not revoked either. That is asked before the end, and of
    another session: it sees what is about to be lost, a GRANT too that was committed while we revoked. A later one
    waits for the row that our transaction has changed, and what it gives is found as a leak.
    """
    with writing(control, claim):
        for statement in revocations(read_privileges(control)):
            control.execute(statement)
        with server.session(PURPOSE) as beside:
            unrecorded = sorted({*read_privileges(beside)} - {*recorded_privileges(recorded)})
        if unrecorded:
            raise FenceError(
                f"privileges of source {server.dsn} changed since they were recorded: "
                f"{shown([str(p) for p in unrecorded])}",
                hint="Go back, so that what was done so far is undone; then start again.",
            )


def _does_not_hold(server: Server, leaks: Sequence[str]) -> FenceError:
    return FenceError(
        f"the fence of source {server.dsn} does not hold: {shown(leaks)}",
        hint="Stop what is named there, then run the same command again; when a table appeared or is gone, go back.",
    )


def _remember(control: Connection, recorded: Before, claim: str) -> None:
    """The moment of a fence that stands is kept until a new proof replaces it; that of one that fell is not."""
    status = inspect_over(control, recorded)
    stands = not status.leaks or status.only_older_clients
    with writing(control, claim):
        control.execute(
            "INSERT INTO pgcutover.fence (recorded, undo_sql) VALUES (%s, %s) ON CONFLICT (single) DO UPDATE "
            "SET recorded = excluded.recorded, undo_sql = excluded.undo_sql, "
            "raised_at = CASE WHEN %s THEN fence.raised_at END",
            (Jsonb(dict(recorded)), undo_statements(control, recorded), stands),
        )


def _end_stale_holders(control: Connection, holder: LockHolder | None) -> None:
    """The run is ours alone, so whoever else holds a fence's locks under our name is a dead process's session."""
    known = {"holder": NAME, "known": [holder.pid if holder is not None else 0]}
    for (pid,) in control.execute(query("fence_holders"), known).fetchall():
        control.execute("SELECT pg_terminate_backend(%s)", (pid,))


def _set_read_only(control: Connection, value: str, claim: str) -> None:
    if read_only_setting(control) != value:
        with writing(control, claim):
            control.execute(read_only_sql(control, value))


def _now(control: Connection) -> datetime:
    return cast(datetime, one(control, "SELECT clock_timestamp()"))
