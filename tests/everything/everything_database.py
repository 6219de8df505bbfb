"""A database that holds at least one of everything that PostgreSQL can hold, and what it takes to copy and compare it.

The fixture is SQL (`sql/`), one file a subject, run with psql as the database's owner, who is no superuser; what only
a platform's superuser makes is in files of its own. Comparing is done here, with pg_dump and plain SQL, so that the
code under test has no say in it.
"""

import re
import secrets
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from psycopg import sql

from pgcutover.edges.target import TargetAccess, TargetAdmin
from pgcutover.facts.names import Dsn, Secret
from pgcutover.facts.rds import DatabaseSpec
from pgcutover.lab.clusters import SUPERUSER, Cluster, binaries
from pgcutover.lab.relay import Relay
from pgcutover.lab.tls import CertificateAuthority

SQL = Path(__file__).parent / "sql"
COMMON = ("10_types", "20_tables", "30_partitions", "40_constraints", "50_code", "60_values", "70_rights", "80_outside")
CREDENTIALS = ("everything_reader", "everything_writer")
MASTER = "everything_master"
MARK = "everything/test"
HEROKU_SCHEMA = Path(__file__).parents[2] / "src" / "pgcutover" / "lab" / "sql" / "heroku_schema.sql"
EXTENSIONS_15 = (
    ("amcheck", "heroku_ext"),
    ("bloom", "heroku_ext"),
    ("btree_gist", "heroku_ext"),
    ("citext", "heroku_ext"),
    ("cube", "heroku_ext"),
    ("earthdistance", "heroku_ext"),
    ("fuzzystrmatch", "public"),
    ("hstore", "Odd Ext"),
    ("intarray", "public"),
    ("isn", "heroku_ext"),
    ("lo", "heroku_ext"),
    ("ltree", "heroku_ext"),
    ("moddatetime", "heroku_ext"),
    ("pg_stat_statements", "public"),
    ("pg_trgm", "heroku_ext"),
    ("pgcrypto", "heroku_ext"),
    ("postgres_fdw", "public"),
    ("seg", "heroku_ext"),
    ("tablefunc", "heroku_ext"),
    ("unaccent", "heroku_ext"),
    ("uuid-ossp", "Odd Ext"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A database of the fixture's, on a cluster."""

    cluster: Cluster
    dsn: Dsn

    def psql(self, *files: str | Path, superuser: bool = False) -> None:
        """Run files of `sql/` (or any), as the owner; nothing after the first error."""
        psql(self.cluster, self.dsn, files, superuser=superuser)

    def rows(self, text: str) -> list[tuple[object, ...]]:
        with self.cluster.superuser(self.dsn.database) as session:
            session.execute("SET client_encoding = 'UTF8'")
            return session.execute(text.encode()).fetchall()

    def run(self, text: str) -> None:
        with self.cluster.superuser(self.dsn.database) as session:
            session.execute(text.encode())


def psql(cluster: Cluster, dsn: Dsn, files: tuple[str | Path, ...], *, superuser: bool = False) -> None:
    for file in files:
        path = SQL / f"{file}.sql" if isinstance(file, str) else file
        where = (
            {"PGHOST": str(cluster.socket_dir), "PGUSER": SUPERUSER}
            if superuser
            else {"PGHOST": dsn.host, "PGUSER": dsn.user, "PGPASSWORD": dsn.password.reveal()}
        )
        _ran(
            [
                str(binaries(18) / "psql"),
                "--no-psqlrc",
                "--quiet",
                "--set=ON_ERROR_STOP=1",
                f"--set=owner={dsn.user}",
                f"--set=database={dsn.database}",
                f"--file={path}",
            ],
            {**where, "PGPORT": str(cluster.port), "PGDATABASE": dsn.database, "PGTZ": "UTC"},
        )


def _ran(command: list[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        command,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PGCLIENTENCODING": "UTF8", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"{command[0]} failed: {done.stderr.decode(errors='replace')[-3000:]}")
    return done.stdout.decode()


def _role(cluster: Cluster, name: str, password: Secret | None, attributes: str = "") -> None:
    with cluster.superuser() as session:
        found = session.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
        if found is None:
            session.execute(sql.SQL(f"CREATE ROLE {{}} {attributes}").format(sql.Identifier(name)))  # type: ignore[arg-type]
        if password is not None:
            text = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}")
            session.execute(text.format(sql.Identifier(name), sql.Literal(password.reveal())))


@contextmanager
def source_database(cluster: Cluster, *, encoding: str = "UTF8", locale: str = "C.UTF-8") -> Iterator[Held]:
    """An empty database on a server like Heroku's: its owner is no superuser; two further credentials exist."""
    name = f"everything_{secrets.token_hex(4)}"
    dsn = Dsn(
        host="127.0.0.1",
        port=cluster.port,
        user=f"u_{name}",
        password=Secret(secrets.token_hex(8)),
        database=name,
        options=(("sslmode", "disable"),),
    )
    _role(cluster, dsn.user, dsn.password)
    for credential in CREDENTIALS:
        _role(cluster, credential, None)
    with cluster.superuser() as session:
        watching = sql.SQL("GRANT pg_monitor, pg_signal_backend TO {}")
        session.execute(watching.format(sql.Identifier(dsn.user)))
        session.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING {} LOCALE {}").format(
                sql.Identifier(name), sql.Identifier(dsn.user), sql.Literal(encoding), sql.Literal(locale)
            )
        )
    try:
        yield Held(cluster=cluster, dsn=dsn)
    finally:
        _drop(cluster, dsn)


def _drop(cluster: Cluster, dsn: Dsn) -> None:
    with cluster.superuser() as session:
        session.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(dsn.database)))
        session.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(dsn.user)))


def fill(
    held: Held, *, files: tuple[str, ...] = (), extensions: tuple[tuple[str, str], ...] = (), heroku: bool = False
) -> None:
    """Grow the fixture: what the platform made, the common part, then `files`, then what needs a superuser."""
    held.psql("00_platform", superuser=True)
    with held.cluster.superuser(held.dsn.database) as session:
        owner = sql.Identifier(held.dsn.user)
        session.execute(
            sql.SQL("GRANT USAGE ON FOREIGN DATA WRAPPER everything_wrapper TO {} WITH GRANT OPTION").format(owner)
        )
        for schema in sorted({schema for _, schema in extensions} - {"public"}):
            session.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(sql.Identifier(schema), owner))
        for name, schema in extensions:
            made = sql.SQL("CREATE EXTENSION {} SCHEMA {}")
            session.execute(made.format(sql.Identifier(name), sql.Identifier(schema)))
        if any(name == "postgres_fdw" for name, _ in extensions):
            session.execute(sql.SQL("GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO {}").format(owner))
    held.psql(*COMMON, *files)
    held.psql("71_others", "81_master_only", superuser=True)
    if heroku:
        held.psql(HEROKU_SCHEMA, superuser=True)
    # Not the whole database: a parent of foreign tables cannot be analysed while their server is out of reach.
    held.run("ANALYZE app.customers, app.no_key, billing.lines")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewServer:
    """The other end as MakeDatabase leaves it: the application's role owns the database, a master made both."""

    held: Held
    admin: TargetAdmin
    spec: DatabaseSpec
    master: Dsn


@contextmanager
def target_database(
    cluster: Cluster,
    ca: CertificateAuthority,
    *,
    extensions: tuple[tuple[str, str], ...] = (),
    encoding: str = "UTF8",
    locale: str = "C.UTF-8",
) -> Iterator[NewServer]:
    """Made by the code under test, as on RDS: by a master who is no superuser.

    Extensions that stock PostgreSQL keeps for superusers are made by one beforehand, as RDS's own does for members of
    rds_superuser.
    """
    name = f"everything_{secrets.token_hex(4)}"
    app = f"app_{name}"
    logins = {app: Secret(secrets.token_hex(8)), MASTER: Secret("master of everything")}
    logins |= {credential: Secret(credential) for credential in CREDENTIALS}
    _role(cluster, MASTER, logins[MASTER], "CREATEDB CREATEROLE")
    with cluster.superuser() as session:
        session.execute(f"GRANT pg_monitor, pg_signal_backend TO {MASTER} WITH ADMIN OPTION")
    cert, key = ca.directory / "server.pem", ca.directory / "server.key"
    if not cert.exists():
        cert, key = ca.issue()
    relay = Relay(cluster.port, cert, key, require_tls=False)
    relay.start()
    access = TargetAccess(
        endpoint=lambda: ("localhost", relay.port),
        logins=lambda: logins,
        ca_bundle=lambda: ca.bundle,
        master_user=MASTER,
        app_role=app,
        database=name,
    )
    admin = TargetAdmin(access)
    spec = DatabaseSpec(
        name=name,
        owner=app,
        owned_by=MARK,
        encoding=encoding,
        collate=locale,
        ctype=locale,
        search_path="",
        public_create=False,
        extensions=extensions,
        schemas=tuple(sorted({"heroku_ext", *(schema for _, schema in extensions)} - {"public"})),
    )
    dsn = Dsn(
        host="127.0.0.1",
        port=cluster.port,
        user=app,
        password=logins[app],
        database=name,
        options=(("sslmode", "disable"),),
    )
    held = Held(cluster=cluster, dsn=dsn)
    try:
        for role in (app, *CREDENTIALS):
            _forgotten(cluster, role)
            admin.ensure_role(role, MARK, ends_sessions=role == app)
        _make(admin, spec, held)
        yield NewServer(held=held, admin=admin, spec=spec, master=_plain(access.master(name), cluster))
    finally:
        relay.stop()
        _drop(cluster, dsn)


def _plain(dsn: Dsn, cluster: Cluster) -> Dsn:
    return Dsn(
        host="127.0.0.1",
        port=cluster.port,
        user=dsn.user,
        password=dsn.password,
        database=dsn.database,
        options=(("sslmode", "disable"),),
    )


def _forgotten(cluster: Cluster, role: str) -> None:
    """A credential may exist already, of a source on the same cluster: it gets the mark that says it is ours."""
    with cluster.superuser() as session:
        if session.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is not None:
            name = sql.Identifier(role)
            session.execute(sql.SQL("COMMENT ON ROLE {} IS {}").format(name, sql.Literal(MARK)))
            session.execute(sql.SQL("GRANT {} TO {} WITH ADMIN OPTION").format(name, sql.Identifier(MASTER)))


def _make(admin: TargetAdmin, spec: DatabaseSpec, held: Held) -> None:
    admin.ensure_database(replace(spec, extensions=()))
    with held.cluster.superuser(spec.name) as session:
        for name, schema in spec.extensions:
            made = sql.SQL("CREATE EXTENSION {} SCHEMA {}")
            session.execute(made.format(sql.Identifier(name), sql.Identifier(schema)))
    held.psql("00_platform", superuser=True)
    for wrapper in ("everything_wrapper", *(n for n, _ in spec.extensions if n.endswith("_fdw"))):
        held.run(f"GRANT USAGE ON FOREIGN DATA WRAPPER {wrapper} TO {MASTER} WITH GRANT OPTION")
    admin.ensure_database(spec)


HEADER = re.compile(r"^-- (?:Data for )?Name: (.*); Type: (.*); Schema: (.*); Owner: (.*?)(?:; Tablespace: .*)?$", re.M)
SYSTEM_SCHEMAS = ("_heroku", "pgcutover")


def dumped(held: Held, *, also_out: tuple[str, ...] = ()) -> dict[str, str]:
    """The definitions as pg_dump 18 writes them: text by kind, schema and name, after `normalised`."""
    options = [f"--exclude-schema={schema}" for schema in (*SYSTEM_SCHEMAS, *also_out)]
    text = _ran(
        [str(binaries(18) / "pg_dump"), "--schema-only", "--quote-all-identifiers", "--no-tablespaces", *options],
        {
            "PGHOST": str(held.cluster.socket_dir),
            "PGUSER": SUPERUSER,
            "PGPORT": str(held.cluster.port),
            "PGDATABASE": held.dsn.database,
        },
    )
    return normalised(text, owner=held.dsn.user)


def normalised(text: str, *, owner: str) -> dict[str, str]:
    """A dump's entries, without what two servers or two owners make differ. What is left must be equal.

    1. The order of entries is not compared: they are kept by kind, schema and name. pg_dump orders by name and
       dependency, and breaks ties by OID.
    2. The owner's role has another name on each end: both become OWNER.
    3. Who owns what stands in a comment and in ALTER … OWNER TO. Everything belongs to the application's role; what a
       superuser owned (extensions' objects, publications of everything, event triggers) has the master as its owner,
       so the owner of those is not compared.
    4. Lines of the dump itself: versions, SET, \\restrict, set_config of the search path, empty lines, and comments.
    5. Extensions: they are made in another step, with the target's own comment and version. Grants on what they
       brought (foreign data wrappers) are the platform's.
    6. The schemas public and heroku_ext exist on every new database, and have its owner and comment.
    7. Privileges that the owner has on its own objects are what PostgreSQL gives it.
    8. Heroku's event triggers stay at Heroku.
    9. The roles of a policy are a set: pg_dump prints them in the order in which the server has its roles.
    """
    entries: dict[str, str] = {}
    marks = list(HEADER.finditer(text))
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        name, kind, schema, _ = (part.replace(owner, "OWNER") for part in mark.groups())
        body = text[mark.end() : following.start() if following else len(text)]
        key = f"{kind} {schema} {name}"
        if not _foreign(kind, name, body):
            entries[key] = entries.get(key, "") + _lines(body.replace(owner, "OWNER"), kind)
    return {key: body for key, body in entries.items() if body}


def _foreign(kind: str, name: str, body: str) -> bool:
    """Rules 5, 6 and 8."""
    if kind == "EXTENSION" or (kind in ("COMMENT", "ACL") and name.startswith(("EXTENSION ", "FOREIGN DATA WRAPPER "))):
        return True
    if kind in ("SCHEMA", "COMMENT") and name.removeprefix("SCHEMA ") in ("public", '"public"', "heroku_ext"):
        return True
    return kind == "EVENT TRIGGER" and '"_heroku"' in body


NOISE = re.compile(r"^(--.*|SET .*;|\\(un)?restrict .*|SELECT pg_catalog\.set_config.*|)$")
OWNED = re.compile(r'^ALTER .* OWNER TO "(OWNER|rdsadmin|everything_master)";$', re.S)
POLICY_ROLES = re.compile(r' TO ((?:"[^"]+"|PUBLIC)(?:, (?:"[^"]+"|PUBLIC))*)')
TO_OWNER = re.compile(r'^(GRANT|REVOKE) .* (TO|FROM) "OWNER"(?: WITH GRANT OPTION)?;$')


def _lines(body: str, kind: str) -> str:
    """Rules 3, 4, 7 and 9."""
    kept = []
    for line in body.splitlines():
        own_right = kind == "ACL" and TO_OWNER.match(line)
        if kind == "POLICY":
            line = POLICY_ROLES.sub(lambda m: " TO " + ", ".join(sorted(m[1].split(", "))), line)
        if not (NOISE.match(line) or OWNED.match(line) or own_right):
            kept.append(line)
    return "\n".join(kept)


def data(held: Held, *, roots: tuple[str, ...] = ()) -> dict[str, Counter[str]]:
    """Every table's rows as text, each with its count; large objects, sequences and matviews too.

    Of the partition trees named in `roots` the root is read: where their rows belong depends on the server.
    """
    found: dict[str, Counter[str]] = {}
    with held.cluster.superuser(held.dsn.database) as session:
        for name, value in PINNED.items():
            session.execute("SELECT set_config(%s, %s, false)", (name, value))
        tables = session.execute(TABLES, {"roots": list(roots)}).fetchall()
        for schema, name, only, columns in tables:
            wanted = sql.SQL(", ").join(map(sql.Identifier, columns))
            statement = sql.SQL("COPY (SELECT {} FROM {}{}) TO STDOUT").format(
                wanted, sql.SQL("ONLY " if only else ""), sql.Identifier(schema, name)
            )
            with session.cursor().copy(statement) as copy:
                text = b"".join(bytes(part) for part in copy).decode("utf-8", "backslashreplace")
            found[f"{schema}.{name}"] = Counter(text.split("\n")[:-1])
        for what, query in OTHERS.items():
            rows = session.execute(query.encode()).fetchall()
            found[what] = Counter(str(row).replace(held.dsn.user, "OWNER") for row in rows)
    return found


PINNED = {
    "search_path": "",
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
}
TABLES = """
SELECT n.nspname, c.relname, c.relkind = 'r',
       ARRAY(SELECT a.attname::text FROM pg_attribute AS a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attname)
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE (c.relkind IN ('r', 'm') AND (c.relkind = 'r' OR c.relispopulated)
            AND NOT EXISTS (SELECT FROM pg_partition_ancestors(c.oid) AS a
                             WHERE a.relid <> c.oid AND a.relid::regclass::text = ANY (%(roots)s))
        OR c.oid::regclass::text = ANY (%(roots)s))
   AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '_heroku', 'pgcutover')
   AND NOT EXISTS (SELECT FROM pg_depend AS d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1, 2
"""
OTHERS = {
    "sequences": "SELECT schemaname, sequencename, last_value FROM pg_sequences WHERE schemaname <> '_heroku'",
    "large objects": """SELECT m.oid::bigint, pg_get_userbyid(m.lomowner), md5(lo_get(m.oid)), length(lo_get(m.oid)),
                               ARRAY(SELECT concat_ws(' ', CASE WHEN a.grantee = 0 THEN 'PUBLIC'
                                                                ELSE pg_get_userbyid(a.grantee) END,
                                                      a.privilege_type, a.is_grantable)
                                       FROM aclexplode(m.lomacl) AS a WHERE a.grantee <> m.lomowner ORDER BY 1),
                               obj_description(m.oid, 'pg_largeobject') FROM pg_largeobject_metadata AS m""",
    "user mappings": """SELECT srvname, usename, ARRAY(SELECT o FROM unnest(umoptions) AS o ORDER BY 1)
                          FROM pg_user_mappings""",
    "settings": """SELECT coalesce(r.rolname, ''), e FROM pg_db_role_setting AS s CROSS JOIN unnest(s.setconfig) AS e
                     LEFT JOIN pg_roles AS r ON r.oid = s.setrole
                    WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())""",
    "unfilled": "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'm' AND NOT relispopulated",
}


NAME = r'(?:"[^"]+"|[a-z_]+)'
CAST = re.compile(rf"::(?:{NAME}\.{NAME}|{NAME}(?: varying| with(?:out)? time zone)?)(?:\([0-9, ]+\))?(?:\[\])*")


def respelled(kind: str, text: str) -> str:
    """What remains equal when a server parses and prints an expression anew.

    10. Casts and parentheses in expressions: the constants of an IN list are cast together before a restore and one by
       one after it. Types of columns are not casts, and stay.
    11. Quotes of identifiers: whether a type's name is quoted depends on the server's version.
    12. The order of columns in a table that inherits: a restored child has its parent's first.
    13. Qualifiers of columns in views and rules: 15 prints a table's name where 16 and later leave it out.
    """
    if kind in ("VIEW", "RULE", "MATERIALIZED"):
        text = re.sub(r'"(?:[^"]|"")+"\.(?=")', "", text)
    bare = re.sub(r'[()"]', "", CAST.sub("", text))
    lines = [line.strip().rstrip(",") for line in bare.splitlines()]
    return "\n".join(sorted(lines) if any(line.startswith("INHERITS") for line in lines) else lines)


def differing(old: dict[str, str], new: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    """Entries that are not equal, also not when respelled."""
    pairs = {key: (old.get(key), new.get(key)) for key in {*old, *new}}
    return {
        key: (ours, theirs)
        for key, (ours, theirs) in pairs.items()
        if ours is None
        or theirs is None
        or (ours != theirs and respelled(key.split()[0], ours) != respelled(key.split()[0], theirs))
    }
