"""One writer at a time, by an advisory lock on a file beside the journal that is never removed.

The lock goes when its holder dies, however it dies: https://man7.org/linux/man-pages/man2/flock.2.html
"""

import fcntl
import json
import os
import socket
import time
import weakref
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from pgcutover.edges.journal.entries import GENESIS, to_json
from pgcutover.errors import RunnerConflictError

OWNER_ONLY: Final = 0o600
# Longer than any host name (253) with its pid and hash; shorter than a disk sector, so that a rewrite is one write.
LOCK_RECORD_BYTES: Final = 480
GLANCE_S: Final = 0.1


class WriterLock:
    """Held by one writer for as long as it is open; the file also tells which entry was last acknowledged."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)
        try:
            self._take()
        except BlockingIOError as cause:
            holder = _named(self._fd)
            self.close()
            raise RunnerConflictError(
                f"{holder} is writing this journal",
                hint="Wait for it to end, or stop it; reading (status) is possible meanwhile.",
            ) from cause
        except BaseException:
            self.close()
            raise
        # A forked worker shares the lock and would hold it past our death.
        os.register_at_fork(after_in_child=partial(_close_if_alive, weakref.ref(self)))

    def _take(self) -> None:
        with suppress(BlockingIOError):
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        # Who merely looks (`writer_at_work`) holds it for an instant.
        time.sleep(GLANCE_S)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def acknowledged(self) -> tuple[int, str]:
        """Sequence number and hash of the last entry that was acknowledged by any writer; (0, GENESIS) if unknown."""
        match _record(self._fd):
            case {"seq": int(seq), "hash": str(entry_hash)}:
                return seq, entry_hash
            case _:
                return 0, GENESIS

    def acknowledge(self, seq: int, entry_hash: str) -> None:
        """Not synced: after a power cut an older record is merely a weaker check."""
        record = to_json({"host": socket.gethostname(), "pid": os.getpid(), "seq": seq, "hash": entry_hash})
        os.pwrite(self._fd, record.encode().ljust(LOCK_RECORD_BYTES)[:LOCK_RECORD_BYTES], 0)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def writer_at_work(path: Path) -> str:
    """The process that holds the lock at `path`, in words; '' when none does."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _named(handle)
    finally:
        os.close(handle)
    return ""


def _named(handle: int) -> str:
    holder = _record(handle)
    return f"process {holder.get('pid', '?')} on {holder.get('host', '?')}"


def _record(handle: int) -> dict[str, object]:
    try:
        record = json.loads(os.pread(handle, LOCK_RECORD_BYTES, 0))
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _close_if_alive(lock: weakref.ref[WriterLock]) -> None:
    held = lock()
    if held is not None:
        held.close()
