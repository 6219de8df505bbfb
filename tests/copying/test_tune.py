"""`pgcutover tune` as a person types it: what it finds, what it leaves behind (nothing), what it refuses."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from typed import command, environ, typed

from little_database import LITTLE, own_database, plain, rows_of, run_sql
from pgcutover.edges.postgres import Server
from pgcutover.edges.throwaway import MARK, PREFIX, throwaways
from pgcutover.facts.inventory import Extension
from pgcutover.facts.names import Dsn
from pgcutover.lab.clusters import Cluster

OURS = f"SELECT datname::text FROM pg_database WHERE datname ^@ '{PREFIX}' ORDER BY 1"
LARGE = (
    "CREATE TABLE large (id int PRIMARY KEY, body text); CREATE INDEX ON large (body);"
    "INSERT INTO large SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 4000) AS i;"
    "CREATE TABLE small (id int PRIMARY KEY, other int REFERENCES large);"
    "INSERT INTO small SELECT i, i FROM generate_series(1, 4000) AS i;"
    "CREATE TABLE kind (id int PRIMARY KEY, other int REFERENCES small); INSERT INTO kind VALUES (1, 4000);"
    "SELECT lo_from_bytea(0, 'x');"
)


@pytest.fixture
def target(cluster18: Cluster) -> Iterator[Dsn]:
    """A database of a role that may make others; whatever the role made is dropped in the end."""
    with own_database(cluster18) as dsn:
        with cluster18.superuser() as session:
            session.execute(sql.SQL("ALTER ROLE {} CREATEDB").format(sql.Identifier(dsn.user)))
        yield dsn
        with cluster18.superuser() as session:
            owned = "SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = %s AND datname <> %s"
            for (name,) in session.execute(owned, (dsn.user, dsn.database)).fetchall():
                session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def tune(source: Dsn, target: Dsn, *words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return typed(source, target, "tune", *words, cwd=cwd)


def test_a_table_of_tries_is_printed_and_nothing_is_left(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """Every sort of object is copied by every try; the target's server, the target and the directory stay as they
    were, and a target that holds objects is no obstacle."""
    run_sql(source, LITTLE)
    run_sql(target, "CREATE TABLE theirs (id int)")
    done = tune(source, target, "--jobs", "4", "--repeats", "2", "--part", "all", cwd=tmp_path)
    assert 0 == done.returncode, done.stdout + done.stderr
    assert "try 5 of 5, --jobs 4" in done.stderr
    words = " ".join(done.stdout.split())
    for shown in ("jobs memory for sorts median", "4 chosen for each index", "4 as the server is set"):
        assert shown in words
    assert "pgcutover copy --jobs " in words
    assert [] == rows_of(target, OURS)
    assert [(1, None)] == rows_of(
        target, "SELECT count(*), to_regnamespace('pgcutover') FROM pg_class WHERE relname = 'theirs'"
    )
    assert [] == list((tmp_path / ".pgcutover" / "tune").iterdir())


def test_a_part_is_copied_and_what_is_left_out_is_said(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """Half of the large table's pages, the small ones whole, and no foreign key that would point nowhere."""
    run_sql(source, LARGE)
    done = tune(source, target, "--jobs", "4", "--repeats", "2", "--part", "2.5MB", "--json", cwd=tmp_path)
    assert 0 == done.returncode, done.stdout + done.stderr
    said = json.loads(done.stdout)
    # The first is not counted; one job count leaves only the memory to be tried.
    assert [False, True, True, True, True] == [one["counted"] for one in said["tries"]]
    assert {("auto", 2), ("server", 2)} == {(t["setting"]["sort_memory"], t["tries"]) for t in said["tried"]}
    rows = {one["rows"] for one in said["tries"]}
    assert (1, True) == (len(rows), 4001 + 500 < min(rows) < 4001 + 4000)
    assert said["bytes_copied"] <= 2_500_000 < said["bytes_total"]
    left = "\n".join(said["left_out"])
    for words in (
        "of 1 large tables only",
        "foreign keys to tables of which not all rows were copied: 1",
        "objects: 1",
    ):
        assert words in left


def test_what_a_killed_one_left_is_dropped_and_a_stranger_s_is_not(
    source: Dsn, target: Dsn, cluster18: Cluster, tmp_path: Path
) -> None:
    """kill -9 leaves a database, which the next one drops; one of our name without our mark, or of another owner, and
    one with our mark and another name stay."""
    run_sql(source, "CREATE TABLE bare AS SELECT 1 AS one")
    first = subprocess.Popen(command("tune"), env=environ(source, target), cwd=tmp_path, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (made := rows_of(target, OURS)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    first.kill()
    first.wait()
    never_open = f"{PREFIX}{'b' * 12}"
    stays = [f"{PREFIX}{'c' * 12}", f"{PREFIX}of_ours", f"{PREFIX}{'d' * 12}"]
    with psycopg.connect(target.url().reveal(), autocommit=True) as session:
        for name in (never_open, *stays[:2]):
            session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        session.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(never_open)))
        session.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(stays[1]), sql.Literal(MARK)))
    with cluster18.superuser() as session:
        session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(stays[2])))
        session.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(stays[2]), sql.Literal(MARK)))
    try:
        done = tune(source, target, "--jobs", "4", "--repeats", "2", "--json", cwd=tmp_path)
        assert 0 == done.returncode, done.stderr
        assert sorted([made[0][0], never_open]) == sorted(json.loads(done.stdout)["removed"])
        assert sorted(stays) == sorted(name for (name,) in rows_of(target, OURS))
    finally:
        with cluster18.superuser() as session:
            session.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(stays[2])))


def test_ctrl_c_leaves_nothing(source: Dsn, target: Dsn, tmp_path: Path) -> None:
    """Interrupted within a try: exit 130, and its database is gone before the command ends."""
    run_sql(source, LITTLE)
    running = subprocess.Popen(
        command("tune", "--repeats", "20"),
        env=environ(source, target),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not rows_of(target, OURS):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    # A second one is refused meanwhile, for both would measure each other.
    second = tune(source, target, cwd=tmp_path)
    assert (71, True) == (second.returncode, "another pgcutover tune is at work" in second.stderr), second.stderr
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert 130 == running.returncode, said
    assert [] == rows_of(target, OURS)


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (("--jobs", "2,many"), 64, "are not numbers from 1 to 64"),
        (("--part", "much"), 64, "is no size"),
        (("--plan", "some.json"), 64, "no --write"),
        (("--write",), 65, "no pgcutover.toml"),
        (("--source", "postgres://me@127.0.0.1:1/none"), 80, "source me@127.0.0.1:1/none"),
    ],
)
def test_bad_input_is_said_before_anything_is_made(
    words: tuple[str, ...], code: int, named: str, target: Dsn, tmp_path: Path
) -> None:
    """A wrong word, no plan to write into, a source that is away: told, and no database was made."""
    done = tune(target, target, *words, cwd=tmp_path)
    assert (code, True) == (done.returncode, named in done.stderr), done.stderr
    assert [] == rows_of(target, OURS)


def test_a_role_that_may_not_is_told_what_it_lacks(
    source: Dsn, target: Dsn, cluster16: Cluster, tmp_path: Path
) -> None:
    """Without CREATEDB there is nowhere to try; an extension may be beyond the role: exit 66, and nothing is left."""
    with own_database(cluster16) as lesser:
        done = tune(source, lesser, cwd=tmp_path)
        assert (66, True) == (done.returncode, f'ALTER ROLE "{lesser.user}" CREATEDB' in done.stderr), done.stderr
        assert [] == rows_of(lesser, OURS)
    with cluster16.superuser(source.database) as session:
        session.execute("CREATE EXTENSION vector")
    done = tune(source, target, cwd=tmp_path)
    assert (66, True) == (done.returncode, "may not make the source's extensions" in done.stderr), done.stderr
    assert [] == rows_of(target, OURS)


def test_a_try_s_database_is_like_the_one_that_was_named(target: Dsn, cluster18: Cluster) -> None:
    """Encoding, locale and settings are the named database's, extensions the source's, each in its schema; when it is
    dropped somebody else's session does not keep it."""
    name = sql.Identifier(target.database)
    with cluster18.superuser() as session:
        session.execute(sql.SQL("ALTER ROLE {} SUPERUSER").format(name))
        session.execute(sql.SQL("DROP DATABASE {}").format(name))
        made = (
            "CREATE DATABASE {} OWNER {} TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'"
        )
        session.execute(sql.SQL(made).format(name, name))
        session.execute(sql.SQL("ALTER DATABASE {} SET maintenance_work_mem = '7MB'").format(name))
    server = Server(dsn=plain(target), side="target")
    vector = Extension(name="vector", version="1", schema="Ext ra")
    alike = (
        "SELECT datlocprovider, datlocale, datcollate, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = "
    )
    with throwaways(server, [vector]) as making:
        with making.database([vector], ["public"]) as made_server, made_server.session("test") as session:
            assert [("7MB",)] == session.execute("SHOW maintenance_work_mem").fetchall()
            where = "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'vector'"
            assert [('"Ext ra"',)] == session.execute(where).fetchall()
            like = session.execute(f"{alike} '{target.database}'".encode()).fetchall()
            assert like == session.execute(f"{alike} current_database()".encode()).fetchall()
            left = psycopg.connect(made_server.dsn.url().reveal())
        left.close()
    assert [] == rows_of(target, OURS)
