"""The one process that holds a lab together: servers, relays, both APIs, the application's users.

    python -m pgcutover.lab.daemon --dir D --size small --speed 10 --seed 1 --rds-major 18 --world single

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
from typing import Any

from pgcutover.errors import ToolError
from pgcutover.facts.names import Dsn, Secret
from pgcutover.lab import guardian, handout, processes, statefile, stray
from pgcutover.lab.clients import install_clients
from pgcutover.lab.dataset import HEROKU_MAJOR, PLAN, SCALE, Size
from pgcutover.lab.handout import Access, Environment
from pgcutover.lab.heroku import acme
from pgcutover.lab.heroku.pace import BOOT_S
from pgcutover.lab.heroku.records import DynoState
from pgcutover.lab.heroku.server import HerokuLab
from pgcutover.lab.layout import WORLDS, LabLayout, World
from pgcutover.lab.machines import Machines, Order
from pgcutover.lab.statefile import LabState
from pgcutover.lab.tls import CertificateAuthority, self_signed

PRODUCTION_PLAN = "heroku-postgresql:premium-0"
"""Of the whole world: a plan whose leader is failed over. https://devcenter.heroku.com/articles/heroku-postgres-ha"""
STAGING_MAJOR = 18
QUIET_REQUESTS_PER_S = 2.0
"""Of the apps beside the one that earns the money."""
ENVIRONMENTS = ("production", "staging")
BOOT_MARGIN_S = 90.0
POLL_S = 0.05
FORMED = ("web", "worker")
"""A dyno of the scheduler comes and goes."""
CHILD_GRACE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Which lab was asked for."""

    directory: Path
    size: Size
    speed: float
    seed: int
    rds_major: int
    world: World


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
        certificate = self_signed(layout.tls, stem="heroku")
        machines = [Machines(layout.heroku, order, certificate) for order in self._orders()]
        for one in machines:
            stack.callback(one.stop)
        authority = CertificateAuthority.create(layout.tls)
        with ThreadPoolExecutor(len(machines)) as beside:
            started = [beside.submit(one.start, self._reached) for one in machines]
            aws = self._start_rds(stack, authority)
            clients = install_clients(layout.directory)
            for start in started:
                start.result()
        heroku = self._start_heroku(stack, authority.bundle, machines)
        apps = self._await_applications(heroku.lab)
        self._start_people(stack, apps, machines[0])
        handout.write_config(layout, pg_bin=clients, environments=self._environments())
        handout.write_environment(layout, handout.variables(heroku=heroku.access, aws=aws, ca=authority.bundle))
        return self._facts(
            urls={"heroku": heroku.access.url, "aws": aws.url, "app": apps[acme.API]},
            ports={name: port for one in machines for name, port in one.ports.items()},
            systems={one.system(): name for name, one in zip(ENVIRONMENTS, machines, strict=False)},
        )

    @property
    def _whole(self) -> bool:
        return self.wish.world == "whole"

    def _orders(self) -> list[Order]:
        """Production first."""
        size, seed = self.wish.size, self.wish.seed
        if not self._whole:
            return [Order(major=HEROKU_MAJOR, size=size, seed=seed, plan=PLAN)]
        return [
            Order(major=HEROKU_MAJOR, size=size, seed=seed, plan=PRODUCTION_PLAN, shared=True),
            Order(prefix="staging-", major=STAGING_MAJOR, size="tiny", seed=seed + 1, plan=PLAN),
        ]

    def _environments(self) -> list[Environment]:
        production, staging = ENVIRONMENTS
        postgres = str(self.wish.rds_major)
        if not self._whole:
            return [_environment(production, acme.API, postgres)]
        return [
            _environment(production, acme.API, postgres, acme.ADMIN, acme.REPORTS),
            _environment(staging, acme.STAGING_API, str(STAGING_MAJOR), acme.STAGING_REPORTS),
        ]

    def _facts(self, **found: Any) -> dict[str, Any]:
        wish = self.wish
        asked = {name: getattr(wish, name) for name in ("size", "speed", "seed", "rds_major", "world")}
        return {"pid": os.getpid(), "started_at": time.time(), **asked, **found}

    def _start_rds(self, stack: ExitStack, authority: CertificateAuthority) -> Access:
        # moto takes seconds to import: while the servers start, not before.
        from pgcutover.lab import rds

        lab = rds.RdsLab(self.layout, authority, speed=self.wish.speed)
        stack.callback(lab.stop)
        url = lab.start()
        self._reached("RDS answers")
        return Access(url=url, user=rds.ADMIN_KEY, secret=rds.SECRET_KEY)

    def _start_heroku(self, stack: ExitStack, ca_bundle: Path, machines: list[Machines]) -> StartedHeroku:
        api_key = f"HRKU-{secrets.token_hex(16)}"
        production = machines[0].pair
        lab = HerokuLab(
            self.layout,
            ca_bundle,
            production.leader,
            production.follower,
            speed=self.wish.speed,
            seed=self.wish.seed,
            api_key=api_key,
            staging=machines[1].pair if self._whole else None,
            fail_over=lambda dead: next(one for one in machines if one.pair.leader.port == dead.port).fail_over(),
        )
        stack.callback(lab.stop)
        return StartedHeroku(lab=lab, access=Access(url=lab.start(), user="", secret=api_key))

    def _await_applications(self, heroku: HerokuLab) -> dict[str, str]:
        """Until every dyno of every app is up; returns where each app's users find it."""
        deadline = time.monotonic() + BOOT_S[1] / self.wish.speed + BOOT_MARGIN_S
        apps = tuple(heroku.platform.estate.apps)
        while not self._told_to_end.wait(POLL_S):
            dynos = [dyno for app in apps for dyno in heroku.platform.dynos.list(app) if dyno.type in FORMED]
            if dynos and all(dyno.state is DynoState.UP for dyno in dynos):
                break
            if time.monotonic() > deadline:
                raise ToolError(f"dynos did not come up: {[f'{d.app} {d.name} {d.state}' for d in dynos]}")
        self._reached("applications run")
        return {app: heroku.router_url(app) for app in apps}

    def _start_people(self, stack: ExitStack, apps: dict[str, str], production: Machines) -> None:
        """The apps' users, and the writer with a copied URL."""
        leader = production.pair.leader
        copied = Dsn(
            host=leader.host,
            port=leader.port,
            user=leader.owner,
            password=Secret(leader.password),
            database=leader.database,
        )
        self._adopt(stack, "stray", stray.start(copied.url().reveal(), self.layout.ledger, judged_in=acme.API))
        self._adopt(stack, "people", self._people(apps[acme.API], acme.API))
        for app in (acme.ADMIN, acme.STAGING_API) if self._whole else ():
            self._adopt(stack, f"people-{app}", self._people(apps[app], app, str(QUIET_REQUESTS_PER_S)))

    def _people(self, url: str, app: str, *more: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "pgcutover.lab.people", url, str(self.layout.ledger), app, *more]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL)

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


def _environment(name: str, billing_app: str, postgres: str, *others: str) -> Environment:
    smoke = {app: acme.SMOKE[app] for app in (billing_app, *others)}
    return Environment(name=name, database=f"{billing_app}::DATABASE", smoke=smoke, postgres=postgres)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="pgcutover.lab.daemon")
    parser.add_argument("--dir", dest="directory", type=Path, required=True)
    parser.add_argument("--size", choices=sorted(SCALE), required=True)
    parser.add_argument("--speed", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--rds-major", type=int, required=True)
    parser.add_argument("--world", choices=WORLDS, required=True)
    # No directory that somebody may want to remove or unmount is held.
    os.chdir("/")
    Daemon(Wish(**vars(parser.parse_args(arguments)))).run()


if __name__ == "__main__":
    main(sys.argv[1:])
