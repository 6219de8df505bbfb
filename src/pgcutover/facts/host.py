"""What is told of a migration host: planned, standing, gone. Values only; `--json` prints them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Value(BaseModel):
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid")


class HostPart(_Value):
    """One part as it went. `found`: it stood already, and only a look was taken."""

    name: str
    title: str
    found: bool
    seconds: float
    said: str = ""


class HostState(_Value):
    """The migration host of an environment; `machine` is '' when there is none."""

    version: Literal[1] = 1
    environment: str
    region: str
    machine: str = ""
    instance_class: str = ""
    zone: str = ""
    state: str = ""
    online: bool = False
    """Whether Systems Manager reaches it, so that a person can log in."""
    besides: tuple[str, ...] = ()
    """What of ours there is besides the machine."""
    parts: tuple[HostPart, ...] = ()
    login: str = ""
    carry: tuple[str, ...] = ()
    """What to type, where, to go on there with a run that was started here."""
    notes: tuple[str, ...] = ()


class PlannedPart(_Value):
    """A part that would be made: its calls, and the script that would run."""

    name: str
    title: str
    calls: tuple[str, ...]
    script: str = ""


class HostPlanned(_Value):
    """What `host up --dry-run` shows; nothing has been touched."""

    version: Literal[1] = 1
    environment: str
    region: str
    zone: str
    instance_class: str
    parts: tuple[PlannedPart, ...]
    notes: tuple[str, ...]


class HostGone(_Value):
    """What `host down` removed, and what it left because it is somebody else's."""

    version: Literal[1] = 1
    environment: str
    removed: tuple[str, ...]
    kept: tuple[str, ...]
    seconds: float
