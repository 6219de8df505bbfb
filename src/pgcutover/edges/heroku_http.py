"""HTTP as Heroku speaks it: paging, retries, and its words for errors. It knows no endpoint.

Reads are retried; a write is sent once (except when Heroku says that it did not take it, 429), because only the caller
can tell whether a lost answer means a lost change. The token never shows: not in errors, not in repr.
"""

from collections.abc import Mapping
from typing import Any

import httpx
import stamina

from pgcutover.edges.away import UnavailableError
from pgcutover.errors import ConfigError, HerokuError, RightsError
from pgcutover.facts.names import Secret

ACCEPT = "application/vnd.heroku+json; version=3"
# Its router ends a request after 30 s. https://devcenter.heroku.com/articles/request-timeout
TIMEOUT_S = 35.0
# Heroku's own Go client waits 30 s first on 429; five tries then span the minute in which tokens come back.
RETRIES = 5
LONGEST_WAIT_S = 60.0
"""What an answer may ask us to wait; tokens come back within a minute, and the application may be closed meanwhile.
https://devcenter.heroku.com/articles/platform-api-reference#rate-limits"""

# Its default tells of each retry on stdout, into the one document of --json.
stamina.instrumentation.set_on_retry_hooks(())


class NotFoundError(HerokuError):
    """Heroku answered 404."""


class RejectedError(HerokuError):
    """Heroku answered 4xx to a change; `id` and the text are Heroku's own."""

    def __init__(self, message: str, *, hint: str = "", id_: str = "") -> None:
        super().__init__(message, hint=hint)
        self.id = id_


def address(host: str, default: str) -> str:
    """The base URL for HEROKU_HOST or HEROKU_DATA_HOST, read as Heroku's command line reads them.

    Raises:
        ConfigError: plain HTTP to anything but this machine: it would show the token to the network.
    """
    if not host:
        return default
    base = host if "://" in host else f"https://{host}" if "." in host else f"https://api.{host}"
    url = httpx.URL(base)
    if url.scheme != "https" and url.host not in ("127.0.0.1", "localhost", "::1"):
        raise ConfigError(f"refusing to send the Heroku token over plain HTTP to {url.host}", hint="Use https://.")
    return base.rstrip("/")


class Transport:
    """One account's connection to one host, `base`. Close it when done."""

    def __init__(self, token: Secret, base: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self.base = base
        self._http = httpx.Client(
            headers={"Accept": ACCEPT, "Authorization": f"Bearer {token.reveal()}", "User-Agent": "pgcutover"},
            timeout=timeout_s,
            follow_redirects=False,
        )

    def close(self) -> None:
        self._http.close()

    def read(self, path: str, *, base: str = "") -> dict[str, Any]:
        body = self._retried("GET", (base or self.base) + path).json()
        return body if isinstance(body, dict) else {}

    def read_all(self, path: str, *, base: str = "") -> list[dict[str, Any]]:
        return self.read_rows((base or self.base) + path, {})

    def read_rows(self, path: str, headers: Mapping[str, str]) -> list[dict[str, Any]]:
        """Every page of a list: a 206 names the next Range."""
        url = path if "://" in path else self.base + path
        rows: list[dict[str, Any]] = []
        wanted = dict(headers)
        while True:
            answer = self._retried("GET", url, headers=wanted)
            body = answer.json()
            rows += body if isinstance(body, list) else []
            following = answer.headers.get("Next-Range")
            if answer.status_code != httpx.codes.PARTIAL_CONTENT or not following or "max=" in headers.get("Range", ""):
                return rows
            wanted["Range"] = following

    def _retried(self, method: str, url: str, **options: Any) -> httpx.Response:
        for attempt in stamina.retry_context(
            on=_worth_another, attempts=RETRIES, timeout=None, wait_initial=0.5, wait_max=30.0
        ):
            with attempt:
                return self._send(method, url, **options)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def write(self, method: str, path: str, body: Mapping[str, Any] | None, *, accept: str = ACCEPT) -> dict[str, Any]:
        for attempt in stamina.retry_context(
            on=_not_taken, attempts=RETRIES, timeout=None, wait_initial=1.0, wait_max=60.0
        ):
            with attempt:
                answer = self._send(method, self.base + path, json=body, headers={"Accept": accept})
                decoded = answer.json() if answer.content else {}
                return decoded if isinstance(decoded, dict) else {}
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _send(self, method: str, url: str, **options: Any) -> httpx.Response:
        where = f"{method} {httpx.URL(url).path}"
        try:
            answer = self._http.request(method, url, **options)
        except httpx.HTTPError as cause:
            raise NoAnswerError(
                f"no answer from Heroku to {where}: {type(cause).__name__}",
                hint="Check the network and https://status.heroku.com, then run the same command again.",
            ) from cause
        if answer.is_success:
            return _json_or_error(answer, where)
        raise _error(answer, where)


class NoAnswerError(UnavailableError):
    """No answer: a change may or may not have been made."""


class RateLimitedError(UnavailableError):
    """Heroku says that it did not act (429): a change may be sent again."""


def _worth_another(error: Exception) -> bool | float:
    """Whether a read is tried again; a number of seconds when Heroku said after how long."""
    return isinstance(error, UnavailableError) and (error.wait_s or True)


def _not_taken(error: Exception) -> bool | float:
    """The same of a write."""
    return isinstance(error, RateLimitedError) and (error.wait_s or True)


def _json_or_error(answer: httpx.Response, where: str) -> httpx.Response:
    if answer.content:
        try:
            answer.json()
        except ValueError as cause:
            raise UnavailableError(f"Heroku answered {where} with something that is not JSON") from cause
    return answer


def _error(answer: httpx.Response, where: str) -> HerokuError | RightsError:
    error = _error_of(answer, where)
    asked = answer.headers.get("Retry-After", "")
    if isinstance(error, UnavailableError) and asked.isdigit():
        error.wait_s = min(float(asked), LONGEST_WAIT_S)
    return error


def _error_of(answer: httpx.Response, where: str) -> HerokuError | RightsError:
    try:
        body = answer.json()
        id_, text = str(body.get("id", "")), str(body.get("message", ""))
    except (ValueError, AttributeError):
        id_, text = "", ""
    said = f"Heroku refused {where} ({answer.status_code}{' ' + id_ if id_ else ''}): {text or 'no explanation'}"
    match answer.status_code:
        case 401:
            return RightsError(said, hint="The token is wrong or expired: set HEROKU_API_KEY to a valid one.")
        case 403:
            return RightsError(said, hint="The token lacks a scope or the account a right on this app.")
        case 404:
            return NotFoundError(said, hint="Check the name, and that the token may see it.")
        case 429:
            return RateLimitedError(said, hint="Heroku limits calls per minute: wait a minute.")
        case code if code >= httpx.codes.INTERNAL_SERVER_ERROR:
            return UnavailableError(said, hint="Heroku has trouble: see https://status.heroku.com.")
    return RejectedError(said, id_=id_)
