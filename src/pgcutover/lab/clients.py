"""pg_dump, pg_restore and psql that speak TLS, out of wheels.

The wheel's programs are built without TLS. psycopg's wheel carries a libpq of its own, with TLS and the same interface;
preloaded, it takes the place of theirs. The wrappers set nothing else: what the user sets still counts.
"""

import shlex
from importlib import util
from pathlib import Path

from pgcutover.errors import UsageError
from pgcutover.lab.clusters import BUNDLED, binaries

PROGRAMS = ("pg_dump", "pg_restore", "psql")
WRAPPER = """\
#!/bin/sh
LD_PRELOAD={libpq}${{LD_PRELOAD:+:$LD_PRELOAD}}
export LD_PRELOAD
exec {program} "$@"
"""


def install_clients(directory: Path) -> dict[int, Path]:
    """Write `directory/clients/<major>/bin/<program>` for each bundled major version.

    Returns the `bin` directory of each major version. Writing them again is harmless.

    Raises:
        UsageError: psycopg's wheel or the servers' is not installed.
    """
    libpq = _libpq()
    return {major: _install(directory / "clients" / str(major) / "bin", major, libpq) for major in BUNDLED}


def _install(directory: Path, major: int, libpq: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for program in PROGRAMS:
        wrapper = directory / program
        wrapper.write_text(
            WRAPPER.format(libpq=shlex.quote(str(libpq)), program=shlex.quote(str(binaries(major) / program)))
        )
        wrapper.chmod(0o755)
    return directory


def _libpq() -> Path:
    spec = util.find_spec("psycopg_binary")
    if spec is not None and spec.origin is not None:
        libraries = Path(spec.origin).parent.parent / "psycopg_binary.libs"
        for library in sorted(libraries.glob("libpq-*.so*")):
            return library
    raise UsageError(
        "no libpq with TLS for the lab's pg_dump, pg_restore and psql",
        hint="Install it with `pip install 'psycopg[binary]'`; the lab runs on Linux.",
    )
