"""What acme's application does to its database: place an order, change one, cancel one, each with its ledger entry.

Plain SQL with unqualified names, as an application writes it: it leans on the database's search_path. The caller owns
the transaction; a `Write` is a fact only once that has committed.
"""

import random
import uuid
from typing import Any

import psycopg

from pgcutover.lab.promises import Op, Write

DEFAULT_SSLMODE = "require"
"""What Heroku demands of every client: https://devcenter.heroku.com/articles/connecting-heroku-postgres"""
CONNECT_TIMEOUT_S = 5
KNOWN_ACCOUNTS = 100


def connect(url: str, *, name: str, sslmode: str | None = DEFAULT_SSLMODE, **more: Any) -> psycopg.Connection:
    """A session as the app opens it, in autocommit: transactions are asked for by name. Close it.

    `sslmode` counts where the URL names none; None leaves it to libpq.
    """
    known = psycopg.conninfo.conninfo_to_dict(url)
    return psycopg.connect(
        url,
        autocommit=True,
        sslmode=known.get("sslmode") or sslmode,
        connect_timeout=CONNECT_TIMEOUT_S,
        application_name=name,
        **more,
    )


def new_token() -> str:
    return str(uuid.uuid4())


def accounts(connection: psycopg.Connection) -> tuple[int, ...]:
    """Some that exist."""
    rows = connection.execute("SELECT id FROM accounts ORDER BY id LIMIT %s", [KNOWN_ACCOUNTS]).fetchall()
    return tuple(row[0] for row in rows)


def place(connection: psycopg.Connection, token: str, *, app: str, account: int) -> Write:
    """An order with one to three items, and its entry."""
    lines = random.randint(1, 3)
    row = connection.execute(
        "INSERT INTO orders (account_id, status, total, meta) "
        "VALUES (%s, 'pending', %s, jsonb_build_object('token', %s::text)) RETURNING id",
        [account, 10 * lines, token],
    ).fetchone()
    assert row is not None
    for line in range(1, lines + 1):
        connection.execute(
            "INSERT INTO order_items (order_id, line_no, sku, quantity, unit_price) VALUES (%s, %s, %s, 1, 10)",
            [row[0], line, f"SKU-{random.randint(1, 9999):04}"],
        )
    return enter(connection, token, app=app, kind="order")


def enter(connection: psycopg.Connection, token: str, *, app: str, kind: str) -> Write:
    """Only the ledger's entry."""
    connection.execute(
        "INSERT INTO ledger_entries (token, app, kind, payload) VALUES (%s, %s, %s, %s)",
        [token, app, kind, f"{kind} {token[:8]}"],
    )
    return Write(op=Op.INSERT, token=token, version=0)


def record_event(connection: psycopg.Connection, token: str, *, account: int) -> None:
    connection.execute(
        "INSERT INTO events (account_id, kind, payload) "
        "VALUES (%s, 'order.seen', jsonb_build_object('token', %s::text))",
        [account, token],
    )


def change(connection: psycopg.Connection, token: str) -> Write | None:
    """One version on; None when there is no such entry."""
    connection.execute("UPDATE orders SET status = 'paid' WHERE meta @> jsonb_build_object('token', %s::text)", [token])
    return amend(connection, token)


def amend(connection: psycopg.Connection, token: str) -> Write | None:
    """Only the ledger's part of a change."""
    row = connection.execute(
        "UPDATE ledger_entries SET version = version + 1, payload = payload || '+' WHERE token = %s RETURNING version",
        [token],
    ).fetchone()
    return None if row is None else Write(op=Op.UPDATE, token=token, version=row[0])


def cancel(connection: psycopg.Connection, token: str) -> Write | None:
    """Order, items and entry are gone; None when there was no such entry."""
    connection.execute("DELETE FROM orders WHERE meta @> jsonb_build_object('token', %s::text)", [token])
    return strike(connection, token)


def strike(connection: psycopg.Connection, token: str) -> Write | None:
    """Only the ledger's part of a cancellation."""
    row = connection.execute("DELETE FROM ledger_entries WHERE token = %s RETURNING version", [token]).fetchone()
    return None if row is None else Write(op=Op.DELETE, token=token, version=row[0])
