"""The machines behind one environment's databases on Heroku: a leader, its streaming follower, a TLS relay before each.

`start` makes them, once; `fail_over` puts another server into the leader's place. What was started is ended by `stop`,
also when `start` was broken off in the middle.
"""

import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from psycopg import sql

from pgcutover.lab.clusters import PORTS, SUPERUSER, Cluster
from pgcutover.lab.dataset import HerokuDatabase, Size, create_heroku_database
from pgcutover.lab.layout import HerokuPair, HerokuServer
from pgcutover.lab.relay import Relay

HOST = "127.0.0.1"
SETTINGS = MappingProxyType(
    {
        # Above the plan's limit, so that the limit is what a client meets.
        "max_connections": "200",
        "max_prepared_transactions": "20",
        # A follower whose leader was away looks again after this long; five seconds by default.
        "wal_retrieve_retry_interval": "500ms",
    }
)
SLOT = "heroku_follower"
STANDBY_SLOT = "heroku_standby"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to make."""

    prefix: str = ""
    """Of the clusters' directories."""
    major: int
    size: Size
    seed: int
    plan: str
    shared: bool = False
    """See `create_heroku_database`."""


class Machines:
    """One environment's. `certificate` is what the relays present: file and key."""

    def __init__(self, directory: Path, order: Order, certificate: tuple[Path, Path]) -> None:
        self.order = order
        self._directory, self._certificate = directory, certificate
        self._leader, self._follower = self._cluster("leader"), self._cluster("follower")
        self._clusters = [self._leader, self._follower]
        self._relays: dict[int, Relay] = {}
        """By the port of the cluster behind."""
        self._made: HerokuDatabase | None = None

    def start(self, reached: Callable[[str], None]) -> None:
        """`reached` hears of each stage and may raise, which ends the start."""
        prefix, order = self.order.prefix, self.order
        self._leader.initdb()
        self._leader.start()
        reached(f"{prefix}leader runs")
        self._made = create_heroku_database(
            self._leader, size=order.size, seed=order.seed, plan=order.plan, shared=order.shared
        )
        reached(f"{prefix}dataset made")
        self._follower.follow(self._leader, SLOT)
        self._follower.start()
        for cluster in self._clusters:
            self._open(cluster)
        reached(f"{prefix}follower runs")

    def stop(self) -> None:
        for relay in self._relays.values():
            relay.stop()
        for cluster in self._clusters:
            cluster.stop()

    @property
    def database(self) -> HerokuDatabase:
        if self._made is None:
            raise RuntimeError("these machines have not been started")
        return self._made

    @property
    def pair(self) -> HerokuPair:
        return HerokuPair(leader=self._server(self._leader), follower=self._server(self._follower))

    @property
    def ports(self) -> dict[str, int]:
        """Of servers and relays, by name."""
        prefix = self.order.prefix.replace("-", "_")
        own = {f"{prefix}leader": self._leader, f"{prefix}follower": self._follower}
        return {
            **{name: cluster.port for name, cluster in own.items()},
            **{f"{name}_tls": self._relays[cluster.port].port for name, cluster in own.items()},
        }

    def system(self) -> str:
        """The identifier that every server of this environment has, and every copy of its files."""
        with self._leader.superuser() as session:
            row = session.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
        assert row is not None
        return str(row[0])

    def fail_over(self) -> HerokuServer:
        """The leader is gone for good and a standby has its place; returns that server. Nothing committed is lost.

        The follower follows the new leader.
        """
        dead, standby = self._leader, self._cluster(f"leader-{len(self._clusters)}")
        self._clusters.append(standby)
        standby.follow(dead, STANDBY_SLOT)
        standby.start()
        # In order, so that both have everything: a crash could take what was acknowledged and not yet sent.
        dead.stop()
        standby.promote()
        self._open(standby)
        with standby.superuser() as session:
            session.execute("SELECT pg_create_physical_replication_slot(%s, true)", [SLOT])
        with self._follower.superuser() as session:
            source = f"host={standby.socket_dir} port={standby.port} user={SUPERUSER}"
            session.execute(sql.SQL("ALTER SYSTEM SET primary_conninfo = {}").format(sql.Literal(source)))
            session.execute("SELECT pg_reload_conf()")
        self._leader = standby
        return self._server(standby)

    def _cluster(self, name: str) -> Cluster:
        return Cluster(self._directory / f"{self.order.prefix}{name}", self.order.major, settings=SETTINGS)

    def _open(self, cluster: Cluster) -> None:
        self._relays[cluster.port] = _started(cluster, self._certificate)

    def _server(self, cluster: Cluster) -> HerokuServer:
        made = self.database
        return HerokuServer(
            host=HOST,
            port=self._relays[cluster.port].port,
            cluster_port=cluster.port,
            database=made.database,
            owner=made.owner,
            password=made.owner_password,
            credentials={made.credential: made.credential_password},
            superuser_socket=cluster.socket_dir,
            plan=made.plan,
        )


def _started(cluster: Cluster, certificate: tuple[Path, Path]) -> Relay:
    """On a port whose successor is likely to be free too: the pooler's, see `pooler`."""
    while True:
        relay = Relay(cluster.port, *certificate, port=random.randrange(*PORTS))
        with contextlib.suppress(OSError):
            relay.start()
            return relay
