"""Rows of one chunk, from the source's COPY into the target's, in one transaction with the chunk's marker.

The only room with asyncpg and an event loop; the loop lives inside one call. It must not decide what to copy or in
which order. Invariant: a marker is committed if and only if exactly the rows that the source sent are committed with
it; a chunk that has a marker is never touched again, and a table that holds rows without one is never emptied.
"""

from pgcutover.edges.copystream.chunk import carry
from pgcutover.edges.copystream.reach import unreachable
from pgcutover.edges.copystream.session import tls

__all__ = ["carry", "tls", "unreachable"]
