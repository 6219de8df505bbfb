"""Platform API: formation, dynos, releases, logs.

https://devcenter.heroku.com/articles/platform-api-reference#dyno
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Header
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from pgcutover.lab.heroku import making, paging, refusals, rules, shapes
from pgcutover.lab.heroku.bodies import Formation, NewDyno, NewLogSession, NewRelease, Scaling
from pgcutover.lab.heroku.logs import DEFAULT_LINES, KEPT_LINES, Line, LogSession
from pgcutover.lab.heroku.platform import Platform
from pgcutover.lab.heroku.records import App, ProcessType, now
from pgcutover.lab.heroku.releases import set_knobs

Range = Annotated[str | None, Header(alias="range")]
TAIL_POLL_S = 0.2
ONE_OFF_TYPES = ("run", "scheduler")


def routes(platform: Platform) -> APIRouter:
    router = APIRouter()
    _formation(router, platform)
    _dynos(router, platform)
    _stopping(router, platform)
    _releases(router, platform)
    _logs(router, platform)
    return router


def _formation(router: APIRouter, platform: Platform) -> None:
    estate = platform.estate

    def scale(app: str, updates: tuple[tuple[str, Scaling], ...]) -> list[dict[str, Any]]:
        with estate.lock:
            found = estate.app(app)
            scaled = [_scaled(_process(platform, found, identity), wanted) for identity, wanted in updates]
            estate.formation[found.name].update({process.type: process for process in scaled})
            estate.save()
            shown = [shapes.formation(estate, process) for process in scaled]
        said = " ".join(f"{process.type}@{process.quantity}:{process.size}" for process in scaled)
        platform.logs.write(found.name, "api", f"Scaled to {said} by user {estate.user_email}", source="app")
        platform.dynos.reconcile(found.name)
        return shown

    @router.get("/apps/{app}/formation")
    def formation(app: str) -> list[dict[str, Any]]:
        with estate.lock:
            processes = estate.formation[estate.app(app).name].values()
            return [shapes.formation(estate, process) for process in processes]

    @router.get("/apps/{app}/formation/{identity}")
    def process(app: str, identity: str) -> dict[str, Any]:
        with estate.lock:
            return shapes.formation(estate, _process(platform, estate.app(app), identity))

    @router.patch("/apps/{app}/formation")
    def scale_many(app: str, body: Formation) -> list[dict[str, Any]]:
        return scale(app, tuple((update.type, update) for update in body.updates))

    @router.patch("/apps/{app}/formation/{identity}")
    def scale_one(app: str, identity: str, body: Scaling) -> dict[str, Any]:
        return scale(app, ((identity, body),))[0]


def _process(platform: Platform, app: App, identity: str) -> ProcessType:
    for process in platform.estate.formation[app.name].values():
        if identity in (process.id, process.type):
            return process
    raise refusals.Refusal(404, "not_found", f"Couldn't find that process type ({identity}).", resource="formation")


def _scaled(process: ProcessType, wanted: Scaling) -> ProcessType:
    quantity = process.quantity if wanted.quantity is None else rules.quantity(wanted.quantity, process)
    return replace(process, quantity=quantity, size=wanted.wanted_size or process.size, updated_at=now())


def _dynos(router: APIRouter, platform: Platform) -> None:
    estate, dynos = platform.estate, platform.dynos

    def name_of(app: str) -> str:
        with estate.lock:
            return estate.app(app).name

    @router.get("/apps/{app}/dynos")
    def list_dynos(app: str) -> list[dict[str, Any]]:
        listed = dynos.list(name_of(app))
        with estate.lock:
            return [shapes.dyno(estate, dyno) for dyno in listed]

    @router.get("/apps/{app}/dynos/{dyno}")
    def get_dyno(app: str, dyno: str) -> dict[str, Any]:
        found = dynos.get(name_of(app), dyno)
        with estate.lock:
            return shapes.dyno(estate, found)

    @router.post("/apps/{app}/dynos", status_code=201)
    def run(app: str, body: NewDyno) -> dict[str, Any]:
        if body.attach:
            raise refusals.invalid("The lab has no terminal to attach to: send attach=false, or use run:detached.")
        kind = body.type if body.type in ONE_OFF_TYPES else "run"
        slot = dynos.run(
            name_of(app),
            body.command,
            process_type=kind or "run",
            size=body.size or "Standard-1X",
            environment={name: str(value) for name, value in body.env.items() if value is not None},
            time_to_live_s=body.time_to_live,
        )
        with estate.lock:
            return shapes.dyno(estate, slot.record)


def _stopping(router: APIRouter, platform: Platform) -> None:
    estate, dynos = platform.estate, platform.dynos

    def name_of(app: str) -> str:
        with estate.lock:
            return estate.app(app).name

    @router.delete("/apps/{app}/dynos", status_code=202)
    def restart_all(app: str) -> dict[str, Any]:
        dynos.restart(name_of(app))
        return {}

    @router.delete("/apps/{app}/formations/{process_type}", status_code=202)
    def restart_type(app: str, process_type: str) -> dict[str, Any]:
        dynos.restart(name_of(app), only=lambda dyno: dyno.type == process_type)
        return {}

    @router.delete("/apps/{app}/dynos/{dyno}", status_code=202)
    @router.post("/apps/{app}/dynos/{dyno}/actions/stop", status_code=202)
    def stop(app: str, dyno: str) -> dict[str, Any]:
        found = dynos.get(name_of(app), dyno)
        if not _ignored(platform, found.app):
            dynos.stop(found.app, found.name)
        return {}

    @router.post("/apps/{app}/formations/{process_type}/actions/stop", status_code=202)
    def stop_type(app: str, process_type: str) -> dict[str, Any]:
        for dyno in dynos.list(name_of(app)):
            if dyno.type == process_type:
                dynos.stop(dyno.app, dyno.name)
        return {}


def _ignored(platform: Platform, app: str) -> bool:
    """Whether the lab was told that this stop has no effect."""
    with platform.estate.lock:
        left = platform.estate.apps[app].knobs.stops_ignored
        if left:
            set_knobs(platform.estate, app, stops_ignored=left - 1)
    return left > 0


def _releases(router: APIRouter, platform: Platform) -> None:
    estate = platform.estate

    @router.get("/apps/{app}/releases")
    def releases(app: str, span: Range = None) -> JSONResponse:
        with estate.lock:
            found = estate.releases[estate.app(app).name].values()
            listed = [shapes.release(estate, release, platform.base_url) for release in found]
        # assumption L13: a client that wants the newest must ask for order by version.
        return paging.page(listed, span, fields=("id", "version"))

    @router.get("/apps/{app}/releases/{release}")
    def release(app: str, release: str) -> dict[str, Any]:
        with estate.lock:
            return shapes.release(estate, estate.release(estate.app(app).name, release), platform.base_url)

    @router.post("/apps/{app}/releases", status_code=201)
    def release_anew(app: str, body: NewRelease) -> dict[str, Any]:
        with estate.lock:
            found = estate.app(app)
            if body.slug is not None:
                made = making.deploy(platform, found, body.slug, body.description)
            else:
                made = platform.releases.roll_back(found.name, str(body.release))
            return shapes.release(estate, made, platform.base_url)

    @router.get("/streams/{release}")
    def output(release: str) -> PlainTextResponse:
        with estate.lock:
            for versions in estate.releases.values():
                for made in versions.values():
                    if made.id == release and made.output is not None:
                        return PlainTextResponse(made.output)
        raise refusals.not_found("stream")


def _logs(router: APIRouter, platform: Platform) -> None:
    estate, logs = platform.estate, platform.logs

    @router.post("/apps/{app}/log-sessions", status_code=201)
    def open_session(app: str, body: NewLogSession) -> dict[str, Any]:
        with estate.lock:
            session = LogSession(
                id=estate.new_id(),
                app=estate.app(app).name,
                created_at=now(),
                source=body.source,
                process=body.dyno or body.dyno_name or body.type,
                lines=min(DEFAULT_LINES if body.lines is None else body.lines, KEPT_LINES),
                tail=bool(body.tail),
            )
        logs.open(session)
        return shapes.log_session(session, platform.base_url)

    @router.get("/logplex/sessions/{identity}")
    async def read_session(identity: str, accept: Annotated[str, Header()] = "") -> Response:
        session = logs.session(identity)
        if session is None:
            raise refusals.not_found("log_session")
        events = "text/event-stream" in accept
        return StreamingResponse(
            _stream(platform, session, events=events),
            media_type="text/event-stream" if events else "text/plain",
            headers={"Cache-Control": "no-cache"},
        )


async def _stream(platform: Platform, session: LogSession, *, events: bool) -> AsyncIterator[str]:
    seen = platform.logs.last_number(session.app)
    for line in platform.logs.backlog(session):
        seen = max(seen, line.number)
        yield _sent(line, events=events)
    while session.tail and not platform.closing.is_set():
        await asyncio.sleep(TAIL_POLL_S)
        for line in platform.logs.after(session, seen):
            seen = max(seen, line.number)
            yield _sent(line, events=events)


def _sent(line: Line, *, events: bool) -> str:
    return f"id: {line.number}\ndata: {line}\n\n" if events else f"{line}\n"
