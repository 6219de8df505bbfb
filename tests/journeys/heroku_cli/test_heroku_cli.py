"""Heroku's own command line, unchanged, works against the lab as against Heroku: opt-in, `pytest --cli`.

It needs the `heroku` program (npm install heroku) on the PATH or named by HEROKU_CLI; nothing leaves this machine.
"""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from pgcutover.lab import world

pytestmark = pytest.mark.cli
APP = "acme-api"
SPEED = 50.0


class Cli(Protocol):
    def __call__(self, *words: str, status: int = 0) -> str:
        """Run a command; its output, both streams. Fails when it ends with another status."""


@pytest.fixture(scope="module")
def lab_environment(session_directory: Path) -> Iterator[dict[str, str]]:
    directory = session_directory / "cli-lab"
    world.up(directory, speed=SPEED)
    try:
        yield world.environment(directory)
    finally:
        world.down(directory)


@pytest.fixture(scope="module")
def heroku(lab_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Cli:
    program = os.environ.get("HEROKU_CLI") or shutil.which("heroku")
    if program is None:
        pytest.fail("no heroku program: npm install heroku, then set HEROKU_CLI to node_modules/.bin/heroku")
    home = tmp_path_factory.mktemp("home")
    environment = {
        **lab_environment,
        "HOME": str(home),
        # It starts itself again by name.
        "PATH": f"{Path(program).parent}:{os.environ['PATH']}",
        "DISABLE_TELEMETRY": "true",
        "HEROKU_SKIP_ANALYTICS": "1",
        "NO_COLOR": "1",
        "COLUMNS": "200",
    }

    def run(*words: str, status: int = 0) -> str:
        done = subprocess.run(
            [program, *words], env=environment, cwd=home, capture_output=True, text=True, timeout=120, check=False
        )
        assert (words, status) == (words, done.returncode), done.stdout + done.stderr
        return done.stdout + unboxed(done.stderr)

    return run


def unboxed(errors: str) -> str:
    """Errors come wrapped into a box of 80 columns; a new home's first command warns of the terms of service."""
    plain = " ".join(errors.replace("›", " ").split())
    return re.sub(r"Warning: Our terms of service have changed: \S+", "", plain).strip()


def settle(heroku: Cli) -> dict[str, str]:
    """The newest release once it is no longer pending."""
    while True:
        newest: dict[str, str] = json.loads(heroku("releases", "--json", "-n", "1", "-a", APP))[0]
        if newest["status"] != "pending":
            return newest
        time.sleep(0.2)


def names_of(heroku: Cli) -> dict[str, list[str]]:
    """By add-on: the names under which it is attached."""
    found = json.loads(heroku("addons", "--json", "-a", APP))
    return {addon["name"]: [attachment["name"] for attachment in addon["attachments"]] for addon in found}


def addon_of(heroku: Cli, attachment: str) -> str:
    return next(addon for addon, names in names_of(heroku).items() if attachment in names)


def test_apps_are_listed(heroku: Cli) -> None:
    """`apps` shows both of acme's, `apps:info` the stack and the add-ons of one."""
    assert {"acme-api", "acme-docs"} <= set(heroku("apps").split())
    assert "heroku-postgresql:standard-0" in heroku("apps:info", "-a", APP)


def test_config_is_shown_and_set(heroku: Cli) -> None:
    """`config:set` and `config:unset` each make a release whose number they print."""
    assert "RAILS_ENV:" in heroku("config", "-a", APP)
    assert re.search(r"done, v\d+", heroku("config:set", "GREETING=hello", "-a", APP))
    assert "hello" == heroku("config:get", "GREETING", "-a", APP).strip()
    assert "succeeded" == settle(heroku)["status"]
    assert re.search(r"done, v\d+", heroku("config:unset", "GREETING", "-a", APP))


def test_config_set_is_refused_where_heroku_refuses(heroku: Cli) -> None:
    """The text of Heroku's refusal reaches the person."""
    said = heroku("config:set", "DATABASE_URL=postgres://x", "-a", APP, status=2)
    assert "Cannot overwrite attachment values DATABASE_URL." in said
    assert "Couldn't find that app." in heroku("config", "-a", "nope", status=2)


def test_addons_are_listed_with_plan_price_and_attachments(heroku: Cli) -> None:
    """`addons` shows the plan's price and under which names the add-on is attached."""
    said = heroku("addons", "-a", APP)
    assert "standard-0" in said
    assert "$50/month" in said
    assert "as DATABASE" in said


def test_attach_and_detach(heroku: Cli) -> None:
    """The sequence by which DATABASE_URL is freed: the last attachment is refused, a second one makes it possible."""
    addon = addon_of(heroku, "DATABASE")
    refused = heroku("addons:detach", "DATABASE", "-a", APP, status=2)
    assert f"Cannot destroy last attachment to billing app for resource {addon}" in refused
    assert re.search(r"done, v\d+", heroku("addons:attach", addon, "--as", "HEROKU_POSTGRESQL_LEGACY", "-a", APP))
    assert re.search(r"done, v\d+", heroku("addons:detach", "DATABASE", "-a", APP))
    assert "DATABASE_URL" not in json.loads(heroku("config", "--json", "-a", APP))
    heroku("config:set", "DATABASE_URL=postgres://u:p@127.0.0.1:5432/d", "-a", APP)
    heroku("config:unset", "DATABASE_URL", "-a", APP)
    heroku("addons:attach", addon, "--as", "DATABASE", "--confirm", APP, "-a", APP)
    heroku("addons:detach", "HEROKU_POSTGRESQL_LEGACY", "-a", APP)
    assert "succeeded" == settle(heroku)["status"]
    assert addon == addon_of(heroku, "DATABASE")


def test_attaching_a_credential(heroku: Cli) -> None:
    """`--credential` attaches as that role; one that does not exist is refused."""
    addon = addon_of(heroku, "DATABASE")
    heroku("addons:attach", addon, "--as", "REPORTS", "--credential", "acme_reporting", "-a", APP)
    assert "postgres://acme_reporting:" in heroku("config:get", "REPORTS_URL", "-a", APP)
    heroku("addons:detach", "REPORTS", "-a", APP)
    said = heroku("addons:attach", addon, "--as", "NONE", "--credential", "nobody", "-a", APP, status=1)
    assert "Could not find credential" in said


def test_maintenance_and_scaling(heroku: Cli) -> None:
    """`maintenance:on` and `ps:scale` change what they say, and `ps` shows it."""
    heroku("maintenance:on", "-a", APP)
    assert "on" == heroku("maintenance", "-a", APP).strip()
    heroku("ps:scale", "web=0", "worker=0", "-a", APP)
    assert "No dynos on" in heroku("ps", "-a", APP)
    heroku("ps:scale", "web=1", "worker=1", "-a", APP)
    heroku("maintenance:off", "-a", APP)
    assert "web.1: " in heroku("ps", "-a", APP)


def test_releases_are_listed_newest_first(heroku: Cli) -> None:
    """`releases` shows numbers and descriptions, `releases:info` one of them."""
    heroku("config:set", "GREETING=again", "-a", APP)
    said = heroku("releases", "-a", APP)
    assert re.search(r"v\d+ .*Set GREETING config vars", said)
    assert "Set GREETING config vars" in heroku("releases:info", "-a", APP)
    heroku("config:unset", "GREETING", "-a", APP)


def test_pg_commands_tell_of_the_database(heroku: Cli) -> None:
    """`pg:info`, `pg:wait`, `pg:credentials` and `pg:settings` reach the Data API on the same port."""
    said = heroku("pg:info", "-a", APP)
    assert re.search(r"Plan:\s+Standard 0", said)
    assert re.search(r"PG Version:\s+16\.", said)
    assert re.search(r"Following:\s+\w+", said)
    heroku("pg:wait", "-a", APP)
    assert "acme_reporting" in heroku("pg:credentials", "DATABASE", "-a", APP)
    assert "log-statement" in heroku("pg:settings", "DATABASE", "-a", APP)


def test_a_detached_command_and_its_log(heroku: Cli) -> None:
    """`run:detached` starts a one-off dyno; `logs --dyno` shows what it said and how it ended."""
    said = heroku("run:detached", "echo hello from $DYNO", "-a", APP)
    name = re.search(r"run\.\d+", said)
    assert name is not None, said
    deadline = time.monotonic() + 30
    while "Process exited" not in (log := heroku("logs", "--dyno", name[0], "-a", APP)):
        assert time.monotonic() < deadline, log
    assert f"hello from {name[0]}" in log
    assert "Process exited with status 0" in log


def test_promote_and_promote_back(heroku: Cli) -> None:
    """`pg:promote` keeps the old database attached under another name, then takes the name DATABASE; and back."""
    leader = addon_of(heroku, "DATABASE")
    follower = next(name for name in names_of(heroku) if name != leader)
    for promoted in (follower, leader):
        colour = next(name for name in names_of(heroku)[promoted] if name != "DATABASE")
        heroku("pg:promote", colour, "-a", APP)
        assert promoted == addon_of(heroku, "DATABASE")
    # As it was: one name each.
    for names in names_of(heroku).values():
        for surplus in sorted(names)[1:]:
            heroku("addons:detach", surplus, "-a", APP)
