"""Which database a person means: a URL, or what libpq understands (`service=…`, `host=… dbname=…`).

Passwords stay wrapped, and need not be in the text: libpq finds them in ~/.pgpass. It connects to nothing. The
invariant: what is returned names host, user and database, so that every message can say which database it is about.
"""

import configparser
import os
import re
from collections.abc import Mapping
from pathlib import Path

from pgcutover.errors import ConfigError
from pgcutover.facts.names import DEFAULT_PORT, Dsn, Secret

HINT = (
    "Give postgres://user@host:port/database, or service=NAME with the service in ~/.pg_service.conf; the password may "
    "stand in ~/.pgpass."
)
# One `key = value` of libpq's other form; a value may be quoted, with backslashes before quotes and backslashes.
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE
PAIR = re.compile(r"\s*(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)+))")
NAMED = ("host", "port", "user", "password", "dbname", "service")


def endpoint(text: str, environ: Mapping[str, str] = os.environ) -> Dsn:
    """The database that a text names.

    Raises:
        ConfigError: it names none; the message never quotes the text, for it may hold a password.
    """
    if text.strip().startswith(("postgres://", "postgresql://")):
        return Dsn.parse(text)
    found = _pairs(text)
    if "service" in found:
        found = {**_service(found["service"], environ), **found}
    if not all(found.get(name) for name in ("host", "user", "dbname")):
        raise ConfigError("a database is named without host, user or dbname", hint=HINT)
    port = found.get("port", str(DEFAULT_PORT))
    if not port.isdigit():
        raise ConfigError("the port of a database is not a number", hint=HINT)
    return Dsn(
        host=found["host"],
        port=int(port),
        user=found["user"],
        password=Secret(found.get("password", "")),
        database=found["dbname"],
        options=tuple((name, value) for name, value in found.items() if name not in NAMED),
    )


def _pairs(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    position = 0
    while position < len(text.rstrip()):
        pair = PAIR.match(text, position)
        if pair is None:
            raise ConfigError("a database is named in a way that nobody understands", hint=HINT)
        name, quoted, bare = pair.groups()
        found[name] = re.sub(r"\\(.)", r"\1", quoted if quoted is not None else bare)
        position = pair.end()
    return found


def _service(name: str, environ: Mapping[str, str]) -> dict[str, str]:
    """https://www.postgresql.org/docs/current/libpq-pgservice.html: the user's file first, then the system's."""
    home = Path(environ.get("HOME", "~")).expanduser()
    own = Path(environ.get("PGSERVICEFILE") or home / ".pg_service.conf")
    everybodys = Path(environ.get("PGSYSCONFDIR", "/etc/postgresql-common")) / "pg_service.conf"
    for path in (own, everybodys):
        file = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",))
        try:
            read = file.read(path, "utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError) as cause:
            raise ConfigError(f"{path} cannot be read as a service file") from cause
        if read and file.has_section(name):
            return dict(file[name])
    raise ConfigError(f"no service named {name!r}", hint=f"Neither {own} nor {everybodys} has it.")
