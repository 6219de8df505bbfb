"""Apps and essential databases are made and removed while the local Heroku runs, as on Heroku, and leave nothing."""

import gzip
from typing import Any

import httpx
import psycopg
import pytest
from heroku_schema import missing, problems
from local_heroku import Heroku, wait_for

from pgcutover.lab.heroku.measures import superuser

NAME = "made-by-a-test"


def asked(heroku: Heroku, method: str, path: str, body: Any = None) -> Any:
    answer = heroku.api.request(method, path, json=body)
    assert answer.is_success, answer.text
    return answer.json()


def deploy(heroku: Heroku, **process_types: str) -> Any:
    slug = asked(heroku, "POST", f"/apps/{NAME}/slugs", {"process_types": process_types})
    assert [] == problems("slug", slug)
    assert httpx.put(slug["blob"]["url"], content=gzip.compress(b"")).is_success
    return asked(heroku, "POST", f"/apps/{NAME}/releases", {"slug": slug["id"]})


def databases(heroku: Heroku) -> set[str]:
    with superuser(heroku.lab.platform.estate.addons[addon_of_acme(heroku)].server) as session:
        return {row["datname"] for row in session.execute("SELECT datname FROM pg_database").fetchall()}


def addon_of_acme(heroku: Heroku) -> str:
    return str(heroku.get("/apps/acme-api/addon-attachments/DATABASE")["addon"]["name"])


def test_an_app_with_a_database_is_made_and_leaves_nothing(running: Heroku) -> None:
    """A new app, its database and its dynos are there and work; removing the app removes all of it."""
    before, apps = databases(running), running.get("/apps")
    app = asked(running, "POST", "/apps", {"name": NAME, "region": "us"})
    addon = asked(running, "POST", f"/apps/{NAME}/addons", {"plan": "heroku-postgresql:essential-0"})
    assert {"app": [], "add-on": []} == {"app": problems("app", app), "add-on": problems("add-on", addon)}
    assert set() == missing("app", app) | missing("add-on", addon)
    url = running.get(f"/apps/{NAME}/config-vars")["DATABASE_URL"]
    with psycopg.connect(url, sslmode="require") as session:
        session.execute("CREATE TABLE made (id int)")
    deploy(running, release="echo released", worker="sleep 60")
    assert "succeeded" == running.settled(NAME)["status"]
    asked(running, "PATCH", f"/apps/{NAME}/formation", {"updates": [{"type": "worker", "quantity": 1}]})
    wait_for(lambda: [dyno["state"] for dyno in running.dynos(NAME).values()] == ["up"])
    asked(running, "DELETE", f"/apps/{NAME}")
    assert [app["name"] for app in apps] == [app["name"] for app in running.get("/apps")]
    assert before == databases(running)
    assert 404 == running.api.get(f"/apps/{NAME}").status_code


def test_what_is_not_there_is_refused(still: Heroku) -> None:
    """A name that is taken, a plan that the lab has no server for, a slug that nobody uploaded: each is refused."""
    asked(still, "POST", "/apps", {"name": NAME})
    slug = asked(still, "POST", f"/apps/{NAME}/slugs", {"process_types": {"worker": "true"}})
    refused = [
        ("/apps", {"name": NAME}),
        (f"/apps/{NAME}/addons", {"plan": "heroku-postgresql:standard-0"}),
        (f"/apps/{NAME}/releases", {"slug": slug["id"]}),
    ]
    assert [422, 422, 422] == [still.api.post(path, json=body).status_code for path, body in refused]


@pytest.mark.parametrize("runs", [True, False])
def test_a_new_app_begins_with_the_knobs_that_were_turned(running: Heroku, runs: bool) -> None:
    """What shall be otherwise on apps that do not exist yet is said beforehand."""
    asked(running, "PATCH", "/_lab/new-apps/knobs", {"attach_runs_release_phase": runs})
    asked(running, "POST", "/apps", {"name": NAME})
    deploy(running, release="echo released")
    asked(running, "POST", f"/apps/{NAME}/addons", {"plan": "essential-0"})
    assert "Attach DATABASE" in running.settled(NAME)["description"]
    assert runs == (running.newest(NAME)["output_stream_url"] is not None)
