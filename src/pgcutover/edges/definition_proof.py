"""The definitions, privileges and settings of two databases as one question: are they the same, object by object?

It changes nothing. The invariant: what either catalogue holds and the other does not, or holds otherwise, is in the
answer by name, with what it means.
"""

import secrets
from collections.abc import Collection

import psycopg
from psycopg import IsolationLevel, sql

from pgcutover.edges.definitions import read_all_definitions
from pgcutover.edges.postgres import Connection, Server
from pgcutover.edges.rights import read_rights, standing_fence
from pgcutover.edges.session_settings import Settings, read_settings, settings_differences
from pgcutover.facts.proof import DefinitionDifference
from pgcutover.planning.definition_proof import Definitions, definition_differences

MAJOR = 10_000
VIEWS = ("view:", "materialised view:")
TRIED = "pgcutover_reparsed"


def compare_definitions(
    source: Server, target: Server, *, seen: Collection[str] | None = None
) -> tuple[DefinitionDifference, ...]:
    """Everything that is not alike; `seen` as in `definition_differences`.

    Raises:
        SourceError, TargetError: a server cannot be asked.
    """
    ours_version, theirs_version = _version(source), _version(target)
    both, salt = min(ours_version, theirs_version), secrets.token_hex(16)
    ours, our_settings = _read(source, both, salt)
    theirs, their_settings = _read(target, both, salt)
    same_major = ours_version // MAJOR == theirs_version // MAJOR
    with target.session("settings") as there:
        reparsed = _reparsed(ours, theirs, there)
        definitions = definition_differences(ours, theirs, same_major=same_major, seen=seen, reparsed=reparsed)
        settings = settings_differences(our_settings, their_settings, there)
    return tuple(sorted((*definitions, *settings), key=lambda difference: difference.name))


def _reparsed(ours: Definitions, theirs: Definitions, there: Connection) -> Definitions:
    """Queries of views as the target prints the source's text, which is what a restore makes of them.

    Each is tried in a transaction that is taken back; what this role may not try, or the target refuses, is left out.
    """
    found: dict[str, str] = {}
    for name, text in ours.items():
        if name.startswith(VIEWS) and theirs.get(name, text) != text:
            printed = _printed(there, text)
            found |= {} if printed is None else {name: printed}
    return found


def _printed(there: Connection, text: str) -> str | None:
    try:
        with there.transaction(force_rollback=True):
            there.execute("SET TRANSACTION READ WRITE")
            # The server's own words, and nobody else sees what it makes.
            there.execute(sql.SQL("CREATE TEMPORARY VIEW {} AS {}").format(sql.Identifier(TRIED), sql.SQL(text)))
            row = there.execute("SELECT pg_get_viewdef(('pg_temp.' || %s)::regclass)", (TRIED,)).fetchone()
            return None if row is None else str(row[0])
    except psycopg.Error as cause:
        if cause.sqlstate is None:
            raise
        return None


def _version(server: Server) -> int:
    with server.session("definitions") as connection:
        return connection.info.server_version


def _read(server: Server, both_versions: int, salt: str) -> tuple[Definitions, Settings]:
    with server.session("definitions", autocommit=False) as connection:
        _one_snapshot(connection)
        fence = standing_fence(connection) if server.side == "source" else None
        definitions = read_all_definitions(connection, both_versions=both_versions, salt=salt)
        return {**definitions, **read_rights(connection, fence)}, read_settings(connection, fence)


def _one_snapshot(connection: Connection) -> None:
    connection.read_only = True
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
