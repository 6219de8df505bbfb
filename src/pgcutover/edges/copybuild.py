"""Tables, indexes, constraints and statistics on the target, statement by statement, in a few sessions that stay open.

Every transaction begins with the run's claim (traps.md T3) and commits durably: an index that was acknowledged, and
then gone after a crash, would be missed by nobody (T2). It must not know in which order things are built.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isqrt
from queue import Empty, SimpleQueue
from threading import Lock

from psycopg import sql

from pgcutover.edges.away import away
from pgcutover.edges.copystatistics import TAKEN_SINCE, Known, put_statistics
from pgcutover.edges.postgres import Connection, Server, query
from pgcutover.edges.runrecord import of_run
from pgcutover.errors import TargetError
from pgcutover.facts.building import SortMemory
from pgcutover.facts.names import TableName
from pgcutover.planning.tasks import Work

PURPOSE = "restore"
# What the application's own sessions would have: pg_dump prints literals for any session, and a money amount only for
# one with the database's lc_monetary.
UNPINNED = ("lc_monetary", "datestyle", "intervalstyle", "timezone", "extra_float_digits", "bytea_output")
# As pg_restore has them.
SETTINGS = {"check_function_bodies": "off", "client_min_messages": "warning", "default_tablespace": ""}
UTF8 = "UTF8"

# Each parallel worker of a sort wants so much. https://www.postgresql.org/docs/current/sql-createindex.html
# More does not sort faster, for then it no longer fits into a processor's cache: docs/performance.md.
LEAST_MEMORY = 32 * 2**20
MOST_MEMORY = 256 * 2**20
# Of each run that a sort merges in one go: MERGE_BUFFER_SIZE and TAPE_BUFFER_OVERHEAD of PostgreSQL's tuplesort.c.
RUN_BUFFER = 264 * 2**10


@dataclass(frozen=True, slots=True, kw_only=True)
class Builders:
    """Any thread may ask; a session serves one at a time."""

    server: Server
    run_id: str
    claim: str
    encoding: str
    """Of what comes from the archive."""
    known: Known
    """What the source knows of tables."""
    sessions: int
    """How many build at once."""
    sort_memory: SortMemory = SortMemory.AUTO
    _asking: Lock = field(default_factory=Lock)
    """One session on the source is enough for that."""
    _idle: "SimpleQueue[Connection]" = field(default_factory=SimpleQueue)

    def do(self, works: Sequence[Work], *, helpers: int = 0) -> None:
        """All of it or nothing, with so many parallel workers for an index at most.

        Raises:
            RunnerConflictError: another runner has taken over.
            TargetError: the target refuses something.
        """
        with self._claimed() as session:
            session.execute(sql.SQL("SET LOCAL max_parallel_maintenance_workers = {}").format(helpers))
            if self.sort_memory is SortMemory.AUTO:
                memory = _memory(max((work.index_bytes for work in works), default=0), helpers=helpers)
                session.execute(query("copy_build_memory"), {"wanted": memory, "builders": self.sessions})
            if any(work.merged for work in works):
                # A third of the time, and the planner does not know yet: nothing is analyzed. docs/performance.md.
                session.execute("SET LOCAL enable_hashjoin = off")
            for work in works:
                self._one(session, work)

    def make(self, texts: Sequence[tuple[str, str]]) -> None:
        """Run SQL of the archive, each with the name of what it makes: all of it or nothing.

        Raises:
            RunnerConflictError: another runner has taken over.
            TargetError: the target refuses something; the message names it.
        """
        try:
            # In one go, for the target may be far away.
            with self._claimed() as session, self._encoded(session):
                session.execute("\n".join(text for _, text in texts).encode(errors="surrogateescape"))
        except TargetError as error:
            if away(error):
                raise
            self._make_each(texts)

    def _make_each(self, texts: Sequence[tuple[str, str]]) -> None:
        """The same, one by one: that tells which of them is refused."""
        with self._claimed() as session, self._encoded(session):
            for name, text in texts:
                with self.server.translated(f"making {name.encode(errors='replace').decode()}"):
                    session.execute(text.encode(errors="surrogateescape"))

    @contextmanager
    def _claimed(self) -> Iterator[Connection]:
        """A transaction of this run, committed when the block ends well."""
        with (
            self.server.translated("building"),
            self._session() as session,
            of_run(session, self.claim, run_id=self.run_id),
        ):
            yield session

    @contextmanager
    def _encoded(self, session: Connection) -> Iterator[None]:
        """What is sent meanwhile is in the archive's encoding."""
        if self.encoding == UTF8:
            yield
            return
        session.execute(sql.SQL("SET LOCAL client_encoding = {}").format(self.encoding))
        yield
        session.execute(sql.SQL("SET LOCAL client_encoding = {}").format(UTF8))

    def _one(self, session: Connection, work: Work) -> None:
        if work.analyze:
            self._analyze(session, work)
        elif not work.archived:
            session.execute(work.sql.encode(errors="surrogateescape"))
        else:
            with self._encoded(session):
                session.execute(work.sql.encode(errors="surrogateescape"))

    def _analyze(self, session: Connection, work: Work) -> None:
        """Take over what the source knows, and gather the rest."""
        taken: frozenset[TableName] = frozenset()
        filled = {chunk.table for chunk in work.filled_by}
        if session.info.server_version >= TAKEN_SINCE and filled:
            with self._asking:
                known = self.known(filled)
            taken = put_statistics(session, known, work.filled_by, run_id=self.run_id)
        names = [sql.Identifier(t.schema, t.name) for t in work.analyze if t not in taken]
        if names:
            session.execute(sql.SQL("ANALYZE {}").format(sql.SQL(", ").join(names)))

    @contextmanager
    def _session(self) -> Iterator[Connection]:
        """One that is idle, or a new one; given back unless something went wrong in it."""
        try:
            session = self._idle.get_nowait()
        except Empty:
            session = self._connected()
        try:
            yield session
        except BaseException:
            session.close()
            raise
        self._idle.put(session)

    def _connected(self) -> Connection:
        session = self.server.connect(PURPOSE)
        try:
            for name in UNPINNED:
                session.execute(sql.SQL("RESET {}").format(sql.Identifier(name)))
            for name, value in SETTINGS.items():
                session.execute("SELECT pg_catalog.set_config(%s, %s, false)", (name, value))
        except BaseException:
            session.close()
            raise
        return session

    def close(self) -> None:
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return


def _memory(index_bytes: int, *, helpers: int) -> int:
    """As little as sorts so much in one merge: as many runs as fit, each as long as what it is given."""
    return min(MOST_MEMORY, max(LEAST_MEMORY, isqrt(index_bytes * RUN_BUFFER))) * (1 + helpers)
