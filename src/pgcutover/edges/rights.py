"""Who may do what with each object, as texts that two databases can be compared by.

A fence takes rights from the source and keeps a record of them there: they count as held. The database's owner is
'(owner)' on either side, for the new one has a name of its own. It must only read. The invariant: a right that one
side has and the other has not makes two texts differ, whoever holds it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pgcutover.edges.fence_state import recorded_privileges, stored_fence
from pgcutover.edges.postgres import Connection, query
from pgcutover.edges.privileges import Privilege, missing, read_privileges
from pgcutover.planning.definition_proof import Definitions
from pgcutover.planning.expectations import NOBODY
from pgcutover.running.step import Before

OWNER = "(owner)"
LISTED_WHEN_GRANTED = ("column", "large object")
"""There may be millions of them, and hardly any has privileges of its own."""

Place = tuple[str, str, str, str]
"""Kind, schema, name, column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One right; an object that nobody may use but its owner has one with grantee ''. `usual` is what an owner has."""

    place: Place
    identity: str
    owner: str
    grantee: str
    privilege: str
    grantable: bool
    usual: frozenset[str]


def standing_fence(connection: Connection) -> Before | None:
    """What the fence that stands took away; None without one, or when it is not for this role to know."""
    there = connection.execute(
        "SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        "WHERE n.nspname = 'pgcutover' AND c.relname = 'fence' "
        "AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')"
    ).fetchone()
    stored = stored_fence(connection) if there is not None else None
    return None if stored is None else stored[0]


def read_rights(connection: Connection, fence: Before | None = None) -> Definitions:
    """'rights:on kind name' -> who has which; "owner's rights:…" -> what its owner lacks; `database:rights of role`."""
    rights = [
        Right(
            place=(kind, schema, name, column),
            identity=identity,
            owner=owner,
            grantee=grantee,
            privilege=privilege,
            grantable=grantable,
            usual=frozenset(usual),
        )
        for kind, schema, name, column, identity, owner, grantee, privilege, grantable, usual in connection.execute(
            query("inventory_definitions_rights").format(schemas=query("inventory_schemas"))
        )
    ]
    if fence is not None:
        taken = missing(recorded_privileges(fence), read_privileges(connection))
        rights += _given_back(connection, rights, taken)
    return _texts(rights)


def _given_back(connection: Connection, rights: Sequence[Right], taken: Iterable[Privilege]) -> list[Right]:
    """The rights that the fence took, of objects that are there still."""
    known = {right.place: right for right in rights}
    row = connection.execute(
        "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = current_database()"
    ).fetchone()
    assert row is not None, "pg_database has a row for the database one is in"
    names = {row[0]: OWNER}
    found = []
    for p in taken:
        place = (p.kind, p.schema, p.name, p.column)
        # A column that lost its last privilege has no list of its own any more; its table has.
        like = known.get(place) or known.get(("table", p.schema, p.name, ""))
        if like is not None:
            found.append(
                Right(
                    place=place,
                    identity=like.identity if place in known else _column(connection, like.identity, p.column),
                    owner=like.owner,
                    grantee=names.get(p.grantee, p.grantee),
                    privilege=p.privilege,
                    grantable=p.grantable and p.grantee != p.owner,
                    usual=like.usual if place in known else frozenset(),
                )
            )
    return found


def _column(connection: Connection, table: str, column: str) -> str:
    row = connection.execute("SELECT %s || '.' || quote_ident(%s)", (table, column)).fetchone()
    assert row is not None, "a SELECT without FROM gives one row"
    return str(row[0])


def _texts(rights: Iterable[Right]) -> Definitions:
    # Functions may share a name, and default privileges of several roles a place.
    by_object: defaultdict[tuple[Place, str, str], list[Right]] = defaultdict(list)
    for right in rights:
        by_object[right.place, right.identity, right.owner].append(right)
    found: dict[str, str] = {}
    for (place, _, _), held in by_object.items():
        kind, first = place[0], held[0]
        if kind == "database":
            found |= {f"database:rights of {who}": words.replace("*", "") for who, words in _by_grantee(held).items()}
            continue
        name = f"on {kind} {first.identity}"
        name += f" that {first.owner} makes" if kind == "default" else ""
        others = _by_grantee(held)
        if others or kind not in LISTED_WHEN_GRANTED:
            found[f"rights:{name}"] = "; ".join(f"{who}: {others[who]}" for who in sorted(others)) or NOBODY
        lacking = first.usual - {right.privilege for right in held if right.grantee == right.owner}
        if lacking and kind != "column":
            found[f"owner's rights:{name}"] = f"lacks {', '.join(sorted(lacking))}"
    return found


def _by_grantee(held: Iterable[Right]) -> dict[str, str]:
    """What each but the owner has; '*' marks what may be passed on."""
    words: defaultdict[str, set[str]] = defaultdict(set)
    for right in held:
        if right.privilege and right.grantee not in (right.owner, OWNER):
            words[right.grantee].add(f"{right.privilege}{'*' if right.grantable else ''}")
    return {who: ", ".join(sorted(privileges)) for who, privileges in words.items()}
