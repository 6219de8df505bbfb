"""What init finds on Heroku."""

from types import SimpleNamespace
from typing import Any, cast

from pgcutover.app.estate import apps_on
from pgcutover.edges.heroku import POSTGRESQL, HerokuClient
from pgcutover.facts.estate import Addon, Attachment

LEADER, FOLLOWER, OTHER = "postgresql-leader-1", "postgresql-follower-2", "postgresql-other-3"
ATTACHED = {"acme-api": (LEADER, FOLLOWER), "acme-bi": (FOLLOWER, OTHER), "acme-docs": (OTHER,)}


def addon(name: str) -> Addon:
    return Addon(
        id=name,
        name=name,
        service=POSTGRESQL,
        plan=f"{POSTGRESQL}:standard-0",
        billing_app="acme-api",
        state="provisioned",
        config_vars=(),
    )


def attachment(app: str, name: str) -> Attachment:
    return Attachment(id="1", name="X", app=app, addon=name, addon_id=name, billing_app="acme-api", namespace=None)


class Account:
    """Three apps, as HerokuClient tells of them."""

    addon = staticmethod(addon)

    def app_attachments(self, app: str) -> tuple[Attachment, ...]:
        return tuple(attachment(app, name) for name in ATTACHED[app])

    def addon_attachments(self, name: str) -> tuple[Attachment, ...]:
        return tuple(attachment(app, name) for app, names in ATTACHED.items() if name in names)

    def database(self, id_: str) -> Any:
        return SimpleNamespace(following=LEADER if id_ == FOLLOWER else None)


def test_an_app_on_a_follower_alone_is_found() -> None:
    """It would be refused as unlisted later; an app on another database is no business of ours."""
    assert ("acme-api", "acme-bi") == apps_on(cast(HerokuClient, Account()), addon(LEADER))
