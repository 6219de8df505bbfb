"""One chunk's transaction on the target: claim, marker, rows, counts, commit.

It must not decide what to copy or in which order.
"""

import asyncio
import time
from functools import partial

import asyncpg
from psycopg import sql

from pgcutover.copying.chunk import ChunkJob, Copied
from pgcutover.edges.copystream.flow import Flow, stream, table_of
from pgcutover.edges.copystream.session import CLOSE_S, RESUME, session, statement, text_of, told
from pgcutover.edges.copystream.silence import watch
from pgcutover.edges.postgres import Side
from pgcutover.errors import CopyError, RunnerConflictError, SourceError, TargetError, TargetNotEmptyError
from pgcutover.planning.tasks import Chunk

# As intervalstyle postgres writes them. https://www.postgresql.org/docs/16/datatype-datetime.html
EXTREME_INTERVALS = (
    "178956970 years 7 mons 2147483647 days 2562047788:00:54.775807",
    "-178956970 years -8 mons -2147483648 days -2562047788:00:54.775808",
)


def carry(job: ChunkJob) -> Copied:
    """Carry one chunk, or find that it arrived before.

    Raises:
        RunnerConflictError: another runner took the run over; nothing was written.
        TargetNotEmptyError: the table holds rows that no marker explains; nothing was touched.
        CopyError: the connection broke, the counts differ, or the marker tells of other rows.
        SourceError, TargetError: that server refused something; the message names the table.
    """
    return asyncio.run(_carry(job))


async def _carry(job: ChunkJob) -> Copied:
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


async def _work(job: ChunkJob, flow: Flow) -> Copied:
    started = time.perf_counter()
    flow.expect("target")
    async with session(job.target, "target", job, dict(job.settings), partial(_met, flow, "target")) as target:
        with told("target", job):
            await target.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
            found = await _take(target, job)
            if found is not None:
                await target.execute("ROLLBACK")
                return found
            # T2: with synchronous_commit off, an acknowledged chunk could be gone after a crash, marker and all. The
            # TRUNCATE below makes the commit wait by itself; that is PostgreSQL's affair and may change.
            await target.execute("SET LOCAL synchronous_commit = on")
            await _empty(target, job)
        flow.expect("source")
        async with session(job.source, "source", job, {}, partial(_met, flow, "source")) as source:
            with told("source", job):
                await source.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                await source.execute(text_of(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(job.snapshot))))
                await _refuse_extremes(source, job.chunk)
            rows, byte_count = await stream(source, target, job, flow)
        flow.expect("target")
        seconds = time.perf_counter() - started
        with told("target", job):
            filled = await target.fetch(
                statement("copy_mark_fill"), job.run_id, job.chunk.name, rows, byte_count, seconds
            )
            if len(filled) != 1:
                raise CopyError(f"the marker of {job.chunk.name} vanished inside its own transaction", hint=RESUME)
            await target.execute("COMMIT")
    return Copied(chunk=job.chunk.name, rows=rows, bytes=byte_count, seconds=seconds)


def _met(flow: Flow, side: Side, pid: int) -> None:
    flow.pids[side] = pid
    flow.moved()


async def _take(target: asyncpg.Connection, job: ChunkJob) -> Copied | None:
    """Prove that the run is ours, then take the marker; what an earlier marker says when there is one (T3)."""
    if len(await target.fetch(job.claim)) != 1:
        raise RunnerConflictError(
            f"another runner took over run {job.run_id}; {job.chunk.name} was not copied",
            hint="Let the other runner finish, or stop it and run the same command again.",
        )
    taken = await target.fetch(statement("copy_mark_take"), job.run_id, job.chunk.name, job.epoch, job.chunk.storage)
    if taken:
        return None
    mark = await target.fetchrow(statement("copy_mark_read"), job.run_id, job.chunk.name)
    if mark is None or mark["storage"] != job.chunk.storage:
        raise CopyError(
            f"{job.chunk.name} was copied before, and rewritten or truncated on the source since",
            hint="The fence did not hold: roll back, find the writer, and start a new run.",
        )
    return Copied(chunk=job.chunk.name, rows=mark["rows"], bytes=mark["bytes"], seconds=mark["seconds"], found=True)


async def _empty(target: asyncpg.Connection, job: ChunkJob) -> None:
    """Lock the table, make sure that it holds no row, and truncate it: FREEZE asks for that, dead rows go with it."""
    chunk = job.chunk
    names = {"only": sql.SQL("" if chunk.tree else "ONLY "), "table": table_of(chunk)}
    await target.execute(text_of(sql.SQL("LOCK TABLE {only}{table} IN ACCESS EXCLUSIVE MODE").format(**names)))
    # T13, T21: a trigger or a rule would change rows on their way, a foreign key would refuse the TRUNCATE.
    guards = await target.fetch(statement("copy_guards"), text_of(table_of(chunk)))
    if guards:
        raise TargetError(
            f"table {guards[0]['name']} on the target has triggers, rules, row security or foreign keys already; rows "
            "copied now might not arrive as they are",
            hint="Nothing was touched. Give the run an empty database.",
        )
    if await target.fetchval(text_of(sql.SQL("SELECT EXISTS (SELECT FROM {only}{table})").format(**names))):
        raise TargetNotEmptyError(
            f"table {chunk.name} on the target holds rows that this run did not copy",
            hint="Nothing was touched. Give the run an empty database.",
        )
    await target.execute(text_of(sql.SQL("TRUNCATE TABLE {only}{table}").format(**names)))


async def _refuse_extremes(source: asyncpg.Connection, chunk: Chunk) -> None:
    """T6: from 17 on the largest interval and the smallest are infinities, as text and as bytes."""
    if not chunk.extremes:
        return
    tests = [
        sql.SQL("{}::text LIKE {}").format(sql.Identifier(name), sql.Literal(f"%{extreme}%"))
        for name in chunk.extremes
        for extreme in EXTREME_INTERVALS
    ]
    found = sql.SQL("SELECT EXISTS (SELECT FROM {}{} WHERE {})").format(
        sql.SQL("" if chunk.tree else "ONLY "), table_of(chunk), sql.SQL(" OR ").join(tests)
    )
    if await source.fetchval(text_of(found)):
        raise SourceError(
            f"table {chunk.name} holds the largest or the smallest interval there is ({', '.join(chunk.extremes)}), "
            "which the target would read as infinite",
            hint="Change those values on the source: from PostgreSQL 17 on they mean infinity.",
        )
