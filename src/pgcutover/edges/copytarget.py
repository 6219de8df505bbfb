"""What the copy asks of the target and does there, apart from the rows and the definitions themselves.

Every transaction that writes begins with the run's claim (traps.md T3) and commits durably (T2). Invariant: nothing
here deletes a row of the application's.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from pgcutover.copying.chunk import ChunkJob
from pgcutover.edges.catalog import read_finished
from pgcutover.edges.copybuild import Builders
from pgcutover.edges.copysource import read_materialised, read_things
from pgcutover.edges.copystatistics import TAKEN_SINCE, Known
from pgcutover.edges.pathbound import NOT_FOUND
from pgcutover.edges.postgres import Connection, Server, libpq_parameters, query, said
from pgcutover.edges.runrecord import of_run
from pgcutover.errors import TargetError
from pgcutover.facts.building import SortMemory
from pgcutover.facts.inventory import Finished
from pgcutover.facts.names import TableName
from pgcutover.planning.chunks import Bounds
from pgcutover.planning.definitions import Thing
from pgcutover.planning.largeobjects import Batch, Piece
from pgcutover.planning.tasks import Mark

ANALYSED_AT_ONCE = 500
"""A statement that names tens of thousands of tables is parsed and logged whole."""

# Connection, rollback (a deadlock for one), resources, a lock or another state in the way, operator, system, internal.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
LOST = "08000"
PASSING = ("08", "40", "53", "55", "57", "58", "XX")


class UnfillableViewError(TargetError):
    """The query of a materialised view fails by itself: trying again would only keep the application closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyTarget:
    """One run's view of the target. `claim` is the run record's `cas_sql`: no row once another runner took over."""

    server: Server
    run_id: str
    claim: str
    master: Callable[[], Server] | None = None
    """The same database as the target's master sees it; None where there is none to ask."""
    sort_memory: SortMemory = SortMemory.AUTO

    def prepare(self) -> None:
        """Make the tables of markers; again is harmless."""
        with self.server.session("markers") as session:
            session.execute("BEGIN READ WRITE")
            session.execute(query("copy_markers"))
            session.execute("COMMIT")

    def version(self) -> int:
        """As server_version_num."""
        with self.server.session("version") as session:
            return session.info.server_version

    def make_schema(self, name: str) -> None:
        """A schema that a dump takes for granted."""
        with self.claimed("schema") as session:
            session.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(name)))

    def roles(self) -> frozenset[str]:
        """Every role of the server."""
        with self.server.session("roles") as session:
            return frozenset(name for (name,) in session.execute("SELECT rolname::text FROM pg_catalog.pg_roles"))

    def finished(self) -> Finished:
        """What rows alone do not bring."""
        return read_finished(self.server)

    def things(self) -> tuple[Thing, ...]:
        with self.server.session("objects") as session:
            return read_things(session)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the run for the length of the block: no other runner can take it over meanwhile."""
        with self.claimed("hold"):
            yield

    @contextmanager
    def claimed(self, purpose: str, *, server: Server | None = None) -> Iterator[Connection]:
        """A transaction of this run, committed when the block ends well; in a session of `server` where one is given.

        Raises:
            RunnerConflictError: another runner has taken over.
        """
        with (server or self.server).session(purpose) as session, of_run(session, self.claim, run_id=self.run_id):
            yield session

    def begin_definitions(self, fingerprint: str) -> None:
        """Write down, before the first is made, that what will be in this database is this run's."""
        with self.claimed("definitions") as session:
            session.execute(query("copy_begin_definitions"), {"run": self.run_id, "fingerprint": fingerprint})

    def definitions_begun(self) -> str | None:
        """The fingerprint of the definitions that this run began to make; None when it made none."""
        with self.server.session("definitions") as session:
            row = session.execute(
                "SELECT fingerprint FROM pgcutover.definitions WHERE run_id = %s", (self.run_id,)
            ).fetchone()
            return None if row is None else str(row[0])

    def marks(self) -> dict[str, Mark]:
        """Chunks of this run that arrived, by name."""
        with self.server.session("markers") as session:
            rows = session.execute(query("copy_marks"), {"run": self.run_id})
            return {
                chunk: Mark(rows=count, bytes=size, seconds=seconds, storage=storage)
                for chunk, count, size, seconds, storage in rows
            }

    def bounds(self) -> Bounds:
        """Where tables were cut when this run began to copy them; stored and reused, never thought up anew (T3)."""
        with self.server.session("markers") as session:
            rows = session.execute("SELECT name, first_pages FROM pgcutover.cut WHERE run_id = %s", (self.run_id,))
            return {name: tuple(pages) for name, pages in rows}

    def cut(self, bounds: Bounds) -> None:
        """Write down where tables are cut, before the first row arrives; what is written already stays."""
        with self.claimed("markers") as session:
            for name, pages in bounds.items():
                session.execute(
                    "INSERT INTO pgcutover.cut (run_id, name, first_pages) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                    (self.run_id, name, list(pages)),
                )

    @contextmanager
    def building(self, encoding: str, known: Known = lambda _: (), *, sessions: int) -> Iterator[Builders]:
        """So many sessions that build, closed when the block ends; what comes from the archive is in this encoding."""
        builders = Builders(
            server=self.server,
            run_id=self.run_id,
            claim=self.claim,
            encoding=encoding,
            known=known,
            sessions=sessions,
            sort_memory=self.sort_memory,
        )
        try:
            yield builders
        finally:
            builders.close()

    def holds_rows(self, table: TableName) -> bool:
        """Whether a table, or any partition of it, holds a row."""
        statement = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(table.schema, table.name))
        with self.server.session("rows") as session:
            row = session.execute(statement).fetchone()
            return row is not None and bool(row[0])

    def holds_unlogged(self) -> bool:
        """Whether there are tables that a crash empties."""
        with self.server.session("rows") as session:
            row = session.execute(query("copy_unlogged")).fetchone()
            return row is not None and bool(row[0])

    def large_objects(self) -> frozenset[int]:
        """The OIDs of all that are here."""
        with self.server.session("large objects") as session:
            return frozenset(oid for (oid,) in session.execute("SELECT oid FROM pg_catalog.pg_largeobject_metadata"))

    def forget(self, chunk: str) -> None:
        """Take a chunk's marker away, so that it is copied again. Its table must be empty, or copying will refuse."""
        with self.claimed("markers") as session:
            session.execute("DELETE FROM pgcutover.chunk WHERE run_id = %s AND chunk = %s", (self.run_id, chunk))

    def abandon(self) -> None:
        """End what workers and pg_restore still do here."""
        with self.server.session("abandon") as session:
            session.execute(query("copy_abandon").format(may_end=query("may_end")))

    def evict(self, job: ChunkJob) -> None:
        """End what a worker that nobody hears of any more still does for this job: it holds the markers."""
        purpose = libpq_parameters(job.target, purpose=f"copy {job.name}")["application_name"]
        with self.server.session("abandon") as session:
            session.execute(query("copy_evict").format(may_end=query("may_end")), {"application_name": purpose})

    def made_by_master(self) -> frozenset[str]:
        """Event triggers and publications that are here, as `Special.remark` words them."""
        with self.server.session("objects") as session:
            return frozenset(remark for (remark,) in session.execute(query("copy_made_by_master")))

    def put_large_objects(self, batch: Batch, pieces: Iterable[Piece]) -> None:
        """Make a batch's objects, with the batch's marker in the same transaction; nothing if it has its marker."""
        with self.claimed("large objects") as session:
            marker = {"run": self.run_id, "chunk": batch.name, "storage": batch.storage}
            if session.execute(query("copy_large_take"), marker).fetchone() is None:
                return
            rows = byte_count = 0
            for piece in pieces:
                if piece.offset:
                    session.execute("SELECT pg_catalog.lo_put(%s, %s, %s)", (piece.oid, piece.offset, piece.content))
                else:
                    session.execute("SELECT pg_catalog.lo_from_bytea(%s, %s)", (piece.oid, piece.content))
                    rows += 1
                if piece.comment is not None:
                    remark = sql.SQL("COMMENT ON LARGE OBJECT {} IS {}")
                    session.execute(remark.format(sql.Literal(piece.oid), sql.Literal(piece.comment)))
                byte_count += len(piece.content)
            session.execute(query("copy_large_fill"), {**marker, "rows": rows, "bytes": byte_count})

    def materialised(self) -> tuple[TableName, ...]:
        """Materialised views that hold rows."""
        with self.server.session("objects") as session:
            return read_materialised(session)

    def refresh(self, view: TableName, *, search_path: str) -> None:
        """Fill a materialised view. Functions that it calls find what they find in the application.

        Raises:
            UnfillableViewError: its query fails, and would fail again.
        """
        with self.claimed("refresh") as session:
            session.execute("SELECT pg_catalog.set_config('search_path', %s, true)", (search_path,))
            try:
                session.execute(sql.SQL("REFRESH MATERIALIZED VIEW {}").format(sql.Identifier(view.schema, view.name)))
            except psycopg.Error as cause:
                if (cause.sqlstate or LOST)[:2] in PASSING:
                    raise
                raise _unfillable(view, cause, self.server) from cause

    def unanalysed(self) -> tuple[TableName, ...]:
        """Tables with rows of which the planner knows nothing."""
        with self.server.session("analyze") as session:
            rows = session.execute(query("copy_unanalysed"))
            return tuple(TableName(schema=schema, name=name) for schema, name in rows)

    def analyze(self, tables: Iterable[TableName] = ()) -> None:
        """Gather statistics on these tables, or on the whole database."""
        # Outside a transaction, so that each table's locks end with it; the claim is held beside it.
        with self.held(), self.server.session("analyze") as session:
            session.execute("SET synchronous_commit = on")
            names = [sql.Identifier(t.schema, t.name) for t in tables] or [
                # Not the whole database: that reads the rows of parents' foreign children from wherever they are.
                # https://www.postgresql.org/docs/current/sql-analyze.html
                sql.Identifier(schema, name)
                for schema, name in session.execute(query("copy_to_analyse"))
            ]
            # A parent alone: what its children have may come from the source. Before 18 there is no such word, and of
            # tables that inherit only the one that is named is looked at.
            only = sql.SQL("ONLY {}" if session.info.server_version >= TAKEN_SINCE else "{}")
            for start in range(0, len(names), ANALYSED_AT_ONCE):
                part = [only.format(name) for name in names[start : start + ANALYSED_AT_ONCE]]
                session.execute(sql.SQL("ANALYZE {}").format(sql.SQL(", ").join(part)))


def _unfillable(view: TableName, cause: psycopg.Error, server: Server) -> UnfillableViewError:
    refresh = f"REFRESH MATERIALIZED VIEW {sql.Identifier(view.schema, view.name).as_string()}"
    mend = f"Run {refresh} on the old database, and mend the query, or what it calls, there"
    if cause.sqlstate in NOT_FOUND:
        # https://www.postgresql.org/docs/17/release-17.html#RELEASE-17-MIGRATION
        mend = (
            "Servers from 17 on fill a view without the application's search_path: on the old database, ALTER FUNCTION "
            "… SET search_path = public, … for each function that the query calls"
        )
    return UnfillableViewError(
        f"target {server.dsn}: materialised view {view} cannot be filled: {said(cause)}",
        hint=f"{mend}; or empty it there ({refresh} WITH NO DATA), then it moves empty. "
        "Before that go back, where that has not happened by itself; afterwards run pgcutover plan.",
    )
