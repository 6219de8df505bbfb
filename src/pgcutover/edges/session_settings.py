"""What ALTER DATABASE and ALTER ROLE set, held against each other.

One value can be written in several ways ('5min', '300000'), so values are compared as the target itself would show
them. It must only read: every value is tried in a transaction that is taken back.
"""

from collections.abc import Mapping

import psycopg

from pgcutover.edges.postgres import Connection, query
from pgcutover.facts.proof import DefinitionDifference, Standing
from pgcutover.running.step import Before

READ_ONLY = ("the database", "default_transaction_read_only")
SEARCH_PATH = ("the database", "search_path")

Settings = Mapping[tuple[str, str], str]
"""Place and name -> value."""


def read_settings(connection: Connection, fence: Before | None = None) -> Settings:
    """Those of the database, and of the roles that have to do with it; without what our own fence or gate set."""
    roles = [name for (name,) in connection.execute(query("inventory_roles"))]
    found = {
        (place, name): value
        for place, name, value in connection.execute(query("inventory_definitions_settings"), (roles,))
    }
    if fence is not None:
        found.pop(READ_ONLY, None)
    return found


def settings_differences(source: Settings, target: Settings, there: Connection) -> tuple[DefinitionDifference, ...]:
    """`there` is a session on the target, outside any transaction, that may be asked what it makes of a value."""
    closed = {READ_ONLY} if target.get(READ_ONLY) == "on" else set()
    unlike = [key for key in sorted({*source, *target} - closed) if source.get(key) != target.get(key)]
    compared = (_compared(key, source.get(key), target.get(key), there) for key in unlike)
    return tuple(difference for difference in compared if difference is not None)


def _compared(
    key: tuple[str, str], source: str | None, target: str | None, there: Connection
) -> DefinitionDifference | None:
    place, name = key
    standing, reason = Standing.DECISIVE, ""
    if source is not None:
        shown, refusal = _shown(there, name, source)
        if refusal:
            standing, reason = Standing.EXPECTED, f"the new server refuses it: {refusal}"
        elif target is not None and shown == _shown(there, name, target)[0]:
            return None
        elif target is None and place.startswith("role ") and not place.startswith("role (owner)"):
            # https://www.postgresql.org/docs/current/sql-alterrole.html
            standing, reason = Standing.UNDECIDED, "only the master may set it for another role than the application's"
    elif key == SEARCH_PATH:
        standing, reason = Standing.EXPECTED, "the new database is given the search path of the old owner's sessions"
    return DefinitionDifference(
        name=f"setting:{name} of {place}", source=source, target=target, standing=standing, reason=reason
    )


def _shown(there: Connection, name: str, value: str) -> tuple[str, str]:
    """The value as the server writes it, or else why it refuses it."""
    try:
        with there.transaction(force_rollback=True):
            row = there.execute("SELECT pg_catalog.set_config(%s, %s, true)", (name, value)).fetchone()
            assert row is not None, "a function gives one row"
            return str(row[0]), ""
    except psycopg.errors.Error as cause:
        if cause.sqlstate is None:
            raise
        return "", str(cause.diag.message_primary)
