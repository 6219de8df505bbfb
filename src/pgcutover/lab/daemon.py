"""The one process that holds a lab together: servers, relays, both APIs, the application's users.

    python -m pgcutover.lab.daemon --dir D --size small --speed 10 --seed 1 --rds-major 18

Started by `world.up`, ended by SIGTERM. Everything it started ends with it, in reverse order; should it be killed, its
guardian ends what is left. It prints no secret: its output is D/log/daemon.log.
"""

import argparse
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pgcutover.errors import ToolError
from pgcutover.facts.names import Dsn, Secret
from pgcutover.lab import guardian, handout, processes, statefile, stray
from pgcutover.lab.clients import install_clients
from pgcutover.lab.clusters import Cluster
from pgcutover.lab.dataset import HEROKU_MAJOR, SCALE, HerokuDatabase, Size, create_heroku_database
from pgcutover.lab.handout import Access
from pgcutover.lab.heroku.acme import API
from pgcutover.lab.heroku.pace import BOOT_S
from pgcutover.lab.heroku.records import DynoState
from pgcutover.lab.heroku.server import HerokuLab
from pgcutover.lab.layout import HerokuServer, LabLayout
from pgcutover.lab.relay import Relay
from pgcutover.lab.statefile import LabState
from pgcutover.lab.tls import CertificateAuthority, self_signed

HOST = "127.0.0.1"
HEROKU_SETTINGS = MappingProxyType(
    {
        # Above the plan's limit, so that the limit is what a client meets.
        "max_connections": "200",
        "max_prepared_transactions": "20",
        # A follower whose leader was away looks again after this long; five seconds by default.
        "wal_retrieve_retry_interval": "500ms",
    }
)
SLOT = "heroku_follower"
BOOT_MARGIN_S = 90.0
POLL_S = 0.05
CHILD_GRACE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which lab was asked for."""

    directory: Path
    size: Size
    speed: float
    seed: int
    rds_major: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartedHeroku:
    lab: HerokuLab
    access: Access


class EndedEarlyError(Exception):
    """The lab was told to end while it was being built."""


class Daemon:
    """Builds the lab, then waits. `run` returns when it was told to end and everything has ended."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.layout = LabLayout(wish.directory)
        self._told_to_end = threading.Event()
        self._began = time.monotonic()

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: self._told_to_end.set())
        with ExitStack() as stack:
            self._guard(stack)
            try:
                statefile.write(self.layout, LabState.READY, **self._build(stack))
                self._say("ready")
            except EndedEarlyError:
                pass
            self._told_to_end.wait()
            self._say("ending")
        self._say("ended")

    def _guard(self, stack: ExitStack) -> None:
        watcher = guardian.watch(self.layout.directory)
        processes.record(self.layout.run, guardian.NAME, watcher.pid)

        def dismiss() -> None:
            watcher.communicate()
            processes.forget(self.layout.run, guardian.NAME)

        stack.callback(dismiss)

    def _build(self, stack: ExitStack) -> dict[str, Any]:
        """Start everything, what can be at the same time at the same time; returns the facts for state.json."""
        layout = self.layout
        leader = Cluster(layout.heroku / "leader", HEROKU_MAJOR, settings=HEROKU_SETTINGS)
        follower = Cluster(layout.heroku / "follower", HEROKU_MAJOR, settings=HEROKU_SETTINGS)
        for cluster in (leader, follower):
            stack.callback(cluster.stop)
        authority = CertificateAuthority.create(layout.tls)
        with ThreadPoolExecutor(1) as beside:
            servers = beside.submit(self._start_servers, leader, follower)
            aws = self._start_rds(stack, authority)
            clients = install_clients(layout.directory)
            made = servers.result()
        relays = self._start_relays(stack, leader, follower)
        shown = [_server(made, cluster, relay) for cluster, relay in zip((leader, follower), relays, strict=True)]
        heroku = self._start_heroku(stack, authority.bundle, *shown)
        app_url = self._await_application(heroku.lab)
        self._start_people(stack, app_url, made, shown[0])
        handout.write_config(layout, pg_bin=clients, postgres=str(self.wish.rds_major))
        handout.write_environment(layout, handout.variables(heroku=heroku.access, aws=aws, ca=authority.bundle))
        ports = {"leader": leader.port, "follower": follower.port}
        ports |= {f"{name}_tls": relay.port for name, relay in zip(tuple(ports), relays, strict=True)}
        return self._facts(urls={"heroku": heroku.access.url, "aws": aws.url, "app": app_url}, ports=ports)

    def _facts(self, **found: Any) -> dict[str, Any]:
        wish = self.wish
        asked = {"size": wish.size, "speed": wish.speed, "seed": wish.seed, "rds_major": wish.rds_major}
        return {"pid": os.getpid(), "started_at": time.time(), **asked, **found}

    def _start_servers(self, leader: Cluster, follower: Cluster) -> HerokuDatabase:
        leader.initdb()
        leader.start()
        self._reached("leader runs")
        made = create_heroku_database(leader, size=self.wish.size, seed=self.wish.seed)
        self._reached("dataset made")
        follower.follow(leader, SLOT)
        follower.start()
        self._reached("follower runs")
        return made

    def _start_rds(self, stack: ExitStack, authority: CertificateAuthority) -> Access:
        # moto takes seconds to import: while the servers start, not before.
        from pgcutover.lab import rds

        lab = rds.RdsLab(self.layout, authority, speed=self.wish.speed)
        stack.callback(lab.stop)
        url = lab.start()
        self._reached("RDS answers")
        return Access(url=url, user=rds.ADMIN_KEY, secret=rds.SECRET_KEY)

    def _start_relays(self, stack: ExitStack, *clusters: Cluster) -> list[Relay]:
        certificate, key = self_signed(self.layout.tls, stem="heroku")
        relays = [Relay(cluster.port, certificate, key) for cluster in clusters]
        for relay in relays:
            relay.start()
            stack.callback(relay.stop)
        return relays

    def _start_heroku(
        self, stack: ExitStack, ca_bundle: Path, leader: HerokuServer, follower: HerokuServer
    ) -> StartedHeroku:
        api_key = f"HRKU-{secrets.token_hex(16)}"
        lab = HerokuLab(
            self.layout, ca_bundle, leader, follower, speed=self.wish.speed, seed=self.wish.seed, api_key=api_key
        )
        stack.callback(lab.stop)
        return StartedHeroku(lab=lab, access=Access(url=lab.start(), user="", secret=api_key))

    def _await_application(self, heroku: HerokuLab) -> str:
        """Until every dyno of the app is up; returns where its users find it."""
        deadline = time.monotonic() + BOOT_S[1] / self.wish.speed + BOOT_MARGIN_S
        while not self._told_to_end.wait(POLL_S):
            dynos = heroku.platform.dynos.list(API)
            if dynos and all(dyno.state is DynoState.UP for dyno in dynos):
                break
            if time.monotonic() > deadline:
                raise ToolError(f"the dynos of {API} did not come up: {[f'{d.name} {d.state}' for d in dynos]}")
        self._reached("application runs")
        return heroku.router_url()

    def _start_people(self, stack: ExitStack, url: str, made: HerokuDatabase, leader: HerokuServer) -> None:
        """The app's users, and the writer with a copied URL."""
        copied = Dsn(
            host=leader.host,
            port=leader.port,
            user=made.owner,
            password=Secret(made.owner_password),
            database=made.database,
        )
        self._adopt(stack, "stray", stray.start(copied.url().reveal(), self.layout.ledger, judged_in=API))
        people = [sys.executable, "-m", "pgcutover.lab.people", url, str(self.layout.ledger), API]
        self._adopt(stack, "people", subprocess.Popen(people, stdin=subprocess.DEVNULL))

    def _adopt(self, stack: ExitStack, name: str, child: "subprocess.Popen[bytes]") -> None:
        processes.record(self.layout.run, name, child.pid)

        def end() -> None:
            child.terminate()
            try:
                child.wait(CHILD_GRACE_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            processes.forget(self.layout.run, name)

        stack.callback(end)

    def _reached(self, what: str) -> None:
        self._say(what)
        if self._told_to_end.is_set():
            raise EndedEarlyError

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:7.2f} s  {text}", flush=True)


def _server(made: HerokuDatabase, cluster: Cluster, relay: Relay) -> HerokuServer:
    return HerokuServer(
        host=HOST,
        port=relay.port,
        cluster_port=cluster.port,
        database=made.database,
        owner=made.owner,
        password=made.owner_password,
        credentials={made.credential: made.credential_password},
        superuser_socket=cluster.socket_dir,
        plan=made.plan,
    )


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="pgcutover.lab.daemon")
    parser.add_argument("--dir", dest="directory", type=Path, required=True)
    parser.add_argument("--size", choices=sorted(SCALE), required=True)
    parser.add_argument("--speed", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--rds-major", type=int, required=True)
    # No directory that somebody may want to remove or unmount is held.
    os.chdir("/")
    Daemon(Wish(**vars(parser.parse_args(arguments)))).run()


if __name__ == "__main__":
    main(sys.argv[1:])
