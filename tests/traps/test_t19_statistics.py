"""T19: the target's statistics are its own; the source's bloat does not come with the rows."""

from pathlib import Path

from little_database import join, own_database, rows_of, run_sql
from pgcutover.lab.clusters import Cluster
from pgcutover.steps.copy import Copy
from pgcutover.steps.finish import Finish
from pgcutover.steps.schema import Schema

BLOATED = """
CREATE SCHEMA app;
CREATE TABLE app.bloated (id integer PRIMARY KEY, v text) WITH (autovacuum_enabled = false);
INSERT INTO app.bloated SELECT i, repeat('x', 100) FROM generate_series(1, 40000) AS i;
DELETE FROM app.bloated WHERE id > 4000;
"""


def test_t19_the_source_s_size_does_not_come(cluster16: Cluster, cluster18: Cluster, tmp_path: Path) -> None:
    """A table that lost nine rows of ten is a tenth as large there, and the planner knows how many rows it has, though
    what it knows of the columns came from the source."""
    with own_database(cluster16) as source, own_database(cluster18) as target:
        run_sql(source, BLOATED)
        run_sql(source, "ANALYZE app.bloated")
        world = join(source, target, tmp_path)
        finish = Finish(grants=(), settings=(), roles=(), app_role=target.user)
        for step in (Schema(), Copy(), finish):
            step.do(world, step.observe(world))
        known = "SELECT relpages, reltuples FROM pg_class WHERE oid = 'app.bloated'::regclass"
        ((old_pages, _),), ((pages, rows),) = rows_of(source, known), rows_of(target, known)
        looked = "SELECT last_analyze FROM pg_stat_user_tables WHERE relname = 'bloated'"
        assert [(None,)] == rows_of(target, looked)
        assert 4000 == rows
        assert pages * 5 < old_pages
        assert [(2,)] == rows_of(target, "SELECT count(*) FROM pg_stats WHERE tablename = 'bloated'")
        ((plan,),) = rows_of(target, "EXPLAIN (FORMAT json) SELECT * FROM app.bloated")
        assert 4000 == plan[0]["Plan"]["Plan Rows"]
