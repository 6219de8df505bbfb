"""PgBouncer inside an app's dynos: what Heroku's buildpack makes of the URLs it is given, decided before the fence.

Pure. `bin/start-pgbouncer` reads the variables that PGBOUNCER_URLS names when a dyno boots, and puts URLs of its own in
their place. Invariant: every way that is known in which a dyno would not boot, or not reach the new database, is either
impossible by what is planned here, or refused with what to change.

https://github.com/heroku/heroku-buildpack-pgbouncer (bin/start-pgbouncer, bin/gen-pgbouncer-conf.sh)
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Literal

from pgcutover.errors import RefusedError
from pgcutover.facts.estate import ProcessType
from pgcutover.facts.names import Secret
from pgcutover.planning.moves import PGBOUNCER_URLS, AppMoves, Pooling, Role, place_of
from pgcutover.planning.plan import Advice

SslWish = Literal["auto", "require", "none"]

DEFAULT_VARIABLE = "DATABASE_URL"
"""What the buildpack reads where PGBOUNCER_URLS is not set."""
ENABLED = frozenset({"1", "true", "yes", "on"})
SPEAKS_TLS = frozenset({"require", "verify-ca", "verify-full"})
CHECKS_CERTIFICATES = frozenset({"verify-ca", "verify-full"})
SERVER_TLS = "PGBOUNCER_SERVER_TLS_SSLMODE"
UNDERSTOOD = re.compile(r"postgres(?:ql)?://([^:]*):([^@]*)@(.*?):(\d+)/([^?]+)")
"""Its own expression, port included, but without the query string that it takes for a part of the database's name."""
STARTER = re.compile(r"\S*start-pgbouncer\S*")
ENDED_WELL = "pgcutover: through PgBouncer, it ended well"
SETTINGS = "heroku config:unset {name} -a {app}"

BYTES_PER_CONNECTION = 9531392
MOST_CONNECTIONS = 5000
"""RDS allows LEAST({DBInstanceClassMemory/9531392},5000) connections where nothing else is set.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dynos:
    """How an app's dynos are made and started."""

    formation: tuple[ProcessType, ...]
    buildpacks: tuple[str, ...]
    config: Mapping[str, Secret]

    def setting(self, name: str, default: str = "") -> str:
        """A config var; as in the buildpack, an empty one is as good as none."""
        value = self.config.get(name)
        return value.reveal() if value else default

    @property
    def starter(self) -> str:
        """The program of the buildpack that a command starts through; '' where none does."""
        found = (STARTER.search(p.command) for p in self.formation)
        return next((match[0] for match in found if match), "")

    @property
    def carry_pgbouncer(self) -> bool:
        return bool(
            self.starter or PGBOUNCER_URLS in self.config or any("pgbouncer" in b.lower() for b in self.buildpacks)
        )


def fitted(moves: AppMoves, dynos: Dynos, *, app_role: str, sslmode: SslWish) -> AppMoves:
    """The same moves with URLs, and PGBOUNCER_URLS, as these dynos need them.

    Raises:
        RefusedError: they would not boot on the new database, or not reach it.
    """
    _refuse_server_side(moves.app, dynos)
    if not dynos.carry_pgbouncer:
        return moves.model_copy(update={"sslmode": "none" if sslmode == "none" else "require", "pooling": None})
    if sslmode == "require":
        raise RefusedError(
            f"{moves.app} starts through PgBouncer's buildpack, which takes ?sslmode=… for a part of the database's "
            "name",
            hint='Set app_sslmode = "auto" under [target]: the buildpack asks for TLS by itself.',
        )
    pooling = None
    if dynos.setting("PGBOUNCER_ENABLED", "1").lower() in ENABLED:
        _refuse_settings(moves.app, dynos)
        named = _named(moves.app, dynos)
        pooling = Pooling(starter=dynos.starter, variables=named, was_set=PGBOUNCER_URLS in dynos.config)
        _refuse_unready(moves, named, dynos)
        _refuse_shared_users(moves, named, dynos, app_role)
    return moves.model_copy(update={"sslmode": "none", "pooling": pooling})


def _refuse_server_side(app: str, dynos: Dynos) -> None:
    if any("use-pgbouncer" in p.command for p in dynos.formation):
        raise RefusedError(
            f"{app} starts through bin/use-pgbouncer, which needs Heroku's own pooler on the port after the database's",
            hint="Start it without, or with bin/start-pgbouncer, and release that first.",
        )


def _refuse_settings(app: str, dynos: Dynos) -> None:
    client = dynos.setting("PGSSLMODE")
    if client in SPEAKS_TLS:
        raise RefusedError(
            f"{app} sets PGSSLMODE to {client}, and PgBouncer in its dynos speaks no TLS with the application",
            hint=f"{SETTINGS.format(name='PGSSLMODE', app=app)}: on the way to the server the buildpack asks for TLS.",
        )
    server = dynos.setting(SERVER_TLS)
    if server in CHECKS_CERTIFICATES:
        raise RefusedError(
            f"{app} sets {SERVER_TLS} to {server}, and the buildpack has no place for the authority's certificate: "
            "every connection would hang",
            hint=f"{SETTINGS.format(name=SERVER_TLS, app=app)}: without it TLS is required, and nothing checked.",
        )


def _named(app: str, dynos: Dynos) -> tuple[str, ...]:
    """What PGBOUNCER_URLS names, its default included."""
    named = dynos.setting(PGBOUNCER_URLS, DEFAULT_VARIABLE).split()
    wrong = [word for word in named if not re.fullmatch(r"\w+", word)]
    if wrong:
        raise RefusedError(
            f"{PGBOUNCER_URLS} of {app} holds what is no name of a variable: every dyno would end at boot",
            hint=f"It is a list of names with spaces between them: heroku config:set {PGBOUNCER_URLS}='A_URL B_URL' "
            f"-a {app}.",
        )
    return tuple(dict.fromkeys(named))


def _refuse_unready(moves: AppMoves, named: Sequence[str], dynos: Dynos) -> None:
    """Whatever is listed must hold a URL that the buildpack understands; those that move will."""
    moved = {m.variable for m in moves.variables}
    for name in named:
        if name in moved:
            continue
        default = "" if PGBOUNCER_URLS in dynos.config else ", which is the default,"
        what = f"{PGBOUNCER_URLS} of {moves.app}{default} names {name}"
        hint = (
            f"List only what the app has: heroku config:set {PGBOUNCER_URLS}='A_URL B_URL' -a {moves.app}; or switch "
            f"the pooler off: heroku config:set PGBOUNCER_ENABLED=0 -a {moves.app}."
        )
        value = dynos.setting(name)
        if not value:
            raise RefusedError(f"{what}, which is not set: every dyno would end at boot", hint=hint)
        if not UNDERSTOOD.fullmatch(value):
            raise RefusedError(
                f"{what}, whose URL the buildpack does not understand: it needs user, password and port, and takes a "
                "query string for a part of the database's name",
                hint=hint,
            )


def _refuse_shared_users(moves: AppMoves, named: Sequence[str], dynos: Dynos, app_role: str) -> None:
    """The buildpack keeps passwords by user name, so that of two for one user the last is taken for both."""
    moved = {m.variable: m.user or app_role for m in moves.variables}
    holders: dict[str, dict[object, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in named:
        if name in moved:
            # One role has one password on the new server, the replica's included.
            holders[moved[name]]["new"].append(name)
        elif place := place_of(Secret(dynos.setting(name))):
            holders[place.user][place.password].append(name)
    for user, passwords in holders.items():
        if len(passwords) > 1:
            names = ", ".join(sorted(name for names in passwords.values() for name in names))
            raise RefusedError(
                f"{PGBOUNCER_URLS} of {moves.app} names {names}, which log in as {user} with different passwords: the "
                "buildpack keeps one password for each user",
                hint=f"List only one of them, or give the other database another user: heroku config:set "
                f"{PGBOUNCER_URLS}='…' -a {moves.app}.",
            )


def refuse_hidden(app: str, commands: Mapping[str, str]) -> None:
    """Raises RefusedError when one of our one-off commands, by the name of its key, starts the buildpack in its midst.

    There we could not tell how it ended, see `through`.
    """
    for key, command in commands.items():
        if "start-pgbouncer" in parted(command)[1]:
            raise RefusedError(
                f"the {key} command of {app} starts PgBouncer's buildpack in its midst: how it ends cannot be told",
                hint=f"Let it begin with the buildpack's program, or leave that out: environments.ENV.app.{app}.{key}.",
            )


def parted(command: str) -> tuple[str, str]:
    """The buildpack's program that a command begins with, '' where there is none, and the rest."""
    found = re.match(rf"\s*({STARTER.pattern})\s+(.+)", command, re.DOTALL)
    return (found[1], found[2]) if found else ("", command)


def through(starter: str, command: str) -> str:
    """A shell command that runs another one through the buildpack and ends as that did.

    The buildpack's program does not end with its command's status, so a line of the command's own tells; and it ends
    its whole process group, in which our own shell must not be.
    """
    inner = quote(f"( {command} ) && echo {ENDED_WELL}")
    judge = f'{{print}} $0 == "{ENDED_WELL}" {{well = 1}} END {{exit !well}}'
    return f"setsid -w {starter} bash -c {inner} 2>&1 | awk {quote(judge)}"


def told(command: str) -> str:
    """The same command, such that its status tells how it ended."""
    starter, rest = parted(command)
    return through(starter, rest) if starter else command


def advice(moves: AppMoves) -> Iterator[Advice]:
    """What a person should know about an app with PgBouncer in its dynos."""
    pooling = moves.pooling
    if pooling is None:
        return
    yield Advice(
        what=f"{moves.app} starts through PgBouncer's buildpack: its URLs carry no query string, and {PGBOUNCER_URLS} "
        f"is set to {pooling.urls!r} in the same release",
        hint="Its version cannot be seen from here, and RDS's passwords need 0.15 or newer: "
        + ("`connect` tries it." if pooling.starter else "no command shows how it is started, so try it yourself."),
    )
    if DEFAULT_VARIABLE in pooling.variables:
        yield Advice(
            what=f"{moves.app}: {PGBOUNCER_URLS} names {DEFAULT_VARIABLE}, which comes and goes with an attachment: "
            "without it every dyno ends at boot",
            hint="No dyno runs while it is gone. After the move, a variable of another name is safer.",
        )


def connections(moves: AppMoves, dynos: Dynos) -> Mapping[Role, int]:
    """How many connections the app's poolers may hold to each server."""
    pooling = moves.pooling
    if pooling is None:
        return {}
    each = _whole(dynos, "PGBOUNCER_DEFAULT_POOL_SIZE", 1) + _whole(dynos, "PGBOUNCER_RESERVE_POOL_SIZE", 1)
    pooled = [p for p in dynos.formation if not pooling.starter or STARTER.search(p.command)]
    count = sum(p.quantity for p in pooled if p.type != "release")
    held: dict[Role, int] = defaultdict(int)
    for move in moves.variables:
        if move.variable in pooling.variables:
            held[move.role] += count * each
    return dict(held)


def about_connections(held: Mapping[Role, int], memory_gib: Mapping[Role, float]) -> Iterator[Advice]:
    """All apps' poolers against what each server takes. `memory_gib` is that of the class, where it is known."""
    for role, count in sorted(held.items()):
        most = most_connections(memory_gib[role]) if role in memory_gib else 0
        words = f"PgBouncer in the dynos may hold {count} connections to the {role}"
        if not most:
            yield Advice(what=words, hint="Dynos × (pool size + reserve); how many the server takes is not known.")
        elif count > most:
            yield Advice(
                what=f"{words}, which takes about {most}",
                hint="Make PGBOUNCER_DEFAULT_POOL_SIZE smaller, or choose a larger size under [target].",
            )
        else:
            yield Advice(what=f"{words}, which takes about {most}", hint="Dynos × (pool size + reserve).")


def most_connections(memory_gib: float) -> int:
    """About how many connections RDS allows on a class with so much memory."""
    return min(int(memory_gib * 2**30) // BYTES_PER_CONNECTION, MOST_CONNECTIONS)


def _whole(dynos: Dynos, name: str, default: int) -> int:
    text = dynos.setting(name, str(default))
    return int(text) if text.isdigit() else default
