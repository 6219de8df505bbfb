"""What acme has on Heroku when a lab begins: its apps, its databases, the config of years.

The single world is one app that moves: `acme-api`, with its database and a follower. `acme-docs` has no Postgres: it is
there for the mistakes people make. The whole world is what a company has after some years: `acme-reports` reads the
follower through PgBouncer in its dynos, `acme-admin` logs in with a credential of its own, and there is a staging
environment on another major version, whose reports run without PgBouncer.
"""

from dataclasses import dataclass
from types import MappingProxyType

from pgcutover.lab.dataset import REPORTING
from pgcutover.lab.heroku.attaching import COLOURS
from pgcutover.lab.heroku.pgbouncer import BUILDPACK
from pgcutover.lab.heroku.records import (
    CREDENTIAL,
    POOLING,
    AddOn,
    App,
    Attachment,
    ProcessType,
    ReleaseStatus,
    now,
)
from pgcutover.lab.heroku.state import Estate
from pgcutover.lab.layout import HerokuPair, HerokuServer

API = "acme-api"
FIRST = "DATABASE"
"""The name under which an app's first database is attached."""
DOCS = "acme-docs"
REPORTS = "acme-reports"
ADMIN = "acme-admin"
STAGING_API = "acme-api-staging"
STAGING_REPORTS = "acme-reports-staging"
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
POOL = "DATABASE_CONNECTION_POOL"
FOLLOWER = "FOLLOWER"
EXPORT = "EXPORT"
"""A second way to the follower, which goes past PgBouncer."""
PYTHON = "heroku/python"

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
RELEASE = ProcfileLine(type="release", command=f"{APPLICATION} release", quantity=0)
DOCS_PROCFILE = (ProcfileLine(type="web", command="python -m http.server $PORT", quantity=0),)
STAGING_PROCFILE = (ProcfileLine(type="web", command=f"{APPLICATION} web", quantity=1),)
ADMIN_PROCFILE = (ProcfileLine(type="web", command=f"{APPLICATION} admin", quantity=1),)
READER = f"{APPLICATION} reader"
JOB = f"{APPLICATION} job"
"""What the scheduler starts."""
SMOKE = MappingProxyType(
    {
        API: f"{APPLICATION} smoke",
        ADMIN: f"{APPLICATION} admin-smoke",
        REPORTS: f"bin/start-pgbouncer {APPLICATION} reader-smoke",
        STAGING_API: f"{APPLICATION} smoke",
        STAGING_REPORTS: f"{APPLICATION} reader-smoke",
    }
)
"""How each app is tried on its database."""


def reader(command: str) -> tuple[ProcfileLine, ...]:
    return (ProcfileLine(type="web", command=command, quantity=1),)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Databases:
    """Names of the add-ons."""

    leader: str
    follower: str


def furnish(estate: Estate, production: HerokuPair) -> None:
    """Fill an empty estate with the single world; nothing runs by that alone."""
    _api_and_docs(estate, production)
    _live(estate)


def furnish_whole(estate: Estate, production: HerokuPair, staging: HerokuPair) -> None:
    """Fill an empty estate with the whole world; nothing runs by that alone."""
    databases = _api_and_docs(estate, production, release=(RELEASE,))
    _attach(estate, API, databases.leader, POOL, namespace=POOLING)
    _reports(estate, REPORTS, databases, reader(f"bin/start-pgbouncer {READER}"), buildpacks=(BUILDPACK, PYTHON))
    estate.configs[REPORTS]["PGBOUNCER_URLS"] = f"{FOLLOWER}_URL"
    _app(estate, ADMIN, ADMIN_PROCFILE)
    _attach(estate, ADMIN, databases.leader, "DATABASE", namespace=CREDENTIAL + REPORTING)

    rehearsed = _databases(estate, STAGING_API, STAGING_PROCFILE, staging)
    estate.configs[STAGING_API] |= {**CONFIG, "RAILS_ENV": "staging", "RACK_ENV": "staging"}
    _reports(estate, STAGING_REPORTS, rehearsed, reader(READER))
    _live(estate)


def _api_and_docs(estate: Estate, pair: HerokuPair, *, release: tuple[ProcfileLine, ...] = ()) -> _Databases:
    databases = _databases(estate, API, (*PROCFILE, *release), pair)
    _app(estate, DOCS, DOCS_PROCFILE)
    estate.configs[API].update(CONFIG)
    estate.configs[API][COPIED_URL] = estate.configs[API]["DATABASE_URL"]
    estate.configs[DOCS]["SITE_URL"] = "https://docs.acme.example"
    return databases


def _databases(estate: Estate, app: str, procfile: tuple[ProcfileLine, ...], pair: HerokuPair) -> _Databases:
    """An app with a database and its follower, both billed to it."""
    made = _Databases(leader=addon_name(estate), follower=addon_name(estate))
    _app(estate, app, procfile)
    _addon(estate, made.leader, app, pair.leader)
    _addon(estate, made.follower, app, pair.follower, following=made.leader)
    _attach(estate, app, made.leader, FIRST)
    _attach(estate, app, made.follower, f"HEROKU_POSTGRESQL_{estate.pick(COLOURS)}")
    return made


def _reports(
    estate: Estate,
    app: str,
    databases: _Databases,
    procfile: tuple[ProcfileLine, ...],
    *,
    buildpacks: tuple[str, ...] = (PYTHON,),
) -> None:
    _app(estate, app, procfile, buildpacks=buildpacks)
    for name in (FOLLOWER, EXPORT):
        _attach(estate, app, databases.follower, name)


def addon_name(estate: Estate) -> str:
    return f"postgresql-{estate.pick(ADJECTIVES)}-{estate.number(10000, 99999)}"


def _live(estate: Estate) -> None:
    """Releases of each app's past, the last of which serves what is configured now."""
    for app in estate.apps:
        for description in HISTORY:
            release = estate.add_release(app, description, runs_command=False)
            estate.update_release(release, status=ReleaseStatus.SUCCEEDED)
            estate.update_app(app, serving_version=release.version, released_at=now())


def _app(
    estate: Estate, name: str, procfile: tuple[ProcfileLine, ...], *, buildpacks: tuple[str, ...] = (PYTHON,)
) -> None:
    estate.apps[name] = App(
        id=estate.new_id(),
        name=name,
        slug_id=estate.new_id(),
        buildpacks=buildpacks,
        created_at=now(),
        updated_at=now(),
    )
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


def _addon(estate: Estate, name: str, app: str, server: HerokuServer, *, following: str | None = None) -> None:
    estate.addons[name] = AddOn(
        id=estate.new_id(),
        name=name,
        app=app,
        plan=server.plan,
        created_at=now(),
        server=server,
        following=following,
    )


def _attach(estate: Estate, app: str, addon: str, name: str, *, namespace: str | None = None) -> None:
    attachment = Attachment(id=estate.new_id(), name=name, addon=addon, app=app, namespace=namespace, created_at=now())
    estate.attachments[attachment.id] = attachment
    estate.configs[app][attachment.config_var] = estate.url(addon, namespace)
