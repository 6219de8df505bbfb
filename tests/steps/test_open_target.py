"""The steps that prove the new database, open it, and close it again when the move goes back."""

import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TextIO

import psycopg
import pytest

from fenced_database import Fenced, Noted, TwoDatabases, fenced_database, two_databases
from pgcutover.edges import export
from pgcutover.edges.content import ContentProof
from pgcutover.edges.gate import Gate
from pgcutover.errors import AwsError, ConfigError, CopyError, PgcutoverError, RightsError, TargetError
from pgcutover.lab.clusters import Cluster
from pgcutover.running.step import Verdict
from pgcutover.steps.canary import FLOWN
from pgcutover.steps.fence import Fence
from pgcutover.steps.lift import LIFTED
from pgcutover.steps.open_target import LEFT_OUT, SALVAGED, OpenTarget
from pgcutover.steps.verify import Verify

TABLES = "CREATE TABLE a (id integer PRIMARY KEY, v text); CREATE TABLE b (v text); INSERT INTO a VALUES (1, 'x')"
WRITE = "INSERT INTO b VALUES ('written')"


@pytest.fixture
def old(cluster16: Cluster) -> Iterator[Fenced]:
    with fenced_database(cluster16, filled=False) as found:
        found.as_owner(TABLES)
        yield found


@pytest.fixture
def new(cluster18: Cluster) -> Iterator[Fenced]:
    with fenced_database(cluster18, filled=False) as found:
        found.as_owner(TABLES)
        yield found


@pytest.fixture
def world(old: Fenced, new: Fenced, tmp_path: Path) -> Iterator[TwoDatabases]:
    with two_databases(old, new, tmp_path / "salvaged") as found:
        yield found


def test_proof_then_opening_then_closing(world: TwoDatabases, new: Fenced) -> None:
    """Closed from the proof on; open after opening; closed after undoing, and all of it once more."""
    assert Verdict.ABSENT is Verify().verify(world, {}).verdict
    for written in range(2):
        if not written:
            Verify().do(world, {})
            assert Verdict.WHOLE is Verify().verify(world, {}).verdict
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            new.as_owner(WRITE)
        assert Verdict.ABSENT is OpenTarget().verify(world, {}).verdict
        OpenTarget().do(world, {})
        OpenTarget().do(world, {})
        found = OpenTarget().verify(world, {})
        assert Verdict.WHOLE is found.verdict
        assert found.evidence["opened_at"]
        new.as_owner(WRITE)
        OpenTarget().undo(world, {})
        OpenTarget().undo(world, {})
        noted = {kind: payload["tables"] for kind, payload in world.notes.kept}
        assert {SALVAGED: [{"table": "public.b", "inserted": written + 1, "updated": 0, "deleted": 0}]} == noted


def test_the_evidence_of_the_proof(world: TwoDatabases) -> None:
    """Rows on both sides for each table, and that they are equal."""
    Verify().do(world, {})
    found = Verify().verify(world, {})
    assert [
        {"table": "public.a", "source_rows": 1, "target_rows": 1, "equal": True},
        {"table": "public.b", "source_rows": 0, "target_rows": 0, "equal": True},
    ] == sorted(found.evidence["tables"], key=lambda t: str(t["table"]))
    assert re.fullmatch(r"2 tables, 1 rows compared, the source read for \d+\.\d s", found.detail)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE a SET v = 'y'", r"public\.a \(1 rows, 1 on the new one\)"),
        ("DROP TABLE b", "table:public.b is missing on the target"),
        ("ALTER TABLE a DROP CONSTRAINT a_pkey", "constraint:public.a.a_pkey is missing"),
        ("CREATE TABLE c (id integer)", "public.c"),
    ],
)
def test_a_difference_stops_the_move(world: TwoDatabases, new: Fenced, change: str, told: str) -> None:
    """It is named, the step is not whole, and the new database stays closed."""
    new.as_owner(change)
    with pytest.raises(CopyError, match=told):
        Verify().do(world, {})
    assert Verdict.PARTIAL is Verify().verify(world, {}).verdict
    assert world.target.status().closed


def test_what_could_not_be_checked_is_no_pass(world: TwoDatabases, new: Fenced) -> None:
    """The error says which table, and why."""
    new.as_owner("ALTER TABLE b ENABLE ROW LEVEL SECURITY; ALTER TABLE b FORCE ROW LEVEL SECURITY")
    with pytest.raises(CopyError, match=r"could not verify public\.b: .*row-level security"):
        Verify().do(world, {})


def test_only_what_the_canary_met_may_differ(world: TwoDatabases, old: Fenced, new: Fenced) -> None:
    """A view of another text stops the move, unless this run's latest canary met the very same difference."""
    old.as_owner("CREATE VIEW w AS SELECT id FROM a")
    new.as_owner("CREATE VIEW w AS SELECT id + 0 AS id FROM a")
    world.notes.note(FLOWN, {"left_out": [], "seen": []})
    with pytest.raises(CopyError, match=r"view:public\.w differs"):
        Verify().do(world, {})
    proof = world.proof.latest
    assert proof is not None
    world.notes.note(FLOWN, {"left_out": [], "seen": [proof.definitions[0].mark]})
    Verify().do(world, {})
    found = Verify().verify(world, {})
    assert Verdict.WHOLE is found.verdict
    assert "1 differences that decide nothing" in found.detail


def test_a_large_object_at_the_source_is_no_pass(world: TwoDatabases, old: Fenced) -> None:
    """It was made after the inventory, and is not on the new database."""
    old.as_owner("SELECT lo_create(0)")
    with pytest.raises(CopyError, match=r"pg_largeobject"):
        Verify().do(world, {})


def test_undoing_the_proof_opens_the_target(world: TwoDatabases, new: Fenced) -> None:
    """As it was before it was closed, a default of its own included."""
    new.run(f'ALTER DATABASE "{new.owner.database}" SET default_transaction_read_only = off')
    state = new.state()
    Verify().do(world, {})
    assert state != new.state()
    Verify().undo(world, {})
    assert Verdict.ABSENT is Verify().verify(world, {}).verdict
    assert state == new.state()


def test_sessions_of_others_end_when_it_closes(world: TwoDatabases, new: Fenced) -> None:
    """A transaction in flight on the new database is rolled back before anything is compared or exported."""
    with psycopg.connect(new.owner.url().reveal()) as session:
        session.execute(WRITE)
        world.target.close()
        with pytest.raises(psycopg.OperationalError):
            session.commit()
    assert 0 == new.one("SELECT count(*) FROM b")


def test_a_table_of_another_role_does_not_hold_up_who_goes_back(
    world: TwoDatabases, new: Fenced, tmp_path: Path
) -> None:
    """What cannot be locked or read is named, in the note and in the manifest; the rest is locked and exported."""
    before = Fence().observe(world)
    Fence().do(world, before)
    OpenTarget().do(world, {})
    new.as_owner(WRITE)
    new.run(
        "CREATE TABLE public.hidden (id integer); INSERT INTO hidden VALUES (1);"
        "CREATE TABLE public.shown (id integer);"
        f'GRANT SELECT ON shown TO "{new.owner.user}"; INSERT INTO shown VALUES (1);'
        "CREATE TABLE public.lent (id integer); INSERT INTO lent VALUES (1);"
        f'GRANT SELECT, TRUNCATE ON lent TO "{new.owner.user}"; CREATE SCHEMA secret; CREATE TABLE secret.s (id serial)'
    )
    world.notes.note(LIFTED, {})
    with world.target.quiet() as unlocked, new.superuser() as session:
        session.execute("SET lock_timeout = 50")
        for table in ("a", "lent"):
            with pytest.raises(psycopg.errors.LockNotAvailable):
                session.execute(f"TRUNCATE {table}")
    not_locked = [
        f"table {t} could not be locked while it was read" for t in ("public.hidden", "public.shown", "secret.s")
    ]
    assert not_locked == list(unlocked)
    OpenTarget().undo(world, {})
    noted = world.notes.notes(SALVAGED)[-1]
    assert {"public.b": 1, "public.lent": 1, "public.shown": 1} == {t["table"]: t["inserted"] for t in noted["tables"]}
    assert not_locked == noted["fence_leaks"][:3]
    unread = ("table public.hidden could not be exported: ", "table secret.s could not be exported: ")
    assert unread == tuple(d[: len(u)] for d, u in zip(noted["fence_leaks"][3:5], unread, strict=True))
    lent = f"rights to write could not be taken: table public.lent: {new.owner.user} has TRUNCATE"
    assert [lent] == noted["fence_leaks"][5:]
    manifest = json.loads((tmp_path / "salvaged" / "manifest.json").read_text())
    assert ["table public.hidden", "table secret.s"] == [text.split(":")[0] for text in manifest["not_exported"]]
    assert {t["file"] for t in manifest["tables"]} == {f.name for f in (tmp_path / "salvaged").glob("*.jsonl")}


def test_a_table_of_ours_in_a_schema_that_is_not_is_named_too(world: TwoDatabases, new: Fenced) -> None:
    """One that the server will not let us lock does not unlock the others, nor does one that lacks a privilege."""
    new.run(
        "CREATE SCHEMA secret; CREATE TABLE secret.ours (id integer);"
        f'ALTER TABLE secret.ours OWNER TO "{new.owner.user}"'
    )
    new.as_owner(f'REVOKE ALL ON a FROM "{new.owner.user}"')
    with world.target.quiet() as unlocked, new.superuser() as session:
        session.execute("SET lock_timeout = 50")
        for table in ("a", "b"):
            with pytest.raises(psycopg.errors.LockNotAvailable):
                session.execute(f"TRUNCATE {table}")
    assert ("table secret.ours could not be locked while it was read",) == unlocked


def test_rows_that_a_server_will_not_give_cost_their_table_alone(world: TwoDatabases, new: Fenced) -> None:
    """The other tables' rows are exported, and going back goes on."""
    OpenTarget().do(world, {})
    new.as_owner(f"{WRITE}; ALTER TABLE a ENABLE ROW LEVEL SECURITY; ALTER TABLE a FORCE ROW LEVEL SECURITY")
    OpenTarget().undo(world, {})
    ((_, noted),) = world.notes.kept
    assert ["public.b"] == [t["table"] for t in noted["tables"]]
    assert "table public.a could not be exported: " in noted["fence_leaks"][-1]
    assert "row-level security" in noted["fence_leaks"][-1]


def test_a_server_that_goes_away_is_no_fault_of_one_table(
    world: TwoDatabases, new: Fenced, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the lift nobody goes back without a word about what was not exported."""
    world.notes.note(LIFTED, {})
    new.as_owner(WRITE)
    written = export._file

    def cut(path: Path) -> AbstractContextManager[TextIO]:
        new.run(f'ALTER ROLE "{new.owner.user}" CONNECTION LIMIT 0')
        return written(path)

    monkeypatch.setattr(export, "_file", cut)
    with pytest.raises(TargetError, match="too many connections"):
        OpenTarget().undo(world, {})
    assert () == world.notes.notes(SALVAGED)


def test_a_new_database_that_is_gone_does_not_keep_the_application_closed(
    old: Fenced, new: Fenced, tmp_path: Path
) -> None:
    """Before the lift going back goes on and says why nothing was exported; after it a person must say so first."""
    nobody = replace(new.target, dsn=replace(new.target.dsn, port=9))
    with two_databases(old, new, tmp_path / "salvaged") as world:
        gone = replace(world, target=Gate(nobody), proof=ContentProof(old.server, nobody, directory=tmp_path, jobs=1))
        OpenTarget().undo(gone, {})
        found = OpenTarget().verify(gone, {})
        assert Verdict.ABSENT is found.verdict
        assert "nothing exported" in found.detail
        lifted = replace(gone, notes=Noted(kept=[(LIFTED, {})]))
        with pytest.raises(TargetError) as caught:
            OpenTarget().undo(lifted, {})
        assert "--without-export REASON" in caught.value.hint
        lifted.notes.note(LEFT_OUT, {"why": "RDS is down", "by": "me"})
        OpenTarget().undo(lifted, {})
        assert "RDS is down" in OpenTarget().verify(lifted, {}).detail


@pytest.mark.parametrize("kind", [AwsError, RightsError, ConfigError])
def test_a_sign_in_to_aws_that_expired_does_not_keep_the_application_closed(
    world: TwoDatabases, monkeypatch: pytest.MonkeyPatch, kind: type[PgcutoverError]
) -> None:
    """Before the lift going back goes on, whatever AWS says in place of the new database's address."""

    def refused(gate: Gate) -> AbstractContextManager[tuple[str, ...]]:
        raise kind("no usable AWS credentials")

    monkeypatch.setattr(Gate, "quiet", refused)
    OpenTarget().undo(world, {})
    assert "no usable AWS credentials" in OpenTarget().verify(world, {}).detail
    world.notes.kept[:] = [(LIFTED, {})]
    with pytest.raises(kind) as caught:
        OpenTarget().undo(world, {})
    assert "--without-export REASON" in caught.value.hint
