"""`pgcutover verify` as a person types it: verdicts, exit codes, and what it shows of the data."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from fenced_database import Fenced, fenced_database
from pgcutover.app.endpoints import endpoint
from pgcutover.errors import ConfigError
from pgcutover.facts.names import Secret
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
BODY = "".join(f"  -- line {number}\n" for number in range(40))
FUNCTION = "CREATE FUNCTION f(x integer) RETURNS integer LANGUAGE plpgsql AS $$\nBEGIN\n{}  RETURN x + {};\nEND $$;"
LONG = "a_table_whose_name_is_as_long_as_frameworks_make_them_and_more"
OFTEN = (
    "import sys; from pgcutover.faces import watching; watching.SAY_EVERY_S = 0.05\n"
    "from pgcutover.faces.cli import main; sys.argv = ['pgcutover', 'verify', *sys.argv[1:]]; main()"
)


@pytest.fixture(scope="module")
def both(cluster16: Cluster, cluster18: Cluster) -> Iterator[tuple[Fenced, Fenced]]:
    with fenced_database(cluster16, filled=False) as old, fenced_database(cluster18, filled=False) as new:
        for database in (old, new):
            with psycopg.connect(database.owner.url().reveal(), autocommit=True) as session:
                session.execute(FILL)
        yield old, new


@pytest.fixture
def pair(cluster16: Cluster, cluster18: Cluster) -> Iterator[tuple[Fenced, Fenced]]:
    """Two empty databases for one test alone."""
    with fenced_database(cluster16, filled=False) as old, fenced_database(cluster18, filled=False) as new:
        yield old, new


def environ(both: tuple[Fenced, Fenced]) -> dict[str, str]:
    """With nothing that would change what is printed."""
    source, target = (database.owner.url().reveal() for database in both)
    bare = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return {**bare, "PGCUTOVER_SOURCE": source, "PGCUTOVER_TARGET": target}


def verify(both: tuple[Fenced, Fenced], *words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return run(environ(both), *words, cwd=cwd)


def run(surroundings: dict[str, str], *words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pgcutover", "verify", *words]
    return subprocess.run(command, env=surroundings, cwd=cwd, capture_output=True, text=True, check=False)


def test_same_then_different_down_to_the_rows(both: tuple[Fenced, Fenced], tmp_path: Path) -> None:
    """No configuration is needed; rows are counted and named, keys are hidden until somebody asks for them."""
    same = verify(both, "--json", cwd=tmp_path)
    assert (0, "same") == (same.returncode, json.loads(same.stdout)["verdict"]), same.stdout
    assert [] == json.loads(same.stdout)["next"]
    with psycopg.connect(both[1].owner.url().reveal()) as session:
        session.execute(CHANGE)
        session.commit()
        masked = verify(both, "--limit", "20", cwd=tmp_path)
        shown = verify(both, "--json", "--show-keys", "--limit", "3", cwd=tmp_path)
    assert (2, 2) == (masked.returncode, shown.returncode)
    assert "example.com" not in masked.stdout
    assert "Rows of public.people  1 missing, 1 extra, 12 different" in masked.stdout
    assert 14 == len({line.split(":")[0] for line in masked.stdout.splitlines() if line.startswith("- #")})
    assert "Rows of public.notes  1 missing, 0 extra, 0 different\n  the table has no key" in masked.stdout
    said = masked.stdout.splitlines()
    assert [0, len(said) - 2] == [n for n, line in enumerate(said) if line.startswith("DIFFERENT: ")], masked.stdout
    assert said[-1].startswith("next: Rows differ by themselves while somebody writes")
    people = next(t for t in json.loads(shown.stdout)["tables"] if t["table"] == "public.people")
    assert (1, 1, 12, 3) == (people["missing"], people["extra"], people["different"], len(people["rows"]))
    assert all(row["key"].startswith("email=") for row in people["rows"])
    assert {("name",)} >= {tuple(row["columns"]) for row in people["rows"] if row["kind"] == "different"}
    assert [f"email={email}" for email in ("new@example.com", "p10@example.com", "p11@example.com")] == [
        row["key"] for row in people["rows"]
    ]
    assert [(None, None)] * 2 == [(t["key_ranges"], t["differing_ranges"]) for t in json.loads(shown.stdout)["tables"]]
    assert "another" not in masked.stdout + shown.stdout


def test_a_wrong_command_line_is_no_verdict(both: tuple[Fenced, Fenced], tmp_path: Path) -> None:
    """An unknown flag, a number that is none, one database without the other."""
    lone = {k: v for k, v in environ(both).items() if k != "PGCUTOVER_TARGET"}
    codes = [verify(both, *words, cwd=tmp_path).returncode for words in (["--wrong"], ["--limit", "x"])]
    command = [sys.executable, "-m", "pgcutover", "verify"]
    codes.append(subprocess.run(command, env=lone, cwd=tmp_path, capture_output=True, check=False).returncode)
    codes.append(verify(both, "--env", "production", cwd=tmp_path).returncode)
    assert [64, 64, 64, 64] == codes


def test_both_databases_are_named_and_no_password_is(both: tuple[Fenced, Fenced], tmp_path: Path) -> None:
    """Host, port, name and server's version of each side, in the text and in JSON."""
    text, document = (verify(both, *words, cwd=tmp_path) for words in ((), ("--json",)))
    found = json.loads(document.stdout)
    for side, database, version in (("source", both[0], "16."), ("target", both[1], "18.")):
        dsn = database.owner
        assert (dsn.host, dsn.port, dsn.database) == tuple(found[side][key] for key in ("host", "port", "database"))
        assert found[side]["server_version"].startswith(version)
        told = f"{side.title()}  {dsn.host}:{dsn.port}/{dsn.database} as {dsn.user}, PostgreSQL {version}"
        assert told in text.stdout
        assert dsn.password.reveal() not in text.stdout + document.stdout


def test_definitions_and_sequences_tell_what_to_mend(pair: tuple[Fenced, Fenced], tmp_path: Path) -> None:
    """Of a long function only the lines that differ are shown; a sequence comes with both values and the statement that
    mends it."""
    for database, number, last in zip(pair, (1, 2), (42, 7), strict=True):
        database.as_owner(f"{FUNCTION.format(BODY, number)}; CREATE SEQUENCE public.s")
        database.as_owner(f"SELECT setval('public.s', {last})")
    text, document = (verify(pair, *words, cwd=tmp_path) for words in ((), ("--json",)))
    assert (2, 2) == (text.returncode, document.returncode)
    for line in ("    -  RETURN x + 1;", "    +  RETURN x + 2;", "       -- line 39"):
        assert f"{line}\n" in text.stdout
    assert "line 10" not in text.stdout
    mended = "SELECT pg_catalog.setval('public.s', 42, true);"
    assert f"- public.s: 42 on the source, 7 on the target; to mend it there:\n  {mended}\n" in text.stdout
    assert "next: Definitions and sequences do not come right by themselves" in text.stdout
    found = json.loads(document.stdout)
    texts = {d["name"]: (d["source"], d["target"]) for d in found["definition_texts"]}["function:public.f(integer)"]
    assert [True, True] == [f"RETURN x + {n};" in body for n, body in enumerate(texts, 1)]
    behind = found["sequences"][0]
    assert ["public.s"] == found["sequences_behind"]
    assert (42, 7, mended) == (behind["source_last_value"], behind["target_last_value"], behind["setval"])
    pair[1].as_owner(mended)
    assert [] == json.loads(verify(pair, "--json", cwd=tmp_path).stdout)["sequences_behind"]


def test_the_rows_named_are_those_with_the_lowest_keys(pair: tuple[Fenced, Fenced], tmp_path: Path) -> None:
    """Integers by value, also in a key of two columns; so the same rows are named each time."""
    for database, text in zip(pair, "ab", strict=True):
        database.as_owner("CREATE TABLE n (id integer PRIMARY KEY, t text)")
        database.as_owner("CREATE TABLE m (a text, b bigint, t text, PRIMARY KEY (a, b))")
        database.as_owner(f"INSERT INTO n SELECT i, '{text}' FROM generate_series(-1, 500) AS i WHERE i <> 1")
        database.as_owner(
            f"INSERT INTO m SELECT a, i, '{text}' FROM unnest('{{y,x}}'::text[]) a, generate_series(9, 60) i"
        )
    found = json.loads(verify(pair, "--json", "--show-keys", "--limit", "4", cwd=tmp_path).stdout)
    named = {table["table"]: [row["key"] for row in table["rows"]] for table in found["tables"]}
    assert ["id=-1", "id=0", "id=2", "id=3"] == named["public.n"]
    assert ["a=x, b=9", "a=x, b=10", "a=x, b=11", "a=x, b=12"] == named["public.m"]
    assert {"public.n": 501, "public.m": 104} == {table["table"]: table["different"] for table in found["tables"]}


def test_names_and_sentences_stay_whole(pair: tuple[Fenced, Fenced], tmp_path: Path) -> None:
    """On a screen of 80 columns no table's name is broken; into a pipe nothing is."""
    for database in pair:
        database.as_owner(f"CREATE TABLE {LONG} (id integer PRIMARY KEY); INSERT INTO {LONG} VALUES (1)")
    narrow = run({**environ(pair), "COLUMNS": "80"}, cwd=tmp_path)
    assert 0 == narrow.returncode, narrow.stdout
    assert [] == [line for line in narrow.stdout.splitlines() if len(line) > 80]
    assert f"public.{LONG}\n" in narrow.stdout
    assert re.search(rf"public\.{LONG} +1 +1 +- .*equal\n", verify(pair, cwd=tmp_path).stdout)
    for database in pair:
        database.as_owner(f"REVOKE SELECT ON {LONG} FROM CURRENT_USER")
    shut = verify(pair, cwd=tmp_path)
    assert 3 == shut.returncode
    (line,) = (line for line in shut.stdout.splitlines() if line.startswith(f"- public.{LONG}: "))
    assert line.endswith(f"permission denied for table {LONG}")
    assert "next: A right is missing: GRANT the role SELECT" in shut.stdout


@pytest.mark.parametrize(
    ("changed", "advice"),
    [
        ({"password": Secret("wrong")}, "target: The server refuses this user or password"),
        ({"database": "nowhere"}, "target: There is no such database"),
        ({"port": 1}, "target: Nothing listens there"),
        ({"host": "nowhere.invalid"}, "target: This machine finds no such host"),
        ({"options": (("sslmode", "require"),)}, "target: The server offers no TLS"),
    ],
)
def test_a_refused_login_is_told_by_its_cause(
    both: tuple[Fenced, Fenced], tmp_path: Path, changed: dict[str, object], advice: str
) -> None:
    """Which side it was, what the server said, and what to look at."""
    wrong = replace(both[1].owner, **changed)  # type: ignore[arg-type]
    found = run({**environ(both), "PGCUTOVER_TARGET": wrong.url().reveal()}, cwd=tmp_path)
    assert (3, "") == (found.returncode, found.stderr)
    assert f"COULD NOT VERIFY: target {wrong}: logging in: " in found.stdout
    assert f"next: {advice}" in found.stdout
    assert "PostgreSQL 16." in found.stdout
    assert "nobody could log in" in found.stdout


def test_a_service_that_is_not_there_is_of_a_side(both: tuple[Fenced, Fenced], tmp_path: Path) -> None:
    """The option and the variable are both named, for either may have said it."""
    found = verify(both, "--target", "service=nowhere", cwd=tmp_path)
    assert 65 == found.returncode
    assert "--target (PGCUTOVER_TARGET): no service named 'nowhere'" in found.stderr


def test_without_a_configuration_the_other_way_is_named(tmp_path: Path) -> None:
    """Who has no pgcutover.toml may want to compare any two databases."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("PGCUTOVER_")}
    found = run(bare, "--json", cwd=tmp_path)
    assert (65, "") == (found.returncode, found.stdout)
    assert "--source URL and --target URL" in json.loads(found.stderr)["error"]["hint"]


@pytest.mark.parametrize("words", [["--jason"], ["--limit", "x"], ["postgres://me:s3cret@host/app"]])
def test_a_wrong_command_line_is_a_json_error_too(
    both: tuple[Fenced, Fenced], tmp_path: Path, words: list[str]
) -> None:
    """One document on standard error, as for every other error, and no password in it."""
    found = verify(both, *words, "--json", cwd=tmp_path)
    assert (64, "") == (found.returncode, found.stdout)
    told = json.loads(found.stderr)["error"]
    assert ("UsageError", 64) == (told["type"], told["exit_code"])
    assert words[0].replace("s3cret", "********") in told["message"]
    assert "s3cret" not in found.stderr


def test_a_log_hears_how_far_it_is(pair: tuple[Fenced, Fenced], tmp_path: Path) -> None:
    """Lines on standard error now and then, JSON where that was asked for; standard output is as ever."""
    for database in pair:
        database.as_owner("CREATE TABLE big AS SELECT i, repeat('x', 50) AS t FROM generate_series(1, 300000) AS i")
    heard, documents = (
        subprocess.run(
            [sys.executable, "-c", OFTEN, *words],
            env=environ(pair),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        for words in ([], ["--json"])
    )
    assert (0, 0) == (heard.returncode, documents.returncode)
    line = r"^verify \d+\.\d s: reading rows, 0 of 1 table, .+ of \d+\.\d MB read"
    assert re.search(line, heard.stderr, re.MULTILINE), heard.stderr
    assert "reading rows" not in heard.stdout
    lines = [json.loads(line) for line in documents.stderr.splitlines()]
    assert {"comparing"} == {line["event"] for line in lines}
    assert 1 == max(line["tables_total"] for line in lines if line["stage"] == "reading rows")
    assert "same" == json.loads(documents.stdout)["verdict"]


def test_a_terminal_sees_how_far_it_is(pair: tuple[Fenced, Fenced], tmp_path: Path) -> None:
    """One line on the terminal's standard error, while a table waits; nothing of it is on standard output."""
    for database in pair:
        database.as_owner("CREATE TABLE people (id integer PRIMARY KEY)")
    ours, theirs = pty.openpty()
    with psycopg.connect(pair[0].owner.url().reveal()) as lock:
        lock.execute("LOCK TABLE people IN ACCESS EXCLUSIVE MODE")
        command = [sys.executable, "-m", "pgcutover", "verify"]
        surroundings = {**environ(pair), "TERM": "xterm", "COLUMNS": "120"}
        with subprocess.Popen(
            command, env=surroundings, cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs, text=True
        ) as running:
            os.close(theirs)
            seen = b""
            while b"looking at both databases" not in seen:
                seen += os.read(ours, 4096)
            lock.rollback()
            out, _ = running.communicate(timeout=60)
    os.close(ours)
    assert 0 == running.returncode
    assert "looking at both databases" not in out


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
