"""The last of a copy on the target: sequences, privileges, settings. Each is one transaction of the run.

Idempotent. Invariant: a sequence is never moved back.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from psycopg import errors, sql

from pgcutover.edges.copysource import read_user_mappings
from pgcutover.edges.copytarget import CopyTarget
from pgcutover.edges.postgres import Connection, Server, query
from pgcutover.errors import TargetError
from pgcutover.facts.inventory import Sequence, Setting
from pgcutover.facts.names import Secret
from pgcutover.facts.remade import Policy, UserMapping
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
    "server": sql.SQL("FOREIGN SERVER"),
    "large object": sql.SQL("LARGE OBJECT"),
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

    def grant(self, wanted: Mapping[Guarded, Held], *, by_master: bool = False) -> None:
        """Give every object exactly these privileges beside its owner's; those of other roles' objects as the master.

        Raises:
            TargetError: a role is not there.
        """
        master = self.target.master
        with self.target.claimed("grants", server=master() if by_master and master is not None else None) as session:
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

    def make_policies(self, policies: Iterable[Policy]) -> None:
        """Make those that are not there; roles are those of the target."""
        with self.target.claimed("policies") as session:
            there = {tuple(row) for row in session.execute(query("copy_policies_there"))}
            for policy in policies:
                if (policy.schema, policy.table, policy.name) not in there:
                    for statement in _policy(policy):
                        session.execute(statement)

    def make_user_mappings(self, mappings: Iterable[UserMapping]) -> None:
        """Make those that are not there and whose options are known; roles are those of the target."""
        with self.target.claimed("user mappings") as session:
            there = {(m.server, m.role) for m in read_user_mappings(session)}
            for mapping in mappings:
                if mapping.options is not None and (mapping.server, mapping.role) not in there:
                    session.execute(_user_mapping(mapping, mapping.options))

    def user_mappings(self) -> frozenset[tuple[str, str]]:
        """Server and role of those that are there."""
        with self.target.server.session("user mappings") as session:
            return frozenset((m.server, m.role) for m in read_user_mappings(session))

    def policies(self) -> frozenset[tuple[str, str, str]]:
        """Schema, table and name of those that are there."""
        with self.target.server.session("policies") as session:
            return frozenset((s, t, n) for s, t, n in session.execute(query("copy_policies_there")))

    def set_settings(self, settings: Iterable[Setting]) -> tuple[tuple[Setting, str], ...]:
        """Set them for later sessions; those that the target refuses come back, with what it said.

        What the application's role may not set, another role's for one, the master tries.
        """
        refused = []
        master, wanted = self.target.master, tuple(settings)
        for setting in wanted:
            path = _path(setting, wanted)
            said = self._refusal(setting, path, None)
            if said and master is not None:
                said = self._refusal(setting, path, master())
            if said:
                refused.append((setting, said))
        return tuple(refused)

    def _refusal(self, setting: Setting, path: str | None, server: Server | None) -> str:
        """Set it; why the target refuses it, '' when it does not."""
        # A transaction each: a setting is in force in ours until its end.
        with self.target.claimed("settings", server=server) as session:
            try:
                with session.transaction():
                    _set(session, setting, path)
            except REFUSALS as cause:
                return str(cause.diag.message_primary)
        return ""


def _policy(policy: Policy) -> Iterator[sql.Composed]:
    name, table = sql.Identifier(policy.name), sql.Identifier(policy.schema, policy.table)
    yield sql.SQL("CREATE POLICY {} ON {} AS {} FOR {} TO {}{}{}").format(
        name,
        table,
        sql.SQL("PERMISSIVE" if policy.permissive else "RESTRICTIVE"),
        _trusted(policy.command),
        sql.SQL(", ").join(_role(role) for role in policy.roles),
        sql.SQL("") if policy.using is None else sql.SQL(" USING ({})").format(_trusted(policy.using)),
        sql.SQL("") if policy.check is None else sql.SQL(" WITH CHECK ({})").format(_trusted(policy.check)),
    )
    if policy.comment is not None:
        yield sql.SQL("COMMENT ON POLICY {} ON {} IS {}").format(name, table, sql.Literal(policy.comment))


def _user_mapping(mapping: UserMapping, options: Iterable[tuple[str, Secret]]) -> sql.Composed:
    each = [sql.SQL("{} {}").format(sql.Identifier(n), sql.Literal(value.reveal())) for n, value in options]
    return sql.SQL("CREATE USER MAPPING FOR {} SERVER {}{}").format(
        _role(mapping.role),
        sql.Identifier(mapping.server),
        sql.SQL(" OPTIONS ({})").format(sql.SQL(", ").join(each)) if each else sql.SQL(""),
    )


def _role(name: str) -> sql.Composable:
    return sql.SQL("PUBLIC") if name == PUBLIC else sql.Identifier(name)


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
                _role(grantee),
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
    """Text that the server worded (format's %I, pg_get_expr), or that a list above holds: no other comes here."""
    return sql.SQL(text)


def _path(setting: Setting, among: Iterable[Setting]) -> str | None:
    """The search path of the sessions that a setting is for; None is what the database's have."""
    paths = {(s.role, s.database): s.value for s in among if s.name == "search_path"}
    places = ((setting.role, setting.database), (setting.role, ""))
    return next((paths[place] for place in places if setting.role and place in paths), None)


def _set(session: Connection, setting: Setting, path: str | None) -> None:
    """Through the session's own value: a list like a search path is stored as the server writes it.

    Some settings name objects, as default_text_search_config does, which are looked for in the search path.
    """
    if path is None:
        session.execute("SET LOCAL search_path TO DEFAULT")
    else:
        session.execute("SELECT pg_catalog.set_config('search_path', %s, true)", (path,))
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
