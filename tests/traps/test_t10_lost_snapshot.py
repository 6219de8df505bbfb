"""T10, for a copy under the fence: the snapshot is lost in the middle, and the next try goes on under another one.

What arrived under the first stays as long as its files are the same; whether its rows still are is asked of the whole
by the proof.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from little_database import LittleWorld, join, own_database, plain, rows_of, run_sql
from pgcutover.copying.chunk import ChunkJob, Copied
from pgcutover.copying.crew import Crew
from pgcutover.edges.content import ContentProof
from pgcutover.edges.copystream import carry
from pgcutover.edges.postgres import Server
from pgcutover.errors import FenceError, SourceError
from pgcutover.facts.names import Dsn
from pgcutover.facts.proof import Proof
from pgcutover.lab.clusters import Cluster
from pgcutover.running.step import Before
from pgcutover.steps.copy import Copy
from pgcutover.steps.schema import Schema

FIRST, SECOND = "public.big", "public.small"
END_HOLDER = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE application_name = 'pgcutover snapshot' AND usename = current_user"
)


@pytest.fixture
def pair(cluster16: Cluster) -> Iterator[tuple[Dsn, Dsn]]:
    with own_database(cluster16) as source, own_database(cluster16) as target:
        run_sql(source, "CREATE TABLE public.big AS SELECT generate_series(1, 20000) AS id")
        run_sql(source, "CREATE TABLE public.small AS SELECT generate_series(1, 10) AS id")
        run_sql(source, "ALTER TABLE public.big ADD PRIMARY KEY (id); ANALYZE")
        yield source, target


def half_copied(source: Dsn, target: Dsn, directory: Path) -> tuple[LittleWorld, Before]:
    """One table arrived, then the holder of the snapshot died before the other."""
    world = join(source, target, directory)

    def until_the_holder_dies(words: ChunkJob) -> tuple[Copied, ...]:
        if words.chunks[0].name == SECOND:
            rows_of(source, END_HOLDER)
        return carry(words)

    crew = Crew(lambda: ThreadPoolExecutor(1), until_the_holder_dies, size=1)
    Schema().do(world, Schema().observe(world))
    before = Copy().observe(world)
    with pytest.raises(SourceError):
        Copy().do(LittleWorld(copier=replace(world.copier, crew=lambda: crew)), before)
    assert {FIRST} == set(world.copier.target.marks())
    return world, before


def proof_of(source: Dsn, target: Dsn, directory: Path) -> Proof:
    old, new = Server(dsn=plain(source), side="source"), Server(dsn=plain(target), side="target")
    return ContentProof(old, new, directory=directory, jobs=1).compare()


def test_the_next_try_goes_on_under_another_snapshot(pair: tuple[Dsn, Dsn], tmp_path: Path) -> None:
    """What arrived is not copied again, the rest comes, and both hold the same."""
    source, target = pair
    world, before = half_copied(source, target, tmp_path)
    (first,) = rows_of(target, f"SELECT xmin::text, committed_at FROM pgcutover.chunk WHERE chunk = '{FIRST}'")
    Copy().do(world, before)
    assert [first] == rows_of(target, f"SELECT xmin::text, committed_at FROM pgcutover.chunk WHERE chunk = '{FIRST}'")
    assert {FIRST, SECOND} == set(world.copier.target.marks())
    assert proof_of(source, target, tmp_path).same


def test_a_row_that_was_written_in_between_is_found_by_the_proof(pair: tuple[Dsn, Dsn], tmp_path: Path) -> None:
    """The fence leaked between the two snapshots: what is copied is of two moments, and the proof says so."""
    source, target = pair
    world, before = half_copied(source, target, tmp_path)
    run_sql(source, "DELETE FROM public.big WHERE id = 7")
    Copy().do(world, before)
    found = proof_of(source, target, tmp_path)
    assert not found.same
    assert [FIRST] == [str(table.unit) for table in found.different]


def test_a_table_that_was_rewritten_in_between_stops_the_run(pair: tuple[Dsn, Dsn], tmp_path: Path) -> None:
    """Its file is another: what arrived under the first snapshot is not believed."""
    source, target = pair
    world, before = half_copied(source, target, tmp_path)
    run_sql(source, "VACUUM FULL public.big")
    with pytest.raises(FenceError, match=r"public\.big was truncated or rewritten on the source after it was copied"):
        Copy().do(world, before)
