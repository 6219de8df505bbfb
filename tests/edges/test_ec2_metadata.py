"""Whether this process runs on EC2 is asked with IMDSv2 alone, quickly, and never where it is forbidden."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pgcutover.edges.ec2_metadata import TIMEOUT_S, whereabouts
from pgcutover.facts.ec2 import Whereabouts


@dataclass
class Metadata:
    """A metadata service on loopback; it wants a token, as EC2's does where IMDSv2 is required."""

    url: str = ""
    token_status: int = 200
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving(metadata: Metadata) -> Iterator[Metadata]:
    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            metadata.asked.append(f"PUT {self.path} {self.headers.get('X-aws-ec2-metadata-token-ttl-seconds')}")
            self._answer(metadata.token_status, "a-token")

        def do_GET(self) -> None:
            metadata.asked.append(f"GET {self.path}")
            known = self.headers.get("X-aws-ec2-metadata-token") == "a-token"
            self._answer(200 if known else 401, "eu-west-1")

        def _answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        metadata.url = f"http://127.0.0.1:{server.server_port}"
        yield metadata
        server.shutdown()
        thread.join()


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    with serving(Metadata()) as served:
        yield served


def test_on_ec2_the_region_is_told(metadata: Metadata) -> None:
    """A token first, then the Region with it."""
    assert Whereabouts(region="eu-west-1") == whereabouts(endpoint=metadata.url, disabled=False)
    assert ["PUT /latest/api/token 60", "GET /latest/meta-data/placement/region"] == metadata.asked


def test_nobody_is_asked_where_it_is_forbidden(metadata: Metadata) -> None:
    """And it is said that nobody could tell."""
    found = whereabouts(endpoint=metadata.url, disabled=True)
    assert ("", "AWS_EC2_METADATA_DISABLED is set") == (found.region, found.unknown)
    assert [] == metadata.asked


def test_without_a_token_nothing_more_is_asked(metadata: Metadata) -> None:
    """A service that refuses is told as what it is; the older protocol is never tried."""
    metadata.token_status = 403
    found = whereabouts(endpoint=metadata.url, disabled=False)
    assert ("", "the metadata service answered 403") == (found.region, found.unknown)
    assert 1 == len(metadata.asked)


def test_a_closed_port_is_a_machine_outside_ec2() -> None:
    """Nobody answers there."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert Whereabouts() == whereabouts(endpoint=address, disabled=False)


def test_silence_is_waited_for_briefly() -> None:
    """A service that takes the connection and says nothing delays nobody."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begun = time.monotonic()
        assert Whereabouts() == whereabouts(endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}", disabled=False)
        assert time.monotonic() - begun < TIMEOUT_S + 10


def test_a_broken_address_is_said() -> None:
    """The variable is named."""
    found = whereabouts(endpoint="no address", disabled=False)
    assert "AWS_EC2_METADATA_SERVICE_ENDPOINT" in found.unknown
