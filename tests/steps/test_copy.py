"""The step that copies, on real servers: everything arrives, also when workers die, connections break, rows move."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import psycopg
import pytest

from little_database import (
    LITTLE,
    LittleWorld,
    contents,
    definitions,
    emptied,
    join,
    own_database,
    plain,
    rows_of,
    run_sql,
    take_run,
)
from pgcutover.copying.chunk import Carry, ChunkJob, Copied
from pgcutover.copying.crew import Crew, processes
from pgcutover.edges.copystream import carry
from pgcutover.edges.postgres import Server
from pgcutover.edges.progress import read_progress
from pgcutover.errors import (
    CopyError,
    FenceError,
    PgcutoverError,
    RunnerConflictError,
    SourceError,
    TargetNotEmptyError,
)
from pgcutover.facts.names import Dsn
from pgcutover.lab.clusters import Cluster
from pgcutover.lab.relay import Relay
from pgcutover.lab.tls import CertificateAuthority
from pgcutover.planning.chunks import plan_chunks
from pgcutover.running.step import Before, Verdict
from pgcutover.steps.copy import Copy, restock
from pgcutover.steps.schema import Schema

SMALL = """
CREATE SCHEMA app;
CREATE TABLE app.big (id integer PRIMARY KEY, body text);
INSERT INTO app.big SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 30000) AS i;
CREATE TABLE app.users (id integer PRIMARY KEY, name text);
INSERT INTO app.users SELECT i, 'user ' || i FROM generate_series(1, 100) AS i;
CREATE INDEX users_name ON app.users (name);
CREATE TABLE app.posts (id integer PRIMARY KEY, author integer REFERENCES app.users);
INSERT INTO app.posts SELECT i, i FROM generate_series(1, 100) AS i;
CREATE UNLOGGED TABLE app.cache (k text, v text);
INSERT INTO app.cache VALUES ('a', 'b');
CREATE VIEW app.named AS SELECT name FROM app.users;
ANALYZE;
"""


@pytest.fixture(scope="module")
def source(cluster16: Cluster) -> Iterator[Dsn]:
    """A few small tables and one that takes a moment."""
    with own_database(cluster16) as dsn:
        run_sql(dsn, SMALL)
        yield dsn


@pytest.fixture(scope="module")
def little(cluster16: Cluster) -> Iterator[Dsn]:
    """One of everything that is hard to carry."""
    with own_database(cluster16) as dsn:
        run_sql(dsn, LITTLE)
        yield dsn


@pytest.fixture(scope="module")
def target_database(cluster16: Cluster) -> Iterator[Dsn]:
    with own_database(cluster16) as dsn:
        yield dsn


@pytest.fixture
def target(target_database: Dsn) -> Dsn:
    return emptied(target_database)


def in_threads(carrying: Carry) -> Crew:
    return Crew(lambda: ThreadPoolExecutor(2), carrying, size=2)


def prepared(world: LittleWorld) -> Before:
    """Definitions made; what copy observed."""
    Schema().do(world, Schema().observe(world))
    return Copy().observe(world)


def names(words: ChunkJob) -> list[str]:
    return [chunk.name for chunk in words.chunks]


def with_crew(world: LittleWorld, crew: Crew) -> LittleWorld:
    return LittleWorld(copier=replace(world.copier, crew=lambda: crew))


def assert_whole(world: LittleWorld, before: Before, source: Dsn) -> None:
    found = Copy().verify(world, before)
    assert (Verdict.WHOLE, "") == (found.verdict, "" if found.verdict is Verdict.WHOLE else found.detail)
    expected = {table: rows for table, rows in contents(source).items() if "sum" not in table}
    assert expected == contents(world.copier.target_dsn)
    assert definitions(source) == definitions(world.copier.target_dsn)


@pytest.mark.parametrize("major", [16, 18])
def test_everything_arrives(major: int, little: Dsn, cluster16: Cluster, cluster18: Cluster, tmp_path: Path) -> None:
    """Rows, indexes, constraints, triggers, policies and views on the target are those of the little, on 16 and 18."""
    with own_database(cluster16 if major == 16 else cluster18) as target:
        world = join(little, target, tmp_path, crew=Crew(lambda: processes(2), carry, size=2))
        before = prepared(world)
        assert Verdict.ABSENT == Copy().verify(world, before).verdict
        Copy().do(world, before)
        assert_whole(world, before, little)
        files = "SELECT oid, relfilenode FROM pg_class WHERE relkind IN ('r', 'i') ORDER BY oid"
        first = rows_of(target, files)
        Copy().do(world, before)
        assert first == rows_of(target, files)
        chunks = plan_chunks(world.copier.source.inventory(), target_version=160000)
        done = read_progress(Server(dsn=plain(target), side="target"), "run-1", chunks)
        assert (done.bytes_total, done.tables_total, ()) == (done.bytes_done, done.tables_done, done.running)
        assert done.rows_done == sum(count for name, (count, _) in contents(little).items() if "sum" not in name)


def test_progress_is_seen_while_rows_arrive(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """Another session sees the table that is arriving, and counts it as done only by its marker."""
    world = join(source, target, tmp_path)
    before = prepared(world)
    server = Server(dsn=plain(target), side="target")
    chunks = plan_chunks(world.copier.source.inventory(), target_version=160014)
    seen = []

    def watched(words: ChunkJob) -> tuple[Copied, ...]:
        if "app.big" in names(words):
            with psycopg.connect(plain(target).url().reveal()) as other, other.cursor() as cursor:
                with cursor.copy("COPY app.big FROM STDIN") as rows:
                    rows.write(b"".join(b"%d\tx\n" % n for n in range(20000)))
                    seen.append(read_progress(server, "run-1", chunks))
                other.rollback()
        return carry(words)

    Copy().do(with_crew(world, in_threads(watched)), before)
    (during,) = seen
    assert ["app.big"] == [str(table) for table in during.running]
    assert 0 <= during.bytes_done < during.bytes_total


def test_a_worker_killed_in_the_middle_is_replaced(
    source: Dsn, target: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kill -9 of a worker while it copies: its chunk is copied again by another, and everything arrives once."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "copying"))
    from workers import carry_and_die_once

    world = with_crew(
        join(source, target, tmp_path),
        Crew(lambda: processes(2), partial(carry_and_die_once, tmp_path / "flag"), size=2),
    )
    before = prepared(world)
    Copy().do(world, before)
    assert (tmp_path / "flag").exists()
    assert_whole(world, before, source)


def test_a_run_that_stopped_goes_on_where_it_was(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """After an error in the middle the same step, under a new epoch, copies only what has no marker yet."""
    world = join(source, target, tmp_path)
    before = prepared(world)
    carried: list[str] = []
    some_arrived = threading.Event()

    def stops_at_big(words: ChunkJob) -> tuple[Copied, ...]:
        if "app.big" in names(words):
            assert some_arrived.wait(60)
            raise CopyError("enough")
        copied = carry(words)
        carried.extend(names(words))
        if len(carried) == 2:
            some_arrived.set()
        return copied

    with pytest.raises(CopyError, match="enough"):
        Copy().do(with_crew(world, in_threads(stops_at_big)), before)
    first, carried[:] = set(carried), []
    assert first
    assert Verdict.PARTIAL == Copy().verify(world, before).verdict

    def goes_on(words: ChunkJob) -> tuple[Copied, ...]:
        carried.extend(names(words))
        return carry(words)

    again = with_crew(join(source, target, tmp_path, epoch=2), in_threads(goes_on))
    Copy().do(again, before)
    assert set() == first & set(carried)
    assert_whole(again, before, source)


def test_a_runner_that_was_replaced_writes_nothing(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """T3: once another epoch holds the run, the old runner's chunks are refused at their first statement."""
    world = join(source, target, tmp_path)
    before = prepared(world)
    held_back: list[str] = []

    def after_another_took_over(words: ChunkJob) -> tuple[Copied, ...]:
        take_run(target, 2)
        held_back.extend(names(words))
        return carry(words)

    # Without the step's own hold on the run's row: the moment in which its session was lost.
    loose = LittleWorld(copier=replace(world.copier, target=_Unheld(world.copier.target)))  # type: ignore[arg-type]
    with pytest.raises(RunnerConflictError, match="another runner took over run run-1"):
        Copy().do(with_crew(loose, in_threads(after_another_took_over)), before)
    assert held_back
    assert {0} == {count for count, _ in contents(target).values()}


class _Unheld:
    """A target whose hold on the run's row is lost."""

    def __init__(self, target: object) -> None:
        self._target = target

    def __getattr__(self, name: str) -> object:
        return getattr(self._target, name)

    @contextmanager
    def held(self) -> Iterator[None]:
        yield


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_cut_network_stops_the_run_and_the_same_step_finishes_it(
    side: str,
    source: Dsn,
    target: Dsn,
    cluster16: Cluster,
    tls_relay: Callable[..., Relay],
    lab_ca: CertificateAuthority,
    tmp_path: Path,
) -> None:
    """Cut while the big table flows: an error about that side, then a second run that brings what is missing."""
    relay = tls_relay(cluster16)
    way = replace(source if side == "source" else target, host="localhost", port=relay.port)
    world = join(source, target, tmp_path)
    before = prepared(world)

    def through_the_relay(words: ChunkJob) -> tuple[Copied, ...]:
        verified = way.with_options(sslmode="verify-full", sslrootcert=str(lab_ca.bundle))
        return carry(replace(words, **{side: verified}))

    cut_world = with_crew(world, in_threads(through_the_relay))
    relay.cut_after(4_000_000)
    with pytest.raises(PgcutoverError, match=side):
        Copy().do(cut_world, before)
    Copy().do(cut_world, before)
    assert_whole(cut_world, before, source)


def in_parts(world: LittleWorld, before: Before, source: Dsn) -> list[str]:
    """Cut the big table in three, as a run does that finds it larger than all others; what the parts are called."""
    pages = "SELECT pg_relation_size('app.big') / current_setting('block_size')::int"
    ((count,),) = rows_of(source, pages)
    starts = (0, count // 3, 2 * count // 3)
    world.copier.target.prepare()
    world.copier.target.cut({"app.big": starts})
    return [f"app.big from page {start}" for start in starts]


def test_a_table_in_parts_arrives_whole(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """T23: parts that arrive side by side hold every row once; none is left out behind the last page that was seen."""
    world = join(source, target, tmp_path)
    before = prepared(world)
    parts = in_parts(world, before, source)
    Copy().do(world, before)
    assert_whole(world, before, source)
    marks = dict(rows_of(target, "SELECT chunk, rows FROM pgcutover.chunk WHERE chunk LIKE 'app.big%'"))
    assert set(parts) == marks.keys()
    assert rows_of(source, "SELECT count(*) FROM app.big") == [(sum(marks.values()),)]
    assert min(marks.values()) > 0


def test_a_table_in_parts_goes_on_with_the_parts_that_are_missing(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """T3: where a table is cut stands on the target; a second run takes it from there, and copies no part twice."""
    world = join(source, target, tmp_path)
    before = prepared(world)
    first, *others = in_parts(world, before, source)

    def stops_after_the_first(words: ChunkJob) -> tuple[Copied, ...]:
        if set(others) & set(names(words)):
            raise CopyError("enough")
        return carry(words)

    def carried(words: ChunkJob) -> tuple[Copied, ...]:
        again.extend(names(words))
        return carry(words)

    one_by_one = Crew(lambda: ThreadPoolExecutor(1), stops_after_the_first, size=1)
    with pytest.raises(CopyError, match="enough"):
        Copy().do(with_crew(world, one_by_one), before)
    arrived = {chunk for (chunk,) in rows_of(target, "SELECT chunk FROM pgcutover.chunk")}
    again: list[str] = []
    resumed = with_crew(join(source, target, tmp_path, epoch=2), in_threads(carried))
    Copy().do(resumed, before)
    assert set() == arrived & set(again)
    assert {first, *others} <= arrived | set(again)
    assert_whole(resumed, before, source)


def test_a_table_in_parts_is_not_laid_over_somebody_else_s_rows(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """A part cannot tell its neighbours' rows from a stranger's, so this is looked at before the first arrives."""
    world = join(source, target, tmp_path)
    before = prepared(world)
    in_parts(world, before, source)
    run_sql(target, "INSERT INTO app.big VALUES (1, 'somebody else''s')")
    with pytest.raises(TargetNotEmptyError, match=r"app\.big on the target holds rows"):
        Copy().do(world, before)


def test_an_unlogged_table_that_a_crash_emptied_is_copied_again(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """Its marker survived and its rows did not: the marker is not believed, the rows come again."""
    world = join(source, target, tmp_path)
    before = prepared(world)
    Copy().do(world, before)
    run_sql(target, "TRUNCATE app.cache")
    assert (Verdict.PARTIAL, "missing: app.cache") == (
        Copy().verify(world, before).verdict,
        Copy().verify(world, before).detail,
    )
    Copy().do(world, before)
    assert_whole(world, before, source)


def test_an_unlogged_table_that_is_emptied_after_the_copy_is_filled_again(
    source: Dsn, target: Dsn, tmp_path: Path
) -> None:
    """Before each later step it is looked at, indexes and all; a table that is as it was is not touched."""
    world = join(source, target, tmp_path)
    before = prepared(world)
    Copy().do(world, before)
    run_sql(target, "TRUNCATE app.cache")
    restock(world)
    assert_whole(world, before, source)
    (marked,) = rows_of(target, "SELECT xmin::text FROM pgcutover.chunk WHERE chunk = 'app.cache'")
    restock(world)
    assert [marked] == rows_of(target, "SELECT xmin::text FROM pgcutover.chunk WHERE chunk = 'app.cache'")


def test_a_missing_index_is_found_and_built(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """verify asks the target: a dropped index is named, and do builds it."""
    world = join(source, target, tmp_path)
    before = prepared(world)
    Copy().do(world, before)
    run_sql(target, "DROP INDEX app.users_name")
    found = Copy().verify(world, before)
    assert (Verdict.PARTIAL, "missing: index users_name on app.users") == (found.verdict, found.detail)
    Copy().do(world, before)
    assert Verdict.WHOLE == Copy().verify(world, before).verdict


def test_definitions_that_changed_stop_the_run(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """A column added on the source after the step looked means that the fence leaks."""
    world = join(source, target, tmp_path)
    before = {**prepared(world), "fingerprint": "another"}
    with pytest.raises(FenceError, match="definitions on the source changed"):
        Copy().do(world, before)


def test_a_source_that_goes_away_is_the_source_s_error(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """When the holder of the snapshot is ended, chunks that come later are refused, and the run can go on."""
    world = join(source, target, tmp_path)
    before = prepared(world)
    ended = []

    def after_the_holder_died(words: ChunkJob) -> tuple[Copied, ...]:
        if not ended:
            ended.append(
                rows_of(
                    source,
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE application_name = 'pgcutover snapshot' AND usename = current_user",
                )
            )
        return carry(words)

    with pytest.raises(SourceError):
        Copy().do(with_crew(world, in_threads(after_the_holder_died)), before)
    Copy().do(world, before)
    assert_whole(world, before, source)
