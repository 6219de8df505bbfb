"""The whole story: three applications on one database, its follower, PgBouncer, a Scheduler, and staging first.

Told once, by the fixtures, in their order: production is prepared and moved. With `--full` staging is drilled first (a
journey of its own shows drills), and production goes back, moves a second time, and is retired. Each test says one
thing that was seen on the way. Where an app was at a moment is what its own dynos saw, not what the migration or Heroku
says.
"""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from lab_driver import Lab, Said

from pgcutover.lab import sightings
from pgcutover.lab.heroku.acme import ADMIN, API, JOB, REPORTS, STAGING_API, STAGING_REPORTS
from pgcutover.lab.layout import LabLayout
from pgcutover.lab.sightings import Sighting

PRODUCTION, STAGING = (API, ADMIN, REPORTS), (STAGING_API, STAGING_REPORTS)
ON_PRODUCTION = ("--env", "production")
LOOKS_S = 3.0


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one chapter showed, by name."""

    said: dict[str, Said] = field(default_factory=dict)
    json: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    began: float = field(default_factory=time.time)


@pytest.fixture(scope="module")
def lab(make_lab: Callable[..., Lab]) -> Lab:
    lab = make_lab("story", kind="whole")
    # One of the three runs in a Private Space, where web dynos never go to 0.
    lab.heroku("PATCH", f"/_lab/apps/{ADMIN}", {"space": "acme-private"})
    return lab


def looks(lab: Lab, since: float, until: float, *apps: str) -> list[Sighting]:
    """What the dynos of these apps saw between two moments."""
    found = sightings.read(LabLayout(lab.directory).ledger)
    return [look for look in found if since <= look.at <= until and look.app in apps]


def answered(found: Iterable[Sighting]) -> list[Sighting]:
    return [look for look in found if look.system]


def systems(lab: Lab) -> dict[str, str]:
    """Who is who: the system identifier of Heroku's production database and of the RDS instance in use."""
    with lab.source() as session:
        row = session.execute("SELECT system_identifier::text FROM pg_control_system()").fetchone()
    assert row is not None
    return {"heroku": row[0]}


@pytest.fixture(scope="module")
def drilled(lab: Lab) -> Seen:
    """The drill of staging: there and back, fence and switch included."""
    seen = Seen(facts={"before": lab.world()})
    seen.said["drill"] = lab.run("drill", "--env", "staging", "--yes")
    seen.facts["after"] = lab.world()
    lab.forgive()
    return seen


@pytest.fixture(scope="module")
def prepared(lab: Lab, request: pytest.FixtureRequest) -> Seen:
    """Production's plan, and everything that can be done days ahead."""
    if request.config.getoption("--full"):
        request.getfixturevalue("drilled")
    seen = Seen(facts={"before": lab.world()})
    seen.json["plan"] = lab.json("plan", *ON_PRODUCTION)
    seen.json["prepare"] = lab.json("prepare", *ON_PRODUCTION)
    return seen


@pytest.fixture(scope="module")
def moved(lab: Lab, prepared: Seen) -> Seen:
    """The move of all three apps, with a job of the Scheduler in the middle of the fence."""
    seen = Seen()
    with lab.running("migrate", *ON_PRODUCTION, "--yes") as run:
        run.begun("fence")
        lab.heroku("POST", f"/_lab/apps/{API}/scheduler", {"command": JOB})
        seen.said["migrate"] = run.ended()
    seen.facts["lifted"] = time.time()
    time.sleep(LOOKS_S)
    seen.facts["ledger"] = lab.nothing_lost()
    seen.facts["world"] = lab.world()
    seen.json["status"] = lab.json("status", *ON_PRODUCTION)
    seen.facts["variables"] = {app: lab.variables(app) for app in PRODUCTION}
    seen.facts["until"] = time.time()
    return seen


@pytest.fixture(scope="module")
def returned(lab: Lab, moved: Seen) -> Seen:
    """The way back, after the lift."""
    seen = Seen()
    seen.said["rollback"] = lab.run("rollback", *ON_PRODUCTION, "--yes")
    seen.facts["back"] = time.time()
    seen.facts["world"] = lab.world()
    time.sleep(LOOKS_S)
    lab.forgive()
    seen.facts["ledger"] = lab.verdict()
    seen.facts["until"] = time.time()
    return seen


@pytest.fixture(scope="module")
def again(lab: Lab, returned: Seen) -> Seen:
    """The second move, for good, and the end."""
    seen = Seen()
    seen.json["plan"] = lab.json("plan", *ON_PRODUCTION)
    seen.said["migrate"] = lab.run("migrate", *ON_PRODUCTION, "--yes")
    seen.facts["lifted"] = time.time()
    time.sleep(LOOKS_S)
    seen.facts["ledger"] = lab.verdict()
    seen.said["retire"] = lab.run("retire", *ON_PRODUCTION, "--yes")
    seen.facts["retired"] = time.time()
    time.sleep(LOOKS_S)
    seen.facts["after retire"] = lab.verdict()
    seen.facts["until"] = time.time()
    return seen


# -- the drill ---------------------------------------------------------------------------------------------------------


@pytest.mark.full
def test_a_drill_leaves_both_worlds_as_they_were(drilled: Seen) -> None:
    """Staging went there and back; of Heroku nothing differs, in no app, and the drill says so."""
    assert drilled.facts["before"] == drilled.facts["after"]


# -- the move ----------------------------------------------------------------------------------------------------------


def test_nothing_acknowledged_is_lost_by_any_app(moved: Seen) -> None:
    """0 lost, 0 doubled, over the writes of web, worker, admin and Scheduler."""
    assert "moved" == moved.json["status"]["outcome"]


def test_every_app_is_on_its_new_server(moved: Seen) -> None:
    """The apps on the leader name the new primary, the one on the follower names the replica, in every variable."""
    apps = moved.facts["ledger"]["apps"]
    places = {
        (app, variable): (place["side"], place["role"])
        for app in PRODUCTION
        for variable, place in apps[app]["databases"].items()
        if not variable.startswith("HEROKU_POSTGRESQL_LEGACY")
    }
    assert ("rds", "primary") == places[API, "DATABASE_URL"] == places[ADMIN, "DATABASE_URL"]
    assert ("rds", "primary") == places[API, "DATABASE_CONNECTION_POOL_URL"]
    assert ("rds", "replica") == places[REPORTS, "FOLLOWER_URL"] == places[REPORTS, "EXPORT_URL"]
    assert {"rds"} == {side for side, _ in places.values()}


def test_the_reader_read_from_the_follower_and_then_from_the_replica(lab: Lab, moved: Seen) -> None:
    """From the dynos' own view: a standby all the time, Heroku's before the switch, RDS's after it, never back."""
    found = answered(looks(lab, moved.began - LOOKS_S, moved.facts["until"], REPORTS))
    old = systems(lab)["heroku"]
    assert all(look.in_recovery for look in found)
    on_old = [look.system == old for look in found]
    first_new = on_old.index(False)
    assert not any(on_old[first_new:]), "an app read from the old database after it had read from the new one"
    assert {"FOLLOWER_URL", "EXPORT_URL"} == {look.variable for look in found if look.at > moved.facts["lifted"]}


def test_no_dyno_of_any_app_is_on_the_old_database_after_the_lift(lab: Lab, moved: Seen) -> None:
    """What every dyno sees after the lift is the new database."""
    found = answered(looks(lab, moved.facts["lifted"], moved.facts["until"], *PRODUCTION))
    assert set(PRODUCTION) <= {look.app for look in found} | {API}
    assert systems(lab)["heroku"] not in {look.system for look in found}


def test_each_app_keeps_its_own_login(moved: Seen) -> None:
    """The app with a credential of its own logs in with one of its own on RDS, not with the owner's."""
    owner = re.search(r"//([^:]+):([^@]+)@", moved.facts["variables"][API]["DATABASE_URL"])
    own = re.search(r"//([^:]+):([^@]+)@", moved.facts["variables"][ADMIN]["DATABASE_URL"])
    assert owner and own
    assert owner[1] != own[1] and owner[2] != own[2]


def test_pgbouncer_gets_what_it_understands(moved: Seen) -> None:
    """URLs of the app behind PgBouncer have a port and no query; what PGBOUNCER_URLS names is there."""
    variables = moved.facts["variables"][REPORTS]
    for name in variables["PGBOUNCER_URLS"].split():
        assert re.fullmatch(r"postgres(ql)?://[A-Za-z0-9_]+:[A-Za-z0-9]+@[^:/]+:\d+/\w+", variables[name]), name


def test_formation_and_maintenance_are_as_they_were(prepared: Seen, moved: Seen) -> None:
    """Of each app only attachments and config differ, and of staging nothing."""
    before, after = prepared.facts["before"], moved.facts["world"]
    for app in PRODUCTION:
        assert {"attachments", "config"} >= {key for key in before[app] if before[app][key] != after[app][key]}, app
    assert {app: before[app] for app in STAGING} == {app: after[app] for app in STAGING}


# -- there and back again ----------------------------------------------------------------------------------------------


@pytest.mark.full
def test_all_apps_come_back(lab: Lab, prepared: Seen, returned: Seen) -> None:
    """After the way back every app is as before the move, and every dyno is on Heroku's servers."""
    before, after = prepared.facts["before"], returned.facts["world"]
    assert {app: before[app] for app in PRODUCTION} == {app: after[app] for app in PRODUCTION}
    found = answered(looks(lab, returned.facts["back"], returned.facts["until"], *PRODUCTION))
    assert {systems(lab)["heroku"]} == {look.system for look in found}
    assert 0 == returned.facts["ledger"]["lost"]


@pytest.mark.full
def test_the_second_move_is_for_good(lab: Lab, again: Seen) -> None:
    """Moved again and retired: nothing is lost, every dyno is on RDS and stays there."""
    assert (0, 0) == (again.facts["ledger"]["lost"], again.facts["after retire"]["lost"])
    found = answered(looks(lab, again.facts["lifted"], again.facts["until"], *PRODUCTION))
    assert found and systems(lab)["heroku"] not in {look.system for look in found}
