"""The bytes between the two COPY commands: bounded, counted, watched.

It must not begin or end a transaction. Invariant: it returns only when both servers have told how many rows they sent
and took, and both say the same; every way in which a server may fall silent ends in an error.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

import asyncpg
from psycopg import sql

from pgcutover.copying.chunk import ChunkJob
from pgcutover.edges.copystream.session import CLOSE_S, RESUME, lost_error, text_of, told
from pgcutover.edges.postgres import Side
from pgcutover.errors import CopyError
from pgcutover.planning.chunks import Chunk

# Buffers of up to 256 KiB (asyncio's read). More only costs memory; fewer lets the two servers wait for each other.
QUEUED_BUFFERS = 8
# How often a target that has already refused the rows is noticed. asyncpg looks only when the last row is sent, which
# may be hours later.
PROBE_S = 1.0
TICK: Final = b""
PIECE_BYTES = 2**20
"""A row may be larger than everything else; what is handed on at once is copied once more on its way."""


@dataclass(slots=True)
class Flow:
    """The bytes between the two servers, and since when nothing moved: see silence.py."""

    queue: "asyncio.Queue[bytes | None]" = field(default_factory=lambda: asyncio.Queue(QUEUED_BUFFERS))
    byte_count: int = 0
    pids: dict[Side, int] = field(default_factory=dict)
    """The servers' processes behind our two sessions, as soon as there are any."""
    moved_s: float = field(default_factory=time.monotonic)
    _answering: Side | None = None
    _all_read: bool = False

    @property
    def awaited(self) -> Side:
        """Whose turn it is: who answers a statement, and amid the rows the source while there is nothing to hand on."""
        if self._answering is not None:
            return self._answering
        return "source" if self.queue.empty() and not self._all_read else "target"

    def moved(self) -> None:
        self.moved_s = time.monotonic()

    def expect(self, side: Side | None) -> None:
        """From now on this side answers; None: the rows of a chunk flow."""
        self._answering = side
        self._all_read = False
        self.moved()

    async def put(self, buffer: bytes) -> None:
        self.moved()
        await self.queue.put(buffer)
        self.moved()

    async def end(self) -> None:
        await self.queue.put(None)
        self._all_read = True
        self.moved()


async def stream(source: asyncpg.Connection, target: asyncpg.Connection, job: ChunkJob, flow: Flow) -> int:
    """Both COPY commands of the job's one chunk at once; rows when both agree."""
    flow.expect(None)
    reading = asyncio.create_task(_read(source, flow, job))
    writing = asyncio.create_task(_write(target, flow, job))
    others = [
        asyncio.create_task(_tick(flow)),
        asyncio.create_task(_lost(source, "source", job)),
        asyncio.create_task(_lost(target, "target", job)),
    ]
    pending = {reading, writing, *others}
    try:
        while not (reading.done() and writing.done()):
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        for task in (reading, writing, *others):
            task.cancel()
        await asyncio.wait((reading, writing, *others), timeout=CLOSE_S)
        for task in (reading, writing, *others):
            if task.done() and not task.cancelled():
                task.exception()
    sent, arrived = _rows(reading.result()), _rows(writing.result())
    if sent != arrived:
        raise CopyError(f"the source sent {sent} rows of {job.name}, and {arrived} arrived", hint=RESUME)
    return arrived


async def _read(source: asyncpg.Connection, flow: Flow, job: ChunkJob) -> str:
    (chunk,) = job.chunks
    with told("source", job):
        tag = await source.copy_from_query(text_of(_selection(chunk)), output=flow.put, format=_format(chunk))
    await flow.end()
    return str(tag)


async def _write(target: asyncpg.Connection, flow: Flow, job: ChunkJob) -> str:
    (chunk,) = job.chunks
    with told("target", job):
        tag = await target.copy_to_table(
            chunk.table.name,
            schema_name=chunk.table.schema,
            columns=chunk.columns or None,
            source=_fed(target, flow),
            format=_format(chunk),
            freeze=True if chunk.freeze else None,
        )
    return str(tag)


async def _fed(target: asyncpg.Connection, flow: Flow) -> AsyncIterator[memoryview]:
    """The buffers, until the last one or until the target has refused them: then asyncpg raises what it said."""
    probed = time.monotonic()
    while (buffer := await flow.queue.get()) is not None:
        if time.monotonic() - probed > PROBE_S:
            probed = time.monotonic()
            if await _refused(target):
                return
        whole = memoryview(buffer)
        for start in range(0, len(buffer), PIECE_BYTES):
            piece = whole[start : start + PIECE_BYTES]
            flow.byte_count += len(piece)
            flow.moved()
            yield piece
            flow.moved()


async def _refused(target: asyncpg.Connection) -> bool:
    """Whether the COPY that we feed is over. While it goes on, asyncpg lets no other statement through."""
    try:
        await target.execute("SELECT")
    except asyncpg.InterfaceError:
        return False
    except asyncpg.PostgresError:
        return True
    return True


async def _tick(flow: Flow) -> None:
    """Wake the feeder when the source is slow, so that it probes."""
    while True:
        await asyncio.sleep(PROBE_S)
        if not flow.queue.full():
            flow.queue.put_nowait(TICK)


async def _lost(connection: asyncpg.Connection, side: Side, job: ChunkJob) -> None:
    """Raise when the connection ends: a COPY that waits for its turn to write would not notice."""
    ended = asyncio.Event()

    def tell(_: asyncpg.Connection) -> None:
        ended.set()

    connection.add_termination_listener(tell)
    try:
        if not connection.is_closed():
            await ended.wait()
    finally:
        connection.remove_termination_listener(tell)
    raise lost_error(side, job)


def _selection(chunk: Chunk) -> sql.Composed:
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in chunk.columns)
    selection = sql.SQL("SELECT {} FROM {}").format(columns, from_of(chunk))
    if chunk.pages is None:
        return selection
    first, end = chunk.pages
    bounds = sql.SQL(" WHERE ctid >= {}::tid").format(sql.Literal(f"({first},0)"))
    if end is not None:
        bounds += sql.SQL(" AND ctid < {}::tid").format(sql.Literal(f"({end},0)"))
    return selection + bounds


def from_of(chunk: Chunk) -> sql.Composed:
    """The table as a statement reads or locks it. T12: without ONLY, an inheritance parent's children come, too."""
    return sql.SQL("{}{}").format(sql.SQL("" if chunk.tree else "ONLY "), table_of(chunk))


def table_of(chunk: Chunk) -> sql.Identifier:
    return sql.Identifier(chunk.table.schema, chunk.table.name)


def _format(chunk: Chunk) -> str:
    return "binary" if chunk.binary else "text"


def _rows(tag: str) -> int:
    """The count in a command tag, `COPY 42`."""
    return int(tag.rsplit(" ", 1)[-1])
