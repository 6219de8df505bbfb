"""What every request passes before an endpoint sees it: token, scope, version, rate limit; faults made on purpose.

An ASGI layer around the whole API. It must know no endpoint's business; it sees method, path and headers only.
https://devcenter.heroku.com/articles/platform-api-reference
"""

import asyncio
import base64
import binascii
import re
import secrets
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, JSONResponse, Response

from pgcutover.lab.heroku import refusals

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

POOL = 4500
REFILL_PER_S = 75 / 60
READING = frozenset({"GET", "HEAD"})
RESOLVING = re.compile(r"^/actions/[\w-]+/resolve$")
# "Endpoints under add-on services can be accessed without authentication": schema.json, add-on-service. The address of
# a log session, an output stream or a slug's place is its own secret.
OPEN = re.compile(r"^/(addon-services|logplex/sessions|streams|slug-blobs)(/|$)")
VERSIONED_ELSEWHERE = re.compile(r"^/(client|postgres|data|_lab|logplex|streams|slug-blobs)(/|$)")
VERSION_3 = re.compile(r"application/vnd\.heroku\+json;\s*version=3(\.[\w-]+)?")
CONFIG = re.compile(r"/config-vars$|^/client/v11/databases/[^/]+$|/credentials")
CONTROL = re.compile(r"^/_lab(/|$)")


class TokenScope(StrEnum):
    """https://devcenter.heroku.com/articles/oauth#scopes"""

    GLOBAL = "global"
    READ_PROTECTED = "read-protected"
    READ = "read"
    """Not even reading of config vars."""


class FaultKind(StrEnum):
    STATUS = "status"
    """Answers with a status, and nothing is done."""
    HANG_BEFORE = "hang_before"
    """Waits, then does it."""
    HANG_AFTER = "hang_after"
    """Does it, then waits: the client may give up and never learn that it was done."""
    HTML = "html"
    """Answers with a page for people and the status, as something between does; nothing is done."""
    DONE_STATUS = "done_status"
    """Does it, and answers with the status all the same."""
    DONE_CUT = "done_cut"
    """Does it, and the connection ends in the middle of the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with the next `times` requests that match."""

    kind: FaultKind
    path: str
    """A regular expression, searched in the path."""
    method: str | None = None
    times: int = 1
    seconds: float = 0.0
    status: int = 503
    id: str = "service_unavailable"
    retry_after_s: int | None = None
    """Sent as Retry-After, with any of the kinds that answer with a status."""

    def matches(self, method: str, path: str) -> bool:
        return self.method in (None, method) and re.search(self.path, path) is not None


class Faults:
    """The faults that are armed. Each request uses up at most one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[tuple[Fault, int]] = []

    def arm(self, fault: Fault) -> None:
        with self._lock:
            self._armed.append((fault, fault.times))

    def disarm(self) -> None:
        with self._lock:
            self._armed.clear()

    def armed(self) -> tuple[tuple[Fault, int], ...]:
        """Those that have not struck, each with how often it still will."""
        with self._lock:
            return tuple(self._armed)

    def take(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for place, (fault, left) in enumerate(self._armed):
                if fault.matches(method, path):
                    self._armed[place : place + 1] = [(fault, left - 1)] if left > 1 else []
                    return fault
        return None


class RateLimit:
    """A pool of requests that refills: https://devcenter.heroku.com/articles/platform-api-reference#rate-limits"""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left, self._at = float(POOL), time.monotonic()

    def set(self, remaining: int) -> None:
        with self._lock:
            self._left, self._at = float(remaining), time.monotonic()

    def remaining(self) -> int:
        with self._lock:
            self._refill()
            return int(self._left)

    def take(self) -> int:
        """What is left after this request; raises Refusal when nothing was."""
        with self._lock:
            self._refill()
            if self._left < 1:
                raise refusals.rate_limited()
            self._left -= 1
            return int(self._left)

    def _refill(self) -> None:
        now = time.monotonic()
        self._left, self._at = min(float(POOL), self._left + (now - self._at) * REFILL_PER_S), now


class Keys:
    """Who may do what. The lab's own key may do everything; more keys can be given smaller scopes."""

    def __init__(self, api_key: str) -> None:
        self._scopes = {api_key: TokenScope.GLOBAL, f"{api_key}-read": TokenScope.READ_PROTECTED}

    def grant(self, key: str, scope: TokenScope) -> None:
        self._scopes = {**self._scopes, key: scope}

    def check(self, authorization: str, method: str, path: str) -> None:
        scope = self._scope(_token(authorization))
        reading = method in READING or RESOLVING.match(path)
        if scope is TokenScope.GLOBAL:
            return
        if not reading or CONTROL.match(path) or (scope is TokenScope.READ and CONFIG.search(path)):
            raise refusals.forbidden()

    def _scope(self, token: str) -> TokenScope:
        for key, scope in self._scopes.items():
            if secrets.compare_digest(key.encode(), token.encode()):
                return scope
        raise refusals.unauthorized()


def _token(authorization: str) -> str:
    """From `Bearer TOKEN`, or from Basic with the token as password, as older clients send it."""
    kind, _, rest = authorization.partition(" ")
    if kind.lower() == "bearer":
        return rest.strip()
    if kind.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode().rpartition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


class Gate:
    """The ASGI application that the server runs; `inner` holds the endpoints."""

    def __init__(self, inner: Asgi, keys: Keys, limit: RateLimit, faults: Faults) -> None:
        self._inner, self._keys, self._limit, self._faults = inner, keys, limit, faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        method, path, headers = scope["method"], scope["path"], Headers(scope=scope)
        request_id = ",".join(filter(None, [headers.get("request-id"), str(uuid.uuid4())]))
        try:
            remaining = self._admit(method, path, headers)
        except refusals.Refusal as refusal:
            answer = JSONResponse(refusal.body, refusal.status, {**refusal.headers, "Request-Id": request_id})
            await answer(scope, receive, send)
            return
        labelled = _labelled(send, {"Request-Id": request_id, "RateLimit-Remaining": str(remaining)}.items())
        await self._let_through(self._faults.take(method, path), scope, receive, labelled)

    def _admit(self, method: str, path: str, headers: Headers) -> int:
        """How many requests are left. Raises Refusal."""
        if not OPEN.match(path):
            self._keys.check(headers.get("authorization", ""), method, path)
        # assumption L10
        if not VERSIONED_ELSEWHERE.match(path) and not VERSION_3.search(headers.get("accept", "")):
            raise refusals.Refusal(406, "not_acceptable", "Send Accept: application/vnd.heroku+json; version=3")
        if path == "/account/rate-limits" or CONTROL.match(path):
            return self._limit.remaining()
        return self._limit.take()

    async def _let_through(self, fault: Fault | None, scope: Scope, receive: Receive, send: Send) -> None:
        if fault is None:
            await self._inner(scope, receive, send)
            return
        refusal = _refusal(fault)
        match fault.kind:
            case FaultKind.STATUS | FaultKind.HTML:
                await refusal(scope, receive, send)
            case FaultKind.DONE_STATUS:
                await self._inner(scope, receive, _unheard)
                await refusal(scope, receive, send)
            case FaultKind.DONE_CUT:
                await self._inner(scope, receive, _cut(send))
            case FaultKind.HANG_BEFORE:
                await asyncio.sleep(fault.seconds)
                await self._inner(scope, receive, send)
            case FaultKind.HANG_AFTER:
                await self._inner(scope, receive, _late(send, fault.seconds))


def _refusal(fault: Fault) -> Response:
    headers = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
    if fault.kind is FaultKind.HTML:
        return HTMLResponse("<html><body><h1>Application error</h1></body></html>", fault.status, headers)
    return JSONResponse({"id": fault.id, "message": "made to fail by the lab"}, fault.status, headers)


async def _unheard(_: MutableMapping[str, Any]) -> None:
    """An answer that nobody gets."""


def _cut(send: Send) -> Send:
    """Half of the answer's body; the server ends a connection on which less was sent than announced."""

    async def cutting(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if "content-length" in headers:
                headers["content-length"] = str(int(headers["content-length"]) + 1)
            await send(message)
        elif body := message.get("body", b""):
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})

    return cutting


def _labelled(send: Send, labels: Iterable[tuple[str, str]]) -> Send:
    kept = tuple(labels)

    async def labelling(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in kept:
                headers[name] = value
        await send(message)

    return labelling


def _late(send: Send, seconds: float) -> Send:
    async def waiting(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            await asyncio.sleep(seconds)
        await send(message)

    return waiting
