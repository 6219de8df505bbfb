# ruff: noqa: SIM300
"""The lab's pg_dump, pg_restore and psql speak TLS and say what went wrong."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pgcutover.facts.names import Dsn
from pgcutover.lab.clients import install_clients
from pgcutover.lab.clusters import Cluster
from pgcutover.lab.relay import Relay
from pgcutover.lab.tls import CertificateAuthority


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    # A space and a quote: what a path in a shell script breaks on.
    return install_clients(tmp_path_factory.mktemp("it's a lab"))


@pytest.fixture
def run(
    cluster16: Cluster,
    tls_relay: Callable[..., Relay],
    scratch_db: Callable[[Cluster], Dsn],
    lab_ca: CertificateAuthority,
) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run a program against a scratch database behind TLS, everything verified unless told otherwise."""
    dsn, relay = scratch_db(cluster16), tls_relay(cluster16)

    def one(*command: str | Path, **variables: str) -> "subprocess.CompletedProcess[str]":
        environment = {
            **os.environ,
            "PGHOST": "localhost",
            "PGPORT": str(relay.port),
            "PGUSER": dsn.user,
            "PGPASSWORD": dsn.password.reveal(),
            "PGDATABASE": dsn.database,
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": str(lab_ca.bundle),
            **variables,
        }
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return one


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


def test_the_programs_alone_have_no_tls(run: Callable[..., "subprocess.CompletedProcess[str]"]) -> None:
    """What the wrappers are for: the wheel's own psql cannot ask for TLS."""
    from pgcutover.lab.clusters import binaries

    said = run(binaries(16) / "psql", "--command", "SELECT 1")
    assert "not supported" in said.stderr or "not compiled in" in said.stderr
