"""The rows of a journal: how they are hashed, chained, and read as runs, events and notes. No file is touched here.

Invariant: an entry's hash covers every other field of it, and the hash of the entry before.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from pgcutover.errors import JournalError
from pgcutover.running.journal import Event, Note, Run, finding_from_json
from pgcutover.running.state import Move, StepState, advance

# The version of the schema, of the entries' JSON and of an export. Another number would let an older program go on
# with a run it does not understand.
SCHEMA_VERSION: Final = 1
# What the first entry has for the hash of the one before. The same everywhere, so that two journals can be compared.
GENESIS: Final = "0" * 64


class Kind(StrEnum):
    """What an entry is; the words also stand in the schema's CHECK."""

    OPENED = "run opened"
    CLOSED = "run closed"
    EVENT = "event"
    NOTE = "note"


class Entry(BaseModel):
    """One row as it stands in the file and in an export; `body` is the JSON text that was hashed."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    seq: int
    at: str
    run: str
    kind: Kind
    step: str | None
    body: str
    host: str
    pid: int
    previous: str
    hash: str

    def computed_hash(self) -> str:
        fields = [self.seq, self.at, self.run, self.kind, self.step, self.body, self.host, self.pid, self.previous]
        return hashlib.sha256(to_json(fields).encode()).hexdigest()


def check_chain(entries: Iterable[Entry], path: Path) -> None:
    """Raises:
    JournalError: an entry was changed, lost or put in between since it was written to `path`.
    """
    previous = GENESIS
    states: dict[tuple[str, str], StepState] = {}
    for number, entry in enumerate(entries, start=1):
        if (entry.seq, entry.previous, entry.hash) != (number, previous, entry.computed_hash()):
            raise _doctored(path, number)
        previous = entry.hash
        if entry.kind is Kind.EVENT:
            try:
                event = event_of(entry)
            except (KeyError, TypeError, ValueError) as cause:
                raise _doctored(path, number) from cause
            key = (event.run, event.step)
            states[key] = advance(states.get(key, StepState.WAITING), event.move, step=event.step)
            if states[key] is not event.state:
                raise _doctored(path, number)


def _doctored(path: Path, number: int) -> JournalError:
    return JournalError(
        f"entry {number} of {path} is not as it was written",
        hint="Do not go on from it: import the last export of this journal into another directory.",
    )


def run_of(opened: Entry, closed: Entry | None) -> Run:
    body = json.loads(opened.body)
    return Run(
        run=opened.run,
        opened_at=datetime.fromisoformat(opened.at),
        plan_digest=body["plan_digest"],
        plan=body["plan"],
        by=body["by"],
        closed_at=datetime.fromisoformat(closed.at) if closed else None,
        outcome=json.loads(closed.body)["outcome"] if closed else None,
    )


def event_of(entry: Entry) -> Event:
    body = json.loads(entry.body)
    found = body["finding"]
    return Event(
        seq=entry.seq,
        at=datetime.fromisoformat(entry.at),
        run=entry.run,
        step=entry.step or "",
        move=Move(body["move"]),
        state=StepState(body["state"]),
        before=body["before"],
        finding=found and finding_from_json(found),
        error=body["error"],
        host=entry.host,
        pid=entry.pid,
        attempt=body["attempt"],
    )


def note_of(entry: Entry) -> Note:
    body = json.loads(entry.body)
    return Note(
        seq=entry.seq,
        at=datetime.fromisoformat(entry.at),
        run=entry.run,
        kind=body["kind"],
        payload=body["payload"],
        host=entry.host,
        pid=entry.pid,
    )


def to_json(value: object) -> str:
    """Key order is kept, so that text read and written again hashes the same. Raises TypeError or ValueError."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False, default=_plain)


def _plain(value: object) -> object:
    """Read-only mappings and the like, which `Json` allows and the json module does not know."""
    match value:
        case Mapping():
            return dict(value)
        case Sequence() if not isinstance(value, bytes | bytearray | memoryview):
            return list(value)
        case _:
            raise TypeError(f"a value of type {type(value).__name__} cannot be written")
