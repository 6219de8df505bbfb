"""What the copy asks of the source: its inventory, its objects, a snapshot that every reader shares.

Reads only; every transaction here is read-only. The snapshot lives as long as the session that exported it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from pgcutover.edges.catalog import read_inventory
from pgcutover.edges.postgres import Connection, Server, query
from pgcutover.facts.inventory import DatabaseInventory
from pgcutover.facts.names import Secret, TableName
from pgcutover.facts.remade import Policy, UserMapping
from pgcutover.planning.definitions import Special, Thing
from pgcutover.planning.largeobjects import Batch, Piece, batches, groups

PIECE_BYTES = 4 * 2**20
"""Of one large object at once; a multiple of the 2 kB in which the server keeps them."""
OBJECTS_AT_ONCE = 8
"""Beginnings of large objects in one answer: times the piece, what is held in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySource:
    server: Server

    def inventory(self) -> DatabaseInventory:
        return read_inventory(self.server)

    def things(self) -> tuple[Thing, ...]:
        """Every object of the customer's, with its OID here."""
        with self.server.session("objects") as session:
            return read_things(session)

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
            return batches([oid for (oid,) in session.execute(query("copy_large_objects"))])

    def pieces(self, snapshot: str, batch: Batch) -> Iterator[Piece]:
        """The bytes of a batch's objects as the snapshot sees them, each object's in order."""
        with self.server.session("large objects") as session:
            session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            session.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(sql.Literal(snapshot)))
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
    return tuple(
        Thing(class_oid=class_oid, oid=oid, kind=kind, schema=schema, parent=parent, name=name, valid=valid)
        for class_oid, oid, kind, schema, parent, name, valid in session.execute(query("copy_objects"))
    )


def read_materialised(session: Connection) -> tuple[TableName, ...]:
    rows = session.execute(query("copy_materialised_views"))
    return tuple(TableName(schema=schema, name=name) for schema, name in rows)
