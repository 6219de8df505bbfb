"""What the application and its users were promised, in files outside any database.

One line of JSON per promise, written by one call in append mode: a process killed at any moment leaves whole lines.
A line is written after the commit was acknowledged, never before; only the intent to delete is written first, so that a
row whose delete was never answered is known as one that may be there or not.
"""

import json
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


class Op(StrEnum):
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


class Kind(StrEnum):
    ACKNOWLEDGED = "acknowledged"
    INTENDED = "intended"
    ANSWERED = "answered"
    """A request that wrote nothing got its answer."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One row of `ledger_entries` as a commit left it. `version` of a delete is that of the row it took away."""

    op: Op
    token: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line."""

    kind: Kind
    at: float
    """Seconds since the epoch: of the answer, and for a failure of the request's begin."""
    app: str
    """Who was promised something: an app's name, or `stray`."""
    judged_in: str
    """The app whose database must hold it."""
    writer: str
    write: Write | None = None
    reason: str = ""


class Promises:
    """Appends lines for one writer. Any thread may call."""

    def __init__(self, directory: Path, *, writer: str, app: str, judged_in: str | None = None) -> None:
        self._app, self._judged_in, self._writer = app, judged_in or app, writer
        directory.mkdir(parents=True, exist_ok=True)
        self._file = os.open(directory / f"{writer}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._lock = threading.Lock()

    def acknowledged(self, writes: Iterable[Write]) -> None:
        for write in writes:
            self._append(Kind.ACKNOWLEDGED, time.time(), **asdict(write))

    def intend_delete(self, token: str) -> None:
        """Call it before the delete is sent."""
        self._append(Kind.INTENDED, time.time(), op=Op.DELETE, token=token, version=0)

    def answered(self) -> None:
        self._append(Kind.ANSWERED, time.time())

    def failed(self, reason: str, *, began: float) -> None:
        self._append(Kind.FAILED, began, reason=reason)

    def close(self) -> None:
        with self._lock:
            os.close(self._file)

    def _append(self, kind: Kind, at: float, **more: Any) -> None:
        line = {
            "kind": kind,
            **more,
            "app": self._app,
            "judged_in": self._judged_in,
            "writer": self._writer,
            "at": round(at, 6),
        }
        with self._lock:
            os.write(self._file, json.dumps(line).encode() + b"\n")


def read(directory: Path) -> tuple[Entry, ...]:
    """Every line of every writer, each writer's in the order it wrote them. A last line without an end is not read."""
    return tuple(entry for path in sorted(directory.glob("*.jsonl")) for entry in _entries(path.read_bytes()))


def _entries(content: bytes) -> Iterable[Entry]:
    for line in content.split(b"\n")[:-1]:
        found = json.loads(line)
        write = None
        if "token" in found:
            write = Write(op=Op(found["op"]), token=found["token"], version=found["version"])
        yield Entry(
            kind=Kind(found["kind"]),
            at=found["at"],
            app=found["app"],
            judged_in=found["judged_in"],
            writer=found["writer"],
            write=write,
            reason=found.get("reason", ""),
        )
