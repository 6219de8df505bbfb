"""The lab's Heroku database looks like one: what its owner may not do, and what years of migrations left in it."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pgcutover.lab.clusters import Cluster
from pgcutover.lab.dataset import HerokuDatabase, create_heroku_database


class Made:
    """The database once for this module, and sessions on it."""

    def __init__(self, cluster: Cluster, database: HerokuDatabase) -> None:
        self.cluster = cluster
        self.database = database

    def owner(self) -> psycopg.Connection:
        return self._connect(self.database.owner, self.database.owner_password)

    def reporting(self) -> psycopg.Connection:
        return self._connect(self.database.credential, self.database.credential_password)

    def superuser(self) -> psycopg.Connection:
        return self.cluster.superuser(self.database.database)

    def _connect(self, user: str, password: str) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.cluster.port,
            user=user,
            password=password,
            dbname=self.database.database,
            autocommit=True,
        )


@pytest.fixture(scope="module")
def made(session_directory: Path) -> Iterator[Made]:
    directory = Path(tempfile.mkdtemp(prefix="dataset-", dir=session_directory))
    directory.chmod(0o755)
    cluster = Cluster(directory / "leader", 16)
    cluster.initdb()
    try:
        cluster.start()
        yield Made(cluster, create_heroku_database(cluster, size="small", seed=11))
    finally:
        cluster.stop()
        shutil.rmtree(directory)


def one(session: psycopg.Connection, query: str) -> object:
    row = session.execute(query).fetchone()
    assert row is not None
    return row[0] if len(row) == 1 else row


def all_of(session: psycopg.Connection, query: str) -> list[object]:
    return [row[0] for row in session.execute(query).fetchall()]


def test_names_and_role_are_as_heroku_makes_them(made: Made) -> None:
    """Random names of the documented shape, no right that Heroku withholds, the memberships that it gives."""
    assert made.database.database[0] == "d"
    assert made.database.owner[0] == "u"
    assert {14} == {len(made.database.database), len(made.database.owner)}
    assert 65 == len(made.database.owner_password)
    assert made.database.owner_password.isalnum()
    with made.owner() as session:
        assert (False, False, False, False, 120) == one(
            session,
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolconnlimit"
            " FROM pg_roles WHERE rolname = current_user",
        )
        assert ["pg_monitor", "pg_read_all_settings", "pg_read_all_stats", "pg_signal_backend"] == all_of(
            session,
            "SELECT r.rolname::text FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid"
            " WHERE m.member = current_user::regrole ORDER BY 1",
        )
        assert made.database.owner == one(
            session, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
        )
        assert '"$user", public, heroku_ext' == one(session, "SHOW search_path")
    assert made.database.owner_password not in repr(made.database)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM _heroku.cdc",
        "BEGIN; LOCK TABLE _heroku.cdc IN ACCESS SHARE MODE",
        "SET session_replication_role = replica",
        "SELECT pg_create_physical_replication_slot('mine')",
        "ALTER ROLE acme_reporting NOLOGIN",
        "CREATE ROLE another",
        "COMMENT ON EXTENSION vector IS 'mine'",
        'DROP EVENT TRIGGER "00_validate_before_start"',
        "CREATE TABLE heroku_ext.mine (n int)",
    ],
)
def test_what_the_owner_may_not_do(made: Made, statement: str) -> None:
    """Each is refused for lack of a right, as on Heroku."""
    with made.owner() as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute(statement)


def test_what_the_owner_may_do(made: Made) -> None:
    """Schemas and tables of its own, the database's read-only default, and ending other people's sessions."""
    with made.owner() as session, made.reporting() as other:
        session.execute("CREATE SCHEMA tried")
        session.execute("CREATE TABLE tried.vectors (v vector(3))")
        session.execute("DROP SCHEMA tried CASCADE")
        session.execute(
            psycopg.sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(
                psycopg.sql.Identifier(made.database.database)
            )
        )
        session.execute(
            psycopg.sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(
                psycopg.sql.Identifier(made.database.database)
            )
        )
        assert session.execute("SELECT pg_terminate_backend(%s)", [other.pgconn.backend_pid]).fetchone() == (True,)


def test_the_event_triggers_of_heroku_are_there(made: Made) -> None:
    """The five of 2025-2026, owned by heroku_admin, with functions in _heroku."""
    expected = [
        ("00_validate_before_start", "ddl_command_start"),
        ("00_validate_extension_after", "ddl_command_end"),
        ("01_configure_extension_after", "ddl_command_end"),
        ("01_configure_extension_drop", "sql_drop"),
        ("01_extension_before_drop", "ddl_command_start"),
    ]
    with made.superuser() as session:
        found = session.execute(
            "SELECT evtname::text, evtevent::text FROM pg_event_trigger t JOIN pg_proc p ON p.oid = t.evtfoid"
            " WHERE pronamespace = '_heroku'::regnamespace AND evtowner = 'heroku_admin'::regrole ORDER BY 1"
        ).fetchall()
    assert expected == found


def test_restored_elsewhere_they_break_every_ddl(made: Made) -> None:
    """Where a role rds_superuser exists, as on RDS, a restored event trigger of Heroku fails the next DDL."""
    with made.superuser() as session:
        session.autocommit = False
        session.execute("CREATE ROLE rds_superuser")
        with pytest.raises(psycopg.errors.RaiseException, match="heroku_admin"):
            session.execute("CREATE TABLE anything (n int)")
        session.rollback()


def test_the_second_credential(made: Made) -> None:
    """acme_reporting reads, writes a table, updates one column, executes a function, inherits default privileges."""
    with made.owner() as owner, made.reporting() as session:
        assert one(session, "SELECT count(*) > 0 FROM orders")
        assert one(session, "SELECT billing.account_balance(1) IS NOT NULL")
        session.execute("INSERT INTO audit_log (actor) VALUES (NULL)")
        session.execute("UPDATE users SET tags = tags WHERE id = 1")
        for refused in ("UPDATE users SET name = name", "SELECT password_digest FROM users", "DELETE FROM audit_log"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(refused)
        owner.execute("CREATE TABLE later (n int)")
        assert 0 == one(session, "SELECT count(*) FROM later")
        owner.execute("DROP TABLE later")
        owner.execute("DELETE FROM audit_log WHERE num_nulls(at, actor, action, detail) = 4")
        assert "5min" == one(session, "SHOW statement_timeout")


def test_every_peculiarity_is_there(made: Made) -> None:
    """What migrations have failed on: each shape of table, key, sequence and value that the dataset promises."""
    facts = {
        "identity": "SELECT count(*) FROM pg_attribute WHERE attidentity <> ''",
        "generated": "SELECT count(*) FROM pg_attribute WHERE attgenerated = 's'",
        "range partitions": "SELECT count(*) FROM pg_inherits WHERE inhparent = 'events'::regclass",
        "default partition": "SELECT count(*) FROM events_default",
        "hash on an enum": "SELECT count(*) FROM pg_partitioned_table WHERE partstrat = 'h'",
        "key from a partitioned table": "SELECT count(*) FROM pg_constraint"
        " WHERE conrelid = 'events'::regclass AND contype = 'f'",
        "not valid keys": "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated",
        "orphans": "SELECT count(*) FROM billing.payments p"
        " WHERE NOT EXISTS (SELECT FROM billing.invoices WHERE id = p.invoice_id)",
        "deferrable": "SELECT count(*) FROM pg_constraint WHERE condeferrable AND condeferred",
        "no key": "SELECT count(*) FROM pg_class c WHERE oid = 'audit_log'::regclass"
        " AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisunique)",
        "duplicates": "SELECT count(*) FROM (SELECT FROM audit_log GROUP BY audit_log.* HAVING count(*) > 1) d",
        "children": "SELECT count(*) FROM ONLY vip_contacts",
        "unowned sequences": "SELECT count(*) FROM pg_class c WHERE relkind = 'S' AND NOT EXISTS"
        " (SELECT FROM pg_depend WHERE objid = c.oid AND deptype IN ('a', 'i'))",
        "out of line": "SELECT count(*) FROM documents WHERE pg_column_size(body) > 8000",
        "vectors": "SELECT count(*) FROM documents WHERE embedding IS NOT NULL",
        "populated views": "SELECT count(*) FROM pg_matviews WHERE ispopulated",
        "kinds of index": "SELECT count(DISTINCT amname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
        " JOIN pg_am a ON a.oid = c.relam WHERE c.relnamespace = 'public'::regnamespace",
        "partial": "SELECT count(*) FROM pg_index WHERE indpred IS NOT NULL",
        "expression": "SELECT count(*) FROM pg_index WHERE indexprs IS NOT NULL",
        "triggers": "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal",
        "odd columns": """SELECT count("select") FROM "Weird ""Name"" table" """,
        "ledger": "SELECT count(*) FROM ledger_entries",
    }
    with made.owner() as session:
        assert [] == [what for what, query in facts.items() if not one(session, query)]
        assert 4 <= int(str(one(session, facts["kinds of index"])))


def test_the_size_is_as_told(made: Made) -> None:
    """Small is between 20 and 40 MB, and the planner knows the tables."""
    with made.owner() as session:
        assert 20 < int(str(one(session, "SELECT pg_database_size(current_database()) / 1000000"))) < 40
        assert one(session, "SELECT reltuples = (SELECT count(*) FROM orders) FROM pg_class WHERE relname = 'orders'")


def test_the_same_seed_makes_the_same_rows(made: Made, session_directory: Path) -> None:
    """A server of another version with the same seed holds the same names and rows; the passwords differ."""
    digest = (
        "SELECT md5(string_agg(md5(ROW(o.*)::text), '' ORDER BY id)) FROM orders o",
        "SELECT md5(string_agg(md5(ROW(e.*)::text), '' ORDER BY id)) FROM events e",
        "SELECT md5(string_agg(md5(ROW(d.*)::text), '' ORDER BY id)) FROM documents d",
        "SELECT string_agg(relname || ' ' || reltuples, ',' ORDER BY relname) FROM pg_class"
        " WHERE relnamespace IN ('public'::regnamespace, 'billing'::regnamespace) AND relkind IN ('r', 'p')"
        # Which leaf a row of these lies in differs between servers: enums hash by their OIDs.
        " AND relname !~ '^shipments_'",
    )
    directory = Path(tempfile.mkdtemp(prefix="again-", dir=session_directory))
    directory.chmod(0o755)
    other = Cluster(directory / "leader", 18)
    other.initdb()
    try:
        other.start()
        again = Made(other, create_heroku_database(other, size="small", seed=11))
        assert (made.database.database, made.database.owner) == (again.database.database, again.database.owner)
        assert made.database.owner_password != again.database.owner_password
        with made.owner() as first, again.owner() as second:
            for query in digest:
                assert one(first, query) == one(second, query)
    finally:
        other.stop()
        shutil.rmtree(directory)
