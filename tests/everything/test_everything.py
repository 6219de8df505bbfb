"""The fixture, copied by the real steps: definitions and data are equal on both ends, by pg_dump and by plain SQL."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from everything_database import (
    EXTENSIONS_15,
    MASTER,
    Held,
    NewServer,
    data,
    differing,
    dumped,
    fill,
    source_database,
    target_database,
)

from little_database import LittleWorld, join
from pgcutover.errors import FenceError
from pgcutover.lab.clusters import Cluster, binaries
from pgcutover.lab.tls import CertificateAuthority
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.copy import Copy
from pgcutover.steps.finish import Finish
from pgcutover.steps.schema import Schema

UNSTEADY = ("billing.by_mood", "billing.by_word", "billing.by_expression", "app.by_icu")
MASTERS = {
    "EVENT TRIGGER - watch_start",
    "EVENT TRIGGER - watch_end",
    "EVENT TRIGGER - watch_rewrite",
    'EVENT TRIGGER - Watch "drop"',
    'COMMENT - EVENT TRIGGER "watch_start"',
    "PUBLICATION - everything",
    'COMMENT - PUBLICATION "everything"',
    "PUBLICATION - a_schema",
    "PUBLICATION TABLES IN SCHEMA billing a_schema billing",
}


DEBIANS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    source: int
    target: int
    files: tuple[str, ...] = ()
    extensions: tuple[tuple[str, str], ...] = ()

    @property
    def heroku(self) -> bool:
        """Whether the source holds what Heroku puts into each of its databases; Debian's build has no vector."""
        return self.source != DEBIANS

    @property
    def wanted(self) -> tuple[tuple[str, str], ...]:
        """The target's extensions."""
        return (*self.extensions, *((("vector", "heroku_ext"),) if self.heroku else ()))

    def __str__(self) -> str:
        return f"{self.source} to {self.target}"


PAIRS = (
    Pair(source=16, target=18),
    Pair(source=15, target=15, files=("15_contrib",), extensions=EXTENSIONS_15),
    Pair(source=15, target=18),
    Pair(source=18, target=18, files=("18_only",)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A pair of databases, the steps joined between them."""

    old: Held
    new: NewServer
    world: LittleWorld
    finish: Finish

    def carry(self) -> None:
        """The real steps, in their order; each must find itself whole."""
        for step in (Schema(), Copy(), self.finish):
            before = step.observe(self.world)
            step.do(self.world, before)
            found = step.verify(self.world, before)
            assert (Verdict.WHOLE, step.name) == (found.verdict, step.name), found.detail

    def finish_again(self) -> Finding:
        before: Before = {}
        self.finish.do(self.world, before)
        return self.finish.verify(self.world, before)


@contextmanager
def moving(old: Held, new: NewServer, directory: Path) -> Iterator[Move]:
    world = join(old.dsn, new.held.dsn, directory, master=new.master)
    inventory = world.copier.source.inventory()
    finish = Finish(
        grants=inventory.grants,
        settings=inventory.settings,
        roles=((inventory.owner, new.held.dsn.user),),
        app_role=new.held.dsn.user,
    )
    yield Move(old=old, new=new, world=world, finish=finish)


@pytest.fixture(scope="module")
def cluster15(session_directory: Path) -> Iterator[Cluster]:
    """Debian's build of 15: contrib, ICU, xml."""
    if not Path("/usr/lib/postgresql/15/bin/postgres").exists():
        pytest.skip("needs Debian's postgresql-15: apt-get install postgresql-15")
    assert binaries(15).exists()
    cluster = Cluster(session_directory / "pg15", 15)
    cluster.initdb()
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "pair", [pytest.param(p, marks=[pytest.mark.full] if n else []) for n, p in enumerate(PAIRS)], ids=str
)
def test_everything_arrives(
    pair: Pair, request: pytest.FixtureRequest, lab_ca: CertificateAuthority, tmp_path: Path
) -> None:
    """Both ends dump alike and hold the same rows; what only a master may make waits for one who may, then is there."""
    clusters = [request.getfixturevalue(f"cluster{major}") for major in (pair.source, pair.target)]
    with ExitStack() as stack:
        old = stack.enter_context(source_database(clusters[0]))
        new = stack.enter_context(target_database(clusters[1], lab_ca, extensions=pair.wanted))
        fill(old, files=pair.files, extensions=pair.extensions, heroku=pair.heroku)
        move = stack.enter_context(moving(old, new, tmp_path))
        move.carry()
        theirs = dumped(old)
        assert MASTERS == set(differing(theirs, dumped(new.held)))
        left = move.finish.verify(move.world, {}).evidence["left_to_the_master"]
        assert len(MASTERS) == len(left) if isinstance(left, list) else False
        with superuser(clusters[1], MASTER):
            assert [] == move.finish_again().evidence["left_to_the_master"]
            assert {} == differing(theirs, dumped(new.held))
        ours = data(old, roots=UNSTEADY)
        arrived = data(new.held, roots=UNSTEADY)
        assert {} == {k: (ours.get(k), arrived.get(k)) for k in {*ours, *arrived} if ours.get(k) != arrived.get(k)}
        assert len(ours) > 65
        assert (0, "same", []) == verified(old, new.held)


def verified(old: Held, new: Held) -> tuple[int, str, list[str]]:
    """Exit code, verdict and whatever speaks against it, of `pgcutover verify` as a person types it."""
    urls = {"PGCUTOVER_SOURCE": old.dsn.url().reveal(), "PGCUTOVER_TARGET": new.dsn.url().reveal()}
    done = subprocess.run(
        [sys.executable, "-m", "pgcutover", "verify", "--json"],
        env={**os.environ, **urls},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in range(4), done.stderr
    found = json.loads(done.stdout)
    tables = [f"{t['table']} {t['source_rows']} {t['target_rows']}" for t in found["tables"] if not t["equal"]]
    against = [*tables, *found["definitions"], *found["sequences_behind"], *found["unchecked"], *found["warnings"]]
    return done.returncode, found["verdict"], against


@contextmanager
def superuser(cluster: Cluster, role: str) -> Iterator[None]:
    """What RDS lets its master do that stock PostgreSQL does not: event triggers, publications of everything."""
    with cluster.superuser() as session:
        session.execute(f"ALTER ROLE {role} SUPERUSER")
    try:
        yield
    finally:
        with cluster.superuser() as session:
            session.execute(f"ALTER ROLE {role} NOSUPERUSER")


LARGE = """
SELECT lo_from_bytea(900000 + i, ('object ' || i)::bytea) FROM generate_series(1, 450) AS i;
SELECT lo_from_bytea(800000, decode(repeat('00112233445566778899aabbccddeeff', 700000), 'hex'));
"""


def test_large_objects_go_on_where_they_stopped(
    cluster16: Cluster, lab_ca: CertificateAuthority, tmp_path: Path
) -> None:
    """A batch whose marker is there is not copied again; one that broke leaves nothing behind."""
    with source_database(cluster16) as old, target_database(cluster16, lab_ca) as new:
        old.run(f'SET ROLE "{old.dsn.user}"; {LARGE}')
        with moving(old, new, tmp_path) as move:
            copier = move.world.copier
            copier.target.prepare()
            batches = copier.source.large_objects()
            assert [200, 200, 51] == [len(batch.oids) for batch in batches]
            with copier.source.snapshot() as snapshot:
                copier.target.put_large_objects(batches[0], copier.source.pieces(snapshot, batches[0]))
                pieces = copier.source.pieces(snapshot, batches[1])
                broken = (piece for n, piece in enumerate(pieces) if n < 100 or 1 / 0)
                with pytest.raises(ZeroDivisionError):
                    copier.target.put_large_objects(batches[1], broken)
            count = "SELECT count(*) FROM pg_largeobject_metadata"
            assert [(200,)] == new.held.rows(count)
            new.held.run("SELECT lo_put(900001, 0, 'marked')")
            move.carry()
            assert [(451,)] == new.held.rows(count)
            digests = "SELECT md5(string_agg(md5(lo_get(oid)), '' ORDER BY oid)) FROM pg_largeobject_metadata"
            new.held.run("SELECT lo_put(900001, 0, 'object')")
            assert old.rows(digests) == new.held.rows(digests)


def test_other_large_objects_in_a_batch_that_is_there_are_refused(
    cluster16: Cluster, lab_ca: CertificateAuthority, tmp_path: Path
) -> None:
    """A batch of the same name that holds another object now is not what was copied: the fence has leaked."""
    with source_database(cluster16) as old, target_database(cluster16, lab_ca) as new:
        old.run(f'SET ROLE "{old.dsn.user}"; SELECT lo_create(oid) FROM unnest(ARRAY[810000, 810005, 810009]) AS oid')
        with moving(old, new, tmp_path) as move:
            copier = move.world.copier
            copier.target.prepare()
            (batch,) = copier.source.large_objects()
            with copier.source.snapshot() as snapshot:
                copier.target.put_large_objects(batch, copier.source.pieces(snapshot, batch))
            old.run(f'SET ROLE "{old.dsn.user}"; SELECT lo_unlink(810005), lo_create(810007)')
            Schema().do(move.world, Schema().observe(move.world))
            with pytest.raises(FenceError, match="large objects 810000 to 810009 was truncated or rewritten"):
                Copy().do(move.world, Copy().observe(move.world))


@pytest.mark.parametrize(("encoding", "text"), [("LATIN1", "é ß"), ("SQL_ASCII", "é €")])
def test_encodings_other_than_utf8(
    encoding: str, text: str, cluster16: Cluster, cluster18: Cluster, lab_ca: CertificateAuthority, tmp_path: Path
) -> None:
    """Text arrives byte for byte in a database of the same encoding, names of tables and columns too."""
    with (
        source_database(cluster16, encoding=encoding, locale="C") as old,
        target_database(cluster18, lab_ca, encoding=encoding, locale="C") as new,
    ):
        with psycopg.connect(old.dsn.url().reveal(), autocommit=True) as session:
            session.execute("SET client_encoding = 'UTF8'")
            session.execute('CREATE TABLE "tä" ("cö" text PRIMARY KEY, b "char")'.encode())
            session.execute('INSERT INTO "tä" VALUES (%s, %s)'.encode(), (text, "x"))
            session.execute(f"COMMENT ON TABLE \"tä\" IS '{text}'".encode())
        with moving(old, new, tmp_path) as move:
            move.carry()
        bytes_of = "SELECT encode(convert_to(x::text, getdatabaseencoding()), 'hex') FROM (SELECT * FROM \"tä\") AS x"
        if encoding == "SQL_ASCII":
            bytes_of = 'SELECT encode("cö"::bytea, \'hex\') FROM "tä"'
        assert old.rows(bytes_of) == new.held.rows(bytes_of)
        assert {} == differing(dumped(old), dumped(new.held))
        assert (0, "same", []) == verified(old, new.held)


@pytest.mark.full
def test_a_value_of_300_mb(
    cluster16: Cluster, cluster18: Cluster, lab_ca: CertificateAuthority, tmp_path: Path
) -> None:
    """Text and bytes of 300 MB each, in one row, arrive whole."""
    with source_database(cluster16) as old, target_database(cluster18, lab_ca) as new:
        old.run(
            f"""SET ROLE "{old.dsn.user}";
                CREATE TABLE huge (id integer PRIMARY KEY, t text, b bytea);
                ALTER TABLE huge ALTER t SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL;
                INSERT INTO huge
                SELECT 1, repeat(md5('x'), 300 * 32768), decode(repeat(md5('y'), 300 * 65536), 'hex')"""
        )
        with moving(old, new, tmp_path) as move:
            move.carry()
        sums = "SELECT octet_length(t), md5(t), octet_length(b), md5(b) FROM huge"
        assert old.rows(sums) == new.held.rows(sums)
        assert [(300 * 2**20,)] == new.held.rows("SELECT octet_length(t) FROM huge")
        assert (0, "same", []) == verified(old, new.held)
