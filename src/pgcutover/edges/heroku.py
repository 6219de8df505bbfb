"""Heroku's Platform API and Data API: each endpoint that a move needs, as a method. Only here is Heroku spoken to.

It knows endpoints; `heroku_http` knows HTTP and errors, `heroku_wire` the shape of the answers. It must not know plans
or steps.

https://devcenter.heroku.com/articles/platform-api-reference
"""

from collections.abc import Mapping
from typing import Any, Self

import httpx

from pgcutover.edges.heroku_http import TIMEOUT_S, NoAnswerError, NotFoundError, RejectedError, Transport, address
from pgcutover.edges.heroku_wire import (
    AddonWire,
    AppWire,
    AttachmentWire,
    CredentialWire,
    DatabaseWire,
    DynoWire,
    FormationWire,
    InstallationWire,
    PlanWire,
    ReleaseWire,
    addon_of,
    dyno_of,
    release_of,
    understood,
)
from pgcutover.errors import HerokuError
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

__all__ = ["HerokuClient", "NotFoundError", "RejectedError", "address", "addresses"]

DEFAULT_HOST = "https://api.heroku.com"
DEFAULT_DATA_HOST = "https://api.data.heroku.com"
# Some calls exist only in the variant that Heroku's own command line uses (npm: heroku, commands/ps/stop).
ACCEPT_SDK = "application/vnd.heroku+json; version=3.sdk"
POSTGRESQL = "heroku-postgresql"


def addresses(host: str, data_host: str) -> tuple[str, str]:
    """The base URLs of the Platform API and the Data API.

    HEROKU_DATA_HOST is a host name only: scheme and port come from HEROKU_HOST when that is given.
    """
    base = address(host, DEFAULT_HOST)
    if not data_host:
        return base, DEFAULT_DATA_HOST
    if not host or "://" in data_host:
        return base, address(data_host, DEFAULT_DATA_HOST)
    return base, address(str(httpx.URL(base).copy_with(host=data_host)), DEFAULT_DATA_HOST)


class HerokuClient:
    """One account's view of Heroku. Close it when done."""

    def __init__(self, token: Secret, *, host: str = "", data_host: str = "", timeout_s: float = TIMEOUT_S) -> None:
        base, self._data = addresses(host, data_host)
        self._api = Transport(token, base, timeout_s=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._api.close()

    # -- account and apps -------------------------------------------------------------------------------------------

    def account_email(self) -> str:
        return str(self._api.read("/account").get("email", ""))

    def app(self, name: str) -> App:
        with understood("app"):
            w = AppWire.model_validate(self._api.read(f"/apps/{name}"))
        return App(
            id=w.id,
            name=w.name,
            region=w.region.name,
            maintenance=w.maintenance,
            space=w.space.name if w.space else None,
            generation=w.generation.name if w.generation else "cedar",
            stack=w.stack.name if w.stack else "",
        )

    def buildpacks(self, app: str) -> tuple[str, ...]:
        """Names (or addresses, where they have no name) in the order in which they run."""
        with understood("buildpack"):
            wires = [
                InstallationWire.model_validate(r) for r in self._api.read_all(f"/apps/{app}/buildpack-installations")
            ]
        return tuple(w.buildpack.name or w.buildpack.url for w in sorted(wires, key=lambda w: w.ordinal))

    def set_maintenance(self, app: str, *, on: bool) -> None:
        self._api.write("PATCH", f"/apps/{app}", {"maintenance": on})

    # -- add-ons and attachments ------------------------------------------------------------------------------------

    def addon(self, name: str) -> Addon:
        with understood("add-on"):
            return addon_of(AddonWire.model_validate(self._api.read(f"/addons/{name}")))

    def app_attachments(self, app: str) -> tuple[Attachment, ...]:
        return self._attachments(f"/apps/{app}/addon-attachments")

    def addon_attachments(self, addon: str) -> tuple[Attachment, ...]:
        """Every attachment of one add-on, over all apps that the token may see."""
        return self._attachments(f"/addons/{addon}/addon-attachments")

    def _attachments(self, path: str) -> tuple[Attachment, ...]:
        with understood("attachment"):
            wires = [AttachmentWire.model_validate(row) for row in self._api.read_all(path)]
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
        self._api.write("POST", "/addon-attachments", body)

    def detach(self, attachment_id: str) -> None:
        """Remove an attachment (never the add-on, never its data)."""
        self._api.write("DELETE", f"/addon-attachments/{attachment_id}", None)

    # -- config vars ------------------------------------------------------------------------------------------------

    def config(self, app: str) -> Mapping[str, Secret]:
        raw = self._api.read(f"/apps/{app}/config-vars")
        return {key: Secret(str(value)) for key, value in raw.items() if value is not None}

    def set_config(self, app: str, changes: Mapping[str, Secret | None]) -> None:
        """One PATCH, one release; None removes a variable."""
        body = {key: value.reveal() if value is not None else None for key, value in changes.items()}
        self._api.write("PATCH", f"/apps/{app}/config-vars", body)

    # -- formation, dynos, releases ---------------------------------------------------------------------------------

    def formation(self, app: str) -> tuple[ProcessType, ...]:
        with understood("formation"):
            wires = [FormationWire.model_validate(row) for row in self._api.read_all(f"/apps/{app}/formation")]
        return tuple(ProcessType(type=w.type, quantity=w.quantity, size=w.size, command=w.command) for w in wires)

    def scale(self, app: str, quantities: Mapping[str, int]) -> None:
        updates = [{"type": kind, "quantity": quantity} for kind, quantity in quantities.items()]
        self._api.write("PATCH", f"/apps/{app}/formation", {"updates": updates})

    def dynos(self, app: str) -> tuple[Dyno, ...]:
        with understood("dyno"):
            return tuple(dyno_of(DynoWire.model_validate(row)) for row in self._api.read_all(f"/apps/{app}/dynos"))

    def stop_dyno(self, app: str, name: str) -> None:
        """Stop one dyno; one that is already gone is fine."""
        try:
            self._api.write("POST", f"/apps/{app}/dynos/{name}/actions/stop", None, accept=ACCEPT_SDK)
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
        with understood("dyno"):
            return dyno_of(DynoWire.model_validate(self._api.write("POST", f"/apps/{app}/dynos", body)))

    def releases(self, app: str, *, newest: int = 50) -> tuple[Release, ...]:
        """The newest releases, newest first."""
        headers = {"Range": f"version ..; max={newest}, order=desc"}
        with understood("release"):
            wires = [
                ReleaseWire.model_validate(row)
                for row in self._api.read_rows(f"/apps/{app}/releases", headers)[:newest]
            ]
        return tuple(release_of(w) for w in sorted(wires, key=lambda w: -w.version))

    def release_again(self, app: str) -> None:
        """A release like the newest one, its release phase included: same code, the config vars as they are.

        https://devcenter.heroku.com/articles/platform-api-deploying-slugs

        Raises:
            HerokuError: the app's code is an image, of which Heroku makes no release without a new push.
        """
        (newest,) = self.releases(app, newest=1)
        if not newest.slug:
            raise HerokuError(
                f"release v{newest.version} of {app} has no slug, and cannot be made again",
                hint="Push the app's image again, accept that release, then run the same command again.",
            )
        body = {"slug": newest.slug, "description": f"Retry of v{newest.version}: {newest.description}"}
        self._api.write("POST", f"/apps/{app}/releases", body)

    def log(self, app: str, *, dyno: str = "", lines: int = 1500) -> tuple[str, ...]:
        """The last lines of the app's log. https://devcenter.heroku.com/articles/log-runtime-metrics"""
        body: dict[str, Any] = {"lines": lines, "tail": False, **({"dyno_name": dyno} if dyno else {})}
        session = self._api.write("POST", f"/apps/{app}/log-sessions", body)
        # A log URL is signed and lives on another host: the token must not go there.
        try:
            answer = httpx.get(str(session.get("logplex_url", "")), timeout=TIMEOUT_S)
            answer.raise_for_status()
        except httpx.HTTPError as cause:
            raise NoAnswerError(
                f"the log of {app} could not be read: {type(cause).__name__}",
                hint="Check the network and https://status.heroku.com, then run the same command again.",
            ) from cause
        return tuple(answer.text.splitlines())

    # -- Data API and prices ----------------------------------------------------------------------------------------

    def database(self, addon_id: str) -> HerokuDatabase:
        with understood("database"):
            w = DatabaseWire.model_validate(self._api.read(f"/client/v11/databases/{addon_id}", base=self._data))
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
        with understood("credential"):
            wires = [CredentialWire.model_validate(row) for row in self._api.read_all(path, base=self._data)]
        return tuple(
            Credential(name=w.name, state=w.state, user=login.user)
            for w in wires
            for login in w.credentials
            if login.state == "active"
        )

    def plans(self) -> tuple[AddonPlan, ...]:
        with understood("plan"):
            wires = [PlanWire.model_validate(r) for r in self._api.read_all(f"/addon-services/{POSTGRESQL}/plans")]
        return tuple(
            AddonPlan(
                name=w.name,
                price_usd_per_month=w.price.cents / 100 if w.price and w.price.unit == "month" else None,
            )
            for w in wires
        )
