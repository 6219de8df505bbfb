"""Where everything of one lab lies below its directory, and what one of its Heroku databases is.

Only names and values: nothing here starts, reads or removes anything. Every part of the lab takes its paths from here,
so that two labs in two directories share nothing.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

World: TypeAlias = Literal["single", "whole"]
WORLDS: tuple[World, ...] = ("single", "whole")
"""What acme has: see `heroku.acme`."""


@dataclass(frozen=True, slots=True)
class LabLayout:
    """The paths of one lab."""

    directory: Path

    @property
    def state(self) -> Path:
        """What runs where (ports, pids, names): JSON, 0600, written by the daemon when all is ready."""
        return self.directory / "state.json"

    @property
    def environment(self) -> Path:
        """`export K='v'` lines for a shell, 0600."""
        return self.directory / "lab.env"

    @property
    def config(self) -> Path:
        return self.directory / "pgcutover.toml"

    @property
    def heroku(self) -> Path:
        """Heroku's side: `leader/`, `follower/` and so on are clusters, the rest belongs to the API and its dynos."""
        return self.directory / "heroku"

    @property
    def rds(self) -> Path:
        """RDS's side: one directory for each instance."""
        return self.directory / "rds"

    @property
    def tls(self) -> Path:
        return self.directory / "tls"

    @property
    def clients(self) -> Path:
        """`<major>/bin/{pg_dump,pg_restore,psql}`."""
        return self.directory / "clients"

    @property
    def ledger(self) -> Path:
        """What the application and its users were promised, outside any database."""
        return self.directory / "ledger"

    @property
    def log(self) -> Path:
        return self.directory / "log"

    @property
    def daemon_log(self) -> Path:
        return self.log / "daemon.log"

    @property
    def daemon_pid(self) -> Path:
        return self.directory / "daemon.pid"

    @property
    def run(self) -> Path:
        """One `<name>.pid` for each child process, see `processes.record`: what is ended when the daemon dies."""
        return self.directory / "run"

    @property
    def directories(self) -> tuple[Path, ...]:
        return (self.heroku, self.rds, self.tls, self.clients, self.ledger, self.log, self.run)


@dataclass(frozen=True, slots=True, kw_only=True)
class HerokuServer:
    """One Heroku Postgres database as its add-on knows it: the relay in front, the cluster behind."""

    host: str
    port: int
    """Of the TLS relay: what a `DATABASE_URL` names."""
    cluster_port: int
    """Of the server itself, without TLS: nothing outside the lab may use it."""
    database: str
    owner: str
    password: str = field(repr=False)
    credentials: dict[str, str] = field(repr=False)
    """Further credentials: role name to password."""
    superuser_socket: Path
    """Socket directory: `psycopg.connect(host=superuser_socket, port=cluster_port, user="rdsadmin")` is superuser."""
    plan: str
    pooler_port: int = 0
    """Of the server-side pooler; 0 while there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HerokuPair:
    """The databases of one environment."""

    leader: HerokuServer
    follower: HerokuServer
