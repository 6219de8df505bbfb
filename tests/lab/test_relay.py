"""Programs speak TLS to the lab's servers, as they do to Heroku and RDS; and the network breaks when it is told to."""

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psycopg
import pytest

from pgcutover.facts.names import Dsn
from pgcutover.lab.clusters import Cluster
from pgcutover.lab.relay import Relay
from pgcutover.lab.tls import CertificateAuthority, self_signed

FIRST_MESSAGE_S = 5.0
TEN_MEGABYTES = "SELECT repeat('x', 1000) FROM generate_series(1, 10000)"


@pytest.fixture
def relay(cluster16: Cluster, tls_relay: Callable[..., Relay]) -> Relay:
    return tls_relay(cluster16)


@pytest.fixture
def open_dsn(
    cluster16: Cluster, relay: Relay, lab_ca: CertificateAuthority, scratch_db: Callable[[Cluster], Dsn]
) -> Iterator[Callable[..., psycopg.Connection]]:
    """Connect to a scratch database through the relay; everything is verified unless told otherwise."""
    dsn = scratch_db(cluster16)
    opened = []

    def connect(**options: str) -> psycopg.Connection:
        wanted = {
            "host": "localhost",
            "port": str(relay.port),
            "user": dsn.user,
            "password": dsn.password.reveal(),
            "dbname": dsn.database,
            "sslmode": "verify-full",
            "sslrootcert": str(lab_ca.bundle),
            "connect_timeout": "10",
        }
        opened.append(psycopg.connect(**{**wanted, **options}, autocommit=True))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


def answers(connection: psycopg.Connection) -> bool:
    return (1,) == connection.execute("SELECT 1").fetchone()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_verified_connection(open_dsn: Callable[..., psycopg.Connection], host: str) -> None:
    """`sslmode=verify-full` succeeds by name and by address, and the connection is encrypted."""
    connection = open_dsn(host=host)
    assert answers(connection)
    assert connection.pgconn.ssl_in_use


def test_another_authority_is_not_trusted(open_dsn: Callable[..., psycopg.Connection], tmp_path: Path) -> None:
    """A client that trusts somebody else refuses to connect, and the relay goes on serving others."""
    stranger = CertificateAuthority.create(tmp_path / "stranger")
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        open_dsn(sslrootcert=str(stranger.bundle))
    assert answers(open_dsn())


def test_a_self_signed_certificate_suits_require_only(
    cluster16: Cluster, open_dsn: Callable[..., psycopg.Connection], tmp_path: Path
) -> None:
    """As on classic Heroku Postgres: `require` connects, `verify-full` does not."""
    heroku = Relay(cluster16.port, *self_signed(tmp_path))
    heroku.start()
    try:
        assert answers(open_dsn(port=str(heroku.port), sslmode="require", sslrootcert=""))
        with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
            open_dsn(port=str(heroku.port))
    finally:
        heroku.stop()


def test_plain_clients_are_refused_as_a_server_does(open_dsn: Callable[..., psycopg.Connection], relay: Relay) -> None:
    """Without TLS the client gets SQLSTATE 28000 and PostgreSQL's own words; the switch counts at run time."""
    with pytest.raises(psycopg.OperationalError) as caught:
        open_dsn(sslmode="disable", user="somebody", dbname="somewhere")
    expected = 'no pg_hba.conf entry for host "127.0.0.1", user "somebody", database "somewhere", no encryption'
    assert f"FATAL:  {expected}" in str(caught.value)

    relay.require_tls = False
    assert not open_dsn(sslmode="disable").pgconn.ssl_in_use
    relay.require_tls = True
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        open_dsn(sslmode="disable")


def test_the_refusal_carries_its_sqlstate(relay: Relay) -> None:
    """The refusal is an ErrorResponse with severity, SQLSTATE 28000 and message, and the relay then hangs up."""
    with socket.create_connection(("127.0.0.1", relay.port), FIRST_MESSAGE_S) as client:
        parameters = b"user\0ann\0\0"
        client.sendall(struct.pack("!II", 8 + len(parameters), 196608) + parameters)
        with client.makefile("rb") as stream:
            said = stream.read()
    assert b"E" == said[:1]
    assert len(said) - 1 == struct.unpack("!I", said[1:5])[0]
    fields = {field[:1]: field[1:] for field in said[5:].split(b"\0") if field}
    assert (b"FATAL", b"28000") == (fields[b"V"], fields[b"C"])
    assert b'database "ann"' in fields[b"M"]


def test_gss_encryption_is_declined(relay: Relay) -> None:
    """A GSSENCRequest is answered with N, after which the client may ask for TLS on the same connection."""
    with socket.create_connection(("127.0.0.1", relay.port), FIRST_MESSAGE_S) as client:
        client.sendall(struct.pack("!II", 8, 80877104))
        assert b"N" == client.recv(1)
        client.sendall(struct.pack("!II", 8, 80877103))
        assert b"S" == client.recv(1)


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n\r\n", struct.pack("!I", 7), struct.pack("!I", 10_001), b""])
def test_what_is_not_postgresql_is_hung_up_on(relay: Relay, first: bytes) -> None:
    """A first packet of an impossible length ends the connection, and only that one."""
    with (
        socket.create_connection(("127.0.0.1", relay.port), FIRST_MESSAGE_S) as client,
        # The relay may hang up with bytes of ours unread, which the kernel tells us as a reset.
        contextlib.suppress(ConnectionResetError, BrokenPipeError),
    ):
        client.sendall(first)
        if not first:
            client.shutdown(socket.SHUT_WR)
        assert b"" == client.recv(100)


def test_a_running_statement_can_be_cancelled(open_dsn: Callable[..., psycopg.Connection]) -> None:
    """An encrypted CancelRequest passes through (test_clients has the plain one)."""
    connection = open_dsn()
    timer = threading.Timer(0.3, connection.cancel_safe)
    timer.start()
    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute("SELECT pg_sleep(20)")
    timer.join()


def test_bytes_pass_unchanged_both_ways(open_dsn: Callable[..., psycopg.Connection], relay: Relay) -> None:
    """Thirty megabytes of COPY into the server and out again are the same bytes."""
    connection = open_dsn()
    connection.execute("CREATE TABLE blobs (n int, data bytea)")
    with connection.cursor().copy("COPY blobs (n, data) FROM STDIN") as copy:
        for n in range(300):
            copy.write_row((n, bytes([n % 256]) * 100_000))
    assert (300, True) == connection.execute(
        "SELECT count(*), bool_and(data = decode(repeat(lpad(to_hex(n % 256), 2, '0'), 100000), 'hex')) FROM blobs"
    ).fetchone()
    before = relay.relayed_bytes
    with connection.cursor().copy("COPY blobs TO STDOUT (FORMAT binary)") as copy:
        received = sum(len(block) for block in copy)
    assert 30_000_000 < received <= relay.relayed_bytes - before


def test_asyncpg_verifies_too(
    cluster16: Cluster, relay: Relay, lab_ca: CertificateAuthority, scratch_db: Callable[[Cluster], Dsn]
) -> None:
    """Python's own TLS, which is stricter than libpq's, accepts the certificate for localhost."""
    dsn = scratch_db(cluster16)

    async def ask() -> int:
        connection = await asyncpg.connect(
            host="localhost",
            port=relay.port,
            user=dsn.user,
            password=dsn.password.reveal(),
            database=dsn.database,
            ssl=ssl.create_default_context(cafile=lab_ca.bundle),
        )
        try:
            return int(await connection.fetchval("SELECT 7"))
        finally:
            await connection.close()

    assert 7 == asyncio.run(ask())


def test_cut_breaks_what_is_open_and_nothing_else(open_dsn: Callable[..., psycopg.Connection], relay: Relay) -> None:
    """After `cut` an open session is broken, in the middle of a statement too; a new one works."""
    idle, busy = open_dsn(), open_dsn()
    assert 2 == relay.connections
    timer = threading.Timer(0.3, relay.cut)
    timer.start()
    with pytest.raises(psycopg.OperationalError):
        busy.execute("SELECT pg_sleep(20)")
    timer.join()
    assert 0 == relay.connections
    with pytest.raises(psycopg.OperationalError):
        idle.execute("SELECT 1")
    assert answers(open_dsn())


def test_cut_after_some_bytes(open_dsn: Callable[..., psycopg.Connection], relay: Relay) -> None:
    """The connection breaks once about that many bytes went through, and the next one is whole again."""
    connection = open_dsn()
    relay.cut_after(2_000_000)
    received = 0
    with pytest.raises(psycopg.OperationalError), connection.cursor().copy(f"COPY ({TEN_MEGABYTES}) TO STDOUT") as copy:
        for block in copy:
            received += len(block)
    assert received < 4_000_000
    again = open_dsn()
    with again.cursor().copy(f"COPY ({TEN_MEGABYTES}) TO STDOUT") as copy:
        assert 10_000 * 1001 == sum(len(block) for block in copy)


def test_slow_passes_on_no_more_than_told(open_dsn: Callable[..., psycopg.Connection], relay: Relay) -> None:
    """2 MB at 2 MB a second take about a second; afterwards it is as fast as it was."""
    connection = open_dsn()
    relay.slow(2_000_000)
    started = time.monotonic()
    (text,) = connection.execute("SELECT repeat('x', 2000000)").fetchone() or ("",)
    assert 2_000_000 == len(text)
    assert 0.7 < time.monotonic() - started
    relay.slow(None)
    with connection.cursor().copy(f"COPY ({TEN_MEGABYTES}) TO STDOUT") as copy:
        assert 10_000 * 1001 == sum(len(block) for block in copy)


def test_hang_up_ends_politely(open_dsn: Callable[..., psycopg.Connection], relay: Relay) -> None:
    """An open session is told the end, not reset; a new one works."""
    connection = open_dsn()
    relay.hang_up()
    with pytest.raises(psycopg.OperationalError, match=r"closed the connection|has been closed|EOF|terminat"):
        connection.execute("SELECT 1")
    assert answers(open_dsn())


def test_stall_holds_and_resume_lets_go(open_dsn: Callable[..., psycopg.Connection], relay: Relay) -> None:
    """While stalled nothing passes, also for new connections; after `resume` everything arrives."""
    connection = open_dsn()
    relay.stall()
    timer = threading.Timer(0.5, relay.resume)
    started = time.monotonic()
    timer.start()
    assert answers(connection)
    assert 0.4 < time.monotonic() - started
    timer.join()

    relay.stall()
    with pytest.raises(psycopg.OperationalError, match="timeout"):
        open_dsn(connect_timeout="2")
    relay.resume()
    assert answers(open_dsn())


def test_refuse_keeps_the_port_and_the_open_connections(
    open_dsn: Callable[..., psycopg.Connection], relay: Relay
) -> None:
    """While refusing, connecting fails as it does when a server is down; open sessions go on; then all is as before."""
    connection, port = open_dsn(), relay.port
    for _ in range(2):
        relay.refuse(True)
        with pytest.raises(psycopg.OperationalError, match="Connection refused"):
            open_dsn()
        assert answers(connection)
    for _ in range(2):
        relay.refuse(False)
        assert answers(open_dsn())
    assert port == relay.port


def test_stop_frees_the_port_and_ends_everything(
    cluster16: Cluster, lab_ca: CertificateAuthority, open_dsn: Callable[..., psycopg.Connection]
) -> None:
    """After `stop`, in whatever state, no thread, no connection and no listener is left; it may start again."""
    other = Relay(cluster16.port, lab_ca.directory / "server.pem", lab_ca.directory / "server.key")
    port = other.start()
    connection = open_dsn(port=str(port))
    other.stall()
    other.refuse(True)
    other.stop()
    other.stop()
    assert [] == [one.name for one in threading.enumerate() if one.name == f"relay-{port}"]
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), FIRST_MESSAGE_S).close()
    assert port == other.start()
    assert answers(open_dsn(port=str(port)))
    other.stop()


def test_a_server_that_is_down_looks_down(relay: Relay, open_dsn: Callable[..., psycopg.Connection]) -> None:
    """With no server behind it the relay hangs up; when the server is back, it serves."""
    port, relay.upstream_port = relay.upstream_port, 1
    with pytest.raises(psycopg.OperationalError):
        open_dsn()
    relay.upstream_port = port
    assert answers(open_dsn())
