"""Digests that are taken while other tables are still copied and indexes are still built, and what makes them hold.

A table that has arrived and has its indexes is read at once on both sides: on the source in the copy's own snapshot, on
the target slice by slice as it is then, so that nobody there waits for us longer than a slice takes. The digests are
kept on the target, and the proof takes them over instead of reading the rows again, if nothing came between. That is
not believed, neither of the fence nor of us; it is seen, without reading a value:

- the digest was taken of rows that were there at one time, or, on the target, each slice's at one time;
- a row is never changed where it stands: who updates makes another, with another xmin
  (https://www.postgresql.org/docs/current/ddl-system-columns.html);
- so if every row that is there now was there then (on the source: its xmin is older than whatever was running when the
  snapshot was taken; on the target: it is the transaction that brought the chunk's marker), today's rows are among
  those that were hashed; and if they are as many, they are the same. Also of slices: what a transaction brought can
  only become less.

After the fence this holds by itself, which is why digests of the copy's snapshot are worth keeping; before it, or when
the fence leaks, the rows are simply read again. What a stored row means must not have changed either: the columns, the
statement that spells them, and the server's life: after a failover, numbers of transactions may come again.

It must write nothing but its own record. The invariant: a digest that is taken over equals what reading now would give.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import psycopg
from psycopg import sql
from pydantic import BaseModel, ConfigDict, ValidationError

from pgcutover.edges.copytarget import CopyTarget
from pgcutover.edges.digests import TooLargeError, digest_of, range_sums, row_text
from pgcutover.edges.moment import READING, Moment, in_snapshot
from pgcutover.edges.postgres import Connection, Server, Side, query
from pgcutover.edges.relations import before
from pgcutover.errors import CopyError, PgcutoverError
from pgcutover.facts.names import TableName
from pgcutover.facts.proof import ComparisonUnit, Digest
from pgcutover.planning.slices import Slice, slices
from pgcutover.planning.tasks import Chunk, spelt
from pgcutover.planning.units import comparison_units


class KeptSide(BaseModel):
    """One side's digest. `xid`: on the source the oldest transaction that was running, on the target the chunk's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int
    hash128: str
    spelling: str
    shape: str
    xid: int
    seconds: float

    @property
    def digest(self) -> Digest:
        return Digest(rows=self.rows, hash128=self.hash128)


class Kept(BaseModel):
    """Both sides' digests of one table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: KeptSide
    target: KeptSide


KeptDigests: TypeAlias = Mapping[str, Kept]
"""By the table's name as SQL spells it."""


def spelling(unit: ComparisonUnit, side: Side) -> str:
    """A digest of the words in which a row's text is asked for."""
    there = unit.source_columns if side == "source" else unit.target_columns
    return hashlib.sha256(row_text(unit, there or (), wide=False).as_string(None).encode()).hexdigest()


def shapes(connection: Connection, table: TableName | None = None) -> dict[TableName, str]:
    """What stored rows mean, of one table or of all; the same text means the same."""
    only: sql.Composable = sql.SQL("")
    if table is not None:
        only = sql.SQL("AND (n.nspname, c.relname) = ({}, {})").format(*map(sql.Literal, (table.schema, table.name)))
    rows = connection.execute(query("content_shapes").format(schemas=query("inventory_schemas"), only=only))
    return {TableName(schema=schema, name=name): shape for schema, name, shape in rows}


def newer(kept: KeptSide, side: Side) -> sql.Composed:
    """Whether a row may not have been there when the digest was taken."""
    xid = sql.SQL("{}::xid").format(sql.Literal(str(kept.xid)))
    if side == "target":
        return sql.SQL("t.xmin <> {}").format(xid)
    # Numbers go round: a row of two thousand million transactions ago may look newer, and then the rows are read.
    return sql.SQL("age(t.xmin) <= age({})").format(xid)


def usable(moment: Moment, units: Iterable[ComparisonUnit], kept: KeptDigests) -> dict[TableName, KeptSide]:
    """Digests of this side that were taken of the same columns, spelt the same, in this life of the server."""
    if not kept:
        return {}
    side = moment.server.side
    with moment.session() as connection:
        now = shapes(connection)
    found = {}
    for unit in units:
        both = kept.get(spelt(unit.table))
        if both is None or unit.tree:
            continue
        one = both.source if side == "source" else both.target
        if (one.shape, one.spelling) == (now.get(unit.table), spelling(unit, side)):
            found[unit.table] = one
    return found


def kept_digests(server: Server, run_id: str) -> dict[str, Kept]:
    """What this run, or an earlier try of it, left; what cannot be understood is left out."""
    with server.session("digests") as session:
        if session.execute("SELECT pg_catalog.to_regclass('pgcutover.digest')").fetchone() == (None,):
            return {}
        rows = session.execute("SELECT chunk, evidence FROM pgcutover.digest WHERE run_id = %s", (run_id,)).fetchall()
    found = {}
    for name, evidence in rows:
        with suppress(ValidationError):
            found[name] = Kept.model_validate_json(evidence)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyDigests:
    """Takes them, `sessions` tables at once. Whatever goes wrong leaves a table to the proof, and is no error."""

    source: Server
    target: CopyTarget
    sessions: int = 1
    least_bytes: int = 0
    """Smaller tables are left to the proof: to ask whether they changed takes about as long as to read them."""

    @contextmanager
    def taking(self, snapshot: str) -> Iterator[Callable[[Chunk], None]]:
        """The block tells of every chunk that has arrived; at its end what has not been read is left to the proof."""
        with ThreadPoolExecutor(self.sessions, thread_name_prefix="digest") as pool:
            taker = _Taker(to=self, snapshot=snapshot, pool=pool)
            try:
                yield taker.add
            finally:
                taker.stop()


@dataclass(slots=True, kw_only=True)
class _Taker:
    to: EarlyDigests
    snapshot: str
    pool: ThreadPoolExecutor
    waiting: list[Future[None]] = field(default_factory=list)
    reading: set[Connection] = field(default_factory=set)
    stopped: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    _units: dict[TableName, ComparisonUnit] = field(default_factory=dict)
    _kept: frozenset[str] | None = None

    def add(self, chunk: Chunk) -> None:
        # Names of objects print as the catalogue has them now; a tree's rows are in other tables; a crash empties an
        # unlogged one.
        unfit = chunk.tree or chunk.object_names or chunk.unlogged
        if not unfit and chunk.data_bytes >= self.to.least_bytes:
            self.waiting.append(self.pool.submit(self._try, chunk))

    def stop(self) -> None:
        for future in self.waiting:
            future.cancel()
        with self.lock:
            self.stopped = True
            for connection in self.reading:
                with suppress(psycopg.Error):
                    connection.cancel_safe()

    def _try(self, chunk: Chunk) -> None:
        with suppress(PgcutoverError, psycopg.Error, TooLargeError):
            unit = self._unit(chunk)
            if unit is not None:
                self._take(chunk, unit)

    def _unit(self, chunk: Chunk) -> ComparisonUnit | None:
        """How the proof will compare the table; None when it is not to be read, for instance because it was."""
        with self.lock:
            if self._kept is None:
                target = self.to.target
                self._kept = frozenset(kept_digests(target.server, target.run_id))
                units = comparison_units(before(self.to.source).inventory, before(target.server).inventory)
                self._units = {unit.table: replace(unit, ranges=None) for unit in units if not unit.tree}
            return None if chunk.name in self._kept else self._units.get(chunk.table)

    def _take(self, chunk: Chunk, unit: ComparisonUnit) -> None:
        target = self.to.target
        with in_snapshot(self.to.source, self.snapshot) as connection, self._interruptible(connection):
            ours = self._read(connection, unit, "source", connection.execute(query("digest_source")).fetchone())
        # Every statement by itself: whoever wants the table for himself gets it after a slice.
        with target.server.session("verify") as connection, self._interruptible(connection):
            for name, value in READING.items():
                connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", (name, value))
            table = sql.Identifier(chunk.table.schema, chunk.table.name).as_string(connection)
            named = {"run": target.run_id, "chunk": chunk.name, "table": table}
            theirs = self._read(
                connection, unit, "target", connection.execute(query("digest_target"), named).fetchone()
            )
        target.keep_digest(chunk.name, Kept(source=ours, target=theirs).model_dump_json())

    def _read(
        self, connection: Connection, unit: ComparisonUnit, side: Side, found: tuple[int, int] | None
    ) -> KeptSide:
        assert found is not None, "the marker is there before anybody is told of it"
        began = time.monotonic()
        xid, pages = found
        # Before the rows are read: what changes the table meanwhile then changes what is compared later.
        shape = shapes(connection, unit.table)[unit.table]
        there = (unit.source_columns if side == "source" else unit.target_columns) or ()
        parts = slices(unit.table, unit.data_bytes, pages, sessions=1) if pages else [Slice(table=unit.table)]
        sums = [held for part in parts for held in range_sums(connection, unit, there, part, wide=False).values()]
        digest = digest_of(sums)
        return KeptSide(
            rows=digest.rows,
            hash128=digest.hash128,
            spelling=spelling(unit, side),
            shape=shape,
            xid=xid,
            seconds=time.monotonic() - began,
        )

    @contextmanager
    def _interruptible(self, connection: Connection) -> Iterator[None]:
        with self.lock:
            if self.stopped:
                raise CopyError("the copy has ended")
            self.reading.add(connection)
        try:
            yield
        finally:
            with self.lock:
                self.reading.discard(connection)
