"""A drill of staging: there and back in one command, whatever stops it, both worlds as before or each difference named;
and what staging could not show, production's plan then says."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lab_driver import Lab

SPEED = 100.0
REFUSED, NOT_AS_BEFORE = 67, 90
STAGING, PRODUCTION = ("--env", "staging"), ("--env", "production")
APP = "acme-api-staging"
NO_PRODUCTION = "[environments.production]\nproduction = false"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was told and what Heroku was, before the drill and after it."""

    before: dict[str, Any]
    undrilled: dict[str, Any]
    """Production's plan before any drill."""
    amid: dict[str, Any]
    """The status after the first kill."""
    drilled: dict[str, Any]
    after: dict[str, Any]
    plan: dict[str, Any]
    """Production's plan after the drill."""


@pytest.fixture(scope="module")
def lab(session_directory: Path) -> Iterator[Lab]:
    """The whole world, whose production says that it is."""
    found = Lab.up(session_directory / "drill", speed=SPEED, kind="whole")
    try:
        found.edit({NO_PRODUCTION: NO_PRODUCTION.replace("false", "true")})
        yield found
    finally:
        found.down()


@pytest.fixture(scope="module")
def seen(lab: Lab) -> Seen:
    """A drill that dies on the way there and on the way back, and is typed once more each time."""
    before, undrilled = lab.world(), lab.json("plan", *PRODUCTION)["plan"]
    killed_amid(lab, "copy")
    amid = lab.json("status", *STAGING)
    killed_amid(lab, "switch", undoing=True)
    drilled = lab.json("drill", *STAGING, "--yes")
    plan = lab.json("plan", *PRODUCTION)["plan"]
    return Seen(before=before, undrilled=undrilled, amid=amid, drilled=drilled, after=lab.world(), plan=plan)


def killed_amid(lab: Lab, step: str, *, undoing: bool = False) -> None:
    """Power cut while the step is done, or undone."""
    with lab.running("drill", *STAGING, "--yes") as run:
        assert run.until(rf"(?m)^\S+ undoing {step}") if undoing else run.begun(step) is None, run.errors
        run.kill()


def test_a_drill_of_production_is_refused(lab: Lab) -> None:
    """An environment that says it is production is never drilled: no plan is made, no run opened."""
    said = lab.run("drill", *PRODUCTION, "--yes", code=REFUSED).stderr
    assert "is production" in said
    assert "pgcutover migrate" in said
    assert not (lab.home / ".pgcutover" / "production" / "journal.db").exists()


def test_a_drill_that_was_killed_goes_on_and_ends_as_before(seen: Seen) -> None:
    """On the way there and on the way back: the same command ends it, and nothing differs."""
    assert "pgcutover drill --env staging" in seen.amid["next"][0]
    assert (True, [], []) == tuple(seen.drilled[key] for key in ("green", "differences", "salvage_doubts"))
    assert seen.before == seen.after


def test_a_drill_was_really_on_rds(lab: Lab, seen: Seen) -> None:
    """The application opened on the new database, what it wrote there is counted, and what was made is named."""
    assert seen.drilled["outage"]["back_users_s"] > 0
    assert any(each["inserted"] for each in seen.drilled["salvaged"])
    assert {f"instance {APP}", f"database acme_api_staging on {APP}, with its roles"} <= set(seen.drilled["kept"])
    assert APP in {each["name"] for each in lab.rds("instances")}


def test_nobody_is_moved_by_a_drill(lab: Lab, seen: Seen) -> None:
    """Staging runs on its old database again; nothing is out of sight but what it wrote on RDS, which is exported."""
    found = lab.check()
    assert ("heroku", "heroku") == tuple(found["apps"][app]["database"] for app in (APP, "acme-api"))
    (left,) = [each for each in seen.drilled["salvaged"] if each["table"].endswith("ledger_entries")]
    assert found["lost"] <= left["inserted"] + left["updated"] + left["deleted"]
    assert (0, 0) == (found["doubled"], found["unjudged"])
    assert "returned" == lab.json("status", *STAGING)["outcome"]


def test_a_plan_without_a_drill_says_what_cannot_be_known(seen: Seen) -> None:
    """Production's plan names the environment that could be drilled."""
    (advice,) = [each for each in seen.undrilled["advice"] if "no drill yet" in each["what"]]
    assert "PgBouncer's buildpack" in advice["what"]
    assert "pgcutover drill --env staging" in advice["hint"]
    assert [] == seen.undrilled["drills"]


@pytest.mark.parametrize(
    ("where", "what"),
    [
        ("acme-reports", "PgBouncer's buildpack"),
        ("acme-reports", "process types that start through PgBouncer"),
        ("acme-reports", "variables that PgBouncer and libpq heed: PGBOUNCER_URLS"),
        ("acme-api", "attachments: the primary through the server-side pooler"),
        ("acme-api", "copies of the URL"),
        ("acme-api", "release phase"),
        ("acme-api", "process types: worker"),
        ("acme-admin", "nothing like it is in staging"),
        ("the database", "PostgreSQL"),
    ],
)
def test_what_a_green_drill_did_not_show_is_named(seen: Seen, where: str, what: str) -> None:
    """Production's plan has each difference to staging, with the app and why it counts, under the drill."""
    (drill,) = seen.plan["drills"]
    assert ("staging", True, seen.drilled["plan_digest"]) == tuple(
        drill[key] for key in ("environment", "green", "plan_digest")
    )
    found = [each for each in drill["differences"] if each["where"] == where and each["what"].startswith(what)]
    assert found, drill["differences"]
    assert all(each["why"] for each in found)


@pytest.mark.full
def test_what_somebody_changed_amid_a_drill_is_named(lab: Lab, seen: Seen) -> None:
    """A config var set on the way back: the drill ends, is not green, and names it."""
    assert seen.drilled["green"]
    with lab.running("drill", *STAGING, "--yes") as run:
        assert run.until(r"(?m)^\S+ undoing ")
        lab.config_var(APP, SOMEBODY="set this")
        said = run.ended(code=NOT_AS_BEFORE)
    assert "NOT green" in said.stdout
    assert f"heroku {APP} config SOMEBODY: absent ->" in said.stdout
    lab.config_var(APP, SOMEBODY=None)
    assert "drill" not in lab.json("status", *STAGING)["next"][0]
