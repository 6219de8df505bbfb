"""The lab's pg_dump, pg_restore and psql speak TLS and say what went wrong."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pgcutover.facts.names import Dsn
from pgcutover.lab.clients import install_clients
from pgcutover.lab.clusters import Cluster, binaries
from pgcutover.lab.relay import Relay
from pgcutover.lab.tls import CertificateAuthority


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    # A space and a quote: what a path in a shell script breaks on.
    return install_clients(tmp_path_factory.mktemp("it's a lab"))


@pytest.fixture
def environment(
    cluster16: Cluster,
    tls_relay: Callable[..., Relay],
    scratch_db: Callable[[Cluster], Dsn],
    lab_ca: CertificateAuthority,
) -> dict[str, str]:
    """Names a scratch database behind TLS, everything verified."""
    dsn, relay = scratch_db(cluster16), tls_relay(cluster16)
    return {
        **os.environ,
        "PGHOST": "localhost",
        "PGPORT": str(relay.port),
        "PGUSER": dsn.user,
        "PGPASSWORD": dsn.password.reveal(),
        "PGDATABASE": dsn.database,
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": str(lab_ca.bundle),
    }


@pytest.fixture
def run(environment: dict[str, str]) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run a program in that environment."""

    def one(*command: str | Path, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, env={**environment, **variables}, capture_output=True, text=True, check=False, timeout=60
        )

    return one


def wait_until_asleep(cluster: Cluster, user: str) -> None:
    """Until the user's statement sleeps, for ten seconds."""
    with cluster.superuser() as session:
        for _ in range(200):
            query = "SELECT FROM pg_stat_activity WHERE usename = %s AND wait_event = 'PgSleep'"
            if session.execute(query, [user]).fetchone() is not None:
                return
            time.sleep(0.05)
    raise AssertionError("the statement never began")


@pytest.mark.parametrize("major", [16, 18])
def test_each_client_is_of_its_version(clients: dict[int, Path], major: int) -> None:
    """The wrapper of a major version runs that version's program."""
    for program in ("pg_dump", "pg_restore", "psql"):
        said = subprocess.run([clients[major] / program, "--version"], capture_output=True, text=True, check=True)
        assert f"(PostgreSQL) {major}." in said.stdout


@pytest.mark.parametrize("major", [16, 18])
def test_a_dump_and_a_restore_over_verified_tls(
    clients: dict[int, Path], run: Callable[..., "subprocess.CompletedProcess[str]"], major: int, tmp_path: Path
) -> None:
    """psql, pg_dump and pg_restore connect with `sslmode=verify-full`, and a dumped table comes back."""
    psql = (clients[major] / "psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command")
    assert 0 == run(*psql, "CREATE TABLE kept AS SELECT generate_series(1, 1000) n").returncode
    dumped = run(clients[16] / "pg_dump", "--format=custom", f"--file={tmp_path / 'dump'}")
    assert (0, "") == (dumped.returncode, dumped.stderr)
    run(*psql, "DROP TABLE kept")
    restored = run(clients[16] / "pg_restore", "--exit-on-error", "--dbname=", tmp_path / "dump")
    assert (0, "") == (restored.returncode, restored.stderr)
    assert "500500" == run(*psql, "SELECT sum(n) FROM kept").stdout.strip()


@pytest.mark.parametrize("major", [16, 18])
def test_the_authority_is_checked(
    clients: dict[int, Path], run: Callable[..., "subprocess.CompletedProcess[str]"], major: int, tmp_path: Path
) -> None:
    """With another authority's bundle the client refuses, with libpq's own message and exit code."""
    stranger = CertificateAuthority.create(tmp_path)
    said = run(clients[major] / "psql", "--command", "SELECT 1", PGSSLROOTCERT=str(stranger.bundle))
    assert 2 == said.returncode
    assert "certificate verify failed" in said.stderr


@pytest.mark.parametrize("major", [16, 18])
def test_ctrl_c_cancels_the_statement(
    clients: dict[int, Path], environment: dict[str, str], cluster16: Cluster, major: int
) -> None:
    """psql's CancelRequest, which is sent without TLS, passes the relay although that requires TLS."""
    command = [clients[major] / "psql", "--no-psqlrc", "--command", "SELECT pg_sleep(20)"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as psql:
        wait_until_asleep(cluster16, environment["PGUSER"])
        psql.send_signal(signal.SIGINT)
        assert "canceling statement due to user request" in psql.communicate(timeout=60)[1]


def test_the_programs_alone_have_no_tls(run: Callable[..., "subprocess.CompletedProcess[str]"]) -> None:
    """What the wrappers are for: the wheel's own psql cannot ask for TLS."""
    said = run(binaries(16) / "psql", "--command", "SELECT 1")
    assert "not supported" in said.stderr or "not compiled in" in said.stderr
