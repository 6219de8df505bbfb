"""One run's archive of definitions: dumped from the source, read, restored into the target.

It must not choose entries. The archive can be made anew at any time while the source is fenced, so a lost file costs a
dump, never a run.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pgcutover.edges.pgtools import Script, dump_schema, find_clients, read_script, read_toc, restore
from pgcutover.edges.postgres import Server
from pgcutover.errors import ToolError
from pgcutover.planning.clients import Chosen, Unfit, choose
from pgcutover.planning.definitions import TocEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """`settings` are in force while pg_restore works, for example maintenance_work_mem."""

    file: Path
    source: Server
    target: Server
    tools: Chosen
    source_version: int
    target_version: int
    settings: Mapping[str, str] = field(default_factory=dict)
    master: Callable[[], Server] | None = None
    """The same database as the target's master sees it."""

    def dump(self) -> tuple[str, ...]:
        """Dump anew; warnings that a person should see."""
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return dump_schema(self.tools.dump, self.source.dsn, self.file, server_version=self.source_version)

    def exists(self) -> bool:
        return self.file.exists()

    def toc(self) -> tuple[TocEntry, ...]:
        return read_toc(self.tools.restore, self.file)

    def script(self, entries: Sequence[TocEntry]) -> Script:
        """Entries as SQL."""
        return read_script(self.tools.restore, self.file, entries)

    def restore(
        self, entries: Sequence[TocEntry], *, jobs: int = 1, whole: bool = False, by_master: bool = False
    ) -> None:
        server = self.master() if by_master and self.master is not None else self.target
        restore(
            self.tools.restore,
            server.dsn,
            self.file,
            entries,
            server_version=self.target_version,
            jobs=jobs,
            whole=whole,
            settings=self.settings,
        )


def open_archive(
    file: Path,
    source: Server,
    target: Server,
    *,
    directories: Iterable[Path] = (),
    settings: Mapping[str, str] | None = None,
    master: Callable[[], Server] | None = None,
) -> Archive:
    """Ask both servers for their versions, and choose the programs that fit.

    Raises:
        ToolError: none fits; the hint names the package to install.
    """
    source_version, target_version = _version(source), _version(target)
    tools = fit_tools(directories, source_version=source_version, target_version=target_version)
    return Archive(
        file=file,
        source=source,
        target=target,
        tools=tools,
        source_version=source_version,
        target_version=target_version,
        settings=settings or {},
        master=master,
    )


def fit_tools(directories: Iterable[Path], *, source_version: int, target_version: int) -> Chosen:
    """The programs for these versions.

    Raises:
        ToolError: none fits.
    """
    choice = choose(find_clients(directories), source_version=source_version, target_version=target_version)
    if isinstance(choice, Unfit):
        raise ToolError(choice.message, hint=choice.hint)
    return choice


def _version(server: Server) -> int:
    with server.session("version") as session:
        return session.info.server_version
