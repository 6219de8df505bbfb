"""Two plans of one world are one: the digest covers decisions, not drift, wording or the machine that planned."""

import pytest

from pgcutover.planning.moves import AppMoves, KeptAttachment, VariableMove
from pgcutover.planning.plan import (
    AppPlan,
    ClientPlan,
    Decisions,
    SourcePlan,
    confirmation_code,
    differences,
    digest_of,
)
from pgcutover.planning.target import TargetPlan

TARGET = TargetPlan(
    region="us-east-1",
    existing=False,
    instance="acme",
    instance_class="db.m7g.large",
    major=18,
    engine_version="18.4",
    storage_gb=20,
    storage_type="gp3",
    exposure="public-tls",
    vpc_id="vpc-1",
    subnet_ids=("subnet-1",),
    subnet_group="acme",
    security_group="acme",
    allowed_cidrs=("0.0.0.0/0",),
    secret_name="pgcutover/acme",
    master_secret="",
    parameter_group="acme",
    parameter_family="postgres18",
    load_parameters=(("autovacuum", "0"),),
    production_parameters=(),
    retention_days=7,
    multi_az=False,
    snapshot="acme-1",
    final_snapshot="acme-f",
    master_user="acme_master",
    database="acme",
    app_role="acme_app",
    credentials=(),
    search_path="",
    public_create=False,
    extensions=(),
    encoding="UTF8",
    collate="C.UTF-8",
    ctype="C.UTF-8",
    ca_bundle="",
    tags=(("pgcutover:environment", "acme/production"),),
)
DECISIONS = Decisions(
    environment="production",
    production=True,
    run_number=1,
    apps=(
        AppPlan(
            moves=AppMoves(
                app="acme",
                variables=(VariableMove(variable="DATABASE_URL", attachment="DATABASE", addon="postgresql-a-1"),),
                process_types=("web",),
                web_types=("web",),
                has_release_phase=False,
                private_space=False,
            ),
            smoke="true",
            connect="true",
            formation=(("web", 1),),
        ),
    ),
    kept=(KeptAttachment(app="acme", addon="postgresql-a-1", name="HEROKU_POSTGRESQL_LEGACY"),),
    source=SourcePlan(
        addon="postgresql-a-1",
        addon_id="1",
        addon_plan="heroku-postgresql:standard-0",
        billing_app="acme",
        attachment="DATABASE",
        followers=(),
        version=160014,
        database_bytes=1,
        data_bytes=1,
        index_bytes=1,
        tables=1,
        rows_estimate=1,
        price_usd_per_month=50.0,
        certificate="c" * 64,
    ),
    target=TARGET,
    clients=ClientPlan(
        dump_path="/a/pg_dump", dump_version="160014", restore_path="/a/pg_restore", restore_version="160014"
    ),
    jobs=2,
)


@pytest.mark.parametrize(
    "drifted",
    [
        DECISIONS.model_copy(update={"jobs": 8}),
        DECISIONS.model_copy(
            update={"clients": DECISIONS.clients.model_copy(update={"dump_path": "/elsewhere/pg_dump"})}
        ),
        DECISIONS.model_copy(update={"source": DECISIONS.source.model_copy(update={"data_bytes": 10**9})}),
        DECISIONS.model_copy(update={"target": TARGET.model_copy(update={"load_parameters": ()})}),
        DECISIONS.model_copy(update={"target": TARGET.model_copy(update={"ca_bundle": "/elsewhere/ca.pem"})}),
    ],
)
def test_drift_and_another_machine_make_no_other_plan(drifted: Decisions) -> None:
    """Sizes, cores, paths and programs leave digest and differences as they are."""
    assert (digest_of(DECISIONS), ()) == (digest_of(drifted), differences(DECISIONS, drifted))


@pytest.mark.parametrize(
    ("decided", "named"),
    [
        (
            DECISIONS.model_copy(update={"target": TARGET.model_copy(update={"instance_class": "db.r7g.large"})}),
            'target.instance_class: "db.m7g.large" -> "db.r7g.large"',
        ),
        (
            DECISIONS.model_copy(update={"source": DECISIONS.source.model_copy(update={"version": 160015})}),
            "source.version: 160014 -> 160015",
        ),
    ],
)
def test_a_decision_makes_another_plan_and_is_named(decided: Decisions, named: str) -> None:
    """A changed decision changes the digest, and the difference says path, old and new."""
    assert digest_of(DECISIONS) != digest_of(decided)
    assert (named,) == differences(DECISIONS, decided)


def test_a_confirmation_code_is_for_one_plan_and_one_person() -> None:
    """Another plan or another name gives another code."""
    codes = {confirmation_code(d, p) for d in ("a" * 64, "b" * 64) for p in ("ann@acme.example", "bob@acme.example")}
    assert 4 == len(codes)
