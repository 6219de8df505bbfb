"""Definitions as text: what tables, views, functions and the rest look like, for comparing two moments or two servers.

Texts agree between major versions for equal things; owners, privileges, statistics and storage places are not in them.
It must only read. The invariant: two databases whose definitions are equal here treat the same statement alike.
"""

import hashlib
import json
from collections.abc import Mapping

from pgcutover.edges.postgres import Connection, Server, query

Definitions = Mapping[str, str]
"""'kind:name' (the name quoted and with its schema) -> text."""

PARTS = ("tables", "on_tables", "others", "comments")


def object_definitions(server: Server) -> Definitions:
    """Every definition of a database, comparable with another server's, also of another major version."""
    with server.session("definitions", autocommit=False) as connection:
        return read_definitions(connection)


def read_definitions(connection: Connection) -> Definitions:
    """The same, over a session whose search path is empty."""
    schemas = query("inventory_schemas")
    found: dict[str, str] = {}
    for part in PARTS:
        for kind, name, definition in connection.execute(
            query(f"inventory_definitions_{part}").format(schemas=schemas)
        ):
            found[f"{kind}:{name}"] = definition
    return found


def public_rights(server: Server) -> str:
    """What everybody may do with the database, in words."""
    with server.session("definitions") as connection:
        row = connection.execute(query("content_public_rights")).fetchone()
    assert row is not None, "an aggregate without GROUP BY gives one row"
    return str(row[0])


def digest(definitions: Definitions) -> str:
    """One digest over all definitions, for telling whether any of them changed."""
    return hashlib.sha256(json.dumps(dict(definitions), sort_keys=True).encode()).hexdigest()
