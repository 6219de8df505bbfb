"""A world for the steps on Heroku's side, over a local Heroku, and how a step is tried: done twice, undone twice."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local_heroku import FAST

from pgcutover.edges.heroku import HerokuClient
from pgcutover.edges.vault import Vault
from pgcutover.errors import PgcutoverError
from pgcutover.facts.names import Secret
from pgcutover.planning.moves import Role
from pgcutover.running.step import Before, Json, Step, Verdict


@dataclass
class Notes:
    kept: list[tuple[str, Mapping[str, Json]]] = field(default_factory=list)

    def note(self, kind: str, payload: Mapping[str, Json]) -> None:
        self.kept.append((kind, dict(payload)))

    def notes(self, kind: str) -> tuple[Mapping[str, Json], ...]:
        return tuple(payload for k, payload in self.kept if k == kind)


class QuickClock:
    """Waiting is as much shorter as the local Heroku is faster, and only waiting takes time: on a busy machine dynos
    start as slowly as on any other Heroku."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds
        time.sleep(max(seconds / FAST, 0.05))


@dataclass
class Access:
    """The new database's URLs: the old one's, with each server and login told apart by the application's name.

    Without a query string it is the database's name that tells, so that nothing works there.
    """

    url: str
    fails: type[PgcutoverError] | None = None
    """What AWS answers with in place of a URL."""

    def app_url(self, *, sslmode: str, server: Role = "primary", user: str = "") -> Secret:
        if self.fails:
            raise self.fails("AWS does not answer")
        if sslmode == "none":
            return Secret(f"{self.url}_{server}_{user or 'app'}")
        return Secret(f"{self.url}?application_name={server}.{user or 'app'}&sslmode={sslmode}")


@dataclass(frozen=True, kw_only=True)
class World:
    heroku: HerokuClient
    vault: Vault
    access: Access
    notes: Notes = field(default_factory=Notes)
    clock: QuickClock = field(default_factory=QuickClock)


def done(step: Step[Any], world: World) -> Before:
    """Do a step twice, as after a crash, and see that it is whole."""
    before = step.observe(world)
    step.do(world, before)
    step.do(world, before)
    assert Verdict.WHOLE == step.verify(world, before).verdict
    return before


def undone(step: Step[Any], world: World, before: Before) -> None:
    step.undo(world, before)
    step.undo(world, before)
    finding = step.verify(world, before)
    assert finding.verdict == Verdict.ABSENT or finding.unchanged
