"""The Heroku client over real sockets: paging, retries, Heroku's words for errors, and a token that never shows."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import stamina

from pgcutover.edges.heroku import HerokuClient, NotFoundError, RejectedError, address
from pgcutover.edges.heroku_http import RateLimitedError
from pgcutover.errors import ConfigError, HerokuError, RightsError
from pgcutover.facts.names import Secret

TOKEN = "c4n4ry-t0k3n"


@dataclass
class Answer:
    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Server:
    """Gives the answers it was told to, in order, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[Asked] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                sent = self.rfile.read(length)
                body = json.loads(sent) if sent else None
                outer.asked.append(Asked(self.command, self.path, dict(self.headers), body))
                told = outer.answers.pop(0)
                data = told.body.encode() if isinstance(told.body, str) else json.dumps(told.body).encode()
                self.send_response(told.status)
                for key, value in {**told.headers, "Content-Length": str(len(data))}.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815

            def log_message(self, *_: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


@pytest.fixture(autouse=True)
def impatience() -> Iterator[None]:
    """Retries as in life, but without their pauses."""
    with stamina.set_testing(True, attempts=5, cap=True):
        yield


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[HerokuClient]:
    with HerokuClient(Secret(TOKEN), host=server.url, data_host="127.0.0.1") as client:
        yield client


def test_every_page_of_a_list_is_read(server: Server, client: HerokuClient) -> None:
    """A 206 with Next-Range is followed until a 200."""
    first, second = ({"type": kind, "quantity": 1, "size": "", "command": ""} for kind in ("web", "worker"))
    server.answers = [Answer(206, [first], {"Next-Range": "id ]web..; max=1"}), Answer(200, [second])]
    assert ["web", "worker"] == [p.type for p in client.formation("acme")]
    assert "id ]web..; max=1" == server.asked[1].headers["Range"]


def test_a_retry_says_nothing_on_stdout(
    server: Server, client: HerokuClient, capsys: pytest.CaptureFixture[str]
) -> None:
    """There belongs one document of --json, and nothing else."""
    server.answers = [Answer(503, "<html>down</html>"), Answer(200, {"email": "me@acme.example"})]
    assert "me@acme.example" == client.account_email()
    assert "" == capsys.readouterr().out


def test_a_read_survives_trouble_and_a_write_is_sent_once(server: Server, client: HerokuClient) -> None:
    """After a 503 with an HTML body a read is tried again; a change that got a 500 is not."""
    server.answers = [Answer(503, "<html>down</html>"), Answer(200, {"email": "me@acme.example"})]
    assert "me@acme.example" == client.account_email()
    server.answers, server.asked = [Answer(500, "<html>oops</html>")], []
    with pytest.raises(HerokuError, match="500"):
        client.set_maintenance("acme", on=True)
    assert 1 == len(server.asked)


def test_a_write_that_heroku_did_not_take_is_sent_again(server: Server, client: HerokuClient) -> None:
    """429 says that nothing was done, so the same change may be sent again."""
    server.answers = [Answer(429, {"id": "rate_limit", "message": "slow down"}), Answer(200, {})]
    client.set_config("acme", {"X": Secret("1"), "Y": None})
    assert [{"X": "1", "Y": None}] * 2 == [asked.body for asked in server.asked]


def test_heroku_says_how_long_to_wait(server: Server, client: HerokuClient) -> None:
    """Retry-After is what is waited, up to a minute; without it, or in words, we choose."""
    waits = []
    for header in ({"Retry-After": "7"}, {"Retry-After": "86400"}, {"Retry-After": "tomorrow"}, {}):
        server.answers = [Answer(429, {"id": "rate_limit", "message": "slow down"}, header)] * 5
        with pytest.raises(RateLimitedError) as caught:
            client.set_maintenance("acme", on=True)
        waits.append(caught.value.wait_s)
    assert [7.0, 60.0, None, None] == waits


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (Answer(401, {"id": "unauthorized", "message": "Invalid credentials provided."}), RightsError, "401"),
        (Answer(403, {"id": "forbidden", "message": "no scope"}), RightsError, "no scope"),
        (Answer(404, {"id": "not_found", "message": "Couldn't find that app."}), NotFoundError, "Couldn't find"),
        (Answer(200, "<html>"), HerokuError, "not JSON"),
        (Answer(200, {"name": "acme"}), HerokuError, "lacks or changes: .*maintenance"),
    ],
)
def test_an_error_says_what_heroku_said(
    server: Server, client: HerokuClient, answer: Answer, kind: type[Exception], said: str
) -> None:
    """Each kind of answer becomes its own error, with Heroku's words and without the token."""
    server.answers = [answer] * 5
    with pytest.raises(kind, match=said) as caught:
        client.app("acme")
    assert TOKEN not in f"{caught.value!r} {caught.value}"


def test_a_refused_change_carries_herokus_id(server: Server, client: HerokuClient) -> None:
    """What is matched on by text carries id and text."""
    text = "Cannot overwrite attachment values DATABASE_URL."
    server.answers = [Answer(422, {"id": "invalid_params", "message": text})]
    with pytest.raises(RejectedError, match="Cannot overwrite") as caught:
        client.set_config("acme", {"DATABASE_URL": Secret("x")})
    assert "invalid_params" == caught.value.id


def test_the_log_is_fetched_without_the_token(server: Server, client: HerokuClient) -> None:
    """A log URL is signed and another host's business: the token does not go there."""
    server.answers = [Answer(201, {"logplex_url": f"{server.url}/sign"}), Answer(200, "one\ntwo")]
    assert ("one", "two") == client.log("acme", dyno="run.1")
    assert ("Authorization" in server.asked[0].headers, "Authorization" in server.asked[1].headers) == (True, False)


def test_nobody_answering_is_a_clear_error(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed port is a HerokuError that says where, and is given up after a few tries."""
    address_of_nobody = server.url.rsplit(":", 1)[0] + ":9"
    with HerokuClient(Secret(TOKEN), host=address_of_nobody) as client, pytest.raises(HerokuError, match="no answer"):
        client.account_email()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("", "https://api.heroku.com"),
        ("http://127.0.0.1:18080", "http://127.0.0.1:18080"),
        ("https://localhost:18443", "https://localhost:18443"),
        ("api.staging.herokudev.com", "https://api.staging.herokudev.com"),
    ],
)
def test_hosts_are_read_as_herokus_command_line_reads_them(host: str, expected: str) -> None:
    """HEROKU_HOST may be empty, a URL or a host."""
    assert expected == address(host, "https://api.heroku.com")


def test_the_token_never_goes_over_plain_http_to_another_machine() -> None:
    """Plain HTTP is for this machine only."""
    with pytest.raises(ConfigError, match="plain HTTP"):
        address("http://api.heroku.com", "https://api.heroku.com")
