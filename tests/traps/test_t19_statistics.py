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
ANALYZE app.bloated;
"""


def test_t19_estimates_are_made_anew(cluster16: Cluster, cluster18: Cluster, tmp_path: Path) -> None:
    """A table that lost nine rows of ten is a tenth as large there, and the planner knows how many rows it has."""
    with own_database(cluster16) as source, own_database(cluster18) as target:
        run_sql(source, BLOATED)
        world = join(source, target, tmp_path)
        finish = Finish(grants=(), settings=(), roles=(), app_role=target.user)
        for step in (Schema(), Copy(), finish):
            step.do(world, step.observe(world))
        known = "SELECT relpages, reltuples FROM pg_class WHERE oid = 'app.bloated'::regclass"
        ((old_pages, _),), ((pages, rows),) = rows_of(source, known), rows_of(target, known)
        assert 4000 == rows
        assert pages * 5 < old_pages
        assert [(True,)] == rows_of(target, "SELECT count(*) > 0 FROM pg_stats WHERE tablename = 'bloated'")
