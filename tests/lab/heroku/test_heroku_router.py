"""What an app's users get: the app, the maintenance page, or an error page, by the router's rules."""

import uuid

import httpx
import psycopg
from local_heroku import Heroku, wait_for

APP = "acme-api"


def ask(heroku: Heroku, path: str = "/health") -> httpx.Response:
    return httpx.get(heroku.lab.router_url() + path, timeout=60)


def router_lines(heroku: Heroku) -> list[str]:
    return [line for line in heroku.log() if "heroku[router]" in line]


def test_a_request_waits_for_a_dyno_that_boots(running: Heroku) -> None:
    """At once after the start no dyno is up yet; the request is held and then answered by the app."""
    answer = ask(running)
    assert (200, {"status": "ok"}) == (answer.status_code, answer.json())
    assert any("dyno=web.1" in line and "status=200" in line for line in router_lines(running))


def test_maintenance_shows_its_page_and_leaves_dynos_alone(running: Heroku) -> None:
    """503 with Heroku's page and H80 in the log, while every dyno goes on running; off again, the app answers."""
    running.wait_up("web.1", "worker.1")
    dynos = running.dynos()
    running.api.patch(f"/apps/{APP}", json={"maintenance": True})
    answer = ask(running)
    assert (503, True) == (answer.status_code, "undergoing maintenance" in answer.text)
    assert answer.headers["Content-Type"].startswith("text/html")
    assert any("code=H80" in line for line in router_lines(running))
    assert dynos == running.dynos()
    running.api.patch(f"/apps/{APP}", json={"maintenance": False})
    assert 200 == ask(running).status_code


def test_without_web_dynos_the_router_says_so(running: Heroku) -> None:
    """H14 when none is wanted."""
    running.scale(web=0)
    assert 503 == ask(running).status_code
    assert any("code=H14" in line for line in router_lines(running))


def test_a_crashed_app_is_an_error_page(running: Heroku) -> None:
    """H10 once the only web dyno has crashed."""
    running.api.put(f"/_lab/apps/{APP}/processes/web", json={"command": "exit 3"})
    running.api.delete(f"/apps/{APP}/dynos")
    wait_for(lambda: running.dynos()["web.1"]["state"] == "crashed")
    # It may be booting again at the moment of the request; then the router holds it until the next crash.
    assert 503 == ask(running).status_code
    wait_for(lambda: ask(running) and any("code=H10" in line for line in router_lines(running)))


def test_an_order_is_answered_only_when_it_is_in_the_database(running: Heroku) -> None:
    """201 tells every row it wrote; the rows are there; a change counts versions on and a delete takes rows away."""
    running.wait_up("web.1", "worker.1")
    first, second, third = (str(uuid.uuid4()) for _ in range(3))
    url = f"{running.lab.router_url()}/orders"
    httpx.post(url, json={"token": first}).raise_for_status()
    answer = httpx.post(url, json={"token": second, "update": first})
    assert 201 == answer.status_code
    assert [("insert", second, 0), ("update", first, 1)] == [tuple(w.values()) for w in answer.json()["writes"]]
    last = httpx.post(url, json={"token": third, "delete": first}).json()
    assert {"op": "delete", "token": first, "version": 1} == last["writes"][-1]
    config = running.get(f"/apps/{APP}/config-vars")
    with psycopg.connect(config["DATABASE_URL"], sslmode="require") as session:
        ledger = session.execute(
            "SELECT token::text FROM ledger_entries WHERE token = ANY(%s)", [[first, second, third]]
        ).fetchall()
        orders = session.execute(
            "SELECT count(DISTINCT o.id), count(*) > 1 FROM orders o JOIN order_items i ON i.order_id = o.id "
            "WHERE meta->>'token' = ANY(%s)",
            [[second, third]],
        ).fetchone()
    assert {(second,), (third,)} == set(ledger)
    assert (2, True) == orders
    assert 404 == httpx.get(f"{url}/{first}").status_code
    assert {"token": second, "version": 0} == httpx.get(f"{url}/{second}").json()
