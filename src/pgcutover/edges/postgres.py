"""Sessions on a PostgreSQL server: how we connect, what every session pins, and how its errors become ours.

Every statement that pgcutover writes goes through a connection made here. A session never depends on what the role
or the database set: time-outs are off, the search path is empty, row security is refused rather than applied silently,
and output settings are pinned so that two servers print one value alike. It must not know plans or steps.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from queue import Empty, SimpleQueue
from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pgcutover.edges.certificates import refusal
from pgcutover.errors import PgcutoverError, SourceError, TargetError
from pgcutover.facts.names import Dsn

Connection = psycopg.Connection[tuple[Any, ...]]
Side = Literal["source", "target"]

CONNECT_TIMEOUT_S = 15
# Below the 350 s after which AWS's NAT gateways and load balancers forget an idle flow.
# https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-troubleshooting.html
KEEPALIVE_S = 60
KEEPALIVE_INTERVAL_S = 10
KEEPALIVE_COUNT = 6
# A network that was cut swallows what we send: the kernel would try again for a quarter of an hour.
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-TCP-USER-TIMEOUT
UNANSWERED_MS = 90_000

# Time-outs exist from these server versions on; https://www.postgresql.org/docs/current/runtime-config-client.html
TIMEOUTS: Mapping[str, int] = {
    "statement_timeout": 0,
    "lock_timeout": 0,
    "idle_in_transaction_session_timeout": 0,
    "idle_session_timeout": 140000,
    "transaction_timeout": 170000,
}

# What must be pinned for two servers to print one value alike; traps.md T11.
PINNED: Mapping[str, str] = {
    "search_path": "",
    "row_security": "off",
    "extra_float_digits": "3",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "bytea_output": "hex",
    "lc_monetary": "C",
    "xmloption": "content",
    "client_encoding": "UTF8",
    # Off, the server prints a backslash in a literal twice, and reads two as one: definitions that look alike differ.
    "standard_conforming_strings": "on",
}

# A session must not outlive a machine that vanished, least of all one that holds a lock: the server then notices within
# a minute and a half; by default it takes two hours.
# https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-TCP-KEEPALIVES-IDLE
KEPT_ALIVE: Mapping[str, str] = {
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "6",
}
# Nor a process that was killed: while a statement runs the server looks for its client only when told to, and one that
# reads a whole table, or builds an index, would go on for hours.
# https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-CLIENT-CONNECTION-CHECK-INTERVAL
LOOKED_FOR: Mapping[str, str] = {"client_connection_check_interval": "10000"}
LOOKED_FOR_SINCE = 140000


def looked_for(server_version: int) -> Mapping[str, str]:
    """What lets the server look, while a statement runs, whether its client is there; {} where it cannot."""
    return LOOKED_FOR if server_version >= LOOKED_FOR_SINCE else {}


def timeouts_off(server_version: int) -> Mapping[str, str]:
    """What lifts every time-out that the server knows."""
    return {name: "0" for name, since in TIMEOUTS.items() if server_version >= since}


@cache
def query(name: str) -> sql.SQL:
    """The statement in `edges/sql/<name>.sql`."""
    text = files("pgcutover.edges").joinpath("sql", f"{name}.sql").read_text("utf-8")
    return sql.SQL(text)


def libpq_parameters(dsn: Dsn, *, purpose: str) -> dict[str, str]:
    """Connection parameters by libpq's names, password included: for a driver, never for argv.

    `sslmode` is at least `require` beyond this machine, unless the URL says `disable`: `allow` and `prefer` give in to
    whoever stands in between. The old database's Dsn carries its pinned certificate as the only root (app/trust.py),
    the target's carries `verify-full` and its bundle.
    """
    options = dict(dsn.options)
    if options.get("sslmode", "prefer") in ("allow", "prefer"):
        place = options.get("hostaddr") or options.get("host") or dsn.host
        options["sslmode"] = options.get("sslmode", "prefer") if _is_here(place) else "require"
    return {
        "host": dsn.host,
        "port": str(dsn.port),
        "user": dsn.user,
        "password": dsn.password.reveal(),
        "dbname": dsn.database,
        "application_name": f"pgcutover {purpose}"[:63],
        "connect_timeout": str(CONNECT_TIMEOUT_S),
        "keepalives_idle": str(KEEPALIVE_S),
        "keepalives_interval": str(KEEPALIVE_INTERVAL_S),
        "keepalives_count": str(KEEPALIVE_COUNT),
        "tcp_user_timeout": str(UNANSWERED_MS),
        **options,
    }


def _is_here(place: str) -> bool:
    """Whether what is sent there stays on this machine."""
    if place == "localhost" or place.startswith(("/", "@")):
        return True
    try:
        return ipaddress.ip_address(place).is_loopback
    except ValueError:
        return False


def error_of(cause: psycopg.Error, dsn: Dsn, side: Side, doing: str) -> PgcutoverError:
    """Our error for the driver's, naming the server and what was being done; libpq never prints passwords."""
    kind = SourceError if side == "source" else TargetError
    text = said(cause)
    if UNVERIFIED not in text:
        return kind(f"{side} {dsn}: {doing}: {text}", hint=_hint(cause, side))
    why = refusal(dsn) or "unknown"
    return kind(f"{side} {dsn}: {doing}: {text}: {why}", hint=DISTRUSTED[side])


# Integrity violations and data exceptions: their details and contexts quote values of rows.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
QUOTING = ("22", "23")


def said(cause: psycopg.Error) -> str:
    """What the server said, on one line: neither the statement, which may set a password, nor a row's values."""
    primary, detail = cause.diag.message_primary, cause.diag.message_detail
    if not primary:
        return " ".join(str(cause).split())
    more = f" ({detail})" if detail and not (cause.sqlstate or "").startswith(QUOTING) else ""
    return " ".join(f"{primary}{more}".split())


UNVERIFIED = "certificate verify failed"
DISTRUSTED: Mapping[Side, str] = {
    "source": "The server's certificate is not the one that the plan knows, as after a failover or maintenance: run "
    "the same command again, which then says how to accept it.",
    "target": "Nothing was sent. Check the CA bundle (target.ca_bundle, PGCUTOVER_RDS_CA), and that nobody stands in "
    "between; the RDS console names the instance's CA and when its certificate expires.",
}
HINTS: Mapping[str, str] = {
    "28P01": "The password was refused: it may have been rotated; run the same command again to read it anew.",
    "28000": "The server refuses this user, this address or a connection without TLS; check sslmode.",
    "3D000": "The database named in the URL does not exist on that server.",
    "42501": "The role lacks a right; docs/rights.md lists what is needed, and pgcutover inventory what is missing.",
    "53200": "The server is out of memory or of lock slots (max_locks_per_transaction): end other sessions, try again.",
    "53300": "The server has no free connection: lower --jobs or stop clients.",
    "53100": "The server's disk is full: raise its storage, then run the same command again.",
}


def password_refused(cause: psycopg.Error) -> bool:
    """Whether a log-in failed for its password or user."""
    # libpq reports what happens before a session exists without SQLSTATE.
    return isinstance(cause, psycopg.errors.InvalidPassword | psycopg.errors.InvalidAuthorizationSpecification) or (
        cause.sqlstate is None and "authentication failed" in str(cause)
    )


def _hint(cause: psycopg.Error, side: Side) -> str:
    if (cause.sqlstate or "") in HINTS:
        return HINTS[cause.sqlstate or ""]
    text = str(cause)
    if "certificate" in text or "SSL" in text:
        return "TLS could not be agreed: check the CA bundle and that the host name is the one in the certificate."
    if isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None:
        if password_refused(cause) or "no password supplied" in text:
            return "Check user and password: in the URL, in PGPASSWORD or in ~/.pgpass. " + HINTS["28P01"]
        return f"Check that the {side} is up and reachable from here, then run the same command again."
    return ""


class Idle:
    """Sessions that nobody uses at the moment, for whoever asks one server many small questions: a new session costs
    the server more than most of them. Any thread may take and give."""

    def __init__(self) -> None:
        self._sessions: SimpleQueue[Connection] = SimpleQueue()

    def take(self, purpose: str, settings: Mapping[str, str]) -> Connection | None:
        """One that is as good as new; None when there is none."""
        while True:
            try:
                session = self._sessions.get_nowait()
            except Empty:
                return None
            try:
                session.execute("DISCARD ALL")
                pin(session, {**settings, "application_name": purpose})
            except psycopg.Error:
                # It was ended while nobody looked, which says nothing about the next one.
                session.close()
            else:
                return session

    def give(self, session: Connection) -> None:
        """Back. What was not committed is gone, as if it had been closed."""
        try:
            session.rollback()
            session.autocommit, session.read_only, session.isolation_level = True, None, None
        except psycopg.Error:
            session.close()
        else:
            self._sessions.put(session)

    def close(self) -> None:
        while True:
            try:
                self._sessions.get_nowait().close()
            except Empty:
                return


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One database on one server, as one side of a move sees it. With `idle`, sessions are used again."""

    dsn: Dsn
    side: Side
    settings: Mapping[str, str] = field(default_factory=dict)
    idle: Idle | None = None

    @contextmanager
    def session(self, purpose: str, *, autocommit: bool = True) -> Iterator[Connection]:
        """A connection with everything pinned; errors of the driver inside the block become ours."""
        with self.translated(purpose):
            connection = self._used_before(purpose) or self.connect(purpose)
            connection.autocommit = autocommit
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            if self.idle is None:
                connection.close()
            else:
                self.idle.give(connection)

    def connect(self, purpose: str) -> Connection:
        """Open and pin; the caller closes it. Raises psycopg's errors: use within `translated`."""
        connection = psycopg.connect(
            make_conninfo("", **libpq_parameters(self.dsn, purpose=purpose)),
            autocommit=True,
            prepare_threshold=None,
        )
        try:
            pin(connection, self.settings)
        except BaseException:
            connection.close()
            raise
        return connection

    def _used_before(self, purpose: str) -> Connection | None:
        if self.idle is None:
            return None
        return self.idle.take(libpq_parameters(self.dsn, purpose=purpose)["application_name"], self.settings)

    @contextmanager
    def translated(self, doing: str) -> Iterator[None]:
        """Driver errors raised inside become SourceError or TargetError."""
        try:
            yield
        except psycopg.Error as cause:
            raise error_of(cause, self.dsn, self.side, doing) from cause


def pin(connection: Connection, settings: Mapping[str, str]) -> None:
    """Set time-outs, output settings and `settings` for the session; autocommit, so that no rollback undoes it."""
    version = connection.info.server_version
    # Time-outs apart and first: what a role sets may be too short for anything but one plain statement. The rest in one
    # statement, because a session is opened for every question and the servers may be far.
    for part in (timeouts_off(version), {**KEPT_ALIVE, **looked_for(version), **PINNED, **settings}):
        each = (sql.SQL("pg_catalog.set_config({}, {}, false)").format(name, value) for name, value in part.items())
        connection.execute(sql.SQL("SELECT {}").format(sql.SQL(", ").join(each)))
