"""The canary, between two real servers: what it keeps of a restore, and what makes it refuse."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from fenced_database import Fenced, Noted, fenced_database
from pgcutover.edges import canary as edge
from pgcutover.edges.canary import Canary
from pgcutover.errors import SourceError, ToolError
from pgcutover.facts.names import Dsn
from pgcutover.facts.rds import DatabaseFacts, DatabaseSpec
from pgcutover.lab.clusters import Cluster, binaries
from pgcutover.planning.definition_proof import definition_differences
from pgcutover.running.step import Verdict
from pgcutover.steps.canary import Canary as CanaryStep
from pgcutover.steps.canary import seen_by_canary

MARK = "pgcutover: test"

# What a dump and restore spells anew, as Rails and Django write it, and tables that inherit.
ORDINARY = """
DROP SCHEMA public CASCADE; CREATE SCHEMA public; COMMENT ON SCHEMA public IS 'ours';
CREATE TABLE a (id bigserial PRIMARY KEY, s varchar(9) CHECK (s IN ('a', 'b')), n numeric(9,2) CHECK (n IN (1, 2)));
CREATE INDEX a_open ON a (id) WHERE s IN ('a', 'b');
CREATE POLICY p ON a USING (s IN ('a', 'b'));
CREATE DOMAIN d AS varchar(5) CHECK (VALUE IN ('x', 'y'));
CREATE FUNCTION trg() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS 'BEGIN RETURN new; END';
CREATE TRIGGER t BEFORE UPDATE ON a FOR EACH ROW WHEN (new.s IN ('a', 'b')) EXECUTE FUNCTION trg();
CREATE VIEW v AS SELECT id FROM a WHERE s IN ('a', 'b');
CREATE FUNCTION f(x varchar) RETURNS boolean LANGUAGE sql BEGIN ATOMIC SELECT x IN ('a', 'b'); END;
CREATE AGGREGATE total (integer) (sfunc = int4pl, stype = integer, initcond = '0', parallel = safe);
CREATE TABLE parent (a integer); CREATE TABLE child (x integer) INHERITS (parent); ALTER TABLE parent ADD b integer;
CREATE TABLE late (x integer, a integer, b integer); ALTER TABLE late INHERIT parent;
CREATE TEXT SEARCH CONFIGURATION words (COPY = simple);
CREATE OPERATOR === (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4eq, COMMUTATOR = ===, HASHES, MERGES);
"""

# Spelled anew by the restore in a way that nothing here knows: only the canary tells.
UNKNOWN = "CREATE VIEW w AS SELECT id FROM a WHERE s = ANY (ARRAY[s, 'b']::varchar[])"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the step sees."""

    canary: Canary
    notes: Noted


@pytest.fixture
def old(cluster16: Cluster) -> Iterator[Fenced]:
    with fenced_database(cluster16, filled=False) as found:
        found.run(f'ALTER SCHEMA public OWNER TO "{found.owner.user}"')
        run(found, ORDINARY)
        yield found


@pytest.fixture(params=[16, 18])
def new(request: pytest.FixtureRequest, cluster16: Cluster, cluster18: Cluster) -> Iterator[Fenced]:
    with fenced_database({16: cluster16, 18: cluster18}[request.param], filled=False) as found:
        yield found


def run(database: Fenced, statements: str) -> None:
    with psycopg.connect(database.owner.url().reveal(), autocommit=True) as session:
        session.execute(statements)


def canary_of(old: Fenced, new: Fenced, directory: Path) -> Canary:
    owner = new.owner.user

    def ensure(spec: DatabaseSpec) -> None:
        name = sql.Identifier(spec.name)
        with new.cluster.superuser() as session:
            session.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, sql.Identifier(owner)))
            session.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(spec.owned_by)))

    def look(name: str) -> DatabaseFacts | None:
        with new.cluster.superuser() as session:
            found = session.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone()
        if found is None:
            return None
        return DatabaseFacts(
            name=name, owner=owner, encoding="UTF8", collate="C", ctype="C", mark=MARK, search_path="",
            public_create=False, extensions=(), schemas=(), objects=(),
        )  # fmt: skip

    def login(name: str) -> Dsn:
        return replace(new.owner, database=name)

    spec = DatabaseSpec(
        name=new.owner.database, owner=owner, owned_by=MARK, encoding="UTF8", collate="C", ctype="C", search_path="",
        public_create=False, extensions=(), schemas=(),
    )  # fmt: skip
    return Canary(
        spec=spec, source=old.server, directories=(binaries(16), binaries(18)), file=directory / "canary.dump",
        ensure=ensure, look=look, master=login, app=login,
    )  # fmt: skip


def test_an_ordinary_database_comes_out_alike(old: Fenced, new: Fenced, tmp_path: Path) -> None:
    """What a restore spells anew is no difference, on either version; nothing is left behind."""
    world = World(canary=canary_of(old, new, tmp_path), notes=Noted())
    CanaryStep().do(world, {})
    found = CanaryStep().verify(world, {})
    assert (Verdict.WHOLE, [], 0) == (found.verdict, found.evidence["otherwise"], found.evidence["otherwise_count"])
    assert frozenset() == seen_by_canary(world.notes)
    assert not (tmp_path / "canary.dump").exists()


def test_what_the_canary_met_decides_nothing_later(old: Fenced, new: Fenced, tmp_path: Path) -> None:
    """The very same difference is passed; another of the same object is not, nor is a loss."""
    run(old, UNKNOWN)
    world = World(canary=canary_of(old, new, tmp_path), notes=Noted())
    CanaryStep().do(world, {})
    met = CanaryStep().verify(world, {}).evidence
    assert (["view:public.w"], 1) == (met["otherwise"], met["otherwise_count"])
    seen = seen_by_canary(world.notes)
    flight = world.canary.fly().otherwise
    same = new.cluster.major == old.cluster.major
    ours = {d.name: str(d.source) for d in flight}
    theirs = {d.name: str(d.target) for d in flight}
    assert [False] == [d.decisive for d in definition_differences(ours, theirs, same_major=same, seen=seen)]
    for changed in ({"view:public.w": "SELECT 2"}, {}):
        assert [True] == [d.decisive for d in definition_differences(ours, changed, same_major=same, seen=seen)]


def test_a_loss_stops_the_preparation(
    old: Fenced, new: Fenced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A definition that a restore does not make is named days ahead, and the scratch database is dropped."""
    kept = edge.sift

    def lossy(*arguments: object, **options: object) -> object:
        parted = kept(*arguments, **options)  # type: ignore[arg-type]
        return replace(parted, kept=tuple(e for e in parted.kept if e.kind != "INDEX"))

    monkeypatch.setattr(edge, "sift", lossy)
    canary = canary_of(old, new, tmp_path)
    with pytest.raises(ToolError, match=r"loses index:public\.a_open"):
        canary.fly()
    assert not canary.there()


def test_a_migration_during_the_dump_is_not_taken_for_a_difference(
    old: Fenced, new: Fenced, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dump is made again; when the application never rests, the error says so."""
    dump, made = edge.dump_schema, []

    def migrating(*arguments: object, **options: object) -> object:
        if len(made) < limit:
            made.append(len(made))
            run(old, f"CREATE TABLE made{len(made)} (id integer)")
        return dump(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(edge, "dump_schema", migrating)
    limit = 1
    assert () == canary_of(old, new, tmp_path).fly().otherwise
    limit = 99
    with pytest.raises(SourceError, match="changed during each of 3 dumps"):
        canary_of(old, new, tmp_path).fly()
