"""What Heroku's own command line shows after `pgcutover migrate`: opt-in, `pytest --cli`; see test_heroku_cli.py."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from heroku_shell import Person
from lab_driver import APP, Lab

pytestmark = pytest.mark.cli

SPEED = 50.0
LEGACY = "HEROKU_POSTGRESQL_LEGACY"


@pytest.fixture(scope="module")
def planned(session_directory: Path) -> Iterator[Lab]:
    lab = Lab.up(session_directory / "after-migrate", speed=SPEED)
    try:
        lab.run("plan")
        yield lab
    finally:
        lab.down()


@pytest.fixture(scope="module")
def held(planned: Lab) -> set[str]:
    """The variables that hold a URL of the old database before the move."""
    return {name for name, value in planned.variables().items() if value.startswith("postgres")}


@pytest.fixture(scope="module")
def lab(planned: Lab, held: set[str]) -> Lab:
    """After the move."""
    planned.run("migrate", "--yes")
    return planned


@pytest.fixture
def person(lab: Lab, tmp_path: Path) -> Person:
    return Person(lab=lab, home=tmp_path)


def config(person: Person) -> dict[str, str]:
    found: dict[str, str] = json.loads(person.heroku("config", "--json"))
    return found


def test_config_shows_the_new_database(lab: Lab, person: Person, held: set[str]) -> None:
    """Every variable that held the old URL names the RDS instance now; the kept attachments still name the old one."""
    with closing(lab.aws("rds")) as rds:
        endpoint = rds.describe_db_instances(DBInstanceIdentifier=APP)["DBInstances"][0]["Endpoint"]
    found = {name: urlsplit(url) for name, url in config(person).items() if url.startswith("postgres")}
    new = {n for n, url in found.items() if (endpoint["Address"], endpoint["Port"]) == (url.hostname, url.port)}
    assert {"DATABASE_URL", "ANALYTICS_DATABASE_URL"} < held
    assert held == new
    assert {f"{LEGACY}_URL", f"{LEGACY}_2_URL"} == set(found) - new
    assert {"/acme_api"} == {found[name].path for name in new}
    assert f"/{lab.database}" == found[f"{LEGACY}_URL"].path
    assert re.search(r"^DATABASE_URL: +postgres://.*/acme_api", person.heroku("config"), re.MULTILINE)


def test_addons_shows_the_kept_attachment(lab: Lab, person: Person) -> None:
    """The add-on is there, attached under the kept name alone."""
    found = {
        a["name"]: [each["name"] for each in a["attachments"]] for a in json.loads(person.heroku("addons", "--json"))
    }
    assert [LEGACY] == found[lab.addon]
    said = person.heroku("addons")
    assert f"as {LEGACY}" in said
    assert "as DATABASE" not in said
    assert re.search(r"Plan:\s+Standard 0", person.heroku("pg:info", f"{LEGACY}_URL"))


def test_releases_tell_the_story(person: Person, held: set[str]) -> None:
    """Attach, detach, set: each is a release and succeeded; one of them set every variable at once."""
    releases = json.loads(person.heroku("releases", "--json"))[::-1]
    told = [release["description"].partition(" (@ref")[0] for release in releases]
    switch = told.index(f"Set {', '.join(sorted(held))} config vars")
    assert told.index(f"Attach {LEGACY}") < told.index("Detach DATABASE") < switch
    assert {"succeeded"} == {release["status"] for release in releases[: switch + 1]}


def test_the_application_is_open(person: Person) -> None:
    """Maintenance mode is off and every dyno of before is up."""
    assert "off" == person.heroku("maintenance").splitlines()[0]
    shown = person.heroku("ps")
    assert re.search(r"^web\.1: up", shown, re.MULTILINE)
    assert re.search(r"^worker\.1: up", shown, re.MULTILINE)


def test_the_old_database_takes_no_write(person: Person) -> None:
    """A person with psql reads it and cannot write to it, whatever the session says."""
    legacy = f"{LEGACY}_URL"
    assert re.search(r"^ +\d+$", person.heroku("pg:psql", legacy, "-c", "SELECT count(*) FROM users"), re.MULTILINE)
    insert = "SET default_transaction_read_only = off; BEGIN READ WRITE; DELETE FROM ledger_entries; COMMIT"
    assert "permission denied for table ledger_entries" in person.heroku("pg:psql", legacy, "-c", insert, status=1)


def test_no_attachment_owns_the_variable_any_more(person: Person) -> None:
    """`config:set DATABASE_URL`, refused before the move, works after it."""
    url = config(person)["DATABASE_URL"]
    mine = f"{url}&application_name=mine"
    try:
        person.heroku("config:set", f"DATABASE_URL={mine}")
        assert mine == config(person)["DATABASE_URL"]
    finally:
        person.heroku("config:set", f"DATABASE_URL={url}")
