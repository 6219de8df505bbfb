"""One job's transaction on the target: claim, markers, rows, counts, commit.

It must not decide what to copy or in which order.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import asyncpg
from psycopg import sql

from pgcutover.copying.chunk import ChunkJob, Copied
from pgcutover.edges.copystream.flow import Flow, from_of, stream, table_of
from pgcutover.edges.copystream.session import CLOSE_S, RESUME, session, statement, text_of, told
from pgcutover.edges.copystream.silence import watch
from pgcutover.edges.postgres import Side
from pgcutover.errors import CopyError, RunnerConflictError, SourceError, TargetError, TargetNotEmptyError
from pgcutover.planning.chunks import Chunk

# As intervalstyle postgres writes them. https://www.postgresql.org/docs/16/datatype-datetime.html
EXTREME_INTERVALS = (
    "178956970 years 7 mons 2147483647 days 2562047788:00:54.775807",
    "-178956970 years -8 mons -2147483648 days -2562047788:00:54.775808",
)


def carry(job: ChunkJob) -> tuple[Copied, ...]:
    """Carry a job's chunks, or find that they arrived before.

    Raises:
        RunnerConflictError: another runner took the run over; nothing was written.
        TargetNotEmptyError: the table holds rows that no marker explains; nothing was touched.
        CopyError: the connection broke, the counts differ, or the marker tells of other rows.
        SourceError, TargetError: that server refused something; the message names the table.
    """
    return asyncio.run(_carry(job))


async def _carry(job: ChunkJob) -> tuple[Copied, ...]:
    """The work, and beside it a look at whether it still moves."""
    flow = Flow()
    work, watching = asyncio.create_task(_work(job, flow)), asyncio.create_task(watch(flow, job))
    try:
        await asyncio.wait((work, watching), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            watching.result()
        return await work
    finally:
        for task in (work, watching):
            task.cancel()
        await asyncio.wait((work, watching), timeout=CLOSE_S)


async def _work(job: ChunkJob, flow: Flow) -> tuple[Copied, ...]:
    flow.expect("target")
    async with session(job.target, "target", job, dict(job.settings), partial(_met, flow, "target")) as target:
        with told("target", job):
            await target.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
            found = await _take(target, job)
            todo = [chunk for chunk in job.chunks if chunk.name not in found]
            if not todo:
                await target.execute("ROLLBACK")
                return tuple(found.values())
            # T2: with synchronous_commit off, an acknowledged chunk could be gone after a crash, marker and all. A
            # TRUNCATE makes the commit wait by itself; that is PostgreSQL's affair and may change.
            await target.execute("SET LOCAL synchronous_commit = on")
            await _empty(target, todo)
        flow.expect("source")
        async with session(job.source, "source", job, {}, partial(_met, flow, "source")) as source:
            with told("source", job):
                await source.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                await source.execute(text_of(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(job.snapshot))))
            arrived = [await _carried(source, target, replace(job, chunks=(chunk,)), flow) for chunk in todo]
        flow.expect("target")
        with told("target", job):
            await _fill(target, job, arrived)
            await target.execute("COMMIT")
    return (*found.values(), *arrived)


async def _carried(source: asyncpg.Connection, target: asyncpg.Connection, job: ChunkJob, flow: Flow) -> Copied:
    """The one chunk of this job, between sessions that are in their transactions."""
    (chunk,) = job.chunks
    started, sent_before = time.perf_counter(), flow.byte_count
    if chunk.extremes:
        flow.expect("source")
        with told("source", job):
            await _refuse_extremes(source, chunk)
    rows = await stream(source, target, job, flow)
    return Copied(
        chunk=chunk.name, rows=rows, bytes=flow.byte_count - sent_before, seconds=time.perf_counter() - started
    )


def _met(flow: Flow, side: Side, pid: int) -> None:
    flow.pids[side] = pid
    flow.moved()


async def _take(target: asyncpg.Connection, job: ChunkJob) -> dict[str, Copied]:
    """Prove that the run is ours, then take the markers; what earlier markers say where there are any (T3)."""
    if len(await target.fetch(job.claim)) != 1:
        raise RunnerConflictError(
            f"another runner took over run {job.run_id}; {job.name} was not copied",
            hint="Let the other runner finish, or stop it and run the same command again.",
        )
    names, storages = [chunk.name for chunk in job.chunks], [chunk.storage for chunk in job.chunks]
    taken = await target.fetch(statement("copy_mark_take"), job.run_id, names, job.epoch, storages)
    there = sorted(set(names) - {row["chunk"] for row in taken})
    if not there:
        return {}
    marks = {row["chunk"]: row for row in await target.fetch(statement("copy_mark_read"), job.run_id, there)}
    wanted = dict(zip(names, storages, strict=True))
    for name in there:
        if name not in marks or marks[name]["storage"] != wanted[name]:
            raise CopyError(
                f"{name} was copied before, and rewritten or truncated on the source since",
                hint="The fence did not hold: roll back, find the writer, and start a new run.",
            )
    return {
        name: Copied(chunk=name, rows=mark["rows"], bytes=mark["bytes"], seconds=mark["seconds"], found=True)
        for name, mark in marks.items()
    }


async def _fill(target: asyncpg.Connection, job: ChunkJob, arrived: Sequence[Copied]) -> None:
    columns = zip(*((c.chunk, c.rows, c.bytes, c.seconds) for c in arrived), strict=True)
    filled = await target.fetch(statement("copy_mark_fill"), job.run_id, *map(list, columns))
    if len(filled) != len(arrived):
        raise CopyError(f"the marker of {job.name} vanished inside its own transaction", hint=RESUME)


async def _empty(target: asyncpg.Connection, chunks: Sequence[Chunk]) -> None:
    """Lock the tables and make sure that they hold no row; of a table in parts the caller did, for others fill it, too.

    What is to be frozen is truncated: FREEZE asks for that, and dead rows go with it.
    """
    whole, parts = [c for c in chunks if c.pages is None], [c for c in chunks if c.pages is not None]
    for some, mode in ((whole, "ACCESS EXCLUSIVE"), (parts, "ROW EXCLUSIVE")):
        if some:
            await target.execute(text_of(sql.SQL("LOCK TABLE {} IN " + mode + " MODE").format(_listed(some))))
    # T13, T21: a trigger or a rule would change rows on their way, a foreign key would refuse the TRUNCATE.
    guards = await target.fetch(statement("copy_guards"), [text_of(table_of(chunk)) for chunk in chunks])
    if guards:
        raise TargetError(
            f"table {guards[0]['name']} on the target has triggers, rules, row security or foreign keys already; rows "
            "copied now might not arrive as they are",
            hint="Nothing was touched. Give the run an empty database.",
        )
    if whole and (number := await target.fetchval(text_of(_first_with_rows(whole)))) is not None:
        raise TargetNotEmptyError(
            f"table {whole[number].name} on the target holds rows that this run did not copy",
            hint="Nothing was touched. Give the run an empty database.",
        )
    if emptied := [chunk for chunk in whole if chunk.freeze or chunk.tree]:
        await target.execute(text_of(sql.SQL("TRUNCATE TABLE {}").format(_listed(emptied))))


def _first_with_rows(chunks: Sequence[Chunk]) -> sql.Composed:
    """A query for the number of the first of these tables that is not empty."""
    looks = (
        sql.SQL("SELECT {} AS number WHERE EXISTS (SELECT FROM {})").format(sql.Literal(number), from_of(chunk))
        for number, chunk in enumerate(chunks)
    )
    return sql.SQL("SELECT min(number) FROM ({}) AS looks").format(sql.SQL(" UNION ALL ").join(looks))


def _listed(chunks: Sequence[Chunk]) -> sql.Composed:
    return sql.SQL(", ").join(from_of(chunk) for chunk in chunks)


async def _refuse_extremes(source: asyncpg.Connection, chunk: Chunk) -> None:
    """T6: from 17 on the largest interval and the smallest are infinities, as text and as bytes."""
    tests = [
        sql.SQL("{}::text LIKE {}").format(sql.Identifier(name), sql.Literal(f"%{extreme}%"))
        for name in chunk.extremes
        for extreme in EXTREME_INTERVALS
    ]
    found = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {})").format(from_of(chunk), sql.SQL(" OR ").join(tests))
    if await source.fetchval(text_of(found)):
        raise SourceError(
            f"table {chunk.name} holds the largest or the smallest interval there is ({', '.join(chunk.extremes)}), "
            "which the target would read as infinite",
            hint="Change those values on the source: from PostgreSQL 17 on they mean infinity.",
        )
