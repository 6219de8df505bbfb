"""What Heroku's answers look like, as far as we read them, and how they become our values.

Other people's JSON: unknown keys are ignored, missing ones are an error that names the fields and never their values.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from pgcutover.errors import HerokuError
from pgcutover.facts.estate import Addon, Dyno, Release


class Wire(BaseModel):
    """Other people's JSON: unknown keys are ignored, missing ones are an error."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")


class Named(Wire):
    id: str = ""
    name: str = ""


class AppWire(Named):
    region: Named
    maintenance: bool
    space: Named | None = None
    generation: Named | None = None
    stack: Named | None = None


class AddonOfAttachment(Named):
    app: Named


class AddonWire(AddonOfAttachment):
    addon_service: Named
    plan: Named
    state: str
    config_vars: tuple[str, ...] = ()


class AttachmentWire(Named):
    app: Named
    addon: AddonOfAttachment
    namespace: str | None = None


class FormationWire(Wire):
    type: str
    quantity: int
    size: str = ""
    command: str = ""


class BuildpackWire(Named):
    url: str = ""


class InstallationWire(Wire):
    ordinal: int
    buildpack: BuildpackWire


class ReleaseOfDyno(Wire):
    version: int = 0


class DynoWire(Named):
    type: str
    state: str
    command: str = ""
    release: ReleaseOfDyno | None = None


class User(Wire):
    email: str = ""


class SlugWire(Wire):
    id: str


class ReleaseWire(Wire):
    version: int
    status: str
    description: str = ""
    user: User | None = None
    current: bool = False
    created_at: datetime
    slug: SlugWire | None = None


class InfoRow(Wire):
    name: str
    values: tuple[Any, ...] = ()


class DatabaseWire(Wire):
    addon_id: str = ""
    name: str = ""
    plan: str = ""
    following: str | None = None
    postgres_version: str = ""
    num_bytes: int = 0
    info: tuple[InfoRow, ...] = ()


class Login(Wire):
    user: str
    state: str = "active"


class CredentialWire(Named):
    state: str = ""
    credentials: tuple[Login, ...] = ()


class Price(Wire):
    cents: int
    unit: str = "month"


class PlanWire(Named):
    price: Price | None = None


@contextmanager
def understood(what: str) -> Iterator[None]:
    """JSON that lacks what we need becomes an error that names the fields, never their values."""
    try:
        yield
    except ValidationError as cause:
        fields = ", ".join(".".join(str(part) for part in e["loc"]) for e in cause.errors())
        raise HerokuError(f"Heroku's answer about this {what} lacks or changes: {fields}") from cause


def addon_of(w: AddonWire) -> Addon:
    return Addon(
        id=w.id,
        name=w.name,
        service=w.addon_service.name,
        plan=w.plan.name,
        billing_app=w.app.name,
        state=w.state,
        config_vars=w.config_vars,
    )


def dyno_of(w: DynoWire) -> Dyno:
    version = w.release.version if w.release else 0
    return Dyno(name=w.name, type=w.type, state=w.state, command=w.command, release=version)


def release_of(w: ReleaseWire) -> Release:
    return Release(
        version=w.version,
        status=w.status,
        description=w.description,
        user=w.user.email if w.user else "",
        current=w.current,
        created_at=w.created_at,
        slug=w.slug.id if w.slug else "",
    )
