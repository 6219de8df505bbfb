"""What the comparison of definitions makes of a fence, of owners, of secrets and of what a move brings."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mutated_pair import Side, compared, two_sides
from mutations import decided, named

from pgcutover.edges.fencing import HeldSource
from pgcutover.edges.gate import Gate
from pgcutover.edges.postgres import Server
from pgcutover.facts.proof import Proof, Standing
from pgcutover.lab.clusters import Cluster

PLAIN = """
SET ROLE {owner};
CREATE SCHEMA app;
CREATE TABLE app.t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text, w text);
CREATE TABLE app.bare (id integer);
CREATE VIEW app.seen AS SELECT id FROM app.t;
CREATE SEQUENCE app.loose;
GRANT USAGE, CREATE ON SCHEMA app TO {other};
GRANT SELECT, INSERT, UPDATE ON app.t TO {other};
ALTER TABLE app.bare ADD v text;
GRANT UPDATE (v) ON app.bare TO {other} WITH GRANT OPTION;
GRANT USAGE ON SEQUENCE app.loose TO {other};
SELECT lo_from_bytea(778000, 'x');
"""


@pytest.fixture
def pair(cluster16: Cluster, cluster18: Cluster) -> Iterator[tuple[Side, Side]]:
    with two_sides(cluster16, cluster18) as (source, target):
        source.run(PLAIN)
        target.run(PLAIN)
        yield source, target


def found(proof: Proof) -> dict[str, Standing]:
    return {d.name: d.standing for d in proof.definitions}


def test_a_fence_takes_nothing_from_the_comparison(pair: tuple[Side, Side], tmp_path: Path) -> None:
    """Rights and settings that the fence took count as the source's; what the target lacks of them is named."""
    source, target = pair
    held = HeldSource(Server(dsn=source.dsn, side="source"))
    try:
        held.raise_fence(held.read_fence())
        Gate(Server(dsn=target.dsn, side="target")).close()
        assert [] == named(compared(source, target, tmp_path))
        target.run("REVOKE INSERT ON app.t FROM {other};"
                   "REVOKE UPDATE (v) ON app.bare FROM {other}; REVOKE CREATE ON SCHEMA app FROM {other}")  # fmt: skip
        lost = ["rights:on column app.bare.v", "rights:on schema app", "rights:on table app.t"]
        assert lost == decided(compared(source, target, tmp_path))
    finally:
        held.lower_fence(held.read_fence())
        held.close()
    assert lost == decided(compared(source, target, tmp_path))


def test_every_owner_becomes_the_applications_role(pair: tuple[Side, Side], tmp_path: Path) -> None:
    """Another owner at the source is told with the reason; another owner on the target decides."""
    source, target = pair
    source.run("ALTER TABLE app.bare OWNER TO {other}; GRANT SELECT ON app.bare TO {owner}")
    proof = compared(source, target, tmp_path)
    (owner,) = [d for d in proof.definitions if d.name == "owner:of table app.bare"]
    assert (Standing.EXPECTED, None) == (owner.standing, owner.target)
    assert "application's role" in owner.reason
    assert owner.reason in str(owner)
    source.run("ALTER TABLE app.bare OWNER TO {owner}")
    target.run("ALTER VIEW app.seen OWNER TO {other}")
    assert Standing.DECISIVE is found(compared(source, target, tmp_path))["owner:of view app.seen"]


WHAT_A_MOVE_BRINGS = {
    "COMMENT ON DATABASE {database} IS 'mine'": "comment:on the database",
    "COMMENT ON SCHEMA public IS 'mine'": "comment:on schema public",
    "COMMENT ON EXTENSION plpgsql IS 'mine'": "comment:on extension plpgsql",
    "ALTER DATABASE {database} CONNECTION LIMIT 40": "database:connection limit",
    "REVOKE CONNECT ON DATABASE {database} FROM PUBLIC": "database:rights of PUBLIC",
    "UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'plpgsql'": "extension version:plpgsql",
    "REVOKE DELETE ON app.t FROM {owner}": "owner's rights:on table app.t",
    "CREATE INDEX slow ON app.t (v); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'app.slow'::regclass":
        "invalid index:app.slow",
    "ALTER DATABASE {database} SET log_statement = 'ddl'": "setting:log_statement of the database",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {other} GRANT SELECT ON TABLES TO PUBLIC": "rights:on default TABLES that",
}  # fmt: skip


def test_what_a_move_brings_is_told_with_the_reason(pair: tuple[Side, Side], tmp_path: Path) -> None:
    """None of it is dropped in silence, none of it decides."""
    source, target = pair
    for statements in WHAT_A_MOVE_BRINGS:
        source.run(statements)
    proof = compared(source, target, tmp_path)
    expected = [d for d in proof.definitions if not d.decisive]
    assert [] == decided(proof)
    assert proof.same
    for name in WHAT_A_MOVE_BRINGS.values():
        assert [True] == [bool(d.reason) for d in expected if d.name.startswith(name)], name
    assert len(WHAT_A_MOVE_BRINGS) == len(expected)


def test_what_only_the_new_database_has_is_told_with_the_reason(pair: tuple[Side, Side], tmp_path: Path) -> None:
    """The schemas that every new database is made with, and what its master may use; nothing that everybody may."""
    source, target = pair
    source.run("DROP SCHEMA public")
    target.run("CREATE SCHEMA heroku_ext AUTHORIZATION {owner}")
    for one in pair:
        one.run("CREATE FOREIGN DATA WRAPPER wrap; GRANT USAGE ON FOREIGN DATA WRAPPER wrap TO {owner}")
    target.run("GRANT USAGE ON FOREIGN DATA WRAPPER wrap TO {other} WITH GRANT OPTION")
    proof = compared(source, target, tmp_path)
    assert {} == {n: s for n, s in found(proof).items() if s is not Standing.EXPECTED}
    assert {"rights:on schema public", "schema:heroku_ext", "rights:on foreign-data wrapper wrap"} <= {*found(proof)}
    target.run("GRANT USAGE ON FOREIGN DATA WRAPPER wrap TO PUBLIC")
    assert Standing.UNDECIDED is found(compared(source, target, tmp_path))["rights:on foreign-data wrapper wrap"]


def test_one_setting_in_two_spellings_is_one(pair: tuple[Side, Side], tmp_path: Path) -> None:
    """Values are compared as the new server shows them, for the database and for each role."""
    source, target = pair
    source.run("ALTER DATABASE {database} SET statement_timeout = 300000; ALTER ROLE {other} SET work_mem = 4096")
    target.run("ALTER DATABASE {database} SET statement_timeout = '5min'; ALTER ROLE {other} SET work_mem = '4MB'")
    assert {} == found(compared(source, target, tmp_path))
    target.run("ALTER ROLE {other} SET work_mem = '5MB'")
    assert {f"setting:work_mem of role {target.other}": Standing.DECISIVE} == found(compared(source, target, tmp_path))


def test_a_literal_is_read_alike_whatever_a_database_makes_of_backslashes(
    pair: tuple[Side, Side], tmp_path: Path
) -> None:
    """With standard_conforming_strings off, one backslash prints as two: it must not look like two for that."""
    source, target = pair
    source.run("SET ROLE {owner}; SET standard_conforming_strings = on; CREATE INDEX x ON app.t (id) WHERE v <> 'a\\b'")
    source.run("ALTER DATABASE {database} SET standard_conforming_strings = off")
    target.run("SET ROLE {owner}; CREATE INDEX x ON app.t (id) WHERE v <> 'a\\\\b'")
    there = found(compared(source, target, tmp_path))
    assert there.pop("index:app.x") is Standing.DECISIVE
    target.run("SET ROLE {owner}; DROP INDEX app.x; CREATE INDEX x ON app.t (id) WHERE v <> 'a\\b'")
    assert there == found(compared(source, target, tmp_path))


def test_a_partitions_copy_of_a_trigger_is_no_trigger_of_its_own(pair: tuple[Side, Side], tmp_path: Path) -> None:
    """A partition's copy of its parent's trigger is listed only where it is enabled otherwise."""
    source, target = pair
    for one in pair:
        one.run(
            "SET ROLE {owner}; CREATE TABLE app.p (id integer) PARTITION BY RANGE (id);"
            "CREATE TABLE app.p1 PARTITION OF app.p FOR VALUES FROM (0) TO (9);"
            "CREATE FUNCTION app.f() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';"
            "CREATE TRIGGER g BEFORE INSERT ON app.p FOR EACH ROW EXECUTE FUNCTION app.f()"
        )
    assert {} == found(compared(source, target, tmp_path))
    for one in pair:
        one.run("ALTER TABLE app.p1 DISABLE TRIGGER g")
    assert {} == found(compared(source, target, tmp_path))
    target.run("ALTER TABLE app.p1 ENABLE TRIGGER g")
    assert {"trigger:app.p1.g": Standing.DECISIVE} == found(compared(source, target, tmp_path))


def test_a_setting_that_may_not_be_tried_is_not_decided(pair: tuple[Side, Side], tmp_path: Path) -> None:
    """A refusal for lack of a right says nothing of the value; one of a value, nothing of what is there instead."""
    source, target = pair
    source.run("ALTER DATABASE {database} SET log_statement = 'ddl'; ALTER DATABASE {database} SET app.x = 'y'")
    source.run("ALTER DATABASE {database} SET vacuum_buffer_usage_limit = '4MB'")
    with source.cluster.superuser(source.dsn.database) as session:
        session.execute("UPDATE pg_db_role_setting SET setconfig = array_replace(setconfig,"
            "'vacuum_buffer_usage_limit=4MB', 'no_such_setting=1')")  # fmt: skip
    found_then = found(compared(source, target, tmp_path))
    assert Standing.UNDECIDED is found_then["setting:log_statement of the database"]
    assert Standing.EXPECTED is found_then["setting:no_such_setting of the database"]
    target.run("ALTER DATABASE {database} SET log_statement = 'all'; ALTER DATABASE {database} SET app.x = 'z'")
    found_now = found(compared(source, target, tmp_path))
    assert Standing.UNDECIDED is found_now["setting:log_statement of the database"]
    assert Standing.DECISIVE is found_now["setting:app.x of the database"]


def test_what_is_hidden_on_both_sides_is_not_the_same(pair: tuple[Side, Side], tmp_path: Path) -> None:
    """Options of a user mapping that this role may not read are no proof that they are alike."""
    source, target = pair
    for one, password in ((source, "a"), (target, "b")):
        one.run(
            "CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER far FOREIGN DATA WRAPPER nowhere;"
            f"CREATE USER MAPPING FOR {{other}} SERVER far OPTIONS (password '{password}')"
        )
    (found_then,) = (d for d in compared(source, target, tmp_path).definitions if d.name.startswith("user mapping:"))
    assert Standing.UNDECIDED is found_then.standing
    assert "could not be compared" in str(found_then)


def test_a_setting_that_names_an_object_is_looked_up_as_the_application_does(
    pair: tuple[Side, Side], tmp_path: Path
) -> None:
    """With each side's own search path, the database's or the role's; with none the target would not know it."""
    source, target = pair
    for one in pair:
        one.run("CREATE SCHEMA words; GRANT USAGE ON SCHEMA words TO {owner};"
            "CREATE TEXT SEARCH CONFIGURATION app.mine (COPY = pg_catalog.simple);"
            "CREATE TEXT SEARCH CONFIGURATION words.mine (COPY = pg_catalog.simple);"
            "ALTER DATABASE {database} SET search_path = app, public;"
            "ALTER ROLE {other} SET search_path = words")  # fmt: skip
    source.run("ALTER DATABASE {database} SET default_text_search_config = 'mine';"
        "ALTER ROLE {other} SET default_text_search_config = 'mine'")  # fmt: skip
    target.run("ALTER DATABASE {database} SET default_text_search_config = 'app.mine';"
        "ALTER ROLE {other} SET default_text_search_config = 'words.mine'")  # fmt: skip
    kind = "setting:default_text_search_config of"
    settings = {n: s for n, s in found(compared(source, target, tmp_path)).items() if n.startswith("setting:")}
    assert {} == settings
    target.run("ALTER DATABASE {database} SET default_text_search_config = 'words.mine'")
    settings = {n: s for n, s in found(compared(source, target, tmp_path)).items() if n.startswith("setting:")}
    assert {f"{kind} the database": Standing.DECISIVE} == settings


def test_rights_on_each_of_what_shares_a_name_are_its_own(pair: tuple[Side, Side], tmp_path: Path) -> None:
    """Functions of one name, and default privileges of several roles: what one has is not taken for the other's."""
    source, target = pair
    for one in pair:
        one.run(
            "SET ROLE {owner}; CREATE FUNCTION app.f(integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';"
            "CREATE FUNCTION app.f(text) RETURNS integer LANGUAGE sql AS 'SELECT 1'; RESET ROLE;"
            "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT SELECT ON TABLES TO PUBLIC;"
            "ALTER DEFAULT PRIVILEGES FOR ROLE {other} GRANT SELECT ON TABLES TO PUBLIC"
        )
    assert [] == named(compared(source, target, tmp_path))
    target.run("REVOKE EXECUTE ON FUNCTION app.f(text) FROM PUBLIC;"
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} REVOKE SELECT ON TABLES FROM PUBLIC")  # fmt: skip
    lost = ["rights:on default TABLES that (owner) makes", "rights:on function app.f(text)"]
    assert lost == decided(compared(source, target, tmp_path))
