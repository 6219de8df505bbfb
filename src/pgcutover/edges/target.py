"""The new server as its master sees it, and the connections to it that everybody else gets.

`TargetAccess` knows where the database is and who logs in how; `TargetAdmin` makes roles, database, schemas and
extensions before any data comes. Neither reads or writes a row of the application's. Every connection is verify-full.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg import sql

from pgcutover.edges import roles
from pgcutover.edges.postgres import Connection, Server, error_of, password_refused, query
from pgcutover.errors import RefusedError, TargetError, TargetNotEmptyError
from pgcutover.facts.names import Dsn, Secret
from pgcutover.facts.rds import DatabaseFacts, DatabaseSpec, RoleFacts
from pgcutover.planning.moves import Role

MAINTENANCE_DATABASE = "postgres"
SEPARATOR = "\x1f"
LOCALE_PROVIDER_SINCE = 150000


class TargetAccess:
    """Where the new database is and who logs in how; asks when first needed, and again for a login it does not know."""

    def __init__(
        self,
        *,
        endpoint: Callable[[], tuple[str, int]],
        replica_endpoint: Callable[[], tuple[str, int]] | None = None,
        logins: Callable[[], Mapping[str, Secret]],
        ca_bundle: Callable[[], Path],
        master_user: str,
        app_role: str,
        database: str,
    ) -> None:
        self.master_user = master_user
        self.app_role = app_role
        self.database = database
        self._endpoints = {"primary": endpoint, "replica": replica_endpoint}
        self._logins = logins
        self._ca_bundle = ca_bundle
        self._places: dict[Role, tuple[str, int]] = {}
        self._known: Mapping[str, Secret] = {}

    def password(self, user: str) -> Secret:
        """Raises:
        TargetError: the secret holds no login of that user.
        """
        if user not in self._known:
            self._known = self._logins()
        if user not in self._known:
            raise TargetError(
                f"there is no password for {user} in Secrets Manager",
                hint="Run pgcutover prepare, which makes what is missing; check target.master_secret.",
            )
        return self._known[user]

    def master(self, database: str = MAINTENANCE_DATABASE) -> Dsn:
        return self._dsn(self.master_user, database)

    def app(self) -> Dsn:
        """The application's role on its database: the one that loads the data."""
        return self._dsn(self.app_role, self.database)

    def credential(self, role: str) -> Dsn:
        return self._dsn(role, self.database)

    def app_url(self, *, sslmode: str, server: Role = "primary", user: str = "") -> Secret:
        """The URL that the applications get, port always written; `none` leaves the query out.

        `user` is one of the further credentials; '' is the application's role. PgBouncer's buildpack appends to the
        query by itself and stumbles over ours. https://github.com/heroku/heroku-buildpack-pgbouncer
        """
        login = user or self.app_role
        host, port = self._where(server)
        plain = Dsn(host=host, port=port, user=login, password=self.password(login), database=self.database)
        return plain.url() if sslmode == "none" else plain.with_options(sslmode=sslmode).url()

    def _where(self, server: Role = "primary") -> tuple[str, int]:
        """Raises:
        TargetError: there is no replica to ask for.
        """
        if server not in self._places:
            ask = self._endpoints[server]
            if ask is None:
                raise TargetError("the plan has no replica", hint="Make the plan again: pgcutover plan.")
            self._places[server] = ask()
        return self._places[server]

    def _dsn(self, user: str, database: str) -> Dsn:
        host, port = self._where()
        options = (("sslmode", "verify-full"), ("sslrootcert", str(self._ca_bundle())))
        return Dsn(host=host, port=port, user=user, password=self.password(user), database=database, options=options)


class TargetAdmin:
    """What only the master does, and only before and around the data."""

    def __init__(self, access: TargetAccess) -> None:
        self._access = access

    def extensions(self) -> tuple[str, ...]:
        """Names of the extensions that the server offers."""
        with self._server().session("survey") as session:
            rows = session.execute("SELECT name::text FROM pg_catalog.pg_available_extensions ORDER BY 1").fetchall()
        return tuple(row[0] for row in rows)

    def role(self, name: str) -> RoleFacts | None:
        with self._server().session("survey") as session:
            return roles.find_role(session, name)

    def ensure_role(self, name: str, mark: str, *, ends_sessions: bool = False) -> None:
        """There is a login role of ours with the secret's password; means and raises as `roles.ensure_role`."""
        with self._server().session("roles") as session:
            roles.ensure_role(session, name, self._access.password(name), mark, ends_sessions=ends_sessions)

    def drop_role(self, name: str) -> None:
        with self._server().session("roles") as session:
            roles.drop_role(session, name)

    def can_log_in(self, role: str) -> bool:
        """Whether a role gets into the database with its own password; other failures than its refusal are raised.

        Raises:
            TargetError: the server could not be asked.
        """
        server = Server(dsn=self._access.credential(role), side="target")
        try:
            server.connect("log in").close()
        except psycopg.Error as cause:
            if password_refused(cause):
                return False
            raise error_of(cause, server.dsn, "target", "log in") from cause
        return True

    def database(self, name: str) -> DatabaseFacts | None:
        with self._server().session("survey") as session:
            row = session.execute(query("target_database"), {"name": name}).fetchone()
        if row is None:
            return None
        with self._server(name).session("survey") as session:
            contents = session.execute(query("target_contents")).fetchone()
            objects = session.execute(query("target_objects")).fetchall()
        assert contents is not None
        pairs = [tuple(text.split(SEPARATOR)) for text in contents[0]]
        return DatabaseFacts(
            name=row[0],
            owner=row[1],
            encoding=row[2],
            collate=row[3],
            ctype=row[4],
            mark=row[5],
            search_path=row[6],
            public_create=contents[2],
            extensions=tuple((extension, schema) for extension, schema in pairs),
            schemas=tuple(contents[1]),
            objects=tuple(found for (found,) in objects),
        )

    def ensure_database(self, spec: DatabaseSpec) -> None:
        """There is the database of `spec` with everything that the dump takes for granted, and of it nothing twice.

        Raises:
            TargetError: the server lacks the locale or an extension.
            RefusedError: a database of that name is somebody else's.
        """
        with self._server().session("database") as session:
            row = session.execute(query("target_database"), {"name": spec.name}).fetchone()
            if row is None:
                self._create(session, spec)
            elif row[5] not in ("", spec.owned_by) or row[1] != spec.owner:
                raise RefusedError(
                    f"database {spec.name} exists on the new server and pgcutover did not make it",
                    hint="Rename or drop it, or use another instance.",
                )
            mark = sql.SQL("COMMENT ON DATABASE {} IS {}")
            session.execute(mark.format(sql.Identifier(spec.name), sql.Literal(spec.owned_by)))
        with self._server(spec.name).session("database") as session:
            self._furnish(session, spec)

    def drop_empty_database(self, name: str) -> None:
        """Drop a database that holds nothing of the application's; one that is absent is no error.

        Raises:
            TargetNotEmptyError: it holds something, which may be the only copy.
        """
        found = self.database(name)
        if found is None:
            return
        if found.objects:
            raise TargetNotEmptyError(
                f"database {name} holds {', '.join(found.objects)}",
                hint="pgcutover never drops a database that holds anything; drop it yourself when you are sure.",
            )
        with self._server().session("database") as session:
            session.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))

    def settings(self, names: Sequence[str]) -> Mapping[str, str]:
        """Parameters as they are in force, in their own units (the values that RDS writes too)."""
        wanted = set(names)
        return {name: setting for name, setting, _ in self._settings(names) if name in wanted}

    def pending_restart(self) -> tuple[str, ...]:
        """Names of the parameters whose new value waits for a restart."""
        return tuple(sorted(name for name, _, pending in self._settings(()) if pending))

    def _settings(self, names: Sequence[str]) -> list[tuple[str, str, bool]]:
        with self._server().session("settings") as session:
            rows = session.execute(query("target_settings"), {"names": list(names)}).fetchall()
        return [(row[0], row[1], row[2]) for row in rows]

    def _server(self, database: str = MAINTENANCE_DATABASE) -> Server:
        return Server(dsn=self._access.master(database), side="target")

    def _create(self, session: Connection, spec: DatabaseSpec) -> None:
        provider = "LOCALE_PROVIDER libc" if session.info.server_version >= LOCALE_PROVIDER_SINCE else ""
        statement = sql.SQL(
            "CREATE DATABASE {name} OWNER {owner} TEMPLATE template0 ENCODING {encoding} " + provider + " "
            "LC_COLLATE {collate} LC_CTYPE {ctype}"
        )
        try:
            session.execute(
                statement.format(
                    name=sql.Identifier(spec.name),
                    owner=sql.Identifier(spec.owner),
                    encoding=sql.Literal(spec.encoding),
                    collate=sql.Literal(spec.collate),
                    ctype=sql.Literal(spec.ctype),
                )
            )
        except psycopg.errors.WrongObjectType as cause:
            # "invalid LC_COLLATE locale name" has no SQLSTATE of its own.
            raise TargetError(
                f"the new server has no locale {spec.collate} / {spec.ctype} with encoding {spec.encoding}",
                hint="RDS carries glibc's locales; name the source's locale (\\l) when you report this.",
            ) from cause

    def _furnish(self, session: Connection, spec: DatabaseSpec) -> None:
        """Schemas, extensions, search path and rights on schema public; all may stand already."""
        make_extensions(session, dict(spec.extensions), schemas=spec.schemas, owner=spec.owner)
        _let_use_wrappers(session, spec.owner)
        change = "GRANT CREATE ON SCHEMA public TO PUBLIC" if spec.public_create else _CLOSE_PUBLIC
        session.execute(change)
        if spec.search_path:
            # FROM CURRENT takes the value as the server itself writes it, quoting included.
            session.execute("SELECT pg_catalog.set_config('search_path', %s, false)", (spec.search_path,))
            keep = sql.SQL("ALTER DATABASE {} SET search_path FROM CURRENT")
            session.execute(keep.format(sql.Identifier(spec.name)))


def make_extensions(session: Connection, extensions: Mapping[str, str], *, schemas: Sequence[str], owner: str) -> None:
    """Schemas, then extensions, each in the schema it is to have; all may stand already.

    Raises:
        TargetError: the server does not offer one of them.
    """
    needs = {name: _needs(session, name) for name in extensions}
    insisted = {schema for schema, _ in needs.values() if schema}
    for schema in schemas:
        if schema not in insisted:
            make = sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}")
            session.execute(make.format(sql.Identifier(schema), sql.Identifier(owner)))
    for name in _ordered(needs):
        schema, _ = needs[name]
        where = sql.SQL("") if schema else sql.SQL(" SCHEMA {}").format(sql.Identifier(extensions[name]))
        session.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(name)) + where)


def _let_use_wrappers(session: Connection, owner: str) -> None:
    """Foreign servers belong to the application's role, which must be allowed the wrappers that extensions brought.

    One that the master may not pass on is left: where a server needs it, the canary says so days ahead.
    """
    for (wrapper,) in session.execute("SELECT fdwname::text FROM pg_catalog.pg_foreign_data_wrapper").fetchall():
        grant = sql.SQL("GRANT USAGE ON FOREIGN DATA WRAPPER {} TO {}")
        with suppress(psycopg.errors.InsufficientPrivilege), session.transaction():
            session.execute(grant.format(sql.Identifier(wrapper), sql.Identifier(owner)))


_CLOSE_PUBLIC = "REVOKE CREATE ON SCHEMA public FROM PUBLIC"


def _needs(session: Connection, name: str) -> tuple[str, tuple[str, ...]]:
    """The schema that an extension insists on, and the extensions it requires.

    Raises:
        TargetError: the server does not offer it.
    """
    row = session.execute(query("target_extension"), {"name": name}).fetchone()
    if row is None:
        raise TargetError(
            f"the new server does not offer the extension {name}",
            hint="Drop it at the source where nothing uses it, or choose a version of PostgreSQL that has it.",
        )
    return row[0], tuple(row[1])


def _ordered(needs: Mapping[str, tuple[str, tuple[str, ...]]]) -> list[str]:
    """Names so that every extension comes after those it requires (CASCADE would put those into its own schema)."""
    done: list[str] = []
    while len(done) < len(needs):
        ready = [
            name
            for name, (_, required) in sorted(needs.items())
            if name not in done and all(other in done or other not in needs for other in required)
        ]
        if not ready:
            raise TargetError(f"extensions require each other: {', '.join(sorted(set(needs) - set(done)))}")
        done += ready
    return done
