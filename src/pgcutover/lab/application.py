"""acme's application: `python -m pgcutover.lab.application PART`, configured by its environment.

It stands for an application that knows nothing of migrations: it reads DATABASE_URL at start, keeps sessions open,
reconnects when they break, and ends in order on SIGTERM. What it sees of its servers is a sighting.

    web           POST /orders {"token", "update"?, "delete"?}, GET /orders/{token}, GET /health, on $PORT
    worker        writes a few times a second, through the pooler where there is one
    job           writes once: what the scheduler starts
    smoke         exits 0 when the application works on the database it is given, and leaves nothing behind in it
    release       what runs before a release goes live; fails when $RELEASE_FAIL is set
    admin         as web, but it writes only what the second credential may
    admin-smoke   as smoke, for admin
    reader        reads only, from the follower, see `reader`; GET /report
    reader-smoke  exits 0 when everything that reader reads can be read
"""

import os
import queue
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from pgcutover.lab import orders, reader
from pgcutover.lab.labourer import Labourer
from pgcutover.lab.promises import Promises, Write
from pgcutover.lab.sightings import Sightings
from pgcutover.lab.webapp import NOT_FOUND, Answer, on_sigterm, serve

SESSIONS = 4
DATABASE = "DATABASE_URL"
POOL = "DATABASE_CONNECTION_POOL_URL"
LEDGER = "PGCUTOVER_LAB_LEDGER"
# Counted before anything else: an empty table after a move is what a smoke test must see first.
FILLED_TABLES = ("accounts", "users", "orders", "order_items", "events", "ledger_entries")
FILLED_TABLES_OF_ADMIN = ("accounts", "orders", "ledger_entries")
Environment = Mapping[str, str]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """What a shop does under a token, within the caller's transaction."""

    place: Callable[[psycopg.Connection, str, tuple[int, ...]], Write]
    change: Callable[[psycopg.Connection, str], Write | None]
    cancel: Callable[[psycopg.Connection, str], Write | None]


class Shop:
    """The site of web and admin."""

    def __init__(self, environment: Environment, trade: Trade) -> None:
        self.sessions = Sessions(environment[DATABASE], name=_name(environment))
        self._trade, self._sightings = trade, _sightings(environment)

    def close(self) -> None:
        self.sessions.close()
        self._sightings.close()

    def get(self, path: str) -> Answer:
        if path == "/health":
            with self.sessions.one() as session:
                session.execute("SELECT 1")
            return 200, {"status": "ok"}
        if path.startswith("/orders/"):
            return self._read(path.removeprefix("/orders/"))
        return NOT_FOUND

    def post(self, path: str, body: Any) -> Answer:
        return (201, self._write(body)) if path == "/orders" else NOT_FOUND

    def _write(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """One transaction: a new order, perhaps a change to one earlier and the end of another."""
        wanted = (str(UUID(body[key])) if body.get(key) else None for key in ("token", "update", "delete"))
        token, changed, doomed = wanted
        if token is None:
            raise ValueError("token is missing")
        with self.sessions.one() as session, session.transaction():
            done: list[Write | None] = [
                self._trade.place(session, token, self.sessions.accounts),
                self._trade.change(session, changed) if changed else None,
                self._trade.cancel(session, doomed) if doomed else None,
            ]
            place = session.execute("SELECT current_database(), inet_server_port()").fetchone()
            self._sightings.look(session, DATABASE)
        assert place is not None
        writes = [write for write in done if write is not None]
        return {
            "token": token,
            "database": place[0],
            "server_port": place[1],
            "writes": [{"op": write.op, "token": write.token, "version": write.version} for write in writes],
        }

    def _read(self, token: str) -> Answer:
        with self.sessions.one() as session:
            row = session.execute("SELECT version FROM ledger_entries WHERE token = %s", [UUID(token)]).fetchone()
        return (404, {"error": "no such order"}) if row is None else (200, {"token": token, "version": row[0]})


def web(environment: Environment) -> int:
    app = _app(environment)

    def place(session: psycopg.Connection, token: str, known: tuple[int, ...]) -> Write:
        return orders.place(session, token, app=app, account=random.choice(known))

    return _serve_shop(environment, Trade(place=place, change=orders.change, cancel=orders.cancel))


def admin(environment: Environment) -> int:
    app = _app(environment)

    def place(session: psycopg.Connection, token: str, _: tuple[int, ...]) -> Write:
        return orders.enter(session, token, app=app, kind="admin")

    return _serve_shop(environment, Trade(place=place, change=orders.amend, cancel=orders.strike))


def _serve_shop(environment: Environment, trade: Trade) -> int:
    shop = Shop(environment, trade)
    serve(int(environment["PORT"]), shop)
    shop.close()
    return 0


def read(environment: Environment) -> int:
    sightings = _sightings(environment)
    reading = reader.Reader(environment, sightings)
    reading.start()
    serve(int(environment["PORT"]), reading)
    reading.stop()
    sightings.close()
    return 0


def worker(environment: Environment) -> int:
    app, promises, sightings = _app(environment), _promises(environment), _sightings(environment)
    variable = POOL if environment.get(POOL) else DATABASE
    accounts: list[int] = []

    def open_session() -> psycopg.Connection:
        session = orders.connect(environment[variable], name=_name(environment))
        accounts[:] = orders.accounts(session)
        return session

    def work(session: psycopg.Connection, token: str) -> None:
        orders.record_event(session, token, account=random.choice(accounts))
        sightings.look(session, variable)

    labourer = Labourer(open_session, promises, app=app, kind="job", work=work, say=_say)
    on_sigterm(labourer.stop)
    labourer.run()
    promises.close()
    sightings.close()
    return 0


def job(environment: Environment) -> int:
    promises, sightings, began = _promises(environment), _sightings(environment), time.time()
    try:
        with orders.connect(environment[DATABASE], name=_name(environment)) as session:
            with session.transaction():
                done = orders.enter(session, orders.new_token(), app=_app(environment), kind="scheduled")
                sightings.look(session, DATABASE)
            promises.acknowledged([done])
    except psycopg.Error as error:
        reason = " ".join(str(error).split())[:200]
        promises.failed(reason, began=began)
        _say(f"job: {reason}")
        return 1
    finally:
        promises.close()
        sightings.close()
    return 0


def smoke(environment: Environment) -> int:
    """0 when the tables are filled, an order can be written (and is rolled back), and extensions are found."""

    def works(session: psycopg.Connection) -> None:
        token = orders.new_token()
        orders.place(session, token, app=_app(environment), account=orders.accounts(session)[0])
        orders.change(session, token)
        # Unqualified, as the application says it: found only when search_path came along.
        session.execute("SELECT '[1,2,3]'::vector <-> '[1,2,4]'::vector")

    return _tried(environment, lambda: _try_shop(environment, FILLED_TABLES, works))


def admin_smoke(environment: Environment) -> int:
    """0 when the second credential sees what it may see and writes what it may write (which is rolled back)."""

    def works(session: psycopg.Connection) -> None:
        token = orders.new_token()
        orders.enter(session, token, app=_app(environment), kind="admin")

    return _tried(environment, lambda: _try_shop(environment, FILLED_TABLES_OF_ADMIN, works))


def reader_smoke(environment: Environment) -> int:
    return _tried(environment, lambda: reader.smoke(environment))


def _tried(environment: Environment, act: Callable[[], None]) -> int:
    try:
        act()
    except (psycopg.Error, AssertionError) as error:
        _say(f"smoke: {' '.join(str(error).split())}")
        return 1
    if environment.get("SMOKE_FAIL"):
        _say("smoke: told to fail by SMOKE_FAIL")
        return 1
    _say("smoke: the application works on this database")
    return 0


def _try_shop(environment: Environment, filled: tuple[str, ...], works: Callable[[psycopg.Connection], None]) -> None:
    with orders.connect(environment[DATABASE], name="acme smoke") as session:
        for table in filled:
            _count(session, table)
        with session.transaction(force_rollback=True):
            works(session)


def _count(session: psycopg.Connection, table: str) -> None:
    row = session.execute(psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier(table))).fetchone()
    assert row is not None and row[0] > 0, f"{table} is empty"
    _say(f"{table}: {row[0]} rows")


def release(environment: Environment) -> int:
    """Stands for the app's migrations: needs the database, changes nothing."""
    if environment.get("RELEASE_FAIL"):
        print("release: told to fail by RELEASE_FAIL", flush=True)
        return 1
    try:
        with orders.connect(environment[DATABASE], name="acme release") as session:
            session.execute("SELECT count(*) FROM ledger_entries")
    except psycopg.Error as error:
        print(f"release: {' '.join(str(error).split())}", flush=True)
        return 1
    print("release: nothing to migrate", flush=True)
    return 0


def _app(environment: Environment) -> str:
    return environment["HEROKU_APP_NAME"]


def _dyno(environment: Environment) -> str:
    return environment["DYNO"]


def _name(environment: Environment) -> str:
    return f"acme {_dyno(environment)}"


def _promises(environment: Environment) -> Promises:
    app = _app(environment)
    return Promises(Path(environment[LEDGER]), writer=f"{app}.{_dyno(environment)}", app=app)


def _sightings(environment: Environment) -> Sightings:
    return Sightings(Path(environment[LEDGER]), app=_app(environment), dyno=_dyno(environment))


def _say(text: str) -> None:
    print(text, flush=True)


PARTS: dict[str, Callable[[Environment], int]] = {
    "web": web,
    "worker": worker,
    "job": job,
    "smoke": smoke,
    "release": release,
    "admin": admin,
    "admin-smoke": admin_smoke,
    "reader": read,
    "reader-smoke": reader_smoke,
}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in PARTS:
        print(f"usage: application {'|'.join(PARTS)}", file=sys.stderr)
        return 64
    needed = reader.NEEDED if arguments[0].startswith("reader") else DATABASE
    if not os.environ.get(needed):
        print(f"{needed} is not set", flush=True)
        return 1
    return PARTS[arguments[0]](os.environ)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
