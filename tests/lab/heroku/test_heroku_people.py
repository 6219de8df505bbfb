"""The application, its users and the verdict, together on a running local Heroku."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from local_heroku import Heroku, wait_for

from pgcutover.lab import ledger, promises
from pgcutover.lab.people import People

APP = "acme-api"


@contextmanager
def people(heroku: Heroku) -> Iterator[None]:
    crowd = People(heroku.lab.router_url(), heroku.layout.ledger, app=APP, requests_per_s=20)
    crowd.start()
    try:
        yield
    finally:
        crowd.stop()


def test_a_live_application_loses_nothing(running: Heroku) -> None:
    """Users and worker write, a release restarts everything under them, and every promise is kept."""
    running.wait_up("web.1", "worker.1")
    with people(running):
        wait_for(lambda: ledger.check(running.layout)["acknowledged"] > 30)
        running.api.patch(f"/apps/{APP}/config-vars", json={"A": "1"})
        running.wait_up("web.1", "worker.1", version=running.settled()["version"])
        before = ledger.check(running.layout)["acknowledged"]
        wait_for(lambda: ledger.check(running.layout)["acknowledged"] > before + 20)
    verdict = ledger.check(running.layout)
    assert (0, 0, 0) == (verdict["lost"], verdict["doubled"], verdict["unjudged"])
    assert "heroku" == verdict["apps"][APP]["database"]
    assert {"web": 1, "worker": 1} == verdict["apps"][APP]["formation"]
    ops = {entry.write.op for entry in promises.read(running.layout.ledger) if entry.write is not None}
    assert {promises.Op.INSERT, promises.Op.UPDATE} <= ops


def test_users_see_the_maintenance_page_as_an_outage(running: Heroku) -> None:
    """From the first refused request to the next answer: about as long as maintenance was on."""
    running.wait_up("web.1", "worker.1")
    with people(running):
        wait_for(lambda: ledger.check(running.layout)["acknowledged"] > 10)
        running.api.patch(f"/apps/{APP}", json={"maintenance": True})
        time.sleep(2)
        running.api.patch(f"/apps/{APP}", json={"maintenance": False})
        wait_for(lambda: running.get(f"/apps/{APP}")["maintenance"] is False)
        time.sleep(1)
    outage = ledger.check(running.layout)["outage_s"]
    assert 1.5 < outage["users"] < 4
    # The worker wrote on all the while: maintenance mode stops the router and nothing else.
    assert outage["database"] < 1.5


def test_smoke_passes_on_this_database_and_fails_when_told(running: Heroku) -> None:
    """The app's own smoke command: status 0, or 1 with SMOKE_FAIL, and it leaves nothing behind."""
    running.scale(web=0, worker=0)
    command = "python -m pgcutover.lab.application smoke"
    passed, failed = running.run(command), running.run(command, env={"SMOKE_FAIL": "1"})
    said = running.ended(passed)
    assert any("the application works on this database" in line for line in said)
    assert any("Process exited with status 0" in line for line in said)
    assert any("Process exited with status 1" in line for line in running.ended(failed))


def test_smoke_fails_without_its_database(running: Heroku) -> None:
    """A URL that leads nowhere is status 1 and a line that says so."""
    name = running.run(
        "python -m pgcutover.lab.application smoke", env={"DATABASE_URL": "postgres://u:p@127.0.0.1:1/none"}
    )
    said = running.ended(name)
    assert any("app[run." in line and "smoke:" in line for line in said)
    assert any("Process exited with status 1" in line for line in said)
