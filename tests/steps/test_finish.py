"""The step that brings what rows do not: sequences, materialised views, privileges, settings, statistics."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from little_database import LITTLE, LittleWorld, contents, join, own_database, plain, rows_of, run_sql
from pgcutover.app.guards import RealClock
from pgcutover.app.patience import patiently
from pgcutover.errors import TargetError
from pgcutover.facts.inventory import Setting
from pgcutover.facts.names import Dsn
from pgcutover.lab.clusters import Cluster
from pgcutover.running.step import Before, Verdict
from pgcutover.steps.copy import Copy
from pgcutover.steps.finish import Finish
from pgcutover.steps.schema import Schema

GUARDED = """
GRANT USAGE ON SCHEMA app TO little_reader;
GRANT SELECT ON app.customers TO little_reader WITH GRANT OPTION;
GRANT SELECT (id), UPDATE (total) ON app.orders TO little_reader;
GRANT USAGE ON SEQUENCE app.tickets TO little_reader;
REVOKE ALL ON FUNCTION app.half(integer) FROM PUBLIC;
REVOKE ALL ON TYPE app.mood FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.half(integer) TO little_reader;
GRANT SELECT ON app.happy TO PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO little_reader;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
"""
TABLES = "SELECT count(*) FROM information_schema.column_privileges WHERE grantee = 'little_reader'"


@pytest.fixture(scope="module")
def reader(cluster16: Cluster, cluster18: Cluster) -> Iterator[None]:
    """A second role, on both servers."""
    for cluster in (cluster16, cluster18):
        with cluster.superuser() as session:
            session.execute("CREATE ROLE little_reader")
    yield
    for cluster in (cluster16, cluster18):
        with cluster.superuser() as session:
            session.execute("DROP ROLE little_reader")


@pytest.fixture(scope="module")
def source(cluster16: Cluster, reader: None) -> Iterator[Dsn]:
    with own_database(cluster16) as dsn:
        run_sql(dsn, LITTLE)
        run_sql(dsn, GUARDED)
        run_sql(dsn, f"""ALTER DATABASE {dsn.database} SET search_path = "$user", public, app""")
        run_sql(dsn, f"ALTER ROLE {dsn.user} SET statement_timeout = '37000'")
        run_sql(dsn, "CREATE TEXT SEARCH CONFIGURATION app.own (COPY = pg_catalog.simple)")
        run_sql(dsn, f"ALTER DATABASE {dsn.database} SET default_text_search_config = 'own'")
        yield dsn


@pytest.fixture
def fresh(source: Dsn, cluster18: Cluster, tmp_path: Path) -> Iterator[LittleWorld]:
    """A target with definitions and rows, and nothing else."""
    with own_database(cluster18) as target:
        yield copied(source, target, tmp_path)


@pytest.fixture(scope="module")
def world(source: Dsn, cluster18: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LittleWorld]:
    """The same, finished once; every test leaves it finished."""
    with own_database(cluster18) as target:
        made = copied(source, target, tmp_path_factory.mktemp("run"))
        step, before = finish(made)
        step.do(made, before)
        yield made


def copied(source: Dsn, target: Dsn, directory: Path) -> LittleWorld:
    made = join(source, target, directory)
    for step in (Schema(), Copy()):
        step.do(made, step.observe(made))
    return made


def finish(world: LittleWorld) -> tuple[Finish, Before]:
    inventory = world.copier.source.inventory()
    step = Finish(
        grants=inventory.grants,
        settings=inventory.settings,
        roles=((inventory.owner, world.copier.target_dsn.user),),
        app_role=world.copier.target_dsn.user,
    )
    return step, step.observe(world)


def test_everything_beside_the_rows_arrives(source: Dsn, fresh: LittleWorld) -> None:
    """Sequences, views' rows, privileges, settings and statistics are the source's; a second time changes nothing."""
    target = fresh.copier.target_dsn
    step, before = finish(fresh)
    assert Verdict.PARTIAL == step.verify(fresh, before).verdict
    for _ in range(2):
        step.do(fresh, before)
        found = step.verify(fresh, before)
        assert (Verdict.WHOLE, "everything is in place") == (found.verdict, found.detail)
    assert contents(source) == contents(target)
    for statement in (
        "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'app' ORDER BY 1",
        "SELECT relname, relispopulated FROM pg_class WHERE relkind = 'm' ORDER BY 1",
        TABLES,
        "SELECT has_function_privilege('little_reader', 'app.half(integer)', 'EXECUTE'),"
        " has_type_privilege('public', 'app.mood', 'USAGE'), has_table_privilege('public', 'app.happy', 'SELECT')",
        "SELECT count(*) FROM pg_default_acl",
    ):
        assert rows_of(source, statement) == rows_of(target, statement)
    assert [("nextval", 990)] == rows_of(target, "SELECT 'nextval', nextval('app.tickets')")
    with psycopg.connect(plain(target).url().reveal()) as session:
        shown = "SELECT current_setting('search_path'), current_setting('statement_timeout')"
        assert ('"$user", public, app', "37s") == session.execute(shown).fetchone()
        shown = "SELECT current_setting('default_text_search_config')"
        assert ("app.own",) == session.execute(shown).fetchone()
    assert [] == found.evidence["settings_refused"]


def test_a_sequence_is_never_moved_back(world: LittleWorld) -> None:
    """Done again after the application drew numbers, the step leaves sequences where they are, up or down."""
    target = world.copier.target_dsn
    step, before = finish(world)
    drawn = "SELECT nextval('app.tickets'), nextval('app.customers_id_seq'), nextval('app.untouched')"
    ((down, up, new),) = rows_of(target, drawn)
    step.do(world, before)
    assert [(down - 5, up + 1, new + 1)] == rows_of(target, drawn)


def test_a_role_that_is_not_there_is_named(world: LittleWorld) -> None:
    """A privilege of a role that the target lacks stops the step with its name, before any privilege is given."""
    step, before = finish(world)
    strange = tuple(
        replace(g, grantee=role, privilege="DELETE")
        for role in ("nobody_here", "little_reader")
        for g in step.grants
        if g.grantee == "little_reader" and g.object_sql == "app.customers"
    )
    with pytest.raises(TargetError, match="role nobody_here has privileges on the source"):
        replace(step, grants=step.grants + strange).do(world, before)
    may = "SELECT has_table_privilege('little_reader', 'app.customers', 'DELETE')"
    assert [(False,)] == rows_of(world.copier.target_dsn, may)


def test_a_setting_that_the_target_refuses_is_told(world: LittleWorld) -> None:
    """A setting that needs a superuser does not stop the run; the evidence names it."""
    step, before = finish(world)
    refused = Setting(role=step.roles[0][0], database="", name="log_statement", value="all")
    step = replace(step, settings=(*step.settings, refused))
    step.do(world, before)
    found = step.verify(world, before)
    told = [f"log_statement of {world.copier.target_dsn.user}"]
    assert (Verdict.WHOLE, told) == (found.verdict, found.evidence["settings_refused"])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("SELECT setval('app.customers_id_seq', 3)", "sequence app.customers_id_seq"),
        ("REFRESH MATERIALIZED VIEW app.a_sum WITH NO DATA", "rows of materialised view app.a_sum"),
        ("GRANT EXECUTE ON FUNCTION app.half(integer) TO PUBLIC", "privileges on app.half(n integer)"),
        ("DELETE FROM pg_statistic WHERE starelid = 'app.customers'::regclass", "statistics of app.customers"),
    ],
)
def test_what_is_missing_is_found_and_done_again(
    world: LittleWorld, cluster18: Cluster, damage: str, words: str
) -> None:
    """verify asks the target: each sort of thing, damaged after it was done, is named; do repairs it."""
    step, before = finish(world)
    with cluster18.superuser(world.copier.target_dsn.database) as session:
        session.execute("SET allow_system_table_mods = on")
        session.execute(damage.encode())
    found = step.verify(world, before)
    assert (Verdict.PARTIAL, f"missing: {words}") == (found.verdict, found.detail)
    step.do(world, before)
    assert Verdict.WHOLE == step.verify(world, before).verdict


UNFILLABLE = """
CREATE TABLE public.numbers (n integer);
INSERT INTO public.numbers VALUES (1), (0);
CREATE FUNCTION public.half(x integer) RETURNS integer LANGUAGE sql AS 'SELECT x / 2';
CREATE FUNCTION public.by_path(x integer) RETURNS integer LANGUAGE plpgsql AS 'BEGIN RETURN half(x); END';
CREATE FUNCTION public.refusing(x integer) RETURNS integer LANGUAGE plpgsql
    AS $$BEGIN IF current_setting('server_version_num')::int < 170000 THEN RETURN x; END IF; RETURN 1 / x; END$$;
CREATE MATERIALIZED VIEW public."Odd view" AS SELECT {}(n) AS m FROM public.numbers;
"""


@pytest.mark.parametrize(
    ("function", "said", "mend"),
    [
        ("public.by_path", r"function half\(integer\) does not exist", "ALTER FUNCTION … SET search_path"),
        (
            "public.refusing",
            "division by zero",
            'Run REFRESH MATERIALIZED VIEW "public"."Odd view" on',
        ),
    ],
)
def test_a_view_whose_query_fails_is_named_and_not_tried_again(
    cluster16: Cluster, cluster18: Cluster, tmp_path: Path, function: str, said: str, mend: str
) -> None:
    """The error names the view and says what to do; nobody waits for what would fail again, and mended it is filled."""
    with own_database(cluster16) as source, own_database(cluster18) as target:
        run_sql(source, UNFILLABLE.format(function))
        made = copied(source, target, tmp_path)
        step, before = finish(made)
        tries: list[int] = []

        def act() -> None:
            tries.append(1)
            step.do(made, before)

        with pytest.raises(TargetError, match=rf"materialised view public\.Odd view cannot be filled: {said}") as error:
            patiently(act, RealClock())
        assert [1] == tries
        assert mend in error.value.hint
        run_sql(target, "ALTER FUNCTION public.by_path(integer) SET search_path = public")
        run_sql(target, "UPDATE public.numbers SET n = 2")
        step.do(made, before)
        assert Verdict.WHOLE == step.verify(made, before).verdict
