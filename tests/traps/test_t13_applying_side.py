"""T13: rules, row security and triggers of the target change no row on its way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from little_database import contents, join, own_database, rows_of, run_sql
from pgcutover.facts.names import Dsn
from pgcutover.lab.clusters import Cluster
from pgcutover.running.step import Verdict
from pgcutover.steps.copy import Copy
from pgcutover.steps.schema import Schema

GUARDED = """
CREATE SCHEMA app;
CREATE TABLE app.ruled (id integer PRIMARY KEY, v text);
CREATE TABLE app.triggered (id integer PRIMARY KEY, v text);
CREATE TABLE app.hidden (id integer PRIMARY KEY, v text);
CREATE TABLE app.trail (what text);
INSERT INTO app.ruled SELECT i, 'r' FROM generate_series(1, 50) AS i;
INSERT INTO app.triggered SELECT i, 't' FROM generate_series(1, 50) AS i;
INSERT INTO app.hidden SELECT i, 'h' FROM generate_series(1, 50) AS i;
CREATE RULE swallowed AS ON INSERT TO app.ruled DO INSTEAD NOTHING;
ALTER TABLE app.ruled ENABLE ALWAYS RULE swallowed;
CREATE RULE kept AS ON DELETE TO app.ruled DO INSTEAD NOTHING;
CREATE FUNCTION app.meddle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO app.trail VALUES (TG_NAME); NEW.v := 'changed'; RETURN NEW; END $$;
CREATE TRIGGER every_time BEFORE INSERT ON app.triggered FOR EACH ROW EXECUTE FUNCTION app.meddle();
CREATE TRIGGER as_replica BEFORE INSERT ON app.triggered FOR EACH ROW EXECUTE FUNCTION app.meddle();
ALTER TABLE app.triggered ENABLE ALWAYS TRIGGER every_time;
ALTER TABLE app.triggered ENABLE REPLICA TRIGGER as_replica;
ALTER TABLE app.hidden ENABLE ROW LEVEL SECURITY;
CREATE POLICY nobody ON app.hidden USING (false) WITH CHECK (false);
"""


@pytest.fixture
def source(cluster16: Cluster) -> Iterator[Dsn]:
    with own_database(cluster16) as dsn:
        run_sql(dsn, GUARDED)
        yield dsn


def test_t13_rows_arrive_before_what_would_change_them(source: Dsn, cluster18: Cluster, tmp_path: Path) -> None:
    """Rules, ALWAYS and REPLICA triggers and policies are there afterwards as they were, and have touched nothing."""
    with own_database(cluster18) as target:
        world = join(source, target, tmp_path)
        for step in (Schema(), Copy()):
            before = step.observe(world)
            step.do(world, before)
            assert Verdict.WHOLE is step.verify(world, before).verdict
        assert contents(source) == contents(target)
        names = "('every_time', 'as_replica', 'swallowed', 'kept')"
        states = "SELECT tgname, tgenabled FROM pg_trigger UNION ALL SELECT rulename, ev_enabled FROM pg_rewrite"
        ours = f"SELECT * FROM ({states}) AS s WHERE tgname IN {names} ORDER BY 1"
        assert rows_of(source, ours) == rows_of(target, ours)
        assert [(0,)] == rows_of(target, "SELECT count(*) FROM app.trail")
