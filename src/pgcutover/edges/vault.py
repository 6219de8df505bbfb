"""Values that must survive this process but may never be shown: one JSON file, 0600, replaced whole.

Invariant: the file is either as it was or as it shall be, never in between, and never readable by others.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pgcutover.errors import JournalError
from pgcutover.facts.names import Secret


class Vault:
    """Secrets by key, for example `config/acme-api/DATABASE_URL`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, key: str) -> Secret | None:
        value = self._load().get(key)
        return Secret(value) if value is not None else None

    def put(self, values: Mapping[str, Secret]) -> None:
        """Add or replace; durable when it returns."""
        self._store({**self._load(), **{key: value.reveal() for key, value in values.items()}})

    def forget(self, prefix: str) -> None:
        """Remove every key that begins with `prefix`."""
        self._store({key: value for key, value in self._load().items() if not key.startswith(prefix)})

    def keys(self, prefix: str) -> tuple[str, ...]:
        return tuple(sorted(key for key in self._load() if key.startswith(prefix)))

    def export(self) -> str:
        """Everything as text, secrets included: only for a 0600 file that a person carries to another machine."""
        return json.dumps(self._load())

    def restore(self, text: str) -> None:
        """Take over what `export` gave."""
        self._store(json.loads(text))

    def _load(self) -> dict[str, str]:
        try:
            content = json.loads(self._path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as cause:
            raise JournalError(
                f"the saved values in {self._path} cannot be read: {type(cause).__name__}",
                hint="Restore the file from a backup or from status --export; do not go on without it.",
            ) from cause
        return dict(content)

    def _store(self, values: Mapping[str, str]) -> None:
        directory = self._path.parent
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            # mkstemp makes the file 0600 from its first byte.
            handle, temporary = tempfile.mkstemp(dir=directory, prefix=".vault-")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(values, file)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self._path)
        except OSError as cause:
            raise JournalError(f"cannot save values to {self._path}: {cause.strerror}") from cause
