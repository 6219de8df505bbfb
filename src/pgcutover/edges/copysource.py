"""What the copy asks of the source: its inventory, its objects, a snapshot that every reader shares.

Reads only; every transaction here is read-only. The snapshot lives as long as the session that exported it.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from sys import intern
from typing import Any

import psycopg
from psycopg import sql

from pgcutover.edges.catalog import read_inventory, read_inventory_and
from pgcutover.edges.copystatistics import read_statistics
from pgcutover.edges.postgres import Connection, Server, query
from pgcutover.facts.building import ForeignKey, Index
from pgcutover.facts.inventory import DatabaseInventory
from pgcutover.facts.names import Secret, TableName
from pgcutover.facts.remade import Policy, UserMapping
from pgcutover.facts.statistics import ColumnStatistics
from pgcutover.planning.definitions import Special, Thing
from pgcutover.planning.largeobjects import Batch, Piece, batches, groups

PIECE_BYTES = 4 * 2**20
"""Of one large object at once; a multiple of the 2 kB in which the server keeps them."""
OBJECTS_AT_ONCE = 8
"""Beginnings of large objects in one answer: times the piece, what is held in memory."""


@dataclass(slots=True, kw_only=True)
class Memory:
    """What was read last, for a copy that is one process: thousands of tables are not read ten times."""

    inventory: DatabaseInventory | None = None
    things: tuple[Thing, ...] | None = None

    def forget(self) -> None:
        self.inventory = self.things = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySource:
    """`held` names the snapshot of a source that is written to: asked for each time, for its holder may have died. With
    `memory`, what was read once is not read again until `look`."""

    server: Server
    held: Callable[[], str] | None = None
    memory: Memory | None = None

    def inventory(self) -> DatabaseInventory:
        return (self.memory and self.memory.inventory) or self.look()

    def look(self) -> DatabaseInventory:
        """The inventory of now, whatever is remembered."""
        if self.memory is None:
            return read_inventory(self.server)
        # Of one moment: an index that is made between the two would be missed on the target.
        self.memory.inventory, self.memory.things = read_inventory_and(self.server, read_things)
        return self.memory.inventory

    def things(self) -> tuple[Thing, ...]:
        """Every object of the customer's, with its OID here."""
        if self.memory is not None and self.memory.things is not None:
            return self.memory.things
        with self.server.session("objects") as session:
            found = read_things(session)
        if self.memory is not None:
            self.memory.things = found
        return found

    def extension_schemas(self) -> frozenset[str]:
        """Where extensions have their objects."""
        with self.server.session("objects") as session:
            rows = session.execute(
                "SELECT n.nspname::text FROM pg_catalog.pg_namespace AS n "
                "JOIN pg_catalog.pg_extension AS e ON e.extnamespace = n.oid"
            )
            return frozenset(name for (name,) in rows)

    def indexes(self) -> tuple[Index, ...]:
        """Valid indexes of ordinary tables."""
        with self.server.session("objects") as session:
            _quote_all(session)
            return tuple(
                Index(
                    key=(class_oid, oid),
                    constraint=None if constraint is None else (constraint_class, constraint),
                    bytes=size,
                    definition=definition,
                    adopt_sql=adopt_sql,
                )
                for class_oid, oid, constraint, size, definition, adopt_sql, constraint_class in session.execute(
                    query("copy_indexes")
                )
            )

    def foreign_keys(self) -> tuple[ForeignKey, ...]:
        """Foreign keys as they are declared: one for a partition tree."""
        with self.server.session("objects") as session:
            _quote_all(session)
            return tuple(
                ForeignKey(
                    key=(class_oid, oid),
                    table=TableName(schema=schema, name=name),
                    referenced=TableName(schema=other_schema, name=other),
                    divisible=divisible,
                    validate_sql=validate_sql,
                    indexed=indexed,
                )
                for class_oid, oid, schema, name, other_schema, other, divisible, validate_sql, indexed in (
                    session.execute(query("copy_keys"))
                )
            )

    def statistics(self, snapshot: str, tables: Collection[TableName]) -> tuple[ColumnStatistics, ...]:
        """What the planner here knows of those of these tables of which it is worth taking."""
        return read_statistics(self.server, tables, snapshot=snapshot)

    def unreadable(self) -> tuple[tuple[str, str], ...]:
        """Tables and sequences of which this role would not be given everything, and why."""
        with self.server.session("rights") as session:
            return tuple((name, why) for name, why in session.execute(query("copy_unreadable")))

    def special(self) -> tuple[Special, ...]:
        """Objects that the application's role does not restore."""
        with self.server.session("objects") as session:
            return tuple(
                Special(way=way, class_oid=class_oid, oid=oid, remark=remark.replace("\n", " ").replace("\r", " "))
                for way, class_oid, oid, remark in session.execute(query("copy_special"))
            )

    def policies(self) -> tuple[Policy, ...]:
        """Policies that name the database's owner, whose name on the target is another."""
        with self.server.session("objects") as session:
            return tuple(
                Policy(
                    schema=schema,
                    table=table,
                    name=name,
                    permissive=permissive,
                    command=command,
                    roles=tuple(roles),
                    using=using,
                    check=check,
                    comment=comment,
                )
                for schema, table, name, permissive, command, roles, using, check, comment in session.execute(
                    query("copy_policies")
                )
            )

    def user_mappings(self) -> tuple[UserMapping, ...]:
        """User mappings, with those of their options that the server shows to this role."""
        with self.server.session("objects") as session:
            return read_user_mappings(session)

    def large_objects(self) -> tuple[Batch, ...]:
        """All large objects, in batches."""
        with self.server.session("large objects") as session:
            if self.held is not None:
                _enter(session, self.held())
            return batches([oid for (oid,) in session.execute(query("copy_large_objects"))])

    def pieces(self, snapshot: str, batch: Batch) -> Iterator[Piece]:
        """The bytes of a batch's objects as the snapshot sees them, each object's in order."""
        with self.server.session("large objects") as session:
            _enter(session, snapshot)
            cursor = session.cursor(binary=True)
            for group in groups(batch.oids, OBJECTS_AT_ONCE):
                cursor.execute(query("copy_large_pieces"), {"piece": PIECE_BYTES, "oids": group})
                for oid, content, comment in cursor.fetchall():
                    yield Piece(oid=oid, offset=0, content=content, comment=comment)
                    yield from _rest(cursor, oid, len(content))

    def materialised(self) -> tuple[TableName, ...]:
        """Materialised views that hold rows, in an order in which they can be made anew."""
        with self.server.session("objects") as session:
            return read_materialised(session)

    @contextmanager
    def snapshot(self) -> Iterator[str]:
        """A snapshot's name, good until the block ends; every reader that sets it sees the same rows."""
        if self.held is not None:
            yield self.held()
            return
        with self.server.session("snapshot") as session:
            session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            row = session.execute("SELECT pg_catalog.pg_export_snapshot()").fetchone()
            assert row is not None, "the function returns one row"
            yield str(row[0])


def _rest(cursor: "psycopg.Cursor[tuple[Any, ...]]", oid: int, size: int) -> Iterator[Piece]:
    """What follows the first piece; a piece that is not full is the last."""
    offset = size
    while size == PIECE_BYTES:
        row = cursor.execute("SELECT pg_catalog.lo_get(%s::oid, %s, %s)", (oid, offset, PIECE_BYTES)).fetchone()
        assert row is not None, "the function gives one row"
        size = len(row[0])
        if size:
            yield Piece(oid=oid, offset=offset, content=row[0], comment=None)
        offset += size


def _enter(session: Connection, snapshot: str) -> None:
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    session.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))


class HeldSnapshot:
    """One snapshot for as long as its holder lives, through every try; another when it died. `moments` counts them."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._holder: Connection | None = None
        self._name = ""
        self.moments = 0

    def name(self) -> str:
        """Raises SourceError: there is no snapshot to be had."""
        with self._server.translated("snapshot"):
            if self._holder is None or not _alive(self._holder):
                self.close()
                self._holder = self._server.connect("snapshot")
                self._holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                row = self._holder.execute("SELECT pg_catalog.pg_export_snapshot()").fetchone()
                assert row is not None, "the function returns one row"
                self._name, self.moments = str(row[0]), self.moments + 1
            return self._name

    def close(self) -> None:
        if self._holder is not None:
            self._holder.close()
            self._holder = None


def _alive(holder: Connection) -> bool:
    with suppress(psycopg.Error):
        holder.execute("SELECT 1")
        return True
    return False


def _quote_all(session: Connection) -> None:
    """What is no keyword here may be one on a later server."""
    session.execute("SET quote_all_identifiers = on")


def read_user_mappings(session: Connection) -> tuple[UserMapping, ...]:
    return tuple(
        UserMapping(
            server=server,
            role=role,
            options=None if names is None else tuple(zip(names, map(Secret, values), strict=True)),
        )
        for server, role, names, values in session.execute(query("copy_user_mappings"))
    )


def read_things(session: Connection) -> tuple[Thing, ...]:
    # An index, its constraint and its table share their names; each is kept once.
    return tuple(
        Thing(
            class_oid=class_oid,
            oid=oid,
            kind=intern(kind),
            schema=intern(schema),
            parent=intern(parent),
            name=intern(name),
            valid=valid,
        )
        for class_oid, oid, kind, schema, parent, name, valid in session.execute(query("copy_objects"))
    )


def read_materialised(session: Connection) -> tuple[TableName, ...]:
    rows = session.execute(query("copy_materialised_views"))
    return tuple(TableName(schema=schema, name=name) for schema, name in rows)
