"""Logplex: each app's newest lines, and sessions that read them.

A line's form: https://devcenter.heroku.com/articles/logging#log-format. Values of config vars never get here by
the lab's own doing; what a dyno prints is the application's affair.
"""

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime

from pgcutover.lab.heroku.records import now

KEPT_LINES = 1500
"""assumption H5"""
DEFAULT_LINES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    number: int
    """Grows by one within an app; a reader goes on after the last number it saw."""
    at: datetime
    source: str
    """`app` or `heroku`."""
    process: str
    """`web.1`, `run.1234`, `router`, `api`…"""
    text: str

    def __str__(self) -> str:
        return f"{self.at.isoformat(timespec='microseconds')} {self.source}[{self.process}]: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSession:
    """What one `POST /apps/{app}/log-sessions` asked for."""

    id: str
    app: str
    created_at: datetime
    source: str | None = None
    process: str | None = None
    """A dyno (`web.1`), or a process type, which means all of its dynos."""
    lines: int = DEFAULT_LINES
    tail: bool = False

    def wants(self, line: Line) -> bool:
        wanted_source = self.source in (None, line.source)
        return wanted_source and self.process in (None, line.process, line.process.split(".")[0])


class Logplex:
    """Every app's lines. Any thread may write; a reader polls `after`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[str, deque[Line]] = {}
        self._numbers: dict[str, int] = {}
        self._sessions: dict[str, LogSession] = {}

    def write(self, app: str, process: str, text: str, *, source: str = "heroku") -> None:
        with self._lock:
            number = self._numbers[app] = self._numbers.get(app, 0) + 1
            line = Line(number=number, at=now(), source=source, process=process, text=text)
            self._lines.setdefault(app, deque(maxlen=KEPT_LINES)).append(line)

    def open(self, session: LogSession) -> None:
        with self._lock:
            self._sessions[session.id] = session

    def session(self, identity: str) -> LogSession | None:
        with self._lock:
            return self._sessions.get(identity)

    def backlog(self, session: LogSession) -> tuple[Line, ...]:
        """The newest lines the session wants, oldest first, at most as many as it asked for."""
        wanted = self.after(session, 0)
        return wanted[-session.lines :] if session.lines > 0 else ()

    def after(self, session: LogSession, number: int) -> tuple[Line, ...]:
        """The lines it wants that came after this one."""
        with self._lock:
            lines = tuple(self._lines.get(session.app, ()))
        return tuple(line for line in lines if line.number > number and session.wants(line))

    def last_number(self, app: str) -> int:
        with self._lock:
            return self._numbers.get(app, 0)
