"""A whole move on a machine full of secrets, at a Heroku that changes its servers; nothing is told, nothing passed by.

Told once by the fixture: init to rollback, with the commands that fail on purpose. Then everything is searched that was
written, said, or could be seen of a process by anybody else on the machine.
"""

import html
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, quote_plus

import pytest
from lab_driver import APP, CONFIG, Lab, Said, password
from shared_lab import Shared

from pgcutover.edges.pgtools import NEEDED
from pgcutover.lab.layout import LabLayout
from pgcutover.lab.tls import CertificateAuthority, self_signed

STALE, RIGHTS, TARGET, SMOKE = 68, 66, 82, 89
PROGRAMS = ("pg_dump", "pg_restore")
LOOKS = 10
CANARIES = {
    "STRIPE_SECRET_KEY": "sk_live_/51+canary%=&'\"<b>",
    "SMTP_PASSWORD": "p@ss:w0rd/#canary smtp",
    "BROKEN_URL": "postgres://acme:broken[canary@db.example:5432/old",
    "SLASHED_URL": "postgres://acme:slashed/canary@db.example:5432/old",
}


class Witness:
    """What anybody's `ps` could have shown of a command line, and the environment of PostgreSQL's programs.

    Not of a dyno: at Heroku that is a container of its own.
    """

    def __init__(self) -> None:
        self.lines: set[bytes] = set()
        self.environments: list[bytes] = []
        self._looks: dict[str, int] = {}
        self._home = b""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def watch(self, home: Path) -> Self:
        """The programs that have to do with files below `home` are ours."""
        self._home = os.fsencode(home)
        return self

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(0.05):
            alive = {process.name: process for process in Path("/proc").glob("[0-9]*")}
            self._looks = {name: self._looks.get(name, 0) + 1 for name in alive}
            for name, looks in self._looks.items():
                # A process that was just born has its parent's words still, or its shell's.
                if looks < LOOKS:
                    self._note(alive[name])

    def _note(self, process: Path) -> None:
        try:
            line, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            return
        if b"\0DYNO=" in b"\0" + environment:
            return
        self.lines.add(line)
        if self._home in line and Path(os.fsdecode(line.split(b"\0")[0])).name in PROGRAMS:
            self.environments.append(environment)


@dataclass(frozen=True, kw_only=True)
class Story:
    said: dict[str, Said] = field(default_factory=dict)
    json: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    witness: Witness = field(default_factory=Witness)
    places: dict[str, bytes] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)


@pytest.fixture(scope="module")
def story(shared: Shared, session_directory: Path) -> Iterator[Story]:
    lab, works = shared.take(), session_directory / "the-application-works-again"
    lab.config_var(**CANARIES)
    lab.edit({"python -m pgcutover.lab.application smoke": f"test -e {works}"})
    begun = len(lab.history)
    story = Story()
    with story.witness.watch(lab.home):
        _before_the_move(lab, story)
        _the_move(lab, story, works)
    _gather(lab, story, begun)
    yield story
    lab.config_var(**dict.fromkeys(CANARIES))
    shared.give_back()


def _before_the_move(lab: Lab, story: Story) -> None:
    lab.at("newcomer", config=False).run("init", APP)
    story.json["inventory"] = lab.json("inventory")
    story.json["plan"] = lab.json("plan")
    story.secrets.update(_secrets(lab))
    story.secrets["wrong HEROKU_API_KEY"] = "HRKU-wrong-canary"
    story.said["wrong token"] = lab.with_(HEROKU_API_KEY="HRKU-wrong-canary").run("inventory", code=RIGHTS)
    _fail_over(lab)
    story.said["inventory, another server"] = lab.run("inventory", code=STALE)
    story.said["prepare, another server"] = lab.run("prepare", code=STALE)
    story.json["accepting plan"] = lab.json("plan")
    other = CertificateAuthority.create(lab.directory / "log" / "other-ca", common_name="another").bundle
    story.said["wrong bundle"] = lab.with_(PGCUTOVER_RDS_CA=str(other)).run("prepare", code=TARGET)


def _the_move(lab: Lab, story: Story, works: Path) -> None:
    lab.heroku("POST", "/_lab/faults", {"kind": "status", "path": "config-vars$", "method": "PATCH"})
    story.said["stopped"] = lab.run("migrate", "--yes", "--on-failure", "stop", code=SMOKE)
    _fail_over(lab)
    works.touch()
    story.said["migrate, another server"] = lab.run("migrate", "--yes", code=STALE)
    said = " ".join(story.said["migrate, another server"].stderr.split())
    found = re.search(r"--accept-certificate ([0-9a-f]{64})", said)
    assert found, said
    story.said["wrong fingerprint"] = lab.run("migrate", "--yes", "--accept-certificate", "0" * 64, code=STALE)
    story.said["migrate"] = lab.run("migrate", "--yes", "--accept-certificate", found[1])
    story.secrets.update({f"{name} after": value for name, value in _secrets(lab).items()})
    story.json["verify"] = lab.json("verify", code=(0, 1))
    story.json["report"] = lab.json("report")
    story.json["status"] = lab.json("status")
    story.said["export"] = lab.run("status", "--export", str(lab.home / "state.export"))
    story.json["rollback"] = lab.json("rollback", "--yes")


def _fail_over(lab: Lab) -> None:
    """Heroku replaces the server: the new one has a certificate of its own."""
    self_signed(LabLayout(lab.directory).tls, stem="heroku")


def _secrets(lab: Lab) -> dict[str, str]:
    """Every secret that pgcutover has in its hands at this moment, by a name for people."""
    found = {f"{name} of {app}": value for app in (APP, "acme-docs") for name, value in _values(lab, app).items()}
    with closing(lab.aws("secretsmanager")) as manager:
        for each in manager.list_secrets()["SecretList"]:
            logins = json.loads(manager.get_secret_value(SecretId=each["Name"])["SecretString"])
            found |= {f"{key} of {each['Name']}": value for key, value in _passwords(logins)}
    return found | {name: lab.environment[name] for name in ("HEROKU_API_KEY", "AWS_SECRET_ACCESS_KEY")}


def _values(lab: Lab, app: str) -> dict[str, str]:
    """Config vars, and the passwords in those that are URLs."""
    values = lab.variables(app)
    urls = {name: value for name, value in values.items() if value.startswith("postgres") and name not in CANARIES}
    inner = {f"the password in {name}": password(url) for name, url in urls.items()}
    broken = {"the broken password": "broken[canary", "the slashed password": "slashed/canary"}
    return values | inner | (broken if app == APP else {})


def _passwords(document: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(document, dict):
        return [pair for key, value in document.items() for pair in _passwords(value, f"{path}.{key}")]
    return [(path, document)] if isinstance(document, str) and "password" in path.lower() else []


def _gather(lab: Lab, story: Story, begun: int) -> None:
    """Everything that was written and said, by place."""
    files = [path for path in (lab.home / ".pgcutover").rglob("*") if path.is_file()]
    files += [lab.home / name for name in ("BREAK-GLASS.md", CONFIG, "state.export")]
    story.places.update({str(path.relative_to(lab.home)): path.read_bytes() for path in files})
    story.modes.update({str(path.relative_to(lab.home)): path.stat().st_mode & 0o777 for path in files})
    for number, each in enumerate(lab.history[begun:]):
        story.places[f"said {number}: {' '.join(each.args)}"] = f"{each.stdout}\n{each.stderr}".encode()
    story.places.update({f"argv {line!r}": line for line in story.witness.lines})
    for log in lab.directory.rglob("*.log"):
        if log.parent.name in ("leader", "data", "log") or "instances" in log.parts:
            story.places[f"log {log.relative_to(lab.directory)}"] = log.read_bytes()


def _spelt(secrets: Mapping[str, str]) -> set[tuple[str, bytes]]:
    return {(name, spelling) for name, secret in secrets.items() for spelling in _spellings(secret)}


def _spellings(secret: str) -> set[bytes]:
    """As a URL, a form, JSON and a page would write it."""
    written = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]}
    return {each.encode() for each in (*written, html.escape(secret), html.escape(secret, quote=False))}


KEPT = ("vault.json", "state.export")
"""The two files that hold secrets on purpose, for their owner only."""
SHELL = ("PWD", "OLDPWD", "SHLVL", "_")
"""What the shell of the lab's wrapper sets by itself."""
PUBLIC = 12
"""Shorter config values are words like `production`, which stand in every sentence."""


def test_no_secret_is_written_said_or_shown(story: Story) -> None:
    """Config vars, passwords old and new, token and keys: in no argv, log, journal, plan, report, message or JSON."""
    secrets = {name: value for name, value in story.secrets.items() if len(value) > PUBLIC}
    assert len(secrets) > 20
    assert set(CANARIES) <= {name.removesuffix(f" of {APP}") for name in secrets}
    names = {Path(place).name for place in story.places}
    assert {"journal.db", "report.html", "BREAK-GLASS.md", *KEPT} <= names
    assert any(b"pg_dump" in line for line in story.witness.lines)
    searched = {place: text for place, text in story.places.items() if Path(place).name not in KEPT}
    everything = b"\0".join(searched.values())
    leaks = [
        (name, [place for place, text in searched.items() if spelling in text])
        for name, spelling in _spelt(secrets)
        # One search through everything is quick, and nearly always the last.
        if spelling in everything
    ]
    assert [] == leaks


def test_what_holds_secrets_is_for_its_owner_only(story: Story) -> None:
    """The exported state holds the old URLs, as vault.json does on the way; nobody else may read what is kept."""
    old = story.secrets[f"the password in DATABASE_URL of {APP}"].encode()
    holding = {Path(place).name for place, text in story.places.items() if old in text}
    assert {"state.export"} == holding - {"vault.json"}
    ours = {place: oct(mode) for place, mode in story.modes.items() if place != CONFIG}
    assert {} == {place: mode for place, mode in ours.items() if mode != "0o600"}


def test_postgresqls_programs_get_what_libpq_needs_and_no_more(story: Story) -> None:
    """Their environment names libpq's variables and a few of the system's; no token and no key of the shell's."""
    environments = [_variables(text) for text in story.witness.environments]
    assert environments
    names = set().union(*environments)
    assert set() == {name for name in names if not name.startswith("PG")} - {*NEEDED, "LC_ALL", *SHELL}
    assert "PGPASSWORD" in names
    keys = {story.secrets[name] for name in ("HEROKU_API_KEY", "AWS_SECRET_ACCESS_KEY")}
    assert set() == keys & {value for each in environments for value in each.values()}


def _variables(text: bytes) -> dict[str, str]:
    pairs = (part.partition("=") for part in os.fsdecode(text).split("\0") if part)
    return {name: value for name, _, value in pairs}


# -- the old database's certificate ------------------------------------------------------------------------------------


def test_another_server_is_refused_before_anything_is_touched(story: Story) -> None:
    """inventory, prepare and migrate stop, name both fingerprints, and say how to accept the new one."""
    first = story.json["inventory"]["certificate"]
    for command in ("inventory", "prepare", "migrate"):
        said = " ".join(story.said[f"{command}, another server"].stderr.split())
        assert "presents another certificate than the plan knows" in said
        assert "--accept-certificate" in said
        assert "pgcutover plan" in said
    assert first in story.said["prepare, another server"].stderr


def test_a_new_plan_accepts_a_failover_before_the_move(story: Story) -> None:
    """The plan's decisions hold the fingerprint, and its advice says that it is another one than before."""
    old, new = story.json["plan"]["plan"], story.json["accepting plan"]["plan"]
    assert old["decisions"]["source"]["certificate"] != new["decisions"]["source"]["certificate"]
    assert old["digest"] != new["digest"]
    told = [advice["what"] for advice in new["advice"] if "another certificate" in advice["what"]]
    assert 1 == len(told)
    assert [] == [advice for advice in old["advice"] if "another certificate" in advice["what"]]


def test_in_the_middle_of_a_move_a_failover_is_accepted_by_its_fingerprint(story: Story) -> None:
    """Nobody is forced to go back; a fingerprint that the server does not have accepts nothing; the journal knows."""
    assert "presents another certificate" in " ".join(story.said["wrong fingerprint"].stderr.split())
    assert b"certificate accepted" in story.places[".pgcutover/production/journal.db"]
    assert "moved" == story.json["status"]["outcome"]
    assert "returned" == story.json["rollback"]["outcome"]


# -- the new database's certificate ------------------------------------------------------------------------------------


def test_an_rds_of_another_authority_is_refused_by_name(story: Story) -> None:
    """With a bundle that did not sign it prepare stops, before the application is touched."""
    said = " ".join(story.said["wrong bundle"].stderr.split())
    assert "certificate verify failed: unable to get local issuer certificate" in said
    assert "CA bundle" in said
