"""`pgcutover host` as a person types it, and the advice about a detour that leads there."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import rds_world
from pgcutover.app.detour import detour
from pgcutover.app.records import Records
from pgcutover.app.step_order import planned_steps
from pgcutover.config import Surroundings
from pgcutover.errors import ConfigError, NotConfirmedError, PgcutoverError
from pgcutover.faces.cli import cli
from pgcutover.lab.handout import Access, variables
from pgcutover.planning.moves import AppMoves, KeptAttachment, VariableMove
from pgcutover.planning.plan import AppPlan, ClientPlan, Decisions, Plan, SourcePlan, digest_of
from pgcutover.planning.target import TargetPlan
from rds_world import REGION, Account

ADDON = "postgresql-cubed-12345"
CONFIG = f"""
version = 1
[environments.production]
database = "acme-api::DATABASE"
apps = ["acme-api"]
[environments.production.target]
region = "{REGION}"
exposure = "public-tls"
[environments.production.host]
size = "auto"
install = "pgcutover"
"""


@pytest.fixture(scope="module")
def account() -> Iterator[Account]:
    with rds_world.account() as made:
        yield made


@pytest.fixture
def place(account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with pgcutover.toml and a plan, in a world where AWS is the lab."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", account.url)
    # Whoever runs the tests may have set a width; here output goes into a pipe.
    monkeypatch.delenv("COLUMNS", raising=False)
    (tmp_path / "pgcutover.toml").write_text(CONFIG)
    Records(tmp_path / ".pgcutover" / "production").store_plan(plan(rds_world.planned(account.aws)))
    return tmp_path


def plan(target: TargetPlan, *, data_bytes: int = 1) -> Plan:
    moves = AppMoves(
        app="acme-api",
        variables=(VariableMove(variable="DATABASE_URL", attachment="DATABASE", addon=ADDON),),
        process_types=("web",),
        web_types=("web",),
        has_release_phase=False,
        private_space=False,
    )
    source = SourcePlan(
        addon=ADDON,
        addon_id="1",
        addon_plan="heroku-postgresql:standard-0",
        billing_app="acme-api",
        attachment="DATABASE",
        followers=(),
        version=160014,
        database_bytes=1,
        data_bytes=data_bytes,
        index_bytes=1,
        tables=1,
        rows_estimate=1,
        price_usd_per_month=None,
        certificate="c" * 64,
    )
    decisions = Decisions(
        environment="production",
        production=False,
        run_number=1,
        apps=(AppPlan(moves=moves, smoke="", connect="true", formation=(("web", 1),)),),
        kept=(KeptAttachment(app="acme-api", addon=ADDON, name="HEROKU_POSTGRESQL_LEGACY"),),
        source=source,
        target=target,
        clients=ClientPlan(dump_path="a", dump_version="160014", restore_path="a", restore_version="160014"),
        jobs=1,
    )
    return Plan(
        created_at=datetime.now(UTC),
        made_by="somebody",
        decisions=decisions,
        steps=planned_steps(decisions),
        advice=(),
        digest=digest_of(decisions),
    )


def typed(*words: str) -> Result:
    """What a person types after `pgcutover host`."""
    return CliRunner().invoke(cli, ["host", *words], standalone_mode=False)


def test_a_host_goes_up_is_shown_and_goes_down(place: Path) -> None:
    """Each command prints one document; the state is the account's, so another directory sees the same host."""
    up = typed("up", "--yes", "--json")
    assert up.exception is None, up.output
    state = json.loads(up.stdout)
    assert ["profile", "network", "create", "running", "online", "client", "pgcutover", "connect"] == [
        part["name"] for part in state["parts"]
    ]
    assert all(part["seconds"] >= 0 for part in state["parts"])
    assert f"aws ssm start-session --target {state['machine']} --region {REGION}" == state["login"]
    assert any("price by the hour is not known" in note for note in state["notes"])

    for file in (place / ".pgcutover").rglob("*.json"):
        file.unlink()
    shown = json.loads(typed("status", "--json").stdout)
    assert (state["machine"], "running", True) == (shown["machine"], shown["state"], shown["online"])

    down = json.loads(typed("down", "--yes", "--json").stdout)
    assert f"machine {state['machine']}" in down["removed"]
    assert 4 == len(down["removed"])
    assert "" == json.loads(typed("status", "--json").stdout)["machine"]
    assert [] == json.loads(typed("down", "--yes", "--json").stdout)["removed"]


def test_a_person_reads_how_to_log_in_on_one_line(place: Path) -> None:
    """Commands that are there to be pasted are not broken, and the state's way over is told."""
    said = typed("up", "--yes").stdout.splitlines()
    typed("down", "--yes")
    assert any(line.strip().startswith("aws ssm start-session --target i-") for line in said)
    for words in ("AWS-StartPortForwardingSession", "--export state.export", "--import state.export"):
        assert any(words in line for line in said), words


def test_a_dry_run_shows_calls_and_scripts_and_touches_nothing(place: Path, account: Account) -> None:
    """The class, the image, each script, and no machine."""
    said = typed("up", "--dry-run").stdout
    for words in ("c7gn.xlarge", "al2023-ami-kernel-default-arm64", "postgresql16", "pgcutover==", "Dry run"):
        assert words in said
    assert "" == json.loads(typed("status", "--json").stdout)["machine"]
    planned = json.loads(typed("up", "--dry-run", "--json").stdout)
    assert "ec2:RunInstances with profile acme-api-host" in planned["parts"][2]["calls"]


def test_nobody_is_asked_means_no(place: Path) -> None:
    """Without a terminal and without --yes nothing is made."""
    assert isinstance(typed("up").exception, NotConfirmedError)
    assert "" == json.loads(typed("status", "--json").stdout)["machine"]


def test_without_a_plan_it_is_said_what_to_type(place: Path) -> None:
    """The machine follows from the target, and that from the plan."""
    for file in (place / ".pgcutover").rglob("*.json"):
        file.unlink()
    refused = typed("up", "--yes").exception
    assert isinstance(refused, ConfigError)
    assert "pgcutover plan" in refused.hint


def test_what_pip_installs_there_must_be_named(place: Path) -> None:
    """It is not on PyPI, so that a machine would be made for nothing."""
    (place / "pgcutover.toml").write_text(CONFIG.replace('install = "pgcutover"\n', ""))
    refused = typed("up", "--dry-run").exception
    assert isinstance(refused, ConfigError)
    assert "host.install is not set" in str(refused)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('siz = "auto"', "did you mean size"),
        ('install = "git+https://user:token@example.org/x.git"', "kept in the account's history"),
        ('install = "--index-url=https://example.org"', "one thing that pip can install"),
    ],
)
def test_a_mistake_under_host_is_named(place: Path, line: str, named: str) -> None:
    """An unknown key, an option in place of a package, and a secret that AWS would keep."""
    text = CONFIG.replace('size = "auto"\n', "").replace('install = "pgcutover"\n', "")
    (place / "pgcutover.toml").write_text(f"{text}{line}\n")
    refused = typed("status").exception
    assert isinstance(refused, PgcutoverError)
    assert named in str(refused)


def test_a_detour_is_asked_about_only_where_it_matters() -> None:
    """Little data, or a target of unknown Region: nobody is asked, and nothing said."""
    around = Surroundings.read({**os.environ, "AWS_EC2_METADATA_DISABLED": "true"})
    assert () == detour(10**9, REGION, around)
    assert () == detour(10**12, "", around)
    [advice] = detour(10**12, REGION, around)
    assert "could not tell" in advice.what


def test_migrate_says_it_before_anything_else(place: Path, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine that migrates may not be the one that planned; without a token, nothing more happens here."""
    much = plan(rds_world.planned(account.aws), data_bytes=42 * 10**9)
    Records(place / ".pgcutover" / "production").store_plan(much)
    monkeypatch.delenv("HEROKU_API_KEY", raising=False)
    said = subprocess.run(
        [sys.executable, "-m", "pgcutover", "migrate", "--yes", "--json"], capture_output=True, text=True, check=False
    )
    [line] = [json.loads(line) for line in said.stderr.splitlines() if "advice" in line]
    assert "42 GB would pass through" in line["what"]
    assert "pgcutover host up" in line["hint"]
    assert ConfigError.exit_code == said.returncode


def test_whoever_practises_in_a_lab_is_never_looked_up(tmp_path: Path) -> None:
    """Its environment forbids to ask the network for EC2's metadata."""
    access = Access(url="http://127.0.0.1:1", user="", secret="")
    assert "true" == variables(heroku=access, aws=access, ca=tmp_path)["AWS_EC2_METADATA_DISABLED"]
