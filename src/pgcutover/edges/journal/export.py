"""A whole journal as one JSON document, to go on with it on another machine.

It never reads or writes the journal itself. Invariant: a document that is cut short or changed is refused.
"""

import hashlib
import os
import socket
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from pgcutover.edges.journal.entries import SCHEMA_VERSION, Entry, check_chain, to_json
from pgcutover.edges.journal.failures import translated
from pgcutover.errors import JournalError


class Export(BaseModel):
    """A journal on its way to another machine; `attachments` are whatever texts the caller sends along."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")

    format: Literal["pgcutover journal"] = "pgcutover journal"
    version: Literal[1] = 1
    exported_at: str
    host: str
    entries: tuple[Entry, ...]
    attachments: dict[str, str]
    attachments_sha256: str


def write_export(path: Path, entries: Sequence[Entry], attachments: Mapping[str, str], exported_at: str) -> None:
    """Replace `path` at once by a document that only its owner may read."""
    document = Export(
        exported_at=exported_at,
        host=socket.gethostname(),
        entries=tuple(entries),
        attachments=dict(attachments),
        attachments_sha256=_digest(attachments),
    )
    with translated(path, "export"):
        _replace_file(path, document.model_dump_json(indent=1).encode())


def read_export(path: Path) -> Export:
    """Raises:
    JournalError: the file cannot be read, is of another version, was cut short, or is not as it was written.
    """
    with translated(path, "export"):
        text = path.read_bytes()
    try:
        document = Export.model_validate_json(text)
    except ValidationError as cause:
        raise JournalError(
            f"{path} is not a whole export of a journal of version {SCHEMA_VERSION}",
            hint="Export it again with the same pgcutover, and copy the whole file.",
        ) from cause
    check_chain(document.entries, path)
    if _digest(document.attachments) != document.attachments_sha256:
        raise JournalError(f"an attachment in {path} is not as it was written", hint="Export it again.")
    return document


def _replace_file(path: Path, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600 by itself
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """A new name is safe from a power cut only once its directory is synced."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(value: Mapping[str, str]) -> str:
    return hashlib.sha256(to_json(dict(value)).encode()).hexdigest()
