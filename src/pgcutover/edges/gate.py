"""The gate of a target: closed to the application from the proof until the switch, and again when the move goes back.

Closed means read-only by default, so that no forgotten process writes rows that nobody sees; who overrides that on
purpose is kept out by locks while `quiet` reads. It deletes and changes no row. The invariant: only `open` lets the
application write.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from pgcutover.edges.clients import end, end_all, read_clients
from pgcutover.edges.fence_state import fenced_tables, one, read_only_setting, read_only_sql, shown
from pgcutover.edges.holder import LockHolder
from pgcutover.edges.postgres import Connection, Server, query
from pgcutover.edges.runrecord import ensure_records, writing
from pgcutover.errors import TargetError
from pgcutover.facts.fence import Client, GateStatus

PURPOSE = "gate"
END_LIMIT_S = 30


class Gate:
    """Opens and closes one target database."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def close(self) -> None:
        """Close to writes, and end everybody's sessions: new ones read. Idempotent.

        Raises:
            TargetError: a session from before could not be ended.
        """
        with self._server.session(PURPOSE) as control:
            ensure_records(control)
            if not _status(control).closed:
                with writing(control):
                    control.execute(query("gate_close"), {"setting": read_only_setting(control)})
                    control.execute(read_only_sql(control, "on"))
            self._end_older(control)

    def open(self) -> None:
        """Let the application write: the default is again what it was. Idempotent."""
        with self._server.session(PURPOSE) as control, writing(control):
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
    def quiet(self) -> Iterator[None]:
        """Closed, and every table locked for the length of the block: what is read in it is one state.

        Raises:
            TargetError: a session could not be ended, or a table not be locked.
        """
        self.close()
        holder = LockHolder(self._server)
        try:
            with self._server.session(PURPOSE) as control:
                tables = fenced_tables(control)
                strangers = [str(t) for t, ours, _ in tables if not ours]
                if strangers:
                    raise TargetError(
                        f"target {self._server.dsn}: {shown(strangers)} belong to a role that ours is no member of",
                        hint="GRANT that role to ours, so that the tables can be locked while they are read.",
                    )
                holder.hold(control, [(t, lockable) for t, _, lockable in tables])
            yield
        finally:
            holder.release()

    def _end_older(self, control: Connection) -> None:
        moment = one(control, "SELECT clock_timestamp()")
        end(control, (c for c in read_clients(control) if not c.beyond_reach))
        left = end_all(control, before=moment, limit_s=END_LIMIT_S)
        if left:
            raise TargetError(
                f"target {self._server.dsn}: sessions could not be ended: {shown([str(c) for c in left])}",
                hint="Stop them, or end them as the master user, then run the same command again.",
            )


def _status(control: Connection) -> GateStatus:
    row = None
    if one(control, "SELECT to_regclass('pgcutover.gate') IS NOT NULL"):
        row = control.execute("SELECT closed_at, opened_at FROM pgcutover.gate").fetchone()
    closed_at, opened_at = row if row is not None else (None, None)
    shut = closed_at is not None and (opened_at is None or opened_at < closed_at)
    return GateStatus(closed=shut and read_only_setting(control) == "on", closed_at=closed_at, opened_at=opened_at)
