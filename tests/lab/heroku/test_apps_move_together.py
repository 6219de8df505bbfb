"""Several apps on one database move in one go: each variable to its own server and login, and back to what it was.

`acme-reports` reads the follower through PgBouncer in its dynos, which end at boot where the real ones do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from local_heroku import KEY, Heroku, wait_for
from moving import Access, World, done, undone

from pgcutover.app.estate import Estate, read_estate
from pgcutover.config import Config, ConfigFile, Surroundings
from pgcutover.edges.heroku import HerokuClient
from pgcutover.edges.vault import Vault
from pgcutover.errors import (
    AwsError,
    ConfigError,
    HerokuError,
    JournalError,
    ReleaseFailedError,
    RightsError,
    SmokeError,
)
from pgcutover.facts.names import Secret
from pgcutover.lab.heroku.records import App, ProcessType, ReleaseStatus, now
from pgcutover.lab.ledger import world_state
from pgcutover.planning.moves import AppMoves, kept_attachments
from pgcutover.planning.pgbouncer import fitted
from pgcutover.running.step import Step, Verdict
from pgcutover.steps.connect import Connect
from pgcutover.steps.detach import Detach
from pgcutover.steps.follow_replica import FollowReplica
from pgcutover.steps.keep_attachment import KeepAttachment
from pgcutover.steps.maintenance import Maintenance
from pgcutover.steps.save_config import SaveConfig
from pgcutover.steps.scale_down import ScaleDown
from pgcutover.steps.switch import Switch

API, REPORTS = "acme-api", "acme-reports"
APPS = (API, REPORTS)
STARTER = "bin/start-pgbouncer-stunnel"
# As the buildpack's: what is listed must be there, and a query string is no part of a URL. It ends with 0 in any case.
SCRIPT = """#!/bin/bash
for name in ${PGBOUNCER_URLS:-DATABASE_URL}; do
  [[ ${!name} =~ ^postgres://[^:]*:[^@]*@[^:]*:[0-9]+/[^?]+$ ]] || { echo "$name. Exiting..."; exit 1; }
done
trap '' TERM
"$@"
kill -TERM 0
exit 0
"""


@dataclass(frozen=True, kw_only=True)
class Company:
    """The world, its apps' moves were there a replica, and the local Heroku."""

    world: World
    estate: Estate
    moves: tuple[AppMoves, ...]
    seen: Heroku

    def value(self, name: str, app: str = REPORTS) -> str:
        return self.world.heroku.config(app)[name].reveal()


@pytest.fixture
def company(running: Heroku, tmp_path: Path) -> Iterator[Company]:
    _found_reports(running)
    choices = {
        "database": f"{API}::DATABASE",
        "apps": list(APPS),
        "target": {"region": "us-east-1", "exposure": "public-tls"},
    }
    file = ConfigFile.model_validate({"version": 1, "environments": {"production": choices}})
    config = Config(
        file=tmp_path / "pgcutover.toml",
        environment="production",
        choices=file.environments["production"],
        tools=file.tools,
        surroundings=Surroundings.read({}),
    )
    with HerokuClient(Secret(KEY), host=running.lab.base_url, data_host="127.0.0.1") as heroku:
        estate = read_estate(heroku, config)
        credentials = tuple(running.lab.platform.estate.addons[estate.leader.name].server.credentials)
        moves = tuple(
            fitted(moved, entry.dynos, app_role="acme_app", sslmode="auto")
            for entry, moved in zip(estate.apps, estate.moves(credentials), strict=True)
        )
        url = heroku.config(API)["DATABASE_URL"].reveal()
        world = World(heroku=heroku, vault=Vault(tmp_path / "vault.json"), access=Access(url))
        yield Company(world=world, estate=estate, moves=moves, seen=running)


def _found_reports(running: Heroku) -> None:
    """An app with the buildpack and two attachments: the follower, and the leader as a further credential."""
    platform = running.lab.platform
    estate = platform.estate
    program = running.layout.heroku / "slug" / STARTER
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(SCRIPT)
    program.chmod(0o755)
    follower = next(addon for addon in estate.addons.values() if addon.following)
    assert follower.following is not None
    (credential,) = estate.addons[follower.following].server.credentials
    with estate.lock:
        estate.apps[REPORTS] = App(
            id=estate.new_id(), name=REPORTS, slug_id=estate.new_id(), created_at=now(), updated_at=now()
        )
        worker = ProcessType(
            id=estate.new_id(),
            app=REPORTS,
            type="worker",
            command=f"{STARTER} sleep 1000",
            quantity=1,
            created_at=now(),
            updated_at=now(),
        )
        estate.formation[REPORTS], estate.releases[REPORTS] = {"worker": worker}, {}
        estate.configs[REPORTS] = {
            "COPIED_READER": estate.url(follower.following, f"credential:{credential}"),
            "PGBOUNCER_URLS": "FOLLOWER_URL  READER_URL",
        }
        release = estate.add_release(REPORTS, "Deploy 1234abcd", runs_command=False)
        estate.update_release(release, status=ReleaseStatus.SUCCEEDED)
        estate.update_app(REPORTS, serving_version=release.version, released_at=now())
    for addon, name, namespace in (
        (follower.name, "FOLLOWER", None),
        (follower.following, "READER", f"credential:{credential}"),
    ):
        body = {"addon": addon, "app": REPORTS, "name": name, "namespace": namespace}
        assert running.api.post("/addon-attachments", json=body).status_code == 201
        assert "succeeded" == running.settled(REPORTS)["status"]
    wait_for(lambda: [d["state"] for d in running.dynos(REPORTS).values()] == ["up"])


def closed(company: Company, moves: tuple[AppMoves, ...]) -> tuple[Step[World], ...]:
    """Every step that comes before the switch."""
    estate = company.estate
    kept = kept_attachments(estate.attachments, [estate.leader.name, *(f.name for f in estate.followers)])
    return (
        SaveConfig(apps=moves),
        *(KeepAttachment(kept=k, name=f"keep-{n}") for n, k in enumerate(kept)),
        Maintenance(apps=APPS),
        ScaleDown(apps=moves),
        Detach(apps=moves),
    )


def test_variables_go_to_their_own_server_and_login(company: Company) -> None:
    """Follower to replica, credential to its role, a copied URL by its user; no query string for the buildpack."""
    api, reports = company.moves
    (credential,) = {m.user for m in reports.variables if m.user}
    found = {m.variable: (m.role, m.user) for m in reports.variables}
    assert {
        "COPIED_READER": ("primary", credential),
        "FOLLOWER_URL": ("replica", ""),
        "READER_URL": ("primary", credential),
    } == found
    assert {"ANALYTICS_DATABASE_URL": "primary", "DATABASE_URL": "primary"} == {
        m.variable: m.role for m in api.variables if "HEROKU_POSTGRESQL" not in m.variable
    }
    assert ("require", "none") == (api.sslmode, reports.sslmode)
    assert reports.pooling is not None
    assert ("FOLLOWER_URL READER_URL", STARTER) == (reports.pooling.urls, reports.pooling.starter)


def test_all_apps_move_and_come_back(company: Company) -> None:
    """Twice there and back: one release an app, PGBOUNCER_URLS with the URLs, every value and attachment as before."""
    world, before = company.world, world_state(company.seen.layout)
    switch = Switch(apps=company.moves)
    for _ in range(2):
        noted = [(step, done(step, world)) for step in closed(company, company.moves)]
        newest = {app: company.seen.newest(app)["version"] for app in APPS}
        noted.append((switch, done(switch, world)))
        assert {app: version + 1 for app, version in newest.items()} == {
            app: company.seen.newest(app)["version"] for app in APPS
        }
        assert company.value("FOLLOWER_URL").endswith("_replica_app")
        assert company.value("READER_URL") == company.value("COPIED_READER") != company.value("FOLLOWER_URL")
        assert "FOLLOWER_URL READER_URL" == company.value("PGBOUNCER_URLS")
        assert "primary.app&sslmode=require" in company.value("DATABASE_URL", API)
        for step, seen in reversed(noted):
            undone(step, world, seen)
        assert "FOLLOWER_URL  READER_URL" == company.value("PGBOUNCER_URLS")
    assert before == world_state(company.seen.layout)
    wait_for(lambda: [d["state"] for d in company.seen.dynos(REPORTS).values()] == ["up"])


def test_a_list_that_was_not_set_is_gone_again_and_aws_is_not_asked(company: Company) -> None:
    """PGBOUNCER_URLS is set with the URLs and removed with them; going back needs no answer from AWS."""
    world = company.world
    (api, reports) = company.moves
    assert reports.pooling is not None
    moves = (api, reports.model_copy(update={"pooling": reports.pooling.model_copy(update={"was_set": False})}))
    world.heroku.set_config(REPORTS, {"PGBOUNCER_URLS": None})
    for step in closed(company, moves):
        done(step, world)
    switch = Switch(apps=moves)
    done(switch, world)
    world.access.fails = AwsError
    undone(switch, world, {})
    assert "PGBOUNCER_URLS" not in world.heroku.config(REPORTS)


def test_a_list_whose_old_value_is_lost_is_not_guessed(company: Company) -> None:
    """Without the vault, going back says which value of which app is missing."""
    with pytest.raises(JournalError, match="ANALYTICS_DATABASE_URL of acme-api"):
        Switch(apps=company.moves).undo(company.world, {})


def test_followers_go_on_to_the_replica_after_the_lift(company: Company) -> None:
    """On the primary first; then the replica in one release, with dynos of that release up; and back."""
    world = company.world
    switched = tuple(m.on_primary for m in company.moves)
    for step in closed(company, switched):
        done(step, world)
    done(Switch(apps=switched), world)
    assert company.value("FOLLOWER_URL").endswith("_primary_app")
    world.heroku.scale(REPORTS, {"worker": 1})
    follow = FollowReplica(apps=(company.moves[1].of_replica,))
    ours = world.heroku.config(REPORTS)["FOLLOWER_URL"]
    world.heroku.set_config(REPORTS, {"FOLLOWER_URL": Secret("postgres://somebody:else@example.com:5432/x")})
    with pytest.raises(HerokuError, match=r"FOLLOWER_URL.* of acme-reports"):
        follow.observe(world)
    world.heroku.set_config(REPORTS, {"FOLLOWER_URL": ours})
    assert Verdict.ABSENT == follow.verify(world, {}).verdict
    for _ in range(2):
        done(follow, world)
        assert company.value("FOLLOWER_URL").endswith("_replica_app")
        assert company.value("READER_URL").count("_primary_") == 1
        (dyno,) = company.seen.dynos(REPORTS).values()
        assert ("up", company.seen.newest(REPORTS)["version"]) == (dyno["state"], dyno["release"]["version"])
        undone(follow, world, {})
        assert company.value("FOLLOWER_URL").endswith("_primary_app")
    done(follow, world)
    for kind in (AwsError, RightsError, ConfigError):
        world.access.fails = kind
        undone(follow, world, {})
    assert ("AWS does not answer",) * 6 == tuple(n["why"] for n in world.notes.notes("left on the replica"))
    assert company.value("FOLLOWER_URL").endswith("_replica_app")


def test_a_release_that_failed_is_made_again(company: Company) -> None:
    """Its variables are set already; without a release that succeeds the dynos would never get them."""
    for step in closed(company, company.moves):
        step.do(company.world, step.observe(company.world))
    follow = FollowReplica(apps=(company.moves[1].of_replica,))
    knobs = f"/_lab/apps/{REPORTS}/knobs"
    company.seen.api.patch(knobs, json={"release_phase_fails": True})
    for _ in range(2):
        with pytest.raises(ReleaseFailedError, match="ended as failed"):
            follow.do(company.world, {})
    assert Verdict.PARTIAL == follow.verify(company.world, {}).verdict
    company.seen.api.patch(knobs, json={"release_phase_fails": False})
    done(follow, company.world)
    assert company.value("FOLLOWER_URL").endswith("_replica_app")


def test_each_url_is_tried_from_each_app_and_through_its_pooler(company: Company) -> None:
    """Three logins of two apps, and again through the buildpack, whose own status says nothing."""
    world = company.world
    commands = ((API, "true"), (REPORTS, f'{STARTER} test "${{DATABASE_URL##*_}}" != nobody'))
    connect = Connect(apps=company.moves, commands=commands)
    done(connect, world)
    tried = [(n["app"], str(n["url"]).partition(" ")[2]) for n in world.notes.notes("connected")]
    assert [(API, ""), (API, ""), *[(REPORTS, ""), (REPORTS, "through PgBouncer")] * 2] == tried
    failing = Connect(apps=company.moves, commands=((API, "true"), (REPORTS, '[ "$PGBOUNCER_URLS" != DATABASE_URL ]')))
    world.notes.kept.clear()
    with pytest.raises(SmokeError, match=r"could not connect to the new database, the \w+.* through PgBouncer"):
        failing.do(world, {})
