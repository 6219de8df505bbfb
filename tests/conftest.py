"""What every test may use: real servers, databases of one's own on them, TLS in front of them.

`cluster16` and `cluster18` start when the first test asks and live until the session ends; nobody stops them. A test
that stops, kills or reconfigures a server makes a `Cluster` of its own in `server_directory`.
"""

import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql

from pgcutover.facts.names import Dsn, Secret
from pgcutover.lab import guardian
from pgcutover.lab.clusters import Cluster
from pgcutover.lab.relay import Relay
from pgcutover.lab.tls import CertificateAuthority

# A shell starts what it puts into the background with Ctrl-C ignored, and programs inherit that: those that tests start
# are to hear it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test asks the network that it runs in whether it is EC2, nor for credentials.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

# A busy machine is no counterexample.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

LONG, LONG_S = {"journeys", "faults"}, 1800
"""Directories of tests that hold whole moves, and how long one may take on a busy machine."""
OPTIONAL = {"full": "long counts: run with --full", "cli": "needs the real Heroku CLI: run with --cli"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="also run the long counts")
    parser.addoption("--cli", action="store_true", help="also run what needs the real Heroku CLI")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # The longest first, so that no worker is left alone with one at the end; otherwise in the order they came.
    items.sort(key=lambda item: "journeys" not in item.path.parts)
    for item in items:
        if not LONG.isdisjoint(item.path.parts):
            item.add_marker(pytest.mark.timeout(LONG_S))
    for marker, reason in OPTIONAL.items():
        if not config.getoption(marker):
            for item in items:
                if item.get_closest_marker(marker):
                    item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def session_directory() -> Iterator[Path]:
    """A directory that the servers' user can reach, unlike pytest's own.

    However the session ends, no server below it outlives it.
    """
    directory = Path(tempfile.mkdtemp(prefix="pgcutover-test-", dir="/tmp"))
    directory.chmod(0o755)
    with guardian.watch(directory):
        yield directory
    shutil.rmtree(directory)


@pytest.fixture
def server_directory(session_directory: Path) -> Iterator[Path]:
    """The same for one test."""
    directory = Path(tempfile.mkdtemp(prefix="t-", dir=session_directory))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def cluster16(session_directory: Path) -> Iterator[Cluster]:
    yield from _cluster(session_directory, 16)


@pytest.fixture(scope="session")
def cluster18(session_directory: Path) -> Iterator[Cluster]:
    yield from _cluster(session_directory, 18)


def _cluster(session_directory: Path, major: int) -> Iterator[Cluster]:
    # Autovacuum is on, as everywhere, and never comes: what it would find depends on how long a test takes.
    settings = {"max_prepared_transactions": "10", "autovacuum_naptime": "1d"}
    cluster = Cluster(session_directory / f"pg{major}", major, settings=settings)
    cluster.initdb()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def scratch_db() -> Iterator[Callable[[Cluster], Dsn]]:
    """Make a database with an owner of its own, not superuser; both are dropped when the test ends.

    The `Dsn` names the server itself, without TLS: `psycopg.connect(dsn.url().reveal())`.
    """
    with ExitStack() as stack:

        def create(cluster: Cluster) -> Dsn:
            name = f"scratch_{secrets.token_hex(6)}"
            dsn = Dsn(
                host="127.0.0.1",
                port=cluster.port,
                user=name,
                password=Secret(secrets.token_hex(16)),
                database=name,
            )
            with cluster.superuser() as session:
                session.execute(
                    sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                        sql.Identifier(name), sql.Literal(dsn.password.reveal())
                    )
                )
                session.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(name))
                )
            stack.callback(_drop, cluster, name)
            return dsn

        yield create


def _drop(cluster: Cluster, name: str) -> None:
    with cluster.superuser(name) as session:
        for (prepared,) in session.execute(
            "SELECT gid FROM pg_prepared_xacts WHERE database = current_database()"
        ).fetchall():
            session.execute(sql.SQL("ROLLBACK PREPARED {}").format(sql.Literal(prepared)))
    with cluster.superuser() as session:
        session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        session.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def lab_ca(session_directory: Path) -> CertificateAuthority:
    """The authority that signed what the relays of `tls_relay` present."""
    return CertificateAuthority.create(session_directory / "tls")


@pytest.fixture
def tls_relay(lab_ca: CertificateAuthority) -> Iterator[Callable[..., Relay]]:
    """Start a TLS relay before a cluster: `tls_relay(cluster)`, `tls_relay(cluster, require_tls=False)`.

    It is a thread of this process: a client that blocks in C with Python's lock held, as psycopg's
    `Connection.cancel` does, would wait for it for ever. `cancel_safe` does not.
    """
    cert, key = lab_ca.directory / "server.pem", lab_ca.directory / "server.key"
    if not cert.exists():
        cert, key = lab_ca.issue()
    with ExitStack() as stack:

        def start(cluster: Cluster, *, require_tls: bool = True) -> Relay:
            relay = Relay(cluster.port, cert, key, require_tls=require_tls)
            relay.start()
            stack.callback(relay.stop)
            return relay

        yield start


@pytest.fixture
def connect() -> Iterator[Callable[..., psycopg.Connection]]:
    """Open a connection that is closed when the test ends: `connect(dsn)`, `connect(dsn, autocommit=True)`."""
    with ExitStack() as stack:

        def open_one(dsn: Dsn, *, autocommit: bool = False) -> psycopg.Connection:
            connection = psycopg.connect(dsn.url().reveal(), autocommit=autocommit)
            stack.callback(connection.close)
            return connection

        yield open_one
