"""The PgBouncer buildpack fails where the real one fails, and works where it works: `bin/start-pgbouncer`.

Each of the cases that were seen with the buildpack's own scripts (v0.18.0) and a real server.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from local_heroku import FAST, Heroku, Servers, started, wait_for
from psycopg import sql

from pgcutover.facts.names import Dsn
from pgcutover.lab.clusters import Cluster
from pgcutover.lab.heroku import pgbouncer
from pgcutover.lab.relay import Relay

INSTALLED = pytest.mark.skipif(not Path(pgbouncer.PROGRAM).exists(), reason="no PgBouncer on this machine")
ASK = """
import os, sys, psycopg
for name in sys.argv[1:]:
    try:
        with psycopg.connect(os.environ[name], prepare_threshold=None, connect_timeout=20) as session:
            print(name, *session.execute("SELECT current_user, current_database()").fetchone())
    except psycopg.Error as error:
        print(name, "refused:", *str(error).split())
"""
"""What an app does with its variables."""
END_POOLER = """
import os, signal, time
from pathlib import Path
for child in Path(f"/proc/{os.getppid()}/task/{os.getppid()}/children").read_text().split():
    if int(child) != os.getpid():
        os.kill(int(child), signal.SIGKILL)
time.sleep(60)
"""
LIMIT_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Dyno:
    """A directory to run in, and a database behind TLS."""

    directory: Path
    dsn: Dsn
    port: int

    def url(self, *, password: str | None = None, port: str | None = None, options: str = "") -> str:
        word = quote(self.dsn.password.reveal(), safe="") if password is None else password
        place = f":{self.port}" if port is None else port
        return f"postgres://{self.dsn.user}:{word}@127.0.0.1{place}/{self.dsn.database}{options}"

    def run(self, *words: str, part: str = "start", **config: str) -> tuple[int, str]:
        """Exit status and output of `bin/start-pgbouncer WORDS`."""
        command = [sys.executable, "-m", "pgcutover.lab.heroku.pgbouncer", part, *words]
        inherited = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "HOME") if name in os.environ}
        said = subprocess.run(
            command,
            cwd=self.directory,
            env={**inherited, **config},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        return said.returncode, said.stdout

    def ask(self, *variables: str, **config: str) -> str:
        """What an app sees that asks through these variables."""
        status, output = self.run(sys.executable, "-c", ASK, *variables, **config)
        assert 0 == status, output
        return output

    def answer(self, variable: str) -> str:
        return f"{variable} {self.dsn.user} {self.dsn.database}\n"


@pytest.fixture
def dyno(
    cluster16: Cluster,
    scratch_db: Callable[[Cluster], Dsn],
    tls_relay: Callable[[Cluster], Relay],
    server_directory: Path,
) -> Dyno:
    directory = server_directory / "dyno"
    directory.mkdir()
    return Dyno(directory=directory, dsn=scratch_db(cluster16), port=tls_relay(cluster16).port)


def set_password(cluster: Cluster, dsn: Dsn, password: str) -> None:
    with cluster.superuser() as session:
        session.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(dsn.user), sql.Literal(password)))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "DATABASE_URL is empty. Exiting..."),
        ({"PGBOUNCER_URLS": "FOLLOWER_URL"}, "FOLLOWER_URL is empty. Exiting..."),
        ({"DATABASE_URL": ""}, "DATABASE_URL is empty. Exiting..."),
        (
            {"DATABASE_URL": "postgres://u:p@host/d"},
            "DATABASE_URL is not a valid PostgresSQL connection string. Exiting...",
        ),
        ({"DATABASE_URL": "postgres://u@h:5432/d"}, "is not a valid PostgresSQL connection string. Exiting..."),
        ({"PGBOUNCER_URLS": "A_URL,B_URL", "A_URL": "x", "B_URL": "y"}, "not a valid identifier"),
    ],
)
def test_the_whole_dyno_dies_at_boot(dyno: Dyno, config: dict[str, str], said: str) -> None:
    """A listed variable is missing, empty, without a port, or the list is separated by commas: the app never starts."""
    status, output = dyno.run("echo", "started", **config)
    assert (1, True, False) == (status, said in output, "started" in output), output


@INSTALLED
def test_the_app_reaches_its_database_through_pgbouncer(dyno: Dyno) -> None:
    """A listed variable leads to the dyno's own PgBouncer, which speaks TLS to the server; others are untouched."""
    config = {"PGBOUNCER_URLS": "A_URL", "A_URL": dyno.url(), "B_URL": dyno.url(options="?sslmode=require")}
    assert dyno.answer("A_URL") + dyno.answer("B_URL") in dyno.ask("A_URL", "B_URL", **config)
    _, output = dyno.run("sh", "-c", 'echo "$A_URL"; echo "$B_URL"', **config)
    listed, other = output.splitlines()[-2:]
    assert listed.endswith("/db1") and "@127.0.0.1:" in listed and f":{dyno.port}/" not in listed
    assert config["B_URL"] == other


@pytest.mark.parametrize("options", ["?sslmode=require", "?sslmode=verify-full&sslrootcert=config/ca.pem"])
def test_a_query_string_is_a_part_of_the_databases_name(dyno: Dyno, options: str) -> None:
    """It boots, and then no session comes about."""
    output = dyno.ask("DATABASE_URL", DATABASE_URL=dyno.url(options=options))
    # PostgreSQL takes no more than 63 bytes for a name.
    assert f'database "{(dyno.dsn.database + options)[:63]}" does not exist' in output


def test_without_a_pgbouncer_on_the_machine_urls_are_read_alike(dyno: Dyno) -> None:
    """The command gets the server's own address: with TLS, and a query string is still a part of the name."""
    (plain, odd) = (
        pgbouncer.direct(*pgbouncer.servers({"DATABASE_URL": dyno.url(options=options)}))
        for options in ("", "?sslmode=disable")
    )
    with psycopg.connect(plain) as session:
        assert session.pgconn.ssl_in_use
    with pytest.raises(psycopg.OperationalError, match=r'database "\w+\?sslmode=disable" does not exist'):
        psycopg.connect(odd)


@INSTALLED
def test_certificates_cannot_be_verified(dyno: Dyno) -> None:
    """PgBouncer is given no CA: every session waits until its time is over."""
    output = dyno.ask(
        "DATABASE_URL",
        DATABASE_URL=dyno.url(),
        PGBOUNCER_SERVER_TLS_SSLMODE="verify-full",
        PGBOUNCER_QUERY_WAIT_TIMEOUT="2",
    )
    assert "DATABASE_URL refused:" in output


@INSTALLED
def test_tls_between_app_and_pgbouncer_is_refused(dyno: Dyno) -> None:
    """PGSSLMODE=require concerns that leg too, which has no TLS."""
    output = dyno.ask("DATABASE_URL", DATABASE_URL=dyno.url(), PGSSLMODE="require")
    assert "server does not support SSL, but SSL was required" in output


def test_a_colon_in_a_password_moves_the_rest_of_the_url(dyno: Dyno) -> None:
    """The second half of the password is taken for the host."""
    output = dyno.ask(
        "DATABASE_URL",
        DATABASE_URL=dyno.url(password="first:second-half.invalid"),
        PGBOUNCER_QUERY_WAIT_TIMEOUT="2",
    )
    assert "DATABASE_URL refused:" in output
    (server,) = pgbouncer.servers({"DATABASE_URL": "postgres://u:first:second@host:5432/d"})
    assert ("u", "first", "second", "host") == (server.user, server.password, server.host, server.port)


def test_a_percent_encoded_password_works(dyno: Dyno, cluster16: Cluster) -> None:
    """Since v0.17.0."""
    set_password(cluster16, dyno.dsn, "a:b/c@d e%")
    output = dyno.ask("DATABASE_URL", DATABASE_URL=dyno.url(password=quote("a:b/c@d e%", safe="")))
    assert dyno.answer("DATABASE_URL") in output


@INSTALLED
def test_one_user_has_one_password(dyno: Dyno) -> None:
    """Two variables with one user and two passwords: for PgBouncer one of them is wrong."""
    config = {"PGBOUNCER_URLS": "A_URL B_URL", "A_URL": dyno.url(password="another"), "B_URL": dyno.url()}
    output = dyno.ask("A_URL", "B_URL", **config)
    assert 1 <= output.count("refused:"), output


def test_without_pgbouncer_nothing_is_checked(dyno: Dyno) -> None:
    """PGBOUNCER_ENABLED=0: the command has its variables as they are, missing ones too."""
    status, output = dyno.run("echo", "on its own", PGBOUNCER_ENABLED="0")
    assert (0, "on its own") == (status, output.splitlines()[-1])


def test_use_pgbouncer_goes_to_the_next_port(dyno: Dyno) -> None:
    """Where Heroku's pooler is, and nothing on RDS; a URL without a port ends it."""
    status, output = dyno.run("sh", "-c", 'echo "$DATABASE_URL"', part="use", DATABASE_URL="postgres://u:p@h:5432/d")
    assert (0, "postgres://u:p@h:5433/d\n") == (status, output)
    assert 1 == dyno.run("true", part="use", DATABASE_URL="postgres://u:p@h/d")[0]


@INSTALLED
def test_app_and_pgbouncer_end_together(dyno: Dyno) -> None:
    """The app's status is the dyno's, and no PgBouncer is left; without PgBouncer the app is ended."""
    status, _ = dyno.run("sh", "-c", "exit 7", DATABASE_URL=dyno.url())
    assert 7 == status
    assert [] == poolers(dyno.directory)
    status, output = dyno.run(sys.executable, "-c", END_POOLER, DATABASE_URL=dyno.url())
    assert (143, True) == (status, "pgbouncer exited" in output), output


def poolers(directory: Path) -> list[bytes]:
    """Command lines of PgBouncers with their files there."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if line.startswith(pgbouncer.PROGRAM.encode()) and str(directory).encode() in line:
            found.append(line)
    return found


def test_only_the_buildpack_brings_the_scripts(running: Heroku) -> None:
    """A dyno of an app without it finds no bin/start-pgbouncer; with it, it does from the next dyno on."""
    running.wait_up("web.1", "worker.1")
    ask = "ls bin/start-pgbouncer bin/use-pgbouncer"
    assert any("No such file" in line for line in running.ended(running.run(ask)))
    running.api.put("/_lab/apps/acme-api/buildpacks", json={"buildpacks": ["heroku/pgbouncer", "heroku/python"]})
    assert any(line.endswith("bin/start-pgbouncer") for line in running.ended(running.run(ask)))


@INSTALLED
def test_pgbouncer_leaves_with_its_dyno(heroku_servers: Servers, server_directory: Path) -> None:
    """Whatever ends a dyno ends its PgBouncer."""
    with started(heroku_servers, server_directory / "lab", FAST) as heroku:
        heroku.api.put("/_lab/apps/acme-api/buildpacks", json={"buildpacks": ["heroku/pgbouncer", "heroku/python"]})
        name = heroku.run("bin/start-pgbouncer sleep 600")
        room = heroku.layout.heroku / "dynos"
        wait_for(lambda: poolers(room))
        assert heroku.api.post(f"/apps/acme-api/dynos/{name}/actions/stop").is_success
        wait_for(lambda: not poolers(room))
