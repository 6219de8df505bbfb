"""state.json: what of a lab runs where. Replaced whole, 0600, no secret in it.

It also marks a directory as a lab's: nothing is ever removed from a directory without one.
"""

import json
import os
from enum import StrEnum
from typing import Any

from pgcutover.lab.layout import LabLayout

VERSION = 1


class LabState(StrEnum):
    STARTING = "starting"
    """Its daemon is putting it together."""
    READY = "ready"
    """The application serves its users."""
    STOPPED = "stopped"
    """Taken down; what its servers held is still on disk."""
    BROKEN = "broken"
    """Its daemon is gone without having been told to end."""


def write(layout: LabLayout, state: LabState, **facts: Any) -> None:
    fresh = layout.state.with_suffix(f".{os.getpid()}.new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps({"version": VERSION, "state": state, **facts}, indent=2) + "\n")
    fresh.replace(layout.state)


def read(layout: LabLayout) -> dict[str, Any] | None:
    """None when the directory is no lab's."""
    try:
        found: dict[str, Any] = json.loads(layout.state.read_text())
    except FileNotFoundError:
        return None
    return found
