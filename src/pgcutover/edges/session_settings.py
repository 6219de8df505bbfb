"""What ALTER DATABASE and ALTER ROLE set, held against each other.

One value can be written in several ways ('5min', '300000'), so values are compared as the target itself would show
them. It must only read: every value is tried in a transaction that is taken back.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from pgcutover.edges.postgres import Connection, query
from pgcutover.facts.proof import DefinitionDifference, Standing
from pgcutover.running.step import Before

READ_ONLY = ("the database", "default_transaction_read_only")
SEARCH_PATH = ("the database", "search_path")
# https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-SEARCH-PATH
DEFAULT_PATH = '"$user", public'

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
    compared = (_compared(key, source, target, there) for key in unlike)
    return tuple(difference for difference in compared if difference is not None)


def _compared(key: tuple[str, str], ours: Settings, theirs: Settings, there: Connection) -> DefinitionDifference | None:
    place, name = key
    source, target = ours.get(key), theirs.get(key)
    standing, reason = Standing.DECISIVE, ""
    if source is not None:
        old = _shown(there, name, source, search_path=_path(place, ours))
        new = _shown(there, name, target, search_path=_path(place, theirs))
        if old.refusal or new.refusal:
            standing, reason = _of_refusals(old, new)
        elif target is not None and old.value == new.value:
            return None
        elif target is None and place.startswith("role ") and not place.startswith("role (owner)"):
            # https://www.postgresql.org/docs/current/sql-alterrole.html
            standing, reason = Standing.UNDECIDED, "only the master may set it for another role than the application's"
    elif key == SEARCH_PATH:
        standing, reason = Standing.EXPECTED, "the new database is given the search path of the old owner's sessions"
    return DefinitionDifference(
        name=f"setting:{name} of {place}", source=source, target=target, standing=standing, reason=reason
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """A value as the server writes it, or else why it refuses it; `forbidden` where that is for lack of a right."""

    value: str | None = None
    refusal: str = ""
    forbidden: bool = False


def _of_refusals(source: _Shown, target: _Shown) -> tuple[Standing, str]:
    """A value that the target does not know cannot be there; what we may not try may be anything."""
    said = source.refusal or target.refusal
    if source.forbidden or target.forbidden:
        return Standing.UNDECIDED, f"this role may not try it on the new server, so it is not compared: {said}"
    if target.value is None and not target.refusal:
        return Standing.EXPECTED, f"the new server refuses it: {said}"
    return Standing.UNDECIDED, f"the new server refuses one of the two values, so they are not compared: {said}"


def _path(place: str, settings: Settings) -> str:
    """The search path of the sessions that a setting is for: some name objects, as default_text_search_config does."""
    return settings.get((place, "search_path")) or settings.get(SEARCH_PATH) or DEFAULT_PATH


def _shown(there: Connection, name: str, value: str | None, *, search_path: str) -> _Shown:
    if value is None:
        return _Shown()
    try:
        with there.transaction(force_rollback=True):
            there.execute("SELECT pg_catalog.set_config('search_path', %s, true)", (search_path,))
            row = there.execute("SELECT pg_catalog.set_config(%s, %s, true)", (name, value)).fetchone()
            assert row is not None, "a function gives one row"
            return _Shown(value=str(row[0]))
    except psycopg.errors.Error as cause:
        if cause.sqlstate is None:
            raise
        forbidden = isinstance(cause, psycopg.errors.InsufficientPrivilege)
        return _Shown(refusal=str(cause.diag.message_primary), forbidden=forbidden)
