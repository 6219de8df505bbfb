"""Prove, days ahead, that a dyno of each application can log in to the new database with the exact URL it will get."""

import hashlib
from dataclasses import dataclass

from pgcutover.errors import SmokeError
from pgcutover.running.step import Before, Finding, Verdict
from pgcutover.steps.one_off import run_one_off
from pgcutover.steps.ports import World

CONNECTED = "connected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect:
    """A one-off dyno of each app runs its `connect` command with DATABASE_URL set to the new database's URL."""

    commands: tuple[tuple[str, str], ...]
    """(app, command) pairs."""
    sslmode: str
    name: str = "connect"
    keeps_target: bool = True
    """It changes nothing, and AWS not answering must not hinder going back."""
    title: str = "connect to the new database from a one-off dyno of each app, with the exact URL it will get"
    by_hand: str = "nothing to undo"
    calls: tuple[str, ...] = ("POST /apps/APP/dynos {command, env: {DATABASE_URL}}",)

    def observe(self, world: World) -> Before:
        return {}

    def do(self, world: World, before: Before) -> None:
        url = world.access.app_url(sslmode=self.sslmode)
        for app, command in self.commands:
            outcome = run_one_off(world, app, command, env={"DATABASE_URL": url})
            if outcome.status != 0:
                said = "; ".join(outcome.output[-3:]) or "no output"
                raise SmokeError(
                    f"a dyno of {app} ({outcome.dyno}) could not connect to the new database: {said}",
                    hint="Check the security group and exposure, then run pgcutover prepare again; "
                    f"environments.ENV.app.{app}.connect sets the command.",
                )
            world.notes.note(CONNECTED, {"app": app, "url": self._digest(world)})

    def verify(self, world: World, before: Before) -> Finding:
        url = self._digest(world)
        proved = {str(n["app"]) for n in world.notes.notes(CONNECTED) if n["url"] == url}
        missing = [app for app, _ in self.commands if app not in proved]
        verdict = Verdict.ABSENT if missing else Verdict.WHOLE
        return Finding(verdict=verdict, unchanged=True, detail=f"{len(proved)} apps connected")

    def undo(self, world: World, before: Before) -> None:
        """Nothing outside was changed."""

    def _digest(self, world: World) -> str:
        return hashlib.sha256(world.access.app_url(sslmode=self.sslmode).reveal().encode()).hexdigest()
