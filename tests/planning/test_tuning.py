"""The load profile takes what the family offers, and nothing that would need a reboot."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgcutover.facts.rds import Parameter
from pgcutover.planning.instance_classes import CLASSES
from pgcutover.planning.tuning import (
    LOAD_PROFILE,
    LoadFacts,
    load_values,
    production_values,
    same_value,
)


def parameter(name: str, value: str | None = None, **changes: object) -> Parameter:
    row = Parameter(
        name=name,
        value=value,
        source="system" if value else "engine-default",
        dynamic=True,
        modifiable=True,
        data_type="integer",
        allowed="",
    )
    return replace(row, **changes)


FAMILY = (
    parameter("autovacuum", data_type="boolean", allowed="0,1"),
    parameter("checkpoint_timeout", allowed="30-86400"),
    parameter("maintenance_work_mem", "GREATEST({DBInstanceClassMemory*1024/63963136},65536)", allowed="64-2147483647"),
    parameter("max_parallel_maintenance_workers", allowed="0-1024"),
    parameter("max_wal_size", "2048", allowed="2-2147483647"),
    parameter("password_encryption", data_type="string", allowed="md5,scram-sha-256"),
    parameter("rds.force_ssl", "1", data_type="boolean", allowed="0,1"),
    parameter(
        "shared_preload_libraries", data_type="list", dynamic=False, allowed="pg_cron,pg_stat_statements,pgaudit"
    ),
)


def facts(name: str = "db.r7g.2xlarge", *, storage_gb: int = 400, jobs: int = 4) -> LoadFacts:
    return LoadFacts(instance=CLASSES[name], storage_gb=storage_gb, jobs=jobs)


def without(name: str) -> tuple[Parameter, ...]:
    return tuple(p for p in FAMILY if p.name != name)


def test_the_profile_of_a_64_gib_class() -> None:
    """Memory stays modest (more made loads slower), WAL follows the disk, checkpoints are rare."""
    assert (
        ("autovacuum", "0"),
        ("checkpoint_timeout", "1800"),
        ("maintenance_work_mem", "262144"),
        ("max_parallel_maintenance_workers", "2"),
        ("max_wal_size", "20480"),
    ) == load_values(facts(), FAMILY).values


def test_a_small_class_gets_small_memory() -> None:
    """Four builders on 1 GiB share what there is, with RDS's own minimum."""
    values = dict(load_values(facts("db.t4g.micro", storage_gb=20), FAMILY).values)
    assert ("65536", "4096", "1") == (
        values["maintenance_work_mem"],
        values["max_wal_size"],
        values["max_parallel_maintenance_workers"],
    )


@pytest.mark.parametrize("name", [rule.name for rule in LOAD_PROFILE])
def test_what_the_family_lacks_is_left_out_and_said(name: str) -> None:
    """Aurora and new majors lack some parameters."""
    tuning = load_values(facts(), without(name))
    assert name not in dict(tuning.values)
    assert f"{name} is left alone: this family does not have it" in tuning.notes


def test_a_static_or_fixed_parameter_is_never_in_the_load_profile() -> None:
    """A reboot would fall inside the fence; a fixed one would be refused."""
    static = replace(next(p for p in FAMILY if p.name == "max_wal_size"), dynamic=False)
    fixed = replace(next(p for p in FAMILY if p.name == "checkpoint_timeout"), modifiable=False)
    rest = tuple(p for p in FAMILY if p.name not in ("max_wal_size", "checkpoint_timeout"))
    tuning = load_values(facts(), (*rest, static, fixed))
    assert {"autovacuum", "maintenance_work_mem", "max_parallel_maintenance_workers"} == set(dict(tuning.values))
    assert "max_wal_size is left alone: it needs a reboot" in tuning.notes


def test_a_larger_value_of_today_is_left_alone_but_our_own_is_not() -> None:
    """A group whose owner chose more keeps it; planning again after the values are set gives the same plan."""
    larger = (*without("max_wal_size"), parameter("max_wal_size", "65536", source="user"))
    ours = (*without("max_wal_size"), parameter("max_wal_size", "20480", source="user"))
    assert "max_wal_size" not in dict(load_values(facts(), larger).values)
    assert load_values(facts(), FAMILY).values == load_values(facts(), ours).values


def test_values_stay_in_the_range_that_the_family_allows() -> None:
    """A narrower range wins over the formula."""
    narrow = (*without("checkpoint_timeout"), parameter("checkpoint_timeout", allowed="30-600"))
    assert "600" == dict(load_values(facts(), narrow).values)["checkpoint_timeout"]


@given(name=st.sampled_from(sorted(CLASSES)), storage=st.integers(20, 65536), jobs=st.integers(1, 64))
def test_index_builds_never_take_more_than_an_eighth_of_memory_or_the_minimum(
    name: str, storage: int, jobs: int
) -> None:
    """maintenance_work_mem times the jobs fits the instance, whatever its size."""
    values = dict(load_values(facts(name, storage_gb=storage, jobs=jobs), FAMILY).values)
    held_kb = int(values["maintenance_work_mem"]) * jobs
    assert held_kb <= max(CLASSES[name].memory_gib * 1024 * 1024 / 8, 65536 * jobs)
    assert 4096 <= int(values["max_wal_size"]) <= 32768


def test_a_group_of_our_own_forces_tls_and_scram_from_birth() -> None:
    """These are not load values: they stay."""
    tuning = production_values([], "acme", FAMILY)
    assert (("password_encryption", "scram-sha-256"), ("rds.force_ssl", "1")) == tuning.values
    assert tuning.notes == ("rds.accepted_password_auth_method is left alone: this family does not have it",)


def test_extensions_that_must_be_preloaded_are_at_birth_because_that_is_static() -> None:
    """A list of one's own replaces RDS's, so its own member is in it."""
    values = dict(production_values(["pgaudit", "vector"], "acme", FAMILY).values)
    assert "pg_stat_statements,pgaudit" == values["shared_preload_libraries"]


def test_pg_cron_runs_in_the_new_database() -> None:
    """Its background worker connects to one database only."""
    family = (*FAMILY, parameter("cron.database_name", data_type="string", dynamic=False))
    assert "acme" == dict(production_values(["pg_cron"], "acme", family).values)["cron.database_name"]


def test_a_library_that_rds_refuses_is_said_before_rds_says_it() -> None:
    """AllowedValues is asked first."""
    tuning = production_values(["pglogical"], "acme", FAMILY)
    assert "shared_preload_libraries" not in dict(tuning.values)
    assert any("pglogical is not allowed" in note for note in tuning.notes)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("0", "off", True),
        ("1", "on", True),
        ("4096", "4096", True),
        ("0.9", "0.90", True),
        ("4096", "2048", False),
        ("on", "off", False),
        ("a, b", "a,b", True),
        ("", "0", False),
    ],
)
def test_two_writings_of_one_value_are_the_same(one: str, other: str, *, same: bool) -> None:
    """RDS writes 0 where PostgreSQL says off."""
    assert same == same_value(one, other)
