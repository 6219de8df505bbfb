"""No message, no traceback and no repr shows a secret, however strange the secret is."""

import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from pgcutover.config import CONFIG_FILE, Surroundings, read_config
from pgcutover.edges.pgtools import dump_schema, find_clients
from pgcutover.edges.postgres import Server
from pgcutover.errors import ConfigError, PgcutoverError, SourceError, ToolError
from pgcutover.facts.names import Dsn, Secret
from pgcutover.lab.clusters import Cluster, binaries

CANARY = "c4n4ry"
STRANGE = [f"{CANARY}{sign}{CANARY}" for sign in "[]/#?@:% \\'\"<>&+=é℀\t"]
CONFIG = """
version = 1
[environments.production]
database = "acme-api::DATABASE"
apps = ["acme-api"]
[environments.production.target]
region = "us-east-1"
exposure = "private"
"""


def shown(error: BaseException) -> str:
    """All that anybody could print of an error."""
    return "".join(traceback.format_exception(error)) + repr(error) + str(error)


@pytest.mark.parametrize("password", STRANGE)
def test_a_url_that_cannot_be_read_is_not_quoted(password: str) -> None:
    """Unencoded, such a password breaks the URL in many places; the error shows no piece of it."""
    try:
        read = Dsn.parse(f"postgres://acme:{password}@db.example:5432/acme")
    except ConfigError as error:
        assert CANARY not in shown(error)
        assert error.hint
    else:
        assert CANARY not in f"{read}{read!r}{replace(read, user='x')}"


@pytest.mark.parametrize("password", STRANGE)
def test_a_strange_password_survives_a_url(password: str) -> None:
    """Written and read again it is the same, and the URL itself does not print."""
    written = Dsn(host="db.example", user="acme", password=Secret(password), database="d").url()
    assert password == Dsn.parse(written.reveal()).password.reveal()
    assert CANARY not in f"{written}{written!r}"


@pytest.mark.parametrize("password", STRANGE)
def test_a_login_that_is_refused_shows_no_password(cluster16: Cluster, password: str) -> None:
    """Neither the message nor what Python would print of it."""
    wrong = Dsn(host="127.0.0.1", port=cluster16.port, user="nobody", password=Secret(password), database="postgres")
    server = Server(dsn=wrong, side="source")
    with pytest.raises(SourceError) as caught, server.session("test"):
        pass
    assert CANARY not in f"{shown(caught.value)}{server!r}"


def test_a_program_that_is_refused_shows_no_password(cluster16: Cluster, tmp_path: Path) -> None:
    """pg_dump's own words pass through us."""
    wrong = Dsn(host="127.0.0.1", port=cluster16.port, user=CANARY[::-1], password=Secret(CANARY), database="postgres")
    client = next(c for c in find_clients([binaries(16)]) if c.program == "pg_dump")
    with pytest.raises(ToolError) as caught:
        dump_schema(client, wrong, tmp_path / "x", server_version=160000)
    assert CANARY not in shown(caught.value)
    assert CANARY[::-1] in shown(caught.value)


def test_an_error_of_the_server_shows_neither_statement_nor_row(
    cluster16: Cluster, scratch_db: Callable[[Cluster], Dsn]
) -> None:
    """A statement may set a password, and a row is a user's: the object, the reason and the code are enough."""
    server = Server(dsn=scratch_db(cluster16), side="source")
    failing = (
        f"ALTER ROLE absent PASSWORD '{CANARY}' NONSENSE",
        f"CREATE TABLE t (a text PRIMARY KEY); INSERT INTO t VALUES ('{CANARY}'), ('{CANARY}')",
        f"CREATE TABLE t (a int CHECK (a > 0), b text); INSERT INTO t VALUES (0, '{CANARY}')",
    )
    for statement in failing:
        with pytest.raises(PgcutoverError) as caught, server.session("test") as session:
            session.execute(statement.encode())
        assert CANARY not in str(caught.value)
        assert isinstance(caught.value.__cause__, psycopg.Error)


def test_values_that_carry_a_login_do_not_print_it() -> None:
    """What a worker is handed may end in a traceback."""
    secret = Secret(CANARY)
    dsn = Dsn(host="db.example", user="acme", password=secret, database="d")
    for value in (secret, dsn, Server(dsn=dsn, side="source"), [dsn], {"login": secret}, dsn.url()):
        assert CANARY not in f"{value} {value!r}"


@pytest.mark.parametrize("token", [f"{CANARY}\nX-Evil: 1", f"{CANARY} {CANARY}", f"{CANARY}é"])
def test_a_token_that_cannot_be_one_is_refused_unseen(tmp_path: Path, token: str) -> None:
    """As a header it would be refused by a message that quotes it; a line break at its end is nothing."""
    (tmp_path / CONFIG_FILE).write_text(CONFIG)
    config = read_config(tmp_path / CONFIG_FILE, None, Surroundings.read({"HEROKU_API_KEY": token}))
    with pytest.raises(ConfigError, match="HEROKU_API_KEY") as caught:
        config.token()
    assert CANARY not in f"{shown(caught.value)}{config!r}"
    stripped = read_config(tmp_path / CONFIG_FILE, None, Surroundings.read({"HEROKU_API_KEY": f"{CANARY}\r\n"}))
    assert CANARY == stripped.token().reveal()
