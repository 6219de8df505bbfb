"""A canary for the definitions: dump those of the live source, restore them into a scratch database, drop that again.

Done days ahead: what pg_dump writes and the target refuses (traps.md T17), and what a restore prints otherwise than the
source, would otherwise show inside the fence.
It must not touch the real database. Invariant: only a database that bears the canary's name and our mark is dropped.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from psycopg import sql

from pgcutover.edges.archive import fit_tools
from pgcutover.edges.copyfinish import CopyFinish
from pgcutover.edges.copysource import CopySource
from pgcutover.edges.copytarget import CopyTarget
from pgcutover.edges.definitions import object_definitions
from pgcutover.edges.dropping import drop_database
from pgcutover.edges.pgtools import canary, dump_schema, read_toc, restore
from pgcutover.edges.postgres import Server
from pgcutover.errors import RefusedError, SourceError, ToolError
from pgcutover.facts.names import Dsn
from pgcutover.facts.proof import DefinitionDifference, Flight
from pgcutover.facts.rds import DatabaseFacts, DatabaseSpec
from pgcutover.planning.clients import Chosen
from pgcutover.planning.definition_proof import VERBATIM, Definitions, definition_differences
from pgcutover.planning.definitions import TocEntry, sift

SUFFIX = "_canary"
UNCHANGING = ("table:", "sequence:", *VERBATIM)
MASTERS = ("event trigger:", "publication", "comment:on event trigger", "comment:on publication")
"""Names of what only the master makes: where the server refuses it, that is said, and stops nothing."""
DUMPS = 3
NAMED = 10


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

    def fly(self) -> Flight:
        """Dump, restore, compare, drop.

        Raises:
            ToolError: no fitting program, the target refuses a definition, or a restore loses one; the message says
                which.
            SourceError: the definitions did not stay the same for as long as a dump takes.
        """
        self.clear()
        source_version = self._version(self.source)
        target_version = self._version(Server(dsn=self.master("postgres"), side="target"))
        tools = fit_tools(self.directories, source_version=source_version, target_version=target_version)
        ours = self._dump(tools, source_version)
        objects = CopySource(server=self.source)
        made = {extension.schema for extension in objects.inventory().extensions}
        entries = read_toc(tools.restore, self.file)
        parted = sift(entries, made_schemas=made, special=objects.special())
        try:
            self.ensure(replace(self.spec, name=self.name))
            canary(tools, self.file, parted.kept, self.app(self.name), server_version=target_version)
            self._remake(objects)
            refused = self._by_master(tools, parted.by_master, target_version)
            theirs = object_definitions(Server(dsn=self.app(self.name), side="target"))
        finally:
            self.clear()
        otherwise = definition_differences(ours, theirs, same_major=True)
        _refuse_losses([d for d in otherwise if not (refused and d.name.startswith(MASTERS))], made)
        left_out = tuple(f"{out.entry}: {out.reason}" for out in parted.left_out if out.matters)
        return Flight(left_out=(*left_out, *refused), otherwise=otherwise)

    def _remake(self, objects: CopySource) -> None:
        """What names the owner, who has another name here."""
        target = CopyTarget(server=Server(dsn=self.app(self.name), side="target"), run_id="canary", claim="SELECT 1")
        names = {objects.inventory().owner: self.spec.owner}
        finish = CopyFinish(target=target)
        finish.make_policies(
            replace(p, roles=tuple(names.get(role, role) for role in p.roles)) for p in objects.policies()
        )
        finish.make_user_mappings(replace(m, role=names.get(m.role, m.role)) for m in objects.user_mappings())

    def _by_master(self, tools: Chosen, entries: Sequence[TocEntry], version: int) -> tuple[str, ...]:
        """Publications of everything, then event triggers, by the master; those that the server refuses, with why."""
        triggers = tuple(e for e in entries if "EVENT TRIGGER" in f"{e.kind} {e.label}")
        refused: list[str] = []
        for part in (tuple(e for e in entries if e not in triggers), triggers):
            try:
                restore(tools.restore, self.master(self.name), self.file, part, server_version=version, whole=True)
            except ToolError as cause:
                refused += [f"{entry}: the new server refuses it to its master ({cause.message})" for entry in part]
        return tuple(refused)

    def _dump(self, tools: Chosen, source_version: int) -> Definitions:
        """Dump, and the definitions that were dumped: the application is at work, and may migrate meanwhile."""
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = object_definitions(self.source)
        for _ in range(DUMPS):
            dump_schema(tools.dump, self.source.dsn, self.file, server_version=source_version)
            after = object_definitions(self.source)
            if after == before:
                return after
            before = after
        raise SourceError(
            f"the definitions changed during each of {DUMPS} dumps",
            hint="Let the migration of the application end, then run the same command again.",
        )

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
            drop_database(session, self.name)

    @staticmethod
    def _version(server: Server) -> int:
        with server.session("version") as session:
            connection: psycopg.Connection[object] = session
            return connection.info.server_version


def _refuse_losses(otherwise: Collection[DefinitionDifference], made: Collection[str]) -> None:
    """Nothing may be missing but comments on schemas of extensions, whose entries are left out for a said reason."""
    excused = {f"comment:on schema {sql.Identifier(schema).as_string()}" for schema in made}
    excused |= {f"comment:on schema {schema}" for schema in made}
    lost = [d.name for d in otherwise if d.target is None and d.name not in excused]
    # An expression may be spelt otherwise; columns, sequences and bodies of functions may not be other ones.
    lost += [d.name for d in otherwise if d.target is not None and d.name.startswith(UNCHANGING)]
    if lost:
        more = f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
        raise ToolError(
            f"a restore of the definitions loses {', '.join(lost[:NAMED])}{more}",
            hint="Look at what pg_dump writes of them; drop or rewrite what cannot be dumped, then run it again.",
        )
