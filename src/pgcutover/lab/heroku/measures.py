"""What a database of the lab says about itself: sizes, sessions, version, lag. Read as superuser, by socket.

Nothing is cached and nothing guessed: a server that does not answer raises `psycopg.OperationalError`.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from pgcutover.lab.clusters import SUPERUSER
from pgcutover.lab.layout import HerokuServer

CONNECT_TIMEOUT_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    size_bytes: int
    tables: int
    sessions: int
    """Of clients, whoever they are, but for this very one and the superuser's others."""
    sessions_by_role: dict[str, int]
    connection_limit: int | None
    """Of the owner; None when it has none."""
    version: str
    """As `16.14`."""
    settings: dict[str, str]
    """log_* and track_functions, for pg:settings."""
    newest_xid: int
    in_recovery: bool


@contextmanager
def superuser(server: HerokuServer, database: str = "") -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """A session in the add-on's database, or another of its server's. The lab's own: it does not count against the
    plan's limit.
    """
    with psycopg.connect(
        host=str(server.superuser_socket),
        port=server.cluster_port,
        user=SUPERUSER,
        dbname=database or server.database,
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_S,
        application_name="heroku",
        row_factory=dict_row,
    ) as session:
        yield session


def measure(server: HerokuServer) -> Measures:
    with superuser(server) as session:
        row = session.execute(_query("heroku_measures"), {"owner": server.owner}).fetchone()
        roles = session.execute(_query("heroku_sessions"), {"superuser": SUPERUSER}).fetchall()
    assert row is not None
    by_role = {str(role["usename"]): int(role["sessions"]) for role in roles}
    return Measures(
        size_bytes=row["size_bytes"],
        tables=row["tables"],
        sessions=sum(by_role.values()),
        sessions_by_role=by_role,
        connection_limit=row["connection_limit"],
        version=row["version"],
        settings=row["settings"],
        newest_xid=row["newest_xid"],
        in_recovery=row["in_recovery"],
    )


def end_sessions(server: HerokuServer, roles: Iterable[str] = ()) -> int:
    """End every session of these roles, or of all the customer's. assumption L12. Returns how many there were."""
    with superuser(server) as session:
        ended = session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY(%s)",
            [[*roles] or [server.owner, *server.credentials]],
        ).fetchall()
    return len(ended)


def set_password(server: HerokuServer, role: str, password: str) -> None:
    """Also of a database whose sessions start read-only."""
    with superuser(server) as session:
        session.execute("SET default_transaction_read_only = off")
        session.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password)))


def machine() -> dict[str, float]:
    """Load and memory (kB) of the machine the lab runs on, which is the database's host here."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    memory = {words[0].rstrip(":"): float(words[1]) for words in lines}
    one, five, fifteen = os.getloadavg()
    return {
        "load_avg_1m": one,
        "load_avg_5m": five,
        "load_avg_15m": fifteen,
        "memory_total": memory["MemTotal"],
        "memory_free": memory["MemFree"],
        "memory_cached": memory["Cached"],
        "postgres_memory": memory.get("Shmem", 0.0),
    }


def _query(name: str) -> bytes:
    return resources.files("pgcutover.lab").joinpath("sql", f"{name}.sql").read_bytes()
