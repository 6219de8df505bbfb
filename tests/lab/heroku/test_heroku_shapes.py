"""What the local Platform API answers is what Heroku's own schema says, key by key."""

from typing import Any

import pytest
from heroku_schema import missing, problems
from local_heroku import ACCEPT_SDK, Heroku

LISTS = [
    ("/apps", "app"),
    ("/users/~/apps", "app"),
    ("/addons", "add-on"),
    ("/apps/acme-api/addons", "add-on"),
    ("/addon-attachments", "add-on-attachment"),
    ("/apps/acme-api/addon-attachments", "add-on-attachment"),
    ("/addons/{addon}/addon-attachments", "add-on-attachment"),
    ("/apps/acme-api/formation", "formation"),
    ("/apps/acme-api/dynos", "dyno"),
    ("/apps/acme-api/releases", "release"),
    ("/apps/acme-api/buildpack-installations", "buildpack-installation"),
    ("/addon-services", "add-on-service"),
    ("/addon-services/heroku-postgresql/plans", "plan"),
    ("/regions", "region"),
    ("/stacks", "stack"),
]
SINGLE = [
    ("/account", "account"),
    ("/account/rate-limits", "rate-limit"),
    ("/apps/acme-api", "app"),
    ("/addons/{addon}", "add-on"),
    ("/apps/acme-api/addons/{addon}", "add-on"),
    ("/apps/acme-api/addon-attachments/DATABASE", "add-on-attachment"),
    ("/apps/acme-api/formation/web", "formation"),
    ("/apps/acme-api/dynos/web.1", "dyno"),
    ("/apps/acme-api/releases/1", "release"),
    ("/plans/heroku-postgresql:standard-0", "plan"),
    ("/regions/us", "region"),
]


def addon_of(heroku: Heroku) -> str:
    return str(heroku.get("/apps/acme-api/addon-attachments/DATABASE")["addon"]["name"])


@pytest.mark.parametrize(("path", "resource"), LISTS)
def test_lists_are_as_the_schema_says(looked_at: Heroku, path: str, resource: str) -> None:
    """Every item of every list has all keys of its resource, well-formed, and no other."""
    items = looked_at.get(path.format(addon=addon_of(looked_at)))
    assert items
    assert {resource: []} == {resource: [word for item in items for word in problems(resource, item)]}
    assert set() == set().union(*(missing(resource, item) for item in items))


@pytest.mark.parametrize(("path", "resource"), SINGLE)
def test_single_answers_are_as_the_schema_says(looked_at: Heroku, path: str, resource: str) -> None:
    """Every single resource has all of its keys, well-formed, and no other."""
    item = looked_at.get(path.format(addon=addon_of(looked_at)))
    assert [] == problems(resource, item)
    assert set() == missing(resource, item)


def changed(heroku: Heroku, method: str, path: str, body: Any) -> Any:
    answer = heroku.api.request(method, path, json=body)
    assert answer.is_success, answer.text
    return answer.json()


def test_answers_to_changes_are_as_the_schema_says(still: Heroku) -> None:
    """What POST, PATCH and DELETE return is the resource, whole."""
    addon = addon_of(still)
    attached = changed(still, "POST", "/addon-attachments", {"addon": addon, "app": "acme-api", "name": "SPARE"})
    answers = {
        "add-on-attachment": [attached, changed(still, "DELETE", f"/addon-attachments/{attached['id']}", None)],
        "app": [changed(still, "PATCH", "/apps/acme-api", {"maintenance": True})],
        "formation": [
            *changed(still, "PATCH", "/apps/acme-api/formation", {"updates": [{"type": "web", "quantity": 2}]}),
            changed(still, "PATCH", "/apps/acme-api/formation/worker", {"quantity": 1}),
        ],
        "dyno": [changed(still, "POST", "/apps/acme-api/dynos", {"command": "true", "attach": False})],
        "log-session": [changed(still, "POST", "/apps/acme-api/log-sessions", {"lines": 5, "tail": False})],
        "release": [changed(still, "POST", "/apps/acme-api/releases", {"release": "1"})],
        "add-on": changed(still, "POST", "/actions/addons/resolve", {"addon": addon}),
    }
    wrong = {name: [word for item in items for word in problems(name, item)] for name, items in answers.items()}
    assert {name: [] for name in answers} == wrong


def test_expansion_and_inclusion_are_heeded_by_the_sdk_variant_only(looked_at: Heroku) -> None:
    """`addon:plan` and `config_vars` come with version=3.sdk and its header, and never without."""
    wish = {"Accept-Inclusion": "addon:plan,config_vars"}
    path = "/apps/acme-api/addon-attachments/DATABASE"
    plain = looked_at.get(path, headers=wish)
    included = looked_at.get(path, headers={**wish, "Accept": ACCEPT_SDK})
    assert "config_vars" not in plain
    assert "heroku-postgresql:standard-0" == included["addon"]["plan"]["name"]
    assert ["DATABASE_URL"] == included["config_vars"]
    expanded = looked_at.get(
        f"/addons/{addon_of(looked_at)}", headers={"Accept": ACCEPT_SDK, "Accept-Expansion": "addon_service,plan"}
    )
    assert {"cents": 5000, "contract": False, "unit": "month"} == expanded["plan"]["price"]


def test_plans_are_listed_without_a_token(looked_at: Heroku) -> None:
    """The price list is public; the token changes nothing."""
    answer = looked_at.api.get("/addon-services/heroku-postgresql/plans", headers={"Authorization": ""})
    prices = {plan["name"]: plan["price"]["cents"] for plan in answer.json()}
    assert 200 == answer.status_code
    assert 5000 == prices["heroku-postgresql:standard-0"]
