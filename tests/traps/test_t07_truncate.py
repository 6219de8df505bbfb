"""T7: a snapshot sees a truncated or rewritten table as empty, and only a fresh snapshot tells."""

from collections.abc import Iterator

import psycopg
import pytest

from fenced_database import Fenced, fenced_database
from pgcutover.edges.catalog import read_marks
from pgcutover.lab.clusters import Cluster


@pytest.fixture
def database(cluster16: Cluster) -> Iterator[Fenced]:
    with fenced_database(cluster16) as found:
        yield found


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("TRUNCATE items", ("public.items",)),
        ("ALTER TABLE items ALTER secret TYPE varchar USING secret || ''", ("public.items", "definitions")),
    ],
)
def test_what_the_snapshot_cannot_see_the_marks_tell(database: Fenced, statement: str, told: tuple[str, ...]) -> None:
    """Under the snapshot the table reads as 0 rows while its file looks unchanged there; fresh marks name it."""
    before = read_marks(database.server)
    file = "SELECT relfilenode FROM pg_class WHERE oid = 'public.items'::regclass"
    with database.server.session("reader") as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        seen = reader.execute(file).fetchone()
        with psycopg.connect(database.owner.url().reveal(), autocommit=True) as application:
            application.execute(statement)
        assert (0,) == reader.execute("SELECT count(*) FROM public.items").fetchone()
        assert seen == reader.execute(file).fetchone()
        assert told == read_marks(database.server).changed_since(before)
