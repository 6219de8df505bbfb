"""A proxy before the local Heroku that changes words: another account's name, a database at another address.

What it changes in answers it changes back in requests, so that a client which repeats what it read says the truth.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

PASSED_ON = ("authorization", "accept", "content-type", "range")
KEPT = ("content-type", "content-range", "next-range", "ratelimit-remaining", "request-id", "location")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    upstream: str
    words: Mapping[str, str]


class _Requests(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        for true, shown in self.server.words.items():
            body = body.replace(shown.encode(), true.encode())
        answer = httpx.request(
            self.command,
            self.server.upstream + self.path,
            content=body,
            headers={name: value for name, value in self.headers.items() if name.lower() in PASSED_ON},
            timeout=60,
        )
        content = answer.content
        for true, shown in self.server.words.items():
            content = content.replace(true.encode(), shown.encode())
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() in KEPT:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815  (names that http.server looks for)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nobody reads it."""


@contextmanager
def meddling(upstream: str, words: Mapping[str, str]) -> Iterator[str]:
    """The proxy's address, for HEROKU_HOST."""
    server = _Server(("127.0.0.1", 0), _Requests)
    server.upstream, server.words = upstream, words
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
