"""Whether the machine that this runs on reaches both servers, by the way that chunks go.

It changes nothing, and raises nothing that a server or a network may do: what it finds is its answer.
"""

import asyncio

import asyncpg

from pgcutover.edges.copystream.session import connected
from pgcutover.facts.names import Dsn


def unreachable(source: Dsn, target: Dsn) -> str:
    """Which server cannot be reached from here, and why; '' when both can."""
    return asyncio.run(_unreachable(source, target))


async def _unreachable(source: Dsn, target: Dsn) -> str:
    for side, dsn in (("source", source), ("target", target)):
        if why := await _why_not(dsn):
            return f"{side} {dsn}: {why}"
    return ""


async def _why_not(dsn: Dsn) -> str:
    try:
        session = await connected(dsn, purpose="look")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as cause:
        return (str(cause) or type(cause).__name__).splitlines()[0]
    session.terminate()
    return ""
