"""The PgBouncer buildpack as an app's dynos meet it: `bin/start-pgbouncer COMMAND` and `bin/use-pgbouncer COMMAND`.

    python -m pgcutover.lab.heroku.pgbouncer start|use COMMAND…

Both look at the variables that PGBOUNCER_URLS names, separated by spaces, and end with 1 where the buildpack's scripts
(v0.18.0) do. `start` puts a PgBouncer of the dyno's own between the command and those databases; when either ends, so
does the other. `use` expects Heroku's server-side pooler on the port after the database's. Nothing here knows TLS
beyond what PgBouncer asks of the server, nor repairs what is wrong in a URL: a query string is a part of the database's
name. https://github.com/heroku/heroku-buildpack-pgbouncer

Where no PgBouncer is installed the command gets the servers' own addresses, read as the buildpack reads them. Dynos of
a lab share one loopback, so each PgBouncer listens on a free port in place of 6000.
"""

import os
import pwd
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote, unquote

BUILDPACK = "heroku/pgbouncer"
SCRIPTS = MappingProxyType({"bin/start-pgbouncer": "start", "bin/use-pgbouncer": "use"})
"""What the buildpack adds to a slug, and what each of them is here."""
PROGRAM = "/usr/sbin/pgbouncer"
"""Where Debian has it; it is in nobody's PATH but root's."""
ENABLED = frozenset({"1", "true", "yes", "on"})
DEFAULT_LIST = "DATABASE_URL"
URL = re.compile(r"^postgres(?:ql)?://([^:]*):([^@]*)@(.*?):(.*?)/(.*?)$")
VARIABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
POLL_S = 0.05
LISTEN_LIMIT_S = 30.0
SETTINGS = MappingProxyType(
    {
        "auth_type": ("PGBOUNCER_AUTH_TYPE", "scram-sha-256"),
        "server_tls_sslmode": ("PGBOUNCER_SERVER_TLS_SSLMODE", "require"),
        "pool_mode": ("PGBOUNCER_POOL_MODE", "transaction"),
        "max_client_conn": ("PGBOUNCER_MAX_CLIENT_CONN", "100"),
        "default_pool_size": ("PGBOUNCER_DEFAULT_POOL_SIZE", "1"),
        "min_pool_size": ("PGBOUNCER_MIN_POOL_SIZE", "0"),
        "reserve_pool_size": ("PGBOUNCER_RESERVE_POOL_SIZE", "1"),
        "reserve_pool_timeout": ("PGBOUNCER_RESERVE_POOL_TIMEOUT", "5.0"),
        "server_lifetime": ("PGBOUNCER_SERVER_LIFETIME", "3600"),
        "server_idle_timeout": ("PGBOUNCER_SERVER_IDLE_TIMEOUT", "600"),
        "query_wait_timeout": ("PGBOUNCER_QUERY_WAIT_TIMEOUT", "120"),
        "log_connections": ("PGBOUNCER_LOG_CONNECTIONS", "1"),
        "log_disconnections": ("PGBOUNCER_LOG_DISCONNECTIONS", "1"),
        "log_pooler_errors": ("PGBOUNCER_LOG_POOLER_ERRORS", "1"),
        "stats_period": ("PGBOUNCER_STATS_PERIOD", "60"),
    }
)
"""PgBouncer's setting: the variable that changes it, and the buildpack's default."""


class ExitingError(Exception):
    """What the script says before it ends with 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One variable of the list, taken apart as the buildpack takes it apart."""

    variable: str
    user: str
    password: str
    host: str
    port: str
    database: str


def scripts(buildpacks: Iterable[str]) -> dict[str, str]:
    """What these buildpacks put into a slug: path to content."""
    if not any(BUILDPACK in buildpack or "heroku-buildpack-pgbouncer" in buildpack for buildpack in buildpacks):
        return {}
    return {
        path: f'#!/bin/sh\nexec python -m pgcutover.lab.heroku.pgbouncer {part} "$@"\n'
        for path, part in SCRIPTS.items()
    }


def servers(environment: Mapping[str, str]) -> tuple[Server, ...]:
    """Raises ExitingError: a variable is missing, or no URL that the script can read."""
    return tuple(_server(name, environment) for name in (environment.get("PGBOUNCER_URLS") or DEFAULT_LIST).split())


def _server(variable: str, environment: Mapping[str, str]) -> Server:
    if not VARIABLE.fullmatch(variable):
        raise ExitingError(f"{variable}: not a valid identifier")
    url = environment.get(variable, "")
    if not url:
        raise ExitingError(f"{variable} is empty. Exiting...")
    found = URL.match(url)
    if found is None:
        raise ExitingError(f"{variable} is not a valid PostgresSQL connection string. Exiting...")
    # The script puts the parts together with colons and takes them apart again: one in the password moves the rest on.
    user, password, host, port, database = ":".join(found.groups()).split(":", 4)
    return Server(
        variable=variable, user=unquote(user), password=unquote(password), host=host, port=port, database=database
    )


def direct(server: Server) -> str:
    """The URL of a session that nothing stands before, with TLS as PgBouncer asks for it."""
    return f"{_login(server)}@{server.host}:{server.port}/{quote(server.database, safe='')}?sslmode=require"


def pooled(server: Server, number: int, port: int) -> str:
    return f"{_login(server)}@127.0.0.1:{port}/db{number}"


def after(url: str, server: Server) -> str:
    """The same URL on the port after its own, where the server-side pooler is."""
    return url.replace(f":{server.port}/", f":{int(server.port) + 1}/", 1)


def _login(server: Server) -> str:
    return f"postgres://{quote(server.user, safe='')}:{quote(server.password, safe='')}"


def configuration(listed: Iterable[Server], environment: Mapping[str, str], directory: Path, port: int) -> str:
    lines = ["[databases]"]
    lines += [
        f"db{number} = host={one.host} port={one.port} dbname={one.database}" for number, one in enumerate(listed, 1)
    ]
    lines += [
        "[pgbouncer]",
        "listen_addr = 127.0.0.1",
        f"listen_port = {port}",
        # None: in /tmp, that of another dyno would be in its way.
        "unix_socket_dir =",
        f"auth_file = {directory / 'users.txt'}",
        "ignore_startup_parameters = extra_float_digits",
    ]
    lines += [f"{name} = {environment.get(variable, default)}" for name, (variable, default) in SETTINGS.items()]
    return "\n".join(lines) + "\n"


def users(listed: Iterable[Server]) -> str:
    """Keyed by user alone: of two passwords of one user, one will not do."""
    return "".join(f'"{one.user}" "{one.password}"\n' for one in listed)


def start(command: list[str], environment: dict[str, str]) -> int:
    if environment.get("PGBOUNCER_ENABLED", "1") not in ENABLED:
        print("pgbouncer is disabled", flush=True)
        return _become(command, environment)
    listed = servers(environment)
    if not Path(PROGRAM).exists():
        print("pgbouncer is not installed on this machine: going on without", flush=True)
        return _become(command, {**environment, **{one.variable: direct(one) for one in listed}})
    port = _free_port()
    pooler = _start_pooler(listed, environment, port)
    urls = {one.variable: pooled(one, number, port) for number, one in enumerate(listed, 1)}
    try:
        print(f"Starting app: {shlex.join(command)}", flush=True)
        app = subprocess.Popen(command, env={**environment, **urls})
    except OSError:
        pooler.kill()
        raise
    return _together(pooler, app)


def use(command: list[str], environment: dict[str, str]) -> int:
    listed = servers(environment)
    urls = {one.variable: after(environment[one.variable], one) for one in listed}
    return _become(command, {**environment, **urls})


def _become(command: list[str], environment: Mapping[str, str]) -> int:
    os.execvpe(command[0], command, dict(environment))


def _start_pooler(listed: tuple[Server, ...], environment: Mapping[str, str], port: int) -> "subprocess.Popen[bytes]":
    """Returns when it listens. Its files are in the dyno's directory, its end is the dyno's: it is of its group."""
    directory = Path.cwd() / "vendor" / "pgbouncer"
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("users.txt", users(listed)),
        ("pgbouncer.ini", configuration(listed, environment, directory, port)),
    ):
        path = directory / name
        path.touch(mode=0o600)
        path.write_text(text)
    user = _hand_over(directory)
    pooler = subprocess.Popen(
        [PROGRAM, "-q", str(directory / "pgbouncer.ini")],
        user=user,
        group=None if user is None else pwd.getpwnam(user).pw_gid,
        extra_groups=None if user is None else [],
        stdin=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + LISTEN_LIMIT_S
    while pooler.poll() is None and not _listens(port):
        if time.monotonic() > deadline:
            pooler.kill()
        time.sleep(POLL_S)
    if pooler.poll() is not None:
        raise ExitingError(f"pgbouncer ended with {pooler.returncode}")
    return pooler


def _hand_over(directory: Path) -> str | None:
    """PgBouncer refuses to run as root: then the servers' user reads its files. Returns that user."""
    # Late, for it brings psycopg: an app without a database URL is to crash as fast as in a shell.
    from pgcutover.lab.clusters import run_as

    user = run_as()
    if user is not None:
        for path in (directory, *directory.iterdir()):
            shutil.chown(path, user)
        for path in (directory.parent, directory.parent.parent):
            path.chmod(path.stat().st_mode | 0o011)
    return user


def _together(pooler: "subprocess.Popen[bytes]", app: "subprocess.Popen[bytes]") -> int:
    """Until either has ended, and then until both have; the status is the app's."""
    # A dyno's SIGTERM reaches every process of it; what the app makes of it decides.
    signal.signal(signal.SIGTERM, lambda _number, _frame: _tell(app))
    while pooler.poll() is None and app.poll() is None:
        time.sleep(POLL_S)
    if app.poll() is None:
        print("pgbouncer exited, stopping the app", flush=True)
        _tell(app)
    status = app.wait()
    if pooler.poll() is None:
        pooler.terminate()
        pooler.wait()
    return status if status >= 0 else 128 - status


def _tell(app: "subprocess.Popen[bytes]") -> None:
    if app.poll() is None:
        app.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


PARTS = MappingProxyType({"start": start, "use": use})


def main(arguments: list[str]) -> int:
    if len(arguments) < 2 or arguments[0] not in PARTS:
        print("usage: pgbouncer start|use COMMAND…", file=sys.stderr)
        return 64
    try:
        return PARTS[arguments[0]](arguments[1:], dict(os.environ))
    except ExitingError as reason:
        print(reason, flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
