"""The last of a copy on the target: sequences, privileges, settings. Each is one transaction of the run.

Idempotent. Invariant: a sequence is never moved back.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from psycopg import errors, sql

from pgcutover.edges.copytarget import CopyTarget
from pgcutover.edges.postgres import Connection
from pgcutover.errors import TargetError
from pgcutover.facts.inventory import Sequence, Setting
from pgcutover.planning.grants import PUBLIC, Guarded, Held

# https://www.postgresql.org/docs/current/ddl-priv.html
PRIVILEGES = frozenset(
    {
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "TRUNCATE",
        "REFERENCES",
        "TRIGGER",
        "MAINTAIN",
        "USAGE",
        "CREATE",
        "EXECUTE",
    }
)
REFUSALS = (
    errors.InsufficientPrivilege,
    errors.UndefinedObject,
    errors.InvalidParameterValue,
    errors.CantChangeRuntimeParam,
)
NOUNS: Mapping[str, sql.SQL] = {
    "table": sql.SQL("TABLE"),
    "sequence": sql.SQL("SEQUENCE"),
    "schema": sql.SQL("SCHEMA"),
    # ROUTINE is a function, a procedure or an aggregate.
    "function": sql.SQL("ROUTINE"),
    "type": sql.SQL("TYPE"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyFinish:
    target: CopyTarget

    def set_sequences(self, sequences: Iterable[Sequence]) -> None:
        """Give each sequence the source's value, unless it is further already."""
        with self.target.claimed("sequences") as session:
            for sequence in sequences:
                name = sql.Identifier(sequence.name.schema, sequence.name.name)
                row = session.execute(sql.SQL("SELECT last_value, is_called FROM {}").format(name)).fetchone()
                assert row is not None, "a sequence has one row"
                if _behind((row[0], row[1]), sequence):
                    session.execute(
                        "SELECT pg_catalog.setval(%s::regclass, %s, %s)",
                        (name.as_string(), sequence.last_value, sequence.is_called),
                    )

    def grant(self, wanted: Mapping[Guarded, Held]) -> None:
        """Give every object exactly these privileges beside its owner's.

        Raises:
            TargetError: a role is not there.
        """
        with self.target.claimed("grants") as session:
            known = {name for (name,) in session.execute("SELECT rolname::text FROM pg_catalog.pg_roles")}
            missing = sorted({grantee for held in wanted.values() for grantee, _, _ in held} - known - {PUBLIC})
            if missing:
                raise TargetError(
                    f"role {missing[0]} has privileges on the source and does not exist on the target",
                    hint="Create it on the target, or name another role in its place.",
                )
            for guarded, held in wanted.items():
                for statement in _statements(guarded, held):
                    session.execute(statement)

    def set_settings(self, settings: Iterable[Setting]) -> tuple[tuple[Setting, str], ...]:
        """Set them for later sessions; those that the target refuses come back, with what it said."""
        refused = []
        for setting in settings:
            # A transaction each: a setting is in force in ours until its end.
            with self.target.claimed("settings") as session:
                try:
                    with session.transaction():
                        _set(session, setting)
                except REFUSALS as cause:
                    refused.append((setting, str(cause.diag.message_primary)))
        return tuple(refused)


def _behind(there: tuple[int, bool], sequence: Sequence) -> bool:
    wanted = (sequence.last_value, sequence.is_called)
    if sequence.cycles:
        return there != wanted
    return there < wanted if sequence.increment > 0 else (-there[0], there[1]) < (-wanted[0], wanted[1])


def _statements(guarded: Guarded, held: Held) -> list[sql.Composed]:
    """Nothing for everyone first: a function that PUBLIC may not call must not be callable here."""
    if guarded.kind == "default":
        before, on = _default(guarded)
    else:
        before, on = sql.Composed([]), sql.SQL("{} {}").format(NOUNS[guarded.kind], _trusted(guarded.object_sql))
    statements = []
    if not guarded.column:
        statements.append(sql.SQL("{}REVOKE ALL ON {} FROM PUBLIC").format(before, on))
    for grantee, privilege, grantable in sorted(held):
        columns = sql.SQL(" ({})").format(sql.Identifier(guarded.column)) if guarded.column else sql.SQL("")
        statements.append(
            sql.SQL("{}GRANT {}{} ON {} TO {}{}").format(
                before,
                _privilege(privilege),
                columns,
                on,
                sql.SQL("PUBLIC") if grantee == PUBLIC else sql.Identifier(grantee),
                sql.SQL(" WITH GRANT OPTION" if grantable else ""),
            )
        )
    return statements


def _default(guarded: Guarded) -> tuple[sql.Composed, sql.Composed]:
    place = sql.SQL("IN SCHEMA {} ").format(sql.Identifier(guarded.schema)) if guarded.schema else sql.SQL("")
    before = sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} {}").format(sql.Identifier(guarded.owner), place)
    return before, sql.Composed([_trusted(guarded.object_sql)])


def _privilege(name: str) -> sql.Composable:
    if name not in PRIVILEGES:
        raise TargetError(f"privilege {name} is not known to pgcutover")
    return _trusted(name)


def _trusted(text: str) -> sql.Composable:
    """Text that the server quoted (format's %I), or that a list above holds: the only two sorts that come here."""
    return sql.SQL(text)


def _set(session: Connection, setting: Setting) -> None:
    """Through the session's own value: a list like a search path is stored as the server writes it."""
    session.execute("SELECT pg_catalog.set_config(%s, %s, true)", (setting.name, setting.value))
    name = sql.SQL(".").join(sql.Identifier(part) for part in setting.name.split("."))
    role, database = sql.Identifier(setting.role), sql.Identifier(setting.database)
    if not setting.role:
        place = sql.SQL("DATABASE {}").format(database)
    elif not setting.database:
        place = sql.SQL("ROLE {}").format(role)
    else:
        place = sql.SQL("ROLE {} IN DATABASE {}").format(role, database)
    session.execute(sql.SQL("ALTER {} SET {} FROM CURRENT").format(place, name))
