"""Tokens, scopes, versions, pages, limits and faults of the local Heroku."""

import base64
from collections.abc import Callable

import httpx
import pytest
from local_heroku import KEY, Heroku

APP = "acme-api"


def test_a_wrong_token_is_401(still: Heroku, client_with_key: Callable[[str], httpx.Client]) -> None:
    """Platform API, Data API and the lab's own door all want the token."""
    stranger = client_with_key("somebody-else")
    paths = ("/account", "/client/v11/databases/x", "/_lab/apps")
    assert [(401, "unauthorized")] * 3 == [
        (answer.status_code, answer.json()["id"]) for answer in map(stranger.get, paths)
    ]


def test_basic_authentication_with_the_token_is_taken(looked_at: Heroku) -> None:
    """Older clients send the token as the password of Basic."""
    encoded = base64.b64encode(f":{KEY}".encode()).decode()
    assert 200 == looked_at.api.get("/account", headers={"Authorization": f"Basic {encoded}"}).status_code


def test_a_reading_token_may_read_and_not_write(still: Heroku, client_with_key: Callable[[str], httpx.Client]) -> None:
    """403 forbidden for every change, 200 for what only looks, resolvers included."""
    reader = client_with_key(f"{KEY}-read")
    assert 200 == reader.get(f"/apps/{APP}/config-vars").status_code
    assert 200 == reader.post("/actions/addon-attachments/resolve", json={"addon_attachment": "DATABASE"}).status_code
    refused = [
        reader.patch(f"/apps/{APP}/config-vars", json={"A": "1"}),
        reader.post("/addon-attachments", json={}),
        reader.get("/_lab/apps"),
    ]
    assert [(403, "forbidden")] * 3 == [(answer.status_code, answer.json()["id"]) for answer in refused]


def test_the_scope_read_does_not_see_config(still: Heroku, client_with_key: Callable[[str], httpx.Client]) -> None:
    """Heroku's scope `read` leaves out config vars, and what else holds a password."""
    still.api.put("/_lab/keys", json={"key": "small", "scope": "read"})
    small = client_with_key("small")
    assert 200 == small.get(f"/apps/{APP}").status_code
    assert 403 == small.get(f"/apps/{APP}/config-vars").status_code


def test_the_version_must_be_asked_for(looked_at: Heroku) -> None:
    """L10: without version 3 in Accept, the Platform API does not answer."""
    assert 406 == looked_at.api.get("/account", headers={"Accept": "application/json"}).status_code


def test_every_answer_carries_request_id_and_what_is_left(still: Heroku) -> None:
    """Request-Id begins with the client's own; RateLimit-Remaining falls by one a request."""
    first = still.api.get("/apps", headers={"Request-Id": "mine"})
    second = still.api.get("/apps")
    assert first.headers["Request-Id"].startswith("mine,")
    assert 1 == int(first.headers["RateLimit-Remaining"]) - int(second.headers["RateLimit-Remaining"])


def test_an_empty_pool_is_429(still: Heroku) -> None:
    """Then nothing is done; asking for the limits themselves still works and costs nothing."""
    still.api.put("/_lab/rate-limit", json={"remaining": 0})
    answer = still.api.patch(f"/apps/{APP}", json={"maintenance": True})
    assert (429, "rate_limit") == (answer.status_code, answer.json()["id"])
    assert {"remaining": 0} == still.get("/account/rate-limits")
    still.api.put("/_lab/rate-limit", json={"remaining": 100})
    assert False is still.get(f"/apps/{APP}")["maintenance"]


def test_a_long_list_comes_in_pages(still: Heroku) -> None:
    """206 and Next-Range until the last page; the pages together are the whole list, in the order asked for."""
    for number in range(5):
        still.api.patch(f"/apps/{APP}/config-vars", json={"N": str(number)})
    following, seen, statuses = "version ..; max=3, order=desc", [], []
    while following:
        answer = still.api.get(f"/apps/{APP}/releases", headers={"Range": following})
        statuses.append(answer.status_code)
        seen += [release["version"] for release in answer.json()]
        following = answer.headers.get("Next-Range")
    assert [8, 7, 6, 5, 4, 3, 2, 1] == seen
    assert [206, 206, 200] == statuses


@pytest.mark.parametrize("wanted", ["colour ..", "version a..b; max=5", "version ..; max=0", "nonsense"])
def test_impossible_ranges_are_416(looked_at: Heroku, wanted: str) -> None:
    """A field that cannot be ordered by, a bound that is no number, an absurd size."""
    assert 416 == looked_at.api.get(f"/apps/{APP}/releases", headers={"Range": wanted}).status_code


def test_an_unknown_endpoint_and_malformed_bodies_have_heroku_errors(looked_at: Heroku) -> None:
    """Always JSON with id and message, whatever went wrong."""
    assert "not_found" == looked_at.api.get("/no/such/thing").json()["id"]
    assert "not_found" == looked_at.api.put("/apps").json()["id"]
    assert "invalid_params" == looked_at.api.patch(f"/apps/{APP}/config-vars", content=b"{").json()["id"]
    assert "invalid_params" == looked_at.api.post("/addon-attachments", json={"app": APP}).json()["id"]


def test_unknown_params_are_refused(looked_at: Heroku) -> None:
    """As Heroku does it: the path of each key it does not know."""
    wrong = looked_at.api.patch(f"/apps/{APP}", json={"maintenance": True, "maintenence": True})
    assert (422, "Unknown params: maintenence.") == (wrong.status_code, wrong.json()["message"])
    nested = looked_at.api.patch(f"/apps/{APP}/formation", json={"updates": [{"type": "web", "qty": 1}]})
    assert "Unknown params: updates:0:qty." == nested.json()["message"]


def test_a_fault_strikes_as_often_as_told(still: Heroku) -> None:
    """A status fault does nothing but answer; the request after it works."""
    still.api.post("/_lab/faults", json={"kind": "status", "path": "/apps/acme-api$", "method": "PATCH", "status": 502})
    answers = [still.api.patch(f"/apps/{APP}", json={"maintenance": True}) for _ in range(2)]
    assert [502, 200] == [answer.status_code for answer in answers]


def test_faults_that_have_not_struck_are_listed(still: Heroku) -> None:
    """What is left of each, until it is disarmed."""
    still.api.post("/_lab/faults", json={"kind": "html", "path": "/account$", "times": 2, "status": 200})
    assert "<html>" in still.api.get("/account").text
    assert [("html", 1)] == [(fault["kind"], fault["times"]) for fault in still.get("/_lab/faults")]
    still.api.delete("/_lab/faults")
    assert [] == still.get("/_lab/faults")


def test_a_refusal_may_say_when_to_come_back(still: Heroku) -> None:
    """Retry-After goes with the status."""
    limited = {"kind": "status", "path": "/account$", "status": 429, "id": "rate_limit", "retry_after_s": 7}
    still.api.post("/_lab/faults", json=limited)
    answer = still.api.get("/account")
    assert (429, "7") == (answer.status_code, answer.headers["Retry-After"])


def test_a_change_may_be_made_and_answered_with_503(still: Heroku) -> None:
    """done_status: whoever believes the answer is wrong."""
    still.api.post("/_lab/faults", json={"kind": "done_status", "path": "/apps/acme-api$", "method": "PATCH"})
    assert 503 == still.api.patch(f"/apps/{APP}", json={"maintenance": True}).status_code
    assert True is still.get(f"/apps/{APP}")["maintenance"]


def test_a_change_may_be_made_and_its_answer_cut(still: Heroku) -> None:
    """done_cut: the connection ends in the middle of the answer."""
    still.api.post("/_lab/faults", json={"kind": "done_cut", "path": "/apps/acme-api$", "method": "PATCH"})
    with pytest.raises(httpx.RemoteProtocolError):
        still.api.patch(f"/apps/{APP}", json={"maintenance": True})
    assert True is still.get(f"/apps/{APP}")["maintenance"]


def test_an_answer_can_get_lost_though_the_change_was_made(still: Heroku) -> None:
    """hang_after: the client gives up, and the world has changed all the same."""
    still.api.post(
        "/_lab/faults", json={"kind": "hang_after", "path": "/apps/acme-api$", "method": "PATCH", "seconds": 1}
    )
    with pytest.raises(httpx.ReadTimeout):
        still.api.patch(f"/apps/{APP}", json={"maintenance": True}, timeout=0.3)
    assert True is still.get(f"/apps/{APP}")["maintenance"]
