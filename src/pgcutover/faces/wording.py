"""The sentences that every face says about a plan or a run, so that terminal, report and documents tell one story.

Pure: values in, words out; no layout, no colour.
"""

from collections.abc import Iterator, Mapping, Sequence

from pgcutover.faces.figures import count, counted, duration, listed, moment, money, rate, server_version, size
from pgcutover.faces.outages import DATABASE_FROM, USERS_FROM, planned_outage, spoken
from pgcutover.facts.building import SortMemory
from pgcutover.planning.likeness import PastDrill
from pgcutover.planning.moves import VariableMove
from pgcutover.planning.plan import AppPlan, Decisions, Phase, Plan
from pgcutover.planning.target import ReplicaPlan, TargetPlan
from pgcutover.running.state import StepState
from pgcutover.steps.history import Outcome, RunSummary, TableProof

DIGEST_DIGITS = 12
POINT_OF_NO_RETURN = "POINT OF NO RETURN"
ABOVE = "until here everything goes back by itself"
BELOW = "from here on, going back leaves the new rows on RDS, exported"
PHASES: Mapping[Phase, tuple[str, str]] = {
    "prepare": ("PREPARE", "days ahead; users notice nothing but restarting dynos"),
    "fence": ("FENCE", "the application closes, then the old database"),
    "copy": ("COPY", "definitions, rows, indexes, proof"),
    "switch": ("SWITCH", "the application gets the new database's URL and is tried"),
    "after": ("AFTER", "the application is open"),
}
ON_TARGET = frozenset({Outcome.LIFTED, Outcome.MOVED, Outcome.RETIRED})
OPEN_AGAIN = ON_TARGET | {Outcome.RETURNED}
CHANGED = frozenset({StepState.DONE, StepState.DOING, StepState.FAILED, StepState.UNDOING})
VERDICTS = {True: "equal", False: "DIFFERENT", None: "could not verify"}


def plan_facts(plan: Plan, estimates: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """What is decided, as label and sentence; the Markdown of a plan uses the same."""
    decisions, source = plan.decisions, plan.decisions.source
    users = planned_outage(plan, estimates, since=USERS_FROM)
    database = planned_outage(plan, estimates, since=DATABASE_FROM)
    yield "Users wait", f"{spoken(users)} (planned: from maintenance mode on to the lift)"
    yield "No writes", f"{spoken(database)} (planned: from the fence to the lift)"
    yield (
        "From",
        f"{source.addon} ({source.addon_plan}, {money(source.price_usd_per_month)}), "
        f"PostgreSQL {server_version(source.version)}",
    )
    yield "", f"{source.attachment} on {source.billing_app}; followers: {listed(source.followers)}"
    yield (
        "",
        f"{size(source.database_bytes)} on disk: {size(source.data_bytes)} data and {size(source.index_bytes)} indexes "
        f"in {counted(source.tables, 'table')}, about {count(source.rows_estimate)} rows",
    )
    yield from target_facts(decisions.target)
    for app in decisions.apps:
        yield from moves_of(app, decisions.target.replica)
    for kept in decisions.kept:
        yield "Keeps", f"{kept.app}: {kept.addon} stays attached as {kept.name}"
    clients = decisions.clients
    yield "Tools", f"pg_dump {_program(clients.dump_version)}, pg_restore {_program(clients.restore_version)}"
    sorts = "" if decisions.sort_memory is SortMemory.AUTO else "; sorts take the memory that the server is set to"
    yield "Copy", f"{counted(decisions.jobs, 'job')} at a time{sorts}"


def drill_heading(drill: PastDrill) -> tuple[str, str]:
    """What a drill elsewhere could not show, and which drill it was."""
    ended = "everything was as before" if drill.green else "NOT everything was as before"
    when = f"plan {drill.plan_digest[:DIGEST_DIGITS]}, {moment(drill.drilled_at)}, {ended}"
    return f"What the drill of {drill.environment} did not show", when


def drill_sentences(drill: PastDrill) -> tuple[str, ...]:
    """Each difference with why it counts."""
    return tuple(map(str, drill.differences)) or (f"nothing: no difference to {drill.environment} is known",)


def _program(version: str) -> str:
    """A client's version as people say it; a plan may hold it as the server counts, 160014."""
    return server_version(int(version)) if version.isdigit() and len(version) > 4 else version


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
    if target.replica is not None:
        when = {"before-load": "before the load", "after-lift": "after the lift"}[target.replica.made]
        yield "", f"read replica {target.replica.identifier} ({target.replica.instance_class}), made {when}"


def moves_of(app: AppPlan, replica: ReplicaPlan | None) -> Iterator[tuple[str, str]]:
    """Which server each variable of an app will name, as whom, and what stands behind it today."""
    moves, pooled = app.moves, app.moves.pooling.variables if app.moves.pooling else ()
    servers = {"primary": "primary", "replica": "replica"}
    if replica is not None and replica.made == "after-lift":
        servers["replica"] = "primary at the switch, replica at the end"
    yield "Moves", f"{moves.app}{': no variable' if not moves.variables else ''}"
    for move in moves.variables:
        login = f" as {move.user}" if move.user else ""
        through = " through PgBouncer in the dynos" if move.variable in pooled else ""
        today = f"{'attachment' if move.attachment else 'copied URL'} of {move.addon}"
        yield "", f"{move.variable} -> {servers[move.role]}{login}{through} (today: {today})"


def undo_sentence(by_hand: str, label: str) -> str:
    """How to undo a step by hand; where there is nothing to undo, only that."""
    return by_hand if by_hand.startswith("nothing to undo") else f"{label}: {by_hand}"


def outage_sentences(summary: RunSummary) -> Iterator[tuple[str, str]]:
    """Both outages as they were, and as they were planned."""
    estimates = {s.name: s.estimated_s for s in summary.steps if s.estimated_s is not None}
    for label, actual, since in (
        ("Users waited", summary.outage.users_s, USERS_FROM),
        ("No writes", summary.outage.database_s, DATABASE_FROM),
    ):
        yield label, f"{duration(actual)} (planned: {spoken(planned_outage(summary.plan, estimates, since=since))})"
    if summary.outage.back_users_s is not None:
        yield "Going back", f"users waited {duration(summary.outage.back_users_s)} once more"
    if summary.outage.back_database_s is not None:
        yield "", f"no writes for {duration(summary.outage.back_database_s)}"


def copied_sentence(summary: RunSummary) -> str:
    """Rows, bytes, time and rate of the copy; '' when nothing was copied."""
    if not summary.rows and not summary.bytes:
        return ""
    copy_s = next((s.actual_s for s in summary.steps if s.name == "copy"), None)
    return f"{count(summary.rows)} rows, {size(summary.bytes)} in {duration(copy_s)} ({rate(summary.bytes, copy_s)})"


def proof_sentence(tables: Sequence[TableProof]) -> str:
    """12 tables equal; 1 different; 1 could not be verified."""
    if not tables:
        return "nothing has been compared yet"
    found = {verdict: sum(t.equal is verdict for t in tables) for verdict in VERDICTS}
    words = [f"{counted(found[True], 'table')} equal"]
    words += [f"{found[False]} different"] if found[False] else []
    words += [f"{found[None]} could not be verified"] if found[None] else []
    return "; ".join(words)


def standing(summary: RunSummary) -> Iterator[str]:
    """Who runs on which database, and what is still there, one sentence each."""
    decisions, states = summary.plan.decisions, {s.name: s.state for s in summary.steps}
    source, target = decisions.source, decisions.target
    for app in decisions.apps:
        yield from _named(app, decisions, states)
    if summary.outcome not in OPEN_AGAIN and states.get(USERS_FROM) in CHANGED:
        yield "the application is closed: users see the maintenance page"
    if states.get(DATABASE_FROM) is StepState.DONE:
        yield f"{source.addon} is fenced: no forgotten URL can write to it; it is still there, and billed"
    elif states.get(DATABASE_FROM) in CHANGED:
        yield f"{source.addon} may be fenced in part: run the same command again, or roll back"
    keeping = {step.name for step in summary.plan.steps if step.keeps_target}
    if any(step.name in keeping and step.state in CHANGED for step in summary.steps):
        stays = "it is not ours to delete" if target.existing else "no command but destroy --target deletes it"
        replica = f", and its read replica {target.replica.identifier}," if target.replica is not None else ""
        yield f"RDS instance {target.instance}{replica} stays: {stays}"


def _named(app: AppPlan, decisions: Decisions, states: Mapping[str, StepState]) -> Iterator[str]:
    """Which database the variables of an app name now, a sentence for each database."""
    target, switched = decisions.target, states.get("switch") is StepState.DONE
    places: dict[str, list[str]] = {}
    for move in app.moves.variables:
        place = _server_of(move, target, states) if switched else move.addon or decisions.source.addon
        places.setdefault(place, []).append(move.variable)
    for place, names in places.items():
        now = f"set to the new database, {place} ({target.region}), database {target.database}"
        yield f"{app.moves.app}: {listed(names)} {now if switched else f'as before the move, {place}'}"


def _server_of(move: VariableMove, target: TargetPlan, states: Mapping[str, StepState]) -> str:
    replica = target.replica
    if move.role == "primary" or replica is None:
        return target.instance
    there = replica.made == "before-load" or states.get("follow-replica") is StepState.DONE
    return replica.identifier if there else target.instance
