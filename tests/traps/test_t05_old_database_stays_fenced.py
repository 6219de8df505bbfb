"""T5: the lift opens the application, never the old database; so what changed on the new one is known exactly."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fenced_database import Fenced, TwoDatabases, fenced_database, two_databases
from pgcutover.lab.clusters import Cluster
from pgcutover.running.step import Verdict
from pgcutover.steps.fence import Fence
from pgcutover.steps.open_target import NOT_GIVEN_BACK, SALVAGED, OpenTarget
from pgcutover.steps.verify import Verify

CONTENT = """
CREATE TABLE accounts (id integer PRIMARY KEY, name text);
CREATE TABLE log (at integer, what text);
INSERT INTO accounts SELECT i, 'account ' || i FROM generate_series(1, 1000) AS i;
INSERT INTO log VALUES (1, 'same'), (1, 'same'), (1, 'same'), (2, NULL);
"""


@pytest.fixture
def old(cluster16: Cluster) -> Iterator[Fenced]:
    with fenced_database(cluster16, filled=False) as found:
        found.as_owner(CONTENT)
        yield found


@pytest.fixture
def new(cluster18: Cluster) -> Iterator[Fenced]:
    with fenced_database(cluster18, filled=False) as found:
        found.as_owner(CONTENT)
        yield found


@pytest.fixture
def world(old: Fenced, new: Fenced, tmp_path: Path) -> Iterator[TwoDatabases]:
    with two_databases(old, new, tmp_path / "salvaged") as found:
        yield found


def test_going_back_after_the_lift_exports_exactly_what_the_application_did(
    world: TwoDatabases, old: Fenced, new: Fenced, tmp_path: Path
) -> None:
    """Inserted, updated and deleted rows by key, duplicates without a key too; both databases keep every row."""
    before = Fence().observe(world)
    for step in (Fence(), Verify(), OpenTarget()):
        step.do(world, before)
        assert Verdict.WHOLE is step.verify(world, before).verdict
    new.as_owner(
        "UPDATE accounts SET name = NULL WHERE id = 7; DELETE FROM accounts WHERE id = 8;"
        "UPDATE accounts SET id = -9 WHERE id = 9; INSERT INTO accounts VALUES (1001, 'new');"
        "DELETE FROM log WHERE ctid = (SELECT min(ctid) FROM log); INSERT INTO log VALUES (2, NULL), (3, 'x')",
    )
    with psycopg.connect(old.owner.url().reveal(), autocommit=True, options="-c lock_timeout=50") as forgotten:
        with pytest.raises(psycopg.Error):
            forgotten.execute("INSERT INTO accounts VALUES (2000, 'to the wrong side')")
        with pytest.raises(psycopg.Error):
            forgotten.execute("BEGIN READ WRITE; INSERT INTO accounts VALUES (2000, 'to the wrong side'); COMMIT")
    OpenTarget().undo(world, {})
    assert Verdict.ABSENT is OpenTarget().verify(world, {}).verdict
    counts = [
        {"table": "public.accounts", "inserted": 2, "updated": 1, "deleted": 2},
        {"table": "public.log", "inserted": 2, "updated": 0, "deleted": 1},
    ]
    (kind, noted), directory = world.notes.kept[0], tmp_path / "salvaged"
    assert (SALVAGED, str(directory)) == (kind, noted["directory"])
    assert [] == noted["fence_leaks"]
    assert counts == sorted(noted["tables"], key=lambda t: str(t["table"]))
    assert {("deleted", "8"), ("deleted", "9"), ("inserted", "-9"), ("inserted", "1001"), ("updated", "7")} == {
        (line["change"], line["key"]["id"]) for line in exported(directory, "accounts")
    }
    assert (1000, 1000) == (old.one("SELECT count(*) FROM accounts"), new.one("SELECT count(*) FROM accounts"))
    Fence().undo(world, before)
    old.as_owner("INSERT INTO accounts VALUES (2000, 'open again')")


def test_after_the_export_nobody_writes_to_the_new_database(world: TwoDatabases, new: Fenced) -> None:
    """Who overrides read-only is refused too, and the record on the database gives every right back."""
    Fence().do(world, Fence().observe(world))
    OpenTarget().do(world, {})
    for _ in range(2):
        OpenTarget().undo(world, {})
    overriding = "BEGIN READ WRITE; INSERT INTO accounts VALUES (3000, 'in no export'); COMMIT"
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        new.as_owner(overriding)
    undo = str(new.one("SELECT undo_sql FROM pgcutover.fence"))
    new.as_owner(undo)
    new.as_owner(overriding)


def test_opened_again_it_tells_what_was_dropped_meanwhile(world: TwoDatabases, new: Fenced) -> None:
    """A table that somebody dropped while the new database was shut is noted; the application writes to the others."""
    Fence().do(world, Fence().observe(world))
    OpenTarget().do(world, {})
    OpenTarget().undo(world, {})
    new.run("DROP TABLE log")
    OpenTarget().do(world, {})
    ((told,),) = (note["rights"] for note in world.notes.notes(NOT_GIVEN_BACK))
    assert told.startswith("table public.log was dropped or renamed, so this was not given back: ")
    new.as_owner("INSERT INTO accounts VALUES (3000, 'open')")


def exported(directory: Path, table: str) -> list[dict[str, Any]]:
    manifest = json.loads((directory / "manifest.json").read_text())
    file = next(t["file"] for t in manifest["tables"] if t["table"] == table)
    return [json.loads(line) for line in (directory / file).read_text().splitlines()]


def test_if_the_old_database_were_opened_the_difference_would_lie(
    world: TwoDatabases, old: Fenced, new: Fenced
) -> None:
    """Without the fence a row written to the wrong side counts as deleted by the application; the note says why."""
    before = Fence().observe(world)
    Fence().do(world, before)
    OpenTarget().do(world, {})
    Fence().undo(world, before)
    old.as_owner("INSERT INTO accounts VALUES (2000, 'to the wrong side')")
    OpenTarget().undo(world, {})
    noted = world.notes.kept[0][1]
    assert [{"table": "public.accounts", "inserted": 0, "updated": 0, "deleted": 1}] == noted["tables"]
    assert ["the source is not fenced"] == noted["fence_leaks"]


def test_while_it_is_read_the_new_database_takes_no_write(world: TwoDatabases, new: Fenced) -> None:
    """Closed and locked: even who overrides the default waits, so that the export is of one state."""
    with world.target.quiet(), new.superuser() as session, pytest.raises(psycopg.errors.LockNotAvailable):
        session.execute("SET lock_timeout = 50; DELETE FROM accounts")
    assert world.target.status().closed
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        new.as_owner("DELETE FROM accounts")
