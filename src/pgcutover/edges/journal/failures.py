"""What SQLite and the operating system say, as a JournalError with a hint, by one table."""

import errno
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from pgcutover.errors import JournalError

# By primary result code (https://www.sqlite.org/rescode.html): what happened, and what to do next.
REASONS: Final[Mapping[int, tuple[str, str]]] = {
    sqlite3.SQLITE_FULL: ("the disk is full", "Free some space, then run the same command again."),
    sqlite3.SQLITE_IOERR: ("the disk refused", "Look at the disk and its free space, then run the same command again."),
    sqlite3.SQLITE_READONLY: (
        "the file may not be written",
        "Give yourself the right to write the file and its directory.",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "the file cannot be opened",
        "Give yourself the right to write the file and its directory.",
    ),
    sqlite3.SQLITE_PERM: ("the file may not be opened", "Give yourself the right to write the file and its directory."),
    sqlite3.SQLITE_BUSY: ("another program has locked the file", "Close the program that has it open."),
    sqlite3.SQLITE_NOTADB: ("the file is not a journal", "Name the journal that pgcutover wrote."),
    sqlite3.SQLITE_CORRUPT: ("the file is damaged", "Import the last export of it into a new journal."),
    sqlite3.SQLITE_CONSTRAINT: (
        "the entry does not go on from the last one",
        "Import the last export of it into a new journal.",
    ),
}

OS_CODES: Final[Mapping[int, int]] = {
    errno.ENOSPC: sqlite3.SQLITE_FULL,
    errno.EDQUOT: sqlite3.SQLITE_FULL,
    errno.EACCES: sqlite3.SQLITE_READONLY,
    errno.EPERM: sqlite3.SQLITE_READONLY,
    errno.EROFS: sqlite3.SQLITE_READONLY,
}


@contextmanager
def translated(path: Path, what: str = "journal") -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as cause:
        # The primary code is the low byte: https://www.sqlite.org/rescode.html#pve
        code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        reason, hint = REASONS.get(code, (str(cause), ""))
        raise JournalError(f"the {what} {path} cannot be used: {reason}", hint=hint) from cause
    except OSError as cause:
        code = OS_CODES.get(cause.errno or 0, sqlite3.SQLITE_IOERR)
        reason, hint = REASONS[code]
        raise JournalError(f"the {what} {path} cannot be used: {reason} ({cause.strerror})", hint=hint) from cause
    except ValidationError as cause:
        reason, hint = REASONS[sqlite3.SQLITE_CORRUPT]
        raise JournalError(f"the {what} {path} cannot be used: {reason}", hint=hint) from cause
