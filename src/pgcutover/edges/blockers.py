"""What in a database cannot be moved, read or fenced, in words for people.

Read in the inventory's own snapshot. The invariant: an object that the move would lose, or could lose, is named here.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

from pgcutover.edges.pathbound import path_bound
from pgcutover.edges.postgres import Connection, Server, query
from pgcutover.facts.inventory import Blocker

NAMES_SHOWN = 20
"""More than a screenful of names helps nobody find the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    what: str
    hint: str
    stops: bool = True
    of_the_move: bool = False
    shown: int = NAMES_SHOWN


PHRASES: Mapping[str, Phrase] = {
    "large_objects": Phrase(
        what="{names} large objects: they are copied one by one while the application is closed",
        hint="Store what is large or numerous as bytea or outside the database, then lo_unlink it: tables are faster.",
        stops=False,
        of_the_move=True,
    ),
    "many_large_objects": Phrase(
        what="{names} large objects are more than can be fenced",
        hint="vacuumlo removes those that nothing refers to; store the others as bytea or outside the database.",
        of_the_move=True,
    ),
    "superuser_only": Phrase(
        what="only a superuser may create {names}, and RDS has none",
        hint="Drop it where nothing uses it, or put an extension that RDS offers in its place, or what an owner may "
        "make.",
    ),
    "untrusted_languages": Phrase(
        what="functions in languages that RDS does not offer: {names}",
        hint="Rewrite them in plpgsql or SQL, or drop them.",
    ),
    "security_labels": Phrase(
        what="security labels {names}: they belong to a provider that the new server does not have, and do not move",
        hint="Make sure that nothing relies on them.",
        stops=False,
    ),
    "tablespaces": Phrase(
        what="objects in tablespaces of their own: {names}; on the new server everything has one place",
        hint="Nothing to do: RDS has one volume.",
        stops=False,
    ),
    "extension_grants": Phrase(
        what="privileges on objects of extensions, which the new server gives as each extension does: {names}",
        hint="GRANT or REVOKE them again as the master, where they matter.",
        stops=False,
    ),
    "owner_revoked": Phrase(
        what="privileges that the owner has taken from itself: {names}; on the new server it has them",
        hint="REVOKE them there again after the move; an owner can always give them back to itself.",
        stops=False,
    ),
    "column_order": Phrase(
        what="tables whose columns come in another order after any dump and restore: {names}",
        hint="Their parents got columns later than they did. Name the columns in INSERT and COPY, and in SELECT.",
        stops=False,
    ),
    "hidden_rows": Phrase(
        what="row security hides rows of {names} from the role that would copy them",
        hint="ALTER TABLE … NO FORCE ROW LEVEL SECURITY, or log in as a role with BYPASSRLS.",
    ),
    "not_ours": Phrase(
        what="the role owns neither {names} nor is it a member of the owner, so it cannot fence them",
        hint="ALTER TABLE (LARGE OBJECT) … OWNER TO the database's owner, or grant it membership of the owning role.",
        of_the_move=True,
    ),
    "unreadable": Phrase(
        what="the role may not read {names}",
        hint="GRANT SELECT on it (and USAGE on its schema) to the role that pgcutover logs in as.",
    ),
    "not_the_owner": Phrase(
        what="the role has not the rights of the owner of database {names}, so it cannot fence it",
        hint="Log in as the database's owner (on Heroku the default credential), or GRANT that role to this one.",
        of_the_move=True,
    ),
    "no_schemas": Phrase(
        what="the role may not create a schema in database {names}: pgcutover keeps the record of its run in one",
        hint="GRANT CREATE ON DATABASE … TO the role that pgcutover logs in as.",
        of_the_move=True,
    ),
    "others_sessions": Phrase(
        what="the role may not see and end the sessions of {names}, so it could not fence them out",
        hint="GRANT pg_signal_backend, pg_read_all_stats TO the role (Heroku's default credential has both), or make "
        "it a member of theirs.",
        of_the_move=True,
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
    "materialised_views": Phrase(
        what="materialised views {names} are filled on the new server by their queries: rows that a REFRESH would not "
        "bring back do not move",
        hint="REFRESH them before the move and look at what they hold then; put what only an old one holds into a "
        "table. verify names those that turn out to be stale.",
        stops=False,
        of_the_move=True,
    ),
    "user_mappings": Phrase(
        what="user mappings of foreign servers whose options this role may not see: {names}; they do not move",
        hint="Create them again on the new server, or grant the role that pgcutover logs in as to the mapping's owner.",
        stops=False,
    ),
    "bypassing_roles": Phrase(
        what="roles that write whatever the tables' privileges say: {names}",
        hint="REVOKE pg_write_all_data from them or take away SUPERUSER: a fence made by privileges cannot hold them.",
        of_the_move=True,
    ),
    "publications": Phrase(
        what="publications {names}: whoever subscribes to them stops receiving",
        hint="Point the subscribers at the new database, after it is open.",
        stops=False,
        of_the_move=True,
    ),
    "subscriptions": Phrase(
        what="subscriptions {names} write into this database",
        hint="Disable or drop them: their worker is no client that a fence could keep out.",
        of_the_move=True,
    ),
    "invalid_indexes": Phrase(
        what="invalid indexes {names}: they do not move",
        hint="REINDEX INDEX CONCURRENTLY or drop them; an invalid unique index may hide duplicates.",
        stops=False,
    ),
    "write_grant_chains": Phrase(
        what="privileges to write that a role other than the owner granted: {names}",
        hint="Grant them again as the owner and revoke these: the fence could not put them back exactly.",
        of_the_move=True,
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
        of_the_move=True,
    ),
    "prepared_transactions": Phrase(
        what="prepared transactions {names}",
        hint="COMMIT PREPARED or ROLLBACK PREPARED them before the fence.",
        of_the_move=True,
    ),
    "event_triggers": Phrase(
        what="event triggers {names}: the new server's master makes them, last of all",
        hint="RDS lets members of rds_superuser create them; prepare tries it, and names what is refused.",
        stops=False,
        of_the_move=True,
    ),
    "path_bound": Phrase(
        what="indexes whose functions find what they call only with the application's search_path: {names}; they "
        "would not be built on the new server",
        hint="ALTER FUNCTION … SET search_path = public, … for the function that the index calls, or write the schema "
        "in its body. Every restore of a dump would fail the same way.",
        shown=5,
    ),
    "path_untried": Phrase(
        what="what was not tried without a search_path, for it took too long or was locked: {names}",
        hint="Where their functions call others without naming the schema, ALTER FUNCTION … SET search_path first.",
        stops=False,
        shown=5,
    ),
    "path_bound_views": Phrase(
        what="materialised views whose query works only with the application's search_path: {names}",
        hint="Servers from 17 on fill them without one, and would refuse: ALTER FUNCTION … SET search_path = public, … "
        "for the function that the query calls. https://www.postgresql.org/docs/17/release-17.html#RELEASE-17-MIGRATION",
        shown=5,
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
        "uncarried": query("inventory_uncarried").format(schemas=schemas),
        "mappings": query("copy_user_mappings"),
        "owners": query("inventory_owners").format(schemas=schemas),
        "rights": query("inventory_rights").format(roles=query("inventory_roles")),
    }
    for kind, name in connection.execute(query("inventory_blockers").format(**parts)):
        names[kind].append(name)
    names["extension_rows"] += _extension_rows(connection)
    found = [_blocker(phrase, sorted(names[kind])) for kind, phrase in PHRASES.items() if names[kind]]
    return tuple(sorted(found, key=lambda blocker: not blocker.stops))


def path_blockers(server: Server) -> tuple[Blocker, ...]:
    """What would fail without a search path, see edges/pathbound.py. It runs functions of the customer's, so it is for
    who plans, not for every look at a database."""
    found = path_bound(server)
    kinds = {"path_bound": found.indexes, "path_untried": found.untried, "path_bound_views": found.views}
    return tuple(_blocker(PHRASES[kind], names) for kind, names in kinds.items() if names)


def _blocker(phrase: Phrase, names: Sequence[str]) -> Blocker:
    shown = ", ".join(names[: phrase.shown])
    more = f" and {len(names) - phrase.shown} more" if len(names) > phrase.shown else ""
    return Blocker(
        what=phrase.what.format(names=shown + more),
        hint=phrase.hint,
        stops=phrase.stops,
        of_the_move=phrase.of_the_move,
    )


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
