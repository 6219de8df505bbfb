"""A lab as a person meets it: the real command line in a directory, the doors of the lab, and what both worlds hold.

Nothing of pgcutover's own code is called but the lab's. What a command said is kept, so that a test can look for
secrets in all of it.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Container, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg
from psycopg.conninfo import conninfo_to_dict

from pgcutover.lab import world
from pgcutover.lab.clusters import Cluster
from pgcutover.lab.dataset import HEROKU_MAJOR
from pgcutover.lab.heroku.state import estate_file
from pgcutover.lab.layout import LabLayout
from pgcutover.lab.ledger import Row, judge, world_state
from pgcutover.lab.promises import Kind, Op, read
from pgcutover.lab.world import FOREIGN

APP = "acme-api"
CONFIG = "pgcutover.toml"
STATE = Path(".pgcutover") / "production"
COMMAND = (sys.executable, "-m", "pgcutover")
ACCEPT = "application/vnd.heroku+json; version=3"
LIMIT_S = 480
POLL_S = 0.02

Said = subprocess.CompletedProcess[str]


class Watched:
    """A command that runs while the test does something."""

    def __init__(self, words: tuple[str, ...], home: Path, environment: Mapping[str, str], log: Path) -> None:
        self.words = words
        self._log = log
        with (log / "out").open("w") as out, (log / "err").open("w") as err:
            self.process = subprocess.Popen(
                [*COMMAND, *words],
                cwd=home,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return (self._log / "out").read_text()

    @property
    def errors(self) -> str:
        return (self._log / "err").read_text()

    def until(self, pattern: str, *, limit_s: float = LIMIT_S) -> bool:
        """Wait until stderr says it; False when the command ended without."""
        deadline = time.monotonic() + limit_s
        while not re.search(pattern, self.errors):
            if self.process.poll() is not None:
                return re.search(pattern, self.errors) is not None
            assert time.monotonic() < deadline, f"{self.words} never said {pattern!r}:\n{self.errors}"
            time.sleep(POLL_S)
        return True

    def begun(self, step: str) -> None:
        """Wait until the step has begun."""
        assert self.until(rf"(?m)^\S+ {re.escape(step)}( \(try \d+\))?: "), f"{step} never began:\n{self.errors}"

    def kill(self) -> None:
        """As a power cut: the process and all it started, at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def ended(self, *, code: int = 0) -> Said:
        """Wait for the end; it must be with this exit code."""
        returned = self.process.wait(LIMIT_S)
        said = subprocess.CompletedProcess(self.words, returned, self.output, self.errors)
        return checked(said, code)


def checked(said: Said, code: int | Container[int]) -> Said:
    wanted = [code] if isinstance(code, int) else code
    assert said.returncode in wanted, f"{said.args} ended with {said.returncode}:\n{said.stdout}\n{said.stderr}"
    return said


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A running lab, used from one directory: its own (`home`), or another person's (`at`)."""

    directory: Path
    home: Path
    addon: str
    """The database that DATABASE_URL names at the start, as Heroku names it and as the server does."""
    database: str
    extra: Mapping[str, str] = field(default_factory=dict)
    """Environment on top of lab.env."""
    forgiven: set[str] = field(default_factory=set)
    history: list[Said] = field(default_factory=list)
    """Every command of every directory, as it ended."""

    @classmethod
    def up(cls, directory: Path, *, speed: float, kind: world.World = "single") -> Self:
        world.up(directory, size="small", speed=speed, seed=1, world=kind)
        estate = json.loads(estate_file(LabLayout(directory)).read_text())
        addon = estate["apps"][APP]["attachments"]["DATABASE"]["addon"]
        return cls(
            directory=directory.resolve(),
            home=directory.resolve(),
            addon=addon,
            database=estate["servers"][addon]["database"],
        )

    def down(self) -> None:
        world.down(self.directory)

    # -- the command line -------------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """A shell in which lab.env was sourced."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        return {**clean, "COLUMNS": "240", **world.environment(self.directory), **self.extra}

    def run(self, *words: str, code: int | Container[int] = 0) -> Said:
        """Run a command to its end; it must end with this exit code, or one of these."""
        said = subprocess.run(
            [*COMMAND, *words],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        said = subprocess.CompletedProcess(words, said.returncode, said.stdout, said.stderr)
        self.history.append(said)
        return checked(said, code)

    def json(self, *words: str, code: int | Container[int] = 0) -> Any:
        """The one JSON document that a command prints with --json."""
        return json.loads(self.run(*words, "--json", code=code).stdout)

    @contextmanager
    def running(self, *words: str) -> Iterator[Watched]:
        """A command that goes on while the block does something; killed when the block leaves it running."""
        log = Path(tempfile.mkdtemp(prefix="command-", dir=self.directory / "log"))
        watched = Watched(words, self.home, self.environment, log)
        try:
            yield watched
        finally:
            if watched.process.poll() is None:
                watched.kill()
            self.history.append(
                subprocess.CompletedProcess(words, watched.process.returncode, watched.output, watched.errors)
            )

    def at(self, name: str, *, config: bool = True) -> "Lab":
        """The same lab from an empty directory, with the same pgcutover.toml or with nothing."""
        home = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.directory / "log"))
        if config:
            (home / CONFIG).write_text((self.directory / CONFIG).read_text())
        return replace(self, home=home)

    def with_(self, **extra: str) -> "Lab":
        """The same directory, other environment variables."""
        return replace(self, extra={**self.extra, **extra})

    def limited(self, *commands: str, less: str = "") -> "Lab":
        """The same directory, with an access key that may do what `pgcutover rights` prints for these commands."""
        policy = json.loads(self.run("rights", *commands, "--policy").stdout)
        for statement in policy["Statement"]:
            statement["Action"] = [action for action in statement["Action"] if action != less]
        key = f"AKIALAB{''.join(commands).upper() or 'EVERYTHING':0<13.13}"
        self.rds("keys", {"key": key, "policy": policy})
        return self.with_(AWS_ACCESS_KEY_ID=key)

    def edit(self, changes: Mapping[str, str]) -> None:
        """Replace pieces of pgcutover.toml; each must be there."""
        path = self.home / CONFIG
        text = path.read_text()
        for old, new in changes.items():
            assert old in text, (old, text)
            text = text.replace(old, new)
        path.write_text(text)

    @property
    def state(self) -> Path:
        return self.home / STATE

    # -- Heroku -----------------------------------------------------------------------------------------------------

    def heroku(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the local Heroku, as somebody else with the same rights would."""
        environment = world.environment(self.directory)
        answer = httpx.request(
            method,
            f"{environment['HEROKU_HOST']}{path}",
            json=body,
            headers={"Authorization": f"Bearer {environment['HEROKU_API_KEY']}", "Accept": ACCEPT},
            timeout=30,
        )
        assert answer.is_success, (method, path, answer.status_code, answer.text)
        return answer.json()

    def knob(self, app: str = APP, **changes: Any) -> None:
        """See `/_lab/apps/{app}/knobs`."""
        self.heroku("PATCH", f"/_lab/apps/{app}/knobs", changes)

    def config_var(self, app: str = APP, **variables: str | None) -> None:
        """`heroku config:set`, waiting for the release; None unsets."""
        self.heroku("PATCH", f"/apps/{app}/config-vars", variables)
        while self.newest_release(app)["status"] == "pending":
            time.sleep(0.1)

    def newest_release(self, app: str = APP) -> Any:
        return max(self.heroku("GET", f"/apps/{app}/releases"), key=lambda release: release["version"])

    def variables(self, app: str = APP) -> dict[str, str]:
        found: dict[str, str] = self.heroku("GET", f"/apps/{app}/config-vars")
        return found

    def world(self) -> dict[str, Any]:
        """Heroku's side without what only grows, for a diff."""
        return world_state(LabLayout(self.directory))

    # -- RDS --------------------------------------------------------------------------------------------------------

    def rds(self, path: str, body: Any = None) -> Any:
        """The lab's own door to its RDS, see lab/rds/control.py; with a body, or below an instance, a POST."""
        url = f"{world.environment(self.directory)['AWS_ENDPOINT_URL']}/_lab/rds/{path}"
        post = body is not None or "/" in path
        answer = httpx.post(url, json=body or {}, timeout=30) if post else httpx.get(url, timeout=30)
        assert answer.is_success, (path, answer.text)
        return answer.json()

    def aws(self, service: str, *, region: str = "") -> Any:
        """A boto3 client of the local AWS; the caller closes it."""
        import boto3

        found = world.environment(self.directory)
        return boto3.client(
            service,
            endpoint_url=found["AWS_ENDPOINT_URL"],
            aws_access_key_id=found["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=found["AWS_SECRET_ACCESS_KEY"],
            region_name=region or found["AWS_DEFAULT_REGION"],
        )

    # -- databases --------------------------------------------------------------------------------------------------

    @property
    def leader(self) -> Cluster:
        """The old database's server."""
        return Cluster(LabLayout(self.directory).heroku / "leader", HEROKU_MAJOR)

    def source(self) -> closing[psycopg.Connection]:
        """A superuser's session on the old database, in autocommit, past every relay."""
        return closing(self.leader.superuser(self.database))

    def target(self, database: str, instance: str = APP) -> closing[psycopg.Connection]:
        """The same on an RDS instance."""
        found = next(each for each in self.rds("instances") if each["name"] == instance)
        major = int((Path(found["directory"]) / "data" / "PG_VERSION").read_text())
        return closing(Cluster(Path(found["directory"]), major).superuser(database))

    def check(self) -> dict[str, Any]:
        """The ledger's verdict."""
        return world.check(self.directory)

    def forgive(self) -> None:
        """What is lost now was left on RDS by going back after a lift: no later test is to be blamed for it."""
        self.forgiven.update(self.check()["lost_tokens"])

    def verdict(self) -> dict[str, Any]:
        """The ledger's verdict, without what an earlier test left on RDS."""
        found = self.check()
        return {**found, "lost": len(set(found["lost_tokens"]) - self.forgiven)}

    def nothing_lost(self) -> dict[str, Any]:
        """The verdict, which must be that every acknowledged write is there, once."""
        found = self.verdict()
        judged = {key: found[key] for key in ("lost", "doubled", "unjudged")}
        assert {"lost": 0, "doubled": 0, "unjudged": 0} == judged, found
        assert found["acknowledged"] > 0
        return found


def lost_in(session: psycopg.Connection, directory: Path) -> set[str]:
    """Every token that the ledger calls lost when the application's database is this one.

    Promises are read first, for the application goes on writing; deletes again after the rows, for the same reason.
    """
    acknowledged = [entry for entry in read(directory) if entry.kind is Kind.ACKNOWLEDGED]
    rows = dict(session.execute("SELECT token::text, version FROM ledger_entries").fetchall())
    doomed = {entry.write.token for entry in read(directory) if entry.write is not None and entry.write.op is Op.DELETE}
    return set(judge(acknowledged, doomed, {t: Row(version=v, copies=1) for t, v in rows.items()}).lost)


def password(url: str) -> str:
    return str(conninfo_to_dict(url)["password"])


class CommandLines:
    """Every command line of this machine that was seen while a block ran: what `ps` could have shown to anybody."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(0.05):
            for entry in Path("/proc").glob("[0-9]*"):
                try:
                    self.seen.add((entry / "cmdline").read_bytes())
                except OSError:
                    continue
