"""The new database is decided from choices and facts alone, and the same facts give the same plan."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgcutover.errors import ConfigError, RefusedError
from pgcutover.facts.rds import OWNER_TAG, EngineVersion, Instance, Network, Parameter, Subnet
from pgcutover.planning.names import names_for
from pgcutover.planning.proposal import TargetProposal, plan_target, wanted_major
from pgcutover.planning.target import Occasion, ReplicaTime, SourceFacts, TargetFacts, TargetPlan

GIB = 2**30
IDENTIFIER = re.compile(r"[a-z](?:-?[a-z0-9])*")
ROLE = re.compile(r"[a-z_][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class Wishes:
    region: str = "us-east-1"
    exposure: Literal["public-tls", "private"] = "public-tls"
    size: str = "next"
    postgres: str = "same"
    existing: str = ""
    master_secret: str = ""
    parameter_group: str = ""
    storage_gb: int | None = None
    multi_az: bool = False
    retention_days: int = 7
    ca_bundle: str = ""
    allowed_cidrs: tuple[str, ...] = ()
    subnet_ids: tuple[str, ...] = ()
    replica: ReplicaTime = "auto"
    replica_size: str = "same"
    alarms: bool = True
    alarm_topic: str = ""


SOURCE = SourceFacts(
    plan="heroku-postgresql:standard-0",
    major=16,
    data_bytes=10 * GIB,
    index_bytes=2 * GIB,
    encoding="UTF8",
    collate="en_US.UTF-8",
    ctype="en_US.UTF-8",
    locale_provider="c",
    search_path='"$user", public, heroku_ext',
    extensions=(("pgcrypto", "public"), ("vector", "heroku_ext")),
    credentials=("readonly",),
    public_create=False,
)
PARAMETERS = (
    Parameter(
        name="max_wal_size",
        value="2048",
        source="system",
        dynamic=True,
        modifiable=True,
        data_type="integer",
        allowed="2-2147483647",
    ),
)
FACTS = TargetFacts(
    versions=tuple(
        EngineVersion(version=v, family=f"postgres{v.partition('.')[0]}") for v in ("16.9", "16.14", "17.10", "18.4")
    ),
    orderable=("db.t4g.medium", "db.t4g.large"),
    known_classes=(),
    parameters=PARAMETERS,
    network=Network(
        vpc_id="vpc-1",
        cidr="10.0.0.0/16",
        subnets=(Subnet(id="subnet-a", zone="us-east-1a"), Subnet(id="subnet-b", zone="us-east-1b")),
    ),
    instance=None,
)
OCCASION = Occasion(app="acme-api", environment="production")


def instance(**changes: object) -> Instance:
    made = Instance(
        identifier="acme-api",
        arn="arn:aws:rds:us-east-1:1:db:acme-api",
        engine="postgres",
        engine_version="16.10",
        instance_class="db.t4g.large",
        storage_gb=100,
        storage_type="gp3",
        status="available",
        host="acme-api.abc.us-east-1.rds.amazonaws.com",
        port=5432,
        master_user="root",
        managed_secret="",
        parameter_groups=(("acme-own", "in-sync"),),
        subnet_group="x",
        security_groups=(),
        public=True,
        encrypted=True,
        multi_az=False,
        retention_days=7,
        deletion_protection=True,
        minor_upgrades=True,
        pending=(),
        tags=((OWNER_TAG, "acme-api/production"),),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return replace(made, **changes)


def plan(wishes: Wishes = Wishes(), source: SourceFacts = SOURCE, facts: TargetFacts = FACTS) -> TargetPlan:
    return plan_target(wishes, source, facts, OCCASION).plan


def test_a_new_target_is_wholly_decided() -> None:
    """Class, version, storage, names, network and contents follow from the choices and the facts."""
    made = plan()
    assert ("acme-api", "db.t4g.large", "16.14", 21) == (
        made.instance,
        made.instance_class,
        made.engine_version,
        made.storage_gb,
    )
    assert ("acme_api", "acme_api_app", "acme_api_master") == (made.database, made.app_role, made.master_user)
    assert ("acme-api-postgres16", "pgcutover/acme-api") == (made.parameter_group, made.secret_name)
    assert ("0.0.0.0/0",) == made.allowed_cidrs
    assert ("subnet-a", "subnet-b") == made.subnet_ids
    assert (("max_wal_size", "4096"),) == made.load_parameters
    assert ("heroku_ext",) == made.database_spec.schemas
    assert ("acme_api_app", "acme_api_master", "readonly") == made.logins.users


def test_the_same_facts_give_the_same_plan_also_once_the_instance_stands() -> None:
    """Planning again after prepare changes nothing, though a newer minor version has come out."""
    first = plan()
    stands = instance(engine_version="16.14", storage_gb=first.storage_gb, parameter_groups=(("x", "in-sync"),))
    newer = (*FACTS.versions, EngineVersion(version="16.15", family="postgres16"))
    assert first == plan(facts=replace(FACTS, instance=stands, versions=newer))


def test_a_plan_survives_being_written_and_read() -> None:
    """What is stored as JSON is the same value again."""
    assert plan() == TargetPlan.model_validate_json(plan().model_dump_json())


def test_a_private_target_is_open_to_its_own_network_only() -> None:
    """No address on the internet, and nobody beyond the network unless a person says so."""
    made = plan(Wishes(exposure="private"))
    assert (False, ("10.0.0.0/16",)) == (made.public, made.allowed_cidrs)
    assert ("10.1.0.0/16",) == plan(Wishes(exposure="private", allowed_cidrs=("10.1.0.0/16",))).allowed_cidrs


def test_address_blocks_are_written_as_aws_writes_them_and_nonsense_is_refused() -> None:
    """Host bits go; otherwise what AWS lists would never equal what was asked."""
    wishes = Wishes(allowed_cidrs=("10.1.2.3/8", "192.0.2.7", "2001:DB8::/32"))
    assert ("10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32") == plan(wishes).allowed_cidrs
    with pytest.raises(ConfigError, match="office is no address block"):
        plan(Wishes(allowed_cidrs=("office",)))


@pytest.mark.parametrize(("postgres", "version"), [("same", "16.14"), ("17", "17.10"), ("18", "18.4")])
def test_another_major_version_is_an_explicit_choice(postgres: str, version: str) -> None:
    """The newest minor version of the major asked for."""
    assert version == plan(Wishes(postgres=postgres)).engine_version


def test_an_older_major_version_is_refused() -> None:
    """No dump goes down."""
    with pytest.raises(ConfigError, match="older than the source's 16"):
        plan(Wishes(postgres="15"))


def test_a_version_that_rds_does_not_make_is_refused_with_those_it_does() -> None:
    """A new PostgreSQL major comes to RDS months later."""
    with pytest.raises(RefusedError, match="no instances of PostgreSQL 19") as caught:
        plan(Wishes(postgres="19"))
    assert "16, 17, 18" in caught.value.hint


def test_an_end_of_life_source_is_told_to_take_a_newer_one() -> None:
    """RDS makes no new 13 with standard support."""
    with pytest.raises(ConfigError, match="no longer makes PostgreSQL 13"):
        wanted_major(Wishes(), 13)


def test_an_extension_that_rds_lacks_stops_the_plan() -> None:
    """Days before the fence, with its name."""
    lacking = replace(SOURCE, extensions=(("xml2", "public"), ("vector", "public")))
    with pytest.raises(RefusedError, match="does not offer the extensions xml2"):
        plan(source=lacking)
    with pytest.raises(RefusedError, match="does not offer the extensions pgcrypto"):
        plan(facts=replace(FACTS, extensions=("vector",)))


def test_a_locale_provider_that_we_cannot_copy_stops_the_plan() -> None:
    """An ICU database would come out with another sort order."""
    with pytest.raises(RefusedError, match="provider other than libc"):
        plan(source=replace(SOURCE, locale_provider="i"))


def test_somebody_elses_instance_of_that_name_is_refused() -> None:
    """A tag decides, not the name."""
    with pytest.raises(RefusedError, match="pgcutover did not make it") as caught:
        plan(facts=replace(FACTS, instance=instance(tags=())))
    assert 'existing = "acme-api"' in caught.value.hint
    other = instance(tags=((OWNER_TAG, "acme-api/staging"),))
    with pytest.raises(RefusedError, match="pgcutover did not make it"):
        plan(facts=replace(FACTS, instance=other))


def test_our_instance_is_used_again_as_it_is_but_not_when_it_cannot_hold_the_copy() -> None:
    """A second run has a database of its own on the same instance."""
    ours = instance(instance_class="db.r7g.large")
    again = plan_target(Wishes(), SOURCE, replace(FACTS, instance=ours), replace(OCCASION, run_number=2)).plan
    assert ("db.r7g.large", 100, "acme_api_2") == (again.instance_class, again.storage_gb, again.database)
    with pytest.raises(RefusedError, match="disk of instance acme-api is too small: 15 GiB"):
        plan(facts=replace(FACTS, instance=instance(storage_gb=15)))
    with pytest.raises(RefusedError, match="has PostgreSQL 16, not 18"):
        plan(Wishes(postgres="18"), facts=replace(FACTS, instance=ours))


EXISTING = Wishes(existing="acme-api", master_secret="root-login", parameter_group="acme-own")


def test_an_existing_instance_is_taken_as_it_is() -> None:
    """Nothing is planned for it but a role, a database and the named group's load values."""
    made = plan(EXISTING, facts=replace(FACTS, instance=instance()))
    assert (True, "root", "root-login", "") == (made.existing, made.master_user, made.master_secret, made.subnet_group)
    assert ("acme-own", (("max_wal_size", "4096"),), ()) == (
        made.parameter_group,
        made.load_parameters,
        made.production_parameters,
    )
    assert ("acme_api_app", "readonly") == made.logins.users


def test_without_a_named_group_no_parameter_of_an_existing_instance_is_touched() -> None:
    """The group is somebody's Terraform."""
    made = plan(replace(EXISTING, parameter_group=""), facts=replace(FACTS, instance=instance()))
    assert ("", ()) == (made.parameter_group, made.load_parameters)


def test_the_managed_secret_of_an_existing_instance_is_used() -> None:
    """RDS says where it keeps the master's password."""
    managed = instance(managed_secret="arn:aws:secretsmanager:x")
    made = plan(replace(EXISTING, master_secret=""), facts=replace(FACTS, instance=managed))
    assert "arn:aws:secretsmanager:x" == made.master_secret


@pytest.mark.parametrize(
    ("wishes", "found", "error", "text"),
    [
        (EXISTING, None, ConfigError, "no RDS instance acme-api in us-east-1"),
        (EXISTING, instance(status="stopped"), RefusedError, "is postgres and stopped"),
        (EXISTING, instance(engine="mysql"), RefusedError, "is mysql and available"),
        (EXISTING, instance(engine_version="15.4"), RefusedError, "has PostgreSQL 15"),
        (replace(EXISTING, postgres="18"), instance(), RefusedError, "the plan asks for 18"),
        (EXISTING, instance(storage_gb=12), RefusedError, "too small: 12 GiB"),
        (replace(EXISTING, master_secret=""), instance(), ConfigError, "nobody knows the password of root"),
        (EXISTING, instance(parameter_groups=(("other", "in-sync"),)), ConfigError, "the instance's is other"),
        (
            replace(EXISTING, parameter_group="default.postgres16"),
            instance(parameter_groups=(("default.postgres16", "in-sync"),)),
            ConfigError,
            "the instance's is default",
        ),
    ],
)
def test_an_existing_instance_that_will_not_do_is_refused(
    wishes: Wishes, found: Instance | None, error: type[Exception], text: str
) -> None:
    """Before anything is touched, with what is wrong about it."""
    with pytest.raises(error, match=text):
        plan(wishes, facts=replace(FACTS, instance=found))


def test_a_group_shared_with_another_instance_is_not_touched() -> None:
    """Turning autovacuum off there would turn it off for both."""
    with pytest.raises(RefusedError, match="also that of billing"):
        plan(EXISTING, facts=replace(FACTS, instance=instance(), group_shared_with=("billing",)))


@given(app=st.text(max_size=80), number=st.integers(1, 99), major=st.integers(14, 99))
def test_names_satisfy_rds_and_postgresql_whatever_the_app_is_called(app: str, number: int, major: int) -> None:
    """Letter first, no double hyphen, 63 at most; roles neither reserved nor each other's."""
    names = names_for(app, run_number=number)
    group = names.parameter_group(f"postgres{major}")
    for name in (names.instance, names.subnet_group, group, names.snapshot(number), names.final_snapshot(number)):
        assert IDENTIFIER.fullmatch(name), name
        assert len(name) <= 63
    for name in (names.database, names.app_role, names.master_user):
        assert ROLE.fullmatch(name), name
        assert len(name) <= 63
        assert not name.startswith(("pg_", "rds"))
    assert names.app_role != names.master_user
    assert names == names_for(app, run_number=number)


@pytest.mark.parametrize(
    ("app", "database", "role"),
    [
        ("acme-api", "acme_api", "acme_api_app"),
        ("postgres", "postgres_db", "postgres_app"),
        ("pg-boss", "app_pg_boss", "app_pg_boss_app"),
        ("rdsadmin", "app_rdsadmin", "app_rdsadmin_app"),
        ("9lives", "db_9lives", "db_9lives_app"),
    ],
)
def test_reserved_names_are_stepped_around(app: str, database: str, role: str) -> None:
    """PostgreSQL refuses roles that begin with pg_, RDS has its own."""
    names = names_for(app)
    assert (database, role) == (names.database, names.app_role)


def test_names_taken_by_the_sources_own_roles_are_stepped_around() -> None:
    """Every further credential keeps its name on the new server."""
    names = names_for("acme", taken=("acme_app", "acme_app_2", "acme_master"))
    assert ("acme_app_3", "acme_master_2") == (names.app_role, names.master_user)


def option(name: str, *, modifiable: bool = True) -> Parameter:
    """An integer of the family, which takes every value."""
    return Parameter(
        name=name, value=None, source="system", dynamic=True, modifiable=modifiable, data_type="integer", allowed=""
    )


FOLLOWED = replace(SOURCE, followers=("postgresql-round-1",))
FOR_REPLICAS = replace(
    FACTS,
    parameters=(
        *PARAMETERS,
        *(option(n) for n in ("max_slot_wal_keep_size", "max_standby_streaming_delay", "hot_standby_feedback")),
        *(option(n) for n in ("max_standby_archive_delay", "statement_timeout", "temp_file_limit")),
        option("work_mem", modifiable=False),
    ),
)


def proposed(wishes: Wishes, source: SourceFacts, facts: TargetFacts = FOR_REPLICAS) -> TargetProposal:
    return plan_target(wishes, source, facts, OCCASION)


@pytest.mark.parametrize(
    ("wish", "gigabytes", "followers", "made"),
    [
        ("auto", 19, ("x",), "before-load"),
        ("auto", 20, ("x",), "after-lift"),
        ("auto", 19, (), None),
        ("before-load", 2000, (), "before-load"),
        ("after-lift", 1, ("x",), "after-lift"),
        ("none", 1, ("x",), None),
    ],
)
def test_when_a_replica_is_made_is_chosen_by_size_and_by_who_follows(
    wish: ReplicaTime, gigabytes: int, followers: tuple[str, ...], made: str | None
) -> None:
    """A person's word counts; else before the load while that costs little, and never where nothing follows."""
    source = replace(SOURCE, followers=followers, data_bytes=gigabytes * 10**9, index_bytes=0)
    chosen = proposed(Wishes(replica=wish), source)
    assert made == (chosen.plan.replica and chosen.plan.replica.made)
    said = " ".join(chosen.notes)
    assert (made is not None) == ("cost of making acme-api-replica" in said)
    assert bool(followers and made is None) == ("will read the primary" in said)


def test_the_replica_is_as_large_as_the_primary_and_made_for_long_queries() -> None:
    """An hour for a query against the replay, nothing held back on the primary, and what the family lacks left out."""
    made = proposed(Wishes(), FOLLOWED)
    replica = made.plan.replica
    assert replica is not None
    assert ("acme-api-replica", "acme-api-replica-postgres16", made.plan.instance_class) == (
        replica.identifier,
        replica.parameter_group,
        replica.instance_class,
    )
    assert {
        "hot_standby_feedback": "0",
        "max_standby_archive_delay": "3600000",
        "max_standby_streaming_delay": "3600000",
        "statement_timeout": "3600000",
        "temp_file_limit": str(4 * 2**20),
    } == dict(replica.parameters)
    assert "replica: work_mem is left alone: RDS does not let it be changed" in made.notes


def test_the_primary_keeps_at_most_a_fifth_of_its_disk_for_a_replica_that_lags() -> None:
    """In powers of two, so that a source that grows a little does not make another plan; nothing without a replica."""
    keeps = {
        gb: dict(proposed(Wishes(storage_gb=gb), FOLLOWED).plan.production_parameters) for gb in (21, 39, 40, 1000)
    }
    assert {21: "4096", 39: "4096", 40: "8192", 1000: "131072"} == {
        gb: values["max_slot_wal_keep_size"] for gb, values in keeps.items()
    }
    assert "max_slot_wal_keep_size" not in dict(proposed(Wishes(), SOURCE).plan.production_parameters)


def test_a_replica_that_stands_is_used_again_and_somebody_elses_is_refused() -> None:
    """Data that grew beyond the line after prepare makes no other plan."""
    stands = instance(identifier="acme-api-replica", instance_class="db.r7g.large", replica_of="acme-api")
    grown = replace(FOLLOWED, data_bytes=900 * GIB)
    replica = proposed(Wishes(), grown, replace(FOR_REPLICAS, replica=stands)).plan.replica
    assert ("before-load", "db.r7g.large") == (replica and (replica.made, replica.instance_class))
    with pytest.raises(RefusedError, match="acme-api-replica exists and pgcutover did not make it"):
        proposed(Wishes(), FOLLOWED, replace(FOR_REPLICAS, replica=replace(stands, tags=())))


def test_a_class_of_its_own_must_be_one_that_rds_offers() -> None:
    """Smaller than the primary is a person's choice."""
    replica = proposed(Wishes(replica_size="db.t4g.medium"), FOLLOWED).plan.replica
    assert "db.t4g.medium" == (replica and replica.instance_class)
    with pytest.raises(RefusedError, match=r"does not offer db\.r7g\.large"):
        proposed(Wishes(replica_size="db.r7g.large"), FOLLOWED)
    with pytest.raises(ConfigError, match="replica_size is 'next'"):
        proposed(Wishes(replica_size="next"), FOLLOWED)


def test_an_existing_instance_gets_a_replica_only_when_somebody_asks_for_it() -> None:
    """It is theirs: its backups are not turned on for it, nor its slots capped."""
    theirs = replace(FOR_REPLICAS, instance=instance(), family_parameters=FOR_REPLICAS.parameters)
    alone = proposed(EXISTING, FOLLOWED, theirs)
    assert alone.plan.replica is None
    assert "nobody asked for one of this instance" in " ".join(alone.notes)
    asked = proposed(replace(EXISTING, replica="after-lift"), FOLLOWED, theirs)
    assert asked.plan.replica is not None
    assert () == asked.plan.production_parameters
    for found, match in (
        (instance(retention_days=0), "keeps no backups"),
        (instance(managed_secret="arn:x"), "RDS manages the master's password"),
    ):
        with pytest.raises(RefusedError, match=match):
            proposed(replace(EXISTING, replica="after-lift"), FOLLOWED, replace(theirs, instance=found))
