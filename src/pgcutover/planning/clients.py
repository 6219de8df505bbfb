"""Which pg_dump and pg_restore fit a move, by version; traps.md T17.

Decides only: finding programs and running them is `edges/pgtools.py`. Invariant: what is chosen can read the source,
writes what the target understands, and pg_restore can read the archive that pg_dump wrote.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A program that was found. `version` counts as server_version_num does: 160014 for 16.14."""

    program: str
    path: str
    version: int

    @property
    def major(self) -> int:
        return self.version // 10000


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    dump: Client
    restore: Client


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """Why nothing fits, and what to install: the words of an error, for whoever raises it."""

    message: str
    hint: str


def choose(found: Iterable[Client], *, source_version: int, target_version: int) -> Chosen | Unfit:
    """The pair to use: pg_dump nearest to the source's version, newest minor first; pg_restore likewise.

    Nearest to the source because a newer pg_dump may write what it found in a way that the target refuses (T17, the
    `pg_attver` of 15.20), while the source's own version is known to restore on every later one.
    """
    clients = tuple(found)
    source, target = source_version // 10000, target_version // 10000
    if source > target:
        return Unfit(
            message=f"the source runs PostgreSQL {source}, the target {target}: definitions go only upwards",
            hint=f"Choose PostgreSQL {source} or later for the target.",
        )
    dumps = sorted((c for c in clients if c.program == "pg_dump"), key=_nearest)
    restores = sorted((c for c in clients if c.program == "pg_restore"), key=_nearest)
    fit = [c for c in dumps if source <= c.major <= target and not (c.major == source and c.version < source_version)]
    if not fit:
        return _unfit_dump(dumps, source_version, target)
    for dump in fit:
        for restore in restores:
            if dump.major <= restore.major <= target:
                return Chosen(dump=dump, restore=restore)
    return _unfit_restore(restores, fit[0].major, target)


def _nearest(client: Client) -> tuple[int, int]:
    return client.major, -client.version


def _unfit_dump(dumps: list[Client], source_version: int, target: int) -> Unfit:
    source = source_version // 10000
    if not dumps:
        return Unfit(message="pg_dump was not found", hint=_install(source))
    if dumps[0].major > target:
        trouble = f"too new for the target, PostgreSQL {target}"
    elif any(c.major == source for c in dumps):
        trouble = f"older than the source, PostgreSQL {spoken(source_version)}"
    elif dumps[-1].major < source:
        trouble = f"too old for the source, PostgreSQL {source}"
    else:
        trouble = f"not between the source's version, {source}, and the target's, {target}"
    return Unfit(message=f"every pg_dump found ({_listed(dumps)}) is {trouble}", hint=_install(source))


def _unfit_restore(restores: list[Client], dump: int, target: int) -> Unfit:
    if not restores:
        return Unfit(message="pg_restore was not found", hint=_install(dump))
    return Unfit(
        message=f"no pg_restore found ({_listed(restores)}) is between {dump}, which reads the archive, and {target}, "
        "which the target understands",
        hint=_install(dump),
    )


def _install(major: int) -> str:
    # Package names: https://wiki.postgresql.org/wiki/Apt, https://yum.postgresql.org, https://formulae.brew.sh
    return (
        f"Install the newest client of PostgreSQL {major} (Debian, Ubuntu: postgresql-client-{major} from "
        f"apt.postgresql.org; Red Hat: postgresql{major}; macOS: brew install postgresql@{major}), or name its "
        "directory as pg_bin under [tools]."
    )


def _listed(clients: list[Client]) -> str:
    return ", ".join(dict.fromkeys(spoken(c.version) for c in clients))


def spoken(version: int) -> str:
    """160014 as people say it: 16.14."""
    return f"{version // 10000}.{version % 10000}"
