"""BREAK-GLASS.md: its commands are typed into a real shell, with a `heroku` that writes down what it was asked."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import story

from pgcutover.errors import ConfigError
from pgcutover.faces.documents import break_glass, plan_markdown
from pgcutover.planning.moves import AppMoves, KeptAttachment, Pooling, VariableMove
from pgcutover.planning.plan import AppPlan, Plan
from pgcutover.planning.target import ReplicaPlan

SQL = ("BEGIN READ WRITE;", 'GRANT INSERT ON TABLE public."odd $name" TO u1;', "COMMIT;")
FORMATION = {story.APP: {"web": 2, "worker": 1, "clock": 0, "release": 0}}
FOLLOWED, READ = "postgres://u:p@follower.example:5432/d", "postgres://reporting:p@old.example:5432/d"
OLD, NEW = "postgres://u:p@old.example:5432/d", "postgres://u:p@new.example:5432/acme_api?sslmode=require"
HEROKU = """#!/bin/sh
printf '%s\\n' "$*" >> "$LOG"
case "$1 $2" in
  "config:get HEROKU_POSTGRESQL_LEGACY_URL") echo "$LEGACY" ;;
  "config:get HEROKU_POSTGRESQL_LEGACY_2_URL") echo "$FOLLOWED" ;;
  "config:get PGBOUNCER_URLS") echo FOLLOWER_URL ;;
  "config:unset PGBOUNCER_URLS") ;;
  "pg:credentials:url"*) printf 'Connection information for credential.\n\n   %s\n' "$READ" ;;
  "config:get"*) echo "$CURRENT" ;;
  "config:unset"*) test "$CURRENT" = "$SWITCHED" || exit 1 ;;
  "pg:psql"*) cat >> "$LOG" ;;
esac
"""


def document(**changes: object) -> str:
    wanted = {"unfence_sql": SQL, "formation": FORMATION, "maintenance": {story.APP: False}}
    plan = changes.pop("plan", None) or story.plan()
    return break_glass(plan, **{**wanted, **changes})  # type: ignore[arg-type]


def blocks(text: str) -> list[str]:
    """The numbered blocks of commands, without the quoted one of the warning."""
    return re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def typed(commands: str, tmp_path: Path, *, current: str = NEW, legacy: str = OLD) -> list[str]:
    """What `heroku` was asked when the commands were typed into a shell; what the variables hold then."""
    (tmp_path / "heroku").write_text(HEROKU)
    (tmp_path / "heroku").chmod(0o755)
    log = tmp_path / "log"
    log.write_text("")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "LOG": str(log)}
    environment |= {"FOLLOWED": FOLLOWED, "READ": READ, "CURRENT": current, "LEGACY": legacy, "SWITCHED": NEW}
    done = subprocess.run(
        ["bash", "-eu", "-c", commands], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ("", 0) == (done.stderr, done.returncode)
    return log.read_text().splitlines()


def test_the_commands_bring_the_application_back_in_order(tmp_path: Path) -> None:
    """Closed first, fence lowered, pointed back, the exact formation, opened last."""
    asked = typed("\n".join(blocks(document())[:5]), tmp_path)
    assert [
        "maintenance:on -a acme-api",
        "ps:scale web=0 worker=0 clock=0 -a acme-api",
        "ps -a acme-api",
        "pg:psql HEROKU_POSTGRESQL_LEGACY_URL -a acme-api",
        "\\set ON_ERROR_STOP on",
        "\\set AUTOCOMMIT on",
        *SQL,
        "pg:killall HEROKU_POSTGRESQL_LEGACY_URL -a acme-api",
        "config:get DATABASE_URL -a acme-api",
        "config:get HEROKU_POSTGRESQL_LEGACY_URL -a acme-api",
        "config:get REPORTING_URL -a acme-api",
        f"config:set REPORTING_URL={OLD} -a acme-api",
        "config:unset DATABASE_URL -a acme-api",
        f"addons:attach {story.ADDON} --as DATABASE -a acme-api --confirm acme-api",
        "config:unset POOL_URL -a acme-api",
        "pg:connection-pooling:attach acme-api::HEROKU_POSTGRESQL_LEGACY --as POOL -a acme-api",
        "config:unset READER_URL -a acme-api",
        f"addons:attach {story.ADDON} --as READER -a acme-api --credential reporting --confirm acme-api",
        "releases -n 1 --json -a acme-api",
        "releases -n 3 -a acme-api",
        "ps:scale web=2 worker=1 -a acme-api",
        "maintenance:off -a acme-api",
    ] == asked


def test_what_was_not_switched_is_left_alone(tmp_path: Path) -> None:
    """Before the switch nothing is attached and no copy is set: it may have options that the old URL has not."""
    asked = typed(blocks(document())[2], tmp_path, current=f"{OLD}?sslmode=require")
    assert ["config:unset"] * 3 == [line.split()[0] for line in asked if re.match("config:[us]|addons|pg:", line)]


def several_apps() -> Plan:
    """The billing app, and one that reads the follower through PgBouncer and holds copies of two kinds of URL."""
    plan = story.plan()
    follower = "postgresql-round-54321"
    reports = AppMoves(
        app="acme-reports",
        variables=(
            VariableMove(variable="COPY_URL", role="replica", addon=follower),
            VariableMove(variable="FOLLOWER_URL", role="replica", attachment="FOLLOWER", addon=follower),
            VariableMove(variable="READER_COPY", user="reporting", addon=story.ADDON),
        ),
        process_types=("web",),
        web_types=("web",),
        has_release_phase=False,
        private_space=False,
        sslmode="none",
        pooling=Pooling(starter="bin/start-pgbouncer", variables=("FOLLOWER_URL",), was_set=False),
    )
    added = AppPlan(moves=reports, smoke="", connect="psql", formation=(("web", 1),))
    kept = KeptAttachment(app=story.APP, addon=follower, name="HEROKU_POSTGRESQL_LEGACY_2")
    decided = plan.decisions.model_copy(
        update={"apps": (*plan.decisions.apps, added), "kept": (*plan.decisions.kept, kept)}
    )
    return plan.model_copy(update={"decisions": decided})


def test_every_app_gets_back_what_it_had(tmp_path: Path) -> None:
    """A copy of the follower's URL gets the follower's, a credential's its own; PGBOUNCER_URLS goes where none was."""
    commands = blocks(document(plan=several_apps()))[2]
    others = ("acme-reports", "LEGACY_2", "--name")
    asked = [line for line in typed(commands, tmp_path) if any(word in line for word in others)]
    assert [
        "pg:credentials:url HEROKU_POSTGRESQL_LEGACY_URL --name reporting -a acme-api",
        "config:get READER_COPY -a acme-reports",
        f"config:set READER_COPY={READ} -a acme-reports",
        "config:get HEROKU_POSTGRESQL_LEGACY_2_URL -a acme-api",
        "config:get COPY_URL -a acme-reports",
        f"config:set COPY_URL={FOLLOWED} -a acme-reports",
        "config:get PGBOUNCER_URLS -a acme-reports",
        "config:unset PGBOUNCER_URLS -a acme-reports",
        "config:unset FOLLOWER_URL -a acme-reports",
        "addons:attach postgresql-round-54321 --as FOLLOWER -a acme-reports --confirm acme-reports",
        "releases -n 1 --json -a acme-reports",
        "releases -n 3 -a acme-reports",
    ] == asked
    assert "COPY_URL of acme-reports, READER_COPY of acme-reports: each held a copy" in document(plan=several_apps())


def test_every_app_is_closed_started_and_opened(tmp_path: Path) -> None:
    """All of them, whichever server they read."""
    formation = {**FORMATION, "acme-reports": {"web": 3}}
    maintenance = {story.APP: False, "acme-reports": False}
    text = blocks(document(plan=several_apps(), formation=formation, maintenance=maintenance))
    asked = [line for n in (0, 3, 4) for line in typed(text[n], tmp_path) if "acme-reports" in line]
    assert [
        "maintenance:on -a acme-reports",
        "ps:scale web=0 -a acme-reports",
        "ps -a acme-reports",
        "ps:scale web=3 -a acme-reports",
        "maintenance:off -a acme-reports",
    ] == asked


def test_without_an_answer_from_heroku_no_copy_is_emptied(tmp_path: Path) -> None:
    """When the old URL cannot be read, the variable keeps the new one until the block is pasted again."""
    assert not [line for line in typed(blocks(document())[2], tmp_path, legacy="") if line.startswith("config:set")]


def test_the_replaced_url_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    """Pasting the block again adds to the file, so that the new database's URL stays in it."""
    block = blocks(document())[2]
    typed(block, tmp_path)
    typed(block, tmp_path, current=OLD)
    kept = tmp_path / "database-urls.txt"
    assert [NEW, OLD] == kept.read_text().splitlines()
    assert 0o600 == kept.stat().st_mode & 0o777
    assert "`database-urls.txt`" in document()


def test_a_block_can_be_pasted_into_any_shell() -> None:
    """No comment: an interactive zsh takes it for a command and its arguments."""
    for block in blocks(document(maintenance={story.APP: True}, formation={})):
        for line in block.splitlines():
            assert "#" not in line


def test_the_check_is_typed_too(tmp_path: Path) -> None:
    """The last block is valid shell as well, and only looks."""
    asked = typed(blocks(document())[5], tmp_path)
    verbs = {line.split()[0] for line in asked}
    assert {"releases", "addons", "ps", "logs", "pg:psql", "SHOW"} == verbs


def test_every_block_says_when_it_applies() -> None:
    """Six numbered blocks, each with its condition: all apply wherever the move stopped."""
    text = document()
    assert 6 == len(re.findall(r"^## \d\. ", text, re.MULTILINE))
    conditions = re.findall(r"^\*When:\* (.*)$", text, re.MULTILINE)
    assert 6 == len(conditions)
    assert {"always"} == {condition[:6] for condition in conditions}
    assert "also before the switch" in conditions[1]


def test_the_warning_comes_before_the_first_command() -> None:
    """What is lost after the lift is said first."""
    text = document()
    assert 0 < text.index("After the lift") < text.index("## 1.")


def test_web_stays_up_in_a_private_space(tmp_path: Path) -> None:
    """There, web at 0 shows errors instead of the page."""
    plan = story.plan(app=story.moves(private_space=True))
    assert "ps:scale worker=0 clock=0 -a acme-api" in typed(blocks(document(plan=plan))[0], tmp_path)


def test_an_app_that_was_closed_before_stays_closed(tmp_path: Path) -> None:
    """Maintenance mode goes back to what it was, which may be on."""
    assert [] == typed(blocks(document(maintenance={story.APP: True}))[4], tmp_path)


def test_names_cannot_break_out_of_a_command(tmp_path: Path) -> None:
    """A name with shell signs arrives at heroku as one word."""
    odd = "odd; touch pwned $(x)"
    moves = story.moves(variables=(VariableMove(variable="A_URL", attachment=odd, addon=story.ADDON),))
    asked = typed(blocks(document(plan=story.plan(app=moves)))[2], tmp_path)
    assert f"addons:attach {story.ADDON} --as {odd} -a acme-api --confirm acme-api" in asked
    assert not (tmp_path / "pwned").exists()
    assert shlex.quote(odd) in document(plan=story.plan(app=moves))


def test_a_table_name_cannot_end_the_script(tmp_path: Path) -> None:
    """A name may have line breaks in it, and the line that would end the script for psql."""
    odd = ("BEGIN;", 'GRANT INSERT ON TABLE "odd\nSQL\ntouch pwned\n\u2028;\n name" TO u1;', "COMMIT;")
    asked = typed(blocks(document(unfence_sql=odd))[1], tmp_path)
    assert "\n".join(odd).splitlines() == asked[3:-1]
    assert not (tmp_path / "pwned").exists()


def test_without_a_kept_attachment_there_is_no_way_back() -> None:
    """A plan that keeps no attachment is refused, for the document would not work."""
    plan = story.plan()
    without = plan.model_copy(update={"decisions": plan.decisions.model_copy(update={"kept": ()})})
    with pytest.raises(ConfigError, match="keeps no attachment"):
        document(plan=without)


def test_a_plan_in_markdown_has_every_step_and_the_line() -> None:
    """Every step with its undo, the facts, and the point of no return right before the lift."""
    plan = story.plan()
    text = plan_markdown(plan, story.ESTIMATES)
    for number, step in enumerate(plan.steps, start=1):
        assert f"{number}. **{step.name}**" in text
        assert f"undo by hand: {step.by_hand}" in text
    assert plan.digest in text
    assert text.index("**smoke**") < text.index("POINT OF NO RETURN") < text.index("**lift**")


def test_the_plan_says_which_replica_comes_and_when() -> None:
    """With its name, its class, and whether the load streams to it."""
    plan = story.plan()
    replica = ReplicaPlan(
        identifier="acme-api-replica",
        instance_class="db.m7g.large",
        parameter_group="acme-api-replica-postgres18",
        parameters=(),
        made="after-lift",
    )
    target = plan.decisions.target.model_copy(update={"replica": replica})
    with_one = plan.model_copy(update={"decisions": plan.decisions.model_copy(update={"target": target})})
    assert "acme-api-replica (db.m7g.large), made after the lift" in plan_markdown(with_one, {})
    assert "replica" not in plan_markdown(plan, {})
