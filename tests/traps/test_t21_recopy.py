"""T21: a table that others refer to is not emptied to copy it again."""

from pathlib import Path

import pytest

from little_database import contents, join, own_database, run_sql
from pgcutover.errors import TargetError
from pgcutover.lab.clusters import Cluster
from pgcutover.steps.copy import Copy
from pgcutover.steps.schema import Schema

REFERRED = """
CREATE SCHEMA app;
CREATE TABLE app.users (id integer PRIMARY KEY, name text);
CREATE TABLE app.posts (id integer PRIMARY KEY, author integer REFERENCES app.users ON DELETE CASCADE);
INSERT INTO app.users SELECT i, 'u' || i FROM generate_series(1, 20) AS i;
INSERT INTO app.posts SELECT i, i FROM generate_series(1, 20) AS i;
ALTER TABLE app.posts ADD CONSTRAINT small CHECK (id < 10) NOT VALID;
"""


def test_t21_a_lost_marker_empties_no_table(cluster16: Cluster, tmp_path: Path) -> None:
    """Without its marker, and with keys that point at it, a table is refused as it stands: nothing cascades."""
    with own_database(cluster16) as source, own_database(cluster16) as target:
        run_sql(source, REFERRED)
        world = join(source, target, tmp_path)
        for step in (Schema(), Copy()):
            step.do(world, step.observe(world))
        before = contents(target)
        assert contents(source) == before
        world.copier.target.forget("app.users")
        with pytest.raises(TargetError, match=r"app\.users.* (triggers|rows that this run did not copy)"):
            Copy().do(world, Copy().observe(world))
        assert before == contents(target)
