"""The class closest to every Heroku plan, the next one up, and storage that holds the copy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgcutover.errors import ConfigError, RefusedError
from pgcutover.facts.rds import ClassFacts
from pgcutover.planning.instance_classes import CLASSES
from pgcutover.planning.sizing import candidates, choose_size
from pgcutover.planning.storage import GIB, MIN_STORAGE_GB, choose_storage, needed_gb, refuse_small_disk

# plan number: closest class, its memory, next tier
ORACLE = {
    0: ("db.t4g.medium", 4, "db.t4g.large"),
    2: ("db.m7g.large", 8, "db.m7g.xlarge"),
    3: ("db.r7g.large", 16, "db.r7g.xlarge"),
    4: ("db.r7g.xlarge", 32, "db.r7g.2xlarge"),
    5: ("db.r7g.2xlarge", 64, "db.r7g.4xlarge"),
    6: ("db.r7g.4xlarge", 128, "db.r7g.8xlarge"),
    7: ("db.r7g.8xlarge", 256, "db.r7g.12xlarge"),
    8: ("db.r7g.16xlarge", 512, "db.r8g.24xlarge"),
    9: ("db.r8g.24xlarge", 768, "db.r8g.48xlarge"),
    10: ("db.r6i.32xlarge", 1024, "db.r8g.48xlarge"),
}
PLANS = [f"{tier}-{number}" for tier in ("standard", "premium", "private", "shield") for number in ORACLE]


@pytest.mark.parametrize("plan", PLANS)
def test_every_production_plan_has_its_closest_class_and_the_next_tier(plan: str) -> None:
    """Memory is matched first, then vCPUs; the next tier is the next size of the family, or the next larger class."""
    closest, memory_gib, above = ORACLE[int(plan.rpartition("-")[2])]
    size = choose_size("closest", f"heroku-postgresql:{plan}")
    assert (closest, memory_gib) == (size.chosen.name, size.chosen.memory_gib)
    assert above == choose_size("next", plan).chosen.name


@pytest.mark.parametrize(
    ("plan", "closest", "above"),
    [
        ("essential-0", "db.t4g.micro", "db.t4g.small"),
        ("essential-1", "db.t4g.small", "db.t4g.medium"),
        ("essential-2", "db.t4g.medium", "db.t4g.large"),
        ("hobby-basic", "db.t4g.micro", "db.t4g.small"),
    ],
)
def test_multi_tenant_plans_get_a_burstable_class_and_say_what_was_assumed(plan: str, closest: str, above: str) -> None:
    """Heroku gives no memory for them, so the notes name the guess."""
    size = choose_size("closest", plan)
    assert (closest, above) == (size.chosen.name, size.next_tier.name if size.next_tier else None)
    assert any("is assumed" in note for note in size.notes)


@pytest.mark.parametrize("plan", ["premium-l-6", "premium-xl-6", "shield-2xl-6"])
def test_plans_with_more_disk_have_the_hardware_of_their_number(plan: str) -> None:
    """The l and xl variants differ in disk only."""
    assert choose_size("closest", plan).chosen.name == "db.r7g.4xlarge"


def test_what_rds_offers_wins_over_the_table() -> None:
    """Where the preferred family is not offered, the next one of equal memory is taken."""
    offered = ("db.r6g.2xlarge", "db.r6g.4xlarge", "db.m6i.4xlarge")
    size = choose_size("closest", "standard-5", orderable=offered)
    assert ("db.r6g.2xlarge", "db.r6g.4xlarge") == (size.chosen.name, size.next_tier.name if size.next_tier else None)


def test_nothing_large_enough_is_refused() -> None:
    """A smaller class than the plan's memory is never chosen in silence."""
    with pytest.raises(RefusedError, match="no class with the 61 GiB"):
        choose_size("closest", "standard-5", orderable=("db.t4g.medium", "db.r7g.large"))


def test_no_next_tier_is_refused_with_the_way_out() -> None:
    """Where the largest class is the closest, `next` says to write closest."""
    with pytest.raises(RefusedError, match="no class above") as caught:
        choose_size("next", "standard-5", orderable=("db.r7g.2xlarge",))
    assert "closest" in caught.value.hint


def test_an_explicit_class_is_taken_as_it_is_if_rds_offers_it() -> None:
    """A class that our table does not have needs its facts handed in."""
    gd = ClassFacts(name="db.r6gd.large", vcpus=2, memory_gib=16, disk_mb_per_s=78.75, disk_iops=3600)
    assert gd == choose_size("db.r6gd.large", "advanced-8g", orderable=("db.r6gd.large",), known=(gd,)).chosen
    with pytest.raises(RefusedError, match="RDS does not offer db"):
        choose_size("db.r7g.large", "standard-3", orderable=("db.m7g.large",))
    with pytest.raises(RefusedError, match=r"hardware of db\.r7x\.large is not known"):
        choose_size("db.r7x.large", "standard-3")


@pytest.mark.parametrize("plan", ["standard-1", "standard-11", "advanced-4g-performance", "nonsense"])
def test_a_plan_of_unknown_hardware_asks_for_a_class(plan: str) -> None:
    """There is no plan 1, and Advanced is measured otherwise."""
    with pytest.raises(ConfigError, match="not known") as caught:
        choose_size("next", plan)
    assert "db." in caught.value.hint


def test_a_choice_that_is_none_is_a_config_error() -> None:
    """Only closest, next and classes are choices."""
    with pytest.raises(ConfigError, match="'biggest'"):
        choose_size("biggest", "standard-0")


@pytest.mark.parametrize("plan", ["standard-0", "standard-2", "standard-5", "premium-9", "essential-0"])
@pytest.mark.parametrize("choice", ["closest", "next"])
def test_what_is_asked_of_rds_holds_the_class_that_is_chosen(plan: str, choice: str) -> None:
    """The candidates contain the choice, so that asking only for them changes nothing."""
    asked = candidates(choice, plan)
    assert choose_size(choice, plan).chosen == choose_size(choice, plan, orderable=asked).chosen
    assert len(asked) <= 16


def test_a_class_that_cannot_sustain_the_plans_iops_says_so() -> None:
    """A t4g.medium sustains 2,000 IOPS, standard-0 had 3,000."""
    notes = choose_size("closest", "standard-0").notes
    assert any("sustains 2000 IOPS, the Heroku plan 3000" in note for note in notes)


def test_the_class_table_agrees_with_the_published_hardware() -> None:
    """Spot checks against ec2:DescribeInstanceTypes: vCPUs, GiB, MB/s, IOPS."""
    rows = {name: (c.vcpus, c.memory_gib, c.disk_mb_per_s, c.disk_iops) for name, c in CLASSES.items()}
    assert (2, 8, 78.75, 3600) == rows["db.m7g.large"]
    assert (4, 32, 148.5, 6000) == rows["db.r6g.xlarge"]
    assert (96, 384, 2375, 80000) == rows["db.m5.24xlarge"]
    assert (8, 32, 86.875, 4000) == rows["db.t4g.2xlarge"]
    assert "db.r7g.24xlarge" not in rows


@pytest.mark.parametrize(
    ("data_gib", "storage_gb"),
    [(0, 20), (1, 20), (10, 20), (50, 74), (180, 400), (250, 400), (290, 427), (1000, 1432)],
)
def test_storage_is_1_4_times_the_source_with_room_for_wal(data_gib: int, storage_gb: int) -> None:
    """At least 20 GiB; from 250 on it is rounded up to the fast line of 400."""
    assert storage_gb == choose_storage(data_bytes=data_gib * GIB, index_bytes=0).storage_gb


def test_the_fast_line_is_explained() -> None:
    """Rounding up costs money, so it is said why."""
    assert "four times the IOPS" in choose_storage(data_bytes=200 * GIB, index_bytes=0).notes[0]


@given(data=st.integers(0, 30_000 * GIB), index=st.integers(0, 10_000 * GIB))
def test_storage_always_holds_the_copy(data: int, index: int) -> None:
    """What is chosen passes the check that refuses small disks, and is what RDS can make."""
    chosen = choose_storage(data_bytes=data, index_bytes=index).storage_gb
    assert MIN_STORAGE_GB <= chosen <= 65536
    assert chosen * GIB >= data + index
    refuse_small_disk(chosen, data_bytes=data, index_bytes=index, whose="the disk")


@given(small=st.integers(0, 1000 * GIB), more=st.integers(0, 1000 * GIB))
def test_storage_never_shrinks_as_the_source_grows(small: int, more: int) -> None:
    """A larger source never needs less."""
    assert needed_gb(data_bytes=small, index_bytes=0) <= needed_gb(data_bytes=small + more, index_bytes=0)


def test_a_disk_that_is_too_small_is_refused_with_the_size_to_take() -> None:
    """A person's own choice is checked too, and so is what RDS can hold at all."""
    with pytest.raises(RefusedError, match=r"target\.storage_gb is too small: 20 GiB") as caught:
        choose_storage(data_bytes=100 * GIB, index_bytes=0, asked_gb=20)
    assert "147 GiB" in caught.value.hint
    with pytest.raises(RefusedError, match="an RDS instance holds 65536"):
        choose_storage(data_bytes=60_000 * GIB, index_bytes=0)
    assert choose_storage(data_bytes=GIB, index_bytes=0, asked_gb=100).storage_gb == 100
