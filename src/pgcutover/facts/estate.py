"""What runs on Heroku: apps, add-ons, attachments, formation, dynos, releases. Values only; time is aware UTC."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    id: str
    name: str
    region: str
    maintenance: bool
    space: str | None
    """Private Space it runs in; there web dynos must never be scaled to 0."""
    generation: str
    """'cedar' or 'fir'; Fir has no maintenance mode. https://devcenter.heroku.com/articles/generations"""
    stack: str = ""
    """'' where Heroku does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addon:
    id: str
    name: str
    service: str
    plan: str
    billing_app: str
    state: str
    config_vars: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A name under which an app sees an add-on; `NAME_URL` is the config var it owns."""

    id: str
    name: str
    app: str
    addon: str
    addon_id: str
    billing_app: str
    namespace: str | None
    """None for the default credential, else 'credential:NAME' or 'connection-pooling:default'."""

    @property
    def variable(self) -> str:
        return f"{self.name}_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessType:
    """One line of the formation; `size` is None where Heroku does not tell."""

    type: str
    quantity: int
    size: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dyno:
    name: str
    type: str
    state: str
    command: str
    release: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    version: int
    status: str
    description: str
    user: str
    current: bool
    created_at: datetime
    slug: str = ""
    """Id of its code; '' where that is an image, as for containers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HerokuDatabase:
    """What Heroku's Data API says of a database (pg:info); None or '' where it does not say."""

    addon_id: str
    name: str
    plan: str
    following: str | None
    postgres_version: str
    num_bytes: int
    info: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One named login of a database, without its password."""

    name: str
    state: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddonPlan:
    """A plan of heroku-postgresql with its live price."""

    name: str
    price_usd_per_month: float | None
