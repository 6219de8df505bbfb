"""What clients send, as the endpoints take it. Keys that Heroku does not know are refused, as Heroku refuses them:
`Unknown params: attachment:name.` (https://github.com/heroku/terraform-provider-heroku/pull/231).
"""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """One request's JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AppChanges(Body):
    """PATCH /apps/{app}. Renaming and other stacks are beyond the lab."""

    maintenance: bool | None = None
    name: str | None = None
    build_stack: str | None = None


class Named(Body):
    """The command line sends `{"name": …}` where the schema wants a string."""

    name: str | None = None
    id: str | None = None

    @property
    def identity(self) -> str:
        return self.id or self.name or ""


class NewAttachment(Body):
    """POST /addon-attachments"""

    addon: str | Named
    app: str | Named
    name: str | None = None
    namespace: str | None = None
    namespace_config: dict[str, Any] | None = None
    confirm: str | None = None


class AddOnQuestion(Body):
    """POST /actions/addons/resolve"""

    addon: str
    app: str | None = None
    addon_service: str | None = None


class AttachmentQuestion(Body):
    """POST /actions/addon-attachments/resolve"""

    addon_attachment: str
    app: str | None = None
    addon_service: str | None = None


class Scaling(Body):
    """PATCH /apps/{app}/formation/{type}; the command line sends quantities as text."""

    quantity: int | str | None = None
    size: str | None = None
    dyno_size: str | Named | None = None

    @property
    def wanted_size(self) -> str | None:
        size = self.dyno_size.name if isinstance(self.dyno_size, Named) else self.dyno_size
        return size or self.size


class NamedScaling(Scaling):
    type: str


class Formation(Body):
    """PATCH /apps/{app}/formation"""

    updates: tuple[NamedScaling, ...]


class NewDyno(Body):
    """POST /apps/{app}/dynos"""

    command: str
    attach: bool = False
    env: dict[str, str | int | None] = {}
    force_no_tty: bool | None = None
    size: str | None = None
    type: str | None = None
    time_to_live: int | None = None


class NewRelease(Body):
    """POST /apps/{app}/releases: back to a release, or on to a slug."""

    release: str | int | None = None
    slug: str | None = None
    description: str | None = None


class NewApp(Body):
    """POST /apps"""

    name: str
    region: str | Named | None = None
    stack: str | Named | None = None


class NewAddOn(Body):
    """POST /apps/{app}/addons"""

    plan: str
    name: str | None = None
    attachment: Named | None = None
    config: dict[str, Any] = {}
    confirm: str | None = None


class NewSlug(Body):
    """POST /apps/{app}/slugs"""

    process_types: dict[str, str]
    commit: str | None = None
    commit_description: str | None = None
    buildpack_provided_description: str | None = None
    checksum: str | None = None
    stack: str | None = None


class NewLogSession(Body):
    """POST /apps/{app}/log-sessions; the base schema says `dyno_name`, the command line sends `dyno`."""

    dyno: str | None = None
    dyno_name: str | None = None
    type: str | None = None
    source: str | None = None
    lines: int | None = None
    tail: bool | None = None


class Pooling(Body):
    """POST /client/v11/databases/{id}/connection-pooling"""

    app: str
    credential: str = "default"
    name: str | None = None
