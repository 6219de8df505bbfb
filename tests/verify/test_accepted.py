"""What could not be verified stops a switch, unless a person accepted it by name and said why."""

from pathlib import Path

import psycopg
import pytest

from fenced_database import fenced_database, two_databases
from pgcutover.errors import CopyError, UsageError
from pgcutover.faces.cli_verify import table_and_reason
from pgcutover.lab.clusters import Cluster
from pgcutover.running.step import Verdict
from pgcutover.steps.verify import ACCEPTED_UNVERIFIED, Verify

MAKE = "CREATE TABLE shut (id integer); CREATE TABLE fine (id integer)"
SHUT = "ALTER TABLE shut ENABLE ROW LEVEL SECURITY; ALTER TABLE shut FORCE ROW LEVEL SECURITY"


def test_only_what_was_accepted_by_name_is_let_pass(cluster16: Cluster, cluster18: Cluster, tmp_path: Path) -> None:
    """Another table's name does not help, a difference is never accepted, and what was let pass is said."""
    with fenced_database(cluster16, filled=False) as old, fenced_database(cluster18, filled=False) as new:
        for database in (old, new):
            with psycopg.connect(database.owner.url().reveal(), autocommit=True) as session:
                session.execute(f"{MAKE}; {SHUT}")
        with two_databases(old, new, tmp_path) as world:
            step = Verify()
            for table in ("public.fine", "public.shut"):
                with pytest.raises(CopyError, match=r"could not verify public\.shut"):
                    step.do(world, {})
                assert Verdict.PARTIAL == step.verify(world, {}).verdict
                world.notes.note(ACCEPTED_UNVERIFIED, {"table": table, "reason": "empty, looked", "by": "me"})
            step.do(world, {})
            found = step.verify(world, {})
            assert Verdict.WHOLE == found.verdict
            assert "NOT verified, and accepted: public.shut" in found.detail
            assert {"public.fine": "empty, looked", "public.shut": "empty, looked"} == found.evidence[
                "accepted_unverified"
            ]
            new.run("INSERT INTO public.fine VALUES (1)")
            with pytest.raises(CopyError, match=r"not the same: public\.fine"):
                step.do(world, {})
            assert Verdict.PARTIAL == step.verify(world, {}).verdict


@pytest.mark.parametrize("text", ["public.t", "public.t=", "=why", " = "])
def test_nobody_accepts_without_a_reason(text: str) -> None:
    """Table and reason are both asked for."""
    with pytest.raises(UsageError):
        table_and_reason(text)
    assert ("public.t", "a=b") == table_and_reason("public.t=a=b")
