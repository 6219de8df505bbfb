"""Roles and database on the new server: what a dump takes for granted, owned by the application, never the master."""

import dataclasses
import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

import rds_world
from pgcutover.edges.gate import Gate
from pgcutover.edges.postgres import Server
from pgcutover.edges.roles import ensure_role
from pgcutover.edges.target import _ordered
from pgcutover.errors import RefusedError, TargetError, TargetNotEmptyError
from pgcutover.facts.names import Dsn, Secret
from pgcutover.planning.target import TargetPlan
from pgcutover.running.step import Verdict
from pgcutover.steps.database import MakeDatabase
from pgcutover.steps.secret import MakeSecret
from pgcutover.steps.target_steps import making
from rds_world import Account, RdsWorld, planned, world_for


@pytest.fixture(scope="module")
def stand() -> Iterator[tuple[Account, TargetPlan]]:
    """An instance two major versions above the source, and the plan that made it; test_aws_steps has one of 16."""
    with rds_world.account() as account:
        target = planned(account.aws, postgres="18")
        world = world_for(account, target)
        for step in making(target)[:4]:
            step.do(world, step.observe(world))
        yield account, target


@pytest.fixture
def target(stand: tuple[Account, TargetPlan], request: pytest.FixtureRequest) -> TargetPlan:
    """A plan for a database and roles of this test's own, on the shared instance."""
    _, base = stand
    words = request.node.originalname.removeprefix("test_")[:30].rstrip("_")
    names = {"database": words, "app_role": f"{words}_app", "credentials": (f"{words}_reader",)}
    return base.model_copy(update=names)


@pytest.fixture
def world(stand: tuple[Account, TargetPlan], target: TargetPlan) -> Iterator[RdsWorld]:
    account, _ = stand
    # A secret of its own: one that exists keeps its application's login, whoever asks.
    target = target.model_copy(update={"secret_name": f"pgcutover/{target.database}"})
    login = MakeSecret(target=target.model_copy(update={"master_secret": "x"}))
    made = world_for(account, target.model_copy(update={"master_secret": stand[1].secret_name}))
    login.do(made, login.observe(made))
    yield made
    with made.connect(made.access.master()) as session:
        session.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(target.database)))
        for role in (target.app_role, *target.credentials):
            session.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))


def rows(world: RdsWorld, dsn: Dsn, query: str) -> list[tuple[object, ...]]:
    with world.connect(dsn) as session:
        return session.execute(query).fetchall()


def do(world: RdsWorld, target: TargetPlan) -> MakeDatabase:
    step = MakeDatabase(target=target)
    step.do(world, step.observe(world))
    return step


def test_the_application_owns_its_database_and_is_not_the_master(world: RdsWorld, target: TargetPlan) -> None:
    """It may create and own; it may not make roles or databases, nor become the master."""
    do(world, target)
    found = world.admin.database(target.database)
    assert found is not None
    assert target.app_role == found.owner != target.master_user
    facts = rows(
        world,
        world.access.app(),
        "SELECT rolsuper, rolcreaterole, rolcreatedb, pg_has_role('rds_superuser', 'member'),"
        " pg_has_role('acme_api_master', 'member'), pg_has_role('acme_api_master', current_user, 'set')"
        " FROM pg_roles WHERE rolname = current_user",
    )
    assert [(False, False, False, False, False, True)] == facts


def test_extensions_stand_in_their_schemas_and_are_found_by_the_path(world: RdsWorld, target: TargetPlan) -> None:
    """An unqualified type of heroku_ext works for the application, as it did on Heroku."""
    do(world, target)
    app = world.access.app()
    assert [("vector", "heroku_ext")] == rows(
        world,
        app,
        "SELECT extname, nspname FROM pg_extension JOIN pg_namespace AS n ON n.oid = extnamespace"
        " WHERE extname <> 'plpgsql'",
    )
    assert [('"$user", public, heroku_ext',)] == rows(world, app, "SHOW search_path")
    assert [("[1,2,3]",)] == rows(world, app, "SELECT '[1,2,3]'::vector::text")
    assert [(target.app_role,)] == rows(
        world, app, "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'heroku_ext'"
    )


def test_the_database_has_the_sources_encoding_and_locale(world: RdsWorld, target: TargetPlan) -> None:
    """Not those of the server's template."""
    do(world, target.model_copy(update={"collate": "C", "ctype": "C.UTF-8"}))
    found = world.admin.database(target.database)
    assert found is not None
    assert ("UTF8", "C", "C.UTF-8") == (found.encoding, found.collate, found.ctype)


def test_nobody_logs_in_without_tls_or_with_another_password(world: RdsWorld, target: TargetPlan) -> None:
    """The server refuses plain connections; verify-full is what we use."""
    do(world, target)
    app = world.access.app()
    assert "verify-full" == dict(app.options)["sslmode"]
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
        world.connect(app, sslmode="disable")
    wrong = dataclasses.replace(app, password=world.access.master().password)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        world.connect(wrong)
    assert (True, True) == (world.admin.can_log_in(target.app_role), world.admin.can_log_in(target.credentials[0]))


def test_the_url_that_the_application_gets_works_as_it_is(world: RdsWorld, target: TargetPlan) -> None:
    """Port written, password alphanumeric, TLS as chosen."""
    do(world, target)
    for sslmode, ending in (("require", "?sslmode=require"), ("none", f"/{target.database}")):
        url = world.access.app_url(sslmode=sslmode).reveal()
        assert url.endswith(ending)
        host, port = world.aws.instances.endpoint(target.instance)
        assert f"@{host}:{port}/" in url
        with psycopg.connect(url) as session:
            assert (target.app_role,) == session.execute("SELECT current_user").fetchone()


def test_it_can_be_done_again_undone_and_done_again(world: RdsWorld, target: TargetPlan) -> None:
    """Absent, whole, whole, absent, absent, whole; passwords stay the same."""
    step = MakeDatabase(target=target)
    before = step.observe(world)
    found = [step.verify(world, before).verdict]
    for action in (step.do, step.do, step.undo, step.undo, step.do):
        action(world, before)
        found.append(step.verify(world, before).verdict)
    whole, absent = Verdict.WHOLE, Verdict.ABSENT
    assert [absent, whole, whole, absent, absent, whole] == found


def test_roles_without_their_database_are_half_of_it(world: RdsWorld, target: TargetPlan) -> None:
    """A crash in between is seen and completed."""
    step = MakeDatabase(target=target)
    before = step.observe(world)
    world.admin.ensure_role(target.app_role, target.owned_by)
    assert Verdict.PARTIAL == step.verify(world, before).verdict
    step.do(world, before)
    assert Verdict.WHOLE == step.verify(world, before).verdict


def test_a_database_that_holds_anything_is_never_dropped(world: RdsWorld, target: TargetPlan) -> None:
    """It may be the only copy."""
    step = MakeDatabase(target=target)
    before = step.observe(world)
    step.do(world, before)
    rows_before = "CREATE TABLE public.orders (id int)"
    with world.connect(world.access.app()) as session:
        session.execute(rows_before)
    with pytest.raises(TargetNotEmptyError, match=r"holds relation public\.orders"):
        step.undo(world, before)
    assert Verdict.WHOLE == step.verify(world, before).verdict


def test_a_database_that_was_there_and_is_not_empty_is_refused(world: RdsWorld, target: TargetPlan) -> None:
    """Nothing is copied over what somebody has; a type alone is something."""
    do(world, target)
    with world.connect(world.access.app()) as session:
        session.execute("CREATE TYPE public.mood AS ENUM ('sad')")
    step = MakeDatabase(target=target)
    with pytest.raises(TargetNotEmptyError, match=r"already holds type public\.mood") as caught:
        step.do(world, step.observe(world))
    assert 83 == caught.value.exit_code


def test_pgcutovers_own_schema_and_extensions_do_not_make_it_unempty(world: RdsWorld, target: TargetPlan) -> None:
    """The run record stands there before the data."""
    do(world, target)
    with world.connect(world.access.app()) as session:
        session.execute("CREATE SCHEMA pgcutover")
        session.execute("CREATE TABLE pgcutover.run (id int)")
    found = world.admin.database(target.database)
    assert found is not None
    assert () == found.objects


def test_the_application_may_end_sessions_of_credentials_and_of_the_master(world: RdsWorld, target: TargetPlan) -> None:
    """A forgotten session of either does not hold up the closing, nor the reading when the move goes back."""
    do(world, target)
    gate = Gate(Server(dsn=world.access.app(), side="target", settings={"default_transaction_read_only": "off"}))
    for dsn in (world.access.credential(target.credentials[0]), world.access.master(target.database)):
        with world.connect(dsn) as session, gate.quiet() as unlocked:
            with pytest.raises(psycopg.OperationalError):
                session.execute("SELECT 1")
            assert () == unlocked
    may = "SELECT pg_has_role(%s, 'pg_signal_backend', 'MEMBER')"
    with world.connect(world.access.app()) as session:
        assert (False,) == session.execute(may, [target.credentials[0]]).fetchone()


def test_a_role_that_may_not_end_sessions_is_given_the_right(world: RdsWorld, target: TargetPlan) -> None:
    """One made by an earlier version: the step is half done, and doing it again completes it."""
    step = MakeDatabase(target=target)
    before = step.observe(world)
    step.do(world, before)
    with world.connect(world.access.master()) as session:
        session.execute(sql.SQL("REVOKE pg_signal_backend FROM {}").format(sql.Identifier(target.app_role)))
    found = step.verify(world, before)
    assert (Verdict.PARTIAL, f"{target.app_role} may not end sessions of others") == (found.verdict, found.detail)
    step.do(world, before)
    assert Verdict.WHOLE == step.verify(world, before).verdict


def test_a_master_that_may_not_grant_the_right_is_said(world: RdsWorld, target: TargetPlan) -> None:
    """With what is missing, and whom to ask; nothing is half made."""
    maker = f"{target.app_role}_maker"
    with world.connect(world.access.master()) as session:
        name = sql.Identifier(maker)
        session.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD 'maker'").format(name))
    weak = dataclasses.replace(world.access.master(), user=maker, password=Secret("maker"))
    try:
        with (
            Server(dsn=weak, side="target").session("roles") as session,
            pytest.raises(TargetError, match=r"_maker may not grant pg_monitor and pg_signal_backend to .*_app"),
        ):
            ensure_role(session, target.app_role, Secret("x" * 20), target.owned_by, ends_sessions=True)
        assert world.admin.role(target.app_role) is None
    finally:
        world.admin.drop_role(maker)


def test_a_role_of_somebody_elses_is_refused_and_keeps_its_password(world: RdsWorld, target: TargetPlan) -> None:
    """The mark decides, not the name."""
    with world.connect(world.access.master()) as session:
        session.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(target.app_role)))
    with pytest.raises(RefusedError, match="is taken on the new server by a role that pgcutover did not make"):
        do(world, target)
    assert not world.admin.role(target.app_role).login  # type: ignore[union-attr]
    assert world.admin.database(target.database) is None


def test_a_database_of_somebody_elses_is_refused(world: RdsWorld, target: TargetPlan) -> None:
    """Its owner is another."""
    with world.connect(world.access.master()) as session:
        session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(target.database)))
    with pytest.raises(RefusedError, match="exists on the new server and pgcutover did not make it"):
        do(world, target)


def test_a_locale_that_the_server_lacks_is_said(world: RdsWorld, target: TargetPlan) -> None:
    """With its name, and no database is left behind."""
    with pytest.raises(TargetError, match="the new server has no locale tlh_QO"):
        do(world, target.model_copy(update={"collate": "tlh_QO.UTF-8", "ctype": "tlh_QO.UTF-8"}))
    assert world.admin.database(target.database) is None


def test_an_extension_that_the_server_lacks_is_said(world: RdsWorld, target: TargetPlan) -> None:
    """The plan's table of extensions can be older than the server."""
    assert "vector" in world.admin.extensions()
    with pytest.raises(TargetError, match="does not offer the extension pg_partman"):
        do(world, target.model_copy(update={"extensions": (("pg_partman", "public"),)}))


@pytest.mark.parametrize("open_to_all", [True, False])
def test_schema_public_is_as_open_as_at_the_source(world: RdsWorld, target: TargetPlan, *, open_to_all: bool) -> None:
    """Before PostgreSQL 15 everybody could create in it, and an application may rely on that."""
    step = do(world, target.model_copy(update={"public_create": open_to_all}))
    reader = world.access.credential(target.credentials[0])
    allowed = rows(world, reader, "SELECT has_schema_privilege('public', 'CREATE')")
    assert [(open_to_all,)] == allowed
    assert Verdict.WHOLE == step.verify(world, {"roles": [], "database": False}).verdict


def test_the_server_never_sees_a_password(
    stand: tuple[Account, TargetPlan], world: RdsWorld, target: TargetPlan
) -> None:
    """Every statement is logged for this test, and only verifiers are in the log."""
    account, _ = stand
    account.aws.parameters.set_values(target.parameter_group, [("log_statement", "all")])
    while world.admin.settings(["log_statement"]) != {"log_statement": "all"}:
        time.sleep(0.1)
    do(world, target)
    with urllib.request.urlopen(f"{account.url}/_lab/rds/instances") as answer:
        (log,) = (Path(one["directory"]) / "server.log" for one in json.load(answer))
    text = log.read_text()
    account.aws.parameters.reset_values(target.parameter_group, ["log_statement"])
    passwords = [world.access.password(user).reveal() for user in (target.app_role, *target.credentials)]
    assert f'CREATE ROLE "{target.app_role}"' in text
    assert "SCRAM-SHA-256$" in text
    assert [] == [password for password in passwords if password in text]


def test_a_login_that_nobody_made_is_said(world: RdsWorld) -> None:
    """With the name, and where logins come from."""
    with pytest.raises(TargetError, match="no password for stranger in Secrets Manager"):
        world.access.credential("stranger")


def test_extensions_come_after_those_that_they_require() -> None:
    """CASCADE would put the required ones into the wrong schema."""
    needs = {"earthdistance": ("", ("cube",)), "cube": ("", ()), "postgis_topology": ("topology", ("postgis",))}
    assert ["cube", "postgis_topology", "earthdistance"] == _ordered(needs)
    with pytest.raises(TargetError, match="require each other: a, b"):
        _ordered({"a": ("", ("b",)), "b": ("", ("a",))})
