"""Platform API: account, apps, config vars, buildpacks, and what every client looks at beside them.

https://devcenter.heroku.com/articles/platform-api-reference
"""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header
from fastapi.responses import JSONResponse

from pgcutover.lab.heroku import paging, refusals, rules, shapes
from pgcutover.lab.heroku.bodies import AppChanges
from pgcutover.lab.heroku.platform import Platform

Range = Annotated[str | None, Header(alias="range")]
BY_NAME = ("name", "id")


def routes(platform: Platform) -> APIRouter:
    router = APIRouter()
    _account(router, platform)
    _apps(router, platform)
    _config(router, platform)
    _elsewhere(router)
    return router


def _account(router: APIRouter, platform: Platform) -> None:
    @router.get("/account")
    @router.get("/users/~")
    def account() -> dict[str, Any]:
        return shapes.account(platform.estate)

    @router.get("/account/rate-limits")
    def rate_limits() -> dict[str, Any]:
        return {"remaining": platform.limit.remaining()}


def _apps(router: APIRouter, platform: Platform) -> None:
    estate = platform.estate

    @router.get("/apps")
    @router.get("/users/~/apps")
    def apps(span: Range = None) -> JSONResponse:
        with estate.lock:
            listed = [shapes.app(estate, app) for app in estate.apps.values()]
        return paging.page(listed, span, fields=BY_NAME)

    @router.get("/apps/{app}")
    def app(app: str) -> dict[str, Any]:
        with estate.lock:
            return shapes.app(estate, estate.app(app))

    @router.patch("/apps/{app}")
    def change_app(app: str, changes: AppChanges) -> dict[str, Any]:
        with estate.lock:
            found = estate.app(app)
            if changes.name not in (None, found.name) or changes.build_stack not in (None, shapes.STACK):
                raise refusals.invalid("The lab neither renames apps nor changes their stack.")
            if changes.maintenance is not None and changes.maintenance != found.maintenance:
                found = estate.update_app(found.name, maintenance=changes.maintenance)
                state = "on" if found.maintenance else "off"
                platform.logs.write(found.name, "api", f"Maintenance mode {state}", source="app")
            return shapes.app(estate, found)

    @router.get("/apps/{app}/buildpack-installations")
    def buildpacks(app: str) -> list[dict[str, Any]]:
        with estate.lock:
            return shapes.buildpacks(estate.app(app))

    @router.get("/apps/{app}/pipeline-couplings")
    def coupling(app: str) -> dict[str, Any]:
        estate.app(app)
        raise refusals.not_found("pipeline_coupling")

    @router.get("/apps/{app}/collaborators")
    @router.get("/apps/{app}/domains")
    @router.get("/apps/{app}/log-drains")
    def nothing_of_the_kind(app: str) -> list[dict[str, Any]]:
        estate.app(app)
        return []


def _config(router: APIRouter, platform: Platform) -> None:
    estate = platform.estate

    @router.get("/apps/{app}/config-vars")
    def config(app: str) -> dict[str, str]:
        with estate.lock:
            return dict(sorted(estate.configs[estate.app(app).name].items()))

    @router.patch("/apps/{app}/config-vars")
    def change_config(app: str, body: Annotated[dict[str, Any], Body()]) -> dict[str, str]:
        with estate.lock:
            found = estate.app(app)
            changes = rules.check_config_changes(body)
            rules.check_not_owned(changes, estate.attachments_of_app(found.name), found)
            before = estate.configs[found.name]
            description = rules.config_description(before, changes)
            if description is not None:
                kept = {name: value for name, value in before.items() if name not in changes}
                added = {name: value for name, value in changes.items() if value is not None}
                estate.configs[found.name] = {**kept, **added}
                platform.releases.make(found.name, description)
            return dict(sorted(estate.configs[found.name].items()))

    @router.get("/apps/{app}/releases/{release}/config-vars")
    def release_config(app: str, release: str) -> dict[str, str]:
        with estate.lock:
            return dict(sorted(estate.release(estate.app(app).name, release).config.items()))


def _elsewhere(router: APIRouter) -> None:
    @router.get("/regions")
    def regions() -> list[dict[str, Any]]:
        return [shapes.region()]

    @router.get("/regions/{region}")
    def region(region: str) -> dict[str, Any]:
        known = shapes.region()
        if region not in (known["id"], known["name"]):
            raise refusals.not_found("region")
        return known

    @router.get("/stacks")
    def stacks() -> list[dict[str, Any]]:
        return [shapes.stack()]

    @router.get("/teams")
    @router.get("/pipeline-couplings")
    @router.get("/users/~/pipeline-couplings")
    def none_of_these() -> list[dict[str, Any]]:
        return []

    @router.get("/teams/{team}")
    @router.get("/teams/{team}/apps")
    def team(team: str) -> dict[str, Any]:
        raise refusals.not_found("team")
