"""`pgcutover verify` as a person types it: verdicts, exit codes, and what it shows of the data."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from fenced_database import Fenced, fenced_database
from pgcutover.app.endpoints import endpoint
from pgcutover.errors import ConfigError
from pgcutover.lab.clusters import Cluster

FILL = (
    "CREATE TABLE people (email text PRIMARY KEY, name text, age integer); CREATE TABLE notes (body text);"
    "INSERT INTO people SELECT 'p' || i || '@example.com', 'name ' || i, i FROM generate_series(1, 30) AS i;"
    "INSERT INTO notes VALUES ('a'), ('a'), ('b')"
)
CHANGE = (
    "UPDATE people SET name = 'another' WHERE age <= 12; DELETE FROM people WHERE age = 20;"
    "INSERT INTO people VALUES ('new@example.com', NULL, 1); DELETE FROM notes WHERE body = 'b'"
)
VERDICTS = {0, 1, 2, 3}


@pytest.fixture(scope="module")
def both(cluster16: Cluster, cluster18: Cluster) -> Iterator[tuple[Fenced, Fenced]]:
    with fenced_database(cluster16, filled=False) as old, fenced_database(cluster18, filled=False) as new:
        for database in (old, new):
            with psycopg.connect(database.owner.url().reveal(), autocommit=True) as session:
                session.execute(FILL)
        yield old, new


def environ(both: tuple[Fenced, Fenced]) -> dict[str, str]:
    source, target = (database.owner.url().reveal() for database in both)
    return {**os.environ, "PGCUTOVER_SOURCE": source, "PGCUTOVER_TARGET": target}


def verify(both: tuple[Fenced, Fenced], *words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pgcutover", "verify", *words]
    return subprocess.run(command, env=environ(both), cwd=cwd, capture_output=True, text=True, check=False)


def test_same_then_different_down_to_the_rows(both: tuple[Fenced, Fenced], tmp_path: Path) -> None:
    """No configuration is needed; rows are counted and named, keys are hidden until somebody asks for them."""
    same = verify(both, "--json", cwd=tmp_path)
    assert (0, "same") == (same.returncode, json.loads(same.stdout)["verdict"]), same.stdout
    with psycopg.connect(both[1].owner.url().reveal()) as session:
        session.execute(CHANGE)
        session.commit()
        masked = verify(both, "--limit", "20", cwd=tmp_path)
        shown = verify(both, "--json", "--show-keys", "--limit", "3", cwd=tmp_path)
    assert (2, 2) == (masked.returncode, shown.returncode)
    assert "example.com" not in masked.stdout
    assert "Rows of public.people  1 missing, 1 extra, 12 different" in masked.stdout
    assert 14 == len({line.split(":")[0] for line in masked.stdout.splitlines() if line.startswith("- #")})
    assert "Rows of public.notes  1 missing, 0 extra, 0 different" in masked.stdout
    people = next(t for t in json.loads(shown.stdout)["tables"] if t["table"] == "public.people")
    assert (1, 1, 12, 3) == (people["missing"], people["extra"], people["different"], len(people["rows"]))
    assert all(row["key"].startswith("email=") for row in people["rows"])
    assert {("name",)} >= {tuple(row["columns"]) for row in people["rows"] if row["kind"] == "different"}
    assert "another" not in masked.stdout + shown.stdout


def test_a_wrong_command_line_is_no_verdict(both: tuple[Fenced, Fenced], tmp_path: Path) -> None:
    """An unknown flag, a number that is none, one database without the other."""
    lone = {k: v for k, v in environ(both).items() if k != "PGCUTOVER_TARGET"}
    codes = [verify(both, *words, cwd=tmp_path).returncode for words in (["--wrong"], ["--limit", "x"])]
    command = [sys.executable, "-m", "pgcutover", "verify"]
    codes.append(subprocess.run(command, env=lone, cwd=tmp_path, capture_output=True, check=False).returncode)
    codes.append(verify(both, "--env", "production", cwd=tmp_path).returncode)
    assert [64, 64, 64, 64] == codes


def test_a_database_compared_with_itself_proves_nothing(both: tuple[Fenced, Fenced], tmp_path: Path) -> None:
    """One wrong variable must not read as a proof."""
    found = verify(both, "--target", environ(both)["PGCUTOVER_SOURCE"], cwd=tmp_path)
    assert 3 == found.returncode
    assert "one and the same database" in " ".join(found.stdout.split())


def test_a_server_that_cannot_be_reached_could_not_be_verified(both: tuple[Fenced, Fenced], tmp_path: Path) -> None:
    """Exit code 3, and a password on the command line is warned about, never printed."""
    nobody = "postgres://me:canary-7391@127.0.0.1:1/nothing"
    found = verify(both, "--target", nobody, cwd=tmp_path)
    assert 3 == found.returncode
    assert "COULD NOT VERIFY" in found.stdout
    assert "PGCUTOVER_TARGET" in found.stderr
    assert "canary-7391" not in found.stdout + found.stderr


def test_a_reader_that_goes_away_is_no_verdict(both: tuple[Fenced, Fenced], tmp_path: Path) -> None:
    """Rich would end with 1 on a broken pipe: warnings, of all things."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "pgcutover", "verify"]
    try:
        done = subprocess.run(
            command, env=environ(both), cwd=tmp_path, stdout=write, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(write)
    assert 141 == done.returncode


def test_a_bug_is_no_verdict(both: tuple[Fenced, Fenced], tmp_path: Path) -> None:
    """Whatever is raised inside, it ends with the code of a bug."""
    broken = (
        "import sys; from pgcutover.edges import content; from pgcutover.faces.cli import main\n"
        "def broken(*_, **__): raise KeyError('x')\n"
        "content.compare_moments = broken; sys.argv = ['pgcutover', 'verify']; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", broken], env=environ(both), cwd=tmp_path, capture_output=True, check=False
    )
    assert 70 == done.returncode


def test_ctrl_c_is_no_verdict(both: tuple[Fenced, Fenced], tmp_path: Path) -> None:
    """It ends with 130, and leaves no session behind."""
    command = [sys.executable, "-m", "pgcutover", "verify"]
    with psycopg.connect(both[0].owner.url().reveal()) as lock:
        lock.execute("LOCK TABLE people IN ACCESS EXCLUSIVE MODE")
        running = subprocess.Popen(
            command, env=environ(both), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        _until_waiting(both[0])
        running.send_signal(signal.SIGINT)
        lock.rollback()
        _, said = running.communicate(timeout=60)
    assert 130 == running.returncode
    assert b"interrupted" in said
    assert b"pgcutover status" in said


def _until_waiting(database: Fenced) -> None:
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgcutover%' AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 60
    while not database.one(waiting):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_databases_are_named_as_libpq_does(tmp_path: Path) -> None:
    """A URL, pairs with quotes, a service; what is not understood is not quoted, for it may hold a password."""
    (tmp_path / ".pg_service.conf").write_text(
        "[prod]\nhost=db.example.com\nuser=me\ndbname=app\nsslmode=verify-full\n"
    )
    surroundings = {"HOME": str(tmp_path)}
    assert "me@h:5432/d" == str(endpoint("postgres://me@h/d", {}))
    assert "a b@h:6/d" == str(endpoint(r"host=h port=6 user='a b' password='it\'s' dbname=d", {}))
    assert "it's" == endpoint(r"host=h user=u password='it\'s' dbname=d", {}).password.reveal()
    service = endpoint("service=prod dbname=other", surroundings)
    assert ("me@db.example.com:5432/other", (("sslmode", "verify-full"),)) == (str(service), service.options)
    for wrong in ("s3cret", "host=h password=s3cret", "service=none password=s3cret", "host=h password='s3cret"):
        with pytest.raises(ConfigError) as refused:
            endpoint(wrong, surroundings)
        assert "s3cret" not in str(refused.value)
