"""docs/rights.md: each right on the old database, taken away, stops the move at its plan and is named."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from fenced_database import Fenced, fenced_database
from pgcutover.app.planner import refuse_blockers
from pgcutover.edges.catalog import read_inventory
from pgcutover.edges.postgres import Server
from pgcutover.errors import RefusedError, SourceError
from pgcutover.lab.clusters import Cluster

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def database(cluster16: Cluster) -> Iterator[Fenced]:
    with fenced_database(cluster16) as made:
        yield made


TAKEN = {
    "SELECT on a table": (
        "REVOKE SELECT ON billing.invoices FROM {owner}",
        "GRANT SELECT ON billing.invoices TO {owner}",
        ("may not read", "billing.invoices", "GRANT SELECT"),
    ),
    "SELECT on a sequence": (
        "REVOKE SELECT ON SEQUENCE numbers FROM {owner}",
        "GRANT SELECT ON SEQUENCE numbers TO {owner}",
        ("may not read", "public.numbers", "GRANT SELECT"),
    ),
    "USAGE on a schema": (
        "REVOKE USAGE ON SCHEMA billing FROM {owner}",
        "GRANT USAGE ON SCHEMA billing TO {owner}",
        ("may not read", "billing.invoices", "USAGE on its schema"),
    ),
    "ownership of a table": (
        "ALTER TABLE items OWNER TO CURRENT_USER; GRANT SELECT ON items TO {owner};"
        "GRANT SELECT ON SEQUENCE items_id_seq TO {owner}",
        "ALTER TABLE items OWNER TO {owner}",
        ("owns neither", "public.items", "OWNER TO"),
    ),
    "ownership of the database": (
        "ALTER DATABASE {database} OWNER TO CURRENT_USER; GRANT CREATE ON DATABASE {database} TO {owner}",
        "ALTER DATABASE {database} OWNER TO {owner}",
        ("rights of the owner of database", "default credential"),
    ),
    "CREATE on the database": (
        "REVOKE CREATE ON DATABASE {database} FROM {owner}",
        "GRANT CREATE ON DATABASE {database} TO {owner}",
        ("may not create a schema", "GRANT CREATE ON DATABASE"),
    ),
    "membership in pg_signal_backend": (
        "REVOKE pg_signal_backend FROM {owner}",
        "GRANT pg_signal_backend TO {owner}",
        ("see and end the sessions of", "pg_signal_backend"),
    ),
    "membership in pg_read_all_stats": (
        "REVOKE pg_read_all_stats, pg_monitor FROM {owner}",
        "GRANT pg_read_all_stats, pg_monitor TO {owner}",
        ("see and end the sessions of", "pg_read_all_stats"),
    ),
}


def as_superuser(database: Fenced, text: str) -> None:
    names = {
        "owner": sql.Identifier(database.owner.user),
        "other": sql.Identifier(database.other.user),
        "database": sql.Identifier(database.owner.database),
    }
    with database.superuser() as session:
        for statement in text.split(";"):
            if statement.strip():
                session.execute(sql.SQL(statement.strip()).format(**names))  # type: ignore[arg-type]


@pytest.mark.parametrize("right", TAKEN)
def test_a_missing_right_stops_the_plan_and_is_named(database: Fenced, right: str) -> None:
    """The refusal names the object and what to grant; with the right back there is nothing to refuse."""
    taken, given, words = TAKEN[right]
    before = database.state()
    refuse_blockers(read_inventory(database.server))
    as_superuser(database, taken)
    try:
        with pytest.raises(RefusedError) as caught:
            refuse_blockers(read_inventory(database.server))
    finally:
        as_superuser(database, given)
    assert [] == [word for word in words if word not in str(caught.value)]
    refuse_blockers(read_inventory(database.server))
    assert before[1] == database.state()[1]


def test_without_connect_nothing_begins(database: Fenced) -> None:
    """The server's own words say which database and which user."""
    stranger = Server(dsn=database.other, side="source")
    as_superuser(database, "REVOKE CONNECT ON DATABASE {database} FROM PUBLIC, {other}")
    try:
        with pytest.raises(SourceError, match="permission denied for database"):
            read_inventory(stranger)
    finally:
        as_superuser(database, "GRANT CONNECT ON DATABASE {database} TO PUBLIC")


def test_every_right_is_documented() -> None:
    """docs/rights.md has a row for each right that is tested here."""
    rows = re.findall(r"^\| ([^|]+?) \|", (ROOT / "docs" / "rights.md").read_text("utf-8"), re.MULTILINE)
    assert set() == set(TAKEN) - set(rows)


def test_the_role_that_is_documented_is_enough(database: Fenced) -> None:
    """The owner as Heroku makes it, with its memberships and no more, is no superuser and is refused nothing."""
    with psycopg.connect(database.owner.url().reveal()) as session:
        found = session.execute(
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles"
            " WHERE rolname = current_user"
        ).fetchone()
    assert (False, False, False, False, False) == found
    refuse_blockers(read_inventory(database.server))
