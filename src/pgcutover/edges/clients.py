"""Other people's sessions on a database: who they are, and ending them.

It must not end a session of ours. The invariant: whoever could not be ended is named, never passed over.
"""

import time
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import psycopg

from pgcutover.edges.postgres import Connection, query
from pgcutover.facts.fence import Client

OURS = "pgcutover "
"""How the application_name of each of our sessions begins."""
PAUSE_S = 0.05


def client_of(row: tuple[Any, ...]) -> Client:
    """A row of fence_clients or fence_blockers as a value."""
    pid, user, address, name, state, since, beyond = row
    return Client(
        pid=pid, user=user, address=address, application_name=name, state=state, since=since, beyond_reach=beyond
    )


def read_clients(connection: Connection) -> tuple[Client, ...]:
    """Everybody's sessions but ours, oldest first."""
    return tuple(client_of(row) for row in connection.execute(query("fence_clients"), {"ours": OURS}))


def older(clients: Iterable[Client], moment: datetime) -> tuple[Client, ...]:
    """Those that began before a moment, or at one that we may not see; the platform's own are not among them."""
    return tuple(c for c in clients if not c.beyond_reach and (c.since is None or c.since < moment))


def end(connection: Connection, clients: Iterable[Client]) -> tuple[Client, ...]:
    """Ask the server to end sessions; those we have no right to end come back. It returns before they are gone."""
    refused = []
    for client in clients:
        try:
            connection.execute("SELECT pg_terminate_backend(%s)", (client.pid,))
        except psycopg.errors.InsufficientPrivilege:
            refused.append(client)
    return tuple(refused)


def end_all(connection: Connection, *, before: datetime, limit_s: float) -> tuple[Client, ...]:
    """End sessions that began before a moment until none is left; those still there when time is up come back.

    A session that is still starting has a beginning but cannot be seen yet, so one look is not enough.
    """
    deadline = time.monotonic() + limit_s
    while True:
        left = older(read_clients(connection), before)
        if not left or time.monotonic() > deadline:
            return left
        end(connection, left)
        time.sleep(PAUSE_S)
