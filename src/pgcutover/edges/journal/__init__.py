"""The journal in one SQLite file: append-only, fsynced, chained by hash, one writer, any number of readers.

It knows runs, events and notes, and nothing of what they mean beyond the table of legal moves, which it enforces before
it writes. Nothing secret may be handed in; the files are 0600 all the same.

Invariant: what `append`, `note`, `open_run` or `close_run` returned from is on disk, and every entry hashes the one
before it, so that an entry changed, lost or put in between is noticed by whoever opens the file next. Entries cut off
the end (a `-wal` file left behind, an old copy put back) are noticed by the next writer, who finds the last
acknowledged one in the lock file.

SQLite in WAL mode with synchronous=FULL syncs the log at every commit: https://www.sqlite.org/pragma.html#pragma_synchronous
"""

from pgcutover.edges.journal.store import SqliteJournal

__all__ = ["SqliteJournal"]
