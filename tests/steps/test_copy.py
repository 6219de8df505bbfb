"""The steps schema, copy and finish on real servers: everything arrives, and a second time changes nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from little_database import LITTLE, contents, definitions, join, run_sql
from pgcutover.facts.names import Dsn
from pgcutover.lab.clusters import Cluster
from pgcutover.running.step import Verdict
from pgcutover.steps.copy import Copy
from pgcutover.steps.schema import Schema

Scratch = Callable[[Cluster], Dsn]


@pytest.mark.parametrize("target_major", [16, 18])
def test_everything_arrives(
    target_major: int, cluster16: Cluster, cluster18: Cluster, scratch_db: Scratch, tmp_path: Path
) -> None:
    """Rows, indexes, constraints, triggers, policies and views on the target are those of the source, on 16 and 18."""
    source, target = scratch_db(cluster16), scratch_db(cluster16 if target_major == 16 else cluster18)
    run_sql(source, LITTLE)
    world = join(source, target, tmp_path)
    schema, copy = Schema(), Copy()
    before_schema = schema.observe(world)
    assert Verdict.ABSENT == schema.verify(world, before_schema).verdict
    schema.do(world, before_schema)
    assert Verdict.WHOLE == schema.verify(world, before_schema).verdict
    before_copy = copy.observe(world)
    assert Verdict.ABSENT == copy.verify(world, before_copy).verdict
    copy.do(world, before_copy)
    found = copy.verify(world, before_copy)
    assert (Verdict.WHOLE, "") == (found.verdict, "" if found.verdict is Verdict.WHOLE else found.detail)
    expected = contents(source)
    assert {k: v for k, v in expected.items() if "sum" not in k} == contents(target)
    assert definitions(source) == definitions(target)
