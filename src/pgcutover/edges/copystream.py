"""Rows of one chunk, from the source's COPY into the target's, in one transaction with the chunk's marker.

The only file with asyncpg and an event loop; the loop lives inside one call. It must not decide what to copy or in
which order. Invariant: a marker is committed if and only if exactly the rows that the source sent are committed with
it; a chunk that has a marker is never touched again, and a table that holds rows without one is never emptied.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import asyncpg
from psycopg import sql

from pgcutover.copying.chunk import ChunkJob, Copied
from pgcutover.edges.postgres import (
    CONNECT_TIMEOUT_S,
    HINTS,
    KEEPALIVE_S,
    PINNED,
    TIMEOUTS,
    Side,
    libpq_parameters,
    query,
)
from pgcutover.errors import (
    CopyError,
    PgcutoverError,
    RunnerConflictError,
    SourceError,
    TargetError,
    TargetNotEmptyError,
)
from pgcutover.facts.names import Dsn
from pgcutover.planning.tasks import Chunk

# Buffers of up to 256 KiB (asyncio's read). More only costs memory; fewer lets the two servers wait for each other.
QUEUED_BUFFERS = 16
# How often a target that has already refused the rows is noticed. asyncpg looks only when the last row is sent, which
# may be hours later.
PROBE_S = 1.0
CLOSE_S = 5.0
TICK: Final = b""

# A server whose client vanished must let go of its locks: the next runner waits for the run's row.
SERVER_KEEPALIVE: Mapping[str, str] = {
    "tcp_keepalives_idle": str(KEEPALIVE_S),
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "6",
}
# Off, NULL inside an array's text would be read as the word. traps.md T11's list is for output; this one is for input.
TEXT_INPUT: Mapping[str, str] = {"array_nulls": "on"}

# As intervalstyle postgres writes them. https://www.postgresql.org/docs/16/datatype-datetime.html
EXTREME_INTERVALS = (
    "178956970 years 7 mons 2147483647 days 2562047788:00:54.775807",
    "-178956970 years -8 mons -2147483648 days -2562047788:00:54.775808",
)

# Class 08 is "connection exception", 57P01 to 57P03 are shutdown, crash and start-up.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
LOST = ("08", "57P01", "57P02", "57P03")
RESUME = "Run the same command again: tables that arrived whole stay, this one is copied again."


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
    started = time.perf_counter()
    async with _session(job.target, "target", job, dict(job.settings)) as target:
        with _told("target", job):
            await target.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
            found = await _take(target, job)
            if found is not None:
                await target.execute("ROLLBACK")
                return found
            # T2: with synchronous_commit off, an acknowledged chunk could be gone after a crash, marker and all. The
            # TRUNCATE below makes the commit wait by itself; that is PostgreSQL's affair and may change.
            await target.execute("SET LOCAL synchronous_commit = on")
            await _empty(target, job)
        async with _session(job.source, "source", job, {}) as source:
            with _told("source", job):
                await source.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                await source.execute(_text(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(job.snapshot))))
                await _refuse_extremes(source, job.chunk)
            rows, byte_count = await _stream(source, target, job)
        seconds = time.perf_counter() - started
        with _told("target", job):
            filled = await target.fetch(
                _statement("copy_mark_fill"), job.run_id, job.chunk.name, rows, byte_count, seconds
            )
            if len(filled) != 1:
                raise CopyError(f"the marker of {job.chunk.name} vanished inside its own transaction", hint=RESUME)
            await target.execute("COMMIT")
    return Copied(chunk=job.chunk.name, rows=rows, bytes=byte_count, seconds=seconds)


async def _take(target: asyncpg.Connection, job: ChunkJob) -> Copied | None:
    """Prove that the run is ours, then take the marker; what an earlier marker says when there is one (T3)."""
    if len(await target.fetch(job.claim)) != 1:
        raise RunnerConflictError(
            f"another runner took over run {job.run_id}; {job.chunk.name} was not copied",
            hint="Let the other runner finish, or stop it and run the same command again.",
        )
    taken = await target.fetch(_statement("copy_mark_take"), job.run_id, job.chunk.name, job.epoch, job.chunk.storage)
    if taken:
        return None
    mark = await target.fetchrow(_statement("copy_mark_read"), job.run_id, job.chunk.name)
    if mark is None or mark["storage"] != job.chunk.storage:
        raise CopyError(
            f"{job.chunk.name} was copied before, and rewritten or truncated on the source since",
            hint="The fence did not hold: roll back, find the writer, and start a new run.",
        )
    return Copied(chunk=job.chunk.name, rows=mark["rows"], bytes=mark["bytes"], seconds=mark["seconds"], found=True)


async def _empty(target: asyncpg.Connection, job: ChunkJob) -> None:
    """Lock the table, make sure that it holds no row, and truncate it: FREEZE asks for that, dead rows go with it."""
    chunk = job.chunk
    names = {"only": sql.SQL("" if chunk.tree else "ONLY "), "table": _table(chunk)}
    await target.execute(_text(sql.SQL("LOCK TABLE {only}{table} IN ACCESS EXCLUSIVE MODE").format(**names)))
    # T13, T21: a trigger or a rule would change rows on their way, a foreign key would refuse the TRUNCATE.
    guards = await target.fetch(_statement("copy_guards"), _text(_table(chunk)))
    if guards:
        raise TargetError(
            f"table {guards[0]['name']} on the target has triggers, rules, row security or foreign keys already; rows "
            "copied now might not arrive as they are",
            hint="Nothing was touched. Give the run an empty database.",
        )
    if await target.fetchval(_text(sql.SQL("SELECT EXISTS (SELECT FROM {only}{table})").format(**names))):
        raise TargetNotEmptyError(
            f"table {chunk.name} on the target holds rows that this run did not copy",
            hint="Nothing was touched. Give the run an empty database.",
        )
    await target.execute(_text(sql.SQL("TRUNCATE TABLE {only}{table}").format(**names)))


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
        sql.SQL("" if chunk.tree else "ONLY "), _table(chunk), sql.SQL(" OR ").join(tests)
    )
    if await source.fetchval(_text(found)):
        raise SourceError(
            f"table {chunk.name} holds the largest or the smallest interval there is ({', '.join(chunk.extremes)}), "
            "which the target would read as infinite",
            hint="Change those values on the source: from PostgreSQL 17 on they mean infinity.",
        )


@dataclass(slots=True)
class _Flow:
    """The bytes between the two servers: bounded, counted."""

    queue: "asyncio.Queue[bytes | None]" = field(default_factory=lambda: asyncio.Queue(QUEUED_BUFFERS))
    byte_count: int = 0


async def _stream(source: asyncpg.Connection, target: asyncpg.Connection, job: ChunkJob) -> tuple[int, int]:
    """Both COPY commands at once; rows and bytes when both agree."""
    flow = _Flow()
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
        raise CopyError(f"the source sent {sent} rows of {job.chunk.name}, and {arrived} arrived", hint=RESUME)
    return arrived, flow.byte_count


async def _read(source: asyncpg.Connection, flow: _Flow, job: ChunkJob) -> str:
    with _told("source", job):
        tag = await source.copy_from_query(
            _text(_selection(job.chunk)), output=flow.queue.put, format=_format(job.chunk)
        )
    await flow.queue.put(None)
    return str(tag)


async def _write(target: asyncpg.Connection, flow: _Flow, job: ChunkJob) -> str:
    chunk = job.chunk
    with _told("target", job):
        tag = await target.copy_to_table(
            chunk.table.name,
            schema_name=chunk.table.schema,
            columns=chunk.columns or None,
            source=_fed(target, flow),
            format=_format(chunk),
            freeze=True if chunk.freeze else None,
        )
    return str(tag)


async def _fed(target: asyncpg.Connection, flow: _Flow) -> AsyncIterator[bytes]:
    """The buffers, until the last one or until the target has refused them: then asyncpg raises what it said."""
    probed = time.monotonic()
    while (buffer := await flow.queue.get()) is not None:
        if time.monotonic() - probed > PROBE_S:
            probed = time.monotonic()
            if await _refused(target):
                return
        if buffer is not TICK:
            flow.byte_count += len(buffer)
            yield buffer


async def _refused(target: asyncpg.Connection) -> bool:
    """Whether the COPY that we feed is over. While it goes on, asyncpg lets no other statement through."""
    try:
        await target.execute("SELECT")
    except asyncpg.InterfaceError:
        return False
    except asyncpg.PostgresError:
        return True
    return True


async def _tick(flow: _Flow) -> None:
    """Wake the feeder when the source is slow, so that it probes."""
    while True:
        await asyncio.sleep(PROBE_S)
        if not flow.queue.full():
            flow.queue.put_nowait(TICK)


async def _lost(connection: asyncpg.Connection, side: Side, job: ChunkJob) -> None:
    """Raise when the connection ends: a COPY that waits for its turn to write would not notice."""
    ended = asyncio.Event()
    connection.add_termination_listener(lambda _: ended.set())
    if not connection.is_closed():
        await ended.wait()
    raise _lost_error(side, job)


def _selection(chunk: Chunk) -> sql.Composed:
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in chunk.columns)
    # T12: without ONLY, an inheritance parent's children would be read twice.
    return sql.SQL("SELECT {} FROM {}{}").format(columns, sql.SQL("" if chunk.tree else "ONLY "), _table(chunk))


def _table(chunk: Chunk) -> sql.Identifier:
    return sql.Identifier(chunk.table.schema, chunk.table.name)


def _format(chunk: Chunk) -> str:
    return "binary" if chunk.binary else "text"


def _rows(tag: str) -> int:
    """The count in a command tag, `COPY 42`."""
    return int(tag.rsplit(" ", 1)[-1])


def _text(statement: sql.Composable) -> str:
    return statement.as_string()


@cache
def _statement(name: str) -> str:
    return query(name).as_string()


class _Session(asyncpg.Connection):  # type: ignore[misc]  # asyncpg carries no types
    """asyncpg's connection with keepalives on our side too: it has no parameter for them."""

    __slots__ = ()

    def __init__(self, protocol: Any, transport: Any, *rest: Any) -> None:
        super().__init__(protocol, transport, *rest)
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family != socket.AF_UNIX:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, seconds in (("TCP_KEEPIDLE", KEEPALIVE_S), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 6)):
                if hasattr(socket, name):
                    raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)


@asynccontextmanager
async def _session(
    dsn: Dsn, side: Side, job: ChunkJob, settings: Mapping[str, str]
) -> AsyncIterator[asyncpg.Connection]:
    parameters = libpq_parameters(dsn, purpose=f"copy {job.chunk.name}")
    with _told(side, job, connecting=True):
        connection = await asyncpg.connect(
            host=parameters["host"],
            port=int(parameters["port"]),
            user=parameters["user"],
            password=parameters["password"],
            database=parameters["dbname"],
            ssl=tls(parameters),
            timeout=CONNECT_TIMEOUT_S,
            statement_cache_size=0,
            connection_class=_Session,
            server_settings={"application_name": parameters["application_name"]},
        )
    try:
        with _told(side, job):
            await _pin(connection, settings)
        yield connection
    except BaseException:
        # Without a word: the transaction is lost with the connection, which is what we want.
        connection.terminate()
        raise
    try:
        await connection.close(timeout=CLOSE_S)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        # All that mattered is committed or read: how the goodbye went changes nothing.
        connection.terminate()


async def _pin(connection: asyncpg.Connection, settings: Mapping[str, str]) -> None:
    version = connection.get_server_version().major * 10000
    timeouts = {name: "0" for name, since in TIMEOUTS.items() if version >= since}
    pinned = {**PINNED, **TEXT_INPUT, **timeouts, **SERVER_KEEPALIVE, **settings}
    # In one statement: a database of thousands of small tables is copied at the speed of round trips.
    each = (
        sql.SQL("pg_catalog.set_config({}, {}, false)").format(sql.Literal(name), sql.Literal(value))
        for name, value in pinned.items()
    )
    await connection.execute(_text(sql.SQL("SELECT {}").format(sql.SQL(", ").join(each))))


def tls(parameters: Mapping[str, str]) -> ssl.SSLContext | bool | str:
    """What asyncpg is told about TLS, so that it does what libpq does with the same parameters.

    https://www.postgresql.org/docs/current/libpq-ssl.html: `require` encrypts without looking at the certificate,
    unless a root certificate is named; `verify-ca` looks at who signed it, `verify-full` also at the host's name.
    """
    mode, root = parameters.get("sslmode", "require"), parameters.get("sslrootcert", "")
    if mode == "disable":
        return False
    if mode in ("allow", "prefer"):
        return mode
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = mode == "verify-full" or root == "system"
    if root == "system":
        context.load_default_certs()
    elif root:
        context.load_verify_locations(cafile=root)
    elif mode == "require":
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cafile=str(Path("~/.postgresql/root.crt").expanduser()))
    if parameters.get("sslcert"):
        context.load_cert_chain(parameters["sslcert"], parameters.get("sslkey"), parameters.get("sslpassword"))
    return context


@contextmanager
def _told(side: Side, job: ChunkJob, *, connecting: bool = False) -> Iterator[None]:
    """What the driver or the system raises inside becomes ours, with side and table."""
    try:
        yield
    except asyncpg.PostgresError as cause:
        if (cause.sqlstate or "").startswith(LOST):
            raise _lost_error(side, job) from cause
        raise _refusal(side, job, str(cause.args[0]), HINTS.get(cause.sqlstate or "", "")) from cause
    except (OSError, asyncpg.InterfaceError) as cause:
        detail = str(cause) or type(cause).__name__
        if not connecting:
            raise _lost_error(side, job, detail) from cause
        tls_hint = "TLS could not be agreed: check the CA bundle and that the host name is the certificate's."
        up_hint = f"Check that the {side} is up and reachable from here, then run the same command again."
        hint = tls_hint if isinstance(cause, ssl.SSLError) or "SSL" in detail else up_hint
        raise _refusal(side, job, detail, hint) from cause


def _refusal(side: Side, job: ChunkJob, text: str, hint: str) -> PgcutoverError:
    kind, dsn = (SourceError, job.source) if side == "source" else (TargetError, job.target)
    # The first line only: details quote values of rows.
    return kind(f"{side} {dsn}: copying {job.chunk.name}: {text.splitlines()[0]}", hint=hint)


def _lost_error(side: Side, job: ChunkJob, detail: str = "") -> CopyError:
    dsn = job.source if side == "source" else job.target
    more = f": {detail.splitlines()[0]}" if detail else ""
    return CopyError(
        f"the connection to the {side} {dsn} was lost while {job.chunk.name} was copied{more}", hint=RESUME
    )
