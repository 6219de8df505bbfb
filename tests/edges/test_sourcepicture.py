"""The picture of an old database that a drill compares: everything that a move changes there is in it, rows are not."""

from collections.abc import Iterator

import pytest

from fenced_database import Fenced, fenced_database
from pgcutover.app.picture import difference
from pgcutover.edges.fencing import HeldSource
from pgcutover.edges.runrecord import drop_records
from pgcutover.edges.sourcepicture import read_source_picture
from pgcutover.lab.clusters import Cluster

CHANGES = {
    "ALTER DATABASE {database} SET work_mem = '5MB'": "settings work_mem of every role in {database}: absent -> ",
    "ALTER ROLE {other} SET work_mem = '6MB'": "settings work_mem of {other} in every database: absent -> ",
    "GRANT SELECT ON parent TO {other}": "privileges table public.parent to {other}: absent -> SELECT by {owner}",
    "GRANT INSERT ON billing.invoices TO {other}": "privileges table billing.invoices to {other}: SELECT by {owner} -> "
    "INSERT by {owner}, SELECT by {owner}",
    "REVOKE CREATE ON DATABASE {database} FROM {other}": "privileges on the database {other}: CREATE -> absent",
    "CREATE INDEX late ON items (name)": "definitions index:public.late: absent -> ",
    "ALTER TABLE items ALTER name SET DEFAULT 'x'": "definitions ",
    "CREATE SCHEMA pgcutover": "left by pgcutover schema pgcutover: absent -> there",
    "ALTER DATABASE {database} CONNECTION LIMIT 9": "database connection limit: none -> 9",
    "CREATE EXTENSION vector": "extensions vector: absent -> ",
}


@pytest.fixture
def database(cluster16: Cluster) -> Iterator[Fenced]:
    with fenced_database(cluster16) as found:
        yield found


@pytest.mark.parametrize("statement", CHANGES)
def test_a_change_is_seen_and_named(database: Fenced, statement: str) -> None:
    """Whatever somebody changes besides rows is one line that says where."""
    names = {"database": database.owner.database, "owner": database.owner.user, "other": database.other.user}
    before = read_source_picture(database.server)
    with database.superuser() as session:
        session.execute(f"SET ROLE {names['owner']}" if statement.startswith("GRANT") else "SELECT 1")
        session.execute(statement.format(**names))
    named = CHANGES[statement].format(**names)
    assert [line for line in difference(before, read_source_picture(database.server)) if line.startswith(named)]


def test_a_fence_shows_and_goes_without_a_trace(database: Fenced) -> None:
    """While it stands the pictures differ; lowered, and its record dropped, they are the same, rows written or not."""
    before = read_source_picture(database.server)
    held = HeldSource(database.server)
    try:
        noted = held.read_fence()
        held.raise_fence(noted)
        assert difference(before, read_source_picture(database.server))
        held.lower_fence(noted)
    finally:
        held.close()
    drop_records(database.server)
    database.run("INSERT INTO items (name) VALUES ('later'); SELECT nextval('numbers')")
    assert () == difference(before, read_source_picture(database.server))


def test_no_value_of_a_setting_is_in_it(database: Fenced) -> None:
    """Applications keep keys in settings of their own; the picture is journalled and shown."""
    database.run(f"ALTER DATABASE {database.owner.database} SET acme.key = 'a-secret-key'")
    assert "a-secret-key" not in str(read_source_picture(database.server))
