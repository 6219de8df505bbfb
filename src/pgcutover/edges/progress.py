"""How far the copy is, asked of the target: markers for what arrived, progress views for what is arriving.

Reads only, in a session of its own, so any thread may ask at any time and no worker is disturbed. Invariant: a chunk
counts as done only by its marker.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from pgcutover.edges.postgres import Connection, Server, query
from pgcutover.facts.names import TableName
from pgcutover.planning.chunks import Chunk

COPY_VIEW_SINCE = 140000
"""https://www.postgresql.org/docs/14/progress-reporting.html"""
NEARLY = 0.99
"""An estimate of rows may be low: what has no marker is never shown as done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """An index being built; `share` is that of the present phase, from 0 to 1."""

    table: TableName
    phase: str
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyProgress:
    """Bytes are those the tables take on the source, so that done and total are of one kind; `sent_bytes` are those
    that went over the wire."""

    bytes_done: int
    bytes_total: int
    sent_bytes: int
    rows_done: int
    tables_done: int
    tables_total: int
    running: tuple[TableName, ...]
    builds: tuple[Build, ...]


def read_progress(server: Server, run_id: str, chunks: Iterable[Chunk]) -> CopyProgress:
    """One look. `chunks` are the plan's.

    Raises:
        TargetError: the target cannot be asked.
    """
    planned = tuple(chunks)
    with server.session("progress") as session:
        marks = {name: (rows, size) for name, rows, size, *_ in session.execute(query("copy_marks"), {"run": run_id})}
        arriving = _arriving(session)
        builds = tuple(
            Build(table=TableName(schema=s, name=n), phase=phase, share=share)
            for s, n, phase, share in session.execute(query("copy_index_progress"))
        )
    rows_done = sum(rows for rows, _ in marks.values()) + sum(rows for _, rows in arriving.values())
    sent_bytes = sum(size for _, size in marks.values()) + sum(size for size, _ in arriving.values())
    bytes_done, running = 0, []
    coming: dict[TableName, list[Chunk]] = defaultdict(list)
    for chunk in planned:
        if chunk.name in marks:
            bytes_done += chunk.data_bytes
        elif chunk.table in arriving:
            coming[chunk.table].append(chunk)
    for table, parts in coming.items():
        # The server tells of a table, whichever parts of it are arriving.
        rows, expected = arriving[table][1], sum(chunk.rows_estimate for chunk in parts)
        bytes_done += int(sum(chunk.data_bytes for chunk in parts) * min(NEARLY, rows / max(expected, rows, 1)))
        running.append(table)
    return CopyProgress(
        bytes_done=bytes_done,
        bytes_total=sum(chunk.data_bytes for chunk in planned),
        sent_bytes=sent_bytes,
        rows_done=rows_done,
        tables_done=sum(len(holders) for holders in _whole(planned, marks)),
        tables_total=sum(len(chunk.holders) for chunk in planned if chunk.first),
        running=tuple(running),
        builds=builds,
    )


def _whole(planned: Iterable[Chunk], marks: Collection[str]) -> Iterator[tuple[TableName, ...]]:
    """The tables of which every part arrived, chunk by chunk."""
    lacking = {chunk.table for chunk in planned if chunk.name not in marks}
    return (chunk.holders for chunk in planned if chunk.first and chunk.table not in lacking)


def _arriving(session: Connection) -> dict[TableName, tuple[int, int]]:
    if session.info.server_version < COPY_VIEW_SINCE:
        return {}
    rows = session.execute(query("copy_progress"))
    found: dict[TableName, tuple[int, int]] = {}
    for schema, name, size, count in rows:
        before = found.get(TableName(schema=schema, name=name), (0, 0))
        found[TableName(schema=schema, name=name)] = (before[0] + size, before[1] + count)
    return found
