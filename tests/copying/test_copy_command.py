"""`pgcutover copy` as a person types it: what arrives, what is refused before anything is touched, what goes on."""

import json
import os
import signal
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from typed import command, environ, typed

from little_database import LITTLE, own_database, rows_of, run_sql, take_run
from pgcutover.facts.names import Dsn, Secret
from pgcutover.lab.clusters import Cluster

BIG = "".join(
    f"CREATE TABLE big{n} (id int PRIMARY KEY, body text, other int REFERENCES big{n});"
    f"INSERT INTO big{n} SELECT i, repeat(md5(i::text), 30), i FROM generate_series(1, 10000) AS i;"
    for n in range(6)
)
LEFT = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgcutover%%' AND datname = current_database()"
)


def copy(source: Dsn, target: Dsn, *words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return typed(source, target, "copy", *words, cwd=cwd)


def test_everything_arrives_and_is_proved(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """No configuration is needed; the comparison says the same, nothing of ours stays, and a second copy is refused."""
    run_sql(source, LITTLE)
    done = copy(source, target, "--verify", "--json", cwd=tmp_path)
    assert 0 == done.returncode, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert ("same", False) == (said["comparison"]["verdict"], said["resumed"])
    assert said["rows"] > 1000
    assert [(None,)] == rows_of(target, "SELECT to_regnamespace('pgcutover')")
    assert [(None,)] == rows_of(source, "SELECT to_regnamespace('pgcutover')")
    assert [] == list((tmp_path / ".pgcutover" / "copies").iterdir())
    again = copy(source, target, cwd=tmp_path)
    assert 83 == again.returncode
    assert "the target already holds objects" in again.stderr


def test_a_large_partition_s_key_leaves_no_difference(cluster18: Cluster, target: Dsn, tmp_path: Path) -> None:
    """18 to 18: its index is built apart and becomes the key, which makes the parent's NOT NULLs its own, too."""
    with own_database(cluster18) as source:
        run_sql(
            source,
            "CREATE TABLE parent (id int NOT NULL, body text, PRIMARY KEY (id)) PARTITION BY RANGE (id);"
            "CREATE TABLE part PARTITION OF parent FOR VALUES FROM (0) TO (100000);"
            "INSERT INTO part SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 20000) AS i;",
        )
        done = copy(source, target, "--verify", "--json", cwd=tmp_path)
        assert 0 == done.returncode, done.stdout + done.stderr
    assert [(True,)] == rows_of(
        target, "SELECT conislocal FROM pg_constraint WHERE contype = 'n' AND conrelid = 'public.part'::regclass"
    )


def test_whoever_may_read_everything_may_copy(source: Dsn, target: Dsn, cluster16: Cluster, tmp_path: Path) -> None:
    """A reader that owns nothing and ends nobody's sessions is enough, and what a fence would need is not asked for; a
    password that is refused is said to be that; figures are JSON where that was asked for."""
    run_sql(source, BIG + "SELECT lo_from_bytea(4711, 'large'); GRANT SELECT ON LARGE OBJECT 4711 TO PUBLIC")
    run_sql(source, "CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM big0")
    reader = replace(source, user=f"{source.user}_reader", password=Secret("a-reader"))
    with cluster16.superuser(source.database) as session:
        session.execute(f"CREATE ROLE {reader.user} LOGIN PASSWORD 'a-reader'".encode())
        session.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader.user}".encode())
    try:
        refused = copy(replace(reader, password=Secret("another")), target, cwd=tmp_path)
        done = copy(reader, target, "--verify", "--json", cwd=tmp_path)
    finally:
        with cluster16.superuser(source.database) as session:
            session.execute(f"DROP OWNED BY {reader.user}".encode())
            session.execute(f"DROP ROLE {reader.user}".encode())
    assert (80, True) == (refused.returncode, "Check user and password" in refused.stderr)
    said = json.loads(done.stdout)
    assert [] == [words for words in said["left_out"] if "large object" in words or "materialised" in words]
    assert 60_000 <= said["rows"]
    assert [] == [table for table in said["comparison"]["tables"] if table["equal"] is not True]
    assert all(line.startswith("{") for line in done.stderr.replace("} {", "}\n{").splitlines())


AWKWARD = r"""
CREATE TABLE t (id int PRIMARY KEY, b text);
INSERT INTO t SELECT i, i::text FROM generate_series(1, 200) AS i;
CREATE UNIQUE INDEX carriage ON t (replace(b, E'\r', ''));
CREATE UNIQUE INDEX both_breaks ON t (replace(b, E'\r\n', ''));
CREATE UNIQUE INDEX backslash ON t (b) WHERE b <> E'x\\y';
CREATE SCHEMA heroku_ext;
CREATE FUNCTION secret() RETURNS int LANGUAGE sql AS 'SELECT 1';
REVOKE ALL ON FUNCTION secret() FROM PUBLIC;
"""


def test_literals_and_rights_arrive_as_they_are(source: Dsn, target: Dsn, cluster16: Cluster, tmp_path: Path) -> None:
    """Line breaks and backslashes in an index; what PUBLIC may not do on the source it may not do here."""
    run_sql(source, AWKWARD)
    with cluster16.superuser(source.database) as session:
        session.execute(f'ALTER DATABASE "{source.database}" SET standard_conforming_strings = off'.encode())
        session.execute("CREATE ROLE only_there")
        session.execute("GRANT SELECT ON t TO only_there; GRANT EXECUTE ON FUNCTION secret() TO only_there")
        session.execute("ALTER DEFAULT PRIVILEGES FOR ROLE only_there GRANT SELECT ON TABLES TO PUBLIC")
    try:
        done = copy(source, target, "--verify", "--json", cwd=tmp_path)
    finally:
        with cluster16.superuser(source.database) as session:
            session.execute("DROP OWNED BY only_there")
            session.execute("DROP ROLE only_there")
    said = json.loads(done.stdout)
    # What a role has that is not there differs, and nothing else does.
    assert (2, [], []) == (done.returncode, said["comparison"]["unchecked"], said["comparison"]["sequences_behind"])
    assert [] == [words for words in said["comparison"]["definitions"] if "only_there" not in words]
    indexes = "SELECT relname, pg_get_indexdef(oid) FROM pg_class WHERE relkind = 'i' AND relname ~ '^(carr|both|back)'"
    found = dict(rows_of(target, indexes))
    assert ("'\r'" in found["carriage"], "'\r\n'" in found["both_breaks"]) == (True, True)
    assert r"'x\\y'" in found["backslash"]
    public = "SELECT has_function_privilege('public', 'public.secret()', 'EXECUTE')"
    assert [(False,)] == rows_of(target, public)
    left = "\n".join(said["left_out"])
    assert "SELECT of only_there on table public.t" in left
    assert "EXECUTE of only_there on function public.secret()" in left
    assert "default privileges of only_there for PUBLIC on TABLES" in left


def test_who_writes_meanwhile_is_not_disturbed(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """A source that is written to all the while is copied and proved as of one moment, large objects, too."""
    run_sql(source, BIG)
    run_sql(source, "CREATE TABLE busy (id serial PRIMARY KEY, object oid)")
    ended = threading.Event()

    def write() -> None:
        with psycopg.connect(source.url().reveal(), autocommit=True) as session:
            while not ended.is_set():
                session.execute("INSERT INTO busy (object) SELECT lo_from_bytea(0, 'x')")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = copy(source, target, "--verify", "--json", cwd=tmp_path)
    finally:
        ended.set()
        writer.join()
    assert 0 == done.returncode, done.stdout + done.stderr
    ((copied,),) = rows_of(target, "SELECT count(*) FROM public.busy")
    ((written,),) = rows_of(source, "SELECT count(*) FROM public.busy")
    assert 0 < copied < written
    assert [(copied,)] == rows_of(target, "SELECT count(*) FROM pg_largeobject_metadata")


def test_a_target_that_was_emptied_is_filled_again(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """Markers of tables that somebody dropped are not believed."""
    run_sql(source, BIG)
    _killed_amid_a_copy(source, target, tmp_path)
    # What the killed one left at work ends by itself; what it made is dropped by its owner.
    _until_nobody_works(target)
    run_sql(target, "".join(f"DROP TABLE IF EXISTS public.big{n} CASCADE;" for n in range(6)))
    done = copy(source, target, "--verify", "--json", cwd=tmp_path)
    assert 0 == done.returncode, done.stdout + done.stderr
    assert [(10000,)] == rows_of(target, "SELECT count(*) FROM public.big5")


def _until_nobody_works(target: Dsn) -> None:
    deadline = time.monotonic() + 60
    while [(0,)] != rows_of(target, LEFT):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_target_of_a_move_is_left_alone(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """A mistyped copy must not take a running move's record away: it is refused, and the record stays as it is."""
    take_run(target, 7, "a-move")
    refused = copy(source, target, cwd=tmp_path)
    assert (67, True) == (refused.returncode, "belongs to run a-move" in refused.stderr), refused.stderr
    assert [("a-move", 7)] == rows_of(target, "SELECT run_id, epoch FROM pgcutover.run")


def test_somebody_s_database_is_not_even_marked(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """A target that holds objects is refused before anything of ours is made in it."""
    run_sql(target, "CREATE TABLE theirs (id int)")
    refused = copy(source, target, cwd=tmp_path)
    assert (83, True) == (refused.returncode, "table public.theirs" in refused.stderr)
    assert [(None,)] == rows_of(target, "SELECT to_regnamespace('pgcutover')")


def test_a_copy_that_was_killed_goes_on_and_is_then_compared(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """kill -9 once a table has arrived: the same command brings the rest and proves all of it, unasked."""
    run_sql(source, BIG)
    _killed_amid_a_copy(source, target, tmp_path)
    done = copy(source, target, "--json", cwd=tmp_path)
    assert 0 == done.returncode, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert (60000, True, "same") == (said["rows"], said["resumed"], said["comparison"]["verdict"])


def _killed_amid_a_copy(source: Dsn, target: Dsn, cwd: Path) -> None:
    """kill -9, once a table has arrived."""
    first = subprocess.Popen(
        command("copy", "--jobs", "1"), env=environ(source, target), cwd=cwd, stderr=subprocess.DEVNULL
    )
    _wait_for_a_mark(target)
    first.kill()
    first.wait()


def _wait_for_a_mark(target: Dsn) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if rows_of(target, "SELECT to_regclass('pgcutover.chunk') IS NOT NULL") == [(True,)] and rows_of(
            target, "SELECT count(*) > 0 FROM pgcutover.chunk"
        ) == [(True,)]:
            return
        time.sleep(0.02)
    raise AssertionError("nothing arrived")


def test_ctrl_c_leaves_nobody_at_work(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """Interrupted amid the rows: exit 130, and within seconds neither server has a session of ours."""
    run_sql(source, BIG)
    running = subprocess.Popen(
        command("copy"),
        env=environ(source, target),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    _wait_for_a_session(target)
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert 130 == running.returncode, said
    assert "Run the same command again" in said
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and [[(0,)], [(0,)]] != [rows_of(dsn, LEFT) for dsn in (source, target)]:
        time.sleep(0.1)
    assert [[(0,)], [(0,)]] == [rows_of(dsn, LEFT) for dsn in (source, target)]


def _wait_for_a_session(target: Dsn) -> None:
    deadline = time.monotonic() + 60
    asked = "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name LIKE 'pgcutover copy%%'"
    while [(True,)] != rows_of(target, asked):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_cannot_be_read_is_named_before_anything_is_made(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """A right that lacks, and row security that would hide rows: exit 66, and the target stays empty."""
    run_sql(source, "CREATE TABLE mine (id int); ALTER TABLE mine ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    refused = copy(source, target, cwd=tmp_path)
    assert (66, True) == (refused.returncode, "public.mine: row security may hide rows" in refused.stderr)
    assert [(None,)] == rows_of(target, "SELECT to_regnamespace('pgcutover')")


def test_an_older_target_is_refused(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """Definitions of 18 are not for 16; nothing is made there."""
    refused = copy(target, source, cwd=tmp_path)
    assert (67, True) == (refused.returncode, "older than the source's 18" in refused.stderr)
    assert [(None,)] == rows_of(source, "SELECT to_regnamespace('pgcutover')")


def test_a_missing_extension_is_named_with_its_statement(
    source: Dsn, target: Dsn, cluster16: Cluster, tmp_path: Path
) -> None:
    """What the source has and the target lacks is not made behind anybody's back."""
    with cluster16.superuser(source.database) as session:
        session.execute("CREATE EXTENSION vector")
    refused = copy(source, target, cwd=tmp_path)
    assert (67, True) == (refused.returncode, 'CREATE EXTENSION "vector" SCHEMA "public"' in refused.stderr)


@pytest.mark.parametrize("missing", ["PGCUTOVER_SOURCE", "PGCUTOVER_TARGET"])
def test_both_databases_must_be_named(missing: str, source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """One alone is a wrong command line."""
    lone = {name: value for name, value in environ(source, target).items() if name != missing}
    done = subprocess.run(command("copy"), env=lone, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (64, True) == (done.returncode, missing in done.stderr)
