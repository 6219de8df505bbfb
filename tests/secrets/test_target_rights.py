"""docs/rights.md: each right of the new server's master, taken away, stops `prepare` with a message that names it."""

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg import sql

from pgcutover.edges.target import TargetAccess, TargetAdmin
from pgcutover.errors import TargetError
from pgcutover.facts.names import Secret
from pgcutover.facts.rds import DatabaseSpec
from pgcutover.lab.clusters import Cluster
from pgcutover.lab.relay import Relay
from pgcutover.lab.tls import CertificateAuthority

ROOT = Path(__file__).resolve().parents[2]
MARK = "acme/test"


@dataclass(frozen=True, kw_only=True)
class Site:
    """A server with a master that has just the documented rights, and who the application would be there."""

    cluster: Cluster
    master: str
    app: str
    admin: TargetAdmin

    @property
    def spec(self) -> DatabaseSpec:
        return DatabaseSpec(
            name=f"{self.app}_db",
            owner=self.app,
            owned_by=MARK,
            encoding="UTF8",
            collate="C",
            ctype="C",
            search_path="",
            public_create=False,
            extensions=(),
            schemas=(),
        )

    def prepare(self) -> None:
        """What the step `database` asks of the server."""
        self.admin.ensure_role(self.app, MARK, ends_sessions=True)
        self.admin.ensure_database(self.spec)

    def run(self, text: str) -> None:
        with self.cluster.superuser() as session:
            for statement in text.split(";"):
                session.execute(sql.SQL(statement).format(master=sql.Identifier(self.master)))  # type: ignore[arg-type]


@pytest.fixture
def site(cluster16: Cluster, tls_relay: Callable[..., Relay], lab_ca: CertificateAuthority) -> Iterator[Site]:
    name = f"m{secrets.token_hex(6)}"
    app, password = f"{name}_app", Secret(secrets.token_hex(8))
    access = TargetAccess(
        endpoint=lambda: ("localhost", relay.port),
        logins=lambda: {name: password, app: password},
        ca_bundle=lambda: lab_ca.bundle,
        master_user=name,
        app_role=app,
        database=f"{app}_db",
    )
    relay = tls_relay(cluster16)
    made = Site(cluster=cluster16, master=name, app=app, admin=TargetAdmin(access))
    with cluster16.superuser() as session:
        create = sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {}")
        session.execute(create.format(sql.Identifier(name), sql.Literal(password.reveal())))
    made.run("GRANT pg_monitor, pg_signal_backend TO {master} WITH ADMIN OPTION")
    yield made
    with cluster16.superuser() as session:
        session.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(f"{app}_db")))
        # What the master granted goes before the master.
        session.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(name)))
        session.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(app)))
        session.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


TAKEN = {
    "CREATEROLE": ("ALTER ROLE {master} NOCREATEROLE", "permission denied to create role"),
    "CREATEDB": ("ALTER ROLE {master} NOCREATEDB", "permission denied to create database"),
    "ADMIN OPTION on pg_monitor and pg_signal_backend": (
        "REVOKE ADMIN OPTION FOR pg_monitor, pg_signal_backend FROM {master}",
        "may not grant pg_monitor and pg_signal_backend",
    ),
    "LOGIN": ("ALTER ROLE {master} NOLOGIN", "is not permitted to log in"),
}


@pytest.mark.parametrize("right", TAKEN)
def test_a_missing_right_stops_prepare_and_is_named(site: Site, right: str) -> None:
    """It stops before a database exists, and says what to do; given back, the same call goes through."""
    taken, words = TAKEN[right]
    site.run(taken)
    with pytest.raises(TargetError) as caught:
        site.prepare()
    assert words in caught.value.message
    assert caught.value.hint
    with site.cluster.superuser() as session:
        found = session.execute("SELECT count(*) FROM pg_database WHERE datname = %s", [site.spec.name]).fetchone()
    assert (0,) == found
    site.run(
        "ALTER ROLE {master} LOGIN CREATEDB CREATEROLE;"
        "GRANT pg_monitor, pg_signal_backend TO {master} WITH ADMIN OPTION"
    )
    site.prepare()
    assert site.admin.can_log_in(site.app)


def test_every_right_is_documented() -> None:
    """docs/rights.md has a row for each right that is tested here."""
    rows = re.findall(r"^\| ([^|]+?) \|", (ROOT / "docs" / "rights.md").read_text("utf-8"), re.MULTILINE)
    assert set() == set(TAKEN) - set(rows)
