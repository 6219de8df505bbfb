"""Privileges to write: reading them, taking them from everyone, putting them back exactly.

Only what lets somebody change rows, move a sequence or create a table is touched; who may read stays as it is.
The invariant: everything that `revocations` take was read before, and `restorations` give back all that was recorded
and is missing, no more.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from psycopg import sql

from pgcutover.edges.postgres import Connection, query
from pgcutover.running.step import Json

PUBLIC = "PUBLIC"
OBJECTS_PER_STATEMENT = 200
"""Few enough for a log line of the server to stay readable."""

REVOKED: Mapping[str, str] = {
    # Of a column's privileges REVOKE on the table takes INSERT and UPDATE too.
    # https://www.postgresql.org/docs/current/sql-revoke.html
    "table": "INSERT, UPDATE, DELETE, TRUNCATE",
    "sequence": "USAGE, UPDATE",
    "large object": "UPDATE",
    "schema": "CREATE",
    "database": "CREATE",
}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Privilege:
    """One privilege of one grantee; `kind` is table, column, sequence, large object, schema or database.

    A large object's name is its number.
    """

    kind: str
    schema: str
    name: str
    column: str
    owner: str
    grantor: str
    grantee: str
    privilege: str
    grantable: bool

    @property
    def held(self) -> tuple[str, ...]:
        """What is held by whom, whoever granted it."""
        return (self.kind, self.schema, self.name, self.column, self.grantee, self.privilege)

    @property
    def kept(self) -> list[Json]:
        """As it goes to the journal."""
        return [
            self.kind,
            self.schema,
            self.name,
            self.column,
            self.owner,
            self.grantor,
            self.grantee,
            self.privilege,
            self.grantable,
        ]

    def __str__(self) -> str:
        column = f" ({self.column})" if self.column else ""
        return f"{self.grantee} has {self.privilege}{column} on {self.on}"

    @property
    def object_kind(self) -> str:
        """Of the object that GRANT and REVOKE name: a column's is its table."""
        return "table" if self.kind == "column" else self.kind

    @property
    def on(self) -> str:
        """The object, in words."""
        kind = self.object_kind
        return f"{kind} {self.schema}.{self.name}" if kind in ("table", "sequence") else f"{kind} {self.name}"


def privilege_of(kept: Sequence[Json]) -> Privilege:
    """The inverse of `Privilege.kept`."""
    kind, schema, name, column, owner, grantor, grantee, privilege, grantable = kept
    return Privilege(
        kind=str(kind),
        schema=str(schema),
        name=str(name),
        column=str(column),
        owner=str(owner),
        grantor=str(grantor),
        grantee=str(grantee),
        privilege=str(privilege),
        grantable=bool(grantable),
    )


def read_privileges(connection: Connection) -> tuple[Privilege, ...]:
    """Everybody's privileges to write that we could take; owners and PUBLIC are in it like any other grantee."""
    rows = connection.execute(query("fence_privileges").format(schemas=query("inventory_schemas")))
    return tuple(privilege_of(cast("Sequence[Json]", row)) for row in rows)


def beyond_taking(connection: Connection) -> tuple[tuple[str, str, str], ...]:
    """What `read_privileges` leaves out, for it is not ours to take: the object and whose it is, who has what on it."""
    rows = connection.execute(query("fence_beyond").format(schemas=query("inventory_schemas")))
    return tuple((f"{what} of {owner}", grantee, privilege) for what, owner, grantee, privilege in rows)


def revocations(privileges: Iterable[Privilege]) -> Iterator[sql.Composed]:
    """Statements that take all of these from everybody who has any of them."""
    return map(revocation, together(privileges))


def together(privileges: Iterable[Privilege], *, at_most: int = OBJECTS_PER_STATEMENT) -> Iterator[list[Privilege]]:
    """Those of so many objects of one kind at a time, as one `revocation` takes them."""
    by_kind: defaultdict[str, dict[tuple[str, str], list[Privilege]]] = defaultdict(lambda: defaultdict(list))
    for p in privileges:
        by_kind[p.object_kind][p.schema, p.name].append(p)
    for objects in by_kind.values():
        for part in _parts(sorted(objects), at_most):
            yield [p for o in part for p in objects[o]]


def revocation(privileges: Sequence[Privilege]) -> sql.Composed:
    """One statement that takes all of these, which are on objects of one kind."""
    kind = privileges[0].object_kind
    return sql.SQL("REVOKE {what} ON {kind} {objects} FROM {grantees} CASCADE").format(
        what=sql.SQL(REVOKED[kind]),
        kind=sql.SQL(kind.upper()),
        objects=sql.SQL(", ").join(_object(kind, *o) for o in sorted({(p.schema, p.name) for p in privileges})),
        grantees=sql.SQL(", ").join(map(_grantee, sorted({p.grantee for p in privileges}))),
    )


def missing(recorded: Iterable[Privilege], now: Iterable[Privilege]) -> tuple[Privilege, ...]:
    """What was recorded and is not held now, or not with its grant option."""
    held: dict[tuple[str, ...], bool] = {}
    for p in now:
        held[p.held] = held.get(p.held, False) or p.grantable
    return tuple(p for p in recorded if p.held not in held or (p.grantable and not held[p.held]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """A GRANT of the same to the same on several objects, of which there is one at least."""

    what_on: sql.Composed
    objects: tuple[sql.Composable, ...]
    to_whom: sql.Composed

    @property
    def statement(self) -> sql.Composed:
        return self.what_on + sql.SQL(", ").join(self.objects) + self.to_whom


def restorations(privileges: Iterable[Privilege], *, at_most: int = OBJECTS_PER_STATEMENT) -> Iterator[Restoration]:
    """What grants all of these; whoever runs them acts for each object's owner, who is their grantor."""
    by_object: defaultdict[tuple[str, str, str, str, str, bool], list[str]] = defaultdict(list)
    for p in privileges:
        by_object[p.kind, p.schema, p.name, p.column, p.grantee, p.grantable].append(p.privilege)
    alike: defaultdict[tuple[str, str, str, bool, tuple[str, ...]], list[tuple[str, str]]] = defaultdict(list)
    for (kind, schema, name, column, grantee, grantable), held in by_object.items():
        alike[kind, column, grantee, grantable, tuple(sorted(held))].append((schema, name))
    for (kind, column, grantee, grantable, words), objects in alike.items():
        of = sql.SQL(" ({})").format(sql.Identifier(column)) if column else sql.SQL("")
        shown = "table" if kind == "column" else kind
        for part in _parts(objects, at_most):
            yield Restoration(
                what_on=sql.SQL("GRANT {what} ON {kind} ").format(
                    what=sql.SQL(", ").join(sql.SQL("{}{}").format(sql.SQL(w), of) for w in words),
                    kind=sql.SQL(shown.upper()),
                ),
                objects=tuple(_object(shown, schema, name) for schema, name in part),
                to_whom=sql.SQL(" TO {grantee}{option}").format(
                    grantee=_grantee(grantee), option=sql.SQL(" WITH GRANT OPTION" if grantable else "")
                ),
            )


def _parts(objects: Sequence[tuple[str, str]], at_most: int) -> Iterator[Sequence[tuple[str, str]]]:
    for start in range(0, len(objects), at_most):
        yield objects[start : start + at_most]


def _object(kind: str, schema: str, name: str) -> sql.Composable:
    if kind == "large object":
        return sql.Literal(int(name))
    return sql.Identifier(schema, name) if kind in ("table", "sequence") else sql.Identifier(name)


def _grantee(name: str) -> sql.Composable:
    return sql.SQL(PUBLIC) if name == PUBLIC else sql.Identifier(name)
