"""The local Heroku, started and stopped: one port for both APIs, one more for each app's users, dynos behind them.

Everything listens on 127.0.0.1. `stop` leaves no process, no thread and no port; should the lab be killed instead, the
kernel kills its dynos.
"""

import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from pgcutover.errors import ToolError
from pgcutover.lab.heroku import (
    acme,
    api_addons,
    api_apps,
    api_data,
    api_lab,
    api_making,
    api_runtime,
    pgbouncer,
    refusals,
)
from pgcutover.lab.heroku.attaching import Attaching
from pgcutover.lab.heroku.dynos import Dynos
from pgcutover.lab.heroku.gate import Gate, Keys
from pgcutover.lab.heroku.logs import Logplex
from pgcutover.lab.heroku.pace import Pace
from pgcutover.lab.heroku.platform import Platform
from pgcutover.lab.heroku.pooler import Pooler
from pgcutover.lab.heroku.releases import Releases
from pgcutover.lab.heroku.router import Router
from pgcutover.lab.heroku.scheduler import Scheduler
from pgcutover.lab.heroku.slots import Surroundings
from pgcutover.lab.heroku.state import SLUG, Estate
from pgcutover.lab.layout import HerokuPair, HerokuServer, LabLayout

START_LIMIT_S = 90
POLL_S = 0.02
SLUG_CA_BUNDLE = Path("config/rds-ca-bundle.pem")
"""Where the app's repository keeps the certificates it trusts: a dyno sees no file but its slug's."""
LEDGER_VARIABLE = "PGCUTOVER_LAB_LEDGER"
CLIENTS_MAJOR = "16"


class HerokuLab:
    """One local Heroku. Started once, stopped once."""

    def __init__(
        self,
        layout: LabLayout,
        ca_bundle: Path,
        leader: HerokuServer,
        follower: HerokuServer,
        *,
        speed: float,
        seed: int,
        api_key: str,
        staging: HerokuPair | None = None,
        fail_over: Callable[[HerokuServer], HerokuServer] | None = None,
    ) -> None:
        """`ca_bundle`: the certificates that the app's slug holds, at `SLUG_CA_BUNDLE`. `speed` 1 is real time.

        With databases for `staging` it is the whole world, see `acme`. `fail_over` puts another server into a leader's
        place.
        """
        self.layout = layout
        self.base_url = ""
        self._ca_bundle, self._staging, self._fail_over = ca_bundle, staging, fail_over
        self._production = HerokuPair(leader=leader, follower=follower)
        self._seed = seed
        self._pace = Pace(speed=speed, seed=seed)
        self._keys = Keys(api_key)
        self._routers: list[Router] = []
        self._poolers: list[Pooler] = []
        self._scheduler: Scheduler | None = None
        self._platform: Platform | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def platform(self) -> Platform:
        """For tests that look behind the API."""
        if self._platform is None:
            raise RuntimeError("the local Heroku has not been started")
        return self._platform

    def start(self) -> str:
        """Returns the base URL of both APIs once they answer; dynos are booting by then.

        Raises:
            ToolError: the server did not come up.
        """
        estate = self._make_platform()
        production = self._pooled(self._production)
        if self._staging is None:
            acme.furnish(estate, production)
        else:
            acme.furnish_whole(estate, production, self._pooled(self._staging))
        self._listen()
        for name in estate.apps:
            router = Router(name, estate, self.platform.dynos, self.platform.logs, self._pace)
            self._routers.append(router)
            estate.router_ports[name] = router.port
            router.start()
        estate.save()
        for name in estate.apps:
            self.platform.dynos.reconcile(name)
        if self._staging is not None:
            self._scheduler = Scheduler(self.platform.dynos, acme.API, acme.JOB, speed=self._pace.speed)
            self._scheduler.start()
        return self.base_url

    def stop(self) -> None:
        """Twice is not an error."""
        platform, self._platform = self._platform, None
        if platform is None:
            return
        platform.closing.set()
        if self._scheduler is not None:
            self._scheduler.stop()
        platform.releases.refuse_more()
        platform.dynos.close()
        platform.releases.join()
        for router in self._routers:
            router.close()
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
        for pooler in self._poolers:
            pooler.close()
        shutil.rmtree(self._room, ignore_errors=True)

    def router_url(self, app: str = acme.API) -> str:
        """Where an app's users find it."""
        return f"http://127.0.0.1:{self.platform.estate.router_ports[app]}"

    def _pooled(self, pair: HerokuPair) -> HerokuPair:
        return HerokuPair(leader=self._with_pooler(pair.leader), follower=self._with_pooler(pair.follower))

    def _with_pooler(self, server: HerokuServer) -> HerokuServer:
        pooler = Pooler(server.host, server.port)
        self._poolers.append(pooler)
        return replace(server, pooler_port=pooler.start())

    def _stand_in(self, dead: HerokuServer) -> HerokuServer:
        assert self._fail_over is not None
        return self._with_pooler(self._fail_over(dead))

    @property
    def _room(self) -> Path:
        return self.layout.heroku / "dynos"

    def _make_platform(self) -> Estate:
        for directory in (self.layout.heroku, self.layout.ledger, self.layout.run, self._room):
            directory.mkdir(parents=True, exist_ok=True)
        estate = Estate(self.layout, seed=self._seed)
        logs = Logplex()
        around = Surroundings(
            pace=self._pace,
            logs=logs,
            base_environment=self._environment(),
            slug=self._slug(),
            scripts=lambda app: pgbouncer.scripts(estate.apps[app].buildpacks),
            room=self._room,
            run=self.layout.run,
        )
        dynos = Dynos(estate, around)
        releases = Releases(estate, dynos, logs, self._pace)
        self._platform = Platform(
            estate=estate,
            pace=self._pace,
            logs=logs,
            dynos=dynos,
            releases=releases,
            attaching=Attaching(estate, releases),
            keys=self._keys,
            fail_over=self._stand_in if self._fail_over else None,
        )
        return estate

    def _slug(self) -> Path:
        slug = self.layout.heroku / SLUG
        bundle = slug / SLUG_CA_BUNDLE
        bundle.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._ca_bundle, bundle)
        return slug

    def _environment(self) -> Mapping[str, str]:
        """What a dyno finds beside its config vars: nothing of the lab's own environment but what programs need."""
        fallback = self.layout.heroku / "bin"
        fallback.mkdir(parents=True, exist_ok=True)
        # Not every interpreter's directory has a program called plainly `python`.
        python = fallback / "python"
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        path = (
            Path(sys.executable).parent,
            self.layout.clients / CLIENTS_MAJOR / "bin",
            fallback,
            *("/usr/local/bin", "/usr/bin", "/bin"),
        )
        inherited = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
        return {
            **inherited,
            "PATH": ":".join(map(str, path)),
            "PYTHONUNBUFFERED": "1",
            LEDGER_VARIABLE: str(self.layout.ledger),
        }

    def _listen(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.platform.base_url = self.base_url
        config = uvicorn.Config(
            _application(self.platform),
            log_level="error",
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=2,
        )
        server = uvicorn.Server(config)
        self._server = server
        self._thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="heroku api", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + START_LIMIT_S
        while not server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise ToolError("the local Heroku API did not start", hint="Look at the lab's log.")
            time.sleep(POLL_S)


def _application(platform: Platform) -> Gate:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for api in (api_apps, api_addons, api_making, api_runtime, api_data, api_lab):
        app.include_router(api.routes(platform))
    app.add_exception_handler(refusals.Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _misunderstood)
    app.add_exception_handler(HTTPException, _unknown)
    return Gate(app, platform.keys, platform.limit, platform.faults)


def _refused(_: Request, refusal: Exception) -> JSONResponse:
    assert isinstance(refusal, refusals.Refusal)
    return JSONResponse(refusal.body, refusal.status, refusal.headers)


def _misunderstood(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    unknown = [":".join(map(str, found["loc"][1:])) for found in error.errors() if found["type"] == "extra_forbidden"]
    if unknown:
        return _refused(request, refusals.invalid(f"Unknown params: {', '.join(unknown)}."))
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    # Only place and rule: the value may be a secret.
    return _refused(request, refusals.invalid(f"Invalid request: {where}: {first['msg']}."))


def _unknown(request: Request, error: Exception) -> JSONResponse:
    return _refused(request, refusals.no_such_endpoint())
