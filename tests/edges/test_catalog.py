"""What is read from the catalogues, by an owner without superuser, on both versions."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from fenced_database import Fenced, fenced_database
from pgcutover.edges.blockers import path_blockers
from pgcutover.edges.catalog import read_inventory, read_marks
from pgcutover.edges.definitions import object_definitions
from pgcutover.errors import SourceError
from pgcutover.facts.inventory import DatabaseInventory, PartitionKey
from pgcutover.facts.names import TableName
from pgcutover.lab.clusters import Cluster

PECULIAR = """
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN moods AS mood[];
CREATE TABLE shapes (
    id integer, "when" date NOT NULL, word text COLLATE "C", feelings moods, gone text,
    twice integer GENERATED ALWAYS AS (id * 2) STORED,
    CONSTRAINT shapes_unique UNIQUE ("when", id)
);
ALTER TABLE shapes DROP COLUMN gone;
ALTER TABLE shapes ALTER COLUMN id SET NOT NULL;
CREATE UNIQUE INDEX shapes_partial ON shapes (word) WHERE id > 5;
CREATE TABLE keyless (a integer UNIQUE, b text);
CREATE TABLE hashed (id integer, m mood) PARTITION BY HASH (m, (id + 1));
CREATE UNLOGGED TABLE fleeting (id integer);
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE far (id integer) SERVER elsewhere;
CREATE SEQUENCE restarted; SELECT setval('restarted', 41, false);
CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM keyless;
CREATE TABLE pgcutover.ours (id integer);
CREATE TABLE _heroku.cdc (id integer);
"""


@pytest.fixture(params=[16, 18])
def database(request: pytest.FixtureRequest) -> Iterator[Fenced]:
    with fenced_database(request.getfixturevalue(f"cluster{request.param}")) as found:
        yield found


@pytest.fixture
def database16(cluster16: Cluster) -> Iterator[Fenced]:
    with fenced_database(cluster16) as found:
        yield found


def as_owner(database: Fenced, statements: str) -> None:
    with psycopg.connect(database.owner.url().reveal(), autocommit=True) as session:
        for statement in statements.split(";"):
            session.execute(statement)


def make_peculiar(database: Fenced) -> DatabaseInventory:
    with database.superuser() as session:
        session.execute("CREATE SCHEMA pgcutover; CREATE SCHEMA _heroku")
        session.execute(PECULIAR)
    return read_inventory(database.server)


def test_tables_as_they_are(database: Fenced) -> None:
    """Keys, partitions, inheritance, types without their wrapping; nothing of Heroku's, an extension's or ours."""
    found = make_peculiar(database)
    tables = {t.name.name: t for t in found.tables}
    assert {"far": "foreign", "events": "partitioned", "items": "table"}.items() <= {
        n: t.kind for n, t in tables.items()
    }.items()
    assert ("when", "id") == tables["shapes"].key
    assert () == tables["keyless"].key
    assert ("id", "at") == tables["events_2025"].key
    assert TableName(schema="public", name="events") == tables["events_2025"].parent
    assert ((TableName(schema="public", name="parent"),), None) == (tables["child"].inherits, tables["child"].parent)
    assert PartitionKey(strategy="hash", columns=("m", "")) == tables["hashed"].partition_key
    assert PartitionKey(strategy="range", columns=("at",)) == tables["events"].partition_key
    columns = {c.name: c for c in tables["shapes"].columns}
    assert ["id", "when", "word", "feelings", "twice"] == list(columns)
    assert (("public", "mood"), "e") == (columns["feelings"].base_type, columns["feelings"].base_kind)
    assert ("C", None) == (columns["word"].collation, columns["id"].collation)
    assert (True, False) == (columns["twice"].generated, columns["id"].generated)
    assert (True, False) == (tables["fleeting"].unlogged, tables["shapes"].unlogged)
    assert {"public", "billing"} == {t.name.schema for t in found.tables}


def test_sizes_come_from_files(database16: Fenced) -> None:
    """Heap, TOAST and indexes are measured, not estimated."""
    as_owner(database16, "ALTER TABLE items ALTER secret SET STORAGE EXTERNAL")
    as_owner(database16, "UPDATE items SET secret = repeat('x', 10000); ANALYZE items")
    items = next(t for t in read_inventory(database16.server).tables if t.name.name == "items")
    sizes = "SELECT pg_relation_size('items'), pg_relation_size(reltoastrelid), pg_indexes_size('items')"
    with database16.superuser() as session:
        expected = session.execute(f"{sizes} FROM pg_class WHERE oid = 'items'::regclass").fetchone()
    assert expected == (items.heap_bytes, items.toast_bytes, items.index_bytes)
    assert items.toast_bytes > 2_000_000
    assert (200, 1) == (items.rows_estimate, items.index_count)


def test_a_sequence_that_was_set_but_never_called(database16: Fenced) -> None:
    """Its value is read exactly, which pg_sequences would hide."""
    as_owner(database16, "SELECT setval('numbers', 41, false)")
    found = {s.name.name: s for s in read_inventory(database16.server).sequences}
    assert (41, False, 5) == (found["numbers"].last_value, found["numbers"].is_called, found["numbers"].increment)
    assert (200, True) == (found["items_id_seq"].last_value, found["items_id_seq"].is_called)


def test_grants_are_those_that_differ_from_what_is_usual(database16: Fenced) -> None:
    """All privileges of a listed object are listed, one that lost them all is listed empty, the rest is not listed."""
    as_owner(
        database16,
        "REVOKE ALL ON FUNCTION add_item_in_private(text) FROM PUBLIC; CREATE TABLE closed (id integer);"
        f'REVOKE ALL ON closed FROM "{database16.owner.user}";'
        f'ALTER DEFAULT PRIVILEGES IN SCHEMA billing GRANT SELECT ON TABLES TO "{database16.other.user}"',
    )
    found = read_inventory(database16.server)
    owner, other = database16.owner.user, database16.other.user
    held = {(g.kind, g.object_sql, g.column, g.grantee, g.privilege, g.grantable) for g in found.grants}
    assert ("table", "public.items", "", other, "DELETE", True) in held
    assert ("table", "public.items", "", owner, "SELECT", False) in held
    assert ("table", "billing.invoices", "total", "PUBLIC", "UPDATE", False) in held
    assert ("function", "public.add_item_in_private(wanted text)", "", owner, "EXECUTE", False) in held
    assert ("default", "TABLES", "", other, "SELECT", False) in held
    assert [("table", "public.closed", "", "", "", False)] == [h for h in held if h[1] == "public.closed"]
    assert not any(h[1] in ("public.child", "public.add_item(text)") for h in held)
    assert (other,) == found.roles
    assert {owner} == {g.owner for g in found.grants if g.schema == "billing"}


def test_settings_and_the_search_path_of_a_new_session(database16: Fenced) -> None:
    """ALTER DATABASE and ALTER ROLE IN DATABASE are read, and what our own session pins is not mistaken for them."""
    name = database16.owner.database
    database16.run(f'ALTER DATABASE "{name}" SET search_path = billing, public')
    database16.run(f'ALTER ROLE "{database16.other.user}" IN DATABASE "{name}" SET application_name = \'a=b\'')
    found = read_inventory(database16.server)
    assert "billing, public" == found.search_path
    assert [("", name, "search_path", "billing, public"), (database16.other.user, name, "application_name", "a=b")] == [
        (s.role, s.database, s.name, s.value) for s in found.settings
    ]
    assert (name, database16.owner.user, "UTF8", "libc") == (
        found.database,
        found.owner,
        found.encoding,
        found.locale_provider,
    )


def test_an_ordinary_database_has_no_blockers(database: Fenced) -> None:
    """What a Heroku application usually has stops nothing; what the owner took from itself is told."""
    (told,) = read_inventory(database.server).blockers
    assert ("privileges that the owner has taken from itself: public.parent; on the new server it has them", False) == (
        told.what,
        told.stops,
    )


BLOCKING = {
    "large objects": ("SELECT lo_create(0)", "1 large objects"),
    "archive": (
        "CREATE MATERIALIZED VIEW kept AS TABLE items; CREATE MATERIALIZED VIEW n AS SELECT 1 AS i WITH NO DATA",
        "materialised views public.kept are filled",
    ),
    "hidden rows": (
        "ALTER TABLE items ENABLE ROW LEVEL SECURITY; ALTER TABLE items FORCE ROW LEVEL SECURITY",
        "hides rows of public.items",
    ),
    "not ours": ("ALTER TABLE child OWNER TO rdsadmin", "owns neither public.child"),
    "unreadable": ("REVOKE ALL ON events_2026 FROM {owner}", "may not read public.events_2026"),
    "bypassing": ("GRANT pg_write_all_data TO {other}", "{other}"),
    "superuser": ("ALTER ROLE {other} SUPERUSER", "{other}"),
    "chain": (
        "SET ROLE {other}; GRANT DELETE ON items TO pg_monitor; RESET ROLE",
        "public.items: DELETE by {other}",
    ),
    "foreign": (
        "CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER elsewhere FOREIGN DATA WRAPPER nowhere;"
        "CREATE FOREIGN TABLE far (id integer) SERVER elsewhere; CREATE USER MAPPING FOR PUBLIC SERVER elsewhere",
        "PUBLIC on elsewhere",
    ),
    "publication": ("CREATE PUBLICATION news FOR TABLE items", "news"),
    "subscription": (
        "CREATE SUBSCRIPTION letters CONNECTION 'host=localhost' PUBLICATION p WITH (connect = false)",
        "letters",
    ),
    "event trigger": (
        "CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
        "CREATE EVENT TRIGGER watcher ON sql_drop EXECUTE FUNCTION watch()",
        "watcher",
    ),
}
WARNINGS = {"large objects", "archive", "foreign", "publication", "event trigger"}


@pytest.mark.parametrize("case", BLOCKING)
def test_what_cannot_be_moved_or_fenced_is_named(database16: Fenced, case: str) -> None:
    """Each kind is found, named, comes with a hint, and stops the move unless nothing is lost by going on."""
    statements, named = (
        text.replace("{owner}", database16.owner.user).replace("{other}", database16.other.user)
        for text in BLOCKING[case]
    )
    with database16.superuser() as session:
        for statement in statements.split(";") if "plpgsql" not in statements else [statements]:
            session.execute(statement)
    try:
        found = [b for b in read_inventory(database16.server).blockers if named in b.what]
        assert 1 == len(found)
        assert found[0].hint
        assert (case not in WARNINGS) == found[0].stops
    finally:
        if case == "subscription":
            for statement in ("ALTER SUBSCRIPTION letters SET (slot_name = NONE)", "DROP SUBSCRIPTION letters"):
                database16.run(statement)


RELYING = """
CREATE SCHEMA "Odd";
CREATE FUNCTION plain(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN lower($1); END';
CREATE FUNCTION relies(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN plain($1); END';
CREATE FUNCTION relies_sql(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT plain($1)';
CREATE FUNCTION safe(text) RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = public
    AS 'BEGIN RETURN plain($1); END';
CREATE TABLE "Odd"."a ""b" (id integer, v text CHECK (relies(v) <> ''),
    g text GENERATED ALWAYS AS (relies(v)) STORED, w text CHECK (safe(w) <> ''));
CREATE FUNCTION slow(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
    'BEGIN PERFORM pg_sleep(current_setting(''slow.s'', true)::float); RETURN $1; END';
CREATE INDEX late ON "Odd"."a ""b" (slow(v));
CREATE INDEX one ON "Odd"."a ""b" (id, relies(v));
CREATE INDEX part ON "Odd"."a ""b" (id) WHERE relies(v) = 'x';
CREATE INDEX good ON "Odd"."a ""b" (safe(v)) WHERE safe(w) = 'x';
CREATE INDEX guarded ON "Odd"."a ""b" (relies(v)) WHERE id < 0;
CREATE TABLE bare (v text);
CREATE INDEX empty ON bare (relies(v));
CREATE MATERIALIZED VIEW short AS SELECT relies_sql(relname::text) FROM pg_class;
CREATE MATERIALIZED VIEW fine AS SELECT safe(relname::text) FROM pg_class;
"""


def test_functions_that_rely_on_the_search_path_are_found_by_the_rows_they_would_meet(database16: Fenced) -> None:
    """An index that could not be built is named, one that meets no row is not; what takes too long is said.

    COPY has the application's search path here, so CHECK constraints and generated columns are no matter.
    """
    owner = sql.Identifier(database16.owner.user)
    with database16.superuser() as session:
        session.execute(RELYING)
        session.execute("""INSERT INTO "Odd"."a ""b" VALUES (1, 'X', DEFAULT, 'Y')""")
        session.execute(sql.SQL('ALTER SCHEMA "Odd" OWNER TO {}').format(owner))
        session.execute(sql.SQL('ALTER TABLE "Odd"."a ""b" OWNER TO {}').format(owner))
        for view in ("short", "fine"):
            session.execute(sql.SQL("ALTER MATERIALIZED VIEW {} OWNER TO {}").format(sql.Identifier(view), owner))
        session.execute(sql.SQL("ALTER ROLE {} SET slow.s = '60'").format(owner))
    indexes, untried, views = path_blockers(database16.server)
    assert [True, False, True] == [b.stops for b in (indexes, untried, views)]
    assert 'index "Odd".one (function plain(text) does not exist)' in indexes.what
    assert 'index "Odd".part (function plain(text) does not exist)' in indexes.what
    assert 2 == indexes.what.count("does not exist")
    assert "late (canceling statement due to statement timeout)" in untried.what
    assert "views whose query works only with the application's search_path: public.short (function" in views.what
    assert "fine" not in views.what


OTHERS = """
CREATE TABLE mine (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text[]);
CREATE VIEW seen AS SELECT 1 AS a;
CREATE TYPE pair AS (a integer, b integer);
CREATE TYPE span AS RANGE (subtype = float8);
CREATE SEQUENCE counter;
CREATE TEMPORARY TABLE passing (id integer);
CREATE FUNCTION secret() RETURNS name LANGUAGE sql SECURITY DEFINER RETURN current_user;
CREATE SCHEMA own;
CREATE SCHEMA heroku_ext;
CREATE SCHEMA _heroku;
CREATE TABLE _heroku.cdc (id integer);
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC
"""


def owned(database: Fenced, statements: str) -> list[tuple[str, bool]]:
    """What is said about owners after the second credential ran something. Its session stays open meanwhile."""
    as_other = psycopg.connect(database.other.url().reveal(), autocommit=True)
    with closing(as_other) as session:
        for statement in statements.split(";"):
            session.execute(statement)
        found = read_inventory(database.server).blockers
        pid = session.info.backend_pid
    # Its temporary table goes with it, a moment after it.
    while database.one(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}"):
        time.sleep(0.01)
    return [(b.what, b.stops) for b in found if b.what.startswith("objects of ")]


def test_what_a_second_credential_owns_stops_the_move(database: Fenced) -> None:
    """It would become the application's; functions that run with their owner's rights are named first."""
    other = database.other.user
    assert [
        (
            "objects of a role other than the database's owner: "
            f"SECURITY DEFINER function public.secret() of {other}, schema own of {other}, "
            f"sequence public.counter of {other}, table public.mine of {other}, type public.pair of {other} "
            "and 2 more; on the new server everything belongs to one",
            True,
        )
    ] == owned(database, OTHERS)
    database.run(f'REASSIGN OWNED BY "{other}" TO "{database.owner.user}"')
    assert [] == owned(database, "SELECT 1")


def test_what_a_former_credential_owns_is_told(database16: Fenced) -> None:
    """Nobody logs in as it, so nobody loses anything; unless a function of it would gain rights."""
    owner, other = database16.owner.user, database16.other.user
    as_other = "CREATE TABLE mine (id integer); CREATE FUNCTION plain() RETURNS integer LANGUAGE sql RETURN 1"
    assert [True] == [stops for _, stops in owned(database16, as_other)]
    database16.run(f'GRANT "{other}" TO "{owner}"; ALTER ROLE "{other}" NOLOGIN')
    try:
        (found,) = [b for b in read_inventory(database16.server).blockers if b.what.startswith("objects of ")]
        assert not found.stops
        assert f"function public.plain() of {other}, table public.mine of {other};" in found.what
        database16.run("ALTER FUNCTION plain() SECURITY DEFINER")
        kinds = [b for b in read_inventory(database16.server).blockers if b.what.startswith("objects of ")]
        assert [True, False] == [b.stops for b in kinds]
    finally:
        database16.run(f'ALTER ROLE "{other}" LOGIN')


def test_a_session_notices_a_network_that_was_cut(database16: Fenced) -> None:
    """Within a minute and a half, whether it waits for an answer or for what it sent to arrive."""
    with (
        database16.server.session("survey") as session,
        closing(socket.socket(fileno=os.dup(session.fileno()))) as found,
    ):
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
        assert (60, 10, 6, 90_000) == tuple(found.getsockopt(socket.IPPROTO_TCP, option) for option in options)


def test_a_prepared_transaction_and_an_invalid_index(database16: Fenced) -> None:
    """The first stops the move, the second is told."""
    as_owner(database16, "INSERT INTO child VALUES (1); INSERT INTO child VALUES (1)")
    with psycopg.connect(database16.owner.url().reveal(), autocommit=True) as session:
        with pytest.raises(psycopg.errors.UniqueViolation):
            session.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON child (id)")
        session.execute("BEGIN; INSERT INTO child VALUES (2); PREPARE TRANSACTION 'left-over'")
    found = read_inventory(database16.server).blockers
    assert [("left-over", True), ("public.broken", False)] == [
        (name, b.stops) for b in found for name in ("left-over", "public.broken") if name in b.what
    ]


def test_marks_change_with_truncation_rewriting_and_definitions(database16: Fenced) -> None:
    """Each is told by name; rows coming and going change nothing."""
    before = read_marks(database16.server)
    as_owner(database16, "INSERT INTO items (name) VALUES ('x'); ANALYZE items; GRANT SELECT ON items TO PUBLIC")
    assert () == read_marks(database16.server).changed_since(before)
    as_owner(database16, "TRUNCATE child")
    assert ("public.child",) == read_marks(database16.server).changed_since(before)
    as_owner(database16, "ALTER TABLE events ADD COLUMN extra text; CREATE TABLE late (id integer)")
    assert ("public.child", "public.late", "definitions") == read_marks(database16.server).changed_since(before)


DEFINING = [
    "ALTER TABLE items ALTER name SET DEFAULT 'x'",
    "ALTER TABLE items ALTER name SET NOT NULL",
    "ALTER TABLE items ADD CHECK (name <> '')",
    "CREATE INDEX ON items (name)",
    "ALTER TABLE items SET (fillfactor = 70)",
    "CREATE POLICY p ON items USING (true)",
    "CREATE RULE r AS ON DELETE TO items DO INSTEAD NOTHING",
    "CREATE STATISTICS s ON id, name FROM items",
    "COMMENT ON TABLE items IS 'x'",
    "CREATE OR REPLACE FUNCTION add_item(wanted text) RETURNS void LANGUAGE sql AS 'SELECT'",
    "CREATE OR REPLACE VIEW items_view AS SELECT id, name || 'x' AS name FROM items",
    "ALTER SEQUENCE numbers INCREMENT 6",
    "CREATE TYPE t AS ENUM ('a')",
    "ALTER TABLE events DETACH PARTITION events_2026",
    "CREATE AGGREGATE total (integer) (sfunc = int4pl, stype = integer)",
]


def test_every_kind_of_definition_is_in_the_fingerprint(database16: Fenced) -> None:
    """Each of these statements changes it."""
    seen = [read_inventory(database16.server).fingerprint]
    for statement in DEFINING:
        as_owner(database16, statement)
        seen.append(read_inventory(database16.server).fingerprint)
        assert seen[-1] != seen[-2], statement


def test_equal_databases_have_equal_definitions_on_both_versions(cluster16: Cluster, cluster18: Cluster) -> None:
    """The same statements give the same texts on 16 and 18, whoever the owner is."""
    with fenced_database(cluster16) as old, fenced_database(cluster18) as new:
        for database in (old, new):
            make_peculiar(database)
        ours, theirs = object_definitions(old.server), object_definitions(new.server)
    assert ours == theirs
    assert {"table", "foreign table", "view", "view columns", "materialised view", "index", "constraint", "function",
            "type", "sequence", "schema", "server"} <= {name.split(":")[0] for name in ours}  # fmt: skip


def test_a_lock_of_a_migration_is_an_error_in_time(database16: Fenced) -> None:
    """An inventory never stands in a queue before the application for long; it says what was in the way."""
    with database16.superuser() as session:
        session.execute("BEGIN; LOCK TABLE items IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(SourceError, match="lock timeout"):
            read_inventory(database16.server, lock_timeout_ms=200)


def test_another_server_or_timeline_is_told(database16: Fenced) -> None:
    """After a failover what was applied may not exist on the new leader (T9), so the marks say that it came."""
    before = read_marks(database16.server)
    identifier, _, timeline = before.server.partition("/")
    assert (database16.one("SELECT system_identifier::text FROM pg_control_system()"), "00000001") == (
        identifier,
        timeline,
    )
    assert ("server",) == replace(before, server=f"{identifier}/00000002").changed_since(before)
