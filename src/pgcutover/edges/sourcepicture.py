"""A picture of a database without its rows and without secrets, to show that a drill left everything as it was.

It must only read. The invariant: whatever a fence takes away, a setting that a move changes, and anything that a move
leaves behind is in it; what the application changes by living (rows, sequences, sizes) is not.
"""

import hashlib
from collections.abc import Iterable, Mapping
from itertools import groupby

from pgcutover.edges.catalog import read_inventory_and
from pgcutover.edges.definitions import read_definitions
from pgcutover.edges.postgres import Connection, Server, query
from pgcutover.facts.inventory import DatabaseInventory, Grant, Setting

DIGEST_DIGITS = 12

Part = Mapping[str, str]


def read_source_picture(server: Server) -> dict[str, Part]:
    """Part by part, each thing by its name; all of one moment.

    Raises:
        SourceError: it cannot be read.
    """
    found, further = read_inventory_and(server, _further)
    return {
        "database": {"version": str(found.version), "owner": found.owner, "connection limit": _limit(found)},
        "extensions": {e.name: f"{e.version} in {e.schema}" for e in found.extensions},
        "roles": dict.fromkeys(found.roles, "there"),
        # What is set may be a secret: applications keep keys in settings of their own.
        "settings": {_place(setting): _digest(setting.value) for setting in found.settings},
        "privileges": _privileges(found.grants),
        **further,
    }


def _further(connection: Connection) -> dict[str, Part]:
    return {
        "definitions": {name: _digest(text) for name, text in read_definitions(connection).items()},
        "privileges on the database": dict(connection.execute(query("picture_database_rights")).fetchall()),
        "left by pgcutover": dict(connection.execute(query("picture_ours")).fetchall()),
    }


def _limit(found: DatabaseInventory) -> str:
    return "none" if found.connection_limit < 0 else str(found.connection_limit)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_DIGITS]


def _place(setting: Setting) -> str:
    return f"{setting.name} of {setting.role or 'every role'} in {setting.database or 'every database'}"


def _privileges(grants: Iterable[Grant]) -> dict[str, str]:
    ordered = sorted(grants, key=lambda grant: (_holder(grant), grant.privilege, grant.grantor))
    return {
        holder: ", ".join(f"{g.privilege or 'nothing'}{'*' if g.grantable else ''} by {g.grantor}" for g in each)
        for holder, each in groupby(ordered, key=_holder)
    }


def _holder(grant: Grant) -> str:
    where = f"{grant.object_sql} ({grant.column})" if grant.column else grant.object_sql
    of = f" of {grant.owner} in {grant.schema or 'every schema'}" if grant.kind == "default" else ""
    return f"{grant.kind} {where}{of} to {grant.grantee}"
