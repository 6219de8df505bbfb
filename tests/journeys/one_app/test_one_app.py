"""One application from Heroku Postgres 16 to RDS 18, back after the lift, there again, and retired.

The story is told once, by the fixtures, in their order; each test says one thing that was seen on the way.
"""

import json
import re
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from lab_driver import APP, CONFIG, CommandLines, Lab, Said, lost_in, password

from pgcutover.lab.layout import LabLayout
from pgcutover.planning.aws_rights import ASKED_BY_AWS, NO_RIGHT_NEEDED, RIGHTS

STRAY_LOOKS_S = 3.0
REFUSED, STALE, NOT_CONFIRMED, CONFIG_WRONG = 67, 68, 69, 65


def everything(lab: Lab) -> dict[str, Any]:
    """What a command that touches nothing must leave alone: Heroku, AWS, the old database."""
    with lab.source() as session:
        schemas = [name for (name,) in session.execute("SELECT nspname::text FROM pg_namespace ORDER BY 1")]
        settings = session.execute("SELECT setdatabase, setrole, setconfig FROM pg_db_role_setting ORDER BY 1, 2")
        found = {"schemas": schemas, "settings": settings.fetchall()}
    return {
        **found,
        "heroku": lab.world(),
        "releases": lab.newest_release()["version"],
        "rds": [each["name"] for each in lab.rds("instances")],
    }


def ledger_rows(session: psycopg.Connection) -> dict[str, int]:
    return dict(session.execute("SELECT token::text, version FROM ledger_entries").fetchall())


def schemas(session: psycopg.Connection) -> set[str]:
    return {name for (name,) in session.execute("SELECT nspname::text FROM pg_namespace")}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one chapter showed, by name."""

    said: dict[str, Said] = field(default_factory=dict)
    json: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def lab(make_lab: Callable[[str], Lab]) -> Lab:
    """Every command has the rights on AWS that pgcutover rights asks for, and no more."""
    return make_lab("one-app").limited()


@pytest.fixture(scope="module")
def looked(lab: Lab) -> Seen:
    """Everything that only looks, from init to the dry runs."""
    seen = Seen(facts={"before": everything(lab), "secrets": secrets_of(lab)})
    newcomer = lab.at("newcomer", config=False)
    seen.said["init"] = newcomer.run("init", APP)
    seen.said["init twice"] = newcomer.run("init", APP, code=REFUSED)
    seen.said["undecided"] = newcomer.run("inventory", code=CONFIG_WRONG)
    seen.facts["written"] = (newcomer.home / CONFIG).read_text()
    for words in NOTHING_YET:
        seen.said[" ".join(words)] = lab.run(*words, code=NOTHING_YET[words])
    seen.json["inventory"] = lab.json("inventory")
    seen.json["plan"] = lab.json("plan")
    seen.json["status"] = lab.json("status")
    for command in ("prepare", "migrate", "rollback"):
        seen.said[f"{command} --dry-run"] = lab.run(command, "--dry-run")
    seen.facts["after"] = everything(lab)
    return seen


NOTHING_YET = {
    ("migrate", "--yes"): CONFIG_WRONG,
    ("verify",): REFUSED,
    ("rollback", "--yes"): REFUSED,
    ("status", "--export", "x"): REFUSED,
}


@pytest.fixture(scope="module")
def prepared(lab: Lab, looked: Seen) -> Seen:
    """prepare, days ahead."""
    seen = Seen(facts={"version": lab.newest_release()["version"]})
    seen.json["prepare"] = lab.json("prepare")
    seen.json["again"] = lab.json("prepare")
    seen.facts["releases"] = lab.newest_release()["version"] - seen.facts["version"]
    seen.facts["world"] = lab.world()
    for words in TOO_EARLY:
        seen.said[" ".join(words)] = lab.run(*words, code=TOO_EARLY[words])
    return seen


TOO_EARLY = {
    ("migrate",): NOT_CONFIRMED,
    ("retire", "--yes"): REFUSED,
}


@pytest.fixture(scope="module")
def moved(lab: Lab, prepared: Seen) -> Seen:
    """migrate, and life on the new database."""
    with CommandLines() as lines:
        seen = Seen(said={"migrate": lab.run("migrate", "--yes")})
    seen.facts["command lines"] = lines.seen
    seen.facts["ledger"] = lab.nothing_lost()
    seen.facts["world"] = lab.world()
    time.sleep(STRAY_LOOKS_S)
    seen.facts["later"] = lab.nothing_lost()
    seen.json["verify"] = lab.json("verify", code=1)
    seen.json["status"] = lab.json("status")
    seen.json["report"] = lab.json("report")
    seen.facts["report mode"] = Path(seen.json["report"]["report"]).stat().st_mode & 0o777
    seen.facts["report"] = Path(seen.json["report"]["report"]).read_text()
    seen.said["again"] = lab.run("migrate", "--yes")
    seen.said["destroy"] = lab.run("destroy", "--target", APP, "--yes", code=REFUSED)
    with lab.target("acme_api") as session:
        owners = session.execute(
            "SELECT DISTINCT pg_get_userbyid(relowner)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        )
        seen.facts["owners"] = {name for (name,) in owners}
        seen.facts["roles"] = dict(
            session.execute("SELECT rolname::text, rolsuper FROM pg_roles WHERE rolname LIKE 'acme%'").fetchall()
        )
    return seen


@pytest.fixture(scope="module")
def returned(lab: Lab, moved: Seen) -> Seen:
    """rollback after the lift."""
    seen = Seen()
    seen.said["rollback"] = lab.run("rollback", "--yes")
    seen.json["status"] = lab.json("status")
    seen.facts["after"] = everything(lab)
    with lab.source() as old, lab.target("acme_api") as new:
        seen.facts["lost"] = lost_in(old, LabLayout(lab.directory).ledger)
        seen.facts["new"] = ledger_rows(new)
    salvage = Path(seen.json["status"]["salvage_directory"])
    seen.facts["modes"] = {path: path.stat().st_mode & 0o777 for path in (salvage, *salvage.iterdir())}
    seen.facts["manifest"] = json.loads((salvage / "manifest.json").read_text())
    for table in seen.facts["manifest"]["tables"]:
        lines = (salvage / table["file"]).read_text().splitlines()
        seen.facts[f"{table['schema']}.{table['table']}"] = [json.loads(line) for line in lines]
    for words in NOTHING_TO_DO:
        seen.said[" ".join(words)] = lab.run(*words, code=NOTHING_TO_DO[words])
    time.sleep(1)
    seen.facts["life"] = lab.check()
    return seen


NOTHING_TO_DO = {
    ("migrate", "--yes"): STALE,
    ("rollback", "--yes"): REFUSED,
}


@pytest.fixture(scope="module")
def again(lab: Lab, returned: Seen) -> Seen:
    """plan and migrate once more: the second try, for good."""
    seen = Seen(json={"plan": lab.json("plan")})
    seen.said["migrate"] = lab.run("migrate", "--yes")
    seen.facts["world"] = lab.world()
    with lab.target("acme_api_2") as session:
        seen.facts["lost"] = lost_in(session, LabLayout(lab.directory).ledger)
    with lab.target("acme_api") as session:
        seen.facts["first"] = ledger_rows(session)
    return seen


@pytest.fixture(scope="module")
def retired(lab: Lab, again: Seen) -> Seen:
    """retire: nobody wants to go back any more."""
    seen = Seen()
    seen.said["retire"] = lab.run("retire", "--yes")
    seen.json["status"] = lab.json("status")
    with lab.source() as old, lab.target("acme_api_2") as new:
        seen.facts["schemas"] = schemas(old) | schemas(new)
    for words in RETIRED:
        seen.said[" ".join(words)] = lab.run(*words, code=RETIRED[words])
    time.sleep(STRAY_LOOKS_S)
    seen.facts["ledger"] = lab.check()
    return seen


RETIRED = {
    ("migrate", "--yes"): STALE,
    ("rollback", "--yes"): REFUSED,
    ("destroy", "--target", APP, "--yes"): REFUSED,
}


# -- looking -----------------------------------------------------------------------------------------------------------


def test_init_writes_what_a_person_can_go_on_with(looked: Seen) -> None:
    """init fills in the app and leaves the exposure to a person; it never replaces a file."""
    assert f'database = "{APP}::DATABASE"' in looked.facts["written"]
    assert f'apps = ["{APP}"]' in looked.facts["written"]
    assert '# exposure = "public-tls"' in looked.facts["written"]
    assert "missing key environments.production.target.exposure" in looked.said["undecided"].stderr
    assert "exists" in looked.said["init twice"].stderr


def test_nothing_makes_sense_before_a_plan(looked: Seen) -> None:
    """Each command that needs a plan or a run says so, with a hint; none of them is a bug or touches anything."""
    for words in NOTHING_YET:
        said = looked.said[" ".join(words)].stderr
        assert re.search(r"pgcutover (plan|prepare)", said), (words, said)


def test_looking_touches_nothing(looked: Seen) -> None:
    """After init, inventory, plan and every --dry-run, Heroku, AWS and the database are as before."""
    assert looked.facts["before"] == looked.facts["after"]


def test_dry_runs_show_calls_and_the_point_of_no_return(looked: Seen) -> None:
    """A dry run names what it would call, and where the point of no return is."""
    assert "POST /addon-attachments" in looked.said["prepare --dry-run"].stdout
    assert "PATCH /apps/acme-api/config-vars" not in looked.said["prepare --dry-run"].stdout
    assert "PATCH /apps/acme-api/config-vars" in looked.said["migrate --dry-run"].stdout
    assert "POINT OF NO RETURN" in looked.said["migrate --dry-run"].stdout


def test_the_plan_is_data(looked: Seen) -> None:
    """plan --json names apps, variables, target and steps; it is the plan that a dry run and status show."""
    plan = looked.json["plan"]["plan"]
    moves = plan["decisions"]["apps"][0]["moves"]
    assert {"ANALYTICS_DATABASE_URL", "DATABASE_URL"} < {variable["variable"] for variable in moves["variables"]}
    assert ("acme-api", 18) == (plan["decisions"]["target"]["instance"], plan["decisions"]["target"]["major"])
    assert plan["digest"][:12] in looked.said["migrate --dry-run"].stdout
    names = [step["name"] for step in plan["steps"]]
    assert names.index("fence") < names.index("copy") < names.index("switch") < names.index("lift")
    assert ("planned", plan["digest"]) == (looked.json["status"]["outcome"], looked.json["status"]["plan"]["digest"])


def test_inventory_is_data(lab: Lab, looked: Seen) -> None:
    """inventory --json names the leader, its follower and the tables."""
    found = looked.json["inventory"]
    assert lab.addon == found["estate"]["leader"]["name"]
    assert 1 == len(found["estate"]["followers"])
    assert "ledger_entries" in json.dumps(found["database"]["tables"])


# -- preparing ---------------------------------------------------------------------------------------------------------


def test_prepare_is_one_release_for_each_attachment(looked: Seen, prepared: Seen) -> None:
    """Nothing that users notice: one release for each database that stays attached; again, it does nothing more."""
    assert "prepared" == prepared.json["prepare"]["outcome"] == prepared.json["again"]["outcome"]
    assert 2 == prepared.facts["releases"]
    before, after = looked.facts["before"]["heroku"][APP], prepared.facts["world"][APP]
    assert {"attachments", "config"} == {key for key in before if before[key] != after[key]}
    added = set(after["attachments"]) - set(before["attachments"])
    assert {"HEROKU_POSTGRESQL_LEGACY", "HEROKU_POSTGRESQL_LEGACY_2"} == added


def test_too_early(prepared: Seen) -> None:
    """A move that nobody confirmed, and what comes after a move, are refused."""
    assert "--yes" in prepared.said["migrate"].stderr
    assert "pgcutover status" in prepared.said["retire --yes"].stderr


# -- moving ------------------------------------------------------------------------------------------------------------


def test_no_acknowledged_write_is_lost(moved: Seen) -> None:
    """0 lost, 0 doubled, after the move and after some life on the new database."""
    assert moved.facts["ledger"]["acknowledged"] < moved.facts["later"]["acknowledged"]
    assert "rds" == moved.facts["later"]["apps"][APP]["database"]


def test_outages_are_seconds(moved: Seen) -> None:
    """Users and the database wait for seconds, and the summary says what the ledger measured."""
    outage, measured = moved.json["status"]["outage"], moved.facts["ledger"]["outage_s"]
    assert 0 < outage["database_s"] <= outage["users_s"] < 240
    assert measured["longest_users"] <= outage["users_s"] + 5


def test_the_application_is_as_it_was_but_on_rds(looked: Seen, moved: Seen) -> None:
    """Maintenance, formation and everything but attachments and the moved variables are as before."""
    before, after = looked.facts["before"]["heroku"][APP], moved.facts["world"][APP]
    assert {"attachments", "config"} == {key for key in before if before[key] != after[key]}
    changed = {name for name, value in before["config"].items() if after["config"].get(name) != value}
    variables = looked.json["plan"]["plan"]["decisions"]["apps"][0]["moves"]["variables"]
    assert {variable["variable"] for variable in variables} == changed


def test_the_application_role_owns_and_is_not_the_master(moved: Seen) -> None:
    """Objects belong to the application's role; nobody of ours is superuser."""
    assert {"acme_api_app"} == moved.facts["owners"]
    assert {"acme_api_app", "acme_api_master"} <= set(moved.facts["roles"])
    assert not any(moved.facts["roles"].values())


def test_t05_the_old_database_stays_fenced(moved: Seen) -> None:
    """After the lift a writer with a copied URL, which unsets read-only, gets refusals and nothing else."""
    first, later = moved.facts["ledger"]["stray"], moved.facts["later"]["stray"]
    assert first["acknowledged"] == later["acknowledged"]
    assert first["refused"] < later["refused"]
    assert "permission denied" in later["last_refusal"]


def test_verify_after_the_lift_knows_the_applications_own_writes(moved: Seen) -> None:
    """Rows written since the lift are warnings (exit code 1), never a failed proof."""
    assert (1, "warnings") == (moved.json["verify"]["exit_code"], moved.json["verify"]["verdict"])
    assert "since the lift" in moved.json["verify"]["says"]


def test_status_and_report(moved: Seen) -> None:
    """status knows proof, people and what is next; the report is one self-contained page for its owner only."""
    status = moved.json["status"]
    assert "moved" == status["outcome"]
    assert status["proof"] and all(table["equal"] for table in status["proof"])
    assert all(step["state"] == "done" for step in status["steps"])
    assert {"the fence", "the switch"} <= {w for p in status["people"] for w in re.findall("the fence|the switch", p)}
    assert any("retire" in step for step in status["next"])
    assert 0o600 == moved.facts["report mode"]
    assert "<html" in moved.facts["report"]
    assert not re.search(r"""(src|href)=["']https?://""", moved.facts["report"])


def test_a_moved_application_is_not_moved_again(moved: Seen) -> None:
    """migrate again finds nothing to do; the database in use cannot be destroyed."""
    assert "moved" in moved.said["again"].stdout
    assert "in use" in moved.said["destroy"].stderr


# -- going back --------------------------------------------------------------------------------------------------------


def test_rollback_after_the_lift_restores_heroku(looked: Seen, returned: Seen) -> None:
    """Attachments, config, formation, maintenance, schemas and settings are as before prepare: the diff is empty."""
    before, after = looked.facts["before"], returned.facts["after"]
    for part in ("heroku", "schemas", "settings"):
        assert before[part] == after[part], part
    assert "the same" in " ".join(returned.said["rollback"].stdout.split())
    assert "returned" == returned.json["status"]["outcome"]


def test_the_application_lives_on_the_old_database(returned: Seen) -> None:
    """The application and the writer with the copied URL write to the old database again."""
    assert "heroku" == returned.facts["life"]["apps"][APP]["database"]
    assert returned.facts["life"]["stray"]["last_acknowledged_at"] > time.time() - 600
    assert returned.facts["life"]["stray"]["acknowledged"] > 0
    assert 0 == returned.facts["life"]["doubled"]


def test_every_write_since_the_lift_is_in_the_export(returned: Seen) -> None:
    """Each token that the ledger calls lost is in the export in its last form; the export and the old rows are RDS."""
    changes = returned.facts["public.ledger_entries"]
    exported = {(change["new"] or change["old"])["token"] for change in changes}
    assert returned.facts["lost"]
    assert set() == returned.facts["lost"] - exported
    for change in changes:
        token = (change["new"] or change["old"])["token"]
        there = returned.facts["new"].get(token)
        assert (None if change["new"] is None else int(change["new"]["version"])) == there


def test_the_export_is_counted_and_private(returned: Seen) -> None:
    """Counts by table are those of the files; only the owner may read them; they say when to delete them."""
    status, manifest = returned.json["status"], returned.facts["manifest"]
    counted = {table["table"]: table["inserted"] + table["updated"] + table["deleted"] for table in status["salvaged"]}
    lines = {name: len(changes) for name, changes in returned.facts.items() if name.startswith("public.")}
    assert lines
    assert lines == counted
    for table in status["salvaged"]:
        kinds = [change["change"] for change in returned.facts[table["table"]]]
        for kind in ("inserted", "updated", "deleted"):
            assert table[kind] == kinds.count(kind), (table, kind)
    modes = {path.name: mode for path, mode in returned.facts["modes"].items()}
    assert 0o700 == modes.pop("salvage")
    assert {0o600} == set(modes.values())
    kept = datetime.fromisoformat(manifest["expires_at"]) - datetime.fromisoformat(manifest["created_at"])
    assert timedelta(days=30) == kept


def test_a_run_that_ended_is_not_run_again(returned: Seen) -> None:
    """After a return, moving wants a new plan, and there is nothing to go back from."""
    assert "pgcutover plan" in returned.said["migrate --yes"].stderr
    assert "nothing to go back" in returned.said["rollback --yes"].stderr


# -- again, and for good -----------------------------------------------------------------------------------------------


def test_the_second_move_takes_a_database_of_its_own(returned: Seen, again: Seen) -> None:
    """A new run never touches the rows that the first one left: same instance, new database, nothing more lost."""
    target = again.json["plan"]["plan"]["decisions"]["target"]
    assert ("acme-api", "acme_api_2") == (target["instance"], target["database"])
    assert again.facts["lost"] <= returned.facts["lost"]
    assert returned.facts["new"] == again.facts["first"]


def test_retire_leaves_no_scaffolding(retired: Seen) -> None:
    """No schema of ours is on either side; what may be destroyed is named, and nothing is destroyed."""
    assert "retired" == retired.json["status"]["outcome"]
    assert "pgcutover" not in retired.facts["schemas"]
    assert re.search(r"heroku addons:destroy postgresql-\S+ -a acme-api", retired.said["retire"].stdout)


def test_retire_leaves_the_fence(again: Seen, retired: Seen) -> None:
    """The old database is still closed to a forgotten URL, and the application lives on the new one."""
    assert "rds" == retired.facts["ledger"]["apps"][APP]["database"]
    assert "permission denied" in retired.facts["ledger"]["stray"]["last_refusal"]
    assert retired.facts["ledger"]["stray"]["last_acknowledged_at"] < time.time() - STRAY_LOOKS_S


def test_after_retire_nothing_goes_back(retired: Seen) -> None:
    """migrate, rollback and destroy are refused, each with a reason."""
    for words in RETIRED:
        assert retired.said[" ".join(words)].stderr.strip(), words


# -- rights ------------------------------------------------------------------------------------------------------------


def test_what_the_lab_saw_is_what_the_policy_allows(lab: Lab, retired: Seen) -> None:
    """The key of this story is held to its policy; what it used of it is known, and all of that is in the table."""
    used = {action for action, _ in lab.rds("calls")[lab.extra["AWS_ACCESS_KEY_ID"]]} - NO_RIGHT_NEEDED
    held = {right.action for right in (*RIGHTS, *ASKED_BY_AWS)}
    assert set() == used - held
    assert {"rds:CreateDBInstance", "rds:AddTagsToResource", "ec2:CreateTags", "secretsmanager:TagResource"} <= used
    assert set() == {action for action in used if ":Delete" in action}


# -- secrets -----------------------------------------------------------------------------------------------------------


def secrets_of(lab: Lab) -> dict[str, bytes]:
    """Every secret of the lab that pgcutover has in its hands at this moment, by a name for people."""
    with closing(lab.aws("secretsmanager")) as manager:
        names = [each["Name"] for each in manager.list_secrets()["SecretList"]]
        kept = {name: json.loads(manager.get_secret_value(SecretId=name)["SecretString"]) for name in names}
    urls = {name: value for name, value in lab.variables().items() if value.startswith("postgres")}
    found = {name: password(url) for name, url in urls.items()}
    found |= {f"{key} of the secret": value for key, value in strings(kept) if "password" in key.lower()}
    found |= {name: lab.environment[name] for name in ("HEROKU_API_KEY", "AWS_SECRET_ACCESS_KEY")}
    return {name: value.encode() for name, value in found.items()}


def strings(document: Any, path: str = "") -> list[tuple[str, str]]:
    """Every string in a JSON document, with the path to it."""
    if isinstance(document, dict):
        return [pair for key, value in document.items() for pair in strings(value, f"{path}.{key}")]
    return [(path, document)] if isinstance(document, str) else []


def test_no_secret_leaves_the_vault(lab: Lab, looked: Seen, moved: Seen, retired: Seen) -> None:
    """No password, key or token is in anything said, written, or shown by ps; only vault.json has the old URLs."""
    now = {f"{name} now": value for name, value in secrets_of(lab).items()}
    secrets = {**looked.facts["secrets"], **now}
    assert {"DATABASE_URL", "HEROKU_API_KEY", "AWS_SECRET_ACCESS_KEY"} < set(secrets)
    assert any("pgcutover/acme-api" in name for name in secrets)
    files = {path: path.read_bytes() for path in lab.state.rglob("*") if path.is_file() and path.name != "vault.json"}
    files |= {path: path.read_bytes() for path in (lab.home / "BREAK-GLASS.md", lab.home / CONFIG)}
    assert {"journal.db", "report.html", "BREAK-GLASS.md", "manifest.json"} <= {path.name for path in files}
    said = {" ".join(each.args): f"{each.stdout}{each.stderr}".encode() for each in lab.history}
    places = {**files, **said, **{line: line for line in moved.facts["command lines"]}}
    assert any(b"pg_dump" in line for line in moved.facts["command lines"])
    leaks = [(name, place) for name, secret in secrets.items() for place, text in places.items() if secret in text]
    assert [] == leaks


def test_what_is_kept_is_for_its_owner_only(lab: Lab, retired: Seen) -> None:
    """Nobody else enters .pgcutover, every file below is 0600; retire has forgotten the saved values."""
    assert 0o700 == lab.state.parent.stat().st_mode & 0o777 == lab.state.stat().st_mode & 0o777
    files = {path: path.stat().st_mode & 0o777 for path in lab.state.rglob("*") if path.is_file()}
    assert {} == {path: oct(mode) for path, mode in files.items() if mode != 0o600}
    assert "config/" not in (lab.state / "vault.json").read_text()
