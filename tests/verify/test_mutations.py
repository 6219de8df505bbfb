"""The verifier, put to the test: every single change to a target is found and named, and nothing else is."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from mutated_pair import Side, compared, restored, two_sides
from mutations import MUTATIONS, Mutation, decided, named

from pgcutover.lab.clusters import Cluster

SAMPLED = 25
SEED = 20260
"""Of the sample that every run of the tests takes; `--full` takes all."""

SAMPLE = {m.name for m in random.Random(SEED).sample(MUTATIONS, SAMPLED)}


def _parameters() -> Iterator[object]:
    for mutation in MUTATIONS:
        marks = () if mutation.name in SAMPLE else (pytest.mark.full,)
        yield pytest.param(mutation, id=mutation.name, marks=marks)


@pytest.fixture(scope="module")
def pair(cluster18: Cluster) -> Iterator[tuple[Side, Side]]:
    with two_sides(cluster18, cluster18) as (source, target):
        source.fill(18)
        target.fill(18)
        yield source, target


@pytest.mark.parametrize("mutation", [*_parameters()])
def test_a_single_change_is_found_and_named(pair: tuple[Side, Side], mutation: Mutation, tmp_path: Path) -> None:
    """What was changed is reported by its name, and nothing else is; a password is not shown (all hold 'canary')."""
    source, target = pair
    with target.copied() as copy:
        copy.run(mutation.statements)
        proof = compared(source, copy, tmp_path)
    found = sorted(name.format(other=copy.other) for name in mutation.found)
    assert found == named(proof)
    assert bool(decided(proof)) is not mutation.told
    assert proof.same is mutation.told
    assert "anary" not in " ".join(map(str, proof.definitions))


def test_there_are_enough_and_each_has_its_name() -> None:
    """At least a hundred single changes, none twice."""
    assert len(MUTATIONS) >= 100
    assert len(MUTATIONS) == len({m.name for m in MUTATIONS})
    assert len(MUTATIONS) == len({m.statements for m in MUTATIONS})


@pytest.fixture(scope="module")
def cluster15(session_directory: Path) -> Iterator[Cluster]:
    """Debian's own server, whose catalogues are the oldest here."""
    if not Path("/usr/lib/postgresql/15/bin/postgres").exists():
        pytest.skip("Debian's postgresql-15 is not installed")
    cluster = Cluster(session_directory / "verify15", 15)
    cluster.initdb()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.mark.parametrize(("old", "new"), [(16, 16), (18, 18), (16, 18), (15, 18)])
def test_a_restore_is_the_same(old: int, new: int, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Of a database with one of everything, dumped and restored, nothing is reported."""
    before, after = (request.getfixturevalue(f"cluster{major}") for major in (old, new))
    with two_sides(before, after) as (source, target):
        source.fill(old)
        restored(source, target)
        proof = compared(source, target, tmp_path)
    assert [] == named(proof)
    assert proof.same
