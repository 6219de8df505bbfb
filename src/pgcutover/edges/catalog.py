"""What a database holds, read from its catalogues in one read-only snapshot by a role that need not be superuser.

A few statements over whole catalogues, never one per table. Objects of extensions, Heroku's own and ours are left out.
It must not write, and must not hold a lock when it returns. The invariant: what this does not list is not moved, so
whatever cannot be moved is listed among the blockers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeVar, cast

from psycopg import IsolationLevel, sql

from pgcutover.edges.blockers import read_blockers
from pgcutover.edges.definitions import digest, read_definitions
from pgcutover.edges.postgres import Connection, Server, query
from pgcutover.facts import inventory as facts
from pgcutover.facts.inventory import (
    Column,
    DatabaseInventory,
    Extension,
    Finished,
    Grant,
    PartitionKey,
    Setting,
    Table,
    TableKind,
)
from pgcutover.facts.names import TableName

Row = tuple[Any, ...]
T = TypeVar("T")

# Sizes and view texts take an ACCESS SHARE lock for a moment; behind a long ALTER TABLE they would wait, and everything
# else behind us would not, so we can afford this long and no longer.
LOCK_TIMEOUT_MS = 30_000
SEQUENCES_PER_STATEMENT = 200
"""More in one UNION ALL and the planner's stack and lock table are felt."""

KINDS: Mapping[str, TableKind] = {"r": "table", "p": "partitioned", "f": "foreign"}
STRATEGIES: Mapping[str, str] = {"l": "list", "r": "range", "h": "hash"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What must not change while rows are read (traps.md T7 and T9)."""

    server: str
    """System identifier and timeline; a failover changes it."""
    fingerprint: str
    """Digest of all definitions."""
    relfilenodes: Mapping[TableName, int]
    """The file of each table's rows."""

    def changed_since(self, earlier: "Marks") -> tuple[str, ...]:
        """What is no longer as it was, named; () when nothing moved."""
        names = sorted({*self.relfilenodes, *earlier.relfilenodes})
        tables = tuple(str(n) for n in names if self.relfilenodes.get(n) != earlier.relfilenodes.get(n))
        others = {"definitions": self.fingerprint != earlier.fingerprint, "server": self.server != earlier.server}
        return (*tables, *(what for what, changed in others.items() if changed))


def read_marks(server: Server) -> Marks:
    """The marks of this moment, in a fresh snapshot: to be compared with those of another moment."""
    with _reading(server, "marks") as connection:
        files = {TableName(schema=s, name=n): f for s, n, _, f in _rows(connection, "inventory_relfilenodes")}
        identity = connection.execute(query("inventory_server")).fetchone()
        assert identity is not None, "the function gives one row"
        return Marks(server="/".join(identity), fingerprint=digest(read_definitions(connection)), relfilenodes=files)


def read_inventory(server: Server, *, lock_timeout_ms: int = LOCK_TIMEOUT_MS) -> DatabaseInventory:
    """Everything about a database that planning, copying and proving need.

    Raises:
        SourceError, TargetError: it cannot be read; also when a migration's lock kept us waiting.
    """
    with _reading(server, "inventory", lock_timeout_ms) as connection:
        return _inventory(connection)


def read_inventory_and(server: Server, further: Callable[[Connection], T]) -> tuple[DatabaseInventory, T]:
    """An inventory, and what something else reads of the same moment. It raises what `read_inventory` does."""
    with _reading(server, "inventory", LOCK_TIMEOUT_MS) as connection:
        return _inventory(connection), further(connection)


def read_finished(server: Server) -> Finished:
    """What a copy sets when all rows are there, and nothing else: an inventory of thousands of tables takes seconds."""
    with _reading(server, "inventory") as connection:
        owner = connection.execute(
            "SELECT pg_catalog.pg_get_userbyid(datdba)::text FROM pg_catalog.pg_database "
            "WHERE datname = pg_catalog.current_database()"
        ).fetchone()
        assert owner is not None, "pg_database has a row for the database one is in"
        return Finished(
            sequences=_sequences(connection),
            settings=_settings(connection, owner[0], _roles(connection)),
            grants=_grants(connection),
        )


@contextmanager
def _reading(server: Server, purpose: str, lock_timeout_ms: int = LOCK_TIMEOUT_MS) -> Iterator[Connection]:
    with server.session(purpose, autocommit=False) as connection:
        connection.read_only = True
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(lock_timeout_ms)))
        yield connection


def _rows(connection: Connection, name: str) -> list[Row]:
    return connection.execute(query(name).format(schemas=query("inventory_schemas"))).fetchall()


def _inventory(connection: Connection) -> DatabaseInventory:
    database = connection.execute(query("inventory_database")).fetchone()
    assert database is not None, "pg_database has a row for the database one is in"
    version, name, owner, encoding, collate, ctype, provider, locale, system, size, connections, limit, path = database
    roles = _roles(connection)
    return DatabaseInventory(
        version=version,
        database=name,
        owner=owner,
        encoding=encoding,
        collate=collate,
        ctype=ctype,
        locale_provider=provider,
        locale=locale,
        system_identifier=system,
        database_bytes=size,
        max_connections=connections,
        connection_limit=limit,
        tables=_tables(connection),
        sequences=_sequences(connection),
        extensions=tuple(
            Extension(name=n, version=v, schema=s, used_by=tuple(u))
            for n, v, s, u in connection.execute(query("inventory_extensions"))
        ),
        materialised_views=tuple(
            TableName(schema=s, name=n) for s, n in _rows(connection, "inventory_materialised_views")
        ),
        settings=_settings(connection, owner, roles),
        grants=_grants(connection),
        roles=roles,
        search_path=path,
        fingerprint=digest(read_definitions(connection)),
        blockers=read_blockers(connection),
    )


def _roles(connection: Connection) -> tuple[str, ...]:
    return tuple(r for (r,) in connection.execute(query("inventory_roles")))


def _settings(connection: Connection, owner: str, roles: Sequence[str]) -> tuple[Setting, ...]:
    rows = connection.execute(query("inventory_settings"), ([owner, *roles],))
    return tuple(Setting(role=r, database=d, name=n, value=v) for r, d, n, v in rows)


def _grants(connection: Connection) -> tuple[Grant, ...]:
    return tuple(_grant(row) for row in _rows(connection, "inventory_grants"))


def _grant(row: Row) -> Grant:
    kind, schema, object_sql, column, owner, grantor, grantee, privilege, grantable = row
    return Grant(
        kind=kind,
        schema=schema,
        object_sql=object_sql,
        column=column,
        owner=owner,
        grantor=grantor,
        grantee=grantee,
        privilege=privilege,
        grantable=grantable,
    )


def _tables(connection: Connection) -> tuple[Table, ...]:
    by_table = groupby(_rows(connection, "inventory_columns"), key=itemgetter(0))
    # Thousands of tables have the same few columns: each is kept once.
    known: dict[Column, Column] = {}
    columns = {oid: tuple(known.setdefault(c, c) for c in map(_column, rows)) for oid, rows in by_table}
    return tuple(_table(row, columns.get(row[2], ())) for row in _rows(connection, "inventory_tables"))


def _column(row: Row) -> Column:
    _, name, type_sql, base_schema, base_name, base_kind, collation, generated, identity, not_null = row
    return Column(
        name=name,
        type_sql=type_sql,
        base_type=(base_schema, base_name),
        base_kind=base_kind,
        collation=collation,
        generated=generated,
        identity=identity,
        not_null=not_null,
    )


def _table(row: Row, columns: tuple[Column, ...]) -> Table:
    schema, name, oid, kind, owner, is_partition, parents, strategy, split_by, relfilenode, unlogged, *rest = row
    row_security, rows_estimate, heap_bytes, toast_bytes, index_bytes, index_count, key = rest
    above = tuple(TableName(schema=s, name=n) for s, n in parents)
    return Table(
        name=TableName(schema=schema, name=name),
        oid=oid,
        kind=KINDS[kind],
        columns=columns,
        key=tuple(key),
        owner=owner,
        parent=above[0] if is_partition else None,
        inherits=() if is_partition else above,
        partition_key=_partition_key(strategy, split_by),
        relfilenode=relfilenode,
        unlogged=unlogged,
        row_security=row_security,
        rows_estimate=rows_estimate,
        heap_bytes=heap_bytes,
        toast_bytes=toast_bytes,
        index_bytes=index_bytes,
        index_count=index_count,
    )


def _partition_key(strategy: str | None, columns: Sequence[str]) -> PartitionKey | None:
    if strategy is None:
        return None
    return PartitionKey(strategy=cast(Any, STRATEGIES[strategy]), columns=tuple(columns))


def _sequences(connection: Connection) -> tuple[facts.Sequence, ...]:
    """Sequences that may be read; the others are among the blockers."""
    rows = [row for row in _rows(connection, "inventory_sequences") if row[-1]]
    found: list[facts.Sequence] = []
    for start in range(0, len(rows), SEQUENCES_PER_STATEMENT):
        part = rows[start : start + SEQUENCES_PER_STATEMENT]
        values = connection.execute(_values_of([(row[0], row[1]) for row in part])).fetchall()
        found += [_sequence(row, value) for row, value in zip(part, values, strict=True)]
    return tuple(found)


def _values_of(names: Sequence[tuple[str, str]]) -> sql.Composed:
    one = sql.SQL("SELECT {}::integer, last_value, is_called FROM {}")
    each = (one.format(sql.Literal(number), sql.Identifier(*name)) for number, name in enumerate(names))
    return sql.SQL("{} ORDER BY 1").format(sql.SQL(" UNION ALL ").join(each))


def _sequence(row: Row, value: Row) -> facts.Sequence:
    schema, name, increment, minimum, maximum, cycles, _ = row
    _, last_value, is_called = value
    return facts.Sequence(
        name=TableName(schema=schema, name=name),
        last_value=last_value,
        is_called=is_called,
        increment=increment,
        minimum=minimum,
        maximum=maximum,
        cycles=cycles,
    )
