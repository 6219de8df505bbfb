"""Two databases made alike, and copies of the second that a single change can be made to."""

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from psycopg import sql

from pgcutover.edges.content import ContentProof
from pgcutover.edges.postgres import Server
from pgcutover.facts.names import Dsn, Secret
from pgcutover.facts.proof import Proof
from pgcutover.lab.clusters import SUPERUSER, Cluster, binaries

HERE = Path(__file__).parent
FILES = {
    15: ("mutated.sql",),
    16: ("mutated.sql", "mutated_vector.sql"),
    18: ("mutated.sql", "mutated_vector.sql", "mutated_18.sql"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One database, its owner and a second credential, which has the same name on every server."""

    cluster: Cluster
    dsn: Dsn
    other: str

    def run(self, statements: str) -> None:
        """As a superuser; {owner}, {other} and {database} stand for names."""
        names = {"owner": self.dsn.user, "other": self.other, "database": self.dsn.database}
        with self.cluster.superuser(self.dsn.database) as session:
            session.execute("SET default_transaction_read_only = off")
            session.execute(statements.format(**names).encode())

    def fill(self, major: int) -> None:
        for file in FILES[major]:
            self.run((HERE / file).read_text("utf-8"))
        self.settle()

    def settle(self) -> None:
        """What a template does not hold."""
        self.run(
            "ALTER DATABASE {database} SET work_mem = '4MB'; ALTER DATABASE {database} SET search_path = app, public;"
            "ALTER ROLE {other} IN DATABASE {database} SET statement_timeout = '5min'"
        )

    @contextmanager
    def copied(self) -> Iterator["Side"]:
        """A database like this one, dropped afterwards."""
        there = replace(self, dsn=replace(self.dsn, database=f"{self.dsn.database}_c{secrets.token_hex(2)}"))
        names = {"new": sql.Identifier(there.dsn.database), "old": sql.Identifier(self.dsn.database)}
        with self.cluster.superuser() as session:
            session.execute(
                sql.SQL("CREATE DATABASE {new} TEMPLATE {old} OWNER {owner}").format(
                    owner=sql.Identifier(self.dsn.user), **names
                )
            )
            try:
                there.settle()
                yield there
            finally:
                session.execute(sql.SQL("DROP DATABASE {new} WITH (FORCE)").format(**names))


@contextmanager
def side(cluster: Cluster, prefix: str, other: str) -> Iterator[Side]:
    name = f"{prefix}_{secrets.token_hex(4)}"
    dsn = Dsn(
        host="127.0.0.1",
        port=cluster.port,
        user=f"u_{name}",
        password=Secret(secrets.token_hex(8)),
        database=name,
        options=(("sslmode", "disable"),),
    )
    names = {"owner": sql.Identifier(dsn.user), "other": sql.Identifier(other), "database": sql.Identifier(name)}
    with cluster.superuser() as session:
        session.execute(
            sql.SQL("CREATE ROLE {owner} LOGIN PASSWORD {password}").format(
                password=sql.Literal(dsn.password.reveal()), **names
            )
        )
        if session.execute("SELECT FROM pg_roles WHERE rolname = %s", (other,)).fetchone() is None:
            session.execute(sql.SQL("CREATE ROLE {other}").format(**names))
        session.execute(sql.SQL("CREATE DATABASE {database} OWNER {owner}").format(**names))
    try:
        yield Side(cluster=cluster, dsn=dsn, other=other)
    finally:
        with cluster.superuser() as session:
            session.execute(sql.SQL("DROP DATABASE {database} WITH (FORCE)").format(**names))
            session.execute(sql.SQL("DROP ROLE {owner}").format(**names))


@contextmanager
def two_sides(old: Cluster, new: Cluster) -> Iterator[tuple[Side, Side]]:
    other = f"reader_{secrets.token_hex(4)}"
    with side(old, "old", other) as source, side(new, "new", other) as target:
        try:
            yield source, target
        finally:
            for one in (source, target):
                one.run("REASSIGN OWNED BY {other} TO {owner}; DROP OWNED BY {other}")
                with one.cluster.superuser() as session:
                    session.execute(sql.SQL("ALTER ROLE {} RESET ALL").format(sql.Identifier(other)))
            _drop_role(
                {source.cluster.port: source.cluster, target.cluster.port: target.cluster}, other, source, target
            )


def _drop_role(clusters: dict[int, Cluster], other: str, *sides: Side) -> None:
    for one in sides:
        with one.cluster.superuser() as session:
            database, role = sql.Identifier(one.dsn.database), sql.Identifier(other)
            session.execute(sql.SQL("ALTER ROLE {} IN DATABASE {} RESET ALL").format(role, database))
    for cluster in clusters.values():
        with cluster.superuser() as session:
            session.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(other)))


def compared(source: Side, target: Side, directory: Path, *, jobs: int = 1) -> Proof:
    ours = Server(dsn=source.dsn, side="source")
    theirs = Server(dsn=target.dsn, side="target")
    return ContentProof(ours, theirs, directory=directory, jobs=jobs).compare()


def restored(source: Side, target: Side) -> None:
    """A dump of the source, restored by the target's superuser, the target's owner in the place of the source's."""
    dumped = _program(source, "pg_dump", "--no-password", source.dsn.database)
    script = dumped.replace(source.dsn.user.encode(), target.dsn.user.encode())
    _program(target, "psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", target.dsn.database, stdin=script)
    target.settle()


def _program(one: Side, name: str, *arguments: str, stdin: bytes = b"") -> bytes:
    place = {"PGHOST": str(one.cluster.socket_dir), "PGPORT": str(one.cluster.port), "PGUSER": SUPERUSER}
    done = subprocess.run(
        [str(binaries(one.cluster.major) / name), *arguments],
        env={"PATH": os.environ["PATH"], **place},
        input=stdin,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
