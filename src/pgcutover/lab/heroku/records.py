"""What the local Heroku remembers: apps, add-ons, attachments, process types, releases. Frozen; changed by replace."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType

from pgcutover.lab.layout import HerokuServer

POOLING = "connection-pooling:default"
CREDENTIAL = "credential:"
DEFAULT = "default"
"""The credential that every database has: its owner."""


def now() -> datetime:
    return datetime.now(UTC)


class ReleaseStatus(StrEnum):
    """Schema: release.status. `expired` belongs to slugs thrown away, which the lab never does."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class DynoState(StrEnum):
    """https://devcenter.heroku.com/articles/dynos#dyno-states"""

    STARTING = "starting"
    UP = "up"
    CRASHED = "crashed"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """What a test turns on one app to see how a migration takes it."""

    release_phase_fails: bool = False
    """The next releases' command exits 1, whatever it is."""
    attach_runs_release_phase: bool = False
    """See ASSUMPTIONS H2."""
    releases_hang: bool = False
    """Releases stay pending for as long as this is turned on."""
    stops_ignored: int = 0
    """That many requests to stop a dyno are accepted, and nothing happens."""
    refusal_status: int = 422
    """See ASSUMPTIONS H1."""
    refusal_id: str = "invalid_params"


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    released_at: datetime | None = None
    maintenance: bool = False
    space: str | None = None
    """The Private Space it runs in."""
    buildpacks: tuple[str, ...] = ("heroku/python",)
    slug_id: str
    serving_version: int = 0
    """The newest release that succeeded: what dynos run. 0 before the first."""
    knobs: Knobs = Knobs()


@dataclass(frozen=True, slots=True, kw_only=True)
class Slug:
    """What was uploaded for an app; of it the lab keeps the Procfile's lines alone, for its dynos need no file."""

    id: str
    app: str
    commit: str | None
    process_types: Mapping[str, str]
    created_at: datetime
    uploaded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOn:
    id: str
    name: str
    app: str
    """The billing app's name."""
    plan: str
    created_at: datetime
    server: HerokuServer
    following: str | None = None
    """The add-on whose follower it is, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    id: str
    name: str
    addon: str
    app: str
    namespace: str | None
    created_at: datetime

    @property
    def config_var(self) -> str:
        return f"{self.name}_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessType:
    """One line of the Procfile, and how many dynos of it are wanted."""

    id: str
    app: str
    type: str
    command: str
    quantity: int
    size: str = "Standard-1X"
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    id: str
    app: str
    version: int
    description: str
    status: ReleaseStatus
    created_at: datetime
    updated_at: datetime
    runs_command: bool
    config: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """Every config var as the dynos of this release see it."""
    by: str | None = None
    """The add-on that made it, as an account's address; None: the app's owner."""
    output: str | None = None
    """What the release command printed; None when none ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dyno:
    """One dyno as the API shows it."""

    id: str
    app: str
    name: str
    type: str
    command: str
    state: DynoState
    size: str
    release_version: int
    created_at: datetime
    updated_at: datetime
    port: int | None = None
    """Where its process listens (web only). Never shown by the API."""
