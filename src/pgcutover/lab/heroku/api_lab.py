"""The lab's own door, `/_lab/…`: what no Heroku has. For tests and demonstrations; the lab's key opens it.

GET   /_lab/apps                        routers' addresses, knobs, versions
PATCH /_lab/apps/{app}/knobs            {"release_phase_fails": true, …}, see `records.Knobs`
PATCH /_lab/new-apps/knobs              the same for apps that are made from now on
PATCH /_lab/apps/{app}                  {"space": "acme-private"}: into a Private Space; null: out of it
PUT   /_lab/apps/{app}/processes/TYPE   {"command": "…"}: a line of the Procfile, e.g. `release`; null removes it
POST  /_lab/apps/{app}/scheduler        {"command": "…"}: what Heroku Scheduler does, a dyno scheduler.N
PUT   /_lab/apps/{app}/buildpacks       {"buildpacks": ["heroku/pgbouncer", …]}
POST  /_lab/databases/{addon}/failover  its leader dies and a standby takes its place: another port, the same logins
POST  /_lab/faults                      {"kind": "hang_after", "path": "config-vars", …}, see `gate.Fault`
GET   /_lab/faults                      those that have not struck
DELETE /_lab/faults                     disarms them
PUT   /_lab/rate-limit                  {"remaining": 0}
PUT   /_lab/keys                        {"key": "…", "scope": "read"}, see `gate.TokenScope`
GET   /_lab/assumptions                 what the lab assumes about Heroku
"""

from dataclasses import asdict, replace
from typing import Any

from fastapi import APIRouter

from pgcutover.lab.heroku import refusals, shapes
from pgcutover.lab.heroku.bodies import Body
from pgcutover.lab.heroku.gate import Fault, FaultKind, TokenScope
from pgcutover.lab.heroku.platform import Platform
from pgcutover.lab.heroku.records import ProcessType, now
from pgcutover.lab.heroku.releases import set_knobs
from pgcutover.lab.heroku.rules import ASSUMPTIONS


class KnobChanges(Body):
    release_phase_fails: bool | None = None
    attach_runs_release_phase: bool | None = None
    releases_hang: bool | None = None
    stops_ignored: int | None = None
    refusal_status: int | None = None
    refusal_id: str | None = None


class Place(Body):
    space: str | None


class Procfile(Body):
    command: str | None


class Job(Body):
    command: str


class Buildpacks(Body):
    buildpacks: tuple[str, ...]


class NewFault(Body):
    kind: FaultKind
    path: str
    method: str | None = None
    times: int = 1
    seconds: float = 0.0
    status: int = 503
    id: str = "service_unavailable"
    retry_after_s: int | None = None


class RateLimitChange(Body):
    remaining: int


class Key(Body):
    key: str
    scope: TokenScope


def routes(platform: Platform) -> APIRouter:
    router = APIRouter(prefix="/_lab")
    _apps(router, platform)
    _databases(router, platform)
    _everywhere(router, platform)
    return router


def _apps(router: APIRouter, platform: Platform) -> None:
    estate = platform.estate

    @router.get("/apps")
    def apps() -> dict[str, Any]:
        with estate.lock:
            return {
                name: {
                    # An app that was made while the lab ran has no users.
                    "router_url": f"http://127.0.0.1:{port}" if (port := estate.router_ports.get(name)) else None,
                    "knobs": asdict(app.knobs),
                    "serving_version": app.serving_version,
                    "newest_version": estate.newest_release(name).version,
                }
                for name, app in estate.apps.items()
            }

    @router.patch("/apps/{app}/knobs")
    def knobs(app: str, changes: KnobChanges) -> dict[str, Any]:
        with estate.lock:
            name = estate.app(app).name
            set_knobs(estate, name, **changes.model_dump(exclude_none=True))
            return asdict(estate.apps[name].knobs)

    @router.patch("/new-apps/knobs")
    def new_apps_knobs(changes: KnobChanges) -> dict[str, Any]:
        platform.new_app_knobs = replace(platform.new_app_knobs, **changes.model_dump(exclude_none=True))
        return asdict(platform.new_app_knobs)

    @router.patch("/apps/{app}")
    def move_into_space(app: str, place: Place) -> dict[str, Any]:
        with estate.lock:
            return shapes.app(estate, estate.update_app(estate.app(app).name, space=place.space))

    @router.put("/apps/{app}/processes/{process_type}")
    def process(app: str, process_type: str, body: Procfile) -> list[dict[str, Any]]:
        with estate.lock:
            name = estate.app(app).name
            processes = estate.formation[name]
            before = processes.pop(process_type, None)
            if body.command is not None:
                processes[process_type] = ProcessType(
                    id=before.id if before else estate.new_id(),
                    app=name,
                    type=process_type,
                    command=body.command,
                    quantity=before.quantity if before else 0,
                    created_at=before.created_at if before else now(),
                    updated_at=now(),
                )
            estate.save()
            shown = [shapes.formation(estate, each) for each in processes.values()]
        platform.dynos.reconcile(name)
        return shown

    @router.post("/apps/{app}/scheduler", status_code=201)
    def schedule(app: str, job: Job) -> dict[str, Any]:
        with estate.lock:
            name = estate.app(app).name
        slot = platform.dynos.run(name, job.command, process_type="scheduler")
        with estate.lock:
            return shapes.dyno(estate, slot.record)

    @router.put("/apps/{app}/buildpacks")
    def buildpacks(app: str, body: Buildpacks) -> list[dict[str, Any]]:
        with estate.lock:
            return shapes.buildpacks(estate.update_app(estate.app(app).name, buildpacks=body.buildpacks))


def _databases(router: APIRouter, platform: Platform) -> None:
    estate = platform.estate

    @router.post("/databases/{database}/failover")
    def fail_over(database: str) -> dict[str, Any]:
        with estate.lock:
            addon = estate.addon(database)
        if platform.fail_over is None or addon.following is not None:
            raise refusals.invalid(f"{addon.name} has no standby.")
        # Not under the lock: it takes seconds, and everybody else goes on meanwhile.
        platform.attaching.replace_server(addon, platform.fail_over(addon.server))
        with estate.lock:
            return shapes.addon(estate, estate.addons[addon.name])


def _everywhere(router: APIRouter, platform: Platform) -> None:
    @router.post("/faults", status_code=201)
    def arm(fault: NewFault) -> dict[str, Any]:
        if fault.times < 1:
            raise refusals.invalid("times must be at least 1.")
        platform.faults.arm(Fault(**fault.model_dump()))
        return fault.model_dump()

    @router.get("/faults")
    def armed() -> list[dict[str, Any]]:
        return [{**asdict(fault), "times": left} for fault, left in platform.faults.armed()]

    @router.delete("/faults")
    def disarm() -> dict[str, Any]:
        platform.faults.disarm()
        return {}

    @router.put("/rate-limit")
    def rate_limit(body: RateLimitChange) -> dict[str, Any]:
        platform.limit.set(body.remaining)
        return {"remaining": platform.limit.remaining()}

    @router.put("/keys")
    def grant(key: Key) -> dict[str, Any]:
        platform.keys.grant(key.key, key.scope)
        return {"scope": key.scope.value}

    @router.get("/assumptions")
    def assumptions() -> dict[str, str]:
        return dict(ASSUMPTIONS)
