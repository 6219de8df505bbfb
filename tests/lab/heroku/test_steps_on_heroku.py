"""Every step on Heroku's side can be done, undone and done again on a local Heroku, and undone leaves no trace.

They stand here because they need a Heroku with dynos and releases.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from local_heroku import KEY, Heroku
from moving import Access, World, done, undone

from pgcutover.app.estate import read_estate
from pgcutover.config import Config, ConfigFile, Surroundings
from pgcutover.edges.heroku import HerokuClient
from pgcutover.edges.vault import Vault
from pgcutover.errors import NotUndoneError, ReleaseFailedError, SmokeError
from pgcutover.facts.names import Secret
from pgcutover.lab.ledger import world_state
from pgcutover.planning.moves import AppMoves, kept_attachments
from pgcutover.running.step import Step, Verdict
from pgcutover.steps.connect import Connect
from pgcutover.steps.detach import Detach
from pgcutover.steps.keep_attachment import KeepAttachment
from pgcutover.steps.lift import Lift
from pgcutover.steps.maintenance import Maintenance
from pgcutover.steps.one_off import run_one_off
from pgcutover.steps.releases import ReleaseWatch
from pgcutover.steps.save_config import SaveConfig, save_anew
from pgcutover.steps.scale_down import ScaleDown
from pgcutover.steps.smoke import Smoke
from pgcutover.steps.stop_dynos import StopDynos
from pgcutover.steps.switch import Switch

APP = "acme-api"


@dataclass(frozen=True, kw_only=True)
class Stage:
    world: World
    moves: tuple[AppMoves, ...]
    kept: tuple[KeepAttachment, ...]
    seen: Heroku

    def picture(self) -> dict[str, Any]:
        return world_state(self.seen.layout)


@pytest.fixture
def stage(running: Heroku, tmp_path: Path) -> Iterator[Stage]:
    running.wait_up("web.1", "worker.1")
    choices = {
        "database": f"{APP}::DATABASE",
        "apps": [APP],
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
        addons = [estate.leader.name, *(f.name for f in estate.followers)]
        kept = kept_attachments(estate.attachments, addons)
        url = heroku.config(APP)["DATABASE_URL"].reveal()
        world = World(heroku=heroku, vault=Vault(tmp_path / "vault.json"), access=Access(url))
        steps = tuple(KeepAttachment(kept=k, name=f"keep-{n}") for n, k in enumerate(kept))
        moves = tuple(m.on_primary for m in estate.moves())
        yield Stage(world=world, moves=moves, kept=steps, seen=running)


@contextmanager
def standing(stage: Stage, *steps: Step[Any]) -> Iterator[None]:
    """These steps done for the length of the block, then undone, newest first."""
    befores = [(step, done(step, stage.world)) for step in steps]
    yield
    for step, before in reversed(befores):
        undone(step, stage.world, before)


def closing(stage: Stage) -> tuple[Step[Any], ...]:
    return (
        SaveConfig(apps=stage.moves),
        *stage.kept,
        Maintenance(apps=(APP,)),
        ScaleDown(apps=stage.moves),
        StopDynos(apps=(APP,)),
    )


def test_each_step_can_be_done_undone_and_done_again(stage: Stage) -> None:
    """do, undo, do, undo for every step in the order of a move; the picture of Heroku is the same at the end."""
    before = stage.picture()
    steps = (
        *closing(stage),
        Detach(apps=stage.moves),
        Switch(apps=stage.moves),
        Smoke(apps=stage.moves, commands=((APP, "true"),)),
        Lift(apps=stage.moves),
    )
    for _ in range(2):
        with standing(stage, *steps):
            assert "require" in stage.world.heroku.config(APP)["DATABASE_URL"].reveal()
    assert before == stage.picture()
    stage.seen.wait_up("web.1", "worker.1")


def test_workers_stay_down_until_the_lift(stage: Stage) -> None:
    """Smoke brings web dynos only: work that a worker acknowledged before the lift would be lost by going back."""
    steps = (*closing(stage), Detach(apps=stage.moves), Switch(apps=stage.moves))
    with standing(stage, *steps, Smoke(apps=stage.moves, commands=())):
        assert {"web": 1, "worker": 0} == {p.type: p.quantity for p in stage.world.heroku.formation(APP)}
        assert stage.world.heroku.app(APP).maintenance


def test_a_failing_smoke_command_says_what_it_said(stage: Stage) -> None:
    """The exit status of a one-off dyno is learned from the log, and its last words are in the error."""
    smoke = Smoke(apps=stage.moves, commands=((APP, "echo no such table; exit 3"),))
    with standing(stage, *closing(stage)), pytest.raises(SmokeError, match=r"status 3 .*no such table"):
        smoke.do(stage.world, smoke.observe(stage.world))


def test_a_failing_release_phase_is_an_error_and_going_back_is_not_hindered_by_it(stage: Stage) -> None:
    """The switch's release fails; undoing sets everything back although its own releases fail too."""
    before = stage.picture()
    switch = Switch(apps=stage.moves)
    with standing(stage, *closing(stage), Detach(apps=stage.moves)):
        knobs = "/_lab/apps/acme-api"
        stage.seen.api.put(f"{knobs}/processes/release", json={"command": "exit 1"})
        with pytest.raises(ReleaseFailedError, match="failed"):
            switch.do(stage.world, {})
        switch.undo(stage.world, {})
        assert Verdict.ABSENT == switch.verify(stage.world, {}).verdict
        stage.seen.api.put(f"{knobs}/processes/release", json={"command": None})
    assert before == stage.picture()


def test_a_scheduler_dyno_is_stopped(stage: Stage) -> None:
    """A job that Scheduler starts is stopped and noted; our own one-off is left alone."""
    stage.seen.api.post("/_lab/apps/acme-api/scheduler", json={"command": "sleep 60"})
    step = StopDynos(apps=(APP,))
    done(step, stage.world)
    (stopped,) = stage.world.notes.notes("stopped dyno")
    assert str(stopped["dyno"]).startswith("scheduler.")


def test_a_dyno_proves_that_the_new_url_works(stage: Stage) -> None:
    """The connect command gets the exact URLs; one that fails is an error that quotes it without the password."""
    command = 'test "$DATABASE_URL" = "$ANALYTICS_DATABASE_URL" && [ "${DATABASE_URL##*sslmode=}" = require ]'
    done(Connect(apps=stage.moves, commands=((APP, command),)), stage.world)
    stage.world.access.url += "/"
    failing = Connect(apps=stage.moves, commands=((APP, 'echo "$DATABASE_URL"; exit 1'),))
    with pytest.raises(SmokeError, match=r"the primary: .*:\*{8}@") as caught:
        failing.do(stage.world, {})
    assert "********" in str(caught.value)


def test_a_command_that_kills_its_shell_has_no_known_status(stage: Stage) -> None:
    """What could not be learned is None, never 0."""
    outcome = run_one_off(stage.world, APP, "kill -9 $$", env={})
    assert outcome.status != 0


def test_no_dyno_starts_on_the_new_database_because_the_last_release_of_going_back_failed(stage: Stage) -> None:
    """A release command that writes fails while the old database is fenced: made anew, or dynos stay at 0."""
    world, knobs = stage.world, f"/_lab/apps/{APP}/knobs"
    ReleaseWatch(heroku=world.heroku, notes=world.notes, clock=world.clock, apps=(APP,)).start()
    # A plain copy: its release runs the release command, and is the last of going back.
    moves = tuple(
        m.model_copy(update={"variables": tuple(v for v in m.variables if not v.attachment)}) for m in stage.moves
    )
    save, down, switch = SaveConfig(apps=moves), ScaleDown(apps=moves), Switch(apps=moves)
    done(save, world)
    before = done(down, world)
    done(switch, world)
    stage.seen.api.patch(knobs, json={"release_phase_fails": True})
    switch.undo(world, {})
    with pytest.raises(NotUndoneError, match=r"new database's URL"):
        down.undo(world, before)
    assert {0} == {p.quantity for p in world.heroku.formation(APP)}
    stage.seen.api.patch(knobs, json={"release_phase_fails": False})
    down.undo(world, before)
    newest = stage.seen.newest(APP)["version"]
    undone(down, world, before)
    assert newest == stage.seen.newest(APP)["version"]
    assert "PGCUTOVER_RELEASE_AGAIN" not in world.heroku.config(APP)
    stage.seen.wait_up("web.1", "worker.1")
    assert {newest} == {d.release for d in world.heroku.dynos(APP)}


def test_a_password_that_changed_after_preparing_is_what_going_back_restores(stage: Stage) -> None:
    """A plain copy that its owner renewed between prepare and migrate; the day-old value would name a dead login."""
    world = stage.world
    done(SaveConfig(apps=stage.moves), world)
    name = next(v.variable for m in stage.moves for v in m.variables if not v.attachment)
    renewed = Secret(world.heroku.config(APP)[name].reveal() + "?renewed=1")
    world.heroku.set_config(APP, {name: renewed})
    save_anew(world, stage.moves)
    with standing(stage, *closing(stage)[1:], Detach(apps=stage.moves), Switch(apps=stage.moves)):
        assert renewed != world.heroku.config(APP)[name]
    assert renewed == world.heroku.config(APP)[name]
