"""A database with every kind of privilege that a fence must take and put back, and ways to look at it from outside.

For tests: what they compare is read here, by a superuser, without the code under test.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from pgcutover.edges.content import ContentProof
from pgcutover.edges.fencing import HeldSource
from pgcutover.edges.gate import Gate
from pgcutover.edges.postgres import Connection, Server, Side
from pgcutover.facts.names import Dsn, Secret
from pgcutover.lab.clusters import Cluster

PLAIN = (("sslmode", "disable"),)

SCHEMA = """
CREATE SCHEMA billing;
CREATE TABLE items (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, secret text);
CREATE TABLE billing.invoices (id bigserial PRIMARY KEY, total numeric NOT NULL);
CREATE TABLE events (id bigint, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE parent (id integer PRIMARY KEY);
CREATE TABLE child (extra text) INHERITS (parent);
CREATE TABLE "Odd 'name'" ("a b" integer, t text);
CREATE SEQUENCE numbers START 100 INCREMENT 5;
CREATE VIEW items_view AS SELECT id, name FROM items;
CREATE FUNCTION add_item(wanted text) RETURNS void LANGUAGE sql SECURITY DEFINER
    AS 'INSERT INTO public.items (name) VALUES (wanted)';
CREATE FUNCTION add_item_in_private(wanted text) RETURNS void LANGUAGE sql
    AS 'INSERT INTO public.items (name) VALUES (wanted)';
INSERT INTO items (name) SELECT 'item ' || i FROM generate_series(1, 200) AS i;
INSERT INTO events SELECT i, '2025-12-01'::date + i FROM generate_series(1, 100) AS i;
"""

GRANTS = """
GRANT CREATE ON DATABASE {database} TO {other};
GRANT USAGE, CREATE ON SCHEMA public TO {other};
GRANT CREATE ON SCHEMA public TO PUBLIC;
GRANT USAGE ON SCHEMA billing TO {other} WITH GRANT OPTION;
GRANT SELECT, INSERT, UPDATE ON items TO {other};
GRANT DELETE ON items TO {other} WITH GRANT OPTION;
GRANT SELECT ON billing.invoices TO {other};
GRANT INSERT (total), UPDATE (total) ON billing.invoices TO {other};
GRANT UPDATE (total) ON billing.invoices TO PUBLIC;
GRANT UPDATE (id) ON billing.invoices TO {other} WITH GRANT OPTION;
GRANT INSERT, TRUNCATE ON events_2025 TO PUBLIC;
GRANT ALL ON "Odd 'name'" TO {other} WITH GRANT OPTION;
REVOKE DELETE ON parent FROM {owner};
GRANT USAGE ON SEQUENCE numbers TO {other};
GRANT UPDATE ON SEQUENCE billing.invoices_id_seq TO PUBLIC;
GRANT UPDATE, SELECT ON items_view TO {other};
GRANT EXECUTE ON FUNCTION add_item(text) TO {other};
"""

ALL_ACLS = """
SELECT kind, name, "column", pg_get_userbyid(x.grantor), x.grantee::regrole::text, x.privilege_type, x.is_grantable
  FROM (SELECT 'relation', format('%I.%I', n.nspname, c.relname), '',
               coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
          FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE n.nspname IN ('public', 'billing') AND c.relkind IN ('r', 'p', 'S', 'v')
         UNION ALL
        SELECT 'column', format('%I.%I', n.nspname, c.relname), a.attname, a.attacl
          FROM pg_attribute AS a
          JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE n.nspname IN ('public', 'billing') AND a.attacl IS NOT NULL
         UNION ALL
        SELECT 'schema', nspname, '', coalesce(nspacl, acldefault('n', nspowner)) FROM pg_namespace
         WHERE nspname IN ('public', 'billing')
         UNION ALL
        SELECT 'database', datname, '', coalesce(datacl, acldefault('d', datdba)) FROM pg_database
         WHERE datname = current_database()) AS o (kind, name, "column", acl)
 CROSS JOIN LATERAL aclexplode(o.acl) AS x
"""

SETTINGS = """
SELECT s.setrole, s.setconfig FROM pg_db_role_setting AS s JOIN pg_database AS d ON d.oid = s.setdatabase
 WHERE d.datname = current_database()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fenced:
    """One database for one test: its owner, a second credential, and the cluster it is on."""

    cluster: Cluster
    owner: Dsn
    other: Dsn

    @property
    def server(self) -> Server:
        return Server(dsn=self.owner, side="source")

    @property
    def target(self) -> Server:
        return Server(dsn=self.owner, side="target")

    def superuser(self) -> "psycopg.Connection[tuple[Any, ...]]":
        """A session that may write, whatever the database's default says. Close it."""
        session = self.cluster.superuser(self.owner.database)
        session.execute("SET default_transaction_read_only = off")
        return session

    def state(self) -> tuple[frozenset[tuple[Any, ...]], frozenset[tuple[Any, ...]]]:
        """Every privilege and every setting of the database."""
        with self.superuser() as session:
            acls = frozenset(session.execute(ALL_ACLS).fetchall())
            settings = frozenset((role, tuple(sorted(config))) for role, config in session.execute(SETTINGS))
        return acls, settings

    def one(self, statement: str) -> Any:
        """The single value of a statement run by a superuser."""
        with self.superuser() as session:
            row = session.execute(statement).fetchone()
        assert row is not None
        return row[0]

    def as_owner(self, statements: str) -> None:
        """As the application's role, in one transaction."""
        with psycopg.connect(self.owner.url().reveal(), autocommit=True) as session:
            session.execute(statements)

    def run(self, statement: str) -> None:
        """As the superuser, each statement in a transaction of its own."""
        with self.superuser() as session:
            for part in statement.split(";"):
                session.execute(part)


@contextmanager
def fenced_database(cluster: Cluster, *, filled: bool = True) -> Iterator[Fenced]:
    """A database as Heroku gives it (its owner is no superuser, and has the documented memberships), then dropped."""
    name = f"d{secrets.token_hex(6)}"
    owner = Dsn(
        host="127.0.0.1",
        port=cluster.port,
        user=f"u{name}",
        password=Secret(secrets.token_hex(8)),
        database=name,
        options=PLAIN,
    )
    other = replace(owner, user=f"o{name}")
    names = {"owner": sql.Identifier(owner.user), "other": sql.Identifier(other.user), "database": sql.Identifier(name)}
    database = Fenced(cluster=cluster, owner=owner, other=other)
    with cluster.superuser() as session:
        for role in (owner.user, other.user):
            session.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(role), sql.Literal(owner.password.reveal())
                )
            )
        session.execute(
            sql.SQL("GRANT pg_monitor, pg_read_all_settings, pg_read_all_stats, pg_signal_backend TO {owner}").format(
                **names
            )
        )
        session.execute(sql.SQL("CREATE DATABASE {database} OWNER {owner}").format(**names))
    try:
        if filled:
            with psycopg.connect(owner.url().reveal(), autocommit=True) as session:
                session.execute(SCHEMA)
                session.execute(sql.SQL(GRANTS).format(**names))
        yield database
    finally:
        _drop(cluster, name, (owner.user, other.user))


def _drop(cluster: Cluster, name: str, roles: tuple[str, ...]) -> None:
    with cluster.superuser(name) as session:
        for (gid,) in session.execute(
            "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"
        ).fetchall():
            session.execute(sql.SQL("ROLLBACK PREPARED {}").format(sql.Literal(gid)))
    with cluster.superuser() as session:
        session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        for role in roles:
            session.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Notes kept in memory instead of in a journal."""

    kept: list[tuple[str, Any]] = field(default_factory=list)

    def note(self, kind: str, payload: Any) -> None:
        self.kept.append((kind, payload))

    def notes(self, kind: str) -> tuple[Any, ...]:
        return tuple(payload for k, payload in self.kept if k == kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoDatabases:
    """The world of the steps that fence, prove and open."""

    source: HeldSource
    target: Gate
    proof: ContentProof
    notes: Noted


@contextmanager
def two_databases(old: Fenced, new: Fenced, directory: Path) -> Iterator[TwoDatabases]:
    source = HeldSource(old.server)
    proof = ContentProof(old.server, new.target, directory=directory, jobs=2)
    try:
        yield TwoDatabases(source=source, target=Gate(new.target), proof=proof, notes=Noted())
    finally:
        source.close()


class DyingServer(Server):
    """A server whose sessions, counted together, are killed from outside just before their n-th statement."""

    __slots__ = ("_killer", "_left")
    _killer: Fenced
    _left: int

    def __init__(self, database: Fenced, statements: int) -> None:
        super().__init__(dsn=database.owner, side="source")
        object.__setattr__(self, "_left", statements)
        object.__setattr__(self, "_killer", database)

    @property
    def died(self) -> bool:
        return self._left <= 0

    def connect(self, purpose: str) -> Connection:
        connection = super().connect(purpose)
        alive = connection.execute

        def mortal(*arguments: Any, **options: Any) -> Any:
            object.__setattr__(self, "_left", self._left - 1)
            if self._left == 0:
                self._killer.run(f"SELECT pg_terminate_backend({connection.info.backend_pid}, 5000)")
            return alive(*arguments, **options)

        connection.execute = mortal  # type: ignore[method-assign]
        return connection


class MeddledServer(Server):
    """A server on which somebody else's statement is committed right before our first that begins so."""

    __slots__ = ("_before", "_database", "_meddle")
    _before: bytes
    _database: Fenced
    _meddle: str

    def __init__(self, database: Fenced, *, before: bytes, meddle: str, side: Side = "source") -> None:
        super().__init__(dsn=database.owner, side=side)
        for name, value in {"_before": before, "_database": database, "_meddle": meddle}.items():
            object.__setattr__(self, name, value)

    def connect(self, purpose: str) -> Connection:
        connection = super().connect(purpose)
        execute = connection.execute

        def meddled(statement: Any, *arguments: Any, **options: Any) -> Any:
            text = statement.as_bytes(connection) if isinstance(statement, sql.Composable) else str(statement).encode()
            if self._meddle and text.startswith(self._before):
                meddle, _ = self._meddle, object.__setattr__(self, "_meddle", "")
                self._database.run(meddle)
            return execute(statement, *arguments, **options)

        connection.execute = meddled  # type: ignore[method-assign]
        return connection
