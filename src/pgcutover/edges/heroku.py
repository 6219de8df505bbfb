"""Heroku's Platform API and Data API, over HTTPS. Only here is HTTP spoken to Heroku.

It knows endpoints, paging, retries and Heroku's words for errors; it must not know plans or steps. Reads are retried;
a write is sent once (except when Heroku says that it did not take it, 429), because only the caller can tell whether a
lost answer means a lost change. The token never shows: not in errors, not in repr.

https://devcenter.heroku.com/articles/platform-api-reference
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Self

import httpx
import stamina
from pydantic import BaseModel, ConfigDict, ValidationError

from pgcutover.errors import ConfigError, HerokuError, RightsError
from pgcutover.facts.estate import (
    Addon,
    AddonPlan,
    App,
    Attachment,
    Credential,
    Dyno,
    HerokuDatabase,
    ProcessType,
    Release,
)
from pgcutover.facts.names import Secret

DEFAULT_HOST = "https://api.heroku.com"
DEFAULT_DATA_HOST = "https://api.data.heroku.com"
ACCEPT = "application/vnd.heroku+json; version=3"
# heroku.md 1.1: some calls exist only in the variant that Heroku's own command line uses.
ACCEPT_SDK = "application/vnd.heroku+json; version=3.sdk"
TIMEOUT_S = 60.0
# Heroku's own Go client waits 30 s first on 429; four tries then span the minute in which tokens come back.
RETRIES = 5
POSTGRESQL = "heroku-postgresql"


class NotFoundError(HerokuError):
    """Heroku answered 404."""


class RejectedError(HerokuError):
    """Heroku answered 4xx to a change; `id` and the text are Heroku's own."""

    def __init__(self, message: str, *, hint: str = "", id_: str = "") -> None:
        super().__init__(message, hint=hint)
        self.id = id_


class _Wire(BaseModel):
    """Other people's JSON: unknown keys are ignored, missing ones are an error."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Named(_Wire):
    id: str = ""
    name: str = ""


class _AppWire(_Named):
    region: _Named
    maintenance: bool
    space: _Named | None = None
    generation: _Named | None = None


class _AddonOfAttachment(_Named):
    app: _Named


class _AddonWire(_AddonOfAttachment):
    addon_service: _Named
    plan: _Named
    state: str
    config_vars: tuple[str, ...] = ()


class _AttachmentWire(_Named):
    app: _Named
    addon: _AddonOfAttachment
    namespace: str | None = None


class _FormationWire(_Wire):
    type: str
    quantity: int
    size: str = ""
    command: str = ""


class _ReleaseOfDyno(_Wire):
    version: int = 0


class _DynoWire(_Named):
    type: str
    state: str
    command: str = ""
    release: _ReleaseOfDyno | None = None


class _User(_Wire):
    email: str = ""


class _ReleaseWire(_Wire):
    version: int
    status: str
    description: str = ""
    user: _User | None = None
    current: bool = False
    created_at: datetime


class _InfoRow(_Wire):
    name: str
    values: tuple[Any, ...] = ()


class _DatabaseWire(_Wire):
    addon_id: str = ""
    name: str = ""
    plan: str = ""
    following: str | None = None
    postgres_version: str = ""
    num_bytes: int = 0
    info: tuple[_InfoRow, ...] = ()


class _Login(_Wire):
    user: str
    state: str = "active"


class _CredentialWire(_Named):
    state: str = ""
    credentials: tuple[_Login, ...] = ()


class _Price(_Wire):
    cents: int
    unit: str = "month"


class _PlanWire(_Named):
    price: _Price | None = None


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


class HerokuClient:
    """One account's view of Heroku. Close it when done."""

    def __init__(self, token: Secret, *, host: str = "", data_host: str = "") -> None:
        self._base = address(host, DEFAULT_HOST)
        self._data = self._data_address(host, data_host)
        self._http = httpx.Client(
            headers={"Accept": ACCEPT, "Authorization": f"Bearer {token.reveal()}", "User-Agent": "pgcutover"},
            timeout=TIMEOUT_S,
            follow_redirects=False,
        )

    @staticmethod
    def _data_address(host: str, data_host: str) -> str:
        """HEROKU_DATA_HOST is a host name only: scheme and port come from HEROKU_HOST when that is given."""
        if not data_host:
            return DEFAULT_DATA_HOST
        if not host or "://" in data_host:
            return address(data_host, DEFAULT_DATA_HOST)
        platform = httpx.URL(address(host, DEFAULT_HOST))
        return address(str(platform.copy_with(host=data_host)), DEFAULT_DATA_HOST)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # -- account and apps -------------------------------------------------------------------------------------------

    def account_email(self) -> str:
        return str(self._read("/account").get("email", ""))

    def app(self, name: str) -> App:
        with _understood("app"):
            w = _AppWire.model_validate(self._read(f"/apps/{name}"))
        return App(
            id=w.id,
            name=w.name,
            region=w.region.name,
            maintenance=w.maintenance,
            space=w.space.name if w.space else None,
            generation=w.generation.name if w.generation else "cedar",
        )

    def set_maintenance(self, app: str, *, on: bool) -> None:
        self._write("PATCH", f"/apps/{app}", {"maintenance": on})

    # -- add-ons and attachments ------------------------------------------------------------------------------------

    def addon(self, name: str) -> Addon:
        with _understood("add-on"):
            return _addon(_AddonWire.model_validate(self._read(f"/addons/{name}")))

    def app_attachments(self, app: str) -> tuple[Attachment, ...]:
        return self._attachments(f"/apps/{app}/addon-attachments")

    def addon_attachments(self, addon: str) -> tuple[Attachment, ...]:
        """Every attachment of one add-on, over all apps that the token may see."""
        return self._attachments(f"/addons/{addon}/addon-attachments")

    def _attachments(self, path: str) -> tuple[Attachment, ...]:
        with _understood("attachment"):
            wires = [_AttachmentWire.model_validate(row) for row in self._read_all(path)]
        return tuple(
            Attachment(
                id=w.id,
                name=w.name,
                app=w.app.name,
                addon=w.addon.name,
                addon_id=w.addon.id,
                billing_app=w.addon.app.name,
                namespace=w.namespace,
            )
            for w in wires
        )

    def attach(self, *, app: str, addon: str, name: str, namespace: str | None = None) -> None:
        """Attach under `name`; a name that another attachment holds is refused, never taken over."""
        body = {"app": app, "addon": addon, "name": name, **({"namespace": namespace} if namespace else {})}
        self._write("POST", "/addon-attachments", body)

    def detach(self, attachment_id: str) -> None:
        """Remove an attachment (never the add-on, never its data)."""
        self._write("DELETE", f"/addon-attachments/{attachment_id}", None)

    # -- config vars ------------------------------------------------------------------------------------------------

    def config(self, app: str) -> Mapping[str, Secret]:
        raw = self._read(f"/apps/{app}/config-vars")
        return {key: Secret(str(value)) for key, value in raw.items() if value is not None}

    def set_config(self, app: str, changes: Mapping[str, Secret | None]) -> None:
        """One PATCH, one release; None removes a variable."""
        body = {key: value.reveal() if value is not None else None for key, value in changes.items()}
        self._write("PATCH", f"/apps/{app}/config-vars", body)

    # -- formation, dynos, releases ---------------------------------------------------------------------------------

    def formation(self, app: str) -> tuple[ProcessType, ...]:
        with _understood("formation"):
            wires = [_FormationWire.model_validate(row) for row in self._read_all(f"/apps/{app}/formation")]
        return tuple(ProcessType(type=w.type, quantity=w.quantity, size=w.size, command=w.command) for w in wires)

    def scale(self, app: str, quantities: Mapping[str, int]) -> None:
        updates = [{"type": kind, "quantity": quantity} for kind, quantity in quantities.items()]
        self._write("PATCH", f"/apps/{app}/formation", {"updates": updates})

    def dynos(self, app: str) -> tuple[Dyno, ...]:
        with _understood("dyno"):
            return tuple(_dyno(_DynoWire.model_validate(row)) for row in self._read_all(f"/apps/{app}/dynos"))

    def stop_dyno(self, app: str, name: str) -> None:
        """Stop one dyno; one that is already gone is fine."""
        try:
            self._write("POST", f"/apps/{app}/dynos/{name}/actions/stop", None, accept=ACCEPT_SDK)
        except NotFoundError:
            return

    def run(self, app: str, command: str, *, env: Mapping[str, Secret], time_to_live_s: int) -> Dyno:
        """Start a one-off dyno; `env` is added to the config vars and reaches Heroku in the body only."""
        body = {
            "command": command,
            "attach": False,
            "type": "run",
            "time_to_live": time_to_live_s,
            "env": {key: value.reveal() for key, value in env.items()},
        }
        with _understood("dyno"):
            return _dyno(_DynoWire.model_validate(self._write("POST", f"/apps/{app}/dynos", body)))

    def releases(self, app: str, *, newest: int = 50) -> tuple[Release, ...]:
        """The newest releases, newest first."""
        headers = {"Range": f"version ..; max={newest}, order=desc"}
        with _understood("release"):
            wires = [
                _ReleaseWire.model_validate(row) for row in self._read_rows(f"/apps/{app}/releases", headers)[:newest]
            ]
        return tuple(_release(w) for w in sorted(wires, key=lambda w: -w.version))

    def log(self, app: str, *, dyno: str = "", lines: int = 1500) -> tuple[str, ...]:
        """The last lines of the app's log. https://devcenter.heroku.com/articles/log-runtime-metrics"""
        body: dict[str, Any] = {"lines": lines, "tail": False, **({"dyno_name": dyno} if dyno else {})}
        session = self._write("POST", f"/apps/{app}/log-sessions", body)
        # A log URL is signed and lives on another host: the token must not go there.
        try:
            answer = httpx.get(str(session.get("logplex_url", "")), timeout=TIMEOUT_S)
            answer.raise_for_status()
        except httpx.HTTPError as cause:
            raise HerokuError(f"the log of {app} could not be read: {type(cause).__name__}") from cause
        return tuple(answer.text.splitlines())

    # -- Data API and prices ----------------------------------------------------------------------------------------

    def database(self, addon_id: str) -> HerokuDatabase:
        with _understood("database"):
            w = _DatabaseWire.model_validate(self._read(f"/client/v11/databases/{addon_id}", base=self._data))
        return HerokuDatabase(
            addon_id=w.addon_id or addon_id,
            name=w.name,
            plan=w.plan,
            following=w.following,
            postgres_version=w.postgres_version,
            num_bytes=w.num_bytes,
            info=tuple((row.name, tuple(str(v) for v in row.values)) for row in w.info),
        )

    def credentials(self, addon_id: str) -> tuple[Credential, ...]:
        path = f"/postgres/v0/databases/{addon_id}/credentials"
        with _understood("credential"):
            wires = [_CredentialWire.model_validate(row) for row in self._read_all(path, base=self._data)]
        return tuple(
            Credential(name=w.name, state=w.state, user=login.user)
            for w in wires
            for login in w.credentials
            if login.state == "active"
        )

    def plans(self) -> tuple[AddonPlan, ...]:
        with _understood("plan"):
            wires = [_PlanWire.model_validate(r) for r in self._read_all(f"/addon-services/{POSTGRESQL}/plans")]
        return tuple(
            AddonPlan(
                name=w.name,
                price_usd_per_month=w.price.cents / 100 if w.price and w.price.unit == "month" else None,
            )
            for w in wires
        )

    # -- transport --------------------------------------------------------------------------------------------------

    def _read(self, path: str, *, base: str = "") -> dict[str, Any]:
        body = self._retried("GET", (base or self._base) + path).json()
        return body if isinstance(body, dict) else {}

    def _read_all(self, path: str, *, base: str = "") -> list[dict[str, Any]]:
        return self._read_rows((base or self._base) + path, {})

    def _read_rows(self, path: str, headers: Mapping[str, str]) -> list[dict[str, Any]]:
        """Every page of a list: a 206 names the next Range."""
        url = path if "://" in path else self._base + path
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
        for attempt in stamina.retry_context(on=_TransientError, attempts=RETRIES, wait_initial=0.5, wait_max=30.0):
            with attempt:
                return self._send(method, url, **options)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _write(self, method: str, path: str, body: Mapping[str, Any] | None, *, accept: str = ACCEPT) -> dict[str, Any]:
        for attempt in stamina.retry_context(on=_NotTakenError, attempts=RETRIES, wait_initial=1.0, wait_max=60.0):
            with attempt:
                answer = self._send(method, self._base + path, json=body, headers={"Accept": accept})
                decoded = answer.json() if answer.content else {}
                return decoded if isinstance(decoded, dict) else {}
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _send(self, method: str, url: str, **options: Any) -> httpx.Response:
        where = f"{method} {httpx.URL(url).path}"
        try:
            answer = self._http.request(method, url, **options)
        except httpx.HTTPError as cause:
            raise _LostError(
                f"no answer from Heroku to {where}: {type(cause).__name__}",
                hint="Check the network and https://status.heroku.com, then run the same command again.",
            ) from cause
        if answer.is_success:
            return _json_or_error(answer, where)
        raise _error(answer, where)


class _TransientError(HerokuError):
    """A failure that may be gone a moment later: reads are tried again."""


class _LostError(_TransientError):
    """No answer: a change may or may not have been made."""


class _NotTakenError(_TransientError):
    """Heroku says that it did not act (429): a change may be sent again."""


def _json_or_error(answer: httpx.Response, where: str) -> httpx.Response:
    if answer.content:
        try:
            answer.json()
        except ValueError as cause:
            raise _TransientError(f"Heroku answered {where} with something that is not JSON") from cause
    return answer


def _error(answer: httpx.Response, where: str) -> HerokuError | RightsError:
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
            return _NotTakenError(said, hint="Heroku limits calls per minute: wait a minute.")
        case code if code >= httpx.codes.INTERNAL_SERVER_ERROR:
            return _TransientError(said, hint="Heroku has trouble: see https://status.heroku.com.")
    return RejectedError(said, id_=id_)


@contextmanager
def _understood(what: str) -> Iterator[None]:
    """JSON that lacks what we need becomes an error that names the fields, never their values."""
    try:
        yield
    except ValidationError as cause:
        fields = ", ".join(".".join(str(part) for part in e["loc"]) for e in cause.errors())
        raise HerokuError(f"Heroku's answer about this {what} lacks or changes: {fields}") from cause


def _addon(w: _AddonWire) -> Addon:
    return Addon(
        id=w.id,
        name=w.name,
        service=w.addon_service.name,
        plan=w.plan.name,
        billing_app=w.app.name,
        state=w.state,
        config_vars=w.config_vars,
    )


def _dyno(w: _DynoWire) -> Dyno:
    version = w.release.version if w.release else 0
    return Dyno(name=w.name, type=w.type, state=w.state, command=w.command, release=version)


def _release(w: _ReleaseWire) -> Release:
    return Release(
        version=w.version,
        status=w.status,
        description=w.description,
        user=w.user.email if w.user else "",
        current=w.current,
        created_at=w.created_at,
    )
