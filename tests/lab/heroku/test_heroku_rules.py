"""The local Heroku refuses what Heroku refuses, in its words, and each accepted change is one release."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from local_heroku import Heroku

from pgcutover.lab.heroku import rules, server

APP = "acme-api"


def attachments(heroku: Heroku, app: str = APP) -> dict[str, dict[str, Any]]:
    return {a["name"]: a for a in heroku.get(f"/apps/{app}/addon-attachments")}


def patch_config(heroku: Heroku, changes: dict[str, str | None]) -> httpx.Response:
    return heroku.api.patch(f"/apps/{APP}/config-vars", json=changes)


def attach(heroku: Heroku, **body: Any) -> httpx.Response:
    return heroku.api.post("/addon-attachments", json={"app": APP, **body})


def versions(heroku: Heroku) -> list[tuple[int, str]]:
    found = heroku.get(f"/apps/{APP}/releases", headers={"Range": "version ..; order=desc"})
    return [(release["version"], release["description"]) for release in found]


@pytest.mark.parametrize("value", ["postgres://elsewhere/d", None])
def test_a_variable_owned_by_an_attachment_cannot_be_changed(still: Heroku, value: str | None) -> None:
    """Setting and unsetting DATABASE_URL are refused while an attachment owns it, and nothing of the PATCH is done."""
    before = still.get(f"/apps/{APP}/config-vars"), versions(still)
    answer = patch_config(still, {"DATABASE_URL": value, "OTHER": "1"})
    assert (422, "Cannot overwrite attachment values DATABASE_URL.") == (answer.status_code, answer.json()["message"])
    assert before == (still.get(f"/apps/{APP}/config-vars"), versions(still))


def test_every_owned_variable_is_named(still: Heroku) -> None:
    """A PATCH of several owned variables names them all, in the order they were sent."""
    colour = next(name for name in attachments(still) if name != "DATABASE")
    answer = patch_config(still, {"DATABASE_URL": "x", f"{colour}_URL": "y"})
    assert f"Cannot overwrite attachment values DATABASE_URL, {colour}_URL." == answer.json()["message"]


def test_status_and_id_of_uncertain_refusals_can_be_changed(still: Heroku) -> None:
    """H1: nobody knows status and id for sure, so a client must live with others."""
    still.api.patch(f"/_lab/apps/{APP}/knobs", json={"refusal_status": 409, "refusal_id": "conflict"})
    answer = patch_config(still, {"DATABASE_URL": "x"})
    assert (409, "conflict") == (answer.status_code, answer.json()["id"])


@pytest.mark.parametrize(
    ("changes", "description"),
    [
        ({"A": "1", "B": "2"}, "Set A, B config vars"),
        ({"RAILS_ENV": None}, "Remove RAILS_ENV config vars"),
        ({"A": "1", "RAILS_ENV": None}, "Set A and remove RAILS_ENV config vars"),
    ],
)
def test_one_patch_is_one_release(still: Heroku, changes: dict[str, str | None], description: str) -> None:
    """However many variables a PATCH changes, it makes one release, described by what it changed."""
    (newest, _), *_ = versions(still)
    assert 200 == patch_config(still, changes).status_code
    assert (newest + 1, description) == versions(still)[0]


def test_a_patch_that_changes_nothing_makes_no_release(still: Heroku) -> None:
    """The same value again, or removing what is not there, is not a release."""
    before = versions(still)
    assert 200 == patch_config(still, {"RAILS_ENV": "production", "NEVER_SET": None}).status_code
    assert before == versions(still)


@pytest.mark.parametrize("changes", [{"BAD-NAME": "1"}, {"A": 1}, {"": "1"}])
def test_malformed_variables_are_refused(still: Heroku, changes: dict[str, Any]) -> None:
    """A key that is not a word, or a value that is not text, is 422 invalid_params."""
    answer = patch_config(still, changes)
    assert (422, "invalid_params") == (answer.status_code, answer.json()["id"])


def test_the_billing_apps_last_attachment_stays(still: Heroku) -> None:
    """Deleting it is refused in Heroku's words; with a second one there it is allowed."""
    only = attachments(still)["DATABASE"]
    addon = only["addon"]["name"]
    refused = still.api.delete(f"/addon-attachments/{only['id']}")
    assert f"Cannot destroy last attachment to billing app for resource {addon}" == refused.json()["message"]
    assert 422 == refused.status_code
    assert 201 == attach(still, addon=addon, name="HEROKU_POSTGRESQL_LEGACY").status_code
    assert 200 == still.api.delete(f"/addon-attachments/{only['id']}").status_code
    assert "DATABASE" not in attachments(still)


def test_an_attachment_sets_and_unsets_its_variable_by_a_release_each(still: Heroku) -> None:
    """Attaching N sets N_URL to the same database; detaching removes it; both are releases of their own."""
    addon = attachments(still)["DATABASE"]["addon"]["name"]
    made = attach(still, addon=addon, name="SPARE").json()
    config = still.get(f"/apps/{APP}/config-vars")
    assert config["DATABASE_URL"] == config["SPARE_URL"]
    still.api.delete(f"/addon-attachments/{made['id']}")
    assert "SPARE_URL" not in still.get(f"/apps/{APP}/config-vars")
    assert [f"Detach SPARE (@ref:{addon})", f"Attach SPARE (@ref:{addon})"] == [d for _, d in versions(still)[:2]]


def test_another_apps_attachment_may_go_freely(still: Heroku) -> None:
    """Only the billing app must keep one: acme-docs lets go of its only attachment."""
    addon = attachments(still)["DATABASE"]["addon"]["name"]
    made = still.api.post("/addon-attachments", json={"app": "acme-docs", "addon": addon, "name": "DATABASE"}).json()
    assert 200 == still.api.delete(f"/addon-attachments/{made['id']}").status_code
    assert {} == attachments(still, "acme-docs")


def test_a_name_in_use_needs_confirmation(still: Heroku) -> None:
    """423 confirmation_required names the app in a header; only the app's own name confirms."""
    found = attachments(still)
    colour = next(name for name in found if name != "DATABASE")
    leader = found["DATABASE"]["addon"]["name"]
    for confirm in (None, "acme-docs"):
        answer = attach(still, addon=leader, name=colour, confirm=confirm)
        assert (423, "confirmation_required") == (answer.status_code, answer.json()["id"])
        assert APP == answer.headers["X-Confirmation-Required"]


def test_replacing_the_last_billing_attachment_is_refused(still: Heroku) -> None:
    """Even confirmed, a name cannot be taken from an add-on that would lose its last billing attachment."""
    found = attachments(still)
    colour = next(name for name in found if name != "DATABASE")
    leader, follower = found["DATABASE"]["addon"]["name"], found[colour]["addon"]["name"]
    answer = attach(still, addon=follower, name="DATABASE", confirm=APP)
    assert (
        f"DATABASE on {APP} is the last billing attachment to {leader}; either remove the add-on entirely or add a new "
        "attachment to it before replacing its config vars."
    ) == answer.json()["message"]
    attach(still, addon=leader, name="KEPT")
    assert 201 == attach(still, addon=follower, name="DATABASE", confirm=APP).status_code
    assert follower == attachments(still)["DATABASE"]["addon"]["name"]
    assert [f"Attach DATABASE (@ref:{follower})", f"Detach DATABASE (@ref:{leader})"] == [
        description for _, description in versions(still)[:2]
    ]


def test_a_variable_set_by_hand_guards_the_attachment_of_its_name(still: Heroku) -> None:
    """L1: on the way back DATABASE_URL must be unset, or its loss confirmed, before DATABASE can be attached again."""
    first = attachments(still)["DATABASE"]
    addon = first["addon"]["name"]
    attach(still, addon=addon, name="HEROKU_POSTGRESQL_LEGACY")
    still.api.delete(f"/addon-attachments/{first['id']}")
    patch_config(still, {"DATABASE_URL": "postgres://u:p@rds.example:5432/app"})
    assert 423 == attach(still, addon=addon, name="DATABASE").status_code
    patch_config(still, {"DATABASE_URL": None})
    second = attach(still, addon=addon, name="DATABASE")
    assert 201 == second.status_code
    still.api.delete(f"/addon-attachments/{second.json()['id']}")
    patch_config(still, {"DATABASE_URL": "postgres://u:p@rds.example:5432/app"})
    assert 201 == attach(still, addon=addon, name="DATABASE", confirm=APP).status_code
    assert "rds.example" not in still.get(f"/apps/{APP}/config-vars")["DATABASE_URL"]


@pytest.mark.parametrize("name", ["my-backup", "1ST", "with space"])
def test_attachment_names_that_make_no_variable_are_refused(still: Heroku, name: str) -> None:
    """H3: a name must become a config var, so hyphens and a digit first are refused."""
    addon = attachments(still)["DATABASE"]["addon"]["name"]
    assert 422 == attach(still, addon=addon, name=name).status_code


def test_namespaces_give_other_urls_of_the_same_database(still: Heroku) -> None:
    """A credential logs in as another role, the pooler listens on another port; database and host are the same."""
    addon = attachments(still)["DATABASE"]["addon"]["name"]
    attach(still, addon=addon, name="REPORTS", namespace="credential:acme_reporting")
    attach(still, addon=addon, name="DATABASE_CONNECTION_POOL", namespace="connection-pooling:default")
    config = still.get(f"/apps/{APP}/config-vars")
    direct, report, pooled = (
        httpx.URL(config[f"{name}_URL"]) for name in ("DATABASE", "REPORTS", "DATABASE_CONNECTION_POOL")
    )
    assert (direct.host, direct.port, direct.path) == (report.host, report.port, report.path)
    assert ("acme_reporting", direct.path) == (report.username, pooled.path)
    assert direct.port != pooled.port
    assert 422 == attach(still, addon=addon, name="X", namespace="credential:nobody").status_code


def test_attachments_without_a_name_get_a_colour(still: Heroku) -> None:
    """Heroku's own names: HEROKU_POSTGRESQL_ and a colour not in use on the app."""
    before = set(attachments(still))
    made = attach(still, addon={"name": attachments(still)["DATABASE"]["addon"]["name"]}).json()
    assert re.fullmatch(r"HEROKU_POSTGRESQL_[A-Z]+", made["name"])
    assert made["name"] not in before


@pytest.mark.parametrize("identity", ["DATABASE", "DATABASE_URL", "acme-api::DATABASE"])
def test_attachments_are_found_by_name_and_by_variable(looked_at: Heroku, identity: str) -> None:
    """The resolver takes what people type."""
    app = None if "::" in identity else APP
    found = looked_at.api.post("/actions/addon-attachments/resolve", json={"addon_attachment": identity, "app": app})
    assert ["DATABASE"] == [attachment["name"] for attachment in found.json()]


def test_what_is_not_found_names_its_kind(looked_at: Heroku) -> None:
    """404 not_found with the resource, by which Heroku's own command line tells one from another."""
    asked = {
        "app": looked_at.api.get("/apps/nope"),
        "add_on": looked_at.api.get("/addons/nope"),
        "add_on attachment": looked_at.api.get(f"/apps/{APP}/addon-attachments/NOPE"),
        "release": looked_at.api.get(f"/apps/{APP}/releases/999"),
        "dyno": looked_at.api.get(f"/apps/{APP}/dynos/web.9"),
        "formation": looked_at.api.patch(f"/apps/{APP}/formation/nope", json={"quantity": 1}),
    }
    assert {name: (404, "not_found", name) for name in asked} == {
        name: (answer.status_code, answer.json()["id"], answer.json()["resource"]) for name, answer in asked.items()
    }


@pytest.mark.parametrize(("wanted", "becomes"), [("0", 0), (3, 3), ("+1", 2), ("-1", 0)])
def test_quantities_come_as_numbers_and_as_text(still: Heroku, wanted: str | int, becomes: int) -> None:
    """The command line sends text, also relative to what is."""
    body = {"updates": [{"type": "web", "quantity": wanted}]}
    still.api.patch(f"/apps/{APP}/formation", json=body)
    assert becomes == still.get(f"/apps/{APP}/formation/web")["quantity"]


def test_scaling_is_no_release(still: Heroku) -> None:
    """Formation and maintenance change without a release."""
    before = versions(still)
    still.api.patch(f"/apps/{APP}/formation", json={"updates": [{"type": "web", "quantity": 0}]})
    still.api.patch(f"/apps/{APP}", json={"maintenance": True})
    assert before == versions(still)


def test_every_assumption_is_named_where_it_is_made() -> None:
    """Each number of the table stands in the code or its docstrings, and the code names no number without an entry."""
    sources = Path(server.__file__).parent.glob("*.py")
    named = {number for path in sources for number in re.findall(r"(?i)assumptions? ([HL]\d+)", path.read_text())}
    assert set(rules.ASSUMPTIONS) == named
