"""Privileges as the target should have them."""

from typing import Any

from pgcutover.facts.inventory import Grant
from pgcutover.planning.grants import Guarded, astray, held, masters, renamed


def grant(grantee: str, privilege: str, *, kind: str = "table", grantable: bool = False, owner: str = "u1") -> Grant:
    return Grant(
        kind=kind,
        schema="app",
        object_sql="TABLES" if kind == "default" else "app.x",
        column="",
        owner=owner,
        grantor=owner,
        grantee=grantee,
        privilege=privilege,
        grantable=grantable,
    )


def guarded(kind: str = "table", owner: str = "") -> Guarded:
    name = "TABLES" if kind == "default" else "app.x"
    return Guarded(kind=kind, schema="app", object_sql=name, column="", owner=owner)


def test_the_owner_s_own_privileges_are_not_carried() -> None:
    """Only others' privileges are kept, under the target's names; the owner has all of its own anyway."""
    grants = renamed([grant("u1", "SELECT"), grant("reader", "SELECT"), grant("PUBLIC", "INSERT")], {"u1": "app"})
    assert {guarded(): {("reader", "SELECT", False), ("PUBLIC", "INSERT", False)}} == held(grants)


def test_an_object_that_lost_everything_is_kept_with_nothing() -> None:
    """A function that nobody may call is still listed, so that PUBLIC loses it on the target too."""
    assert {guarded("function"): frozenset()} == held([grant("", "", kind="function")])


def test_an_object_that_is_not_listed_has_the_usual_privileges() -> None:
    """PUBLIC may call a new function: that is astray when it could not on the source, and right when it could."""
    closed = held([grant("u1", "EXECUTE", kind="function")])
    open_ = held([grant("PUBLIC", "EXECUTE", kind="function")])
    assert ((guarded("function"),), ()) == (astray(closed, {}), astray(open_, {}))
    assert (guarded(),) == astray(held([grant("reader", "SELECT")]), held([grant("reader", "SELECT", grantable=True)]))


def test_another_role_s_defaults_are_the_master_s_to_set() -> None:
    """ALTER DEFAULT PRIVILEGES FOR ROLE needs a member of that role, which the owner is not."""
    wanted = held([grant("r", "SELECT", kind="default"), grant("r", "SELECT", kind="default", owner="other")])
    assert (guarded("default", "other"),) == masters(wanted, "u1")


def test_defaults_that_are_not_listed_are_what_postgresql_gives() -> None:
    """PUBLIC may call new functions unless a default says otherwise; a default of one schema only adds."""
    closed = {Guarded(kind="default", schema="", object_sql="FUNCTIONS", column="", owner="u1"): frozenset[Any]()}
    inside = {Guarded(kind="default", schema="app", object_sql="FUNCTIONS", column="", owner="u1"): frozenset[Any]()}
    assert (tuple(closed), ()) == (astray(closed, {}), astray(inside, {}))
