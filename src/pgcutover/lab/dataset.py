"""The database of acme on Heroku's leader: made to look as Heroku makes it, filled with what years leave behind.

The same seed gives the same names and the same rows; passwords are new each time. Everything the customer owns is made
as the customer's own role, so that ownership and grants are what an application's migrations would have left.
"""

import random
import secrets
import string
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Literal, TypeAlias

import psycopg
from psycopg import sql

from pgcutover.lab.clusters import Cluster

Size: TypeAlias = Literal["tiny", "small", "medium"]
Session: TypeAlias = "psycopg.Connection[Any]"
SCALE: dict[Size, int] = {"tiny": 1, "small": 3, "medium": 36}
"""Tiny is about 15 MB, small about 30 MB, medium about 300 MB, indexes included."""

HEROKU_MAJOR = 16
PLAN = "heroku-postgresql:standard-0"
CONNECTION_LIMIT = 120
"""Of the -0 plans: https://devcenter.heroku.com/articles/heroku-postgres-production-tier-technical-characterization"""
ADMIN = "heroku_admin"
REPORTING = "acme_reporting"
PASSWORD_LENGTH = 65
# https://devcenter.heroku.com/articles/heroku-postgresql-credentials
MEMBERSHIPS = ("pg_monitor", "pg_read_all_settings", "pg_read_all_stats", "pg_signal_backend")
SEARCH_PATH = sql.SQL('"$user", public, heroku_ext')


@dataclass(frozen=True, slots=True, kw_only=True)
class HerokuDatabase:
    """A database as its add-on knows it."""

    database: str
    owner: str
    owner_password: str = field(repr=False)
    credential: str
    credential_password: str = field(repr=False)
    connection_limit: int
    plan: str


def create_heroku_database(
    cluster: Cluster, *, size: Size, seed: int, plan: str = PLAN, shared: bool = False
) -> HerokuDatabase:
    """Create roles, database and content on a running cluster that has no such database yet.

    `shared`: the second credential may also keep a ledger, for an app of its own uses it.
    """
    made = _names(seed, plan)
    with cluster.superuser() as session:
        _create_roles(session, made)
        _create_database(session, made)
    with cluster.superuser(made.database) as session:
        add_platform(session, owner=made.owner, readers=(made.owner, made.credential))
        _as(session, made.owner)
        _fill(session, scale=SCALE[size], seed=seed, shared=shared)
    return made


def add_platform(session: Session, *, owner: str, readers: tuple[str, ...]) -> None:
    """What Heroku itself puts into a database. The session goes on as Heroku's own role."""
    _as(session, ADMIN)
    _run(session, "heroku_schema")
    session.execute(
        sql.SQL("GRANT USAGE ON SCHEMA heroku_ext TO {}").format(sql.SQL(", ").join(map(sql.Identifier, readers)))
    )
    session.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(sql.Identifier(owner)))


def create_owner(session: Session, name: str, password: str, *, connection_limit: int) -> None:
    """The default credential's role, as Heroku makes it."""
    session.execute(
        sql.SQL(
            "CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION"
            " CONNECTION LIMIT {} PASSWORD {} IN ROLE {}"
        ).format(
            sql.Identifier(name),
            connection_limit,
            sql.Literal(password),
            sql.SQL(", ").join(map(sql.Identifier, MEMBERSHIPS)),
        )
    )


def create_owned(session: Session, database: str, owner: str) -> None:
    """An empty database that nobody but its owner may enter."""
    names = sql.Identifier(database), sql.Identifier(owner)
    session.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))
    session.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(names[0]))
    session.execute(sql.SQL("ALTER DATABASE {} SET search_path = {}").format(names[0], SEARCH_PATH))


def random_name(letter: str, dice: random.Random) -> str:
    """As Heroku names databases (d) and roles (u)."""
    return letter + "".join(dice.choices(string.ascii_lowercase + string.digits, k=13))


def _names(seed: int, plan: str) -> HerokuDatabase:
    dice = random.Random(seed)
    return HerokuDatabase(
        database=random_name("d", dice),
        owner=random_name("u", dice),
        owner_password=new_password(),
        credential=REPORTING,
        credential_password=new_password(),
        connection_limit=CONNECTION_LIMIT,
        plan=plan,
    )


def new_password() -> str:
    return "p" + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(PASSWORD_LENGTH - 1))


def _create_roles(session: psycopg.Connection, made: HerokuDatabase) -> None:
    if session.execute("SELECT FROM pg_roles WHERE rolname = %s", [ADMIN]).fetchone() is None:
        session.execute(sql.SQL("CREATE ROLE {} SUPERUSER NOLOGIN").format(sql.Identifier(ADMIN)))
    create_owner(session, made.owner, made.owner_password, connection_limit=made.connection_limit)
    session.execute(
        sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD {}").format(
            sql.Identifier(made.credential), sql.Literal(made.credential_password)
        )
    )


def _create_database(session: psycopg.Connection, made: HerokuDatabase) -> None:
    create_owned(session, made.database, made.owner)
    database, credential = sql.Identifier(made.database), sql.Identifier(made.credential)
    session.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, credential))
    session.execute(sql.SQL("ALTER ROLE {} IN DATABASE {} SET statement_timeout = '5min'").format(credential, database))


def _fill(session: psycopg.Connection, *, scale: int, seed: int, shared: bool) -> None:
    session.execute(sql.SQL("SET search_path = {}").format(SEARCH_PATH))
    session.execute(
        "SELECT set_config('acme.scale', %s, false), set_config('acme.seed', %s, false)", [str(scale), str(seed)]
    )
    session.execute("REVOKE USAGE ON SCHEMA public FROM PUBLIC")
    for name in ("acme_schema", "acme_data", "acme_after_data", "acme_grants", *(("acme_shared",) if shared else ())):
        _run(session, name)
    # As the superuser: the owner would be warned of each system catalogue that it may not analyze.
    session.execute("RESET SESSION AUTHORIZATION")
    session.execute("ANALYZE")


def _as(session: Session, role: str) -> None:
    session.execute(sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Identifier(role)))


def _run(session: Session, name: str) -> None:
    """One file, one transaction: statements of one simple query commit together."""
    session.execute(resources.files("pgcutover.lab").joinpath("sql", f"{name}.sql").read_bytes())
