"""Privileges of the source, as the target should have them: roles renamed, owners left whole.

Pure. Invariant: whoever is not the owner can do on the target exactly what they could on the source, PUBLIC included;
an owner is never given less than PostgreSQL gives it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from pgcutover.facts.inventory import Grant

PUBLIC = "PUBLIC"

# What PUBLIC may do with a new object. https://www.postgresql.org/docs/current/ddl-priv.html
USUAL: Mapping[str, frozenset[tuple[str, str, bool]]] = {
    "function": frozenset({(PUBLIC, "EXECUTE", False)}),
    "type": frozenset({(PUBLIC, "USAGE", False)}),
}

# Defaults add to these, but for those of one schema alone.
# https://www.postgresql.org/docs/current/sql-alterdefaultprivileges.html
USUAL_OF_NEW: Mapping[str, frozenset[tuple[str, str, bool]]] = {
    "FUNCTIONS": USUAL["function"],
    "TYPES": USUAL["type"],
}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Guarded:
    """An object, or column, or default that has privileges of its own; `owner` matters for defaults only."""

    kind: str
    schema: str
    object_sql: str
    column: str
    owner: str


Held = frozenset[tuple[str, str, bool]]
"""Grantee, privilege, and whether it may be passed on."""


def _usual(guarded: Guarded) -> Held:
    """What holds for an object, or a default, that is not listed."""
    if guarded.kind == "default":
        return frozenset() if guarded.schema else USUAL_OF_NEW.get(guarded.object_sql, frozenset())
    return USUAL.get(guarded.kind, frozenset())


def renamed(grants: Iterable[Grant], roles: Mapping[str, str]) -> tuple[Grant, ...]:
    """The same grants with each role's name on the target."""
    return tuple(
        replace(
            grant,
            owner=roles.get(grant.owner, grant.owner),
            grantor=roles.get(grant.grantor, grant.grantor),
            grantee=roles.get(grant.grantee, grant.grantee),
        )
        for grant in grants
    )


def held(grants: Iterable[Grant]) -> dict[Guarded, Held]:
    """Who other than the owner holds what, for every object listed."""
    found: dict[Guarded, set[tuple[str, str, bool]]] = defaultdict(set)
    for grant in grants:
        owner = grant.owner if grant.kind == "default" else ""
        guarded = Guarded(
            kind=grant.kind, schema=grant.schema, object_sql=grant.object_sql, column=grant.column, owner=owner
        )
        others = found[guarded]
        if grant.privilege and grant.grantee not in ("", grant.owner):
            others.add((grant.grantee, grant.privilege, grant.grantable))
    return {guarded: frozenset(others) for guarded, others in found.items()}


def given(
    grants: Iterable[Grant], *, roles: Collection[str], owners: Collection[str]
) -> tuple[tuple[Grant, ...], tuple[str, ...]]:
    """Privileges that a target with these roles can hold, and in sentences those that it cannot.

    An object all of whose privileges go stays listed, with none: what nobody but its owner may use must not be open to
    everybody for it. `owners` are the source's names of the role that will own everything.
    """
    kept: list[Grant] = []
    left: list[str] = []
    for grant in grants:
        known = grant.grantee in (*roles, *owners, PUBLIC, "")
        if grant.kind == "default" and grant.owner not in owners:
            left.append(f"default privileges of {grant.owner} for {grant.grantee} on {grant.object_sql}")
        elif known:
            kept.append(grant)
        else:
            left.append(f"{grant.privilege or 'no privilege'} of {grant.grantee} on {grant.kind} {grant.object_sql}")
            if not grant.column:
                kept.append(replace(grant, grantee="", privilege="", grantable=False))
    return tuple(kept), tuple(dict.fromkeys(left))


def astray(wanted: Mapping[Guarded, Held], there: Mapping[Guarded, Held]) -> tuple[Guarded, ...]:
    """Objects whose privileges on the target are not those wanted; an object that is not listed has the usual ones."""
    return tuple(sorted(g for g, privileges in wanted.items() if there.get(g, _usual(g)) != privileges))


def masters(wanted: Iterable[Guarded], owner: str) -> tuple[Guarded, ...]:
    """Defaults of other roles than the target's owner: whoever sets them must be a member of those."""
    return tuple(sorted(g for g in wanted if g.kind == "default" and g.owner != owner))
