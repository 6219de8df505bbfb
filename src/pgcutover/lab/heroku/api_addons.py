"""Platform API: add-ons, their plans, attachments.

https://devcenter.heroku.com/articles/platform-api-reference#add-on
"""

from typing import Annotated, Any

from fastapi import APIRouter, Header
from fastapi.responses import JSONResponse

from pgcutover.lab.heroku import paging, refusals, shapes
from pgcutover.lab.heroku.bodies import AddOnQuestion, AttachmentQuestion, Named, NewAttachment
from pgcutover.lab.heroku.plans import BY_NAME as PLANS_BY_NAME
from pgcutover.lab.heroku.plans import PLANS, SERVICE
from pgcutover.lab.heroku.platform import Platform
from pgcutover.lab.heroku.records import CREDENTIAL, AddOn, Attachment
from pgcutover.lab.heroku.state import Estate

Range = Annotated[str | None, Header(alias="range")]
Expansion = Annotated[str | None, Header(alias="accept-expansion")]
Inclusion = Annotated[str | None, Header(alias="accept-inclusion")]
Accept = Annotated[str, Header()]
FIELDS = ("id", "name")
SDK = "version=3.sdk"


def routes(platform: Platform) -> APIRouter:
    router = APIRouter()
    _services(router)
    _addons(router, platform.estate)
    _attachments(router, platform.estate)
    _attaching(router, platform)
    _questions(router, platform.estate)
    return router


def _services(router: APIRouter) -> None:
    @router.get("/addon-services")
    def services() -> list[dict[str, Any]]:
        return [shapes.addon_service()]

    @router.get("/addon-services/{service}")
    def service(service: str) -> dict[str, Any]:
        return _service(service)

    @router.get("/addon-services/{service}/plans")
    def plans(service: str) -> list[dict[str, Any]]:
        _service(service)
        return [shapes.plan_(plan) for plan in PLANS]

    @router.get("/addon-services/{service}/plans/{plan}")
    def plan_of_service(service: str, plan: str) -> dict[str, Any]:
        _service(service)
        return _plan(plan)

    @router.get("/plans/{plan}")
    def plan(plan: str) -> dict[str, Any]:
        return _plan(plan)


def _service(identity: str) -> dict[str, Any]:
    known = shapes.addon_service()
    if identity not in (known["id"], known["name"]):
        raise refusals.not_found("add_on_service")
    return known


def _plan(identity: str) -> dict[str, Any]:
    for plan in PLANS_BY_NAME.values():
        shape = shapes.plan_(plan)
        if identity in (shape["id"], plan.full_name, plan.name):
            return shape
    raise refusals.not_found("plan")


def _addons(router: APIRouter, estate: Estate) -> None:
    def listed(addons: list[AddOn], expansion: str | None, accept: str, span: str | None) -> JSONResponse:
        wanted = _asked(expansion, accept)
        return paging.page([shapes.addon(estate, addon, expand=wanted) for addon in addons], span, fields=FIELDS)

    @router.get("/addons")
    @router.get("/users/~/addons")
    def addons(accept: Accept = "", expansion: Expansion = None, span: Range = None) -> JSONResponse:
        with estate.lock:
            return listed(list(estate.addons.values()), expansion, accept, span)

    @router.get("/apps/{app}/addons")
    def addons_of_app(
        app: str,
        accept: Accept = "",
        expansion: Expansion = None,
        span: Range = None,
    ) -> JSONResponse:
        # The list holds what the app is billed for and what other apps' add-ons are attached to it.
        with estate.lock:
            name = estate.app(app).name
            attached = {attachment.addon for attachment in estate.attachments_of_app(name)}
            found = [addon for addon in estate.addons.values() if addon.app == name or addon.name in attached]
            return listed(found, expansion, accept, span)

    @router.get("/addons/{addon}")
    def addon(addon: str, accept: Accept = "", expansion: Expansion = None) -> dict[str, Any]:
        with estate.lock:
            return shapes.addon(estate, estate.addon(addon), expand=_asked(expansion, accept))

    @router.get("/apps/{app}/addons/{addon}")
    def addon_of_app(app: str, addon: str, accept: Accept = "", expansion: Expansion = None) -> dict[str, Any]:
        with estate.lock:
            found = estate.addon(addon)
            if found.app != estate.app(app).name:
                raise refusals.not_found("add_on")
            return shapes.addon(estate, found, expand=_asked(expansion, accept))

    @router.get("/addons/{addon}/config/{name}")
    def addon_config(addon: str, name: str) -> list[dict[str, Any]]:
        """What `addons:attach --credential` asks before it attaches: empty when there is no such credential."""
        with estate.lock:
            known = estate.addon(addon).server.credentials
        credential = name.removeprefix(CREDENTIAL)
        return [{"name": name, "value": None}] if credential in known else []


def _attachments(router: APIRouter, estate: Estate) -> None:
    def listed(found: tuple[Attachment, ...], inclusion: str | None, accept: str, span: str | None) -> JSONResponse:
        wanted = _asked(inclusion, accept)
        return paging.page([shapes.attachment(estate, a, include=wanted) for a in found], span, fields=FIELDS)

    @router.get("/addon-attachments")
    def attachments(accept: Accept = "", inclusion: Inclusion = None, span: Range = None) -> JSONResponse:
        with estate.lock:
            return listed(tuple(estate.attachments.values()), inclusion, accept, span)

    @router.get("/apps/{app}/addon-attachments")
    def attachments_of_app(
        app: str,
        accept: Accept = "",
        inclusion: Inclusion = None,
        span: Range = None,
    ) -> JSONResponse:
        with estate.lock:
            return listed(estate.attachments_of_app(estate.app(app).name), inclusion, accept, span)

    @router.get("/addons/{addon}/addon-attachments")
    def attachments_of_addon(
        addon: str,
        accept: Accept = "",
        inclusion: Inclusion = None,
        span: Range = None,
    ) -> JSONResponse:
        with estate.lock:
            return listed(estate.attachments_of_addon(estate.addon(addon).name), inclusion, accept, span)

    @router.get("/addon-attachments/{attachment}")
    def attachment(attachment: str, accept: Accept = "", inclusion: Inclusion = None) -> dict[str, Any]:
        with estate.lock:
            return shapes.attachment(estate, estate.attachment(attachment), include=_asked(inclusion, accept))

    @router.get("/apps/{app}/addon-attachments/{attachment}")
    def attachment_of_app(
        app: str, attachment: str, accept: Accept = "", inclusion: Inclusion = None
    ) -> dict[str, Any]:
        with estate.lock:
            found = estate.attachment(attachment, app=estate.app(app).name)
            return shapes.attachment(estate, found, include=_asked(inclusion, accept))


def _attaching(router: APIRouter, platform: Platform) -> None:
    estate = platform.estate

    @router.post("/addon-attachments", status_code=201)
    def attach(body: NewAttachment) -> dict[str, Any]:
        with estate.lock:
            made = platform.attaching.attach(
                estate.app(_identity(body.app)),
                estate.addon(_identity(body.addon)),
                name=body.name,
                namespace=body.namespace,
                confirm=body.confirm,
            )
            return shapes.attachment(estate, made)

    @router.delete("/addon-attachments/{attachment}")
    def detach(attachment: str) -> dict[str, Any]:
        with estate.lock:
            found = estate.attachment(attachment)
            platform.attaching.detach(found)
            return shapes.attachment(estate, found)


def _questions(router: APIRouter, estate: Estate) -> None:
    @router.post("/actions/addons/resolve")
    def resolve_addons(body: AddOnQuestion, accept: Accept = "", expansion: Expansion = None) -> list[dict[str, Any]]:
        with estate.lock:
            app, wanted = _of_app(body.addon, body.app)
            found = [a for a in estate.addons.values() if wanted in (a.id, a.name)]
            if app is not None:
                attached = [a for a in estate.attachments_of_app(estate.app(app).name) if _answers(a, wanted)]
                found = found or [estate.addons[a.addon] for a in attached]
            if not found or body.addon_service not in (None, SERVICE):
                raise refusals.not_found("add_on")
            return [shapes.addon(estate, addon, expand=_asked(expansion, accept)) for addon in found]

    @router.post("/actions/addon-attachments/resolve")
    def resolve_attachments(
        body: AttachmentQuestion, accept: Accept = "", inclusion: Inclusion = None
    ) -> list[dict[str, Any]]:
        with estate.lock:
            app, wanted = _of_app(body.addon_attachment, body.app)
            name = None if app is None else estate.app(app).name
            among = [a for a in estate.attachments.values() if name in (None, a.app)]
            found = [a for a in among if _answers(a, wanted)]
            if not found or body.addon_service not in (None, SERVICE):
                raise refusals.not_found("add_on attachment")
            return [shapes.attachment(estate, a, include=_asked(inclusion, accept)) for a in found]


def _of_app(identity: str, app: str | None) -> tuple[str | None, str]:
    """`app::NAME` says the app itself."""
    before, separator, after = identity.partition("::")
    return (before, after) if separator else (app, identity)


def _answers(attachment: Attachment, identity: str) -> bool:
    return identity in (attachment.id, attachment.name, attachment.config_var)


def _asked(header: str | None, accept: str) -> tuple[str, ...]:
    """What an Accept-Expansion or Accept-Inclusion header asks for; only the sdk variant heeds it."""
    if header is None or SDK not in accept:
        return ()
    return tuple(part.strip() for part in header.split(","))


def _identity(given: str | Named) -> str:
    return given if isinstance(given, str) else given.identity
