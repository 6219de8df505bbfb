"""pg_dump and pg_restore: found, run, their archives read, their complaints made ours; traps.md T17.

It must not choose versions (`planning/clients.py`) nor entries (`planning/definitions.py`). Invariants: no password is
ever in argv or in an error; nothing of our caller's PG* environment reaches a program, so one command line means the
same on every machine; an archive is readable by us alone.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from psycopg.conninfo import make_conninfo

from pgcutover.edges.postgres import libpq_parameters, looked_for, timeouts_off
from pgcutover.errors import ToolError
from pgcutover.facts.names import MASK, Dsn
from pgcutover.planning.clients import Chosen, Client
from pgcutover.planning.definitions import Section, TocEntry
from pgcutover.planning.statements import entry_texts, settings_in_force

PROGRAMS = ("pg_dump", "pg_restore")
# Where packages put the programs of one major version, beside PATH: Debian, Red Hat, Homebrew.
PACKAGED = (
    ("/usr/lib/postgresql", "*/bin"),
    ("/usr", "pgsql-*/bin"),
    ("/opt/homebrew/opt", "postgresql@*/bin"),
    ("/usr/local/opt", "postgresql@*/bin"),
)
# Debian's front, which picks a version by the local clusters: it may answer with one version and run another.
FRONT = "pg_wrapper"
VERSION_WAIT_S = 20
# A list of what may pass, for nobody knows every name under which a shell keeps a secret.
NEEDED = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "TZ",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "DYLD_LIBRARY_PATH",
    "DYLD_FALLBACK_LIBRARY_PATH",
    "OPENSSL_CONF",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)
TAIL_LINES = 12
PLAIN = ("--no-owner", "--no-acl", "--no-tablespaces")
CLIENT_ENCODING = re.compile(r"^SET client_encoding = '([^']+)';$", re.MULTILINE)

# libpq's parameters by their environment variable. https://www.postgresql.org/docs/current/libpq-envars.html
VARIABLES: Mapping[str, str] = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "application_name": "PGAPPNAME",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "channel_binding": "PGCHANNELBINDING",
    "gssencmode": "PGGSSENCMODE",
    "sslmode": "PGSSLMODE",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcrl": "PGSSLCRL",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
}

# Kinds of entry that are more than one word; any other kind is the line's first word.
LONG_KINDS = (
    "ACCESS METHOD|BLOB METADATA|BLOB COMMENTS|CHECK CONSTRAINT|DATABASE PROPERTIES|DEFAULT ACL|EVENT TRIGGER|"
    "FK CONSTRAINT|FOREIGN DATA WRAPPER|FOREIGN TABLE|INDEX ATTACH|LARGE OBJECT|MATERIALIZED VIEW DATA|"
    "MATERIALIZED VIEW|OPERATOR CLASS|OPERATOR FAMILY|PROCEDURAL LANGUAGE|PUBLICATION TABLES IN SCHEMA|"
    "PUBLICATION TABLE|ROW SECURITY|SECURITY LABEL|SEQUENCE OWNED BY|SEQUENCE SET|SHELL TYPE|STATISTICS DATA|"
    "SUBSCRIPTION TABLE|TABLE ATTACH|TABLE DATA|TEXT SEARCH CONFIGURATION|TEXT SEARCH DICTIONARY|"
    "TEXT SEARCH PARSER|TEXT SEARCH TEMPLATE|USER MAPPING"
)
ENTRY = re.compile(rf"(\d+); (\d+) (\d+) ({LONG_KINDS}|\S+) (.*)")
# https://github.com/postgres/postgres/blob/REL_18_STABLE/src/bin/pg_dump/pg_backup_archiver.c (PrintTOCSummary)
NEEDS = ";\tdepends on:"
VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")

# Said on every dump of definitions whose foreign keys form a circle; it concerns dumps of rows only.
BENIGN = ("circular foreign-key", "--disable-triggers", "Consider using a full dump", "pg_dump: detail:")

HINTS: Mapping[str, str] = {
    "password authentication failed": "The password may have been rotated: run the same command again.",
    "permission denied": "The role lacks a right; pgcutover inventory lists the rights it needs.",
    "max_locks_per_transaction": "There are more tables than locks: raise max_locks_per_transaction on the target.",
    "No space left on device": "The disk is full: raise the storage, then run the same command again.",
    "unrecognized configuration parameter": "The program is newer than the server; install the server's version.",
    "statement timeout": "Somebody holds a table, with ALTER TABLE perhaps: let that end, then run the command again.",
    "attr_ver": "The pg_dump used does not fit the source: install the source's own version.",
    "pg_attver": "The pg_dump used does not fit the source: install the source's own version.",
    "SSL": "TLS could not be agreed: check the CA bundle and that the host name is the one in the certificate.",
}


def find_clients(directories: Iterable[Path] = ()) -> tuple[Client, ...]:
    """Every pg_dump and pg_restore in these directories, then on PATH, then where packages put them."""
    packaged = (path for root, pattern in PACKAGED for path in sorted(Path(root).glob(pattern)))
    on_path = (Path(entry) for entry in os.environ.get("PATH", os.defpath).split(os.pathsep) if entry)
    found: dict[Path, Client] = {}
    for directory in (*directories, *on_path, *packaged):
        for program in PROGRAMS:
            where = shutil.which(program, path=str(directory))
            if where is None or Path(where).resolve().name == FRONT:
                continue
            version = _version(where)
            if version is not None:
                found.setdefault(Path(where).resolve(), Client(program=program, path=where, version=version))
    return tuple(found.values())


def _version(path: str) -> int | None:
    """As server_version_num, or None when it is no PostgreSQL program that runs here."""
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=VERSION_WAIT_S, env=_bare(), check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = VERSION.search(done.stdout)
    # A beta has no minor version: 18beta1.
    return int(match[1]) * 10000 + int(match[2] or 0) if match and done.returncode == 0 else None


def dump_schema(
    client: Client, dsn: Dsn, archive: Path, *, server_version: int, snapshot: str = "", lock_wait_s: int = 60
) -> tuple[str, ...]:
    """Write the definitions to `archive` (mode 0600, whole or not at all); the warnings that a person should see.

    Row data, owners, privileges, tablespaces and subscriptions are not in it, nor Heroku's schema, nor
    ours.

    Raises:
        ToolError: pg_dump failed; the message ends with what it said last.
    """
    part = archive.with_name(archive.name + ".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    options = [
        "--format=custom",
        f"--file={part}",
        "--schema-only",
        "--no-owner",
        "--no-acl",
        "--no-tablespaces",
        "--no-subscriptions",
        # What is no keyword here may be one on a later server.
        "--quote-all-identifiers",
        "--exclude-schema=_heroku",
        "--exclude-schema=pgcutover",
        f"--lock-wait-timeout={lock_wait_s * 1000}",
    ]
    if snapshot:
        options.append(f"--snapshot={snapshot}")
    said = _run(client, options, dsn=dsn, server_version=server_version, purpose="dump")
    part.replace(archive)
    return tuple(line for line in said if not any(benign in line for benign in BENIGN))


def read_toc(client: Client, archive: Path) -> tuple[TocEntry, ...]:
    """The entries of pre-data, then those of post-data, in the archive's order."""
    found = archive.stat()
    return _read_toc(client, archive, (found.st_ino, found.st_mtime_ns, found.st_size))


@lru_cache(maxsize=4)
def _read_toc(client: Client, archive: Path, _file: tuple[int, int, int]) -> tuple[TocEntry, ...]:
    """The list is wanted again and again, and takes a process for each section."""
    sections: tuple[Section, ...] = ("pre-data", "post-data")
    needs = _needs(client, archive)
    return tuple(entry for section in sections for entry in _section(client, archive, section, needs))


def _needs(client: Client, archive: Path) -> Mapping[int, tuple[int, ...]]:
    """What each entry needs, by dump id. Apart from the list, because a verbose one is of all sections."""
    found: dict[int, tuple[int, ...]] = {}
    dump_id = 0
    for line in _output(client, ["--list", "--verbose", str(archive)]).split("\n"):
        if line.startswith(NEEDS):
            found[dump_id] = tuple(map(int, line.removeprefix(NEEDS).split()))
        elif (match := ENTRY.fullmatch(line)) is not None:
            dump_id = int(match[1])
    return found


def _section(client: Client, archive: Path, section: Section, needs: Mapping[int, tuple[int, ...]]) -> list[TocEntry]:
    text = _output(client, ["--list", f"--section={section}", str(archive)])
    entries = []
    # Not splitlines: names may hold what Unicode calls a line's end.
    for line in text.split("\n"):
        if not line or line.startswith(";"):
            continue
        match = ENTRY.fullmatch(line)
        if match is None:
            raise ToolError(f"{client.path} listed an entry that pgcutover does not understand: {line[:200]}")
        entries.append(
            TocEntry(
                dump_id=int(match[1]),
                class_oid=int(match[2]),
                oid=int(match[3]),
                section=section,
                kind=match[4],
                label=match[5],
                line=line,
                needs=needs.get(int(match[1]), ()),
            )
        )
    return entries


def restore(
    client: Client,
    dsn: Dsn,
    archive: Path,
    entries: Sequence[TocEntry],
    *,
    server_version: int,
    jobs: int = 1,
    whole: bool = False,
    settings: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Make these entries, in the order given; warnings. With `whole`, all of them or none, by one session.

    Raises:
        ToolError: pg_restore failed, at the first error; the message ends with what it said last.
    """
    if not entries:
        return ()
    with _listed(entries) as wanted:
        options = [
            f"--use-list={wanted}",
            "--exit-on-error",
            *PLAIN,
            "--single-transaction" if whole else f"--jobs={jobs}",
            str(archive),
        ]
        return _run(client, options, dsn=dsn, server_version=server_version, purpose="restore", settings=settings or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """Entries of an archive as SQL, by dump id. Bytes that are not UTF-8 stand in the texts as lone surrogates;
    `encoding` is what the server is to take them for. `settings` are the SETs in force for each entry."""

    encoding: str
    texts: Mapping[int, str]
    settings: Mapping[int, str]


def read_script(client: Client, archive: Path, entries: Sequence[TocEntry]) -> Script:
    """What pg_restore would run for these entries, without owners, privileges and tablespaces.

    Raises:
        ToolError: the script's entries are not those that were asked for.
    """
    if not entries:
        return Script(encoding="UTF8", texts={}, settings={})
    with _listed(entries) as wanted:
        text = _output(client, ["--verbose", f"--use-list={wanted}", *PLAIN, "--file=-", str(archive)])
    texts = entry_texts(text)
    encoding = CLIENT_ENCODING.search(text)
    if encoding is None or texts.keys() != {entry.dump_id for entry in entries}:
        raise ToolError(f"{client.path} wrote a script that pgcutover does not understand")
    return Script(encoding=encoding[1], texts=texts, settings=settings_in_force(text))


@contextmanager
def _listed(entries: Sequence[TocEntry]) -> Iterator[Path]:
    """The file that --use-list takes."""
    with tempfile.TemporaryDirectory(prefix="pgcutover-") as directory:
        wanted = Path(directory) / "entries"
        wanted.write_text("".join(f"{e.line}\n" for e in entries), "utf-8", errors="surrogateescape")
        yield wanted


def canary(
    tools: Chosen, archive: Path, entries: Sequence[TocEntry], scratch: Dsn, *, server_version: int, jobs: int = 1
) -> None:
    """Prove days ahead that these tools carry this database's definitions: restore all of them, without rows.

    `scratch` is an empty database on the target that the caller made, with the same extensions, and drops afterwards.

    Raises:
        ToolError: the target refuses a definition, for example T17's `pg_attver`.
    """
    restore(tools.restore, scratch, archive, entries, server_version=server_version, jobs=jobs)


def _run(
    client: Client,
    options: Sequence[str],
    *,
    dsn: Dsn,
    server_version: int,
    purpose: str,
    settings: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Run against a server; the lines it wrote to stderr."""
    conninfo, environment = _connection(dsn, server_version=server_version, purpose=purpose, settings=settings or {})
    done = _started([client.path, "--no-password", f"--dbname={conninfo}", *options], environment)
    secret = dsn.password.reveal()
    said = done.stderr.replace(secret, MASK) if secret else done.stderr
    lines = tuple(line for line in said.splitlines() if line.strip())
    if done.returncode != 0:
        raise _failure(client, f" for {dsn}", lines, done.returncode)
    return lines


def _output(client: Client, options: Sequence[str]) -> str:
    """Run without a server; what it wrote to stdout."""
    done = _started([client.path, *options], _bare())
    if done.returncode != 0:
        raise _failure(client, "", tuple(done.stderr.splitlines()), done.returncode)
    return done.stdout


def _started(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as cause:
        raise ToolError(f"{command[0]} cannot be run: {cause.strerror}", hint="Install it again.") from cause
    # Decoded here, not by `run`, which would make every line break a plain one, inside literals, too. Names come in the
    # database's encoding, and what is not UTF-8 must survive into the list file.
    said = (stream.decode("utf-8", "surrogateescape") for stream in (done.stdout, done.stderr))
    return subprocess.CompletedProcess(command, done.returncode, *said)


def _failure(client: Client, where: str, lines: Sequence[str], code: int) -> ToolError:
    text = "; ".join(lines[-TAIL_LINES:]).encode("utf-8", "replace").decode("utf-8")
    hint = next((hint for sign, hint in HINTS.items() if sign in text), "")
    return ToolError(f"{client.program} {client.path} failed{where} (exit {code}): {text}", hint=hint)


def _connection(
    dsn: Dsn, *, server_version: int, purpose: str, settings: Mapping[str, str]
) -> tuple[str, dict[str, str]]:
    """Conninfo for argv, without secrets, and the environment that holds the rest."""
    parameters = libpq_parameters(dsn, purpose=purpose)
    environment = _bare()
    # libpq has no variables for these; with a name of the database in it, it must be in argv anyway.
    conninfo = {"keepalives_interval": "10", "keepalives_count": "6"}
    fixed = {
        **timeouts_off(server_version),
        "default_transaction_read_only": "off",
        # T2: an index that was acknowledged, and then gone after a crash, would be missed by nobody.
        "synchronous_commit": "on",
        **looked_for(server_version),
        # An archive remembers its session's value; off, a backslash in a literal is printed twice.
        "standard_conforming_strings": "on",
    }
    given = parameters.pop("options", "")
    environment["PGOPTIONS"] = " ".join(
        [given, *(f"-c {name}={_escaped(value)}" for name, value in {**fixed, **settings}.items())]
    ).strip()
    for name, value in parameters.items():
        if name in VARIABLES:
            environment[VARIABLES[name]] = value
        elif "password" not in name:
            conninfo[name] = value
    return make_conninfo("", **conninfo), environment


def _escaped(value: str) -> str:
    # https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-OPTIONS
    return value.replace("\\", "\\\\").replace(" ", "\\ ")


def _bare() -> dict[str, str]:
    """What a program needs to start, and messages in English: no tokens or keys, and nothing that libpq reads."""
    return {**{name: os.environ[name] for name in NEEDED if name in os.environ}, "LC_ALL": "C"}
