"""Proof of content between two real servers, and the exact difference where there is one."""

import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fenced_database import Fenced, fenced_database
from pgcutover.edges.comparing import compare
from pgcutover.edges.content import ContentProof
from pgcutover.edges.definitions import object_definitions, read_definitions
from pgcutover.facts.proof import Change, ComparisonUnit, Standing, TableComparison
from pgcutover.lab.clusters import Cluster
from pgcutover.planning.definition_proof import Definitions, definition_differences


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two databases, 16 and 18, and the proof between them."""

    old: Fenced
    new: Fenced
    directory: Path

    @property
    def proof(self) -> ContentProof:
        return ContentProof(self.old.server, self.new.target, directory=self.directory, jobs=2)

    def both(self, statements: str) -> None:
        run(self.old, statements)
        run(self.new, statements)

    def compared(self) -> dict[str, TableComparison]:
        return {str(c.unit): c for c in self.proof.compare().tables}

    def unit(self, table: str) -> ComparisonUnit:
        return next(u for u in self.proof.units() if str(u) == table)

    def changes(self, table: str) -> list[tuple[str, Any, Any]]:
        found = self.proof.difference(self.unit(table), limit=1000)
        assert found.counts.changes == len(found.sample)
        return sorted(((c.kind, first(c.old), first(c.new)) for c in found.sample), key=str)


def first(row: Any) -> Any:
    return None if row is None else tuple(row.values())


def run(database: Fenced, statements: str) -> None:
    with psycopg.connect(database.owner.url().reveal(), autocommit=True) as session:
        session.execute(statements)


@pytest.fixture
def pair(cluster16: Cluster, cluster18: Cluster, tmp_path: Path) -> Iterator[Pair]:
    with fenced_database(cluster16, filled=False) as old, fenced_database(cluster18, filled=False) as new:
        yield Pair(old=old, new=new, directory=tmp_path / "salvaged")


TYPES = """
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TYPE place AS (street text, number integer);
CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
CREATE TABLE t (
    t text, id integer PRIMARY KEY, r double precision, n numeric, j json, b jsonb, x bytea, m mood, p place,
    a text[], i interval, at timestamptz, d daterange, c char(5), money money, bits varbit, v tsvector, net inet,
    g integer GENERATED ALWAYS AS (id * 2) STORED, pos positive, reg regclass, doc uuid
);
INSERT INTO t VALUES
    ('a', 1, 'NaN', 'NaN', '{"k":  1}', '{"k": [null]}', '\\x00ff', 'sad', ROW('s', NULL), '{a,NULL,"NULL",""}',
     '1 mon', '2024-02-29 12:00+02', '[2024-01-01,)', 'ab', '12.50', B'101', 'a:1', '10.0.0.1/8', DEFAULT, 1, 't',
     '00000000-0000-0000-0000-000000000001'),
    (NULL, 2, '-0', 1.10, NULL, NULL, '', 'happy', NULL, '{}', '-3 days', 'infinity', 'empty', '', NULL, NULL, NULL,
     NULL, DEFAULT, NULL, NULL, NULL),
    ('', 3, 0.1::float8 + 0.2, 1e-20, '[]', '[]', NULL, NULL, ROW(NULL, NULL), NULL, NULL, '-infinity', NULL, NULL,
     NULL, NULL, NULL, NULL, DEFAULT, NULL, NULL, NULL);
"""


def test_equal_rows_are_equal_on_both_versions(pair: Pair) -> None:
    """Every kind of type hashes alike on 16 and 18, in any order, whatever roles and databases set for their output."""
    pair.both(TYPES)
    run(pair.new, "CREATE TABLE copy AS SELECT * FROM t; TRUNCATE t")
    columns = "t, id, r, n, j, b, x, m, p, a, i, at, d, c, money, bits, v, net, pos, reg, doc"
    run(pair.new, f"INSERT INTO t ({columns}) SELECT {columns} FROM copy ORDER BY id DESC; DROP TABLE copy")
    settings = ("datestyle = 'German'", "timezone = 'Asia/Tokyo'", "extra_float_digits = -5", "bytea_output = 'escape'",
                "intervalstyle = 'iso_8601'", "lc_monetary = 'C.UTF-8'")  # fmt: skip
    for setting in settings:
        pair.new.run(f'ALTER DATABASE "{pair.new.owner.database}" SET {setting}')
    proof = pair.proof.compare()
    assert [("public.t", 3, 3, True)] == [
        (str(c.unit), c.source.rows, c.target.rows, c.equal) for c in proof.tables if c.source and c.target
    ]
    assert {f"setting:{s.split(' ')[0]} of the database" for s in settings} == {
        d.name.lower() for d in proof.definitions
    }


SMALLEST = [
    "UPDATE t SET t = 'b' WHERE id = 1",
    "UPDATE t SET t = '' WHERE t IS NULL",
    "UPDATE t SET r = r + 1e-16 WHERE id = 3",
    "UPDATE t SET p = NULL WHERE id = 3",
    "UPDATE t SET j = '{\"k\": 1}' WHERE id = 1",
    'UPDATE t SET a = \'{a,"NULL",NULL,""}\' WHERE id = 1',
    "DELETE FROM t WHERE id = 2",
    "UPDATE t SET id = 4 WHERE id = 2",
]


def test_the_smallest_change_is_seen(pair: Pair) -> None:
    """One value, one NULL, one bit of a float: the table is different, and the one row is found."""
    pair.both(TYPES)
    for change in SMALLEST:
        run(pair.new, change)
        comparison = compare(pair.old.server, pair.new.target, [pair.unit("public.t")], jobs=1)[0]
        assert (False, "") == (comparison.equal, comparison.error), change
        assert {1, 2} >= {len(pair.changes("public.t"))}
        run(pair.new, "DROP TABLE t; DROP TYPE mood, place; DROP DOMAIN positive")
        run(pair.new, TYPES)


def test_duplicates_count(pair: Pair) -> None:
    """In a table without a key two equal rows are not none, and not four."""
    pair.both("CREATE TABLE k (a text, b integer); INSERT INTO k VALUES ('x', 1), ('x', 1), (NULL, 2), (NULL, 2)")
    assert pair.compared()["public.k"].equal
    run(pair.new, "DELETE FROM k WHERE a IS NULL; INSERT INTO k VALUES ('x', 1), ('x', 1)")
    assert not pair.compared()["public.k"].equal
    gone, came = ("deleted", (None, "2"), None), ("inserted", None, ("x", "1"))
    assert [gone, gone, came, came] == pair.changes("public.k")


def test_a_table_without_columns(pair: Pair) -> None:
    """Its rows are counted."""
    pair.both("CREATE TABLE nothing (); INSERT INTO nothing SELECT FROM generate_series(1, 3)")
    assert pair.compared()["public.nothing"].equal
    run(pair.new, "INSERT INTO nothing DEFAULT VALUES")
    assert not pair.compared()["public.nothing"].equal
    assert [("inserted", None, ())] == pair.changes("public.nothing")


def test_children_are_not_counted_with_their_parent(pair: Pair) -> None:
    """A row that moved from a child to its parent is a difference in both (T12)."""
    pair.both(
        "CREATE TABLE up (id integer PRIMARY KEY); CREATE TABLE down () INHERITS (up); INSERT INTO down VALUES (1)"
    )
    assert {(0, True), (1, True)} == {(c.source.rows, c.equal) for c in pair.compared().values() if c.source}
    run(pair.new, "DELETE FROM down; INSERT INTO up VALUES (1)")
    assert {"public.up": False, "public.down": False} == {n: c.equal for n, c in pair.compared().items()}


def test_partitions_by_name_and_wandering_trees_as_a_whole(pair: Pair) -> None:
    """Rows hashed by an enum may stand in another partition elsewhere (T18); rows in ranges of dates may not."""
    pair.both(
        "CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd', 'e'); CREATE TABLE h (m mood, id integer) PARTITION BY HASH (m);"
        "CREATE TABLE h0 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE h1 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
        "INSERT INTO h SELECT unnest(enum_range(NULL::mood)), 1;"
        "CREATE TABLE d (at date) PARTITION BY RANGE (at);"
        "CREATE TABLE d1 PARTITION OF d FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');"
        "CREATE TABLE d2 PARTITION OF d DEFAULT; INSERT INTO d VALUES ('2026-01-05'), ('2026-05-05')"
    )
    found = pair.compared()
    assert {"public.h": (5, True), "public.d1": (1, True), "public.d2": (1, True)} == {
        n: (c.source.rows, c.equal) for n, c in found.items() if c.source
    }
    run(pair.new, "UPDATE h SET id = 2 WHERE m = 'c'")
    assert not pair.compared()["public.h"].equal
    assert [("deleted", ("c", "1"), None), ("inserted", None, ("c", "2"))] == pair.changes("public.h")


def test_what_could_not_be_checked_is_not_equal(pair: Pair) -> None:
    """A table that refuses to be read is reported with the cause; the others are compared all the same."""
    pair.both("CREATE TABLE fine (id integer); CREATE TABLE shut (id integer)")
    run(pair.new, "ALTER TABLE shut ENABLE ROW LEVEL SECURITY; ALTER TABLE shut FORCE ROW LEVEL SECURITY")
    proof = pair.proof.compare()
    assert [("public.shut", False)] == [(str(c.unit), c.equal) for c in proof.unchecked]
    assert "row-level security" in proof.unchecked[0].error
    assert [] == [c for c in proof.tables if str(c.unit) == "public.fine" and not c.equal]
    assert not proof.same


def test_a_missing_table_is_different_even_when_empty(pair: Pair) -> None:
    """On whichever side it is missing."""
    run(pair.old, "CREATE TABLE only_old (id integer)")
    run(pair.new, "CREATE TABLE only_new (id integer)")
    proof = pair.proof.compare()
    assert {"public.only_old", "public.only_new"} == {str(c.unit) for c in proof.different}
    assert [
        ("table:public.only_new", None, "id integer"),
        ("table:public.only_old", "id integer", None),
    ] == [(d.name, d.source and d.source.strip(), d.target and d.target.strip()) for d in proof.definitions]


def test_sequences_may_be_ahead_never_behind(pair: Pair) -> None:
    """Of one that counts down too, and of one that was only set."""
    pair.both("CREATE SEQUENCE up; CREATE SEQUENCE down INCREMENT -1; SELECT nextval('up'), nextval('down')")
    assert pair.proof.compare().same
    run(pair.new, "SELECT setval('up', 50), setval('down', -50)")
    assert () == pair.proof.compare().sequences_behind
    run(pair.new, "SELECT setval('up', 1, false), setval('down', -1, false)")
    assert ("public.down", "public.up") == pair.proof.compare().sequences_behind


def test_a_view_printed_otherwise_by_another_version_is_none(pair: Pair) -> None:
    """The target prints the source's text for itself: what a restore would make is no difference, all else is one."""
    pair.both("CREATE TABLE x (s varchar)")
    run(pair.old, "CREATE VIEW w AS SELECT s FROM x WHERE s = ANY (ARRAY[s, 'b']::varchar[])")
    text = pair.old.one("SELECT pg_get_viewdef('w'::regclass)")
    run(pair.new, f"CREATE VIEW w AS {text}")
    assert () == pair.proof.compare().definitions
    run(pair.new, "CREATE OR REPLACE VIEW w AS SELECT s FROM x WHERE s = ANY (ARRAY[s, 'c']::varchar[])")
    assert [("view:public.w", True)] == [(d.name, d.decisive) for d in pair.proof.compare().definitions]
    run(pair.new, "CREATE OR REPLACE VIEW w AS SELECT s, 2 AS b FROM x")
    assert not pair.proof.compare().same


def test_what_a_canary_did_not_meet_is_no_reprint(pair: Pair) -> None:
    """Once one flew, a view that differs otherwise decides, also between major versions; what it met does not."""
    run(pair.old, "CREATE TABLE x (a integer); CREATE VIEW w AS SELECT a FROM x WHERE a < 5")
    run(pair.new, "CREATE TABLE x (a integer); CREATE VIEW w AS SELECT a FROM x")
    met = pair.proof.compare().definitions[0].mark
    found = {seen: pair.proof.compare(seen=seen) for seen in (frozenset[str](), frozenset([met]))}
    assert [(True, False), (False, True)] == [(p.definitions[0].decisive, p.same) for p in found.values()]


FUNCTIONS = """
CREATE FUNCTION price(n integer) RETURNS integer LANGUAGE plpgsql AS 'begin return n * 2; end';
CREATE PROCEDURE clean() LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE total (integer) (sfunc = int4pl, stype = integer, initcond = '0');
CREATE TEXT SEARCH CONFIGURATION words (COPY = simple);
CREATE FUNCTION parsed(n integer) RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT n; END;
"""

OTHER_FUNCTIONS = [
    "CREATE OR REPLACE FUNCTION price(n integer) RETURNS integer LANGUAGE plpgsql AS 'begin return n * 3; end'",
    "CREATE OR REPLACE FUNCTION price(n integer) RETURNS integer LANGUAGE sql AS 'SELECT n * 2'",
    "CREATE OR REPLACE FUNCTION price(n integer DEFAULT 1) RETURNS integer LANGUAGE plpgsql AS 'begin return n*2; end'",
    "DROP FUNCTION price; CREATE FUNCTION price(n integer) RETURNS bigint LANGUAGE plpgsql AS 'begin return n*2; end'",
    "ALTER FUNCTION price SECURITY DEFINER",
    "ALTER FUNCTION price IMMUTABLE",
    "ALTER FUNCTION price PARALLEL SAFE",
    "ALTER FUNCTION price STRICT",
    "ALTER FUNCTION price SET search_path = public",
    "ALTER FUNCTION price COST 7",
    "ALTER FUNCTION parsed SECURITY DEFINER",
    "ALTER PROCEDURE clean SECURITY DEFINER",
    "CREATE OR REPLACE PROCEDURE clean() LANGUAGE sql AS 'SELECT 2'",
    "CREATE OR REPLACE AGGREGATE total (integer) (sfunc = int4pl, stype = integer, initcond = '1')",
    "CREATE OR REPLACE AGGREGATE total (integer) (sfunc = int4pl, stype = integer, initcond = '0', parallel = safe)",
    "ALTER TEXT SEARCH CONFIGURATION words ALTER MAPPING FOR numword WITH english_stem",
]


def test_functions_decide_between_any_versions(pair: Pair) -> None:
    """Their source, rights and settings mean the same in every version, so what differs is different."""
    pair.both(FUNCTIONS)
    assert pair.proof.compare().same
    ours, unseen = object_definitions(pair.old.server), []
    for other in OTHER_FUNCTIONS:
        found = definition_differences(ours, changed(pair.new, other), same_major=False)
        unseen += [other] if [] == [d for d in found if d.decisive] else []
    assert [] == unseen


def changed(database: Fenced, statements: str) -> Definitions:
    """The definitions after a change that is taken back."""
    with psycopg.connect(database.owner.url().reveal()) as session:
        session.execute(statements)
        session.execute("SET search_path = ''")
        found = read_definitions(session)
        session.rollback()
    return found


def test_a_parsed_body_is_only_told_between_versions(pair: Pair) -> None:
    """BEGIN ATOMIC is printed like a view, which versions do differently."""
    pair.both(FUNCTIONS)
    run(pair.new, "CREATE OR REPLACE FUNCTION parsed(n integer) RETURNS integer LANGUAGE sql RETURN +n")
    for seen in (None, frozenset[str]()):
        found = pair.proof.compare(seen=seen)
        assert [("function body:public.parsed(integer)", False)] == [(d.name, d.decisive) for d in found.definitions]
        assert found.same


def test_large_objects_are_compared_by_oid(pair: Pair) -> None:
    """One byte, also behind the first piece; one missing, one too many, one under another OID: each is found."""
    body = "lo_from_bytea({}, convert_to(repeat('0123456789abcdef', {}), 'UTF8'))"
    pair.both(f"SELECT {body.format(70001, 4)}, {body.format(70002, 1_200_000)}, {body.format(70003, 0)}")
    assert [("pg_catalog.pg_largeobject", 3)] == [
        (str(c.unit), c.source.rows) for c in pair.proof.compare().tables if c.equal and c.source
    ]
    run(pair.new, "SELECT lo_put(70002, 18000000, 'X'); SELECT lo_unlink(70001); SELECT lo_from_bytea(70009, '')")
    found = pair.proof.compare(limit=9)
    assert ["pg_catalog.pg_largeobject"] == [str(c.unit) for c in found.different]
    assert [("missing", "70001"), ("extra", "70009"), ("different", "70002")] == [
        (row.kind, row.key[0][1]) for row in found.differences[0].first
    ]


def test_a_large_object_that_may_not_be_read_is_not_equal(pair: Pair) -> None:
    """One that belongs to somebody else: could not verify."""
    pair.old.run("SELECT lo_from_bytea(70001, 'x')")
    run(pair.new, "SELECT lo_from_bytea(70001, 'x')")
    proof = pair.proof.compare()
    assert ["pg_catalog.pg_largeobject"] == [str(c.unit) for c in proof.unchecked]
    assert "permission denied for large object 70001" in proof.unchecked[0].error
    assert not proof.same


def test_rights_of_everybody_on_the_database_are_told(pair: Pair) -> None:
    """Heroku takes CONNECT from PUBLIC, a new database gives it: said, and nothing more."""
    pair.old.run(f'REVOKE CONNECT ON DATABASE "{pair.old.owner.database}" FROM PUBLIC')
    proof = pair.proof.compare()
    (found,) = proof.definitions
    assert ("database:rights of PUBLIC", "TEMPORARY", "CONNECT, TEMPORARY") == (found.name, found.source, found.target)
    assert Standing.EXPECTED is found.standing
    assert proof.same


def test_columns_of_tables_that_inherit_may_stand_elsewhere(pair: Pair) -> None:
    """A restore puts the parent's columns first; in other tables, and for other columns, the order counts."""
    run(pair.old, "CREATE TABLE up (a integer); CREATE TABLE down (x integer) INHERITS (up); ALTER TABLE up ADD b int")
    run(pair.new, "CREATE TABLE up (a integer, b integer); CREATE TABLE down (x integer) INHERITS (up)")
    assert pair.proof.compare().same
    run(pair.new, "ALTER TABLE down ALTER x TYPE bigint")
    assert ["table:public.down"] == [d.name for d in pair.proof.compare().definitions]
    run(pair.old, "ALTER TABLE down ALTER x TYPE bigint; CREATE TABLE k (a integer, b integer)")
    run(pair.new, "CREATE TABLE k (b integer, a integer)")
    assert ["table:public.k"] == [d.name for d in pair.proof.compare().definitions]


def test_the_difference_is_exact_by_key(pair: Pair) -> None:
    """Among 20,000 rows every inserted, updated and deleted one is found, with both of its values, and no other."""
    pair.both(
        "CREATE TABLE big (id integer, part integer, body text, PRIMARY KEY (part, id));"
        "INSERT INTO big SELECT i, i % 3, md5(i::text) FROM generate_series(1, 20000) AS i"
    )
    run(
        pair.new,
        "UPDATE big SET body = NULL WHERE id = 77; UPDATE big SET id = -5 WHERE id = 5;"
        "DELETE FROM big WHERE id IN (9, 10);"
        "INSERT INTO big VALUES (20001, 0, E'tab\\tnew\\nline\\\\ \"quote\"')",
    )
    body = "SELECT body FROM big WHERE id = {}"
    expected = [
        ("deleted", ("10", "1", pair.old.one(body.format(10))), None),
        ("deleted", ("5", "2", pair.old.one(body.format(5))), None),
        ("deleted", ("9", "0", pair.old.one(body.format(9))), None),
        ("inserted", None, ("-5", "2", pair.new.one(body.format(-5)))),
        ("inserted", None, ("20001", "0", 'tab\tnew\nline\\ "quote"')),
        ("updated", ("77", "2", pair.old.one(body.format(77))), ("77", "2", None)),
    ]
    assert expected == pair.changes("public.big")


def test_when_every_row_differs(pair: Pair) -> None:
    """The rows are streamed and merged; the sample is as short as asked for."""
    pair.both("CREATE TABLE all_of_it (id integer PRIMARY KEY, n integer)")
    run(pair.old, "INSERT INTO all_of_it SELECT i, 0 FROM generate_series(1, 5000) AS i")
    run(pair.new, "INSERT INTO all_of_it SELECT i, 1 FROM generate_series(2501, 7500) AS i")
    found = pair.proof.difference(pair.unit("public.all_of_it"), limit=3)
    assert (2500, 2500, 2500) == (found.counts.inserted, found.counts.updated, found.counts.deleted)
    assert 3 == len(found.sample)


def test_a_difference_survives_migrations_on_the_new_side(pair: Pair) -> None:
    """New tables, new columns with values, dropped columns: every row that holds something else is a change."""
    pair.both("CREATE TABLE m (id integer PRIMARY KEY, gone text); INSERT INTO m VALUES (1, 'a'), (2, NULL), (3, NULL)")
    run(pair.new, "ALTER TABLE m DROP gone, ADD fresh text; UPDATE m SET fresh = 'f' WHERE id = 2")
    run(pair.new, "CREATE TABLE later (id integer PRIMARY KEY); INSERT INTO later VALUES (7)")
    found = pair.proof.difference(pair.unit("public.m"), limit=10).sample
    assert [
        Change(old={"id": "1", "gone": "a"}, new={"id": "1", "fresh": None}),
        Change(old={"id": "2", "gone": None}, new={"id": "2", "fresh": "f"}),
    ] == sorted(found, key=lambda c: str(c.old))
    assert [("inserted", None, ("7",))] == pair.changes("public.later")


def test_the_export_holds_every_change_and_nobody_else_reads_it(pair: Pair) -> None:
    """One file per changed table and a manifest, 0600 in a 0700 directory; again, it is the same."""
    pair.both(
        "CREATE TABLE e (id integer PRIMARY KEY, v text); INSERT INTO e VALUES (1, 'a'), (2, 'b'); CREATE TABLE z ()"
    )
    pair.both('CREATE TABLE "Odd/../Name" (id integer PRIMARY KEY)')
    run(pair.new, "UPDATE e SET v = 'ü' WHERE id = 1; DELETE FROM e WHERE id = 2; INSERT INTO e VALUES (3, NULL)")
    run(pair.new, 'INSERT INTO "Odd/../Name" VALUES (1); SELECT lo_create(0)')
    for _ in range(2):
        counts = {t.table: (t.inserted, t.updated, t.deleted) for t in pair.proof.export_difference(keep_days=30)}
        assert {"public.e": (1, 1, 1), "public.Odd/../Name": (1, 0, 0)} == counts
    manifest = pair.proof.exported()
    assert manifest is not None
    assert ["1 large objects"] == manifest["not_exported"]
    entry = next(t for t in manifest["tables"] if t["table"] == "e")
    lines = (pair.directory / entry["file"]).read_text("utf-8").splitlines()
    assert [
        {"change": "deleted", "key": {"id": "2"}, "old": {"id": "2", "v": "b"}, "new": None},
        {"change": "inserted", "key": {"id": "3"}, "old": None, "new": {"id": "3", "v": None}},
        {"change": "updated", "key": {"id": "1"}, "old": {"id": "1", "v": "a"}, "new": {"id": "1", "v": "ü"}},
    ] == sorted(map(json.loads, lines), key=lambda line: str(line["change"]))
    files = {path.name for path in pair.directory.iterdir()}
    assert files == {"manifest.json", *(t["file"] for t in manifest["tables"])}
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in pair.directory.iterdir()}
    assert 0o700 == stat.S_IMODE(pair.directory.stat().st_mode)


def test_a_table_in_the_place_of_a_materialised_view_is_exported(pair: Pair) -> None:
    """Only what is a materialised view on every side that has it follows from other rows and may be left out."""
    run(pair.old, "CREATE TABLE t (id integer); CREATE MATERIALIZED VIEW m AS SELECT * FROM t;"
        "CREATE TABLE n (id integer); INSERT INTO n VALUES (1)")  # fmt: skip
    run(pair.new, "CREATE TABLE t (id integer); CREATE TABLE m (id integer); INSERT INTO m VALUES (7);"
        "CREATE MATERIALIZED VIEW n AS SELECT 2 AS id; CREATE MATERIALIZED VIEW own AS SELECT 3 AS id")  # fmt: skip
    counts = {t.table: (t.inserted, t.updated, t.deleted) for t in pair.proof.export_difference(keep_days=30)}
    assert {"public.m": (1, 0, 0), "public.n": (1, 0, 1)} == counts
    assert {"public.m", "public.n", "public.own"} == {str(c.unit) for c in pair.proof.compare().different}


def test_no_default_of_a_partition_is_what_a_dump_makes_of_it(pair: Pair) -> None:
    """DEFAULT NULL in the place of none is the same, but for a domain, whose own default it takes away."""
    both = (
        "CREATE DOMAIN d AS numeric(5, 2) DEFAULT 7;"
        "CREATE TABLE up (a numeric(5, 2) DEFAULT 3, c char(3) DEFAULT 'x', d d DEFAULT 4) PARTITION BY LIST (a);"
    )
    attach = "; ALTER TABLE up ATTACH PARTITION down FOR VALUES IN (1)"
    run(pair.old, f"{both} CREATE TABLE down (a numeric(5, 2), c char(3), d d){attach}")
    run(
        pair.new,
        f"{both} CREATE TABLE down (a numeric(5, 2) DEFAULT NULL, c char(3) DEFAULT NULL, d d){attach}",
    )
    assert 2 == pair.new.one("SELECT count(*) FROM pg_attrdef WHERE adrelid = 'public.down'::regclass")
    assert () == pair.proof.compare().definitions
    run(pair.new, "ALTER TABLE down ALTER d SET DEFAULT NULL")
    assert ["table:public.down"] == [d.name for d in pair.proof.compare().definitions]
