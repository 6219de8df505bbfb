"""What two servers have left for a copy: sessions, of which Heroku's small plans have 20 for everybody, and cores.

It must only read. Invariant: the last sessions of a server are never taken, for they are how somebody would look in.
"""

import os
from pathlib import Path

from pgcutover.edges.postgres import Server, query
from pgcutover.errors import RefusedError

LEFT_FREE = 2
PROCESSES = "/proc"
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
            f"{narrow.side} {narrow.dsn} has only {free[narrow.side] + LEFT_FREE} free connections for this role; one "
            f"table at a time needs {LEFT_FREE + (READING + 1 if narrow is source else BUILDING + 3)}",
            hint="Nothing was touched. Stop clients, or raise the limit of the server, the database or the role.",
        )
    return min(wanted, possible[narrow.side])


def no_more_than_cores(target: Server, wanted: int) -> int:
    """As many as wanted, but no more than the target has cores, which is known where it runs on this machine."""
    with target.session("capacity") as session:
        row = session.execute("SELECT pg_catalog.pg_backend_pid(), pg_catalog.inet_client_port()").fetchone()
        assert row is not None, "a function gives one row"
        return min(wanted, _cores(row[0])) if _of_this_machine(*row) else wanted


def _cores(pid: int) -> int:
    """Those that the server may use, which need not be those that we may."""
    try:
        return len(os.sched_getaffinity(pid))
    except OSError:
        return os.cpu_count() or 1


def _of_this_machine(pid: int, port: int | None) -> bool:
    """Whether a server process of that number serves that port here: an address alone may be a tunnel's end."""
    try:
        title = Path(PROCESSES, str(pid), "cmdline").read_bytes()
    except OSError:
        return False
    return title.startswith(b"postgres: ") and (b"[local]" if port is None or port < 0 else b"(%d)" % port) in title


def _free(server: Server) -> int:
    with server.session("capacity") as session:
        row = session.execute(query("free_sessions")).fetchone()
        assert row is not None, "an aggregate gives one row"
        # This session itself is free again in a moment.
        return int(row[0]) + 1
