"""Databases of our own making on the target's server, each for one try: made, filled by others, dropped.

Nothing that was there before is touched, the database that the connection string names included: it is the model for
encoding, locale and settings, and nothing more. Invariant: what is dropped is ours by name, owner and mark, and no
maker of such databases is at work beside us.
"""

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

import psycopg
from psycopg import sql

from pgcutover.edges.dropping import drop_database
from pgcutover.edges.postgres import Connection, Server, query
from pgcutover.edges.target import make_extensions
from pgcutover.errors import RefusedError, RightsError, RunnerConflictError
from pgcutover.facts.inventory import Extension
from pgcutover.facts.names import Dsn, Secret

PREFIX = "pgcutover_tune_"
PATTERN = f"^{PREFIX}[0-9a-f]{{12}}$"
MARK = "pgcutover tune made this for one try: it may be dropped"
AT_WORK = "^pgcutover tune [0-9a-f]{12}$"
"""What the session that makes and drops is called; every role may see it."""
GONE_S = 2.0
"""A session whose program was killed ends what it was doing first."""
PROVIDERS: Mapping[str, str] = {"i": "ICU_LOCALE", "b": "BUILTIN_LOCALE"}
PROVIDER_SINCE = 150000
# Who one is, whether one may write and where names are looked up is not how fast a server is.
NOT_TAKEN = ("default_transaction_read_only", "role", "search_path")


@dataclass(slots=True, kw_only=True)
class Throwaways:
    """Makes one database at a time. `removed` are those that others like us had left behind."""

    server: Server
    removed: tuple[str, ...]
    name: str
    _keeper: Connection

    _model: tuple[str, str, str, str, str, str, str]
    _settings: tuple[str, ...]
    _dsn: Dsn = field(init=False)

    def __post_init__(self) -> None:
        # In ~/.pgpass there may be a line for the database that was named alone.
        password = Secret(self._keeper.info.password)
        self._dsn = replace(self.server.dsn, database=self.name, password=password)

    @contextmanager
    def database(self, extensions: Sequence[Extension], schemas: Sequence[str]) -> Iterator[Server]:
        """An empty database with what a copy takes for granted, gone when the block ends.

        Raises:
            RightsError: an extension may not be made here.
            TargetError: the server refuses something.
        """
        server = replace(self.server, dsn=self._dsn, idle=None)
        try:
            with self.server.translated("making a database"):
                self._make()
            self._furnish(server, extensions, schemas)
            yield server
        except BaseException as error:
            try:
                drop_database(self._keeper, self.name)
            except psycopg.Error:
                # What went wrong is told, not its echo.
                error.add_note(f"database {self.name} is still there: the next pgcutover tune drops it")
            raise
        with self.server.translated("dropping a database"):
            drop_database(self._keeper, self.name)

    def _make(self) -> None:
        encoding, collate, ctype, provider, locale, rules, tablespace = self._model
        parts: list[sql.Composable] = [
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}").format(
                sql.Identifier(self.name), sql.Literal(encoding), sql.Literal(collate), sql.Literal(ctype)
            )
        ]
        if provider in PROVIDERS:
            named = sql.SQL("LOCALE_PROVIDER {} {} {}").format(
                sql.SQL("icu" if provider == "i" else "builtin"), sql.SQL(PROVIDERS[provider]), sql.Literal(locale)
            )
            parts.append(named)
        elif self._keeper.info.server_version >= PROVIDER_SINCE:
            # Else it would be that of template0.
            parts.append(sql.SQL("LOCALE_PROVIDER libc"))
        if rules:
            parts.append(sql.SQL("ICU_RULES {}").format(sql.Literal(rules)))
        if tablespace != "pg_default":
            parts.append(sql.SQL("TABLESPACE {}").format(sql.Identifier(tablespace)))
        # Closed until it bears our mark: one without it that was never open can still be told for ours.
        self._keeper.execute(sql.SQL(" ").join([*parts, sql.SQL("ALLOW_CONNECTIONS false")]))
        mark = sql.SQL("COMMENT ON DATABASE {} IS {}")
        self._keeper.execute(mark.format(sql.Identifier(self.name), sql.Literal(MARK)))
        self._keeper.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(self.name)))

    def _furnish(self, server: Server, extensions: Sequence[Extension], schemas: Sequence[str]) -> None:
        with server.session("tune") as session:
            wanted = {e.name: e.schema for e in extensions if e.schema != "pg_catalog"}
            try:
                make_extensions(session, wanted, schemas=[*schemas, *wanted.values()], owner=session.info.user)
            except psycopg.errors.InsufficientPrivilege as cause:
                raise RightsError(
                    f"target {self.server.dsn}: {session.info.user} may not make the source's extensions: "
                    f"{cause.diag.message_primary}",
                    hint="Nothing was left behind. Name a login that may, as RDS's master may.",
                ) from cause
        # In a session of its own, for some would be felt in this one.
        with server.session("tune") as session:
            for text in self._settings:
                name, _, value = text.partition("=")
                # Some are for superusers, and hold nothing that a copy would notice.
                with suppress(psycopg.errors.InsufficientPrivilege):
                    session.execute("SELECT pg_catalog.set_config(%s, %s, false)", (name, value))
                    # FROM CURRENT takes the value as the server itself writes it, quoting included.
                    keep = sql.SQL("ALTER DATABASE {} SET {} FROM CURRENT")
                    session.execute(keep.format(sql.Identifier(self.name), _spelt(name)))


@contextmanager
def throwaways(target: Server, extensions: Sequence[Extension]) -> Iterator[Throwaways]:
    """The right to make such databases, looked at; what was left behind, dropped.

    Raises:
        RightsError: the role may not make databases.
        RefusedError: the server does not offer one of these extensions.
        RunnerConflictError: another process tries settings on this server.
    """
    name = f"{PREFIX}{secrets.token_hex(6)}"
    with target.translated("tune"):
        keeper = target.connect(f"tune {name.removeprefix(PREFIX)}")
        try:
            row = keeper.execute(query("throwaway_model")).fetchone()
            assert row is not None, "pg_database has a row for the database one is in"
            *model, may, settings = row
            if not may:
                raise _may_not(target)
            _refuse_unoffered(keeper, target, extensions)
            _refuse_others(keeper, target)
            yield Throwaways(
                server=target,
                removed=_remove_left(keeper),
                _keeper=keeper,
                name=name,
                _model=tuple(model),
                _settings=tuple(text for text in settings if text.partition("=")[0] not in NOT_TAKEN),
            )
        finally:
            keeper.close()


def _may_not(target: Server) -> RightsError:
    user = target.dsn.user
    return RightsError(
        f"target {target.dsn}: {user} may not make databases, and each try is made in one of its own",
        hint=f'Nothing was touched. Name the master\'s login; or as the master, for the while: ALTER ROLE "{user}" '
        "CREATEDB.",
    )


def _refuse_unoffered(keeper: Connection, target: Server, extensions: Sequence[Extension]) -> None:
    offered = {name for (name,) in keeper.execute("SELECT name::text FROM pg_catalog.pg_available_extensions")}
    missing = [e.name for e in extensions if e.name not in offered]
    if missing:
        raise RefusedError(
            f"target {target.dsn} does not offer extensions of the source: {', '.join(missing)}",
            hint="Nothing was touched. Drop them at the source where nothing uses them, or use another server.",
        )


def _refuse_others(keeper: Connection, target: Server) -> None:
    """Two that measure at once measure each other, and one might drop what the other has just made."""
    deadline = time.monotonic() + GONE_S
    others = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity WHERE application_name ~ %s AND pid <> %s"
    while keeper.execute(others, (AT_WORK, keeper.info.backend_pid)).fetchone() != (0,):
        if time.monotonic() > deadline:
            raise RunnerConflictError(
                f"target {target.dsn}: another pgcutover tune is at work on this server",
                hint="Wait for it or stop it; when its machine is gone, the server notices within two minutes.",
            )
        time.sleep(0.2)


def _remove_left(keeper: Connection) -> tuple[str, ...]:
    left = keeper.execute(query("throwaway_left"), {"pattern": PATTERN, "mark": MARK}).fetchall()
    for (name,) in left:
        drop_database(keeper, name)
    return tuple(name for (name,) in left)


def _spelt(setting: str) -> sql.Composed:
    """An extension's setting has a dot, which is no part of an identifier."""
    return sql.SQL(".").join(sql.Identifier(part) for part in setting.split("."))
