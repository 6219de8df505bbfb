"""Every request of a probe and its answer, one JSON line each, redacted, in a file that only its owner may read (0600).

A line is on disk before the next request is sent, so that a probe that dies leaves what it saw.
"""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pgcutover.edges.redaction import MASK, Redactor
from pgcutover.errors import JournalError

HEADERS = frozenset({"content-range", "content-type", "next-range", "retry-after", "x-confirmation-required"})
"""What of an answer's headers is kept, in lower case."""


WHO_WE_ARE = "sts"


class Transcript:
    """Append only. A file that is there already is not overwritten; its directory must exist."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.redactor = Redactor()
        try:
            self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")
        except OSError as cause:
            raise JournalError(
                f"the transcript {path} cannot be written: {cause.strerror}", hint="Name another file: --transcript."
            ) from cause

    def close(self) -> None:
        self._file.close()

    def http(
        self, method: str, path: str, body: Any, status: int, headers: Mapping[str, str], answer: Any, *, asked: str
    ) -> None:
        """One call of Heroku's; `asked` is the Accept header, which decides more than one would think."""
        self._write(
            {
                "system": "heroku",
                "request": {"method": method, "path": self.redactor.text(path), "accept": asked},
                "sent": self.redactor.shown(body, path=path),
                "status": status,
                "headers": self.redactor.shown({k: v for k, v in headers.items() if k.lower() in HEADERS}),
                "answer": self.redactor.shown(answer, path=path),
            }
        )

    def aws(self, service: str, operation: str, request: Any, answer: Any) -> None:
        """One call of AWS's."""
        kept = {key: value for key, value in answer.items() if key != "ResponseMetadata"}
        if service == WHO_WE_ARE:
            kept = dict.fromkeys(kept, MASK)
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
        self._write(
            {
                "system": "aws",
                "request": {"service": service, "operation": operation},
                "sent": self.redactor.shown(request),
                "status": status,
                "answer": self.redactor.shown(kept),
            }
        )

    def note(self, what: str, value: Any) -> None:
        """What was asked of a database, or found out."""
        self._write({"system": "probe", "what": what, "answer": self.redactor.shown(value)})

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps({"at": datetime.now(UTC).isoformat(timespec="milliseconds"), **line}) + "\n")
        self._file.flush()
