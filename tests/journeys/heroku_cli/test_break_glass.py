"""BREAK-GLASS.md, pasted block after block into a terminal with Heroku's own command line, brings the application back.

Opt-in, `pytest --cli`; see test_heroku_cli.py. Nothing of pgcutover is there any more: the process was killed, its
journal and its directory are gone, and the shell does not know its name.
"""

import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from heroku_shell import Person
from lab_driver import APP, Lab, password

from pgcutover.lab.layout import LabLayout
from pgcutover.lab.ledger import world_state
from pgcutover.lab.promises import Kind, read

pytestmark = pytest.mark.cli

SPEED = 50.0
LIFE_LIMIT_S = 60
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COPY, OWN_OPTIONS = "ANALYTICS_DATABASE_URL", "EXPORT_DATABASE_URL"
MIGRATIONS = (
    """python -c "import os, psycopg; psycopg.connect(os.environ['DATABASE_URL']).execute("""
    """'DELETE FROM ledger_entries WHERE false')\""""
)
REFUSED = "Cannot overwrite attachment values"

PRIVILEGES = """
SELECT o.kind, o.name, o.part, pg_get_userbyid(x.grantor), x.grantee::regrole::text, x.privilege_type, x.is_grantable
  FROM (SELECT c.relkind::text, c.oid::regclass::text, '', c.relnamespace,
               coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))
          FROM pg_class AS c WHERE c.relkind IN ('r', 'p', 'S', 'v', 'm')
         UNION ALL
        SELECT 'column', c.oid::regclass::text, a.attname, c.relnamespace, a.attacl
          FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid WHERE a.attacl IS NOT NULL
         UNION ALL
        SELECT 'schema', nspname, '', oid, coalesce(nspacl, acldefault('n', nspowner)) FROM pg_namespace
         UNION ALL
        SELECT 'database', datname, '', 0, coalesce(datacl, acldefault('d', datdba)) FROM pg_database
         WHERE datname = current_database()) AS o (kind, name, part, namespace, acl)
 CROSS JOIN LATERAL aclexplode(o.acl) AS x
 WHERE o.namespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_|^information_schema$|^pgcutover$')
"""
SETTINGS = """
SELECT s.setrole, s.setconfig FROM pg_db_role_setting AS s JOIN pg_database AS d ON d.oid = s.setdatabase
 WHERE d.datname = current_database()
"""


@dataclass(frozen=True, kw_only=True)
class Old:
    """What must be the same afterwards."""

    heroku: dict[str, Any]
    variables: dict[str, str]
    privileges: frozenset[tuple[Any, ...]]
    settings: frozenset[tuple[Any, ...]]

    @classmethod
    def of(cls, lab: Lab) -> "Old":
        with lab.source() as session:
            privileges = frozenset(session.execute(PRIVILEGES).fetchall())
            settings = frozenset((role, tuple(sorted(config))) for role, config in session.execute(SETTINGS))
        return cls(
            heroku={
                app: {part: found for part, found in state.items() if part != "config"}
                for app, state in world_state(LabLayout(lab.directory)).items()
            },
            variables=lab.variables(),
            privileges=privileges,
            settings=settings,
        )


@dataclass(kw_only=True)
class Story:
    """A lab in which a move was prepared, and what was there then."""

    lab: Lab
    person: Person
    old: Old
    shown: list[str] = field(default_factory=list)
    """What each block showed."""

    def paste(self) -> None:
        """From the first block to the last, as the document says."""
        document = self.person.home / "BREAK-GLASS.md"
        shutil.move(self.lab.home / "BREAK-GLASS.md", document)
        text = document.read_text()
        blocks = BLOCK.findall(text)
        assert 6 == len(blocks) == len(re.findall(r"^## \d\. ", text, re.MULTILINE))
        with self.person.terminal() as terminal:
            self.shown = [terminal.paste(block) for block in blocks]


@pytest.fixture
def story(session_directory: Path, tmp_path: Path) -> Iterator[Story]:
    """The app has a release phase that needs a database it may write to, and besides its own attachments a pooler, a
    credential, and a copied URL with options of its own.
    """
    lab = Lab.up(session_directory / f"glass-{tmp_path.name}", speed=SPEED)
    try:
        lab.heroku("PUT", f"/_lab/apps/{APP}/processes/release", {"command": MIGRATIONS})
        for more in ({"namespace": "connection-pooling:default"}, {"namespace": "credential:acme_reporting"}):
            name = "REPORTS" if "credential" in more["namespace"] else "DATABASE_CONNECTION_POOL"
            lab.heroku("POST", "/addon-attachments", {"app": APP, "addon": lab.addon, "name": name, **more})
        lab.config_var(**{OWN_OPTIONS: f"{lab.variables()['DATABASE_URL']}?application_name=export"})
        lab.run("plan")
        lab.run("prepare")
        yield Story(lab=lab, person=Person(lab=lab, home=tmp_path), old=Old.of(lab))
    finally:
        lab.down()


def lose_everything(lab: Lab) -> None:
    """The laptop is gone."""
    shutil.rmtree(lab.home / ".pgcutover")
    (lab.home / "pgcutover.toml").unlink()


def fenced(lab: Lab) -> bool:
    with lab.source() as session:
        row = session.execute("SELECT raised_at IS NOT NULL FROM pgcutover.fence").fetchone()
    return row == (True,)


def secrets(lab: Lab, *, seen: dict[str, str]) -> set[str]:
    urls = [url for url in (*seen.values(), *lab.variables().values()) if url.startswith("postgres")]
    keys = [lab.environment[name] for name in ("HEROKU_API_KEY", "AWS_SECRET_ACCESS_KEY")]
    return {password(url) for url in urls} | set(keys)


def lives(lab: Lab, *, since: float) -> bool:
    """Users' writes, and those of the writer with the copied URL, are acknowledged again."""
    promised = [entry for entry in read(LabLayout(lab.directory).ledger) if entry.at > since]
    writers = {entry.writer for entry in promised if entry.kind is Kind.ACKNOWLEDGED}
    return {f"{APP}.people", "stray"} <= writers


def wait_for_life(lab: Lab) -> None:
    since = time.time()
    while not lives(lab, since=since):
        assert time.time() - since < LIFE_LIMIT_S, "nobody writes"
        time.sleep(0.2)


def is_as_before(story: Story, *, variables: dict[str, str]) -> None:
    """All that the issue of a break-glass must be, but for what the ledger says of lost writes."""
    lab, old = story.lab, story.old
    wait_for_life(lab)
    now = Old.of(lab)
    assert old.heroku == now.heroku
    assert variables == now.variables
    assert old.privileges == now.privileges
    assert old.settings == now.settings
    verdict = lab.check()["apps"][APP]
    assert {"database": "heroku", "maintenance": False, "formation": {"web": 1, "worker": 1, "release": 0}} == verdict
    assert "succeeded" == lab.newest_release()["status"]
    with lab.source() as session:
        assert (None,) == session.execute("SELECT to_regnamespace('pgcutover')").fetchone()
    document = (story.person.home / "BREAK-GLASS.md").read_text()
    seen = secrets(lab, seen=old.variables)
    assert not [secret for secret in seen if secret in document]
    assert not [secret for secret in seen for shown in story.shown if secret in shown]
    assert re.search(r"^COMMIT$", story.shown[1], re.MULTILINE)
    assert re.search(r"^ off$", story.shown[5], re.MULTILINE)


def killed(lab: Lab, *, at: str, hang: bool = False) -> None:
    """Begin to move, and cut the power when a step begins."""
    if hang:
        lab.heroku(
            "POST", "/_lab/faults", {"kind": "hang_before", "path": "config-vars", "method": "PATCH", "seconds": 600}
        )
    with lab.running("migrate", "--yes") as move:
        move.begun(at)
        move.kill()
    lab.heroku("DELETE", "/_lab/faults")


def test_killed_in_the_copy(story: Story) -> None:
    """The fence stands, nothing is switched: nothing is attached or set, and the old database takes writes again."""
    killed(story.lab, at="copy")
    assert fenced(story.lab)
    lose_everything(story.lab)
    releases = story.lab.newest_release()["version"]
    story.paste()
    is_as_before(story, variables=story.old.variables)
    assert 4 == story.shown[2].count(REFUSED)
    assert releases == story.lab.newest_release()["version"]
    story.lab.nothing_lost()


def test_killed_between_detach_and_switch(story: Story) -> None:
    """The application has no DATABASE_URL: every attachment comes back, with its pooler and its credential."""
    killed(story.lab, at="switch", hang=True)
    assert "DATABASE_URL" not in story.lab.variables()
    lose_everything(story.lab)
    story.paste()
    is_as_before(story, variables=story.old.variables)
    assert REFUSED not in story.shown[2]
    story.lab.nothing_lost()


def test_after_the_lift(story: Story) -> None:
    """The application lived on the new database: what it wrote is still there, and so is the URL, for its owner."""
    lab = story.lab
    lab.run("migrate", "--yes")
    assert "rds" == lab.check()["apps"][APP]["database"]
    new = lab.variables()
    time.sleep(2)
    lose_everything(lab)
    story.paste()
    # A copy with options of its own gets the plain URL: the document says so.
    is_as_before(story, variables={**story.old.variables, OWN_OPTIONS: story.old.variables["DATABASE_URL"]})
    assert REFUSED not in story.shown[2]
    assert OWN_OPTIONS in (story.person.home / "BREAK-GLASS.md").read_text()
    kept = story.person.home / "database-urls.txt"
    assert [new["DATABASE_URL"]] == kept.read_text().splitlines()
    assert 0o600 == kept.stat().st_mode & 0o777
    found = lab.check()
    assert 0 == found["doubled"]
    assert 0 < found["lost"]
    with lab.target("acme_api") as session:
        tokens = {token for (token,) in session.execute("SELECT token::text FROM ledger_entries")}
    assert set(found["lost_tokens"]) <= tokens


def test_a_machine_that_hangs_and_comes_back(story: Story) -> None:
    """Locks that a hanging pgcutover still holds are broken, and when it wakes up it does not go on."""
    lab = story.lab
    with lab.running("migrate", "--yes") as move:
        move.begun("copy")
        os.killpg(move.process.pid, signal.SIGSTOP)
        assert fenced(lab)
        story.paste()
        is_as_before(story, variables=story.old.variables)
        os.killpg(move.process.pid, signal.SIGCONT)
        assert 0 != move.process.wait(120), move.errors
    # Whatever it did when it woke up, the application is open on the old database, which takes every write.
    wait_for_life(lab)
    assert "heroku" == lab.check()["apps"][APP]["database"]
    now = Old.of(lab)
    assert (story.old.privileges, story.old.settings) == (now.privileges, now.settings)
    lab.nothing_lost()
