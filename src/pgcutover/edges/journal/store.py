"""The SQLite file itself: what is in it, who may write it, and what is checked when it is opened.

It decides nothing about a run but whether a move is legal. Invariant: a method that writes returns only after the
commit was synced, and one that raises wrote nothing (save where the disk itself failed: the next opening tells).
"""

import os
import socket
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, Self

from pgcutover.edges.journal.entries import (
    GENESIS,
    SCHEMA_VERSION,
    Entry,
    Kind,
    check_chain,
    event_of,
    note_of,
    run_of,
    to_json,
)
from pgcutover.edges.journal.export import read_export, sync_directory, write_export
from pgcutover.edges.journal.failures import translated
from pgcutover.edges.journal.lock import OWNER_ONLY, WriterLock
from pgcutover.errors import JournalError
from pgcutover.running.journal import Event, Note, Run, finding_as_json
from pgcutover.running.state import Move, StepState, advance, attempt_after
from pgcutover.running.step import Before, Finding, Json

APPLICATION_ID: Final = int.from_bytes(b"pgcu", "big")
SCHEMA: Final = files("pgcutover.edges.journal") / "schema.sql"
SELECT: Final = "SELECT seq, at, run, kind, step, body, host, pid, previous, hash FROM entry "
INSERT: Final = "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class SqliteJournal:
    """A `Journal` in a file. A writer excludes other writers for as long as it is open; a reader excludes nobody."""

    def __init__(
        self, path: Path, *, read_only: bool = False, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Open the journal, checking every entry; a writer makes it (and its directory, 0700) when there is none.

        Raises:
            RunnerConflictError: another process has it open for writing.
            JournalError: it is missing (to a reader), not a journal, of another version, or not as it was written.
        """
        self.path = path
        self._clock = clock
        self._lock: WriterLock | None = None
        self._connection: sqlite3.Connection | None = None
        try:
            with translated(path):
                if read_only:
                    self._open_reader()
                else:
                    self._open_writer()
        except BaseException:
            self.close()
            raise

    def open_run(self, run: str, plan_digest: str, plan: Json, by: str) -> Run:
        with self._transaction():
            if self._kinds(run):
                raise JournalError(f"run {run} is already in the journal", hint="Open the run under another name.")
            opened = self._insert(run, Kind.OPENED, {"plan_digest": plan_digest, "plan": plan, "by": by})
        return run_of(opened, None)

    def close_run(self, run: str, outcome: str) -> None:
        with self._transaction():
            self._require_open(run)
            self._insert(run, Kind.CLOSED, {"outcome": outcome})

    def runs(self) -> tuple[Run, ...]:
        closed = {entry.run: entry for entry in self._entries("WHERE kind = ?", Kind.CLOSED)}
        opened = self._entries("WHERE kind = ? ORDER BY seq", Kind.OPENED)
        return tuple(run_of(entry, closed.get(entry.run)) for entry in opened)

    def append(
        self,
        run: str,
        step: str,
        move: Move,
        *,
        before: Before | None = None,
        finding: Finding | None = None,
        error: str = "",
    ) -> Event:
        with self._transaction():
            self._require_open(run)
            state, attempt = self._standing(run, step)
            body: dict[str, Json] = {
                "move": move.value,
                "state": advance(state, move, step=step).value,
                "attempt": attempt_after(state, attempt, move),
                "before": None if before is None else dict(before),
                "finding": None if finding is None else finding_as_json(finding),
                "error": error,
            }
            entry = self._insert(run, Kind.EVENT, body, step=step)
        return event_of(entry)

    def events(self, run: str) -> tuple[Event, ...]:
        self._require_known(run)
        entries = self._entries("WHERE run = ? AND kind = ? ORDER BY seq", run, Kind.EVENT)
        return tuple(event_of(entry) for entry in entries)

    def note(self, run: str, kind: str, payload: Json) -> Note:
        with self._transaction():
            self._require_known(run)
            entry = self._insert(run, Kind.NOTE, {"kind": kind, "payload": payload})
        return note_of(entry)

    def notes(self, run: str, kind: str | None = None) -> tuple[Note, ...]:
        self._require_known(run)
        entries = self._entries("WHERE run = ? AND kind = ? ORDER BY seq", run, Kind.NOTE)
        return tuple(note for note in map(note_of, entries) if kind in (None, note.kind))

    def export(self, path: Path, attachments: Mapping[str, str] = MappingProxyType({})) -> None:
        """Write the whole journal, and the texts given, as one JSON document (0600), replacing `path` at once.

        A reader may do it while a writer goes on. The attachments are written as they are: a caller who sends the
        vault along sends its secrets.
        """
        write_export(path, self._entries("ORDER BY seq"), attachments, self._now())

    def import_(self, path: Path) -> dict[str, str]:
        """Take over what an export holds beyond this journal, and return its attachments.

        Raises:
            JournalError: not a whole export; or this journal holds entries that it lacks (it is older), or others than
                it (another history). Nothing is taken over then.
        """
        document = read_export(path)
        here, there = self._entries("ORDER BY seq"), document.entries
        if here[: len(there)] != there[: len(here)]:
            raise JournalError(
                f"{path} and the journal {self.path} tell different histories",
                hint="Import it into a journal of its own: name another directory.",
            )
        if len(here) > len(there):
            raise JournalError(
                f"{path} is older than the journal {self.path}: it ends at entry {len(there)} of {len(here)}",
                hint="Go on with the journal that is here, or import a newer export.",
            )
        with self._transaction():
            for entry in there[len(here) :]:
                self._write(entry)
        return document.attachments

    def close(self) -> None:
        """Close the file, then free the lock. Closing twice is harmless."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open_reader(self) -> None:
        if not self.path.exists():
            raise JournalError(
                f"there is no journal at {self.path}",
                hint="Run the command in the directory where the run was started, or import an export of it.",
            )
        self._connection = _connect(self.path, "ro")
        if self._is_blank():
            raise JournalError(f"the journal {self.path} holds nothing yet", hint="Start a run first.")
        self._require_ours()
        check_chain(self._entries("ORDER BY seq"), self.path)

    def _open_writer(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = WriterLock(_beside(self.path, ".lock"))
        if not self.path.exists():
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY))
            sync_directory(self.path.parent)
        _tighten(self.path)
        self._connection = _connect(self.path, "rw")
        is_new = self._is_blank()
        if not is_new:
            self._require_ours()
        self._sql.execute("PRAGMA journal_mode = WAL")
        self._sql.execute("PRAGMA synchronous = FULL")
        # On macOS fsync does not reach the disk without it: https://www.sqlite.org/pragma.html#pragma_fullfsync
        self._sql.execute("PRAGMA fullfsync = ON")
        if is_new:
            self._sql.executescript(SCHEMA.read_text(encoding="utf-8"))
        entries = self._entries("ORDER BY seq")
        check_chain(entries, self.path)
        self._require_acknowledged(entries, self._lock)

    def _is_blank(self) -> bool:
        """True also after a death between making the file and its table."""
        return bool(self._sql.execute("SELECT count(*) = 0 FROM sqlite_master").fetchone()[0])

    def _require_ours(self) -> None:
        (application_id,) = self._sql.execute("PRAGMA application_id").fetchone()
        (version,) = self._sql.execute("PRAGMA user_version").fetchone()
        if application_id != APPLICATION_ID:
            raise JournalError(f"{self.path} is not a journal", hint="Name the journal that pgcutover wrote.")
        if version != SCHEMA_VERSION:
            raise JournalError(
                f"{self.path} is a journal of version {version}, and this program writes version {SCHEMA_VERSION}",
                hint="Use the pgcutover that began the run until the run has ended.",
            )

    def _require_acknowledged(self, entries: Sequence[Entry], lock: WriterLock) -> None:
        seq, entry_hash = lock.acknowledged()
        if seq > len(entries) or (seq > 0 and entries[seq - 1].hash != entry_hash):
            raise JournalError(
                f"{self.path} lacks entries that were written: it has {len(entries)}, and entry {seq} was the last",
                hint=f"Put the newest journal back, with its -wal file; if there is none, remove "
                f"{_beside(self.path, '.lock')} and import the last export into a new journal.",
            )
        lock.acknowledge(len(entries), entries[-1].hash if entries else GENESIS)

    @property
    def _sql(self) -> sqlite3.Connection:
        if self._connection is None:
            raise JournalError(f"the journal {self.path} is closed")
        return self._connection

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        lock = self._lock
        if lock is None:
            raise JournalError(f"the journal {self.path} is not open for writing")
        with translated(self.path):
            try:
                self._sql.execute("BEGIN IMMEDIATE")
                yield
                self._sql.execute("COMMIT")
            except BaseException:
                if self._sql.in_transaction:
                    self._sql.execute("ROLLBACK")
                raise
            lock.acknowledge(*self._head())

    def _head(self) -> tuple[int, str]:
        row = self._sql.execute("SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1").fetchone()
        return (0, GENESIS) if row is None else (int(row[0]), str(row[1]))

    def _insert(self, run: str, kind: Kind, body: Mapping[str, Json], *, step: str | None = None) -> Entry:
        try:
            text = to_json(body)
        except (TypeError, ValueError) as cause:
            raise JournalError(f"what run {run} would write ({kind} {step or ''}) is not JSON: {cause}") from cause
        seq, previous = self._head()
        entry = Entry(
            seq=seq + 1,
            at=self._now(),
            run=run,
            kind=kind,
            step=step,
            body=text,
            host=socket.gethostname(),
            pid=os.getpid(),
            previous=previous,
            hash="",
        )
        entry = entry.model_copy(update={"hash": entry.computed_hash()})
        self._write(entry)
        return entry

    def _write(self, entry: Entry) -> None:
        self._sql.execute(INSERT, [str(value) if isinstance(value, Kind) else value for _, value in entry])

    def _entries(self, clauses: str, *parameters: str) -> tuple[Entry, ...]:
        with translated(self.path):
            rows = self._sql.execute(SELECT + clauses, parameters).fetchall()
            return tuple(Entry.model_validate(dict(zip(Entry.model_fields, row, strict=True))) for row in rows)

    def _standing(self, run: str, step: str) -> tuple[StepState, int]:
        for last in self._entries("WHERE run = ? AND step = ? ORDER BY seq DESC LIMIT 1", run, step):
            event = event_of(last)
            return event.state, event.attempt
        return StepState.WAITING, 0

    def _kinds(self, run: str) -> set[str]:
        with translated(self.path):
            return {kind for (kind,) in self._sql.execute("SELECT DISTINCT kind FROM entry WHERE run = ?", (run,))}

    def _require_known(self, run: str) -> set[str]:
        kinds = self._kinds(run)
        if not kinds:
            raise JournalError(f"run {run} is not in the journal {self.path}")
        return kinds

    def _require_open(self, run: str) -> None:
        if Kind.CLOSED in self._require_known(run):
            raise JournalError(f"run {run} is closed", hint="Open a new run.")

    def _now(self) -> str:
        return self._clock().astimezone(UTC).isoformat()


def _connect(path: Path, mode: Literal["ro", "rw"]) -> sqlite3.Connection:
    # isolation_level None: transactions begin and end where this module says so, nowhere else.
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, isolation_level=None)


def _tighten(path: Path) -> None:
    """Take from others what they may do with files that came from elsewhere; SQLite's own follow the journal's mode."""
    for suffix in ("", "-wal", "-shm", ".lock"):
        file = _beside(path, suffix)
        if file.exists() and file.stat().st_mode & 0o077:
            file.chmod(OWNER_ONLY)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
