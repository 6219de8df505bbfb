"""What the terminal shows, printed into a file as a log would have it."""

import io
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import story
from rich.console import Console, RenderableType

from pgcutover.app.advice import next_steps
from pgcutover.app.compared import ComparedTable, Comparison, DifferingRow
from pgcutover.app.cutover import Code, Retired
from pgcutover.app.estate import AppEstate, Estate
from pgcutover.app.first import WrittenConfig
from pgcutover.app.lab import DemoResult
from pgcutover.app.planner import Stock
from pgcutover.errors import ReleaseFailedError
from pgcutover.faces import render
from pgcutover.faces.consoles import console
from pgcutover.faces.wording import standing
from pgcutover.facts.estate import Addon, App, Attachment, ProcessType
from pgcutover.facts.inventory import Blocker, Column, DatabaseInventory, Extension, Table
from pgcutover.facts.names import Dsn, Secret, TableName
from pgcutover.planning.moves import VariableMove
from pgcutover.planning.target import ReplicaPlan
from pgcutover.running.state import Move
from pgcutover.steps.history import StepSummary

COLUMNS = 100


def printed(shown: RenderableType, *, columns: int = COLUMNS) -> str:
    """As it looks in a file."""
    file = io.StringIO()
    Console(file=file, width=columns, highlight=False).print(shown)
    return file.getvalue()


def in_one_line(text: str) -> str:
    """Without the layout's breaks, so that a sentence can be looked for."""
    return re.sub(r"\s+", " ", text)


def test_a_plan_draws_the_point_of_no_return_before_the_lift() -> None:
    """The line stands below the last step that goes back by itself and above the lift."""
    lines = printed(render.plan_table(story.plan(), story.ESTIMATES)).splitlines()
    drawn = next(i for i, line in enumerate(lines) if "POINT OF NO RETURN" in line)
    smoke = next(i for i, line in enumerate(lines) if re.match(r"\s*\d+\s+smoke", line))
    lift = next(i for i, line in enumerate(lines) if re.match(r"\s*\d+\s+lift", line))
    assert smoke < drawn < lift
    assert COLUMNS == len(lines[drawn])


def test_a_plan_says_how_long_users_wait() -> None:
    """Users wait from maintenance mode to the lift, not for what is prepared or done afterwards."""
    shown = printed(render.plan_table(story.plan(), story.ESTIMATES))
    # 1 + 20 + 2 + 8 + 420 + 90 + 15 + 30 + 20 seconds
    assert "about 10 min 06 s (planned: from maintenance" in shown
    assert "about 9 min 45 s (planned: from the fence" in shown


def test_a_plan_does_not_claim_what_nobody_estimated() -> None:
    """A missing estimate is named, and the sum is only a lower bound."""
    shown = printed(render.plan_table(story.plan(), {**story.ESTIMATES, "copy": 0.0} | {"verify": 90}))
    assert "about 3 min 06 s" in shown
    known = {name: seconds for name, seconds in story.ESTIMATES.items() if name != "copy"}
    assert "at least 3 min 06 s; no estimate for copy" in in_one_line(printed(render.plan_table(story.plan(), known)))


def test_a_plan_shows_everything_decided() -> None:
    """Every step with its undo by hand, every variable, both databases, the advice and the digest."""
    plan = story.plan()
    shown = in_one_line(printed(render.plan_table(plan, story.ESTIMATES)))
    for step in plan.steps:
        assert step.name in shown
        assert step.by_hand in shown
    for variable in story.VARIABLES:
        assert variable.variable in shown
    for word in ("41.2 GB", "db.m7g.large", "PostgreSQL 16.14", "PostgreSQL 18.4", plan.advice[0].hint):
        assert word in shown
    assert f"Plan {plan.digest[:12]} " in shown


@pytest.mark.parametrize("columns", [60, 80, 100, 140])
def test_nothing_is_wider_than_the_screen(columns: int) -> None:
    """Every screen keeps within the columns that there are."""
    screens = (
        render.plan_table(story.plan(), story.ESTIMATES),
        render.dry_run(story.plan()),
        render.status(story.stopped()),
        render.closing(story.returned()),
    )
    assert columns >= max(len(line) for screen in screens for line in printed(screen, columns=columns).splitlines())


def test_a_log_gets_no_colour() -> None:
    """Into a file, no escape sequence is written and nothing is lost by it."""
    assert "\x1b" not in printed(render.closing(story.moved()))


def test_names_are_not_read_as_markup() -> None:
    """A name in square brackets is printed as it is."""
    proof = (ComparedTable(table="[red]odd[/red]", source_rows=1, target_rows=2, equal=False),)
    assert "[red]odd[/red]" in printed(render.comparison(compared(proof)))


def compared(tables: tuple[ComparedTable, ...] = (), *, verdict: str = "different", exit_code: int = 2) -> Comparison:
    return Comparison(
        verdict=verdict,
        exit_code=exit_code,
        says="the databases differ",
        tables=tables,
        definitions=("view public.totals: other text",),
        sequences_behind=("public.orders_id_seq",),
        warnings=("index public.i: printed otherwise",),
    )


def test_a_comparison_shows_what_differs_first() -> None:
    """The verdict comes first, then what differs; equal tables come last and are still shown."""
    proof = (
        ComparedTable(table="public.same", source_rows=1, target_rows=1, equal=True),
        ComparedTable(table="public.odd", source_rows=3, target_rows=2, equal=False),
        ComparedTable(table="public.dark", source_rows=None, target_rows=None, equal=None),
    )
    shown = printed(render.comparison(compared(proof)))
    assert shown.startswith("DIFFERENT: the databases differ (exit code 2)")
    order = [shown.index(word) for word in ("totals", "orders_id_seq", "public.odd", "public.dark", "public.same")]
    assert sorted(order) == order
    assert "1 table equal; 1 different; 1 could not be verified" in shown


def test_a_dry_run_prints_calls_of_the_phases_asked_for() -> None:
    """Only the steps of those phases, each with its calls, and the promise that nothing was touched."""
    shown = printed(render.dry_run(story.plan(), phases=("prepare",)))
    assert "Nothing has been touched" in shown
    assert "PATCH /apps/acme-api for save-config" in shown
    assert "for copy" not in shown
    assert "POINT OF NO RETURN" in printed(render.dry_run(story.plan()))


def test_status_shows_where_it_stopped_and_what_to_type() -> None:
    """A failed step shows its error; the commands to type come last."""
    shown = printed(render.status(story.stopped()))
    assert "stopped in the middle" in shown
    assert re.search(r"8\s+copy\s+failed\s+7 min 00 s\s+31\.0 s\s+the connection to <acme-api> was", shown)
    assert ["pgcutover migrate", "pgcutover rollback"] == [line.strip() for line in shown.splitlines()[-2:]]


def test_closing_tells_planned_and_actual() -> None:
    """Both outages, the copy's rate, the proof, who confirmed, and how things stand."""
    shown = in_one_line(printed(render.closing(story.moved())))
    for words in (
        "Users waited 11 min 10 s (planned: about 10 min 06 s)",
        "No writes 10 min 46 s (planned: about 9 min 45 s)",
        "1,290,215 rows, 30.1 GB in 7 min 42 s",
        "3 tables equal",
        "prabhat@example.com confirmed the fence",
        "postgresql-cubed-12345 is fenced",
        "set to the new database",
    ):
        assert words in shown


def test_closing_after_going_back_counts_what_was_left() -> None:
    """Rows left on the new database are counted by table, with the directory that they were exported to."""
    shown = in_one_line(printed(render.closing(story.returned())))
    assert "public.orders 12 3 1" in shown
    assert ".pgcutover/production/salvage/r-1" in shown
    assert "as before the move" in shown
    assert "is fenced" not in shown


def test_returned_says_whether_heroku_is_as_before() -> None:
    """No difference is said as such; each difference is shown."""
    assert "Heroku is as it was before" in printed(render.returned(story.returned(), ()))
    shown = printed(render.returned(story.returned(), ("acme-api config X: absent -> 12",)))
    assert "acme-api config X: absent -> 12" in shown
    assert "Heroku is as it was before" not in shown


def test_undo_plan_is_newest_first_and_leaves_the_target() -> None:
    """What made the target is listed as staying, never as undone."""
    shown = printed(render.undo_plan(story.moved()))
    undone, stays = shown.split("Would stay")
    assert undone.index("lift") < undone.index("fence") < undone.index("keep-attachment")
    assert "instance" in stays
    assert "create the RDS instance" not in undone


def test_an_error_says_what_now() -> None:
    """Message, hint, how the world stands, what to type, and the exit code, each on a line of its own."""
    problem = ReleaseFailedError("release v58 of [acme-api] ended as failed", hint="See its output.")
    problem.add_note("this could not be written to the journal")
    shown = printed(render.error(problem, world="everything went back", next_lines=("pgcutover plan",)))
    assert [
        "error: release v58 of [acme-api] ended as failed",
        "hint: See its output.",
        "note: this could not be written to the journal",
        "now: everything went back",
        "next:",
        "  pgcutover plan",
        "exit code 85 (ReleaseFailedError)",
    ] == [line.rstrip() for line in shown.splitlines()]


def test_inventory_shows_what_is_in_the_way_and_no_secret() -> None:
    """Tables, copied URLs and blockers are shown; the URL itself is not."""
    shown = printed(render.inventory(stock()))
    for words in (
        "web=2",
        "REPORTING_URL, a copied URL",
        "public.orders",
        "vector 0.8 in heroku_ext",
        "7 large objects",
    ):
        assert words in shown
    assert "s3cret" not in shown
    assert "Does not stop a move" in shown


def stock() -> Stock:
    url = Secret("postgres://u:s3cret@db.example:5432/d1")
    app = App(id="1", name=story.APP, region="us", maintenance=False, space=None, generation="cedar")
    attachment = Attachment(
        id="2",
        name="DATABASE",
        app=story.APP,
        addon=story.ADDON,
        addon_id="3",
        billing_app=story.APP,
        namespace=None,
    )
    entry = AppEstate(
        app=app,
        attachments=(attachment,),
        config={"DATABASE_URL": url, "REPORTING_URL": url},
        formation=(ProcessType(type="web", quantity=2, size="standard-1x", command="bin/web"),),
        buildpacks=("heroku/python",),
    )
    addon = Addon(
        id="3",
        name=story.ADDON,
        service="heroku-postgresql",
        plan="heroku-postgresql:standard-2",
        billing_app=story.APP,
        state="provisioned",
        config_vars=("DATABASE_URL",),
    )
    places = {story.ADDON: (Dsn.parse(url.reveal()),)}
    estate = Estate(apps=(entry,), leader=addon, followers=(), attachments=(attachment,), places=places)
    return Stock(estate=estate, database=database(), certificate="c" * 64, certificate_enforced=True)


def database() -> DatabaseInventory:
    column = Column(
        name="id",
        type_sql="bigint",
        base_type=("pg_catalog", "int8"),
        base_kind="b",
        collation=None,
        generated=False,
        identity=True,
        not_null=True,
    )
    table = Table(
        name=TableName(schema="public", name="orders"),
        oid=1,
        kind="table",
        columns=(column,),
        key=("id",),
        owner="u1",
        parent=None,
        inherits=(),
        partition_key=None,
        relfilenode=1,
        unlogged=False,
        row_security=False,
        rows_estimate=1200,
        heap_bytes=5_000_000,
        toast_bytes=0,
        index_bytes=1_000_000,
        index_count=1,
    )
    return DatabaseInventory(
        version=160014,
        database="d1",
        owner="u1",
        encoding="UTF8",
        collate="en_US.UTF-8",
        ctype="en_US.UTF-8",
        locale_provider="libc",
        locale="",
        system_identifier="1",
        database_bytes=6_000_000,
        max_connections=500,
        connection_limit=200,
        tables=(table,),
        sequences=(),
        extensions=(Extension(name="vector", version="0.8", schema="heroku_ext"),),
        materialised_views=(),
        settings=(),
        grants=(),
        roles=(),
        search_path="",
        fingerprint="f" * 64,
        blockers=(
            Blocker(what="7 large objects", hint="Unlink them.", stops=True),
            Blocker(what="a publication", hint="Point subscribers elsewhere.", stops=False),
        ),
    )


def test_the_rows_of_partitions_count_once() -> None:
    """A partitioned table's estimate is the sum of its partitions', which are counted themselves."""
    held = database()
    root = replace(held.tables[0], kind="partitioned", name=TableName(schema="public", name="events"))
    assert 1200 == replace(held, tables=(*held.tables, root)).rows_estimate


def test_a_code_names_plan_and_person() -> None:
    """What a colleague reads out stands in one word, beside the plan that it is for."""
    shown = printed(render.code(Code(name="prabhat@example.com", code="AB12-CD34", plan=story.plan())))
    assert "prabhat@example.com:AB12-CD34" in shown
    assert story.plan().digest[:12] in shown


def test_retired_says_what_may_be_destroyed() -> None:
    """What was removed, what stays, and the command that is left to a person."""
    done = Retired(removed=("schema pgcutover",), kept=("the old database",), may_destroy=("heroku addons:destroy x",))
    shown = printed(render.retired(done))
    assert shown.index("schema pgcutover") < shown.index("the old database") < shown.index("heroku addons:destroy x")


def test_init_says_what_to_decide() -> None:
    """The file's path, and what is left to a person."""
    written = WrittenConfig(
        path=Path("/x/pgcutover.toml"), apps=("acme-api",), addon=story.ADDON, to_decide=("exposure",)
    )
    shown = printed(render.written_config(written))
    assert "/x/pgcutover.toml" in shown
    assert "- exposure" in shown


VERDICT = {
    "acknowledged": 1234,
    "lost": 0,
    "doubled": 0,
    "unjudged": 0,
    "outage_s": {"database": 11.2, "users": 14.0},
    "apps": {"acme-api": {"database": "rds", "maintenance": False, "formation": {"web": 2}}},
}


def test_the_ledgers_verdict() -> None:
    """Acknowledged, lost and doubled writes stand in one sentence, and each app says where it is."""
    shown = printed(render.ledger(VERDICT))
    assert "1,234 acknowledged writes: 0 lost, 0 doubled" in shown
    assert "on rds, maintenance off, web=2" in shown


def test_going_back_after_the_lift_has_an_outage_of_its_own() -> None:
    """The second closing of the application is told apart from the first, and of a move alone there is none."""
    outage = story.returned().outage
    assert outage.back_users_s is not None
    assert 0 < outage.back_users_s != outage.users_s
    assert "Going back" in printed(render.closing(story.returned()))
    assert "Going back" not in printed(render.closing(story.moved()))


def test_status_names_the_process_at_work() -> None:
    """While a process works on the run, status names it, and advises to wait for it and nothing else."""
    summary = story.stopped().model_copy(update={"at_work": "process 7 on laptop", "next": ()})
    summary = summary.model_copy(update={"next": next_steps(summary)})
    shown = printed(render.status(summary))
    assert "process 7 on laptop, now" in shown
    assert "pgcutover migrate" not in shown


def test_what_is_destroyed_is_not_advised_to_be_destroyed() -> None:
    """After destroy, status no longer says to."""
    assert any("destroy" in line for line in next_steps(story.returned()))
    destroyed = story.returned().model_copy(update={"destroyed": True})
    assert not any("destroy" in line for line in next_steps(destroyed))


@pytest.mark.parametrize(("missing", "told"), [((), "each is in the export"), (("t-2",), "1 are NOT in the export")])
def test_the_demo_ends_with_everything(missing: tuple[str, ...], told: str) -> None:
    """Ledger, way back, salvaged rows, what the export lacks, and the report's path are on one screen."""
    result = DemoResult(
        moved=story.moved(),
        ledger=VERDICT,
        report=Path("/demo/report.html"),
        returned=story.returned(),
        left=(),
        left_behind=("t-1", "t-2"),
        not_exported=missing,
        seconds=142.0,
    )
    shown = in_one_line(printed(render.demo(result)))
    for words in (
        "0 lost",
        "16 rows of 1 table",
        "2 acknowledged writes made there",
        told,
        "Heroku is as it was before",
        "/demo/report.html",
        "2 min 22 s",
    ):
        assert words in shown


def test_a_lab_that_is_down_can_be_shown() -> None:
    """Servers and processes are listed also where nothing runs."""
    server = SimpleNamespace(name="heroku/leader", major=16, port=15001, running=False)
    lab = SimpleNamespace(
        directory="/lab", state="stopped", pid=None, size="small", speed=10.0, urls={}, servers=(server,), processes={}
    )
    shown = printed(render.lab_status(lab))
    assert re.search(r"heroku/leader\s+16\s+15001\s+stopped", shown)


def test_a_pipe_is_a_hundred_columns_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no terminal, tables get the width that they are made for, unless COLUMNS says otherwise."""
    monkeypatch.delenv("COLUMNS", raising=False)
    assert COLUMNS == console().width
    monkeypatch.setenv("COLUMNS", "72")
    assert 72 == console().width


def test_every_move_of_a_step_can_be_summarised() -> None:
    """A step that failed while it was undone shows as undoing, with its error."""
    told = story.tell("fence")
    told.event("fence", Move.BEGIN_UNDO)
    told.event("fence", Move.FAIL_UNDO, error="lock timeout")
    shown = printed(render.status(story.summary(told)))
    assert re.search(r"fence\s+undoing.*lock timeout", shown)


def test_rows_that_differ_are_counted_and_called_by_what_the_comparison_says() -> None:
    """Kinds and columns are words; rows without a key are only counted; what is not named is said to be more."""
    rows = (
        DifferingRow(kind="different", key="#12ab", columns=("name", "age")),
        DifferingRow(kind="missing", key="#34cd", columns=()),
    )
    table = ComparedTable(
        table="public.odd", source_rows=3, target_rows=2, equal=False, missing=4, extra=0, different=1, rows=rows
    )
    shown = printed(render.comparison(compared((table,))))
    assert "Rows of public.odd  4 missing, 0 extra, 1 different" in shown
    assert "- #12ab: different in name, age" in shown
    assert "- #34cd: missing on the target" in shown
    assert "and 3 more" in shown


def test_each_variable_is_shown_with_the_server_that_it_names() -> None:
    """In the plan for good, and in a run as it is: a replica made after the lift is named by the last step only."""
    moves = story.moves(
        variables=(
            VariableMove(variable="DATABASE_URL", attachment="DATABASE", addon=story.ADDON),
            VariableMove(variable="READ_URL", role="replica", user="reporting", addon="postgresql-round-54321"),
        )
    )
    replica = ReplicaPlan(
        identifier="acme-api-replica",
        instance_class="db.m7g.large",
        parameter_group="acme-api-replica-postgres18",
        parameters=(),
        made="after-lift",
    )
    plan = story.plan(app=moves)
    target = plan.decisions.target.model_copy(update={"replica": replica})
    plan = plan.model_copy(update={"decisions": plan.decisions.model_copy(update={"target": target})})
    shown = in_one_line(printed(render.plan_table(plan, story.ESTIMATES)))
    assert f"DATABASE_URL -> primary (today: attachment of {story.ADDON})" in shown
    assert "READ_URL -> primary at the switch, replica at the end as reporting (today: copied URL of" in shown
    moved = story.moved().model_copy(update={"plan": plan})
    assert "acme-api: DATABASE_URL, READ_URL set to the new database, acme-api (" in " ".join(standing(moved))
    last = StepSummary.model_validate({**moved.steps[-1].model_dump(), "name": "follow-replica"})
    followed = " ".join(standing(moved.model_copy(update={"steps": (*moved.steps, last)})))
    assert "acme-api: READ_URL set to the new database, acme-api-replica (" in followed
    back = " ".join(standing(story.returned().model_copy(update={"plan": plan})))
    assert "acme-api: READ_URL as before the move, postgresql-round-54321" in back
