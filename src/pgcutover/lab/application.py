"""acme's application: `python -m pgcutover.lab.application web|worker|smoke|release`, configured by its environment.

It stands for an application that knows nothing of migrations: it reads DATABASE_URL at start, keeps sessions open,
reconnects when they break, and ends in order on SIGTERM.

    web      POST /orders {"token", "update"?, "delete"?}, GET /orders/{token}, GET /health, on $PORT
    worker   writes a few times a second
    smoke    exits 0 when the application works on the database it is given, and leaves nothing behind in it
    release  what runs before a release goes live; fails when $RELEASE_FAIL is set
"""

import json
import os
import queue
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from pgcutover.lab import orders
from pgcutover.lab.labourer import Labourer
from pgcutover.lab.promises import Promises, Write

APP = "acme-api"
SESSIONS = 4
IDLE_LIMIT_S = 10
# Counted before anything else: an empty table after a move is what a smoke test must see first.
FILLED_TABLES = ("accounts", "users", "orders", "order_items", "events", "ledger_entries")


class Sessions:
    """A few open sessions, handed out and taken back; a broken one is thrown away."""

    def __init__(self, url: str, *, name: str) -> None:
        self._url, self._name = url, name
        self._idle: queue.LifoQueue[psycopg.Connection | None] = queue.LifoQueue()
        for _ in range(SESSIONS):
            self._idle.put(None)
        self.accounts: tuple[int, ...] = ()

    @contextmanager
    def one(self) -> Iterator[psycopg.Connection]:
        held = self._idle.get()
        session = None if held is None or held.closed else held
        try:
            session = session or orders.connect(self._url, name=self._name)
            self.accounts = self.accounts or orders.accounts(session)
            yield session
        except psycopg.Error:
            # Whatever broke it, a fresh one is the application's only way to find a database that came back.
            if session is not None:
                session.close()
            raise
        finally:
            self._idle.put(None if session is None or session.closed else session)

    def close(self) -> None:
        for _ in range(SESSIONS):
            session = self._idle.get()
            if session is not None:
                session.close()


def write_order(sessions: Sessions, body: Mapping[str, Any]) -> dict[str, Any]:
    """One transaction: a new order, perhaps a change to one earlier and the end of another."""
    token, changed, doomed = (str(UUID(body[key])) if body.get(key) else None for key in ("token", "update", "delete"))
    if token is None:
        raise ValueError("token is missing")
    with sessions.one() as session, session.transaction():
        done: list[Write | None] = [
            orders.place(session, token, app=APP, account=random.choice(sessions.accounts)),
            orders.change(session, changed) if changed else None,
            orders.cancel(session, doomed) if doomed else None,
        ]
        place = session.execute("SELECT current_database(), inet_server_port()").fetchone()
    assert place is not None
    writes = [write for write in done if write is not None]
    return {
        "token": token,
        "database": place[0],
        "server_port": place[1],
        "writes": [{"op": write.op, "token": write.token, "version": write.version} for write in writes],
    }


def read_order(sessions: Sessions, token: str) -> dict[str, Any] | None:
    with sessions.one() as session:
        row = session.execute("SELECT version FROM ledger_entries WHERE token = %s", [UUID(token)]).fetchone()
    return None if row is None else {"token": token, "version": row[0]}


class _Web(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64
    sessions: Sessions


class _Requests(BaseHTTPRequestHandler):
    server: _Web
    timeout = IDLE_LIMIT_S

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/orders":
            self._answer(lambda: (201, write_order(self.server.sessions, json.loads(body))))
        else:
            self._send(404, {"error": "not found"})

    def do_GET(self) -> None:
        if self.path == "/health":
            self._answer(self._health)
        elif self.path.startswith("/orders/"):
            self._answer(self._order)
        else:
            self._send(404, {"error": "not found"})

    def _health(self) -> tuple[int, dict[str, Any]]:
        with self.server.sessions.one() as session:
            session.execute("SELECT 1")
        return 200, {"status": "ok"}

    def _order(self) -> tuple[int, dict[str, Any]]:
        found = read_order(self.server.sessions, self.path.removeprefix("/orders/"))
        return (404, {"error": "no such order"}) if found is None else (200, found)

    def _answer(self, work: Callable[[], tuple[int, dict[str, Any]]]) -> None:
        try:
            status, content = work()
        except psycopg.Error as error:
            status, content = 503, {"error": " ".join(str(error).split())[:200]}
            print(f"database: {content['error']}", flush=True)
        except (ValueError, TypeError, KeyError) as error:
            status, content = 422, {"error": str(error)}
        self._send(status, content)

    def _send(self, status: int, content: dict[str, Any]) -> None:
        text = json.dumps(content).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        except (BrokenPipeError, ConnectionResetError):
            # The router gave up; to the user this write was never acknowledged.
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The router logs requests."""


def web(environment: Mapping[str, str]) -> int:
    sessions = Sessions(environment["DATABASE_URL"], name=f"acme {environment.get('DYNO', 'web')}")
    server = _Web(("127.0.0.1", int(environment["PORT"])), _Requests)
    server.sessions = sessions
    # `shutdown` waits for `serve_forever`, which runs in the very thread that a signal interrupts.
    _on_sigterm(lambda: threading.Thread(target=server.shutdown).start())
    print(f"listening on {server.server_address[1]}", flush=True)
    with server:
        server.serve_forever(poll_interval=0.1)
    sessions.close()
    return 0


def worker(environment: Mapping[str, str]) -> int:
    name = environment.get("DYNO", "worker")
    promises = Promises(Path(environment["PGCUTOVER_LAB_LEDGER"]), writer=f"{APP}.{name}", app=APP)
    accounts: list[int] = []

    def open_session() -> psycopg.Connection:
        session = orders.connect(environment["DATABASE_URL"], name=f"acme {name}")
        accounts[:] = orders.accounts(session)
        return session

    def work(session: psycopg.Connection, token: str) -> None:
        orders.record_event(session, token, account=random.choice(accounts))

    labourer = Labourer(open_session, promises, app=APP, kind="job", work=work, say=_say)
    _on_sigterm(labourer.stop)
    labourer.run()
    promises.close()
    return 0


def smoke(environment: Mapping[str, str]) -> int:
    """0 when the tables are filled, an order can be written (and is rolled back), and extensions are found."""
    try:
        with orders.connect(environment["DATABASE_URL"], name="acme smoke") as session:
            for table in FILLED_TABLES:
                _count(session, table)
            with session.transaction(force_rollback=True):
                token = orders.new_token()
                orders.place(session, token, app=APP, account=orders.accounts(session)[0])
                orders.change(session, token)
            # Unqualified, as the application says it: found only when search_path came along.
            session.execute("SELECT '[1,2,3]'::vector <-> '[1,2,4]'::vector")
    except (psycopg.Error, AssertionError) as error:
        print(f"smoke: {' '.join(str(error).split())}", flush=True)
        return 1
    if environment.get("SMOKE_FAIL"):
        print("smoke: told to fail by SMOKE_FAIL", flush=True)
        return 1
    print("smoke: the application works on this database", flush=True)
    return 0


def _count(session: psycopg.Connection, table: str) -> None:
    row = session.execute(psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier(table))).fetchone()
    assert row is not None and row[0] > 0, f"{table} is empty"
    _say(f"{table}: {row[0]} rows")


def release(environment: Mapping[str, str]) -> int:
    """Stands for the app's migrations: needs the database, changes nothing."""
    if environment.get("RELEASE_FAIL"):
        print("release: told to fail by RELEASE_FAIL", flush=True)
        return 1
    try:
        with orders.connect(environment["DATABASE_URL"], name="acme release") as session:
            session.execute("SELECT count(*) FROM ledger_entries")
    except psycopg.Error as error:
        print(f"release: {' '.join(str(error).split())}", flush=True)
        return 1
    print("release: nothing to migrate", flush=True)
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


def _on_sigterm(act: Callable[[], object]) -> None:
    signal.signal(signal.SIGTERM, lambda _number, _frame: act() and None)


PARTS: dict[str, Callable[[Mapping[str, str]], int]] = {
    "web": web,
    "worker": worker,
    "smoke": smoke,
    "release": release,
}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in PARTS:
        print(f"usage: application {'|'.join(PARTS)}", file=sys.stderr)
        return 64
    if not os.environ.get("DATABASE_URL"):
        print("DATABASE_URL is not set", flush=True)
        return 1
    return PARTS[arguments[0]](os.environ)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
