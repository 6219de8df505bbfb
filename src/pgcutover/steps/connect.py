"""Prove, days ahead, that a dyno of each application can log in to the new database with each exact URL it will get.

Where PgBouncer's buildpack stands between the app and its URLs, it is proved through that as well: what it makes of a
URL is its own affair, and its version cannot be seen from outside.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pgcutover.errors import SmokeError
from pgcutover.facts.names import Secret
from pgcutover.planning.moves import PGBOUNCER_URLS, AppMoves, Pooling, Role
from pgcutover.planning.pgbouncer import parted, through
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.config_vars import new_values
from pgcutover.steps.one_off import run_one_off
from pgcutover.steps.ports import World

CONNECTED = "connected"
TRIED = "DATABASE_URL"
"""The variable by which a `connect` command gets the URL that is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One URL that an app will get, and whether it is tried through the buildpack."""

    app: str
    command: str
    url: Secret
    env: Mapping[str, Secret]
    whose: str
    pooled: bool = False

    @property
    def mark(self) -> str:
        """What is noted of it; no secret."""
        digest = hashlib.sha256(self.url.reveal().encode()).hexdigest()
        return f"{digest} through PgBouncer" if self.pooled else digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """One-off dynos of each app run its `connect` command, with the new URLs set as after the switch.

    The one that is tried stands in DATABASE_URL, too.
    """

    apps: tuple[AppMoves, ...]
    """With the server that each variable names at the switch."""
    commands: tuple[tuple[str, str], ...]
    """(app, command) pairs."""
    name: str = "connect"
    keeps_target: bool = True
    """It changes nothing, and AWS not answering must not hinder going back."""
    title: str = "connect to the new database from one-off dynos of each app, with each exact URL it will get"
    by_hand: str = "nothing to undo"
    calls: tuple[str, ...] = ("POST /apps/APP/dynos {command, env: {DATABASE_URL, …}}",)

    def observe(self, world: World) -> Before:
        return {}

    def do(self, world: World, before: Before) -> None:
        proved = self._proved(world)
        for trial in self._trials(world):
            if (trial.app, trial.mark) not in proved:
                _try(world, trial)
                world.notes.note(CONNECTED, {"app": trial.app, "url": trial.mark})

    def verify(self, world: World, before: Before) -> Finding:
        proved, trials = self._proved(world), tuple(self._trials(world))
        missing = [t.app for t in trials if (t.app, t.mark) not in proved]
        verdict = Verdict.ABSENT if missing else Verdict.WHOLE
        apps = len({t.app for t in trials} - set(missing))
        return Finding(
            verdict=verdict, unchanged=True, detail=f"{apps} apps connected, by {len(trials) - len(missing)} ways"
        )

    def undo(self, world: World, before: Before) -> None:
        """Nothing outside was changed."""

    @staticmethod
    def _proved(world: World) -> set[tuple[str, str]]:
        return {(str(n["app"]), str(n["url"])) for n in world.notes.notes(CONNECTED)}

    def _trials(self, world: World) -> Iterator[Trial]:
        commands = dict(self.commands)
        for moves in self.apps:
            _, command = parted(commands[moves.app])
            values = new_values(world, moves)
            urls = {(m.role, m.user): values[m.variable] for m in moves.variables}
            for login, url in urls.items():
                direct = Trial(
                    app=moves.app,
                    command=command,
                    url=url,
                    env={**values, TRIED: url},
                    whose=f"the {login[0]}{f' as {login[1]}' if login[1] else ''}",
                )
                yield direct
                if moves.pooling and moves.pooling.starter and login in _pooled(moves, moves.pooling):
                    yield _through_pgbouncer(direct, moves.pooling.starter)


def _pooled(moves: AppMoves, pooling: Pooling) -> set[tuple[Role, str]]:
    """The logins with which PgBouncer in the dynos goes to the new database."""
    return {(m.role, m.user) for m in moves.variables if m.variable in pooling.variables}


def _through_pgbouncer(direct: Trial, starter: str) -> Trial:
    return replace(
        direct,
        command=through(starter, direct.command),
        env={**direct.env, PGBOUNCER_URLS: Secret(TRIED)},
        pooled=True,
        whose=f"{direct.whose} through PgBouncer",
    )


def _try(world: World, trial: Trial) -> None:
    outcome = run_one_off(world, trial.app, trial.command, env=trial.env)
    if outcome.status != 0:
        said = "; ".join(outcome.output[-3:]) or "no output"
        raise SmokeError(
            f"a dyno of {trial.app} ({outcome.dyno}) could not connect to the new database, {trial.whose}: {said}",
            hint="Check the security group and exposure, then run pgcutover prepare again; "
            f"environments.ENV.app.{trial.app}.connect sets the command.",
        )
