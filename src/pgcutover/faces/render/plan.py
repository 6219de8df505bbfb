"""A plan before it is run: what will be done, in which order, how long it takes, and where the way back ends."""

from collections.abc import Iterator, Mapping
from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pgcutover.faces.figures import count, counted, duration, listed, moment, money, server_version, size
from pgcutover.faces.outages import DATABASE_FROM, USERS_FROM, planned_outage, spoken
from pgcutover.faces.render.parts import facts, heading, line, lines, row, table
from pgcutover.planning.plan import AppPlan, Phase, Plan, PlannedStep
from pgcutover.planning.target import TargetPlan

DIGEST_DIGITS = 12
POINT_OF_NO_RETURN = "POINT OF NO RETURN"
ABOVE = "until here everything goes back by itself"
BELOW = "from here on, going back leaves the new rows on RDS, exported"
PHASES: Mapping[Phase, tuple[str, str]] = {
    "prepare": ("PREPARE", "days ahead; users notice nothing but one release"),
    "fence": ("FENCE", "the application closes, then the old database"),
    "copy": ("COPY", "definitions, rows, indexes, proof"),
    "switch": ("SWITCH", "the application gets the new database's URL and is tried"),
    "after": ("AFTER", "the application is open"),
}
NUMBER_WIDTH, NAME_WIDTH, TIME_WIDTH = 3, 18, 12


def plan_table(plan: Plan, estimates: Mapping[str, float]) -> RenderableType:
    """The whole plan. `estimates` gives seconds by step name; what it does not name shows as unknown."""
    parts: list[RenderableType] = [_title(plan), Text(), facts(plan_facts(plan, estimates)), Text()]
    parts.extend(_phases(plan, estimates))
    if plan.advice:
        parts += [Text(), heading("Before you start"), lines(f"{a.what}. {a.hint}".strip() for a in plan.advice)]
    return Group(*parts)


def dry_run(plan: Plan) -> RenderableType:
    """The calls that each step would make. Nothing has been touched."""
    parts: list[RenderableType] = [_title(plan), Text("Dry run: these calls would be made. Nothing has been touched.")]
    for number, step in enumerate(plan.steps):
        if number == plan.lift:
            parts += [Text(), point_of_no_return()]
        parts += [Text(), heading(f"{number + 1}. {step.name}", step.title)]
        parts.append(lines(step.calls or ("no call to the outside",), bullet="   "))
    return Group(*parts)


def point_of_no_return() -> RenderableType:
    return Group(Text(ABOVE, justify="center", style="dim"), line(POINT_OF_NO_RETURN), _centred(BELOW))


def plan_facts(plan: Plan, estimates: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """What is decided, as label and sentence; the Markdown of a plan uses the same."""
    decisions, source = plan.decisions, plan.decisions.source
    users = planned_outage(plan, estimates, since=USERS_FROM)
    database = planned_outage(plan, estimates, since=DATABASE_FROM)
    yield "Users wait", f"{spoken(users)} (planned: from maintenance mode on to the lift)"
    yield "No writes", f"{spoken(database)} (planned: from the fence to the lift)"
    yield "From", f"{source.addon} ({source.addon_plan}, {money(source.price_usd_per_month)}), PostgreSQL {_old(plan)}"
    yield "", f"{source.attachment} on {source.billing_app}; followers: {listed(source.followers)}"
    yield (
        "",
        f"{size(source.database_bytes)} on disk: {size(source.data_bytes)} data and {size(source.index_bytes)} indexes "
        f"in {counted(source.tables, 'table')}, about {count(source.rows_estimate)} rows",
    )
    yield from target_facts(decisions.target)
    for app in decisions.apps:
        yield "Moves", moves_of(app)
    for kept in decisions.kept:
        yield "Keeps", f"{kept.app}: {kept.addon} stays attached as {kept.name}"
    yield "Tools", f"pg_dump {decisions.clients.dump_version}, pg_restore {decisions.clients.restore_version}"
    yield "Copy", f"{counted(decisions.jobs, 'job')} at a time"


def target_facts(target: TargetPlan) -> Iterator[tuple[str, str]]:
    how = "existing RDS instance" if target.existing else "new RDS instance"
    yield (
        "To",
        f"{how} {target.instance} ({target.instance_class}, {target.region}), PostgreSQL {target.engine_version}",
    )
    zones = "Multi-AZ" if target.multi_az else "one zone"
    yield (
        "",
        f"{target.exposure}, {target.storage_gb} GB {target.storage_type}, {zones}, backups kept "
        f"{counted(target.retention_days, 'day')}",
    )
    yield "", f"database {target.database}, owned by {target.app_role}"


def moves_of(app: AppPlan) -> str:
    """Which variables of an app get the new URL, and what stands behind each today."""
    named = [f"{move.variable} ({'attachment' if move.attachment else 'copied URL'})" for move in app.moves.variables]
    return f"{app.moves.app}: {listed(named, 'no variable')}"


def _title(plan: Plan) -> Text:
    made = f"made {moment(plan.created_at)} by {plan.made_by}"
    words = f"Plan {plan.digest[:DIGEST_DIGITS]} for {plan.decisions.environment}"
    return heading(words + (" (production)" if plan.decisions.production else ""), made)


def _old(plan: Plan) -> str:
    return server_version(plan.decisions.source.version)


def _phases(plan: Plan, estimates: Mapping[str, float]) -> Iterator[RenderableType]:
    numbered = list(enumerate(plan.steps))
    for phase, group in groupby(numbered, key=lambda pair: pair[1].phase):
        steps = list(group)
        yield Text()
        yield heading(*PHASES[phase])
        before = [(n, s) for n, s in steps if n < plan.lift]
        after = [(n, s) for n, s in steps if n >= plan.lift]
        if before:
            yield _steps(before, estimates)
        if after and after[0][0] == plan.lift:
            yield point_of_no_return()
        if after:
            yield _steps(after, estimates)


def _steps(steps: list[tuple[int, PlannedStep]], estimates: Mapping[str, float]) -> Table:
    made = table("#", "step", "planned", "what it does", "undo by hand", right=("#", "planned"))
    made.expand = True
    for column, width in zip(made.columns, (NUMBER_WIDTH, NAME_WIDTH, TIME_WIDTH), strict=False):
        column.width = width
    made.columns[3].ratio = made.columns[4].ratio = 1
    for number, step in steps:
        row(made, str(number + 1), step.name, duration(estimates.get(step.name)), step.title, step.by_hand)
    return made


def _centred(words: str) -> Text:
    return Text(words, justify="center", style="dim")
