"""acme's reports: an app that only reads, from the follower, a few times a second, and serves what it read last.

It reads through every one of `VARIABLES` that its config has, as an app of its time does: no prepared statements, for
PgBouncer may stand before the database, and TLS as libpq does it unless told otherwise. Each look is a sighting.
"""

import threading
from collections.abc import Mapping
from typing import Any

import psycopg

from pgcutover.lab import orders
from pgcutover.lab.sightings import Sightings
from pgcutover.lab.webapp import NOT_FOUND, Answer

VARIABLES = ("FOLLOWER_URL", "EXPORT_URL")
NEEDED = VARIABLES[0]
PAUSE_S = 0.3
REPORT = "SELECT count(*), max(created_at)::text FROM ledger_entries"


class Reader:
    """One thread that reads, and a site (`webapp`) with `report`, which is what it read last."""

    def __init__(self, environment: Mapping[str, str], sightings: Sightings) -> None:
        self._urls = {name: environment[name] for name in VARIABLES if environment.get(name)}
        self._name = f"reports {environment.get('DYNO', '')}"
        self._sightings = sightings
        self._sessions: dict[str, psycopg.Connection] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._live, name="reader")
        self.report: dict[str, Any] = {}

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def get(self, path: str) -> Answer:
        """The last report, as a page."""
        if path != "/report":
            return NOT_FOUND
        return (200, self.report) if self.report else (503, {"error": "nothing read yet"})

    def post(self, path: str, body: Any) -> Answer:
        return NOT_FOUND

    def _live(self) -> None:
        while not self._stopping.is_set():
            for variable, url in self._urls.items():
                self._read(variable, url)
            self._stopping.wait(PAUSE_S)
        for session in self._sessions.values():
            session.close()

    def _read(self, variable: str, url: str) -> None:
        try:
            session = self._sessions.get(variable)
            if session is None or session.closed:
                session = self._sessions[variable] = connect(url, name=self._name)
            # One transaction is one server, also behind PgBouncer.
            with session.transaction():
                row = session.execute(REPORT).fetchone()
                self._sightings.look(session, variable)
            assert row is not None
            self.report = {"entries": row[0], "newest": row[1]}
        except psycopg.Error as error:
            reason = " ".join(str(error).split())[:200]
            self._sightings.failed(variable, reason)
            print(f"database: {variable}: {reason}", flush=True)
            if (broken := self._sessions.pop(variable, None)) is not None:
                broken.close()


def connect(url: str, *, name: str) -> psycopg.Connection:
    return orders.connect(url, name=name, sslmode=None, prepare_threshold=None)


def smoke(environment: Mapping[str, str]) -> None:
    """Raises psycopg.Error or AssertionError: a database that the app reads from cannot be read, or is empty."""
    for variable in (name for name in VARIABLES if environment.get(name)):
        with connect(environment[variable], name="reports smoke") as session:
            row = session.execute(REPORT).fetchone()
            assert row is not None and row[0] > 0, f"{variable}: ledger_entries is empty"
