"""Definitions as text: what tables, views, functions and the rest look like, for comparing two moments or two servers.

Texts agree between major versions for equal things; what may be secret in them is a digest.
It must only read. The invariant: two databases whose definitions are equal here treat the same statement alike; and
what a fence takes away and puts back changes none of those that `digest` is made of.
"""

import hashlib
import json

from psycopg import sql

from pgcutover.edges.postgres import Connection, Server, query
from pgcutover.planning.definition_proof import Definitions

PARTS = ("tables", "on_tables", "others", "comments")
"""What a dump of the definitions restores by itself."""

# What is only compared between two databases: by the version from which a server has the catalogue.
FURTHER = {"further": 0, "further_comments": 0, "owners": 0, "since_15": 150000}
# The same, by the version that both servers must have.
AGREED = {"both_14": 140000, "both_15": 150000, "both_18": 180000}


def object_definitions(server: Server) -> Definitions:
    """Every definition that a dump restores, comparable with another server's, also of another major version."""
    with server.session("definitions", autocommit=False) as connection:
        return read_definitions(connection)


def read_definitions(connection: Connection) -> Definitions:
    """The same, over a session whose search path is empty."""
    return _read(connection, PARTS, salt="")


def read_all_definitions(connection: Connection, *, both_versions: int, salt: str) -> Definitions:
    """Those and everything else that two databases can be compared by; privileges and settings are read elsewhere.

    `both_versions` is the lower of the two servers' version numbers; secrets are digests of themselves with `salt`, so
    that only texts of one comparison can be held against each other.
    """
    parts = [*PARTS]
    parts += [part for part, since in FURTHER.items() if connection.info.server_version >= since]
    parts += [part for part, since in AGREED.items() if both_versions >= since]
    return _read(connection, parts, salt=salt)


def _read(connection: Connection, parts: list[str] | tuple[str, ...], *, salt: str) -> Definitions:
    schemas, option = query("inventory_schemas"), query("inventory_option").format(salt=sql.Literal(salt))
    found: dict[str, str] = {}
    for part in parts:
        statement = query(f"inventory_definitions_{part}").format(schemas=schemas, option=option)
        for kind, name, definition in connection.execute(statement):
            found[f"{kind}:{name}"] = definition or ""
    return found


def digest(definitions: Definitions) -> str:
    """One digest over all definitions, for telling whether any of them changed."""
    return hashlib.sha256(json.dumps(dict(definitions), sort_keys=True).encode()).hexdigest()
