"""What in a database cannot be moved, read or fenced, in words for people.

Read in the inventory's own snapshot. The invariant: an object that the move would lose, or could lose, is named here.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from pgcutover.edges.postgres import Connection, query
from pgcutover.facts.inventory import Blocker

NAMES_SHOWN = 20
"""More than a screenful of names helps nobody find the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    what: str
    hint: str
    stops: bool = True
    shown: int = NAMES_SHOWN


PHRASES: Mapping[str, Phrase] = {
    "large_objects": Phrase(
        what="{names} large objects (pg_largeobject)",
        hint="Large objects are not moved: store them as bytea or outside the database, then lo_unlink them.",
    ),
    "hidden_rows": Phrase(
        what="row security hides rows of {names} from the role that would copy them",
        hint="ALTER TABLE … NO FORCE ROW LEVEL SECURITY, or log in as a role with BYPASSRLS.",
    ),
    "not_ours": Phrase(
        what="the role owns neither {names} nor is it a member of the owner, so it cannot fence them",
        hint="ALTER TABLE … OWNER TO the database's owner, or grant it membership of the owning role.",
    ),
    "unreadable": Phrase(
        what="the role may not read {names}",
        hint="GRANT SELECT on it (and USAGE on its schema) to the role that pgcutover logs in as.",
    ),
    "others_own": Phrase(
        what="objects of a role other than the database's owner: {names}; on the new server everything belongs to one",
        hint="Before the move, as a member of both: REASSIGN OWNED BY role TO owner (or ALTER … OWNER TO); "
        "a SECURITY DEFINER function or a view then has the owner's rights, so look at what those do first.",
        shown=5,
    ),
    "former_owners": Phrase(
        what="objects of roles that nobody logs in as: {names}; on the new server they belong to the application's",
        hint="Credentials that were rotated leave such roles behind; REASSIGN OWNED BY role TO owner tidies up.",
        stops=False,
        shown=5,
    ),
    "foreign_tables": Phrase(
        what="foreign tables {names}: only their definitions move, their rows stay where they are",
        hint="Check that the new server can reach the foreign server, or drop them.",
        stops=False,
    ),
    "user_mappings": Phrase(
        what="user mappings of foreign servers: {names}; their passwords cannot be read and do not move",
        hint="Create them again on the new server.",
        stops=False,
    ),
    "bypassing_roles": Phrase(
        what="roles that write whatever the tables' privileges say: {names}",
        hint="REVOKE pg_write_all_data from them or take away SUPERUSER: a fence made by privileges cannot hold them.",
    ),
    "publications": Phrase(
        what="publications {names}: whoever subscribes to them stops receiving",
        hint="Point the subscribers at the new database, after it is open.",
        stops=False,
    ),
    "subscriptions": Phrase(
        what="subscriptions {names} write into this database",
        hint="Disable or drop them: their worker is no client that a fence could keep out.",
    ),
    "invalid_indexes": Phrase(
        what="invalid indexes {names}: they do not move",
        hint="REINDEX INDEX CONCURRENTLY or drop them; an invalid unique index may hide duplicates.",
        stops=False,
    ),
    "write_grant_chains": Phrase(
        what="privileges to write that a role other than the owner granted: {names}",
        hint="Grant them again as the owner and revoke these: the fence could not put them back exactly.",
    ),
    "grant_chains": Phrase(
        what="privileges that a role other than the owner granted: {names}",
        hint="On the new database the owner will have granted them.",
        stops=False,
    ),
    "open_schemas": Phrase(
        what="schemas of another owner in which others may create tables: {names}",
        hint="The fence cannot forbid it; a table made after the fence is found and stops the move.",
        stops=False,
    ),
    "prepared_transactions": Phrase(
        what="prepared transactions {names}",
        hint="COMMIT PREPARED or ROLLBACK PREPARED them before the fence.",
    ),
    "event_triggers": Phrase(
        what="event triggers {names}: only a superuser may create them",
        hint="They do not move; RDS lets members of rds_superuser create them by hand.",
        stops=False,
    ),
    "extension_rows": Phrase(
        what="rows of your own in tables of extensions: {names}",
        hint="They do not move by themselves: copy them by hand, or delete them.",
    ),
}


def read_blockers(connection: Connection) -> tuple[Blocker, ...]:
    """Blockers by kind, those that stop the move first."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    schemas = query("inventory_schemas")
    parts = {
        "schemas": schemas,
        "bypassing": query("inventory_bypassing_roles"),
        "owners": query("inventory_owners").format(schemas=schemas),
    }
    for kind, name in connection.execute(query("inventory_blockers").format(**parts)):
        names[kind].append(name)
    names["extension_rows"] += _extension_rows(connection)
    found = [_blocker(phrase, sorted(names[kind])) for kind, phrase in PHRASES.items() if names[kind]]
    return tuple(sorted(found, key=lambda blocker: not blocker.stops))


def _blocker(phrase: Phrase, names: Sequence[str]) -> Blocker:
    shown = ", ".join(names[: phrase.shown])
    more = f" and {len(names) - phrase.shown} more" if len(names) > phrase.shown else ""
    return Blocker(what=phrase.what.format(names=shown + more), hint=phrase.hint, stops=phrase.stops)


def _extension_rows(connection: Connection) -> list[str]:
    tables = connection.execute(query("inventory_extension_tables")).fetchall()
    if not tables:
        return []
    one = sql.SQL("SELECT {} WHERE EXISTS (SELECT FROM {} {})")
    each = (
        # The condition is the WHERE clause that the extension's own script registered.
        one.format(
            sql.Literal(f"{schema}.{name} ({extension})"), sql.Identifier(schema, name), sql.SQL(condition or "")
        )
        for extension, schema, name, condition in tables
    )
    return [name for (name,) in connection.execute(sql.SQL(" UNION ALL ").join(each))]
