"""The lab's servers are real, durable, private, and leave nothing behind."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from pgcutover.errors import ToolError, UsageError
from pgcutover.facts.names import Dsn
from pgcutover.lab import processes
from pgcutover.lab.clusters import BUNDLED, Cluster, binaries, free_port, run_as


@pytest.fixture
def make(server_directory: Path) -> Iterator[Callable[..., Cluster]]:
    """Make clusters that are stopped when the test ends."""
    with ExitStack() as stack:

        def one(name: str, major: int = 16, **settings: str) -> Cluster:
            cluster = Cluster(server_directory / name, major, settings=settings)
            stack.callback(cluster.stop, "immediate")
            return cluster

        yield one


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def family(cluster: Cluster) -> tuple[processes.Process, ...]:
    postmaster = cluster.postmaster
    assert postmaster is not None
    return (postmaster, *processes.children(postmaster.pid))


def wait_for(session: psycopg.Connection, question: str) -> bool:
    """Ask until the answer is true, for ten seconds."""
    for _ in range(500):
        if session.execute(f"SELECT ({question})").fetchone() == (True,):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("major", [15, 16, 18])
def test_a_stopped_server_leaves_nothing(make: Callable[..., Cluster], major: int) -> None:
    """After stop there is no process, no port and no socket directory; the data remain and start again."""
    if major not in BUNDLED and not Path(f"/usr/lib/postgresql/{major}/bin/postgres").exists():
        pytest.skip(f"this machine has no PostgreSQL {major}")
    cluster = make("one", major)
    cluster.initdb()
    cluster.start()
    everyone, port = family(cluster), cluster.port
    with cluster.superuser() as session:
        session.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        assert major == session.info.server_version // 10000
    assert accepts(port)

    cluster.stop()

    assert [] == [process for process in everyone if process.alive]
    assert not cluster.running
    assert not accepts(port)
    assert not cluster.socket_dir.exists()
    cluster.start()
    assert port == cluster.port
    with cluster.superuser() as session:
        assert (42,) == session.execute("SELECT answer FROM kept").fetchone()
    cluster.stop()
    cluster.stop()


def test_settings_of_a_new_server(cluster16: Cluster) -> None:
    """fsync is on, and nobody outside this machine can connect."""
    with cluster16.superuser() as session:
        found = dict(
            session.execute(
                "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)",
                [["fsync", "listen_addresses", "wal_level", "server_encoding", "password_encryption"]],
            ).fetchall()
        )
    assert {
        "fsync": "on",
        "listen_addresses": "127.0.0.1",
        "wal_level": "replica",
        "server_encoding": "UTF8",
        "password_encryption": "scram-sha-256",
    } == found


def test_the_superuser_comes_in_by_the_socket_only(cluster16: Cluster, scratch_db: Callable[[Cluster], Dsn]) -> None:
    """Over TCP a password is needed, which rdsadmin has none of; by the socket nobody else comes in."""
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host="127.0.0.1", port=cluster16.port, user="rdsadmin", dbname="postgres")
    dsn = scratch_db(cluster16)
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
        psycopg.connect(
            host=str(cluster16.socket_dir), port=cluster16.port, user=dsn.user, dbname=dsn.database, password="x"
        )
    assert 0o700 == cluster16.socket_dir.stat().st_mode & 0o777


def test_a_follower_streams_and_can_be_promoted(make: Callable[..., Cluster]) -> None:
    """What the leader commits appears on the follower, which refuses writes until it is promoted."""
    leader, follower = make("leader"), make("follower", wal_retrieve_retry_interval="100ms")
    leader.initdb()
    leader.start()
    follower.follow(leader, "follower_1")
    follower.start()
    with leader.superuser() as session, follower.superuser() as reader:
        session.execute("CREATE TABLE written AS SELECT 1 AS n")
        assert wait_for(reader, "to_regclass('written') IS NOT NULL")
        assert [("follower_1", True)] == session.execute(
            "SELECT slot_name, active FROM pg_replication_slots"
        ).fetchall()
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reader.execute("INSERT INTO written VALUES (2)")

    leader.restart()
    with leader.superuser() as session, follower.superuser() as reader:
        session.execute("INSERT INTO written VALUES (3)")
        assert wait_for(reader, "SELECT count(*) = 2 FROM written")

    leader.stop()
    follower.promote()
    with follower.superuser() as session:
        session.execute("INSERT INTO written VALUES (4)")
        assert (3,) == session.execute("SELECT count(*) FROM written").fetchone()


def test_a_killed_server_keeps_what_it_acknowledged(make: Callable[..., Cluster]) -> None:
    """SIGKILL ends every process at once; after recovery a committed row is there, an open transaction's is not."""
    cluster = make("killed")
    cluster.initdb()
    cluster.start()
    with cluster.superuser() as session:
        session.execute("CREATE TABLE kept (n int)")
        session.execute("INSERT INTO kept VALUES (1)")
    open_one = cluster.superuser()
    open_one.autocommit = False
    open_one.execute("INSERT INTO kept VALUES (2)")
    everyone = family(cluster)

    cluster.kill()

    assert [] == [process for process in everyone if process.alive]
    with pytest.raises(psycopg.OperationalError):
        open_one.commit()
    open_one.close()
    cluster.start()
    with cluster.superuser() as session:
        assert [(1,)] == session.execute("SELECT n FROM kept").fetchall()


def test_a_stale_pid_file_is_not_a_running_server(make: Callable[..., Cluster]) -> None:
    """A pid file that names somebody else's process is not taken for the server, and stopping leaves that one alone."""
    cluster = make("stale")
    cluster.initdb()
    (cluster.data / "postmaster.pid").write_text(f"{os.getpid()}\n{cluster.data}\n")
    assert not cluster.running
    cluster.stop()
    cluster.kill()
    (cluster.data / "postmaster.pid").unlink()


def test_configured_settings_count_after_a_reload(make: Callable[..., Cluster]) -> None:
    """`configure` changes a value, quotes included, and `reload` makes the server read it."""
    cluster = make("configured", work_mem="5MB")
    cluster.initdb()
    cluster.start()
    with cluster.superuser() as session:
        assert ("5MB",) == session.execute("SHOW work_mem").fetchone()
        cluster.configure({"work_mem": "6MB", "log_line_prefix": "it's %p "})
        cluster.reload()
        assert wait_for(session, "current_setting('work_mem') = '6MB'")
        assert ("it's %p ",) == session.execute("SHOW log_line_prefix").fetchone()


def test_a_long_path_still_gets_a_socket(server_directory: Path) -> None:
    """Below a directory whose name is too long for a socket's path, the socket lies elsewhere and goes with `stop`."""
    cluster = Cluster(server_directory / ("long-" * 20), 16)
    cluster.initdb()
    try:
        cluster.start()
        with cluster.superuser() as session:
            assert (1,) == session.execute("SELECT 1").fetchone()
        assert 100 > len(os.fsencode(cluster.socket_dir))
        assert cluster.socket_dir.exists()
    finally:
        cluster.stop()
    assert not cluster.socket_dir.exists()


def test_a_taken_port_is_left_for_another(make: Callable[..., Cluster], server_directory: Path) -> None:
    """A port taken between choosing and starting is replaced; a port that was asked for is an error instead."""
    first = make("first")
    first.initdb()
    with socket.socket() as taker:
        taker.bind(("127.0.0.1", first.port))
        taker.listen()
        taken = first.port
        first.start()
        assert taken != first.port
        second = Cluster(server_directory / "second", 16, port=taken)
        second.initdb()
        with pytest.raises(ToolError, match="did not start"):
            second.start()
        second.stop()


def test_a_directory_that_the_servers_cannot_enter(server_directory: Path) -> None:
    """As root, a place only root may enter is refused with the path, before anything is made in it."""
    if run_as() is None:
        pytest.skip("only root runs servers as somebody else")
    private = server_directory / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(UsageError, match="cannot enter") as caught:
        Cluster(private / "one", 16).initdb()
    assert "parent directories" in caught.value.hint


def test_a_missing_major_version_is_named() -> None:
    """A major version nobody installed is refused with what would bring one."""
    with pytest.raises(UsageError, match="no PostgreSQL 9 ") as caught:
        binaries(9)
    assert "pgcutover[lab]" in caught.value.hint


def test_a_cluster_is_made_once(make: Callable[..., Cluster]) -> None:
    """`initdb` over existing data is refused."""
    cluster = make("once")
    cluster.initdb()
    with pytest.raises(UsageError, match="already holds a cluster"):
        cluster.initdb()


def test_free_ports_are_below_the_ephemeral_range() -> None:
    """A free port is one no outgoing connection could take first."""
    assert all(15000 <= free_port() < 30000 for _ in range(50))
