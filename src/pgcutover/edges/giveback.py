"""Giving back what a fence, or a gate that was shut, took: whatever is still there, and in words what is not.

A table, a schema, a column or a role may have been dropped or renamed meanwhile. That must not keep the application
away from all the rest, so each right is given back for itself. It must not touch what was not recorded. The invariant:
a right on something that is still there is given back, or named as owed; one on something that is gone is named.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from pgcutover.edges.postgres import Connection, query, said
from pgcutover.edges.privileges import (
    OBJECTS_PER_STATEMENT,
    PUBLIC,
    Privilege,
    missing,
    read_privileges,
    restorations,
)

SHOWN = 5
# What GRANT says of something that is not there (any more), or not ours (any more).
# https://www.postgresql.org/docs/current/errcodes-appendix.html
REFUSALS = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedObject,
    psycopg.errors.WrongObjectType,
    psycopg.errors.InvalidSchemaName,
    psycopg.errors.InvalidCatalogName,
    psycopg.errors.InsufficientPrivilege,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBack:
    """What could not be given back, in words."""

    gone: tuple[str, ...]
    """Sentences: what it was on, or who had it, was dropped or renamed."""
    owed: tuple[str, ...]
    """On what is still there."""
    refusals: tuple[str, ...]
    """What the server said to that."""


def give_back(control: Connection, recorded: Collection[Privilege]) -> GivenBack:
    """Grant, in the open transaction, what was recorded and is missing; told by what is held afterwards."""
    refusals: tuple[str, ...] = ()
    # Many objects at a time; where one of them is refused, each for itself.
    for at_most in (OBJECTS_PER_STATEMENT, 1):
        lost = without_vanished(control, missing(recorded, read_privileges(control)))
        if not lost:
            break
        refusals = tuple(filter(None, [_refusal(control, r.statement) for r in restorations(lost, at_most=at_most)]))
    left = missing(recorded, read_privileges(control))
    absent = vanished(control, left)
    return GivenBack(gone=told(absent), owed=_held(p for p in left if p not in absent), refusals=refusals)


def without_vanished(connection: Connection, privileges: Iterable[Privilege]) -> tuple[Privilege, ...]:
    """Leave out what nobody can be given any more: the object was dropped meanwhile, or the role."""
    wanted = tuple(privileges)
    absent = vanished(connection, wanted)
    return tuple(p for p in wanted if p not in absent)


def vanished(connection: Connection, privileges: Iterable[Privilege]) -> dict[Privilege, str]:
    """Of these, those that name something which is not there, with what that is in words."""
    wanted = tuple(privileges)
    if not wanted:
        return {}
    in_schemas = [p for p in wanted if p.kind in ("table", "column", "sequence")]
    arrays = {
        "kinds": [p.kind for p in in_schemas],
        "schemas": [p.schema for p in in_schemas],
        "names": [p.name for p in in_schemas],
        "columns": [p.column for p in in_schemas],
    }
    parts = {tuple(row) for row in connection.execute(query("fence_vanished"), arrays)}
    whole = {(schema, name) for kind, schema, name, _ in parts if kind != "column"}
    schemas = {name for (name,) in connection.execute("SELECT nspname::text FROM pg_namespace")}
    roles = {PUBLIC, *(name for (name,) in connection.execute("SELECT rolname::text FROM pg_roles"))}
    numbers = {p.name for p in wanted if p.kind == "large object"}
    if numbers:
        there = connection.execute(query("fence_large_objects"), {"oids": sorted(map(int, numbers))})
        numbers -= {name for (name,) in there}
    found: dict[Privilege, str] = {}
    for p in wanted:
        if p.schema and p.schema not in schemas:
            found[p] = f"schema {p.schema}"
        elif (p.kind, p.schema, p.name, p.column) in parts:
            alone = p.kind == "column" and (p.schema, p.name) not in whole
            found[p] = f"column {p.column} of {p.on}" if alone else p.on
        elif (p.kind == "large object" and p.name in numbers) or (
            p.kind == "database" and p.name != connection.info.dbname
        ):
            found[p] = p.on
        elif p.grantee not in roles:
            found[p] = f"role {p.grantee}"
    return found


def told(absent: Mapping[Privilege, str]) -> tuple[str, ...]:
    """A sentence for each thing that is not there any more."""
    by_thing: defaultdict[str, list[Privilege]] = defaultdict(list)
    for p, thing in absent.items():
        by_thing[thing].append(p)
    return tuple(
        f"{thing} was dropped or renamed, so this was not given back: {shown(_held(by_thing[thing]))}"
        for thing in sorted(by_thing)
    )


def script(control: Connection, recorded: Iterable[Privilege]) -> tuple[sql.Composed, sql.Composed]:
    """The same for psql: a block for the transaction that opens, and one for after its end that fails where it must.

    What is gone is passed over with a warning.
    """
    parts = [
        sql.SQL(",\n        ({}, ARRAY[{}], {})").format(
            sql.Literal(r.what_on.as_string(control)),
            sql.SQL(", ").join(sql.Literal(o.as_string(control)) for o in r.objects),
            sql.Literal(r.to_whom.as_string(control)),
        )
        for r in restorations(recorded)
    ]
    grants = query("fence_give_back").format(parts=sql.Composed(parts))
    return _block(grants.as_string(control)), _block(query("fence_owed").as_string(control))


def _block(body: str) -> sql.Composed:
    tag = "$undo$"
    while tag in body:
        # A name may have anything in it.
        tag = f"{tag[:-1]}_$"
    return sql.SQL("DO {tag}\n{body}{tag}").format(tag=sql.SQL(tag), body=sql.SQL(body))


def _held(privileges: Iterable[Privilege]) -> tuple[str, ...]:
    """Who has what on which object, in words."""
    words: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for p in privileges:
        words[p.on, p.grantee].append(f"{p.privilege} ({p.column})" if p.column else p.privilege)
    return tuple(f"{grantee}: {', '.join(held)} on {on}" for (on, grantee), held in words.items())


def _refusal(control: Connection, statement: sql.Composed) -> str:
    try:
        with control.transaction():
            control.execute(statement)
    except REFUSALS as cause:
        return said(cause)
    return ""


def shown(things: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = f" and {len(things) - SHOWN} more" if len(things) > SHOWN else ""
    return "; ".join(things[:SHOWN]) + more
