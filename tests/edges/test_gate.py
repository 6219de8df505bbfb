"""The gate of a target, shut: the right to write is taken wherever it can be, and what could not be taken is named."""

from collections.abc import Iterator

import psycopg
import pytest

from fenced_database import Fenced, MeddledServer, fenced_database
from pgcutover.edges.gate import Gate
from pgcutover.edges.privileges import read_privileges
from pgcutover.lab.clusters import Cluster

TABLES = "CREATE TABLE a (id integer); CREATE TABLE b (id integer)"
WRITING = "-c default_transaction_read_only=off"
OVERRIDING = "BEGIN READ WRITE; INSERT INTO {} VALUES (1); COMMIT"


@pytest.fixture
def new(cluster18: Cluster) -> Iterator[Fenced]:
    with fenced_database(cluster18, filled=False) as found:
        found.as_owner(TABLES)
        yield found


@pytest.fixture
def gate(new: Fenced) -> Gate:
    return Gate(new.target)


@pytest.fixture
def closed(new: Fenced, gate: Gate) -> Gate:
    gate.close()
    return gate


def holders(new: Fenced, table: str) -> set[str]:
    """Who may write to a table of schema public."""
    with new.target.session("test") as session:
        return {p.grantee for p in read_privileges(session) if (p.schema, p.name) == ("public", table)}


def test_a_table_that_we_may_not_lock_is_shut_while_it_is_read(new: Fenced, gate: Gate) -> None:
    """What the lock's session lends itself must not make the revocation wait for it; and opened, all is as it was."""
    new.as_owner(f'REVOKE ALL ON a FROM "{new.owner.user}"; GRANT INSERT ON a TO "{new.other.user}"')
    state = new.state()
    with gate.quiet() as unlocked, new.superuser() as session:
        session.execute("SET lock_timeout = 50")
        for table in ("a", "b"):
            with pytest.raises(psycopg.errors.LockNotAvailable):
                session.execute(f"DELETE FROM {table}")
        assert ((), ()) == (unlocked, gate.shut())
    assert (set(), set()) == (holders(new, "a"), holders(new, "b"))
    gate.open()
    assert state == new.state()


def test_somebody_elses_objects_do_not_keep_ours_open(new: Fenced, closed: Gate) -> None:
    """A table and a sequence of another role: each is named, and ours are shut all the same."""
    new.run(
        f'GRANT CREATE ON SCHEMA public TO "{new.other.user}"; SET ROLE "{new.other.user}";'
        "CREATE TABLE public.foreign_table (id integer); CREATE SEQUENCE public.foreign_sequence; RESET ROLE"
    )
    left = closed.shut()
    assert set() == holders(new, "a") | holders(new, "b")
    assert 2 == len(left)
    for name, told in zip(("sequence public.foreign_sequence", "table public.foreign_table"), left, strict=True):
        assert told.startswith(f"rights to write could not be taken: {name}: {new.other.user} has ")
        assert "permission denied" in told
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        new.as_owner(OVERRIDING.format("a"))


def test_a_schema_and_a_large_object_of_another_are_named(new: Fenced, closed: Gate) -> None:
    """What is not ours to take is no less open: who may make tables, or write, is told; a superuser's own is not."""
    new.run(
        f'CREATE SCHEMA theirs AUTHORIZATION "{new.other.user}"; CREATE SCHEMA platform; SELECT lo_create(888003);'
        f'SELECT lo_create(888004); ALTER LARGE OBJECT 888004 OWNER TO "{new.other.user}"'
    )
    whose = f"of {new.other.user}: {new.other.user} has"
    assert (
        f"rights to write could not be taken: large object 888004 {whose} UPDATE",
        f"rights to write could not be taken: schema theirs {whose} CREATE",
    ) == closed.shut()
    assert set() == holders(new, "a")


def test_a_revocation_that_only_warns_is_no_success(new: Fenced, closed: Gate) -> None:
    """What another role granted, and the server left in silence, is named; of superusers nothing is said."""
    new.run(
        "CREATE TABLE public.theirs (id integer); CREATE TABLE public.superusers (id integer);"
        f'GRANT SELECT ON theirs, superusers TO "{new.owner.user}"; GRANT INSERT ON theirs TO "{new.other.user}"'
    )
    assert (f"rights to write could not be taken: table public.theirs: {new.other.user} has INSERT",) == closed.shut()
    assert new.other.user in holders(new, "theirs")
    assert set() == holders(new, "a")


def test_a_change_of_rights_that_never_ends_is_not_waited_for(new: Fenced, closed: Gate) -> None:
    """Its table is named as not shut, the others are shut; once it is gone the table is shut as well."""
    with psycopg.connect(new.owner.url().reveal(), options=WRITING) as session:
        session.execute(f'GRANT TRUNCATE ON a TO "{new.other.user}"')
        (told,) = closed.shut()
        session.rollback()
    assert told.startswith(f"rights to write could not be taken: table public.a: {new.owner.user} has ")
    assert "lock timeout" in told
    assert set() == holders(new, "b")
    assert () == closed.shut()
    assert set() == holders(new, "a")


@pytest.mark.parametrize("by_hand", [False, True])
def test_shut_again_it_gives_back_what_appeared_since(new: Fenced, gate: Gate, by_hand: bool) -> None:
    """What the second shutting took comes back beside what the first took, and the default is that from before it."""
    new.run(f'ALTER DATABASE "{new.owner.database}" SET default_transaction_read_only = off')
    rights, settings = new.state()
    with gate.quiet():
        assert () == gate.shut()
    shut, _ = new.state()
    new.run(
        f'CREATE TABLE public.late (id integer); ALTER TABLE late OWNER TO "{new.owner.user}";'
        f'GRANT INSERT ON late TO "{new.other.user}"; GRANT DELETE ON a TO "{new.other.user}" WITH GRANT OPTION'
    )
    appeared = new.state()[0] - shut
    for _ in range(2):
        with gate.quiet():
            assert () == gate.shut()
    assert set() == holders(new, "a") | holders(new, "b") | holders(new, "late")
    if by_hand:
        new.as_owner(str(new.one("SELECT undo_sql FROM pgcutover.fence")))
    else:
        gate.open()
    assert (rights | appeared, settings) == new.state()
    new.as_owner("INSERT INTO late VALUES (1)")


def test_what_could_not_be_taken_does_not_stop_who_gives_the_rights_back(new: Fenced, gate: Gate) -> None:
    """A table of another role, there before or made between two shuttings, is nothing to give back."""
    made = f'CREATE TABLE public.{{0}} (id integer); ALTER TABLE {{0}} OWNER TO "{new.other.user}"'
    new.run(made.format("early"))
    state = new.state()
    gate.close()
    assert 1 == len(gate.shut())
    new.run(made.format("late"))
    assert 2 == len(gate.shut())
    new.as_owner(str(new.one("SELECT undo_sql FROM pgcutover.fence")))
    rights, settings = new.state()
    assert state == (frozenset(r for r in rights if r[1] != "public.late"), settings)


@pytest.mark.parametrize("before", [None, "off"])
def test_what_gives_the_rights_back_opens_too(new: Fenced, gate: Gate, before: str | None) -> None:
    """The record says the default from before the gate closed, not the closed gate's own, for a person with psql."""
    if before:
        new.run(f'ALTER DATABASE "{new.owner.database}" SET default_transaction_read_only = {before}')
    state = new.state()
    gate.close()
    gate.shut()
    new.as_owner(str(new.one("SELECT undo_sql FROM pgcutover.fence")))
    assert state == new.state()
    new.as_owner("INSERT INTO a VALUES (1)")


def test_opened_after_it_was_shut_it_says_when(new: Fenced, gate: Gate) -> None:
    """Closed, shut and opened twice: each time the rights are back and the moment is a new one."""
    state, moments = new.state(), []
    for _ in range(2):
        gate.close()
        gate.shut()
        assert gate.status().closed
        for _ in range(2):
            gate.open()
        status = gate.status()
        assert not status.closed
        assert state == new.state()
        moments.append(status.opened_at)
    assert None not in moments
    assert 2 == len(set(moments))


@pytest.mark.parametrize("before", [None, "off", "on"])
@pytest.mark.parametrize("tampered", ["RESET default_transaction_read_only", "SET default_transaction_read_only = off"])
def test_closed_again_after_it_was_reset_it_knows_what_was_before(
    new: Fenced, gate: Gate, before: str | None, tampered: str
) -> None:
    """Somebody changes the default of a closed gate: closing again does not take that for what was before."""
    if before:
        new.run(f'ALTER DATABASE "{new.owner.database}" SET default_transaction_read_only = {before}')
    state = new.state()
    for _ in range(2):
        gate.close()
        new.run(f'ALTER DATABASE "{new.owner.database}" {tampered}')
        assert not gate.status().closed
        gate.close()
        assert gate.status().closed
        gate.open()
        assert state == new.state()


def test_a_grant_amid_the_shutting_comes_back(new: Fenced, gate: Gate) -> None:
    """Committed between reading what there is and taking it, it is recorded too, and opening gives it back."""
    granting = f'GRANT INSERT ON a TO "{new.other.user}" WITH GRANT OPTION'
    new.run(f'GRANT DELETE ON a TO "{new.other.user}"')
    meddled = Gate(MeddledServer(new, before=b"REVOKE", meddle=granting, side="target"))
    before, settings = new.state()
    gate.close()
    assert () == meddled.shut()
    assert set() == holders(new, "a")
    assert () == gate.open()
    rights, default = new.state()
    assert settings == default
    assert {(new.other.user, "INSERT", True)} == {(a[4], a[5], a[6]) for a in rights ^ before}


def test_what_is_gone_when_it_opens_is_told(new: Fenced, gate: Gate) -> None:
    """A table dropped while the database was shut is named; the others are open."""
    gate.close()
    gate.shut()
    new.run("DROP TABLE b")
    (told,) = gate.open()
    assert told.startswith(f"table public.b was dropped or renamed, so this was not given back: {new.owner.user}: ")
    assert new.owner.user in holders(new, "a")
