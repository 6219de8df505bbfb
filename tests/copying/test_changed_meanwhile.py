"""A source that somebody changes while it is copied, and a target that somebody changes between two tries."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from workers import job

from little_database import own_database, plain, rows_of, run_sql
from pgcutover.app.plain_copy import CopyDone, copy_database
from pgcutover.edges.archive import Archive
from pgcutover.edges.copyfinish import CopyFinish
from pgcutover.edges.copysource import CopySource
from pgcutover.edges.copystatistics import read_statistics
from pgcutover.edges.copytarget import CopyTarget
from pgcutover.edges.postgres import Server
from pgcutover.errors import FenceError, TargetError, TargetNotEmptyError
from pgcutover.facts.names import Dsn, TableName
from pgcutover.lab.clusters import Cluster, binaries

MADE = """
CREATE TABLE t (id integer PRIMARY KEY, v text);
INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 2000) AS i;
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER guard BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION noted();
"""
OBJECTS = "SELECT lo_from_bytea(900000 + i, convert_to('object ' || i, 'UTF8')) FROM generate_series(1, 30) AS i;"
DIGESTS = "SELECT count(*), md5(string_agg(md5(lo_get(oid)), '' ORDER BY oid)) FROM pg_largeobject_metadata"


@pytest.fixture
def source(cluster16: Cluster) -> Iterator[Dsn]:
    with own_database(cluster16) as dsn:
        run_sql(dsn, MADE)
        yield dsn


def copied(source: Dsn, target: Dsn, state: Path) -> CopyDone:
    return copy_database(plain(source), plain(target), jobs=1, verify=False, state=state, pg_bin=(binaries(18),))


def before(monkeypatch: pytest.MonkeyPatch, where: type, name: str, act: Callable[[], object]) -> None:
    """Have something happen right before a method of a class, the first time."""
    once = [act]
    method = getattr(where, name)

    def changed(*arguments: Any, **options: Any) -> Any:
        while once:
            once.pop()()
        return method(*arguments, **options)

    monkeypatch.setattr(where, name, changed)


@pytest.mark.parametrize(
    ("change", "back"),
    [
        ("ALTER TABLE t DISABLE TRIGGER guard", "ALTER TABLE t ENABLE TRIGGER guard"),
        ("ALTER TABLE t ADD c integer", "ALTER TABLE t DROP c"),
        ("ALTER TABLE t ALTER v SET NOT NULL", "ALTER TABLE t ALTER v DROP NOT NULL"),
    ],
    ids=["trigger", "column", "not null"],
)
def test_definitions_of_another_moment_are_noticed(
    change: str, back: str, source: Dsn, target: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was otherwise while definitions were dumped, and is as it was before rows are read, stops the copy."""
    before(monkeypatch, Archive, "dump", lambda: run_sql(source, change))
    before(monkeypatch, CopySource, "indexes", lambda: run_sql(source, back))
    with pytest.raises(FenceError, match="definitions on the source changed"):
        copied(source, target, tmp_path)


@pytest.mark.parametrize("change", ["TRUNCATE t; INSERT INTO t VALUES (1, 'new')", "ALTER TABLE t ALTER v TYPE text"])
def test_a_table_that_is_rewritten_before_any_row_is_read_is_no_matter(
    change: str, source: Dsn, target: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it was copied yet."""
    before(monkeypatch, Archive, "dump", lambda: run_sql(source, change))
    copied(source, target, tmp_path)
    rows = "SELECT * FROM public.t ORDER BY id"
    assert rows_of(source, rows) == rows_of(target, rows)


def test_an_index_that_comes_after_the_last_row_is_not_missed(
    source: Dsn, target: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is of one moment, and is held against that moment."""
    index = "CREATE INDEX late ON t (v)"
    before(monkeypatch, CopyFinish, "set_sequences", lambda: run_sql(source, index))
    assert 2000 == copied(source, target, tmp_path).rows
    assert [(None,)] == rows_of(target, "SELECT to_regclass('public.late')")


def test_large_objects_that_were_removed_by_hand_come_again(
    source: Dsn, target: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Markers of objects that are gone are not believed: the same command brings them again."""
    run_sql(source, OBJECTS)
    _broken_off_at_the_end(source, target, tmp_path, monkeypatch)
    assert 30 == rows_of(target, DIGESTS)[0][0]
    run_sql(target, "DROP TABLE public.t; DROP FUNCTION public.noted")
    run_sql(target, "SELECT lo_unlink(oid) FROM pg_largeobject_metadata")
    done = copied(source, target, tmp_path)
    assert rows_of(source, DIGESTS) == rows_of(target, DIGESTS)
    assert done.comparison is not None
    assert 0 == done.comparison.exit_code


def _broken_off_at_the_end(source: Dsn, target: Dsn, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows and objects are there, and the markers that say so."""

    def fails(*_arguments: object) -> None:
        raise TargetError("no sequence today")

    with monkeypatch.context() as broken:
        broken.setattr(CopyFinish, "set_sequences", fails)
        with pytest.raises(TargetError, match="no sequence today"):
            copied(source, target, state)


def test_some_of_the_large_objects_gone_is_said(
    source: Dsn, target: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can tell which of those that are left are to stay."""
    run_sql(source, OBJECTS)
    _broken_off_at_the_end(source, target, tmp_path, monkeypatch)
    run_sql(target, "SELECT lo_unlink(900007)")
    with pytest.raises(TargetNotEmptyError, match="29 of large objects 900001 to 900030") as caught:
        copied(source, target, tmp_path)
    assert "lo_unlink" in caught.value.hint


def test_somebody_s_large_objects_are_objects(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """A target with nothing but large objects is not empty, and is told so before anything is made."""
    run_sql(target, "SELECT lo_from_bytea(900003, 'mine')")
    with pytest.raises(TargetNotEmptyError, match="already holds objects: 1 large objects"):
        copied(source, target, tmp_path)
    assert [(None,)] == rows_of(target, "SELECT to_regnamespace('pgcutover')")


def test_what_was_gathered_of_other_rows_is_not_taken(source: Dsn) -> None:
    """The planner's knowledge is that of the snapshot: what ANALYZE found later is of rows that are not copied."""
    server = Server(dsn=plain(source), side="source")
    table = TableName(schema="public", name="t")
    run_sql(source, "ANALYZE t")
    with CopySource(server=server).snapshot() as snapshot:
        assert [table] == [known.table for known in read_statistics(server, [table], snapshot=snapshot)]
        run_sql(source, "UPDATE t SET v = 'done'")
        run_sql(source, "ANALYZE t")
        assert () == read_statistics(server, [table], snapshot=snapshot)


def test_what_a_silent_worker_holds_is_let_go(target: Dsn) -> None:
    """A worker of which nobody hears any more may hold its chunk's marker; its session is ended, and no other's."""
    server = Server(dsn=plain(target), side="target")
    with (
        server.session("copy app.t") as silent,
        server.session("copy app.u") as other,
    ):
        CopyTarget(server=server, run_id="run", claim="SELECT 1").evict(job(name="app.t"))
        with pytest.raises(psycopg.OperationalError):
            silent.execute("SELECT 1")
        other.execute("SELECT 1")
        silent.close()
