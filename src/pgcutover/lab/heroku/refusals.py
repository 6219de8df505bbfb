"""What the local Heroku answers when it says no: status, id and message, as Heroku words them.

A refusal is raised where the rule is known and becomes a response in one place (`gate`).
Ids and texts: https://devcenter.heroku.com/articles/platform-api-reference#errors and the sources of heroku/cli.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class Refusal(Exception):  # noqa: N818  (a refusal is an answer, not a failure of the lab)
    """An answer that is not 2xx: `status`, and a JSON body `{"id", "message", ...}`."""

    def __init__(
        self,
        status: int,
        id: str,  # noqa: A002  (Heroku's own key)
        message: str,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers)
        self.body: dict[str, Any] = {**more, "id": id, "message": message}


def not_found(resource: str) -> Refusal:
    """`resource` as Heroku spells it: `app`, `add_on`, `add_on attachment`, `release`, `dyno`…"""
    spoken = resource.replace("add_on", "add-on").replace("_", " ")
    return Refusal(404, "not_found", f"Couldn't find that {spoken}.", resource=resource)


def no_such_endpoint() -> Refusal:
    return Refusal(
        404,
        "not_found",
        "The requested API endpoint was not found. Are you using the right HTTP verb (i.e. `GET` vs. `POST`), and did "
        "you specify your intended version with the `Accept` header?",
    )


def unauthorized() -> Refusal:
    return Refusal(401, "unauthorized", "Invalid credentials provided.")


def forbidden() -> Refusal:
    return Refusal(403, "forbidden", "You do not have access to this resource: the token's scope does not allow it.")


def invalid(message: str) -> Refusal:
    return Refusal(422, "invalid_params", message)


def rate_limited() -> Refusal:
    return Refusal(
        429,
        "rate_limit",
        "Your account reached the API rate limit",
        url="https://devcenter.heroku.com/articles/platform-api-reference#rate-limits",
    )


def confirmation_required(app: str, message: str) -> Refusal:
    return Refusal(423, "confirmation_required", message, headers={"X-Confirmation-Required": app})
