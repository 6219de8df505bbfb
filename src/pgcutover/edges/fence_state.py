"""What a fence finds and leaves: what must be put back, what may still be written, what was kept on the source itself.

Everything here only reads. The invariant: what `read_acls` returns is enough to put every privilege and setting back
exactly, and nothing that could not be put back is recorded.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from psycopg import sql

from pgcutover.edges.clients import older, read_clients
from pgcutover.edges.giveback import script, shown, told, vanished
from pgcutover.edges.holder import NAME
from pgcutover.edges.postgres import Connection, Server, query
from pgcutover.edges.privileges import Privilege, beyond_taking, missing, privilege_of, read_privileges
from pgcutover.errors import FenceError
from pgcutover.facts.fence import FenceStatus
from pgcutover.facts.names import TableName
from pgcutover.running.step import Before, Json

PURPOSE = "fence control"
LARGE_OBJECTS = "SELECT md5(coalesce(string_agg(oid::text, ',' ORDER BY oid), '')) FROM pg_largeobject_metadata"
"""Their owner can always remove one and make another: which are there is compared, by a digest of their numbers."""
NO_LARGE_OBJECTS = "d41d8cd98f00b204e9800998ecf8427e"
"""That digest where there is none; a record from before they were fenced has no other."""
MOST_LARGE_OBJECTS = 20_000
"""Each has privileges of its own, which are recorded and put back one by one."""


def read_acls(server: Server) -> dict[str, Json]:
    """What must be put back when the fence is lowered; touches nothing.

    Over a fence that stands already (its journal may be lost), what that one recorded.

    Raises:
        FenceError: something here could not be fenced, or not be put back; each is named.
    """
    with server.session(PURPOSE) as control:
        stored = stored_fence(control)
        if stored is not None:
            return dict(stored[0])
        recorded: dict[str, Json] = {
            "database": server.dsn.database,
            "server": _server(control),
            "read_only": read_only_setting(control),
            "tables": [[t.schema, t.name] for t, _, _ in fenced_tables(control)],
            "large_objects": one(control, LARGE_OBJECTS),
            "privileges": [cast("Json", p.kept) for p in read_privileges(control)],
        }
        refuse_what_cannot_be_fenced(control, server, recorded)
        return recorded


def inspect(server: Server, recorded: Before) -> FenceStatus:
    """The fence as it is at this moment, asked of the server; touches nothing."""
    with server.session(PURPOSE) as control:
        return inspect_over(control, recorded)


def undo_sql(server: Server, recorded: Before) -> str:
    """The same as a script for psql, for when there is no pgcutover any more. It holds no secret."""
    with server.session(PURPOSE) as control:
        return undo_statements(control, recorded)


def inspect_over(control: Connection, recorded: Before) -> FenceStatus:
    stored = stored_fence(control)
    raised_at = None if stored is None else stored[1]
    privileges = read_privileges(control)
    lost = missing(recorded_privileges(recorded), privileges)
    absent = vanished(control, lost)
    tables = [t for t, _, _ in fenced_tables(control)]
    known = {TableName(schema=str(s), name=str(n)) for s, n in cast("list[list[str]]", recorded["tables"])}
    locked = {TableName(schema=s, name=n) for s, n in control.execute(query("fence_locks"), {"holder": NAME})}
    clients = read_clients(control)
    setting = read_only_setting(control)
    return FenceStatus(
        raised_at=raised_at,
        read_only=setting == "on",
        setting_restored=setting == recorded["read_only"],
        writable=tuple(map(str, privileges)),
        beyond_taking=tuple(f"{who} has {what} on {on}" for on, who, what in beyond_taking(control)),
        missing=tuple(str(p) for p in lost if p not in absent),
        not_given_back=told(absent),
        tables=tuple(map(str, tables)),
        unknown_tables=tuple(str(t) for t in tables if t not in known),
        gone_tables=tuple(sorted(str(t) for t in known.difference(tables))),
        unlocked=tuple(str(t) for t in tables if t not in locked),
        older_clients=older(clients, raised_at) if raised_at is not None else (),
        platform_clients=tuple(c for c in clients if c.beyond_reach),
        prepared=_prepared(control),
        large_objects_changed=recorded.get("large_objects", NO_LARGE_OBJECTS) != one(control, LARGE_OBJECTS),
        server_changed=recorded.get("server", _server(control)) != _server(control),
    )


def refuse_what_cannot_be_fenced(control: Connection, server: Server, recorded: Before) -> None:
    found = [f"prepared transaction {gid}" for gid in _prepared(control)]
    found += [f"{t} belongs to a role that ours is no member of" for t, ours, _ in fenced_tables(control) if not ours]
    found += [f"{p}, granted by {p.grantor}" for p in recorded_privileges(recorded) if p.grantor != p.owner]
    found += [
        f"{role} may write whatever is revoked" for (role,) in control.execute(query("inventory_bypassing_roles"))
    ]
    found += [f"{who} has {what} on {on}" for on, who, what in beyond_taking(control) if on.startswith("large object ")]
    count = one(control, "SELECT count(*) FROM pg_largeobject_metadata")
    found += [f"{count} large objects"] if count > MOST_LARGE_OBJECTS else []
    if found:
        raise FenceError(
            f"source {server.dsn} cannot be fenced: {shown(found)}",
            hint="Nothing was touched. End prepared transactions with COMMIT PREPARED or ROLLBACK PREPARED; "
            "pgcutover inventory says what to do about the rest.",
        )


def undo_statements(control: Connection, recorded: Before) -> str:
    grants, owed = script(control, recorded_privileges(recorded))
    statements = [
        sql.SQL("BEGIN READ WRITE"),
        # The locks of a machine that hangs; and what still runs there must not go on.
        query("fence_end_ours"),
        grants,
        read_only_sql(control, recorded["read_only"]),
        # The whole of it, and IF EXISTS: after `retire` it is gone, and a run that finds no record of itself stops.
        sql.SQL("DROP SCHEMA IF EXISTS pgcutover CASCADE"),
        sql.SQL("COMMIT"),
        owed,
    ]
    return "".join(f"{statement.as_string(control).rstrip()};\n" for statement in statements)


def stored_fence(control: Connection) -> tuple[Mapping[str, Json], datetime | None] | None:
    if not one(control, "SELECT to_regclass('pgcutover.fence') IS NOT NULL"):
        return None
    row = control.execute("SELECT recorded::text, raised_at FROM pgcutover.fence").fetchone()
    return None if row is None else (json.loads(row[0]), row[1])


def read_only_sql(control: Connection, value: Json) -> sql.Composed:
    database = sql.Identifier(control.info.dbname)
    if value is None:
        return sql.SQL("ALTER DATABASE {} RESET default_transaction_read_only").format(database)
    return sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}").format(database, sql.Literal(value))


def read_only_setting(control: Connection) -> str | None:
    row = control.execute(query("fence_read_only")).fetchone()
    return None if row is None else str(row[0])


def recorded_privileges(recorded: Before) -> tuple[Privilege, ...]:
    return tuple(privilege_of(cast("list[Json]", kept)) for kept in cast("list[Json]", recorded["privileges"]))


def fenced_tables(control: Connection) -> list[tuple[TableName, bool, bool]]:
    """Each table with whether we act for its owner and whether we may lock it."""
    rows = control.execute(query("fence_tables").format(schemas=query("inventory_schemas")))
    return [(TableName(schema=s, name=n), ours, lockable) for s, n, ours, lockable in rows]


def _server(control: Connection) -> str:
    row = control.execute(query("inventory_server")).fetchone()
    assert row is not None, "a server has one control file"
    return "/".join(row)


def _prepared(control: Connection) -> tuple[str, ...]:
    return tuple(f"{gid} of {owner}" for gid, owner, _ in control.execute(query("fence_prepared")))


def one(control: Connection, statement: str) -> Any:
    row = control.execute(statement).fetchone()
    assert row is not None, "an aggregate or a function always gives a row"
    return row[0]
