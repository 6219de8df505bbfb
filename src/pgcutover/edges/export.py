"""Rows that going back leaves behind, written to files: one of JSON lines per table, and a manifest.

Only the person who runs this may read them (0700, 0600), and they say when they should be deleted: they hold customers'
data. Nothing here deletes them. The invariant: a manifest is there only when every file it names is whole on disk.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

import psycopg

from pgcutover.edges.difference import changes, table_difference
from pgcutover.edges.digests import TooLargeError
from pgcutover.edges.postgres import Server
from pgcutover.errors import CopyError, PgcutoverError, SourceError, TargetError
from pgcutover.facts.proof import ComparisonUnit, TableDifference

MANIFEST = "manifest.json"
# What ends the reading of every table alike: the connection, the server's resources, somebody's intervention.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
NOT_OF_ONE_TABLE = ("08", "53", "57")
ABOUT = (
    "Rows that the application changed on the new database. One line per changed row: old is the row on the old "
    "database, new the one on the new; each value is what its type prints, null is NULL."
)


def export_difference(
    source: Server,
    target: Server,
    units: Sequence[ComparisonUnit],
    directory: Path,
    *,
    now: datetime,
    keep: timedelta,
    not_exported: Sequence[str] = (),
) -> tuple[TableDifference, ...]:
    """Write every change from source to target; again, it writes the same files anew. Counts of tables that changed.

    A table whose rows a server will not give costs that table alone: its count says why, and so does the manifest.
    `not_exported` says in words what else is on the target that no file holds.

    Raises:
        CopyError: the files cannot be written.
        SourceError, TargetError: a server cannot be reached, or can do nothing for any table.
    """
    with _written(directory):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        (directory / MANIFEST).unlink(missing_ok=True)
        tables = [_export(source, target, unit, directory, number) for number, unit in enumerate(units, start=1)]
        manifest = {
            "about": ABOUT,
            "created_at": now.isoformat(),
            "expires_at": (now + keep).isoformat(),
            "source": str(source.dsn),
            "target": str(target.dsn),
            "not_exported": [*not_exported, *(f"table {c.table}: {c.error}" for _, c in tables if c.error)],
            "tables": [entry for entry, _ in tables if entry is not None],
        }
        with _file(directory / MANIFEST) as file:
            json.dump(manifest, file, indent=2)
        _sync_directory(directory)
    return tuple(counts for _, counts in tables if counts.changes or counts.error)


def read_manifest(directory: Path) -> Mapping[str, Any] | None:
    """What an export left; None when none was finished there."""
    try:
        found = json.loads((directory / MANIFEST).read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as cause:
        raise CopyError(f"{directory / MANIFEST} is not JSON", hint="Go back again: it is written anew.") from cause
    return found if isinstance(found, Mapping) else None


def _export(
    source: Server, target: Server, unit: ComparisonUnit, directory: Path, number: int
) -> tuple[dict[str, Any] | None, TableDifference]:
    path = directory / f"{number:04d}-{re.sub('[^A-Za-z0-9_.]', '_', str(unit))[:80]}.jsonl"
    try:
        counts = _write_changes(source, target, unit, path)
    except (SourceError, TargetError, TooLargeError) as error:
        if not _of_one_table(error):
            raise
        path.unlink(missing_ok=True)
        return None, replace(
            table_difference(unit, Counter()), error=error.message if isinstance(error, PgcutoverError) else str(error)
        )
    if not counts:
        path.unlink()
        return None, table_difference(unit, counts)
    table = {"schema": unit.table.schema, "table": unit.table.name, "file": path.name, "key": list(unit.key)}
    return {**table, **{k: counts[k] for k in ("inserted", "updated", "deleted")}}, table_difference(unit, counts)


def _write_changes(source: Server, target: Server, unit: ComparisonUnit, path: Path) -> Counter[str]:
    """How many changes of each kind are in the file."""
    counts: Counter[str] = Counter()
    with _file(path) as file, closing(changes(source, target, unit)) as found:
        for change in found:
            counts[change.kind] += 1
            row = change.new or change.old or {}
            line = {
                "change": change.kind,
                "key": {name: row.get(name) for name in unit.key},
                "old": change.old,
                "new": change.new,
            }
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return counts


def _of_one_table(error: Exception) -> bool:
    """Whether the other tables may well be read; an error without SQLSTATE is one of the connection."""
    state = error.__cause__.sqlstate if isinstance(error.__cause__, psycopg.Error) else None
    return state is not None and not state.startswith(NOT_OF_ONE_TABLE)


@contextmanager
def _file(path: Path) -> Iterator[TextIO]:
    """A file that only we may read, whole on disk when the block ends."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _written(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as cause:
        raise CopyError(
            f"what changed on the new database could not be written to {directory}: {cause}",
            hint="Make room or choose another directory; nothing was lost, the new database still has every row.",
        ) from cause
