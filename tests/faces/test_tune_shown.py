"""What `tune` shows, and the plan that its winner goes into."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import story
from psycopg import sql
from test_render import in_one_line, printed

from little_database import own_database, run_sql
from pgcutover.app.records import Records
from pgcutover.app.step_order import planned_steps
from pgcutover.app.tune import Tried, TuneDone
from pgcutover.edges.journal import SqliteJournal
from pgcutover.errors import StalePlanError
from pgcutover.faces import render
from pgcutover.facts.building import SortMemory
from pgcutover.lab.clusters import Cluster, binaries
from pgcutover.planning.plan import Plan
from pgcutover.planning.trials import Setting

CONFIG = """
version = 1
[environments.production]
production = true
database = "acme-api::DATABASE"
apps = ["acme-api"]
[environments.production.target]
region = "us-east-1"
exposure = "public-tls"
"""
AUTO, SERVER = Setting(jobs=4), Setting(jobs=4, sort_memory=SortMemory.SERVER)


def planned(*, jobs: int) -> Plan:
    """A plan that can be run."""
    plan = story.plan()
    decisions = plan.decisions.model_copy(update={"jobs": jobs})
    return plan.model_copy(update={"decisions": decisions, "steps": planned_steps(decisions)})


def done(**changed: object) -> TuneDone:
    tried = tuple(
        Tried(setting=setting, median_s=middle, fastest_s=middle - 1, slowest_s=middle + 1, tries=2)
        for setting, middle in ((Setting(jobs=2), 90.0), (AUTO, 60.0), (SERVER, 40.0))
    )
    told = TuneDone(
        source="me@old:5432/app",
        target="me@new:5432/app",
        bytes_copied=2_000_000_000,
        bytes_total=41_200_000_000,
        left_out=("large objects: 12",),
        skipped=(16,),
        tries=(),
        tried=tried,
        usual=AUTO,
        best=SERVER,
        faster=True,
        command=f"pgcutover copy {SERVER.options}",
        removed=("pgcutover_tune_0123456789ab",),
    )
    return told.model_copy(update=changed)


def test_the_table_names_the_winner_and_what_was_not_tried() -> None:
    """Every setting with its times, the best one marked, the options to type, and what no try has seen."""
    shown = in_one_line(printed(render.tuned(done())))
    for words in (
        "2 chosen for each index 1 min 30 s 1 min 29 s 1 min 31 s 2",
        "4 as the server is set 40.0 s 39.0 s 41.0 s 2 best",
        "2.0 GB of 41.2 GB copied",
        "50% faster than 4 jobs",
        "Use it: pgcutover copy --jobs 4 --sort-memory server",
        "large objects: 12",
        "16 jobs: the servers have no connections for so many",
        "pgcutover_tune_0123456789ab",
    ):
        assert words in shown


def test_no_winner_is_made_of_noise() -> None:
    """Where nothing is clearly faster it says so, and what is usual stays."""
    shown = in_one_line(printed(render.tuned(done(best=AUTO, faster=False, command="pgcutover copy --jobs 4"))))
    assert "No setting is clearly faster than 4 jobs: it stays." in shown
    assert "best" in shown.partition("4 chosen for each index")[2].partition("4 as the server")[0]


def test_a_tuned_plan_is_the_same_plan(tmp_path: Path) -> None:
    """Digest and steps stay, it can be read, and an older program's plan without the new key can be read, too."""
    records = Records(tmp_path / "production")
    file = records.store_plan(planned(jobs=4))
    assert file == records.tune_plan(None, jobs=7, sort_memory=SortMemory.SERVER)
    found = records.read_plan(None)
    assert (7, SortMemory.SERVER) == (found.decisions.jobs, found.decisions.sort_memory)
    assert planned(jobs=4).digest == found.digest
    older = json.loads(file.read_text())
    del older["decisions"]["sort_memory"]
    file.write_text(json.dumps(older))
    assert SortMemory.AUTO is records.read_plan(file).decisions.sort_memory


def test_a_run_that_was_prepared_takes_what_was_found_since(tmp_path: Path) -> None:
    """The server to try on exists after `prepare` only: its run copies as the tuned plan says; a plan that decides
    something else, or that cannot be read, changes nothing."""
    records = Records(tmp_path / "production")
    plan = planned(jobs=4)
    file = records.store_plan(plan)
    with SqliteJournal(records.journal_file) as journal:
        run = journal.open_run("run-1", plan.digest, plan.model_dump(mode="json"), "me")
    records.tune_plan(None, jobs=7, sort_memory=SortMemory.SERVER)
    assert 7 == records.read_plan(None).decisions.jobs
    file.write_text(file.read_text().replace("acme-api", "acme-apj"))
    assert 4 == records.plan_of(run).decisions.jobs
    with pytest.raises(StalePlanError):
        records.tune_plan(file, jobs=2, sort_memory=SortMemory.AUTO)


def test_the_winner_is_written_into_the_environment_s_plan(cluster16: Cluster, tmp_path: Path) -> None:
    """`--write`: the newest plan has the best setting, and is accepted; a plan edited by hand is refused beforehand."""
    (tmp_path / "pgcutover.toml").write_text(CONFIG)
    records = Records(tmp_path / ".pgcutover" / "production")
    file = records.store_plan(planned(jobs=64))
    with own_database(cluster16) as source, own_database(cluster16) as target:
        run_sql(source, "CREATE TABLE bare AS SELECT 1 AS one")
        with cluster16.superuser() as session:
            # More would take connections that the server has not, so that one job is the best there is.
            session.execute(sql.SQL("ALTER ROLE {} CREATEDB").format(sql.Identifier(target.user)))
        environ = {
            **os.environ,
            "PGCUTOVER_SOURCE": source.url().reveal(),
            "PGCUTOVER_TARGET": target.url().reveal(),
            "PATH": os.pathsep.join([str(binaries(16)), os.environ["PATH"]]),
        }
        words = [sys.executable, "-m", "pgcutover", "tune", "--jobs", "1", "--repeats", "2", "--write", "--json"]
        ran = subprocess.run(words, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert 0 == ran.returncode, ran.stdout + ran.stderr
        said = json.loads(ran.stdout)
        assert (str(file), [64], 1) == (said["plan"], said["skipped"], said["best"]["jobs"])
        assert 1 == records.read_plan(None).decisions.jobs
        file.write_text(file.read_text().replace("acme-api", "acme-apj"))
        refused = subprocess.run(words, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (68, True) == (refused.returncode, "changed by hand" in refused.stderr)
