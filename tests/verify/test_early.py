"""Digests that are taken during the copy save the proof the reading, and never hide anything from it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from little_database import RUN, LittleWorld, join, own_database, plain, rows_of, run_sql
from pgcutover.edges import comparing
from pgcutover.edges.content import ContentProof
from pgcutover.edges.copytarget import CopyTarget
from pgcutover.edges.early import EarlyDigests
from pgcutover.edges.postgres import Server
from pgcutover.errors import CopyError
from pgcutover.facts.names import Dsn
from pgcutover.facts.proof import Proof
from pgcutover.lab.clusters import Cluster
from pgcutover.planning.tasks import plan_chunks
from pgcutover.steps.copy import Copy
from pgcutover.steps.schema import Schema

FILLED = "INSERT INTO {0} SELECT i, repeat(md5(i::text), 3), i / 7.0::float8 FROM generate_series(1, 200) AS i;"
TABLE = "CREATE TABLE {0} (id integer PRIMARY KEY, body text DEFAULT 'x', weight double precision);" + FILLED

WAYS = {
    "inserted": "INSERT INTO {0} VALUES (1000, 'new', 0)",
    "updated": "UPDATE {0} SET body = body || ' ' WHERE id = 7",
    "updated_back_and_forth": "UPDATE {0} SET weight = -0.0 WHERE id = 7",
    "deleted": "DELETE FROM {0} WHERE id = 7",
    "replaced": "DELETE FROM {0} WHERE id = 7; INSERT INTO {0} VALUES (7, 'another', 1)",
    "in_a_savepoint": "BEGIN; SAVEPOINT a; UPDATE {0} SET body = '' WHERE id = 7; RELEASE a; COMMIT",
    "emptied": "TRUNCATE {0}",
    "filled_anew": "TRUNCATE {0}; INSERT INTO {0} SELECT i, 'y', 0 FROM generate_series(1, 200) AS i",
    "rewritten": "UPDATE {0} SET body = 'z' WHERE id = 7; VACUUM (FULL, FREEZE) {0}",
    "column_made_anew": "ALTER TABLE {0} DROP COLUMN body; ALTER TABLE {0} ADD COLUMN body text DEFAULT 'x'",
}
UNTOUCHED = "app.untouched"
NOT_EARLY = "app.parted"
SMALL = "\n".join(
    [
        "CREATE SCHEMA app;",
        *(TABLE.format(f"app.{name}") for name in [*WAYS, "untouched", "moved"]),
        "CREATE TYPE app.mood AS ENUM ('a', 'b');",
        "CREATE TABLE app.parted (k app.mood, v integer) PARTITION BY HASH (k);",
        "CREATE TABLE app.parted_0 PARTITION OF app.parted FOR VALUES WITH (MODULUS 1, REMAINDER 0);",
        "INSERT INTO app.parted VALUES ('a', 1), ('b', 2);",
    ]
)


@pytest.fixture
def source(cluster16: Cluster) -> Iterator[Dsn]:
    with own_database(cluster16) as dsn:
        run_sql(dsn, SMALL)
        yield dsn


@pytest.fixture
def target(cluster18: Cluster) -> Iterator[Dsn]:
    with own_database(cluster18) as dsn:
        yield dsn


class Watched:
    """The early digests, of which the copy waits for all: how many are in time is the machine's affair."""

    def __init__(self, digests: EarlyDigests) -> None:
        self._digests = digests

    @contextmanager
    def taking(self, snapshot: str) -> Iterator[object]:
        with self._digests.taking(snapshot) as told:
            yield told
            for future in told.__self__.waiting:  # type: ignore[attr-defined]
                future.result(60)


def early_world(source: Dsn, target: Dsn, directory: Path, *, epoch: int = 1) -> LittleWorld:
    copier = join(source, target, directory, epoch=epoch).copier
    assert isinstance(copier.target, CopyTarget)
    digests = EarlyDigests(source=Server(dsn=plain(source), side="source"), target=copier.target)
    return LittleWorld(copier=replace(copier, early=Watched(digests).taking))  # type: ignore[arg-type]


def copied(source: Dsn, target: Dsn, directory: Path) -> None:
    world = early_world(source, target, directory)
    Schema().do(world, Schema().observe(world))
    Copy().do(world, Copy().observe(world))


class Proved:
    """A proof, with the tables whose rows were read for it on each side."""

    def __init__(self, source: Dsn, target: Dsn, monkeypatch: pytest.MonkeyPatch, *, early: bool = True) -> None:
        self.read: set[tuple[str, str]] = set()
        reading = comparing.range_sums

        def noted(connection, unit, there, piece=None, *, wide):  # type: ignore[no-untyped-def]
            self.read.add((str(unit), "source" if connection.info.server_version < 180000 else "target"))
            return reading(connection, unit, there, piece, wide=wide)

        servers = (Server(dsn=plain(source), side="source"), Server(dsn=plain(target), side="target"))
        with monkeypatch.context() as patched:
            patched.setattr(comparing, "range_sums", noted)
            self.proof: Proof = ContentProof(*servers, jobs=2, run_id=RUN).compare(early=early)

    @property
    def different(self) -> set[str]:
        return {str(c.unit) for c in self.proof.different}


def test_what_was_read_during_the_copy_is_not_read_again(
    source: Dsn, target: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof reads only what no early digest can stand for, and finds every table equal; asked to, it reads all."""
    copied(source, target, tmp_path)
    found = Proved(source, target, monkeypatch)
    assert {(NOT_EARLY, "source"), (NOT_EARLY, "target")} == found.read
    assert ((), ()) == (found.proof.different, found.proof.unchecked)
    costs = {str(c.unit): c.source_cost for c in found.proof.tables}
    assert [False, True] == [bool(cost and cost.early_seconds) for cost in (costs[NOT_EARLY], costs[UNTOUCHED])]
    afresh = Proved(source, target, monkeypatch, early=False)
    assert {str(c.unit) for c in afresh.proof.tables} == {table for table, _ in afresh.read}
    assert {str(c.unit): c.source for c in afresh.proof.tables} == {str(c.unit): c.source for c in found.proof.tables}


@pytest.mark.parametrize("side", ["source", "target"])
def test_whatever_changed_since_is_found(
    side: str, source: Dsn, target: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every way in which rows can change after their digest was taken, on either side: read again, and different."""
    copied(source, target, tmp_path)
    changed = source if side == "source" else target
    for name, way in WAYS.items():
        for statement in way.format(f"app.{name}").split("; ") if "BEGIN" not in way else [way.format(f"app.{name}")]:
            run_sql(changed, statement)
    found = Proved(source, target, monkeypatch)
    assert {f"app.{name}" for name in WAYS} == found.different
    assert UNTOUCHED not in {table for table, _ in found.read}


def test_rows_that_were_not_committed_when_the_copy_began_are_found(
    source: Dsn, target: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction that was open, and its savepoints, committed after the copy: the old rows are not believed."""
    with psycopg.connect(source.url().reveal()) as other:
        other.execute("UPDATE app.inserted SET body = 'late' WHERE id = 1")
        other.execute("SAVEPOINT a; UPDATE app.deleted SET body = 'late' WHERE id = 1; RELEASE a")
        copied(source, target, tmp_path)
        other.commit()
    assert {"app.inserted", "app.deleted"} == Proved(source, target, monkeypatch).different


def test_a_table_that_was_only_rewritten_holds_the_same(
    source: Dsn, target: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vacuumed, frozen and analysed rows are the same rows: nothing is read again, and nothing is called different."""
    copied(source, target, tmp_path)
    for dsn in (source, target):
        run_sql(dsn, "VACUUM (FREEZE, ANALYZE) app.untouched")
        run_sql(dsn, "VACUUM FULL app.moved")
    found = Proved(source, target, monkeypatch)
    assert (set(), {NOT_EARLY}) == (found.different, {table for table, _ in found.read})


@pytest.mark.parametrize("field", ["shape", "spelling", "hash128", "rows", "xid"])
def test_evidence_that_does_not_fit_is_not_believed(
    field: str, source: Dsn, target: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another life of the server, other columns, another count or hash: both sides are read, and are found equal."""
    copied(source, target, tmp_path)
    value = "1" if field in ("rows", "xid") else '"0"'
    run_sql(
        target,
        f"UPDATE pgcutover.digest SET evidence = jsonb_set(evidence::jsonb, '{{target,{field}}}', '{value}')::text"
        " WHERE chunk = 'app.untouched'",
    )
    found = Proved(source, target, monkeypatch)
    assert (UNTOUCHED, "target") in found.read
    assert ((), ()) == (found.proof.different, found.proof.unchecked)


def test_a_copy_that_stopped_keeps_its_digests(
    source: Dsn, target: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later try of the step does not take again what an earlier one took, and the proof believes all of it."""
    world = early_world(source, target, tmp_path)
    Schema().do(world, Schema().observe(world))
    before = Copy().observe(world)

    class Stopping:
        """Definitions whose indexes cannot be made."""

        def __getattr__(self, name: str) -> object:
            return getattr(world.copier.definitions, name)

        def restore(self, *_: object, **__: object) -> None:
            raise CopyError("enough")

    stopping = LittleWorld(copier=replace(world.copier, definitions=Stopping()))  # type: ignore[arg-type]
    with pytest.raises(CopyError, match="enough"):
        Copy().do(stopping, before)
    Copy().do(early_world(source, target, tmp_path, epoch=2), before)
    first = rows_of(target, "SELECT chunk, taken_at FROM pgcutover.digest ORDER BY 1")
    assert len(WAYS) + 2 == len(first)
    Copy().do(early_world(source, target, tmp_path, epoch=3), before)
    assert first == rows_of(target, "SELECT chunk, taken_at FROM pgcutover.digest ORDER BY 1")
    assert {NOT_EARLY} == {table for table, _ in Proved(source, target, monkeypatch).read}


def test_a_snapshot_that_is_lost_is_no_error(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """Digests that cannot be taken are left to the proof: nothing is kept, and nobody is told."""
    world = early_world(source, target, tmp_path)
    Schema().do(world, Schema().observe(world))
    Copy().do(LittleWorld(copier=join(source, target, tmp_path).copier), Copy().observe(world))
    assert isinstance(world.copier.target, CopyTarget)
    digests = EarlyDigests(source=Server(dsn=plain(source), side="source"), target=world.copier.target)
    with Watched(digests).taking("00000003-0000001B-1") as told:
        for chunk in plan_chunks(world.copier.source.inventory(), target_version=180000):
            told(chunk)  # type: ignore[operator]
    assert [] == rows_of(target, "SELECT * FROM pgcutover.digest")
