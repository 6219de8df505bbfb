"""A connection on which nothing comes any more, and yet does not end: a proxy or a network that fell silent.

Silence alone proves nothing: a server may wait for a lock, or read a table full of dead rows. So its server is asked,
over another connection, what it waits for. Keepalives do not find this: whatever is between us may answer them.
"""

import asyncio
import time

import asyncpg

from pgcutover.copying.chunk import ChunkJob
from pgcutover.edges.copystream.flow import Flow
from pgcutover.edges.copystream.session import LOST, connected, lost_error
from pgcutover.edges.postgres import CONNECT_TIMEOUT_S, Side

LOOKS_PER_STALL = 4
# https://www.postgresql.org/docs/current/monitoring-stats.html#WAIT-EVENT-TABLE: Client is "waiting for activity on a
# socket connected to a user application", which is us.
WAITS_FOR_US = "SELECT wait_event_type = 'Client' FROM pg_catalog.pg_stat_activity WHERE pid = $1"


async def watch(flow: Flow, job: ChunkJob) -> None:
    """Raise CopyError when we wait for a server that waits for us; else never return."""
    while True:
        await asyncio.sleep(job.stall_s / LOOKS_PER_STALL)
        seen, side = flow.moved_s, flow.awaited
        # While there is no session yet, connecting has a limit of its own.
        if time.monotonic() - seen < job.stall_s or side not in flow.pids:
            continue
        stalled = await _waits_for_us(flow.pids[side], side, job)
        if (flow.moved_s, flow.awaited) != (seen, side):
            continue
        if stalled:
            raise lost_error(side, job, f"nothing came for {job.stall_s:g} s, and the server waits as well")
        # It is at work: believed for as long again.
        flow.moved()


async def _waits_for_us(pid: int, side: Side, job: ChunkJob) -> bool:
    """Whether a server's process waits for us, is gone, or cannot be asked for the same reason."""
    try:
        async with asyncio.timeout(2 * CONNECT_TIMEOUT_S):
            asking = await connected(job.source if side == "source" else job.target, purpose="watch")
            try:
                return await asking.fetchval(WAITS_FOR_US, pid) is not False
            finally:
                asking.terminate()
    except asyncpg.PostgresError as refused:
        # No free connection, for example: nothing is known.
        return (refused.sqlstate or "").startswith(LOST)
    except (OSError, TimeoutError, asyncpg.InterfaceError):
        return True
