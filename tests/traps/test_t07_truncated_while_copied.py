"""T7, for the copy: a table that is truncated or rewritten under the snapshot is noticed, not believed to be empty."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from little_database import LittleWorld, join, own_database, run_sql
from pgcutover.copying.chunk import ChunkJob, Copied
from pgcutover.copying.crew import Crew
from pgcutover.edges.copystream import carry
from pgcutover.errors import FenceError
from pgcutover.facts.names import Dsn
from pgcutover.lab.clusters import Cluster
from pgcutover.steps.copy import Copy
from pgcutover.steps.schema import Schema


@pytest.fixture
def pair(cluster16: Cluster) -> Iterator[tuple[Dsn, Dsn]]:
    with own_database(cluster16) as source, own_database(cluster16) as target:
        run_sql(source, "CREATE TABLE public.t AS SELECT generate_series(1, 100) AS id")
        yield source, target


@pytest.mark.parametrize(
    ("change", "rows"),
    [("TRUNCATE public.t; INSERT INTO public.t VALUES (7)", 0), ("VACUUM FULL public.t", 100)],
)
def test_a_rewritten_table_stops_the_run(change: str, rows: int, pair: tuple[Dsn, Dsn], tmp_path: Path) -> None:
    """After TRUNCATE the old snapshot shows no row at all; the table's file tells, and so the run stops."""
    source, target = pair
    world = join(source, target, tmp_path)
    arrived: list[int] = []

    def after_the_change(words: ChunkJob) -> tuple[Copied, ...]:
        for statement in change.split(";"):
            run_sql(source, statement)
        copied = carry(words)
        arrived.append(copied[0].rows)
        return copied

    crew = Crew(lambda: ThreadPoolExecutor(1), after_the_change, size=1)
    Schema().do(world, Schema().observe(world))
    before = Copy().observe(world)
    with pytest.raises(FenceError, match=r"public\.t was truncated or rewritten on the source after it was copied"):
        Copy().do(LittleWorld(copier=replace(world.copier, crew=lambda: crew)), before)
    assert [rows] == arrived
    with pytest.raises(FenceError, match="truncated or rewritten"):
        Copy().do(world, before)
