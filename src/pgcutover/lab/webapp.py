"""A JSON web server as a dyno runs it: on $PORT, in order to its end on SIGTERM. A `Site` knows what to answer.

A database that does not answer is the site's 503, a request that makes no sense its 422.
"""

import json
import signal
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

import psycopg

IDLE_LIMIT_S = 10
Answer = tuple[int, dict[str, Any]]
NOT_FOUND: Answer = (404, {"error": "not found"})


class Site(Protocol):
    """May raise psycopg.Error, ValueError, TypeError, KeyError."""

    def get(self, path: str) -> Answer: ...

    def post(self, path: str, body: Any) -> Answer: ...


def serve(port: int, site: Site) -> None:
    """Until SIGTERM; requests under way are answered."""
    server = _Web(("127.0.0.1", port), _Requests)
    server.site = site
    # `shutdown` waits for `serve_forever`, which runs in the very thread that a signal interrupts.
    on_sigterm(lambda: threading.Thread(target=server.shutdown).start())
    print(f"listening on {server.server_address[1]}", flush=True)
    with server:
        server.serve_forever(poll_interval=0.1)


def on_sigterm(act: Callable[[], object]) -> None:
    signal.signal(signal.SIGTERM, lambda _number, _frame: act() and None)


class _Web(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64
    site: Site


class _Requests(BaseHTTPRequestHandler):
    server: _Web
    timeout = IDLE_LIMIT_S

    def do_GET(self) -> None:
        self._answer(lambda: self.server.site.get(self.path))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(lambda: self.server.site.post(self.path, json.loads(body)))

    def _answer(self, work: Callable[[], Answer]) -> None:
        try:
            status, content = work()
        except psycopg.Error as error:
            status, content = 503, {"error": " ".join(str(error).split())[:200]}
            print(f"database: {content['error']}", flush=True)
        except (ValueError, TypeError, KeyError) as error:
            status, content = 422, {"error": str(error)}
        self._send(status, content)

    def _send(self, status: int, content: dict[str, Any]) -> None:
        text = json.dumps(content).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        except (BrokenPipeError, ConnectionResetError):
            # The router gave up; to the user this write was never acknowledged.
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The router logs requests."""
