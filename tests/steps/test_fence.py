"""The step that fences the old database: done, found, undone, done again."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from fenced_database import Fenced, TwoDatabases, fenced_database, two_databases
from pgcutover.edges.catalog import read_inventory
from pgcutover.edges.fencing import HeldSource
from pgcutover.errors import FenceError
from pgcutover.lab.clusters import Cluster
from pgcutover.running.step import Verdict
from pgcutover.steps.fence import Fence

STEP = Fence()


@pytest.fixture
def old(cluster16: Cluster) -> Iterator[Fenced]:
    with fenced_database(cluster16) as found:
        yield found


@pytest.fixture
def world(old: Fenced, tmp_path: Path) -> Iterator[TwoDatabases]:
    with two_databases(old, old, tmp_path) as found:
        yield found


def test_do_undo_do(world: TwoDatabases, old: Fenced) -> None:
    """Whole after doing, absent and exactly as before after undoing, twice over."""
    state = old.state()
    for _ in range(2):
        before = STEP.observe(world)
        assert Verdict.ABSENT is STEP.verify(world, before).verdict
        STEP.do(world, before)
        STEP.do(world, before)
        found = STEP.verify(world, before)
        assert Verdict.WHOLE is found.verdict
        assert (8, 8, []) == tuple(found.evidence[k] for k in ("tables", "locked", "leaks"))
        STEP.undo(world, before)
        STEP.undo(world, before)
        assert Verdict.ABSENT is STEP.verify(world, before).verdict
        assert state == old.state()


def test_clients_are_named_before_the_fence(world: TwoDatabases, old: Fenced) -> None:
    """By user, address and name: a person must know whom the fence shuts out."""
    with psycopg.connect(old.owner.url().reveal(), application_name="nightly report") as client:
        pid = client.info.backend_pid
        assert [f"{old.owner.user}@127.0.0.1 (nightly report) pid {pid}"] == STEP.observe(world)["clients"]


def test_a_new_process_finds_it_whole_without_the_locks(world: TwoDatabases) -> None:
    """What was revoked is enough to go on; that the locks are gone is said."""
    before = STEP.observe(world)
    STEP.do(world, before)
    world.source.close()
    found = STEP.verify(world, before)
    assert Verdict.WHOLE is found.verdict
    assert "8 not locked" in found.detail


@pytest.mark.parametrize(
    ("breach", "told"),
    [
        ("GRANT DELETE ON items TO PUBLIC", "PUBLIC has DELETE on table public.items"),
        ("CREATE TABLE public.surprise (id integer)", "public.surprise"),
        ('ALTER DATABASE "{database}" RESET default_transaction_read_only', "new sessions may write by default"),
        ("SELECT lo_create(0)", "large objects were made or removed"),
    ],
)
def test_a_breach_is_partial_and_named(world: TwoDatabases, old: Fenced, breach: str, told: str) -> None:
    """Whatever opens the fence, be it the owner or a superuser, the next look says so."""
    before = STEP.observe(world)
    STEP.do(world, before)
    old.run(breach.replace("{database}", old.owner.database))
    found = STEP.verify(world, before)
    assert Verdict.PARTIAL is found.verdict
    assert told in found.detail


def test_a_fence_that_died_half_way_is_partial(world: TwoDatabases, old: Fenced) -> None:
    """Read-only by default and nothing revoked is neither whole nor absent."""
    before = STEP.observe(world)
    old.run(f'ALTER DATABASE "{old.owner.database}" SET default_transaction_read_only = on')
    assert Verdict.PARTIAL is STEP.verify(world, before).verdict
    STEP.undo(world, before)
    assert Verdict.ABSENT is STEP.verify(world, before).verdict


def test_what_cannot_be_fenced_is_told_before_anything_is_touched(world: TwoDatabases, old: Fenced) -> None:
    """Already observing fails."""
    old.run("ALTER TABLE child OWNER TO rdsadmin")
    state = old.state()
    with pytest.raises(FenceError, match=r"public\.child belongs to a role"):
        STEP.observe(world)
    assert state == old.state()


def test_a_large_object_of_another_role_is_told_before_anything_is_touched(world: TwoDatabases, old: Fenced) -> None:
    """What its owner may write could not be taken away, so there is no fence; a superuser's own is in nobody's way."""
    old.run("SELECT lo_create(888001)")
    STEP.observe(world)
    old.run(f'SELECT lo_create(888002); ALTER LARGE OBJECT 888002 OWNER TO "{old.other.user}"')
    state = old.state()
    told = f"{old.other.user} has UPDATE on large object 888002 of {old.other.user}"
    with pytest.raises(FenceError, match=told):
        STEP.observe(world)
    assert state == old.state()
    assert ["large object 888002"] == [
        re.sub(r".* neither (.*) nor .*", r"\1", b.what)
        for b in read_inventory(old.server).blockers
        if "neither" in b.what
    ]


def test_a_schema_that_is_not_ours_to_close_is_told(world: TwoDatabases, old: Fenced) -> None:
    """Who may still make tables in it is named where the fence is whole, and one that is made is a leak."""
    old.run(f'ALTER SCHEMA billing OWNER TO rdsadmin; GRANT USAGE, CREATE ON SCHEMA billing TO "{old.other.user}"')
    old.run(f'GRANT USAGE ON SCHEMA billing TO "{old.owner.user}"')
    before = STEP.observe(world)
    STEP.do(world, before)
    found = STEP.verify(world, before)
    told = f"{old.other.user} has CREATE on schema billing of rdsadmin"
    assert (Verdict.WHOLE, [told]) == (found.verdict, found.evidence["beyond_taking"])
    assert found.detail.endswith(f"; not ours to take: {told}")
    with psycopg.connect(old.other.url().reveal(), autocommit=True) as session:
        session.execute("BEGIN READ WRITE; CREATE TABLE billing.late (id integer); COMMIT")
    assert "billing.late" in STEP.verify(world, before).detail


def test_what_could_not_be_given_back_is_in_the_finding(world: TwoDatabases, old: Fenced) -> None:
    """A table that is gone does not keep the fence from being found away, and is what a person is told."""
    before = STEP.observe(world)
    STEP.do(world, before)
    world.source.close()
    old.run("DROP TABLE child")
    STEP.undo(world, before)
    found = STEP.verify(world, before)
    assert Verdict.ABSENT is found.verdict
    assert found.detail.startswith("table public.child was dropped or renamed, so this was not given back: ")


def test_two_holders_do_not_fight(world: TwoDatabases, old: Fenced) -> None:
    """A second process of the same run takes the locks over from one that is still there."""
    before = STEP.observe(world)
    STEP.do(world, before)
    heir = HeldSource(old.server)
    heir.raise_fence(before)
    assert heir.fence_status(before).locked
    world.source.keep_fence(before)
    assert world.source.fence_status(before).locked
    heir.close()


def as_owner(old: Fenced, statements: str) -> None:
    with psycopg.connect(old.owner.url().reveal(), autocommit=True) as session:
        session.execute(statements.encode())


def test_large_objects_are_behind_the_fence(world: TwoDatabases, old: Fenced) -> None:
    """Nobody writes into one, the owner least of all; one that goes is noticed; afterwards rights are as they were."""
    as_owner(old, "SELECT lo_from_bytea(777001, 'one'), lo_from_bytea(777002, 'two')")
    old.run(f'GRANT UPDATE ON LARGE OBJECT 777002 TO "{old.other.user}"')
    rights = (
        "SELECT grantee::regrole::text, privilege_type, is_grantable FROM pg_largeobject_metadata, aclexplode(lomacl)"
        " WHERE oid = 777002 ORDER BY 1, 2"
    )
    with old.superuser() as session:
        held = session.execute(rights).fetchall()
    before = STEP.observe(world)
    STEP.do(world, before)
    assert Verdict.WHOLE is STEP.verify(world, before).verdict
    for number in (777001, 777002):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            as_owner(old, f"BEGIN READ WRITE; SELECT lo_put({number}, 0, 'x')")
    as_owner(old, "BEGIN READ WRITE; SELECT lo_unlink(777001); COMMIT")
    assert "large objects were made or removed" in STEP.verify(world, before).detail
    STEP.undo(world, before)
    with old.superuser() as session:
        assert held == session.execute(rights).fetchall()
