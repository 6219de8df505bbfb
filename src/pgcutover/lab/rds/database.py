"""The PostgreSQL behind one DB instance: a cluster, the TLS relay before it, roles as on RDS, and its settings.

Knows nothing of the API, its statuses or its clock. Every method returns when the thing is done.
The superuser (`rdsadmin`) is never handed out; the master user is a member of rds_superuser and no superuser.
What differs from RDS and cannot be had with stock PostgreSQL: rds_superuser may create no event trigger and no
publication FOR ALL TABLES; `SHOW ssl` says off, for TLS ends in the relay; anybody with CREATE on a database may create
extensions.
"""

import shutil
import subprocess
import time
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from psycopg import sql

from pgcutover.lab import processes
from pgcutover.lab.clusters import SUPERUSER, Cluster
from pgcutover.lab.rds import installation, laptop
from pgcutover.lab.relay import Relay

RELOAD_S = 10.0
FOLLOWER_SETTINGS = (
    "max_connections",
    "max_worker_processes",
    "max_prepared_transactions",
    "max_locks_per_transaction",
    "max_wal_senders",
)
"""A standby with less of one than its primary refuses to start.
https://www.postgresql.org/docs/current/hot-standby.html#HOT-STANDBY-ADMIN"""


class RdsCluster(Cluster):
    """A cluster that starts from the lab's own installation, and whose postmaster is on record."""

    def __init__(self, directory: Path, major: int, *, postgres: Path, run: Path) -> None:
        super().__init__(directory, major)
        self._postgres = postgres
        self._records = run
        self._name = f"rds-{directory.name}"

    def start(self) -> None:
        super().start()
        if (postmaster := self.postmaster) is not None:
            processes.record(self._records, self._name, postmaster.pid)

    def stop(self, mode: str = "fast") -> None:
        super().stop(mode)
        processes.forget(self._records, self._name)

    def copy_of(self, running: Cluster) -> None:
        """Become a copy of a running cluster, as it is at the end of the copying."""
        self._prepare_directory()
        self._run(
            "pg_basebackup",
            f"--pgdata={self.data}",
            f"--host={running.socket_dir}",
            f"--port={running.port}",
            f"--username={SUPERUSER}",
            "--wal-method=stream",
            "--checkpoint=fast",
            "--no-sync",
        )

    def copy_at_rest(self, data: Path) -> None:
        """Become a copy of the files of a cluster that is not running."""
        self._prepare_directory()
        # cp keeps the owner, whom PostgreSQL demands; a copy made by root in Python would belong to root.
        subprocess.run(["cp", "-a", str(data), str(self.data)], check=True, stdin=subprocess.DEVNULL)

    def _pg_ctl(self, action: str, *options: str) -> "subprocess.CompletedProcess[str]":
        if action == "start":
            options = (*options, "-p", str(self._postgres))
        return super()._pg_ctl(action, *options)


class Database:
    """Made by one of `create`, `follow` and `restore`, once; `port` is the relay's and stays the same for ever."""

    def __init__(self, directory: Path, major: int, *, root: Path, run: Path, certificate: tuple[Path, Path]) -> None:
        self.directory = directory
        self.major = major
        self.port: int | None = None
        self.changed: dict[str, str] = {}
        """Settings that this machine did not afford, with the value the group asked for."""
        self._libraries = installation.libraries(major)
        self._extensions = installation.extensions(major)
        self._postgres = installation.postgres_of(root, major)
        self._records = run
        self.cluster = self._cluster_in(directory)
        self._own_settings = dict(self.cluster.settings)
        self._certificate = certificate
        self.relay: Relay | None = None
        self._primary: Database | None = None

    def create(self, *, master: str, password: str, name: str | None, settings: Mapping[str, str]) -> None:
        """An empty server with RDS's roles; `name` is the database the request asked for."""
        self.cluster.initdb()
        self._set(settings)
        self.cluster.start()
        self._bootstrap(master, password, name)
        self.open(settings)

    def follow(self, primary: "Database", slot: str, settings: Mapping[str, str]) -> None:
        self.cluster.follow(primary.cluster, slot)
        self._primary = primary
        self._set(settings)
        self.cluster.start()
        self.open(settings)

    def restore(self, snapshot: Path, settings: Mapping[str, str]) -> None:
        self.cluster.copy_at_rest(snapshot / "data")
        self._set(settings)
        self.cluster.start()
        self.open(settings)

    def open(self, settings: Mapping[str, str]) -> None:
        """Let clients in."""
        certificate, key = self._certificate
        self.relay = Relay(self.cluster.port, certificate, key, require_tls=_forces_tls(settings), port=self.port or 0)
        self.port = self.relay.start()

    def apply(self, settings: Mapping[str, str]) -> bool:
        """Settings that count without a restart count when this returns; whether others wait for one."""
        self._set(settings)
        with self.cluster.superuser() as session:
            loaded = session.execute("SELECT pg_conf_load_time()").fetchone()
            session.execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + RELOAD_S
        while time.monotonic() < deadline:
            # A session started after the postmaster has read the file; an old one may still wait for its turn.
            with self.cluster.superuser() as session:
                if session.execute("SELECT pg_conf_load_time()").fetchone() != loaded:
                    break
            time.sleep(0.02)
        if self.relay is not None:
            self.relay.require_tls = _forces_tls(settings)
        return self.restart_is_pending()

    def restart_is_pending(self) -> bool:
        with self.cluster.superuser() as session:
            row = session.execute("SELECT bool_or(pending_restart) FROM pg_catalog.pg_settings").fetchone()
        return bool(row and row[0])

    def restart(self, settings: Mapping[str, str]) -> None:
        """Raises ToolError when the server does not start with these; it is down then."""
        self.cluster.stop()
        self._set(settings)
        self.cluster.start()
        if self.relay is not None:
            self.relay.upstream_port = self.cluster.port
            self.relay.require_tls = _forces_tls(settings)

    def set_password(self, role: str, password: str) -> None:
        with self.cluster.superuser() as session:
            verifier = session.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
            session.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier)))

    def drop_slot(self, slot: str) -> None:
        """Free what a replica that is gone kept on its primary; a slot that does not exist is not an error."""
        if not self.cluster.running:
            return
        with self.cluster.superuser() as session:
            # The server notices that a follower is gone a moment after it is.
            session.execute(
                "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_catalog.pg_replication_slots"
                " WHERE slot_name = %s AND active",
                (slot,),
            )
            session.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots WHERE slot_name = %s",
                (slot,),
            )

    def save(self, snapshot: Path) -> None:
        """Copy the running server to a snapshot's directory."""
        self._cluster_in(snapshot).copy_of(self.cluster)

    def crash(self) -> None:
        """Kill every process of the server, then start it: it recovers as from a power cut."""
        self.cluster.kill()
        self.cluster.start()
        if self.relay is not None:
            self.relay.upstream_port = self.cluster.port

    def stop(self, mode: str = "fast") -> None:
        """Also when never made, or already stopped."""
        if self.relay is not None:
            self.relay.stop()
            self.relay = None
        self.cluster.stop(mode)

    def start(self, settings: Mapping[str, str]) -> None:
        """After `stop`: the same server behind the same port."""
        self._set(settings)
        self.cluster.start()
        self.open(settings)

    def remove(self, *, keep_as: Path | None) -> None:
        """Stop, and take the files away: to a snapshot's directory, or for ever."""
        # What is thrown away needs no checkpoint.
        self.stop("fast" if keep_as is not None else "immediate")
        if keep_as is not None:
            keep_as.parent.mkdir(parents=True, exist_ok=True)
            self.directory.rename(keep_as)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _cluster_in(self, directory: Path) -> RdsCluster:
        return RdsCluster(directory, self.major, postgres=self._postgres, run=self._records)

    def _set(self, settings: Mapping[str, str]) -> None:
        fitted, self.changed = laptop.fitted({**settings, **self._primarys()}, self._libraries)
        logical = settings.get("rds.logical_replication") == "on"
        self.cluster.settings = {
            **self._own_settings,
            **fitted,
            "rds.extensions": ",".join(sorted(self._extensions)),
            "wal_level": "logical" if logical else "replica",  # A1
        }
        self.cluster.configure({})

    def _primarys(self) -> dict[str, str]:
        """What a replica takes from its primary whatever its own group says, as RDS does."""
        settings = self._primary.cluster.settings if self._primary is not None else {}
        return {name: settings[name] for name in FOLLOWER_SETTINGS if name in settings}

    def _bootstrap(self, master: str, password: str, name: str | None) -> None:
        script = resources.files(__package__).joinpath("sql", "roles.sql").read_text()
        with self.cluster.superuser() as session:
            # The clear text stays here: the server, and hence its log, sees only the verifier.
            verifier = session.pgconn.encrypt_password(password.encode(), master.encode(), b"scram-sha-256").decode()
            names = {"master": sql.Identifier(master), "verifier": sql.Literal(verifier)}
            for statement in script.split(";\n"):
                session.execute(sql.SQL(statement).format(**names))
            if name is not None and name != "postgres":
                session.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(master))
                )


def _forces_tls(settings: Mapping[str, str]) -> bool:
    return settings.get("rds.force_ssl") == "on"
