"""What the copy asks of the source: its inventory, its objects, a snapshot that every reader shares.

Reads only; every transaction here is read-only. The snapshot lives as long as the session that exported it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pgcutover.edges.catalog import read_inventory
from pgcutover.edges.postgres import Connection, Server, query
from pgcutover.facts.inventory import DatabaseInventory
from pgcutover.facts.names import TableName
from pgcutover.planning.definitions import Thing


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySource:
    server: Server

    def inventory(self) -> DatabaseInventory:
        return read_inventory(self.server)

    def things(self) -> tuple[Thing, ...]:
        """Every object of the customer's, with its OID here."""
        with self.server.session("objects") as session:
            return read_things(session)

    def heroku_triggers(self) -> frozenset[int]:
        """OIDs of Heroku's own event triggers."""
        with self.server.session("objects") as session:
            return frozenset(oid for (oid,) in session.execute(query("copy_heroku_triggers")))

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


def read_things(session: Connection) -> tuple[Thing, ...]:
    return tuple(
        Thing(class_oid=class_oid, oid=oid, kind=kind, schema=schema, parent=parent, name=name, valid=valid)
        for class_oid, oid, kind, schema, parent, name, valid in session.execute(query("copy_objects"))
    )


def read_materialised(session: Connection) -> tuple[TableName, ...]:
    rows = session.execute(query("copy_materialised_views"))
    return tuple(TableName(schema=schema, name=name) for schema, name in rows)
