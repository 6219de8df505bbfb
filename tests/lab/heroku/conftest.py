"""A local Heroku over real servers: a leader and its follower, made once; a Heroku of its own for each test or module.

`still` never boots a dyno and never finishes a release, so rules can be tested without waiting; `running` is fast.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from pgcutover.lab.clients import install_clients
from pgcutover.lab.clusters import Cluster
from pgcutover.lab.dataset import create_heroku_database
from pgcutover.lab.heroku.server import HerokuLab
from pgcutover.lab.layout import HerokuServer, LabLayout
from pgcutover.lab.relay import Relay
from pgcutover.lab.tls import CertificateAuthority, self_signed

ACCEPT = "application/vnd.heroku+json; version=3"
ACCEPT_SDK = "application/vnd.heroku+json; version=3.sdk"
KEY = "lab-key"
FAST = 50.0
STILL = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    leader: HerokuServer
    follower: HerokuServer
    ca_bundle: Path


@pytest.fixture(scope="session")
def heroku_servers(session_directory: Path) -> Iterator[Servers]:
    """A leader with acme's data and a streaming follower, each behind a relay that speaks TLS."""
    room = session_directory / "heroku-servers"
    authority = CertificateAuthority.create(room / "tls")
    cert, key = self_signed(room / "tls")
    with ExitStack() as stack:
        leader = Cluster(room / "leader", 16)
        leader.initdb()
        stack.callback(leader.stop, "immediate")
        leader.start()
        made = create_heroku_database(leader, size="small", seed=7)
        follower = Cluster(room / "follower", 16)
        follower.follow(leader, "follower")
        stack.callback(follower.stop, "immediate")
        follower.start()

        def server(cluster: Cluster) -> HerokuServer:
            relay = Relay(cluster.port, cert, key)
            stack.callback(relay.stop)
            return HerokuServer(
                host="127.0.0.1",
                port=relay.start(),
                cluster_port=cluster.port,
                database=made.database,
                owner=made.owner,
                password=made.owner_password,
                credentials={made.credential: made.credential_password},
                superuser_socket=cluster.socket_dir,
                plan=made.plan,
            )

        yield Servers(leader=server(leader), follower=server(follower), ca_bundle=authority.bundle)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heroku:
    """A running local Heroku and a client of its API."""

    lab: HerokuLab
    layout: LabLayout
    api: httpx.Client

    def get(self, path: str, **more: Any) -> Any:
        """The JSON of an answer that must be 2xx."""
        answer = self.api.get(path, **more)
        assert answer.is_success, answer.text
        return answer.json()

    def newest(self, app: str = "acme-api") -> dict[str, Any]:
        """The newest release."""
        newest: dict[str, Any] = self.get(f"/apps/{app}/releases", headers={"Range": "version ..; max=1, order=desc"})[
            0
        ]
        return newest

    def settled(self, app: str = "acme-api") -> dict[str, Any]:
        """The newest release, once it succeeded or failed."""
        wait_for(lambda: self.newest(app)["status"] != "pending")
        return self.newest(app)

    def dynos(self, app: str = "acme-api") -> dict[str, dict[str, Any]]:
        return {dyno["name"]: dyno for dyno in self.get(f"/apps/{app}/dynos")}

    def wait_up(self, *names: str, version: int | None = None) -> None:
        """Until exactly these dynos are there and up, on that release."""

        def there() -> bool:
            found = self.dynos()
            return set(found) == set(names) and all(
                dyno["state"] == "up" and version in (None, dyno["release"]["version"]) for dyno in found.values()
            )

        wait_for(there)

    def scale(self, **quantities: int) -> None:
        updates = [{"type": process, "quantity": quantity} for process, quantity in quantities.items()]
        assert self.api.patch("/apps/acme-api/formation", json={"updates": updates}).is_success

    def log(self, **wanted: Any) -> list[str]:
        """Lines of the app's log, as a client reads them."""
        session = self.api.post("/apps/acme-api/log-sessions", json={"lines": 1500, "tail": False, **wanted}).json()
        return httpx.get(session["logplex_url"]).text.splitlines()

    def run(self, command: str, **more: Any) -> str:
        """Start a one-off dyno; its name."""
        answer = self.api.post("/apps/acme-api/dynos", json={"command": command, "attach": False, **more})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["name"])

    def ended(self, name: str) -> list[str]:
        """The log of a one-off dyno once it is gone."""
        wait_for(lambda: name not in self.dynos())
        return self.log(dyno=name)


def wait_for(found: Callable[[], Any], *, limit_s: float = 20.0) -> Any:
    """Ask until the answer is true; returns it. Fails when it never is."""
    deadline = time.monotonic() + limit_s
    while not (answer := found()):
        assert time.monotonic() < deadline, f"still {answer!r}"
        time.sleep(0.05)
    return answer


def _client(base_url: str, key: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {key}", "Accept": ACCEPT}
    return httpx.Client(base_url=base_url, headers=headers, timeout=30)


@contextmanager
def _heroku(servers: Servers, directory: Path, speed: float) -> Iterator[Heroku]:
    layout = LabLayout(directory)
    for path in layout.directories:
        path.mkdir(parents=True, exist_ok=True)
    install_clients(directory)
    lab = HerokuLab(layout, servers.ca_bundle, servers.leader, servers.follower, speed=speed, seed=3, api_key=KEY)
    base_url = lab.start()
    try:
        with _client(base_url, KEY) as api:
            yield Heroku(lab=lab, layout=layout, api=api)
    finally:
        lab.stop()


@pytest.fixture(scope="module")
def looked_at(heroku_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heroku]:
    """A still one for tests that change nothing."""
    with _heroku(heroku_servers, tmp_path_factory.mktemp("looked-at") / "lab", STILL) as heroku:
        yield heroku


@pytest.fixture
def still(heroku_servers: Servers, tmp_path: Path) -> Iterator[Heroku]:
    with _heroku(heroku_servers, tmp_path / "lab", STILL) as heroku:
        yield heroku


@pytest.fixture
def running(heroku_servers: Servers, tmp_path: Path) -> Iterator[Heroku]:
    with _heroku(heroku_servers, tmp_path / "lab", FAST) as heroku:
        yield heroku


@pytest.fixture
def client_with_key(still: Heroku) -> Iterator[Callable[[str], httpx.Client]]:
    """A client of `still` with another token."""
    with ExitStack() as stack:
        yield lambda key: stack.enter_context(_client(still.lab.base_url, key))
