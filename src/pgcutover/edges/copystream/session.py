"""asyncpg's sessions: connected and pinned as psycopg's are, their errors made ours.

It must not know what is read or written over them. Invariant: a session that an error leaves is terminated, so that
its transaction cannot be committed.
"""

import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
from psycopg import sql

from pgcutover.copying.chunk import ChunkJob
from pgcutover.edges.postgres import (
    CONNECT_TIMEOUT_S,
    HINTS,
    KEEPALIVE_S,
    KEPT_ALIVE,
    PINNED,
    Side,
    libpq_parameters,
    looked_for,
    query,
    timeouts_off,
)
from pgcutover.errors import CopyError, PgcutoverError, SourceError, TargetError
from pgcutover.facts.names import Dsn

CLOSE_S = 5.0

# Off, NULL inside an array's text would be read as the word. traps.md T11's list is for output; this one is for input.
TEXT_INPUT: Mapping[str, str] = {"array_nulls": "on"}

# Class 08 is "connection exception", 57P01 to 57P03 are shutdown, crash and start-up.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
LOST = ("08", "57P01", "57P02", "57P03")
RESUME = "Run the same command again: tables that arrived whole stay, this one is copied again."


def text_of(statement: sql.Composable) -> str:
    return statement.as_string()


@cache
def statement(name: str) -> str:
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


async def connected(dsn: Dsn, *, purpose: str) -> asyncpg.Connection:
    """A session as libpq would open it, nothing pinned. Raises the driver's own errors."""
    parameters = libpq_parameters(dsn, purpose=purpose)
    return await asyncpg.connect(
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


@asynccontextmanager
async def session(
    dsn: Dsn, side: Side, job: ChunkJob, settings: Mapping[str, str], met: Callable[[int], None]
) -> AsyncIterator[asyncpg.Connection]:
    """A pinned session; `met` is told its server process as soon as there is one."""
    with told(side, job, connecting=True):
        connection = await connected(dsn, purpose=f"copy {job.name}")
    met(connection.get_server_pid())
    try:
        with told(side, job):
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
    alive = {**KEPT_ALIVE, **looked_for(version)}
    pinned = {**PINNED, **TEXT_INPUT, **timeouts_off(version), **alive, **settings}
    # In one statement: a database of thousands of small tables is copied at the speed of round trips.
    each = (
        sql.SQL("pg_catalog.set_config({}, {}, false)").format(sql.Literal(name), sql.Literal(value))
        for name, value in pinned.items()
    )
    await connection.execute(text_of(sql.SQL("SELECT {}").format(sql.SQL(", ").join(each))))


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
def told(side: Side, job: ChunkJob, *, connecting: bool = False) -> Iterator[None]:
    """What the driver or the system raises inside becomes ours, with side and table."""
    try:
        yield
    except asyncpg.PostgresError as cause:
        if (cause.sqlstate or "").startswith(LOST):
            raise lost_error(side, job) from cause
        raise _refusal(side, job, str(cause.args[0]), HINTS.get(cause.sqlstate or "", "")) from cause
    except (OSError, asyncpg.InterfaceError) as cause:
        detail = str(cause) or type(cause).__name__
        if not connecting:
            raise lost_error(side, job, detail) from cause
        tls_hint = "TLS could not be agreed: check the CA bundle and that the host name is the certificate's."
        up_hint = f"Check that the {side} is up and reachable from here, then run the same command again."
        hint = tls_hint if isinstance(cause, ssl.SSLError) or "SSL" in detail else up_hint
        raise _refusal(side, job, detail, hint) from cause


def _refusal(side: Side, job: ChunkJob, text: str, hint: str) -> PgcutoverError:
    kind, dsn = (SourceError, job.source) if side == "source" else (TargetError, job.target)
    # The first line only: details quote values of rows.
    return kind(f"{side} {dsn}: copying {job.name}: {text.splitlines()[0]}", hint=hint)


def lost_error(side: Side, job: ChunkJob, detail: str = "") -> CopyError:
    dsn = job.source if side == "source" else job.target
    more = f": {detail.splitlines()[0]}" if detail else ""
    return CopyError(f"the connection to the {side} {dsn} was lost while {job.name} was copied{more}", hint=RESUME)
