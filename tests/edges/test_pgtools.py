"""pg_dump and pg_restore, the real ones: found, run, read, and their failures told."""

import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from little_database import LITTLE, emptied, own_database, plain, rows_of, run_sql
from pgcutover.edges.pgtools import dump_schema, find_clients, read_toc, restore
from pgcutover.errors import ToolError
from pgcutover.facts.names import Dsn, Secret
from pgcutover.lab.clients import install_clients
from pgcutover.lab.clusters import Cluster, binaries
from pgcutover.lab.relay import Relay
from pgcutover.lab.tls import CertificateAuthority
from pgcutover.planning.clients import Client
from pgcutover.planning.definitions import TocEntry, sift

VERSION = 160014


def client(program: str, major: int = 16) -> Client:
    return next(c for c in find_clients([binaries(major)]) if c.program == program and c.major == major)


@pytest.fixture(scope="module")
def source(cluster16: Cluster) -> Iterator[Dsn]:
    """The little database, dumped again and again and never changed."""
    with own_database(cluster16) as dsn:
        run_sql(dsn, LITTLE)
        yield plain(dsn)


@pytest.fixture(scope="module")
def target_database(cluster16: Cluster) -> Iterator[Dsn]:
    with own_database(cluster16) as dsn:
        yield plain(dsn)


@pytest.fixture
def target(target_database: Dsn) -> Dsn:
    return emptied(target_database)


@pytest.fixture(scope="module")
def archive(source: Dsn, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archive") / "schema.dump"
    assert () == dump_schema(client("pg_dump"), source, path, server_version=VERSION)
    return path


def toc(archive: Path) -> tuple[TocEntry, ...]:
    return sift(read_toc(client("pg_restore"), archive)).kept


def test_clients_are_found_with_their_versions() -> None:
    """Both programs of both wheels are found, in the order of the directories."""
    found = find_clients([binaries(18), binaries(16)])
    wanted = [("pg_dump", 18), ("pg_restore", 18), ("pg_dump", 16), ("pg_restore", 16)]
    assert wanted == [(c.program, c.major) for c in found[:4]]


def test_what_is_no_client_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that says something else, fails, or is Debian's front is not taken for pg_dump."""
    monkeypatch.setenv("PATH", "/nonexistent")
    for name, text in {"a": "echo hello", "b": "echo 'pg_dump (PostgreSQL) 16.1'; exit 1"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "pg_dump").write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name / "pg_dump").chmod(0o755)
    (tmp_path / "c").mkdir()
    (tmp_path / "pg_wrapper").write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 16.1'\n")
    (tmp_path / "pg_wrapper").chmod(0o755)
    (tmp_path / "c" / "pg_dump").symlink_to(tmp_path / "pg_wrapper")
    here = [tmp_path / name for name in "abc"]
    assert [] == [c for c in find_clients(here) if c.path.startswith(str(tmp_path))]


def test_a_beta_has_a_version(tmp_path: Path) -> None:
    """`18beta1` is major version 18."""
    (tmp_path / "pg_dump").write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 18beta1'\n")
    (tmp_path / "pg_dump").chmod(0o755)
    assert 180000 == find_clients([tmp_path])[0].version


def test_an_archive_is_ours_alone(archive: Path) -> None:
    """Function bodies may hold secrets: nobody else may read the file, and no half of one is left beside it."""
    assert 0o600 == stat.S_IMODE(archive.stat().st_mode)
    assert [archive] == list(archive.parent.iterdir())


def test_every_entry_is_read_with_its_place_in_the_catalogue(source: Dsn, archive: Path) -> None:
    """Kinds of several words, quoted names and OIDs are told apart; rows are not in the archive."""
    entries = toc(archive)
    kinds = {entry.kind for entry in entries}
    assert {"TABLE", "TABLE ATTACH", "MATERIALIZED VIEW", "INDEX ATTACH", "FK CONSTRAINT", "ROW SECURITY"} <= kinds
    assert not kinds & {"TABLE DATA", "SEQUENCE SET", "EXTENSION", "ACL"}
    (odd,) = (e for e in entries if e.kind == "TABLE" and e.names("Odd Schema", 'Odd "Tab" le'))
    assert [(odd.oid,)] == rows_of(source, """SELECT '"Odd Schema"."Odd ""Tab"" le"'::regclass::oid::bigint""")
    assert {"pre-data", "post-data"} == {entry.section for entry in entries}


def test_definitions_are_restored_whole_or_not_at_all(target: Dsn, archive: Path) -> None:
    """An error in the middle leaves the target as empty as it was; without it everything is there."""
    entries = [e for e in toc(archive) if e.section == "pre-data"]
    without_type = [e for e in entries if not (e.kind == "TYPE" and e.names("app", "mood"))]
    with pytest.raises(ToolError, match=r'type "app.mood" does not exist'):
        restore(client("pg_restore"), target, archive, without_type, server_version=VERSION, whole=True)
    assert [] == rows_of(target, "SELECT FROM pg_namespace WHERE nspname = 'app'")
    restore(client("pg_restore"), target, archive, entries, server_version=VERSION, whole=True)
    assert [(19,)] == rows_of(target, "SELECT count(*) FROM pg_tables WHERE schemaname IN ('app', 'Odd Schema')")


def test_a_failure_is_told_without_the_password(source: Dsn, tmp_path: Path) -> None:
    """The program's last words and a hint are in the error, the password is not, and no archive is left."""
    wrong = replace(source, password=Secret("open-sesame"))
    with pytest.raises(ToolError, match="password authentication failed") as caught:
        dump_schema(client("pg_dump"), wrong, tmp_path / "x", server_version=VERSION)
    assert "open-sesame" not in str(caught.value)
    assert "rotated" in caught.value.hint
    assert not (tmp_path / "x").exists()


def test_no_password_is_in_argv(source: Dsn, tmp_path: Path) -> None:
    """What others on the machine could read in the process list holds no secret."""
    spy = tmp_path / "pg_dump"
    spy.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {tmp_path}/argv\nenv > {tmp_path}/env\nexit 1\n")
    spy.chmod(0o755)
    with pytest.raises(ToolError):
        dump_schema(Client(program="pg_dump", path=str(spy), version=VERSION), source, tmp_path / "x", server_version=0)
    assert source.password.reveal() not in (tmp_path / "argv").read_text()
    assert f"PGPASSWORD={source.password.reveal()}" in (tmp_path / "env").read_text().splitlines()


def test_the_caller_s_environment_changes_nothing(source: Dsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGHOST, PGOPTIONS and their like, set for something else, do not reach the programs."""
    monkeypatch.setenv("PGHOST", "192.0.2.1")
    monkeypatch.setenv("PGOPTIONS", "-c search_path=nowhere -c nonsense=1")
    monkeypatch.setenv("PGSERVICE", "nowhere")
    dump_schema(client("pg_dump"), source, tmp_path / "x", server_version=VERSION)
    assert (tmp_path / "x").stat().st_size > 0


def test_a_lock_that_nobody_lets_go_of_is_an_error(source: Dsn, tmp_path: Path, connect: Callable) -> None:
    """Behind an ALTER TABLE pg_dump gives up after the time it was given, and says why."""
    other = connect(source)
    other.execute("LOCK TABLE app.nobody IN ACCESS EXCLUSIVE MODE")
    with pytest.raises(ToolError, match="statement timeout") as caught:
        dump_schema(client("pg_dump"), source, tmp_path / "x", server_version=VERSION, lock_wait_s=1)
    assert "ALTER TABLE" in caught.value.hint
    other.rollback()


def test_a_program_that_is_gone_is_an_error(source: Dsn, tmp_path: Path) -> None:
    """A path that no longer exists is a ToolError, not a traceback."""
    gone = Client(program="pg_dump", path=str(tmp_path / "gone"), version=VERSION)
    with pytest.raises(ToolError, match="cannot be run"):
        dump_schema(gone, source, tmp_path / "x", server_version=VERSION)


def test_the_programs_speak_tls_with_verification(
    source: Dsn,
    tmp_path: Path,
    cluster16: Cluster,
    tls_relay: Callable[..., Relay],
    lab_ca: CertificateAuthority,
) -> None:
    """verify-full with the lab's authority succeeds; with another it is refused with a hint about TLS."""
    clients = find_clients([install_clients(tmp_path)[16]])
    dump = next(c for c in clients if c.program == "pg_dump" and str(tmp_path) in c.path)
    way = replace(source, host="localhost", port=tls_relay(cluster16).port)
    trusted = way.with_options(sslmode="verify-full", sslrootcert=str(lab_ca.bundle))
    dump_schema(dump, trusted, tmp_path / "x", server_version=VERSION)
    other = CertificateAuthority.create(tmp_path / "other")
    with pytest.raises(ToolError) as caught:
        dump_schema(dump, trusted.with_options(sslrootcert=str(other.bundle)), tmp_path / "y", server_version=VERSION)
    assert "CA bundle" in caught.value.hint
