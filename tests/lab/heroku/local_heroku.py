"""A local Heroku and its client, as the tests of this directory use them; the fixtures are in `conftest`."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pgcutover.lab.clients import install_clients
from pgcutover.lab.heroku.server import HerokuLab
from pgcutover.lab.layout import HerokuServer, LabLayout

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
        wanted = {"Range": "version ..; max=1, order=desc"}
        newest: dict[str, Any] = self.get(f"/apps/{app}/releases", headers=wanted)[0]
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


def wait_for(found: Callable[[], Any], *, limit_s: float = 60.0) -> Any:
    """Ask until the answer is true; returns it. Fails when it never is."""
    deadline = time.monotonic() + limit_s
    while not (answer := found()):
        assert time.monotonic() < deadline, f"still {answer!r}"
        time.sleep(0.05)
    return answer


def client_of(base_url: str, key: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {key}", "Accept": ACCEPT}
    return httpx.Client(base_url=base_url, headers=headers, timeout=30)


@contextmanager
def started(servers: Servers, directory: Path, speed: float) -> Iterator[Heroku]:
    layout = LabLayout(directory)
    for path in layout.directories:
        path.mkdir(parents=True, exist_ok=True)
    install_clients(directory)
    lab = HerokuLab(layout, servers.ca_bundle, servers.leader, servers.follower, speed=speed, seed=3, api_key=KEY)
    base_url = lab.start()
    try:
        with client_of(base_url, KEY) as api:
            yield Heroku(lab=lab, layout=layout, api=api)
    finally:
        lab.stop()
