"""Foreign keys of large tables: made unchecked, then checked by reading two indexes side by side where there are."""

from pathlib import Path

import pytest
from typed import typed

from little_database import rows_of, run_sql
from pgcutover.edges.copysource import CopySource
from pgcutover.edges.postgres import Server
from pgcutover.facts.names import Dsn
from pgcutover.lab.clusters import Cluster

TWO = (
    "CREATE TABLE parent (a int, b int, PRIMARY KEY (a, b));"
    "CREATE TABLE child (a int, b int, body text, FOREIGN KEY (a, b) REFERENCES parent);"
)
INDEXES = {
    "CREATE INDEX ON child (a, b)": True,
    "CREATE INDEX ON child (b, a, body)": True,
    "CREATE INDEX ON child (a, body, b)": False,
    "CREATE INDEX ON child (a)": False,
    "CREATE INDEX ON child (a, b) WHERE a > 0": False,
    "CREATE INDEX ON child (a, (b + 0))": False,
    "CREATE INDEX ON child (a) INCLUDE (b)": False,
    "CREATE INDEX ON child USING brin (a, b)": False,
}
LARGE = (
    "CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent SELECT generate_series(1, 1000);"
    "CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent, body text);"
    "INSERT INTO child SELECT i, nullif(i % 1001, 0), repeat('x', 200) FROM generate_series(1, 50000) AS i;"
    "CREATE INDEX ON child (parent);"
)


@pytest.mark.parametrize("index", INDEXES)
def test_whether_an_index_holds_all_of_a_key_is_known(index: str, source: Dsn) -> None:
    """Only one that has a row for every row of the table, in the order of all the key's columns, will do."""
    run_sql(source, TWO + index)
    (key,) = CopySource(server=Server(dsn=source, side="source")).foreign_keys()
    assert INDEXES[index] == key.indexed


def test_a_large_table_s_key_arrives_checked(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """The key is valid on the target, and rows that refer to nothing are among the table's."""
    run_sql(source, LARGE)
    done = typed(source, target, "copy", cwd=tmp_path)
    assert 0 == done.returncode, done.stderr
    assert [(True,)] == rows_of(target, "SELECT convalidated FROM pg_constraint WHERE contype = 'f'")
    assert [(50000, 49)] == rows_of(target, "SELECT count(*), count(*) FILTER (WHERE parent IS NULL) FROM public.child")


def test_a_row_that_refers_to_nothing_is_not_passed_over(
    source: Dsn, target: Dsn, cluster16: Cluster, tmp_path: Path
) -> None:
    """One row of 50,000 whose key is no longer kept: the copy ends with an error that names the key."""
    run_sql(source, LARGE)
    with cluster16.superuser(source.database) as session:
        session.execute("SET session_replication_role = replica")
        session.execute("UPDATE child SET parent = 1001 WHERE id = 25000")
    done = typed(source, target, "copy", cwd=tmp_path)
    assert 0 != done.returncode
    assert 'violates foreign key constraint "child_parent_fkey"' in " ".join(done.stderr.split())
