"""One app's door to its users: passes requests on to a web dyno, or answers for it as Heroku's router does.

Error pages and codes: https://devcenter.heroku.com/articles/error-codes . One connection per request, as a browser
without keep-alive: so no request is ever in flight on a connection that somebody else began.
"""

import http.client
import itertools
import threading
import time
import uuid
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pgcutover.lab.heroku.dynos import Dynos
from pgcutover.lab.heroku.logs import Logplex
from pgcutover.lab.heroku.pace import Pace
from pgcutover.lab.heroku.records import Dyno, DynoState
from pgcutover.lab.heroku.state import Estate

# https://devcenter.heroku.com/articles/http-routing#timeouts
RESPONSE_LIMIT_S = 30.0
IDLE_LIMIT_S = 10.0
"""A client that connects and says nothing would otherwise keep the lab from ending."""
POLL_S = 0.05
PAGE = """<!DOCTYPE html>
<html><head><title>{title}</title></head>
<body><h1>{title}</h1><p>{text}</p></body></html>
"""
HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """Why the router answers instead of the app."""

    code: str
    description: str
    status: int = 503
    title: str = "Application error"
    text: str = "An error occurred in the application and your page could not be served."


MAINTENANCE = Outage(
    code="H80",
    description="Maintenance mode",
    title="Offline for Maintenance",
    text="This application is undergoing maintenance right now. Please check back later.",
)
NO_WEB_DYNOS = Outage(code="H14", description="No web dynos running")
CRASHED = Outage(code="H10", description="App crashed")
BOOT_TIMEOUT = Outage(code="H20", description="App boot timeout")
RESPONSE_TIMEOUT = Outage(code="H12", description="Request timeout")
CLOSED = Outage(code="H13", description="Connection closed without response")


class Router:
    """Listens on a port of its own on 127.0.0.1 for one app."""

    def __init__(self, app: str, estate: Estate, dynos: Dynos, logs: Logplex, pace: Pace) -> None:
        self._app, self._estate, self._dynos, self._logs, self._pace = app, estate, dynos, logs, pace
        self._closing = threading.Event()
        self._turn = itertools.count()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.router = self
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": POLL_S}, name=f"router {app}", daemon=True
        )

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """The port is free; requests under way have been answered."""
        self._closing.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def find(self) -> Dyno | Outage:
        """A web dyno that is up; waits for one that is booting."""
        deadline = time.monotonic() + self._pace.hold_s
        while True:
            app, web = self._estate.apps[self._app], [d for d in self._dynos.list(self._app) if d.type == "web"]
            # In a Private Space the page comes from the web dynos' own router: without dynos, no page.
            # https://devcenter.heroku.com/articles/maintenance-mode#usage
            if app.maintenance and (web or app.space is None):
                return MAINTENANCE
            up = [dyno for dyno in web if dyno.state is DynoState.UP and dyno.port is not None]
            if up:
                return up[next(self._turn) % len(up)]
            if not web:
                return NO_WEB_DYNOS
            if all(dyno.state is DynoState.CRASHED for dyno in web):
                return CRASHED
            if time.monotonic() > deadline or self._closing.wait(POLL_S):
                return BOOT_TIMEOUT

    def log(self, request: "_Handler", began: float, dyno: str, status: int, sent_bytes: int, outage: str) -> None:
        """https://devcenter.heroku.com/articles/http-routing#heroku-router-log-format"""
        level = "error" if outage else "info"
        service_ms = round((time.monotonic() - began) * 1000)
        self._logs.write(
            self._app,
            "router",
            f'at={level} {outage}method={request.command} path="{request.path}" host={self._app}.herokuapp.com '
            f'request_id={request.request_id} fwd="{request.client_address[0]}" dyno={dyno} connect=0ms '
            f"service={service_ms}ms status={status} bytes={sent_bytes} protocol=http",
        )


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 128
    router: Router


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = IDLE_LIMIT_S
    request_id = ""

    def _serve(self) -> None:
        began = time.monotonic()
        self.request_id = str(uuid.uuid4())
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = self.server.router.find()
        if isinstance(found, Outage):
            self._refuse(found, began, "")
            return
        try:
            status, headers, content = self._pass_on(found, body)
        except TimeoutError:
            self._refuse(RESPONSE_TIMEOUT, began, found.name)
        except (OSError, http.client.HTTPException):
            self._refuse(CLOSED, began, found.name)
        else:
            self._answer(status, headers, content)
            self.server.router.log(self, began, found.name, status, len(content), "")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815  (names that http.server calls)

    def _pass_on(self, dyno: Dyno, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        assert dyno.port is not None
        connection = http.client.HTTPConnection("127.0.0.1", dyno.port, timeout=RESPONSE_LIMIT_S)
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            headers["X-Request-Id"] = self.request_id
            headers["X-Forwarded-For"] = self.client_address[0]
            connection.request(self.command, self.path, body=body or None, headers=headers)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def _refuse(self, outage: Outage, began: float, dyno: str) -> None:
        page = PAGE.format(title=outage.title, text=outage.text).encode()
        headers = [("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-cache, no-store")]
        self._answer(outage.status, headers, page)
        said = f'code={outage.code} desc="{outage.description}" '
        self.server.router.log(self, began, dyno, outage.status, len(page), said)

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        try:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in HOP_BY_HOP | {"content-length", "server", "date"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Via", "1.1 heroku-router")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):
            # The user went away; whether the app did its work is what an unacknowledged request means.
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (http.server's own name)
        """Nothing to standard error: the router writes to the app's log."""
