"""T4: a fence made of read-only defaults and ended sessions leaks; locks and revocation do not."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from fenced_database import Fenced, fenced_database
from pgcutover.edges.clients import end, read_clients
from pgcutover.edges.fencing import HeldSource
from pgcutover.facts.names import Dsn
from pgcutover.lab.clusters import Cluster

EVASIONS = {
    "unset": ("", "SET default_transaction_read_only = off", "BEGIN"),
    "begin": ("", "", "BEGIN READ WRITE"),
    "options": ("-c default_transaction_read_only=off", "", "BEGIN"),
    "characteristics": ("", "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "BEGIN"),
}


@pytest.fixture
def database(cluster16: Cluster) -> Iterator[Fenced]:
    with fenced_database(cluster16) as found:
        yield found


class Writers:
    """Clients that evade a read-only default, write as fast as they can, and log in again when they are ended."""

    def __init__(self, dsn: Dsn) -> None:
        self.acknowledged: set[str] = set()
        self._dsn = dsn
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(name, *way)) for name, way in EVASIONS.items()]

    @contextmanager
    def at_work(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            while len(self.acknowledged) < 20:
                time.sleep(0.01)
            yield
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()

    def _write(self, name: str, options: str, first: str, begin: str) -> None:
        number = 0
        while not self._over.is_set():
            with suppress(psycopg.Error):
                url, wait = self._dsn.url().reveal(), "-c lock_timeout=100 "
                with psycopg.connect(url, autocommit=True, options=wait + options) as session:
                    if first:
                        session.execute(first)
                    while not self._over.is_set():
                        number += 1
                        token = f"{name} {number}"
                        session.execute(f"{begin}; INSERT INTO items (name) VALUES ('{token}'); COMMIT")
                        self.acknowledged.add(token)


def names_in(database: Fenced) -> set[str]:
    with database.superuser() as session:
        return {name for (name,) in session.execute("SELECT name FROM items")}


def test_nothing_is_written_behind_the_fence(database: Fenced) -> None:
    """With four kinds of evading clients at work, no row comes after the proof, and no acknowledged row is missing."""
    source, writers = HeldSource(database.server), Writers(database.owner)
    with writers.at_work():
        source.raise_fence(source.read_fence())
        at_proof = names_in(database)
        time.sleep(1)
        assert at_proof == names_in(database)
        source.close()
        time.sleep(1)
        assert at_proof == names_in(database)
    assert set() == writers.acknowledged - at_proof


def test_without_locks_and_revocation_it_leaks(database: Fenced) -> None:
    """The same clients write on when only the default is read-only and sessions are ended again and again."""
    writers = Writers(database.owner)
    with writers.at_work(), database.server.session("weak fence") as session:
        session.execute(f'ALTER DATABASE "{database.owner.database}" SET default_transaction_read_only = on')
        end(session, read_clients(session))
        time.sleep(0.2)
        behind_the_fence = len(names_in(database))
        for _ in range(5):
            end(session, read_clients(session))
            time.sleep(0.2)
        assert len(names_in(database)) > behind_the_fence


def test_a_session_that_was_still_starting_cannot_write(database: Fenced) -> None:
    """One that connected before the fence and logs in after it escaped every look, and is refused all the same."""
    source = HeldSource(database.server)
    recorded = source.read_fence()
    with stalled_login(database.owner) as (dsn, go_on):
        session: list[psycopg.Connection[Any]] = []
        url, options = dsn.url().reveal(), "-c lock_timeout=100 -c default_transaction_read_only=off"
        login = threading.Thread(target=lambda: session.append(psycopg.connect(url, autocommit=True, options=options)))
        login.start()
        time.sleep(0.3)
        source.raise_fence(recorded)
        go_on.set()
        login.join()
        with session[0]:
            with pytest.raises(psycopg.errors.LockNotAvailable):
                session[0].execute("DELETE FROM items")
            source.close()
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session[0].execute("DELETE FROM items")
            named = source.fence_status(recorded).older_clients
            assert [database.owner.user] == [client.user for client in named]
            assert () == source.settle(recorded).leaks
            with pytest.raises(psycopg.OperationalError):
                session[0].execute("SELECT 1")
            source.keep_fence(recorded)
            source.close()
    assert 200 == database.one("SELECT count(*) FROM items")


@contextmanager
def stalled_login(dsn: Dsn) -> Iterator[tuple[Dsn, threading.Event]]:
    """A way to the server on which the first byte waits, so that the server's process is there before its login."""
    go_on, stop = threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def carry() -> None:
            client, _ = listener.accept()
            with client, socket.create_connection((dsn.host, dsn.port)) as server:
                go_on.wait()
                for one in (client, server):
                    one.settimeout(0.02)
                while not stop.is_set():
                    for here, there in ((client, server), (server, client)):
                        with suppress(TimeoutError):
                            if not (data := here.recv(65536)):
                                return
                            there.sendall(data)

        thread = threading.Thread(target=carry)
        thread.start()
        try:
            yield (
                Dsn(
                    host="127.0.0.1",
                    port=listener.getsockname()[1],
                    user=dsn.user,
                    password=dsn.password,
                    database=dsn.database,
                    options=dsn.options,
                ),
                go_on,
            )
        finally:
            go_on.set()
            stop.set()
            thread.join()


def test_slow_logins_do_not_make_it_fail(database: Fenced) -> None:
    """Clients that were logging in while it was raised, and show up later, are ended; they are no reason to go back."""
    source = HeldSource(database.server)
    recorded = source.read_fence()
    with slow_clients(database.owner) as came:
        for _ in range(6):
            source.raise_fence(recorded)
            assert () == source.settle(recorded).leaks
            source.keep_fence(recorded)
            assert () == source.leaks()
            source.lower_fence(recorded)
            time.sleep(0.1)
        assert came()


@contextmanager
def slow_clients(dsn: Dsn) -> Iterator[Callable[[], int]]:
    """Clients that log in over a slow line again and again, and how often they did."""
    stop, logins = threading.Event(), list[int]()

    def carry(here: socket.socket, there: socket.socket) -> None:
        with suppress(OSError):
            while data := here.recv(65536):
                time.sleep(0.06)
                there.sendall(data)
        for side in (here, there):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)

    def serve(listener: socket.socket) -> None:
        carriers = []
        with ExitStack() as open_sockets:
            while not stop.is_set():
                with suppress(TimeoutError):
                    client = open_sockets.enter_context(listener.accept()[0])
                    client.settimeout(None)
                    server = open_sockets.enter_context(socket.create_connection((dsn.host, dsn.port)))
                    for pair in ((client, server), (server, client)):
                        carriers.append(threading.Thread(target=carry, args=pair))
                        carriers[-1].start()
            for carrier in carriers:
                carrier.join()

    def visit(slow: Dsn) -> None:
        while not stop.is_set():
            with suppress(psycopg.Error), psycopg.connect(slow.url().reveal(), autocommit=True) as session:
                logins.append(1)
                session.execute("SELECT 1")
                stop.wait(0.3)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        slow = replace(dsn, port=listener.getsockname()[1])
        threads = [threading.Thread(target=visit, args=(slow,)) for _ in range(8)]
        threads.append(threading.Thread(target=serve, args=(listener,)))
        for thread in threads:
            thread.start()
        try:
            time.sleep(0.7)
            yield lambda: len(logins)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
