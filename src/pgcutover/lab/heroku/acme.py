"""What acme has on Heroku when a lab begins: two apps, a database and its follower, the config of years.

`acme-api` is the app that moves. `acme-docs` has no Postgres: it is there for the mistakes people make.
"""

from dataclasses import dataclass
from types import MappingProxyType

from pgcutover.lab.heroku.attaching import COLOURS
from pgcutover.lab.heroku.records import AddOn, App, Attachment, ProcessType, ReleaseStatus, now
from pgcutover.lab.heroku.state import Estate
from pgcutover.lab.layout import HerokuServer

API = "acme-api"
FIRST = "DATABASE"
"""The name under which an app's first database is attached."""
DOCS = "acme-docs"
ADJECTIVES = (
    "amorphous",
    "asymmetrical",
    "cubed",
    "curly",
    "flat",
    "graceful",
    "pointy",
    "rugged",
    "shaped",
    "sinuous",
)
APPLICATION = "python -m pgcutover.lab.application"
CONFIG = MappingProxyType(
    {
        "RAILS_ENV": "production",
        "RACK_ENV": "production",
        "LANG": "en_US.UTF-8",
        "WEB_CONCURRENCY": "2",
        "MAIL_FROM": "orders@acme.example",
        "SECRET_KEY_BASE": "0f3b1f6f6a8e4d0c9c1c0c3b5f0a7d2e4b6c8d9e1f2a3b4c5d6e7f8091a2b3c4",
    }
)
COPIED_URL = "ANALYTICS_DATABASE_URL"
"""Somebody once copied the database's URL into a variable of its own, which no attachment keeps current."""

HISTORY = ("Initial release", "Enable Logplex", "Deploy 4c9e1f7a")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcfileLine:
    type: str
    command: str
    quantity: int


PROCFILE = (
    ProcfileLine(type="web", command=f"{APPLICATION} web", quantity=1),
    ProcfileLine(type="worker", command=f"{APPLICATION} worker", quantity=1),
)


def furnish(estate: Estate, leader: HerokuServer, follower: HerokuServer) -> None:
    """Fill an empty estate; nothing runs by that alone."""
    leader_name, follower_name = addon_name(estate), addon_name(estate)
    _app(estate, API, PROCFILE)
    _app(estate, DOCS, (ProcfileLine(type="web", command="python -m http.server $PORT", quantity=0),))
    _addon(estate, leader_name, leader)
    _addon(estate, follower_name, follower, following=leader_name)
    _attach(estate, leader_name, FIRST)
    _attach(estate, follower_name, f"HEROKU_POSTGRESQL_{estate.pick(COLOURS)}")
    estate.configs[API].update(CONFIG)
    estate.configs[API][COPIED_URL] = estate.configs[API]["DATABASE_URL"]
    estate.configs[DOCS]["SITE_URL"] = "https://docs.acme.example"
    for app in (API, DOCS):
        _history(estate, app)


def addon_name(estate: Estate) -> str:
    return f"postgresql-{estate.pick(ADJECTIVES)}-{estate.number(10000, 99999)}"


def _history(estate: Estate, app: str) -> None:
    """Releases of the past, the last of which serves."""
    for description in HISTORY:
        release = estate.add_release(app, description, runs_command=False)
        estate.update_release(release, status=ReleaseStatus.SUCCEEDED)
        estate.update_app(app, serving_version=release.version, released_at=now())


def _app(estate: Estate, name: str, procfile: tuple[ProcfileLine, ...]) -> None:
    estate.apps[name] = App(id=estate.new_id(), name=name, slug_id=estate.new_id(), created_at=now(), updated_at=now())
    estate.configs[name] = {}
    estate.releases[name] = {}
    estate.formation[name] = {
        line.type: ProcessType(
            id=estate.new_id(),
            app=name,
            type=line.type,
            command=line.command,
            quantity=line.quantity,
            created_at=now(),
            updated_at=now(),
        )
        for line in procfile
    }


def _addon(estate: Estate, name: str, server: HerokuServer, *, following: str | None = None) -> None:
    estate.addons[name] = AddOn(
        id=estate.new_id(),
        name=name,
        app=API,
        plan=server.plan,
        created_at=now(),
        server=server,
        following=following,
    )


def _attach(estate: Estate, addon: str, name: str) -> None:
    attachment = Attachment(id=estate.new_id(), name=name, addon=addon, app=API, namespace=None, created_at=now())
    estate.attachments[attachment.id] = attachment
    estate.configs[API][attachment.config_var] = estate.url(addon, None)
