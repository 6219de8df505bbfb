"""Heroku as a probe meets it: raw answers, refusals included, each kept in the transcript; an app made and removed.

Only apps that `throwaway_estate.ours` knows by their names are made, changed or removed here.
https://devcenter.heroku.com/articles/platform-api-reference
"""

import gzip
import io
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from pgcutover.edges.heroku_http import ACCEPT, LONGEST_WAIT_S, TIMEOUT_S, NoAnswerError, RateLimitedError
from pgcutover.edges.transcript import Transcript
from pgcutover.errors import HerokuError, NotUndoneError, RefusedError, RightsError
from pgcutover.facts.names import Dsn, Secret
from pgcutover.planning.throwaway_estate import MARK, PLAN, ours

ACCEPT_SDK = "application/vnd.heroku+json; version=3.sdk"
TRIES = 5
PAUSE_S = 0.25
SETTLE_LIMIT_S = 300.0
"""A release takes 5 to 15 s, a new database some minutes."""
MISSING, SOMEBODY_ELSES = 404, 403
FORBIDDEN = (401, SOMEBODY_ELSES)
TOO_MANY, TROUBLE = 429, 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What Heroku said, whatever it was."""

    status: int
    body: Any

    @property
    def id(self) -> str:
        return str(self.body.get("id", "")) if isinstance(self.body, dict) and not self.ok else ""

    @property
    def message(self) -> str:
        return str(self.body.get("message", "")) if isinstance(self.body, dict) else ""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def words(self) -> str:
        """Status and, of a refusal, its id."""
        return f"{self.status} {self.id}".rstrip()


class ProbeHeroku:
    """One account. Close it when done."""

    def __init__(self, token: Secret, base: str, data_base: str, transcript: Transcript) -> None:
        self._base, self._data, self._transcript = base, data_base, transcript
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {token.reveal()}", "User-Agent": "pgcutover"}, timeout=TIMEOUT_S
        )
        transcript.redactor.know(token.reveal())

    def close(self) -> None:
        self._http.close()

    # -- asking -----------------------------------------------------------------------------------------------------

    def ask(
        self, method: str, path: str, body: Any = None, *, accept: str = ACCEPT, span: str = "", data: bool = False
    ) -> Answer:
        """One call; a refusal is an answer. What Heroku did not take (429), and what only reads, is asked again."""
        headers = {"Accept": accept, **({"Range": span} if span else {})}
        url = (self._data if data else self._base) + path
        for attempt in range(1, TRIES + 1):
            try:
                reply = self._http.request(method, url, json=body, headers=headers)
            except httpx.HTTPError as cause:
                if method == "GET" and attempt < TRIES:
                    continue
                raise NoAnswerError(
                    f"no answer from Heroku to {method} {path}: {type(cause).__name__}",
                    hint="Check the network and https://status.heroku.com.",
                ) from cause
            answer = Answer(status=reply.status_code, body=_body(reply))
            self._transcript.http(method, path, body, answer.status, reply.headers, answer.body, asked=accept)
            if not (answer.status == TOO_MANY or (method == "GET" and answer.status >= TROUBLE)):
                return answer
            asked = reply.headers.get("Retry-After", "")
            time.sleep(min(float(asked), LONGEST_WAIT_S) if asked.isdigit() else attempt)
        raise RateLimitedError(f"Heroku did not answer {method} {path} in {TRIES} tries: {answer.words}")

    def must(self, method: str, path: str, body: Any = None, *, accept: str = ACCEPT, span: str = "") -> Any:
        """The body of an answer that is 2xx.

        Raises:
            RightsError, HerokuError: it is not.
        """
        answer = self.ask(method, path, body, accept=accept, span=span)
        if answer.ok:
            return answer.body
        kind = RightsError if answer.status in FORBIDDEN else HerokuError
        raise kind(f"Heroku refused {method} {path} ({answer.words}): {answer.message or 'no explanation'}")

    def until(self, holds: Callable[[], Any], *, what: str, limit_s: float = SETTLE_LIMIT_S) -> Any:
        """What `holds` says once it is true.

        Raises:
            HerokuError: it never was.
        """
        deadline = time.monotonic() + limit_s
        while not (found := holds()):
            if time.monotonic() > deadline:
                raise HerokuError(f"{what} did not come about within {limit_s:.0f} s")
            time.sleep(PAUSE_S)
        return found

    # -- making and removing ----------------------------------------------------------------------------------------

    def make_app(self, name: str, region: str) -> None:
        """Raises HerokuError: it could not be made; a name that is taken is somebody else's."""
        _refuse_foreign(name)
        self.must("POST", "/apps", {"name": name, "region": region})
        self.set_config(name, {MARK: name})

    def make_database(self, app: str) -> str:
        """The name of the new add-on, once it can be used."""
        made = self.must("POST", f"/apps/{app}/addons", {"plan": PLAN})
        name = str(made["name"])
        self.until(lambda: self.must("GET", f"/addons/{name}")["state"] == "provisioned", what=f"the database {name}")
        return name

    def deploy(self, app: str, process_types: Mapping[str, str]) -> None:
        """https://devcenter.heroku.com/articles/platform-api-deploying-slugs"""
        slug = self.must("POST", f"/apps/{app}/slugs", {"process_types": dict(process_types)})
        url = str(slug["blob"]["url"])
        # Signed, and on another host: the token must not go there.
        reply = httpx.put(url, content=_slug(), timeout=TIMEOUT_S)
        self._transcript.note("a slug is put where Heroku said", reply.status_code)
        if not reply.is_success:
            raise HerokuError(f"the slug of {app} was not taken: {reply.status_code}")
        self.must("POST", f"/apps/{app}/releases", {"slug": slug["id"]})
        self.settled(app)

    def remove_app(self, name: str) -> bool:
        """Remove an app of a probe's with its database; whether there was one.

        Raises:
            RefusedError: it is not a probe's: by its name, or because it holds something and lacks our mark.
            NotUndoneError: Heroku did not remove it.
        """
        _refuse_foreign(name)
        found = self.ask("GET", f"/apps/{name}")
        if found.status in (MISSING, SOMEBODY_ELSES):
            return False
        marked = self.config(name, MARK) == name
        # An answer that was lost may have kept us from marking it; then there is nothing in it yet.
        if found.ok and not marked and self.must("GET", f"/apps/{name}/addons"):
            raise RefusedError(f"the Heroku app {name} is not marked as a probe's", hint="Look at it, and remove it.")
        answer = self.ask("DELETE", f"/apps/{name}")
        if not answer.ok and answer.status != MISSING:
            raise NotUndoneError(
                f"Heroku did not remove the app {name} ({answer.words}): {answer.message}",
                hint="Run pgcutover probe --clean, or heroku apps:destroy.",
            )
        return True

    # -- looking ----------------------------------------------------------------------------------------------------

    def config(self, app: str, name: str) -> str:
        return str(self.must("GET", f"/apps/{app}/config-vars").get(name) or "")

    def set_config(self, app: str, changes: Mapping[str, str | None]) -> None:
        self.must("PATCH", f"/apps/{app}/config-vars", dict(changes))

    def dsn(self, app: str, addon: str) -> Dsn:
        (variable, *_) = self.must("GET", f"/addons/{addon}")["config_vars"]
        url = self.config(app, str(variable))
        dsn = Dsn.parse(url)
        self._transcript.redactor.know(url, dsn.password.reveal())
        # Its certificate signs itself, and nothing but what a probe made is in the database.
        return dsn.with_options(sslmode="require", gssencmode="disable")

    def releases(self, app: str) -> list[dict[str, Any]]:
        """The newest, newest first."""
        rows: list[dict[str, Any]] = self.must("GET", f"/apps/{app}/releases", span="version ..; max=50, order=desc")
        return sorted(rows, key=lambda row: -int(row["version"]))

    def settled(self, app: str) -> dict[str, Any]:
        """The newest release, once none is pending."""

        def newest() -> dict[str, Any] | None:
            rows = self.releases(app)
            return None if any(row["status"] == "pending" for row in rows) else rows[0]

        found: dict[str, Any] = self.until(newest, what=f"the release of {app}")
        return found

    def dynos(self, app: str) -> dict[str, dict[str, Any]]:
        return {str(dyno["name"]): dyno for dyno in self.must("GET", f"/apps/{app}/dynos")}

    def scale(self, app: str, process_type: str, quantity: int) -> None:
        self.must("PATCH", f"/apps/{app}/formation", {"updates": [{"type": process_type, "quantity": quantity}]})

    def run(self, app: str, command: str) -> str:
        """Start a one-off dyno; its name."""
        body = {"command": command, "attach": False, "type": "run", "time_to_live": 1800}
        return str(self.must("POST", f"/apps/{app}/dynos", body)["name"])

    def stop(self, app: str, dyno: str) -> None:
        self.ask("POST", f"/apps/{app}/dynos/{dyno}/actions/stop", accept=ACCEPT_SDK)

    def log(self, app: str, *, lines: int, dyno: str = "") -> tuple[str, ...]:
        body = {"lines": lines, "tail": False, **({"dyno_name": dyno} if dyno else {})}
        session = self.must("POST", f"/apps/{app}/log-sessions", body)
        try:
            reply = httpx.get(str(session["logplex_url"]), timeout=TIMEOUT_S)
            reply.raise_for_status()
        except httpx.HTTPError as cause:
            raise NoAnswerError(f"the log of {app} could not be read: {type(cause).__name__}") from cause
        return tuple(reply.text.splitlines())


def _refuse_foreign(name: str) -> None:
    if not ours(name):
        raise RefusedError(f"{name} is no name that a probe gives; nothing was touched")


def _body(reply: httpx.Response) -> Any:
    try:
        return reply.json() if reply.content else {}
    except ValueError:
        return {"text": reply.text[:500]}


def _slug() -> bytes:
    """An app without files, as Heroku wants it packed."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        root = tarfile.TarInfo("./app")
        root.type, root.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(root)
    return packed.getvalue()
