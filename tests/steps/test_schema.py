"""The step that makes the definitions: only in an empty target, or in one that is this run's own."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from little_database import LITTLE, LittleWorld, emptied, join, own_database, rows_of, run_sql
from pgcutover.errors import TargetNotEmptyError, ToolError
from pgcutover.facts.names import Dsn
from pgcutover.lab.clusters import Cluster
from pgcutover.running.step import Verdict
from pgcutover.steps.schema import Schema


@pytest.fixture(scope="module")
def source(cluster16: Cluster) -> Iterator[Dsn]:
    with own_database(cluster16) as dsn:
        run_sql(dsn, LITTLE)
        yield dsn


@pytest.fixture(scope="module")
def target_database(cluster18: Cluster) -> Iterator[Dsn]:
    with own_database(cluster18) as dsn:
        yield dsn


@pytest.fixture
def target(target_database: Dsn) -> Dsn:
    return emptied(target_database)


def done(source: Dsn, target: Dsn, directory: Path) -> tuple[LittleWorld, dict]:
    world = join(source, target, directory)
    before = dict(Schema().observe(world))
    Schema().do(world, before)
    return world, before


def test_do_twice_is_do_once(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """Called again after it was done, the step finds its own work, says WHOLE and makes nothing anew."""
    world, before = done(source, target, tmp_path)
    oids = "SELECT oid FROM pg_class ORDER BY oid"
    first = rows_of(target, oids)
    Schema().do(world, before)
    assert (Verdict.WHOLE, first) == (Schema().verify(world, before).verdict, rows_of(target, oids))


def test_a_target_that_holds_objects_is_refused_before_anything(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """Somebody's table is named, in observe and in do alike, and nothing is made beside it."""
    run_sql(target, "CREATE TABLE public.theirs (id integer); INSERT INTO public.theirs VALUES (1)")
    world = join(source, target, tmp_path)
    with pytest.raises(TargetNotEmptyError, match=r"table public\.theirs"):
        Schema().observe(world)
    with pytest.raises(TargetNotEmptyError, match=r"table public\.theirs"):
        Schema().do(world, {"fingerprint": "x"})
    assert [("theirs",)] == rows_of(target, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert [] == rows_of(target, "SELECT FROM pg_namespace WHERE nspname = 'app'")


def test_another_run_s_target_is_refused(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """What another run made is not this run's own, though it is the same definitions."""
    world, before = done(source, target, tmp_path)
    other = replace(world.copier.target, run_id="run-2")  # type: ignore[type-var]
    with pytest.raises(TargetNotEmptyError):
        Schema().do(LittleWorld(copier=replace(world.copier, target=other, run_id="run-2")), before)


def test_a_failure_half_way_leaves_the_target_empty_and_the_step_repeatable(
    source: Dsn, target: Dsn, tmp_path: Path
) -> None:
    """One definition that the target refuses undoes all of them; when the cause is gone, the same step succeeds."""
    world = join(source, target, tmp_path)
    before = Schema().observe(world)
    run_sql(target, "CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ()")
    run_sql(target, "CREATE SCHEMA IF NOT EXISTS app; DROP TYPE app.mood")
    # An empty schema of the same name does not count as contents, and CREATE SCHEMA then fails.
    with pytest.raises(ToolError, match='schema "app" already exists'):
        Schema().do(world, before)
    assert Verdict.ABSENT == Schema().verify(world, before).verdict
    run_sql(target, "DROP SCHEMA app")
    Schema().do(world, before)
    assert Verdict.WHOLE == Schema().verify(world, before).verdict


def test_a_lost_archive_is_made_again(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """On another machine the archive is not there: the step dumps anew and makes nothing twice."""
    world, before = done(source, target, tmp_path)
    (tmp_path / "schema.dump").unlink()
    assert Verdict.PARTIAL == Schema().verify(world, before).verdict
    Schema().do(world, before)
    assert Verdict.WHOLE == Schema().verify(world, before).verdict


def test_a_missing_object_is_found(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """verify asks the target, not the journal: a view that somebody dropped is named."""
    world, before = done(source, target, tmp_path)
    run_sql(target, "DROP VIEW app.happy")
    found = Schema().verify(world, before)
    assert (Verdict.PARTIAL, "missing: view app.happy") == (found.verdict, found.detail)


def test_undo_keeps_the_target(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """Going back drops nothing: only destroying the target, which a person asks for, does."""
    world, before = done(source, target, tmp_path)
    Schema().undo(world, before)
    assert (True, Verdict.WHOLE) == (Schema().keeps_target, Schema().verify(world, before).verdict)


def test_heroku_s_own_objects_stay_behind(
    cluster16: Cluster, cluster18: Cluster, target: Dsn, tmp_path: Path, scratch_db: Callable[[Cluster], Dsn]
) -> None:
    """The _heroku schema, which the owner may not read, and its event triggers neither stop the dump nor arrive."""
    heroku = scratch_db(cluster16)
    with cluster16.superuser(heroku.database) as session:
        session.execute("CREATE SCHEMA _heroku; CREATE SCHEMA heroku_ext; CREATE TABLE _heroku.cdc (id integer)")
        session.execute("CREATE EXTENSION vector SCHEMA heroku_ext")
        session.execute(
            "CREATE FUNCTION _heroku.log() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
            "CREATE EVENT TRIGGER log_create_ext ON ddl_command_end EXECUTE FUNCTION _heroku.log();"
            "CREATE FUNCTION public.audit() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
            "CREATE EVENT TRIGGER audit ON ddl_command_end EXECUTE FUNCTION public.audit()"
        )
        session.execute("CREATE TABLE public.items (id integer, v heroku_ext.vector(3))")
        session.execute(f"ALTER TABLE public.items OWNER TO {heroku.user}".encode())
        session.execute(f"GRANT USAGE ON SCHEMA heroku_ext TO {heroku.user}".encode())
    world = join(heroku, target, tmp_path)
    world.copier.definitions.dump()
    parted = world.copier.entries()
    assert {"TABLE", "FUNCTION"} == {entry.kind for entry in parted.kept}
    assert ["EVENT TRIGGER - audit"] == [str(entry).rsplit(" ", 1)[0] for entry in parted.by_master]
    with cluster18.superuser(target.database) as session:
        session.execute("CREATE SCHEMA IF NOT EXISTS heroku_ext; CREATE EXTENSION vector SCHEMA heroku_ext")
        session.execute(f"GRANT USAGE ON SCHEMA heroku_ext TO {target.user}".encode())
    try:
        before = Schema().observe(world)
        Schema().do(world, before)
        found = Schema().verify(world, before)
        assert (Verdict.WHOLE, "2 objects are there") == (found.verdict, found.detail)
        assert [] == rows_of(target, "SELECT FROM pg_event_trigger")
        assert [] == rows_of(target, "SELECT FROM pg_namespace WHERE nspname = '_heroku'")
    finally:
        with cluster18.superuser(target.database) as session:
            session.execute("DROP SCHEMA heroku_ext CASCADE")
