"""How many sessions two servers have left for a copy. Heroku's small plans have 20 for everybody.

It must only read. Invariant: the last sessions of a server are never taken, for they are how somebody would look in.
"""

from pgcutover.edges.postgres import Server, query
from pgcutover.errors import RefusedError

LEFT_FREE = 2
READING = 4
"""Sessions on the source beside those that copy: snapshot, catalogues, pg_dump, a look at a silent one."""
BUILDING = 6
"""Sessions on the target beside those that copy and build: two that hold it, progress, pg_restore, a look."""


def affordable_jobs(source: Server, target: Server, *, wanted: int) -> int:
    """How many tables may be copied at once, at most as many as wanted; each builder takes a session as well.

    Raises:
        RefusedError: not even one.
    """
    free = {server.side: _free(server) - LEFT_FREE for server in (source, target)}
    possible = {"source": free["source"] - READING, "target": (free["target"] - BUILDING - 1) // 2}
    narrow = source if possible["source"] <= possible["target"] else target
    if possible[narrow.side] < 1:
        raise RefusedError(
            f"{narrow.side} {narrow.dsn} has only {free[narrow.side] + LEFT_FREE} free connections for this role",
            hint="Nothing was touched. Stop clients, or raise the limit of the server, the database or the role.",
        )
    return min(wanted, possible[narrow.side])


def _free(server: Server) -> int:
    with server.session("capacity") as session:
        row = session.execute(query("free_sessions")).fetchone()
        assert row is not None, "an aggregate gives one row"
        # This session itself is free again in a moment.
        return int(row[0]) + 1
