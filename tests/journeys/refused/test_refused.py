"""What people get wrong, and what the world refuses: a clear error, a hint, the exit code of its class."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from lab_driver import APP, CONFIG, Lab
from meddler import meddling

from pgcutover.lab.clusters import free_port

USAGE, CONFIG_WRONG, RIGHTS, REFUSED, STALE = 64, 65, 66, 67, 68
TOOL, SOURCE, TARGET_NOT_EMPTY, HEROKU, QUOTA = 74, 80, 83, 84, 87
ELSEWHERE = "us-west-2"
"""A Region where this lab has made nothing."""


def refused(lab: Lab, *words: str, code: int) -> str:
    """The command's message, on one line; it has a hint and shows no traceback, and Heroku is as before."""
    before = lab.world(), {each["name"] for each in lab.rds("instances")}
    said = lab.run(*words, code=code)
    assert before == (lab.world(), {each["name"] for each in lab.rds("instances")})
    assert "Traceback" not in said.stderr
    assert "hint: " in said.stderr, said.stderr
    return " ".join(said.stderr.split())


# -- the command line and the files --------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("move",), ("migrate", "--on-failure", "pray")], ids=" ".join)
def test_a_wrong_command_line(lab: Lab, words: tuple[str, ...]) -> None:
    """An unknown command or option, or a missing one, is 64 and names the help."""
    assert "--help" in lab.run(*words, code=USAGE).stderr


def test_an_unknown_key(lab: Lab) -> None:
    """A misspelt key is refused with the nearest known one."""
    lab.edit({'exposure = "public-tls"': 'exposur = "public-tls"'})
    assert "did you mean exposure?" in refused(lab, "plan", code=CONFIG_WRONG)


def test_several_environments(lab: Lab) -> None:
    """With more than one environment a command wants to know which."""
    path = lab.home / CONFIG
    text = path.read_text()
    path.write_text(
        text
        + text[text.index("[environments.production]") :].replace("environments.production", "environments.staging")
    )
    said = refused(lab, "plan", code=CONFIG_WRONG)
    assert "--env" in said
    assert "production, staging" in said


def test_a_file_that_is_no_toml(lab: Lab) -> None:
    """A syntax error is said with its line."""
    (lab.home / CONFIG).write_text("version = 1\n[environments.production\n")
    said = " ".join(lab.run("plan", code=CONFIG_WRONG).stderr.split())
    assert "not valid TOML" in said
    assert "line 2" in said


def test_no_configuration(lab: Lab) -> None:
    """Without a pgcutover.toml every command says how to get one."""
    nowhere = lab.at("nowhere", config=False)
    assert "pgcutover init" in refused(nowhere, "plan", code=CONFIG_WRONG)


def test_a_plan_that_was_changed_by_hand(lab: Lab) -> None:
    """A plan whose digest does not fit is not run."""
    lab.run("plan")
    newest = max((lab.state / "plans").glob("*.json"))
    edited = lab.home / "edited.json"
    edited.write_text(newest.read_text().replace('"db.t4g.large"', '"db.t4g.small"'))
    assert "changed by hand" in refused(lab, "migrate", str(edited), "--yes", code=STALE)
    assert "cannot be understood" in refused(lab, "migrate", str(lab.home / CONFIG), "--yes", code=CONFIG_WRONG)


# -- rights ----------------------------------------------------------------------------------------------------------


def test_a_wrong_token(lab: Lab) -> None:
    """Heroku's 401 is a matter of rights, and none at all of configuration."""
    assert "HEROKU_API_KEY" in refused(lab.with_(HEROKU_API_KEY="HRKU-wrong"), "plan", code=RIGHTS)
    assert "HEROKU_API_KEY is not set" in refused(lab.with_(HEROKU_API_KEY=""), "plan", code=CONFIG_WRONG)


def test_a_token_that_may_only_read(lab: Lab) -> None:
    """It makes plans; prepare finds out before it touches anything on either side."""
    reader = lab.with_(HEROKU_API_KEY=f"{lab.environment['HEROKU_API_KEY']}-read")
    reader.run("plan")
    assert "scope" in refused(reader, "prepare", code=RIGHTS)
    with lab.source() as session:
        found = session.execute("SELECT to_regnamespace('pgcutover') IS NULL").fetchone()
    assert (True,) == found


def test_a_token_that_may_not_read_config(lab: Lab) -> None:
    """Without the scope read-protected the database's URL is out of reach, and that is said."""
    lab.heroku("PUT", "/_lab/keys", {"key": "HRKU-reader", "scope": "read"})
    assert "scope" in refused(lab.with_(HEROKU_API_KEY="HRKU-reader"), "plan", code=RIGHTS)


def test_wrong_aws_keys(lab: Lab) -> None:
    """AWS's refusal is a matter of rights too."""
    assert refused(lab.with_(AWS_ACCESS_KEY_ID="AKIANOBODY0000000000"), "plan", code=RIGHTS)


# -- the estate ------------------------------------------------------------------------------------------------------


def test_an_unknown_app(lab: Lab) -> None:
    """An app that Heroku does not know is named."""
    lab.edit({"acme-api": "acme-nope"})
    assert "acme-nope" in refused(lab, "plan", code=CONFIG_WRONG)
    assert "acme-nope" in " ".join(
        lab.at("new", config=False).run("init", "acme-nope", code=CONFIG_WRONG).stderr.split()
    )


def test_an_app_without_postgres(lab: Lab) -> None:
    """An app with no database says which attachments there are."""
    lab.edit({"acme-api": "acme-docs"})
    assert "acme-docs has no attachment DATABASE" in refused(lab, "plan", code=CONFIG_WRONG)
    said = lab.at("new", config=False).run("init", "acme-docs", code=CONFIG_WRONG).stderr
    assert "no Heroku Postgres" in said


def test_an_attached_app_that_is_not_listed(lab: Lab) -> None:
    """An app that would be left behind on the old database is refused by name."""
    made = lab.heroku("POST", "/addon-attachments", {"addon": lab.addon, "app": "acme-docs", "name": "DATABASE"})
    try:
        assert "acme-docs" in refused(lab, "plan", code=REFUSED)
    finally:
        lab.heroku("DELETE", f"/addon-attachments/{made['id']}")


def test_the_name_of_the_second_attachment_is_taken(lab: Lab) -> None:
    """Another add-on under the name that we need is refused before anything is made."""
    follower = next(a for a in lab.heroku("GET", f"/apps/{APP}/addons") if a["name"] != lab.addon)
    name = "HEROKU_POSTGRESQL_LEGACY"
    made = lab.heroku("POST", "/addon-attachments", {"addon": follower["name"], "app": APP, "name": name})
    try:
        said = refused(lab, "plan", code=REFUSED)
        assert name in said
        assert follower["name"] in said
    finally:
        lab.heroku("DELETE", f"/addon-attachments/{made['id']}")


def test_a_stale_plan(lab: Lab) -> None:
    """A variable that names the database, set after the plan, stops the move before it begins."""
    lab.run("plan")
    lab.config_var(REPORTING_URL=lab.variables()["DATABASE_URL"])
    try:
        said = refused(lab, "migrate", "--yes", code=STALE)
        assert "not as planned" in said
        assert "pgcutover plan" in said
    finally:
        lab.config_var(REPORTING_URL=None)


# -- the source ------------------------------------------------------------------------------------------------------


@contextmanager
def source_at(lab: Lab, port: int) -> Iterator[Lab]:
    """The same lab, but Heroku says that the database listens at another port."""
    true = urlsplit(lab.variables()["DATABASE_URL"])
    with meddling(lab.environment["HEROKU_HOST"], {f"@127.0.0.1:{true.port}/": f"@127.0.0.1:{port}/"}) as host:
        yield lab.with_(HEROKU_HOST=host)


def test_the_source_refuses_connections(lab: Lab) -> None:
    """Nobody listens there: an error of the source, without its password."""
    with source_at(lab, free_port()) as client:
        said = refused(client, "plan", code=SOURCE)
    assert "refused" in said.lower()
    assert (urlsplit(lab.variables()["DATABASE_URL"]).password or "?") not in said


def test_the_source_refuses_tls(lab: Lab) -> None:
    """A server that speaks no TLS is not spoken to: the password never goes over the wire in clear."""
    with source_at(lab, lab.leader.port) as client:
        assert "offers no TLS" in refused(client, "plan", code=SOURCE)


# -- the tools -------------------------------------------------------------------------------------------------------


def tools(lab: Lab, directory: Path, *, dump: str, restore: str = "") -> None:
    """Make `pg_bin` a directory whose programs say that they are of these versions, and nothing else."""
    directory.mkdir()
    for program, version in {"pg_dump": dump, "pg_restore": restore or dump, "psql": dump}.items():
        path = directory / program
        path.write_text(f'#!/bin/sh\necho "{program} (PostgreSQL) {version}"\n')
        path.chmod(0o755)
    text = (lab.home / CONFIG).read_text()
    (lab.home / CONFIG).write_text(re.sub(r"pg_bin = .*", f"pg_bin = {json.dumps([str(directory)])}", text))


@pytest.mark.parametrize("version", ["15.20", "99.1"])
def test_t17_pg_dump_of_the_wrong_version(lab: Lab, tmp_path: Path, version: str) -> None:
    """Older than the source or newer than the target: refused by version, before anything is touched."""
    tools(lab, tmp_path / "bin", dump=version)
    said = refused(lab.with_(PATH=str(tmp_path)), "plan", code=TOOL)
    assert version in said
    assert "pg_bin" in said


# -- the target ------------------------------------------------------------------------------------------------------


def test_the_target_is_not_empty(lab: Lab) -> None:
    """A database of the planned name that holds a table is not touched."""
    lab.run("plan")
    lab.run("prepare")
    lab.run("rollback", "--yes")
    database = lab.json("plan")["plan"]["decisions"]["target"]["database"]
    with lab.target("postgres") as session:
        session.execute("SET default_transaction_read_only = off")
        there = session.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()
        if there is None:
            session.execute(f"CREATE DATABASE {database}")
    with lab.target(database) as session:
        session.execute("SET default_transaction_read_only = off")
        session.execute("CREATE TABLE somebody_elses (id int)")
        try:
            said = " ".join(lab.run("prepare", code=TARGET_NOT_EMPTY).stderr.split())
            assert "somebody_elses" in said
            assert (1,) == session.execute(
                "SELECT count(*) FROM pg_tables WHERE tablename = 'somebody_elses'"
            ).fetchone()
        finally:
            session.execute("DROP TABLE somebody_elses")


def test_the_instance_name_is_taken(lab: Lab) -> None:
    """An instance of that name which we did not make is named, and not touched."""
    lab.edit({'region = "us-east-1"': f'region = "{ELSEWHERE}"'})
    with closing(lab.aws("rds", region=ELSEWHERE)) as rds:
        rds.create_db_instance(
            DBInstanceIdentifier=APP,
            DBInstanceClass="db.t4g.micro",
            Engine="postgres",
            AllocatedStorage=20,
            MasterUsername="somebody",
            MasterUserPassword="not-a-secret-at-all",
        )
        try:
            said = refused(lab, "plan", code=REFUSED)
            assert "pgcutover did not make it" in said
            assert f'existing = "{APP}"' in said
        finally:
            rds.delete_db_instance(DBInstanceIdentifier=APP, SkipFinalSnapshot=True)
            rds.get_waiter("db_instance_deleted").wait(
                DBInstanceIdentifier=APP, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
            )


def test_a_quota(lab: Lab) -> None:
    """An account without room for another instance is told so by the plan."""
    lab.edit({'region = "us-east-1"': f'region = "{ELSEWHERE}"'})
    lab.rds("knobs", {"instance_quota": 0})
    try:
        assert "quota" in refused(lab, "plan", code=QUOTA).lower()
    finally:
        lab.rds("knobs", {"instance_quota": 40})


def test_a_disk_that_is_too_small(lab: Lab) -> None:
    """A disk that cannot hold the data is refused with the size that can."""
    lab.edit({'size = "next"': 'size = "next"\nstorage_gb = 20'})
    lab.edit({'region = "us-east-1"': f'region = "{ELSEWHERE}"'})
    with bloated(lab, gib=40):
        said = refused(lab, "plan", code=REFUSED)
    assert "20 G" in said
    assert "storage_gb" in said


@contextmanager
def bloated(lab: Lab, *, gib: int) -> Iterator[None]:
    """A table whose files are large, but of holes only."""
    with lab.source() as session:
        session.execute("CREATE TABLE vast (id int) WITH (autovacuum_enabled = false)")
        session.execute(f'ALTER TABLE vast OWNER TO "{urlsplit(lab.variables()["DATABASE_URL"]).username}"')
        (path,) = session.execute("SELECT pg_relation_filepath('vast')").fetchone() or ("",)
        first = lab.leader.data / path
        try:
            for number in range(gib):
                part = first if number == 0 else first.with_name(f"{first.name}.{number}")
                part.touch()
                os.truncate(part, 1 << 30)
                os.chown(part, first.stat().st_uid, first.stat().st_gid)
            yield
        finally:
            session.execute("DROP TABLE vast")
