"""Two servers on this machine with the settings that RDS gives a small instance, and databases on them.

fsync stays on, and WAL is what a server with a replica writes: without either, every copy looks fast.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from bench.shapes import Shape

from pgcutover.lab.clusters import Cluster, binaries

USER = "bench"
SOURCE = "source"
TARGET = "target"
FORGOTTEN_S = 6.0
"""ext4 does not give a deleted file's inode away for five seconds, and searches long for another."""
# What RDS for PostgreSQL sets on a class with 8 GiB; a quarter of memory is taken for the two servers together.
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Parameters.html
SETTINGS = {
    "shared_buffers": "1GB",
    "effective_cache_size": "4GB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "6GB",
    "min_wal_size": "192MB",
    "checkpoint_timeout": "5min",
    "checkpoint_completion_target": "0.9",
    "wal_level": "replica",
    "max_locks_per_transaction": "64",
    "max_connections": "100",
    "fsync": "on",
    "autovacuum_naptime": "15s",
    "jit": "off",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """A source with one database for each shape, and a target whose database is made anew for each run."""

    source: Cluster
    target: Cluster

    def source_url(self, shape: Shape) -> str:
        return _url(self.source, f"{SOURCE}_{shape.letter}")

    @property
    def target_url(self) -> str:
        return _url(self.target, TARGET)

    def build(self, shape: Shape, size: float) -> None:
        """Make the shape's database on the source; from scratch, for another size may stand there."""
        name = f"{SOURCE}_{shape.letter}"
        _new_database(self.source, name)
        with psycopg.connect(_url(self.source, name), autocommit=True) as session:
            for statement in shape.make(size):
                session.execute(statement.encode())
            session.execute("VACUUM (ANALYZE)")
        self.settle()

    def empty(self) -> None:
        """An empty target, and nothing left to be written from what was before."""
        _new_database(self.target, TARGET)
        self.settle()
        time.sleep(FORGOTTEN_S)

    def settle(self) -> None:
        for cluster in (self.source, self.target):
            with cluster.superuser() as session:
                session.execute("CHECKPOINT")

    def data_bytes(self, shape: Shape) -> int:
        with psycopg.connect(self.source_url(shape)) as session:
            row = session.execute("SELECT pg_database_size(current_database())").fetchone()
            return int(row[0]) if row else 0

    def rows(self, url: str) -> dict[str, int]:
        """Of every table, so that nobody is fast by leaving something out."""
        with psycopg.connect(url, autocommit=True) as session:
            tables = session.execute(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1"
            ).fetchall()
            return {name: _count(session, name) for (name,) in tables}

    def objects(self, url: str) -> dict[str, int]:
        """How many indexes, valid constraints of each kind, and columns with statistics there are."""
        with psycopg.connect(url, autocommit=True) as session:
            found = session.execute(
                "SELECT 'index', count(*) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid "
                "WHERE c.relnamespace = 'public'::regnamespace AND i.indisvalid UNION ALL "
                "SELECT 'constraint ' || contype::text, count(*) FROM pg_constraint "
                "WHERE connamespace = 'public'::regnamespace AND convalidated AND contype <> 'n' GROUP BY contype "
                "UNION ALL "
                "SELECT 'statistics', count(DISTINCT (tablename, attname)) FROM pg_stats WHERE schemaname = 'public'"
            ).fetchall()
            return dict(found)


def _count(session: psycopg.Connection, table: str) -> int:
    row = session.execute(f'SELECT count(*) FROM "{table}"'.encode()).fetchone()
    return int(row[0]) if row else 0


def _url(cluster: Cluster, database: str) -> str:
    return f"postgres://{USER}:{USER}@127.0.0.1:{cluster.port}/{database}"


def _new_database(cluster: Cluster, name: str) -> None:
    with cluster.superuser() as session:
        session.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        session.execute(f"CREATE DATABASE {name} OWNER {USER}".encode())


def majors() -> tuple[int, int]:
    """The packaged 15 on both ends where it is: pgcopydb's release in Debian knows no later one."""
    debian = Path("/usr/lib/postgresql/15/bin/postgres").exists()
    return (15, 15) if debian else (16, 16)


@contextmanager
def pair(directory: Path, *, source: int, target: int) -> Iterator[Pair]:
    """Two servers, stopped at the end."""
    directory.chmod(0o755)
    made = Pair(
        Cluster(directory / SOURCE, source, settings=SETTINGS), Cluster(directory / TARGET, target, settings=SETTINGS)
    )
    clusters = (made.source, made.target)
    try:
        for cluster in clusters:
            cluster.initdb()
            cluster.start()
            with cluster.superuser() as session:
                session.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{USER}'".encode())
                session.execute(f"GRANT pg_monitor TO {USER}".encode())
        yield made
    finally:
        for cluster in clusters:
            cluster.stop("immediate")


def cpu_s(cluster: Cluster) -> float:
    """Processor time of a server and all its sessions that have ended. Linux only; 0 elsewhere."""
    postmaster = cluster.postmaster
    stat = Path(f"/proc/{postmaster.pid}/stat") if postmaster else None
    if stat is None or not stat.exists():
        return 0.0
    # utime, stime, cutime, cstime. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    return sum(map(int, stat.read_text().rpartition(")")[2].split()[11:15])) / os.sysconf("SC_CLK_TCK")


def programs(major: int) -> Path:
    return binaries(major)
