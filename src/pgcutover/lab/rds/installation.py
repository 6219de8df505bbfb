"""A PostgreSQL installation of the lab's own, in which members of rds_superuser may create every extension.

On RDS `rds_superuser` creates extensions that stock PostgreSQL keeps for superusers; `vector` is one. Stock PostgreSQL
offers one way that asks for no superuser: `trusted = true` in the extension's control file
(https://www.postgresql.org/docs/current/extend-extensions.html). The wheel's files belong to every program on the
machine and must not be edited; `extension_control_path` exists only from 18 on; and a function or event trigger that
creates extensions would own them, where RDS and `trusted` leave them to the caller. But a server takes its share and
lib directories from where its own executable lies, so an installation of the lab's own is one copied file (`postgres`,
10 MB), symbolic links, and control files with a line more. It works alike on every version.
Difference that remains: anybody with CREATE on a database may create them, not only rds_superuser.
"""

import shutil
from pathlib import Path

from pgcutover.lab.clusters import binaries


def postgres_of(root: Path, major: int) -> Path:
    """The `postgres` to start: below `root`, made at the first call.

    Raises:
        UsageError: no PostgreSQL of this version to take it from.
    """
    origin = binaries(major).parent
    home = root / f"postgresql-{major}"
    executable = home / "bin" / "postgres"
    if not executable.exists():
        building = root / f".postgresql-{major}"
        shutil.rmtree(building, ignore_errors=True)
        _build(origin, building)
        building.replace(home)
    return executable


def libraries(major: int) -> frozenset[str]:
    """What may be named in shared_preload_libraries without the server refusing to start."""
    return frozenset(path.stem for path in (binaries(major).parent / "lib" / "postgresql").glob("*.so"))


def extensions(major: int) -> frozenset[str]:
    """What CREATE EXTENSION knows."""
    return frozenset(
        path.stem for path in (binaries(major).parent / "share" / "postgresql" / "extension").glob("*.control")
    )


def _build(origin: Path, building: Path) -> None:
    share = Path("share") / "postgresql"
    for directory in ("", "bin", "share", share, share / "extension"):
        (building / directory).mkdir()
        # Whatever our umask is: the servers run as somebody else.
        (building / directory).chmod(0o755)
    shutil.copy(origin / "bin" / "postgres", building / "bin" / "postgres")
    (building / "lib").symlink_to(origin / "lib")
    for path in (origin / share).iterdir():
        if path.name != "extension":
            (building / share / path.name).symlink_to(path)
    for path in (origin / share / "extension").iterdir():
        ours = building / share / "extension" / path.name
        if path.suffix == ".control":
            ours.write_text(f"{path.read_text().rstrip()}\ntrusted = true\n")
            ours.chmod(0o644)
        else:
            ours.symlink_to(path)
