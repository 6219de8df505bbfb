"""Platform API: apps, add-ons and slugs made and removed.

https://devcenter.heroku.com/articles/platform-api-reference#app-create
"""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from pgcutover.lab.heroku import making, refusals, shapes
from pgcutover.lab.heroku.bodies import NewAddOn, NewApp, NewSlug
from pgcutover.lab.heroku.platform import Platform

GZIP = b"\x1f\x8b"


def routes(platform: Platform) -> APIRouter:
    router = APIRouter()
    _apps(router, platform)
    _addons(router, platform)
    _slugs(router, platform)
    return router


def _apps(router: APIRouter, platform: Platform) -> None:
    estate = platform.estate

    @router.post("/apps", status_code=201)
    def make(body: NewApp) -> dict[str, Any]:
        with estate.lock:
            return shapes.app(estate, making.make_app(platform, body.name))

    @router.delete("/apps/{app}")
    def remove(app: str) -> dict[str, Any]:
        with estate.lock:
            found = estate.app(app)
            shown = shapes.app(estate, found)
        making.remove_app(platform, found.name)
        return shown


def _addons(router: APIRouter, platform: Platform) -> None:
    estate = platform.estate

    @router.post("/apps/{app}/addons", status_code=201)
    def make(app: str, body: NewAddOn) -> dict[str, Any]:
        with estate.lock:
            attachment = None if body.attachment is None else body.attachment.name
            made = making.make_addon(platform, estate.app(app), body.plan, name=body.name, attachment=attachment)
            return shapes.addon(estate, made)

    @router.delete("/apps/{app}/addons/{addon}")
    def remove(app: str, addon: str) -> dict[str, Any]:
        with estate.lock:
            found = estate.addon(addon)
            if found.app != estate.app(app).name:
                raise refusals.not_found("add_on")
            shown = shapes.addon(estate, found)
            making.remove_addon(platform, found)
            return {**shown, "state": "deprovisioned"}


def _slugs(router: APIRouter, platform: Platform) -> None:
    estate = platform.estate

    @router.post("/apps/{app}/slugs", status_code=201)
    def make(app: str, body: NewSlug) -> dict[str, Any]:
        with estate.lock:
            return shapes.slug(
                making.make_slug(platform, estate.app(app), body.process_types, body.commit), platform.base_url
            )

    @router.put("/slug-blobs/{slug}")
    async def upload(slug: str, request: Request) -> Response:
        archive = await request.body()
        with estate.lock:
            if slug not in estate.slugs or not archive.startswith(GZIP):
                return Response(status_code=403)
            making.uploaded(platform, slug)
        return Response(status_code=200)
