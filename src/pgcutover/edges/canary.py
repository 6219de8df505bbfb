"""A canary for the definitions: dump those of the live source, restore them into a scratch database, drop that again.

Done days ahead: what pg_dump writes and the target refuses (traps.md T17) would otherwise show inside the fence.
It must not touch the real database. Invariant: only a database that bears the canary's name and our mark is dropped.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from psycopg import sql

from pgcutover.edges.archive import fit_tools
from pgcutover.edges.copysource import CopySource
from pgcutover.edges.pgtools import canary, dump_schema, read_toc
from pgcutover.edges.postgres import Server
from pgcutover.errors import RefusedError
from pgcutover.facts.names import Dsn
from pgcutover.facts.rds import DatabaseFacts, DatabaseSpec
from pgcutover.planning.definitions import sift

SUFFIX = "_canary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """One run's canary. `ensure` and `look` are the master's; `master` and `app` give logins on a database by name."""

    spec: DatabaseSpec
    source: Server
    directories: tuple[Path, ...]
    file: Path
    ensure: Callable[[DatabaseSpec], None]
    look: Callable[[str], DatabaseFacts | None]
    master: Callable[[str], Dsn]
    app: Callable[[str], Dsn]

    @property
    def name(self) -> str:
        return f"{self.spec.name[: 63 - len(SUFFIX)]}{SUFFIX}"

    def fly(self) -> tuple[str, ...]:
        """Dump, restore, drop; the definitions that are left out and matter, in words.

        Raises:
            ToolError: no fitting program, or the target refuses a definition; the message says which.
        """
        self.clear()
        source_version = self._version(self.source)
        target_version = self._version(Server(dsn=self.master("postgres"), side="target"))
        tools = fit_tools(self.directories, source_version=source_version, target_version=target_version)
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        dump_schema(tools.dump, self.source.dsn, self.file, server_version=source_version)
        objects = CopySource(server=self.source)
        parted = sift(
            read_toc(tools.restore, self.file),
            made_schemas={extension.schema for extension in objects.inventory().extensions},
            heroku_triggers=objects.heroku_triggers(),
        )
        try:
            self.ensure(replace(self.spec, name=self.name))
            canary(tools, self.file, parted.kept, self.app(self.name), server_version=target_version)
        finally:
            self.clear()
        return tuple(f"{out.entry}: {out.reason}" for out in parted.left_out if out.matters)

    def there(self) -> bool:
        """Whether a scratch database of ours is left."""
        return self.look(self.name) is not None

    def clear(self) -> None:
        """Drop the scratch database and the archive; neither being there is fine.

        Raises:
            RefusedError: a database has the canary's name and is not ours.
        """
        self.file.unlink(missing_ok=True)
        found = self.look(self.name)
        if found is None:
            return
        if found.mark != self.spec.owned_by:
            raise RefusedError(f"database {self.name} on the new server is not ours", hint="Rename or drop it.")
        server = Server(dsn=self.master("postgres"), side="target")
        with server.session("canary") as session:
            session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(self.name)))

    @staticmethod
    def _version(server: Server) -> int:
        with server.session("version") as session:
            connection: psycopg.Connection[object] = session
            return connection.info.server_version
