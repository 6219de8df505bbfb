"""Releases take their time, run their command, and only those that succeed change what runs."""

import time
from typing import LiteralString

import httpx
import psycopg
import pytest
from local_heroku import Heroku, Servers, wait_for
from psycopg import sql

from pgcutover.lab.heroku.attaching import ADDON_USER
from pgcutover.lab.heroku.measures import set_password, superuser
from pgcutover.lab.layout import HerokuServer

APP = "acme-api"


def release_command(heroku: Heroku, command: str) -> None:
    assert heroku.api.put(f"/_lab/apps/{APP}/processes/release", json={"command": command}).is_success


def change(heroku: Heroku, **changes: str | None) -> None:
    assert heroku.api.patch(f"/apps/{APP}/config-vars", json=changes).is_success


def read_only(server: HerokuServer, change: LiteralString) -> None:
    with superuser(server) as session:
        session.execute("SET default_transaction_read_only = off")
        session.execute(sql.SQL("ALTER DATABASE {} {}").format(sql.Identifier(server.database), sql.SQL(change)))


def output(release: dict[str, str]) -> str:
    return httpx.get(release["output_stream_url"]).text


def test_a_release_is_pending_first_and_current_when_it_succeeded(running: Heroku) -> None:
    """The newest release is pending and not current at first; once succeeded it is the only current one."""
    # It lasts a fraction of a second here: on a busy machine it may be over before it is looked at.
    for value in range(10):
        change(running, A=str(value))
        first = running.newest()
        if first["status"] == "pending":
            break
        running.settled()
    assert ("pending", False) == (first["status"], first["current"])
    assert ("succeeded", True) == (running.settled()["status"], running.newest()["current"])
    current = [release["version"] for release in running.get(f"/apps/{APP}/releases") if release["current"]]
    assert [first["version"]] == current


def test_the_release_command_sees_the_new_config(running: Heroku) -> None:
    """It runs in a dyno of its own before the release serves; what it printed can be read."""
    release_command(running, 'echo "$DYNO sees $A"')
    change(running, A="new")
    assert "release." in output(running.settled())
    assert "sees new" in output(running.newest())


def test_a_failed_release_changes_nothing_that_runs(running: Heroku) -> None:
    """The API shows the new config, the release is failed and not current, and dynos stay on the old one."""
    running.wait_up("web.1", "worker.1")
    serving = running.newest()["version"]
    running.api.patch(f"/_lab/apps/{APP}/knobs", json={"release_phase_fails": True})
    change(running, A="new")
    failed = running.settled()
    assert ("failed", False) == (failed["status"], failed["current"])
    assert "new" == running.get(f"/apps/{APP}/config-vars")["A"]
    assert {serving} == {dyno["release"]["version"] for dyno in running.dynos().values()}
    name = running.run("echo A=$A")
    assert any(line.endswith("A=") for line in running.ended(name))


def test_the_release_after_a_failed_one_carries_its_config_too(running: Heroku) -> None:
    """What a failed release set is still set: the next one that succeeds brings it to the dynos."""
    running.api.patch(f"/_lab/apps/{APP}/knobs", json={"release_phase_fails": True})
    change(running, A="new")
    assert "failed" == running.settled()["status"]
    running.api.patch(f"/_lab/apps/{APP}/knobs", json={"release_phase_fails": False})
    change(running, B="newer")
    assert "succeeded" == running.settled()["status"]
    name = running.run("echo $A and $B")
    assert any(line.endswith("new and newer") for line in running.ended(name))


def test_attaching_runs_no_release_command_unless_told(running: Heroku) -> None:
    """H2: by default attach and detach releases skip the command; the knob makes them run it."""
    release_command(running, "exit 1")
    addon = running.get(f"/apps/{APP}/addon-attachments/DATABASE")["addon"]["name"]
    running.api.post("/addon-attachments", json={"app": APP, "addon": addon, "name": "ONE"})
    assert "succeeded" == running.settled()["status"]
    running.api.patch(f"/_lab/apps/{APP}/knobs", json={"attach_runs_release_phase": True})
    running.api.post("/addon-attachments", json={"app": APP, "addon": addon, "name": "TWO"})
    assert "failed" == running.settled()["status"]


def test_releases_of_one_app_are_carried_out_in_order(running: Heroku) -> None:
    """L4: three changes at once are three releases, and the last one serves in the end."""
    for number in range(3):
        change(running, N=str(number))
    wanted = running.newest()["version"]
    wait_for(lambda: running.newest()["current"])
    assert wanted == running.newest()["version"]
    finished = sorted(running.get(f"/apps/{APP}/releases"), key=lambda release: release["version"])[-3:]
    assert sorted(release["updated_at"] for release in finished) == [release["updated_at"] for release in finished]
    assert ["0", "1", "2"] == [running.get(f"/apps/{APP}/releases/{wanted - 2 + n}/config-vars")["N"] for n in range(3)]


def test_rolling_back_brings_back_a_releases_config(running: Heroku) -> None:
    """L9: a rollback is a new release with the config of the old one; it can strip an attachment's variable."""
    before = running.newest()["version"]
    addon = running.get(f"/apps/{APP}/addon-attachments/DATABASE")["addon"]["name"]
    running.api.post("/addon-attachments", json={"app": APP, "addon": addon, "name": "SPARE"})
    change(running, A="1")
    running.settled()
    rolled = running.api.post(f"/apps/{APP}/releases", json={"release": str(before)}).json()
    assert f"Rollback to v{before}" == rolled["description"]
    config = running.get(f"/apps/{APP}/config-vars")
    assert {"A", "SPARE_URL"}.isdisjoint(config)
    assert 200 == running.api.get(f"/apps/{APP}/addon-attachments/SPARE").status_code


def test_a_release_hangs_for_as_long_as_told(running: Heroku) -> None:
    """It stays pending, and ends when the knob is turned back."""
    running.api.patch(f"/_lab/apps/{APP}/knobs", json={"releases_hang": True})
    change(running, A="new")
    time.sleep(1.5)
    assert "pending" == running.newest()["status"]
    running.api.patch(f"/_lab/apps/{APP}/knobs", json={"releases_hang": False})
    assert "succeeded" == running.settled()["status"]


def test_a_rotated_password_is_a_release_by_the_add_on(
    running: Heroku, heroku_servers: Servers, request: pytest.FixtureRequest
) -> None:
    """Every variable of the database and of its follower changes, the old password is refused, sessions end.

    Also of a database whose owner has made sessions start read-only.
    """
    leader = heroku_servers.leader
    read_only(leader, "SET default_transaction_read_only = on")
    request.addfinalizer(lambda: read_only(leader, "RESET default_transaction_read_only"))
    request.addfinalizer(lambda: set_password(leader, leader.owner, leader.password))
    before = running.get(f"/apps/{APP}/config-vars")
    (addon,) = {a["addon"]["name"] for a in running.get(f"/apps/{APP}/addon-attachments") if a["name"] == "DATABASE"}
    old = psycopg.connect(before["DATABASE_URL"], sslmode="require")
    path = f"/postgres/v0/databases/{addon}/credentials/default/credentials_rotation"
    assert running.api.post(path, json={}).is_success
    with old, pytest.raises(psycopg.OperationalError):
        old.execute("SELECT 1")
    release, after = running.newest(), running.get(f"/apps/{APP}/config-vars")
    assert ADDON_USER == release["user"]["email"]
    assert "by heroku-postgresql" in release["description"]
    changed = {name for name in before if before[name] != after[name]}
    assert "DATABASE_URL" in changed
    with psycopg.connect(after["DATABASE_URL"], sslmode="require") as session:
        assert (1,) == session.execute("SELECT 1").fetchone()
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(before["DATABASE_URL"], sslmode="require")
