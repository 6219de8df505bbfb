"""What could not be verified stops a switch, unless a person accepted it by name and said why."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from fenced_database import Fenced, TwoDatabases, fenced_database, two_databases
from pgcutover.app.guards import RunNotes
from pgcutover.app.session import RunSession
from pgcutover.edges.content import ContentProof
from pgcutover.edges.journal import SqliteJournal
from pgcutover.errors import CopyError, RefusedError, UsageError
from pgcutover.faces.cli_verify import table_and_reason
from pgcutover.facts.proof import Doubt
from pgcutover.lab.clusters import Cluster
from pgcutover.running.step import Verdict
from pgcutover.steps.acceptance import ACCEPTED_UNVERIFIED, UNVERIFIED, acceptances, listed
from pgcutover.steps.verify import Verify

MAKE = "CREATE TABLE shut (id integer); CREATE TABLE fine (id integer)"
SHUT = "ALTER TABLE shut ENABLE ROW LEVEL SECURITY; ALTER TABLE shut FORCE ROW LEVEL SECURITY"


@pytest.fixture
def world(cluster16: Cluster, cluster18: Cluster, tmp_path: Path) -> Iterator[tuple[TwoDatabases, Fenced, Fenced]]:
    with fenced_database(cluster16, filled=False) as old, fenced_database(cluster18, filled=False) as new:
        for database in (old, new):
            with psycopg.connect(database.owner.url().reveal(), autocommit=True) as session:
                session.execute(f"{MAKE}; {SHUT}")
        with two_databases(old, new, tmp_path) as world:
            yield world, old, new


def accept(world: TwoDatabases, table: str) -> None:
    for note in acceptances(world.notes.notes(UNVERIFIED), [(table, "empty, looked")], by="me"):
        world.notes.note(ACCEPTED_UNVERIFIED, note)


def test_only_what_was_accepted_by_name_is_let_pass(world: tuple[TwoDatabases, Fenced, Fenced]) -> None:
    """Another table's name is refused, a difference is never accepted, and what was let pass is said."""
    both, _, new = world
    step = Verify()
    with pytest.raises(RefusedError, match=r"public\.shut is not among what could not be verified"):
        accept(both, "public.shut")
    with pytest.raises(CopyError, match=r"could not verify public\.shut"):
        step.do(both, {})
    assert Verdict.PARTIAL == step.verify(both, {}).verdict
    with pytest.raises(RefusedError, match=r"public\.fine is not among what could not be verified"):
        accept(both, "public.fine")
    accept(both, "public.shut")
    step.do(both, {})
    found = step.verify(both, {})
    assert Verdict.WHOLE == found.verdict
    assert "NOT verified, and accepted: public.shut" in found.detail
    assert {"public.shut": "empty, looked"} == found.evidence["accepted_unverified"]
    new.run("INSERT INTO public.fine VALUES (1)")
    with pytest.raises(CopyError, match=r"not the same: public\.fine"):
        step.do(both, {})
    assert Verdict.PARTIAL == step.verify(both, {}).verdict


def test_an_acceptance_is_of_the_error_that_was_seen(world: tuple[TwoDatabases, Fenced, Fenced]) -> None:
    """What cannot be verified for another reason was accepted by nobody; a server's new address is no other reason."""
    both, old, new = world
    with pytest.raises(CopyError, match="row-level security"):
        Verify().do(both, {})
    accept(both, "public.shut")
    moved = ContentProof(old.server, replace(new.target, dsn=replace(new.owner, host="localhost")))
    Verify().do(replace(both, proof=moved), {})
    new.run("ALTER TABLE public.shut DISABLE ROW LEVEL SECURITY; ALTER TABLE public.shut OWNER TO CURRENT_USER")
    with pytest.raises(CopyError, match=r"could not verify public\.shut.*permission denied"):
        Verify().do(both, {})


def test_what_changed_meanwhile_is_never_accepted() -> None:
    """T7: a table that was truncated while it was read, and definitions that changed, are compared anew."""
    gone, changed = "public.gone", "definitions on the source changed while it was read"
    told = listed([Doubt(name=gone, error="it was truncated", redo=True), Doubt(name=changed, error="", redo=True)])
    for name in (gone, changed):
        with pytest.raises(RefusedError, match="cannot be accepted"):
            acceptances([told], [(name, "why not")], by="me")


def test_tables_of_one_plain_name_are_two_doubts(world: tuple[TwoDatabases, Fenced, Fenced]) -> None:
    """What is accepted of one is not accepted of the other; which is meant is told by quotes, where a plain name is not
    one table's alone."""
    both, old, new = world
    for database in (old, new):
        database.run('CREATE SCHEMA "a.b"; CREATE SCHEMA a; GRANT USAGE ON SCHEMA "a.b", a TO PUBLIC')
        database.run(
            'CREATE TABLE "a.b".c (i integer); CREATE TABLE a."b.c" (i integer); CREATE TABLE a."T" (i integer)'
        )
    with pytest.raises(CopyError, match="could not verify"):
        Verify().do(both, {})
    with pytest.raises(RefusedError, match=r'a\.b\.c may be ("a\.b"\.c|a\."b\.c") or'):
        accept(both, "a.b.c")
    for typed in ("public.shut", "a.T", '"a.b".c'):
        accept(both, typed)
    with pytest.raises(CopyError, match=r'could not verify a\."b\.c": ') as refused:
        Verify().do(both, {})
    assert '"a.b".c' not in refused.value.message
    accept(both, 'a."b.c"')
    Verify().do(both, {})
    assert Verdict.WHOLE == Verify().verify(both, {}).verdict


def test_what_another_run_could_not_verify_is_not_accepted(tmp_path: Path) -> None:
    """It was another copy, of other rows."""
    doubt = Doubt(name="public.shut", error="unreadable", redo=False)
    with SqliteJournal(tmp_path / "journal.db") as journal:
        for run in ("first", "second"):
            journal.open_run(run, "plan", {}, by="me")
            session = RunSession.__new__(RunSession)
            session.notes, session._journal = RunNotes(journal=journal, run=run), journal
            session.world = SimpleNamespace(heroku=SimpleNamespace(account_email=lambda: "me"))
            if run == "first":
                session.notes.note(UNVERIFIED, listed([doubt]))
                session.accept_unverified([("public.shut", "looked")])
                assert ["looked"] == [n["reason"] for n in session.notes.notes(ACCEPTED_UNVERIFIED)]
                journal.close_run(run, "returned")
        with pytest.raises(RefusedError, match="not among what could not be verified"):
            session.accept_unverified([("public.shut", "looked")])


@pytest.mark.parametrize("text", ["public.t", "public.t=", "=why", " = "])
def test_nobody_accepts_without_a_reason(text: str) -> None:
    """Table and reason are both asked for."""
    with pytest.raises(UsageError):
        table_and_reason(text)
    assert ("public.t", "a=b") == table_and_reason("public.t=a=b")
    assert ('public."a=b"', 'the "old" = one') == table_and_reason('public."a=b"=the "old" = one')


def test_a_table_whose_name_holds_the_sign_can_be_accepted() -> None:
    """Quoted, or as it is; where it could be two tables', nobody guesses."""
    odd = Doubt(name='public."a=b"', plain="public.a=b", error="unreadable", redo=False)
    for typed in ('public."a=b"=why = so', "public.a=b=why = so"):
        (note,) = acceptances([listed([odd])], [table_and_reason(typed)], by="me")
        assert ('public."a=b"', "why = so") == (note["table"], note["reason"])
    other = Doubt(name="public.a", plain="public.a", error="unreadable", redo=False)
    both = listed([odd, other])
    with pytest.raises(RefusedError, match=r"may be of public\.a or public\.a=b"):
        acceptances([both], [table_and_reason("public.a=b=why")], by="me")
    (note,) = acceptances([both], [table_and_reason("public.a=why")], by="me")
    assert "public.a" == note["table"]
    (note,) = acceptances([both], [table_and_reason('public."a=b"=why')], by="me")
    assert 'public."a=b"' == note["table"]
