"""A move to look at: one plan, and the events of runs that ended well, stopped, or went back.

Only our own values, built as the program builds them; the summaries come from the real fold.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from pgcutover.facts.rds import OWNER_TAG, RUN_TAG
from pgcutover.planning.moves import AppMoves, KeptAttachment, VariableMove
from pgcutover.planning.plan import (
    Advice,
    AppPlan,
    ClientPlan,
    Decisions,
    Phase,
    Plan,
    PlannedStep,
    SourcePlan,
    digest_of,
)
from pgcutover.planning.target import TargetPlan
from pgcutover.running.journal import Event, Note, Run
from pgcutover.running.state import Move, StepState, advance
from pgcutover.running.step import Finding, Json, Verdict
from pgcutover.steps.history import RunSummary, summarise

START = datetime(2026, 11, 22, 3, 0, 0, tzinfo=UTC)
ADDON = "postgresql-cubed-12345"
APP = "acme-api"

STEPS: tuple[tuple[str, Phase, str, str, float], ...] = (
    ("save-config", "prepare", "save the config vars that will change (0600 file)", "nothing to undo", 1),
    (
        "keep-attachment",
        "prepare",
        f"attach {ADDON} to {APP} a second time, as HEROKU_POSTGRESQL_LEGACY",
        f"heroku addons:detach HEROKU_POSTGRESQL_LEGACY -a {APP}",
        12,
    ),
    ("instance", "prepare", "create the RDS instance acme-api", "pgcutover destroy --target acme-api", 600),
    ("maintenance", "fence", "maintenance mode on", f"heroku maintenance:off -a {APP}", 1),
    ("scale-down", "fence", "scale every process type to 0", "heroku ps:scale TYPE=QUANTITY -a APP", 20),
    ("fence", "fence", "read-only, EXCLUSIVE locks, REVOKE on every table", "the statements in BREAK-GLASS.md", 2),
    ("schema", "copy", "restore the definitions", "drop what the new database holds", 8),
    ("copy", "copy", "copy every table, then build its indexes", "truncate every table", 420),
    ("verify", "copy", "compare every table on both sides", "nothing to undo", 90),
    ("switch", "switch", f"set DATABASE_URL, REPORTING_URL of {APP}", f"heroku config:unset DATABASE_URL -a {APP}", 15),
    ("smoke", "switch", "try the application behind maintenance", f"heroku ps:scale web=0 -a {APP}", 30),
    ("lift", "switch", "open the application", "pgcutover rollback; new rows are exported", 20),
    ("retention", "after", "backups on, deletion protection on", "nothing to undo", 5),
)
ESTIMATES: Mapping[str, float] = {name: seconds for name, _, _, _, seconds in STEPS}
PROOF: tuple[Mapping[str, Json], ...] = (
    {"table": "public.orders", "source_rows": 1200000, "target_rows": 1200000, "equal": True},
    {"table": "public.users", "source_rows": 90210, "target_rows": 90210, "equal": True},
    {"table": "audit.<events>", "source_rows": 5, "target_rows": 5, "equal": True},
)


def planned_steps() -> tuple[PlannedStep, ...]:
    return tuple(
        PlannedStep(
            name=name,
            phase=phase,
            title=title,
            by_hand=by_hand,
            calls=(f"PATCH /apps/{APP} for {name}",),
            keeps_target=name == "instance",
        )
        for name, phase, title, by_hand, _ in STEPS
    )


def target() -> TargetPlan:
    return TargetPlan(
        region="us-east-1",
        existing=False,
        instance="acme-api",
        instance_class="db.m7g.large",
        major=18,
        engine_version="18.4",
        storage_gb=120,
        storage_type="gp3",
        exposure="public-tls",
        vpc_id="vpc-1",
        subnet_ids=("subnet-1", "subnet-2"),
        subnet_group="acme-api-rds",
        security_group="acme-api-rds",
        allowed_cidrs=("0.0.0.0/0",),
        secret_name="pgcutover/acme-api",
        master_secret="",
        parameter_group="acme-api-postgres18",
        parameter_family="postgres18",
        load_parameters=(("max_wal_size", "8192"),),
        production_parameters=(("rds.force_ssl", "1"),),
        retention_days=7,
        multi_az=False,
        snapshot="acme-api-after-lift-1",
        final_snapshot="acme-api-final-1",
        master_user="acme_api_master",
        database="acme_api",
        app_role="acme_api_app",
        credentials=("reporting",),
        search_path='"$user", public, heroku_ext',
        public_create=False,
        extensions=(("vector", "heroku_ext"),),
        encoding="UTF8",
        collate="en_US.UTF-8",
        ctype="en_US.UTF-8",
        ca_bundle="",
        tags=((OWNER_TAG, "acme-api/production"), (RUN_TAG, "1")),
    )


VARIABLES = (
    VariableMove(variable="DATABASE_URL", attachment="DATABASE", addon=ADDON),
    VariableMove(variable="POOL_URL", attachment="POOL", namespace="connection-pooling:default", addon=ADDON),
    VariableMove(
        variable="READER_URL", attachment="READER", namespace="credential:reporting", addon=ADDON, user="reporting"
    ),
    VariableMove(variable="REPORTING_URL", addon=ADDON),
)


def moves(*, private_space: bool = False, variables: tuple[VariableMove, ...] = VARIABLES) -> AppMoves:
    return AppMoves(
        app=APP,
        variables=variables,
        process_types=("web", "worker"),
        web_types=("web",),
        has_release_phase=True,
        private_space=private_space,
    )


def decisions(*, production: bool = True, app: AppMoves | None = None) -> Decisions:
    return Decisions(
        environment="production",
        production=production,
        run_number=1,
        apps=(AppPlan(moves=app or moves(), smoke="bin/smoke", connect="psql", formation=(("web", 2), ("worker", 1))),),
        kept=(KeptAttachment(app=APP, addon=ADDON, name="HEROKU_POSTGRESQL_LEGACY"),),
        source=SourcePlan(
            addon=ADDON,
            addon_id="7c1a",
            addon_plan="heroku-postgresql:standard-2",
            billing_app=APP,
            attachment="DATABASE",
            followers=("postgresql-round-54321",),
            version=160014,
            database_bytes=41_200_000_000,
            data_bytes=30_100_000_000,
            index_bytes=11_000_000_000,
            tables=43,
            rows_estimate=152_000_000,
            price_usd_per_month=200.0,
            certificate="c" * 64,
        ),
        target=target(),
        clients=ClientPlan(
            dump_path="/usr/lib/postgresql/16/bin/pg_dump",
            dump_version="16.14",
            restore_path="/usr/lib/postgresql/18/bin/pg_restore",
            restore_version="18.4",
        ),
        jobs=4,
    )


def plan(*, app: AppMoves | None = None, advice: Sequence[Advice] = (), steps: int | None = None) -> Plan:
    decided = decisions(app=app)
    return Plan(
        created_at=START - timedelta(days=2),
        made_by="elisha@example.com",
        decisions=decided,
        steps=planned_steps()[:steps],
        advice=tuple(advice) or (Advice(what="2 indexes were never used", hint="Drop them first: it saves 40 s."),),
        digest=digest_of(decided),
    )


class Told:
    """Events as a journal would give them, by telling the story step by step."""

    def __init__(self, at: datetime = START) -> None:
        self.at, self.events, self.states = at, list[Event](), dict[str, StepState]()

    def event(self, step: str, move: Move, *, finding: Finding | None = None, error: str = "") -> Event:
        state = advance(self.states.get(step, StepState.WAITING), move, step=step)
        self.states[step] = state
        told = Event(
            seq=len(self.events) + 1,
            at=self.at,
            run="r-1",
            step=step,
            move=move,
            state=state,
            before={} if move is Move.BEGIN else None,
            finding=finding,
            error=error,
            host="laptop",
            pid=1,
            attempt=1,
        )
        self.events.append(told)
        return told

    def done(self, step: str, seconds: float, *, detail: str = "", evidence: Mapping[str, Json] | None = None) -> None:
        self.event(step, Move.BEGIN)
        self.at += timedelta(seconds=seconds)
        found = Finding(verdict=Verdict.WHOLE, detail=detail, evidence=evidence or {})
        self.event(step, Move.FINISH, finding=found)

    def undone(self, step: str, seconds: float) -> None:
        self.event(step, Move.BEGIN_UNDO)
        self.at += timedelta(seconds=seconds)
        self.event(step, Move.FINISH_UNDO, finding=Finding(verdict=Verdict.ABSENT))


EVIDENCE: Mapping[str, Mapping[str, Json]] = {
    "copy": {"rows": 1_290_215, "bytes": 30_100_000_000, "tables": 3},
    "verify": {"tables": PROOF},
    "scale-down": {"formation_before": {APP: {"web": 2, "worker": 1}}},
}


def tell(upto: str = "retention", *, proof: Sequence[Mapping[str, Json]] = PROOF) -> Told:
    """Every step to `upto`, two days between prepare and the fence."""
    told = Told(START - timedelta(days=2))
    for name, phase, _, _, seconds in STEPS:
        if phase != "prepare":
            told.at = max(told.at, START)
        evidence = {"tables": proof} if name == "verify" else EVIDENCE.get(name, {})
        told.done(name, seconds * 1.1 + 0.4, detail=f"{name} is so", evidence=evidence)
        if name == upto:
            break
    return told


def run(*, outcome: str | None = None) -> Run:
    begun = START - timedelta(days=2)
    return Run(
        run="r-1",
        opened_at=begun,
        plan_digest=plan().digest,
        plan={},
        by="elisha@example.com",
        closed_at=START + timedelta(hours=1) if outcome else None,
        outcome=outcome,
    )


def note(kind: str, payload: Json) -> Note:
    return Note(seq=1, at=START, run="r-1", kind=kind, payload=payload, host="laptop", pid=1)


def summary(
    told: Told | None, notes: Sequence[Note] = (), *, outcome: str | None = None, next_steps: Sequence[str] = ()
) -> RunSummary:
    return summarise(
        environment="production",
        plan=plan(),
        run=run(outcome=outcome) if told else None,
        events=told.events if told else (),
        notes=notes,
        estimates=ESTIMATES,
        next_steps=tuple(next_steps),
    )


CONFIRMED = note("confirmed", {"by": "elisha@example.com and prabhat@example.com", "what": "the fence"})
LIFTED = note("lifted", {"apps": [APP]})
SALVAGED = note(
    "salvaged",
    {
        "directory": ".pgcutover/production/salvage/r-1",
        "tables": [{"table": "public.orders", "inserted": 12, "updated": 3, "deleted": 1}],
    },
)


def moved() -> RunSummary:
    """A move that ended well."""
    after = ("pgcutover report", "pgcutover retire, in two weeks")
    return summary(tell(), (CONFIRMED, LIFTED), next_steps=after)


def stopped() -> RunSummary:
    """A move whose copy failed."""
    told = tell("schema")
    told.event("copy", Move.BEGIN)
    told.at += timedelta(seconds=31)
    told.event("copy", Move.FAIL, error="the connection to <acme-api> was lost")
    return summary(told, (CONFIRMED,), next_steps=("pgcutover migrate", "pgcutover rollback"))


def returned() -> RunSummary:
    """A move that went back after the lift, and left rows behind."""
    told = tell()
    for name, phase, *_ in reversed(STEPS):
        if phase != "prepare":
            told.undone(name, 3)
    return summary(told, (CONFIRMED, LIFTED, SALVAGED), outcome="returned", next_steps=("pgcutover plan",))


def planned() -> RunSummary:
    """A plan that nobody has run."""
    return summary(None, next_steps=("pgcutover prepare",))
