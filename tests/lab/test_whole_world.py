"""The whole world: every app on the database it belongs to, from its dynos' own view, whatever Heroku does to it.

One lab for the module. Events leave it whole: each test finds every app on its database, in whatever order they run.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from pgcutover.config import Surroundings, read_config
from pgcutover.lab import promises, sightings, world
from pgcutover.lab.heroku import acme, pgbouncer
from pgcutover.lab.layout import LabLayout
from pgcutover.lab.sightings import Sighting

ACCEPT = "application/vnd.heroku+json; version=3"
SPEED = 200.0
LIMIT_S = 120.0
PLACES = {
    (acme.API, "DATABASE_URL"): ("production", False),
    (acme.API, "DATABASE_CONNECTION_POOL_URL"): ("production", False),
    (acme.ADMIN, "DATABASE_URL"): ("production", False),
    (acme.REPORTS, "FOLLOWER_URL"): ("production", True),
    (acme.REPORTS, "EXPORT_URL"): ("production", True),
    (acme.STAGING_API, "DATABASE_URL"): ("staging", False),
    (acme.STAGING_REPORTS, "FOLLOWER_URL"): ("staging", True),
    (acme.STAGING_REPORTS, "EXPORT_URL"): ("staging", True),
}
"""Where each app is: environment, and whether the server is a follower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    directory: Path
    api: httpx.Client

    @property
    def layout(self) -> LabLayout:
        return LabLayout(self.directory)

    def get(self, path: str) -> Any:
        answer = self.api.get(path)
        assert answer.is_success, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None) -> Any:
        answer = self.api.post(path, json=body or {}, timeout=LIMIT_S)
        assert answer.is_success, answer.text
        return answer.json()

    def addon(self, app: str) -> str:
        """The leader that an app is billed for."""
        found = [a for a in self.get(f"/apps/{app}/addon-attachments") if a["name"] == "DATABASE"]
        return str(found[0]["addon"]["name"])

    def releases(self, app: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = sorted(self.get(f"/apps/{app}/releases"), key=lambda release: release["version"])
        return found

    def looks(self, since: float) -> list[Sighting]:
        return [look for look in sightings.read(self.layout.ledger) if look.at > since]

    def in_place(self, since: float) -> bool:
        """Whether every app was seen on its database since then, and no dyno on any other."""
        systems = json.loads(self.layout.state.read_text())["systems"]
        seen = {
            (look.app, look.variable): (systems[look.system], look.in_recovery)
            for look in self.looks(since)
            if not look.reason
        }
        assert seen.items() <= PLACES.items(), seen
        return len(seen) == len(PLACES)

    def settle(self) -> None:
        """Until no release is pending and every app is seen on its database."""
        wait_for(lambda: all(self.releases(app)[-1]["status"] != "pending" for app in apps_of(self)))
        since = time.time()
        wait_for(lambda: self.in_place(since))

    def kept(self) -> dict[str, Any]:
        """The ledger's verdict, which must be that nothing was lost."""
        found = world.check(self.directory)
        assert {"lost": 0, "doubled": 0, "unjudged": 0} == {k: found[k] for k in ("lost", "doubled", "unjudged")}, found
        return found


def wait_for(found: Callable[[], Any]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def apps_of(whole: Whole) -> list[str]:
    return [app["name"] for app in whole.get("/apps")]


@pytest.fixture(scope="module")
def whole(session_directory: Path) -> Iterator[Whole]:
    directory = session_directory / "whole"
    world.up(directory, size="tiny", speed=SPEED, world="whole")
    try:
        environment = world.environment(directory)
        headers = {"Authorization": f"Bearer {environment['HEROKU_API_KEY']}", "Accept": ACCEPT}
        with httpx.Client(base_url=environment["HEROKU_HOST"], headers=headers, timeout=30) as api:
            yield Whole(directory=directory, api=api)
    finally:
        world.down(directory)


def test_every_app_runs_on_its_database(whole: Whole) -> None:
    """Each dyno is up, and sees the server it belongs to; the ledger says the same, and nothing is lost."""
    whole.settle()
    for app in PLACES:
        formed = [dyno for dyno in whole.get(f"/apps/{app[0]}/dynos") if dyno["type"] in ("web", "worker")]
        assert {"up"} == {dyno["state"] for dyno in formed}, app
    apps = whole.kept()["apps"]
    assert {"side": "heroku", "role": "replica"} == apps[acme.REPORTS]["databases"]["FOLLOWER_URL"]
    assert {"side": "heroku", "role": "primary"} == apps[acme.ADMIN]["databases"]["DATABASE_URL"]
    assert {"heroku"} == {app["database"] for name, app in apps.items() if name != acme.DOCS}


def test_what_distinguishes_the_environments(whole: Whole) -> None:
    """Production has PgBouncer, a pooler and a release phase; staging has none, and another major version."""
    versions = {
        name: whole.get(f"/client/v11/databases/{whole.addon(name)}")["postgres_version"].partition(".")[0]
        for name in (acme.API, acme.STAGING_API)
    }
    assert {acme.API: "16", acme.STAGING_API: "18"} == versions
    buildpacks = {
        name: [each["buildpack"]["name"] for each in whole.get(f"/apps/{name}/buildpack-installations")]
        for name in (acme.REPORTS, acme.STAGING_REPORTS)
    }
    assert pgbouncer.BUILDPACK in buildpacks[acme.REPORTS]
    assert pgbouncer.BUILDPACK not in buildpacks[acme.STAGING_REPORTS]
    command = {process["type"]: process["command"] for process in whole.get(f"/apps/{acme.REPORTS}/formation")}
    assert command["web"].startswith("bin/start-pgbouncer ")
    assert {"release"} == {each["type"] for each in whole.get(f"/apps/{acme.API}/formation")} - {"web", "worker"}
    assert {None, "connection-pooling:default", "credential:acme_reporting"} == {
        attachment["namespace"] for attachment in whole.get("/addon-attachments")
    }


def test_the_config_names_both_environments(whole: Whole) -> None:
    """And each its apps, the billing app first."""
    known = {
        name: read_config(whole.layout.config, name, Surroundings.read({})).choices
        for name in ("production", "staging")
    }
    assert (acme.API, acme.ADMIN, acme.REPORTS) == known["production"].apps
    assert (acme.STAGING_API, acme.STAGING_REPORTS) == known["staging"].apps
    assert f"{acme.STAGING_API}::DATABASE" == known["staging"].database


@pytest.mark.parametrize("app", [acme.API, acme.ADMIN, acme.REPORTS, acme.STAGING_API, acme.STAGING_REPORTS])
def test_each_app_is_tried_by_its_own_command(whole: Whole, app: str) -> None:
    """The smoke command of the config exits 0 in a one-off dyno of the app."""
    command = f"{acme.SMOKE[app]} && echo ends well"
    name = whole.post(f"/apps/{app}/dynos", {"command": command, "attach": False})["name"]
    wait_for(lambda: name not in {dyno["name"] for dyno in whole.get(f"/apps/{app}/dynos")})
    session = whole.post(f"/apps/{app}/log-sessions", {"lines": 1500, "tail": False, "dyno": name})
    said = httpx.get(session["logplex_url"]).text.splitlines()
    assert any(line.endswith(": ends well") for line in said), said


def test_the_scheduler_writes_what_the_ledger_judges(whole: Whole) -> None:
    """A dyno scheduler.N comes again and again, and what it wrote is promised."""

    def writers() -> set[str]:
        return {e.writer for e in promises.read(whole.layout.ledger) if e.writer.startswith(f"{acme.API}.scheduler.")}

    before = writers()
    wait_for(lambda: len(writers() - before) >= 2)
    whole.kept()


def test_a_rotated_credential_reaches_every_app_that_has_it(whole: Whole) -> None:
    """The owner's: api and reports get a release of the add-on, admin none; a credential's own: admin alone."""
    whole.settle()
    addon = whole.addon(acme.API)
    for credential, touched in (("default", {acme.API, acme.REPORTS}), ("acme_reporting", {acme.ADMIN})):
        before = {app: len(whole.releases(app)) for app in apps_of(whole)}
        whole.post(f"/postgres/v0/databases/{addon}/credentials/{credential}/credentials_rotation")
        newer = {app for app in apps_of(whole) if len(whole.releases(app)) > before[app]}
        assert touched == newer
        assert {"heroku-postgresql@addons.heroku.com"} == {whole.releases(app)[-1]["user"]["email"] for app in touched}
        whole.settle()
    whole.kept()


def test_after_a_failover_all_go_on_behind_another_port(whole: Whole) -> None:
    """The leader's URL changes in each app that has it, the follower follows the new leader, nothing is lost."""
    whole.settle()
    addon, before = whole.addon(acme.API), whole.get(f"/apps/{acme.ADMIN}/config-vars")["DATABASE_URL"]
    whole.post(f"/_lab/databases/{addon}/failover")
    after = whole.get(f"/apps/{acme.ADMIN}/config-vars")["DATABASE_URL"]
    assert httpx.URL(before).port != httpx.URL(after).port
    assert str(httpx.URL(before).copy_with(port=httpx.URL(after).port)) == after
    whole.settle()
    newest = max(e.at for e in promises.read(whole.layout.ledger) if e.app == acme.API)
    reports = httpx.URL(whole.get("/_lab/apps")[acme.REPORTS]["router_url"])
    wait_for(lambda: _moment(httpx.get(reports.join("/report")).json().get("newest")) > newest)
    whole.kept()


def _moment(text: str | None) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0.0


def test_in_a_private_space_the_page_needs_web_dynos(whole: Whole) -> None:
    """With web=0 users get an error in place of the maintenance page; elsewhere the page comes all the same."""
    url = whole.get("/_lab/apps")[acme.ADMIN]["router_url"]
    whole.api.patch(f"/_lab/apps/{acme.ADMIN}", json={"space": "acme-private"})
    try:
        assert "acme-private" == whole.get(f"/apps/{acme.ADMIN}")["space"]["name"]
        whole.api.patch(f"/apps/{acme.ADMIN}", json={"maintenance": True})
        assert "Offline for Maintenance" in httpx.get(url).text
        whole.api.patch(f"/apps/{acme.ADMIN}/formation", json={"updates": [{"type": "web", "quantity": 0}]})
        assert "Application error" in httpx.get(url).text
        whole.api.patch(f"/_lab/apps/{acme.ADMIN}", json={"space": None})
        assert "Offline for Maintenance" in httpx.get(url).text
    finally:
        whole.api.patch(f"/_lab/apps/{acme.ADMIN}", json={"space": None})
        whole.api.patch(f"/apps/{acme.ADMIN}/formation", json={"updates": [{"type": "web", "quantity": 1}]})
        whole.api.patch(f"/apps/{acme.ADMIN}", json={"maintenance": False})
    whole.settle()
