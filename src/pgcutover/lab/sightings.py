"""What the dynos themselves saw: which server answered behind which config var, at which moment.

One line of JSON for each look, appended by one call, in files of their own beside the promises. So a test can say where
every app was at every moment of a move without asking the migration, Heroku or the servers.
"""

import json
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

DIRECTORY = "seen"
LOOK = "SELECT system_identifier::text, inet_server_port(), pg_is_in_recovery() FROM pg_control_system()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One look. A look at a database that did not answer has a reason and no system."""

    at: float
    """Seconds since the epoch."""
    app: str
    dyno: str
    variable: str
    system: str = ""
    """Identifier of the server's files: a replica has its primary's."""
    port: int = 0
    """Of the server itself, not of what stands before it."""
    in_recovery: bool = False
    """True on a follower or replica."""
    reason: str = ""


class Sightings:
    """Appends lines for one dyno. Any thread may call."""

    def __init__(self, ledger: Path, *, app: str, dyno: str) -> None:
        directory = ledger / DIRECTORY
        directory.mkdir(parents=True, exist_ok=True)
        self._app, self._dyno = app, dyno
        self._file = os.open(directory / f"{app}.{dyno}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._lock = threading.Lock()

    def look(self, session: psycopg.Connection, variable: str) -> None:
        """Ask the server who it is. Raises psycopg.Error: it did not say."""
        row = session.execute(LOOK).fetchone()
        assert row is not None
        self._append(
            Sighting(
                at=time.time(),
                app=self._app,
                dyno=self._dyno,
                variable=variable,
                system=row[0],
                port=row[1] or 0,
                in_recovery=row[2],
            )
        )

    def failed(self, variable: str, reason: str) -> None:
        self._append(Sighting(at=time.time(), app=self._app, dyno=self._dyno, variable=variable, reason=reason))

    def close(self) -> None:
        with self._lock:
            os.close(self._file)

    def _append(self, sighting: Sighting) -> None:
        line = json.dumps(asdict(sighting)).encode() + b"\n"
        with self._lock:
            os.write(self._file, line)


def read(ledger: Path) -> tuple[Sighting, ...]:
    """Every look of every dyno, by time. A last line without an end is not read."""
    found = [look for path in (ledger / DIRECTORY).glob("*.jsonl") for look in _sightings(path.read_bytes())]
    return tuple(sorted(found, key=lambda look: look.at))


def _sightings(content: bytes) -> Iterable[Sighting]:
    return (Sighting(**json.loads(line)) for line in content.split(b"\n")[:-1])
